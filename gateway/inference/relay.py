"""Pass a runner's answer on to the caller, and keep its times and tokens."""

from __future__ import annotations

from collections.abc import Callable

from backends.base import StreamReader
from backends.errors import BackendError
from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.inference.dispatch import Run
from gateway.inference.failure import as_gateway_error
from gateway.inference.responder import Responder
from gateway.telemetry.buckets import Buckets

BULK_BYTES = 1 << 20
"""A larger plain reply is passed on in pieces instead of being checked as a whole."""


async def relay(
    run: Run,
    responder: Responder,
    exchange: Exchange,
    *,
    clock: Callable[[], float],
    gaps: Buckets,
) -> None:
    """Send the whole answer.

    Raises `GatewayError` only while nothing was sent yet; a later failure becomes the stream's
    final error event and is noted in the exchange. The caller closes the run.
    """
    try:
        if run.prepared.call.stream:
            await _relay_stream(run, responder, exchange, clock=clock, gaps=gaps)
        elif (body := run.response.whole(BULK_BYTES)) is None:
            await _relay_reply(run, responder, exchange, clock=clock)
        else:
            reply = _read_reply(run, body, exchange, clock())
            if not responder.answer(reply):
                await responder.reply(reply)
    except BackendError as error:
        raise as_gateway_error(run.runner.name, error) from error


async def _relay_reply(
    run: Run, responder: Responder, exchange: Exchange, *, clock: Callable[[], float]
) -> None:
    body, ended = await run.response.read_up_to(BULK_BYTES)
    if ended:
        await responder.reply(_read_reply(run, body, exchange, clock()))
        return
    bulk = run.backend.bulk(run.prepared)
    exchange.first_token = clock()
    await responder.begin(events=False)
    try:
        while body:
            if out := bulk.feed(body):
                await responder.part(out)
            body = await run.response.chunk()
    except BackendError as error:
        _note(exchange, as_gateway_error(run.runner.name, error))
        raise BrokenReply from error
    exchange.last_token = clock()
    exchange.usage = bulk.usage
    run.close(served=True)
    await responder.end(bulk.finish())


def _read_reply(run: Run, body: bytes, exchange: Exchange, now: float) -> bytes:
    """What the caller gets of a complete reply that was here at `now`."""
    reply = run.backend.read_reply(run.prepared, body)
    exchange.usage = reply.usage
    exchange.first_token = exchange.last_token = now
    # The runner is done with it: its slot need not wait for a slow reader.
    run.close(served=True)
    return reply.body


class BrokenReply(Exception):
    """A plain reply broke off after it had begun: only cutting the connection can say so."""


async def _relay_stream(
    run: Run,
    responder: Responder,
    exchange: Exchange,
    *,
    clock: Callable[[], float],
    gaps: Buckets,
) -> None:
    reader = run.backend.stream(run.prepared)
    try:
        data, out = await _until_first_token(run, reader, responder, clock)
        exchange.last_token = clock()
        if reader.started:
            exchange.first_token = exchange.last_token
        if data:
            run.response.limit_idle(run.timeouts.idle_s)
            out = await _until_end(run, reader, responder, out, _Watch(exchange, gaps, clock))
    except BackendError as error:
        if not responder.started:
            raise
        # A stream that has begun can only end in an error event: nothing else says so any more.
        failure = as_gateway_error(run.runner.name, error)
        exchange.code = failure.code
        out = reader.abort(failure.message)
    finally:
        exchange.usage = reader.usage
        exchange.chunks = reader.chunks
    if reader.failed is not None and exchange.code is None:
        exchange.code = "stream_failed"
    # The runner is done with it: its slot need not wait for a slow reader.
    run.close(served=exchange.code is None)
    await responder.end(out)


async def _until_first_token(
    run: Run, reader: StreamReader, responder: Responder, clock: Callable[[], float]
) -> tuple[bytes, bytes]:
    """Read until a token, or the end, has come; returns what was read and what to send of it.

    The response begins with the first event: until then an error can still have a status.
    """
    data, out = b"-", b""
    while data and not (out and reader.started):
        if out:
            await responder.part(out)
        # A runner may open the stream at once and then read the prompt for a minute.
        left_s = run.sent + run.timeouts.first_byte_s - clock()
        run.response.limit_idle(max(0.001, left_s))
        data = await run.response.chunk()
        out = reader.feed(data) if data else reader.finish()
        if out and not responder.started:
            await responder.begin(events=True)
    return data, out


class _Watch:
    """Takes the times between the pieces of one stream."""

    __slots__ = ("_clock", "_exchange", "_gaps")

    def __init__(self, exchange: Exchange, gaps: Buckets, clock: Callable[[], float]) -> None:
        self._exchange = exchange
        self._gaps = gaps
        self._clock = clock

    def piece(self) -> None:
        """A piece has come."""
        now = self._clock()
        exchange = self._exchange
        if exchange.last_token is not None:
            self._gaps.observe(now - exchange.last_token)
        exchange.last_token = now


async def _until_end(
    run: Run, reader: StreamReader, responder: Responder, out: bytes, watch: _Watch
) -> bytes:
    """Pass everything on but the last part, which is returned."""
    chunk, feed, push, piece = run.response.chunk, reader.feed, responder.push, watch.piece
    while True:
        if out and not push(out):
            await responder.part(out)
        data = await chunk()
        if not data:
            return reader.finish()
        out = feed(data)
        piece()


def _note(exchange: Exchange, failure: GatewayError) -> None:
    exchange.code = failure.code
