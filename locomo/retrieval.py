"""Recall without any language model: what the hybrid ranking finds of the evidence turns."""

import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from locomo.dataset import ABSTENTION, Conversation, load, run_command, write_whole
from locomo.metrics import recall
from memory import InputError, open_store

DEPTHS = (5, 10, 20, 50)


@dataclass(frozen=True)
class Retrieval:
    """What search found for the questions of one conversation.

    `ingest_s` is seconds until all turns are durable and the first search is answered;
    `search_ms` is per question, `ranked` the sources (`D1:3`) by question index, best first.
    """

    turns: int
    ingest_s: float
    search_ms: list[float]
    ranked: dict[str, list[str]]


def retrieve(conversation: Conversation, folder: Path, k: int) -> Retrieval:
    """Store a conversation in a fresh namespace in the folder and search for every question.

    All questions are asked, those of category 5 too, for the best k turns each.
    """
    search_ms, ranked = [], {}
    start = time.perf_counter()
    with open_store(folder / "memory.db") as store:
        ids = store.add(conversation.turns)
        store.search(conversation.turns[0].text)
        ingest_s = time.perf_counter() - start
        sources = dict(zip(ids, (turn.source for turn in conversation.turns), strict=True))
        for question in conversation.questions:
            start = time.perf_counter()
            hits = store.search(question.text, k)
            search_ms.append(round(1000 * (time.perf_counter() - start), 3))
            ranked[str(question.index)] = [sources[hit.turn_id] for hit in hits]
    return Retrieval(len(ids), round(ingest_s, 3), search_ms, ranked)


def recalls(
    conversations: Iterable[Conversation], found: dict[str, Retrieval], depths: Sequence[int]
) -> dict[int, list[list[float]]]:
    """Per category the recall of each question at each depth (turns looked at).

    Questions without evidence are left out, and so is category 5: its evidence is a distractor.
    """
    by_category: dict[int, list[list[float]]] = {}
    for conversation in conversations:
        for question in conversation.questions:
            if question.evidence and question.category != ABSTENTION:
                ranked = found[conversation.id].ranked[str(question.index)]
                by_category.setdefault(question.category, []).append(
                    [recall(ranked[:depth], question.evidence) for depth in depths]
                )
    return dict(sorted(by_category.items()))


def _table(by_category: dict[int, list[list[float]]], depths: Sequence[int]) -> Table:
    table = Table("category", *(f"R@{depth}" for depth in depths), "questions", title="recall")
    everything = [row for rows in by_category.values() for row in rows]
    for name, rows in [*((str(c), rows) for c, rows in by_category.items()), ("all", everything)]:
        means = np.mean(rows, axis=0) if rows else []
        table.add_row(name, *(f"{mean:.3f}" for mean in means), *([str(len(rows))] * bool(rows)))
    return table


app = typer.Typer(add_completion=False)


@app.command()
def retrieval(
    data: Annotated[Path, typer.Option(help="A file in LoCoMo's format.")],
    conversation: Annotated[str, typer.Option(help="Only this one, such as conv-26.")] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write what was found to this file.")
    ] = None,
    k: Annotated[int, typer.Option(min=1, help="Turns to find per question.")] = 50,
) -> None:
    """Print recall of evidence turns (categories 1 to 4) and search times, with no model."""
    conversations = load(data)
    known = ", ".join(one.id for one in conversations)
    if conversation:
        conversations = [one for one in conversations if one.id == conversation]
    if not conversations:
        raise InputError(f"{data} holds no conversation {conversation!r}; it has {known}")
    found: dict[str, Retrieval] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for one in progress.track(conversations, description="searching"):
            with tempfile.TemporaryDirectory() as folder:
                found[one.id] = retrieve(one, Path(folder), k)
    depths = [depth for depth in DEPTHS if depth <= k] or [k]
    print_to = Console()
    print_to.print(_table(recalls(conversations, found, depths), depths))
    times = [ms for one in found.values() for ms in one.search_ms]
    p50, p95 = np.percentile(times, [50, 95])
    print_to.print(
        f"{sum(one.turns for one in found.values())} turns stored in"
        f" {sum(one.ingest_s for one in found.values()):.1f} s,"
        f" {len(times)} searches: p50 {p50:.2f} ms, p95 {p95:.2f} ms"
    )
    if json_file is not None:
        results = {name: asdict(one) for name, one in found.items()}
        content = results[conversation] if conversation else results
        write_whole(json_file, json.dumps(content).encode())


if __name__ == "__main__":
    run_command(app)
