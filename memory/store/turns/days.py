"""The days that turns speak of: kept with each new turn as the tag SPEAKS_OF.

"Dentist tomorrow", said on a Thursday, has the tag `speaks_of` with Friday's date. It goes with its
turn: a filter and a model's SQL read it, an export has it, and forgetting removes it.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date

from memory.records import CORRECTIONS, Turn
from memory.store.database import Connection, HasConnections
from memory.store.turns.minted_names import SPEAKS_OF
from memory.store.turns.tags import insert_tags, tagged_turns
from memory.text.dates import LONGEST_TOLD, add_days, told_days
from memory.text.speakers import is_by_assistant
from memory.text.tag_texts import tag_texts
from memory.vocabulary.templates import supposes
from memory.vocabulary.templates.parts import own_lines

Days = tuple[date, date]  # the first and the last

MOST_TURNS = 200  # that speak of the days of one question
_MOST_DAYS, _LONGEST = 16, 20_000  # days of a turn, and characters that are read
_SENTENCE_END = re.compile(r"[.!?]\s")


def with_days(turns: Sequence[Turn]) -> Sequence[Turn]:
    """New turns with the days that they speak of, as their relative dates are shown.

    Only people's messages have some: assistants give advice, examples and drafts, and documents
    count from another day (decision 202).
    """
    return [_with_days(turn) for turn in turns]


def _with_days(turn: Turn) -> Turn:
    tags = {key: value for key, value in turn.tags.items() if key != SPEAKS_OF}
    if days := _days_of(turn):
        return replace(turn, tags=tags | {SPEAKS_OF: [*map(_written, days)]})
    return turn if len(tags) == len(turn.tags) else replace(turn, tags=tags)


def _days_of(turn: Turn) -> list[Days]:
    if turn.kind != "message" or turn.session == CORRECTIONS or is_by_assistant(turn):
        return []
    days = [
        span
        for line, is_own in own_lines(turn.text[:_LONGEST])
        if is_own
        for span in told_days(line, turn.said_at, _tells)
    ]
    return [*dict.fromkeys(days)][:_MOST_DAYS]


def is_told(before: str) -> bool:
    """Whether the date after some words is real: "Imagine we moved yesterday" has none."""
    *_, sentence = _SENTENCE_END.split(before)
    return not supposes(sentence)


def _tells(before: str, after: str) -> bool:
    """Whether a text states the date between `before` and `after`, and does not ask for it.

    "Can you remind me of the dentist tomorrow?" asks someone to act, and tells of it.
    """
    if not is_told(before):
        return False
    end = _SENTENCE_END.search(f"{after} ")
    if end is None or not end[0].startswith("?"):
        return True
    *_, begun = _SENTENCE_END.split(before)
    return " you " in f" {begun}{after[: end.start()]} ".lower()


def days_of_turn(turn: Turn) -> list[Days]:
    """The days that a stored turn speaks of, in order."""
    return sorted(_read(tag_texts(turn.tags.get(SPEAKS_OF, ()), SPEAKS_OF)))


def meets(days: Days, spans: Sequence[Days]) -> bool:
    """Whether some days have one in common with any of these."""
    return any(first <= days[1] and days[0] <= last for first, last in spans)


def turns_speaking_of(conn: Connection, days: Sequence[Days]) -> list[int]:
    """The turns that speak of any of these days, the newest first, at most MOST_TURNS."""
    turn_ids: set[int] = set()
    for first, last in days:
        rows = conn.run(
            "turns_with_tag_between",
            key=SPEAKS_OF,
            # A span that began before may reach into these days.
            first=add_days(first, -LONGEST_TOLD).isoformat(),
            last=add_days(last, 1).isoformat(),
        )
        turn_ids |= {
            turn_id
            for turn_id, value in rows
            if any(meets(days_told, [(first, last)]) for days_told in _read([value]))
        }
    return sorted(turn_ids, reverse=True)[:MOST_TURNS]


def record_days(store: HasConnections, turns: Sequence[Turn]) -> None:
    """Store the days of turns that an older version added; nothing twice."""
    without = [turn for turn in turns if SPEAKS_OF not in turn.tags]
    new = [
        replace(turn, tags={SPEAKS_OF: turn.tags[SPEAKS_OF]})
        for turn in with_days(without)
        if SPEAKS_OF in turn.tags
    ]
    if new:
        with store.transaction() as conn:
            # Another process may have stored them, or have forgotten the turns.
            stored = tagged_turns(conn, [turn.id for turn in new])
            lacking = {turn.id for turn in stored if SPEAKS_OF not in turn.tags}
            insert_tags(conn, [turn for turn in new if turn.id in lacking])


def _written(days: Days) -> str:
    first, last = (day.isoformat() for day in days)
    return first if first == last else f"{first}/{last}"


def _read(texts: Iterable[str]) -> Iterator[Days]:
    """The days of tags; a tag of another form, as an older version's may be, has none."""
    for text in texts:
        first, _, last = text.partition("/")
        with suppress(ValueError):
            yield date.fromisoformat(first), date.fromisoformat(last or first)
