"""Which sentences state a fact: what the check keeps out, and what it refuses wrongly; no model.

    python -m tests.benchmarks.statements [--fit] [--errors]

`data/stated` has sentences in families, each with a fact and whether it states it (1) or not (0),
of the speaker ("me") or of someone else, labelled before anything judged them. In a family every
judgement is by weights that were fitted on the others, and on the gold facts of four in five
conversations of `data/train` and `data/rows`. No fit has seen `unseen`, nor the other gold facts.
`--fit` writes `memory/vocabulary/statements.json`; `--errors` prints what is judged wrongly.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.special import expit

from locomo.commands import print_table, run_command
from memory.records import Turn
from memory.vocabulary import statements
from memory.vocabulary.statements import Claim, features_around, statement_of

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "memory" / "vocabulary" / "statements.json"
_SQL_ROW = re.compile(
    r"\('((?:[^']|'')*)',\s*'((?:[^']|'')*)',\s*'((?:[^']|'')*)',\s*'[^']*',\s*\d+\)"
)
_ROW_PARTS = 3
_LEAST_LABELLED, _LEAST_SEEN = 2, 4  # examples with a feature that has a weight
_REFUSED_COST, _STATED_COST, _GOLD_COST = 6.0, 3.0, 1.0  # of a wrong answer, in the fit
_RIDGE = 0.3
_UNSEEN = ("gold", "unseen")


@dataclass(frozen=True)
class Example:
    """A claim about a turn's text, whether it is stated there, and whether it is held out."""

    family: str
    claim: Claim
    text: str
    is_stated: bool
    is_held: bool  # from any fit

    @property
    def turn(self) -> Turn:
        return Turn(speaker="Nora", text=self.text)


def labelled() -> list[Example]:
    """The sentences of `data/stated`."""
    examples = []
    for file in sorted((ROOT / "data" / "stated").glob("*.tsv")):
        for line in file.read_text("utf-8").splitlines():
            stated, subject, attribute, value, text = line.split("\t")
            claim = Claim("" if subject == "me" else subject, attribute, value)
            plain_text = text.replace("\\n", "\n")
            is_held = file.stem in _UNSEEN
            examples.append(Example(file.stem, claim, plain_text, stated == "1", is_held))
    return examples


def gold() -> list[Example]:
    """The gold facts of the conversations that train."""
    records = [
        record
        for folder in ("train", "rows")
        for file in sorted((ROOT / "data" / folder).glob("*.json"))
        for record in json.loads(file.read_text("utf-8"))
    ]
    held = {record["sample_id"] for number, record in enumerate(records) if not number % 5}
    return [
        Example("gold", claim, text, True, record["sample_id"] in held)
        for record in records
        for claim, text in _gold_of(record)
    ]


def _gold_of(record: Mapping[str, Any]) -> Iterator[tuple[Claim, str]]:
    sessions = (turns for turns in record["conversation"].values() if isinstance(turns, list))
    turns = {turn["dia_id"]: turn for of_session in sessions for turn in of_session}
    for source, sql in record.get("store", {}).items():
        rows = (match.groups() for match in _SQL_ROW.finditer(sql))
        yield from _claims(turns[source], (_unquoted(row) for row in rows))
    for source, of_turn in record.get("rows", {}).items():
        rows = (fact["row"].split(" | ", 2) for fact in of_turn.get("facts", ()))
        yield from _claims(turns[source], (row for row in rows if len(row) == _ROW_PARTS))


def _unquoted(row: Iterable[str]) -> list[str]:
    return [text.replace("''", "'") for text in row]


def _claims(turn: Mapping[str, str], rows: Iterable[Sequence[str]]) -> Iterator[tuple[Claim, str]]:
    for subject, attribute, value in rows:
        is_own = subject == turn["speaker"]
        yield Claim("" if is_own else subject, attribute, value), turn["text"]


def fit(examples: list[Example]) -> tuple[dict[str, float], float]:
    """The weights of a logistic regression, and its intercept."""
    rows = [(example, features_around(example.claim, example.text)) for example in examples]
    known = [(example, features) for example, features in rows if features]
    counts = Counter(name for _, features in known for name in features)
    of_labelled = Counter(
        name for example, features in known if example.family != "gold" for name in features
    )
    names = sorted(
        name
        for name in counts
        if of_labelled[name] >= _LEAST_LABELLED and counts[name] >= _LEAST_SEEN
    )
    column = {name: number for number, name in enumerate(names)}
    cells = [
        (row, column[name])
        for row, (_, features) in enumerate(known)
        for name in features
        if name in column
    ]
    matrix = csr_matrix(
        (np.ones(len(cells)), tuple(zip(*cells, strict=True))), shape=(len(known), len(names))
    )
    stated = np.array([example.is_stated for example, _ in known], dtype=float)
    cost = np.array([_cost(example) for example, _ in known])

    def loss(point: Any) -> tuple[float, Any]:
        logits = matrix @ point[:-1] + point[-1]
        losses = np.logaddexp(0, np.where(stated == 1, -logits, logits))
        slopes = cost * (expit(logits) - stated)
        gradient = np.append(matrix.T @ slopes + 2 * _RIDGE * point[:-1], slopes.sum())
        return float((cost * losses).sum() + _RIDGE * (point[:-1] ** 2).sum()), gradient

    point = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B").x
    weights = {name: round(float(w), 2) for name, w in zip(names, point[:-1], strict=True)}
    return weights, round(float(point[-1]), 2)


def _cost(example: Example) -> float:
    if example.family == "gold":
        return _GOLD_COST
    return _STATED_COST if example.is_stated else _REFUSED_COST


def probability(example: Example, weights: Mapping[str, float], intercept: float) -> float:
    """How likely it is that a sentence states its fact, by some weights."""
    features = features_around(example.claim, example.text)
    if not features:  # decided by its form
        return statement_of(example.claim, example.turn).probability
    return float(expit(intercept + sum(weights.get(name, 0.0) for name in features)))


def main(
    fits: Annotated[bool, typer.Option("--fit", help="fit the weights, and write them")] = False,
    errors: Annotated[bool, typer.Option("--errors", help="print what is judged wrongly")] = False,
) -> None:
    """Print, by family, what is kept out and what is refused wrongly."""
    examples = [*labelled(), *gold()]
    seen = [example for example in examples if not example.is_held]
    weights, intercept = fit(seen)
    file = json.loads(WEIGHTS.read_text("utf-8"))
    if fits:
        file |= {"intercept": intercept, "weights": weights}
        WEIGHTS.write_text(json.dumps(file, indent=1) + "\n", "utf-8")
        statements.clear_weights()
    table = Table("family", "not stated", "kept out", "stated", "refused wrongly", title="held out")
    for family in dict.fromkeys(example.family for example in examples):
        of_family = [example for example in examples if example.family == family]
        if family in _UNSEEN:
            fitted = weights, intercept
        else:
            fitted = fit([example for example in seen if example.family != family])
        counts = Counter[tuple[bool, bool]]()
        for example in of_family:
            if example.is_held or family not in _UNSEEN:
                is_kept_out = probability(example, *fitted) < file["least"]
                counts[example.is_stated, is_kept_out] += 1
                if errors and is_kept_out == example.is_stated:
                    print(family, f"{example.is_stated:d}", example.claim, repr(example.text))
        figures = (
            counts[False, False] + counts[False, True],
            counts[False, True],
            counts[True, False] + counts[True, True],
            counts[True, True],
        )
        table.add_row(family, *map(str, figures))
    print_table(Console(), table)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
