"""What this process counts, in the form that Prometheus reads.

Web processes share one port, so a scrape must answer for all of them together: each keeps its numbers in files
that the others can read (`Metrics.share`). The files are named by the process's place among its siblings, not by
its process id: whoever takes a dead process's place goes on counting where that one ended, and there are never
more files than places.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Self

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

# Where prometheus_client looks for the folder of shared numbers, when it is imported.
FOLDER_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

# From a cached page (well under a millisecond) to a save that waited for its worker.
REQUEST_BUCKETS_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# From a statement on a warm index, or a tap on a warm instance, to one that ran into its limit.
CALL_BUCKETS_S: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10)
# From a save to a batch.
JOB_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600)


@dataclass(frozen=True, slots=True)
class Series:
    """`name` as it is declared: Prometheus adds `_total` to a counter, `_bucket`, `_sum` and `_count` to a
    histogram."""

    name: str
    kind: Literal["counter", "histogram", "gauge"]
    labels: tuple[str, ...]
    meaning: str
    buckets_s: tuple[float, ...] = ()


HTTP_REQUESTS: Final = Series(
    "trovato_http_requests",
    "counter",
    ("method", "route", "status"),
    "Answered requests. `route` is the route's template, never an address; `none` when no route fits.",
)
HTTP_SECONDS: Final = Series(
    "trovato_http_request_seconds",
    "histogram",
    ("method", "route", "status"),
    "Time from a request's arrival to the end of its answer; of an event stream, to its beginning. `status` is its "
    "class, from `1xx` to `5xx`.",
    REQUEST_BUCKETS_S,
)
TAP_SECONDS: Final = Series(
    "trovato_tap_seconds",
    "histogram",
    ("plugin", "tap", "outcome"),
    "Time of one call of a plugin, waiting for its turn included. `outcome` is `ok` or why it failed.",
    CALL_BUCKETS_S,
)
OUTBOUND_SECONDS: Final = Series(
    "trovato_outbound_seconds",
    "histogram",
    ("plugin", "outcome"),
    "Time of one request of a plugin to another server. `outcome` is the class of the status, from `1xx` to `5xx`, or "
    "the code of what was refused or failed.",
    CALL_BUCKETS_S,
)
QUERY_SECONDS: Final = Series(
    "trovato_database_query_seconds",
    "histogram",
    ("statement",),
    "Time of one statement in PostgreSQL, by its first word.",
    CALL_BUCKETS_S,
)
CACHE_LOOKUPS: Final = Series(
    "trovato_cache_lookups",
    "counter",
    ("tier", "outcome"),
    "Cache lookups by tier (`page`, `local`, `shared`) and outcome (`hit`, `miss`).",
)
FRAGMENTS: Final = Series(
    "trovato_fragments",
    "counter",
    ("plugin", "outcome"),
    "Answers of plugins for pages: `hit` was kept from before, `made` was made and kept, `not_kept` made for once.",
)
WASM_TAKEN: Final = Series(
    "trovato_wasm_instances_taken",
    "counter",
    ("plugin",),
    "Plugin instances that a request or job took into use.",
)
JOB_SECONDS: Final = Series(
    "trovato_job_seconds",
    "histogram",
    ("kind", "outcome"),
    "Time of one attempt at a job, from its claim to the record of how it went.",
    JOB_BUCKETS_S,
)
JOB_PICKUP_SECONDS: Final = Series(
    "trovato_job_pickup_seconds",
    "histogram",
    ("kind",),
    "How long a job waited from when it was due to the claim of its first attempt.",
    JOB_BUCKETS_S,
)
PROCESSES: Final = Series(
    "trovato_processes",
    "gauge",
    (),
    "Processes that this answer speaks for: the living web processes of one machine, or one worker.",
)
WASM_INSTANCES: Final = Series(
    "trovato_wasm_instances",
    "gauge",
    ("state",),
    "Plugin instances that hold memory: `leased` to a request or job, or `ready` to be taken.",
)
DATABASE_CONNECTIONS: Final = Series(
    "trovato_database_connections",
    "gauge",
    ("state",),
    "Open connections of the database pools, `in_use` or `idle`.",
)
DATABASE_CONNECTIONS_MAX: Final = Series(
    "trovato_database_connections_max", "gauge", (), "How many connections the database pools may open."
)
REDIS_CONNECTIONS: Final = Series(
    "trovato_redis_connections",
    "gauge",
    ("pool", "state"),
    "Connections that were made, by pool (`shared`: sessions, cache, messages; `queue`), `in_use` or `available`.",
)
REDIS_CONNECTIONS_MAX: Final = Series(
    "trovato_redis_connections_max",
    "gauge",
    ("pool",),
    "How many connections a Redis pool may make; only of pools with a limit.",
)
JOBS_WAITING: Final = Series(
    "trovato_jobs_waiting", "gauge", ("kind",), "Jobs that are due and that no worker has taken."
)
JOBS_OLDEST_SECONDS: Final = Series(
    "trovato_jobs_oldest_wait_seconds",
    "gauge",
    ("kind",),
    "How long the oldest of the waiting jobs has been due.",
)
JOBS_SCHEDULED: Final = Series(
    "trovato_jobs_scheduled",
    "gauge",
    ("kind",),
    "Jobs whose time has not come: those for later, and those that failed and are to be tried again.",
)
JOBS_RUNNING: Final = Series("trovato_jobs_running", "gauge", ("kind",), "Jobs that a worker has claimed.")
JOBS_DEAD: Final = Series(
    "trovato_jobs_dead",
    "gauge",
    ("kind", "status"),
    "Jobs that ended without success and wait for a person: `failed` or `dead`.",
)

# Kept by each process as things happen.
RECORDED: Final = (
    HTTP_REQUESTS,
    HTTP_SECONDS,
    TAP_SECONDS,
    OUTBOUND_SECONDS,
    QUERY_SECONDS,
    CACHE_LOOKUPS,
    FRAGMENTS,
    WASM_TAKEN,
    JOB_SECONDS,
    JOB_PICKUP_SECONDS,
    PROCESSES,
    WASM_INSTANCES,
    DATABASE_CONNECTIONS,
    DATABASE_CONNECTIONS_MAX,
    REDIS_CONNECTIONS,
    REDIS_CONNECTIONS_MAX,
)
# Read from the ledger when somebody asks: whoever is asked answers for the whole site.
OF_THE_LEDGER: Final = (JOBS_WAITING, JOBS_OLDEST_SECONDS, JOBS_SCHEDULED, JOBS_RUNNING, JOBS_DEAD)


class Reading(NamedTuple):
    """A value of this moment, of one of the series of the ledger."""

    series: Series
    labels: tuple[str, ...]
    value: float


class Metrics:
    """Made once per process by whoever opens the parts; a registry of its own keeps tests apart."""

    def __init__(self, *, is_shared: bool = False) -> None:
        # When a series began is of no use here, and doubles the lines.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # theirs is bare
        self.registry = CollectorRegistry()
        self._is_shared = is_shared
        self._series = {series.name: _make(series, self.registry) for series in RECORDED}
        # `labels` costs more than the increment, and the same few combinations come again and again.
        self._children: dict[tuple[str, ...], Any] = {}
        self._watchers: list[Callable[[], None]] = []
        self.set_gauge(PROCESSES, 1)

    @classmethod
    def share(cls, place: int) -> Self:
        """For a process that has siblings behind one port; `place` tells them apart. The environment must name
        the folder that they share (FOLDER_VARIABLE), and nothing may have been counted before."""
        values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]  # theirs is bare
        return cls(is_shared=True)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is the template of the route, never the address: addresses have no end."""
        self._child(HTTP_REQUESTS, method, route, str(status)).inc()
        self._child(HTTP_SECONDS, method, route, f"{status // 100}xx").observe(seconds)

    def count_lookup(self, tier: str, hit: bool) -> None:
        self._child(CACHE_LOOKUPS, tier, "hit" if hit else "miss").inc()

    def count_query(self, statement: str, seconds: float) -> None:
        """`statement` is its first word, out of a fixed set."""
        self._child(QUERY_SECONDS, statement).observe(seconds)

    def count_tap(self, plugin: str, tap: str, outcome: str, seconds: float) -> None:
        """`outcome` is "ok" or the reason of a PluginError."""
        self._child(TAP_SECONDS, plugin, tap, outcome).observe(seconds)

    def count_fetch(self, plugin: str, outcome: str, seconds: float) -> None:
        """`outcome` is "2xx" and the like, or the code that the plugin was answered."""
        self._child(OUTBOUND_SECONDS, plugin, outcome).observe(seconds)

    def count_fragments(self, plugin: str, outcome: str, number: int) -> None:
        """`outcome` is "hit", "made" or "not_kept"."""
        self._child(FRAGMENTS, plugin, outcome).inc(number)

    def count_instance(self, plugin: str) -> None:
        self._child(WASM_TAKEN, plugin).inc()

    def count_job(self, kind: str, outcome: str, seconds: float) -> None:
        """One attempt; `kind` is a name of kernel.jobs."""
        self._child(JOB_SECONDS, kind, outcome).observe(seconds)

    def count_pickup(self, kind: str, seconds: float) -> None:
        self._child(JOB_PICKUP_SECONDS, kind).observe(seconds)

    def set_gauge(self, series: Series, value: float, *labels: str) -> None:
        self._child(series, *labels).set(value)

    def watch(self, read: Callable[[], None]) -> None:
        """`read` sets gauges; it is called whenever they are to be brought up to date."""
        self._watchers.append(read)

    def refresh(self) -> None:
        for read in self._watchers:
            read()

    def render(self, readings: Iterable[Reading] = ()) -> bytes:
        """Everything in the text format of Prometheus. Takes some milliseconds, and may run in a thread."""
        registry = self.registry
        if self._is_shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # theirs is bare
        momentary = CollectorRegistry()
        momentary.register(_Momentary(list(readings)))
        return generate_latest(registry) + generate_latest(momentary)

    def _child(self, series: Series, *labels: str) -> Any:
        key = (series.name, *labels)
        child = self._children.get(key)
        if child is None:
            whole = self._series[series.name]
            child = self._children[key] = whole.labels(*labels) if labels else whole
        return child


def forget_gauges(folder: Path, place: int) -> None:
    """After a process has died: what it held is gone, while what it counted stays counted."""
    mark_process_dead(place, str(folder))  # type: ignore[no-untyped-call]  # theirs is bare


def _make(series: Series, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    if series.kind == "counter":
        return Counter(series.name, series.meaning, series.labels, registry=registry)
    if series.kind == "gauge":
        # Of processes that live, and added up.
        return Gauge(
            series.name, series.meaning, series.labels, registry=registry, multiprocess_mode="livesum"
        )
    return Histogram(series.name, series.meaning, series.labels, registry=registry, buckets=series.buckets_s)


class _Momentary(Collector):
    def __init__(self, readings: list[Reading]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for series, labels, value in self._readings:
            family = families.get(series.name)
            if family is None:
                family = GaugeMetricFamily(series.name, series.meaning, labels=series.labels)
                families[series.name] = family
            family.add_metric(labels, value)
        yield from families.values()
