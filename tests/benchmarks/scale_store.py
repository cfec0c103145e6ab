"""Speed of a memory in any store, by its address: one that grows, and many clients at once.

Called by `python -m tests.benchmarks.scale --store ADDRESS`.
"""

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import numpy as np

from memory import Turn, open_store

CLIENTS = (1, 4, 16, 64)
ACTS_OF_CLIENT = 40
SEARCHES = 200


def quantiles(seconds: Iterable[float]) -> dict[str, float]:
    """p50, p95 and p99 in ms."""
    values = np.quantile([*seconds], (0.5, 0.95, 0.99)) * 1000
    return {
        name: round(float(value), 2)
        for name, value in zip(("p50", "p95", "p99"), values, strict=True)
    }


def timed(acts: Sequence[Any]) -> list[float]:
    """Seconds of each act."""
    seconds = []
    for act in acts:
        start = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - start)
    return seconds


def namespace_of(database: str) -> str:
    """The address of a namespace that nobody has."""
    joint = "&" if "?" in database else "?"
    return f"{database}{joint}namespace={quote(f'benchmark {uuid4().hex}')}"


def grown(address: str, turns: Sequence[Turn], batch: int) -> dict[str, Any]:
    """Turns stored in batches, then a first search, searches, adds and reads of a model."""
    questions = [" ".join(turn.text.split()[:6]) for turn in islice(turns, SEARCHES)]
    with open_store(address) as store:
        start = time.perf_counter()
        for first in range(0, len(turns), batch):
            store.add(turns[first : first + batch])
        seconds = time.perf_counter() - start
    with open_store(address) as store:
        [first_search] = timed([lambda: store.search(questions[0])])
        searches = timed([lambda text=text: store.search(text) for text in questions])
        adds = timed([lambda turn=turn: store.add([turn]) for turn in turns[:50]])
        sql = "SELECT text FROM turns WHERE id = 7"
        reads = timed([lambda: store.read(sql)] * 100)
    return {
        "turns": len(turns),
        "turns_per_s": round(len(turns) / seconds),
        "first_search_ms": round(first_search * 1000, 1),
        "search_ms": quantiles(searches),
        "add_ms": quantiles(adds),
        "read_ms": quantiles(reads),
    }


def crowd(database: str, clients: int, turns: Sequence[Turn]) -> dict[str, Any]:
    """Clients with a namespace each, one add for nine searches; requests a second of them all."""
    addresses = [namespace_of(database) for _ in range(clients)]
    for address in addresses:
        with open_store(address) as store:
            store.add(turns[:100])

    def live(address: str) -> list[float]:
        with open_store(address) as store:
            return timed(
                [
                    (lambda turn=turn: store.add([turn]))
                    if n % 10 == 0
                    else (lambda turn=turn: store.search(turn.text[:40]))
                    for n, turn in enumerate(turns[:ACTS_OF_CLIENT])
                ]
            )

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as executor:
        seconds = [s for client in executor.map(live, addresses) for s in client]
    wall = time.perf_counter() - start
    return {"clients": clients, "per_s": round(len(seconds) / wall), **quantiles(seconds)}


def measure_store(database: str, turns: Sequence[Turn], sizes: Sequence[int]) -> dict[str, Any]:
    """All of it for a database of Postgres, and one memory of each size in SQLite beside it.

    Its namespaces, "benchmark ...", are left in the database: give one that can go.
    """
    with TemporaryDirectory() as folder:
        beside = [grown(f"{folder}/{size}.db", turns[:size], batch=1_000) for size in sizes]
    start = time.perf_counter()
    for _ in range(100):
        open_store(namespace_of(database)).close()
    made = time.perf_counter() - start
    return {
        "sqlite": beside,
        "namespace_ms": round(made * 10, 2),
        "grown": [grown(namespace_of(database), turns[:size], batch=1_000) for size in sizes],
        "crowds": [crowd(database, clients, turns) for clients in CLIENTS],
    }
