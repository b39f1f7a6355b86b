"""Serve one GGUF file with llama.cpp's HTTP server out of the wheel `xllamacpp`. A program.

It is started by path, in any interpreter that has the wheel, and imports nothing of ours. No
signal is handled: SIGTERM ends it at once, also while a model loads inside C++.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence

import xllamacpp


def main(argv: Sequence[str]) -> None:
    """Load, listen, and stay until a signal comes. Exits with 1 when the server cannot start."""
    options = _parse(argv)
    params = _params(options)
    try:
        # Blocks until the model is loaded; /health answers 503 meanwhile.
        server = xllamacpp.Server(params)
    except RuntimeError as exc:
        sys.exit(f"llama.cpp could not start: {exc} The reason stands above.")
    print(f"serving {options.alias} at {server.listening_address}", flush=True)
    while True:
        signal.pause()


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="xllamacpp_server", allow_abbrev=False)
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--context", type=int, default=0)
    parser.add_argument("--gpu-layers", type=int, default=-1)
    parser.add_argument("--threads", type=int, default=-1)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any plain field of xllamacpp.CommonParams, e.g. --set cache_prompt=false",
    )
    return parser.parse_args(argv)


def _params(options: argparse.Namespace) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.n_parallel = options.parallel
    params.n_ctx = options.context
    params.n_gpu_layers = options.gpu_layers
    params.cpuparams.n_threads = options.threads
    for text in options.set:
        _set_field(params, text)
    params.hostnames = [options.host]
    params.port = options.port
    params.endpoint_metrics = True
    params.endpoint_slots = True
    return params


def _set_field(params: xllamacpp.CommonParams, text: str) -> None:
    name, _, value = text.partition("=")
    current = getattr(params, name, None)
    if not isinstance(current, bool | int | float | str):
        sys.exit(f"--set {text}: xllamacpp.CommonParams has no plain field {name!r}")
    try:
        setattr(params, name, value if isinstance(current, str) else json.loads(value))
    except (ValueError, TypeError, OverflowError):
        sys.exit(f"--set {text}: {name} takes a value like {json.dumps(current)}")


if __name__ == "__main__":
    main(sys.argv[1:])
