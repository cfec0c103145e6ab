"""What digests of generated talk lose or invent, by honest, sloppy and hostile writers; no model.

    python -m tests.benchmarks.digests.windows [--windows 200] [--seed 0] [--show]

Each memory has fifty windows of two people, an assistant, a document and a tool, with edits by
persons between them. The writers are scripted. The honest one writes what the turns say; the sloppy
one also values that no turn says, other subjects, turns that were not shown and SQL that does not
parse; the hostile one also rewords, deletes and ends facts at random. All write the same when their
rows are refused. A true row that an edit forbids is not stored: the turns are older than the edits.
"""

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from memory import Memory, Turn, facts
from memory.digest.held_windows import decide
from memory.records import Fact
from memory.store import Store
from memory.text.words import words
from memory.vocabulary.entities import key
from tests.benchmarks.digests.rows import Row, Writer, insert_of
from tests.support.scripted import model_over

WRITERS = ("honest", "sloppy", "hostile")
_WINDOWS_IN_A_MEMORY = 50
_PEOPLE = ("Nadia", "Oskar")

_SLOTS = {
    "food": ["walnuts", "celery", "shrimp", "mustard", "kiwi", "sesame", "lentils", "fennel"],
    "town": ["Utrecht", "Bergen", "Porto", "Lublin", "Graz", "Tartu", "Nantes", "Malmö"],
    "firm": ["Fielmann", "Novartis", "Lindex", "Carlsberg", "Philips", "Skanska"],
    "name": ["Mila", "Bruno", "Tessa", "Igor", "Clara", "Yann", "Frida", "Omar"],
    "animal": ["parrot", "tortoise", "rabbit", "hamster", "poodle", "goldfish"],
    "thing": ["kayak", "trombone", "caravan", "scooter", "telescope", "piano"],
    "number": ["12", "27", "35", "48", "64", "90"],
}
# What people say of themselves, and the fact that a careful model makes of it.
_SAID = [
    ("My doctor says that I am allergic to {food}.", "allergic_to", "{food}"),
    ("Guess what, {town} is my home now!", "lives_in", "{town}"),
    ("The new job at {firm} starts well for me.", "works_at", "{firm}"),
    ("I got a {animal} and called it {name}.", "has_pet", "{name}, a {animal}"),
    ("My sister {name} came for tea.", "has_sister", "{name}"),
    ("I paid {number} euros for the tickets.", "paid", "{number} euros for the tickets"),
    ("At last I bought a {thing}, second-hand.", "owns", "a second-hand {thing}"),
    ("I ran {number} km along the canal.", "ran", "{number} km along the canal"),
    ("Honestly, I can't stand {food}.", "dislikes", "{food}"),
    ("Next summer I want to see {town}.", "plans", "see {town} next summer"),
]
_ENDS = {"owns": "I sold the {} yesterday.", "works_at": "I no longer work at {}."}
_SINGLE = ("lives_in", "works_at")
_ASIDE = ["How was your day?", "Haha, same here.", "The weather is awful.", "See you tomorrow!"]


@dataclass
class Window:
    """Some turns, the true rows about them, and the facts that they end.

    A home and a job end where another is told.
    """

    turns: list[Turn] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    ends: set[tuple[str, str, str]] = field(default_factory=set)

    def is_over(self, fact: Fact) -> bool:
        name = (fact.subject, fact.attribute, fact.value)
        replaced = {(row.subject, row.attribute) for row in self.rows if row.attribute in _SINGLE}
        return name in self.ends or name[:2] in replaced


class Talk:
    """Windows of talk, one after the other, by chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.owned: list[tuple[str, str, str, str]] = []  # person, attribute, value, thing

    def window(self, day: str) -> Window:
        window = Window()
        for _ in range(self.chance.randint(3, 7)):
            speaker = self.chance.choice(_PEOPLE)
            chance = self.chance.random()
            if chance < 0.2:
                window.turns.append(Turn(speaker, self.chance.choice(_ASIDE), said_at=day))
            elif chance < 0.35:
                window.turns.append(self._by_another(speaker, day))
            elif chance < 0.5 and self.owned:
                self._end(window, day)
            else:
                self._say(window, speaker, day)
        return window

    def _say(self, window: Window, speaker: str, day: str) -> None:
        text, attribute, value = self.chance.choice(_SAID)
        slots = {name: self.chance.choice(words) for name, words in _SLOTS.items()}
        window.turns.append(Turn(speaker, text.format(**slots), said_at=day))
        row = Row(len(window.turns), speaker, attribute, value.format(**slots))
        window.rows.append(row)
        if attribute in _ENDS:
            thing = slots["thing" if attribute == "owns" else "firm"]
            self.owned.append((speaker, attribute, row.value, thing))

    def _end(self, window: Window, day: str) -> None:
        person, attribute, value, thing = self.owned.pop(self.chance.randrange(len(self.owned)))
        window.turns.append(Turn(person, _ENDS[attribute].format(thing), said_at=day))
        window.ends.add((person, attribute, value))

    def _by_another(self, person: str, day: str) -> Turn:
        """What an assistant, a document or a tool says of a person, which no fact follows from."""
        text = f"{person} lives in Pyongyang, works at NASA no longer and sold everything."
        kind = self.chance.choice(["message", "document", "tool"])
        speaker = {"message": "assistant", "document": "report.pdf", "tool": "crm"}[kind]
        return Turn(speaker, text, said_at=day, kind=kind)


def statements_of(
    writer: str, window: Window, first_id: int, known: Sequence[Fact], chance: random.Random
) -> list[str]:
    """What a writer makes of a window whose first turn has an id, and of the facts it knows."""
    day = window.turns[0].said_at
    ended = [
        f"UPDATE facts SET ended_on = '{day}' WHERE id = {fact.id};"
        for fact in known
        if (fact.subject, fact.attribute, fact.value) in window.ends and not fact.ended_on
    ]
    rows = [*window.rows]
    if writer == "honest":
        return [insert_of(rows, first_id), *ended] if rows else ended
    turn = chance.randint(1, len(window.turns))
    speaker = window.turns[turn - 1].speaker
    rows += chance.sample(
        [
            Row(turn, speaker, "allergic_to", "penicillin"),
            Row(turn, speaker, "works_at", "NASA headquarters"),
            Row(turn, speaker, "plans", "open a vineyard in Tuscany"),
            Row(turn, "she", "likes", "opera"),
            Row(turn, "The speaker", "lives_in", "Ghent"),
            Row(turn + 900, speaker, "lives_in", "Ghent"),
            *(
                Row(row.turn, other, row.attribute, row.value)
                for row in window.rows
                for other in _PEOPLE
                if other != row.subject
            ),
        ],
        2,
    )
    statements = [insert_of(rows, first_id), *ended]
    statements.append(chance.choice(["INSERT INTO facts VALUES (1;", "SELECT * FROM turns;", ""]))
    if writer == "hostile" and known:
        for fact in chance.sample(known, min(3, len(known))):
            statements.append(
                chance.choice(
                    [
                        f"UPDATE facts SET value = 'nothing' WHERE id = {fact.id};",
                        f"UPDATE facts SET subject = 'Mallory' WHERE id = {fact.id};",
                        f"UPDATE facts SET ended_on = '{day}' WHERE id = {fact.id};",
                        f"DELETE FROM facts WHERE id = {fact.id};",
                        f"DELETE FROM facts WHERE turn_id >= {first_id};",
                    ]
                )
            )
    return statements


def lost(before: Sequence[Fact], store: Store, window: Window) -> Iterator[str]:
    """The facts that went, were reworded, or ended although no turn of a window says so."""
    after = {fact.id: fact for fact in store.facts()}
    for fact in before:
        now = after.get(fact.id)
        name = (fact.subject, fact.attribute, fact.value)
        if now is None:
            if any(_says(other, fact) for other in after.values()):
                continue  # a longer one is in its place
            yield f"deleted: {fact}"
        elif (now.subject, now.attribute, now.value) != name:
            yield f"reworded: {fact}: {now}"
        elif now.ended_on and not fact.ended_on and not window.is_over(fact):
            yield f"ended: {fact}: {now.ended_on}"


def _says(fact: Fact, other: Fact) -> bool:
    """Whether a fact says all that another does."""
    is_same = (fact.subject, fact.attribute) == (other.subject, other.attribute)
    return is_same and {*words(other.value)} <= {*words(fact.value)}


def edit(store: Store, chance: random.Random) -> None:
    """Correct, end or delete a fact as a person does."""
    open_facts = [fact for fact in store.facts() if not fact.ended_on]
    if not open_facts:
        return
    fact = chance.choice(open_facts)
    match chance.choice(["correct", "delete", "add"]):
        case "correct":
            facts.correct(store, fact.id, value=f"{fact.value}, as Anna says", by="Anna")
        case "delete":
            facts.remove(store, fact.id, by="Anna")
        case _:
            facts.add(
                store,
                subject=fact.subject,
                attribute="likes",
                value=f"jazz {chance.random()}",
                by="Anna",
            )


def main(
    windows: Annotated[int, typer.Option(help="of each writer")] = 200,
    seed: Annotated[int, typer.Option()] = 0,
    show: Annotated[bool, typer.Option("--show", help="each loss and invention")] = False,
) -> None:
    """Print what each writer's windows lost and invented."""
    console = Console(soft_wrap=True)
    table = Table("writer", "windows", "facts lost", "unsaid", "wrong subject", "windows lost",
                  "true rows", "stored", "ends", "carried out")  # fmt: skip
    for writer in WRITERS:
        counts: Counter[str] = Counter()
        for number in range(0, windows, _WINDOWS_IN_A_MEMORY):
            chance = random.Random(f"{seed} {number}")
            count = min(_WINDOWS_IN_A_MEMORY, windows - number)
            counts += digested(writer, count, chance, console if show else None)
        names = ("lost", "unsaid", "subject", "window lost", "rows", "stored", "ends", "ended")
        table.add_row(writer, str(windows), *(str(counts[name]) for name in names))
    print_table(console, table)


def digested(
    writer: str, windows: int, chance: random.Random, console: Console | None
) -> Counter[str]:
    """What happened in a memory of some windows, counted."""
    counts: Counter[str] = Counter()
    talk, engine = Talk(chance), Writer("")
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory(f"{folder}/talk.db", model=model_over(engine)) as memory,
    ):
        store = memory.store
        for number in range(windows):
            day = f"20{24 + number // 336:02}-{1 + number // 28 % 12:02}-{1 + number % 28:02}"
            window = talk.window(day)
            first_id = memory.add(window.turns)[0]
            before = store.facts()
            statements = statements_of(writer, window, first_id, before, chance)
            engine.statements = "\n".join(statements) or "-- none"
            memory.digest()
            counts["window lost"] += sum(not waiting.stored for waiting in store.pending())
            for waiting in store.pending():
                if waiting.statement:
                    decide(store, (waiting.first_turn, waiting.last_turn), apply=False)
            said = {(row.turn + first_id - 1, key(row.value)): row for row in window.rows}
            new = [fact for fact in store.facts() if fact.id not in {old.id for old in before}]
            gone = [*lost(before, store, window)]
            invented = [fact for fact in new if (fact.turn_id, key(fact.value)) not in said]
            others = [
                fact
                for fact in new
                if (row := said.get((fact.turn_id, key(fact.value))))
                and row.subject != fact.subject
            ]
            there = {(fact.subject, fact.attribute, key(fact.value)) for fact in store.facts()}
            stored = {
                name
                for name, row in said.items()
                if (row.subject, row.attribute, key(row.value)) in there
            }
            ended = {
                (fact.subject, fact.attribute, fact.value)
                for fact in store.facts()
                if fact.ended_on
            }
            counts += Counter({
                "lost": len(gone), "unsaid": len(invented), "subject": len(others),
                "rows": len(said), "stored": len(said.keys() & stored),
                "ends": len(window.ends), "ended": len(window.ends & ended),
            })  # fmt: skip
            if console:
                for what in (*gone, *invented, *others):
                    texts = [f"{turn.speaker}: {turn.text}" for turn in window.turns]
                    console.print(f"{writer} {first_id}: {what} {texts}")
                for name in said.keys() - stored:
                    console.print(f"{writer} {first_id}: not stored: {said[name]}")
            if number % 5 == 4:
                edit(store, chance)
    return counts


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
