"""What a model sees of a memory: turns, rows and summaries as lines, counted and cut in tokens.

Tokens are counted by the packaged embedder's Llama tokenizer. Newer models have larger vocabularies
and need fewer tokens for the same text, so a budget kept here is kept there too.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Protocol, Self

from memory.errors import InputError
from memory.records import Answer, Citation, Fact, Hit, Rows, Summary, Turn
from memory.store.turns.tags import is_told
from memory.text.characters import one_line, unnumbered
from memory.text.dates import resolve_dates, short_day
from memory.text.passages import excerpt
from memory.text.speakers import is_by_assistant
from memory.text.tokens import count_tokens, line_tokens, trim
from memory.text.turn_lines import resolved_line, turn_line
from memory.vocabulary.templates.parts import own_lines

# A smaller budget holds no turn at all, only its date and speaker.
LEAST_BUDGET = 64
MOST_BUDGET = 10**9
CATALOG_TOKENS = 1_000  # for the summary of a memory, in the prompts that write SQL
NAME_TOKENS = 400  # for what is known of names: about twenty entities
LOOKED_HEAD = "What you looked up:"
ROWS_HEAD = "What the memory's facts say:"
TURNS_HEAD = "What was said:"
PORTRAIT_HEAD = "What lasts, in their own words:"
OUTDATED, DISPUTED = OF_FACTS = "outdated: ", "disputed: "  # how marks made by facts begin
# A longer result without turns is not a count or a sum, but a list whose turns were left out.
MOST_SUMS = 12
_NEXT_SESSION = "(another conversation)"
_MOST_KNOWN, _LONGEST_KNOWN = 1_000, 2_000  # texts, and characters of one
_HEAD_TOKENS = 30  # of a line: its id, its date and a speaker's name


def refuse_budget(budget: int) -> None:
    """Raise InputError for a budget that is not a whole number, too small or too large (tokens)."""
    if not isinstance(budget, int) or budget > MOST_BUDGET:
        raise InputError(
            f"a budget is a whole number of tokens, at most {MOST_BUDGET:,}, not {budget!r:.60}"
        )
    if budget < LEAST_BUDGET:
        raise InputError(
            f"a budget of {budget!r:.60} tokens is too small for one turn;"
            f" give at least {LEAST_BUDGET}"
        )


def dated_line(turn: Turn, dates: bool = True, iso: bool = False, spans: bool = False) -> str:
    """A turn's line with its relative dates resolved, so that no model computes them.

    With `spans`, only in people's messages: assistants give advice, examples and drafts, and
    documents and pasted text count from another day (decision 202).
    """
    if not spans:
        return resolved_line(turn, dates, iso)
    if turn.kind != "message" or is_by_assistant(turn):
        return turn_line(turn, dates)
    told = _with_spans if len(turn.text) <= _LONGEST_KNOWN else _with_spans.__wrapped__
    text = told(turn.text, turn.said_at, iso)
    return turn_line(turn if text == turn.text else replace(turn, text=text), dates)


@lru_cache(maxsize=_MOST_KNOWN)
def _with_spans(text: str, said_at: str, iso: bool) -> str:
    """A message with its relative dates as spans; questions show the same turns again."""
    return "\n".join(
        resolve_dates(line, said_at, iso=iso, spans=True, is_told=is_told) if is_own else line
        for line, is_own in own_lines(text)
    )


def marked(line: str, mark: str) -> str:
    """A line with its mark in brackets: that it is outdated."""
    return f"{line} [{one_line(mark)}]" if mark else line


@lru_cache(maxsize=_MOST_KNOWN)  # questions show the same turns again
def marked_line(turn: Turn, mark: str, dates: bool, spans: bool) -> str:
    """A turn's `dated_line` with its mark."""
    return marked(dated_line(turn, dates, spans=spans), mark)


def in_words(attribute: str, value: str) -> str:
    """`lives in Oslo`: how a mark names a fact."""
    return one_line(f"{attribute.replace('_', ' ')} {value}")


def turn_lines(
    turns: Sequence[Turn],
    budget: int,
    dates: bool = True,
    iso: bool = False,
    spans: bool = False,
    question: str = "",
) -> str:
    """These turns as `dated_line`s; all are cut alike if the whole would exceed the budget.

    With a `question` each turn that is too long shows the sentences that it asks for.
    """
    return "\n".join(cut_lines(turns, budget, dates, iso, spans, question))


def cut_lines(
    turns: Sequence[Turn],
    budget: int,
    dates: bool = True,
    iso: bool = False,
    spans: bool = False,
    question: str = "",
) -> list[str]:
    """The lines of `turn_lines`, one for each turn."""
    lines = [dated_line(turn, dates, iso=iso, spans=spans) for turn in turns]
    if count_tokens("\n".join(lines)) > budget:
        share = max(budget // max(len(lines), 1) - 1, 0)
        longest = share - _HEAD_TOKENS
        if question and longest > 0:
            cut = [replace(turn, text=excerpt(question, turn.text, longest)) for turn in turns]
            lines = [dated_line(turn, dates, iso=iso, spans=spans) for turn in cut]
        lines = [trim(line, share) for line in lines]
    return lines


def in_sessions(turns: Sequence[Turn], lines: Sequence[str]) -> str:
    """The lines of turns, with one more where another conversation begins."""
    marked_lines: list[str] = []
    for number, (turn, line) in enumerate(zip(turns, lines, strict=True)):
        if number and turn.session != turns[number - 1].session:
            marked_lines.append(_NEXT_SESSION)
        marked_lines.append(line)
    return "\n".join(marked_lines)


def known_fact_line(fact: Fact, note: str = "") -> str:
    """`id 31: Anna | lives_in | Oslo | happened 2017-05-06`: how a model that stores sees it.

    A `note` says what a person did to it: `corrected by Anna on 2017-06-01, was Leeds`.
    """
    cells = [fact.subject, fact.attribute, fact.value]
    if fact.happened_on:
        cells.append(f"happened {fact.happened_on}")
    if fact.ended_on:
        cells.append(f"until {fact.ended_on}")
    if note:
        cells.append(note)
    return f"id {fact.id}: {' | '.join(map(one_line, cells))}"


def deleted_fact_line(fact: Fact, note: str) -> str:
    """`Anna | lives_in | Leeds | deleted by Anna on 2017-06-01`: what is not to be stored again."""
    return " | ".join(map(one_line, (fact.subject, fact.attribute, fact.value, note)))


def turn_column(columns: Sequence[str]) -> int | None:
    """The column that names each row's turn: `turn_id`, or `id` along with columns of a turn."""
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


def citations(answer: Answer, hits: Sequence[Hit]) -> tuple[Citation, ...]:
    """What brought up each turn that an answer cites: the ranking, SELECTs, or both."""
    ranking = {hit.turn_id: (rank, hit.shares) for rank, hit in enumerate(hits, start=1)}
    statements = list(zip(answer.sql, map(named_turns, answer.rows), strict=True))
    cited = []
    for turn_id in answer.turns:
        rank, shares = ranking.get(turn_id, (0, {}))
        sql = tuple(statement for statement, named in statements if turn_id in named)
        cited.append(Citation(turn_id, rank=rank, shares=shares, sql=sql))
    return tuple(cited)


@dataclass(frozen=True)
class RowLine:
    """A row as a line by itself, with its turn if it names one; the turn is shown as well."""

    line: str
    turn_id: int | None = None
    fact_ids: tuple[int, ...] = ()  # of a current fact as a line

    replaces_turns: ClassVar[bool] = False
    source: ClassVar[int] = 0

    @property
    def turn_ids(self) -> Collection[int]:
        """The turn that it is from."""
        return (self.turn_id,) if self.turn_id else ()

    def is_in(self, turn_ids: Collection[int]) -> bool:
        """Never: a row is shown whatever turns say."""
        return False

    def within(self, tokens: int) -> Self | None:
        """Itself if it fits a number of tokens."""
        return self if line_tokens(self.line) <= tokens else None


def row_lines(results: Sequence[Rows], rank: Mapping[int, int]) -> list[RowLine]:
    """Rows that quote no turn, as lines; those with the best ranked turns first.

    `rank` maps turn ids to places in the ranking of the question, 0 the best. Counts and sums come
    first, a few rows that name no turn: `times: 4`.
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
            if line := unnumbered(row_text(rows.columns, row, column)):
                lines.setdefault(f"[{turn_id}] {line}" if turn_id else line, turn_id)
    ranked = sorted(lines.items(), key=lambda pair: rank.get(pair[1] or 0, len(rank)))
    return [*map(RowLine, sums), *(RowLine(line, turn_id) for line, turn_id in ranked)]


def row_text(columns: Sequence[str], row: Sequence[Any], of_turn: int | None) -> str:
    """The non-empty cells of a row, without the turn's id: `Anna | lives_in | Oslo`."""
    cells = []
    ends = []
    for number, (column, cell) in enumerate(zip(columns, row, strict=True)):
        if number == of_turn or cell in (None, ""):
            continue
        if column == "ended_on":
            ends.append(f"until {cell}")
        else:
            cells.append(cell_text(cell))
    return " | ".join(map(one_line, [*cells, *ends]))


def cell_text(cell: object) -> str:
    """A cell of a row as text: a computed 1900.0 is 1900."""
    return f"{cell:.15g}" if isinstance(cell, float) else str(cell)


def named_cells(rows: Rows) -> list[str]:
    """Each row with the names of its columns, without the empty ones: `times: 4`."""
    lines = []
    for row in rows.rows:
        cells = zip(rows.columns, row, strict=True)
        filled = [(column, cell_text(cell)) for column, cell in cells if cell not in (None, "")]
        lines.append(" | ".join(f"{one_line(column)}: {one_line(text)}" for column, text in filled))
    return lines


STORY_HEAD = "What happened, in short:"
# The share of a budget when a question asks for a summary or an order. Four such questions over a
# chat have .63 of the answers' words in 2,000 tokens at .8, .68 at .5, .70 at .35; of all numbers
# and names that the asker told, .57, .53 and .51 (docs/log.md).
STORY_SHARE = 0.5


class Turns(Protocol):
    """The turns that summaries are about."""

    def turns_by_id(self, turn_ids: Sequence[int], missing_ok: bool = False) -> list[Turn]:
        """The turns with these ids."""


@dataclass(frozen=True)
class Story:
    """Lines of summaries that are shown, and the turns that they name."""

    lines: tuple[str, ...] = ()
    turn_ids: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The lines under a heading; "" for none."""
        return "\n".join([STORY_HEAD, *self.lines]) if self.lines else ""

    @property
    def tokens(self) -> int:
        """The size of the text before other lines."""
        return sum(map(line_tokens, (STORY_HEAD, *self.lines))) if self.lines else 0


NO_STORY = Story()


def story_line(summary: Summary, said_at: str = "") -> str:
    """`[12-15] (10 Jan 2024) Maria looked for a cello class`."""
    turns = (
        f"{summary.turn_id}"
        if summary.turn_id == summary.last_turn_id
        else f"{summary.turn_id}-{summary.last_turn_id}"
    )
    day = f"({short_day(said_at)}) " if said_at else ""
    return f"[{turns}] {day}{one_line(summary.text)}"


def story_of(
    summaries: Sequence[Summary],
    said_at: Mapping[int, str],
    ranks: Mapping[int, int],
    budget: int,
    selected: Collection[Summary] = (),
    sessions: Mapping[int, str] | None = None,
) -> Story:
    """The summaries: all if they fit a budget, else the best one of each session first.

    Arguments:
        summaries: a memory's summaries; any that wait to be rewritten are left out.
        said_at: the dates of their first turns.
        ranks: the ranks of turns in the search for a question, 0 the best.
        budget: in tokens, of the lines and their heading.
        selected: the summaries that a SELECT returned: they come before all others.
        sessions: the sessions of their first turns; any other turn is a session by itself.
    """
    tokens_left = budget - line_tokens(STORY_HEAD)
    lines = {
        summary: story_line(summary, said_at.get(summary.turn_id, ""))
        for summary in summaries
        if summary.text
    }

    def rank(summary: Summary) -> tuple[int, int]:
        covered = range(summary.turn_id, summary.last_turn_id + 1)
        best = min((ranks[turn_id] for turn_id in covered if turn_id in ranks), default=len(ranks))
        return best, summary.turn_id

    ranked = sorted(lines, key=rank)
    chosen = _first_that_fit([line for line in ranked if line in selected], lines, tokens_left)
    tokens_left -= sum(line_tokens(lines[summary]) for summary in chosen)
    others = [summary for summary in ranked if summary not in chosen]
    # Sorting is stable: the best of each session, then all others.
    best = _best_of_sessions([*chosen, *others], sessions or {})
    others.sort(key=lambda summary: summary not in best)
    chosen += _first_that_fit(others, lines, tokens_left)
    if budget < LEAST_BUDGET:
        return Story()
    chosen.sort(key=lambda summary: (summary.turn_id, -summary.last_turn_id))
    ends = {turn for summary in chosen for turn in (summary.turn_id, summary.last_turn_id)}
    return Story(tuple(lines[summary] for summary in chosen), tuple(sorted(ends)))


def _best_of_sessions(ranked: Sequence[Summary], sessions: Mapping[int, str]) -> set[Summary]:
    """The first summary of each session."""
    best: dict[str | int, Summary] = {}
    for summary in ranked:
        best.setdefault(sessions.get(summary.turn_id, summary.turn_id), summary)
    return {*best.values()}


def _first_that_fit(
    ranked: Sequence[Summary], lines: Mapping[Summary, str], tokens_left: int
) -> list[Summary]:
    chosen = []
    for summary in ranked:
        size = line_tokens(lines[summary])
        if size <= tokens_left:
            chosen.append(summary)
            tokens_left -= size
    return chosen


def dated_lines(store: Turns, summaries: Sequence[Summary]) -> list[str]:
    """Summaries as lines with their first turns' dates; none for any that wait."""
    firsts = sorted({summary.turn_id for summary in summaries})
    said_at = {turn.id: turn.said_at for turn in store.turns_by_id(firsts, missing_ok=True)}
    return [
        story_line(summary, said_at.get(summary.turn_id, ""))
        for summary in summaries
        if summary.text
    ]
