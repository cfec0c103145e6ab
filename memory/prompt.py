"""What a model sees of a memory: turns and rows as lines, counted and cut in tokens.

Tokens are those of the packaged embedder's Llama tokenizer. Newer models have larger vocabularies
and need fewer tokens for the same text, so a budget kept here is kept there too.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from memory.dates import named_day, resolve_dates, spoken_day
from memory.errors import InputError
from memory.passages import excerpt
from memory.records import Contradiction, Fact, MemoryTurn, Rows, Turn
from memory.search.word_forms import forms_of
from memory.search.words import words
from memory.tokens import count_tokens, fitting_lines, line_tokens, trim

RowLine = tuple[str, int | None]  # what a row says, and the turn that it rests on
# A smaller budget holds no turn at all, only its date and speaker.
LEAST_BUDGET = 64
CATALOG_TOKENS = 1_000  # of what a memory holds, in the prompts that write SQL
NAME_TOKENS = 400  # of what is said of names: about twenty entities
ROWS_HEAD = "What the memory's facts say:"
TURNS_HEAD = "What was said:"
STANDING_HEAD = "What the asker wants of answers, newest first:"
CONTRADICTIONS_HEAD = "Facts that contradict each other; nobody has said which is right:"
# A result without turns that is longer is no count or sum, but a list whose turns were left out.
MOST_SUMS = 12
# A turn of more than this, and of more than half of the room left, shows the sentences that are
# asked for: evidence shown at 500 tokens .697 -> .722 in chats with an assistant (docs/log.md).
# Turns of LoCoMo's seven conversations are as long in 1 of 100.
LONG_TURN = 100  # tokens
_HEAD_TOKENS = 30  # of a line: its id, its date and a speaker's name
# No turn takes more than this share of a budget: one of 950 tokens stood in 13 of 20 prompts.
_MOST_OF_BUDGET = 1 / 6
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
    """`[12] (Mon 08 May 2017) Anna: text`: how every model sees a turn.

    The name of its memory comes first where it is one of several:
    `[12] team (Mon 08 May 2017) Anna: text`.
    """
    memory = f"{' '.join(turn.memory.split())} " if isinstance(turn, MemoryTurn) else ""
    said_at = f"({spoken_date(turn.said_at)}) " if dates and turn.said_at else ""
    text = " ".join(turn.text.split())
    return f"[{turn.id}] {memory}{said_at}{turn.speaker}: {text}"


def dated_line(turn: Turn, dates: bool = True, iso: bool = False, spans: bool = False) -> str:
    """A turn's line with its relative dates resolved, so that no model computes them."""
    text = resolve_dates(turn.text, turn.said_at, iso=iso, spans=spans)
    return turn_line(replace(turn, text=text), dates)


def turn_forms(turn: Turn) -> set[str]:
    """The forms of all words of a turn: its speaker, its day, its text with dates resolved."""
    day = spoken_day(turn.said_at[:10]) if named_day(turn.said_at) else ""
    return forms_of(words(f"{turn.speaker} {day} {resolve_dates(turn.text, turn.said_at)}"))


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


@dataclass(frozen=True)
class Standing:
    """What a question is answered by beside what was found, as it is shown before that.

    Standing instructions and preferences that may apply (`facts`, `lines`), and facts that
    contradict each other and that it may be about (`pairs`, `pair_lines`).
    """

    facts: tuple[Fact, ...] = ()
    lines: tuple[str, ...] = ()
    pairs: tuple[Contradiction, ...] = ()
    pair_lines: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lines or self.pair_lines)

    @property
    def text(self) -> str:
        """The lines of each under a heading; "" for none."""
        return "\n".join(self._all_lines)

    @property
    def _all_lines(self) -> tuple[str, ...]:
        standing = (STANDING_HEAD, *self.lines) if self.lines else ()
        return (*standing, CONTRADICTIONS_HEAD, *self.pair_lines) if self.pair_lines else standing

    @property
    def tokens(self) -> int:
        """The size of the text before other lines."""
        return sum(map(line_tokens, self._all_lines))

    def within(self, budget: int) -> "Standing":
        """Itself, or nothing where a budget has no room for it and a turn."""
        return self if budget - self.tokens >= LEAST_BUDGET else Standing()

    def before(self, context: Context) -> Context:
        """A context that shows these first."""
        if not self:
            return context
        text = "\n".join(filter(None, [self.text, context.text]))
        facts = [*self.facts, *(fact for pair in self.pairs for fact in pair.facts)]
        turn_ids = {*context.turn_ids, *(fact.turn_id for fact in facts)}
        return Context(text, tuple(sorted(turn_ids)), count_tokens(text))


NO_STANDING = Standing()


def turn_column(columns: Sequence[str]) -> int | None:
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
        column = turn_column(rows.columns)
        if column is not None and "text" in rows.columns:
            turn_ids.update(
                (row[column], None) for row in rows.rows if isinstance(row[column], int)
            )
    return list(turn_ids)


def named_turns(rows: Rows) -> set[int]:
    """The turns that the rows of a SELECT name, whether they quote them or not."""
    column = turn_column(rows.columns)
    if column is None:
        return set()
    return {row[column] for row in rows.rows if isinstance(row[column], int)}


def row_lines(results: Sequence[Rows], rank: Mapping[int, int]) -> list[RowLine]:
    """Rows that quote no turn, as lines with the turn each rests on; best ranked turns first.

    `rank` maps turn ids to places in the ranking of the question, 0 the best. Before them stand
    counts and sums, a few rows that name no turn: `times: 4`.
    """
    lines: dict[str, int | None] = {}
    sums: dict[str, None] = {}
    for rows in results:
        column = turn_column(rows.columns)
        if column is not None and "text" in rows.columns:
            continue  # shown as turns
        if column is None and len(rows.rows) <= MOST_SUMS:
            sums.update(dict.fromkeys(filter(None, named_cells(rows))))
            continue
        for row in rows.rows:
            turn_id = row[column] if column is not None and isinstance(row[column], int) else None
            if line := _row_line(rows.columns, row, column):
                lines.setdefault(f"[{turn_id}] {line}" if turn_id else line, turn_id)
    ranked = sorted(lines.items(), key=lambda pair: rank.get(pair[1] or 0, len(rank)))
    return [*((line, None) for line in sums), *ranked]


def _row_line(columns: Sequence[str], row: Sequence[Any], of_turn: int | None) -> str:
    """The cells of a row that hold something, but for the turn's id: `Anna | lives_in | Oslo`."""
    cells = []
    ends = []
    for number, (column, cell) in enumerate(zip(columns, row, strict=True)):
        if number == of_turn or cell in (None, ""):
            continue
        if column == "ended_on":
            ends.append(f"until {cell}")
        else:
            cells.append(str(cell))
    return " | ".join(" ".join(cell.split()) for cell in [*cells, *ends])


def short_day(said_at: str) -> str:
    """`10 Jan 2024`."""
    day = spoken_date(said_at).partition(" ")[2] if len(said_at) >= len("2024-01-10") else said_at
    return day.removeprefix("0")


def named_cells(rows: Rows) -> list[str]:
    """Each row with the names of its columns, without those that are empty: `times: 4`."""
    lines = []
    for row in rows.rows:
        cells = zip(rows.columns, row, strict=True)
        filled = [(column, str(cell)) for column, cell in cells if cell not in (None, "")]
        lines.append(" | ".join(f"{column}: {' '.join(text.split())}" for column, text in filled))
    return lines


def refuse_small(budget: int) -> None:
    """Raise InputError for a budget of too few tokens."""
    if budget < LEAST_BUDGET:
        raise InputError(
            f"a budget of {budget} tokens is too small for one turn; give at least {LEAST_BUDGET}"
        )


def longest_turn(budget: int) -> int:
    """How many tokens the text of one turn may take where a question cuts long ones."""
    return max(int(budget * _MOST_OF_BUDGET) - _HEAD_TOKENS, LONG_TURN)


def assemble(
    rows: Sequence[RowLine],
    turns: Iterable[Turn],
    budget: int,
    floor: float = 0.5,
    question: str = "",
) -> Context:
    """Fill a budget with row lines first and turns (best first) after; turns keep a floor.

    Rows take at most `1 - floor` of the budget when there are turns. The best turn is always
    there, cut if it must be. Turns stand in the order they were said. With a `question` a long
    turn shows the sentences that it asks for, none more than `longest_turn`, and turns that do not
    fit make room for shorter ones behind them; without one the first that does not fit is the last
    that is looked at.
    Raises InputError when the budget is below LEAST_BUDGET tokens.
    """
    refuse_small(budget)
    tokens_left = budget - line_tokens(TURNS_HEAD)
    if rows:
        tokens_left -= line_tokens(ROWS_HEAD)
    row_pairs, turn_pairs = _rows_then_turns(
        rows,
        iter(turns),
        tokens_left,
        floor=floor,
        question=question,
        longest=longest_turn(budget),
    )

    lines = [ROWS_HEAD, *(line for line, _ in row_pairs)] if row_pairs else []
    if turn_pairs:
        turn_pairs.sort(key=lambda pair: pair[0].id)
        lines += [TURNS_HEAD, *(line for _, line in turn_pairs)]
    text = "\n".join(lines)
    turn_ids = {turn.id for turn, _ in turn_pairs} | {
        turn_id for _, turn_id in row_pairs if turn_id
    }
    return Context(text, tuple(sorted(turn_ids)), count_tokens(text))


def _rows_then_turns(
    rows: Sequence[RowLine],
    turns: Iterator[Turn],
    tokens: int,
    *,
    floor: float,
    question: str,
    longest: int,
) -> _Chosen:
    """The best turn, rows in what is left beside the floor, and more turns."""
    # The best turn is taken before the rows: whatever they fill, it is there.
    turn_pairs, tokens_left = best_turn(turns, tokens, question, longest=longest)
    row_budget = int(tokens_left * (1 - floor)) if turn_pairs else tokens_left
    row_pairs = list(fitting_lines(rows, row_budget))
    tokens_left -= total_tokens(row_pairs)
    more_pairs = fitting_turns(turns, question, tokens_left, longest=longest)
    return row_pairs, turn_pairs + more_pairs


def best_turn(
    turns: Iterator[Turn],
    tokens: int,
    question: str,
    *,
    longest: int,
    dates: bool = True,
    spans: bool = False,
) -> tuple[list[tuple[Turn, str]], int]:
    """The first of the turns, cut if it must be, and the tokens that are left beside it.

    With a `question` its text takes at most `longest` tokens. `dates` and `spans` are those of
    `dated_line`.
    """
    best = next(turns, None)
    if best is None:
        return [], tokens
    line = _line(best, question, tokens, longest=longest, dates=dates, spans=spans)
    line = trim(line, tokens - 2)
    return [(best, line)], tokens - line_tokens(line)


def total_tokens(pairs: Iterable[tuple[str, object]]) -> int:
    return sum(line_tokens(line) for line, _ in pairs)


def fitting_turns(
    turns: Iterable[Turn],
    question: str,
    tokens: int,
    *,
    longest: int,
    dates: bool = True,
    spans: bool = False,
) -> list[tuple[Turn, str]]:
    """The turns that fit a number of tokens, with their lines; none behind _MOST_MISSES misses.

    With a `question` the text of each takes at most `longest` tokens.
    """
    pairs: list[tuple[Turn, str]] = []
    misses_left = _MOST_MISSES if question else 1
    for turn in turns:
        line = _line(turn, question, tokens, longest=longest, dates=dates, spans=spans)
        size = line_tokens(line)
        if size <= tokens:
            tokens -= size
            pairs.append((turn, line))
        else:
            misses_left -= 1
        if not misses_left:
            break
    return pairs


def _line(
    turn: Turn, question: str, tokens_left: int, *, longest: int, dates: bool, spans: bool
) -> str:
    """A turn's line in the room that is left; of a long turn what the question asks for."""
    if question:
        limit = min(max(tokens_left // 2, LONG_TURN), longest)
        # Who asks is named in the question ("user"), and is no reason to show their code's "user".
        name = rf"\b{re.escape(turn.speaker)}\b" if turn.speaker else "$"
        turn = replace(turn, text=excerpt(re.sub(name, " ", question), turn.text, limit))
    return dated_line(turn, dates, spans=spans)
