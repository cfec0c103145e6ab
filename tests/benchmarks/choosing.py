"""A small model that chooses rows of true facts, which code says; beside the ranking alone.

python -m tests.benchmarks.choosing FILE [--questions N] [--ranking N] [--out FILE]

FILE is the GGUF file of a model of up to 8 billion parameters. Eight people each tell some ten
facts in turns of chats, which are stored as they are true. Asked are lists, counts, the first and
the last of something, states on a day, durations, and what nobody told. The model chooses a shape
and attributes, code answers from the rows (`memory.program.brief`); where no rows decide, nothing
is answered. With `--ranking` the first N questions are answered from the ranking's turns, too.

An answer is right if it has every word of the right one, with dates in one form, and no value of
the same attribute that is not asked for. Answers are kept in `--out`: a second run goes on there.
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import dspy
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import run_command
from memory import Fact, Memory, Turn, load_model
from memory.program import MemoryProgram
from memory.records import ABSTAIN
from memory.sql import quoted
from memory.text.words import words

SEED = 95
PEOPLE = ("Odile", "Bertil", "Ngozi", "Tomasz", "Leilani", "Farid", "Ingrid", "Marcelo")
TOWNS = ("Ghent", "Tartu", "Accra", "Lublin", "Hilo", "Tabriz", "Bergen", "Recife")
JOBS = ("a baker", "a welder", "a nurse", "a tailor", "a diver", "a vet", "a judge", "a chef")
PETS = (
    "a parrot",
    "a tortoise",
    "a beagle",
    "a rabbit",
    "a gecko",
    "a pony",
    "a goose",
    "a ferret",
)
CITIES = ("Lisbon", "Oaxaca", "Hanoi", "Split", "Quito", "Nara", "Fez", "Perth")
BOOKS = ("Middlemarch", "Beloved", "Dracula", "Emma", "Ulysses", "Solaris", "Kim", "Dune")
THINGS = ("a kayak", "a loom", "a tent", "an oven", "a drone", "a cello", "a sofa", "a bicycle")
ANSWERED = ("list", "count", "first", "last", "day", "how long")
NEVER_TOLD = (
    "How many children does {who} have?",
    "What is {who} allergic to?",
    "When did {who} get married?",
    "Which languages does {who} speak?",
    "What is the name of {who}'s doctor?",
)
console = Console(soft_wrap=True)


@dataclass(frozen=True)
class Asked:
    """A question, what it is for, the words of its right answer, and words that are wrong there."""

    text: str
    kind: str
    right: tuple[str, ...]
    wrong: tuple[str, ...] = ()


def facts_of(number: int) -> list[Fact]:
    """What one person tells, in the order of its days; no two people tell the same."""
    who = PEOPLE[number]

    def chosen(values: Sequence[str], count: int) -> list[str]:
        return [values[(number + step) % len(values)] for step in range(count)]

    old_town, town = chosen(TOWNS, 2)
    old_job, job = chosen(JOBS, 2)
    rows = [
        ("lives_in", old_town, "2022-02-10", "2024-03-05"),
        ("works_as", old_job, "2021-09-01", "2023-06-30"),
        ("works_as", job, "2023-07-01", ""),
        ("lives_in", town, "2024-03-06", ""),
    ]
    rows += [("has_pet", pet, f"2023-0{2 + n}-11", "") for n, pet in enumerate(chosen(PETS, 2))]
    rows += [
        ("visited", city, f"2024-0{1 + 3 * n}-20", "") for n, city in enumerate(chosen(CITIES, 3))
    ]
    rows += [("read", book, f"2024-0{2 + 2 * n}-14", "") for n, book in enumerate(chosen(BOOKS, 3))]
    rows += [
        ("bought", thing, f"2023-0{3 + 4 * n}-02", "") for n, thing in enumerate(chosen(THINGS, 2))
    ]
    return [
        Fact(who, attribute, value, happened_on=begin, ended_on=end, turn_id=0)
        for attribute, value, begin, end in sorted(rows, key=lambda row: row[2])
    ]


def questions_of(number: int) -> Iterator[Asked]:
    """Thirteen questions that one person's facts answer, and some that none does."""
    facts = facts_of(number)
    who = PEOPLE[number]
    by: dict[str, list[str]] = {}
    for fact in facts:
        by.setdefault(fact.attribute, []).append(fact.value)
    pets, cities, books, things = (by[name] for name in ("has_pet", "visited", "read", "bought"))
    (old_town, town), (old_job, job) = by["lives_in"], by["works_as"]
    yield Asked(f"Which animals does {who} keep?", "list", tuple(pets))
    yield Asked(f"What cities has {who} been to?", "list", tuple(cities))
    yield Asked(f"Name all the books that {who} has read.", "list", tuple(books))
    yield Asked(f"How many pets does {who} have?", "count", (str(len(pets)),))
    yield Asked(f"How many books did {who} finish in 2024?", "count", (str(len(books)),))
    yield Asked(f"Which city did {who} visit first?", "first", (cities[0],), tuple(cities[1:]))
    yield Asked(f"What was the first book {who} read?", "first", (books[0],), tuple(books[1:]))
    yield Asked(f"What did {who} buy last?", "last", (things[-1],), tuple(things[:-1]))
    yield Asked(f"Where did {who} travel most recently?", "last", (cities[-1],), tuple(cities[:-1]))
    yield Asked(f"In which town did {who} live in August 2023?", "day", (old_town,), (town,))
    yield Asked(f"What was {who}'s job in May 2024?", "day", (job,), (old_job,))
    yield Asked(f"How long did {who} live in {old_town}?", "how long", ("754 days",))
    yield Asked(f"How long did {who} work as {old_job}?", "how long", ("667 days",))
    for text in NEVER_TOLD[number % 2 :: 2]:
        yield Asked(text.format(who=who), "never told", ())


def told(fact: Fact) -> str:
    """How somebody tells a fact."""
    said = {
        "lives_in": f"I have settled in {fact.value}, the boxes are all unpacked now.",
        "works_as": f"My new job began today: I am {fact.value}.",
        "has_pet": f"We took in {fact.value}, it sleeps in the kitchen.",
        "visited": f"Greetings from {fact.value}, the trip went well.",
        "read": f"I finished {fact.value} at last, what an ending.",
        "bought": f"The shop delivered {fact.value} this morning, paid in full.",
    }
    return said[fact.attribute]


def fill(memory: Memory) -> None:
    """Tell everything, and store what is true of it."""
    for number, who in enumerate(PEOPLE):
        for fact in facts_of(number):
            session = f"{who} {fact.happened_on[:4]}"
            turn = Turn(who, told(fact), session, fact.happened_on)
            [turn_id] = memory.store.add([turn])
            cells = (who, fact.attribute, fact.value, fact.happened_on, fact.ended_on)
            memory.store.write(
                "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id)"
                f" VALUES ({', '.join(map(quoted, cells))}, {turn_id})",
                cause="true facts",
            )


class Nothing(dspy.Module):
    """Answers nothing: what no rows decide stays open."""

    def forward(self, evidence: str) -> dspy.Prediction:
        """An abstention, without a call."""
        return dspy.Prediction(answer=ABSTAIN, turns=[], calls=0)


def outcome(asked: Asked, text: str) -> str:
    """right, wrong or none."""
    if not text or text.startswith(ABSTAIN):
        return "right" if asked.kind == "never told" else "none"
    if asked.kind == "never told":
        return "wrong"
    answered = [*words(text)]

    def has(value: str) -> bool:
        parts = [word for word in words(value) if word not in ("a", "an")]
        return all(part in answered for part in parts)

    first = answered[:1] if asked.kind == "count" else answered
    is_right = all(
        has(value) and (asked.kind != "count" or value in first) for value in asked.right
    )
    return "right" if is_right and not any(map(has, asked.wrong)) else "wrong"


def main(
    file: Annotated[Path, typer.Argument(help="a model's GGUF file")],
    questions: Annotated[int, typer.Option(help="at most")] = 124,
    ranking: Annotated[int, typer.Option(help="how many are answered from turns, too")] = 0,
    out: Annotated[Path, typer.Option(help="where answers are kept")] = Path("choosing.jsonl"),
) -> None:
    """Print how many answers are right, wrong and missing, by kind."""
    asked = [one for number in range(len(PEOPLE)) for one in questions_of(number)]
    random.Random(SEED).shuffle(asked)
    lines = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    done = {(line["arm"], line["text"]) for line in lines}
    model = load_model(f"gguf:{file}")
    choosing = MemoryProgram("brief").asking(answer=Nothing())
    arms = {"choice": choosing, "ranking": MemoryProgram("brief").with_sql("never")}
    with TemporaryDirectory() as folder, Memory(Path(folder) / "m.db", model=model) as memory:
        fill(memory)
        for place, one in enumerate(asked[:questions]):
            for arm, program in arms.items():
                if (arm, one.text) in done or (arm == "ranking" and place >= ranking):
                    continue
                lines.append({**_answered(memory, model, program, one), "arm": arm})
                with out.open("a") as kept:
                    kept.write(json.dumps(lines[-1]) + "\n")
    console.print(_table(lines))
    _print_gain(lines)


def _answered(memory: Memory, model: Any, program: MemoryProgram, asked: Asked) -> dict[str, Any]:
    begun = time.process_time()
    answer = Memory(memory.store, model, program=program).ask(asked.text, now="2024-12-31")
    text = answer.text if answer.basis in ("rows", "model") else ""
    return {
        **asdict(asked),
        "said": text,
        "sql": list(answer.sql),
        "outcome": outcome(asked, text),
        "cpu_s": round(time.process_time() - begun, 2),
    }


def _table(lines: Sequence[dict[str, Any]]) -> Table:
    table = Table("arm", "kind", "questions", "right", "wrong", "none", "CPU s each")
    for arm in dict.fromkeys(line["arm"] for line in lines):
        of_arm = [line for line in lines if line["arm"] == arm]
        told_kinds = [line for line in of_arm if line["kind"] != "never told"]
        groups = {kind: [x for x in of_arm if x["kind"] == kind] for kind in ANSWERED}
        groups |= {"all that was told": told_kinds}
        groups["never told"] = [x for x in of_arm if x["kind"] == "never told"]
        for kind, group in groups.items():
            counts = [
                sum(x["outcome"] == name for x in group) for name in ("right", "wrong", "none")
            ]
            seconds = np.mean([x["cpu_s"] for x in group]) if group else 0.0
            table.add_row(arm, kind, str(len(group)), *map(str, counts), f"{seconds:.1f}")
    return table


def _print_gain(lines: Sequence[dict[str, Any]]) -> None:
    """Choice minus ranking on the questions that both answered, with a bootstrap's interval."""
    right = {
        (line["arm"], line["text"]): line["outcome"] == "right"
        for line in lines
        if line["kind"] != "never told"
    }
    pairs = [
        float(right["choice", text]) - float(is_right)
        for (arm, text), is_right in right.items()
        if arm == "ranking" and ("choice", text) in right
    ]
    if not pairs:
        return
    draws = np.random.default_rng(SEED).choice(pairs, (10_000, len(pairs))).mean(1)
    low, high = np.quantile(draws, (0.025, 0.975))
    gain = f"{np.mean(pairs):+.2f} [{low:+.2f}, {high:+.2f}]"
    console.print(f"choice minus ranking, {len(pairs)} questions: {gain}")


if __name__ == "__main__":
    run_command(lambda: typer.run(main))
