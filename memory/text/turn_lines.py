"""A turn as a line or as words: number, day, speaker, text."""

from dataclasses import replace

from memory.records import MemoryTurn, Turn
from memory.text.characters import (
    LONGEST_LABEL,
    label,
    one_line,
)
from memory.text.dates import named_day, resolve_dates, spoken_date, spoken_day
from memory.text.tokens import TextCache, trim
from memory.text.words import forms_of, words

_SHORT_NAME, _NAME_TOKENS = 48, 24  # characters of a name that is whole, tokens of a longer one


# The tag of a document's turns that a later version of it has replaced, with that version's name.
OLDER_VERSION = "older_version"


def speaker_name(name: str) -> str:
    """A speaker's name before what they said, in a few tokens.

    Without characters that would begin a new line: a number or a date in brackets, and a colon.
    """
    return _names[name]


def _shortened(name: str) -> str:
    line = label(name).lstrip("([ ").replace(": ", ", ").rstrip(": ")
    return line if len(line) <= _SHORT_NAME else trim(line, _NAME_TOKENS)


# A question shows the same few speakers again and again.
_names = TextCache(_shortened, most=1_000, longest=LONGEST_LABEL)


def turn_line(turn: Turn, dates: bool = True) -> str:
    """`[12] (Mon 08 May 2017) Anna: text`: how every model sees a turn.

    A document is not a person, whatever its title: `[13] Manual (document): text`. A replaced
    one is an `(older version)`. The name of its memory comes first if it is one of several:
    `[12] team (Mon 08 May 2017) Anna: text`.
    """
    memory = f"{speaker_name(turn.memory)} " if isinstance(turn, MemoryTurn) else ""
    said_at = f"({spoken_date(turn.said_at)}) " if dates and turn.said_at else ""
    kind = "" if turn.kind == "message" else f" ({turn.kind})"
    kind = " (older version)" if OLDER_VERSION in turn.tags else kind
    return f"[{turn.id}] {memory}{said_at}{speaker_name(turn.speaker)}{kind}: {one_line(turn.text)}"


def resolved_line(turn: Turn, dates: bool = True, iso: bool = False) -> str:
    """A turn's line with its relative dates resolved, so that no model computes them."""
    text = resolve_dates(turn.text, turn.said_at, iso=iso)
    return turn_line(replace(turn, text=text), dates)


def turn_forms(turn: Turn) -> set[str]:
    """The forms of all words of a turn: its speaker, its day, its text with dates resolved."""
    day = spoken_day(turn.said_at[:10]) if named_day(turn.said_at) else ""
    return forms_of(words(f"{turn.speaker} {day} {resolve_dates(turn.text, turn.said_at)}"))
