"""Figures with their intervals: answers by reader, stored facts beside gold ones, SQL that ran."""

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import dspy
import numpy as np
from pydantic import TypeAdapter
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from locomo.dataset.format import ABSTENTION, CATEGORIES, Conversation, Question
from locomo.examples.gold import NOTHING, Gold
from locomo.harness import BuiltMemory, Result
from locomo.json_lines import read_lines
from locomo.metrics import abstained, bootstrap, f1
from locomo.report import NAMES
from locomo.tasks.rewards import RIGHT
from memory import Change, Fact, InputError, MemoryProgram, SqlError, open_store

ANSWERABLE = "1-4"
F1, READING = "official F1", "reading"
FACTS_ONLY, STORING = "facts only", "facts stored, beside gold ones where these are known"
VALID = "SQL accepted at the first attempt, of modules without grammar"
_RESAMPLES = 2000
FactsOf = Mapping[int, Sequence[Fact]]  # by the id of their turn


@dataclass(frozen=True)
class Figure:
    """One cell of a table: a mean over `n` questions, turns or facts, and its 95 % interval.

    Under the column `ratio` it is the ratio of two means over the same `n` questions.
    """

    table: str
    row: str
    column: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class TurnFacts:
    """The facts of one turn (`key` names it): `stored` ones, and the `gold` ones.

    `nothing`: gold says that the turn tells no fact.
    """

    key: str
    stored: tuple[Fact, ...]
    gold: tuple[Fact, ...]
    nothing: bool


def mean(
    table: str, row: str, column: str, values: Sequence[float], groups: Sequence[str] | None = None
) -> list[Figure]:
    """The mean as a figure, or none without values. Values of one group depend on one another."""
    if not values:
        return []
    interval = bootstrap(values, groups=groups)
    return [Figure(table, row, column, fmean(values), *interval, len(values))]


def ratio(
    table: str, row: str, column: str, above: Sequence[float], below: Sequence[float]
) -> list[Figure]:
    """The ratio of the means of paired values, both resampled together; none of 0 below."""
    if not any(below):
        return []
    a, b, rng = np.asarray(above), np.asarray(below), np.random.default_rng(0)
    drawn = (rng.integers(len(a), size=len(a)) for _ in range(_RESAMPLES))
    ratios = [a[some].sum() / b[some].sum() for some in drawn if b[some].any()]
    low, high = np.percentile(ratios, [2.5, 97.5])
    return [Figure(table, row, column, fmean(a) / fmean(b), float(low), float(high), len(a))]


# --- answers ----------------------------------------------------------------------------------


def _groups() -> dict[str, set[int]]:
    answerable = set(CATEGORIES) - {ABSTENTION}
    return {**{f"{c} {NAMES[c]}": {c} for c in sorted(answerable)}, ANSWERABLE: answerable}


def scores(results: Sequence[Result], categories: set[int]) -> list[float]:
    """The official scores of the questions of these categories, in their order."""
    return [result.score for result in results if result.category in categories]


def answer_figures(
    answers: Mapping[str, Sequence[Result]],
    asked: Sequence[tuple[Conversation, Question]],
    whole: str,
) -> list[Figure]:
    """How well each reader answers, and `whole` minus each: all answered what was asked, in order.

    Evidence shown is its recall, over answerable questions that have evidence.
    """
    found, best = [], scores(answers[whole], _groups()[ANSWERABLE])
    for name, results in answers.items():
        for label, categories in _groups().items():
            found += mean(F1, name, label, scores(results, categories))
        known = [result for result in results if result.category != ABSTENTION]
        shown = [
            result.recall
            for result, (_, question) in zip(results, asked, strict=True)
            if question.category != ABSTENTION and question.evidence
        ]
        loss = [x - r.score for x, r in zip(best, known, strict=True)] if name != whole else []
        for column, values in {
            f"abstained, {ABSTENTION}": scores(results, {ABSTENTION}),
            f"answered, {ANSWERABLE}": [float(not abstained(one.answer)) for one in known],
            "evidence shown": shown,
            f"{whole} minus it, F1 {ANSWERABLE}": loss,
            "seconds a question": [one.seconds for one in results],
        }.items():
            found += mean(READING, name, column, values)
    return found


def facts_only_figures(
    facts: Sequence[Result], turns: Sequence[Result], names: tuple[str, str]
) -> list[Figure]:
    """F1 of answers from facts alone beside answers from turns alone, and their ratio."""
    found = []
    for label, categories in _groups().items():
        both = scores(facts, categories), scores(turns, categories)
        for name, values in zip(names, both, strict=True):
            found += mean(FACTS_ONLY, label, name, values)
        found += ratio(FACTS_ONLY, label, "ratio", *both)
    return found


# --- facts ---------------------------------------------------------------------------------


def matched(stored: Sequence[Fact], gold: Sequence[Fact]) -> list[tuple[Fact, Fact]]:
    """Pairs of a stored and a gold fact of one turn that say the same, each fact in one at most.

    The subjects are equal but for case, and the values have an F1 of RIGHT or more (attributes
    are not looked at). The most alike are paired first.
    """
    alike = [
        (f1(one.value, other.value), n, m)
        for n, one in enumerate(stored)
        for m, other in enumerate(gold)
        if one.subject.casefold() == other.subject.casefold()
    ]
    partner: dict[int, int] = {}
    for likeness, n, m in sorted(alike, key=lambda pair: -pair[0]):
        if likeness >= RIGHT and n not in partner and m not in partner.values():
            partner[n] = m
    return [(stored[n], gold[m]) for n, m in partner.items()]


def fact_figures(name: str, turns: Sequence[TurnFacts]) -> list[Figure]:
    """Precision, recall and F1 of stored facts, of nothing stored, and of dates; by turns.

    F1 is 2 x matches / (stored + gold), which is the share of all facts that are in a pair.
    """
    stored, gold = list[tuple[str, float]](), list[tuple[str, float]]()
    pairs = list[tuple[str, Fact, Fact]]()
    for turn in turns:
        own = [(turn.key, *pair) for pair in matched(turn.stored, turn.gold)]
        for facts, into in ((turn.stored, stored), (turn.gold, gold)):
            into += [(turn.key, float(n < len(own))) for n in range(len(facts))]
        pairs += own
    dated = [(key, one.happened_on or "", other) for key, one, other in pairs if other.happened_on]
    found = []
    for row, values in {
        "precision": stored,
        "recall": gold,
        "F1": stored + gold,
        "facts a turn": [(turn.key, float(len(turn.stored))) for turn in turns],
        "-- none right": [(turn.key, float(not turn.stored)) for turn in turns if turn.nothing],
        "matches with the same attribute": [
            (key, float(one.attribute == other.attribute)) for key, one, other in pairs
        ],
        "gold dates that are equal": [
            (key, float(date == other.happened_on)) for key, date, other in dated
        ],
        "gold dates that are left empty": [(key, float(not date)) for key, date, _ in dated],
    }.items():
        groups = [key for key, _ in values]
        found += mean(STORING, row, name, [value for _, value in values], groups)
    return found


def storing_seconds(name: str, built: Sequence[BuiltMemory]) -> list[Figure]:
    """Seconds a turn, a mean over turns; the interval is over conversations."""
    values = [one.seconds / one.turns for one in built for _ in range(one.turns)]
    groups = [one.conversation for one in built for _ in range(one.turns)]
    return mean(STORING, "seconds a turn", name, values, groups)


def gold_facts(gold: Gold) -> FactsOf:
    """The facts that gold SQL writes, by their turn. Raises InputError when it is refused."""
    with (
        tempfile.TemporaryDirectory(prefix="gold-") as folder,
        open_store(Path(folder) / "gold.db") as store,
    ):
        store.add(gold.conversation.turns)
        for n, sql in sorted(gold.store.items()):
            try:
                store.write(sql, cause="gold", window=(n, n))
            except SqlError as error:
                source = gold.conversation.turns[n - 1].source
                raise InputError(
                    f"{gold.conversation.id}, field store.{source}: the gold SQL is refused,"
                    f" correct it: {error}"
                ) from error
        return _by_turn(store.facts())


def _by_turn(facts: Sequence[Fact]) -> FactsOf:
    found: dict[int, list[Fact]] = {}
    for fact in facts:
        found.setdefault(fact.turn_id, []).append(fact)
    return found


def turn_facts(gold: Gold, wanted: FactsOf, path: Path) -> list[TurnFacts]:
    """Each turn that has gold, with its gold facts (`wanted`) and those in the memory at a path."""
    with open_store(path, read_only=True) as store:
        stored = _by_turn(store.facts())
    return [
        TurnFacts(
            f"{gold.conversation.id}/{n}",
            tuple(stored.get(n, ())),
            tuple(wanted.get(n, ())),
            sql == NOTHING,
        )
        for n, sql in sorted(gold.store.items())
    ]


# --- SQL --------------------------------------------------------------------------------------

# What storing a window changed, or why it failed; and whether its first SQL was accepted.
_ATTEMPT = TypeAdapter(tuple[Change | str, bool])


class NotedStore(dspy.Module):
    """The storing module, which notes of each window whether its first SQL was accepted."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.module, self.file = MemoryProgram().store, file
        self.predict = self.module.predict  # where `build` looks for the prompt

    def forward(self, turns: str, catalog: str, write: Callable[[str], Change]) -> dspy.Prediction:
        """As StoreTurns: the same inputs, Prediction and SqlError."""
        try:
            stored = self.module(turns=turns, catalog=catalog, write=write)
        except SqlError as error:
            self._note(str(error), False)
            raise
        self._note(stored.change, not stored.refusals)
        return stored

    def _note(self, outcome: Change | str, accepted: bool) -> None:
        with self.file.open("ab") as file:  # in one write: threads do not cut each other's lines
            file.write(_ATTEMPT.dump_json((outcome, accepted)) + b"\n")


def first_attempts(file: Path, path: Path) -> list[float]:
    """Of the windows that a model was asked to store in the memory at `path`: 1 for an accepted
    first SQL, else 0. The notes in `file` are of all memories that it stored.
    """
    noted: dict[Change | str, float] = {}
    for outcome, accepted in read_lines(file, _ATTEMPT) if file.exists() else ():
        noted[outcome] = float(accepted)
    with open_store(path, read_only=True) as store:
        outcomes = [*store.changes(), *(window.error for window in store.pending())]
    return [noted[outcome] for outcome in outcomes if outcome in noted]


def retrieval_accepted(result: Result) -> float:
    """Whether the database accepted the first SELECTs for a question, 1 or 0.

    Every further call is a repair; a memory that shows something is read by one call.
    """
    return float(result.calls - (result.tokens > 0) == 1)


# --- tables -----------------------------------------------------------------------------------


def _places(figures: Sequence[Figure]) -> tuple[list[str], list[str], dict[tuple[str, str], str]]:
    """The rows and columns of a table in their order, and what stands in its cells."""
    rows = list(dict.fromkeys(one.row for one in figures))
    columns = list(dict.fromkeys(one.column for one in figures))
    cells = {
        (one.row, one.column): f"{one.value:.3f} ({one.n})\n[{one.low:.2f}, {one.high:.2f}]"
        for one in figures
    }
    return rows, columns, {place: re.sub(r"\b0\.", ".", cell) for place, cell in cells.items()}


def figure_table(title: str, figures: Sequence[Figure]) -> Table:
    """One table for the terminal: the mean, over how many, and its 95 % interval."""
    rows, columns, cells = _places(figures)
    table = Table("", box=SIMPLE, title=f"{title}: mean (n), 95 % interval")
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(row, *(escape(cells.get((row, column), "")) for column in columns))
    return table


def markdown(title: str, figures: Sequence[Figure]) -> str:
    """The same table in Markdown."""
    rows, columns, cells = _places(figures)
    lines = [["", *columns], ["---", *["---:"] * len(columns)]]
    lines += [[row, *(cells.get((row, c), "").replace("\n", " ") for c in columns)] for row in rows]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"## {title}: mean (n), 95 % interval\n\n{body}\n"
