"""One look at each target before anything is measured, so that a wrong url, model or key is said
at once and in words, and not as a table of failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import msgspec

from backends.base import BackendKind
from backends.catalog import connect
from backends.errors import BackendError
from backends.identity import recognise
from backends.probing import Prober
from backends.transport import Response, Timeouts, Transport
from gateway.bench.asker import REFUSALS
from gateway.bench.dialects import DIALECTS
from gateway.bench.plan import Target
from gateway.bench.retry import retry_after_s

PATIENCE_S = 60.0
"""How long a target may refuse, or load its model, before it counts as unusable."""
_PAUSE_S = 2.0
_ERROR_BYTES = 1 << 20
_SHOWN = 300

Sleep = Callable[[float], Awaitable[None]]


class TargetUnusable(Exception):
    """It cannot be measured; the message says which, why, and what to do."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What one small request to a target told."""

    gateway: bool
    """It came through a Sluicegate."""
    input_tokens: int | None
    output_tokens: int | None


async def look(target: Target) -> Target:
    """Find out which runner it is, how many slots it has and what it is called, as far as it
    tells. Never raises for its faults; those a trial will find, and say better.
    """
    if target.path == "gateway":
        return target
    try:
        kind = target.kind or await _kind(target)
        if kind is None:
            return target
        backend = connect(
            kind, Transport(target.url, tls=target.tls), name=target.name, api_key=target.api_key
        )
    except (BackendError, ValueError):
        return target
    try:
        probe = await backend.probe()
    finally:
        await backend.aclose()
    return replace(
        target,
        kind=kind,
        version=target.version or probe.version,
        slots=target.slots or probe.slots,
    )


async def try_out(
    target: Target,
    body: bytes,
    *,
    timeout_s: float,
    sleep: Sleep = asyncio.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Trial:
    """Send one request as it will be measured. Raises `TargetUnusable`."""
    try:
        transport = Transport(target.url, tls=target.tls)
    except ValueError as error:
        raise TargetUnusable(f"{target.name}: {error}") from error
    began = clock()
    try:
        while True:
            pause_s = await _try(target, transport, body, timeout_s)
            if isinstance(pause_s, Trial):
                return pause_s
            waited_s = clock() - began
            if waited_s + pause_s > PATIENCE_S:
                raise TargetUnusable(
                    f"{target.name}: {transport.url} {_refusals(waited_s, pause_s)}; "
                    "is it loading a model, or busy with other people's work?"
                )
            await sleep(pause_s)
    except BackendError as error:
        raise TargetUnusable(f"{target.name}: {error}") from error
    except ValueError as error:
        raise TargetUnusable(f"{target.name}: the key cannot be sent: {error}") from error
    finally:
        await transport.aclose()


def _refusals(waited_s: float, pause_s: float) -> str:
    """What happened until patience ended, in words."""
    for_s = f"every request for {waited_s:.0f} s" if waited_s >= 1 else "the first request"
    if pause_s <= _PAUSE_S:
        return f"has refused {for_s}"
    return (
        f"has refused {for_s} and asks to wait {pause_s:.0f} s more, past the {PATIENCE_S:.0f} s "
        "that it is given"
    )


async def _try(
    target: Target, transport: Transport, body: bytes, timeout_s: float
) -> Trial | float:
    """The trial, or how long to wait before the next one."""
    dialect = DIALECTS[target.dialect]
    head = transport.head("POST", dialect.path, dialect.headers(target.api_key))
    timeouts = Timeouts(first_byte_s=timeout_s, idle_s=timeout_s, total_s=timeout_s)
    response = await transport.send(head, body, timeouts=timeouts)
    try:
        if response.status == 200:
            return await _read(target, transport, response)
        asked_s = retry_after_s(response.header, time.time())
        data, _ = await response.read_up_to(_ERROR_BYTES)
    finally:
        response.close()
    if response.status in REFUSALS:
        return _PAUSE_S if asked_s is None else max(asked_s, 0.1)
    raise TargetUnusable(await _error(target, transport, response.status, _message(data)))


async def _read(target: Target, transport: Transport, response: Response) -> Trial:
    reader = DIALECTS[target.dialect].reader()
    pieces = 0
    while data := await response.chunk():
        pieces += reader.feed(data)
    if reader.fault is not None:
        raise TargetUnusable(
            f"{target.name}: {transport.url} answered 200, but with {_article(reader.fault)}; "
            f"does it speak {target.dialect}? Choose with --api"
        )
    if not (reader.finished and reader.ended):
        raise TargetUnusable(
            f"{target.name}: {transport.url} ended its stream without saying that it had finished; "
            f"does it speak {target.dialect}? Choose with --api"
        )
    tokens = pieces if reader.output_tokens is None else reader.output_tokens
    return Trial(
        gateway=response.header(b"x-sluicegate-runner") is not None,
        input_tokens=reader.input_tokens,
        output_tokens=tokens,
    )


async def _error(target: Target, transport: Transport, status: int, message: str) -> str:
    said = f"{target.name}: {transport.url} answered HTTP {status}{message}"
    if status in (401, 403):
        if target.api_key is None:
            return f"{said}; name the variable that holds its key with --api-key-env"
        return f"{said}; the key in the variable named by --api-key-env is not the right one"
    if status == 404:
        offered = await _offered(target, transport)
        if target.model in offered:
            path = DIALECTS[target.dialect].path
            return f"{said}; it has the model, but does not serve {path}: choose with --api"
        if offered:
            return f"{said}; it has {', '.join(sorted(offered)[:8])}: choose with --model"
    return said


async def _offered(target: Target, transport: Transport) -> set[str]:
    prober = _prober(target, transport)
    try:
        listed = (await prober.models()).fields().get("data")
    except BackendError:
        return set()
    cards = listed if isinstance(listed, list) else []
    return {
        card["id"] for card in cards if isinstance(card, dict) and isinstance(card.get("id"), str)
    }


async def _kind(target: Target) -> BackendKind | None:
    transport = Transport(target.url, tls=target.tls)
    try:
        identity = await recognise(_prober(target, transport))
    finally:
        await transport.aclose()
    return None if identity is None else identity[1]


def _prober(target: Target, transport: Transport) -> Prober:
    headers = DIALECTS[target.dialect].headers(target.api_key)
    return Prober(transport, headers, api="/v1", name=target.name, kind="openai")


def _message(data: bytes) -> str:
    try:
        document = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    error = document.get("error") if isinstance(document, dict) else None
    text = error.get("message") if isinstance(error, dict) else error
    if not isinstance(text, str) or not text:
        return ""
    line = " ".join(text.split())
    return f" ({line if len(line) <= _SHOWN else line[:_SHOWN] + '…'})"


def _article(fault: str) -> str:
    return "something that is no answer" if fault.startswith("not") else f"an {fault}"
