"""Rows that quote what a turn says: what a little model should have written of it.

Gold rows (`data/rows`) name every statement of a turn. A row that may be taught is one of the
grammar's (`memory.models.row_grammar`) that shows a statement, the one most like the gold row, and
goes to the end of its clause.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from locomo.dataset.rows import GoldRow, GoldRows, GoldTurn
from locomo.harness import temporary_memory
from locomo.metrics import normalize
from locomo.tasks.row_score import score_rows
from memory import Fact, Store, Turn
from memory.models import NONE, clause_rows, clauses_of
from memory.program import Row, quoted_fact, shown_turn, turns_before

# A fifth of the examples in the plain prompt are "none", and with a half of them the model wrote it
# of facts, too (the log).
_NONE_SHARE = 0.38
# Forms that are no harder to quote than others: typing, added questions, an assistant's advice.
_PLAIN_FORMS = frozenset({"typo", "question", "advice", "addressed"})


@dataclass(frozen=True)
class PossibleRow:
    """A row that the grammar of a turn has: its place in the turn, and the fact that it becomes."""

    place: tuple[int, int]  # sentence, first word
    end: int  # the word after it
    row: Row
    fact: Fact


def row_examples(
    gold: GoldRows, *, rng: Random, left_out: Counter[str]
) -> Iterator[tuple[str, str]]:
    """The turns of a conversation as a model is shown them, each with the rows to write, or "none".

    Left out are turns that the model is not asked about, turns without anything to quote, and
    "none" beyond a share of the examples. Statements without a row are counted in `left_out`.
    """
    telling: list[tuple[str, str]] = []
    nothing: list[tuple[str, str]] = []
    for line, rows in right_rows(gold, left_out).values():
        (nothing if rows == NONE else telling).append((line, rows))
    number = round(len(telling) * _NONE_SHARE / (1 - _NONE_SHARE))
    yield from telling
    yield from rng.sample(nothing, min(number, len(nothing)))


@dataclass(frozen=True)
class RowCounts:
    """How many turns a conversation has, how many of them say something, and what.

    `small_talk` turns say nothing, `hard` ones say it in a hard form; `quotable`
    counts the `statements` that can be quoted.
    """

    turns: int
    saying: int
    small_talk: int
    hard: int
    statements: int
    quotable: int


def row_counts(gold: GoldRows) -> RowCounts:
    """What the turns of a conversation say, and how much of it a little model can quote."""
    turns = [gold.of(turn.source) for turn in gold.conversation.turns]
    statements = sum(len(turn.facts) for turn in turns)
    missed: Counter[str] = Counter()
    right_rows(gold, missed)
    return RowCounts(
        turns=len(turns),
        saying=sum(bool(turn.facts) for turn in turns),
        small_talk=sum(not (turn.facts or turn.other) for turn in turns),
        hard=sum(bool({*turn.forms} - _PLAIN_FORMS) for turn in turns),
        statements=statements,
        quotable=statements - missed["store"],
    )


def right_rows(gold: GoldRows, left_out: Counter[str] | None = None) -> dict[int, tuple[str, str]]:
    """By the number of a turn, from 1: the turn as a model is shown it, and what it should write.

    Without the turns that it is not asked about, and without turns that have nothing to quote.
    """
    right = {}
    missed = 0
    with temporary_memory(gold.conversation.turns) as store:
        for turn in store.turns():
            gold_turn = gold.of(turn.source)
            before = turns_before(store, turn)
            line = shown_turn(turn, before)
            rows = quoted_rows(gold_turn, turn, before, store) if line and gold_turn.facts else []
            missed += len(gold_turn.facts) - len(rows)
            if line and (rows or not gold_turn.facts):
                right[turn.id] = line, "\n".join(row.text for row in rows) or NONE
    if left_out is not None:
        left_out["store"] += missed
    return right


def quoted_rows(gold_turn: GoldTurn, turn: Turn, before: Sequence[Turn], store: Store) -> list[Row]:
    """The rows that show what a turn says, in the order of its words; one for each clause."""
    possible = [*possible_rows(turn, before, store)]
    chosen: dict[tuple[int, int], PossibleRow] = {}
    for statement in gold_turn.facts:
        showing = [row for row in possible if _shows(row, statement, turn)]
        if showing:
            best = max(showing, key=lambda row: _likeness(row.row, statement))
            chosen.setdefault(best.place, best)
    ordered = [chosen[place] for place in sorted(chosen)]
    return [
        row.row
        for number, row in enumerate(ordered)
        if number == 0 or _is_after(row, ordered[number - 1])
    ]


def possible_rows(turn: Turn, before: Sequence[Turn], store: Store) -> Iterator[PossibleRow]:
    """All rows of a turn that its grammar has and that would be stored."""
    text = shown_turn(turn, before).partition(": ")[2]
    for number, (sentence, clauses) in enumerate(clauses_of(text, turn.speaker)):
        for clause in clauses:
            for cells, end in clause_rows(sentence, clause):
                row = Row(*cells)
                fact = quoted_fact(row, turn, store, before)
                if isinstance(fact, Fact):
                    yield PossibleRow((number, clause.at), end, row, fact)


def _shows(row: PossibleRow, statement: GoldRow, turn: Turn) -> bool:
    return bool(score_rows(GoldTurn((statement,)), turn, [row.fact]).covered)


def _likeness(row: Row, statement: GoldRow) -> float:
    """The F1 of a row's words and a gold row's words; of equals the earlier cut."""
    written, wanted = (Counter(normalize(text).split()) for text in (row.text, statement.row))
    shared = (written & wanted).total()
    return 2 * shared / (written.total() + wanted.total())


def _is_after(row: PossibleRow, before: PossibleRow) -> bool:
    return row.place[0] > before.place[0] or row.place[1] >= before.end
