"""Pairs of facts that cannot both be true: linked when the second is stored, settled by a person.

A pair is a row of `contradictions`, journaled with the change that stored the second fact. It is
open while both facts are there and neither has ended. A model links what it reads (INSERT INTO
contradictions). Functions that take a connection run inside the transaction of a change that
`journal.begin` began.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from memory.errors import InputError, SqlError
from memory.records import Change, Contradiction, Fact
from memory.sql import FACT_COLUMNS
from memory.store import journal
from memory.store.database import Connection, HasConnections
from memory.store.journaled_rows import JournaledRows, find_row, to_rows
from memory.text.word_forms import forms_of, is_among, telling_words
from memory.text.words import words
from memory.vocabulary import Vocabulary, name_key

if TYPE_CHECKING:
    from memory.sql import CheckedContradictions

Verdict = Literal["first", "second", "both"]

MOST_LINKED = 8  # by one model's answer: what a turn says may be an instruction to the model
MOST_OPEN = 500  # that are listed, the newest
_TABLE = "contradictions"


def open_contradictions(store: HasConnections) -> list[Contradiction]:
    """Facts in force that cannot both be true and that nobody has settled, newest first.

    A change of state is none.
    """
    pairs = []
    width = len(FACT_COLUMNS) + 1
    with store.reading() as conn:
        rows = conn.run("open_contradictions", most=MOST_OPEN).fetchall()
    for row in rows:
        *first, first_said = row[:width]
        *second, second_said = row[width:]
        pairs.append(
            Contradiction(
                journal.to_fact(first), journal.to_fact(second), (first_said, second_said)
            )
        )
    return pairs


# --- linking --------------------------------------------------------------------------------------


def link(
    conn: Connection,
    change_id: int,
    statements: Sequence["CheckedContradictions"],
    *,
    vocabulary: Vocabulary,
    window: tuple[int, int] | None,
) -> None:
    """Link the facts that a model's statements say to contradict each other.

    Pairs of facts that the change deletes go with it. Raises SqlError for a pair that is none, and
    for many.
    """
    stored = JournaledRows(conn, change_id, _TABLE)
    images = journal.net_images(conn, change_id)
    if gone := [before["id"] for before, after in images if before and after is None]:
        for pair in to_rows(_TABLE, conn.run("contradictions_of_facts", fact_ids=gone)):
            if not pair["settled"]:
                stored.drop(pair)
    pairs = [
        _named_pair(conn, row, vocabulary=vocabulary, window=window)
        for statement in statements
        for row in statement.rows
    ]
    if len(pairs) > MOST_LINKED:
        raise SqlError(f"{len(pairs)} contradictions: link at most {MOST_LINKED}, the certain ones")
    for first, second in pairs:
        _put(conn, change_id, first, second)


def _named_pair(
    conn: Connection, row: Any, *, vocabulary: Vocabulary, window: tuple[int, int] | None
) -> tuple[Fact, Fact]:
    """The facts that a model's statement names: one by its id, or both by turn and attribute."""
    if window and not window[0] <= row.turn_id <= window[1]:
        raise SqlError(
            f"turn_id {row.turn_id} is not one of the turns shown; use the number in brackets,"
            f" {window[0]} to {window[1]}"
        )
    if row.first_fact:
        facts = conn.run("facts_by_id", fact_ids=[row.first_fact]).fetchall()
        if not facts:
            raise SqlError(f"there is no fact {row.first_fact}; use the id of a known fact")
        first = journal.to_fact(facts[0])
    else:
        first = _fact_of_turn(conn, row.first_turn, row.first_attribute, vocabulary)
    second = _fact_of_turn(conn, row.turn_id, row.attribute, vocabulary, like=first)
    if first.id == second.id:
        raise SqlError("a fact does not contradict itself; name two facts")
    older, newer = sorted((first, second), key=lambda fact: fact.id)
    return older, newer


def _fact_of_turn(
    conn: Connection,
    turn_id: int,
    attribute: str,
    vocabulary: Vocabulary,
    like: Fact | None = None,
) -> Fact:
    """The fact of a turn with an attribute; of several the one that has most of another's words."""
    name = name_key(vocabulary.name_of(attribute))
    facts = [
        fact
        for fact in map(journal.to_fact, conn.run("facts_by_turn", turn_ids=[turn_id]).fetchall())
        if name_key(vocabulary.name_of(fact.attribute)) == name
    ]
    if not facts:
        raise SqlError(
            f"turn {turn_id} has no fact with the attribute '{attribute}'; INSERT it INTO facts"
            " first, with that attribute"
        )
    forms = forms_of(words(f"{like.attribute} {like.value}".replace("_", " "))) if like else set()

    def likeness(fact: Fact) -> tuple[bool, int]:
        shared = sum(is_among(word, forms) for word in telling_words(fact.value))
        return like is not None and fact.subject == like.subject, shared

    return max(facts, key=likeness)


def _put(conn: Connection, change_id: int, first: Fact, second: Fact) -> None:
    """Link two facts, unless one has ended or a person has settled what their turns say.

    Then the one that was wrong is deleted.
    """
    if first.ended_on or second.ended_on:
        return
    row = {
        "first_fact": first.id,
        "second_fact": second.id,
        "first_turn": first.turn_id,
        "turn_id": second.turn_id,
        "settled": "",
    }
    if find_row(conn, _TABLE, row) is not None:
        return
    turns = {first.turn_id, second.turn_id}
    for pair in to_rows(_TABLE, conn.run("contradictions_of_turns", turn_ids=sorted(turns))):
        if {pair["first_turn"], pair["turn_id"]} == turns and pair["settled"]:
            # What a person found wrong, read once more in its turn, is wrong still.
            wrong = {"first": pair["turn_id"], "second": pair["first_turn"]}.get(pair["settled"])
            conn.facts.delete([fact.id for fact in (first, second) if fact.turn_id == wrong])
            return
    JournaledRows(conn, change_id, _TABLE).put(row)


# --- settling -------------------------------------------------------------------------------------


def settle_contradiction(
    store: HasConnections, first: int, second: int, right: Verdict, by: str = ""
) -> Change:
    """Say which of two facts that contradict each other is right: "first", "second" or "both".

    The wrong one is deleted, and no digest links these two again. One change, which can be undone.
    Raises InputError where they are no open contradiction.
    """
    wrong = {"first": second, "second": first}.get(right)

    def settle(conn: Connection, change_id: int) -> None:
        key = {"first_fact": first, "second_fact": second}
        row = find_row(conn, _TABLE, key)
        if row is None or row["settled"]:
            raise InputError(
                f"facts {first} and {second} are no open contradiction; list those that are"
                " (memory facts --contradictions)"
            )
        if wrong:
            conn.facts.delete([wrong])
            conn.facts.log()
        stored = JournaledRows(conn, change_id, _TABLE)
        stored.put({**row, "settled": right}, instead_of=row)

    statement = f"DELETE FROM facts WHERE id = {wrong}" if wrong else "-- both facts are true"
    return journal.edit(store, by, statement, settle)
