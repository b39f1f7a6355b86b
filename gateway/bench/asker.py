"""Sends one request, reads its stream, and writes down what happened and when."""

from __future__ import annotations

import asyncio
import random
import time

from backends.errors import (
    BackendError,
    ConnectFailed,
    ConnectionLost,
    ReplyInvalid,
    RunnerTimeout,
)
from backends.transport import Response, Timeouts, Transport
from gateway.bench.dialects import DIALECTS
from gateway.bench.dialects.base import NOT_AN_ANSWER
from gateway.bench.plan import Target
from gateway.bench.retry import (
    retry_after_s,
    should_retry_fault,
    should_retry_status,
    wait_s,
)
from gateway.bench.timeline import COMPLETED, TIMED_OUT, TRUNCATED, Timeline

REFUSALS = frozenset({429, 503, 529})
"""Statuses by which a server says that it will not, now. Any other error is a failure."""
_CONNECT_S = 30.0
_clock = time.perf_counter


class Asker:
    """The client of one target. Owns its connections: use `async with`.

    `ask` gives a timeline its outcome and raises only for cancellation, which cuts the connection
    of that request at once.
    """

    def __init__(
        self, target: Target, *, timeout_s: float, connections: int, retry: random.Random | None
    ) -> None:
        """`retry`: try again as client libraries do, the jitter drawn from it. Raises `ValueError`
        for a url or key that cannot be sent.
        """
        self._dialect = DIALECTS[target.dialect]
        self._transport = Transport(target.url, tls=target.tls, max_idle=connections)
        self.url = self._transport.url
        self._head = self._transport.head(
            "POST", self._dialect.path, self._dialect.headers(target.api_key)
        )
        self._timeouts = Timeouts(
            connect_s=min(_CONNECT_S, timeout_s),
            first_byte_s=timeout_s,
            idle_s=timeout_s,
            total_s=timeout_s,
        )
        self._retry = retry

    async def __aenter__(self) -> Asker:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.aclose()

    async def ask(self, timeline: Timeline, body: bytes) -> None:
        """Send `body`, again if that is allowed and makes sense, until there is an outcome."""
        while True:
            timeline.attempts += 1
            asked_s, again = await self._attempt(timeline, body)
            timeline.ended_at = _clock()
            if not again or self._retry is None:
                return
            delay_s = wait_s(timeline.attempts, asked_s, self._retry)
            if delay_s is None:
                return
            await asyncio.sleep(delay_s)
            timeline.refused_status = None

    async def _attempt(self, timeline: Timeline, body: bytes) -> tuple[float | None, bool]:
        """One try: what a refusal asked for, and whether another try makes sense."""
        try:
            response = await self._transport.send(self._head, body, timeouts=self._timeouts)
        except BackendError as fault:
            timeline.outcome = _outcome(fault)
            return None, should_retry_fault(fault)
        try:
            if response.status == 200:
                await self._stream(timeline, response)
                return None, False
            return self._refused(timeline, response)
        finally:
            response.close()

    def _refused(self, timeline: Timeline, response: Response) -> tuple[float | None, bool]:
        status = response.status
        asked_s = retry_after_s(response.header, time.time())
        if status in REFUSALS:
            timeline.outcome = f"refused {status}"
            timeline.refused_status = status
            timeline.told_to_come_back = asked_s is not None
            timeline.retry_after_s = asked_s
        else:
            timeline.outcome = f"failed http {status}"
        return asked_s, should_retry_status(status, response.header)

    async def _stream(self, timeline: Timeline, response: Response) -> None:
        queue_ms = response.header(b"x-sluicegate-queue-ms")
        if queue_ms is not None and queue_ms.isdigit():
            timeline.queue_s = int(queue_ms) / 1000
        reader = self._dialect.reader()
        feed, chunk, text = reader.feed, response.chunk, timeline.text
        try:
            while data := await chunk():
                pieces = feed(data)
                if pieces:
                    text(pieces, _clock())
        except ConnectionLost:
            # Whatever its reason, to the user it is an answer that stops in the middle.
            timeline.outcome = TRUNCATED
            return
        except BackendError as fault:
            timeline.outcome = _outcome(fault)
            return
        timeline.input_tokens = reader.input_tokens
        timeline.output_tokens = reader.output_tokens
        if reader.fault is not None:
            timeline.outcome = f"failed {reader.fault}"
        else:
            timeline.outcome = COMPLETED if reader.finished and reader.ended else TRUNCATED


def _outcome(fault: BackendError) -> str:
    match fault:
        case RunnerTimeout(phase="connect") | ConnectFailed():
            return "failed connect"
        case RunnerTimeout():
            return TIMED_OUT
        case ReplyInvalid():
            return f"failed {NOT_AN_ANSWER}"
        case _:
            return "failed connection lost"
