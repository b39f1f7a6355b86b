"""Signs of life for a stream whose request waits: so that neither a proxy nor a client library
gives it up.

Once the first has been sent, the answer is a 200, and whatever fails later is an error event.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from backends.base import Operation
from gateway.admission.base import Progress
from gateway.exchange import Exchange
from gateway.inference.dispatch import Run
from gateway.inference.responder import Responder
from gateway.settings import WaitingSettings

_OBJECTS = {Operation.CHAT: "chat.completion.chunk", Operation.COMPLETIONS: "text_completion"}


async def open_audibly(
    opening: Coroutine[Any, Any, Run],
    responder: Responder,
    exchange: Exchange,
    progress: Progress,
    settings: WaitingSettings,
    clock: Callable[[], float],
) -> Run:
    """Await `opening`, sending a sign of life whenever nothing was sent for as long as configured.

    Raises what `opening` raises. Cancelling it cancels `opening`, and waits for its end, so that
    nothing stays held.
    """
    task = asyncio.ensure_future(opening)
    silence_s = settings.after_s or settings.every_s
    try:
        while not (await asyncio.wait({task}, timeout=silence_s))[0]:
            if not responder.started:
                await responder.begin(events=True)
            waited_s = clock() - exchange.started
            await responder.part(_sign(exchange, progress, settings, waited_s))
            silence_s = settings.every_s
    except BaseException:
        await _end(task)
        raise
    return task.result()


async def _end(task: asyncio.Future[Run]) -> None:
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _sign(
    exchange: Exchange, progress: Progress, settings: WaitingSettings, waited_s: float
) -> bytes:
    if settings.form == "chunk" and exchange.operation in _OBJECTS:
        return b"data: " + msgspec.json.encode(_empty_chunk(exchange)) + b"\n\n"
    text = f": waiting {waited_s:.0f} s"
    if progress.ahead is not None:
        text += f", {progress.ahead} of yours before it"
    if progress.predicted_s is not None:
        text += f", about {max(1.0, progress.predicted_s - waited_s):.0f} s to go"
    return text.encode("ascii") + b"\n\n"


def _empty_chunk(exchange: Exchange) -> dict[str, Any]:
    return {
        "id": exchange.own_id,
        "object": _OBJECTS[exchange.operation],
        "created": int(time.time()),
        "model": exchange.model,
        "choices": [],
    }
