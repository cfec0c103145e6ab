"""What a large model is shown of a memory: the ranking's best turns, facts as lists, more turns.

A list stands for several facts in few tokens: `Anna | visited: Rome (happened 2023-05) [3]; Oslo
(said 8 Jun 2023) [9]`. Rows that are no whole facts stand by themselves: `[3] Oslo | 4`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, ClassVar

from memory.evidence.lines import (
    MOST_SUMS,
    cell_text,
    in_words,
    marked,
    named_cells,
    turn_column,
)
from memory.records import Rows
from memory.text.characters import one_line
from memory.text.dates import short_day
from memory.text.tokens import line_tokens

_DATES = ("happened_on", "ended_on")
_LEFT_OUT = ("id", "said_at")  # of a fact: its number, and a date that is shown anyway


@dataclass(frozen=True)
class Item:
    """A fact of a list, or a row by itself: what it says, its turn, its dates.

    `rank` is that of its turn in the ranking of the question, 0 the best; `has_ended` says that it
    tells an end, which its turn does not. `mark` is its turn's, where that is about this fact.
    """

    text: str
    turn_id: int | None
    rank: int = 0
    has_ended: bool = False
    day: str = ""
    mark: str = ""

    @property
    def line(self) -> str:
        """What it says, with the number of its turn."""
        return marked(f"{self.text} [{self.turn_id}]", self.mark)


@dataclass(frozen=True)
class FactList:
    """Facts of one subject and one attribute, the `head`; "" for a row by itself."""

    head: str
    items: tuple[Item, ...]

    replaces_turns: ClassVar[bool] = True

    @property
    def turn_ids(self) -> set[int]:
        """The turns that the facts are from."""
        return {item.turn_id for item in self.items if item.turn_id}

    def is_in(self, turn_ids: Collection[int]) -> bool:
        """Whether these turns, shown whole, say all of it; an end is never theirs."""
        tells_end = any(item.has_ended for item in self.items)
        return bool(self.turn_ids) and self.turn_ids <= {*turn_ids} and not tells_end

    def within(self, tokens: int) -> "FactList | None":
        """The list, or its best facts that fit a number of tokens; None where none does."""
        if line_tokens(self.line) <= tokens:
            return self
        items: list[Item] = []
        for item in sorted(self.items, key=lambda item: item.rank):
            if line_tokens(FactList(self.head, (*items, item)).line) > tokens:
                break
            items.append(item)
        return FactList(self.head, tuple(items)) if items else None

    @property
    def line(self) -> str:
        """The facts in the order in which they happened."""
        if not self.head:
            [item] = self.items
            return f"[{item.turn_id}] {item.text}" if item.turn_id else item.text
        ordered = sorted(self.items, key=lambda item: (item.day, item.turn_id or 0))
        return f"{self.head}: {'; '.join(item.line for item in ordered)}"


def fact_lists(
    results: Sequence[Rows],
    rank: Mapping[int, int],
    said_at: Mapping[int, str],
    ended_last: bool = False,
    marks: Mapping[int, str] | None = None,
) -> list[FactList]:
    """The rows that quote no turn as lists, those with the best ranked turns first.

    The results take turns, so that one with many rows, which a LIKE brought, does not push out one
    with few. A row that says no more than another of its turn is left out. Counts and sums come
    before all.

    Arguments:
        rank: the ranks of turns in the ranking of the question, 0 the best, by id.
        said_at: when the turns were said, by id; a turn may be missing.
        ended_last: what has ended comes after what is true still.
        marks: what is to be known of the turns, by id.
    """
    sums: dict[str, None] = {}
    queues: list[list[tuple[str, Item, frozenset[str]]]] = []
    cells_by_turn: dict[int | None, list[frozenset[str]]] = {}
    for rows in results:
        column = turn_column(rows.columns)
        if column is not None and "text" in rows.columns:
            continue  # shown as turns
        if column is None and len(rows.rows) <= MOST_SUMS:
            sums.update(dict.fromkeys(filter(None, named_cells(rows))))
            continue
        queue = []
        for row in rows.rows:
            head, item, cells = _read(
                rows.columns, row, column, rank=rank, said_at=said_at, marks=marks or {}
            )
            if item.text:
                queue.append((head, item, cells))
                cells_by_turn.setdefault(item.turn_id, []).append(cells)
        queue.sort(key=lambda row: (ended_last and row[1].has_ended, row[1].rank))
        queues.append(queue)

    lists: dict[str, dict[tuple[str, int | None], Item]] = {}
    for head, item, cells in (row for group in zip_longest(*queues) for row in group if row):
        if any(cells < others for others in cells_by_turn[item.turn_id]):
            continue
        # A row by itself has its text for a key.
        key = head or f"\n{item.turn_id} {item.text}"
        lists.setdefault(key, {}).setdefault((item.text, item.turn_id), item)
    return [
        *(FactList("", (Item(line, None),)) for line in sums),
        *(
            FactList("" if head.startswith("\n") else head, tuple(items.values()))
            for head, items in lists.items()
        ),
    ]


def _read(
    columns: Sequence[str],
    row: Sequence[Any],
    column: int | None,
    *,
    rank: Mapping[int, int],
    said_at: Mapping[int, str],
    marks: Mapping[int, str],
) -> tuple[str, Item, frozenset[str]]:
    """The list that a row belongs to, what it says there, and its cells but for the dates."""
    left_out = _LEFT_OUT if "attribute" in columns else ()
    cells: dict[str, str] = {}
    for number, (name, cell) in enumerate(zip(columns, row, strict=True)):
        if number != column and cell not in (None, "") and name not in left_out:
            # Of a join both columns of one name are told, the second behind the first.
            cells[f"{name} {number}" if name in cells else name] = one_line(cell_text(cell))
    named = row[column] if column is not None else None
    turn_id = named if isinstance(named, int) else None
    ended = cells.get("ended_on", "")
    happened = cells.get("happened_on", "")
    said = said_at.get(turn_id or 0, "")
    if happened:
        # Of a plan that was dropped, "happened 2024-09-16" would tell what never was.
        dates = [f"for {happened}" if _lies_ahead(happened, said) else f"happened {happened}"]
    else:
        dates = [f"said {short_day(said)}"] if said else []
    if ended:
        dates.append(f"until {ended}")
    said_cells = {cell for name, cell in cells.items() if name not in _DATES}
    if ended:
        said_cells.add(f"until {ended}")
    head = mark = ""
    if turn_id and {"subject", "attribute", "value"} <= cells.keys():
        head = f"{cells['subject']} | {cells['attribute']}"
        # An end is told beside the value; a dispute is not.
        mark = "" if ended else marks.get(turn_id, "")
        if in_words(cells["attribute"], cells["value"]) not in mark:
            mark = ""
    others = [
        cell
        for name, cell in cells.items()
        if name not in _DATES and not (head and name in ("subject", "attribute"))
    ]
    text = " | ".join(others)
    if head:
        text += f" ({', '.join(dates)})" if dates else ""
    elif text or happened or ended:
        text = " | ".join(filter(None, [text, *dates]))
    item = Item(
        text,
        turn_id,
        rank=rank.get(turn_id or 0, len(rank)),
        has_ended=bool(ended),
        day=happened or said[:10],
        mark=mark,
    )
    return head, item, frozenset(said_cells)


def _lies_ahead(happened: str, said: str) -> bool:
    """Whether a date, as exact as known, was still to come on the day when it was told."""
    shared = min(len(happened.partition("/")[0]), len(said[:10]))
    return happened[:shared] > said[:shared]
