"""LangGraph's `BaseStore`: items of agents in a memory, found by its ranking.

A put item is a turn of kind "document"; a new value of it is another turn and hides the one
before, so that `memory` shows how it was. A deleted item is hidden; `memory forget` removes it. An
item with a time to live is forgotten at its end. Where only some fields are searched, they are
another turn, before the item's own.
"""

import json
import operator
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
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
    TTLConfig,
    get_text_at_path,
)

from memory.errors import InputError
from memory.frameworks.store_thread import StoreThread, hide, supersede
from memory.records import Minted, Turn
from memory.store import Store
from memory.store.turns.expiry import expiry_text, set_expiry
from memory.store.turns.turn_reads import visible_turns
from memory.store.turns.turn_validation import FORGET_AFTER, HIDDEN, local_now, session_label
from memory.text.characters import is_visible, label

_BY = "langgraph"
_SESSION = "langgraph "  # before the namespace, as JSON
_UNSEARCHED = Minted("langgraph unsearched")  # the tag of an item that no query finds
_FIELDS = Minted("langgraph fields")  # the tag of a turn that has the searched fields of an item
_TTL = Minted("langgraph ttl")  # the tag with an item's time to live, in minutes
_LEAST_REFRESH = 0.05  # of a time to live: what passed since it began again, or it stays unchanged
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
        ttl: how long items stay, and whether reading them begins that time again.
    """

    supports_ttl = True

    def __init__(self, location: str | Path, *, ttl: TTLConfig | None = None) -> None:
        self._thread = StoreThread(location)
        self.ttl_config = ttl

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Read, then put and delete, as LangGraph's own stores do: all that is put, or nothing.

        Of several values for one key the last is put. The memory's errors are from `memory.errors`.
        """
        listed = _checked(ops)
        return self._thread.call(lambda store: _carry_out(store, listed))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """What `batch` does, without holding up the event loop."""
        listed = _checked(ops)
        return await self._thread.acall(lambda store: _carry_out(store, listed))

    def close(self) -> None:
        """Close the memory."""
        self._thread.close()


def _checked(ops: Iterable[Op]) -> list[Op]:
    """The operations. Raises if an item among them cannot be put."""
    listed = list(ops)
    for op in listed:
        if isinstance(op, PutOp):
            _refuse_unusual_names(op)
            json.dumps(op.value)
    return listed


def _carry_out(store: Store, ops: Sequence[Op]) -> list[Result]:
    results = [None if isinstance(op, PutOp) else _read(store, op) for op in ops]
    puts = {(tuple(op.namespace), op.key): op for op in ops if isinstance(op, PutOp)}
    added, hidden = list[Turn](), list[Turn]()
    for op in puts.values():
        old = _turns_of(store, op.namespace, op.key)
        hidden += old
        if op.value is not None:
            added += _turns_to_put(op, old)
    # In one transaction: a process that is killed has put all or nothing.
    if added:
        supersede(store, hidden, added, _BY)
    else:
        hide(store, hidden, _BY)
    return results


def _read(store: Store, op: Op) -> Result:
    match op:
        case GetOp():
            turns = _turns_of(store, op.namespace, op.key)
            if op.refresh_ttl:
                _refresh(store, turns)
            return _item(turns[-1]) if turns else None
        case SearchOp():
            return _search(store, op)
        case ListNamespacesOp():
            return _namespaces(store, op)
    raise ValueError(f"unknown operation {type(op).__name__}")


def _turns_to_put(op: PutOp, old: list[Turn]) -> list[Turn]:
    """The turns of an item: what is searched of it, if that is not all, and last its value."""
    # When the first value was put, and this one: the time of a turn is in seconds.
    updated = datetime.now(UTC).isoformat()
    created, _ = _times(old[0]) if old else (updated, "")
    lifetime = {} if op.ttl is None else _lifetime(op.ttl)

    def turn(text: str, tag: str = "") -> Turn:
        return Turn(
            op.key,
            text,
            _session(op.namespace),
            local_now(),
            f"{_BY} {created} {updated}",
            "document",
            tags=lifetime | ({tag: "yes"} if tag else {}),
        )

    value = json.dumps(op.value, ensure_ascii=False)
    if op.index is None:
        return [turn(value)]
    texts = [text for path in op.index or () for text in get_text_at_path(op.value, path)]
    fields = "\n".join(filter(is_visible, texts))
    return [*([turn(fields, _FIELDS)] if fields else []), turn(value, _UNSEARCHED)]


def _lifetime(minutes: float) -> dict[str, str]:
    """The tags of turns that are forgotten after a number of minutes."""
    return {_TTL: f"{minutes:g}", FORGET_AFTER: expiry_text(timedelta(minutes=minutes))}


def _refresh(store: Store, turns: list[Turn]) -> None:
    """Begin the time to live of an item again."""
    for minutes in {str(turn.tags[_TTL]) for turn in turns if _TTL in turn.tags}:
        lifetime = timedelta(minutes=float(minutes))
        end = expiry_text(lifetime)  # in whole seconds: a short time may still end with the same
        due = [
            turn.id
            for turn in turns
            if turn.tags.get(_TTL) == minutes
            and turn.tags[FORGET_AFTER] != end
            and _end(turn) - _now() < lifetime * (1 - _LEAST_REFRESH)
        ]
        if due:
            set_expiry(store, due, lifetime, _BY)


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _end(turn: Turn) -> datetime:
    return datetime.fromisoformat(str(turn.tags[FORGET_AFTER]))


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
    return Minted(_SESSION + json.dumps(namespace, ensure_ascii=False))


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
    below = [turn for turn in _all_turns(store) if _namespace(turn)[: len(prefix)] == prefix]
    values = {(turn.session, turn.speaker): turn for turn in below if _FIELDS not in turn.tags}
    turns = [*values.values()][::-1]
    if op.query:
        searched = {
            turn.id: values[turn.session, turn.speaker]
            for turn in below
            if _UNSEARCHED not in turn.tags
        }
        sessions = sorted({turn.session for turn in searched.values()})
        hits = store.search(op.query, _MOST_HITS, {"session": sessions}) if sessions else []
        hits = [hit for hit in hits if hit.turn_id in searched]
        turns = [searched[hit.turn_id] for hit in hits]
        scores = {searched[hit.turn_id].id: hit.score for hit in hits}
    items = [(turn, SearchItem(**_fields(turn), score=scores.get(turn.id))) for turn in turns]
    _refuse_operators(op.filter or {})
    items = [(turn, item) for turn, item in items if _passes(item.value, op.filter or {})]
    items = items[op.offset : op.offset + op.limit]
    if op.refresh_ttl:
        names = {(turn.session, turn.speaker) for turn, _ in items}
        _refresh(store, [turn for turn in below if (turn.session, turn.speaker) in names])
    return [item for _, item in items]


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
        elif not (isinstance(value, Mapping) and _passes(_part(value, name), expected)):
            return False
    return True


def _part(value: Mapping[str, Any], name: str) -> Any:
    """A part of a value by its name, or by a path with dots: "user.name"."""
    if name in value:
        return value[name]
    first, dot, rest = name.partition(".")
    inner = value.get(first) if dot else None
    return _part(inner, rest) if isinstance(inner, Mapping) else None


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
