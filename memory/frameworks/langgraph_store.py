"""LangGraph's `BaseStore`: items of agents in a memory, found by its ranking.

A put item is a turn of kind "document"; a new value of it is another turn and hides the one before,
so that `memory` shows how it was. A deleted item is hidden; `memory forget` removes it.
"""

import json
import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)

from memory.errors import InputError
from memory.frameworks.store_thread import HIDDEN, StoreThread, hide
from memory.records import Turn
from memory.store import Store
from memory.store.turn_reads import visible_turns
from memory.store.turn_validation import local_now, session_label
from memory.text.characters import label

_BY = "langgraph"
_SESSION = "langgraph "  # before the namespace, as JSON
_UNSEARCHED = "langgraph unsearched"  # the tag of an item that no query finds
_MOST_HITS = 200
_COMPARED: Mapping[str, Callable[[Any, Any], Any]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
    "$in": lambda value, among: value in among,
    "$nin": lambda value, among: value not in among,
}


class MemoryStore(BaseStore):
    """A store for `graph.compile(store=...)`, in a memory.

    Arguments:
        location: the memory's name, path or address.
    """

    supports_ttl = False

    def __init__(self, location: str | Path) -> None:
        self._thread = StoreThread(location)

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations in order; the memory's errors are from `memory.errors`."""
        listed = list(ops)
        return self._thread.call(lambda store: [_carry_out(store, op) for op in listed])

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations in their order, without holding up the event loop."""
        listed = list(ops)
        return await self._thread.acall(lambda store: [_carry_out(store, op) for op in listed])

    def close(self) -> None:
        """Close the memory."""
        self._thread.close()


def _carry_out(store: Store, op: Op) -> Result:
    match op:
        case GetOp():
            turns = _turns_of(store, op.namespace, op.key)
            return _item(turns[-1]) if turns else None
        case PutOp():
            _refuse_unusual_names(op)
            old = _turns_of(store, op.namespace, op.key)
            if op.index:
                raise NotImplementedError(
                    "index=[...] is not there: every field is searched, or with index=False none"
                )
            if op.value is not None:
                text = json.dumps(op.value, ensure_ascii=False)
                session = _session(op.namespace)
                # When the first value was put, and this one: the time of a turn is in seconds.
                updated = datetime.now(UTC).isoformat()
                created, _ = _times(old[0]) if old else (updated, "")
                source = f"{_BY} {created} {updated}"
                tags = {_UNSEARCHED: "yes"} if op.index is False else {}
                turn = Turn(op.key, text, session, local_now(), source, "document", tags=tags)
                store.add([turn])
            hide(store, old, _BY)
            return None
        case SearchOp():
            return _search(store, op)
        case ListNamespacesOp():
            return _namespaces(store, op)
    raise ValueError(f"unknown operation {type(op).__name__}")


def _refuse_unusual_names(op: PutOp) -> None:
    """Raise InputError for names that turns have in another way: two of them could become one."""
    session = _session(op.namespace)
    for name, stored in ((session, session_label(session)), (op.key, label(op.key))):
        if name != stored:
            raise InputError(
                f"{name!r:.80} is no name for an item: use one line of at most 200 characters,"
                " without double spaces and without invisible characters"
            )


def _session(namespace: tuple[str, ...]) -> str:
    return _SESSION + json.dumps(namespace, ensure_ascii=False)


def _namespace(turn: Turn) -> tuple[str, ...]:
    return tuple(json.loads(turn.session.removeprefix(_SESSION)))


def _turns_of(store: Store, namespace: tuple[str, ...], key: str) -> list[Turn]:
    return visible_turns(store, HIDDEN, session=_session(namespace), speaker=key)


def _all_turns(store: Store) -> list[Turn]:
    return visible_turns(store, HIDDEN, session=f"{_SESSION}[", is_prefix=True)


def _item(turn: Turn) -> Item:
    return Item(**_fields(turn))


def _fields(turn: Turn) -> dict[str, Any]:
    try:
        value = json.loads(turn.text)
    except ValueError:  # withheld text took a quote with it
        value = {"text": turn.text}
    created, updated = _times(turn)
    return {
        "value": value if isinstance(value, dict) else {"text": turn.text},
        "key": turn.speaker,
        "namespace": _namespace(turn),
        "created_at": datetime.fromisoformat(created),
        "updated_at": datetime.fromisoformat(updated),
    }


def _times(turn: Turn) -> tuple[str, str]:
    """When the first value of an item was put, and when this one; earlier versions kept one."""
    created, _, updated = turn.source.removeprefix(f"{_BY} ").partition(" ")
    return created, updated or turn.said_at


def _search(store: Store, op: SearchOp) -> list[SearchItem]:
    """Items below a prefix that pass the filter: by the ranking of a query, else the newest."""
    scores: dict[int, float] = {}
    prefix = tuple(op.namespace_prefix)
    fitting = {
        turn.id: turn
        for turn in _all_turns(store)
        if _namespace(turn)[: len(prefix)] == prefix and not (op.query and _UNSEARCHED in turn.tags)
    }
    turns = [*fitting.values()][::-1]
    if op.query:
        sessions = sorted({turn.session for turn in turns})
        hits = store.search(op.query, _MOST_HITS, {"session": sessions}) if sessions else []
        scores = {hit.turn_id: hit.score for hit in hits}
        turns = [fitting[hit.turn_id] for hit in hits if hit.turn_id in fitting]
    items = [SearchItem(**_fields(turn), score=scores.get(turn.id)) for turn in turns]
    _refuse_operators(op.filter or {})
    items = [item for item in items if _passes(item.value, op.filter or {})]
    return items[op.offset : op.offset + op.limit]


def _refuse_operators(condition: Any) -> None:
    """Raises ValueError for an operator that is not in `_COMPARED`, as LangGraph does.

    Also for `$in` and `$nin` without a list.
    """
    for name, expected in condition.items() if isinstance(condition, Mapping) else ():
        if name.startswith("$") and name not in _COMPARED:
            raise ValueError(f"there is no operator {name!r}; there are {', '.join(_COMPARED)}")
        if name in ("$in", "$nin") and not isinstance(expected, (list, tuple)):
            raise ValueError(f"{name} takes a list of values, not {expected!r:.60}")
        _refuse_operators(expected)


def _passes(value: Any, condition: Any) -> bool:
    """Whether a value passes a filter: equal, of a part equal, or as an operator compares."""
    if not isinstance(condition, Mapping):
        return bool(value == condition)
    for name, expected in condition.items():
        if compare := _COMPARED.get(name):
            try:
                if not compare(value, expected):
                    return False
            except TypeError:  # a text is neither above nor below a number
                return False
        elif not (isinstance(value, Mapping) and _passes(value.get(name), expected)):
            return False
    return True


def _namespaces(store: Store, op: ListNamespacesOp) -> list[tuple[str, ...]]:
    conditions = op.match_conditions or ()
    namespaces = {_namespace(turn) for turn in _all_turns(store)}
    fitting = {
        namespace[: op.max_depth]
        for namespace in namespaces
        if all(_matches(namespace, condition) for condition in conditions)
    }
    return sorted(fitting)[op.offset : op.offset + op.limit]


def _matches(namespace: tuple[str, ...], condition: MatchCondition) -> bool:
    length = len(condition.path)
    if length > len(namespace):
        return False
    part = namespace[:length] if condition.match_type == "prefix" else namespace[-length:]
    return all(there in ("*", here) for here, there in zip(part, condition.path, strict=True))
