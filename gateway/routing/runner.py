"""One runner as the gateway sees it: its adapter, its slots and its state."""

from __future__ import annotations

from collections.abc import Callable

from backends.base import Backend, BackendKind, ModelCard, Probe, RunnerState
from gateway.routing.health import Health

Slots = int | None
"""A number of slots; None switches admission off (`slots: unlimited`)."""


class Runner:
    """One runner. `backend` is None while a runner that the gateway starts has no address yet.

    `parallel` is what one that the gateway started was told to work on at once. `on_slots(name,
    slots)` is called whenever the number of requests that it may take changes.
    """

    def __init__(
        self,
        name: str,
        kind: BackendKind,
        *,
        pinned: int | str,
        parallel: int | None = None,
        on_slots: Callable[[str, int], None],
    ) -> None:
        self.name = name
        self.kind = kind
        self.backend: Backend | None = None
        self.probe: Probe | None = None
        self.in_flight = 0
        """Requests of this replica on it, with or without slots."""
        self.claims = 0
        """Requests that wait for a slot and may be given one of its."""
        self.unlimited = pinned == "unlimited"
        self._pinned = pinned if isinstance(pinned, int) else None
        self._parallel = parallel
        self._on_slots = on_slots
        self._health = Health()
        self.candidate = True
        """Whether a request may be meant for it: now, or after a wait while it loads."""

    @property
    def state(self) -> RunnerState:
        """What it is fit for now."""
        return self._health.state

    @property
    def detail(self) -> str:
        """Why it is in this state, in a sentence."""
        return self._health.detail

    @property
    def url(self) -> str:
        """Its address, without credentials; empty while it has none."""
        return self.backend.url if self.backend is not None else ""

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """What it said that it serves, as far as it was asked."""
        return (self.probe.models or ()) if self.probe is not None else ()

    @property
    def working_slots(self) -> int:
        """Slots it has when it is up: pinned, else told by itself, else what it was started with,
        else its backend's default."""
        if self._pinned is not None:
            return self._pinned
        if self.probe is not None and self.probe.slots:
            return self.probe.slots
        if self._parallel is not None:
            return self._parallel
        return self.backend.default_slots if self.backend is not None else 1

    @property
    def slots_origin(self) -> str:
        """Where the number of slots comes from: configured, told by the runner, or a default."""
        if self._pinned is not None or self.unlimited:
            return "configured"
        if self.probe is not None and self.probe.slots:
            return "runner"
        return "configured" if self._parallel is not None else "default"

    def observe(self, probe: Probe) -> None:
        """Take in what a probe saw."""
        if probe.state is not RunnerState.DOWN:
            self.probe = probe
        self._health.observe(probe)
        self._publish()

    def unreachable(self, detail: str) -> None:
        """A request could not connect to it."""
        self._health.unreachable(detail)
        self._publish()

    def loading(self, detail: str) -> None:
        """It is up but cannot answer yet; requests for it wait."""
        self._health.loading(detail)
        self._publish()

    def context_length(self, model: str) -> int | None:
        """Tokens a request for this upstream model may use, where the runner tells."""
        cards = self.models
        for card in cards:
            if card.id == model or model in card.aliases:
                return card.context_length
        return cards[0].context_length if len(cards) == 1 else None

    @property
    def _wakes(self) -> bool:
        return self.probe is None or self.probe.wakes

    def retire(self) -> None:
        """It is no longer in the configuration: what becomes of it says nothing about its name."""
        self._on_slots = lambda name, slots: None

    def _publish(self) -> None:
        state = self.state
        self.candidate = state is not RunnerState.DOWN and (
            state is not RunnerState.ASLEEP or self._wakes
        )
        fit = self.candidate and self.state is not RunnerState.LOADING
        self._on_slots(self.name, self.working_slots if fit else 0)
