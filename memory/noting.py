"""Facts without a model: what turns state in plain words is stored, and the names they introduce.

It is how `local` stores facts. The rules are those of `memory.statements`; the turns stay
undigested, and the digest of a larger model replaces what was noted of them.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memory.entities import introductions
from memory.errors import SqlError
from memory.program.messages import is_withdrawn
from memory.records import Change, Turn
from memory.sql import quoted
from memory.statements import Conversation
from memory.statements.work import work_statements
from memory.store import Store
from memory.store.noted_facts import TurnStatements, UnreadTurns

if TYPE_CHECKING:  # with the parser of SQL
    from memory.sql import CheckedWrites

# Turns that one call looks at beside what it was called for: about half a second.
MOST_TURNS = 500
MOST_TURNS_OF_IMPORT = 5_000  # some seconds after those of the import
_TURNS_AT_ONCE = 100  # in one transaction
_TURNS_BEFORE = 4  # that tell whom "she" means
# Without news, the mark of what was read moves in steps: one turn alone costs no write.
_STEP = 16


@dataclass(frozen=True)
class Noted:
    """What one `note_turns` did: turns read, changes made, and facts stored or ended by them."""

    turns: int = 0
    changes: int = 0
    facts: int = 0


def note_turns(
    store: Store,
    most: int | None = MOST_TURNS,
    progress: Callable[[Noted], None] = lambda noted: None,
) -> Noted:
    """Store what turns that were not looked at so far state in plain words, as facts.

    Each turn with news is a change of its own, which can be undone. May be interrupted, and called
    by several processes at once: each turn is read once. Does nothing where the store is read-only.

    Arguments:
        store: the memory.
        most: how many turns to look at; None for all. The next call goes on from there.
        progress: called with the sums after every hundred turns.
    """
    sums = Noted()
    while not store.read_only and (most is None or sums.turns < most):
        unread = store.unread_turns(_TURNS_AT_ONCE)
        if unread.last == unread.after:
            break
        before = sums.turns
        changes = _note(store, unread)
        sums = Noted(
            before + unread.last - unread.after,
            sums.changes + len(changes),
            sums.facts + sum(change.facts for change in changes),
        )
        progress(sums)
        if not unread.has_more:
            break
    return sums


def count_unread(store: Store) -> int:
    """How many turns rules have not looked at."""
    after = store.unread_turns(1).after
    [(turns,)] = store.read(f"SELECT COUNT(*) AS turns FROM turns WHERE id > {after}").rows
    return int(turns)


def _note(store: Store, unread: UnreadTurns) -> Sequence[Change]:
    # What a character of a chat says of itself is made up.
    characters = {str(setting.value) for setting in store.settings("character")}
    turns = [
        turn
        for turn in unread.turns
        if turn.speaker not in characters and not is_withdrawn(turn.text)
    ]
    speakers = sorted({turn.speaker for turn in turns})
    conversation = Conversation(speakers)
    if turns:
        # The answer to a question may be the first turn that was not read.
        for turn in store.turns(max(1, unread.after - _TURNS_BEFORE), unread.after):
            conversation.read(turn)
    notes = [_note_of(turn, conversation) for turn in turns]
    notes = [note for note in notes if note.statements or note.endings]
    names = names_introduced(store, turns)
    if not notes and not names and unread.last - unread.after < _STEP:
        return ()
    if names:
        with suppress(SqlError):  # too many facts would move: a person merges them
            store.write(names, cause="names that turns introduce")
    try:
        return store.note(notes, unread.after, unread.last) or ()
    except SqlError:
        return _note_one_by_one(store, notes, unread)


def _note_of(turn: Turn, conversation: Conversation) -> TurnStatements:
    news = conversation.read(turn)
    return TurnStatements(turn, (*work_statements(turn), *news.statements), news.endings)


def _note_one_by_one(
    store: Store, notes: Sequence[TurnStatements], unread: UnreadTurns
) -> list[Change]:
    """Store what each turn states by itself, without the one that the store refuses."""
    changes: list[Change] = []
    after = unread.after
    for note in notes:
        with suppress(SqlError):
            changes += store.note([note], after, note.turn.id) or ()
            after = note.turn.id
    store.note([], after, unread.last)
    return changes


def names_introduced(store: Store, turns: Sequence[Turn]) -> "CheckedWrites":
    """The aliases that turns state in plain words, for a model that states none itself."""
    from memory.sql import CheckedAliases  # with the parser

    introduced = {alias.name for turn in turns for alias in introductions(turn)}
    if not introduced:
        return ()
    listed = ", ".join(map(quoted, sorted(introduced)))
    rows = store.read(f"SELECT DISTINCT speaker FROM turns WHERE speaker IN ({listed})").rows
    speakers = [speaker for (speaker,) in rows]
    aliases = [alias for turn in turns for alias in introductions(turn, speakers)]
    return (CheckedAliases(tuple((name.name, name.entity, name.turn_id) for name in aliases)),)
