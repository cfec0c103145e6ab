"""Filters as mem0 and Chroma write them, as ours: ids of users and sessions, operators, AND, OR."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

_OWN = ("speaker", "session", "kind", "source", "since", "until", "tags")
_SESSIONS = ("run_id", "session_id", "thread_id")
_DATES = ("created_at", "timestamp", "event_date")
_OF_OTHERS = ("categories", "keywords", "updated_at", "memory_ids", "feedback")
_ALL = "*"  # any value
# An operator of a tag's condition -> ours.
_OPERATORS = {
    **{name: name for name in ("in", "gt", "gte", "lt", "lte", "contains")},
    "eq": "in",
    "ne": "not",
    "nin": "not",
    "icontains": "contains",
}
_DOLLARS = {
    **{f"${name.lower()}": name for name in ("AND", "OR", "NOT")},
    **{f"${name}": name for name in _OPERATORS},
}
_BOUNDS = {"gte": "since", "lte": "until"}


@dataclass
class OwnFilters:
    """Another library's filters in our words, and the refused parts, with what to write instead.

    `values` is a filter as `read_filter` takes it; `user_id` the user that it names.
    """

    values: dict[str, Any] = field(default_factory=dict)
    ids: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def own_filters(filters: Mapping[str, Any]) -> OwnFilters:
    """Read a filter of ours or of mem0's. Raises nothing: see `refused`."""
    result = OwnFilters()
    _read(_without_dollars(filters), result)
    return result


def _without_dollars(value: Any) -> Any:
    """A filter with Chroma's operators, "$and" and "$eq", in mem0's spelling."""
    if isinstance(value, Mapping):
        return {_DOLLARS.get(key, key): _without_dollars(part) for key, part in value.items()}
    return [*map(_without_dollars, value)] if isinstance(value, list) else value


def _read(filters: Any, result: OwnFilters) -> None:
    if not isinstance(filters, Mapping):
        result.refused.append(f"a filter is an object, not {filters!r:.60}")
        return
    for key, value in filters.items():
        if key == "AND":
            for part in _listed(value):
                _read(part, result)
        elif key == "OR":
            _read_any(_listed(value), result)
        elif key == "NOT":
            for part in _listed(value):
                _read_none(part, result)
        else:
            _read_condition(str(key), value, result)


def _read_condition(key: str, value: Any, result: OwnFilters) -> None:
    if value is None and key != "user_id":
        return  # no condition
    if key == "tags" or key == "metadata":
        for name, condition in value.items() if isinstance(value, Mapping) else ():
            _put_tag(str(name), condition, result)
        if not isinstance(value, Mapping):
            result.refused.append(f"filters[{key!r}] is an object of keys and values")
    elif key == "user_id":
        _put_user(value, result)
    elif key == _ALL or (value == _ALL and key in _SESSIONS):
        pass  # any value
    elif key in _SESSIONS:
        _put_session(key, value, result)
    elif key in _OWN:
        _put(result, key, value)
    elif key in _DATES:
        _put_dates(key, value, result)
    elif key in _OF_OTHERS:
        result.refused.append(
            f"filters have no {key!r}; leave it out, or tag your turns:"
            f' metadata={{"category": "hobby"}} in add, filters={{"category": "hobby"}} here'
        )
    elif near := get_close_matches(key, _OWN, n=1, cutoff=0.8):
        result.refused.append(f"filters have no {key!r}; write {near[0]!r}")
    else:
        _put_tag(key, value, result)


def _put_session(key: str, value: Any, result: OwnFilters) -> None:
    if isinstance(value, Mapping):
        if len(value) != 1 or not {*value} <= {"in", "eq"}:
            result.refused.append(
                f'filters have no condition of {key!r}; write {{"session": [...]}}'
            )
            return
        [value] = value.values()
    _put(result, "session", value)


def _put_user(value: Any, result: OwnFilters) -> None:
    if isinstance(value, Mapping) and len(value) == 1 and {*value} <= {"in", "eq"}:
        [value] = value.values()
    if isinstance(value, (list, tuple)) and len(value) == 1:
        [value] = value
    if isinstance(value, (list, tuple)):
        result.refused.append(f"a search is of one user; write {_over([*value])}")
    elif isinstance(value, Mapping):
        result.refused.append("filters have no condition of 'user_id'; write user_id=user_id")
    elif value == _ALL:
        result.refused.append(
            "a search is of one user; write Memory.over(namespaces.names()).search(query):"
            " `from memory.store import namespaces`"
        )
    elif result.ids.setdefault("user_id", value) != value:
        result.refused.append(f"filters name two users, {result.ids['user_id']!r} and {value!r}")


def _over(users: Sequence[Any]) -> str:
    return f"Memory.over({[*map(str, users)]}).search(query)"


def _put_dates(key: str, value: Any, result: OwnFilters) -> None:
    conditions = value if isinstance(value, Mapping) else {"gte": value, "lte": value}
    for operator, day in conditions.items():
        if operator in _BOUNDS:
            _put(result, _BOUNDS[operator], _day(day))
        else:
            result.refused.append(
                f"filters have no {operator!r} of {key!r}; write"
                ' {"since": "2026-01-01", "until": "2026-12-31"}, which both include their day'
            )


def _day(value: Any) -> Any:
    """A moment's day; a midnight, as programs write it, is that day."""
    is_midnight = isinstance(value, str) and value[10:].lstrip("T ").startswith("00:00")
    return value[:10] if is_midnight else value


def _put_tag(key: str, value: Any, result: OwnFilters) -> None:
    condition: dict[str, Any] = {}
    if value == _ALL:
        condition = {"contains": ""}
    elif isinstance(value, Mapping):
        for operator, operand in value.items():
            ours = _OPERATORS.get(operator) or ("not" if operator == "not" else "")
            if ours:
                condition[ours] = operand
            else:
                result.refused.append(
                    f"filters have no {operator!r}; there are gt, gte, lt, lte, contains, in, not"
                )
    else:
        condition = {"in": value}
    tags = result.values.setdefault("tags", {})
    before = tags.setdefault(key, {})
    for operator, operand in condition.items():
        if before.setdefault(operator, operand) != operand:
            result.refused.append(
                f"filters have two values for {key!r}; one filter asks for any of several:"
                f' {{"{key}": [...]}}'
            )


def _put(result: OwnFilters, key: str, value: Any) -> None:
    if result.values.setdefault(key, value) != value:
        result.refused.append(f"filters have two values for {key!r}; search twice, once for each")


def _read_any(parts: Iterable[Any], result: OwnFilters) -> None:
    """OR: any of several values of one key."""
    pairs = [[*part.items()] if isinstance(part, Mapping) else [] for part in parts]
    keys = {key for items in pairs for key, _ in items}
    values = [value for items in pairs for _, value in items]
    is_plain = not any(isinstance(value, (Mapping, list)) for value in values)
    if keys == {"user_id"} and is_plain:
        result.refused.append(f"a search is of one user; write {_over(values)}")
    elif len(keys) == 1 and is_plain and all(len(items) == 1 for items in pairs):
        _read_condition(keys.pop(), values, result)
    else:
        result.refused.append("filters have OR of one key only; search twice, once for each")


def _read_none(part: Any, result: OwnFilters) -> None:
    """NOT: excludes some values of a tag."""
    for key, value in part.items() if isinstance(part, Mapping) else [("NOT", part)]:
        is_tag = key not in (*_OWN, *_SESSIONS, *_DATES, *_OF_OTHERS, "user_id", "AND", "OR", "NOT")
        if is_tag and not isinstance(value, Mapping):
            excluded = result.values.setdefault("tags", {}).setdefault(key, {})
            excluded["not"] = [*_values(excluded.get("not", [])), *_values(value)]
        else:
            result.refused.append(
                f"filters have NOT of tags only, not of {key!r}; write"
                " [hit for hit in memory.search(query, 50, user_id=user_id) if hit.speaker != name]"
            )


def _values(value: Any) -> list[Any]:
    return [*value] if isinstance(value, (list, tuple, set)) else [value]


def _listed(value: Any) -> Iterator[Any]:
    yield from value if isinstance(value, (list, tuple)) else [value]
