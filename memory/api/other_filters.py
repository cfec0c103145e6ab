"""Filters as mem0 writes them, as ours: ids of users and sessions, our own keys, and tags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

_OWN = ("speaker", "session", "kind", "source", "since", "until")
_SESSIONS = ("run_id", "session_id", "thread_id")
_JOINED = ("OR", "NOT", "*", "$and", "$or", "$not")
_OF_OTHERS = ("categories", "keywords", "created_at", "updated_at", "memory_ids", "feedback")


@dataclass
class OwnFilters:
    """Another library's filters in our words, and the refused parts, with what to write instead.

    `values` is a filter as `read_filter` takes it; `ids` has the user that it names.
    """

    values: dict[str, Any] = field(default_factory=dict)
    ids: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def own_filters(filters: Sequence[Mapping[str, Any]]) -> OwnFilters:
    """Read filters of which all hold. Raises nothing: see `refused`."""
    result = OwnFilters()
    _read(filters, result)
    return result


def _read(filters: Any, result: OwnFilters) -> None:
    for part in filters if isinstance(filters, (list, tuple)) else [filters]:
        if not isinstance(part, Mapping):
            result.refused.append(f"a filter is an object, not {part!r:.60}")
            continue
        for key, value in part.items():
            if key == "AND":
                _read(value, result)
            elif value is not None or key == "user_id":  # None is no condition
                _read_condition(str(key), value, result)


def _read_condition(key: str, value: Any, result: OwnFilters) -> None:
    if key == "user_id":
        _put_user(value, result)
    elif key in ("tags", "metadata") and isinstance(value, Mapping):
        for name, condition in value.items():
            _put(result, result.values.setdefault("tags", {}), str(name), condition)
    elif key in ("tags", "metadata"):
        result.refused.append(f"filters[{key!r}] is an object of keys and values")
    elif key in _SESSIONS:
        _put(result, result.values, "session", value)
    elif key in _OWN:
        _put(result, result.values, key, value)
    elif key in _JOINED:
        result.refused.append(
            f"filters have no {key!r}; a filter is one object whose conditions all hold: a list is"
            ' any of its values, {"not": [...]} none, and for either of two conditions search twice'
        )
    elif key in _OF_OTHERS:
        result.refused.append(
            f"filters have no {key!r}; leave it out, or tag your turns:"
            f' metadata={{"category": "hobby"}} in add, filters={{"category": "hobby"}} here; days'
            ' are {"since": "2026-01-01", "until": "2026-12-31"}'
        )
    elif near := get_close_matches(key, _OWN, n=1, cutoff=0.8):
        result.refused.append(f"filters have no {key!r}; write {near[0]!r}")
    else:
        _put(result, result.values.setdefault("tags", {}), key, value)


def _put_user(value: Any, result: OwnFilters) -> None:
    if isinstance(value, (Mapping, list, tuple)):
        result.refused.append(
            "a search is of one user; write user_id=user_id, or for several"
            " Memory.over([user_id, ...]).search(query)"
        )
    else:
        _put(result, result.ids, "user_id", value)


def _put(result: OwnFilters, values: dict[str, Any], key: str, value: Any) -> None:
    if values.setdefault(key, value) != value:
        result.refused.append(f"filters have two values for {key!r}; search twice, once for each")
