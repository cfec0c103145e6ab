"""The turns of an index that pass a filter.

Speaker, session and date are columns of the index. Of kind, source and tags the index knows
nothing: the turns with a value are read once, and from then on only those added since.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from memory.search.index import Index, Selection
from memory.store.database import Connection
from memory.store.turns.turn_validation import HIDDEN, session_label, source_label
from memory.text.characters import label, one_line, sound_text
from memory.text.turn_filter import TurnFilter, is_true

MOST_VALUES = 64  # whose turns are kept; a million turns take 8 MB
MOST_SELECTIONS = 4  # kept until the memory changes; one of a million turns takes 21 MB


class _Value(NamedTuple):
    """What turns may have: a value in a column that the index lacks, or the value of a tag.

    With an operator the value of the tag is compared, instead of equal.
    """

    column: str
    value: str | float
    key: str = ""
    operator: str = ""


class FilteredTurns:
    """What a store has read for filters; good for one index, and for what is added to it."""

    def __init__(self) -> None:
        self._ids: dict[_Value, NDArray[np.int64]] = {}
        self._read_to: dict[_Value, int] = {}  # the last turn of the index when ids were read
        self._selections: dict[TurnFilter, Selection] = {}
        self._last_turn = 0  # of the index when the selections were made
        self._last_tagging = 0  # the last entry of the log of tags when they were read

    def select(self, conn: Connection, index: Index, turn_filter: TurnFilter) -> Selection:
        """The turns of the index that pass, in the transaction that brought it up to date."""
        asks_tags = turn_filter.tags or turn_filter.compared or turn_filter.without_tags
        if asks_tags and (tagging := conn.last_id("rows_log")) != self._last_tagging:
            self.forget_tags()
            self._last_tagging = tagging
        if self._last_turn != index.last_id:
            self._selections.clear()
            self._last_turn = index.last_id
        selection = self._selections.pop(turn_filter, None)
        if selection is None:
            mask = np.ones(index.count + 1, np.bool_)
            mask[0] = False
            for condition in self._masks(conn, index, turn_filter):
                mask &= condition
            selection = index.select(mask)
        self._selections[turn_filter] = selection  # the last one used is the last to go
        if len(self._selections) > MOST_SELECTIONS:
            del self._selections[next(iter(self._selections))]
        return selection

    @property
    def nbytes(self) -> int:
        """How many bytes its arrays take."""
        ids = sum(array.nbytes for array in self._ids.values())
        return ids + sum(selection.nbytes for selection in self._selections.values())

    def forget_tags(self) -> None:
        """Read the turns with a tag anew: a person may have set it for any of them."""
        self._selections.clear()
        for value in [value for value in self._ids if value.column == "tags"]:
            del self._ids[value], self._read_to[value]

    def _masks(
        self, conn: Connection, index: Index, turn_filter: TurnFilter
    ) -> Iterator[NDArray[np.bool_]]:
        """A mask of the index for each condition of a filter."""
        if turn_filter.speaker:
            yield index.spoken_by(_spellings(turn_filter.speaker))
        if turn_filter.session:
            yield index.in_sessions(_first_turns(conn, turn_filter.session))
        if turn_filter.since or turn_filter.until:
            yield index.dated(turn_filter.since, turn_filter.until)
        if turn_filter.kind:
            yield self._with_any(conn, index, "kind", turn_filter.kind)
        if turn_filter.source:
            yield self._with_any(conn, index, "source", turn_filter.source)
        for key, values in turn_filter.tags:
            yield self._with_any(conn, index, "tags", values, key=_tag_key(key))
        for key, values in turn_filter.without_tags:
            yield ~self._with_any(conn, index, "tags", values, key=_tag_key(key))
        for key, operator, operand in turn_filter.compared:
            value = _Value("tags", operand, _tag_key(key), operator)
            yield index.with_ids(self._ids_with(conn, index, value))

    def _with_any(
        self, conn: Connection, index: Index, column: str, values: Sequence[str], key: str = ""
    ) -> NDArray[np.bool_]:
        mask = np.zeros(index.count + 1, np.bool_)
        for text in _spellings(values, source_label):
            value = _Value(column, text, key)
            mask |= index.with_ids(self._ids_with(conn, index, value))
        return mask

    def _ids_with(self, conn: Connection, index: Index, value: _Value) -> NDArray[np.int64]:
        """The ids of all turns with a value; reads only turns added since the last time."""
        known = self._ids.pop(value, np.zeros(0, np.int64))
        after = self._read_to.pop(value, 0)
        if after < index.last_id:
            known = np.concatenate([known, _read_ids(conn, value, after)])
        self._ids[value], self._read_to[value] = known, index.last_id
        if len(self._ids) > MOST_VALUES:
            oldest = next(iter(self._ids))
            del self._ids[oldest], self._read_to[oldest]
        return known


_SHOWN = (str(HIDDEN), ("yes",))


def shown_only(turn_filter: TurnFilter | None) -> TurnFilter | None:
    """A filter that also leaves out what a framework deleted.

    Someone who filters by that tag sees it.
    """
    wanted = turn_filter or TurnFilter()
    if any(key == HIDDEN for key, _ in (*wanted.tags, *wanted.without_tags)):
        return turn_filter
    return replace(wanted, without_tags=(*wanted.without_tags, _SHOWN))


def with_signs(
    conn: Connection, index: Index, signs: Iterable[str], selection: Selection | None
) -> Selection | None:
    """The turns of a selection, or of all, that have these emoji; all of them if none has.

    The index of words knows no emoji, so all texts are looked through.
    """
    mask = np.ones(index.count + 1, np.bool_) if selection is None else selection.mask.copy()
    mask[0] = False
    for sign in signs:
        rows = conn.run("turns_with_text", pattern=f"%{sign}%").fetchall()
        mask &= index.with_ids(np.array([turn_id for (turn_id,) in rows], np.int64))
    return index.select(mask) if mask.any() else selection


def _spellings(texts: Iterable[str], to_label: Callable[[str], str] = label) -> list[str]:
    """Texts as turns have them, and as turns of older versions do."""
    sound = [*map(sound_text, texts)]
    return [*dict.fromkeys([*map(to_label, sound), *sound])]


def _tag_key(key: str) -> str:
    return one_line(sound_text(key))


def _read_ids(conn: Connection, value: _Value, after: int) -> NDArray[np.int64]:
    rows: Iterable[tuple[int]]
    if value.operator:
        tags = conn.run("values_of_tag", key=value.key, after=after)
        rows = [(turn_id,) for turn_id, text in tags if is_true(text, value.operator, value.value)]
    elif value.column == "kind":
        rows = conn.run("ids_of_kind", kind=value.value, after=after)
    elif value.column == "source":
        rows = conn.run("ids_of_source", source=value.value, after=after)
    else:
        rows = conn.run("ids_of_tag", key=value.key, value=value.value, after=after)
    return np.array(sorted({turn_id for (turn_id,) in rows}), np.int64)


def _first_turns(conn: Connection, sessions: Sequence[str]) -> list[int]:
    """The first existing turn of each of these sessions."""
    rows = conn.run("first_turns_of_sessions", sessions=_spellings(sessions, session_label))
    return [turn_id for (turn_id,) in rows]
