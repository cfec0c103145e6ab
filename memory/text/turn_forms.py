"""The words of a turn in all their forms: its speaker, its day, its text."""

from memory.records import Turn
from memory.text.dates import named_day, resolve_dates, spoken_day
from memory.text.words import forms_of, words


def turn_forms(turn: Turn) -> set[str]:
    """The forms of all words of a turn: its speaker, its day, its text with dates resolved."""
    day = spoken_day(turn.said_at[:10]) if named_day(turn.said_at) else ""
    return forms_of(words(f"{turn.speaker} {day} {resolve_dates(turn.text, turn.said_at)}"))
