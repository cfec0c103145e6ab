"""The journal of a namespace: every write to facts is one change, and can be undone.

Whatever happens to facts is written into `facts_log` and belongs to the newest row of `changes`. So
a change is begun before facts are written, in the same transaction. All functions but `edit` run
inside that transaction, which the caller holds.

The code that writes `facts_log` exists twice. In SQLite it is triggers
(migrations/0016_schema.sql): they see each row that a model's own statement touches, even a row
that REPLACE removes, and no writer of facts can skip them. Citus runs no triggers on tables that it
spreads over servers, so in Postgres it is `postgres/fact_table.py`, which selects the rows of a
model's statement first and then writes each with its entry. With that way for both, SQLite would
run statements other than the model's, behind other walls, and every file's schema would change, for
no visible difference. The entries are the same: tests/memory/store/postgres/test_equality.py
compares whole lives.
"""

import json
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from memory.errors import HeldError, InputError, NotThereError, SqlError
from memory.records import CORRECTIONS, WITHDRAWN, Change, Fact, Rows, Turn
from memory.sql import FACT_COLUMNS, quoted
from memory.store.changes import journaled_rows
from memory.store.changes.points_in_time import now
from memory.store.database import Connection, HasConnections
from memory.store.turns.turns_table import BEYOND_ALL_IDS
from memory.text.dates import is_iso_date, is_iso_span
from memory.text.written_dates import date_key

MAX_FACTS_CHANGED = 1000
# Facts of other turns that one window may end by itself, and facts that were there before a write
# without a window and that it may end, overwrite or delete. Gold SQL ends 4 at most, in 24
# conversations by windows of 16 turns (the log); a model may have stored a thing twice.
MOST_ENDED = 8
# Of these, facts that one turn may end: what it says may be an instruction to the model that reads
# it. A turn that ends more has a person decide.
MOST_ENDED_BY_TURN = 2
# Plans whose day has come are not counted there: the day has ended them.
_OVER_WITH_THEIR_DAY = frozenset({"plans", "appointment", "booked", "goal"})
_FIRST_YEAR = "1900"  # of an end, where neither the fact nor any turn has a date
_YEARS_AHEAD = 10  # of an end: a lease, a visa, a degree
# What a change does to rows: it gets the connection and the number of the change.
EditRows = Callable[[Connection, int], None]
# A fact in facts_log.before and .after, a JSON array, by column.
FactImage = dict[str, Any]
_BEYOND_ALL = 2**62  # above every id and every count
_DATE = re.compile(r"[0-9]{4}(?:-[0-9]{2}){0,2}")
_QUOTED_VALUE = 100  # characters of a value that advice repeats


def to_fact(row: Sequence[Any]) -> Fact:
    """The fact of a row of FACT_COLUMNS, or of an image; a date that is NULL becomes ""."""
    fact_id, subject, attribute, value, happened_on, ended_on, turn_id, recorded_at = row
    return Fact(
        subject,
        attribute,
        value,
        turn_id,
        happened_on or "",
        ended_on or "",
        recorded_at or "",
        fact_id,
    )


def begin(
    conn: Connection,
    cause: str,
    statement: str,
    window: tuple[int, int] | None = None,
    undoes: int | None = None,
) -> int:
    """Begin a change, which all further writes to facts belong to; returns its id."""
    first, last = window or (None, None)
    conn.facts.log()  # what happened before belongs to the change before
    (change_id,) = conn.run(
        "insert_change",
        id=conn.new_id("changes"),
        at=now(),
        cause=cause,
        statement=statement,
        undoes=undoes,
        first_turn=first,
        last_turn=last,
    ).fetchone()
    return int(change_id)


def edit(store: HasConnections, by: str, statement: str, change_rows: EditRows) -> Change:
    """Make one change of a person: `change_rows` gets the connection and the change's number."""
    with store.transaction() as conn:
        change_id = begin(conn, f"edit by {by or 'user'}", statement)
        change_rows(conn, change_id)
        return change(conn, change_id)


def check_change(
    conn: Connection,
    change_id: int,
    window: tuple[int, int] | None,
    by_person: bool = False,
) -> None:
    """Refuse a change that is huge, or that goes beyond what a window may do.

    A window may write facts of its turns, and delete some. Facts of other turns it may only
    end. Unless a person agreed (`by_person`), it may delete MOST_ENDED existing facts, and end as
    many. An end that a template read in the window may get another date. Without a window a change
    may touch MOST_ENDED facts that were there before.

    Judged by the log after the statements have run: no look at their text could tell which facts a
    WHERE picks. Raises SqlError, whose message is the model's next prompt, and HeldError.
    """
    conn.facts.log()
    (facts,) = conn.run("count_facts_of_change", change_id=change_id).fetchone()
    if facts > MAX_FACTS_CHANGED:
        raise SqlError(f"this would change {facts} facts; narrow it with WHERE")
    if window is None:
        if not by_person:
            _refuse_wide_change(conn, change_id)
        return

    images = net_images(conn, change_id)
    redated = ends_to_date(conn, images, window)
    ended = gone = 0
    for before, after in images:
        is_own = before is None or _in_window(before, window)
        if is_own and after is not None and not _in_window(after, window):
            raise SqlError(
                f"turn_id {after['turn_id']} is not one of the turns shown; use the number in"
                f" brackets, {window[0]} to {window[1]}"
            )
        if before is None or before == after:
            continue
        if after is not None and _is_end(before, after, redated):
            ended += 1
        elif is_own:
            gone += 1
        else:
            raise SqlError(end_instead(before, window, is_deleted=after is None))
    if by_person:
        return
    were_there = "facts that were there before, and a digest may"
    for count, deed in (
        (ended, f"ends {ended} {were_there} end"),
        (gone, f"deletes or overwrites {gone} {were_there} do that to"),
    ):
        if count > MOST_ENDED:
            statement = change(conn, change_id).statement
            raise HeldError(f"held for a person: it {deed} {MOST_ENDED} by itself", statement)


def ends_to_date(
    conn: Connection,
    images: Sequence[tuple[FactImage | None, FactImage | None]],
    window: tuple[int, int],
) -> set[int]:
    """The facts of a change that a template ended in the window, whose end may get another date."""
    again = [old["id"] for old, new in images if old and new and old["ended_on"]]
    return _ended_by_templates(conn, again, window) if again else set()


def is_carried_out(fact: Fact) -> bool:
    """Whether a plan ended on its day or later, when it was over anyway."""
    _, _, day = fact.happened_on.rpartition("/")
    has_come = bool(day) and date_key(day) <= date_key(fact.ended_on)
    return has_come and fact.attribute in _OVER_WITH_THEIR_DAY


def check_ends(conn: Connection, change_id: int) -> None:
    """Refuse ends of earlier facts at times that the memory knows nothing of.

    Raises SqlError, whose message is the model's next prompt.
    """
    ended = [
        to_fact([*after.values()])
        for before, after in net_images(conn, change_id)
        if before and after and after["ended_on"] and after["ended_on"] != before["ended_on"]
    ]
    for reason in impossible_ends(conn, ended).values():
        raise SqlError(reason)


def impossible_ends(conn: Connection, ended: Sequence[Fact]) -> dict[int, str]:
    """Which of some facts cannot have ended when they say so, and why, by their ids.

    A fact ends when it has begun or been told (a plan may end before its day), and not before the
    memory's first turn unless it began earlier; an end may lie some years ahead.
    """
    if not ended:
        return {}
    first, last = conn.run("turn_bounds", first=1, last=BEYOND_ALL_IDS).fetchone()
    turn_ids = [*{first, last, *(fact.turn_id for fact in ended)}]
    dates = {row[0]: _named_date(row[5]) for row in conn.run("turns_by_id", ids=turn_ids)}
    latest_year = int(max(now()[:4], dates[last][:4])) + _YEARS_AHEAD
    reasons = {}
    for fact in ended:
        known = [_named_date(fact.happened_on), dates[first], dates[fact.turn_id]]
        earliest = min(filter(None, known), default=_FIRST_YEAR)
        shared = min(len(fact.ended_on), len(earliest))
        is_early = fact.ended_on[:shared] < earliest[:shared]
        if is_early or int(fact.ended_on[:4]) > latest_year:
            reasons[fact.id] = (
                f"ended_on = {quoted(fact.ended_on)}: the fact that {fact.subject} {fact.attribute}"
                f" {fact.value[:_QUOTED_VALUE]} cannot have ended then; write a date from"
                f" {earliest} to {latest_year}, such as that of the turn which says so"
            )
    return reasons


def _named_date(text: str) -> str:
    """The date at the beginning of a moment or a span, with its exactness; empty for other text."""
    match = _DATE.match(text)
    return match[0] if match and is_iso_date(match[0]) else ""


def _refuse_wide_change(conn: Connection, change_id: int) -> None:
    """Refuse a change without a window of more than MOST_ENDED facts that were there before."""
    older = [pair for pair in net_images(conn, change_id) if pair[0] and pair[0] != pair[1]]
    if len(older) > MOST_ENDED:
        deleted = sum(after is None for _, after in older)
        verbs = f"delete {deleted}" if deleted == len(older) else f"change {len(older)}"
        raise SqlError(
            f"this would {verbs} facts that were there before, and one change may touch"
            f" {MOST_ENDED} of them: name the facts that are wrong, WHERE id IN (3, 4). Only a"
            " person may do more at once (store.write(..., by_person=True))"
        )


def net_images(conn: Connection, change_id: int) -> list[tuple[FactImage | None, FactImage | None]]:
    """Each fact that a change touched, before and after the whole of it (None: not there)."""
    images: dict[int, tuple[str | None, str | None]] = {}
    for fact_id, before, after in conn.run("entries_of_change", change_id=change_id):
        first, _ = images.get(fact_id, (before, None))
        images[fact_id] = (first, after)
    return [(_fact_image(before), _fact_image(after)) for before, after in images.values()]


def _fact_image(image: str | None) -> FactImage | None:
    if image is None:
        return None
    return dict(zip(FACT_COLUMNS, json.loads(image), strict=True))


def written_image(columns: Sequence[Any]) -> str:
    """The columns of a fact as the triggers write them into the journal."""
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":"))


def _in_window(fact: FactImage, window: tuple[int, int]) -> bool:
    first, last = window
    return bool(first <= fact["turn_id"] <= last)


def _ended_by_templates(
    conn: Connection, fact_ids: Sequence[int], window: tuple[int, int]
) -> set[int]:
    """Those of these facts that a template ended for a turn of a window."""
    first, last = window
    rows = conn.run("ends_by_templates", fact_ids=fact_ids, first=first, last=last).fetchall()
    ends = [(row[1], to_fact(json.loads(row[2])), to_fact(json.loads(row[3]))) for row in rows]
    return {fact_id for fact_id, before, after in ends if before.ended_on != after.ended_on}


def _is_end(before: FactImage, after: FactImage, redated: Collection[int]) -> bool:
    """Whether all that happened to a fact is that it ended: "as of" questions keep it.

    A new truth ends the old one (decision 36). A fact that has ended is not changed, but an end in
    the future, or one read by a template in this window, may still change.
    """
    is_open = not before["ended_on"] or date_key(before["ended_on"]) > now()[:10]
    return (
        (is_open or before["id"] in redated)
        and bool(after["ended_on"])
        and {**after, "ended_on": before["ended_on"]} == before
    )


def end_instead(fact: FactImage, window: tuple[int, int], is_deleted: bool) -> str:
    """Why a fact of another turn may not change, with the exact statement to write instead."""
    columns = ["subject", "attribute"]
    if len(fact["value"]) <= _QUOTED_VALUE:
        columns.append("value")
    conditions = [f"{column} = {quoted(fact[column])}" for column in columns]
    conditions.append("ended_on IS NULL")
    verb = "deletes" if is_deleted else "overwrites"
    return (
        f"this {verb} a fact of turn {fact['turn_id']}, and the turns shown are {window[0]} to"
        f" {window[1]}. A fact of another turn may only be ended, once; leave it out, or end it and"
        " insert the new one: UPDATE facts SET ended_on = '2017-05' WHERE"
        f" {' AND '.join(conditions)}; INSERT INTO facts ..."
    )


def undo(conn: Connection, change_id: int) -> int:
    """Take a change back; returns the id of the change that did so.

    Raises InputError when there is no such change, it is undone already, or a later one depends on
    it.
    """
    target = change(conn, change_id)
    if target.undone_at:
        raise InputError(f"change {change_id} was undone at {target.undone_at}")

    entries = conn.run("entries_of_change", change_id=change_id).fetchall()
    # An undo is a change itself: the triggers log what it restores, so the journal alone says what
    # the facts were at any time, and an undo can be undone (decision 1).
    undoing = begin(conn, f"undo {change_id}", "", undoes=change_id)
    # Newest entry first: a change may have touched one fact several times.
    for fact_id, before, after in reversed(entries):
        _refuse_if_changed_since(conn, change_id, fact_id=fact_id, after=after)
        restore_fact(conn, fact_id, before)
    journaled_rows.undo(conn, change_id, undoing)
    mark_undone(conn)
    return undoing


def restore_fact(conn: Connection, fact_id: int, image: str | None) -> None:
    """Make a fact as an image shows it (None: it is not there), within the change begun last."""
    conn.facts.delete([fact_id])
    if image is not None:
        conn.facts.insert([dated(json.loads(image))])


def dated(columns: Sequence[Any]) -> tuple[Any, ...]:
    """The columns of a fact with dates or NULL for its dates, as no table takes anything else.

    Older versions stored what a statement had computed. A beginning that is no date is unknown;
    such an end is the day on which the fact was recorded. Nor had a date that is not there one
    spelling: it was NULL or ''.
    """
    fact = dict(zip(FACT_COLUMNS, columns, strict=True))
    began, ended = fact["happened_on"], fact["ended_on"]
    if not began or not (is_iso_date(began) or is_iso_span(began)):
        fact["happened_on"] = None
    if not ended:
        fact["ended_on"] = None
    elif not is_iso_date(ended):
        fact["ended_on"] = (fact["recorded_at"] or "")[:10] or None
    return tuple(fact.values())


def mark_undone(conn: Connection) -> None:
    """Note which changes are undone: changes taken back by an undo that is not undone itself."""
    undos = conn.run("undos").fetchall()
    # Newest first, so that whether an undo was undone is known before its target is marked.
    undone: dict[int, str] = {}
    for undo_id, at, undoes in undos:
        if undo_id not in undone:
            undone[undoes] = at
    conn.run("clear_undone")
    conn.run_many(
        "mark_undone", [{"change_id": change_id, "at": at} for change_id, at in undone.items()]
    )


def _refuse_if_changed_since(
    conn: Connection, change_id: int, fact_id: int, after: str | None
) -> None:
    """Raises InputError when a fact is not as a change left it."""
    row = conn.run("image_of_fact", fact_id=fact_id).fetchone()
    image = row[0] if row else None
    if image != after:
        conn.facts.log()
        *_, (_, later, _, _) = conn.run("entries_of_fact", fact_id=fact_id).fetchall()
        raise InputError(
            f"change {change_id} cannot be undone: change {later} depends on its fact {fact_id};"
            f" undo {later} first"
        )


def changes(
    conn: Connection,
    before: int | None = None,
    limit: int | None = None,
    after: int | None = None,
) -> list[Change]:
    """Changes, oldest first: the newest with ids below `before`, or the oldest above `after`.

    None: of all, and all of them.
    """
    if after is not None:
        most = _BEYOND_ALL if limit is None else limit
        return [_to_change(row) for row in conn.run("changes_after", after=after, most=most)]
    rows = conn.run(
        "changes_before",
        before=_BEYOND_ALL if before is None else before,
        most=_BEYOND_ALL if limit is None else limit,
    )
    return [_to_change(row) for row in rows][::-1]


def change(conn: Connection, change_id: int) -> Change:
    """The change with this id. Raises NotThereError when there is none."""
    row = None
    if abs(change_id) < 2**63:  # a larger number raises OverflowError
        conn.facts.log()
        row = conn.run("change", change_id=change_id).fetchone()
    if row is None:
        raise NotThereError(f"there is no change {change_id}")
    return _to_change(row)


def _to_change(row: tuple[Any, ...]) -> Change:
    number, at, cause, statement, undone_at, first, last, facts, rows = row
    return Change(
        id=number,
        at=at,
        cause=cause,
        statement=statement,
        facts=facts,
        undone_at=undone_at,
        window=None if first is None else (first, last),
        rows=rows,
    )


def mark_turns(conn: Connection, turns: Sequence[Turn]) -> list[Turn]:
    """The turns, with WITHDRAWN before the text of withdrawn corrections."""
    if CORRECTIONS not in [turn.session for turn in turns]:
        return list(turns)
    withdrawn = _withdrawn_texts(conn)
    return [
        replace(turn, text=WITHDRAWN + turn.text) if turn.id in withdrawn else turn
        for turn in turns
    ]


def mark_rows(conn: Connection, rows: Rows) -> Rows:
    """What a SELECT returned, with WITHDRAWN before the text of each withdrawn correction."""
    texts = set(_withdrawn_texts(conn).values())
    if not texts:
        return rows

    def marked(cell: object) -> object:
        if isinstance(cell, str):
            for text in texts:
                cell = cell.replace(text, WITHDRAWN + text)
        return cell

    return replace(rows, rows=tuple(tuple(map(marked, row)) for row in rows.rows))


def _withdrawn_texts(conn: Connection) -> dict[int, str]:
    """The withdrawn corrections by turn id, with their original text."""
    return dict(conn.run("withdrawn_turns", session=CORRECTIONS).fetchall())
