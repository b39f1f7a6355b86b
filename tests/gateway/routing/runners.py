"""Runners for tests of routing: real ones, with nothing behind them."""

from __future__ import annotations

from backends.base import BackendKind, ModelCard, Probe, RunnerState
from gateway.routing.runner import Runner


def a_runner(name: str = "r", kind: BackendKind = "llamacpp", pinned: int | str = "auto") -> Runner:
    return Runner(name, kind, pinned=pinned, on_slots=lambda name, slots: None)


def ready(*models: str | ModelCard, slots: int | None = None) -> Probe:
    """A look at a runner that works and serves these models."""
    cards = tuple(each if isinstance(each, ModelCard) else ModelCard(each) for each in models)
    return Probe(RunnerState.READY, "fine", models=cards, slots=slots)


def saw(state: RunnerState, detail: str = "", *, wakes: bool = True) -> Probe:
    return Probe(state, detail or f"saw {state}", wakes=wakes)
