"""The changes of an operation: functions from facts and turns to a Revision, which is a value.

Nothing is written here. At least half of the words of a new or changed value must be in its source
facts and turns, so no operation invents a fact.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from memory.errors import InputError
from memory.facts import iso_date
from memory.facts.audit import is_said
from memory.records import Fact
from memory.text.words import forms_of, is_among, telling_words, words

MergeStrategy = Literal["summarize", "concatenate", "extract_common"]
SplitStrategy = Literal["temporal", "thematic", "speaker"]
MOST_MERGED, MOST_PARTS = 5, 3
# Where a value goes on to another subject.
_SEAM = re.compile(r";\s+|\.\s+(?=\S)|,?\s+(?:and\s+)?then\s+", re.IGNORECASE)
_LOOSE_SEAM = re.compile(rf"{_SEAM.pattern}|,\s+(?:and\s+)?|\s+and\s+", re.IGNORECASE)
_DATE = re.compile(r"\b\d{4}(?:-\d\d){0,2}\b")
_IDENTIFYING = ("subject", "attribute", "value")
# By turn: the forms of its words, then the forms of its neighbours' words.
FormsByTurn = Mapping[int, Sequence[Collection[str]]]


@dataclass(frozen=True)
class Revision:
    """Facts to add (their ids are 0), to change (before and after), and to delete.

    A fact that is added while others are deleted has these as its sources.
    """

    added: tuple[Fact, ...] = ()
    changed: tuple[tuple[Fact, Fact], ...] = ()
    removed: tuple[Fact, ...] = field(default=())


def created(fact: Fact, forms_by_turn: FormsByTurn) -> Revision:
    """A new fact. Raises InputError if a field is missing, or if its turn does not say it."""
    _require_whole(fact)
    fact = replace(fact, happened_on=iso_date(fact.happened_on) if fact.happened_on else "")
    _require_said(fact.value, [fact.turn_id], forms_by_turn)
    return Revision(added=(fact,))


def updated(
    old: Fact, turn_ids: Collection[int], forms_by_turn: FormsByTurn, **new: str
) -> Revision:
    """A fact with other texts or dates. Raises InputError if the fact would be invalid."""
    fact = old
    for name, text in new.items():
        is_date = name in ("happened_on", "ended_on")
        changes: dict[str, Any] = {name: iso_date(text) if is_date and text else text}
        fact = replace(fact, **changes)
    _require_whole(fact)
    if fact == old:
        raise InputError(f"fact {old.id} says so already; change something, or leave it")
    if fact.value != old.value:
        _require_said(fact.value, turn_ids, forms_by_turn, beside=old.value)
    return Revision(changed=((old, fact),))


def merged(
    facts: Sequence[Fact],
    strategy: MergeStrategy,
    forms_by_turn: FormsByTurn,
    *,
    value: str = "",
    attribute: str = "",
) -> Revision:
    """One fact instead of two to five facts about one subject. All of their turns are its sources.

    It names the newest of these turns. Raises InputError, with advice, for facts that cannot be
    merged.
    """
    _require_known(strategy, get_args(MergeStrategy), "strategy")
    if len({fact.id for fact in facts}) != len(facts) or not 2 <= len(facts) <= MOST_MERGED:
        raise InputError(f"give 2 to {MOST_MERGED} different facts to merge, not {len(facts)}")
    subjects = list(dict.fromkeys(fact.subject for fact in facts))
    if len({subject.casefold() for subject in subjects}) > 1:
        raise InputError(
            f"these facts are about {', '.join(subjects)}; merge facts about one subject (where"
            " these are names of one, update the subjects first)"
        )
    if len({bool(fact.ended_on) for fact in facts}) > 1:
        raise InputError("some of these facts ended and some are true still; do not merge these")
    text = _merged_value(facts, strategy, value)
    attributes = Counter(fact.attribute for fact in facts)
    new = Fact(
        subject=subjects[0],
        attribute=attribute or attributes.most_common(1)[0][0],
        value=text,
        turn_id=max(fact.turn_id for fact in facts),
        happened_on=_common_date([fact.happened_on for fact in facts]),
        ended_on=_common_date([fact.ended_on for fact in facts]),
    )
    _require_whole(new)
    _require_said(
        text, list(forms_by_turn), forms_by_turn, beside=" ".join(fact.value for fact in facts)
    )
    return Revision(added=(new,), removed=tuple(facts))


def _merged_value(facts: Sequence[Fact], strategy: MergeStrategy, value: str) -> str:
    if strategy == "summarize":
        if not value.strip():
            raise InputError("summarize needs `value`: the one statement that says it all")
        return value.strip()
    if value.strip():
        raise InputError(f"`value` is for summarize; {strategy} makes its own")
    if strategy == "concatenate":
        return _concatenated(facts)
    common = [
        word
        for word in facts[0].value.split()
        if all(is_among(w, forms_of(words(fact.value))) for fact in facts for w in words(word))
    ]
    if not telling_words(" ".join(common)):
        raise InputError("these facts have no words in common; concatenate or summarize them")
    return " ".join(common).strip(" ,;")


def _concatenated(facts: Sequence[Fact]) -> str:
    """The values ordered by date, without duplicates; with the dates if these differ."""
    in_order = sorted(facts, key=lambda fact: (fact.happened_on, fact.turn_id, fact.id))
    dates = {fact.happened_on for fact in facts if fact.happened_on}
    parts: dict[str, str] = {}
    for fact in in_order:
        day = f" ({fact.happened_on})" if fact.happened_on and len(dates) > 1 else ""
        parts.setdefault(fact.value.strip().rstrip(".").casefold(), fact.value.rstrip(". ") + day)
    # "Oslo" is part of "Oslo in Norway".
    telling = [
        text
        for plain, text in parts.items()
        if not any(plain != longer and plain in longer for longer in parts)
    ]
    return "; ".join(telling)


def split_up(
    fact: Fact,
    strategy: SplitStrategy,
    forms_by_turn: FormsByTurn,
    speakers: Mapping[int, str],
    *,
    parts: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> Revision:
    """Two or three facts instead of one; each names the source turn that has most of its words.

    Arguments:
        forms_by_turn: of the fact's source turns.
        speakers: the speakers of these turns.
        parts: the new values; by default the fact's value, cut where its subject changes.
        labels: for each part a date (temporal), an attribute (thematic) or a subject (speaker).

    Raises InputError if the fact cannot be split, or does not say one of the parts.
    """
    _require_known(strategy, get_args(SplitStrategy), "strategy")
    values = [part.strip() for part in parts] or _cut(fact.value, strategy)
    if not 2 <= len(values) <= MOST_PARTS or not all(values):
        raise InputError(
            f"fact {fact.id} comes apart in {len(values)}; give 2 to {MOST_PARTS} `parts`, each"
            " a value that is complete by itself"
        )
    if labels and len(labels) != len(values):
        raise InputError(f"{len(labels)} labels for {len(values)} parts; give one for each")
    facts: list[Fact] = []
    for place, value in enumerate(values):
        turn_id = _best_turn(value, forms_by_turn)
        _require_said(value, list(forms_by_turn), forms_by_turn, beside=fact.value)
        label = labels[place].strip() if labels else ""
        part = replace(fact, id=0, value=value, turn_id=turn_id, recorded_at="")
        if strategy == "temporal":
            dates = _DATE.findall(value)
            day = label or (dates[0] if len(dates) == 1 else fact.happened_on)
            part = replace(part, happened_on=iso_date(day) if day else "")
        elif strategy == "thematic":
            part = replace(part, attribute=label or fact.attribute)
        else:
            named = [name for name in {*speakers.values()} if {*words(name)} & {*words(value)}]
            of_turn = speakers.get(turn_id, fact.subject)
            part = replace(part, subject=label or (named[0] if len(named) == 1 else of_turn))
        _require_whole(part)
        facts.append(part)
    if len({(part.subject, part.attribute, part.value, part.happened_on) for part in facts}) < len(
        facts
    ):
        raise InputError("two parts are the same; each must say something different")
    return Revision(added=tuple(facts), removed=(fact,))


def _cut(value: str, strategy: SplitStrategy) -> list[str]:
    """A value cut into two or three parts, at its clearest boundaries."""
    for seam in (_SEAM, _LOOSE_SEAM):
        pieces = [piece.strip(" .;,") for piece in seam.split(value, maxsplit=MOST_PARTS - 1)]
        pieces = [piece for piece in pieces if telling_words(piece)]
        if len(pieces) > 1:
            return pieces
    raise InputError(
        f"{value!r} tells of one thing; for a {strategy} split give `parts`, or leave it whole"
    )


def _best_turn(value: str, forms_by_turn: FormsByTurn) -> int:
    """The turn that contains most words of a value; the earlier one of a tie."""
    telling = telling_words(value)

    def rank(turn_id: int) -> tuple[int, int]:
        forms = forms_by_turn[turn_id][0] if forms_by_turn[turn_id] else ()
        return -sum(is_among(word, forms) for word in telling), turn_id

    return min(forms_by_turn, key=rank)


def _common_date(dates: Sequence[str]) -> str:
    """The date that all known dates share: the month for two days in May, none for two years."""
    for length in (10, 7, 4):
        beginnings = {day[:length] for day in dates if day}
        if len(beginnings) == 1:
            return beginnings.pop()
    return ""


def _require_known(name: str, names: Sequence[str], kind: str) -> None:
    if name not in names:
        raise InputError(f"there is no {kind} {name!r}; there are {', '.join(names)}")


def _require_whole(fact: Fact) -> None:
    for name in _IDENTIFYING:
        if not getattr(fact, name).strip():
            raise InputError(f"a fact needs a {name}; give `{name}`")


def _require_said(
    value: str, turn_ids: Collection[int], forms_by_turn: FormsByTurn, beside: str = ""
) -> None:
    """Raise InputError when a value's words are neither in these turns nor in `beside`."""
    nearby = [forms_of(words(beside)), *(forms for id_ in turn_ids for forms in forms_by_turn[id_])]
    if not is_said(value, nearby):
        turns = ", ".join(map(str, sorted(turn_ids)))
        raise InputError(
            f"turn {turns} does not say {value!r}: its turn must say a fact; use the turn's own"
            " words, or name the turn that says it"
        )
