"""Which turns a search may find: by speaker, session, kind, source, date and tags.

Every door reads a filter with `read_filter`: Python, SQL, tools, MCP, the JSON API, commands and
the page.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, get_args

from memory.errors import InputError
from memory.records import Kind, Turn
from memory.text.dates import is_iso_date

FILTER_EXAMPLE = '{"speaker": "Anna", "since": "2017-05", "tags": {"project": "move"}}'


@dataclass(frozen=True)
class TurnFilter:
    """What a turn must have to pass. An empty field lets every turn pass.

    A turn passes `speaker`, `session`, `kind` and `source` with any of their texts. `since` and
    `until` are ISO dates as exact as wanted (2017, 2017-05, 2017-05-08), both inclusive: a turn
    passes if its date can lie between them, and never without a date. `tags` are (key, values): a
    turn needs one of the values for every key.
    """

    speaker: tuple[str, ...] = ()
    session: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    tags: tuple[tuple[str, tuple[str, ...]], ...] = ()


_KEYS = tuple(field.name for field in fields(TurnFilter))
_DATES = ("since", "until")


def read_filter(given: TurnFilter | Mapping[str, Any] | str | None) -> TurnFilter | None:
    """A filter from an object such as FILTER_EXAMPLE, or from its JSON text.

    Each value is a text or a list of texts, `since` and `until` are one date each, and `tags` maps
    keys to such values; in Python a date may be a `date`. Returns None where every turn passes:
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
        key: (_date if key in _DATES else _tags if key == "tags" else _texts)(key, value)
        for key, value in values.items()
    }
    turn_filter = TurnFilter(**read)
    kinds = get_args(Kind)
    for kind in turn_filter.kind:
        if kind not in kinds:
            raise InputError(f"the filter kind {kind!r:.60} is not {', '.join(kinds)}")
    return None if turn_filter == TurnFilter() else turn_filter


def passes(turn: Turn, wanted: TurnFilter) -> bool:
    """Whether a turn passes a filter, as a search decides with its index."""
    columns = (
        (turn.speaker, wanted.speaker),
        (turn.session, wanted.session),
        (turn.kind, wanted.kind),
        (turn.source, wanted.source),
    )
    return (
        all(not texts or text in texts for text, texts in columns)
        and _can_lie_between(turn.said_at, wanted.since, wanted.until)
        and all({*values} & {*texts_of(turn.tags.get(key, ()))} for key, values in wanted.tags)
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
    """Tags from pairs such as `project=move`. Raises InputError for what is no pair."""
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


def _tags(name: str, value: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(f"the filter {name} is an object of keys and values, not {value!r:.60}")
    return tuple(sorted((key, _texts(f"{name}.{key:.60}", value[key])) for key in value))
