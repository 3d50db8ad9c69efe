"""What a run consists of: how long, how many, which faults at which second, and what it must at least have reached."""

import random
from dataclasses import dataclass, field
from pathlib import Path

# Values of the configuration that no variable names: nobody wants to wait half a minute for a lease here.
WORKER_SETTINGS = {
    "lease_s": 2.0,
    "sweep_every_s": 0.5,
    "poll_every_s": 0.5,
    "cron": {"lock_ttl_s": 3.0, "heartbeat_s": 1.0},
}
SAVE_WAIT_S = 1.0
WEB_PROCESSES = 2
WORKERS = 3

# How often in two minutes. `aim` pauses a worker in the middle of a save; all workers are killed in the middle of a
# batch.
FULL = {
    "kill worker": 20,
    "kill all workers": 4,
    "kill web": 4,
    "aim": 7,
    "pause worker": 4,
    "pause web": 2,
    "flush redis": 3,
    "restart redis": 3,
    "restart postgres": 2,
    "crash postgres": 2,
}
SHORT = {
    "kill worker": 2,
    "kill all workers": 1,
    "kill web": 1,
    "aim": 1,
    "flush redis": 1,
    "restart redis": 1,
    "crash postgres": 1,
}
# For a build without its fence: nothing but workers that stand still in the middle of a save.
PAUSES = {"aim": 4}
_CALM_S = 2.0


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    at_s: float
    kind: str


@dataclass(frozen=True, slots=True)
class Plan:
    """`without` names the safeguards that the workers go without. `haste` is the share of items that their editors
    delete at once. `lines` are those of one import. `kept` is a folder for the logs."""

    seed: int
    seconds: float
    editors: int
    faults: tuple[Fault, ...]
    minimum: dict = field(default_factory=dict)
    without: tuple[str, ...] = ()
    haste: float = 0.1
    lines: int = 200
    kept: Path | None = None


def make_plan(*, seed, seconds, editors, is_short, without=(), kept=None):
    kinds = PAUSES if "fence" in without else SHORT if is_short else FULL
    minimum = {} if without else find_minimum(kinds, is_short)
    return Plan(
        seed,
        seconds,
        editors,
        schedule(kinds, seconds, random.Random(seed)),
        minimum,
        tuple(without),
        haste=0.9 if "fence" in without else 0.1,
        lines=450 if is_short else 900,
        kept=kept,
    )


def find_minimum(kinds, is_short):
    """A run that did less proves less than it says."""
    return {
        "accepted saves": 100 if is_short else 2000,
        "worker kills": 3 if is_short else 20,
        "redis flushes and restarts": 2 if is_short else 3,
        "postgres restarts": 1 if is_short else 2,
        "takeovers from a paused worker": 1 if is_short else 3,
        "cron slots completed": 5 if is_short else 40,
        "batches": 1 if is_short else 8,
        "lines imported": 450 if is_short else 4000,
        "batches taken up again after a kill": 1 if is_short else 2,
    }


def schedule(kinds, seconds, chance):
    """Each kind spread over the time, at random within its share of it; the first seconds and the last are calm."""
    usable_s = seconds - 2 * _CALM_S
    return tuple(
        sorted(
            Fault(round(_CALM_S + usable_s * (number + chance.random()) / count, 1), kind)
            for kind, count in kinds.items()
            for number in range(count)
        )
    )
