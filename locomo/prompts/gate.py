"""Fits the gate before storing: which turns say anything, by gold rows, without a model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from locomo.dataset.rows import GoldRows
from locomo.harness import temporary_memory
from memory import InputError
from memory.program import StoreGate, features_of, shown_turn, turns_before

# The share of turns with a statement that stay open, in conversations that a fit did not see.
RECALL = 0.985
# From this share of turns with a statement on, rows must be written.
CERTAIN = 0.95
_PENALTY = 2.0  # on squared weights of standardized features: 14 weights of some 300 turns
_LEAST_TURNS = 50
_MOST_STEPS = 50


@dataclass(frozen=True)
class GateTurn:
    """A turn as shown, and whether it says something; None: true, and not worth a row."""

    conversation: str
    line: str
    says_something: bool | None


@dataclass(frozen=True)
class GateQuality:
    """How a gate does on turns: the open share of turns with a statement, and of small talk.

    `turns` counts what a model is asked about without a gate, `forced_right` is the share of those
    with forced rows that say something, `auc` the area under the ROC curve.
    """

    turns: int
    open: int
    recall: float
    small_talk_open: float
    forced: int
    forced_right: float
    auc: float


def gate_turns(golds: Sequence[GoldRows]) -> Iterator[GateTurn]:
    """The turns of conversations that a little model could write a row of."""
    for gold in golds:
        with temporary_memory(gold.conversation.turns) as store:
            for turn in store.turns():
                line = shown_turn(turn, turns_before(store, turn))
                if line:
                    gold_turn = gold.of(turn.source)
                    says = True if gold_turn.facts else None if gold_turn.other else False
                    yield GateTurn(gold.conversation.id, line, says)


def fit_gate(golds: Sequence[GoldRows]) -> tuple[StoreGate, GateQuality]:
    """A gate for these conversations, and how it does on a conversation that it did not see.

    Thresholds are chosen by probabilities from fits without the turn's own conversation. Raises
    InputError for too few turns, or conversations.
    """
    turns = [*gate_turns(golds)]
    conversations = sorted({turn.conversation for turn in turns})
    kinds = {turn.says_something for turn in turns}
    if len(turns) < _LEAST_TURNS or len(conversations) < 2 or not {True, False} <= kinds:
        raise InputError(
            f"a gate needs {_LEAST_TURNS} labelled turns of two conversations or more, with and"
            f" without something to store; here are {len(turns)}"
        )
    table = [features_of(turn.line) for turn in turns]
    held_out = np.zeros(len(turns))
    for conversation in conversations:
        inside = [n for n, turn in enumerate(turns) if turn.conversation == conversation]
        outside = [n for n, turn in enumerate(turns) if turn.conversation != conversation]
        weights, intercept = _fitted(
            [table[n] for n in outside], [turns[n].says_something for n in outside]
        )
        gate = StoreGate(weights, intercept, skip=0.0)
        held_out[inside] = [gate.probability(turns[n].line) for n in inside]
    skip = _threshold(held_out, turns)
    force = _certain(held_out, turns)
    weights, intercept = _fitted(table, [turn.says_something for turn in turns])
    gate = StoreGate(weights, intercept, skip=round(skip, 3), force=round(force, 3))
    return gate, quality(turns, held_out, gate)


def quality(
    turns: Sequence[GateTurn], probabilities: Sequence[float] | np.ndarray, gate: StoreGate
) -> GateQuality:
    """How a gate does with these probabilities of turns."""
    p = np.asarray(probabilities)
    says = np.array([turn.says_something is True for turn in turns])
    nothing = np.array([turn.says_something is False for turn in turns])
    is_open, is_forced = p >= gate.skip, p >= gate.force
    return GateQuality(
        turns=len(turns),
        open=int(is_open.sum()),
        recall=_mean(is_open[says]),
        small_talk_open=_mean(is_open[nothing]),
        forced=int(is_forced.sum()),
        forced_right=_mean(~nothing[is_forced]),
        auc=_auc(p[says], p[nothing]),
    )


def quality_line(part: str, on_part: GateQuality) -> str:
    """How a gate does on a part of the data, in words."""
    return (
        f"{part}: {on_part.open} of {on_part.turns} turns stay open,"
        f" {on_part.recall:.1%} of turns that say something and {on_part.small_talk_open:.0%} of"
        f" small talk; {on_part.forced} must be written of; {on_part.forced_right:.0%} of these say"
        f" something; AUC {on_part.auc:.3f}"
    )


def _fitted(
    table: Sequence[Mapping[str, float]], labels: Sequence[bool | None]
) -> tuple[dict[str, float], float]:
    """Weights and intercept of a penalized logistic regression, by Newton's method."""
    names = list(table[0])
    known = [n for n, label in enumerate(labels) if label is not None]
    raw = np.array([[table[n][name] for name in names] for n in known])
    y = np.array([bool(labels[n]) for n in known], dtype=float)
    mean, deviation = raw.mean(axis=0), raw.std(axis=0)
    deviation[deviation == 0] = 1.0
    x = np.column_stack([np.ones(len(raw)), (raw - mean) / deviation])
    penalty = np.diag([0.0, *[_PENALTY] * len(names)])
    w = np.zeros(x.shape[1])
    for _ in range(_MOST_STEPS):
        p = 1 / (1 + np.exp(-x @ w))
        gradient = x.T @ (p - y) + penalty @ w
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + penalty, gradient)
        w -= step
        if np.abs(step).max() < 1e-9:
            break
    weights = w[1:] / deviation
    intercept = float(w[0] - weights @ mean)
    return dict(zip(names, map(float, weights), strict=True)), intercept


def _threshold(p: np.ndarray, turns: Sequence[GateTurn]) -> float:
    """The highest threshold that leaves RECALL of the turns that say something open."""
    of_saying = sorted(float(p[n]) for n, turn in enumerate(turns) if turn.says_something)
    return of_saying[int((1 - RECALL) * len(of_saying))]


def _certain(p: np.ndarray, turns: Sequence[GateTurn]) -> float:
    """The lowest threshold from which CERTAIN of the turns are no small talk; 1 for none."""
    right = 0
    force = 1.0
    order = np.argsort(-p)
    for count, n in enumerate(order, 1):
        right += turns[n].says_something is not False
        if right >= CERTAIN * count:
            force = float(p[n])
    return force


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else 1.0


def _auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """The chance that a turn that says something is more probable than small talk."""
    pairs = positive[:, None] - negative[None, :]
    return float(((pairs > 0) + 0.5 * (pairs == 0)).mean()) if pairs.size else 1.0
