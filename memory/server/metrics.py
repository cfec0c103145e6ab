"""What a server counts, for Prometheus at /metrics.

Of several processes (PROMETHEUS_MULTIPROC_DIR) any answers for all: their numbers are in files.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    multiprocess,
)

from memory.server.handles import Handles

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
_requests = Counter(
    "memory_requests", "Requests answered.", ["method", "route", "status"], registry=REGISTRY
)
_unavailable = Counter(
    "memory_unavailable", "Requests answered 503, by cause.", ["cause"], registry=REGISTRY
)
_seconds = Histogram(
    "memory_request_seconds",
    "Seconds from a request to the end of its answer.",
    ["route"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
_running = Gauge(
    "memory_requests_running",
    "Requests that are being answered.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
_cache_bytes = Gauge(
    "memory_cache_bytes",
    "Bytes of the open memories.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
_cache_memories = Gauge(
    "memory_cache_memories", "Open memories.", registry=REGISTRY, multiprocess_mode="livesum"
)
_cache = Counter(
    "memory_cache",
    "Memories that were open when they were needed (hit), were not (miss), were closed (eviction).",
    ["outcome"],
    registry=REGISTRY,
)
_calls = Counter("memory_model_calls", "Calls of models.", registry=REGISTRY)
_tokens = Counter(
    "memory_model_tokens", "Tokens that models read and wrote.", ["direction"], registry=REGISTRY
)
_dollars = Counter(
    "memory_model_dollars", "The cost of calls whose price is known.", registry=REGISTRY
)
_refused = Counter(
    "memory_sql_refused", "Statements refused, wrong or too slow.", registry=REGISTRY
)
_queue = Gauge(
    "memory_queue",
    "Windows of turns that wait for a digest again: failed ones, and those claimed now.",
    ["state"],
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)


class Observer:
    """Brings what one process' handles count into the metrics."""

    def __init__(self, handles: Handles) -> None:
        self._handles = handles
        self._before = handles.totals()

    def begin(self) -> None:
        """A request has come."""
        _running.inc()

    def end(self, method: str, route: str, status: int, seconds: float) -> None:
        """It was answered, or its client has gone (499)."""
        _running.dec()
        _requests.labels(method, route, status).inc()
        _seconds.labels(route).observe(seconds)
        now, before = self._handles.totals(), self._before
        self._before = now
        _cache_bytes.set(now.cached_bytes)
        _cache_memories.set(now.open_memories)
        for outcome in ("hits", "misses", "evictions"):
            _add(_cache.labels(outcome), getattr(now, outcome) - getattr(before, outcome))
        _add(_calls, now.calls - before.calls)
        _add(_tokens.labels("in"), now.tokens_in - before.tokens_in)
        _add(_tokens.labels("out"), now.tokens_out - before.tokens_out)
        _add(_dollars, now.dollars - before.dollars)
        _add(_refused, now.refused_sql - before.refused_sql)


def count_unavailable(cause: str) -> None:
    """Count a request that was answered 503."""
    _unavailable.labels(cause).inc()


def _add(counter: Counter, amount: float) -> None:
    if amount > 0:
        counter.inc(amount)


def exposition(queue: Mapping[str, int]) -> tuple[bytes, str]:
    """All metrics as text, and its media type.

    `queue` has windows that wait, by their state.
    """
    for state, windows in queue.items():
        _queue.labels(state).set(windows)
    registry = REGISTRY
    if folder := os.environ.get(SHARED_FOLDER):
        for file in Path(folder).glob("gauge_live*.db"):
            process = int(file.stem.rpartition("_")[2])
            if not _is_alive(process):  # its memories are no longer open
                multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
