"""What the statements of a turn change in a memory: new facts, ends, and dates to fill in.

Pure: from values to values. `noted_facts` reads the facts that stand there and writes the result.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from memory.dates import is_iso_date, is_iso_span
from memory.errors import InputError
from memory.records import Fact, Removal, Turn
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.search.words import words
from memory.statements import End, Over, Statement, is_past
from memory.store.contradiction_rules import UNCHANGEABLE, differ, name_in
from memory.store.noted_ends import PLANNED, has_come_true, is_over, value_after
from memory.vocabulary import Vocabulary, name_key
from memory.written_dates import is_later

ANY = "*"  # of an End: every state
# A turn that takes back what was said before.
_CORRECTS = re.compile(
    r"\b(?:sorry|actually|correction|i meant|i mean|mistake|wrong(?:ly)?|mis(?:spoke|typed|said)"
    r"|typo|not the|rather than|instead|no,|oops|in fact|really)(?!\w)",
    re.IGNORECASE,
)
# States of others that are over, too, with everything of somebody.
OF_OTHERS = ("has_pet", "married_to", "engaged_to", "partner", "lives_with")
# Where somebody is or goes, as opposed to what they have changed for.
_OF_PLACES = frozenset({"lives_in", "travelled_to", "went_to", "moved_to"})
_PLANNED = frozenset(map(name_key, PLANNED))
# What stays true when everything else of somebody is over ("my grandmother died").
_LASTING = frozenset(
    map(
        name_key,
        (
            *("name", "nickname", "alias", "born_on", "born_in", "birthday", "comes_from"),
            *("has_mother", "has_father", "has_sister", "has_brother", "has_son", "has_daughter"),
            *("has_child", "worked_as", "worked_at", "lived_in", "had_pet"),
        ),
    )
)


@dataclass(frozen=True)
class KnownFact:
    """A fact that stands in a memory before a turn's statements are stored.

    `said_at` is when its turn was said (ISO), `touched_at` when a person changed it last ("" for
    never), `is_noted` whether rules read it and nobody else touched it, `of_another` whether it is
    about somebody else and its value names the subject: "Marco has_pet: Biscuit, a cat".
    """

    fact: Fact
    said_at: str = ""
    touched_at: str = ""
    is_noted: bool = False
    of_another: bool = False

    @property
    def start(self) -> str:
        """Since when it holds, as exact as known; "" where nothing says so."""
        return _first_day(self.fact.happened_on) or _day(self.said_at)


@dataclass(frozen=True)
class NotedWrites:
    """What a turn's statements come to: new facts, and a column to set of facts that are there."""

    inserts: tuple[Fact, ...] = ()
    updates: tuple[tuple[int, str, str], ...] = ()  # fact id, column, date

    def __bool__(self) -> bool:
        return bool(self.inserts or self.updates)


def noted_writes(
    turn: Turn,
    statements: Sequence[Statement],
    endings: Sequence[Over] = (),
    *,
    known: Mapping[str, Sequence[KnownFact]],
    removals: Sequence[Removal],
    vocabulary: Vocabulary,
    today: str,
) -> NotedWrites:
    """What to write for the statements of a turn.

    Arguments:
        turn: the turn, with its id.
        statements: what rules read in it.
        endings: what they read in it that is over.
        known: by the subject of known_fact statement and ending, the facts about whom it means.
        removals: what persons took from facts.
        vocabulary: that of the memory.
        today: the day (ISO) of an end that nothing else dates.
    """
    plan = _Plan(turn, vocabulary, today, known)
    switched = {value.casefold() for over in endings for value in plan.end(over)}
    for statement in statements:
        if statement.attribute in _OF_PLACES and statement.value.casefold() in switched:
            continue  # "from the clinic to the hospice" is no new home
        if not any(plan.withdraws(removal, statement) for removal in removals):
            plan.take(statement)
    return plan.writes()


class _Plan:
    """The facts about the subjects of a turn, as they will be after its statements so far."""

    def __init__(
        self,
        turn: Turn,
        vocabulary: Vocabulary,
        today: str,
        known: Mapping[str, Sequence[KnownFact]],
    ) -> None:
        self._turn = turn
        self._vocabulary = vocabulary
        self._today = today
        # New facts have negative ids until the store numbers them.
        self._facts = {
            subject: {known_fact.fact.id: known_fact for known_fact in facts}
            for subject, facts in known.items()
        }
        self._before = {
            known_fact.fact.id: known_fact.fact for facts in known.values() for known_fact in facts
        }

    def writes(self) -> NotedWrites:
        """What differs from the facts before."""
        inserts: list[Fact] = []
        updates: dict[tuple[int, str], str] = {}
        for facts in self._facts.values():
            for number, known_fact in facts.items():
                before = self._before.get(number)
                if before is None:
                    inserts.append(replace(known_fact.fact, id=0))
                    continue
                for column in ("happened_on", "ended_on"):
                    if getattr(known_fact.fact, column) != getattr(before, column):
                        updates[number, column] = getattr(known_fact.fact, column)
        return NotedWrites(
            tuple(inserts),
            tuple((number, column, date) for (number, column), date in updates.items()),
        )

    def withdraws(self, removal: Removal, statement: Statement) -> bool:
        """Whether a person took away what a statement says, after it was said."""
        return (
            removal.subject.casefold() == statement.subject.casefold()
            and self._name(removal.attribute) == self._name(statement.attribute)
            and _same_value(removal.value, statement.value)
            and is_later(removal.at, self._turn.said_at)
        )

    def take(self, statement: Statement) -> None:
        """Store a statement, and end what is over with it."""
        try:
            attribute, value = self._vocabulary.stored(statement.attribute, statement.value)
        except InputError:  # a value that the memory's own vocabulary does not allow
            return
        known = self._vocabulary.canonical(attribute)
        open_kind = "event" if statement.is_event else "many"
        kind = known.kind if known else open_kind
        fact = Fact(
            subject=statement.subject,
            attribute=attribute,
            value=value,
            turn_id=self._turn.id,
            happened_on=_valid_date(statement.happened_on),
        )
        new = KnownFact(fact, self._turn.said_at, is_noted=True)
        same_attribute = [
            known_fact
            for known_fact in self._about(statement.subject)
            if not known_fact.of_another
            and self._name(known_fact.fact.attribute) == self._name(attribute)
        ]
        if kind == "event":
            self._take_event(new, same_attribute)
        elif kind == "one value":
            self._take_only_value(new, same_attribute)
        else:
            self._take_state(new, same_attribute)
        for end in statement.ends:
            self._end(end, new)
        self._fulfil(new)

    def end(self, over: Over) -> Iterator[str]:
        """End what is over; yields the values that take its place."""
        day = _valid_date(_first_day(over.happened_on)) or _day(self._turn.said_at) or self._today
        fact = Fact(over.subject, "", "", self._turn.id, happened_on=day)
        new = KnownFact(fact, self._turn.said_at)
        over_facts = [
            known
            for known in self._about(over.subject)
            if not known.of_another
            and self._may_end(known, new)
            and is_over(over, known.fact, self._vocabulary)
        ]
        if over.unit and len(over_facts) > 1:
            return  # nobody can tell whose number it is
        for known in over_facts:
            self._change(known, "ended_on", day)
            if value := value_after(over, known.fact):
                yield value
                self.take(Statement(over.subject, known.fact.attribute, value, over.happened_on))

    # ------------------------------------------------------------ storing

    def _take_event(self, new: KnownFact, others: Sequence[KnownFact]) -> None:
        """Again on another day it is another event."""
        same = [
            known_fact
            for known_fact in others
            if _same_value(known_fact.fact.value, new.fact.value)
        ]
        if not any(_same_day(known_fact.start, new.start) for known_fact in same):
            self._put(new)

    def _take_state(self, new: KnownFact, others: Sequence[KnownFact]) -> None:
        same = [
            known_fact
            for known_fact in others
            if _same_value(known_fact.fact.value, new.fact.value)
        ]
        if any(
            self._is_touched_since(known_fact) and known_fact.fact.ended_on for known_fact in same
        ):
            return  # a person has ended it after this was said
        if current := [known_fact for known_fact in same if self._holds(known_fact, new)]:
            self._fill_in_date(current[0], new)
        else:
            self._put(new)

    def _take_only_value(self, new: KnownFact, others: Sequence[KnownFact]) -> None:
        """A new value ends the one before; an older one ends where the next began."""
        if any(self._is_touched_since(known_fact) for known_fact in others):
            return  # what a person says of it is newer
        others = [known_fact for known_fact in others if not self._contradicts(known_fact, new)]
        same = [
            known_fact for known_fact in others if _repeats(new.fact.value, known_fact.fact.value)
        ]
        if current := [known_fact for known_fact in same if self._holds(known_fact, new)]:
            self._fill_in_date(current[0], new)
            return
        if any(
            known_fact.fact.turn_id == new.fact.turn_id
            for known_fact in others
            if known_fact.start == new.start
        ):
            return  # a turn with two values at a time: nobody can tell which
        later = [known_fact for known_fact in others if _is_before(new, known_fact)]
        if later:
            following = min(
                later, key=lambda known_fact: (known_fact.start, known_fact.fact.turn_id)
            )
            if following not in same and (end := following.start or self._today):
                self._put(replace(new, fact=replace(new.fact, ended_on=end)))
            return
        for known_fact in others:
            if self._holds(known_fact, new):
                self._change(known_fact, "ended_on", self._date_of(new))
        self._put(new)

    def _fill_in_date(self, known: KnownFact, new: KnownFact) -> None:
        """A state that was stored without its beginning gets it."""
        if known.is_noted and not known.fact.happened_on and new.fact.happened_on:
            self._change(known, "happened_on", new.fact.happened_on)

    # ------------------------------------------------------------ ending

    def _end(self, end: End, new: KnownFact) -> None:
        for known_fact in self._about(new.fact.subject):
            end_words = telling_words(new.fact.subject if known_fact.of_another else end.value)
            name = self._name(known_fact.fact.attribute)
            if end.attribute == ANY:
                is_meant = self._is_state(known_fact.fact.attribute) and name not in _LASTING
            else:
                is_meant = not known_fact.of_another and name == self._name(end.attribute)
            if not is_meant or known_fact.fact.turn_id == self._turn.id:
                continue
            forms = forms_of(words(known_fact.fact.value))
            if (
                all(is_among(word, forms) for word in end_words)
                and self._may_end(known_fact, new)
                and not self._contradicts(known_fact, new)
            ):
                self._change(known_fact, "ended_on", self._date_of(new))

    def _may_end(self, known: KnownFact, new: KnownFact) -> bool:
        """Whether a fact holds still, and what a turn says may end it."""
        is_planned = self._name(known.fact.attribute) in _PLANNED
        # What is to come begins after it is cancelled.
        is_later = _is_said_before(new, known) if is_planned else _is_before(new, known)
        return not (
            known.fact.ended_on
            or known.fact.turn_id == self._turn.id
            or is_later
            or self._is_touched_since(known)
        )

    def _fulfil(self, new: KnownFact) -> None:
        """What was planned is over when it has happened."""
        for known in self._about(new.fact.subject):
            if (
                self._name(known.fact.attribute) in _PLANNED
                and not known.of_another
                and self._may_end(known, new)
                and has_come_true(known.fact, new.fact, self._vocabulary)
            ):
                self._change(known, "ended_on", self._date_of(new))

    def _contradicts(self, known: KnownFact, new: KnownFact) -> bool:
        """Whether a value cannot have become the new one: both stay, and a person decides."""
        name = name_in(new.fact.attribute, self._vocabulary)
        return (
            name in UNCHANGEABLE
            and name_in(known.fact.attribute, self._vocabulary) == name
            and not _CORRECTS.search(self._turn.text)
            and differ(name, known.fact.value, new.fact.value)
        )

    # ------------------------------------------------------------ the facts

    def _about(self, subject: str) -> list[KnownFact]:
        return list(self._facts.get(subject, {}).values())

    def _put(self, new: KnownFact) -> None:
        facts = self._facts.setdefault(new.fact.subject, {})
        number = -1 - sum(map(len, self._facts.values()))
        facts[number] = replace(new, fact=replace(new.fact, id=number))

    def _change(
        self, known: KnownFact, column: Literal["ended_on", "happened_on"], date: str
    ) -> None:
        if column == "ended_on":
            fact = replace(known.fact, ended_on=date)
        else:
            fact = replace(known.fact, happened_on=date)
        for facts in self._facts.values():
            if fact.id in facts:
                facts[fact.id] = replace(known, fact=fact)

    def _name(self, attribute: str) -> str:
        return name_key(self._vocabulary.name_of(attribute))

    def _is_state(self, attribute: str) -> bool:
        known = self._vocabulary.canonical(attribute)
        return known.kind != "event" if known else not is_past(attribute)

    def _holds(self, known: KnownFact, new: KnownFact) -> bool:
        """Whether a fact has not ended when a new one begins."""
        end, start = known.fact.ended_on, self._date_of(new)
        return not end or _cut(end, start) > _cut(start, end)

    def _date_of(self, new: KnownFact) -> str:
        return new.start or self._today

    def _is_touched_since(self, known: KnownFact) -> bool:
        return bool(known.touched_at) and is_later(known.touched_at, self._turn.said_at)


def _is_before(one: KnownFact, other: KnownFact) -> bool:
    """Whether one fact began before another; without dates, whether it was said before."""
    first, second = one.start, other.start
    if first and second and _cut(first, second) != _cut(second, first):
        return _cut(first, second) < _cut(second, first)
    return one.fact.turn_id < other.fact.turn_id


def _is_said_before(new: KnownFact, known: KnownFact) -> bool:
    first, second = _day(new.said_at), _day(known.said_at)
    return first < second if first and second else new.fact.turn_id < known.fact.turn_id


def _cut(date: str, other: str) -> str:
    """A date as exact as the less exact of two."""
    return date[: min(len(date), len(other))]


def _same_day(one: str, other: str) -> bool:
    return _cut(one, other) == _cut(other, one)


def _same_value(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)


def _repeats(new: str, known: str) -> bool:
    """Whether a value says nothing that a known one does not: "the bakery" after "Tom's bakery"."""
    return _same_value(new, known) or set(telling_words(new)) <= set(telling_words(known))


def _plain(value: str) -> str:
    return " ".join(telling_words(value)) or " ".join(value.casefold().split())


def _first_day(happened_on: str) -> str:
    return happened_on.partition("/")[0]


def _day(said_at: str) -> str:
    day = said_at[: len("2017-05-08")]
    return day if is_iso_date(day) else ""


def _valid_date(text: str) -> str:
    return text if is_iso_date(text) or is_iso_span(text) else ""
