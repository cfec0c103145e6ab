"""How many true rows of a digest are set aside, and how many false ones are stored; no model.

    python -m tests.benchmarks.digests.rows [--half fit|check|all] [--show]

A scripted model writes all rows of each talk in `talks.toml`, the true and the false ones in one
INSERT, and the same again when some are refused. The even talks were used to fit the checks.
"""

import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from memory import Memory, Turn
from memory.sql import quoted
from memory.store import Store
from memory.store.facts.vocabulary_edits import vocabulary_of
from memory.vocabulary.entities import key
from tests.support.scripted import model_over, sql

Half = Literal["fit", "check", "all"]
_SPLIT = " | "


@dataclass(frozen=True)
class Row:
    """A row that a model may write about a turn of a talk, from 1."""

    turn: int
    subject: str
    attribute: str
    value: str
    happened_on: str = ""

    @classmethod
    def read(cls, line: str) -> "Row":
        turn, *cells = line.split(_SPLIT)
        return cls(int(turn), *cells)

    def values(self, first_id: int = 1) -> str:
        """The row of an INSERT, if the talk begins with this turn."""
        texts = (self.subject, self.attribute, self.value, self.happened_on)
        return f"({', '.join(map(quoted, texts))}, {self.turn + first_id - 1})"


@dataclass(frozen=True)
class Talk:
    """Turns with the rows that a digest must store, and those that it must not."""

    kind: str
    turns: Sequence[Turn]
    rows: Sequence[Row]
    wrong: Sequence[Row]


class Writer:
    """A DSPy engine that always writes the same SQL."""

    def __init__(self, statements: str) -> None:
        self.statements = statements

    def complete(self, request: Request) -> Response:
        del request
        return Response(
            id=None,
            model="scripted",
            message=Message.assistant([TextPart(sql(self.statements))]),
            finish_reason="stop",
            usage=Usage(input_tokens=0, output_tokens=0, total_tokens=0),
        )


def talks(half: Half = "all") -> Iterator[Talk]:
    """The talks of a half, in the order of the file."""
    text = Path(__file__).with_name("talks.toml").read_text("utf-8")
    for number, talk in enumerate(tomllib.loads(text)["talks"]):
        if half == "all" or (half == "fit") == (number % 2 == 0):
            yield Talk(
                talk["kind"],
                [_turn(line) for line in talk["turns"]],
                [Row.read(line) for line in talk["rows"]],
                [Row.read(line) for line in talk["wrong"]],
            )


def _turn(line: str) -> Turn:
    speaker, day, text = line.split(_SPLIT, 2)
    source: dict[str, Any] = {}
    if speaker.startswith("("):
        speaker = speaker.strip("()")
        source["kind"] = "document" if "." in speaker else "tool"
    return Turn(speaker, text, said_at=day, **source)


def insert_of(rows: Sequence[Row], first_id: int = 1) -> str:
    """The INSERT of rows about a talk that begins with this turn."""
    values = ", ".join(row.values(first_id) for row in rows)
    return f"INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES {values};"


def is_stored(row: Row, store: Store, first_id: int = 1) -> bool:
    """Whether the store has a fact that says what the row does."""
    vocabulary = vocabulary_of(store)
    return any(
        fact.turn_id == row.turn + first_id - 1
        and vocabulary.name_of(fact.attribute) == vocabulary.name_of(row.attribute)
        and key(fact.subject) == key(row.subject)
        and key(fact.value) == key(row.value)
        for fact in store.facts()
    )


def main(
    half: Annotated[Half, typer.Option(help="which talks")] = "all",
    show: Annotated[bool, typer.Option("--show", help="each row that fell out")] = False,
) -> None:
    """Print how many rows were stored, by whether they are true."""
    console = Console(soft_wrap=True)
    counts: Counter[str] = Counter()
    for talk in talks(half):
        statements = insert_of([*talk.wrong, *talk.rows])
        with (
            tempfile.TemporaryDirectory() as folder,
            Memory(f"{folder}/talk.db", model=model_over(Writer(statements))) as memory,
        ):
            memory.add([*talk.turns])
            digest = memory.digest()
            fell_out = [row for row in talk.rows if not is_stored(row, memory.store)]
            crept_in = [row for row in talk.wrong if is_stored(row, memory.store)]
        counts["true"] += len(talk.rows)
        counts["set aside"] += len(fell_out)
        counts["false"] += len(talk.wrong)
        counts["stored"] += len(crept_in)
        if show:
            for name, rows in (("set aside", fell_out), ("stored", crept_in)):
                for row in rows:
                    said = talk.turns[row.turn - 1].text
                    reason = [why for why in digest.refused if row.value[:20] in why]
                    console.print(f"{name}: {talk.kind}: {row}\n  {said[:160]}\n  {reason}")
    table = Table("rows", "n", "set aside", "stored", "share wrong")
    right, wrong = counts["true"], counts["false"]
    out, in_ = counts["set aside"], counts["stored"]
    table.add_row("true", str(right), str(out), str(right - out), f"{out / right:.3f}")
    table.add_row("false", str(wrong), str(wrong - in_), str(in_), f"{in_ / wrong:.3f}")
    print_table(console, table)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
