"""Turns are added together with the facts that they assert in templates, for every model.

The turns stay undigested, and the digest of a model replaces these facts.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memory.entities import introductions
from memory.errors import SqlError
from memory.records import WITHDRAWN, Assertion, Change, Turn, TurnIds
from memory.speakers import is_assistant
from memory.sql import quoted
from memory.store import Store
from memory.store.withdrawals import CORRECTIONS
from memory.templates import assertions_in
from memory.tool_uses import tool_assertions
from memory.vocabulary import Vocabulary

if TYPE_CHECKING:  # with the parser of SQL
    from memory.sql import CheckedWrites

_TURNS_AT_ONCE = 500


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
    """Add turns (`Store.add`) and record what they assert; both are durable on return.

    Raises what `Store.add` raises. Facts that the store refuses are left out.
    """
    turn_ids = store.add(turns, once=once)
    vocabulary = store.vocabulary()
    # The texts are matched as they are stored: masked. Few assert anything.
    likely = [
        turn_id
        for turn_id, turn in zip(turn_ids, turns, strict=True)
        if _asserted(turn, vocabulary) or introductions(turn)
    ]
    if likely:
        _record(store, store.turns_by_id(likely), vocabulary)
    return turn_ids


def record_assertions(
    store: Store, progress: Callable[[Recorded], None] = lambda recorded: None
) -> Recorded:
    """Record what all turns of a memory assert: those of a vocabulary that has changed since.

    What was recorded of a turn before is not recorded again, whatever has become of it. May be
    interrupted. Does nothing where the store is read-only.
    """
    sums = Recorded()
    if store.read_only:
        return sums
    vocabulary = store.vocabulary()
    first = 1
    while turns := store.turns(first, first + _TURNS_AT_ONCE - 1) or _next(store, first):
        changes = _record(store, turns, vocabulary)
        sums += Recorded(len(turns), len(changes), sum(change.facts for change in changes))
        progress(sums)
        first = turns[-1].id + 1
    return sums


def _next(store: Store, first: int) -> list[Turn]:
    """The first turn after a gap that forgotten turns left."""
    rows = store.read(f"SELECT id FROM turns WHERE id >= {first} ORDER BY id LIMIT 1").rows
    return store.turns_by_id([row[0] for row in rows], missing_ok=True)


def _asserted(turn: Turn, vocabulary: Vocabulary) -> list[Assertion]:
    """What a turn asserts: a person's own words in a message, or the tags of a tool use."""
    if turn.kind == "tool":
        return list(tool_assertions(turn))
    if turn.kind != "message" or not turn.speaker.strip() or is_assistant(turn.speaker):
        return []
    if turn.session == CORRECTIONS or turn.text.startswith(WITHDRAWN):
        return []
    return assertions_in(turn, vocabulary)


def _record(store: Store, turns: Sequence[Turn], vocabulary: Vocabulary) -> list[Change]:
    # What a character of a chat says of itself is made up.
    characters = {str(setting.value) for setting in store.settings("character")}
    turns = [turn for turn in turns if turn.speaker not in characters]
    if names := introduced_names(store, turns):
        with suppress(SqlError):  # too many facts would move: a person merges them
            store.write(names, cause="names that turns introduce")
    asserted = [(turn, found) for turn in turns if (found := _asserted(turn, vocabulary))]
    if not asserted:
        return []
    try:
        return store.record(asserted)
    except SqlError:
        changes: list[Change] = []
        for turn, found in asserted:
            with suppress(SqlError):  # without the one that the store refuses
                changes += store.record([(turn, found)])
        return changes


def introduced_names(store: Store, turns: Sequence[Turn]) -> "CheckedWrites":
    """The aliases that turns introduce ("my sister Elena"), for a model that writes none itself."""
    from memory.sql import CheckedAliases  # with the parser

    introduced = {alias.name for turn in turns for alias in introductions(turn)}
    if not introduced:
        return ()
    listed = ", ".join(map(quoted, sorted(introduced)))
    rows = store.read(f"SELECT DISTINCT speaker FROM turns WHERE speaker IN ({listed})").rows
    speakers = [speaker for (speaker,) in rows]
    aliases = [alias for turn in turns for alias in introductions(turn, speakers)]
    return (CheckedAliases(tuple((name.name, name.entity, name.turn_id) for name in aliases)),)
