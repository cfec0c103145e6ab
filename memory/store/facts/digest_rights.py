"""What a digest may do to the stored facts, by the rights of their speakers (rights.py).

A digest adds facts and rewords none. It ends a fact only if a later turn of the right person says
so, and deletes only facts of its window that are taken back there. A turn says so by a template, by
a new value of the same attribute, or by a sentence that names the fact and has a word for an end;
that two things happened on one day says nothing.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

from memory.errors import HeldError, SqlError
from memory.records import Fact, Turn
from memory.sql import FACT_COLUMNS, quoted
from memory.store.changes import journal
from memory.store.configuration.settings import ROLES, asker_in, rows_of_user
from memory.store.database import Connection, HasConnections
from memory.store.facts import entities
from memory.store.facts.rights import Provenance, Right, provenance_of
from memory.store.turns import turns_table
from memory.text.speakers import is_by_assistant
from memory.text.written_dates import date_key, is_later
from memory.vocabulary import Attribute, Vocabulary, name_key
from memory.vocabulary.entities import key
from memory.vocabulary.entities.resolution import Source
from memory.vocabulary.rewording import is_name
from memory.vocabulary.said import (
    Spoken,
    amounts_in,
    ends_something,
    negates_something,
    says_change,
    spoken_in,
    telling_words,
)
from memory.vocabulary.templates import assertions_in

_MOST_EDITS = 2_000  # by persons, the newest
_MOST_REASONS = 3  # of what is held, in one message
_NAMELESS = frozenset({"", "user", "api", "tool remember", "tool correct_fact"})


@dataclass(frozen=True)
class PersonEdit:
    """What a person did to a fact (None: it did not exist before or after), when, and who."""

    before: Fact | None
    after: Fact | None
    at: str
    by: str

    @property
    def fact(self) -> Fact:
        """The fact that was edited, or added."""
        fact = self.before or self.after
        assert fact is not None
        return fact

    @property
    def verb(self) -> str:
        """What was done: corrected, ended, deleted or added."""
        if self.before is None:
            return "added"
        if self.after is None:
            return "deleted"
        if replace(self.before, ended_on=self.after.ended_on) == self.after:
            return "ended"
        return "corrected"


@dataclass(frozen=True)
class Standing:
    """A fact, its speaker's right, its source, and the newest edit by a person, if any."""

    fact: Fact
    provenance: Provenance
    source: Turn | None
    edit: PersonEdit | None = None


@dataclass(frozen=True)
class Refusal:
    """Why a digest may not change a fact; if `is_held`, a person may still say that it should."""

    reason: str
    is_held: bool = False


def persons_edits(store: HasConnections) -> list[PersonEdit]:
    """What persons did to facts and did not undo, the newest first."""
    with store.reading() as conn:
        return edits_by_persons(conn)


def edits_by_persons(conn: Connection) -> list[PersonEdit]:
    """`persons_edits`, on an open connection."""
    rows = conn.run("edits_by_persons", most=_MOST_EDITS).fetchall()
    return [
        PersonEdit(_fact(before), _fact(after), at, _name_in(cause))
        for before, after, at, cause in rows
    ]


def _name_in(cause: str) -> str:
    return cause.removeprefix("edit by ") if cause.startswith("edit by ") else ""


def _fact(image: str | None) -> Fact | None:
    return None if image is None else journal.to_fact(json.loads(image))


def standing_of(conn: Connection, facts: Sequence[Fact]) -> dict[int, Standing]:
    """By which rights some facts are said, by their ids."""
    provenance = provenance_of(conn, sorted(fact.id for fact in facts))
    edits: dict[int, PersonEdit] = {}
    if any(of_fact.right is Right.EDIT for of_fact in provenance.values()):
        for edit in edits_by_persons(conn):
            edits.setdefault(edit.fact.id, edit)
    turn_ids = sorted({fact.turn_id for fact in facts})
    turns = map(turns_table.to_turn, conn.run("turns_by_id", ids=turn_ids))
    sources = {turn.id: turn for turn in turns}
    return {
        fact.id: Standing(fact, provenance[fact.id], sources.get(fact.turn_id), edits.get(fact.id))
        for fact in facts
    }


def is_same_person(conn: Connection, subject: str, turn: Turn) -> bool:
    """Whether a name means the speaker of a turn there."""
    if key(subject) == key(turn.speaker):
        return True
    source = Source(turn.id, turn.speaker, turn.session)
    meant = entities.entities_of(conn, [subject, turn.speaker], source)
    return bool(meant[subject]) and meant[subject] == meant[turn.speaker]


# --- what a digest changes ------------------------------------------------------------------------


@dataclass(frozen=True)
class SetAside:
    """What a digest wrote and may not change: the reasons, and what a person may still apply."""

    reasons: tuple[str, ...] = ()
    undecided: str = ""
    statement: str = ""


def keep_to_rights(
    conn: Connection,
    change_id: int,
    window: tuple[int, int],
    vocabulary: Vocabulary,
    *,
    sets_aside: bool,
) -> SetAside:
    """Refuse what a digest may not change, after its statements have run.

    With `sets_aside`, the facts are restored, and what was refused is returned. Else raises
    SqlError with advice for the model, or HeldError if a person has to decide.
    """
    conn.facts.log()
    images = journal.net_images(conn, change_id)
    redated = journal.ends_to_date(conn, images, window)
    pairs = [(_fact_of(before), _fact_of(after)) for before, after in images]
    changed = [
        (before, after)
        for before, after in pairs
        if before is not None
        and before != after
        and not (after and before.id in redated and _is_end(before, after))
    ]
    new = [after for before, after in pairs if before is None and after is not None]
    # The rights of a fact that a digest deleted or reworded are the stored fact's.
    for before, after in changed:
        if after is None or not _is_end(before, after):
            _put(conn, before)
    rights = WindowRights(conn, window, vocabulary)
    if not sets_aside and (against := rights.against_edits(new)):
        raise SqlError("; ".join(against))
    refused = rights.refusals(changed, new) if changed else {}
    reasons = [refusal.reason for refusal in refused.values() if not refusal.is_held]
    held_reasons = [refusal.reason for refusal in refused.values() if refusal.is_held]
    undecided = _in_short(held_reasons)
    if refused and not sets_aside:
        if reasons:
            raise SqlError("; ".join(reasons))
        raise HeldError(
            f"held for a person: {undecided}", journal.change(conn, change_id).statement
        )
    statements = []
    for before, after in changed:
        if before.id in refused:
            _put(conn, before)
            if refused[before.id].is_held:
                statements.append(_statement(before, after))
        elif after is None:
            conn.facts.delete([before.id])
        else:
            _put(conn, after)
    conn.facts.log()
    return SetAside(tuple(reasons), undecided, ";\n".join(statements))


def _in_short(reasons: Sequence[str]) -> str:
    different = [*dict.fromkeys(reasons)]
    more = len(different) - _MOST_REASONS
    return "; ".join([*different[:_MOST_REASONS], *([f"and {more} more"] if more > 0 else [])])


def _fact_of(image: journal.FactImage | None) -> Fact | None:
    return None if image is None else journal.to_fact([*image.values()])


def _put(conn: Connection, fact: Fact) -> None:
    """Put a fact back to this, whatever a digest made of it."""
    conn.facts.delete([fact.id])
    conn.facts.insert([journal.dated([getattr(fact, column) for column in FACT_COLUMNS])])


def _statement(before: Fact, after: Fact | None) -> str:
    """The statement that a person may apply: it fits only while the fact has not ended."""
    if after is None:
        return f"DELETE FROM facts WHERE id = {before.id}"
    return (
        f"UPDATE facts SET ended_on = {quoted(after.ended_on)}"
        f" WHERE id = {before.id} AND ended_on IS NULL"
    )


@dataclass
class WindowRights:
    """What a digest of a window may do to the stored facts."""

    conn: Connection
    window: tuple[int, int]
    vocabulary: Vocabulary
    _spoken: dict[int, Spoken] = field(default_factory=dict)

    @cached_property
    def _turns(self) -> list[Turn]:
        return turns_table.read_turns(self.conn, *self.window)

    def refusals(
        self, changed: Sequence[tuple[Fact, Fact | None]], new: Sequence[Fact]
    ) -> dict[int, Refusal]:
        """The changes of existing facts that a digest may not make, by the facts' ids.

        Arguments:
            changed: each fact before and after the digest (None: deleted).
            new: the facts that it adds, whose values may replace others.
        """
        standing = standing_of(self.conn, [before for before, _ in changed])
        impossible = journal.impossible_ends(
            self.conn, [after for before, after in changed if after and _is_end(before, after)]
        )
        refused: dict[int, Refusal] = {}
        ended: dict[int, int] = {}  # by the facts' ids the turns that end them
        for before, after in changed:
            known = standing[before.id]
            if (
                not after
                and known.provenance.right < Right.EDIT
                and self._is_said_anew(before, new)
            ):
                continue
            is_end = after is not None and not before.ended_on and _is_end(before, after)
            if not is_end and not self._is_own(before):
                image = {column: getattr(before, column) for column in FACT_COLUMNS}
                advice = journal.end_instead(image, self.window, is_deleted=after is None)
                refused[before.id] = Refusal(advice)
            elif after is not None and _is_dated(before, after):
                if known.provenance.right is Right.EDIT:
                    refused[before.id] = self._why_it_stays(known)
            elif after is not None and not _is_end(before, after):
                refused[before.id] = Refusal(
                    f"{_name(before)} stays unchanged; insert what else a turn says"
                )
            elif before.id in impossible:
                refused[before.id] = Refusal(impossible[before.id])
            elif (
                not after
                or not journal.is_carried_out(after)
                or known.provenance.right is Right.EDIT
            ):
                turn = self._turn_that_ends(known, new)
                if turn is None:
                    refused[before.id] = self._why_it_stays(known)
                else:
                    ended[before.id] = turn.id
        return refused | _too_many(ended)

    def against_edits(self, new: Sequence[Fact]) -> list[str]:
        """Why new facts may not be stored after what persons edited."""
        edits = edits_by_persons(self.conn) if new else []
        turns = {turn.id: turn for turn in self._turns} if edits else {}
        reasons = [
            why_against_edits(fact, turns[fact.turn_id], edits, self.vocabulary)
            for fact in new
            if fact.turn_id in turns
        ]
        return [reason for reason in reasons if reason]

    def _is_said_anew(self, fact: Fact, new: Sequence[Fact]) -> bool:
        return self._is_own(fact) and any(
            key(row.subject) == key(fact.subject)
            and _is_same_name(row.attribute, fact.attribute, self.vocabulary)
            and _says_as_much(row.value, fact.value)
            for row in new
        )

    def _is_own(self, fact: Fact) -> bool:
        first, last = self.window
        return first <= fact.turn_id <= last

    def _why_it_stays(self, known: Standing) -> Refusal:
        person = known.fact.subject
        if known.edit is not None:
            return Refusal(_why_edited(known.edit))
        whose = "turn" if known.provenance.right is Right.OTHER else f"turn of {person}'s"
        return Refusal(
            f"{_name(known.fact)} stays: no later {whose} in the window says that it is over",
            is_held=True,
        )

    def _turn_that_ends(self, known: Standing, new: Sequence[Fact]) -> Turn | None:
        """The turn of the window that says that a fact is over; None if none may, or does."""
        for turn in self._turns:
            if self._may_end(known, turn) and self._says_end(known, turn, new):
                return turn
        return None

    def _may_end(self, known: Standing, turn: Turn) -> bool:
        """Whether a turn is later than a fact, and by someone with its right."""
        source, fact = known.source, known.fact
        if turn.id == fact.turn_id or (source is not None and not _is_after(turn, source)):
            return False
        if known.provenance.right is Right.OTHER:
            is_by_source = source is not None and key(source.speaker) == key(turn.speaker)
            return is_by_source or _is_by_person(turn)
        is_of_person = is_same_person(self.conn, fact.subject, turn)
        if known.provenance.right is Right.EDIT:
            is_of_person = is_of_person or self._is_by_editor(known.edit, turn)
            if not turn.said_at or is_later(known.provenance.edited_at, turn.said_at):
                return False
        return is_of_person and turn.kind == "message"

    def _is_by_editor(self, edit: PersonEdit | None, turn: Turn) -> bool:
        if edit is None:
            return False
        name = edit.by
        if name.casefold() in _NAMELESS:
            name = asker_in(rows_of_user(self.conn), "")
        return key(name) == key(turn.speaker)

    def _says_end(self, known: Standing, turn: Turn, new: Sequence[Fact]) -> bool:
        """Whether a turn says that a fact is over, or what is true in its place."""
        fact = known.fact
        attribute = self.vocabulary.canonical(fact.attribute) or Attribute(fact.attribute)
        # Nobody said whether an unknown attribute has one value: "paid", "deposit".
        is_unknown = attribute.name not in _names(self.vocabulary)
        is_single = attribute.kind == "one value" or is_unknown
        opposite = self.vocabulary.opposite_of(attribute.name)
        for assertion in assertions_in(turn, self.vocabulary):
            is_of_value = key(assertion.value) == key(fact.value)
            if assertion.attribute == attribute.name:
                if assertion.is_end and (is_of_value or not assertion.value):
                    return True
                if attribute.kind == "one value" and not assertion.is_end and not is_of_value:
                    return True
            if opposite and assertion.attribute == opposite and is_of_value:
                return True
        spoken = self._spoken_in(turn)
        value_words = telling_words(fact.value)
        is_named = bool(value_words) and all(map(spoken.says, value_words))
        # Of a thing, its name says whose value is another now: "for Ghent by 6:55".
        is_of_subject = key(fact.subject) != key(turn.speaker) and any(
            map(spoken.says, telling_words(fact.subject))
        )
        may_replace = (
            not is_unknown
            or known.provenance.right is Right.OTHER
            or says_change(turn)
            or is_named
            or is_of_subject
        )
        about = _attribute_words(attribute)
        for row in new:
            if row.turn_id != turn.id or key(row.subject) != key(fact.subject):
                continue
            of_row = Spoken.of(row.value)
            if not _is_same_name(row.attribute, attribute.name, self.vocabulary):
                # What became of it, by the turn that names it: "stopped: the accordion".
                is_about_it = is_named and all(map(of_row.says, value_words))
                if is_about_it and known.provenance.right is not Right.EDIT:
                    return True
                continue
            shared = [word for word in value_words if spoken.says(word) or of_row.says(word)]
            # One trip does not take the place of a trip to another town.
            names = [word for word in value_words if is_name(word, fact.value)]
            shares = bool(shared) and (is_single or {*names} <= {*shared})
            are_amounts = bool(amounts_in(fact.value)) and bool(amounts_in(row.value))
            is_about = is_of_subject or any(map(spoken.says, about))
            replaces = shares or are_amounts or (is_single and is_about)
            if may_replace and replaces and key(row.value) != key(fact.value):
                return True
        words = [*value_words, *telling_words(attribute.name.replace("_", " "))]
        # "I can't stand kiwi" has a negation each time.
        is_negative = known.source is not None and negates_something(known.source, words)
        return not is_negative and ends_something(turn, words)

    def _spoken_in(self, turn: Turn) -> Spoken:
        if turn.id not in self._spoken:
            self._spoken[turn.id] = spoken_in(turn)
        return self._spoken[turn.id]


def _too_many(ended: Mapping[int, int]) -> dict[int, Refusal]:
    """Why a person has to decide about facts that end, given the turns that end them."""
    by_turn = Counter(ended.values())
    refused = {
        fact_id: Refusal(
            f"turn {turn_id} ends {by_turn[turn_id]} facts, and a digest may end"
            f" {journal.MOST_ENDED_BY_TURN} by one turn by itself",
            is_held=True,
        )
        for fact_id, turn_id in ended.items()
        if by_turn[turn_id] > journal.MOST_ENDED_BY_TURN
    }
    if len(ended) - len(refused) > journal.MOST_ENDED:
        reason = (
            f"it ends {len(ended)} facts that were there before, and a digest may end"
            f" {journal.MOST_ENDED} by itself"
        )
        return dict.fromkeys(ended, Refusal(reason, is_held=True))
    return refused


def why_against_edits(
    fact: Fact, turn: Turn, edits: Sequence[PersonEdit], vocabulary: Vocabulary
) -> str:
    """Why a new fact of a turn may not be stored after what persons edited; "" if it may.

    A later turn of the fact's person, or of who edited it, says what is true now.
    """
    attribute = vocabulary.canonical(fact.attribute)
    for edit in edits:
        edited = edit.fact
        if key(edited.subject) != key(fact.subject):
            continue
        is_by_person = key(turn.speaker) in (key(edited.subject), key(edit.by))
        is_after = bool(turn.said_at) and not is_later(edit.at, turn.said_at)
        if is_by_person and is_after and turn.kind == "message":
            continue
        is_same = _is_same_name(fact.attribute, edited.attribute, vocabulary)
        takes_back = edit.before is not None and _says_as_much(fact.value, edit.before.value)
        if (
            edit.after is not None
            and edit.verb != "ended"
            and _says_as_much(fact.value, edit.after.value)
        ):
            continue  # what the person says, once more
        if takes_back and (is_same or fact.turn_id == edited.turn_id):
            return _why_edited(edit)
        is_single = attribute is not None and attribute.kind == "one value"
        if is_same and is_single and edit.after is not None and not edit.after.ended_on:
            return _why_edited(edit)
    return ""


def edit_note(edit: PersonEdit) -> str:
    """What a person did to a fact: `corrected by Anna on 2025-03-03, was Leeds`."""
    was = ""
    if edit.verb == "corrected" and edit.before and edit.after:
        was = f", was {edit.before.value}" if edit.before.value != edit.after.value else ""
    return f"{edit.verb} by {edit.by or 'a person'} on {edit.at[:10]}{was}"


def _why_edited(edit: PersonEdit) -> str:
    return (
        f"{_name(edit.fact)} was {edit_note(edit)}; that stands until a later turn of"
        f" {edit.fact.subject}'s says otherwise"
    )


def _says_as_much(value: str, second: str) -> bool:
    """Whether two values have the same telling words."""
    words = telling_words(value)
    return key(value) == key(second) or (bool(words) and {*words} == {*telling_words(second)})


def _is_after(turn: Turn, source: Turn) -> bool:
    """Whether a turn was said after another: by its date, else by its place."""
    day, source_day = date_key(turn.said_at), date_key(source.said_at)
    length = min(len(day), len(source_day))
    if day[:length] != source_day[:length]:
        return day[:length] > source_day[:length]
    return turn.id > source.id


def _is_by_person(turn: Turn) -> bool:
    is_role = key(turn.speaker) in ROLES or is_by_assistant(turn)
    return turn.kind == "message" and not is_role


def _is_dated(before: Fact, after: Fact) -> bool:
    """Whether a fact only got its date, or a more exact one."""
    is_only_date = replace(after, happened_on=before.happened_on) == before
    return is_only_date and after.happened_on.startswith(before.happened_on)


def _is_end(before: Fact, after: Fact) -> bool:
    return bool(after.ended_on) and replace(after, ended_on=before.ended_on) == before


def _is_same_name(name: str, second: str, vocabulary: Vocabulary) -> bool:
    return name_key(vocabulary.name_of(name)) == name_key(vocabulary.name_of(second))


def _name(fact: Fact) -> str:
    return f"fact {fact.id} ({fact.subject} {fact.attribute} {fact.value[:80]})"


@lru_cache(maxsize=500)
def _attribute_words(attribute: Attribute) -> tuple[str, ...]:
    """The words that people use for an attribute: from its names and its templates."""
    texts = [*attribute.names, attribute.instruction]
    texts += [template for templates in attribute.templates.values() for template in templates]
    plain = " ".join(texts).replace("_", " ")
    return tuple(set(telling_words(_without_placeholders(plain))))


def _without_placeholders(text: str) -> str:
    while "{" in text:
        before, _, after = text.partition("{")
        text = f"{before} {after.partition('}')[2]}"
    return text


def _names(vocabulary: Vocabulary) -> Collection[str]:
    return {attribute.name for attribute in vocabulary.attributes}
