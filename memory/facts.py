"""Read, add, edit, end and delete facts: each edit is one change that can be undone."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from memory.dates import is_iso_date, is_iso_span
from memory.errors import InputError, SqlError
from memory.records import Change, Edit, Fact, Turn
from memory.search.words import words
from memory.sql import quoted
from memory.store import Store
from memory.store.points_in_time import last_moment, read_point
from memory.store.protocol import Facts
from memory.store.turn_validation import local_now
from memory.store.undigested import last_turn_taken
from memory.store.withdrawals import CORRECTIONS

if TYPE_CHECKING:
    from memory.sql import CheckedWrites

_DATE = re.compile(r"\d{4}(-\d\d){0,2}")
_REQUIRED = ("subject", "attribute", "value")
_COLUMNS = tuple(column.name for column in fields(Fact))
# An edit compares this many characters of a value to see that a fact is still as it was read: a
# statement has room for one long value.
_COMPARED = 200


def fact_line(fact: Fact) -> str:
    """A fact on a line: `Anna lives_in: Oslo since 2017-05 (fact 1, turn 3)`."""
    since = f" since {fact.happened_on}" if fact.happened_on else ""
    until = f" until {fact.ended_on}" if fact.ended_on else ""
    return (
        f"{fact.subject} {fact.attribute}: {fact.value}{since}{until}"
        f" (fact {fact.id}, turn {fact.turn_id})"
    )


def find(
    store: Store, text: str = "", ended: bool = False, point: str | int | None = None
) -> list[Fact]:
    """The current facts that contain all words of a text, by id.

    Arguments:
        text: words, or beginnings of words, of the subject, attribute or value.
        ended: also return past facts and facts that have not begun.
        point: the facts as of this date or change, see `Store.facts`.

    Raises InputError for an invalid point.
    """
    return matching(store.facts(point), text, ended=ended, day=_day_of(store, point))


def matching(facts: Sequence[Fact], text: str, *, ended: bool, day: str) -> list[Fact]:
    """The facts that contain all words of a text and are current on a day (ISO).

    With `ended`, also facts that are not current.
    """
    query = words(text)

    def fits(fact: Fact) -> bool:
        fact_words = words(f"{fact.subject} {fact.attribute} {fact.value}") if query else []
        return all(any(word.startswith(beginning) for word in fact_words) for beginning in query)

    return [fact for fact in facts if (ended or is_current(fact, day)) and fits(fact)]


def named(facts: Sequence[Fact], field: str, name: str) -> list[Fact]:
    """The facts whose subject or attribute has a name, ignoring case; all for an empty name.

    Raises InputError when no fact has it, with similar names.
    """
    names = {getattr(fact, field) for fact in facts}
    fitting = [fact for fact in facts if getattr(fact, field).casefold() == name.casefold()]
    if name and names and not fitting:
        near = get_close_matches(name, names, n=5, cutoff=0.4) or sorted(names)[:5]
        raise InputError(f"no fact has the {field} {name!r}; similar: {', '.join(near)}")
    return fitting if name else list(facts)


def is_current(fact: Fact, day: str) -> bool:
    """Whether a fact has begun and has not ended on a day (ISO).

    A date less exact than a day counts from its first day: a fact that ended in "2026" is past on
    2026-01-01.
    """
    has_begun = not _DATE.match(fact.happened_on or "") or _first(fact.happened_on) <= day
    return has_begun and not _has_ended(fact, day)


def _first(happened_on: str) -> str:
    """The date that a fact begins with: the first of a span (2017-05-13/2017-05-14)."""
    return happened_on.partition("/")[0]


def _has_ended(fact: Fact, day: str) -> bool:
    is_ahead = bool(_DATE.match(fact.ended_on or "")) and fact.ended_on > day
    return bool(fact.ended_on) and not is_ahead


def _day_of(store: Store, point: str | int | None) -> str:
    """The day (ISO) of a point, today for None. Raises InputError for an invalid point."""
    if point is None:
        return local_now()[:10]
    change_or_moment = read_point(point)
    if isinstance(change_or_moment, str):
        return last_moment(change_or_moment).date().isoformat()
    days = [change.at[:10] for change in store.changes() if change.id == change_or_moment]
    return days[0] if days else local_now()[:10]  # before the first change there are no facts


def fact_of(store: Store, fact_id: int) -> Fact:
    """The fact with this id. Raises InputError when there is none."""
    facts = read_facts(store, f"WHERE id = {fact_id}")
    if not facts:
        raise InputError(f"there is no fact {fact_id}; list the facts to see their ids")
    return facts[0]


def read_facts(store: Facts, clauses: str) -> list[Fact]:
    """The facts that a SELECT with these clauses returns, up to the store's limit of rows.

    This takes milliseconds in a large memory, where `Store.facts` reads every fact.
    """
    rows = store.read(f"SELECT {', '.join(_COLUMNS)} FROM facts {clauses}").rows
    cells: list[list[Any]] = [["" if cell is None else cell for cell in row] for row in rows]
    return [Fact(**dict(zip(_COLUMNS, row, strict=True))) for row in cells]


def history(store: Facts, fact_id: int) -> list[Edit]:
    """The history of a fact, oldest first, also of a deleted one.

    Raises InputError when there never was such a fact.
    """
    edits = store.journal(fact_id=fact_id)
    if not edits:
        raise InputError(f"there never was a fact {fact_id}")
    return edits


def edits_since(store: Facts, fact_id: int, change_id: int) -> list[Edit]:
    """The history of a fact after a change, oldest first; empty when it is unchanged."""
    return [edit for edit in store.journal(fact_id=fact_id) if edit.change_id > change_id]


def change_of(store: Facts, change_id: int) -> Change | None:
    """The change with this id; None when there is none."""
    changes = store.changes(before=change_id + 1, limit=1)
    return changes[0] if changes and changes[0].id == change_id else None


def newest_change(store: Facts) -> Change:
    """The newest change of facts that is neither undone nor an undo.

    Raises InputError when there is none.
    """
    for change in reversed(store.changes()):
        # Only an undo and a revert have no statement; a person may have typed a cause like theirs.
        is_undo = not change.statement and change.cause.startswith("undo ")
        if change.facts and not change.undone_at and not is_undo:
            return change
    raise InputError("there is no change to undo")


def note(
    store: Store,
    turn_id: int,
    *,
    subject: str,
    attribute: str,
    value: str,
    happened_on: str = "",
    by: str = "",
) -> Change:
    """Add a fact from a turn.

    Raises InputError when there is no such turn, a required text is empty, or the date is not an
    ISO date.
    """
    store.turn(turn_id)
    _require({"subject": subject, "attribute": attribute, "value": value})
    day = iso_date(happened_on) if happened_on else ""
    values = ", ".join(map(quoted, (subject, attribute, value, day)))
    columns = "subject, attribute, value, happened_on, turn_id"
    return _write(store, f"INSERT INTO facts ({columns}) VALUES ({values}, {turn_id})", by)


def supersede(store: Store, fact_id: int, value: str, since: str = "", by: str = "") -> Change:
    """End a fact on `since` (default: today), and add its new value from then on.

    First the correction is stored as a turn, which is durable before anything changes. Then one
    change ends the old fact and adds a new one with the same subject and attribute, whose source is
    that turn. If the change is undone, the turn stays and is marked as withdrawn.

    Raises InputError when there is no such fact, it has ended, `since` is not an ISO date or is
    before the fact began, or the value is empty, unchanged or too long; also when somebody else
    ended the fact at the same time, which leaves the correction as a withdrawn turn.
    """
    old = _open_fact(store, fact_id)
    day = _day(since, old)
    if not value.strip():
        raise InputError("the new value is empty; to end a fact, give a date instead")
    if value == old.value:
        raise InputError(f"fact {fact_id} already says this: {_statement(old)}")
    values = ", ".join(map(quoted, (old.subject, old.attribute, value, day)))

    def statements(turn_id: int) -> str:
        return (
            f"{_update(old, {'ended_on': day})};\n"
            "INSERT INTO facts (subject, attribute, value, happened_on, turn_id)"
            f" VALUES ({values}, {turn_id})"
        )

    _checked(statements(0))  # before anything is stored
    attribute = old.attribute.replace("_", " ")
    when = f"since {day} " if since else ""
    text = f"Correction: {when}{old.subject} {attribute} {value}, not {old.value}."
    correction = Turn(by or "user", text, session=CORRECTIONS, said_at=local_now())
    [turn_id] = store.add([correction])
    window = _own_window(store, turn_id)
    change = _write(store, statements(turn_id), by=by, window=window)
    if change.facts < 2:  # nothing was ended, only inserted
        store.undo(change.id)
        raise InputError(_changed_meanwhile(old))
    return change


def correct(
    store: Store,
    fact_id: int,
    *,
    value: str | None = None,
    subject: str | None = None,
    attribute: str | None = None,
    happened_on: str | None = None,
    by: str = "",
) -> Change:
    """Correct a fact that was never true as it is; it keeps its source.

    An argument that is None changes nothing; `happened_on` may be empty for an unknown date.
    Raises InputError when there is no such fact, a date is not an ISO date, a required text is
    empty, or nothing would change.
    """
    old = fact_of(store, fact_id)
    arguments = {
        "value": value,
        "subject": subject,
        "attribute": attribute,
        "happened_on": happened_on,
    }
    new = {name: text for name, text in arguments.items() if text is not None}
    _require({name: text for name, text in new.items() if name in _REQUIRED})
    if new.get("happened_on") and not is_iso_span(new["happened_on"]):
        new["happened_on"] = iso_date(new["happened_on"])
    new = {name: text for name, text in new.items() if text != (getattr(old, name) or "")}
    if not new:
        raise InputError(f"fact {fact_id} already says this: {_statement(old)}")
    return _changed(old, _write(store, _update(old, new), by))


def end(store: Store, fact_id: int, on: str = "", by: str = "") -> Change:
    """End a fact on a day (default: today), without a new value.

    Raises InputError when there is no such fact, it has ended, or `on` is not an ISO date or is
    before the fact began.
    """
    old = _open_fact(store, fact_id)
    return _changed(old, _write(store, _update(old, {"ended_on": _day(on, old)}), by))


def remove(store: Store, fact_id: int, by: str = "") -> Change:
    """Delete a fact; its history stays. Raises InputError when there is no such fact."""
    old = fact_of(store, fact_id)
    return _changed(old, _write(store, f"DELETE FROM facts WHERE {_as_read(old)}", by))


def iso_date(text: str) -> str:
    """A date as exact as known: `2017`, `2017-05` or `2017-05-07`. Raises InputError otherwise."""
    text = text.strip()
    if not is_iso_date(text):
        raise InputError(f"{text!r} is not a date; write 2017-05-07, 2017-05 or 2017")
    return text


def _open_fact(store: Store, fact_id: int) -> Fact:
    """The fact with this id. Raises InputError when there is none, or it has ended."""
    fact = fact_of(store, fact_id)
    if _has_ended(fact, local_now()[:10]):
        raise InputError(f"fact {fact_id} already ended on {fact.ended_on}: {_statement(fact)}")
    return fact


def _day(text: str, fact: Fact) -> str:
    """A day on which a fact can end, today when the text is empty."""
    day = iso_date(text) if text else local_now()[:10]  # the date of an ISO moment
    began = _first(fact.happened_on or "")
    if not _DATE.fullmatch(began):
        began = ""
    if day < began[: len(day)]:
        raise InputError(f"fact {fact.id} began on {began}; it cannot end on {day}")
    return day


def _own_window(store: Store, turn_id: int) -> tuple[int, int] | None:
    """The window of a correction's turn alone, which keeps a model from digesting it again.

    None while earlier turns are undigested: the window would mark them as digested.
    """
    last = last_turn_taken(store)
    undigested = store.read(f"SELECT id FROM turns WHERE id > {last} AND id < {turn_id} LIMIT 1")
    return None if undigested.rows else (turn_id, turn_id)


def _require(texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        if not text.strip():
            raise InputError(f"a fact needs a {name}; delete the fact if all of it is wrong")


def _update(old: Fact, new: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{name} = {quoted(text)}" for name, text in new.items())
    return f"UPDATE facts SET {pairs} WHERE {_as_read(old)}"


def _as_read(fact: Fact) -> str:
    """The condition that a fact is still as it was read.

    It keeps an edit from overwriting one that somebody else made in the meantime.
    """
    return (
        f"id = {fact.id} AND subject = {quoted(fact.subject)}"
        f" AND attribute = {quoted(fact.attribute)}"
        f" AND SUBSTR(value, 1, {_COMPARED}) = {quoted(fact.value[:_COMPARED])}"
        f" AND COALESCE(happened_on, '') = {quoted(fact.happened_on)}"
        f" AND COALESCE(ended_on, '') = {quoted(fact.ended_on)}"
    )


def _changed(old: Fact, change: Change) -> Change:
    """The change, when it changed the fact. Raises InputError when it did not."""
    if not change.facts:
        raise InputError(_changed_meanwhile(old))
    return change


def _changed_meanwhile(fact: Fact) -> str:
    return f"somebody else has just changed fact {fact.id}; read it again"


def _write(store: Facts, sql: str, by: str, window: tuple[int, int] | None = None) -> Change:
    return store.write(_checked(sql), cause=f"edit by {by or 'user'}", window=window)


def _checked(sql: str) -> "CheckedWrites":
    """The statements, checked. Raises InputError for what the store would refuse."""
    from memory.sql import check_writes  # with the parser, which reading facts does not need

    try:
        return check_writes(sql)
    except SqlError as error:  # its message is for a model
        raise InputError(f"this cannot be stored: {error}") from error


def _statement(fact: Fact) -> str:
    """A fact in short: `Anna lives_in Oslo`."""
    return f"{fact.subject} {fact.attribute} {fact.value}"
