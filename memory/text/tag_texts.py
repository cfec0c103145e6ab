"""The values of tags as texts: in turns and in filters, numbers are one kind with their texts."""

from collections.abc import Iterable
from math import isfinite
from typing import Any

from memory.errors import InputError


def tag_texts(value: Any, label: str) -> list[str]:
    """The texts of a tag's value, or of several: 3 and 3.0 are "3", True is "true".

    Raises InputError, which begins with `label`, for anything else.
    """
    is_several = isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict))
    return [_text(item, label) for item in (value if is_several else [value])]


def _text(value: Any, label: str) -> str:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float) and isfinite(value):
        return str(int(value)) if value.is_integer() else repr(float(value))
    raise InputError(
        f"{label} is a text or a number, or a list of them, not {value!r:.60}; write anything else"
        " as JSON text: json.dumps(value)"
    )
