"""Facts added, edited, ended and deleted: each edit is one change that can be undone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

from memory.errors import InputError, SecretError, SqlError
from memory.facts.edit_history import conflict_over, edits_since, seen_fact, successor_of
from memory.facts.near_attributes import known_name
from memory.facts.queries import beginning_of, in_short, iso_date
from memory.records import CORRECTIONS, Change, Fact, Turn
from memory.sql import quoted
from memory.store import Store
from memory.store.changes.history import edits_of
from memory.store.configuration.settings import person_of, settings_of
from memory.store.configuration.withheld import POLICY, policy_of
from memory.store.facts.fact_reads import facts_of_subjects, spelling_of
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.protocol import Facts
from memory.store.turns.expiry import Expiry, expiry_text, moment_of_expiry, set_expiry
from memory.store.turns.traces import replies_line, replies_of
from memory.store.turns.turn_reads import has_turns
from memory.store.turns.turn_validation import FORGET_AFTER, local_now
from memory.store.waiting.pending_windows import last_turn_taken
from memory.text.dates import is_iso_date, is_iso_span
from memory.text.secrets import mask
from memory.vocabulary import name_key
from memory.vocabulary.fact_lines import has_ended, is_event

if TYPE_CHECKING:
    from memory.sql import CheckedWrites

# What a person says about a fact: it was true and something else is now, it never was true, or it
# was true and nothing replaced it.
EditKind = Literal["changed", "was wrong", "is over"]
EDIT_KINDS: tuple[str, ...] = get_args(EditKind)
_REQUIRED = ("subject", "attribute", "value")
# An edit compares this many characters of a value to see that a fact has not changed since it was
# read: a statement has room for one long value.
_COMPARED = 200
# The authors of edits in the journal that are not a person's name.
DOORS = frozenset({"", "user", "API", "tool remember", "tool correct_fact"})
_MOST_EDITED = 100  # facts in one change by a person


def add(
    store: Store,
    *,
    subject: str,
    attribute: str,
    value: str,
    happened_on: str = "",
    turn_id: int | None = None,
    new_attribute: bool = False,
    expires: Expiry = "",
    by: str = "",
) -> Change:
    """Add a fact from a turn, or from a new turn with what a person just said.

    The fact gets the attribute's name in the memory's vocabulary, or the spelling of other facts. A
    new value of an attribute with one value ends the current one, on `happened_on` (default: the
    day of the turn), but if the current one has no date, not before the day on which it was said.
    An earlier value ends when the next one began. With `expires`, the turn is forgotten then
    (`Memory.add`), and with it the fact. If the change is undone, a turn stored for it
    stays and is marked as withdrawn.

    Raises InputError when there is no such turn, a required text is empty, the date is not an ISO
    date, the attribute does not allow the value, or a fact says this already; and for a new
    attribute similar to others, unless `new_attribute` says that it is a different one.
    """
    for name, text in (("subject", subject), ("attribute", attribute), ("value", value)):
        if not text.strip():
            raise InputError(f"a fact needs a {name}")
    day = iso_date(happened_on) if happened_on else ""
    turn = None if turn_id is None else store.turn(turn_id)
    expiring = _expiring(expires)
    refuse_secrets(store, value)
    subject, value = person_of(store, subject), value.strip()
    attribute = known_name(store, attribute, new_attribute=new_attribute)
    _, value = vocabulary_of(store).stored(attribute, value)
    subject = spelling_of(store, subject)
    facts = facts_of_subjects(store, [subject], [attribute])
    known = vocabulary_of(store).canonical(attribute)
    is_event = known is not None and known.kind == "event"
    _refuse_known(facts, value=value, day=day if is_event else None)

    ended: list[Fact] = []
    until = ""
    if known is not None and known.kind == "one value":
        turn_day = turn.said_at[:10] if turn and is_iso_date(turn.said_at[:10]) else ""
        start = day or turn_day or local_now()[:10]
        later = [
            began for fact in facts if (began := beginning_of(fact)) and start < began[: len(start)]
        ]
        until = min(later, default="")
        ended = [] if until else [fact for fact in facts if not has_ended(fact, start)]
        day = day or (start if ended else "")

    true_on = _said_on(store, ended)
    columns = "subject, attribute, value, happened_on, ended_on, turn_id"
    values = ", ".join(map(quoted, (subject, attribute, value, day)))
    ends = quoted(until) if until else "NULL"

    def statements(number: int) -> str:
        updates = [_update(old, {"ended_on": max(day, true_on[old.id])}) for old in ended]
        insert = f"INSERT INTO facts ({columns}) VALUES ({values}, {ends}, {number})"
        return ";\n".join([*updates, insert])

    _checked(statements(0))  # before anything is stored
    window = None
    if turn_id is None:
        has_own_day = known is not None and known.kind in ("event", "plan")
        since = "since" if not has_own_day else "on" if len(day) == len("2017-05-08") else "in"
        text = f"{subject} {attribute.replace('_', ' ')} {value}"
        text += f" {since} {day}" if day else ""
        text += f" until {until}" if until else ""
        text += f", no longer {ended[0].value}." if ended else "."
        addition = Turn(
            _speaker(store, by), text, session=CORRECTIONS, said_at=local_now(), tags=expiring
        )
        [turn_id] = store.add([addition])
        window = _own_window(store, turn_id)
    change = _write(store, statements(turn_id), by, window=window)
    if change.facts <= len(ended):  # a fact to be ended has changed
        store.undo(change.id)
        raise conflict_over(store, ended[0].id)
    if turn and expires:
        set_expiry(store, [turn.id], expires, by)
    return change


def edit(
    store: Store,
    fact_id: int,
    kind: str,
    *,
    value: str = "",
    on: str = "",
    expires: Expiry = "",
    by: str = "",
    seen: int | None = None,
) -> Change:
    """Edit a fact by the kind of edit: one of EDIT_KINDS.

    "changed": it was true, and from the date `on` (default: today) `value` is (`supersede`). "was
    wrong": it never was true. `value` and its date `on` replace it, with a trace only in the
    journal (`correct`); without both it is deleted (`remove`). "is over": it was true until `on`
    (default: today), and nothing replaced it (`end`).

    With `expires` a new value of the first kind is forgotten then, and the earlier one is true
    again. Raises InputError for another kind or a value that does not fit it, and what these raise.
    """
    key = name_key(kind)
    if expires and key != name_key("changed"):
        raise InputError('only a new value expires: the kind "changed"; turns do by Memory.expire')
    if key == name_key("changed"):
        if not value.strip():
            raise InputError('give the value that is true now; for an end, the kind "is over"')
        return supersede(store, fact_id, value, since=on, expires=expires, by=by, seen=seen)
    if key == name_key("was wrong"):
        if not (value.strip() or on):
            return remove(store, fact_id, by, seen=seen)
        return correct(
            store, fact_id, value=value.strip() or None, happened_on=on or None, by=by, seen=seen
        )
    if key == name_key("is over"):
        if value.strip():
            raise InputError('what is over has no new value; for one, the kind "changed"')
        return end(store, fact_id, on, by=by, seen=seen)
    raise InputError(
        f"there is no kind of edit {kind!r:.60}; the kinds are {', '.join(EDIT_KINDS)}"
    )


def supersede(
    store: Store,
    fact_id: int,
    value: str,
    since: str = "",
    by: str = "",
    *,
    expires: Expiry = "",
    seen: int | None = None,
) -> Change:
    """End a fact on `since` (default: today), and add its new value from then on.

    With `seen`, this value also supersedes a fact that someone else has superseded: its successor
    ends, or if that began after `since`, it gets this value and date.

    The new value of an event has the event's own date, without `since`.

    First the correction is stored as a turn, which is durable before anything changes. Then one
    change ends the old fact and adds a new one with the same subject and attribute, whose source is
    that turn. If the change is undone, the turn stays and is marked as withdrawn.

    Raises InputError when there is no such fact, `since` is not an ISO date or is before the fact
    began, or the value is empty, unchanged or too long. Raises EditConflict when the fact has
    ended, or was edited after `seen`, a change; if that happens at the same time, the correction
    stays as a withdrawn turn.
    """
    expiring = _expiring(expires)
    old = seen_fact(store, fact_id, seen)
    if has_ended(old, local_now()[:10]):
        if seen is None:
            raise conflict_over(store, fact_id)
        old = successor_of(store, old)
        if edits_since(store, old.id, seen):
            raise conflict_over(store, fact_id)
        if since and (first_day := iso_date(since)) < beginning_of(old)[: len(first_day)]:
            return correct(store, old.id, value=value, happened_on=since, by=by, seen=seen)
    day = _day(since, old)
    # An event keeps its day. Only a state's day is the day of its new value.
    begins = old.happened_on if not since and is_event(old, vocabulary_of(store)) else day
    if not value.strip():
        raise InputError("the new value is empty; to end a fact, give a date instead")
    refuse_secrets(store, value)
    attribute, value = vocabulary_of(store).stored(old.attribute, value)
    if value == old.value:
        raise InputError(f"fact {old.id} already says this: {in_short(old)}")
    values = ", ".join(map(quoted, (old.subject, attribute, value, begins)))

    # If someone ended it, that end is kept, unless the new value began before.
    ends = not old.ended_on or day < old.ended_on

    def statements(turn_id: int) -> str:
        insert = (
            "INSERT INTO facts (subject, attribute, value, happened_on, turn_id)"
            f" VALUES ({values}, {turn_id})"
        )
        return f"{_update(old, {'ended_on': day})};\n{insert}" if ends else insert

    _checked(statements(0))  # before anything is stored
    attribute = attribute.replace("_", " ")
    when = f"since {day} " if since else ""
    text = f"Correction: {when}{old.subject} {attribute} {value}, not {old.value}."
    correction = Turn(
        _speaker(store, by), text, session=CORRECTIONS, said_at=local_now(), tags=expiring
    )
    [turn_id] = store.add([correction])
    # A window ends a fact only once.
    window = None if ends and old.ended_on else _own_window(store, turn_id)
    change = _write(store, statements(turn_id), by=by, window=window)
    if ends and change.facts < 2:  # nothing was ended, only inserted
        store.undo(change.id)
        raise conflict_over(store, old.id)
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
    seen: int | None = None,
) -> Change:
    """Correct a fact that was never true in its present form; it keeps its source.

    An argument that is None changes nothing; `happened_on` may be empty for an unknown date.
    Raises InputError when there is no such fact, a date is not an ISO date, a required text is
    empty, or nothing would change; EditConflict when it was edited after `seen`, a change.
    """
    old = seen_fact(store, fact_id, seen)
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
    vocabulary = vocabulary_of(store)
    # The value of a fact from before a strict vocabulary may be corrected.
    if "attribute" in new or ("value" in new and vocabulary.canonical(old.attribute)):
        stored = vocabulary.stored(new.get("attribute", old.attribute), new.get("value", old.value))
        new |= dict(zip(("attribute", "value"), stored, strict=True))
    new = {name: text for name, text in new.items() if text != (getattr(old, name) or "")}
    if not new:
        raise InputError(f"fact {fact_id} already says this: {in_short(old)}")
    return _changed(store, old, _write(store, _update(old, new), by))


def end(
    store: Store, fact_id: int, on: str = "", by: str = "", *, seen: int | None = None
) -> Change:
    """End a fact on a day (default: today), without a new value.

    With `seen`, a fact that has ended ends on this day instead. Raises InputError when there is no
    such fact, or `on` is not an ISO date or is before the fact began; EditConflict when the fact
    has ended, or was edited after `seen`, a change.
    """
    old = seen_fact(store, fact_id, seen)
    if seen is None and has_ended(old, local_now()[:10]):
        raise conflict_over(store, fact_id)
    day = _day(on, old)
    if day == old.ended_on:
        raise InputError(f"fact {fact_id} already ended on {day}: {in_short(old)}")
    return _changed(store, old, _write(store, _update(old, {"ended_on": day}), by))


def remove(store: Store, fact_id: int, by: str = "", *, seen: int | None = None) -> Change:
    """Delete a fact; its history stays.

    Raises InputError when there is no such fact; EditConflict when it was edited after `seen`.
    """
    old = seen_fact(store, fact_id, seen)
    return _changed(store, old, _write(store, f"DELETE FROM facts WHERE {_as_read(old)}", by))


def edit_several(
    store: Store,
    fact_ids: Sequence[int],
    *,
    ends: bool,
    on: str = "",
    by: str = "",
    seen: int | None = None,
) -> Change:
    """End several facts, or delete them, in one change that can be undone.

    Arguments:
        ends: whether they end; else they are deleted.
        on: the last day of the facts that end; by default today.

    Raises InputError for no fact, for more than 100, and as `end` and `remove` do; EditConflict
    when one of them was edited after `seen`, a change. Then no fact is changed.
    """
    if not 0 < len(fact_ids) <= _MOST_EDITED:
        raise InputError(f"choose 1 to {_MOST_EDITED} facts")
    today = local_now()[:10]
    statements = []
    for fact_id in dict.fromkeys(fact_ids):
        old = seen_fact(store, fact_id, seen)
        if ends and has_ended(old, today):
            raise InputError(f"fact {fact_id} has ended already: {in_short(old)}")
        statements.append(
            _update(old, {"ended_on": _day(on, old)})
            if ends
            else f"DELETE FROM facts WHERE {_as_read(old)}"
        )
    change = _write(store, ";\n".join(statements), by)
    if change.facts < len(statements):  # another process has edited one of them just now
        if change.facts:
            store.undo(change.id)
        raise conflict_over(store, fact_ids[0])
    return change


def refuse_secrets(store: Store, text: str) -> None:
    """Raise SecretError for a fact's value with a secret in it, unless secrets are allowed."""
    if mask(text).secrets and policy_of(settings_of(store, POLICY)) != "off":
        raise SecretError(
            "this holds what looks like a secret (a key, token or password), and this memory stores"
            " none; to store it nevertheless: memory admin settings secrets off"
        )


def _refuse_known(facts: Sequence[Fact], *, value: str, day: str | None) -> None:
    """Raises InputError when a current fact has this value (for an event, on this day)."""
    for fact in facts:
        is_same_day = day is None or day == (fact.happened_on or "")
        if fact.value.casefold() == value.casefold() and is_same_day and not fact.ended_on:
            raise InputError(f"fact {fact.id} already says this: {in_short(fact)}")


def _said_on(store: Store, facts: Sequence[Fact]) -> dict[int, str]:
    """The days on which facts without a date were said ("" for others), by the facts' ids."""
    turns = store.turns_by_id(sorted({fact.turn_id for fact in facts}), missing_ok=True)
    days = {turn.id: turn.said_at[:10] for turn in turns if is_iso_date(turn.said_at[:10])}
    return {fact.id: "" if beginning_of(fact) else days.get(fact.turn_id, "") for fact in facts}


def _day(text: str, fact: Fact) -> str:
    """A day on which a fact can end; for an empty text today, or its beginning if that is later."""
    today = local_now()[:10]  # the date of an ISO moment
    began = beginning_of(fact)
    day = iso_date(text) if text else max(today, began)
    if day < began[: len(day)]:
        raise InputError(f"fact {fact.id} began on {began}; it cannot end on {day}")
    return day


def _own_window(store: Store, turn_id: int) -> tuple[int, int] | None:
    """The window of a correction's turn alone, which keeps a model from digesting it again.

    None while earlier turns are undigested: the window would mark them as digested.
    """
    return None if has_turns(store, last_turn_taken(store) + 1, turn_id - 1) else (turn_id, turn_id)


def _require(texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        if not text.strip():
            raise InputError(f"a fact needs a {name}; delete the fact if all of it is wrong")


def _update(old: Fact, new: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{name} = {quoted(text)}" for name, text in new.items())
    return f"UPDATE facts SET {pairs} WHERE {_as_read(old)}"


def _as_read(fact: Fact) -> str:
    """The SQL condition that a fact has not changed since it was read.

    It keeps an edit from overwriting another edit made in the meantime.
    """
    return (
        f"id = {fact.id} AND subject = {quoted(fact.subject)}"
        f" AND attribute = {quoted(fact.attribute)}"
        f" AND SUBSTR(value, 1, {_COMPARED}) = {quoted(fact.value[:_COMPARED])}"
        f" AND COALESCE(happened_on, '') = {quoted(fact.happened_on)}"
        f" AND COALESCE(ended_on, '') = {quoted(fact.ended_on)}"
    )


def _changed(store: Facts, old: Fact, change: Change) -> Change:
    """The change, when it changed the fact. Raises EditConflict when it did not."""
    if not change.facts:
        raise conflict_over(store, old.id)
    return change


def _write(store: Facts, sql: str, by: str, window: tuple[int, int] | None = None) -> Change:
    cause = f"edit by {by or 'user'}"
    try:
        change = store.write(_checked(sql), cause=cause, window=window, by_person=True)
    except SqlError as error:  # its message is for a model
        raise InputError(f"this cannot be stored: {error}") from error
    replies = replies_of(store, fact_ids={edit.fact_id for edit in edits_of(store, change.id)})
    return replace(change, note=replies_line(replies)) if replies else change


def _expiring(expires: Expiry) -> dict[str, str]:
    """The tag of a turn that expires. Raises InputError for what is no moment."""
    if not expires:
        return {}
    text = expiry_text(expires)
    moment_of_expiry(text)
    return {FORGET_AFTER: text}


def _speaker(store: Store, by: str) -> str:
    """The speaker of an edit's turn: the owner, unless `by` is another person."""
    return person_of(store, "" if by in DOORS else by)


def _checked(sql: str) -> "CheckedWrites":
    """The statements, checked. Raises InputError for any that the store would refuse."""
    from memory.sql import check_writes  # with the parser, which reading facts does not need

    try:
        return check_writes(sql)
    except SqlError as error:  # its message is for a model
        raise InputError(f"this cannot be stored: {error}") from error
