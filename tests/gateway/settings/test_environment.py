"""Variables: which setting they name, how they are read, and what becomes of the others."""

import pytest

from gateway.settings import Settings, load
from gateway.settings.environment import segment_of
from tests.gateway.settings.conftest import Folder

BASE = """\
runners:
  gpu-a: {backend: vllm, url: "http://gpu:8000"}
  box: {backend: llamacpp, url: "http://box:9931"}
models:
  meta-llama/Llama-3.1:8b:
    backend: vllm
    backends:
      vllm: {runners: [gpu-a]}
      llamacpp: {runners: [box]}
"""


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("llama3", "LLAMA3"),
        ("llama3:8b", "LLAMA3_8B"),
        ("meta-llama/Llama-3.1:8b", "META_LLAMA_LLAMA_3_1_8B"),
        ("a__b", "A_B"),
        ("a/-b", "A_B"),
        ("-a.", "A"),
        ("llama-cpp-python", "LLAMA_CPP_PYTHON"),
    ],
)
def test_a_name_is_written_in_upper_case_with_underscores(name: str, segment: str) -> None:
    assert segment_of(name) == segment


def test_a_variable_finds_the_name_in_the_files(folder: Folder) -> None:
    variables = {
        "MODELS__META_LLAMA_LLAMA_3_1_8B__BACKEND": "llamacpp",
        "RUNNERS__GPU_A__SLOTS": "64",
        "MODELS__META_LLAMA_LLAMA_3_1_8B__BACKENDS__VLLM__MODEL": "served",
    }
    loaded = folder.load(BASE, **variables)
    model = loaded.settings.models["meta-llama/Llama-3.1:8b"]
    assert (model.backend, model.backends["vllm"].model) == ("llamacpp", "served")
    assert loaded.settings.runners["gpu-a"].slots == 64
    assert loaded.origin(("runners", "gpu-a", "slots")) == (
        "environment SLUICEGATE_RUNNERS__GPU_A__SLOTS"
    )


def test_a_container_can_be_configured_by_variables_alone(folder: Folder) -> None:
    loaded = folder.load(
        "",
        RUNNERS__BOX__BACKEND="llama-cpp-python",
        RUNNERS__BOX__URL="http://127.0.0.1:9931",
        MODELS__TINY__BACKENDS__LLAMA_CPP_PYTHON__RUNNERS='["box"]',
    )
    assert loaded.settings.models["tiny"].backend == "llama-cpp-python"
    assert loaded.settings.runners["box"].url == "http://127.0.0.1:9931"


def test_a_variable_refines_what_a_shorter_one_gives_as_json(folder: Folder) -> None:
    loaded = folder.load(
        "",
        RUNNERS='{"gpu-a": {"backend": "vllm", "url": "http://h"}}',
        RUNNERS__GPU_A__SLOTS="2",
    )
    assert loaded.settings.runners["gpu-a"].slots == 2


@pytest.mark.parametrize(
    ("variable", "raw", "value"),
    [
        ("SERVER__PORT", "9000", 9000),
        ("SERVER__DRAIN_S", "1.5", 1.5),
        ("SERVER__CORS_ORIGINS", '["https://a"]', ("https://a",)),
        ("LOG__ACCESS", "false", False),
        ("LOG__LEVEL", "error", "error"),
        ("DISCOVERY__ENABLED", "true", True),
        ("DISCOVERY__ENABLED", "auto", "auto"),
    ],
)
def test_a_value_is_read_as_its_setting_wants_it(
    folder: Folder, variable: str, raw: str, value: object
) -> None:
    settings = folder.load("", **{variable: raw}).settings
    section, _, key = variable.lower().partition("__")
    found = getattr(getattr(settings, section), key)
    assert found == value
    assert type(found) is type(value)


def test_text_that_looks_like_a_number_stays_text_where_text_is_wanted(folder: Folder) -> None:
    name = "MODELS__META_LLAMA_LLAMA_3_1_8B"
    loaded = folder.load(BASE, **{f"{name}__DESCRIPTION": "007"})
    assert loaded.settings.models["meta-llama/Llama-3.1:8b"].description == "007"


@pytest.mark.parametrize(("raw", "value"), [("-1", -1), ("30", 30), ("10m", "10m")])
def test_keep_alive_is_a_number_or_a_duration(folder: Folder, raw: str, value: object) -> None:
    base = "runners: {o: {backend: ollama, url: 'http://h'}}\n"
    base += "models: {m: {backends: {ollama: {runners: [o]}}}}"
    variable = "MODELS__M__BACKENDS__OLLAMA__OPTIONS__KEEP_ALIVE"
    target = folder.load(base, **{variable: raw}).settings.models["m"].backends["ollama"]
    assert target.options.keep_alive == value


def test_null_takes_an_optional_value_back(folder: Folder) -> None:
    base = "runners: {box: {backend: llamacpp, launch: {context: 4096}}}"
    loaded = folder.load(base, RUNNERS__BOX__LAUNCH__CONTEXT="null")
    launch = loaded.settings.runners["box"].launch
    assert launch is not None
    assert launch.context is None


STRAY = [
    ("SERVER__PROT", "1", '"1": no such setting; did you mean SLUICEGATE_SERVER__PORT?'),
    ("SERVER_PORT", "1", "did you mean SLUICEGATE_SERVER__PORT?"),
    ("SERVER__port", "1", "write it in upper case: SLUICEGATE_SERVER__PORT"),
    ("PROFIL", "prod", "did you mean SLUICEGATE_PROFILE?"),
    ("MODELS_LLAMA3_BACKEND", "vllm", "did you mean SLUICEGATE_MODELS__LLAMA3__BACKEND?"),
    ("RUNERS__NEW__URL", "x", "did you mean SLUICEGATE_RUNNERS__NEW__URL?"),
    ("MODELS__LLAMA3__BACKENDS__VLM__MODEL", "x", "MODELS__LLAMA3__BACKENDS__VLLM__MODEL?"),
    ("AUTH__KEYS__0__NAME", "x", "give auth.keys as a whole, in SLUICEGATE_AUTH__KEYS"),
    ("SERVER__PORT__X", "1", "did you mean SLUICEGATE_SERVER__PORT?"),
    ("QWERTY", "1", "unset it; known: SLUICEGATE_SERVER__…, SLUICEGATE_AUTH__…"),
    ("", "1", "no such setting"),
    ("MODELS__", "1", "no such setting"),
]


@pytest.mark.parametrize(("variable", "raw", "message"), STRAY)
def test_a_variable_that_means_nothing_is_a_fault(
    folder: Folder, variable: str, raw: str, message: str
) -> None:
    base = "runners: {gpu: {backend: vllm, url: 'http://h'}}\n"
    base += "models: {llama3: {backends: {vllm: {runners: [gpu]}}}}"
    (fault,) = folder.faults(base, **{variable: raw})
    assert str(fault).startswith(f"environment SLUICEGATE_{variable}: ")
    assert message in str(fault)


UNREADABLE = [
    ("SERVER__PORT", "http", 'server.port = "http": the wrong kind of value; give a whole number'),
    ("SERVER__PORT", "", 'server.port = "": empty; unset the variable, or give a whole number'),
    ("SERVER__HOST", "\udcff", "not valid UTF-8"),
    ("SERVER__CORS_ORIGINS", "https://a", "not valid JSON at character 1; give a list as JSON"),
    ("SERVER__CORS_ORIGINS", '{"a": 1}', "JSON, but not a list"),
    ("SERVER__CORS_ORIGINS", "[" * 9999, "not usable JSON"),
    ("SERVER__CORS_ORIGINS", "[" * 40 + "]" * 40, "nested deeper than 32 levels"),
    ("SERVER__CORS_ORIGINS", '["\\ud800"]', "not usable JSON"),
    ("SERVER__CORS_ORIGINS", "[" + "9" * 5000 + "]", "not usable JSON"),
    ("SERVER", '{"port": 1, "port": 2}', "not usable JSON (a key twice"),
    ("SERVER", '{"prot": 1}', "server.prot = 1: unknown key; did you mean 'port'?"),
]


@pytest.mark.parametrize(("variable", "raw", "message"), UNREADABLE)
def test_a_value_that_cannot_be_read_is_a_fault_of_its_variable(
    folder: Folder, variable: str, raw: str, message: str
) -> None:
    (fault,) = folder.faults("", **{variable: raw})
    assert str(fault).startswith(f"environment SLUICEGATE_{variable}: ")
    assert message in str(fault)


def test_what_kubernetes_says_about_a_service_of_our_name_is_no_fault(folder: Folder) -> None:
    loaded = folder.load(
        "",
        SERVICE_HOST="10.0.0.1",
        SERVICE_PORT="8080",
        SERVICE_PORT_HTTP="8080",
        PORT="tcp://10.0.0.1:8080",
        PORT_8080_TCP="tcp://10.0.0.1:8080",
        PORT_8080_TCP_ADDR="10.0.0.1",
        METRICS_PORT="tcp://10.0.0.1:9090",
        METRICS_PORT_9090_TCP_PROTO="tcp",
    )
    assert loaded.settings.server.port == 8080


def test_variables_of_other_programs_are_left_alone(folder: Folder) -> None:
    environ = {"PATH": "/bin", "SLUICE": "1", "MY_SLUICEGATE_SERVER__PORT": "1", "SERVER": "x"}
    assert load(environ, cwd=folder.path).settings == Settings()


def test_a_misspelt_name_in_a_variable_is_told_from_a_new_one(folder: Folder) -> None:
    missing, homeless = folder.faults(BASE, RUNNERS__BOXX__SLOTS="4")
    assert str(missing).startswith(
        "environment SLUICEGATE_RUNNERS__BOXX__SLOTS: runners.boxx: 'backend' is missing"
    )
    assert missing.remedy.endswith("or did you mean 'box' from config/gateway.yaml:3?")
    assert homeless.problem == "neither url nor launch"
