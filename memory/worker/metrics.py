"""What a worker counts, for Prometheus: the queue with its age, what was done and spent.

The counts of models have the same names as a server's, so that sums cover both.
"""

import time
from collections.abc import Iterator, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from memory.errors import InputError, SqlError
from memory.models.costs import Cost
from memory.records import WaitingWork
from memory.worker.observer import Observer, Outcome, WaitingSince


class _RefusedSql(Collector):
    """This process's refused statements, counted where they are refused."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        """See `Collector`."""
        yield CounterMetricFamily(
            "memory_sql_refused", "Statements refused, wrong or too slow.", value=SqlError.raised
        )


class Metrics(Observer):
    """The numbers of one worker; they never name a memory."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._since = WaitingSince()
        self._turns = Gauge("memory_waiting_turns", "Turns in no window yet.", registry=registry)
        self._windows = Gauge(
            "memory_waiting_windows",
            "Windows that may be tried again (open), are worked on (claimed), or wait for a person"
            " (dead).",
            ["state"],
            registry=registry,
        )
        self._memories = Gauge(
            "memory_waiting_memories", "Memories where turns or windows wait.", registry=registry
        )
        Gauge(
            "memory_waiting_oldest_seconds",
            "For how long the oldest turn or open window has waited, as this worker has seen.",
            registry=registry,
        ).set_function(lambda: self._since.age(time.monotonic()))
        self._tasks = Counter(
            "memory_worker_tasks", "Tasks of memories.", ["task", "outcome"], registry=registry
        )
        self._digested = Counter(
            "memory_worker_windows", "Windows stored and failed.", ["outcome"], registry=registry
        )
        self._calls = Counter("memory_model_calls", "Calls of models.", registry=registry)
        self._tokens = Counter(
            "memory_model_tokens",
            "Tokens that models read and wrote.",
            ["direction"],
            registry=registry,
        )
        self._dollars = Counter(
            "memory_model_dollars", "The cost of calls whose price is known.", registry=registry
        )
        registry.register(_RefusedSql())

    def serve(self, address: str) -> int:
        """Answer at `HOST:PORT` or `PORT` of this machine, from now on; returns the port.

        Raises InputError for an address that it cannot listen at.
        """
        host, _, port = address.rpartition(":")
        try:
            number = int(port)
            server, _ = start_http_server(number, host.strip("[]") or "127.0.0.1", self.registry)
        except (ValueError, OSError, OverflowError) as error:
            raise InputError(f"--metrics {address!r:.100}: {error}; write HOST:PORT") from error
        return int(server.server_port)

    def saw(self, waiting: Mapping[str, WaitingWork]) -> None:
        """See `Observer`."""
        self._since.saw(waiting, time.monotonic())
        works = [work for work in waiting.values() if work.turns or work.windows]
        self._memories.set(len(works))
        self._turns.set(sum(work.turns for work in works))
        for state, windows in (
            ("open", sum(work.windows for work in waiting.values())),
            ("claimed", sum(work.claimed_windows for work in waiting.values())),
            ("dead", sum(work.dead_windows for work in waiting.values())),
        ):
            self._windows.labels(state).set(windows)

    def paid(self, cost: Cost) -> None:
        """See `Observer`."""
        self._calls.inc(cost.calls)
        self._tokens.labels("in").inc(cost.tokens_in)
        self._tokens.labels("out").inc(cost.tokens_out)
        self._dollars.inc(cost.dollars or 0.0)

    def did(self, task: str, outcome: Outcome) -> None:
        """See `Observer`."""
        self._tasks.labels(task.partition(" ")[0], outcome).inc()  # followed by an address

    def digested(self, stored: int, failed: int) -> None:
        """See `Observer`."""
        self._digested.labels("stored").inc(stored)
        self._digested.labels("failed").inc(failed)
