"""Which files and variables count, and which of them wins."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.settings import Settings, SettingsError, load
from gateway.settings.auth import moment_s
from gateway.settings.shape import Shape
from tests.gateway.settings.conftest import Folder

RUNNER = "runners: {box: {backend: vllm, url: 'http://h:8000'}}\n"


def test_without_any_file_the_defaults_hold(tmp_path: Path) -> None:
    loaded = load({}, cwd=tmp_path)
    assert loaded.settings == Settings()
    assert (loaded.profile, loaded.files) == ("dev", ())
    assert loaded.origin(("server", "port")) == "default"


def test_a_profile_is_stronger_than_the_base_file_and_a_variable_than_both(folder: Folder) -> None:
    base = "server:\n  port: 1\n  max_body_mb: 2\n  drain_s: 3\n"
    loaded = folder.load(base, dev="server: {port: 10, max_body_mb: 20}", SERVER__PORT="100")
    server = loaded.settings.server
    assert (server.port, server.max_body_mb, server.drain_s) == (100, 20, 3)
    assert loaded.origin(("server", "port")) == "environment SLUICEGATE_SERVER__PORT"
    assert loaded.origin(("server", "max_body_mb")) == "config/profiles/dev.yaml:1"
    assert loaded.origin(("server", "drain_s")) == "config/gateway.yaml:4"
    assert loaded.origin(("server", "host")) == "default"
    assert [file.name for file in loaded.files] == ["gateway.yaml", "dev.yaml"]


def test_mappings_merge_and_lists_replace(folder: Folder) -> None:
    loaded = folder.load(
        RUNNER + "server: {cors_origins: ['https://a', 'https://b']}",
        dev="runners: {box: {slots: 3}}\nserver:\n  cors_origins: ['https://c']",
    )
    assert loaded.settings.runners["box"].slots == 3
    assert loaded.settings.runners["box"].url == "http://h:8000"
    assert loaded.settings.server.cors_origins == ("https://c",)
    assert loaded.origin(("server", "cors_origins", "0")) == "config/profiles/dev.yaml:3"
    assert loaded.origin(("server", "cors_origins", "1")) == "default"


def test_an_empty_section_says_nothing(folder: Folder) -> None:
    loaded = folder.load(RUNNER, dev="runners:\nserver:\nauth: {keys: }\nmodels: {}")
    assert set(loaded.settings.runners) == {"box"}


def test_null_in_a_profile_takes_an_optional_value_back(folder: Folder) -> None:
    base = "runners: {box: {backend: llamacpp, launch: {parallel: 2}}}"
    loaded = folder.load(base, dev="runners: {box: {launch: null, url: 'http://h:1'}}")
    assert loaded.settings.runners["box"].launch is None


def test_the_one_backend_and_the_upstream_name_need_not_be_written(folder: Folder) -> None:
    loaded = folder.load(RUNNER + "models: {m: {backends: {vllm: {runners: [box]}}}}")
    model = loaded.settings.models["m"]
    assert (model.backend, model.backends["vllm"].model) == ("vllm", "m")
    assert loaded.origin(("models", "m", "backend")) == "default"


def test_a_tenant_is_named_after_its_key(folder: Folder) -> None:
    loaded = folder.load(f"auth: {{keys: [{{name: ops, sha256: {'AB' * 32}}}]}}")
    (key,) = loaded.settings.auth.keys
    assert (key.tenant, key.sha256) == ("ops", "ab" * 32)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-31", 1801353600.0),
        ("2027-01-31T00:00:00Z", 1801353600.0),
        ("'2027-01-31 01:00+01:00'", 1801353600.0),
    ],
)
def test_a_key_ends_at_a_moment_that_is_the_same_everywhere(
    folder: Folder, text: str, moment: float
) -> None:
    loaded = folder.load(f"auth: {{keys: [{{name: a, sha256: {'ab' * 32}, expires: {text}}}]}}")
    (key,) = loaded.settings.auth.keys
    assert key.expires is not None
    assert moment_s(key.expires) == moment


def test_a_key_may_be_given_models_and_aliases_and_any_name_where_they_are_discovered(
    folder: Folder,
) -> None:
    models = "models: {m: {aliases: [x], backends: {vllm: {runners: [box]}}}}\n"
    key = f"auth: {{keys: [{{name: a, sha256: {'ab' * 32}, models: [m, x]}}]}}\n"
    folder.load(RUNNER + models + key)
    folder.load(key)
    folder.load(RUNNER + models + key.replace("[m, x]", "[y]") + "discovery: {enabled: true}")


@pytest.mark.parametrize("named", ["etc/my.yaml", "/absolute"])
def test_the_config_variable_names_the_base_file_and_profiles_lie_beside_it(
    folder: Folder, named: str
) -> None:
    folder.write("config/gateway.yaml", "server: {port: 1}")
    file = folder.write("etc/my.yaml", "server: {port: 2}")
    folder.write("etc/profiles/staging.yaml", "log: {level: error}")
    value = str(file) if named == "/absolute" else named
    environ = {"SLUICEGATE_CONFIG": value, "SLUICEGATE_PROFILE": "staging"}
    loaded = load(environ, cwd=folder.path)
    assert (loaded.settings.server.port, loaded.settings.log.level) == (2, "error")
    assert loaded.origin(("server", "port")) == "etc/my.yaml:1"


def test_an_argument_is_stronger_than_the_config_variable(folder: Folder) -> None:
    folder.write("a.yaml", "server: {port: 1}")
    folder.write("b.yaml", "server: {port: 2}")
    environ = {"SLUICEGATE_CONFIG": "a.yaml"}
    assert load(environ, cwd=folder.path, base=Path("b.yaml")).settings.server.port == 2


def test_a_base_file_without_profiles_beside_it_serves_every_profile(folder: Folder) -> None:
    folder.write("gateway.yaml", "server: {port: 2}")
    environ = {"SLUICEGATE_CONFIG": "gateway.yaml", "SLUICEGATE_PROFILE": "staging"}
    assert load(environ, cwd=folder.path).settings.server.port == 2


MISSING = [
    ({"CONFIG": "no.yaml"}, 'environment SLUICEGATE_CONFIG: "no.yaml": no such file; name a file'),
    ({"CONFIG": ""}, "environment SLUICEGATE_CONFIG: empty; unset it, or name a file"),
    ({"CONFIG": "a\0b"}, "cannot be read"),
    ({"PROFILE": "production"}, "profile = \"production\": no such profile; did you mean 'prod'?"),
    ({"PROFILE": "Prod"}, "did you mean 'prod'?"),
    ({"PROFILE": "x"}, "give one of dev, staging, prod"),
    ({"PROFILE": ""}, 'environment SLUICEGATE_PROFILE: profile = "": no such profile'),
    ({"PROFILE": "staging"}, '"config/profiles/staging.yaml": no such file; create it'),
]


@pytest.mark.parametrize(("environ", "message"), MISSING)
def test_a_file_or_profile_that_is_not_there_is_a_fault(
    folder: Folder, environ: dict[str, str], message: str
) -> None:
    (fault,) = folder.faults("", **environ)
    assert message in str(fault)


def test_a_broken_file_does_not_hide_the_faults_of_variables(folder: Folder) -> None:
    faults = folder.faults("server: {", SERVER__PROT="1")
    assert [f.origin.source for f in faults] == [
        "config/gateway.yaml",
        "environment SLUICEGATE_SERVER__PROT",
    ]


def test_prod_refuses_to_run_without_keys_unless_told_so(folder: Folder) -> None:
    folder.write("config/profiles/prod.yaml", "")
    (fault,) = folder.faults("auth: {mode: none}", PROFILE="prod")
    assert str(fault).startswith(
        'config/gateway.yaml:1: auth.mode = "none": profile prod with auth.mode none; set auth.mode'
    )
    folder.load("auth: {allow_none_in_prod: true}", PROFILE="prod")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_keys(folder: Folder, host: str) -> None:
    assert folder.load(f"server: {{host: '{host}'}}").settings.server.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.lan"])
def test_beyond_loopback_needs_keys_or_permission(folder: Folder, host: str) -> None:
    (fault,) = folder.faults(f"server: {{host: '{host}'}}")
    assert fault.path == "server.host"
    folder.load(f"server: {{host: '{host}'}}\nauth: {{allow_none_beyond_loopback: true}}")
    keys = f"{{mode: keys, keys: [{{name: a, sha256: {'ab' * 32}}}]}}"
    folder.load(f"server: {{host: '{host}'}}\nauth: {keys}")


KEYS = sorted(
    {key for section in ("server", "auth", "log") for key in Settings.model_json_schema()["$defs"][
        {"server": "ServerSettings", "auth": "AuthSettings", "log": "LogSettings"}[section]
    ]["properties"]}
    | {"box", "m", "backend", "backends", "url", "launch", "slots", "runners", "vllm", "timeouts"}
    | set(Shape.of(Settings).keys)
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(["keys", "vllm", "box", "http://h", "auto"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
SECTIONS = st.sampled_from(Shape.of(Settings).keys)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(SECTIONS | st.text(max_size=4), VALUES),
    st.dictionaries(SECTIONS | st.text(max_size=4), VALUES),
    st.dictionaries(
        st.lists(st.sampled_from(KEYS), min_size=1, max_size=4).map("__".join).map(str.upper),
        st.text(max_size=8) | VALUES.map(json.dumps),
        max_size=3,
    ),
)
def test_whatever_is_configured_ends_in_settings_or_in_faults(
    tmp_path: Path, base: dict[str, object], dev: dict[str, object], environ: dict[str, str]
) -> None:
    folder = Folder(tmp_path)
    spelt = [yaml.safe_dump(part, allow_unicode=True).encode("utf-8", "replace").decode()
             for part in (base, dev)]  # fmt: skip
    try:
        folder.load(spelt[0], dev=spelt[1], **environ)
    except SettingsError as exc:
        str(exc).encode()
