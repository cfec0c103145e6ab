"""Audit a memory: contradictory, duplicate and unsupported facts. It changes nothing."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from memory.records import Fact
from memory.store import Store
from memory.store.facts.contradictions import open_contradictions
from memory.store.facts.fact_texts import has_clean_texts
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.protocol import Facts, Turns
from memory.store.turns.turn_reads import batches_of_turns
from memory.store.turns.turn_validation import has_clean_names
from memory.system.terminal import count
from memory.text.turn_lines import turn_forms
from memory.text.words import is_among, telling_words, words
from memory.vocabulary import Vocabulary

Kind = Literal[
    "index",
    "names",
    "pending",
    "contradiction",
    "duplicate",
    "unsupported",
]
KINDS: tuple[str, ...] = get_args(Kind)

# Attributes that hold one value at a time, as large and small models name them, in addition to the
# vocabulary's.
_SINGLE = re.compile(
    r"(current |full |first |last |given |family |home |main |primary |preferred |official )*"
    r"(name|age|address|birthday|birth ?date|date of birth|born( in| on)?|birthplace|gender|height"
    r"|weight|home ?town|home|residence|time ?zone|e?mail|email address|phone( number)?|mobile"
    r"|lives|living|located|lives (in|at)|living (in|at)|resides in|based in|works (at|for|as)"
    r"|working (at|for|as)|employed (at|by)|employer|job|job title|occupation|profession|position"
    r"|workplace|company|manager|boss|married to|spouse|husband|wife|partner|engaged to|dating"
    r"|in a relationship with|girlfriend|boyfriend|fiancee?|(marital |relationship |employment )"
    r"?status|native language|mother tongue|religion|citizenship|nationality|salary|blood type"
    r"|zodiac sign|location|studies at|school|university|major|capital|price|owner|number of \w+"
    r"|favou?rite colou?r)"
)
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")
# Facts are checked in the order of their sources: only the words of a few turns are in memory.
_CACHED_TURNS = 8
_FACTS_AT_ONCE = 500  # whose turns are in memory together
_TURNS_AT_ONCE = 500
_MOST_NAMED = 10  # turns or facts that one line names
_MOST_AT_ONCE = 100  # facts that one proposal deletes
# Of a value's words. Of 2,911 facts of data/train, which are true, 3 % have fewer near their turn
# and 1 % have none; a word is missing from 37 % of them, a name or a number from 8 %.
_LEAST_SAID = 0.5


@dataclass(frozen=True)
class Finding:
    """A problem for a person to check: `text` describes it, with its facts and turns.

    `sql` is the proposed fix, for `Store.write`; empty without a proposal.
    """

    kind: Kind
    text: str
    facts: tuple[int, ...] = ()
    turns: tuple[int, ...] = ()
    sql: str = ""


def audit(store: Store, kinds: Collection[str] = KINDS) -> list[Finding]:
    """Find problems in a memory, by kind in the order of KINDS. Changes nothing.

    Arguments:
        kinds: the kinds of findings to look for.

    A contradiction is two facts that were linked as such (`open_contradictions`), which a person
    settles, or two current values of one subject and an attribute that has one value at a time; the
    fix ends the older when the newer began. A duplicate is a current fact that repeats an
    earlier one; the fix deletes it. A fact is unsupported when its source does not say it; a person
    must judge that, because the source may use other words. Names of turns and texts of facts that
    an older version stored as strangers wrote them are counted; they are cleaned when shown.
    """
    facts = store.facts()
    findings: list[Finding] = []
    if "index" in kinds:
        findings += [Finding("index", line) for line in store.check()]
    if "names" in kinds:
        findings += _unclean_names(store, facts)
    if "pending" in kinds:
        findings += _failed_windows(store)
    if {"contradiction", "duplicate"} & {*kinds}:
        conflicts = sorted(
            fact_conflicts(store, facts), key=lambda conflict: KINDS.index(conflict.kind)
        )
        findings += [conflict for conflict in conflicts if conflict.kind in kinds]
    if "unsupported" in kinds:
        findings += _unsupported(store, facts)
    return findings


def _unclean_names(store: Turns, facts: Sequence[Fact]) -> Iterator[Finding]:
    """One finding for all turns and facts with names or texts that would not be stored today."""
    turns = [
        turn.id
        for batch in batches_of_turns(store, _TURNS_AT_ONCE)
        for turn in batch
        if not has_clean_names(turn)
    ]
    unclean = [fact.id for fact in facts if not has_clean_texts(fact)]
    listed = [
        f"{count(len(ids), noun)} ({', '.join(map(str, ids[:_MOST_NAMED]))}"
        f"{', ...' if len(ids) > _MOST_NAMED else ''})"
        for noun, ids in (("turn", turns), ("fact", unclean))
        if ids
    ]
    if listed:
        yield Finding(
            "names",
            f"{' and '.join(listed)} of an older version with line breaks, unseen characters or"
            " long texts in their names; they are cleaned when shown",
            facts=tuple(unclean),
            turns=tuple(turns),
        )


def _failed_windows(store: Facts) -> Iterator[Finding]:
    for pending in store.pending():
        if pending.error:  # without an error, a process is working on it
            held = f"--apply {pending.first_turn}-{pending.last_turn}` runs what is held"
            way_on = held if pending.statement else "--replay` tries again"
            first, last = pending.first_turn, pending.last_turn
            turns = f"turn {first}" if first == last else f"turns {first} to {last}"
            yield Finding(
                "pending",
                f"{turns}: {'not all' if pending.stored else 'no'} facts yet, after"
                f" {count(pending.attempts, 'attempt')}: {' '.join(pending.error.split())[:200]}"
                f" (`memory digest {way_on})",
                turns=tuple(range(pending.first_turn, pending.last_turn + 1)),
            )


# --- facts against one another ----------------------------------------------------------------


def fact_conflicts(store: Store, facts: Sequence[Fact]) -> Iterator[Finding]:
    """Contradictions and duplicates among the current facts.

    First the pairs linked when the second was stored, which a person settles, then values of one
    state at a time, where the older may end.
    """
    linked = _linked(store, facts)
    yield from linked
    pairs = {frozenset(finding.facts) for finding in linked}
    for finding in _unlinked(store, facts):
        if finding.kind != "contradiction" or frozenset(finding.facts) not in pairs:
            yield finding


def _linked(store: Store, facts: Sequence[Fact]) -> list[Finding]:
    current = {fact.id: fact for fact in facts}
    return [
        Finding(
            "contradiction",
            f"{first.subject} {first.attribute}: {first.value} (fact {first.id}, said"
            f" {pair.said_at[0][:10] or 'undated'}) and {second.subject} {second.attribute}:"
            f" {second.value} (fact {second.id}, said {pair.said_at[1][:10] or 'undated'}) cannot"
            f" both be true (`memory facts settle {first.id} {second.id} --right ID`)",
            facts=(first.id, second.id),
            turns=(first.turn_id, second.turn_id),
        )
        for pair in open_contradictions(store)
        for first, second in [pair.facts]
        if current.get(first.id) == first and current.get(second.id) == second
    ]


def _unlinked(store: Store, facts: Sequence[Fact]) -> Iterator[Finding]:
    vocabulary = vocabulary_of(store)
    groups: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for fact in facts:
        if not fact.ended_on:
            attribute = vocabulary.name_of(fact.attribute)
            groups[_plain(fact.subject), _plain(attribute)].append(fact)
    repeating = {key: group for key, group in groups.items() if len(group) > 1}
    single = {key for key in repeating if _has_one_value(vocabulary, key[1])}
    began = _beginnings(store, [fact for key in single for fact in repeating[key]])
    for key, group in repeating.items():
        if key not in single:
            yield from _repeated(group)
            continue
        group.sort(key=lambda fact: (began[fact.id], fact.turn_id, fact.id))
        runs = _runs(group)
        for run in runs:
            yield from _duplicates(run[0], run[1:])
        yield from _contradictions([run[0] for run in runs], began)


def _has_one_value(vocabulary: Vocabulary, attribute: str) -> bool:
    """Whether an attribute holds one value at a time."""
    known = vocabulary.canonical(attribute)
    return known.kind == "one value" if known else bool(_SINGLE.fullmatch(attribute))


def _beginnings(store: Turns, facts: Sequence[Fact]) -> dict[int, str]:
    """The day on which each fact began, by id: when it happened, or was said, or was recorded."""
    turns = store.turns_by_id([fact.turn_id for fact in facts])
    began = {}
    for fact, turn in zip(facts, turns, strict=True):
        happened_on = (fact.happened_on or "").partition("/")[0]  # of a span the first day
        days = (happened_on, turn.said_at[:10])
        began[fact.id] = next(filter(_DATE.fullmatch, days), fact.recorded_at[:10])
    return began


def _runs(group: Sequence[Fact]) -> list[list[Fact]]:
    """Facts in the order they began, grouped into runs of neighbours with the same value.

    A person who moved away and back lived there twice: these are not duplicates.
    """
    runs: list[list[Fact]] = []
    for fact in group:
        if runs and _plain(runs[-1][0].value) == _plain(fact.value):
            runs[-1].append(fact)
        else:
            runs.append([fact])
    return runs


def _contradictions(group: Sequence[Fact], began: Mapping[int, str]) -> Iterator[Finding]:
    value_words = [frozenset(words(fact.value)) or frozenset([fact.value]) for fact in group]
    for place, old in enumerate(group):
        for later in range(place + 1, len(group)):
            if value_words[place] <= value_words[later] or value_words[later] <= value_words[place]:
                continue  # "Oslo" and "Oslo in Norway" do not contradict
            new = group[later]
            day = began[new.id]
            yield Finding(
                "contradiction",
                f"{old.subject} {old.attribute}: {old.value} (fact {old.id}, {began[old.id]})"
                f" and {new.value} (fact {new.id}, {day}) at the same time",
                facts=(old.id, new.id),
                turns=(old.turn_id, new.turn_id),
                sql=f"UPDATE facts SET ended_on = '{day}' WHERE id = {old.id}",
            )
            break


def _repeated(group: Sequence[Fact]) -> Iterator[Finding]:
    """Duplicates of an attribute with many values: the same value on the same day.

    A fact with no date, or a less exact one, repeats a fact with a more exact date.
    """
    by_value: dict[str, list[Fact]] = defaultdict(list)
    for fact in group:
        by_value[_plain(fact.value)].append(fact)
    for same in by_value.values():
        same.sort(key=lambda fact: (-len(fact.happened_on or ""), fact.id))
        # The most exact dates come first: each covers its less exact forms.
        original_by_date: dict[str, Fact] = {}
        repeated: dict[int, list[Fact]] = defaultdict(list)
        for fact in same:
            day = fact.happened_on or ""
            if day in original_by_date:
                repeated[original_by_date[day].id].append(fact)
            else:
                for less_exact in {day, day[:7], day[:4], ""}:
                    original_by_date.setdefault(less_exact, fact)
        for original in same:
            yield from _duplicates(original, repeated[original.id])


def _duplicates(original: Fact, repeated: Sequence[Fact]) -> Iterator[Finding]:
    for begin in range(0, len(repeated), _MOST_AT_ONCE):
        batch = repeated[begin : begin + _MOST_AT_ONCE]
        ids = ", ".join(str(fact.id) for fact in batch)
        yield Finding(
            "duplicate",
            f"{original.subject} {original.attribute}: {original.value} (fact {original.id})"
            f" stands again as fact {ids}",
            facts=(original.id, *(fact.id for fact in batch)),
            turns=(original.turn_id, *(fact.turn_id for fact in batch)),
            sql=f"DELETE FROM facts WHERE id IN ({ids})",
        )


def _plain(text: str) -> str:
    """A text by its words; unchanged if it has none."""
    return " ".join(words(text)) or text.strip()


# --- facts against their turns ----------------------------------------------------------------


def _unsupported(store: Store, facts: Sequence[Fact]) -> Iterator[Finding]:
    """Facts that their sources do not support.

    A model may rephrase a turn and its neighbours: half of the words of the value must occur there,
    without stop words. A value of only stop words is not judged.
    """
    forms_of_turn = lru_cache(_CACHED_TURNS)(turn_forms)
    by_turn = sorted(facts, key=lambda fact: fact.turn_id)
    for begin in range(0, len(by_turn), _FACTS_AT_ONCE):
        batch = by_turn[begin : begin + _FACTS_AT_ONCE]
        nearby_ids = {turn_id for fact in batch for turn_id in _nearby(fact.turn_id)}
        # The first and the last turn have only one neighbour.
        nearby_turns = store.turns_by_id(sorted(nearby_ids), missing_ok=True)
        turns = {turn.id: turn for turn in nearby_turns}

        for fact in batch:
            nearby = [turns[turn_id] for turn_id in _nearby(fact.turn_id) if turn_id in turns]
            if not is_said(fact.value, [forms_of_turn(turn) for turn in nearby]):
                yield Finding(
                    "unsupported",
                    f"{fact.subject} {fact.attribute}: {fact.value} (fact {fact.id}) is not said in"
                    f" turn {fact.turn_id}, nor in the turns around it",
                    facts=(fact.id,),
                    turns=(fact.turn_id,),
                )


def _nearby(turn_id: int) -> range:
    """The ids of a turn and its neighbours."""
    return range(turn_id - 1, turn_id + 2)


def is_said(value: str, nearby: Sequence[Collection[str]]) -> bool:
    """Whether half of a value's words, stop words aside, are among the forms of some texts."""
    value_words = telling_words(value)
    matches = sum(any(is_among(word, forms) for forms in nearby) for word in value_words)
    return matches >= _LEAST_SAID * len(value_words)
