"""Which node has which keys, and what error replies ask for."""

from __future__ import annotations

import pytest

from gateway.store.refusal import Refusal, meaning_of
from gateway.store.topology import SLOTS, THE_ONE, WHOLE, Topology, slot_of, topology_of

ASKED = ("10.0.0.9", 7000)


def test_keys_of_one_hash_tag_lie_together() -> None:
    assert slot_of(b"{sg:default}") == slot_of(b"{sg:default}:mail:1") == slot_of(b"sg:default")
    assert slot_of(b"123456789") == 0x31C3  # the example of the specification


def test_a_single_server_has_everything() -> None:
    assert WHOLE.nodes == (THE_ONE,)
    assert WHOLE.node_of(0) == WHOLE.node_of(SLOTS - 1) == THE_ONE


def test_what_a_cluster_says_is_read_and_its_replicas_are_left_out() -> None:
    reply: list[list[object]] = [
        [8192, 16383, [b"b", 2, b"id"], [b"replica", 3, b"id"]],
        [0, 8191, [b"a", 1, b"id", []]],
    ]
    found = topology_of(reply, ASKED)
    assert found == Topology(((0, 8191, ("a", 1)), (8192, 16383, ("b", 2))))
    assert found.nodes == (("a", 1), ("b", 2))
    assert found.node_of(8192) == ("b", 2)


@pytest.mark.parametrize("host", [b"", b"?", None])
def test_a_node_that_does_not_know_its_name_is_where_it_was_asked(host: object) -> None:
    found = topology_of([[0, 100, [host, 7001, b"id"]]], ASKED)
    assert found.node_of(100) == ("10.0.0.9", 7001)
    assert found.node_of(101) is None


@pytest.mark.parametrize("entry", [[], [0], [0, 1], [b"0", 1, [b"a", 1]], [0, 1, []]])
def test_nonsense_is_refused(entry: list[object]) -> None:
    with pytest.raises(ValueError, match="not a range of slots"):
        topology_of([entry], ASKED)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("NOSCRIPT No matching script.", Refusal.UNKNOWN_SCRIPT),
        ("ERR Function not found", Refusal.UNKNOWN_SCRIPT),
        ("MOVED 1 h:1", Refusal.MOVED),
        ("TRYAGAIN Multiple keys", Refusal.MOVED),
        ("READONLY You can't write", Refusal.ELSEWHERE),
        ("CLUSTERDOWN Hash slot not served", Refusal.ELSEWHERE),
        ("OOM command not allowed", Refusal.UNABLE),
        ("BUSY Redis is busy", Refusal.UNABLE),
        ("ERR Error running script: @user_script:1: -READONLY You can't write", Refusal.ELSEWHERE),
        ("ERR Error running script: @user_script:1: -OOM command", Refusal.UNABLE),
        ("ERR user_script:1: attempt to index nil", Refusal.FAULT),
        ("", Refusal.FAULT),
    ],
)
def test_an_error_reply_says_what_is_to_be_done(text: str, meaning: Refusal) -> None:
    assert meaning_of(text) is meaning
