"""What may become a turn, whatever the database."""

from dataclasses import replace
from typing import get_args

from memory.errors import InputError
from memory.model import Kind, Turn

MAX_TURN_CHARACTERS = 4_000_000


def acceptable(turn: Turn, number: int) -> Turn:
    """The turn as a database can hold it: NUL and lone surrogates become U+FFFD.

    `number` is its place among those given, from 1, for the message. A date that is not ISO text
    is kept as said. Raises InputError for a turn without text or speaker, of an unknown kind, or
    too long.
    """

    def text(value: str) -> str:
        value = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    if not turn.text.strip():
        raise InputError(f"turn {number} ({turn.speaker or 'no speaker'}) has no text")
    if not turn.speaker.strip():
        raise InputError(f"turn {number} has no speaker")
    if turn.kind not in get_args(Kind):
        raise InputError(f"turn {number}: kind {turn.kind!r} is not message, document or tool")
    if len(turn.text) > MAX_TURN_CHARACTERS:
        raise InputError(
            f"turn {number} has {len(turn.text):,} characters; split it, at most"
            f" {MAX_TURN_CHARACTERS:,} fit one turn"
        )
    return replace(
        turn,
        speaker=text(turn.speaker),
        text=text(turn.text),
        session=text(turn.session),
        said_at=text(turn.said_at),
        source=text(turn.source),
    )
