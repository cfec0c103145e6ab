"""Speed of searches with filters that leave few, some or most of the turns of a memory.

python -m tests.benchmarks.filters [--turns N ...] [--store ADDRESS|local] [--json OUT]

The turns are those of `tests.benchmarks.scale`. Tags are strewn evenly over them; dates leave a run
of turns. Searches with and without a filter take turns, so that a busy machine slows all alike.
"""

import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console

from locomo.commands import run_command
from memory import Store, Turn, open_store
from memory.system.files import write_whole
from tests.benchmarks.scale import BATCH, ask, chat
from tests.benchmarks.scale_store import database_of, namespace_of, quantiles, rows_table

SIZES = (20_000,)
FEW, SOME, MOST = 100, 10_000, 0.9  # turns, or the share of them
QUESTIONS, WARMING = 200, 20
app = typer.Typer(add_completion=False)


def tagged(turns: Iterator[Turn], count: int) -> Iterator[Turn]:
    """`count` turns: FEW, SOME (at most half) and MOST of them have a tag."""
    some = min(SOME, count // 2)
    for n, turn in enumerate(itertools.islice(turns, count)):
        tags = {}
        if n * FEW // count != (n + 1) * FEW // count:
            tags["few"] = "yes"
        if n * some // count != (n + 1) * some // count:
            tags["some"] = "yes"
        if n % 10 < 10 * MOST:
            tags["most"] = "yes"
        yield replace(turn, tags=tags)


def filters_of(store: Store, count: int) -> dict[str, dict[str, Any] | None]:
    """The filters by what they leave."""
    middle = store.turn(count // 2)
    late = store.turn(round(count * (1 - MOST))).said_at[:10]
    speakers = [name for (name,) in store.read("SELECT DISTINCT speaker FROM turns").rows]
    return {
        "none": None,
        "few, by a tag": {"tags": {"few": "yes"}},
        "some, by a tag": {"tags": {"some": "yes"}},
        "most, by a tag": {"tags": {"most": "yes"}},
        "a session": {"session": middle.session},
        "most, by date": {"since": late},
        "all but a speaker": {"speaker": speakers[1:]},
    }


@contextmanager
def filled(address: str, count: int) -> Iterator[tuple[Store, list[str]]]:
    """A memory of `count` turns, and questions about them."""
    random = np.random.default_rng(0)
    questions: list[str] = []
    with open_store(address) as store:
        turns = tagged(chat(count), count)
        while batch := list(itertools.islice(turns, BATCH)):
            store.add(batch)
            of_batch = -(-(QUESTIONS + WARMING) * BATCH // count)
            questions += [ask(batch[n], random) for n in random.integers(len(batch), size=of_batch)]
        yield store, random.permutation(questions)[: QUESTIONS + WARMING].tolist()


def measured(store: Store, questions: list[str], count: int) -> list[dict[str, Any]]:
    """A row for each filter: the first search with it, then searches with filters in turn."""
    filters = filters_of(store, count)

    def seconds(question: str, given: dict[str, Any] | None) -> float:
        start = time.perf_counter()
        store.search(question, 10, given)
        return time.perf_counter() - start

    for question in questions[:WARMING]:
        store.search(question)
    first = {name: seconds(questions[0], given) for name, given in filters.items()}
    times: dict[str, list[float]] = {name: [] for name in filters}
    for start in range(WARMING, len(questions), 20):
        for name, given in filters.items():  # a filter is used for some searches in a row
            times[name] += [seconds(text, given) for text in questions[start : start + 20]]
    usual = np.median(times["none"])
    return [
        {
            "turns": count,
            "filter": name,
            "first search": round(first[name] * 1000, 1),
            "search": quantiles(times[name]),
            "times without": round(float(np.median(times[name]) / usual), 2),
        }
        for name in filters
    ]


@app.command()
def filters(
    turns: Annotated[list[int], typer.Option(min=2_000, help="Size; can be repeated.")] = [*SIZES],  # noqa: B006
    store: Annotated[
        str, typer.Option(help="postgresql://..., or local: a server of its own; else SQLite.")
    ] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the rows here.")] = None,
) -> None:
    """Print p50, p95 and p99 of searches without a filter and with filters, in ms."""
    database = database_of(store) if store else ""
    rows: list[dict[str, Any]] = []
    for count in turns:
        with tempfile.TemporaryDirectory() as folder:
            address = namespace_of(database) if database else f"{folder}/memory.db"
            with filled(address, count) as (memory, questions):
                rows += measured(memory, questions, count)
    Console().print(rows_table("searches with filters", rows))
    if json_file is not None:
        write_whole(json_file, json.dumps(rows).encode())


if __name__ == "__main__":
    run_command(app, "nothing was written")
