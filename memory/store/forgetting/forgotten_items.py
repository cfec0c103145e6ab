"""Tombstones: sources of forgotten turns, so that feeding the same source again stores nothing.

A transcript or an export stays where it is when its turns are forgotten here. For each forgotten
turn with a source the memory keeps a mark of the source, in a settings row for each `forget`. Some
sources are made of the text (a chat without ids), so the mark is made with a key of this machine
(memory/system/home.py) or of the Postgres server: the file alone does not answer a guess. Where the
key is unknown, as on another machine, a mark is of no use, and the source can be imported again.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence

from memory.records import Turn
from memory.store.configuration.settings import setting_history
from memory.store.database import HasConnections

FORGOTTEN_ITEMS = "forgotten items"  # no setting of a person has a space
_DIGITS = 32  # of a hash that is kept
_DIGITS_OF_KEY = 8  # that say which key made a mark


def item_marks(turns: Iterable[Turn], key: bytes | None) -> list[str]:
    """The marks of the turns that have a source; without a key their hashes."""
    hashes = {_hash(turn) for turn in turns if turn.source}
    return sorted(_marked(digest, key) if key else digest for digest in hashes)


def with_key(marks: Iterable[str], key: bytes) -> list[str]:
    """Marks, some made without a key, in the form that `key` gives them."""
    return sorted(mark if ":" in mark else _marked(mark, key) for mark in marks)


def without_forgotten(store: HasConnections, turns: Sequence[Turn]) -> list[Turn]:
    """The turns that were not forgotten in a memory, as far as this machine knows the key."""
    with store.reading() as conn:
        settings = setting_history(conn, FORGOTTEN_ITEMS)
        keys = conn.item_keys() if settings else []
    forgotten = {mark for setting in settings for mark in setting.value}
    used = [key for key in keys if any(mark.startswith(f"{_name(key)}:") for mark in forgotten)]

    def is_forgotten(turn: Turn) -> bool:
        digest = _hash(turn)
        return digest in forgotten or any(_marked(digest, key) in forgotten for key in used)

    if not forgotten:
        return list(turns)
    return [turn for turn in turns if not (turn.source and is_forgotten(turn))]


def _hash(turn: Turn) -> str:
    return _digest(turn.source)


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def _marked(digest: str, key: bytes) -> str:
    mark = hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()[:_DIGITS]
    return f"{_name(key)}:{mark}"


def _name(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:_DIGITS_OF_KEY]
