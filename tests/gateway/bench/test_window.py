"""A window closes once, and what comes later is not its throughput."""

from __future__ import annotations

from gateway.bench.window import Window


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_it_closes_when_its_time_is_up() -> None:
    clock = Clock()
    closed = []
    window = Window(clock, duration_s=5, requests=None, on_close=lambda: closed.append(clock.now))
    assert window.may_send()
    clock.now = 105.0
    assert not window.may_send()
    clock.now = 200.0
    assert not window.may_send()
    assert (window.seconds, closed) == (5.0, [105.0])


def test_it_closes_when_its_requests_are_used_up() -> None:
    clock = Clock()
    window = Window(clock, duration_s=None, requests=1)
    assert window.may_send()
    window.begin(0)
    clock.now = 103.0
    assert not window.may_send()
    assert (window.sent, window.seconds) == (1, 3.0)


def test_only_pieces_that_came_before_it_closed_are_its_throughput() -> None:
    clock = Clock()
    window = Window(clock, duration_s=5, requests=None)
    early, late, silent = window.begin(0), window.begin(1), window.begin(2)
    early.text(4, 101.0)
    window.end(early)
    late.text(3, 104.0)
    window.close()
    late.text(1, 106.0)
    silent.text(2, 107.0)
    assert [each.share_in_window for each in (early, late, silent)] == [1.0, 0.75, 0.0]


def test_a_dropped_request_was_never_sent() -> None:
    window = Window(Clock(), duration_s=5, requests=None)
    window.drop(window.begin(0))
    assert (window.sent, window.in_flight, window.ended) == (0, 0, [])
