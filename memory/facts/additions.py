"""Turns are added together with the facts that they assert in templates, for every model.

The turns stay undigested: the digest of a model sees these facts as known and adds to them.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from memory.errors import InputError, SqlError
from memory.facts.newer_words import note_newer
from memory.records import (
    CORRECTIONS,
    NOTHING_WITHHELD,
    WITHDRAWN,
    Assertion,
    Change,
    Fact,
    Turn,
    TurnAssertions,
    TurnIds,
    Withheld,
)
from memory.store import Store
from memory.store.configuration.settings import is_unnamed, owner_of, settings_of
from memory.store.configuration.withheld import public_turns
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.turns.tags import record_days
from memory.store.turns.turn_reads import batches_of_turns, messages_before, speakers_spelled
from memory.store.turns.turn_validation import valid_turn
from memory.store.turns.turns_table import known_sources
from memory.text.characters import is_visible
from memory.text.speakers import is_assistant, is_by_assistant, spellings_of
from memory.text.tool_uses import tool_assertions
from memory.vocabulary import STANDING, Vocabulary
from memory.vocabulary.entities import Relation
from memory.vocabulary.statements import why_unstated
from memory.vocabulary.templates import (
    Found,
    Reading,
    aliases_in,
    name_at_end,
    names_given,
    plays_somebody,
    templates_of,
)

if TYPE_CHECKING:  # with the parser of SQL
    from memory.sql import CheckedWrites

_TURNS_AT_ONCE = 500
_TURNS_LOOKED_BACK = 100  # of a session, for the beginning of a play


@dataclass(frozen=True)
class Recorded:
    """What one `record_assertions` did: turns read, changes made, facts stored or ended."""

    turns: int = 0
    changes: int = 0
    facts: int = 0

    def __add__(self, other: "Recorded") -> "Recorded":
        return Recorded(
            self.turns + other.turns, self.changes + other.changes, self.facts + other.facts
        )


def add_turns(store: Store, turns: Sequence[Turn], once: bool = False) -> TurnIds:
    """Add turns (`Store.add`), record what they assert, and what they change of what was said.

    All of it is durable on return.

    Raises what `Store.add` raises. Facts that the store refuses are left out.
    """
    turns = _as_spelled(store, turns)
    turn_ids = store.add(turns, once=once)
    vocabulary = vocabulary_of(store)
    # The texts are matched as stored: masked. Few assert anything.
    likely = [
        turn_id
        for turn_id, turn in zip(turn_ids, turns, strict=True)
        if _read(turn, vocabulary).assertions
    ]
    if likely:
        # Another thread may have forgotten one of them by now.
        new = store.turns_by_id(likely, missing_ok=True)
        _record(store, new, vocabulary, are_new=True)
    by_turn = zip(turn_ids, turn_ids.by_turn, strict=True)
    note_newer(store, [turn_id for turn_id, withheld in by_turn if withheld is not None])
    return turn_ids


def _as_spelled(store: Store, turns: Sequence[Turn]) -> Sequence[Turn]:
    """Turns whose speakers have the spelling that the memory knows: "nora" has spoken as Nora.

    Only small letters are taken for another spelling: there may be a Max and a MAX.
    """
    people = {turn.speaker for turn in turns if turn.kind == "message"}
    spellings = {name: spellings_of(name) for name in people if not is_unnamed(name)}
    known = speakers_spelled(store, {*chain.from_iterable(spellings.values())}) if spellings else []
    known_as = {
        name: next((spelling for spelling in of_name if spelling in known), name)
        for name, of_name in spellings.items()
    }
    if all(name == spelling for name, spelling in known_as.items()):
        return turns
    owner = owner_of(store)  # a namesake does not speak for them
    known_as = {name: known_as[name] for name in known_as if known_as[name] != owner}
    return [
        replace(turn, speaker=known_as.get(turn.speaker, turn.speaker))
        if turn.kind == "message"
        else turn
        for turn in turns
    ]


def refuse_used_sources(store: Store, turns: Sequence[Turn]) -> None:
    """Raise InputError for a turn whose source is an earlier turn's, with another text.

    Stored once, it would be lost. Turns that are added again have the text of before.
    """
    turn_of = {turn.source: turn for turn in turns if turn.source}
    ids = known_sources(store, [*turn_of]) if turn_of else {}
    text_of = {turn.id: turn.text for turn in store.turns_by_id([*ids.values()], missing_ok=True)}
    for source, turn_id in ids.items():
        [turn] = public_turns([valid_turn(turn_of[source], 1)]).turns
        if text_of.get(turn_id, turn.text) not in (turn.text, turn_of[source].text):
            raise InputError(
                f"source {source!r:.60} is turn {turn_id}, which says something else; a source is"
                " your own id of one turn, and what several share belongs into session or tags"
            )


def add_each_once(store: Store, turns: Sequence[Turn]) -> list[tuple[int, bool, Withheld]]:
    """Store turns in one transaction, but each only once for its source.

    Returns for each its id, whether it is new, and how much of its text was withheld. A turn with
    no visible text is skipped: its id is 0.
    """
    added = add_turns(store, [turn for turn in turns if is_visible(turn.text)], once=True)
    stored = zip(added, added.by_turn, strict=True)
    return [
        (turn_id, withheld is not None, withheld or NOTHING_WITHHELD)
        for turn in turns
        for turn_id, withheld in [next(stored) if is_visible(turn.text) else (0, None)]
    ]


def record_assertions(
    store: Store, progress: Callable[[Recorded], None] = lambda recorded: None
) -> Recorded:
    """Record what all turns of a memory assert, after its vocabulary has changed.

    And what they change of earlier ones and the days that they speak of, also in a memory that an
    older version made. Nothing is
    recorded of a turn twice, whatever has become of it. May be interrupted. Does nothing if the
    store is read-only.
    """
    sums = Recorded()
    if store.read_only:
        return sums
    vocabulary = vocabulary_of(store)
    for turns in batches_of_turns(store, _TURNS_AT_ONCE):
        changes = _record(store, turns, vocabulary)
        note_newer(store, [turn.id for turn in turns])
        record_days(store, turns)
        sums += Recorded(len(turns), len(changes), sum(change.facts for change in changes))
        progress(sums)
    return sums


def _read(turn: Turn, vocabulary: Vocabulary) -> Reading:
    """What a turn asserts: a person's own words in a message, or the tags of a tool use."""
    if turn.kind == "tool":
        match = Found("", "", tuple(tool_assertions(turn)))
        return Reading((match,) if match.assertions else ())
    if turn.kind != "message" or is_by_assistant(turn):
        return Reading()
    if turn.session == CORRECTIONS or turn.text.startswith(WITHDRAWN):
        return Reading()
    return templates_of(vocabulary).read(turn)


def _record(
    store: Store, turns: Sequence[Turn], vocabulary: Vocabulary, are_new: bool = False
) -> list[Change]:
    asserted = [replace(of_turn, is_new=are_new) for of_turn in _asserted(store, turns, vocabulary)]
    if not asserted:
        return []
    try:
        return store.record(asserted)
    except SqlError:
        changes: list[Change] = []
        for of_turn in asserted:
            # Without the names if they would move too many facts: a person merges them. Then
            # without the turn whose facts the store refuses.
            for attempt in (of_turn, replace(of_turn, names=())):
                with suppress(SqlError):
                    changes += store.record([attempt])
                    break
        return changes


def _asserted(store: Store, turns: Sequence[Turn], vocabulary: Vocabulary) -> list[TurnAssertions]:
    """What turns assert, for turns that assert anything, with the names that they give."""
    readings = _readings(store, turns, vocabulary)
    found = [match for _, reading in readings for match in reading.found]
    given = {name for name in names_given(found) if name}
    names = given | {name for value in given if (name := name_at_end(value))}
    speakers = speakers_spelled(store, names) if names else []
    asserted = []
    for turn, reading in readings:
        others = frozenset(speakers) - {turn.speaker}
        clear = Reading(tuple(match for match in reading.found if not _addresses(match, others)))
        aliases = aliases_in(turn, clear.found, vocabulary, speakers)
        by_relation = Reading(tuple(_by_relation(match, turn, others) for match in clear.found))
        stated = [assertion for assertion in by_relation.assertions if _is_stated(assertion, turn)]
        asserted.append(TurnAssertions(turn, stated, aliases))
    return asserted


def _is_stated(assertion: Assertion, turn: Turn) -> bool:
    """Whether a turn states what a template reads in it; ends and orders have their own checks."""
    if assertion.is_end or assertion.attribute in STANDING or turn.kind != "message":
        return True
    fact = Fact(assertion.subject, assertion.attribute, assertion.value, turn.id)
    return not why_unstated(fact, turn)


def _by_relation(match: Found, turn: Turn, speakers: frozenset[str]) -> Found:
    """What a clause says of "my sister Anna" is said of "Ben's sister" if an Anna speaks, too.

    Nobody knows whether they are one person.
    """
    relation, name = match.introduces
    if name not in speakers:
        return match
    relative = str(Relation(turn.speaker.strip(), relation, several=False))
    assertions = (
        replace(assertion, subject=relative) if assertion.subject == name else assertion
        for assertion in match.assertions
    )
    return replace(match, assertions=tuple(assertions))


def _addresses(match: Found, speakers: frozenset[str]) -> bool:
    """Whether a value ends in the name of another speaker: "I live in York Clara"."""
    return any(name_at_end(assertion.value) in speakers for assertion in match.assertions)


def _readings(
    store: Store, turns: Sequence[Turn], vocabulary: Vocabulary
) -> list[tuple[Turn, Reading]]:
    """The turns that assert something, with what that is."""
    # What a character of a chat says of itself is made up.
    characters = {str(setting.value) for setting in settings_of(store, "character")}
    readings = [
        (turn, reading)
        for turn in turns
        if turn.speaker not in characters and (reading := _read(turn, vocabulary)).found
    ]
    return [(turn, reading) for turn, reading in readings if not _is_in_play(store, turn)]


def _is_in_play(store: Store, turn: Turn) -> bool:
    """Whether people are playing roles in a message's session by then: what they say is made up.

    A person begins a play. An assistant may only have advised one: "role-play it with a friend".
    """
    if not turn.session or turn.kind != "message":
        return False
    return any(
        plays_somebody(text) and not is_assistant(speaker)
        for speaker, text in messages_before(store, turn.id, _TURNS_LOOKED_BACK)
    )


def introduced_names(store: Store, turns: Sequence[Turn]) -> "CheckedWrites":
    """The aliases that turns introduce ("my sister Elena"), for a model that writes none itself."""
    from memory.sql import CheckedAliases  # with the parser

    asserted = _asserted(store, turns, vocabulary_of(store))
    aliases = [
        (name, entity, of_turn.turn.id) for of_turn in asserted for name, entity in of_turn.names
    ]
    return (CheckedAliases(tuple(aliases)),) if aliases else ()
