"""The nearest vectors of a question: our codes beside pgvector's approximate index (HNSW).

python -m tests.benchmarks.nearest_vectors --store ADDRESS|local [--turns N] [--json OUT]

The database, an empty one whose server has pgvector, gets a table `nearest`. How many of the 100
nearest by all vectors are found is the recall@100.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import psycopg
import typer
from numpy.typing import NDArray
from rich.console import Console

from locomo.commands import run_command
from memory import open_store
from memory.search.embed import embed
from memory.search.question import Query
from memory.store.sqlite import SqliteStore
from memory.system.files import write_whole
from tests.benchmarks.scale import BATCH, ask, chat
from tests.benchmarks.scale_store import database_of, quantiles
from tests.support.rows import rows_of

NEAREST = 100
QUESTIONS = 100
BREADTHS = (40, 100, 200, 400)  # hnsw.ef_search: how many candidates the index looks at


def eight_bit_vectors(store: SqliteStore) -> NDArray[np.int8]:
    """The vectors of all turns, as search keeps them: (turns, width)."""
    pieces = rows_of(store, "SELECT vectors FROM pieces ORDER BY first_turn")
    recent = rows_of(store, "SELECT vector FROM recent ORDER BY turn_id")
    joined = b"".join(row[0] for row in [*pieces, *recent])
    [(count,)] = rows_of(store, "SELECT count(*) FROM turns")
    return np.frombuffer(joined, np.int8).reshape(count, -1)


def by_codes(
    store: SqliteStore, vectors: list[NDArray[np.float32]]
) -> tuple[list[float], list[set[int]]]:
    """Seconds, and the turns that search looks at, when a question has nothing but its vector."""
    empty = Query((), "", frozenset(), frozenset(), (), (), asks_time=False)
    seconds, turns = [], []
    for vector in vectors:
        start = time.perf_counter()
        positions = store._index.candidates(empty, vector, [])
        seconds.append(time.perf_counter() - start)
        turns.append({int(position) for position in positions})  # ids: none is missing here
    return seconds, turns


def _text(vector: NDArray[Any]) -> str:
    return f"[{','.join(map(str, vector.tolist()))}]"


def by_index(
    conn: psycopg.Connection, vectors: list[NDArray[np.float32]]
) -> tuple[list[float], list[set[int]]]:
    """Seconds, and the nearest turns that the server finds."""
    seconds, turns = [], []
    for vector in vectors:
        start = time.perf_counter()
        rows = conn.execute(
            "SELECT turn_id FROM nearest ORDER BY vector <=> %s::halfvec LIMIT %s",
            (_text(vector), NEAREST),
        ).fetchall()
        seconds.append(time.perf_counter() - start)
        turns.append({int(row[0]) for row in rows})
    return seconds, turns


@contextmanager
def timed(figures: dict[str, Any], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    figures[name] = round(time.perf_counter() - start, 1)


def figures_of(
    exact: list[set[int]],
    search: Callable[[], tuple[list[float], list[set[int]]]],
) -> dict[str, Any]:
    """Milliseconds and recall@100 of a way to find the nearest turns."""
    search()  # what is read for the first time is in memory then
    seconds, turns = search()
    shares = [len(near & nearest) / NEAREST for near, nearest in zip(turns, exact, strict=True)]
    return {**quantiles(seconds), "recall@100": round(float(np.mean(shares)), 3)}


def measure(address: str, store: SqliteStore, questions: list[str]) -> dict[str, Any]:
    """The figures of both ways for the turns of a store."""
    rows = eight_bit_vectors(store)
    units = rows.astype(np.float32)
    units /= np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-9)
    store.search("everything is read")
    vectors = [*embed(questions)]
    exact = [
        {int(position) + 1 for position in np.argpartition(-(units @ vector), NEAREST)[:NEAREST]}
        for vector in vectors
    ]
    figures: dict[str, Any] = {
        "turns": len(rows),
        "codes": figures_of(exact, lambda: by_codes(store, vectors)),
    }
    with psycopg.connect(address, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION IF NOT EXISTS vector")
        conn.execute(
            f"CREATE TABLE nearest (turn_id bigint PRIMARY KEY, vector halfvec({rows.shape[1]}))"
        )
        with timed(figures, "copy_s"), conn.cursor().copy("COPY nearest FROM STDIN") as copy:
            for turn_id, row in enumerate(rows, 1):
                copy.write_row((turn_id, _text(row)))
        conn.execute("ANALYZE nearest")
        figures["all halfvec"] = figures_of(exact, lambda: by_index(conn, vectors))
        with timed(figures, "index_s"):
            conn.execute(
                "CREATE INDEX nearest_hnsw ON nearest USING hnsw (vector halfvec_cosine_ops)"
            )
        for breadth in BREADTHS:
            conn.execute(f"SET hnsw.ef_search = {breadth}")
            figures[f"hnsw {breadth}"] = figures_of(exact, lambda: by_index(conn, vectors))
        start = time.perf_counter()
        for turn_id in range(len(rows) + 1, len(rows) + 101):
            vector = _text(rows[turn_id % len(rows)])
            conn.execute("INSERT INTO nearest VALUES (%s, %s::halfvec)", (turn_id, vector))
        figures["turns_per_s"] = round(100 / (time.perf_counter() - start))
        [(table, index)] = conn.execute(
            "SELECT pg_table_size('nearest'), pg_relation_size('nearest_hnsw')"
        ).fetchall()
    figures["bytes a turn"] = {
        "codes and vectors": rows.shape[1] + rows.shape[1] // 8,
        "halfvec": round(table / len(rows)),
        "hnsw": round(index / len(rows)),
    }
    return figures


app = typer.Typer(add_completion=False)


@app.command()
def nearest_vectors(
    store: Annotated[str, typer.Option(help="An empty database, or: local.")],
    turns: Annotated[int, typer.Option(min=5_000, help="Turns of the memory.")] = 100_000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write them there.")] = None,
) -> None:
    """Print how fast and how well each way finds the nearest vectors."""
    random = np.random.default_rng(0)
    with TemporaryDirectory() as folder, open_store(f"{folder}/memory.db") as memory:
        assert isinstance(memory, SqliteStore)
        chatter = chat(1)
        questions: list[str] = []
        for first in range(0, turns, BATCH):
            batch = list(islice(chatter, min(BATCH, turns - first)))
            memory.add(batch)
            questions += [ask(turn, random) for turn in batch[:: max(turns // QUESTIONS, 1)][:2]]
        figures = measure(database_of(store), memory, questions[:QUESTIONS])
    Console().print_json(json.dumps(figures))
    if json_file is not None:
        write_whole(json_file, json.dumps(figures).encode())


if __name__ == "__main__":
    run_command(app, "nothing was written")
