"""Other memories and ours side by side: the same turns, questions and embedder, in one run.

python -m tests.benchmarks.peers FILE [--k 50] [--conversation ID] [--only NAME ...] [--json OUT]

FILE is in LoCoMo's format. Nothing is installed, no language model is asked, nothing goes over the
network. A product that is not importable is named with what to install.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn
from rich.table import Table

from locomo.commands import print_table, run_command
from locomo.dataset.format import Conversation, load_conversations
from locomo.others.peers import PEERS
from locomo.others.rankings import Found, peer_version, rankings_of
from locomo.retrieval.measure import DEPTHS, recalls
from memory import InputError
from memory.system.files import write_whole

_CAPTION = (
    "Recall of evidence turns, categories 1-4; a search embeds its question.\n"
    'All store "speaker: text"; ours takes the session and the date besides.'
)


def figures(
    conversations: Sequence[Conversation], found: Found, on_disk: bool, depths: Sequence[int]
) -> dict[str, Any]:
    """Means over all questions and turns: recall by depth, turns/s, milliseconds, bytes a turn."""
    by_category = recalls(conversations, dict(found), depths)
    rows = [row for rows in by_category.values() for row in rows]
    every = list(found.values())
    turns = sum(one.turns for one in every)
    p50, p95 = np.percentile([ms for one in every for ms in one.search_ms], [50, 95])
    means = np.mean(rows, axis=0) if rows else np.full(len(depths), np.nan)
    return {
        "recall": dict(zip(map(str, depths), map(float, means), strict=True)),
        "recall_by_category": {
            str(category): np.mean(some, axis=0).tolist() for category, some in by_category.items()
        },
        "turns_per_s": turns / sum(one.ingest_s for one in every),
        "p50_ms": float(p50),
        "p95_ms": float(p95),
        "bytes_per_turn": sum(one.bytes for one in every) / turns if on_disk else None,
    }


def table(results: dict[str, dict[str, Any]], depths: Sequence[int], title: str) -> Table:
    """A line for each system that could be measured."""
    columns = [*(f"R@{depth}" for depth in depths), "turns/s", "p50 ms", "p95 ms", "B/turn"]
    drawn = Table(box=SIMPLE, title=title, caption=_CAPTION, padding=0, pad_edge=False)
    drawn.add_column("system", no_wrap=True)
    for column in columns:
        drawn.add_column(column, justify="right", no_wrap=True)
    for result in results.values():
        if "error" not in result:
            size = result["bytes_per_turn"]
            drawn.add_row(
                f"{result['title']} {result['version']}",
                *(f"{result['recall'][str(depth)]:.3f}" for depth in depths),
                f"{result['turns_per_s']:,.0f}",
                f"{result['p50_ms']:.2f}",
                f"{result['p95_ms']:.2f}",
                "-" if size is None else f"{size:,.0f}",
            )
    return drawn


app = typer.Typer(add_completion=False)


@app.command()
def peers(
    file: Annotated[Path, typer.Argument(help="A file in LoCoMo's format.")],
    k: Annotated[int, typer.Option(min=1, help="Turns to find per question.")] = 50,
    conversation: Annotated[str, typer.Option(help="Only this one, such as conv-26.")] = "",
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(PEERS)}.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write figures and rankings to this file.")
    ] = None,
) -> None:
    """Print recall, ingest, search times and size of each memory that is installed, and ours."""
    names = list(dict.fromkeys(only or PEERS))
    if unknown := set(names) - set(PEERS):
        raise InputError(f"no system is called {min(unknown)!r}; there are {', '.join(PEERS)}")
    conversations = load_conversations(file)
    known = ", ".join(one.id for one in conversations)
    conversations = [one for one in conversations if conversation in ("", one.id)]
    if not conversations:
        raise InputError(f"{file} holds no conversation {conversation!r}; it has {known}")
    depths = [depth for depth in DEPTHS if depth <= k] or [k]
    results: dict[str, dict[str, Any]] = {}
    columns = (SpinnerColumn(), *Progress.get_default_columns(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(names) * len(conversations))
        for index, name in enumerate(names):
            progress.update(task, description=name, completed=index * len(conversations))
            found = rankings_of(
                name, [str(file), str(k), conversation], lambda: progress.advance(task)
            )
            results[name] = {"title": PEERS[name].title, "version": peer_version(PEERS[name])}
            if isinstance(found, str):
                results[name]["error"] = found
            else:
                results[name] |= figures(conversations, found, PEERS[name].on_disk, depths)
                results[name]["conversations"] = {at: asdict(one) for at, one in found.items()}
    turns, questions = (
        sum(len(part) for part in parts)
        for parts in zip(*((one.turns, one.questions) for one in conversations), strict=True)
    )
    console = Console()
    drawn = table(results, depths, f"{turns:,} turns, {questions:,} questions")
    print_table(console, drawn)
    for result in results.values():
        if "error" in result:
            line = f"{result['title']}: {result['error']:.300}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    if json_file is not None:
        write_whole(json_file, json.dumps(results).encode())


if __name__ == "__main__":
    run_command(app, "nothing was written")
