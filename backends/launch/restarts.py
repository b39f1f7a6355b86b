"""When a runner that crashed is started again, and when that is given up. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Waits of `first_s`, doubled up to `most_s`, until `crashes` crashes have come in a row."""

    first_s: float = 0.5
    most_s: float = 30.0
    crashes: int = 5
    healthy_s: float = 60.0
    """A life of this length, counted from ready, ends the row."""


DEFAULT_POLICY = RestartPolicy()


@dataclass(frozen=True, slots=True)
class CrashRow:
    """Crashes with no healthy life in between."""

    policy: RestartPolicy
    crashes: int = 0

    def after_crash(self, lived_s: float) -> CrashRow:
        """The row once a runner has crashed that was ready for `lived_s`."""
        healthy = lived_s >= self.policy.healthy_s
        return replace(self, crashes=1 if healthy else self.crashes + 1)

    @property
    def exhausted(self) -> bool:
        """Whether another start is pointless."""
        return self.crashes >= self.policy.crashes

    @property
    def delay_s(self) -> float:
        """How long to wait before the next start."""
        doublings = min(self.crashes - 1, 32)  # beyond that a float could overflow
        return min(self.policy.first_s * 2.0**doublings, self.policy.most_s)
