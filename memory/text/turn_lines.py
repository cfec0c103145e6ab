"""A turn as a line: its number, its day, its speaker, its text."""

from dataclasses import replace

from memory.records import MemoryTurn, Turn
from memory.text.dates import resolve_dates, spoken_date


def turn_line(turn: Turn, dates: bool = True) -> str:
    """`[12] (Mon 08 May 2017) Anna: text`: how every model sees a turn.

    The name of its memory comes first where it is one of several:
    `[12] team (Mon 08 May 2017) Anna: text`.
    """
    memory = f"{' '.join(turn.memory.split())} " if isinstance(turn, MemoryTurn) else ""
    said_at = f"({spoken_date(turn.said_at)}) " if dates and turn.said_at else ""
    text = " ".join(turn.text.split())
    return f"[{turn.id}] {memory}{said_at}{turn.speaker}: {text}"


def resolved_line(turn: Turn, dates: bool = True, iso: bool = False) -> str:
    """A turn's line with its relative dates resolved, so that no model computes them."""
    text = resolve_dates(turn.text, turn.said_at, iso=iso)
    return turn_line(replace(turn, text=text), dates)
