"""Rate limits: one call of the store takes from all buckets of a request, or from none of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from gateway.errors import Unavailable
from gateway.limits.bucket import Bucket
from gateway.limits.denial import denial, repeated_denial
from gateway.limits.held import HeldLeases
from gateway.limits.local import LocalBuckets
from gateway.limits.pending import FREE, Pending
from gateway.limits.plan import Plan, Plans
from gateway.limits.reservation import Reservation
from gateway.limits.shared import PREFIX, SharedBuckets, limits_text
from gateway.principal import Limits, Principal
from gateway.store import Library, Store, StoreDown

logger = logging.getLogger(__name__)

TOUCH_EVERY_S = 2.0


class Limiter:
    """Reserves what a request is estimated to take, and corrects it when it has ended.

    Belongs to one event loop. `replicas` says among how many the limits are divided while the store
    is down; with `closed`, nothing that has a limit is let in then. `would_refuse` is called for
    each limit that is only logged and would have refused. `library` has the operations of the
    limits; one that has the queue's too, and its `prefix`, lets both leave as one call.
    """

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], float] = time.monotonic,
        replicas: Callable[[], int] = lambda: 1,
        closed: bool = False,
        would_refuse: Callable[[Bucket], None] = lambda bucket: None,
        library: Library | None = None,
        prefix: bytes = PREFIX,
    ) -> None:
        self._store = store
        self._clock = clock
        self._replicas = replicas
        self._closed = closed
        self._would_refuse = would_refuse
        self._loop = asyncio.get_running_loop()
        self._plans = Plans()
        self._held = HeldLeases()
        self._shared = SharedBuckets(
            store, library or Library("limits", [limits_text()]), prefix, clock
        )
        self._local = LocalBuckets()
        self._task: asyncio.Task[None] | None = None
        self.granted_locally = 0
        """Requests that were let in while the store was down."""
        store.on_change(self._store_changed)

    def start(self) -> None:
        """Begin to tell the store which requests still run."""
        self._task = asyncio.create_task(self._keep_touching(), name="limits")

    async def aclose(self) -> None:
        """Stop that. Idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def begin(
        self, principal: Principal, model: str, model_limits: Limits, *, tokens: int
    ) -> Pending:
        """Ask for a request and `tokens` from every bucket that applies.

        Where none applies, the store is not asked. Raises `RateLimited` where that is certain.
        """
        plan = self._plans.get(principal, model, model_limits)
        if not plan.buckets:
            return FREE
        if plan.block is not None:
            error = repeated_denial(plan, plan.block, tokens, self._clock())
            if error is not None:
                raise error
        lease = self._held.name() if plan.holding else ""
        call = self._shared.reserve(lease, tokens, plan.every)
        return Pending(call, self, plan, lease, tokens)

    async def reserve(
        self, principal: Principal, model: str, model_limits: Limits, *, tokens: int
    ) -> Reservation:
        """`begin`, and wait for the answer. Raises `RateLimited`, and `Unavailable` when the store
        is down and that closes the gateway. When cancelled, whatever was taken is given back.
        """
        return await self.begin(principal, model, model_limits, tokens=tokens).wait()

    def take(
        self, plan: Plan, lease: str, tokens: int, call: asyncio.Future[list[int]]
    ) -> Reservation:
        """See `Taker.take`."""
        # Not raised and caught: the call, its error and this frame would hold each other, and with
        # them the whole request, until the garbage is collected.
        if isinstance(call.exception(), StoreDown):
            return self._reserve_locally(plan, lease, tokens)
        return self._answered(plan, lease, tokens, call.result())

    def settle(self, reservation: Reservation, *, back: int, actual: int) -> None:
        """See `Settler.settle`; for reservations only."""
        plan, lease, reserved = reservation.plan, reservation.lease, reservation.tokens
        if plan.holding:
            self._held.drop(lease, plan.holding)
            self._local.end(lease, plan.holding)
            plan.observe_held(self._clock() - reservation.started)
        if back or actual < reserved:
            plan.block = None
        if reservation.local:
            now = self._now_us()
            self._local.correct(now, plan.buckets, back=back, reserved=reserved, actual=actual)
            if plan.held is not None:
                # The store may have been told of it since.
                self._shared.correct(lease, plan.held, back=0, reserved=0, actual=0)
            return
        buckets = plan.every if back else plan.corrected
        if buckets is not None and (back or actual != reserved or plan.holding):
            self._shared.correct(lease, buckets, back=back, reserved=reserved, actual=actual)

    def touch(self) -> None:
        """Tell the store which requests still run, so that they go on to count; or, while it is
        down, those that count here."""
        now, up = self._now_us(), self._store.up
        for id, leases in self._held.chunks():
            if up:
                self._shared.touch(id, leases)
            else:
                self._local.touch(now, id, leases)

    async def _keep_touching(self) -> None:
        while True:
            await asyncio.sleep(TOUCH_EVERY_S)
            try:
                self.touch()
            except Exception:  # without it, what runs would soon not count any more
                logger.exception("the limits of what runs cannot be kept")

    def _store_changed(self, up: bool) -> None:
        if up:
            self._shared.catch_up()
        # Either side must know at once what runs, or it would let as many in again.
        self.touch()

    def _answered(
        self, plan: Plan, lease: str, tokens: int, reply: list[int], *, local: bool = False
    ) -> Reservation:
        """The reservation that a reply stands for. Raises `RateLimited` where it is a refusal."""
        if reply[0]:
            raise denial(plan, tokens, reply, self._clock())
        buckets = plan.buckets
        if len(reply) > _REPLY:
            plan = self._only_logged(plan, reply[_REPLY:])
        if plan.holding:
            self._held.add(lease, plan.holding)
        return Reservation(
            self,
            plan,
            lease=lease,
            tokens=tokens,
            started=self._clock() if plan.holding else 0.0,
            _buckets=buckets,
            _reply=reply,
            local=local,
        )

    def _only_logged(self, plan: Plan, places: list[int]) -> Plan:
        now = self._clock()
        for place in places:
            bucket, recent = plan.buckets[place - 1], plan.recents[place - 1]
            self._would_refuse(bucket)
            if recent.may_log(now):
                logger.info(
                    "%s %r is over %s: %d, which is only logged",
                    *(bucket.owner, bucket.name, bucket.kind.setting, bucket.limit),
                )
        return plan.without(places)

    def _reserve_locally(self, plan: Plan, lease: str, tokens: int) -> Reservation:
        if self._closed:
            raise Unavailable(
                "The store that counts this request's limits is down, and the gateway is set to "
                "refuse what it cannot count (limits.when_store_down: closed).",
                code="store_down",
                retry_after_s=2.0,
            ) from None
        self._local.share = max(1, self._replicas())
        reply = self._local.reserve(self._now_us(), lease, tokens, plan.buckets)
        reservation = self._answered(plan, lease, tokens, reply, local=True)
        self.granted_locally += 1
        return reservation

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)


_REPLY = 8
"""Numbers of a reply that are always there."""
