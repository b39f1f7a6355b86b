"""Stores to test on: the Valkey that the gateway brings along, and the Redis of this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from gateway.store.embedded import EmbeddedServer

REDIS = shutil.which("redis-server")


class RedisServer(EmbeddedServer):
    """The same with the Redis on the PATH."""

    def _argv(self) -> tuple[str, ...]:
        assert REDIS is not None
        return (REDIS, *super()._argv()[1:])


def a_server(kind: str, folder: Path) -> EmbeddedServer:
    """A server of one kind, not started yet."""
    return {"valkey": EmbeddedServer, "redis": RedisServer}[kind](folder)
