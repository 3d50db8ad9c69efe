"""Answers Prometheus: who may ask, and the figures as they are now."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from ipaddress import IPv6Address, ip_address
from time import monotonic
from typing import Final

from kernel.config import MetricsConfig
from kernel.db.connect import DISCONNECTED
from kernel.jobs import JOB_KINDS
from kernel.ledger.figures import Backlog, count_given_up, list_backlog
from kernel.log import get_logger
from kernel.metrics import (
    JOBS_DEAD,
    JOBS_OLDEST_SECONDS,
    JOBS_RUNNING,
    JOBS_SCHEDULED,
    JOBS_WAITING,
    Metrics,
    Reading,
)
from kernel.runtime import Runtime

log = get_logger(__name__)

REFUSAL: Final = (
    "The metrics are not open to you. Send the METRICS_TOKEN of this site (Authorization: Bearer …), or have your"
    " address added to METRICS_ALLOW."
)
# Who sends one of these speaks for somebody else, whose address is not the connection's.
FORWARDING: Final = frozenset(
    ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
)
# Several who ask at once, and who asks too often, share an answer of the ledger.
LEDGER_AGE_S: Final = 1.0
LEDGER_TIMEOUT_S: Final = 1.0
REFRESH_S: Final = 1.0


def may_read_metrics(access: MetricsConfig, peer: str, headers: Iterable[tuple[str, str]]) -> bool:
    """`peer` is the address of the connection; names of `headers` are lower case. A token that is shown must be the
    right one; without one the address decides, unless the request was forwarded."""
    is_forwarded = False
    for name, value in headers:
        if name == "authorization":
            scheme, _, token = value.partition(" ")
            is_token = scheme.lower() == "bearer" and bool(access.token)
            return is_token and hmac.compare_digest(token.strip().encode(), access.token.encode())
        is_forwarded = is_forwarded or name in FORWARDING
    try:
        address = ip_address(peer)
    except ValueError:  # a Unix socket has no address
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return not is_forwarded and any(address in network for network in access.allow)


class Scrape:
    """The answers of one process."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self._readings: list[Reading] = []
        self._read_at = -LEDGER_AGE_S
        self._one_at_a_time = asyncio.Lock()

    async def render(self) -> bytes:
        """In the text format of Prometheus. Without PostgreSQL the series of the ledger are missing from it."""
        metrics = self._rt.metrics
        readings = await self._read_ledger()
        metrics.refresh()
        # Some milliseconds of work on thousands of lines, for which no visitor should wait.
        return await asyncio.to_thread(metrics.render, readings)

    async def _read_ledger(self) -> list[Reading]:
        async with self._one_at_a_time:
            if monotonic() - self._read_at >= LEDGER_AGE_S:
                try:
                    async with asyncio.timeout(LEDGER_TIMEOUT_S), self._rt.db.acquire() as conn:
                        self._readings = build_readings(await list_backlog(conn), await count_given_up(conn))
                except DISCONNECTED as error:
                    log.warning("metrics without those of the ledger", error=type(error).__name__)
                    self._readings = []
                self._read_at = monotonic()
            return self._readings


def build_readings(backlog: list[Backlog], given_up: dict[tuple[str, str], int]) -> list[Reading]:
    """Every kind that there is, also with nothing to do: a series that comes and goes cannot be watched."""
    by_kind = {kind: Backlog(kind, 0, 0.0, 0, 0) for kind in JOB_KINDS} | {
        part.kind: part for part in backlog
    }
    readings = []
    for kind, part in by_kind.items():
        readings += [
            Reading(JOBS_WAITING, (kind,), part.waiting),
            Reading(JOBS_OLDEST_SECONDS, (kind,), part.oldest_s),
            Reading(JOBS_SCHEDULED, (kind,), part.scheduled),
            Reading(JOBS_RUNNING, (kind,), part.running),
        ]
        readings += [
            Reading(JOBS_DEAD, (kind, status), given_up.get((kind, status), 0))
            for status in ("failed", "dead")
        ]
    return readings


@asynccontextmanager
async def keep_gauges_fresh(metrics: Metrics) -> AsyncIterator[None]:
    """For a process whose siblings are asked in its place: they find its gauges as they were a moment ago."""

    async def refresh_for_ever() -> None:
        while True:
            metrics.refresh()
            await asyncio.sleep(REFRESH_S)

    task = asyncio.create_task(refresh_for_ever(), name="gauges")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
