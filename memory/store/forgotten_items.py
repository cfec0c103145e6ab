"""Items of agents' transcripts whose turns were forgotten: reading them again stores nothing.

A transcript stays where the agent wrote it. Of a forgotten item only a hash of its id is kept, in a
settings row for each `forget`. The ids are random, or hold the moment to the millisecond and the
session's random name, so the hash cannot be guessed from words.
"""

import hashlib
from collections.abc import Iterable, Sequence

from memory.records import Setting, Turn
from memory.tool_uses import AGENT_TAG

FORGOTTEN_ITEMS = "forgotten items"  # no setting of a person has a space


def item_hashes(turns: Iterable[Turn]) -> list[str]:
    """The hashes of those turns that came from an agent's transcript."""
    return sorted({_hash(turn) for turn in turns if _is_item(turn)})


def without_forgotten(turns: Sequence[Turn], settings: Iterable[Setting]) -> list[Turn]:
    """The turns that were not forgotten, by the rows of the setting FORGOTTEN_ITEMS."""
    forgotten = {digest for setting in settings for digest in setting.value}
    return [turn for turn in turns if not (_is_item(turn) and _hash(turn) in forgotten)]


def _is_item(turn: Turn) -> bool:
    return bool(turn.source) and AGENT_TAG in turn.tags


def _hash(turn: Turn) -> str:
    return hashlib.sha256(turn.source.encode("utf-8", "surrogatepass")).hexdigest()[:32]
