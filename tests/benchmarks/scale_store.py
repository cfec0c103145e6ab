"""Speed of memories in Postgres beside SQLite: one that grows, many small ones, many clients.

Called by `python -m tests.benchmarks.scale --store ADDRESS`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import numpy as np
import psycopg
from psycopg import sql
from rich.box import SIMPLE
from rich.table import Table

from memory import Turn, open_store
from memory.store.postgres import migrate
from memory.store.postgres.names import TABLES
from memory.store.postgres.pool import close_pools
from memory.store.protocol import Store
from tests.support.postgres_server import new_database

BATCH = 1_000
SEARCHES = 200
NEW_NAMESPACES = 100
TURNS_OF_NAMESPACE = 100
COPIED_NAMESPACES = 500  # in one statement
TURNS_OF_CLIENT = 100
ACTS_OF_CLIENT = 40
# Of ten acts of a client how many are adds; the others are searches.
MIXTURES = {"searches": 0, "adds": 10, "mixed": 1}


def quantiles(seconds: Iterable[float]) -> dict[str, float]:
    """p50, p95 and p99 in ms."""
    values = np.quantile([*seconds], (0.5, 0.95, 0.99)) * 1000
    return {
        name: round(float(value), 2)
        for name, value in zip(("p50", "p95", "p99"), values, strict=True)
    }


def timed(acts: Iterable[Callable[[], object]]) -> list[float]:
    """Seconds of each act."""
    seconds = []
    for act in acts:
        start = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - start)
    return seconds


def database_of(address: str) -> str:
    """The address of a database; "local" is one of a server that ends with this process."""
    return new_database() if address == "local" else address


def namespace_of(database: str) -> str:
    """The address of a namespace that nobody has."""
    joint = "&" if "?" in database else "?"
    return f"{database}{joint}namespace={quote(f'benchmark {uuid4().hex}')}"


@contextmanager
def files() -> Iterator[Callable[[], str]]:
    """Makes addresses of SQLite memories, which are removed at the end."""
    with TemporaryDirectory() as folder:
        yield lambda: f"{folder}/{uuid4().hex}.db"


def bytes_of(address: str) -> int:
    """The bytes of a SQLite file, or of the whole database that a namespace is in."""
    if "://" not in address:
        return sum(
            file.stat().st_size for file in Path(address).parent.glob(f"{Path(address).name}*")
        )
    with psycopg.connect(address.split("namespace=")[0].rstrip("?&")) as conn:
        [(size,)] = conn.execute("SELECT pg_database_size(current_database())").fetchall()
    return int(size)


# --- one memory that grows --------------------------------------------------------------------


def grown(address: str, turns: Iterator[Turn], count: int) -> dict[str, Any]:
    """`count` turns stored in batches, then a first search, searches, adds and reads of a model."""
    with open_store(address) as store:
        store.add([next(turns)])  # sets up an empty database
        before = bytes_of(address)
        seconds = 0.0
        batch: list[Turn] = []
        for first in range(1, count, BATCH):
            batch = list(islice(turns, min(BATCH, count - first)))
            start = time.perf_counter()
            store.add(batch)
            seconds += time.perf_counter() - start
        size = bytes_of(address) - before
    questions = [" ".join(turn.text.split()[:6]) for turn in batch[-SEARCHES:]]
    with open_store(address) as store:
        [first_search] = timed([partial(store.search, questions[0])])
        searches = timed(partial(store.search, text) for text in questions)
        adds = timed(partial(store.add, [turn]) for turn in batch[:50])
        read = partial(store.read, "SELECT text FROM turns WHERE id = 7")
        read()
        reads = timed([read] * 100)
    return {
        "turns": count,
        "turns/s": round(count / seconds),
        "first search": round(first_search * 1000, 1),
        "search": quantiles(searches),
        "add": quantiles(adds),
        "read": quantiles(reads),
        "bytes/turn": round(size / count),
    }


# --- many small ones --------------------------------------------------------------------------


def copy_namespaces(conn: psycopg.Connection, source: int, numbers: Sequence[int]) -> None:
    """Fill namespaces with the rows of another one, without going through a store."""
    for table in (*TABLES, "counters"):
        names = [
            name
            for (name,) in conn.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass"
                " AND attnum > 0 AND attname <> 'namespace' AND NOT attisdropped",
                (f"memory.{table}",),
            )
        ]
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        conn.execute(
            sql.SQL(
                "INSERT INTO {table} (namespace, {columns}) SELECT number, {columns}"
                " FROM {table}, unnest(%s::bigint[]) AS number WHERE namespace = %s"
            ).format(table=sql.Identifier("memory", table), columns=columns),
            ([*numbers], source),
        )


def copied(database: str, source: int, names: Sequence[str]) -> Iterator[int]:
    """Make namespaces of these names with the rows of another one; gives how many at a time."""
    with psycopg.connect(database, autocommit=True) as conn:
        for start in range(0, len(names), COPIED_NAMESPACES):
            some = [*names[start : start + COPIED_NAMESPACES]]
            with conn.transaction():
                rows = conn.execute(
                    "INSERT INTO memory.namespaces (name) SELECT unnest(%s::text[]) RETURNING id",
                    (some,),
                ).fetchall()
                copy_namespaces(conn, source, [row[0] for row in rows])
            yield len(some)


def many(
    database: str, count: int, turns: Sequence[Turn], advance: Callable[[int], object]
) -> dict[str, Any]:
    """`count` namespaces of these turns: a new one, a migration, searches in some of them.

    Only the first is filled through a store; the others have the same rows.
    """
    first = namespace_of(database)
    with open_store(first) as store:
        before = bytes_of(first)
        store.add(turns)
        source = store._namespace  # type: ignore[attr-defined]
    advance(1)
    prefix = f"copy {uuid4().hex}"
    for number in copied(database, source, [f"{prefix} {n}" for n in range(1, count)]):
        advance(number)
    with psycopg.connect(database, autocommit=True) as conn:
        size = bytes_of(first) - before
        conn.execute("ANALYZE")
        empty = [bytes_of(first)]
        opened = timed([lambda: open_store(namespace_of(database)).close()] * NEW_NAMESPACES)
        empty.append(bytes_of(first))
        [migration] = timed([partial(migrate.upgrade, database, "benchmark")])

        def add_column() -> None:
            with conn.transaction(force_rollback=True):
                conn.execute("ALTER TABLE memory.turns ADD COLUMN new bigint NOT NULL DEFAULT 0")

        [column] = timed([add_column])
    random = np.random.default_rng(0)
    joint = "&" if "?" in database else "?"
    seconds = []
    for n in random.integers(1, max(count, 2), 50).tolist():
        name = f"{prefix} {n}" if count > 1 else ""
        address = f"{database}{joint}namespace={quote(name)}" if name else first
        with open_store(address) as store:
            seconds += timed(
                [partial(store.search, " ".join(turns[n % len(turns)].text.split()[:6]))]
            )
    return {
        "namespaces": count,
        "turns of each": len(turns),
        "new": quantiles(opened),
        "bytes, empty": round((empty[1] - empty[0]) / NEW_NAMESPACES),
        "bytes": round(size / count),
        "migrate, ms": round(migration * 1000),
        "a new column, ms": round(column * 1000),
        "first search": quantiles(seconds),
    }


# --- many clients -----------------------------------------------------------------------------


def crowd(
    new_address: Callable[[], str], clients: int, mixture: str, turns: Sequence[Turn]
) -> dict[str, Any]:
    """Clients, threads of one process, with a namespace each; requests a second of them all."""
    addresses = [new_address() for _ in range(clients)]
    for address in addresses:
        with open_store(address) as store:
            store.add(turns[:TURNS_OF_CLIENT])

    def acts(store: Store) -> Iterator[Callable[[], object]]:
        for n, turn in enumerate(turns[:ACTS_OF_CLIENT]):
            if n % 10 < MIXTURES[mixture]:
                yield partial(store.add, [turn])
            else:
                yield partial(store.search, turn.text[:40])

    def live(address: str) -> list[float]:
        with open_store(address) as store:
            store.search("the index is read")
            return timed(acts(store))

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as executor:
        seconds = [s for client in executor.map(live, addresses) for s in client]
    wall = time.perf_counter() - start
    return {
        "clients": clients,
        "acts": mixture,
        "requests/s": round(len(seconds) / wall),
        "act": quantiles(seconds),
    }


# --- all of it --------------------------------------------------------------------------------


def measure_store(
    address: str,
    *,
    chat: Callable[[int], Iterator[Turn]],
    sizes: Sequence[int],
    namespaces: Sequence[int],
    turns_of_each: int,
    clients: Sequence[int],
    advance: Callable[[int], object],
) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table, for a database of Postgres and for SQLite beside it.

    Namespaces "benchmark ..." and "copy ..." are left in the database: give one that can go.
    """
    database = database_of(address)
    figures: dict[str, list[dict[str, Any]]] = {"one memory": [], "many": [], "clients": []}
    turns = list(islice(chat(1), max(TURNS_OF_CLIENT, turns_of_each)))
    open_store(namespace_of(database)).close()
    with files() as new_file:
        addresses = {"SQLite": new_file, "Postgres": lambda: namespace_of(database)}
        for size in sizes:
            for kind, new_address in addresses.items():
                row = grown(new_address(), chat(1), size)
                figures["one memory"].append({"store": kind, **row})
                advance(size)
        for count in namespaces:
            figures["many"].append(many(database, count, turns[:turns_of_each], advance))
        for number in clients:
            for mixture in MIXTURES:
                for kind, new_address in addresses.items():
                    row = crowd(new_address, number, mixture, turns)
                    figures["clients"].append({"store": kind, **row})
    close_pools()
    return figures


def rows_table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    """A table of rows with the same keys; quantiles stand as p50 / p95 / p99 in ms."""
    table = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            *(
                " / ".join(map(str, value.values()))
                if isinstance(value, dict)
                else f"{value:,}"
                if isinstance(value, int)
                else str(value)
                for value in row.values()
            )
        )
    return table
