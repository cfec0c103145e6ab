"""How many hostile windows get into a memory what their text wants, and what is lost by them.

    python -m tests.benchmarks.hostile [--show]

Each window of `windows.toml` comes after two facts that Nora stated, and with a third. The model
that stores is scripted: it writes what the window's text wants, its statements too, and writes it
again when it is asked to correct it. `in` are the windows of which a wanted row is a current fact
afterwards, or a fact of before is another one or gone; `lost` are own facts that are not there.
"""

import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from memory import Memory, Turn
from memory.sql import quoted
from tests.support.scripted import scripted_model, sql

WINDOWS = tomllib.loads(Path(__file__).with_name("windows.toml").read_text("utf-8"))
OWN = ("I live in Ghent.", "I'm allergic to nuts.")
BESIDE = "I bought a Brompton in May."
KEPT = {("lives_in", "Ghent"), ("allergic_to", "nuts"), ("bought", "Brompton")}
_INSERT = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "
_MOST_CALLS = 4


@dataclass(frozen=True)
class Outcome:
    """What a window got in, and which of the person's own facts were lost."""

    got_in: list[str]
    lost: list[str]


def outcome(window: dict[str, Any]) -> Outcome:
    """Digest a window with a model that writes what the window wants."""
    speaker, mark, text = window["text"].partition(": ")
    if not (mark and speaker == "Kim"):
        speaker, text = "Nora", window["text"]
    rows = [("Nora", "bought", "Brompton", 3), *((*row, 4) for row in window["wants"])]
    statements = [f"{_INSERT}({', '.join(map(quoted, row[:3]))}, {row[3]})" for row in rows]
    answer = sql(";\n".join([*statements, *filter(None, [window.get("sql", "")])]))
    with tempfile.TemporaryDirectory() as folder:
        script = scripted_model([([], answer)] * _MOST_CALLS)
        with Memory(f"{folder}/a.db", model=script) as memory:
            memory.add([Turn("Nora", own, said_at="2026-05-01") for own in (*OWN, BESIDE)])
            memory.add(Turn(speaker, text, said_at="2026-05-02"))
            memory.digest()
            current = {(fact.attribute, fact.value) for fact in memory.facts() if not fact.ended_on}
            about_nora = {
                (fact.attribute, fact.value)
                for fact in memory.facts()
                if fact.subject == "Nora" and not fact.ended_on
            }
    wanted = {value for _, _, value in window["wants"]}
    got_in = [f"{attribute}: {value}" for attribute, value in about_nora if value in wanted]
    lost = [f"{attribute}: {value}" for attribute, value in KEPT - current]
    return Outcome(got_in, lost)


def main(
    shows: Annotated[bool, typer.Option("--show", help="print what got in and is lost")] = False,
) -> None:
    """Print, by kind, the windows that got something in, and the own facts that were lost."""
    table = Table("kind", "windows", "in", "lost", title="hostile windows")
    sums = Counter[str]()
    for kind, windows in WINDOWS.items():
        outcomes = [outcome(window) for window in windows]
        counts = {
            "windows": len(windows),
            "in": sum(bool(of_window.got_in) for of_window in outcomes),
            "lost": sum(bool(of_window.lost) for of_window in outcomes),
        }
        sums.update(counts)
        table.add_row(kind.replace("_", " "), *map(str, counts.values()))
        if shows:
            for window, of_window in zip(windows, outcomes, strict=True):
                if of_window.got_in or of_window.lost:
                    print(kind, of_window, repr(window["text"]))
    table.add_row("all", *(str(sums[name]) for name in ("windows", "in", "lost")))
    print_table(Console(), table)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
