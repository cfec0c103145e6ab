"""JSON of strangers, decoded in memory in proportion to its length.

A value takes up to a hundred times its characters: three million keys in 40 MB took 4 GB.
"""

import json
from typing import Any

from memory.errors import InputError

MOST_MEMBERS = 100_000  # of one object
MOST_MARKS = 2_000_000  # brackets and keys of one value
_FEW = 1_000_000  # characters that are too few for many marks


def raw_decoded(text: str, start: int = 0) -> tuple[Any, int]:
    """The JSON value that begins at `start`, and where it ends. Raises ValueError if it is none.

    Raises InputError for an object with more than MOST_MEMBERS members.
    """
    return _decoder.raw_decode(text, start)


def decoded(text: str | bytes, name: str) -> Any:
    """The value of a JSON text. Raises ValueError for no JSON, and InputError for a too large one.

    `name` says in an error what the text is.
    """
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text))
    refuse_many_marks(text, name)
    return _decoder.decode(text)


def refuse_many_marks(text: str, name: str, start: int = 0) -> None:
    """Raises InputError if the text from `start` on has brackets and keys for too many values."""
    if len(text) - start < _FEW:
        return
    keys = text.count('":', start) - text.count('\\":', start)
    if keys + text.count("[", start) + text.count("{", start) > MOST_MARKS:
        raise InputError(
            f"{name}: a JSON value with more than {MOST_MARKS:,} lists, objects and members;"
            " split it"
        )


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(members) > MOST_MEMBERS:
        raise InputError(f"a JSON object with more than {MOST_MEMBERS:,} members; split it")
    return dict(members)


_decoder = json.JSONDecoder(object_pairs_hook=_object)
