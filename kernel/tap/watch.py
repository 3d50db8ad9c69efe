"""Counts what plugins do in this process, and keeps their latest failures, until somebody takes both away."""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kernel.errors import PluginError
from kernel.sandbox.transcript import Transcript

# Milliseconds of real time, upper ends; a call that took longer stands beyond the last.
BUCKETS_MS: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
# Of one process between two looks; of more than this only the number is known.
FAILURES_KEPT: Final = 20

# An instance of every so many has its memory measured, the first one of a plugin among them.
MEASURED_EVERY: Final = 20

# (plugin, tap, figure): calls, failures, cpu_us, host_calls, b0, b1, … for the buckets, and of instances whose memory
# was measured their number (measured) and its sum (memory_kb).
Tally = Counter[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class FailedCall:
    """What the plugin was called with, and what it asked and was told. `name` is a tap's, or "function:…"."""

    name: str
    payload: bytes
    transcript: Transcript


@dataclass(frozen=True, slots=True)
class SeenFailure:
    """`sha256` is that of the artefact that failed."""

    plugin: str
    sha256: str
    tap: str
    error: PluginError
    request_id: str


class Watch:
    """One per process. Nothing of it waits or raises."""

    def __init__(self) -> None:
        self._tally: Tally = Counter()
        self._instances: Counter[str] = Counter()
        self._failures: deque[SeenFailure] = deque(maxlen=FAILURES_KEPT)

    def note_call(self, plugin: str, tap: str, seconds: float) -> None:
        self._tally[plugin, tap, "calls"] += 1
        self._tally[plugin, tap, f"b{bisect_left(BUCKETS_MS, seconds * 1000)}"] += 1

    def note_cost(self, plugin: str, tap: str, cpu_ms: float, host_calls: int) -> None:
        self._tally[plugin, tap, "cpu_us"] += round(cpu_ms * 1000)
        self._tally[plugin, tap, "host_calls"] += host_calls

    def wants_memory(self, plugin: str) -> bool:
        """Whether to measure the instance that is closed now."""
        self._instances[plugin] += 1
        return self._instances[plugin] % MEASURED_EVERY == 1

    def note_memory(self, plugin: str, taps: Iterable[str], size_bytes: int) -> None:
        """Of an instance in which these ran."""
        for tap in taps:
            self._tally[plugin, tap, "measured"] += 1
            self._tally[plugin, tap, "memory_kb"] += size_bytes // 1024

    def note_failure(self, plugin: str, sha256: str, tap: str, error: PluginError, request_id: str) -> None:
        self._tally[plugin, tap, "failures"] += 1
        self._failures.append(SeenFailure(plugin, sha256, tap, error, request_id))

    def take(self) -> tuple[Tally, tuple[SeenFailure, ...]]:
        """What has come since the last time."""
        tally, failures = self._tally, tuple(self._failures)
        self._tally = Counter()
        self._failures.clear()
        return tally, failures
