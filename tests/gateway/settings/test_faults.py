"""Every kind of fault in a file: where it is, what stands there, and what would be right."""

import pytest

from gateway.settings import SettingsError
from tests.gateway.settings.conftest import Folder

RUNNERS = """\
runners:
  box: {backend: llamacpp, url: "http://10.0.0.5:9931"}
  gpu: {backend: vllm, url: "http://gpu:8000"}
"""
LLAMA = RUNNERS + "models:\n  llama3:\n    backends:\n      llamacpp: {runners: [box]}\n"


def runner(settings: str) -> str:
    return "runners:\n  box: {" + settings + "}\n"


def key(settings: str) -> str:
    return f"auth: {{mode: keys, keys: [{{name: a, sha256: {'ab' * 32}, {settings}}}]}}\n"


UNKNOWN = [
    ("server:\n  prot: 80", 2, "server.prot = 80: unknown key; did you mean 'port'?"),
    ("Server: {}", 1, "Server: unknown key; did you mean 'server'?"),
    ("runers: {}", 1, "runers: unknown key; did you mean 'runners'?"),
    ("xyz: 1", 1, "xyz = 1: unknown key; known: server, auth, log, runners, models, queue"),
    (
        runner("backend: vllm, url: 'http://h', solts: 3"),
        2,
        "runners.box.solts = 3: unknown key; did you mean 'slots'?",
    ),
    (
        LLAMA + "      vlm: {runners: [gpu]}\n    backend: llamacpp",
        8,
        "models.llama3.backends.vlm: unknown key; did you mean 'vllm'?",
    ),
]
VALUES = [
    ("server:\n  port: 99999", 2, "server.port = 99999: too large; give a whole number from 0 to"),
    ("server: {port: -1}", 1, "server.port = -1: too small"),
    ("server: {port: true}", 1, "server.port = true: the wrong kind of value; give a whole number"),
    ("server: {port: http}", 1, 'server.port = "http": the wrong kind of value'),
    ("server:\n\n  port:", 3, "server.port = null: empty; give a whole number"),
    ("server: {port: [1]}", 1, "server.port = a list of 1: the wrong kind of value"),
    ("server: [1]", 1, "server = a list of 1: the wrong kind of value; give a mapping"),
    ("server: {workers: 0}", 1, "server.workers = 0: too small; give a whole number from 1 to 64"),
    ("server: {drain_s: .inf}", 1, "server.drain_s = Infinity: "),
    ("server: {body_timeout_s: 0}", 1, "give a number above 0, at most 86400"),
    ("server: {host: '0.0.0.0:80'}", 1, 'server.host = "0.0.0.0:80": not a host; give an IP'),
    ("server: {host: 127.0.0.256}", 1, "not a host"),
    ("server: {cors_origins: [https://a/]}", 1, 'cors_origins.0 = "https://a/": not an origin'),
    ("server: {trusted_proxies: [nginx]}", 1, 'trusted_proxies.0 = "nginx": not an address; give'),
    ("server: {trusted_proxies: [10.0.0.7/8]}", 1, "has bits set behind its mask; give 10.0.0.7"),
    ("log: {level: inf}", 1, "log.level = \"inf\": not one of the choices; did you mean 'info'?"),
    ("log: {level: x}", 1, "give one of debug, info, warning, error"),
    ("log: {access: yes}", 1, 'log.access = "yes": the wrong kind of value; give true or false'),
    ("discovery: {enabled: often}", 1, "not one of the choices; give auto, true or false"),
    ("queue: {max_waiting: 0}", 1, "queue.max_waiting = 0: too small"),
]
RUNNER = [
    (runner("url: 'http://h'"), 2, "runners.box: 'backend' is missing; add backend: one of ollama"),
    (
        runner("backend: lamacpp, url: 'http://h'"),
        2,
        "runners.box.backend = \"lamacpp\": not one of the choices; did you mean 'llamacpp'?",
    ),
    (runner("backend: vllm"), 2, "runners.box: neither url nor launch; add url: http://HOST:PORT"),
    (
        runner("backend: llamacpp, url: 'http://h', launch: {}"),
        2,
        'runners.box.url = "http://h": both url and launch; keep url if it runs already',
    ),
    (
        runner("backend: openai, launch: {model: m}"),
        2,
        "runners.box.launch: the gateway cannot start a runner of backend openai; start it",
    ),
    (
        runner("backend: ollama, launch: {model: m}"),
        2,
        'runners.box.launch.model = "m": Ollama is started without a model; remove it',
    ),
    (
        "runners:\n  a: {backend: vllm, url: http://x:1}\n  b: {backend: vllm, url: http://X:1/}\n",
        3,
        "runner 'a' has the same address, and slots belong to a process; keep one of the two",
    ),
    (
        runner("backend: vllm, launch: {}"),
        2,
        "runners.box.launch: the built-in model does not run on vllm; name a model",
    ),
    (runner("backend: vllm, url: 'gpu:8000'"), 2, 'url = "gpu:8000": not an address; give http://'),
    (runner("backend: vllm, url: 'ftp://h'"), 2, "not an address; give http://HOST:PORT"),
    (runner("backend: vllm, url: 'http://h:x'"), 2, "not an address"),
    (runner("backend: vllm, url: 'http://h/v1/'"), 2, "ends in /v1; leave /v1 out"),
    (runner("backend: vllm, url: 'http://h/?a=b'"), 2, "holds a query or fragment"),
    (runner("backend: vllm, url: 'http://h /'"), 2, "holds white space"),
    (runner("backend: vllm, url: 'http://h', slots: 0"), 2, "slots = 0: not one of the choices;"),
    (runner("backend: vllm, url: 'http://h', slots: max"), 2, "give auto, unlimited or a whole"),
    (runner("backend: vllm, url: 'http://h', probe_s: 0"), 2, "probe_s = 0: too small"),
    (runner("backend: vllm, url: 'http://h', tls: {verify: false}"), 2, "tls: tls for an address"),
    (
        runner("backend: vllm, url: 'https://h', tls: {client_key_file: gateway.yaml}"),
        2,
        "a key without a certificate; add client_cert_file",
    ),
    (
        runner("backend: vllm, url: 'https://h', tls: {ca_file: no.pem}"),
        2,
        "the file cannot be read: No such file or directory; create it, or mend the path",
    ),
    (
        runner("backend: vllm, url: 'http://h', headers: {Host: a}"),
        2,
        'headers.Host = "a": a header that belongs to the connection; remove it',
    ),
    (runner("backend: vllm, url: 'http://h', headers: {a b: c}"), 2, '"a b" = "c": not a name'),
    (runner('backend: vllm, url: "http://h", headers: {X: "a\\nb"}'), 2, "visible ASCII"),
    (
        "runners:\n  b!: {backend: vllm, url: 'http://h'}",
        2,
        'runners."b!": not a name; use letters',
    ),
]
MODEL = [
    (RUNNERS + "models:\n  llama3:", 5, "'backends' is missing; add backends: {BACKEND: {runners"),
    (RUNNERS + "models:\n  llama3: {backends: {}}", 5, "models.llama3.backends: empty; give at"),
    (LLAMA + "    backend: vllm", 8, "no such backend; known: llamacpp Or add it under backends"),
    (LLAMA + "    fallback: [vllm]", 8, 'fallback.0 = "vllm": the model has no such backend'),
    (LLAMA + "    policy: ordred", 8, 'policy = "ordred": not one of the choices; did you mean'),
    (
        LLAMA + "      vllm: {runners: [gpu]}",
        5,
        "models.llama3: several backends (llamacpp, vllm) and none chosen; add backend: llamacpp",
    ),
    (
        LLAMA + "      vllm: {runners: [gqu]}\n    backend: vllm",
        8,
        "vllm.runners.0 = \"gqu\": no such runner; did you mean 'gpu'?",
    ),
    (
        LLAMA + "      vllm: {runners: [box]}\n    backend: vllm",
        8,
        'runners.0 = "box": a runner of backend llamacpp, not vllm; name one of: gpu',
    ),
    (
        LLAMA + "      vllm: {runners: []}\n    backend: vllm",
        8,
        "runners: empty; give at least one",
    ),
    (
        LLAMA + "      vllm: {runners: [gpu], model: 1.10}\n    backend: vllm",
        8,
        "model = 1.1: YAML takes this for something other than text; put it in quotes",
    ),
    (
        LLAMA + "      vllm: {runners: [gpu], options: {num_ctx: 4096}}\n    backend: vllm",
        8,
        "options: only ollama takes options, not vllm; remove them",
    ),
    (
        LLAMA + "    timeouts: {first_token_s: 901}",
        8,
        "first_token_s = 901: longer than total_s, which is 900; lower first_token_s or raise",
    ),
    (LLAMA + "    timeouts: {queue_s: 0}", 8, "queue_s = 0: too small"),
    (LLAMA + "    aliases: [a b]", 8, 'aliases.0 = "a b": not of the right form; give 1 to 200'),
    (
        LLAMA + "  b: {aliases: [llama3], backends: {llamacpp: {runners: [box]}}}",
        8,
        "b.aliases.0 = \"llama3\": already a name of the model 'llama3'; keep it in one place",
    ),
    (
        RUNNERS + "models:\n  a b: {backends: {vllm: {runners: [gpu]}}}",
        5,
        'models."a b": not a name',
    ),
]
AUTH = [
    ("auth: {mode: key}", 1, "auth.mode = \"key\": not one of the choices; did you mean 'keys'?"),
    ("server: {host: 0.0.0.0}", 1, "listens beyond this machine while auth.mode is none; set auth"),
    ("auth: {keys: [{name: a}]}", 1, "auth.keys.0: 'sha256' is missing; add sha256: the 64 hex"),
    ("auth: {keys: [{name: a, sha256: a}]}", 1, "sha256 = ********: not of the right form"),
    (f"auth:\n  keys:\n  - sha256: {'ab' * 32}", 3, "auth.keys.0: 'name' is missing"),
    (
        "auth: {keys: [{name: a, sha256: "
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}]}",
        1,
        "the hash of an empty key",
    ),
    (
        "auth:\n  mode: keys\n  keys:\n"
        f"  - {{name: a, sha256: {'ab' * 32}}}\n  - {{name: b, sha256: {'AB' * 32}}}",
        5,
        "auth.keys.1.sha256 = ********: the same as auth.keys.0.sha256; remove one of them",
    ),
    (
        key("best_class: batch"),
        1,
        "auth.keys.0.default_class: better than best_class, which is batch; raise best_class",
    ),
    (key("best_class: royal"), 1, 'best_class = "royal": not one of the choices'),
    (key("weight: 1001"), 1, "weight = 1001: too large; give a whole number from 1 to 1000"),
    (key("expires: soon"), 1, 'expires = "soon": not a date; give a date such as 2027-01-31'),
    (key("expires: 2027-02-30"), 1, 'expires = "2027-02-30": not a date'),
    (key("models: []"), 1, "auth.keys.0.models: empty; give at least one"),
    (key("models: [a, b c]"), 1, 'models.1 = "b c": not of the right form'),
    (
        key("models: [llama3, lama3]") + LLAMA,
        1,
        "auth.keys.0.models.1 = \"lama3\": no such model; did you mean 'llama3'?",
    ),
    (key("may_name_tenant: 1"), 1, "may_name_tenant = 1: the wrong kind of value; give true"),
    (key("limits: {concurrent: 0}"), 1, "auth.keys.0.limits.concurrent = 0: too small"),
]


@pytest.mark.parametrize(("text", "line", "message"), [*UNKNOWN, *VALUES, *RUNNER, *MODEL, *AUTH])
def test_a_fault_names_the_line_the_value_and_the_remedy(
    folder: Folder, text: str, line: int, message: str
) -> None:
    (fault,) = folder.faults(text)
    assert str(fault).startswith(f"config/gateway.yaml:{line}: ")
    assert message in str(fault)


def test_all_faults_of_all_sources_are_reported_in_one_go(folder: Folder) -> None:
    faults = folder.faults(
        "server: {prot: 1}\nlog: {level: x}\nmodels: {m: {backends: {vllm: {runners: [no]}}}}",
        dev="queue: {max_waiting: no}",
        METRICS__ENABLED="maybe",
        NONSENSE="1",
    )
    assert [f"{fault.origin} {fault.path}" for fault in faults] == [
        "config/gateway.yaml:1 server.prot",
        "config/gateway.yaml:2 log.level",
        "config/gateway.yaml:3 models.m.backends.vllm.runners.0",
        "config/profiles/dev.yaml:1 queue.max_waiting",
        "environment SLUICEGATE_METRICS__ENABLED metrics.enabled",
        "environment SLUICEGATE_NONSENSE ",
    ]


def test_the_error_is_one_line_a_fault_under_a_count(folder: Folder) -> None:
    with pytest.raises(SettingsError) as caught:
        folder.load("server: {prot: 1}\nlog: {level: inf}")
    assert str(caught.value).splitlines() == [
        "the configuration has 2 faults:",
        "  config/gateway.yaml:1: server.prot = 1: unknown key; did you mean 'port'?",
        '  config/gateway.yaml:2: log.level = "inf": not one of the choices; '
        "did you mean 'info'?",
    ]


def test_an_incomplete_entry_of_a_profile_is_taken_for_a_misspelt_name(folder: Folder) -> None:
    (fault,) = folder.faults(LLAMA, dev="models: {lama3: {backend: vllm}}")
    assert str(fault).startswith("config/profiles/dev.yaml:1: models.lama3: 'backends' is missing")
    assert fault.remedy.endswith("or did you mean 'llama3' from config/gateway.yaml:5?")


@pytest.mark.parametrize("section", ["runners", "models"])
def test_names_that_variables_cannot_tell_apart_are_refused(folder: Folder, section: str) -> None:
    entries = {
        "runners": "  a-b: {backend: vllm, url: 'http://h'}\n  a.b: {backend: vllm, url: 'http://i'}",
        "models": "  a-b: {backends: {llamacpp: {runners: [box]}}}\n"
        "  a.b: {backends: {llamacpp: {runners: [box]}}}",
    }
    base = f"{section}:\n{entries[section]}\n" + (RUNNERS if section == "models" else "")
    (fault,) = folder.faults(base)
    assert fault.origin.line == 3
    assert f"the same as 'a-b' in environment variables (SLUICEGATE_{section.upper()}__A_B__…)" in (
        fault.problem
    )


def test_tenants_that_variables_cannot_tell_apart_are_refused(folder: Folder) -> None:
    (fault,) = folder.faults("limits:\n  tenants:\n    a-b: {concurrent: 1}\n    a.b: {}")
    assert fault.origin.line == 4
    assert "(SLUICEGATE_LIMITS__TENANTS__A_B__…)" in fault.problem
    assert fault.remedy == "rename one of them"


def test_an_alias_may_repeat_the_name_of_its_own_model(folder: Folder) -> None:
    loaded = folder.load(LLAMA + "    aliases: [llama3]")
    assert loaded.settings.models["llama3"].aliases == ("llama3",)
