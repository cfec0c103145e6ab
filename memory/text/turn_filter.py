"""Which turns a search may find: by speaker, session, kind, source, date and tags.

Every door reads a filter with `read_filter`: Python, SQL, tools, MCP, the JSON API, commands and
the page. In tags, of turns and of filters, numbers are one kind with their texts (`tag_texts`).
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any, Literal, get_args

from memory.errors import InputError
from memory.records import Kind, Turn
from memory.text.dates import is_iso_date

FILTER_EXAMPLE = '{"speaker": "Anna", "since": "2017-05", "tags": {"project": "move"}}'


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


@dataclass(frozen=True)
class TurnFilter:
    """What a turn must have to pass. An empty field lets every turn pass.

    A turn passes `speaker`, `session`, `kind` and `source` with any of their texts. `since` and
    `until` are ISO dates as exact as you like (2017, 2017-05, 2017-05-08), both inclusive: a turn
    passes if its date can lie between them, and never without a date. `tags` are (key, values): a
    turn needs one of the values for every key. `compared` are (key, operator, operand): it needs a
    value for which this is true; `without_tags` are (key, values) that it must not have.
    """

    speaker: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    tags: tuple[tuple[str, tuple[str, ...]], ...] = ()
    compared: tuple[tuple[str, "Operator", str | float], ...] = ()
    without_tags: tuple[tuple[str, tuple[str, ...]], ...] = ()


# In a tag's condition: {"tags": {"priority": {"gte": 2}, "topic": {"not": ["sport"]}}}.
Operator = Literal["gt", "gte", "lt", "lte", "contains"]
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {"gt": gt, "gte": ge, "lt": lt, "lte": le}
_OPERATORS = (*_COMPARISONS, "contains", "in", "not")

_KEYS = ("speaker", "session", "kind", "source", "since", "until", "tags")
_DATES = ("since", "until")


def read_filter(given: TurnFilter | Mapping[str, Any] | str | None) -> TurnFilter | None:
    """A filter from an object such as FILTER_EXAMPLE, or from its JSON text.

    Each value is a text or a list of texts, `since` and `until` are one date each, and `tags` maps
    keys to such values; in Python a date may be a `date`. Returns None if every turn passes:
    without a filter, and for an empty one. Raises InputError for an unknown key and for any other
    value.
    """
    if isinstance(given, str):
        given = _object(given)
    if given is None or isinstance(given, TurnFilter):
        return None if given == TurnFilter() else given
    if not isinstance(given, Mapping):
        raise InputError(f"a filter is an object such as {FILTER_EXAMPLE}, not {given!r:.60}")
    values = {key: value for key, value in given.items() if value is not None}
    for key in values:
        if key not in _KEYS:
            raise InputError(
                f"unknown filter {key!r:.60}; there are {', '.join(_KEYS)};"
                f' a tag is {{"tags": {{"{key:.60}": ...}}}}'
            )
    read: dict[str, Any] = {
        key: (_date if key in _DATES else _texts)(key, value)
        for key, value in values.items()
        if key != "tags"
    }
    turn_filter = TurnFilter(**read, **_tags(values.get("tags", {})))
    kinds = get_args(Kind)
    for kind in turn_filter.kind:
        if kind not in kinds:
            raise InputError(f"the filter kind {kind!r:.60} is not {', '.join(kinds)}")
    return None if turn_filter == TurnFilter() else turn_filter


def passes(turn: Turn, wanted: TurnFilter) -> bool:
    """Whether a turn passes a filter, as a search decides with its index."""

    def values_of(key: str) -> Sequence[str]:
        return texts_of(turn.tags.get(key, ()))

    columns = (
        (turn.speaker, wanted.speaker),
        (turn.session, wanted.session),
        (turn.kind, wanted.kind),
        (turn.source, wanted.source),
    )
    return (
        all(not texts or text in texts for text, texts in columns)
        and _can_lie_between(turn.said_at, wanted.since, wanted.until)
        and all({*values} & {*values_of(key)} for key, values in wanted.tags)
        and all(
            any(is_true(value, operator, operand) for value in values_of(key))
            for key, operator, operand in wanted.compared
        )
        and not any({*values} & {*values_of(key)} for key, values in wanted.without_tags)
    )


def _can_lie_between(said_at: str, since: str, until: str) -> bool:
    """Whether a date as exact as known can lie between two; "" is no bound."""
    if not since and not until:
        return True
    day = said_at[:10]
    from_since, to_until = day[: len(since)], day[: len(until)]
    return (
        is_iso_date(day)
        and from_since >= since[: len(day)]
        and (not until or to_until <= until[: len(day)])
    )


def texts_of(value: str | Sequence[str]) -> Sequence[str]:
    """The values of a tag, given as one text or as several."""
    return [value] if isinstance(value, str) else value


def tags_of_pairs(pairs: Iterable[str]) -> dict[str, list[str]]:
    """Tags from pairs such as `project=move`. Raises InputError for anything but a pair."""
    tags: dict[str, list[str]] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        if not key or not value:
            raise InputError(f"{pair!r:.60} is no tag; write project=move")
        tags.setdefault(key, []).append(value)
    return tags


def filter_of_pairs(pairs: Iterable[str]) -> TurnFilter | None:
    """A filter from pairs such as `speaker=Anna` and `tags.project=move`, as commands have them.

    Equal keys let any of their values pass. Raises InputError as `read_filter` does.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"{pair!r:.60} is no filter; write speaker=Anna or tags.project=move")
        if key.startswith("tags."):
            values.setdefault("tags", {}).setdefault(key.removeprefix("tags."), []).append(value)
        elif key == "tags":
            raise InputError(f"{pair!r:.60} names no tag; write tags.project=move")
        elif key in _DATES and key not in values:
            values[key] = value
        elif key in _DATES:
            raise InputError(f"the filter {key} is given twice")
        else:
            values.setdefault(key, []).append(value)
    return read_filter(values)


def _object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InputError(f"a filter is JSON such as {FILTER_EXAMPLE}, not {text!r:.60}")
    return value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    """The texts of a value, each once and in order, so that equal filters are equal."""
    texts = [value] if isinstance(value, str) else value
    is_list = isinstance(texts, (list, tuple, set, frozenset))
    if not is_list or not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(f"the filter {name} is a text or a list of texts, not {value!r:.60}")
    return tuple(sorted(set(texts)))


def _date(name: str, value: Any) -> str:
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()[:10]
    if not isinstance(value, str) or not is_iso_date(value):
        raise InputError(
            f"the filter {name} is a date as in 2017-05-08, 2017-05 or 2017, not {value!r:.60}"
        )
    return value


def _tags(tags: Any) -> dict[str, Any]:
    """The parts of a filter that are about tags."""
    if not isinstance(tags, Mapping) or not all(isinstance(key, str) for key in tags):
        raise InputError(f"the filter tags is an object of keys and values, not {tags!r:.60}")
    wanted: list[tuple[str, tuple[str, ...]]] = []
    compared: list[tuple[str, Any, str | float]] = []
    without: list[tuple[str, tuple[str, ...]]] = []
    for key, value in sorted(tags.items()):
        label = f"the filter tags.{key:.60}"
        for operator, operand in (value if isinstance(value, Mapping) else {"in": value}).items():
            if operator in ("in", "not"):
                texts = tuple(sorted({*tag_texts(operand, label)}))
                if not texts:
                    raise InputError(f"{label} has no value")
                (wanted if operator == "in" else without).append((key, texts))
            elif operator in _OPERATORS and isinstance(operand, (str, int, float)):
                compared.append((key, operator, operand))
            else:
                raise InputError(
                    f"{label} has no {operator!r:.60} with {operand!r:.60}; write a value, a list"
                    f" of values, or an object of {', '.join(_OPERATORS)}"
                )
    return {"tags": tuple(wanted), "compared": tuple(compared), "without_tags": tuple(without)}


def is_true(value: str, operator: str, operand: str | float) -> bool:
    """Whether a comparison of a tag's value is true; with a number, only that of a number is."""
    if operator == "contains":
        return tag_texts(operand, "")[0].casefold() in value.casefold()
    if isinstance(operand, str):
        return _COMPARISONS[operator](value, operand)
    try:
        return _COMPARISONS[operator](float(value), operand)
    except ValueError:
        return False
