"""Corrections that were undone: their turns stay, and are marked wherever they are read.

Nothing is stored for it. The journal says which corrections made a fact that an undo or a revert
took back, so a redo, a copy of the past, a dump and a backup have the right marks by themselves.
"""

from collections.abc import Sequence
from dataclasses import replace

from memory.records import CORRECTIONS, WITHDRAWN, Rows, Turn
from memory.store.database import Connection


def mark_turns(conn: Connection, turns: Sequence[Turn]) -> list[Turn]:
    """The turns, with WITHDRAWN before the text of withdrawn corrections."""
    if CORRECTIONS not in [turn.session for turn in turns]:
        return list(turns)
    withdrawn = _withdrawn_texts(conn)
    return [
        replace(turn, text=WITHDRAWN + turn.text) if turn.id in withdrawn else turn
        for turn in turns
    ]


def mark_rows(conn: Connection, rows: Rows) -> Rows:
    """What a SELECT returned, with WITHDRAWN before the text of each withdrawn correction."""
    texts = set(_withdrawn_texts(conn).values())
    if not texts:
        return rows

    def marked(cell: object) -> object:
        if isinstance(cell, str):
            for text in texts:
                cell = cell.replace(text, WITHDRAWN + text)
        return cell

    return replace(rows, rows=tuple(tuple(map(marked, row)) for row in rows.rows))


def _withdrawn_texts(conn: Connection) -> dict[int, str]:
    """The withdrawn corrections by turn id, with their original text."""
    return dict(conn.run("withdrawn_turns", session=CORRECTIONS).fetchall())
