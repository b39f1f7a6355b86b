"""Everything the scheduler knows, in one shape for the script and for the oracle."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import redis

from tests.gateway.admission.scripted import PREFIX
from tests.oracle.learning import Learnt
from tests.oracle.scheduler import Scheduler
from tests.oracle.ticket import State

Everything = dict[str, Any]
_unpack = msgspec.msgpack.Decoder().decode
_SORTED = {"lease", "dead", "line", "at", "ready", "idle", "retryx", "replicas"}
_NUMBER = {1: State.WAITING, 2: State.OFFERED, 3: State.RUNNING}


def script_state(client: redis.Redis) -> Everything:
    """What is stored under every key, as far as the oracle has it too."""
    found = _read(client)
    tickets = {ticket: _unpack(packed) for ticket, packed in found.get("t", {}).items()}
    return {
        "tickets": {
            ticket: (_NUMBER[t[0]], t[1], t[2], t[3], t[6], t[7], *t[8:15])
            for ticket, t in tickets.items()
        },
        "leases": _groups(found, "lease"),
        "lines": _groups(found, "line"),
        "waited for": _groups(found, "at"),
        "fits": {name: _numbers(hash_) for name, hash_ in _groups(found, "fit").items()},
        "ready": _groups(found, "ready"),
        "ahead": _still_ahead(found),
        "runners": found.get("runners", set()),
        "replicas": found.get("replicas", {}),
        "deadlines": found.get("dead", {}),
        **{name: _numbers(found.get(name, {})) for name in ("slots", "load")},
        "work": {route: _numbers(work) for route, work in _groups(found, "work").items()},
        "count": {pool: _numbers(count) for pool, count in _groups(found, "count").items()},
        "owed": {pool: _numbers(owed) for pool, owed in _groups(found, "owed").items()},
        "pool times": {name: at for name, at in _numbers(found.get("v", {})).items() if at},
        "last places": _numbers(found.get("pace", {})),
        "learnt": {pool: _learnt(_numbers(stat)) for pool, stat in _groups(found, "stat").items()},
        "promises": {
            retry: (*_unpack(packed), found["retryx"][retry])
            for retry, packed in found.get("retry", {}).items()
        },
        "fence": int(found.get("meta", {}).get("fence", 0)),
    }


def _read(client: redis.Redis) -> Everything:
    pipe = client.pipeline(transaction=False)
    names = [str(key, "utf-8").removeprefix(f"{PREFIX}:") for key in client.keys(f"{PREFIX}:*")]
    names = [name for name in names if name != "test-clock"]
    for name in names:
        key, kind = f"{PREFIX}:{name}", name.partition(":")[0]
        if kind in _SORTED:
            pipe.zrange(key, 0, -1, withscores=True)
        elif kind == "runners":
            pipe.smembers(key)
        else:
            pipe.hgetall(key)
    return {name: _plain(value) for name, value in zip(names, pipe.execute(), strict=True)}


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return {member.decode(): int(score) for member, score in value}
    if isinstance(value, set):
        return {member.decode() for member in value}
    return {field.decode(): of for field, of in value.items()}


def oracle_state(oracle: Scheduler) -> Everything:
    """The same, worked out from what the oracle has."""
    domain, fairness = oracle.domain, oracle.fairness
    waiting = list(domain.waiting())
    ranks = fairness.ranks()
    pool_times = {rank: fairness.pool_time(*rank) for rank in ranks}
    return {
        "tickets": {
            t.id: (
                *(t.state, t.pool, t.route, t.flow.id, t.cost, t.order, t.since, t.latest),
                *(t.replica, t.predicted, t.runner, t.fence, t.granted),
            )
            for t in domain.tickets.values()
        },
        "leases": _grouped(
            (t.runner, t.id, t.expires) for t in domain.tickets.values() if t.runner
        ),
        "lines": _grouped((f"{t.flow.id}:{t.route}", t.id, t.order) for t in waiting),
        "waited for": _grouped(
            (runner, route, len(domain.of_route(route)))
            for runner in {r for route in domain.routes.values() for r in route.runners}
            for route in domain.routes_at(runner)
        ),
        "fits": {runner: fits for runner, fits in domain.fits.items() if fits},
        "ready": _ranked((key, fairness.ready(*key)) for key in ranks),
        "ahead": _ranked((key, fairness.ahead(*key)) for key in ranks),
        "runners": domain.runners,
        "replicas": domain.replicas,
        "deadlines": {t.id: t.latest for t in waiting},
        "slots": {r: domain.slots(r) for r in domain.fits if domain.slots(r)},
        "load": {r: domain.load(r) for r in {t.runner for t in domain.tickets.values()} if r},
        "work": _summed((t.route, t.flow.id, t.cost) for t in waiting),
        "count": _summed((t.pool, t.flow.id, 1) for t in waiting),
        "owed": {pool: owed for pool, owed in fairness.owed.items() if owed},
        "pool times": {f"{pool}:{rank}": at for (pool, rank), at in pool_times.items() if at},
        "last places": {
            f"{pool}:{rank}": at for (pool, rank), at in oracle.comeback.last_places.items()
        },
        "learnt": {
            pool: {"m1": learnt.mean, "m2": learnt.square, **learnt.factors}
            for pool, learnt in oracle.dispatch.learnt.items()
            if learnt != Learnt()
        },
        "fence": domain.fence,
        "promises": {
            retry: (kept.order, kept.due, kept.expires)
            for retry, kept in oracle.comeback.promises.items()
        },
    }


def _groups(found: Everything, kind: str) -> dict[str, Any]:
    """The keys `<kind>:<name>`, by name."""
    return {
        key.removeprefix(f"{kind}:"): value
        for key, value in found.items()
        if key.startswith(f"{kind}:")
    }


def _numbers(values: dict[str, bytes]) -> dict[str, int]:
    return {name: int(value) for name, value in values.items()}


def _still_ahead(found: Everything) -> dict[str, dict[str, int]]:
    """Without flows that the pool has caught up with: they may be kept, and mean nothing."""
    kept = {}
    for pool, flows in _groups(found, "idle").items():
        now = int(found.get("v", {}).get(pool, 0))
        if ahead := {flow: at for flow, at in flows.items() if at > now}:
            kept[pool] = ahead
    return kept


def _learnt(stat: dict[str, int]) -> dict[str, int]:
    first = Learnt()
    return {"m1": first.mean, "m2": first.square, **first.factors, **stat}


def _grouped(entries: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    groups: dict[str, dict[str, int]] = {}
    for group, name, value in entries:
        groups.setdefault(group, {})[name] = value
    return groups


def _ranked(
    ranks: Iterable[tuple[tuple[str, int], list[tuple[int, str]]]],
) -> dict[str, dict[str, int]]:
    return {
        f"{pool}:{rank}": {flow: at for at, flow in flows} for (pool, rank), flows in ranks if flows
    }


def _summed(entries: Iterable[tuple[str, str, int]]) -> dict[str, dict[str, int]]:
    groups: dict[str, dict[str, int]] = {}
    for group, name, value in entries:
        of = groups.setdefault(group, {})
        of[name] = of.get(name, 0) + value
    return groups
