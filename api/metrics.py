"""Counts and times of requests, for Prometheus, true for all workers of one server whichever of them is asked.

The workers share one piece of memory, made before they are forked. Each writes only to its own slot; a scrape adds
the slots up. What is about the ledger is asked from the database at each scrape.
"""

from __future__ import annotations

import mmap
import threading
from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds: the upper bounds of the buckets, before the one without bound."""
STATUSES = (200, 201, 304, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428, 500, 503)
ELSEWHERE = "other"

_BUCKETS = len(BOUNDS) + 1
_CELLS = len(STATUSES) + 1 + _BUCKETS + 1
_WORD = 8


class SharedCells:
    """Zeroes that forked processes share: `slots` rows, of which each process writes to one."""

    def __init__(self, slots: int, most_routes: int) -> None:
        self.slots = slots
        self.most_routes = most_routes
        self._row = most_routes * _CELLS
        self._memory = memoryview(mmap.mmap(-1, slots * self._row * _WORD)).cast("d")

    def add(self, slot: int, cell: int, amount: float) -> None:
        self._memory[slot * self._row + cell] += amount

    def sum(self, cell: int) -> float:
        return float(sum(self._memory[slot * self._row + cell] for slot in range(self.slots)))


class RequestMetrics:
    """Requests by route and status, and how long those of a route took. A collector of prometheus_client."""

    def __init__(self, routes: list[str], cells: SharedCells | None = None, slot: int = 0) -> None:
        self.routes = [*sorted(routes), ELSEWHERE]
        self.cells = cells or SharedCells(1, len(self.routes))
        if len(self.routes) > self.cells.most_routes:
            raise ValueError(f"{len(self.routes)} routes, and memory for {self.cells.most_routes}")
        self.slot = slot
        self._place = {route: number * _CELLS for number, route in enumerate(self.routes)}
        self._lock = threading.Lock()

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        place = self._place.get(route, self._place[ELSEWHERE])
        column = STATUSES.index(status) if status in STATUSES else len(STATUSES)
        bucket = len(STATUSES) + 1 + bisect_left(BOUNDS, seconds)
        with self._lock:
            self.cells.add(self.slot, place + column, 1)
            self.cells.add(self.slot, place + bucket, 1)
            self.cells.add(self.slot, place + _CELLS - 1, seconds)

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("okr_http_requests", "Requests answered", labels=("route", "status"))
        seconds = HistogramMetricFamily("okr_http_request_seconds", "Time to answer a request", labels=("route",))
        for route in self.routes:
            place = self._place[route]
            for column, status in enumerate((*map(str, STATUSES), ELSEWHERE)):
                if number := self.cells.sum(place + column):
                    requests.add_metric((route, status), number)
            total, buckets = 0.0, []
            for number, bound in enumerate((*map(str, BOUNDS), "+Inf")):
                total += self.cells.sum(place + len(STATUSES) + 1 + number)
                buckets.append((bound, total))
            if total:
                seconds.add_metric((route,), buckets, self.cells.sum(place + _CELLS - 1))
        yield requests
        yield seconds


def registry_of(metrics: RequestMetrics) -> CollectorRegistry:
    """A registry of its own: what libraries register for their process alone stays out of it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(metrics)
    return registry
