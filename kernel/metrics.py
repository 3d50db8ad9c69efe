"""What this process counts, in the form that Prometheus reads."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

# From a cached page (well under a millisecond) to a save that waited for its worker.
LATENCY_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Made once per process by whoever opens the parts; a registry of its own keeps tests apart."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "trovato_http_requests",
            "Answered requests.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._latency = Histogram(
            "trovato_http_request_seconds",
            "Time from the request's arrival to the end of its answer.",
            ["method", "route"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._cache = Counter(
            "trovato_cache_lookups",
            "Cache lookups by tier (local, shared, page) and outcome (hit, miss).",
            ["tier", "outcome"],
            registry=self.registry,
        )
        # `labels` costs more than the increment, and the same few combinations come again and again.
        self._lookup_children: dict[tuple[str, bool], Counter] = {}
        self._request_children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is the template of the route, never the address: addresses have no end."""
        children = self._request_children.get((method, route, status))
        if children is None:
            children = (
                self._requests.labels(method, route, str(status)),
                self._latency.labels(method, route),
            )
            self._request_children[method, route, status] = children
        children[0].inc()
        children[1].observe(seconds)

    def count_lookup(self, tier: str, hit: bool) -> None:
        child = self._lookup_children.get((tier, hit))
        if child is None:
            child = self._cache.labels(tier, "hit" if hit else "miss")
            self._lookup_children[tier, hit] = child
        child.inc()

    def render(self) -> bytes:
        return generate_latest(self.registry)
