# Everything is set up on demand in .venv; a second run starts at once.
.DEFAULT_GOAL := help
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-annotate --no-header --no-emit-index-url
# What `make runners` installed, for the tests that want the real thing.
LCP := $(wildcard $(CURDIR)/.runners/llama-cpp-python/bin/python)
VLLM := $(wildcard $(CURDIR)/.runners/vllm/bin/python)
# All cores but one, with both of its threads: an engine that shares them with the load loses what the load takes.
ENGINE_CORES = $(shell smt=$$(cat /sys/devices/system/cpu/smt/active 2>/dev/null || echo 0); \
  n=$$(($$(nproc 2>/dev/null || echo 1) - 1 - smt)); [ $$n -lt 1 ] || echo --engine-cores $$n)
REAL_RUNNERS := $(if $(LCP),SLUICEGATE_TEST_LLAMA_CPP_PYTHON=$(LCP)) $(if $(VLLM),SLUICEGATE_TEST_VLLM_PYTHON=$(VLLM))

.PHONY: help run test quick check format bench eval gray engines constraints schema runners clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(VENV)/.run ## start the gateway (finds runners on this machine, or starts a small one)
	@exec $(BIN)/sluicegate serve

test: check ## lint, types, layers and every test
	@$(REAL_RUNNERS) $(BIN)/python -m pytest

quick: $(VENV)/.dev ## the tests that take less than ten seconds each
	@$(REAL_RUNNERS) $(BIN)/python -m pytest -m 'not slow'

check: $(VENV)/.dev ## lint, format, types and import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(VENV)/.dev ## mend format and what lint can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev ## overhead beside nginx, see tests/perf/README.md
	@$(BIN)/python -m tests.perf.bench $(ARGS)

eval: $(VENV)/.dev ## does the queue keep what it promises, see tests/eval/REPORT.md
	@$(BIN)/python -m tests.eval $(ARGS)

gray: $(VENV)/.dev ## fifteen people on one to four slots, see tests/perf/README.md
	@$(REAL_RUNNERS) $(BIN)/python -m tests.perf.gray_zone $(ARGS)

engines: $(VENV)/.dev ## every engine here under the same load, see tests/perf/README.md
	@$(BIN)/sluicegate bench engines $(if $(LCP),--llama-cpp-python .runners/llama-cpp-python/bin/python) \
	  $(if $(VLLM),--vllm .runners/vllm/bin/python) $(ENGINE_CORES) \
	  --duration 5s --repeats 8 --input-tokens 32 --output-tokens 16 \
	  --json tests/perf/engines.json --html tests/perf/engines.html --svg tests/perf/engines.svg $(ARGS); \
	  code=$$?; $(BIN)/python -m tests.perf.engines_table && exit $$code

schema: $(VENV)/.dev ## write config/schema.json and config/REFERENCE.md anew
	@$(BIN)/python -m gateway.settings.schema_file
	@$(BIN)/python -m gateway.settings.reference_file

runners: $(VENV)/.dev ## llama-cpp-python and vLLM in environments of their own, for the heavy tests
	@sh tests/runners.sh

constraints: $(VENV)/.dev ## pin every dependency anew, with hashes
	@$(BIN)/python -m pip install --quiet uv
	@$(COMPILE) --upgrade --extra embedded --extra build pyproject.toml -o constraints.txt
	@$(COMPILE) --upgrade --constraint constraints.txt --extra embedded --extra build --extra otlp \
	  --extra dev pyproject.toml -o constraints-dev.txt

clean: ## remove what the targets above made
	@rm -rf $(VENV) .runners build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 1; }
	@echo "making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { echo "no venv module: install it (Debian: apt-get install python3-venv)"; exit 1; }

$(VENV)/.run: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing dependencies (once)"
	@$(INSTALL) --require-hashes -r constraints.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run constraints-dev.txt
	@echo "installing development dependencies (once)"
	@$(INSTALL) --require-hashes -r constraints-dev.txt
	@touch $@
