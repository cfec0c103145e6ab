"""What a model gets to see of a memory: turns and rows as lines, counted and cut in tokens.

Tokens are those of the packaged embedder's Llama tokenizer. Newer models have larger vocabularies
and need fewer tokens for the same text, so a budget kept here is kept there too.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from memory.dates import resolve_dates
from memory.errors import InputError
from memory.model import Fact, Rows, Turn
from memory.passages import excerpt
from memory.tokens import count_tokens, fitting_lines, line_tokens, trim

# A smaller budget holds no turn at all, only its date and speaker.
LEAST_BUDGET = 64
_ROWS_HEAD = "What the memory's facts say:"
_TURNS_HEAD = "What was said:"
# A result without turns that is longer is no count or sum, but a list whose turns were left out.
_MOST_SUMS = 12
# A turn of more than this, and of more than half of the room left, shows the sentences that are
# asked for: evidence shown at 500 tokens .697 -> .722 in chats with an assistant (docs/log.md).
# Turns of LoCoMo's seven conversations are as long in 1 of 100.
LONG_TURN = 100  # tokens
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
    """A turn's line with its relative dates resolved: what a model need not compute."""
    text = resolve_dates(turn.text, turn.said_at, iso=iso, spans=spans)
    return turn_line(replace(turn, text=text), dates)


def turn_lines(
    turns: Sequence[Turn],
    budget: int,
    dates: bool = True,
    iso: bool = False,
    spans: bool = False,
) -> str:
    """These turns as `dated_line`s; all are cut alike where the whole would exceed the budget."""
    lines = [dated_line(turn, dates, iso=iso, spans=spans) for turn in turns]
    if count_tokens("\n".join(lines)) <= budget:
        return "\n".join(lines)
    share = max(budget // max(len(lines), 1) - 1, 0)
    return "\n".join(trim(line, share) for line in lines)


def known_fact_line(fact: Fact) -> str:
    """`id 31: Anna | lives_in | Oslo | since 2017-05-06`: a fact as a model sees it that writes."""
    cells = [fact.subject, fact.attribute, fact.value]
    if fact.happened_on:
        cells.append(f"since {fact.happened_on}")
    if fact.ended_on:
        cells.append(f"until {fact.ended_on}")
    return f"id {fact.id}: {' | '.join(' '.join(cell.split()) for cell in cells)}"


@dataclass(frozen=True)
class Context:
    """What the answering model sees: its text, the turns in it, and its size in tokens."""

    text: str
    turn_ids: tuple[int, ...]
    tokens: int


def _turn_column(columns: Sequence[str]) -> int | None:
    """Where rows name their turn: `turn_id`, or `id` beside the columns of a turn."""
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


def row_lines(results: Sequence[Rows], rank: Mapping[int, int]) -> list[tuple[str, int | None]]:
    """Rows that quote no turn, as lines with the turn each rests on; best ranked turns first.

    `rank` maps turn ids to places in the ranking of the question, 0 the best. Before them stand
    counts and sums, a few rows that name no turn: `times: 4`.
    """
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
            line = _row_line(rows.columns, row, column)
            if line:
                lines.setdefault(f"[{turn_id}] {line}" if turn_id else line, turn_id)
    unranked = len(rank)
    ranked = sorted(lines.items(), key=lambda pair: rank.get(pair[1] or 0, unranked))
    return [*((line, None) for line in sums), *ranked]


def _row_line(columns: Sequence[str], row: Sequence[Any], turn_column: int | None) -> str:
    """The cells of a row that hold something, but for the turn's id: `Anna | lives_in | Oslo`."""
    cells = [
        f"until {cell}" if column == "ended_on" else str(cell)
        for number, (column, cell) in enumerate(zip(columns, row, strict=True))
        if number != turn_column and cell not in (None, "")
    ]
    return " | ".join(" ".join(cell.split()) for cell in cells)


def named_cells(rows: Rows) -> list[str]:
    """Each row with the names of its columns, without those that are empty: `times: 4`."""
    lines = []
    for row in rows.rows:
        cells = zip(rows.columns, row, strict=True)
        filled = [(column, str(cell)) for column, cell in cells if cell not in (None, "")]
        lines.append(" | ".join(f"{column}: {' '.join(text.split())}" for column, text in filled))
    return lines


def assemble(
    rows: Sequence[tuple[str, int | None]],
    turns: Iterable[Turn],
    budget: int,
    last: str = "",
    floor: float = 0.5,
    question: str = "",
) -> Context:
    """Fill a budget with row lines first and turns (best first) after; turns keep a floor.

    Rows take at most `1 - floor` of the budget when there are turns. The best turn is always
    there, cut if it must be. Turns stand in the order they were said, and after them comes
    what is to stand `last`. With a `question` a long turn shows the sentences that it asks for, and
    turns that do not fit make room for shorter ones behind them; without one the first that does
    not fit is the last that is looked at.
    Raises InputError when the budget is below LEAST_BUDGET tokens.
    """
    if budget < LEAST_BUDGET:
        raise InputError(
            f"a budget of {budget} tokens is too small for one turn; give at least {LEAST_BUDGET}"
        )
    tokens_left = budget - line_tokens(_TURNS_HEAD)
    if rows:
        tokens_left -= line_tokens(_ROWS_HEAD)
    # Names in a doubt may be long: it must not take the room of the turns.
    if last and line_tokens(last) > budget // 4:
        last = ""
    if last:
        tokens_left -= line_tokens(last)

    # The best turn is taken before the rows: whatever they fill, it is there.
    source = iter(turns)
    best = next(source, None)
    turn_pairs: list[tuple[Turn, str]] = []
    row_budget = tokens_left
    if best:
        line = trim(_line(best, question, tokens_left), tokens_left - 2)
        turn_pairs.append((best, line))
        tokens_left -= line_tokens(line)
        row_budget = int(tokens_left * (1 - floor))

    row_pairs = list(fitting_lines(rows, row_budget))
    tokens_left -= sum(line_tokens(line) for line, _ in row_pairs)

    turn_pairs += _fitting_turns(source, question, tokens_left)
    turn_pairs.sort(key=lambda pair: pair[0].id)

    lines: list[str] = []
    if row_pairs:
        lines += [_ROWS_HEAD, *(line for line, _ in row_pairs)]
    if turn_pairs:
        lines += [_TURNS_HEAD, *(line for _, line in turn_pairs)]
    if last:
        lines.append(last)
    turn_ids = {turn.id for turn, _ in turn_pairs} | {
        turn_id for _, turn_id in row_pairs if turn_id
    }
    text = "\n".join(lines)
    return Context(text, tuple(sorted(turn_ids)), count_tokens(text))


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
