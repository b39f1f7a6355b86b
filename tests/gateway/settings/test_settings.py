"""The settings are values: frozen throughout, and blind to the process's environment."""

import pytest
from pydantic import ValidationError

from gateway.settings import Settings
from tests.gateway.settings.conftest import Folder

BASE = """\
runners: {box: {backend: llamacpp, launch: {env: {A: b}, args: [-v]}, headers: {X-A: b}}}
models: {m: {backends: {llamacpp: {runners: [box]}}}}
"""


def test_no_field_can_be_set(folder: Folder) -> None:
    settings = folder.load(BASE).settings
    for value in (settings, settings.server, settings.runners["box"], settings.models["m"]):
        field = next(iter(type(value).model_fields))
        with pytest.raises(ValidationError, match="frozen"):
            setattr(value, field, getattr(value, field))


def test_no_map_can_be_changed(folder: Folder) -> None:
    settings = folder.load(BASE).settings
    box, model = settings.runners["box"], settings.models["m"]
    assert box.launch is not None
    for mapping in (settings.runners, settings.models, model.backends, box.headers, box.launch.env):
        with pytest.raises(TypeError):
            mapping["new"] = "x"  # type: ignore[index]


def test_lists_are_tuples(folder: Folder) -> None:
    settings = folder.load(BASE).settings
    launch = settings.runners["box"].launch
    assert launch is not None
    assert launch.args == ("-v",)
    assert settings.models["m"].backends["llamacpp"].runners == ("box",)


def test_constructing_settings_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER", '{"port": 1}')
    monkeypatch.setenv("SLUICEGATE_SERVER__PORT", "1")
    assert Settings().server.port == 8080


def test_settings_dump_to_plain_data(folder: Folder) -> None:
    dumped = folder.load(BASE).settings.model_dump(mode="json")
    assert dumped["runners"]["box"]["launch"]["env"] == {"A": "b"}
    assert dumped["models"]["m"]["backends"]["llamacpp"]["model"] == "m"
