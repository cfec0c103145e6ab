"""Recall of the ranking on conversations that its weights were not fitted to.

python -m tests.benchmarks.cross_validate FILE      (LoCoMo's format, at least two conversations)

The weights of `memory.search` are fitted on all conversations but one and measured on that one.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from scipy.optimize import minimize

from locomo.dataset import ABSTENTION, Conversation, load, run_command
from memory import InputError, open_store
from memory.embed import embed
from memory.search import WEIGHTS

DEPTHS = (5, 10, 20, 50)
L2 = 0.0005  # on weights in units of SCALE
SCALE = np.array([5, 10, 5, 1, 1, 2, 1, 1])  # makes the features' ranges alike
Case = tuple[NDArray[np.float64], list[int]]  # features (turns, weights), places of the evidence


def cases(conversation: Conversation) -> list[Case]:
    """Features of every turn for every question with evidence, as the real store finds them."""
    found = []
    places = {turn.source: n for n, turn in enumerate(conversation.turns)}
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "m.db") as opened:
        store: Any = opened
        store.add(conversation.turns)
        store._extend_index()
        for question in conversation.questions:
            if question.category != ABSTENTION and question.evidence:
                query = store._index.query(question.text)
                words = [store._full_text(word) for word in query.words]
                features = store._index.features(query, embed([query.plain])[0], words)
                found.append((features, [places[source] for source in question.evidence]))
    return found


def fit(questions: Sequence[Case]) -> NDArray[np.float64]:
    """Weights of a listwise softmax: mean negative log-likelihood of the evidence plus L2 |w|^2."""
    rows = np.concatenate([features for features, _ in questions]) * SCALE
    sizes = np.array([len(features) for features, _ in questions])
    starts = np.cumsum(sizes) - sizes
    target = np.zeros(rows.shape[1])
    for start, (_, evidence) in zip(starts, questions, strict=True):
        target += rows[start + np.array(evidence)].mean(axis=0)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = rows @ weights
        top = np.maximum.reduceat(scores, starts)
        odds = np.exp(scores - np.repeat(top, sizes))
        total = np.add.reduceat(odds, starts)
        value = (np.log(total) + top).sum() - target @ weights
        slope = rows.T @ (odds / np.repeat(total, sizes)) - target
        n = len(questions)
        return value / n + L2 * weights @ weights, slope / n + 2 * L2 * weights

    best = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B")
    return np.asarray(best.x) * SCALE


def recalls(questions: Sequence[Case], weights: NDArray[np.float64]) -> list[list[float]]:
    """Share of the evidence turns among the best, at each depth, for each question."""
    found = []
    for features, evidence in questions:
        ranked = np.argsort(-(features @ weights), kind="stable")
        found.append([float(np.isin(evidence, ranked[:depth]).mean()) for depth in DEPTHS])
    return found


def main(file: Path) -> None:
    """Print recall and the weights fitted on everything."""
    conversations = load(file)
    if len(conversations) < 2:
        raise InputError(f"{file}: one conversation cannot be left out; give at least two")
    console = Console()
    by_conversation = [cases(one) for one in track(conversations, console=Console(stderr=True))]
    found = []
    for n, left_out in enumerate(by_conversation):
        others = [case for m, some in enumerate(by_conversation) if m != n for case in some]
        found += recalls(left_out, fit(others))
    means = ", ".join(
        f"R@{depth} {mean:.3f}" for depth, mean in zip(DEPTHS, np.mean(found, axis=0), strict=True)
    )
    console.print(f"leave one conversation out, {len(found)} questions: {means}")
    everything = fit([case for some in by_conversation for case in some])
    fitted = zip(WEIGHTS.items(), everything, strict=True)
    console.print("fitted on all (in the file):", highlight=False)
    for (name, rounded), weight in fitted:
        console.print(f"  {name} {weight:.2f} ({rounded})", highlight=False)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
