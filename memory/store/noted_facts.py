"""Facts that rules read in turns: written as changes of their own, and taken back by a digest.

The rules are `memory.statements`, and `noted_writes` says what a turn's statements come to: one
journaled change for each turn, of INSERTs and of UPDATEs that end facts. The turns stay undigested.
When a model's digest stores a window, it takes back what was noted of the window's turns, unless a
person has changed it since: the model has read them with more sense.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memory.entities.resolution import Source
from memory.records import Fact, Removal, Turn
from memory.sql import FACT_COLUMNS, quoted
from memory.statements import Over, Statement
from memory.store import entities, settings, tags, turns_table
from memory.store.database import Connection
from memory.store.journal import to_fact
from memory.store.noted_ends import PLANNED
from memory.store.noted_writes import (
    ANY,
    OF_OTHERS,
    KnownFact,
    noted_writes,
)
from memory.store.points_in_time import now
from memory.store.withdrawals import CORRECTIONS
from memory.vocabulary import Vocabulary

if TYPE_CHECKING:
    from memory.sql import CheckedWrites

# What the cause of such a change begins with; the id of the turn follows.
STATED = "stated in turn "
# The setting with the id of the last turn that rules have read.
_LAST_READ = "last turn read for facts"
# Causes of changes that no person made to a fact in particular: rules, digests, another name of an
# attribute; a cause that quoted a forgotten turn says "forgotten".
_BY_NO_PERSON = (STATED, "digest ", "attribute", "forgotten")
_MOST_REMOVALS = 2_000  # of facts by persons, the newest
_ENDED_ON = FACT_COLUMNS.index("ended_on")


@dataclass(frozen=True)
class TurnStatements:
    """A turn, and what rules read in it."""

    turn: Turn
    statements: tuple[Statement, ...]
    endings: tuple[Over, ...] = ()


@dataclass(frozen=True)
class UnreadTurns:
    """Turns after the id `after` and up to `last` that no rule has read.

    Those that a model has digested are not among `turns`: it has stored what they say. `has_more`
    says whether there are turns after `last`.
    """

    after: int
    last: int
    turns: tuple[Turn, ...]
    has_more: bool = False


# --- what is to be read ---------------------------------------------------------------------------


def unread_turns(conn: Connection, most: int) -> UnreadTurns:
    """The next turns for the rules, of at most `most` ids."""
    after = last_read(conn)
    ids = conn.run(
        "turn_ids_between", first=after + 1, last=turns_table.BEYOND_ALL_IDS, most=most + 1
    ).fetchall()
    if not ids:
        return UnreadTurns(after, after, ())
    first, last = ids[0][0], ids[:most][-1][0]
    digested = _digested(conn, first, last)
    turns = tuple(
        turn
        for turn in tags.with_tags(conn, turns_table.read_turns(conn, first, last))
        if turn.session != CORRECTIONS and turn.id not in digested
    )
    return UnreadTurns(after, last, turns, has_more=len(ids) > most)


def still_unread(conn: Connection, notes: Sequence[TurnStatements]) -> list[TurnStatements]:
    """Those whose turns are there still, and were not digested meanwhile."""
    if not notes:
        return []
    ids = [note.turn.id for note in notes]
    present = {number for (number,) in conn.run("turn_ids_of", turn_ids=ids)}
    digested = _digested(conn, min(ids), max(ids))
    return [note for note in notes if note.turn.id in present - digested]


def last_read(conn: Connection) -> int:
    """The id of the last turn that rules have read; 0 for none."""
    rows = settings.setting_history(conn, _LAST_READ)
    return int(rows[-1].value) if rows else 0


def set_last_read(conn: Connection, turn_id: int) -> None:
    """Move the mark. It has no history, which would grow with every turn and say nothing."""
    values = {"name": _LAST_READ, "value": json.dumps(turn_id), "set_at": now()}
    if not conn.run("update_setting", **values).rowcount:
        settings.add_setting(conn, _LAST_READ, turn_id)


def _digested(conn: Connection, first: int, last: int) -> set[int]:
    """The ids from first to last that lie in a window whose facts a model has stored."""
    windows = conn.run("digested_windows", first=first, last=last).fetchall()
    return {
        number for start, end in windows for number in range(max(start, first), min(end, last) + 1)
    }


# --- what is to be written ------------------------------------------------------------------------


def writes_for(
    conn: Connection, note: TurnStatements, vocabulary: Vocabulary, removals: Sequence[Removal]
) -> "CheckedWrites":
    """The statements for what a turn states; none where all of it is known."""
    from memory.sql.policy import check_facts, check_writes  # with the parser
    from memory.sql.tables import WRITABLE

    turn = note.turn
    source = Source(turn.id, turn.speaker, turn.session)
    named = (
        *(statement.subject for statement in note.statements),
        *(ending.subject for ending in note.endings),
    )
    subjects = list(dict.fromkeys(named))
    entity_of = entities.entities_of(conn, subjects, source)
    known = {
        subject: _known(conn, subject, entity_of[subject], note, vocabulary) for subject in subjects
    }
    writes = noted_writes(
        turn,
        note.statements,
        note.endings,
        known=known,
        removals=removals,
        vocabulary=vocabulary,
        today=now()[:10],
    )
    updates = "; ".join(
        f"UPDATE facts SET {column} = {quoted(date)} WHERE id = {fact_id}"
        for fact_id, column, date in writes.updates
    )
    checked = check_writes(updates) if updates else ()
    if not writes.inserts:
        return checked
    # People read these statements: a column that no fact has a date for is left out.
    columns = [
        column
        for column in WRITABLE
        if any(getattr(fact, column) not in ("", None) for fact in writes.inserts)
    ]
    return (*checked, check_facts(writes.inserts, columns))


def _known(
    conn: Connection,
    subject: str,
    entity: str | None,
    note: TurnStatements,
    vocabulary: Vocabulary,
) -> list[KnownFact]:
    """The facts about a subject that what a turn states of it may repeat, fulfil or end."""
    attributes = {name for planned in PLANNED for name in vocabulary.names_of(planned)}
    is_dead = False
    for statement in note.statements:
        if statement.subject == subject:
            ended = [end.attribute for end in statement.ends]
            is_dead |= ANY in ended
            for name in (statement.attribute, *ended):
                attributes.update(vocabulary.names_of(name))
    is_every = is_dead or any(over.subject == subject for over in note.endings)
    rows = conn.run(
        "facts_to_note_beside",
        subject=subject,
        entity=subject if entity is None else entity,
        attributes=sorted(attributes),
        every=int(is_every),
    ).fetchall()
    about = {row[0] for row in rows}
    if is_dead:
        names = {name for state in OF_OTHERS for name in vocabulary.names_of(state)}
        naming = conn.run("facts_that_name", subject=subject, attributes=sorted(names))
        rows += [row for row in naming.fetchall() if row[0] not in about]
    causes = _causes(conn, [row[0] for row in rows])
    known = []
    for *columns, said_at in rows:
        fact = to_fact(columns)
        touches = [at for cause, at in causes[fact.id] if _is_by_person(cause)]
        known.append(
            KnownFact(
                fact,
                said_at,
                max(touches, default=""),
                is_noted=_is_noted(causes[fact.id]),
                of_another=fact.id not in about,
            )
        )
    return known


def removals(conn: Connection) -> list[Removal]:
    """What persons took from facts, by correcting or deleting them, the newest first.

    What a fact says all the same, as after an undo, is left out.
    """
    rows = conn.run("removals_by_persons", most=_MOST_REMOVALS).fetchall()
    facts = ((to_fact(json.loads(before)), at) for before, at in rows)
    return [
        Removal(fact.subject, fact.attribute, fact.value, at, fact.turn_id) for fact, at in facts
    ]


# --- noted, or touched by somebody ----------------------------------------------------------------


def told_of(conn: Connection, turn_ids: Collection[int]) -> list[Fact]:
    """The facts of some turns that rules did not read, by turn."""
    rows = conn.run("facts_by_turn", turn_ids=sorted(turn_ids)).fetchall() if turn_ids else []
    facts = [to_fact(row) for row in rows]
    by_rules = noted(conn, [fact.id for fact in facts])
    return [fact for fact in facts if fact.id not in by_rules]


def noted(conn: Connection, fact_ids: Collection[int]) -> set[int]:
    """Those of some facts that rules read, and that no person has changed."""
    return {fact_id for fact_id, causes in _causes(conn, fact_ids).items() if _is_noted(causes)}


def _causes(conn: Connection, fact_ids: Collection[int]) -> dict[int, list[tuple[str, str]]]:
    """By fact, the cause and the moment of each change that touched it, oldest first."""
    causes = defaultdict[int, list[tuple[str, str]]](list)
    if fact_ids:
        conn.facts.log()
        for fact_id, cause, at in conn.run("causes_of_facts", fact_ids=sorted(fact_ids)):
            causes[fact_id].append((cause, at))
    return causes


def _is_noted(causes: Sequence[tuple[str, str]]) -> bool:
    names = [cause for cause, _ in causes]
    return bool(names) and names[0].startswith(STATED) and not any(map(_is_by_person, names))


def noted_turn(cause: str) -> int | None:
    """The turn whose statements a change stored; None for another change."""
    return int(cause.removeprefix(STATED)) if cause.startswith(STATED) else None


def _is_by_person(cause: str) -> bool:
    return not cause.startswith(_BY_NO_PERSON)


# --- giving way to a digest -----------------------------------------------------------------------


def take_back(conn: Connection, window: tuple[int, int]) -> None:
    """Delete what was noted of a window's turns, and open again what was ended because of them.

    Part of the change that was begun last. What a person touched stays as it is.
    """
    first, last = window
    rows = conn.run("ids_of_facts_of_turns", first=first, last=last).fetchall()
    going = noted(conn, [number for (number,) in rows])
    _open_again(conn, window, going)
    if going:
        conn.facts.delete(sorted(going))
    conn.facts.log()


def _open_again(conn: Connection, window: tuple[int, int], going: Collection[int]) -> None:
    first, last = window
    ids = [
        number
        for (number,) in conn.run(
            "turn_ids_between", first=first, last=last, most=turns_table.BEYOND_ALL_IDS
        )
    ]
    causes = [f"{STATED}{turn_id}" for turn_id in ids]
    ends: dict[int, tuple[str, str | None]] = {}  # by fact: the end, and what stood there before
    for fact_id, before, after in conn.run("edits_by_causes", causes=causes).fetchall():
        former, end = json.loads(before)[_ENDED_ON], json.loads(after)[_ENDED_ON]
        if end and end != former and fact_id not in going:
            # Two turns of one window may have ended it, one earlier than the other.
            oldest = ends[fact_id][1] if fact_id in ends else former
            ends[fact_id] = end, oldest
    touches = _causes(conn, ends)
    for fact_id, (end, former) in ends.items():
        image = conn.run("image_of_fact", fact_id=fact_id).fetchone()
        is_touched = _is_touched_after(touches[fact_id], causes)
        if image and json.loads(image[0])[_ENDED_ON] == end and not is_touched:
            conn.facts.end(fact_id, former)


def _is_touched_after(touches: Sequence[tuple[str, str]], causes: Collection[str]) -> bool:
    """Whether a person changed a fact after one of these changes did."""
    names = [cause for cause, _ in touches]
    position = min(names.index(cause) for cause in causes if cause in names)
    return any(map(_is_by_person, names[position:]))
