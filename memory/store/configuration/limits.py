"""How much one memory may hold on a server that serves many, and how much may be added to it."""

from collections.abc import Sequence
from dataclasses import dataclass

from memory.errors import InputError
from memory.records import Turn
from memory.store.database import Connection, HasConnections


@dataclass(frozen=True)
class Limits:
    """The maximum of turns, and of characters in their text; None for no limit."""

    turns: int | None = None
    characters: int | None = None


class Room:
    """What a memory holds, read on from where it was read last, and what there is room for.

    Writers at the same moment each see what was there before: a limit may be passed by a request of
    each.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._read_to = self._turns = self._characters = 0

    def refuse_beyond(self, conn: Connection, new: Sequence[Turn]) -> None:
        """Raises InputError for new turns that there is no room for."""
        self._read(conn)
        if self._beyond(new):  # some may be forgotten since they were counted
            self._read_to = self._turns = self._characters = 0
            self._read(conn)
        if beyond := self._beyond(new):
            raise InputError(
                f"this memory may hold {beyond}, and these turns would be more; forget some, or ask"
                " whoever runs this server for more room"
            )

    def _read(self, conn: Connection) -> None:
        [(turns, characters, last)] = conn.run("size_of_turns", after=self._read_to).fetchall()
        self._turns += turns
        self._characters += characters
        self._read_to = max(self._read_to, last)

    def _beyond(self, new: Sequence[Turn]) -> str:
        """The limit that new turns would pass; "" for none."""
        turns, characters = self.limits.turns, self.limits.characters
        if turns is not None and self._turns + len(new) > turns:
            return f"{turns:,} turns"
        added = sum(len(turn.text) for turn in new)
        if characters is not None and self._characters + added > characters:
            return f"{characters:,} characters"
        return ""


class Served:
    """What a server lets a store take in. A dump is let in as turns that are added.

    Arguments:
        limits: how much the memory may hold; None for no limit.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._room = Room(limits) if limits else None

    def refuse_beyond(self, store: HasConnections, turns: Sequence[Turn]) -> None:
        """Raises InputError for new turns that there is no room for."""
        if self._room:
            with store.reading() as conn:
                self._room.refuse_beyond(conn, turns)
