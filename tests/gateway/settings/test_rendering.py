"""The effective configuration as text."""

from pathlib import Path

import yaml

from gateway.settings import load, render_effective
from gateway.settings.node import plain
from gateway.settings.yaml_file import parse_yaml
from tests.gateway.settings.conftest import Folder

BASE = """\
server: {port: 9000, cors_origins: ["https://a"]}
auth:
  mode: keys
  keys:
    - {name: ops, sha256: %s}
runners:
  box: {backend: llamacpp, url: "http://h:1", headers: {X-Team: "blue: 1"}}
  "007": {backend: vllm, launch: {model: "null", args: ["-x", "no"]}}
models:
  "llama3:8b": {backend: vllm, backends: {vllm: {runners: ["007"], model: "1.10"}}}
""" % ("ab" * 32)


def test_every_value_has_its_origin_in_an_aligned_comment(folder: Folder) -> None:
    lines = render_effective(folder.load(BASE, LOG__LEVEL="error")).splitlines()
    assert lines[0] == "# profile: dev"
    assert lines[1].startswith("# files: ")
    port, level, drain = (
        next(line for line in lines if line.strip().startswith(key))
        for key in ("port:", "level:", "drain_s:")
    )
    assert port.split() == ["port:", "9000", "#", "config/gateway.yaml:1"]
    assert level.split("# ")[1] == "environment SLUICEGATE_LOG__LEVEL"
    assert drain.split() == ["drain_s:", "30", "#", "default"]
    assert port.index("#") == level.index("#") == drain.index("#")


def test_what_is_rendered_loads_to_the_same_settings(folder: Folder) -> None:
    loaded = folder.load(BASE)
    text = render_effective(loaded)
    again = folder.load(text)
    assert again.settings == loaded.settings


def test_what_is_rendered_means_the_same_to_other_yaml_readers(folder: Folder) -> None:
    text = render_effective(folder.load(BASE))
    node, faults = parse_yaml(text.encode(), "x.yaml")
    assert node is not None
    assert faults == []
    assert yaml.safe_load(text) == plain(node)


def test_defaults_alone_can_be_rendered(tmp_path: Path) -> None:
    text = render_effective(load({}, cwd=tmp_path))
    assert "# files: none, built-in defaults" in text
    assert "\nrunners: {}" in text
