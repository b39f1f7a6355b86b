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
        else:
            await _relay_reply(run, responder, exchange, clock=clock)
    except BackendError as error:
        raise as_gateway_error(run.runner.name, error) from error


async def _relay_reply(
    run: Run, responder: Responder, exchange: Exchange, *, clock: Callable[[], float]
) -> None:
    body, ended = await run.response.read_up_to(BULK_BYTES)
    if ended:
        reply = run.backend.read_reply(run.prepared, body)
        exchange.usage = reply.usage
        exchange.first_token = exchange.last_token = clock()
        # The runner is done with it: its slot need not wait for a slow reader.
        run.close()
        await responder.reply(reply.body)
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
    await responder.end(bulk.finish())


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
    response = run.response
    part = responder.part
    data = b"-"
    out = b""
    # Nothing is sent before the first event is there: until then an error can have a status.
    while data and not (out and reader.started):
        # A runner may open the stream at once and then read the prompt for a minute.
        response.limit_idle(max(0.001, run.sent + run.timeouts.first_byte_s - clock()))
        try:
            data = await response.chunk()
            out = reader.feed(data) if data else reader.finish()
        except BackendError as error:
            if not responder.started:
                raise
            await _break_off(run, responder, exchange, reader, error)
            return
        if out and not responder.started:
            await responder.begin(events=True)
        if out and not reader.started and data:
            await part(out)
    response.limit_idle(run.timeouts.idle_s)
    exchange.last_token = clock()
    if reader.started:
        exchange.first_token = exchange.last_token
    try:
        while data:
            if out:
                await part(out)
            data = await response.chunk()
            if data:
                out = reader.feed(data)
                now = clock()
                gaps.observe(now - exchange.last_token)
                exchange.last_token = now
            else:
                out = reader.finish()
    except BackendError as error:
        await _break_off(run, responder, exchange, reader, error)
        return
    finally:
        exchange.usage = reader.usage
        exchange.chunks = reader.chunks
    if reader.failed is not None:
        exchange.code = "stream_failed"
    # The runner is done with it: its slot need not wait for a slow reader.
    run.close()
    await responder.end(out)


async def _break_off(
    run: Run,
    responder: Responder,
    exchange: Exchange,
    reader: StreamReader,
    error: BackendError,
) -> None:
    """End a stream that has begun with an error event: nothing else can say so any more."""
    failure = as_gateway_error(run.runner.name, error)
    exchange.code = failure.code
    exchange.usage = reader.usage
    run.close()
    await responder.end(reader.abort(failure.message))


def _note(exchange: Exchange, failure: GatewayError) -> None:
    exchange.code = failure.code
