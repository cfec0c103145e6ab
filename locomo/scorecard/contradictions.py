"""Contradictions: what a memory makes of a second value, for each way it arrives.

A digest has stored the first value as a model does, by SQL. Then the second one arrives. This
measures whether the value said last is current, whether the other one is on record with the turn
that said it, and whether undoing the changes restores the facts.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from locomo.scorecard.scratch import Scratch
from memory import Fact, InputError, Memory, Turn, memory_tools
from memory.exchange import import_turns, read_export
from memory.facts import correct, newest_id, supersede
from memory.sql import quoted
from memory.store import edits_of

_WHO = "Anna"
_EARLIER, _LATER, _BEFORE_BOTH = "2024-01-05", "2024-05-06", "2023-03-01"


@dataclass(frozen=True)
class Case:
    """An attribute of one value, two values of it, and sentences that say them."""

    attribute: str
    old: str
    new: str
    first: str
    second: str
    correction: str


CASES = (
    Case(
        "lives_in",
        "Oslo",
        "Bergen",
        first="I live in Oslo.",
        second="I've moved to Bergen.",
        correction="Actually, I live in Bergen, not Oslo.",
    ),
    Case(
        "works_at",
        "Lidl",
        "Aldi",
        first="I work at Lidl.",
        second="I work at Aldi now.",
        correction="Actually, I work at Aldi, not Lidl.",
    ),
    Case(
        "favourite_colour",
        "green",
        "blue",
        first="My favourite colour is green.",
        second="My favourite colour is blue now.",
        correction="Actually, my favourite colour is blue, not green.",
    ),
)


@dataclass(frozen=True)
class Conflict:
    """A memory that holds the first value, as this fact, and the case that it is of."""

    memory: Memory
    case: Case
    fact: Fact
    folder: Path


@dataclass(frozen=True)
class Way:
    """How a second value reaches a memory; with `is_older` it was said before the first one."""

    name: str
    tell: Callable[[Conflict], object]
    is_older: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of the second value of one case that arrived in one way.

    `in_force` is whether a SELECT for current facts returns the value said last and no other,
    `is_listed` whether `Memory.facts` does. `undone` is None if nothing was changed.
    """

    way: Way
    in_force: bool
    is_listed: bool
    on_record: bool
    undone: bool | None


def contradict(scratch: Scratch, way: Way, case: Case) -> Outcome:
    """Let the second value come in one way, in its own memory, and undo it."""
    with Memory(scratch.new_name()) as memory:
        store = memory.store
        fact = _first_value(memory, case)
        before = store.facts()
        seen = newest_id(store)
        way.tell(Conflict(memory, case, fact, scratch.folder))
        latest, other = (case.old, case.new) if way.is_older else (case.new, case.old)
        in_force = _in_force(memory, case) == [latest]
        is_listed = [fact.value for fact in memory.facts()] == [latest]
        source = _turn_that_said(memory, other) if way.is_older else fact.turn_id
        on_record = (other, source) in _on_record(memory, case)
        changes = store.changes(after=seen)
        for change in reversed(changes):
            store.undo(change.id)
        undone = store.facts() == before if changes else None
    return Outcome(way, in_force, is_listed, on_record, undone)


def contradictions_table(outcomes: Iterable[Outcome]) -> Table:
    """A row for each way, with how many of the cases came out right."""
    table = Table(
        "the second value comes by",
        "what was said last holds",
        "and alone in Memory.facts",
        "other on record, with its turn",
        "undo restores",
        "cases",
        title="a second value of one attribute",
    )
    by_way: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        by_way.setdefault(outcome.way.name, []).append(outcome)
    for name, group in by_way.items():
        table.add_row(
            name,
            _count(outcome.in_force for outcome in group),
            _count(outcome.is_listed for outcome in group),
            _count(outcome.on_record for outcome in group),
            _count(outcome.undone for outcome in group),
            str(len(group)),
        )
    return table


def _count(verdicts: Iterable[bool | None]) -> str:
    """How many are so; "-" if none was tried."""
    tried = [verdict for verdict in verdicts if verdict is not None]
    return str(sum(tried)) if tried else "-"


# --- what a memory says -----------------------------------------------------------------------


def _first_value(memory: Memory, case: Case) -> Fact:
    """The first value as a turn, and as the fact that a digest stored of it."""
    [turn_id] = memory.add(Turn(_WHO, case.first, "s1", _EARLIER, "first"))
    insert = _insert(case, case.old, day=_EARLIER, turn_id=turn_id)
    memory.store.write(insert, "digest by scorecard", (turn_id, turn_id))
    [fact] = memory.store.facts()
    return fact


def _insert(case: Case, value: str, *, day: str, turn_id: int) -> str:
    texts = ", ".join(map(quoted, (_WHO, case.attribute, value, day)))
    columns = "subject, attribute, value, happened_on, turn_id"
    return f"INSERT INTO facts ({columns}) VALUES ({texts}, {turn_id})"


def _in_force(memory: Memory, case: Case) -> list[str]:
    """The values of the attribute that a SELECT for what is true now returns."""
    rows = memory.read(
        f"SELECT value FROM facts_now WHERE subject = '{_WHO}' AND attribute = '{case.attribute}'"
    )
    return [value for (value,) in rows.rows]


def _on_record(memory: Memory, case: Case) -> set[tuple[str, int]]:
    """Each value that a fact has or had, with its turn: of all facts, and of the journal."""
    facts = [*memory.facts(ended=True)]
    for edit in edits_of(memory.store):
        facts += [fact for fact in (edit.before, edit.after) if fact]
    return {(fact.value, fact.turn_id) for fact in facts if fact.attribute == case.attribute}


def _turn_that_said(memory: Memory, value: str) -> int:
    return max(turn.id for turn in memory.get_all() if value in turn.text)


# --- how the second value comes --------------------------------------------------------------


def _by_person(conflict: Conflict) -> None:
    supersede(conflict.memory.store, conflict.fact.id, conflict.case.new, since=_LATER, by="Ben")


def _as_mistake(conflict: Conflict) -> None:
    correct(conflict.memory.store, conflict.fact.id, value=conflict.case.new, by="Ben")


def _by_tool(conflict: Conflict) -> None:
    tools = {tool.__name__: tool for tool in memory_tools(conflict.memory)}
    tools["correct_fact"](conflict.fact.id, value=conflict.case.new, on=_LATER)


def _by_digest(conflict: Conflict) -> None:
    """A model ends the first fact and inserts the second."""
    ends = f"UPDATE facts SET ended_on = '{_LATER}' WHERE id = {conflict.fact.id}; "
    _digest_second(conflict, ends)


def _by_careless_digest(conflict: Conflict) -> None:
    """A model inserts the second fact and does not end the first."""
    _digest_second(conflict, "")


def _digest_second(conflict: Conflict, ends: str) -> None:
    [turn_id] = conflict.memory.store.add(
        [Turn(_WHO, conflict.case.second, "s2", _LATER, "second")]
    )
    insert = _insert(conflict.case, conflict.case.new, day=_LATER, turn_id=turn_id)
    conflict.memory.store.write(f"{ends}{insert}", "digest by scorecard", (turn_id, turn_id))


def _in_a_message(conflict: Conflict) -> None:
    conflict.memory.add(Turn(_WHO, conflict.case.second, "s2", _LATER, "second"))


def _as_correction(conflict: Conflict) -> None:
    conflict.memory.add(Turn(_WHO, conflict.case.correction, "s2", _LATER, "second"))


def _in_a_late_message(conflict: Conflict) -> None:
    text = conflict.case.first.replace(conflict.case.old, conflict.case.new)
    conflict.memory.add(Turn(_WHO, text, "s0", _BEFORE_BOTH, "late"))


def _by_import(conflict: Conflict) -> None:
    _import(conflict, conflict.case.second, _LATER)


def _by_late_import(conflict: Conflict) -> None:
    _import(
        conflict, conflict.case.first.replace(conflict.case.old, conflict.case.new), _BEFORE_BOTH
    )


def _import(conflict: Conflict, text: str, said_at: str) -> None:
    message = {"speaker": _WHO, "text": text, "said_at": said_at, "source": "imported"}
    file = conflict.folder / "messages.jsonl"
    file.write_text(json.dumps(message), "utf-8")
    report = import_turns(conflict.memory.store, read_export(file, user=_WHO))
    if report.turns != 1:
        raise InputError(f"{file} was not imported")


WAYS = (
    Way("edit by a person", _by_person),
    Way("edit by a person: it never was true", _as_mistake),
    Way("tool of an agent", _by_tool),
    Way("SQL of a digest", _by_digest),
    Way("SQL of a digest that ends nothing", _by_careless_digest),
    Way("message", _in_a_message),
    Way('message: "not this but that"', _as_correction),
    Way("import", _by_import),
    Way("message of an earlier day, late", _in_a_late_message, is_older=True),
    Way("import of an earlier day, late", _by_late_import, is_older=True),
)
