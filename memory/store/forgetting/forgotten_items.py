"""Tombstones: sources of forgotten turns, so that feeding the same source again stores nothing.

A transcript or an export stays where it is when its turns are forgotten here. Of each forgotten
turn with a source a hash of the source is kept, in a settings row for each `forget`. Where a source
is made of the text (a chat without ids), somebody who holds the file can check a guess of the whole
message, with its date and its speaker; nothing else can be read from it.
"""

import hashlib
from collections.abc import Iterable, Sequence

from memory.records import Setting, Turn

FORGOTTEN_ITEMS = "forgotten items"  # no setting of a person has a space


def item_hashes(turns: Iterable[Turn]) -> list[str]:
    """The hashes of those turns that have a source."""
    return sorted({_hash(turn) for turn in turns if turn.source})


def without_forgotten(turns: Sequence[Turn], settings: Iterable[Setting]) -> list[Turn]:
    """The turns that were not forgotten, by the rows of the setting FORGOTTEN_ITEMS."""
    forgotten = {digest for setting in settings for digest in setting.value}
    if not forgotten:
        return list(turns)
    return [turn for turn in turns if not (turn.source and _hash(turn) in forgotten)]


def _hash(turn: Turn) -> str:
    return hashlib.sha256(turn.source.encode("utf-8", "surrogatepass")).hexdigest()[:32]
