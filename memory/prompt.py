"""What a model sees of a memory: turns and rows as lines, counted and cut in tokens.

Tokens are those of the packaged embedder's Llama tokenizer. Newer models have larger vocabularies
and need fewer tokens for the same text, so a budget kept here is kept there too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import zip_longest
from typing import Any

from memory.dates import resolve_dates
from memory.errors import InputError
from memory.passages import excerpt
from memory.records import Fact, Rows, Turn
from memory.tokens import count_tokens, fitting_lines, line_tokens, trim

RowLine = tuple[str, int | None]  # what a row says, and the turn that it rests on
# A smaller budget holds no turn at all, only its date and speaker.
LEAST_BUDGET = 64
CATALOG_TOKENS = 1_000  # of what a memory holds, in the prompts that write SQL
_ROWS_HEAD = "What the memory's facts say:"
_TURNS_HEAD = "What was said:"
# A result without turns that is longer is no count or sum, but a list whose turns were left out.
_MOST_SUMS = 12
# A turn of more than this, and of more than half of the room left, shows the sentences that are
# asked for: evidence shown at 500 tokens .697 -> .722 in chats with an assistant (docs/log.md).
# Turns of LoCoMo's seven conversations are as long in 1 of 100.
LONG_TURN = 100  # tokens
_HEAD_TOKENS = 30  # of a line: its id, its date and a speaker's name
_MOST_MISSES = 20  # turns that do not fit; a shorter one may stand behind them


def spoken_date(said_at: str) -> str:
    """An ISO date for reading: `Mon 08 May 2017`, `May 2017`, `2017`; other text as it stands."""
    try:
        if len(said_at) >= 10:
            return date.fromisoformat(said_at[:10]).strftime("%a %d %b %Y")
        if len(said_at) == 7:
            return date.fromisoformat(said_at + "-01").strftime("%b %Y")
    except ValueError:
        pass
    return said_at


def turn_line(turn: Turn, dates: bool = True) -> str:
    """`[12] (Mon 08 May 2017) Anna: text`: how every model sees a turn."""
    said_at = f"({spoken_date(turn.said_at)}) " if dates and turn.said_at else ""
    text = " ".join(turn.text.split())
    return f"[{turn.id}] {said_at}{turn.speaker}: {text}"


def dated_line(turn: Turn, dates: bool = True, iso: bool = False, spans: bool = False) -> str:
    """A turn's line with its relative dates resolved, so that no model computes them."""
    text = resolve_dates(turn.text, turn.said_at, iso=iso, spans=spans)
    return turn_line(replace(turn, text=text), dates)


def turn_lines(
    turns: Sequence[Turn],
    budget: int,
    dates: bool = True,
    iso: bool = False,
    spans: bool = False,
    question: str = "",
) -> str:
    """These turns as `dated_line`s; all are cut alike where the whole would exceed the budget.

    With a `question` each that is too long shows the sentences that it asks for.
    """
    lines = [dated_line(turn, dates, iso=iso, spans=spans) for turn in turns]
    if count_tokens("\n".join(lines)) <= budget:
        return "\n".join(lines)
    share = max(budget // max(len(lines), 1) - 1, 0)
    longest = share - _HEAD_TOKENS
    if question and longest > 0:
        cut = [replace(turn, text=excerpt(question, turn.text, longest)) for turn in turns]
        lines = [dated_line(turn, dates, iso=iso, spans=spans) for turn in cut]
    return "\n".join(trim(line, share) for line in lines)


def known_fact_line(fact: Fact) -> str:
    """`id 31: Anna | lives_in | Oslo | happened 2017-05-06`: how a model that writes sees it."""
    cells = [fact.subject, fact.attribute, fact.value]
    if fact.happened_on:
        cells.append(f"happened {fact.happened_on}")
    if fact.ended_on:
        cells.append(f"until {fact.ended_on}")
    return f"id {fact.id}: {' | '.join(' '.join(cell.split()) for cell in cells)}"


# The rows and the turns that are shown, with their lines.
_Chosen = tuple[list[RowLine], list[tuple[Turn, str]]]


@dataclass(frozen=True)
class Context:
    """What the answering model sees: its text, the turns in it, and its size in tokens."""

    text: str
    turn_ids: tuple[int, ...]
    tokens: int


def _turn_column(columns: Sequence[str]) -> int | None:
    """The column that names each row's turn: `turn_id`, or `id` beside columns of a turn."""
    if "turn_id" in columns:
        return columns.index("turn_id")
    if "id" in columns and {"text", "speaker", "said_at", "session"} & set(columns):
        return columns.index("id")
    return None


def quoted_turns(results: Sequence[Rows]) -> list[int]:
    """The turns whose text the rows of SELECTs quote, in the order of the rows."""
    turn_ids: dict[int, None] = {}
    for rows in results:
        column = _turn_column(rows.columns)
        if column is not None and "text" in rows.columns:
            turn_ids.update(
                (row[column], None) for row in rows.rows if isinstance(row[column], int)
            )
    return list(turn_ids)


def named_turns(rows: Rows) -> set[int]:
    """The turns that the rows of a SELECT name, whether they quote them or not."""
    column = _turn_column(rows.columns)
    if column is None:
        return set()
    return {row[column] for row in rows.rows if isinstance(row[column], int)}


def row_lines(results: Sequence[Rows], rank: Mapping[int, int]) -> list[RowLine]:
    """Rows that quote no turn, as lines with the turn each rests on; best ranked turns first.

    `rank` maps turn ids to places in the ranking of the question, 0 the best. Before them stand
    counts and sums, a few rows that name no turn: `times: 4`.
    """
    sums, lines = _sums_and_lines(results, _row_line)
    ranked = sorted(lines.items(), key=lambda pair: rank.get(pair[1] or 0, len(rank)))
    return [*((line, None) for line in sums), *ranked]


def dated_row_lines(
    results: Sequence[Rows],
    rank: Mapping[int, int],
    said_at: Mapping[int, str],
    ended_last: bool = False,
) -> list[RowLine]:
    """As `row_lines`, with dates that say what they are, and with the results taking turns.

    The best rows of each SELECT come first, so that one with many rows, which a LIKE brought, does
    not push out one with few. A row that says no more than another of its turn is left out.

    Arguments:
        said_at: when the turns were said, by id; a turn may be missing.
        ended_last: what has ended comes after what is true still.
    """

    def order(line: str, turn_id: int | None) -> tuple[bool, int]:
        return ended_last and tells_end(line), rank.get(turn_id or 0, len(rank))

    def dated(columns: Sequence[str], row: Sequence[Any], turn_column: int | None) -> str:
        turn_id = row[turn_column] if turn_column is not None else None
        turn_said_at = said_at.get(turn_id, "") if isinstance(turn_id, int) else ""
        return _row_line(columns, row, turn_column, said_at=turn_said_at)

    sums: dict[str, None] = {}
    queues: list[list[RowLine]] = []
    for rows in results:
        result_sums, lines = _sums_and_lines([rows], dated)
        sums.update(result_sums)
        queues.append(sorted(lines.items(), key=lambda pair: order(*pair)))
    alternating = [line for lines in zip_longest(*queues) for line in lines if line]
    return [*((line, None) for line in sums), *_without_parts(alternating)]


def _without_parts(rows: Iterable[RowLine]) -> list[RowLine]:
    """Each row once, without those whose cells another row of their turn has as well."""
    unique = list(dict(rows).items())
    cells_by_turn: dict[int | None, list[set[str]]] = {}
    for line, turn_id in unique:
        cells_by_turn.setdefault(turn_id, []).append(_cells(line))
    return [
        (line, turn_id)
        for line, turn_id in unique
        if not any(_cells(line) < cells for cells in cells_by_turn[turn_id])
    ]


def _cells(line: str) -> set[str]:
    """What a row says beside its dates; of a row that names no turn nothing."""
    cells = line.partition("] ")[2].split(" | ")
    return {cell for cell in cells if not cell.startswith(("said ", "happened "))}


def tells_end(line: str) -> bool:
    """Whether a row's line has an end date, which its own turn does not tell."""
    return any(cell.startswith("until ") for cell in _cells(line))


def _sums_and_lines(
    results: Sequence[Rows], row_line: Callable[[Sequence[str], Sequence[Any], int | None], str]
) -> tuple[dict[str, None], dict[str, int | None]]:
    """Counts and sums, and the other rows that quote no turn, with the turn each rests on."""
    lines: dict[str, int | None] = {}
    sums: dict[str, None] = {}
    for rows in results:
        column = _turn_column(rows.columns)
        if column is not None and "text" in rows.columns:
            continue  # shown as turns
        if column is None and len(rows.rows) <= _MOST_SUMS:
            sums.update(dict.fromkeys(filter(None, named_cells(rows))))
            continue
        for row in rows.rows:
            turn_id = row[column] if column is not None and isinstance(row[column], int) else None
            line = row_line(rows.columns, row, column)
            if line:
                lines.setdefault(f"[{turn_id}] {line}" if turn_id else line, turn_id)
    return sums, lines


def _row_line(
    columns: Sequence[str],
    row: Sequence[Any],
    turn_column: int | None,
    said_at: str | None = None,
) -> str:
    """The cells of a row that hold something, but for the turn's id: `Anna | lives_in | Oslo`.

    With `said_at`, the day of the row's turn, dates say what they are:
    `... | happened 2017-05-06, said 8 May | until 2019`.
    """
    cells = []
    dates = []
    for number, (column, cell) in enumerate(zip(columns, row, strict=True)):
        if number == turn_column or cell in (None, ""):
            continue
        if column == "ended_on":
            dates.append(f"until {cell}")
        elif column == "happened_on" and said_at is not None:
            dates.insert(
                0, f"happened {cell}" + (f", said {_short_day(said_at, cell)}" if said_at else "")
            )
        else:
            cells.append(str(cell))
    if said_at and not any(date.startswith("happened") for date in dates):
        dates.insert(0, f"said {_short_day(said_at)}")
    return " | ".join(" ".join(cell.split()) for cell in [*cells, *dates])


def _short_day(said_at: str, beside: object = "") -> str:
    """`10 Jan 2024`, without a year that the date beside it has: `10 Jan`."""
    day = spoken_date(said_at).partition(" ")[2] if len(said_at) >= len("2024-01-10") else said_at
    day = day.removeprefix("0")
    return day.removesuffix(f" {said_at[:4]}") if str(beside)[:4] == said_at[:4] else day


def named_cells(rows: Rows) -> list[str]:
    """Each row with the names of its columns, without those that are empty: `times: 4`."""
    lines = []
    for row in rows.rows:
        cells = zip(rows.columns, row, strict=True)
        filled = [(column, str(cell)) for column, cell in cells if cell not in (None, "")]
        lines.append(" | ".join(f"{column}: {' '.join(text.split())}" for column, text in filled))
    return lines


def assemble(
    rows: Sequence[RowLine],
    turns: Iterable[Turn],
    budget: int,
    floor: float = 0.5,
    question: str = "",
    once: bool = False,
) -> Context:
    """Fill a budget with row lines first and turns (best first) after; turns keep a floor.

    Rows take at most `1 - floor` of the budget when there are turns. The best turn is always
    there, cut if it must be. Turns stand in the order they were said. With a `question` a long
    turn shows the sentences that it asks for, and turns that do not fit make room for shorter ones
    behind them; without one the first that does not fit is the last that is looked at. With `once`
    the turns fill their floor first, rows of turns that are shown go, and so do further turns that
    a row stands for.
    Raises InputError when the budget is below LEAST_BUDGET tokens.
    """
    if budget < LEAST_BUDGET:
        raise InputError(
            f"a budget of {budget} tokens is too small for one turn; give at least {LEAST_BUDGET}"
        )
    tokens_left = budget - line_tokens(_TURNS_HEAD)
    if rows:
        tokens_left -= line_tokens(_ROWS_HEAD)
    choose = _shown_once if once else _rows_then_turns
    row_pairs, turn_pairs = choose(rows, iter(turns), tokens_left, floor=floor, question=question)

    lines = [_ROWS_HEAD, *(line for line, _ in row_pairs)] if row_pairs else []
    if turn_pairs:
        turn_pairs.sort(key=lambda pair: pair[0].id)
        lines += [_TURNS_HEAD, *(line for _, line in turn_pairs)]
    text = "\n".join(lines)
    turn_ids = {turn.id for turn, _ in turn_pairs} | {
        turn_id for _, turn_id in row_pairs if turn_id
    }
    return Context(text, tuple(sorted(turn_ids)), count_tokens(text))


def _rows_then_turns(
    rows: Sequence[RowLine], turns: Iterator[Turn], tokens: int, *, floor: float, question: str
) -> _Chosen:
    """The best turn, rows in what is left beside the floor, and more turns."""
    # The best turn is taken before the rows: whatever they fill, it is there.
    turn_pairs, tokens_left = _best_turn(turns, tokens, question)
    row_budget = int(tokens_left * (1 - floor)) if turn_pairs else tokens_left
    row_pairs = list(fitting_lines(rows, row_budget))
    tokens_left -= _total_tokens(row_pairs)
    return row_pairs, turn_pairs + _fitting_turns(turns, question, tokens_left)


def _shown_once(
    rows: Sequence[RowLine], turns: Iterator[Turn], tokens: int, *, floor: float, question: str
) -> _Chosen:
    """Turns in their floor, rows that say more than these, and turns that no row stands for."""
    turn_pairs, tokens_left = _best_turn(turns, tokens, question)
    candidates = list(turns)
    first_pairs = _fitting_turns(candidates, question, int(tokens_left * floor))
    turn_pairs += first_pairs
    tokens_left -= _total_tokens((line, turn) for turn, line in first_pairs)

    chosen_ids: set[int | None] = {turn.id for turn, _ in turn_pairs}
    # Until when a fact was true, its own turn does not tell.
    further = [row for row in rows if row[1] not in chosen_ids or tells_end(row[0])]
    row_pairs = list(fitting_lines(further, tokens_left))
    tokens_left -= _total_tokens(row_pairs)
    chosen_ids.update(turn_id for _, turn_id in row_pairs)
    unshown = (turn for turn in candidates if turn.id not in chosen_ids)
    return row_pairs, turn_pairs + _fitting_turns(unshown, question, tokens_left)


def _best_turn(
    turns: Iterator[Turn], tokens: int, question: str
) -> tuple[list[tuple[Turn, str]], int]:
    """The first of the turns, cut if it must be, and the tokens that are left beside it."""
    best = next(turns, None)
    if best is None:
        return [], tokens
    line = trim(_line(best, question, tokens), tokens - 2)
    return [(best, line)], tokens - line_tokens(line)


def _total_tokens(pairs: Iterable[tuple[str, object]]) -> int:
    return sum(line_tokens(line) for line, _ in pairs)


def _fitting_turns(turns: Iterable[Turn], question: str, tokens: int) -> list[tuple[Turn, str]]:
    """The turns that fit a number of tokens, with their lines; none behind _MOST_MISSES misses."""
    pairs: list[tuple[Turn, str]] = []
    misses_left = _MOST_MISSES if question else 1
    for turn in turns:
        line = _line(turn, question, tokens)
        size = line_tokens(line)
        if size <= tokens:
            tokens -= size
            pairs.append((turn, line))
        else:
            misses_left -= 1
        if not misses_left:
            break
    return pairs


def _line(turn: Turn, question: str, tokens_left: int) -> str:
    """A turn's line in the room that is left; of a long turn what the question asks for."""
    if question:
        longest = max(tokens_left // 2, LONG_TURN)
        turn = replace(turn, text=excerpt(question, turn.text, longest))
    return dated_line(turn)
