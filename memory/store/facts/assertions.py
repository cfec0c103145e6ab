"""Facts that turns assert in the templates of the vocabulary.

Each turn that asserts something new is a separate journaled change, of INSERTs and of UPDATEs that
end facts or date them. The turns stay undigested. A digest of them sees these facts as known, and
adds to them.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from memory.errors import InputError
from memory.records import Assertion, Fact, Removal, StatedFact, Turn, TurnAssertions
from memory.sql import quoted
from memory.store.changes.journal import to_fact
from memory.store.changes.points_in_time import now
from memory.store.database import Connection
from memory.store.facts import entities, vocabulary_table
from memory.store.facts.contradictions import open_pairs
from memory.store.facts.rights import CAUSE, Provenance, Right, moment, provenance_of
from memory.store.turns import turns_table
from memory.store.turns.turn_validation import WRITTEN_AS, WRITTEN_BY
from memory.text.dates import is_iso_date
from memory.text.written_dates import date_key, dates_agree, is_later
from memory.vocabulary import Vocabulary, name_key
from memory.vocabulary.attributes import STANDING
from memory.vocabulary.entities.resolution import Source

if TYPE_CHECKING:
    from memory.sql import CheckedWrites

NAMES_CAUSE = "names in turn "  # the same for the names that the turn gives
# Causes of changes that no person made to a fact in particular: templates, digests, another name
# of an attribute; a cause that quoted a forgotten turn says "forgotten".
_BY_NO_PERSON = (CAUSE, "digest ", "attribute", "forgotten")
_RECENT_DAYS = 31  # that "last week" and "last month" reach back
_MOST_DELETIONS = 200  # of facts, whose turns are marked
_MOST_REMOVALS = 2_000  # of facts by persons, the newest


@dataclass(frozen=True)
class KnownFact:
    """A fact that is in a memory before a turn's assertions are stored.

    `said_at` is when its turn was said (ISO); `provenance` says with what right.
    """

    fact: Fact
    said_at: str
    provenance: Provenance

    @property
    def began(self) -> str:
        """The date since when it is true, as exact as known; "" if nothing says so."""
        return self.fact.happened_on.partition("/")[0]

    @property
    def start(self) -> str:
        """The first day it was known to be true: its date, or the day of its turn."""
        return self.began or _day(self.said_at)

    @property
    def said_on(self) -> str:
        """The day on which it was said; today for an undated turn."""
        return _day(self.said_at) or now()[:10]


# --- what is to be written ------------------------------------------------------------------------


def undigested(conn: Connection, turns: Sequence[Turn]) -> list[Turn]:
    """The existing turns among these that no model has digested."""
    if not turns:
        return []
    ids = [turn.id for turn in turns]
    present = {number for (number,) in conn.run("turn_ids_of", turn_ids=ids)}
    windows = conn.run("digested_windows", first=min(ids), last=max(ids)).fetchall()
    return [
        turn
        for turn in turns
        if turn.id in present and not any(first <= turn.id <= last for first, last in windows)
    ]


def new_names(conn: Connection, of_turn: TurnAssertions) -> "CheckedWrites":
    """The statement for the names that a turn gives, unless they were stored of it before."""
    from memory.sql.checked import CheckedAliases  # with the parser

    turn_id = of_turn.turn.id
    if not of_turn.names or conn.run("change_of_cause", cause=f"{NAMES_CAUSE}{turn_id}").fetchone():
        return ()
    return (CheckedAliases(tuple((name, entity, turn_id) for name, entity in of_turn.names)),)


def writes_for(
    conn: Connection,
    of_turn: TurnAssertions,
    vocabulary: Vocabulary,
    removals: Sequence[Removal],
) -> "CheckedWrites":
    """The statements for what a turn asserts; empty if all was stored before or taken back."""
    from memory.sql.policy import check_facts, check_writes  # with the parser
    from memory.sql.tables import WRITABLE

    turn, assertions = of_turn.turn, of_turn.assertions
    source = Source(turn.id, turn.speaker, turn.session)
    subjects = list(dict.fromkeys(assertion.subject for assertion in assertions))
    entity_of = entities.entities_of(conn, subjects, source)
    made = _made_before(conn, turn)
    plan = _Plan(turn, vocabulary)
    for assertion in assertions:
        names = vocabulary.names_of(assertion.attribute)
        if opposite := vocabulary.opposite_of(assertion.attribute):
            names = (*names, *vocabulary.names_of(opposite))
        if not plan.has_read(assertion.subject, names):
            entity = entity_of[assertion.subject]
            plan.known(assertion.subject, _known(conn, assertion.subject, entity, names))
        is_taken_back = any(
            _withdraws(removal, assertion, turn, vocabulary)
            and not (of_turn.is_new and _is_said_again(conn, removal, turn))
            for removal in removals
        )
        if not is_taken_back and _key(assertion) not in made:
            plan.take(assertion)
    inserts, updates = plan.inserts(), plan.updates()
    checked = check_writes("; ".join(updates)) if updates else ()
    if not inserts:
        return checked
    # People read these statements: a column that no fact has a date for is left out.
    columns = [name for name in WRITABLE if any(getattr(fact, name) for fact in inserts)]
    return (*checked, check_facts(inserts, columns))


def _known(
    conn: Connection, subject: str, entity: str | None, attributes: Collection[str]
) -> list[KnownFact]:
    """The facts about a subject under some attributes."""
    rows = conn.run(
        "facts_under_attributes",
        subject=subject,
        entity=subject if entity is None else entity,
        attributes=sorted(attributes),
    ).fetchall()
    provenance = provenance_of(conn, [row[0] for row in rows])
    known = []
    for *columns, said_at in rows:
        fact = to_fact(columns)
        known.append(KnownFact(fact, said_at, provenance[fact.id]))
    return known


def _made_before(conn: Connection, turn: Turn) -> set[tuple[str, str, str]]:
    """What templates made of a turn already, whatever has become of it."""
    rows = conn.run("facts_of_cause", cause=f"{CAUSE}{turn.id}").fetchall()
    facts = [to_fact(json.loads(after)) for (after,) in rows]
    return {_key(Assertion(fact.subject, fact.attribute, fact.value)) for fact in facts}


def _withdraws(removal: Removal, assertion: Assertion, turn: Turn, vocabulary: Vocabulary) -> bool:
    """Whether a person took away what a turn asserts, after it was said."""
    return (
        removal.subject.casefold() == assertion.subject.casefold()
        and _same_name(removal.attribute, assertion.attribute, vocabulary)
        and _plain(removal.value) == _plain(assertion.value)
        and is_later(removal.at, turn.said_at)
    )


def _is_said_again(conn: Connection, removal: Removal, turn: Turn) -> bool:
    """Whether a turn that comes in after a removal was said on a later day than what was removed.

    The person who removed it had not seen this turn. It may have been removed by mistake, and a
    stored fact can be removed again, but a missing one goes unnoticed.
    """
    if not removal.is_deletion:
        return False  # what a person put in its place holds
    removed = turns_table.read_turns(conn, removal.turn_id, removal.turn_id)
    return bool(removed) and _day(removed[0].said_at) < _day(turn.said_at)


class _Plan:
    """The facts about the subjects of a turn, as they will be after its assertions so far."""

    def __init__(self, turn: Turn, vocabulary: Vocabulary) -> None:
        self._turn = turn
        self._vocabulary = vocabulary
        self._read: set[tuple[str, str]] = set()
        self._before: dict[int, Fact] = {}
        self._facts: dict[int, KnownFact] = {}  # a new one has a negative id

    def has_read(self, subject: str, attributes: Sequence[str]) -> bool:
        """Whether the facts of a subject under some attributes are known, from now on at least."""
        is_known = (subject, attributes[0]) in self._read
        self._read.add((subject, attributes[0]))
        return is_known

    def known(self, subject: str, facts: Sequence[KnownFact]) -> None:
        """Take the facts about a subject, which may be stored under another name of it."""
        for known in facts:
            self._before[known.fact.id] = known.fact
            self._facts[known.fact.id] = replace(known, fact=replace(known.fact, subject=subject))

    def inserts(self) -> list[Fact]:
        """The new facts."""
        return [replace(known.fact, id=0) for number, known in self._facts.items() if number < 0]

    def updates(self) -> list[str]:
        """The statements that end or date facts which stood there."""
        return [
            f"UPDATE facts SET {column} = {quoted(date)} WHERE id = {fact_id}"
            for fact_id, before in self._before.items()
            for column in ("happened_on", "ended_on")
            if (date := getattr(self._facts[fact_id].fact, column)) != getattr(before, column)
        ]

    def take(self, assertion: Assertion) -> None:
        """Store an assertion, and end what is over with it."""
        try:
            attribute, value = self._vocabulary.stored(assertion.attribute, assertion.value)
        except InputError:  # a value that the memory's own vocabulary does not allow
            return
        known_facts = [
            known
            for known in self._facts.values()
            if known.fact.subject == assertion.subject
            and _same_name(known.fact.attribute, attribute, self._vocabulary)
        ]
        if _is_far_ahead(self._turn.said_at) and not all(
            _is_far_ahead(known.said_at) for known in known_facts
        ):
            return  # by a wrong clock: it would replace what is said today, and later
        if assertion.is_end:
            self._end(assertion, known_facts)
            return
        fact = Fact(
            subject=assertion.subject,
            attribute=attribute,
            value=value,
            turn_id=self._turn.id,
            happened_on=assertion.happened_on,
        )
        new = KnownFact(fact, self._turn.said_at, self._provenance(assertion))
        canonical = self._vocabulary.canonical(attribute)
        same = [
            known
            for known in known_facts
            if _plain(known.fact.value) == _plain(value)
            and not new.provenance.outranks(known.provenance)
        ]
        if canonical and canonical.kind == "event":
            if not any(dates_agree(known.start, new.start) for known in same):
                self._put(new)  # again on another day it is another event
        elif canonical and canonical.kind == "plan":
            if not any(_is_same_plan(known.fact, fact) for known in same):
                self._put(new)  # for another day it is another plan
        elif canonical and canonical.kind == "one value":
            self._take_only_value(new, known_facts, same)
        else:
            self._take_state(new, same)

    def _take_state(self, new: KnownFact, same: Sequence[KnownFact]) -> None:
        """The last of two opinions about one thing is true."""
        if any(self._is_touched_since(known) and known.fact.ended_on for known in same):
            return  # a person has ended it after this was said
        contrary = self._contrary(new)
        if later := [known for known in contrary if self._follows(known, new)]:
            following = min(later, key=_order)
            if not any(_holds(known, new) for known in same):
                self._put(_ended(new, following))
            return
        if current := [known for known in same if _holds(known, new)]:
            self._date(current[0], new)
        else:
            self._put(new)
        for known in contrary:
            if _holds(known, new) and self._may_end(known, new):
                self._set(known, ended_on=_end_by(known, new))

    def _contrary(self, new: KnownFact) -> list[KnownFact]:
        """The facts that exclude it: the contrary of its value, or another of exclusive values."""
        opposite = self._vocabulary.opposite_of(new.fact.attribute)
        of_subject = [
            known for known in self._facts.values() if known.fact.subject == new.fact.subject
        ]
        exclusive = self._vocabulary.currency.exclusive
        if _exclusive_key(new.fact) in exclusive:
            return [
                known
                for known in of_subject
                if _exclusive_key(known.fact) in exclusive
                and known.fact.attribute == new.fact.attribute
                and _plain(known.fact.value) != _plain(new.fact.value)
            ]
        return [
            known
            for known in of_subject
            if opposite
            and _same_name(known.fact.attribute, opposite, self._vocabulary)
            and _plain(known.fact.value) == _plain(new.fact.value)
        ]

    def _take_only_value(
        self, new: KnownFact, known_facts: Sequence[KnownFact], same: Sequence[KnownFact]
    ) -> None:
        """What is said last is true: it ends what was said before, whenever that is added."""
        if any(self._is_touched_since(known) for known in known_facts):
            return  # what a person wrote of it is newer
        if current := [known for known in same if _holds(known, new)]:
            self._date(current[0], new)
            return
        if any(
            known.fact.turn_id == new.fact.turn_id and known.start == new.start
            for known in known_facts
        ):
            return  # a turn with two values at a time: unclear which
        later = [known for known in known_facts if self._follows(known, new)]
        for known in known_facts:
            if _holds(known, new) and known not in later and self._may_end(known, new):
                self._set(known, ended_on=_end_by(known, new))
        if not later:
            self._put(new)
        elif (following := min(later, key=_order)) not in same:
            self._put(_ended(new, following))

    def _end(self, assertion: Assertion, known_facts: Sequence[KnownFact]) -> None:
        fact = Fact(assertion.subject, "", "", self._turn.id, happened_on=assertion.happened_on)
        end = KnownFact(fact, self._turn.said_at, self._provenance(assertion))
        for known in known_facts:
            is_meant = not assertion.value or _plain(known.fact.value) == _plain(assertion.value)
            is_open = not known.fact.ended_on and known.fact.turn_id != self._turn.id
            is_older = not _is_before(end, known) and self._may_end(known, end)
            is_meant = is_meant and (bool(assertion.value) or _may_have_ended(known, end))
            if is_meant and is_open and is_older:
                self._set(known, ended_on=_end_by(known, end))

    def _provenance(self, assertion: Assertion) -> Provenance:
        """Whose words an assertion has.

        Under a name in other white space they are another person's, and so is an order that a model
        wrote down.
        """
        is_of_speaker = assertion.subject == self._turn.speaker.strip()
        is_a_models = WRITTEN_BY in self._turn.tags and assertion.attribute in STANDING
        is_own = is_of_speaker and not is_a_models and WRITTEN_AS not in self._turn.tags
        return Provenance(Right.OWN if is_own else Right.OTHER)

    def _date(self, known: KnownFact, new: KnownFact) -> None:
        """A state that was stored without its beginning gets it."""
        is_plain = known.provenance.by_template and not known.provenance.edited_at
        if is_plain and not known.fact.happened_on and new.fact.happened_on:
            self._set(known, happened_on=new.fact.happened_on)

    def _put(self, new: KnownFact) -> None:
        number = -1 - len(self._facts)
        self._facts[number] = replace(new, fact=replace(new.fact, id=number))

    def _set(self, known: KnownFact, *, happened_on: str = "", ended_on: str = "") -> None:
        fact = replace(
            known.fact,
            happened_on=happened_on or known.fact.happened_on,
            ended_on=ended_on or known.fact.ended_on,
        )
        self._facts[fact.id] = replace(known, fact=fact)

    def _is_touched_since(self, known: KnownFact) -> bool:
        edited_at = known.provenance.edited_at
        return bool(edited_at) and is_later(edited_at, moment(self._turn.said_at))

    def _may_end(self, known: KnownFact, new: KnownFact) -> bool:
        """Whether what is said may end a fact: no one ends what others say of themselves."""
        return known.provenance.yields_to(new.provenance.is_own, self._turn.said_at)

    def _follows(self, known: KnownFact, new: KnownFact) -> bool:
        """Whether a fact that was said later may have ended a new one."""
        return not new.provenance.outranks(known.provenance) and _is_before(new, known)


def _is_far_ahead(said_at: str) -> bool:
    """Whether a date is more than a year from now: no clock of a machine is that late."""
    year = said_at[:4]
    return year.isdecimal() and int(year) > int(now()[:4]) + 1


def _same_name(name: str, other: str, vocabulary: Vocabulary) -> bool:
    return name_key(vocabulary.name_of(name)) == name_key(vocabulary.name_of(other))


def _holds(known: KnownFact, new: KnownFact) -> bool:
    """Whether a fact had not ended on the day on which a new one was said."""
    end, day = known.fact.ended_on, new.said_on
    return not end or _cut(end, day) > _cut(day, end)


def _is_before(one: KnownFact, other: KnownFact) -> bool:
    """Whether one fact was said before another.

    Undated turns were said in the order they were added. Within one turn, earlier
    beginnings come first.
    """
    if one.fact.turn_id == other.fact.turn_id:
        return _cut(one.began, other.began) < _cut(other.began, one.began)
    first, second = date_key(moment(one.said_at)), date_key(moment(other.said_at))
    if not dates_agree(first, second):
        return first < second
    return one.fact.turn_id < other.fact.turn_id


def _order(known: KnownFact) -> tuple[str, int]:
    return date_key(moment(known.said_at)), known.fact.turn_id


def _ended(fact: KnownFact, following: KnownFact) -> KnownFact:
    """A fact that ended when one began that was said after it."""
    return replace(fact, fact=replace(fact.fact, ended_on=_end_by(fact, following)))


def _end_by(known: KnownFact, following: KnownFact) -> str:
    """The day on which a fact ended by what was said after it.

    That is when the other began, unless this one was said to be true since: then the day on which
    the other was said.
    """
    end = following.began or following.said_on
    is_sound = _cut(known.start, end) <= _cut(end, known.start)
    return end if is_sound else following.said_on


def _may_have_ended(known: KnownFact, end: KnownFact) -> bool:
    """Whether an end that names no value may be that of a fact.

    "I quit last week" may be the end of the job that was named yesterday, "in January 2023" is not.
    """
    if not end.began or _cut(known.start, end.began) <= _cut(end.began, known.start):
        return True
    if known.began or len(end.began) < len("2017-05-08") or not known.start:
        return False
    days = date.fromisoformat(known.start) - date.fromisoformat(end.began)
    return days.days <= _RECENT_DAYS


def _exclusive_key(fact: Fact) -> str:
    """How the vocabulary's rules write a value that excludes others."""
    return f"{fact.attribute}={fact.value.lower()}"


def _is_same_plan(known: Fact, new: Fact) -> bool:
    return not known.ended_on and dates_agree(known.happened_on, new.happened_on)


def _cut(date: str, other: str) -> str:
    """A date as exact as the less exact of two."""
    return date[: min(len(date), len(other))]


def _plain(value: str) -> str:
    return " ".join(value.casefold().split())


def _key(assertion: Assertion) -> tuple[str, str, str]:
    return (
        assertion.subject.casefold(),
        name_key(assertion.attribute),
        _plain(assertion.value),
    )


def _day(said_at: str) -> str:
    day = said_at[: len("2017-05-08")]
    return day if is_iso_date(day) else ""


# --- by a template, or touched by a person or model -----------------------------------------------


def removals(conn: Connection) -> list[Removal]:
    """What persons took from facts, by correcting or deleting them, the newest first.

    What a fact says all the same, as after an undo, is left out.
    """
    rows = conn.run("removals_by_persons", most=_MOST_REMOVALS).fetchall()
    facts = ((to_fact(json.loads(before)), at, bool(gone)) for before, at, gone in rows)
    return [
        Removal(fact.subject, fact.attribute, fact.value, at, fact.turn_id, is_deletion)
        for fact, at, is_deletion in facts
    ]


def deletions(conn: Connection) -> list[Fact]:
    """The facts that persons deleted as never true, the newest first."""
    rows = conn.run("deletions_by_persons", most=_MOST_DELETIONS).fetchall()
    return [to_fact(json.loads(before)) for (before,) in rows]


def digested_facts(conn: Connection, turn_ids: Collection[int]) -> list[Fact]:
    """The facts of some turns that models and persons stored, by turn."""
    rows = conn.run("facts_by_turn", turn_ids=sorted(turn_ids)).fetchall() if turn_ids else []
    facts = [to_fact(row) for row in rows]
    templates = by_template(conn, [fact.id for fact in facts])
    return [fact for fact in facts if fact.id not in templates]


def facts_of_turns(conn: Connection, turn_ids: Collection[int]) -> list[StatedFact]:
    """The facts of some turns by their ids, with what was said of each since."""
    ids = sorted(turn_ids)
    if not ids:
        return []
    with conn.together():
        rows = conn.run("facts_by_turn", turn_ids=ids)
        edits = conn.run("corrected_facts_of_turns", turn_ids=ids)
        pairs = conn.run("unsettled_pairs_of_turns", turn_ids=ids)
        definition = vocabulary_table.ask_definition(conn)
    facts = sorted((to_fact(row) for row in rows), key=lambda fact: fact.id)
    before: dict[int, Fact] = {}
    for fact_id, state in edits:
        before.setdefault(fact_id, to_fact(json.loads(state)))
    disputed_by = {pair.first.id: pair.second for pair in open_pairs(pairs)}

    def changed(fact: Fact) -> Fact | None:
        old = before.get(fact.id)
        return old if old and old.value != fact.value else None

    rules = vocabulary_table.definition_of(*definition).vocabulary.currency
    contested = {*rules.one_valued, *rules.opposed}
    return [
        StatedFact(fact, changed(fact), disputed_by.get(fact.id), fact.attribute in contested)
        for fact in facts
    ]


def by_template(conn: Connection, fact_ids: Collection[int]) -> set[int]:
    """Those of some facts that a template made, and that no person has changed."""
    causes = _causes(conn, fact_ids)
    return {fact_id for fact_id in causes if _is_by_template(causes[fact_id])}


def asserting_turn(cause: str) -> int | None:
    """The turn whose assertions a change stored; None for another change."""
    return int(cause.removeprefix(CAUSE)) if cause.startswith(CAUSE) else None


def _causes(conn: Connection, fact_ids: Collection[int]) -> dict[int, list[tuple[str, str]]]:
    """By fact, the cause and the moment of each change that touched it, oldest first."""
    causes = defaultdict[int, list[tuple[str, str]]](list)
    if fact_ids:
        conn.facts.log()
        for fact_id, cause, at in conn.run("causes_of_facts", fact_ids=sorted(fact_ids)):
            causes[fact_id].append((cause, at))
    return causes


def _is_by_template(causes: Sequence[tuple[str, str]]) -> bool:
    names = [cause for cause, _ in causes]
    return bool(names) and names[0].startswith(CAUSE) and not any(map(_is_by_person, names))


def _is_by_person(cause: str) -> bool:
    return not cause.startswith(_BY_NO_PERSON)
