"""Pairs of facts that rules link as contradicting each other, printed to be read; no model.

    python -m tests.benchmarks.contradictions FILE_OR_FOLDER... [--facts FILE]

Facts are those that rules note, or with --facts those given for the conversations of
`tests.benchmarks.everyday`. What an assistant says is left out.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import run_command
from locomo.dataset.format import Conversation, load_conversations
from memory import open_store
from memory.noting import note_turns
from memory.prompt import known_fact_line
from memory.statements.instructions import ASSISTANT
from tests.benchmarks.everyday import facts_of, store_facts

_OF = 200  # facts


def main(
    paths: list[Path],
    facts: Annotated[Path | None, typer.Option(help="facts to store instead of noted ones")] = None,
) -> None:
    """Print the pairs, and how many there are of how many facts."""
    console = Console(soft_wrap=True)
    table = Table("data", "turns", "facts", "pairs", f"pairs of {_OF} facts")
    totals = [0, 0, 0]
    for path in paths:
        counts = [0, 0, 0]
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        chats = [chat for file in files for chat in load_conversations(file)]
        for chat in track(chats, console=Console(stderr=True)):
            for number, count in enumerate(_linked(console, chat, facts)):
                counts[number] += count
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        table.add_row(path.name, *_cells(counts))
    table.add_row("all", *_cells(totals))
    console.print(table)


def _linked(console: Console, chat: Conversation, facts: Path | None) -> tuple[int, int, int]:
    """The turns, facts and pairs of a conversation, whose pairs are printed."""
    turns = [turn for turn in chat.turns if not ASSISTANT.fullmatch(turn.speaker.strip())]
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(Path(folder) / "memory.db") as store,
    ):
        ids = store.add(turns)
        if facts is None:
            note_turns(store)
        else:
            turn_ids = {turn.source: id_ for turn, id_ in zip(turns, ids, strict=True)}
            given = sorted(facts_of(facts, chat.id), key=lambda fact: turn_ids[fact["turn"]])
            store_facts(store, given, turn_ids)
        pairs = store.contradictions()
        for pair in pairs:
            lines = " / ".join(known_fact_line(fact) for fact in pair.facts)
            console.print(f"{chat.id}: {lines}", markup=False)
        return len(turns), len(store.facts()), len(pairs)


def _cells(counts: list[int]) -> list[str]:
    turns, facts, pairs = counts
    return [f"{turns:,}", f"{facts:,}", str(pairs), f"{pairs * _OF / max(facts, 1):.2f}"]


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
