"""Adds members to a JSON text, and takes them out again; every other byte stays the same.

The inserted text is recorded, so that removing it restores the rest, whatever else has changed.
"""

import json
from collections.abc import Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]

_SPACE = " \t\r\n"
Insertion = tuple[int, str]  # where, and what
_decoder = json.JSONDecoder()


def members(text: str, start: int) -> dict[str, tuple[int, int]]:
    """Where the values of the object at `start` are: name -> (first, end).

    Raises ValueError if there is no object.
    """
    spans = {}
    position = _after_space(text, start)
    if text[position : position + 1] != "{":
        raise ValueError("not an object")
    position = _after_space(text, position + 1)
    while text[position : position + 1] == '"':
        name, position = scanstring(text, position + 1)
        position = _after_space(text, position)
        if text[position : position + 1] != ":":
            raise ValueError("a colon is missing")
        first = _after_space(text, position + 1)
        _, end = _decoder.raw_decode(text, first)
        spans[name] = (first, end)
        position = _after_space(text, end)
        if text[position : position + 1] == ",":
            position = _after_space(text, position + 1)
    return spans


def with_list_item(text: str, names: tuple[str, str], item: object) -> tuple[str, Insertion]:
    """A JSON text with an item first in the list `names[0].names[1]`, and what was inserted.

    Missing lists and objects are created. Raises ValueError for a text of another shape.
    """
    first, second = names
    outer = members(text, 0)
    if first not in outer:
        return _with_first(text, text.index("{"), f'"{first}": {_lines({second: [item]}, 1)}', 1)
    start, _ = outer[first]
    inner = members(text, start)
    if second not in inner:
        return _with_first(text, start, f'"{second}": {_lines([item], 2)}', 2)
    start, _ = inner[second]
    if text[start] != "[":
        raise ValueError(f"{second} is not a list")
    return _with_first(text, start, _lines(item, 3), 3)


def _with_first(text: str, opening: int, member: str, depth: int) -> tuple[str, Insertion]:
    """The text with a member after the bracket at `opening`."""
    rest = text[_after_space(text, opening + 1) :]
    is_empty = rest[:1] in "]}"
    new_line = "\r\n" if "\r\n" in text else "\n"
    inserted = f"\n{'  ' * depth}{member}"
    if not is_empty:
        inserted += ","
    elif text[opening + 1 : opening + 2] in "]}":
        inserted += f"\n{'  ' * (depth - 1)}"
    inserted = inserted.replace("\n", new_line)
    changed = text[: opening + 1] + inserted + text[opening + 1 :]
    return changed, (opening + 1, inserted)


def without(text: str, insertions: Sequence[Insertion]) -> str | None:
    """The text without what was inserted, the last insertion first; None if one is changed.

    If the text before it changed, an insertion is found by its words, provided they occur only
    once.
    """
    for start, inserted in reversed(insertions):
        if not text.startswith(inserted, start):
            if text.count(inserted) != 1:
                return None
            start = text.index(inserted)
        text = text[:start] + text[start + len(inserted) :]
    return text


def _lines(value: object, depth: int) -> str:
    return json.dumps(value, indent=2).replace("\n", "\n" + "  " * depth)


def _after_space(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position
