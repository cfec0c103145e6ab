"""What a model sees after a look: the rows of each SELECT in their order."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from memory.evidence.layout import LONG_TURN, longest_of
from memory.evidence.lines import (
    LOOKED_HEAD,
    dated_line,
    marked,
    named_cells,
    row_text,
    story_line,
    turn_column,
)
from memory.records import Rows, Summary, Turn
from memory.text.characters import unnumbered
from memory.text.dates import short_day
from memory.text.passages import excerpt
from memory.text.tokens import line_tokens

_ROWS_SHOWN = "rows shown)"  # how the line that counts them ends
_COUNT_TOKENS = 16  # of a line that says how many rows are shown
# Tokens of a turn's text where many are asked for; the fewest, if all of them fit then.
_SHORT, _SHORTEST = LONG_TURN // 3, LONG_TURN // 6
# The first turns of a search say most: they may be this many times as long as its others.
_BEST, _TIMES_LONGER = 3, 4


@dataclass(frozen=True)
class LookedUp:
    """Lines of what was looked up, the turns in them, and the turns shown in part."""

    lines: tuple[str, ...] = ()
    turn_ids: frozenset[int] = frozenset()
    cut: frozenset[int] = frozenset()
    is_all: bool = True  # no row is left out

    @property
    def tokens(self) -> int:
        """The size of the lines and their heading."""
        return sum(map(line_tokens, (LOOKED_HEAD, *self.lines))) if self.lines else 0


NOTHING_LOOKED_UP = LookedUp()


@dataclass(frozen=True)
class _Line:
    text: str
    turn_ids: Collection[int] = ()
    turn: Turn | None = None  # that it shows, which may be cut
    is_cut: bool = False


def looked_up(
    results: Sequence[Rows],
    question: str,
    *,
    turns: Mapping[int, Turn],
    marks: Mapping[int, str],
    summaries: Sequence[Summary],
    budget: int,
) -> LookedUp:
    """The rows of SELECTs in their order, within a budget of tokens.

    Turns are shown whole, or as many of their sentences as all of them have room for. A result that
    has no room for all of its rows says how many are shown. Each turn, summary or row comes once.

    Arguments:
        question: which sentences of a long turn come first.
        turns: all that the rows name, by their ids; `marks` say what in them is outdated.
        summaries: of the memory, to date summaries in rows.
    """
    summary_of = {summary.text: summary for summary in summaries if summary.text}
    seen: set[str] = set()
    of_results: list[list[_Line]] = []
    for rows in results:
        by_text = {line.text: line for line in _lines(rows, turns, marks, summary_of)}
        of_results.append([line for text, line in by_text.items() if text not in seen])
        seen |= {*by_text}
    room = budget - line_tokens(LOOKED_HEAD)
    # The smallest result first: what it leaves is known before a larger one is cut.
    sizes = [sum(line_tokens(line.text) for line in result) for result in of_results]
    smallest_first = sorted(range(len(sizes)), key=sizes.__getitem__)
    chosen_of: dict[int, list[_Line]] = {}
    for waiting, place in zip(range(len(sizes), 0, -1), smallest_first, strict=True):
        result = of_results[place]
        chosen = _that_fit(result, question, room // waiting, marks)
        if len(chosen) < len(result):
            chosen.append(_Line(f"({len(chosen)} of {len(result)} {_ROWS_SHOWN}"))
        chosen_of[place] = chosen
        room -= sum(line_tokens(line.text) for line in chosen)
    lines = [line for _, chosen in sorted(chosen_of.items()) for line in chosen]
    return LookedUp(
        tuple(line.text for line in lines),
        frozenset(turn_id for line in lines for turn_id in line.turn_ids),
        frozenset(line.turn.id for line in lines if line.turn and line.is_cut),
        all(line.turn_ids or not line.text.endswith(_ROWS_SHOWN) for line in lines),
    )


def _lines(
    rows: Rows,
    turns: Mapping[int, Turn],
    marks: Mapping[int, str],
    summary_of: Mapping[str, Summary],
) -> list[_Line]:
    """A line for each row: the turn or summary that it quotes, or its cells."""
    column = turn_column(rows.columns)
    quotes = column is not None and "text" in rows.columns
    place = rows.columns.index("summary") if "summary" in rows.columns else None
    lines = []
    if column is None and place is None:
        return [*map(_Line, filter(None, map(unnumbered, named_cells(rows))))]
    for row in rows.rows:
        turn = turns.get(row[column]) if column is not None else None
        summary = summary_of.get(row[place]) if place is not None else None
        if quotes and turn:
            line = marked(dated_line(turn, spans=True), marks.get(turn.id, ""))
            lines.append(_Line(line, (turn.id,), turn))
        elif summary:
            first = turns.get(summary.turn_id)
            line = story_line(summary, first.said_at if first else "")
            lines.append(_Line(line, (summary.turn_id, summary.last_turn_id)))
        elif text := unnumbered(row_text(rows.columns, row, column)):
            if not turn:
                lines.append(_Line(text))
                continue
            has_day = not {"said_at", "happened_on"}.isdisjoint(rows.columns)
            day = "" if has_day or not turn.said_at else f"({short_day(turn.said_at)}) "
            line = marked(f"[{turn.id}] {day}{text}", marks.get(turn.id, ""))
            lines.append(_Line(line, (turn.id,)))
    return lines


def _that_fit(
    lines: Sequence[_Line], question: str, room: int, marks: Mapping[int, str]
) -> list[_Line]:
    """The first of these lines that fit; turns are cut as far as they must to make room."""
    if sum(line_tokens(line.text) for line in lines) > room:
        room -= _COUNT_TOKENS
        lines = _shortened(lines, question, room, marks)
    chosen = []
    for line in lines:
        room -= line_tokens(line.text)
        if room < 0:
            break
        chosen.append(line)
    return chosen


def _shortened(
    lines: Sequence[_Line], question: str, room: int, marks: Mapping[int, str]
) -> list[_Line]:
    """These lines, with turns cut until all fit; the best of a search are cut less than its others.

    Where not all would fit, they are cut only to a length that still says most of a sentence.
    """
    usual = max(longest_of([line.turn for line in lines if line.turn], room), _SHORT)
    best = _BEST if _is_ranked(lines) else 0

    def within(longest: int) -> list[_Line]:
        return [
            _within(line, question, longest * (_TIMES_LONGER if place < best else 1), marks)
            for place, line in enumerate(lines)
        ]

    longest = usual
    while longest >= _SHORTEST:
        shorter = within(longest)
        # Heads and marks take room that `longest_of` only guesses.
        if sum(line_tokens(line.text) for line in shorter) <= room:
            return shorter
        longest = longest * 3 // 4
    best = 0
    return within(usual)


def _is_ranked(lines: Sequence[_Line]) -> bool:
    """Whether the turns are in another order than they were said: a search's, best first."""
    said = [line.turn.id for line in lines if line.turn]
    return said not in (sorted(said), sorted(said, reverse=True))


def _within(line: _Line, question: str, longest: int, marks: Mapping[int, str]) -> _Line:
    if line.turn is None:
        return line
    turn = replace(line.turn, text=excerpt(question, line.turn.text, longest))
    text = marked(dated_line(turn, spans=True), marks.get(turn.id, ""))
    return replace(line, text=text, is_cut=turn.text != line.turn.text)
