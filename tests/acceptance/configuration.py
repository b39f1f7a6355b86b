"""Configuration files for gateways under test, and the environment that names them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Config = Mapping[str, Any]

QUICK = {"server": {"port": 0, "drain_s": 5}, "log": {"format": "json"}}
"""What every gateway under test has, unless it says otherwise: a free port, readable logs."""


def write_configuration(folder: Path, config: Config) -> dict[str, str]:
    """Write `config` over `QUICK` into `folder`; return the environment that makes it used.

    The caller's own environment is kept but for settings of the gateway.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profiles").mkdir(exist_ok=True)
    for profile in ("dev", "staging", "prod"):
        (folder / "profiles" / f"{profile}.yaml").write_text("{}\n")
    # JSON is YAML, and an indented file has a line for each fault.
    file = folder / "gateway.yaml"
    # A store of its own, and none in the home of whoever runs the tests.
    base = QUICK | {"store": {"state_dir": str(folder / "state")}}
    file.write_text(json.dumps(_laid_over(base, config), indent=1))
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("SLUICEGATE_")}
    return inherited | {"SLUICEGATE_CONFIG": str(file)}


def one_model(backend: str, url: str, *, model: str = "tiny", **runner: Any) -> dict[str, Any]:
    """The public model `demo` on one runner `box` at `url`, which calls it `model`."""
    return {
        "runners": {"box": {"backend": backend, "url": url, "slots": 1} | runner},
        "models": {"demo": {"backends": {backend: {"runners": ["box"], "model": model}}}},
    }


def _laid_over(base: Config, over: Config) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _laid_over(below, value)
        else:
            merged[key] = value
    return merged
