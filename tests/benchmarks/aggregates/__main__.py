"""Aggregates of our conversations and of a long chat: made, measured, and written for evaluate.py.

    python -m tests.benchmarks.aggregates make               # data/aggregates.json
    python -m tests.benchmarks.aggregates measure            # facts on and off, no model
    python -m tests.benchmarks.aggregates conversation FILE  # the long chat, for evaluate.py --data
    python -m tests.benchmarks.aggregates plain              # single things, by size of the memory

A cell of `measure` is `evidence / answer`: the share of the evidence turns that are shown, and how
much of the answer can be read from what is shown.
"""

import json
import re
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from memory.sql import quoted
from tests.benchmarks.aggregates.chats import of_chats
from tests.benchmarks.aggregates.measure import LONG, measure, table
from tests.benchmarks.aggregates.plain import plain_shares
from tests.benchmarks.aggregates.questions import Aggregate, of_long_chat
from tests.benchmarks.aggregates.talk import TURNS, StatedFact, long_chat

FILE = Path(__file__).parents[3] / "data" / "aggregates.json"
_CATEGORY = 1  # several turns
app = typer.Typer(add_completion=False)


def all_aggregates(turns: int = TURNS) -> list[Aggregate]:
    """The questions about our conversations and about the long chat, computed anew."""
    return [*of_chats(), *of_long_chat(long_chat(turns)[1], LONG)]


@app.command()
def make(file: Path = FILE) -> None:
    """Write the questions with their computed gold."""
    lines = [json.dumps(asdict(a), ensure_ascii=False) for a in all_aggregates()]
    file.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    typer.echo(f"{file}: {len(lines)} questions")


@app.command("measure")
def measure_shown(
    budgets: str = "500,2000",
    turns: Annotated[int, typer.Option(help="of the long chat")] = TURNS,
) -> None:
    """Print what facts bring, by kind of question."""
    sizes = [int(size) for size in budgets.split(",")]
    found = measure(all_aggregates(turns), sizes, turns)
    print_table(Console(), table(found))


@app.command()
def conversation(
    file: Path,
    turns: Annotated[int, typer.Option(help="of the long chat")] = TURNS,
) -> None:
    """Write the long chat in LoCoMo's format, with its questions and gold SQL."""
    said, facts = long_chat(turns)
    questions = of_long_chat(facts, LONG)
    sessions: dict[str, Any] = {}
    for turn in said:
        moment = datetime.fromisoformat(turn.said_at)
        spoken = f"{moment:%I:%M} {moment:%p} on {moment.day} {moment:%B}, {moment.year}"
        sessions[f"{turn.session}_date_time"] = re.sub(r"^0", "", spoken.lower())
        line = {"speaker": turn.speaker, "dia_id": turn.source, "text": turn.text}
        sessions.setdefault(turn.session, []).append(line)
    numbers = {turn.source: number for number, turn in enumerate(said, 1)}
    record = {
        "sample_id": LONG,
        "conversation": sessions,
        "qa": [
            {
                "question": question.question,
                "answer": question.answer,
                "category": _CATEGORY,
                "question_type": question.kind,
                "question_date": said[-1].said_at,
                "evidence": question.evidence,
                "retrieve": question.sql,
            }
            for question in questions
        ],
        "store": {fact.source: _insert(fact, numbers[fact.source]) for fact in facts},
    }
    file.write_text(json.dumps([record], ensure_ascii=False), encoding="utf-8")
    typer.echo(f"{file}: {len(said)} turns, {len(facts)} facts, {len(questions)} questions")


@app.command()
def plain(sizes: str = "1000,5000,20000", budgets: str = "500,2000,6000") -> None:
    """Print the evidence shown for questions that ask for single things, by turns of the chat."""
    asked = [int(budget) for budget in budgets.split(",")]
    by_size = {int(size): plain_shares(int(size), asked) for size in sizes.split(",")}
    columns = next(iter(by_size.values()))
    drawn = Table("turns", *columns)
    for size, shares in by_size.items():
        drawn.add_row(f"{size:,}", *(f"{share:.3f}" for share in shares.values()))
    print_table(Console(), drawn)


def _insert(fact: StatedFact, turn_id: int) -> str:
    cells = (fact.subject, fact.attribute, fact.value, fact.happened_on, fact.ended_on)
    return (
        "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id) VALUES"
        f" ({', '.join(map(quoted, cells))}, {turn_id});"
    )


if __name__ == "__main__":
    run_command(app)
