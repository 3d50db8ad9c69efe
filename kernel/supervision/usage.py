"""What a plugin used in the last day, tap by tap."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kernel.clock import now
from kernel.shared.tally import Tallies
from kernel.tap.watch import BUCKETS_MS, Tally

HOURS: Final = 24
_KEEP_S: Final = (HOURS + 1) * 3_600


@dataclass(frozen=True, slots=True)
class TapUsage:
    """`p50_ms` and `p95_ms` are upper bounds of real time, None beyond the last bucket; `cpu_ms` and `host_calls` are
    means of one call, `memory_mb` is that of the instances in which it ran and that were measured, None without any."""

    tap: str
    calls: int
    failures: int
    p50_ms: float | None
    p95_ms: float | None
    cpu_ms: float
    host_calls: float
    memory_mb: float | None


async def add_usage(tallies: Tallies, tally: Tally) -> None:
    """Raises Unavailable."""
    by_plugin: dict[str, Counter[str]] = {}
    for (plugin, tap, figure), number in tally.items():
        by_plugin.setdefault(plugin, Counter())[f"{tap} {figure}"] += number
    for plugin, numbers in by_plugin.items():
        await tallies.add(_name(plugin, now()), numbers, _KEEP_S)


async def read_usage(tallies: Tallies, plugin: str) -> list[TapUsage]:
    """By tap. Raises Unavailable."""
    moment = now()
    names = [_name(plugin, moment - timedelta(hours=back)) for back in range(HOURS)]
    by_tap: dict[str, dict[str, int]] = {}
    for field, number in (await tallies.read(names)).items():
        tap, _, figure = field.rpartition(" ")
        by_tap.setdefault(tap, {})[figure] = number
    return [summarise(tap, by_tap[tap]) for tap in sorted(by_tap)]


def summarise(tap: str, numbers: Mapping[str, int]) -> TapUsage:
    calls = numbers.get("calls", 0)
    return TapUsage(
        tap,
        calls,
        numbers.get("failures", 0),
        _find_bound(numbers, 0.50),
        _find_bound(numbers, 0.95),
        numbers.get("cpu_us", 0) / 1000 / max(calls, 1),
        numbers.get("host_calls", 0) / max(calls, 1),
        numbers["memory_kb"] / 1024 / numbers["measured"] if numbers.get("measured") else None,
    )


def _find_bound(numbers: Mapping[str, int], share: float) -> float | None:
    counts = [numbers.get(f"b{number}", 0) for number in range(len(BUCKETS_MS) + 1)]
    wanted = share * sum(counts)
    seen = 0
    for bound, count in zip((*BUCKETS_MS, None), counts, strict=True):
        seen += count
        if seen >= wanted:
            return bound
    return None


def _name(plugin: str, moment: datetime) -> str:
    return f"usage:{plugin}:{moment:%Y-%m-%dT%H}"
