"""Adds up where the time of one request or job went."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, Literal, TypeAlias

# `job` is what a request waits for a worker; `database` includes the wait for a connection.
Part: TypeAlias = Literal["database", "taps", "redis", "render", "job"]
PARTS: Final[tuple[Part, ...]] = ("database", "taps", "redis", "render", "job")


@dataclass(slots=True)
class Profile:
    """Parts may overlap: what a plugin reads from the database during its tap counts in both. `started` is the
    reading of `perf_counter`."""

    started: float = field(default_factory=perf_counter)
    seconds: dict[Part, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    counts: dict[Part, int] = field(default_factory=lambda: dict.fromkeys(PARTS, 0))

    @property
    def elapsed_s(self) -> float:
        return perf_counter() - self.started

    def as_fields(self) -> dict[str, float | int]:
        """`database_ms`, `database_count` and so on, for a log line; without the parts that did not happen."""
        fields: dict[str, float | int] = {}
        for part, seconds in self.seconds.items():
            if seconds:
                fields[f"{part}_ms"] = round(seconds * 1000, 1)
                fields[f"{part}_count"] = self.counts[part]
        return fields

    def as_server_timing(self) -> str:
        """The parts and the total until now, as browsers show them in their network panel."""
        parts = [
            f'{part};dur={seconds * 1000:.1f};desc="{part}, {self.counts[part]}"'
            for part, seconds in self.seconds.items()
            if seconds
        ]
        return ", ".join([*parts, f"total;dur={self.elapsed_s * 1000:.1f}"])


_CURRENT: Final[ContextVar[Profile | None]] = ContextVar("profile", default=None)


def begin_profile() -> Profile:
    """For the task that this is called in, and for all that it starts afterwards."""
    profile = Profile()
    _CURRENT.set(profile)
    return profile


def find_profile() -> Profile | None:
    return _CURRENT.get()


def note_time(part: Part, seconds: float, count: int = 1) -> None:
    """Nothing outside a request or a job."""
    profile = _CURRENT.get()
    if profile is not None:
        profile.seconds[part] += seconds
        profile.counts[part] += count
