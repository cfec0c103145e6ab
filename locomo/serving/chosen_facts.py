"""Fits the choice of facts by the packaged model to gold facts, and measures it on held-out ones.

python -m locomo.serving.chosen_facts [--data data/train] [--output FILE]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from typer import Option

from locomo.commands import run_command
from locomo.dataset.format import files_of
from locomo.examples.gold import Gold, load_gold
from locomo.metrics import f1
from locomo.serving.facts import gold_facts
from locomo.tasks.rewards import RIGHT
from memory import Fact
from memory.program.chosen_facts import BUCKETS, WEIGHTS, Candidate, Net, candidates

# Chosen on four of the twenty conversations by fits to the sixteen others.
_HIDDEN = 16
_EPOCHS = 6
_BATCH = 512
_RATE = 2e-3  # of Adam (Kingma and Ba 2015), falling to 0
_DECAY = 1e-3
_DROPOUT = 0.3  # of features
_LEAST_CANDIDATES = 20  # that have a feature; rarer ones are left out
LEAST_SCORE = -0.9  # of a candidate that is stored


@dataclass(frozen=True)
class _Examples:
    """Candidates of many turns: the numbers of their features, BUCKETS where a row has no more.

    Shapes: `features` (n, most features), `vectors` (n, VECTORS * DIM), `is_gold` (n,), which is 1
    where a gold fact of the turn says the same, else 0.
    """

    features: NDArray[np.int64]
    vectors: NDArray[np.float32]
    is_gold: NDArray[np.float32]


def fit(
    data: Annotated[Path, Option(help="conversations with gold SQL")] = Path("data/train"),
    output: Annotated[Path, Option(help="the file of weights")] = WEIGHTS,
) -> None:
    """Fit the weights and write them, with the conversations that they belong to."""
    golds = load_gold(data)
    examples = _examples(golds)
    net = fitted(examples)
    layers = {name: layer.astype(np.float16) for name, layer in vars(net).items()}
    layers["level"] = (net.level - LEAST_SCORE).astype(np.float16)
    np.savez_compressed(
        output,
        **layers,
        conversations=np.array([gold.conversation.id for gold in golds]),
        data=sha256(b"".join(file.read_bytes() for file in files_of(data))).hexdigest(),
    )
    share = examples.is_gold.mean()
    print(f"{len(examples.is_gold)} candidates, {share:.3f} of them gold: {output}")


def fitted(examples: _Examples, seed: int = 0) -> Net:
    """The weights by Adam over the mean logistic loss, with decay and dropout of features."""
    rng = np.random.default_rng(seed)
    width = examples.vectors.shape[1]
    # The last row is of features that are left out, and stays 0.
    layers = {
        "features": rng.normal(scale=0.01, size=(BUCKETS + 1, _HIDDEN)),
        "vectors": rng.normal(scale=0.02, size=(width, _HIDDEN)),
        "bias": np.zeros(_HIDDEN),
        "output": rng.normal(scale=0.3, size=_HIDDEN),
        "level": np.full(1, -2.0),
    }
    layers["features"][BUCKETS] = 0
    means = {name: np.zeros_like(layer) for name, layer in layers.items()}
    squares = {name: np.zeros_like(layer) for name, layer in layers.items()}
    counts = np.bincount(examples.features.ravel(), minlength=BUCKETS + 1)
    usual = np.where(counts[examples.features] >= _LEAST_CANDIDATES, examples.features, BUCKETS)
    layers["features"][:BUCKETS][counts[:BUCKETS] < _LEAST_CANDIDATES] = 0

    number = len(examples.is_gold)
    steps = [batch for _ in range(_EPOCHS) for batch in _batches(rng.permutation(number))]
    for step, batch in enumerate(steps):
        is_out = rng.random(usual[batch].shape) < _DROPOUT
        features = np.where(is_out, BUCKETS, usual[batch])
        vectors = examples.vectors[batch]
        gradients = _gradients(layers, features, vectors, examples.is_gold[batch], rng)
        for name, gradient in gradients.items():
            means[name] = 0.9 * means[name] + 0.1 * gradient
            squares[name] = 0.99 * squares[name] + 0.01 * gradient**2
            mean = means[name] / (1 - 0.9 ** (step + 1))
            square = squares[name] / (1 - 0.99 ** (step + 1))
            rate = _RATE * (1 - step / len(steps))
            layers[name] -= rate * mean / (np.sqrt(square) + 1e-7)
    layers["features"] = layers["features"][:BUCKETS]
    return Net(**{name: layer.astype(np.float32) for name, layer in layers.items()})


def _batches(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]


def _gradients(
    layers: Mapping[str, NDArray[np.float64]],
    features: NDArray[np.int64],
    vectors: NDArray[np.float32],
    is_gold: NDArray[np.float32],
    rng: np.random.Generator,
) -> dict[str, NDArray[np.float64]]:
    """Of the mean loss of a batch, decay included, by layer; a fifth of the hidden units is out."""
    hidden = vectors @ layers["vectors"] + layers["bias"]
    hidden += layers["features"][features].sum(axis=1)
    active = (hidden > 0) * (rng.random(hidden.shape) > 0.2) / 0.8
    scores = (hidden * active) @ layers["output"] + layers["level"]
    errors = (1 / (1 + np.exp(-scores)) - is_gold) / len(is_gold)
    back = errors[:, None] * layers["output"] * active
    owners = np.repeat(np.arange(len(features)), features.shape[1])
    flat = features.ravel()
    columns = [
        np.bincount(flat, weights=column[owners], minlength=BUCKETS + 1) for column in back.T
    ]
    gradients = {
        "features": np.stack(columns, axis=1) + _DECAY * layers["features"],
        "vectors": vectors.T @ back + _DECAY * layers["vectors"],
        "bias": back.sum(axis=0),
        "output": (hidden * active).T @ errors + _DECAY * layers["output"],
        "level": errors.sum(keepdims=True),
    }
    gradients["features"][BUCKETS] = 0
    return gradients


def _examples(golds: Sequence[Gold]) -> _Examples:
    options = []
    is_gold = []
    for gold in golds:
        facts = gold_facts(gold)
        turns = gold.conversation.turns
        for number in sorted(gold.store):
            turn = turns[number - 1]
            before = turns[number - 2] if number > 1 else turn
            previous = before if number > 1 and before.session == turn.session else None
            for candidate in candidates(turn, previous):
                options.append(candidate)
                is_gold.append(float(_is_gold(candidate, facts.get(number, ()))))
    return examples_of(options, is_gold)


def examples_of(options: Sequence[Candidate], is_gold: Sequence[float]) -> _Examples:
    """Candidates as arrays, and whether each is gold, 1 or 0."""
    width = max(len(option.features) for option in options)
    features = np.full((len(options), width), BUCKETS)
    for row, option in zip(features, options, strict=True):
        row[: len(option.features)] = option.features
    vectors = np.stack([option.vectors for option in options])
    return _Examples(features, vectors, np.array(is_gold, np.float32))


def _is_gold(candidate: Candidate, facts: Sequence[Fact]) -> bool:
    subject = candidate.fact.subject.casefold()
    return any(
        fact.subject.casefold() == subject and f1(candidate.fact.value, fact.value) >= RIGHT
        for fact in facts
    )


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(fit)
    run_command(app)
