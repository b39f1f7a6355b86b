"""`store`: its address, its secrets, and the folder of the embedded one."""

from pathlib import Path

import pytest

from gateway.settings import StoreAddress, load, render_effective
from tests.gateway.settings.conftest import Folder

CANARY = "cAnArY-1f9d"
ADDRESSES = [
    ("embedded", StoreAddress("embedded")),
    ("redis://h", StoreAddress("single", (("h", 6379),))),
    ("rediss://h:1/3", StoreAddress("single", (("h", 1),), tls=True, db=3)),
    ("valkey://[::1]:7", StoreAddress("single", (("::1", 7),))),
    ("unix:///run/a%20b.sock", StoreAddress("unix", path="/run/a b.sock")),
    (
        "redis+sentinel://a,b:1/mymaster",
        StoreAddress("sentinel", (("a", 26379), ("b", 1)), master="mymaster"),
    ),
    (
        "rediss+sentinel://a/m-1/2",
        StoreAddress("sentinel", (("a", 26379),), tls=True, master="m-1", db=2),
    ),
    ("redis+cluster://a:7000,b", StoreAddress("cluster", (("a", 7000), ("b", 6379)))),
    ("rediss+cluster://a", StoreAddress("cluster", (("a", 6379),), tls=True)),
]
NO_ADDRESSES = [
    ("local", "not an address of a store; give embedded, redis://HOST"),
    ("http://h", "not an address of a store"),
    ("redis://", "not a list of hosts; give HOST:PORT"),
    ("redis://h:x", "not a list of hosts"),
    ("redis://h:0", "not a list of hosts"),
    ("redis://h:99999", "not a list of hosts"),
    ("redis://a,b", "several servers; write redis+sentinel:// or redis+cluster://"),
    ("redis://h/x", "not the number of a database"),
    ("redis://h/1/2", "not the number of a database"),
    ("redis://h /1", "holds white space"),
    ("redis://h?db=1", "holds a query or fragment"),
    ("redis://[::1", "not an address of a store"),
    ("unix://run/sock", "not the path of a socket; give unix:///PATH"),
    ("redis+sentinel://h", "the name of the master is missing; add it"),
    ("redis+cluster://h/1", "a cluster has no numbered databases"),
    ("redis+cluster://" + ",".join(f"h{n}" for n in range(65)), "too many hosts"),
]


@pytest.mark.parametrize(("url", "address"), ADDRESSES)
def test_an_address_says_what_is_there_and_how_it_is_reached(
    folder: Folder, url: str, address: StoreAddress
) -> None:
    assert folder.load(STORE__URL=url).settings.store.address == address


@pytest.mark.parametrize(("url", "message"), NO_ADDRESSES)
def test_what_is_no_address_is_a_fault_with_what_would_be_right(
    folder: Folder, url: str, message: str
) -> None:
    (fault,) = folder.faults(f"store:\n  url: '{url}'")
    assert fault.origin.line == 2
    assert message in str(fault)


@pytest.mark.parametrize("userinfo", [f"u:{CANARY}@", f":{CANARY}@", f"{CANARY}@"])
def test_credentials_in_the_address_are_refused_and_not_shown(
    folder: Folder, userinfo: str
) -> None:
    (fault,) = folder.faults(f"store: {{url: 'redis://{userinfo}h:6379/0'}}")
    assert "take them out and use store.username with store.password_file" in str(fault)
    assert CANARY not in str(fault)


def test_the_password_comes_from_the_environment_or_a_file(folder: Folder) -> None:
    folder.write("config/secret", "pass word\n")
    base = "store: {url: 'redis://h', username: sg, password_file: secret}"
    store = folder.load(base).settings.store
    assert store.password is not None
    assert store.password.get_secret_value() == "pass word"
    stronger = folder.load(base, STORE__PASSWORD=CANARY)
    assert stronger.settings.store.password is not None
    assert stronger.settings.store.password.get_secret_value() == CANARY
    shown = [repr(stronger), str(stronger.settings), render_effective(stronger)]
    assert CANARY not in "".join(shown)


def test_a_password_in_a_configuration_file_is_refused(folder: Folder) -> None:
    (fault,) = folder.faults(f"store: {{url: 'redis://h', password: {CANARY}}}")
    assert "set SLUICEGATE_STORE__PASSWORD in the environment, or name a file" in fault.remedy
    assert CANARY not in str(fault)


def test_a_password_file_that_holds_something_else_is_a_fault(folder: Folder) -> None:
    folder.write("config/secret", b"a\nb")
    (fault,) = folder.faults("store: {url: 'redis://h', password_file: secret}")
    assert "the file does not hold one password and nothing else" in str(fault)


MISFITS = [
    ("{password_file: gateway.yaml}", "the embedded store has no users"),
    ("{username: a}", "the embedded store has no users"),
    ("{url: 'redis://h', username: a}", "a user without a password; add password_file"),
    ("{url: 'redis://h', tls: {verify: false}}", "tls for an address without TLS; write rediss"),
    (
        "{url: 'rediss://h', tls: {client_key_file: gateway.yaml}}",
        "a key without a certificate; add client_cert_file",
    ),
    ("{domain: 'A{b}'}", "give 1 to 32 lower-case letters, digits or -"),
    ("{timeout_ms: 0}", "store.timeout_ms = 0: too small"),
    ("{degraded: open}", "give one of local, closed"),
]


@pytest.mark.parametrize(("store", "message"), MISFITS)
def test_what_does_not_fit_together_is_a_fault(folder: Folder, store: str, message: str) -> None:
    assert message in " ".join(map(str, folder.faults(f"store: {store}")))


def test_each_configuration_and_profile_has_a_folder_of_its_own(tmp_path: Path) -> None:
    seen = set()
    for name in ("a/gateway.yaml", "b/gateway.yaml"):
        file = tmp_path / name
        file.parent.mkdir()
        file.write_text("{}")
        for profile in ("dev", "staging"):
            environ = {"HOME": "/home/me", "SLUICEGATE_PROFILE": profile}
            loaded = load(environ, cwd=tmp_path, base=file)
            folder = loaded.settings.store.state_dir
            assert folder is not None
            assert folder.parent == Path("/home/me/.local/state/sluicegate")
            assert folder.name.startswith(f"gateway-{profile}-")
            assert load(environ, cwd=tmp_path / "a", base=file).settings == loaded.settings
            seen.add(folder)
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({}, None),
        ({"HOME": ""}, None),
        ({"HOME": "/h", "XDG_STATE_HOME": "/x"}, "/x/sluicegate/default-dev"),
        ({"HOME": "/h", "STATE_DIRECTORY": "/var/lib/sg:/b"}, "/var/lib/sg/default-dev"),
    ],
)
def test_the_environment_says_where_state_belongs(
    tmp_path: Path, environ: dict[str, str], folder: str | None
) -> None:
    found = load(environ, cwd=tmp_path).settings.store.state_dir
    assert found == (Path(folder) if folder else None)


def test_a_folder_that_is_written_down_starts_at_its_file(folder: Folder) -> None:
    store = folder.load("store: {state_dir: ../state}").settings.store
    assert store.state_dir == folder.path / "config/../state"
