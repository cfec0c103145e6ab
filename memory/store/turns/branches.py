"""Branches of a chat: turns that an edited message left behind, and where several chats part.

A client sends the whole chat with each request. Where one of its messages was edited, what had been
said from there on is no part of the chat any more; its turns are removed, as the turn of an answer
that was generated again is. Two kinds of marks stay, made with a key (`forgotten_items`), because a
text can be guessed from a plain hash of it. One is of each turn that was taken back: a client that
goes back to it brings the text along, and the mark says when it was said. The other is of a place
where more than one chat may have gone on: nothing that follows is an edit for sure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memory.store.configuration import settings
from memory.store.database import Connection, HasConnections
from memory.store.forgetting.forget import remove
from memory.store.forgetting.forgotten_items import name_marks
from memory.store.search.vectors import EmbedTexts
from memory.store.turns import turns_table

# No setting of a person has a space.
TAKEN_BACK = "turns taken back"
ALIKE = "chats that begin alike"


@dataclass(frozen=True)
class BranchMarks:
    """The marks of a memory: of each turn taken back with when it was said, and of places."""

    said_at: Mapping[str, str]
    alike: frozenset[str]
    keys: Sequence[bytes]

    def when_taken_back(self, place: str) -> str | None:
        """When the turn at a place was said; None if no turn there was taken back."""
        marks = self._marks(place, bool(self.said_at))
        return next((self.said_at[mark] for mark in marks if mark in self.said_at), None)

    def is_alike(self, place: str) -> bool:
        """Whether more than one chat may go on from a place."""
        return not self.alike.isdisjoint(self._marks(place, bool(self.alike)))

    def _marks(self, place: str, are_there: bool) -> Sequence[str]:
        return name_marks(place, self.keys) if are_there else ()


def branch_marks(store: HasConnections) -> BranchMarks:
    """The marks of a memory."""
    with store.reading() as conn:
        lists = {name: settings.setting_history(conn, name) for name in (TAKEN_BACK, ALIKE)}
        keys = conn.item_keys() if any(lists.values()) else []
    taken_back = [entry.partition(" ") for setting in lists[TAKEN_BACK] for entry in setting.value]
    return BranchMarks(
        said_at={mark: said_at for mark, _, said_at in taken_back},
        alike=frozenset(mark for setting in lists[ALIKE] for mark in setting.value),
        keys=keys,
    )


def note_alike(store: HasConnections, place: str) -> None:
    """Note that more than one chat may go on from a place."""
    with store.transaction() as conn:
        settings.add_setting(conn, ALIKE, [_mark(conn, place)])


def take_back(conn: Connection, places: Mapping[int, str], embed: EmbedTexts) -> None:
    """Remove turns and everything derived from them, and mark their places.

    Arguments:
        conn: the memory, inside the caller's transaction.
        places: a name for the place of each turn, by the turn's id; an id without a turn is left
            out.
        embed: asked for the vectors of turns that follow, see `remove`.
    """
    turns = [
        turn
        for turn_id in sorted(places)
        for turn in turns_table.read_turns(conn, turn_id, turn_id)
    ]
    if not turns:
        return
    remove(conn, [turn.id for turn in turns], embed)
    entries = [f"{_mark(conn, places[turn.id])} {turn.said_at}" for turn in turns]
    settings.add_setting(conn, TAKEN_BACK, entries)


def _mark(conn: Connection, place: str) -> str:
    # By the newest key; a machine that can keep none has the plain hash.
    return name_marks(place, conn.item_keys(makes=True)[:1])[0]
