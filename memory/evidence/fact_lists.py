"""What a large model sees of a memory: the ranking's best turns, facts as lists, more turns.

A list holds several facts in few tokens: `Anna | visited: Rome (happened 2023-05) [3]; Oslo (said 8
Jun 2023) [9]`. Rows that are not whole facts are lines by themselves: `[3] Oslo | 4`.
"""

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, ClassVar, TypeVar

from memory.evidence.lines import (
    MOST_SUMS,
    cell_text,
    in_words,
    marked,
    named_cells,
    turn_column,
)
from memory.records import Fact, Rows, Turn
from memory.text.characters import one_line, unnumbered
from memory.text.dates import short_day
from memory.text.tokens import line_tokens
from memory.text.words import forms_of, is_among, telling_words, words

_DATES = ("happened_on", "ended_on")
_LEFT_OUT = ("id", "said_at")  # of a fact: its number, and a date that is shown anyway
_OF_A_FACT = ("subject", "attribute", "value", *_DATES)


@dataclass(frozen=True)
class Item:
    """A fact of a list, or a row by itself: what it says, its turn, its dates.

    `rank` is its turn's rank for the question, 0 the best; `has_ended` says that it tells an end
    that its turn does not, `is_said` that its turn has all its words. `mark` is its turn's mark, if
    that is about this fact.
    """

    text: str
    turn_id: int | None
    rank: int = 0
    has_ended: bool = False
    is_said: bool = False
    day: str = ""
    mark: str = ""

    @property
    def order(self) -> tuple[str, int]:
        """The key that sorts items by when they happened."""
        return self.day, self.turn_id or 0

    @property
    def line(self) -> str:
        """Its text, with the number of its turn."""
        return marked(f"{self.text} [{self.turn_id}]", self.mark)


@dataclass(frozen=True)
class FactList:
    """Facts of one subject and one attribute, the `head`; "" for rows by themselves, a line each.

    `source` is the number of the SELECT that brought them. If there is no room for all, the best
    ranked ones stay, or with `over_time` some from the first to the last.
    """

    head: str
    items: tuple[Item, ...]
    source: int = 0
    over_time: bool = False

    replaces_turns: ClassVar[bool] = True
    fact_ids: ClassVar[tuple[int, ...]] = ()  # rows of a SELECT name turns

    @property
    def turn_ids(self) -> set[int]:
        """The turns that the facts are from."""
        return {item.turn_id for item in self.items if item.turn_id}

    def is_in(self, turn_ids: Collection[int]) -> bool:
        """Whether these turns, shown whole, say all of it; an end is never theirs.

        "He is back on it" does not say that the dog is on a raw diet again.
        """
        return all(
            item.turn_id in turn_ids and item.is_said and not item.has_ended for item in self.items
        )

    def within(self, tokens: int) -> "FactList | None":
        """The list, or its newest and its best facts that fit a number of tokens, None for none."""
        if line_tokens(self.line) <= tokens:
            return self
        if self.over_time:
            candidates = spread(sorted(self.items, key=lambda item: item.order))
        else:
            newest = max(self.items, key=lambda item: (not item.has_ended, *item.order))
            candidates = sorted(self.items, key=lambda item: (item is not newest, item.rank))
        items: list[Item] = []
        for item in candidates:
            if line_tokens(replace(self, items=(*items, item)).line) > tokens:
                break
            items.append(item)
        return replace(self, items=tuple(items)) if items else None

    @property
    def line(self) -> str:
        """The facts by when they happened."""
        ordered = sorted(self.items, key=lambda item: item.order)
        if not self.head:
            return "\n".join(
                f"[{item.turn_id}] {item.text}" if item.turn_id else unnumbered(item.text)
                for item in ordered
            )
        return unnumbered(f"{self.head}: {'; '.join(item.line for item in ordered)}")


_T = TypeVar("_T")


def spread(ordered: Sequence[_T]) -> list[_T]:
    """The last, the first, and then whatever is in the middle of the widest gaps.

    So any beginning of the result is spread over the whole.
    """
    if len(ordered) < 3:
        return [*reversed(ordered)]
    picked = [ordered[-1], ordered[0]]
    gaps = deque([(0, len(ordered) - 1)])
    while gaps:
        first, last = gaps.popleft()
        if last - first > 1:
            middle = (first + last) // 2
            picked.append(ordered[middle])
            gaps += [(first, middle), (middle, last)]
    return picked


def lacks_columns(result: Rows) -> bool:
    """Whether rows have values and turns, but not everything that a fact has.

    In a join with two columns of one name, a column could be from either fact.
    """
    columns = {*result.columns}
    return (
        turn_column(result.columns) is not None
        and "value" in columns
        and "text" not in columns
        and len(columns) == len(result.columns)
        and not columns >= {*_OF_A_FACT}
    )


def completed(result: Rows, facts: Iterable[Fact]) -> Rows:
    """Rows that lack columns of their facts, with these added: who, what, and when.

    A row without its subject reads as the user's. `facts` come from the turns that the rows name.
    In a row from no fact, or possibly from several, the added cells are empty.
    """
    column = turn_column(result.columns)
    if column is None or not lacks_columns(result):
        return result
    missing = [name for name in _OF_A_FACT if name not in result.columns]
    known = [name for name in _OF_A_FACT if name in result.columns]
    of_row: dict[tuple[object, ...], dict[tuple[object, ...], None]] = {}
    for fact in facts:
        cells = (fact.turn_id, *(getattr(fact, name) or "" for name in known))
        of_row.setdefault(cells, {})[tuple(getattr(fact, name) for name in missing)] = None
    rows = []
    for row in result.rows:
        by_name = dict(zip(result.columns, row, strict=True))
        found = of_row.get((row[column], *(by_name[name] or "" for name in known)), {})
        rows.append((*row, *(next(iter(found)) if len(found) == 1 else [None] * len(missing))))
    return replace(result, columns=(*result.columns, *missing), rows=tuple(rows))


# A row: the list that it belongs to, what it says there, its cells without the dates, its SELECT.
_Row = tuple[str, Item, frozenset[str], int]


def fact_lists(
    results: Sequence[Rows],
    rank: Mapping[int, int],
    turns: Mapping[int, Turn],
    ended_last: bool = False,
    marks: Mapping[int, str] | None = None,
    over_time: bool = False,
) -> list[FactList]:
    """The rows that quote no turn, as lists; lists with the best ranked turns come first.

    The results take turns, so that a LIKE with many rows does not push out a result with few. A row
    that says no more than another of its turn is left out. Counts and sums come before all.

    Arguments:
        rank: the ranks of turns in the ranking of the question, 0 the best, by id.
        turns: the turns that the rows name, by id; one may be missing.
        ended_last: whether ended facts come after those still true.
        marks: marks of the turns, by id.
        over_time: the question asks for an order, so a list that is too long is thinned throughout.
    """
    sums: dict[str, int] = {}
    queues: list[list[_Row]] = []
    cells_by_turn: dict[int | None, list[frozenset[str]]] = {}
    for source, rows in enumerate(results):
        column = turn_column(rows.columns)
        if column is not None and "text" in rows.columns:
            continue  # shown as turns
        if column is None and len(rows.rows) <= MOST_SUMS:
            sums |= dict.fromkeys(filter(None, named_cells(rows)), source)
            continue
        queue: list[_Row] = []
        for row in rows.rows:
            head, item, cells = _read(
                rows.columns, row, column, rank=rank, turns=turns, marks=marks or {}
            )
            if item.text:
                queue.append((head, item, cells, source))
                cells_by_turn.setdefault(item.turn_id, []).append(cells)
        queue.sort(key=lambda row: (ended_last and row[1].has_ended, row[1].rank))
        if over_time:
            queue = spread(sorted(queue, key=lambda row: row[1].order))
        queues.append(queue)

    lists: dict[str, dict[tuple[str, int | None], Item]] = {}
    sources: dict[str, int] = {}
    in_turn = (row for group in zip_longest(*queues) for row in group if row)
    for head, item, cells, source in in_turn:
        if any(cells < others for others in cells_by_turn[item.turn_id]):
            continue
        # A row by itself has its text as its key; for an order such rows are thinned together.
        key = head or (f"\n{source}" if over_time else f"\n{item.turn_id} {item.text}")
        lists.setdefault(key, {}).setdefault((item.text, item.turn_id), item)
        sources.setdefault(key, source)
    return [
        *(FactList("", (Item(line, None),), source) for line, source in sums.items()),
        *(
            FactList(
                "" if head.startswith("\n") else head,
                tuple(items.values()),
                sources[head],
                over_time,
            )
            for head, items in lists.items()
        ),
    ]


def _read(
    columns: Sequence[str],
    row: Sequence[Any],
    column: int | None,
    *,
    rank: Mapping[int, int],
    turns: Mapping[int, Turn],
    marks: Mapping[int, str],
) -> tuple[str, Item, frozenset[str]]:
    """The list that a row belongs to, what it says there, and its cells but for the dates."""
    left_out = _LEFT_OUT if "attribute" in columns else ()
    cells: dict[str, str] = {}
    for number, (name, cell) in enumerate(zip(columns, row, strict=True)):
        if number != column and cell not in (None, "") and name not in left_out:
            # From a join, both columns of one name are shown, the second after the first.
            cells[f"{name} {number}" if name in cells else name] = one_line(cell_text(cell))
    named = row[column] if column is not None else None
    turn_id = named if isinstance(named, int) else None
    ended = cells.get("ended_on", "")
    happened = cells.get("happened_on", "")
    turn = turns.get(turn_id or 0)
    said = turn.said_at if turn else ""
    if happened:
        dates = [_dated_fact(happened, said)]
    else:
        dates = [f"said {short_day(said)}"] if said and "said_at" not in cells else []
    if ended:
        dates.append(f"until {ended}")
    said_cells = {cell for name, cell in cells.items() if name not in _DATES}
    if ended:
        said_cells.add(f"until {ended}")
    head = mark = ""
    if turn_id and {"subject", "attribute", "value"} <= cells.keys():
        head = f"{cells['subject']} | {cells['attribute']}"
        # The dates already tell an end; a dispute needs its mark.
        mark = "" if ended else marks.get(turn_id, "")
        if in_words(cells["attribute"], cells["value"]) not in mark:
            mark = ""
    others = [
        cell
        for name, cell in cells.items()
        if name not in _DATES and not (head and name in ("subject", "attribute"))
    ]
    text = " | ".join(others)
    second = [cell for name, cell in cells.items() if name.startswith(("attribute ", "value "))]
    if head and len(second) == 2:  # a pair of a join: what contradicts each other
        head = f"{cells['subject']} | says both"
        text = "; ".join([in_words(cells["attribute"], cells["value"]), in_words(*second)])
    if head:
        text += f" ({', '.join(dates)})" if dates else ""
    elif text or happened or ended:
        text = " | ".join(filter(None, [text, *dates]))
    item = Item(
        text,
        turn_id,
        rank=rank.get(turn_id or 0, len(rank)),
        has_ended=bool(ended),
        is_said=turn is not None and _says(turn, cells),
        day=happened or said[:10],
        mark=mark,
    )
    return head, item, frozenset(said_cells)


def _says(turn: Turn, cells: Mapping[str, str]) -> bool:
    """Whether a turn has all words of a fact, apart from its dates and its attribute."""
    told = [cells.get("subject", ""), cells["value"]] if "value" in cells else cells.values()
    forms = forms_of(words(f"{turn.speaker} {turn.text}"))
    return all(is_among(word, forms) for word in telling_words(" ".join(told)))


def _dated_fact(happened: str, said: str) -> str:
    """`happened 2024-03`, or `for 2024-03` if that was still to come when it was said.

    Dates are as exact as known. For a dropped plan, "happened" would be false.
    """
    shared = min(len(happened.partition("/")[0]), len(said[:10]))
    return f"for {happened}" if happened[:shared] > said[:shared] else f"happened {happened}"
