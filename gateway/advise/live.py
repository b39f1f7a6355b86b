"""Look at a running gateway: its metrics again and again, and its models once. Nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from backends.errors import BackendError
from backends.transport import Timeouts, Transport
from gateway.advise.observation import Observation
from gateway.advise.scrape import NotAGateway, read_metrics

_ASKING = Timeouts(connect_s=5.0, first_byte_s=5.0, idle_s=5.0, total_s=10.0)
_BODY_LIMIT = 16 << 20
_EVERY_S = 1.0


class Unreachable(Exception):
    """The gateway could not be asked; the message says what it answered, and what to do."""


async def observe(
    url: str,
    for_s: float,
    *,
    api_key: str | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    on_reading: Callable[[int], None] = lambda _count: None,
) -> Observation:
    """Read its metrics once a second for `for_s` seconds, twice at least.

    Asks `/v1/models` and `/metrics` of this url only. `on_reading` gets the number of readings
    made. Raises `Unreachable`, `NotAGateway`. Cancelling it closes its connection.
    """
    loop = asyncio.get_running_loop()
    try:
        transport = Transport(url)
    except ValueError as error:
        raise Unreachable(f"'{url}' is no address of a gateway: {error}") from error
    try:
        models = await _models(transport, api_key)
        began = loop.time()
        readings = [read_metrics(await _get(transport, "/metrics"))]
        on_reading(1)
        for _ in range(max(1, round(for_s / _EVERY_S))):
            await sleep(_EVERY_S)
            readings.append(read_metrics(await _get(transport, "/metrics")))
            on_reading(len(readings))
        return Observation(transport.url, loop.time() - began, tuple(readings), models)
    except BackendError as error:
        raise Unreachable(f"{error}; is a gateway running there?") from error
    finally:
        await transport.aclose()


async def _models(transport: Transport, api_key: str | None) -> tuple[dict[str, Any], ...]:
    text = await _get(transport, "/v1/models", api_key)
    try:
        document = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotAGateway(f"{transport.url}/v1/models is no JSON") from error
    data = document.get("data") if isinstance(document, dict) else None
    return tuple(card for card in data if isinstance(card, dict)) if isinstance(data, list) else ()


async def _get(transport: Transport, path: str, api_key: str | None = None) -> str:
    headers = [("authorization", f"Bearer {api_key}")] if api_key else []
    response = await transport.send(transport.head("GET", path, headers), timeouts=_ASKING)
    try:
        body = await response.read(_BODY_LIMIT)
    finally:
        response.close()
    if response.status == 200:
        return body.decode(errors="replace")
    remedy = "check the address"
    if response.status == 401:
        remedy = "name the variable that holds a key with --api-key-env"
    elif path == "/metrics" and response.status == 404:
        remedy = "switch `metrics.enabled` on"
    raise Unreachable(f"{transport.url}{path} answered {response.status}: {remedy}")
