"""Secrets come from the environment or from files of their own, and are never shown."""

import traceback
from pathlib import Path

import pytest

from gateway.settings import SettingsError, render_effective
from tests.gateway.settings.conftest import Folder

CANARY = "cAnArY-1f9d"
RUNNER = "runners:\n  box: {{backend: vllm, url: 'https://h', {}}}\n"


def test_a_key_comes_from_the_environment(folder: Folder) -> None:
    loaded = folder.load(RUNNER.format("slots: 1"), RUNNERS__BOX__API_KEY=CANARY)
    key = loaded.settings.runners["box"].api_key
    assert key is not None
    assert key.get_secret_value() == CANARY


def test_a_key_comes_from_a_file_beside_the_one_that_names_it(folder: Folder) -> None:
    file = folder.write("config/box.key", f"{CANARY}\n")
    loaded = folder.load(RUNNER.format("api_key_file: box.key"))
    key = loaded.settings.runners["box"].api_key
    assert key is not None
    assert key.get_secret_value() == CANARY
    assert loaded.origin(("runners", "box", "api_key")) == f"file {file}"


def test_a_file_that_a_variable_names_starts_at_the_working_directory(folder: Folder) -> None:
    file = folder.write("box.key", CANARY)
    loaded = folder.load(RUNNER.format("slots: 1"), RUNNERS__BOX__API_KEY_FILE="box.key")
    assert loaded.settings.runners["box"].api_key_file == file


def test_the_environment_is_stronger_than_the_file(folder: Folder) -> None:
    folder.write("config/box.key", "other")
    loaded = folder.load(RUNNER.format("api_key_file: box.key"), RUNNERS__BOX__API_KEY=CANARY)
    key = loaded.settings.runners["box"].api_key
    assert key is not None
    assert key.get_secret_value() == CANARY


@pytest.mark.parametrize("content", [b"", b"\n", b"a b", b"a\nb", b"\xff\xfe", b"a\x00"])
def test_a_file_that_holds_no_key_is_a_fault(folder: Folder, content: bytes) -> None:
    folder.write("config/box.key", content)
    (fault,) = folder.faults(RUNNER.format("api_key_file: box.key"))
    assert "the file does not hold one key and nothing else; write the key into it" in str(fault)


def test_a_file_that_is_not_there_is_a_fault(folder: Folder) -> None:
    (fault,) = folder.faults(RUNNER.format("api_key_file: box.key"))
    assert str(fault).startswith("config/gateway.yaml:2: runners.box.api_key_file = ")
    assert "the file cannot be read: No such file or directory; create it" in str(fault)


LITERAL = [
    (f"api_key: {CANARY}", "set SLUICEGATE_RUNNERS__BOX__API_KEY in the environment, or name a"),
    (f"headers: {{X-Team-Token: {CANARY}}}", "as JSON in SLUICEGATE_RUNNERS__BOX__HEADERS"),
    (f"headers: {{Authorization: {CANARY}}}", "use api_key_file or api_key"),
]


@pytest.mark.parametrize(("setting", "remedy"), LITERAL)
def test_a_secret_in_a_file_is_refused_with_the_way_out(
    folder: Folder, setting: str, remedy: str
) -> None:
    (fault,) = folder.faults(RUNNER.format(setting))
    assert fault.origin.line == 2
    assert fault.value == "********"
    assert remedy in fault.remedy


def test_a_secret_for_a_launched_program_is_refused_in_a_file_and_not_in_a_variable(
    folder: Folder,
) -> None:
    base = "runners: {box: {backend: llamacpp, launch: {env: {%s: %s}}}}"
    (fault,) = folder.faults(base % ("HF_TOKEN", CANARY))
    assert "as JSON in SLUICEGATE_RUNNERS__BOX__LAUNCH__ENV" in fault.remedy
    folder.load(base % ("TOKENIZERS_PARALLELISM", "'false'"))
    loaded = folder.load(base % ("A", "b"), RUNNERS__BOX__LAUNCH__ENV=f'{{"HF_TOKEN": "{CANARY}"}}')
    launch = loaded.settings.runners["box"].launch
    assert launch is not None
    assert dict(launch.env) == {"A": "b", "HF_TOKEN": CANARY}


LEAKY_FILES = [
    f"runners: {{box: {{backend: vllm, url: 'http://u:{CANARY}@h', slots: no}}}}",
    f"runners: {{box: {{backend: vllm, url: 'http://h/?key={CANARY}'}}}}",
    f"runners: {{box: {{backend: vllm, apikey: {CANARY}}}}}",
    f"runners: {{box: {{backend: vllm, api_key: {CANARY}}}}}",
    f"runners: {{box: {{backend: vllm, api_key: [{CANARY}]}}}}",
    f"runners: {{box: {{backend: vllm, headers: {{Authorization: {CANARY}}}}}}}",
    f'runners: {{box: {{backend: vllm, headers: {{X-Key: "{CANARY}\\n"}}}}}}',
    f"runners: {{box: {{backend: llamacpp, launch: {{args: ['--api-key={CANARY}']}}}}}}",
    f"runners: {{box: {{backend: llamacpp, launch: {{args: [--api-key, {CANARY}]}}}}}}",
    f"runners: {{box: {{backend: llamacpp, launch: {{env: {{HF_TOKEN: {CANARY}}}}}}}}}",
    f"auth: {{mode: keys, keys: [{{name: a, sha256: {CANARY}}}]}}",
    f"auth: {{mode: keys, keys: [{{name: a, key: {CANARY}}}]}}",
    f"auth: {{mode: keys, keys: {CANARY}, token: {CANARY}}}",
    f"password: {CANARY}",
    f"log: {{level: 'Bearer {CANARY}'}}",
    f"server: {{host: sk-{CANARY}}}",
    f"runners: {{box: {{api_key: {CANARY}\n]",
]


@pytest.mark.parametrize("base", LEAKY_FILES)
def test_no_fault_shows_a_secret_of_a_file(folder: Folder, base: str) -> None:
    with pytest.raises(SettingsError) as caught:
        folder.load(base)
    everything = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
    assert CANARY not in "".join(everything)


LEAKY_VARIABLES = [
    {"RUNNERS__BOX__API_KEY": f"{CANARY} "},
    {"RUNNERS__BOX__APIKEY": CANARY},
    {"RUNERS__BOX__API_KEY": CANARY},
    {"RUNNERS__BOX": f'{{"api_key": "{CANARY}"'},
    {"RUNNERS__BOX": f'{{"api_key": "{CANARY}", "slots": 0}}'},
    {"RUNNERS__BOX__URL": f"http://u:{CANARY}@h:1"},
    {"RUNNERS__BOX__HEADERS": CANARY},
    {"AUTH__KEYS": CANARY},
    {"AUTH__KEYS": f'[{{"name": "a", "sha256": "{CANARY}"}}]'},
    {"AUTH__KEY": CANARY},
    {"AUTHKEYS": f'[{{"name": "a", "sha256": "{CANARY}"}}]'},
    {"TOKEN": CANARY},
]


@pytest.mark.parametrize("environ", LEAKY_VARIABLES)
def test_no_fault_shows_a_secret_of_a_variable(folder: Folder, environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        folder.load("", **environ)
    everything = [str(caught.value), repr(caught.value), *traceback.format_exception(caught.value)]
    assert CANARY not in "".join(everything)


def test_nothing_that_was_loaded_shows_a_secret(folder: Folder) -> None:
    loaded = folder.load(
        RUNNER.format("slots: 1") + "  tiny: {backend: llamacpp, launch: {}}",
        RUNNERS__BOX__API_KEY=CANARY,
        RUNNERS__BOX__HEADERS=f'{{"X-Token": "{CANARY}"}}',
        RUNNERS__TINY__LAUNCH__ENV=f'{{"HF_TOKEN": "{CANARY}"}}',
    )
    shown = [repr(loaded), str(loaded), repr(loaded.settings), str(loaded.settings)]
    shown += [render_effective(loaded), loaded.origin(("runners", "box", "api_key"))]
    assert CANARY not in "".join(shown)
    assert render_effective(loaded).count("********") == 3


def test_certificates_are_found_beside_the_file_that_names_them(folder: Folder) -> None:
    file = folder.write("config/ca.pem", "-")
    tls = folder.load(RUNNER.format("tls: {ca_file: ca.pem}")).settings.runners["box"].tls
    assert tls.ca_file == Path(file)
