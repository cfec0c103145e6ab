"""The stored columns and vectors of some turns: read, changed and written block by block."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.search.turn_columns import TURN_DTYPE
from memory.store.database import Connection
from memory.store.search import search_tables
from memory.store.turns.turns_table import BEYOND_ALL_IDS

_RECENT = -1  # in place of the number of a block


@dataclass
class _Part:
    """The turns of a block, or the recent ones: rows of TURN_DTYPE, and vectors."""

    rows: NDArray[np.void]
    eight_bit: NDArray[np.int8]
    is_changed: bool = False


class StoredColumns:
    """The columns of turns, for changes within one transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._first_turns = [first for (first,) in conn.run("first_turns_of_blocks").fetchall()]
        self._first_recent = search_tables.last_in_blocks(conn) + 1
        self._parts: dict[int, _Part] = {}

    def get(self, turn_id: int) -> tuple[Any, NDArray[np.int8]]:
        """The row and the vector of a turn."""
        part = self._part_with(turn_id)
        place = int(np.searchsorted(part.rows["id"], turn_id))
        return part.rows[place], part.eight_bit[place].copy()

    def replace(self, rows: NDArray[np.void], eight_bit: NDArray[np.int8]) -> bool:
        """Replace the rows and vectors of the same turns by these; whether any differs."""
        differs = False
        for row, vector in zip(rows, eight_bit, strict=True):
            part = self._part_with(int(row["id"]))
            place = int(np.searchsorted(part.rows["id"], row["id"]))
            if part.rows[place] != row or (part.eight_bit[place] != vector).any():
                part.rows[place], part.eight_bit[place] = row, vector
                part.is_changed = differs = True
        return differs

    def remove(self, turn_ids: Sequence[int]) -> None:
        """Take turns out."""
        for number in {self._number_of(turn_id) for turn_id in turn_ids}:
            part = self._part(number)
            self._keep(part, ~np.isin(part.rows["id"], turn_ids))

    def write(self) -> None:
        """Store what has changed. A block may have fewer turns then, and goes without any."""
        for number, part in self._parts.items():
            if not part.is_changed:
                continue
            if number == _RECENT:
                self._conn.run("delete_recent", last=BEYOND_ALL_IDS)
                ids = part.rows["id"].tolist()
                search_tables.insert_recent(self._conn, ids, part.rows, part.eight_bit)
                continue
            first = self._first_turns[number]
            following = [*self._first_turns[number + 1 :], self._first_recent][0]
            self._conn.run("delete_block", first=first)
            self._conn.run("delete_pieces_between", first=first, last=following - 1)
            if len(part.rows):
                search_tables.insert_block(self._conn, part.rows, part.eight_bit)

    def _keep(self, part: _Part, kept: NDArray[np.bool_]) -> None:
        if not kept.all():
            part.rows, part.eight_bit = part.rows[kept], part.eight_bit[kept]
            part.is_changed = True

    def _number_of(self, turn_id: int) -> int:
        if turn_id >= self._first_recent:
            return _RECENT
        return bisect_right(self._first_turns, turn_id) - 1

    def _part_with(self, turn_id: int) -> _Part:
        return self._part(self._number_of(turn_id))

    def _part(self, number: int) -> _Part:
        if number not in self._parts:
            self._parts[number] = self._read(number)
        return self._parts[number]

    def _read(self, number: int) -> _Part:
        if number == _RECENT:
            recent = self._conn.run("recent_after", after=0).fetchall()
            columns = b"".join(row[0] for row in recent)
            vectors = b"".join(row[1] for row in recent)
        else:
            block = self._conn.run("block_of_turn", turn_id=self._first_turns[number])
            _, columns = block.fetchone()
            ids = np.frombuffer(columns, TURN_DTYPE)["id"]
            firsts = ids[:: search_tables.PIECE].tolist()
            pieces = dict(self._conn.run("pieces", first_turns=firsts).fetchall())
            vectors = b"".join(pieces[first] for first in firsts)
        rows = np.frombuffer(bytearray(columns), TURN_DTYPE)  # bytearray: changed in place
        eight_bit = np.frombuffer(bytearray(vectors), np.int8)
        return _Part(rows, eight_bit.reshape(len(rows), -1) if len(rows) else eight_bit)
