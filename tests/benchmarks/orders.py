"""Which sentences are standing orders: what is recognised, and what is taken for one; no model.

    python -m tests.benchmarks.orders [--fit] [--errors]

`data/orders` has sentences in families, labelled before they were read by anything: 1 asks the
assistant for something in all its answers, 0 does not. In a family every judgement is by weights
that were fitted on the others. No fit has seen those of `data/orders/check`, of
`data/orders/unseen`, and `changes`, the orders of tests.benchmarks.changes. `talk` is talk of
persons in `data`, half of it seen: few of its sentences are orders.
`--fit` writes `memory/vocabulary/orders.json`; `--errors` prints what is judged wrongly.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import exp
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
from memory.text.speakers import is_assistant
from memory.vocabulary import orders
from memory.vocabulary.orders import features_of, is_task
from memory.vocabulary.sentences import sentences_of

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "memory" / "vocabulary" / "orders.json"
_TALK = ("assistants", "friends", "train", "rows")
_LEAST_SEEN = 3  # labelled sentences with a feature that has a weight
_RIDGE, _TALK_COST = 0.3, 0.3
_MOST_IN_TALK = 14  # sentences of the unseen talk may be taken for an order: some are


@dataclass(frozen=True)
class Example:
    """The last sentence of a turn, and whether it is a standing order."""

    family: str
    text: str
    is_order: bool

    @property
    def features(self) -> set[str]:
        sentences = sentences_of(self.text)
        beside_task = any(map(is_task, sentences[:-1]))
        return features_of(sentences[-1].text, beside_task=beside_task)


def labelled(folder: str = "") -> list[Example]:
    """The sentences of `data/orders`, or of a folder in it."""
    return [
        Example(f"{folder} {file.stem}".strip(), text, label == "1")
        for file in sorted((ROOT / "data" / "orders" / folder).glob("*.tsv"))
        for label, text in (line.split("\t") for line in file.read_text("utf-8").splitlines())
    ]


def changes() -> list[Example]:
    """The orders of the stories of change, and what is none."""
    examples = []
    for name in ("wishes", "next", "fresh"):
        file = tomllib.loads(
            (Path(__file__).parent / "changes" / f"{name}.toml").read_text("utf-8")
        )
        of_orders = [*file["orders"], *(case[0] for case in (*file["withdrawn"], *file["kept"]))]
        for kind, texts in ((True, of_orders), (False, file["no_orders"])):
            examples += [Example("changes", text, kind) for text in texts]
    return examples


def talk() -> Iterator[set[str]]:
    """The features of what persons say in the conversations of `data`."""
    for folder in _TALK:
        for file in sorted((ROOT / "data" / folder).glob("*.json")):
            for record in json.loads(file.read_text("utf-8")):
                sessions = (turns for turns in record["conversation"].values())
                for turn in (turn for of in sessions if isinstance(of, list) for turn in of):
                    if not is_assistant(turn["speaker"]):
                        sentences = sentences_of(turn["text"])
                        tasks = sum(map(is_task, sentences))
                        for sentence in sentences:
                            beside_task = tasks > is_task(sentence)
                            yield features_of(sentence.text, beside_task=beside_task)


def fit(examples: Sequence[Example], of_talk: Sequence[set[str]]) -> tuple[dict[str, float], float]:
    """The weights of a logistic regression, and its intercept."""
    rows = [*(example.features for example in examples), *of_talk]
    is_order = np.array([*(example.is_order for example in examples), *(False for _ in of_talk)])
    cost = np.array([*(1.0 for _ in examples), *(_TALK_COST for _ in of_talk)])
    counts = Counter(name for row in rows[: len(examples)] for name in row)
    names = sorted(name for name, count in counts.items() if count >= _LEAST_SEEN)
    column = {name: number for number, name in enumerate(names)}
    cells = [
        (number, column[name]) for number, row in enumerate(rows) for name in row if name in column
    ]
    matrix = csr_matrix(
        (np.ones(len(cells)), tuple(zip(*cells, strict=True))), shape=(len(rows), len(names))
    )

    def loss(point: Any) -> tuple[float, Any]:
        logits = matrix @ point[:-1] + point[-1]
        losses = np.logaddexp(0, np.where(is_order, -logits, logits))
        slopes = cost * (expit(logits) - is_order)
        gradient = np.append(matrix.T @ slopes + 2 * _RIDGE * point[:-1], slopes.sum())
        return float((cost * losses).sum() + _RIDGE * (point[:-1] ** 2).sum()), gradient

    point = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B").x
    weights = {name: round(float(w), 2) for name, w in zip(names, point[:-1], strict=True)}
    return {name: weight for name, weight in weights.items() if weight}, round(float(point[-1]), 2)


def chances(rows: Iterable[set[str]], weights: dict[str, float], intercept: float) -> list[float]:
    logits = (intercept + sum(weights.get(name, 0.0) for name in row) for row in rows)
    return [1 / (1 + exp(-logit)) for logit in logits]


def main(
    fits: Annotated[bool, typer.Option("--fit", help="fit the weights, and write them")] = False,
    errors: Annotated[bool, typer.Option("--errors", help="print what is judged wrongly")] = False,
) -> None:
    """Print, by family, what is recognised and what is taken for an order."""
    examples = labelled()
    rows = [*talk()]
    seen, unseen = rows[::2], rows[1::2]
    weights, intercept = fit(examples, seen)
    least = max(0.5, sorted(chances(unseen, weights, intercept), reverse=True)[_MOST_IN_TALK])
    least = round(least, 3)
    if fits:
        file = json.loads(WEIGHTS.read_text("utf-8"))
        of_fit = {"least": least, "intercept": intercept, "weights": weights}
        WEIGHTS.write_text(json.dumps(file | of_fit, indent=1, ensure_ascii=False) + "\n", "utf-8")
        orders.clear_weights()
    judged: list[tuple[Example, float]] = []
    for family in dict.fromkeys(example.family for example in examples):
        of_family = [example for example in examples if example.family == family]
        fitted_on = [example for example in examples if example.family != family]
        of_features = [example.features for example in of_family]
        judged += zip(of_family, chances(of_features, *fit(fitted_on, seen)), strict=True)
    unread = [*labelled("check"), *labelled("unseen"), *changes()]
    features = [example.features for example in unread]
    judged += zip(unread, chances(features, weights, intercept), strict=True)
    table = Table("family", "orders", "recognised", "no orders", "taken for one", title="held out")
    for family in dict.fromkeys(example.family for example, _ in judged):
        counts = Counter(
            (example.is_order, chance >= least)
            for example, chance in judged
            if example.family == family
        )
        recognised, false = counts[True, True], counts[False, True]
        row = (recognised + counts[True, False], recognised, false + counts[False, False], false)
        table.add_row(family, *map(str, row))
    false = sum(chance >= least for chance in chances(unseen, weights, intercept))
    table.add_row("talk", "0", "0", str(len(unseen)), str(false))
    if errors:
        for example, chance in judged:
            if (chance >= least) != example.is_order:
                print(f"{example.family} {example.is_order:d} {chance:.2f} {example.text}")
    print_table(Console(), table)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
