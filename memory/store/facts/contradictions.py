"""Pairs of facts that cannot both be true: linked when the second is stored, settled by a person.

A pair is a row of `contradictions`, journaled with the change that stored the second fact. It is
open until a person settles it or corrects one of the facts, unless one had ended by the day on
which the other was said: an end after that says nothing about which was true. A model links what it
reads (INSERT INTO contradictions). Functions that take a connection run inside the transaction of a
change that `journal.begin` began.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from memory.errors import InputError, SqlError
from memory.records import Change, Contradiction, Fact
from memory.sql import FACT_COLUMNS
from memory.store.changes import journal
from memory.store.changes.journaled_rows import JournaledRows, find_row, to_rows
from memory.store.database import Connection, HasConnections
from memory.text.words import forms_of, is_among, telling_words, words
from memory.text.written_dates import date_key, dates_agree
from memory.vocabulary import Vocabulary, name_key

if TYPE_CHECKING:
    from memory.sql import CheckedContradictions

Verdict = Literal["first", "second", "both"]

MOST_LINKED = 8  # by one model's answer: what a turn says may be an instruction to the model
MOST_OPEN = 500  # that are listed, the newest
_TABLE = "contradictions"
_SAID = ("subject", "attribute", "value")  # what is corrected of a fact that was wrong


def open_contradictions(store: HasConnections) -> list[Contradiction]:
    """Facts that cannot both be true and that no person has settled, newest first.

    A change of state is none.
    """
    with store.reading() as conn:
        rows = conn.run("unsettled_pairs").fetchall()
    return open_pairs(rows)[:MOST_OPEN]


def open_pairs(rows: Iterable[Sequence[Any]]) -> list[Contradiction]:
    """The pairs in rows of {unsettled_pairs} that are no change of state."""
    width = len(FACT_COLUMNS) + 1
    pairs: list[Contradiction] = []
    for row in rows:
        *first, first_said = row[:width]
        *second, second_said = row[width:]
        said_at = (first_said, second_said)
        pairs.append(Contradiction(journal.to_fact(first), journal.to_fact(second), said_at))
    return [pair for pair in pairs if not _is_change_of_state(pair)]


def _is_change_of_state(pair: Contradiction) -> bool:
    """Whether one of two facts had ended by the day on which the other was said."""
    first_said, second_said = pair.said_at
    return _has_ended_by(pair.first, second_said) or _has_ended_by(pair.second, first_said)


def _has_ended_by(fact: Fact, said_at: str) -> bool:
    """Whether a fact had ended when something was said, as far as the dates tell."""
    day = date_key(said_at)[: len("2017-05-08")]
    if not fact.ended_on or not day:
        return False
    return fact.ended_on == day or (fact.ended_on < day and not dates_agree(fact.ended_on, day))


# --- linking --------------------------------------------------------------------------------------


def link(
    conn: Connection,
    change_id: int,
    statements: Sequence["CheckedContradictions"],
    *,
    vocabulary: Vocabulary,
    window: tuple[int, int] | None,
    repeated: Sequence[tuple[Fact, Fact]] = (),
) -> None:
    """Link the facts that a model's statements say to contradict each other.

    `repeated` are facts of the statements that were not stored, each with the existing fact. Pairs
    of facts that the change deletes or corrects go with it. Raises SqlError for a pair that is
    none, and for many.
    """
    stored = JournaledRows(conn, change_id, _TABLE)
    images = journal.net_images(conn, change_id)
    if gone := [before["id"] for before, after in images if before and _is_other(before, after)]:
        for pair in to_rows(_TABLE, conn.run("contradictions_of_facts", fact_ids=gone)):
            if not pair["settled"]:
                stored.drop(pair)
    pairs = [
        _named_pair(conn, row, repeated, vocabulary=vocabulary, window=window)
        for statement in statements
        for row in statement.rows
    ]
    if len(pairs) > MOST_LINKED:
        raise SqlError(f"{len(pairs)} contradictions: link at most {MOST_LINKED}, the certain ones")
    for first, second in pairs:
        _put(conn, change_id, first, second)


def _is_other(before: journal.FactImage, after: journal.FactImage | None) -> bool:
    """Whether a fact is gone, or says something else than before."""
    return after is None or any(before[name] != after[name] for name in _SAID)


def _named_pair(
    conn: Connection,
    row: Any,
    repeated: Sequence[tuple[Fact, Fact]],
    *,
    vocabulary: Vocabulary,
    window: tuple[int, int] | None,
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
        first = _fact_of_turn(conn, row.first_turn, row.first_attribute, vocabulary, repeated)
    second = _fact_of_turn(conn, row.turn_id, row.attribute, vocabulary, repeated, like=first)
    if first.id == second.id:
        raise SqlError("a fact does not contradict itself; name two facts")
    older, newer = sorted((first, second), key=lambda fact: fact.id)
    return older, newer


def _fact_of_turn(
    conn: Connection,
    turn_id: int,
    attribute: str,
    vocabulary: Vocabulary,
    repeated: Sequence[tuple[Fact, Fact]],
    like: Fact | None = None,
) -> Fact:
    """The fact of a turn with an attribute; of several, the fact with most of the other's words."""
    name = name_key(vocabulary.name_of(attribute))
    of_turn = [*map(journal.to_fact, conn.run("facts_by_turn", turn_ids=[turn_id]).fetchall())]
    # What a turn says again is a fact of an earlier one.
    of_turn += [known for fact, known in repeated if fact.turn_id == turn_id]
    facts = [fact for fact in of_turn if name_key(vocabulary.name_of(fact.attribute)) == name]
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
    """Link two facts, unless they are a change of state, or a person has settled their turns.

    Then the wrong one is deleted.
    """
    dates = {row[0]: row[5] for row in conn.run("turns_by_id", ids=[first.turn_id, second.turn_id])}
    said_at = (dates[first.turn_id], dates[second.turn_id])
    if _is_change_of_state(Contradiction(first, second, said_at)):
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
                f"facts {first} and {second} are no open contradiction;"
                " `memory facts --contradictions` lists the open ones"
            )
        if wrong:
            conn.facts.delete([wrong])
            conn.facts.log()
        stored = JournaledRows(conn, change_id, _TABLE)
        stored.put({**row, "settled": right}, instead_of=row)

    statement = f"DELETE FROM facts WHERE id = {wrong}" if wrong else "-- both facts are true"
    return journal.edit(store, by, statement, settle)
