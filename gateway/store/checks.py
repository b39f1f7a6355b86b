"""Whether a server can be our store: looked at each time one is connected to.

Not only at the start: after a failover the store is another server, with a configuration of its
own. What makes it useless is `StoreUnfit`, with what to change; what only may surprise somebody is
logged, once.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    AskError,
    AuthenticationError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from gateway.settings import StoreAddress
from gateway.store.endpoint import not_let_in
from gateway.store.errors import StoreDown, StoreUnfit
from gateway.store.library import Library
from gateway.store.refusal import Refusal, meaning_of

logger = logging.getLogger(__name__)

LEAST_REDIS = (7, 0)
LEAST_VALKEY = (7, 2)
MOST_SKEW_S = 5.0

FAMILIES = (b"sg", b"rl", b"keys")
"""What keys begin with, before the domain: home, which is the queue; limits; keys of callers."""

PERMISSIONS = " ".join(f"~{{{family.decode()}:*" for family in FAMILIES) + (
    " +@read +@write +@scripting +@connection +info +time"
)
"""What a user needs, as ACL SETUSER takes it."""

PROBE = b"""\
local key, now = KEYS[1], redis.call('TIME')
redis.call('SET', key, now[1], 'PX', 10000) redis.call('GET', key) redis.call('DEL', key)
redis.call('HSET', key, 'a', 1) redis.call('HINCRBY', key, 'a', 1) redis.call('DEL', key)
redis.call('ZADD', key, 1, 'a') redis.call('ZRANGE', key, 0, -1) redis.call('DEL', key)
redis.call('XADD', key, 'MAXLEN', '~', 10, '*', 'a', 'b') redis.call('PEXPIRE', key, 10000)
return cmsgpack.unpack(ARGV[1])
"""
FUNCTIONS = Library("probe", ["function operations.probe() return call('GET', P) end"])
_SHA = hashlib.sha1(PROBE, usedforsecurity=False).hexdigest()
_PASSING = (AskError, ClusterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
"""The client has taken the word off these that would tell them from a fault."""
_FORBIDDEN = ("NOPERM", "ACL failure", "can't run this command", "can't access at least one")
"""Within a script a lack of permission is an error of the script, in the words of each version."""
_ONE = b"\x01"  # in MessagePack
_PROBING = b"\x91\x91\xa5probe"  # the same: [["probe"]]


class Inspection:
    """What is asked of the servers of one store. `wall` is the time of day, in seconds."""

    def __init__(
        self,
        *,
        address: StoreAddress,
        home: bytes,
        user: str | None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._address = address
        self._home = home
        self._user = user or "default"
        self._wall = wall
        self._warned: set[str] = set()

    async def look(self, connection: AbstractConnection, at_home: bool) -> None:
        """Raises `StoreUnfit`, or `StoreDown` where it just cannot answer.

        With `at_home` the keys are there that a write can be tried on.
        """
        try:
            facts = _facts(await self._ask(connection, "INFO"))
            fault = fault_of(facts, self._address)
            if fault is not None:
                raise StoreUnfit(fault)
            if at_home:
                await self._try_out(connection)
            self._warn_of_skew(await self._ask(connection, "TIME"))
            await self._warn_of_loss(connection, facts)
        except AuthenticationError as error:
            raise not_let_in(error) from error
        except (RedisError, OSError) as error:
            raise StoreDown(str(error)) from error

    async def _ask(self, connection: AbstractConnection, *command: Any) -> Any:
        try:
            return await _asked(connection, *command)
        except ResponseError as error:
            name = command[0].decode() if isinstance(command[0], bytes) else command[0]
            raise self._refused(name, error) from error

    async def _try_out(self, connection: AbstractConnection) -> None:
        """Do once what scripts, libraries and mailboxes will do."""
        here = FAMILIES if self._address.kind != "cluster" else FAMILIES[:1]
        for family in here:
            key = b"{%b%b:probe" % (family, self._home[self._home.index(b":") :])
            await self._ask(connection, "EVAL", PROBE, 1, key, _ONE)
            await self._ask(connection, "EVALSHA", _SHA, 1, key, _ONE)
            await self._ask(connection, *FUNCTIONS.introduction())
            await self._ask(connection, "FCALL", FUNCTIONS.id, 1, key, _PROBING)
            await self._ask(connection, "XREAD", "COUNT", 1, "STREAMS", key, "0")
            await self._ask(connection, "DEL", key)

    def _refused(self, command: str, error: ResponseError) -> StoreDown:
        text = str(error)
        if isinstance(error, NoPermissionError) or any(words in text for words in _FORBIDDEN):
            return StoreUnfit(
                f"its user '{self._user}' may not do what the gateway has to ({command}: {text}). "
                f"Allow it: ACL SETUSER {self._user} {PERMISSIONS}"
            )
        if not isinstance(error, _PASSING) and meaning_of(text) is Refusal.FAULT:
            return StoreUnfit(f"it refuses {command}: {text}")
        return StoreDown(f"it refuses {command}: {text}")

    def _warn_of_skew(self, reply: Any) -> None:
        skew_s = self._wall() - int(reply[0])
        if abs(skew_s) > MOST_SKEW_S:
            order = "behind" if skew_s > 0 else "ahead of"
            self._warn(
                "clock",
                f"the clock of the store is {abs(skew_s):.0f} s {order} ours: expiry dates of keys "
                "and times in logs will not agree; run NTP on both",
            )

    async def _warn_of_loss(self, connection: AbstractConnection, facts: Mapping[str, str]) -> None:
        if facts.get("aof_enabled") != "0":
            return
        try:
            reply = await _asked(connection, "CONFIG", "GET", "save")
        except ResponseError:  # often forbidden, and then nobody knows
            return
        if len(reply) == 2 and not reply[1]:
            self._warn(
                "loss",
                "the store writes nothing to its disk: when it restarts, keys that were created on "
                "the command line are gone. Set `appendonly yes` in its configuration",
            )

    def _warn(self, what: str, text: str) -> None:
        if what not in self._warned:
            self._warned.add(what)
            logger.warning("%s", text)


def fault_of(facts: Mapping[str, str], address: StoreAddress) -> str | None:
    """Why a server that says this of itself cannot be the store, and what to change. Pure."""
    valkey = facts.get("valkey_version")
    name, version = ("Valkey", valkey) if valkey else ("Redis", facts.get("redis_version", ""))
    if _numbers(version) < (LEAST_VALKEY if valkey else LEAST_REDIS):
        return (
            f"it is {name} {version or 'of an unknown version'}, and Redis 7.0 or Valkey 7.2 is "
            "needed. Update it, or set store.url: embedded."
        )
    mode = facts.get("server_mode") or facts.get("redis_mode", "standalone")
    if mode == "sentinel":
        return "it is a sentinel. Write store.url: redis+sentinel://HOST:PORT/MASTER."
    if mode == "cluster" and address.kind != "cluster":
        return "it is a node of a cluster. Write store.url: redis+cluster://HOST:PORT."
    if facts.get("role") == "slave":
        master = f"{facts.get('master_host', '?')}:{facts.get('master_port', '?')}"
        return (
            f"it is a read-only replica of {master}. Set store.url to the master, or to sentinels "
            "(redis+sentinel://) that know who it is."
        )
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return (
            f"it throws keys away when its memory is full (maxmemory-policy {policy}), and slots "
            "with them. Set `maxmemory-policy noeviction` in its configuration, and at once with "
            "CONFIG SET maxmemory-policy noeviction."
        )
    return None


async def _asked(connection: AbstractConnection, *command: Any) -> Any:
    await connection.send_command(*command)
    return await connection.read_response()


def _facts(reply: Any) -> dict[str, str]:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value for name, colon, value in pairs if colon}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
