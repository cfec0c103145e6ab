"""Whether the newest value comes first, of things that were said twice with another value.

python -m tests.benchmarks.newest [--seed N]

One speaker tells plain facts in ten forms, eight things of each form, and half of them again weeks
later with another value, as in the single-hop questions of FactConsolidation (MemoryAgentBench). No
model is asked: the first line of `recall` is to hold the new value, and no line the old one without
a mark. None of these forms is a template of the vocabulary. Then 40 that are said again with a
relative date ("since last week"), twelve of them moves of twelve people in the vocabulary's
templates. Then the same of `data/newest.json`, 20 things as people say them, among others; nothing
is to be fitted to these.
"""

import json
import random
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from locomo.commands import run_command
from memory import Memory, Turn
from memory.operations.tools import memory_tools

WRITTEN = Path(__file__).parents[2] / "data" / "newest.json"
PLACES = ["harbour", "library", "mill", "orchard", "quarry", "theatre", "aquarium", "observatory"]
NAMES = [
    *("Ada Lund", "Bela Kiss", "Cleo Marsh", "Dov Adler", "Ebba Holm", "Femi Ojo", "Gita Rao"),
    *("Hugo Brandt", "Ines Prado", "Jonas Weil", "Kaya Demir", "Lior Katz", "Mira Novak"),
]
TOWNS = ["Arden", "Brill", "Corley", "Dunmore", "Elstow", "Farley", "Grafton", "Holme", "Ilmen"]
# What is said of a place and a value, what is asked, and what kind of value it is.
FORMS = [
    ("The head of the {place} is {value}.", "Who is the head of the {place}?", "name"),
    ("The code of the {place} door is {value}.", "What is the code of the {place} door?", "number"),
    ("The {place} opens at {value} o'clock.", "When does the {place} open?", "hour"),
    ("The rent of the {place} is {value} euros.", "What is the rent of the {place}?", "number"),
    ("The architect of the {place} was {value}.", "Who was the architect of the {place}?", "name"),
    ("The bus to the {place} is number {value}.", "Which bus goes to the {place}?", "number"),
    ("The archive of the {place} is kept in {value}.", "Where is the archive of the {place}?",
     "town"),
    ("Der Schlüssel für {place} liegt bei {value}.", "Bei wem liegt der Schlüssel für {place}?",
     "name"),
    ("Le directeur de {place} est {value}.", "Qui est le directeur de {place} ?", "name"),
    ("Our meeting at the {place} is on {value} June.", "When is our meeting at the {place}?",
     "day"),
]  # fmt: skip

# A relative date says since when, never that something is older than what was said before it.
DATES = ["yesterday", "last week", "last month", "two weeks ago", "this morning", "last Friday"]
DATED = ["{statement} since {date}.", "Since {date} {statement}."]
PEOPLE = ["Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hal", "Ida", "Jon", "Kim", "Liv"]

VALUES = {
    "name": NAMES,
    "town": TOWNS,
    "number": [str(number) for number in range(120, 990, 7)],
    "hour": [str(number) for number in range(6, 12)],
    "day": [str(number) for number in range(1, 30)],
}

console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Restatement:
    """What was said, what was said later or the fact it became, and a question for it."""

    question: str
    before: str
    after: str


@dataclass
class Score:
    """How many questions there were, of how many the newest value came first, and how often the
    older one stood in a line without a mark."""

    questions: int = 0
    first: int = 0
    unmarked: int = 0


def conversation(seed: int) -> tuple[list[Turn], list[Restatement]]:
    """The turns of a memory, and what is said again in them."""
    chance = random.Random(seed)
    spring: list[str] = []
    again: list[Restatement] = []
    for statement, question, kind in FORMS:
        for number, place in enumerate(PLACES):
            before, after = (
                statement.format(place=place, value=value)
                for value in chance.sample(VALUES[kind], 2)
            )
            spring.append(before)
            if number % 2:
                again.append(Restatement(question.format(place=place), before, after))
    return _turns(spring, again, chance), again


def dated(seed: int) -> tuple[list[Turn], list[Restatement]]:
    """Things that are said again with a relative date, and moves told the day after a home."""
    chance = random.Random(seed)
    english = [form for form in FORMS if form[1].isascii() and form[1].startswith(("W", "H"))]
    spring: list[str] = []
    again: list[Restatement] = []
    for statement, question, kind in english[:7]:
        for number, place in enumerate(PLACES):
            before, after = (
                statement.format(place=place, value=value)
                for value in chance.sample(VALUES[kind], 2)
            )
            spring.append(before)
            if number % 2:
                date = chance.choice(DATES)
                form = chance.choice(DATED)
                lower = after[:-1] if form is DATED[0] else after[0].lower() + after[1:-1]
                later = form.format(statement=lower, date=date)
                again.append(Restatement(question.format(place=place), before, later))
    turns = _turns(spring, again, chance)
    for who in PEOPLE:
        old, new = chance.sample(TOWNS, 2)
        moved = f"I moved to {new} {chance.choice(DATES)}."
        turns += [
            Turn(who, f"I live in {old}.", "homes", "2026-08-01T10:00:00"),
            Turn(who, moved, "homes", "2026-08-02T10:00:00"),
        ]
        question, before = f"Where does {who} live?", f"{who}: I live in {old}."
        again.append(Restatement(question, before, f"{who} lives_in: {new}"))
    return turns, again


def written(seed: int) -> tuple[list[Turn], list[Restatement]]:
    """The same of what stands in WRITTEN."""
    texts = json.loads(WRITTEN.read_text("utf-8"))
    again = [Restatement(**restatement) for restatement in texts["said again"]]
    spring = [*(restatement.before for restatement in again), *texts["said once"]]
    return _turns(spring, again, random.Random(seed)), again


def _turns(spring: list[str], again: list[Restatement], chance: random.Random) -> list[Turn]:
    chance.shuffle(spring)
    chance.shuffle(again)
    summer = [restatement.after for restatement in again]
    return [*_said(spring, "2026-03-01"), *_said(summer, "2026-07-01")]


def _said(texts: Iterable[str], day: str) -> Iterator[Turn]:
    return (Turn("Anna", text, day, f"{day}T10:00:00") for text in texts)


def measured(turns: Sequence[Turn], again: Sequence[Restatement]) -> Score:
    """Asks a new memory of these turns for everything that was said again."""
    score = Score()
    with tempfile.TemporaryDirectory() as folder, Memory(Path(folder) / "anna.db") as memory:
        memory.add(turns, said_at="")
        [recall] = [tool for tool in memory_tools(memory) if tool.__name__ == "recall"]
        for restatement in again:
            # Without the days that are computed behind relative dates.
            lines = re.sub(r" \([^()]*\d[^()]*\)", "", recall(restatement.question)).splitlines()
            score.questions += 1
            score.first += restatement.after in lines[0]
            score.unmarked += sum(
                restatement.before in line and "[later, " not in line and "[outdated: " not in line
                for line in lines
            )
    return score


def main(seed: Annotated[int, typer.Option(help="What is drawn by chance.")] = 0) -> None:
    memories = {"drawn": conversation(seed), "dated": dated(seed), "written": written(seed)}
    for name, (turns, again) in memories.items():
        score = measured(turns, again)
        console.print(
            f"{name}, {score.questions} questions: the newest value first {score.first},"
            f" lines with the older one and no mark {score.unmarked}"
        )


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
