"""Fits which clauses that rules leave unread are worth a fact.

    python -m tests.benchmarks.statement_weights [--write] [--show N]

Gold are the facts of `data/everyday` and the INSERTs of `data/train`. A statement is worth a fact
when its turn has a gold fact that it matches, as in `tests.benchmarks.stated`. Printed is what
thresholds bring, cross-validated by chat: ten groups, each left out once; "new" are those whose
gold fact rules have missed. `--show N` prints N statements of chats left out, drawn by a seed, to
be read one by one.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import sqlglot
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sqlglot import exp

from locomo.dataset.format import load_conversations
from memory.records import Fact, Turn
from memory.statements import Conversation
from memory.statements.generous import Unread
from memory.statements.worth import (
    LEAST_WORTH,
    WEIGHTS_FILE,
    features_of,
    likelihood,
)
from tests.benchmarks.stated import gold_facts, is_match

_DATA = Path(__file__).parents[2] / "data"
EVERYDAY = ("development", "second_round", "third_round")
TRAIN = ("train", "train/validation")
GROUPS = 10
LEAST_COUNT = 4  # of a feature
LEAST_WEIGHT = 0.05
L2 = 1.5
THRESHOLDS = (0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7)
SEED = 33

Features = Mapping[str, float]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A statement that a clause may make, with its label."""

    conversation: str
    turn: Turn
    candidate: Unread
    is_worth: bool
    is_new: bool  # matches a gold fact that rules have not


def chats() -> Iterator[tuple[str, Sequence[Turn], Sequence[Mapping[str, Any]]]]:
    """Each chat with its turns and its gold facts."""
    for folder in (*(_DATA / "everyday" / name for name in EVERYDAY), *(_DATA / n for n in TRAIN)):
        for file in sorted(folder.glob("*.json")):
            samples = json.loads(file.read_text("utf-8"))
            for sample, conversation in zip(samples, load_conversations(file), strict=True):
                if "store" in sample:
                    gold = [*_inserted(sample["store"])]
                else:
                    gold = [*gold_facts(conversation.id, folder)]
                yield conversation.id, conversation.turns, gold


def _inserted(store: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    """The facts that gold SQL of a chat inserts."""
    for turn, sql in store.items():
        for statement in sqlglot.parse(sql, dialect="sqlite"):
            if not isinstance(statement, exp.Insert):
                continue
            columns = [column.name for column in statement.this.expressions]
            for row in statement.expression.expressions:
                values = [value.name for value in row.expressions]
                fact = dict(zip(columns, values, strict=True))
                yield {"happened_on": "", "ended_on": "", **fact, "turn": turn}


def cases_of(name: str, turns: Sequence[Turn], gold: Sequence[Mapping[str, Any]]) -> Iterator[Case]:
    """The unread statements of a chat, labelled by its gold facts."""
    by_turn: dict[str, list[Mapping[str, Any]]] = {}
    for fact in gold:
        by_turn.setdefault(fact["turn"], []).append(fact)
    conversation = Conversation(sorted({turn.speaker for turn in turns}))
    for turn in turns:
        told = conversation.read(turn)
        facts = by_turn.get(turn.source, [])
        learnt = {id(candidate.statement) for candidate in told.unread}
        by_rules = [
            Fact(each.subject, each.attribute, each.value, 1, each.happened_on)
            for each in told.statements
            if id(each) not in learnt
        ]
        for candidate in told.unread:
            said = candidate.statement
            fact = Fact(said.subject, said.attribute, said.value, 1, said.happened_on)
            alike = [each for each in facts if is_match(each, fact)]
            missed = [each for each in alike if not any(is_match(each, rule) for rule in by_rules)]
            yield Case(name, turn, candidate, bool(alike), bool(missed))


def fit(features: Sequence[Features], labels: Floats) -> dict[str, float]:
    """The weights of a logistic regression over the features that occur often enough."""
    from scipy.optimize import minimize
    from scipy.sparse import csr_matrix

    counts = Counter(name for values in features for name in values)
    names = sorted(name for name, count in counts.items() if count >= LEAST_COUNT)
    number = {name: n for n, name in enumerate(names)}
    entries = [
        (row, number[name], value)
        for row, values in enumerate(features)
        for name, value in values.items()
        if name in number
    ]
    rows, columns, numbers = zip(*entries, strict=True)
    matrix = csr_matrix((numbers, (rows, columns)), shape=(len(features), len(names)))

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = matrix @ weights[:-1] + weights[-1]
        difference = 1 / (1 + np.exp(-scores)) - labels
        total = np.logaddexp(0, scores) - labels * scores
        slope = matrix.T @ difference + 2 * L2 * weights[:-1]
        penalty = L2 * float(weights[:-1] @ weights[:-1])
        return float(total.sum()) + penalty, np.append(slope, difference.sum())

    found = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B").x
    return {
        name: round(float(weight), 2)
        for name, weight in zip([*names, "always"], found, strict=True)
        if abs(weight) >= LEAST_WEIGHT or name == "always"
    }


def fit_cases(cases: Sequence[Case]) -> dict[str, float]:
    """The weights of the features of cases."""
    features = [features_of(case.candidate, case.turn) for case in cases]
    return fit(features, np.array([case.is_worth for case in cases], float))


@dataclass(frozen=True)
class Outcome:
    """A case with the likelihood that weights of other chats give it."""

    case: Case
    likelihood: float


def left_out(cases: Sequence[Case]) -> list[Outcome]:
    """The likelihood of each case by weights that were not fitted to its chat."""
    names = sorted({case.conversation for case in cases})
    group = {name: number % GROUPS for number, name in enumerate(names)}
    outcomes = []
    for number in range(GROUPS):
        weights = fit_cases([case for case in cases if group[case.conversation] != number])
        for case in cases:
            if group[case.conversation] == number:
                features = features_of(case.candidate, case.turn)
                outcomes.append(Outcome(case, likelihood(features, weights)))
    return outcomes


def table_of(outcomes: Sequence[Outcome]) -> Table:
    """What a threshold brings."""
    everyday = {
        file.stem for name in EVERYDAY for file in (_DATA / "everyday" / name).glob("*.json")
    }
    table = Table("threshold", "stored", "gold", "new", "everyday", "gold", "new")
    for threshold in THRESHOLDS:
        cells = []
        stored = [outcome.case for outcome in outcomes if outcome.likelihood >= threshold]
        for cases in (stored, [case for case in stored if case.conversation in everyday]):
            cells += [len(cases), sum(c.is_worth for c in cases), sum(c.is_new for c in cases)]
        table.add_row(f"{threshold}", *map(str, cells))
    return table


def measure(
    write: Annotated[bool, typer.Option("--write", help="write the weights")] = False,
    show: Annotated[int, typer.Option("--show", help="statements to print")] = 0,
) -> None:
    """Print what thresholds bring, and write the weights of all chats."""
    cases = [case for chat in chats() for case in cases_of(*chat)]
    outcomes = left_out(cases)
    Console().print(table_of(outcomes))
    stored = [outcome for outcome in outcomes if outcome.likelihood >= LEAST_WORTH]
    for outcome in random.Random(SEED).sample(stored, min(show, len(stored))):
        candidate, turn = outcome.case.candidate, outcome.case.turn
        said = candidate.statement
        sign = "+" if outcome.case.is_worth else " "
        fact = f"{said.subject} | {said.attribute} | {said.value} | {said.happened_on}"
        print(f"{sign} {outcome.likelihood:.2f} {fact} <- {turn.speaker}: {candidate.part}")
    if write:
        count = len({case.conversation for case in cases})
        table = {
            "made_by": f"python -m tests.benchmarks.statement_weights --write ({count} chats)",
            "weights": fit_cases(cases),
        }
        WEIGHTS_FILE.write_text(json.dumps(table, indent=0, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(measure)
