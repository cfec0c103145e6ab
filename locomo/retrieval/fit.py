"""The ranking's weights: fitted to questions whose evidence is known, measured where they were not.

A lever is one feature of the ranking. What it said of a turn is read from the search itself: its
share of the score, divided by the weight that the search used.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.table import Table
from scipy.optimize import minimize

from locomo.dataset.format import ABSTENTION, Conversation
from memory import InputError, open_store

WEIGHTS_FILE = Path(str(files("memory.search") / "weights.json"))
L2 = 0.002  # on weights of features that spread by 1

Floats = NDArray[np.float64]
Recalls = dict[int, list[list[float]]]  # by category, of each question at each depth


@dataclass(frozen=True)
class Case:
    """A question with evidence: what each lever says of each turn.

    `turns` (n,) and `evidence` are ids of turns, `turns` ascending; `features` is (n, levers).
    """

    category: int
    turns: NDArray[np.int64]
    evidence: NDArray[np.int64]
    features: Floats


def weights_in_use() -> dict[str, float]:
    """The weights that the installed search ranks with, by lever.

    Raises InputError for a lever that weighs 0: the search does not show what it says.
    """
    weights: dict[str, float] = json.loads(WEIGHTS_FILE.read_bytes())["weights"]
    for lever, weight in weights.items():
        if not weight:
            raise InputError(
                f"{lever!r} weighs 0 in {WEIGHTS_FILE}, so nothing can be learnt about it;"
                " give it any other weight there"
            )
    return weights


def cases(
    conversation: Conversation, weights: dict[str, float], embedder: str | None = None
) -> list[Case]:
    """The questions of categories 1 to 4 that have evidence, asked of a fresh memory.

    A memory of more than 4,096 turns ranks candidates only, so that a case has fewer turns than
    were said, and perhaps not its evidence.

    Args:
        conversation: its turns are stored, its questions asked.
        weights: those that the search ranks with, none of them 0.
        embedder: its name, None for the packaged one.
    """
    divisors = np.array([*weights.values()])
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(Path(folder) / "memory.db", embedder=embedder) as store,
    ):
        ids = store.add(conversation.turns)
        named = dict(zip((turn.source for turn in conversation.turns), ids, strict=True))
        for question in conversation.questions:
            if question.evidence and question.category != ABSTENTION:
                hits = sorted(store.search(question.text, len(ids)), key=lambda hit: hit.turn_id)
                shares = np.array([[hit.shares[lever] for lever in weights] for hit in hits])
                evidence = np.array([named[source] for source in question.evidence])
                turns = np.array([hit.turn_id for hit in hits])
                found.append(Case(question.category, turns, evidence, shares / divisors))
    return found


class _Softmax:
    """Cases as one table: the likelihood of the evidence under a softmax over each case's turns.

    Each question's features are centred, which changes no softmax, and scaled to spread by 1.
    Cases whose evidence is not among the turns that were ranked are left out.
    """

    def __init__(self, some: Sequence[Case]) -> None:
        held = [(case, np.flatnonzero(np.isin(case.turns, case.evidence))) for case in some]
        held = [(case, places) for case, places in held if len(places)]
        if not held:
            raise InputError("no question of categories 1 to 4 has evidence that a search finds")
        self.count = len(held)
        self.rows = np.concatenate([c.features - c.features.mean(axis=0) for c, _ in held])
        spread = np.sqrt(np.square(self.rows).mean(axis=0))
        self.spread = np.where(spread > 1e-9, spread, 1.0)
        self.rows /= self.spread
        self.sizes = np.array([len(case.turns) for case, _ in held])
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.target = np.zeros(self.rows.shape[1])
        for start, (_, places) in zip(self.starts, held, strict=True):
            self.target += self.rows[start + places].mean(axis=0)

    def loss(self, weights: Floats) -> tuple[float, Floats]:
        """Mean negative log-likelihood of the evidence, and its gradient."""
        scores = self.rows @ weights
        top = np.maximum.reduceat(scores, self.starts)
        odds = np.exp(scores - np.repeat(top, self.sizes))
        total = np.add.reduceat(odds, self.starts)
        value = float((np.log(total) + top).sum() - self.target @ weights)
        slope = self.rows.T @ (odds / np.repeat(total, self.sizes)) - self.target
        return value / self.count, slope / self.count


def negative_log_likelihood(some: Sequence[Case], weights: Floats) -> float:
    """Mean negative log-likelihood of the evidence turns under these weights, in nats."""
    table = _Softmax(some)
    return table.loss(weights * table.spread)[0]


def fit(some: Sequence[Case], without: int | None = None) -> Floats:
    """The weights under which the evidence is likeliest, (levers,).

    Listwise softmax over the turns of a case (ListNet: Cao et al. 2007), its mean negative
    log-likelihood plus L2 |w|^2, where w weighs features that spread by 1: what the features
    are measured in makes no difference. A lever that tells no turns apart gets 0.

    Args:
        some: cases, of any conversations.
        without: the number of a lever to do without; its weight is 0.

    Raises InputError when no case has its evidence among its turns.
    """
    table = _Softmax(some)
    if without is not None:
        table.rows[:, without] = table.target[without] = 0

    def loss(weights: Floats) -> tuple[float, Floats]:
        value, slope = table.loss(weights)
        return value + L2 * float(weights @ weights), slope + 2 * L2 * weights

    best = minimize(
        loss,
        np.zeros(len(table.target)),
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 1e-13, "gtol": 1e-7, "maxiter": 1000},
    )
    return np.asarray(best.x / table.spread)


def ranked(case: Case, weights: Floats) -> NDArray[np.int64]:
    """The turns of a case, best first; of equal ones the newer first."""
    return case.turns[np.lexsort((-case.turns, -(case.features @ weights)))]


def cross_validated(
    conversations: Sequence[Sequence[Case]],
    folds: int,
    depths: Sequence[int],
    without: int | None = None,
    advance: Callable[[], None] = lambda: None,
) -> Recalls:
    """Recall of evidence under weights fitted to the conversations of all folds but one's own.

    Args:
        conversations: the cases of each; number n is in fold n modulo `folds`.
        folds: 2 up to the number of conversations, which leaves out one at a time.
        depths: turns looked at.
        without: the number of a lever to do without.
        advance: called after each fold.
    """
    found: Recalls = {}
    for fold in range(folds):
        others = [c for n, some in enumerate(conversations) if n % folds != fold for c in some]
        weights = fit(others, without)
        for case in (c for some in conversations[fold::folds] for c in some):
            order = ranked(case, weights)
            found.setdefault(case.category, []).append(
                [float(np.isin(case.evidence, order[:depth]).mean()) for depth in depths]
            )
        advance()
    return dict(sorted(found.items()))


def ablation_table(whole: Recalls, without: Mapping[str, Recalls], depths: Sequence[int]) -> Table:
    """Recall with each lever removed, at each depth and in each category, and what it cost at 10.

    The cost is paired by question, with the half width of its 95 % interval.
    """
    at_10 = depths.index(10)
    table = Table(title="each lever removed in turn", box=SIMPLE, padding=0, pad_edge=False)
    for column in ("without", *(f"R@{d}" for d in depths), *(f"@10 c{c}" for c in whole), "lost"):
        table.add_column(column, justify="left" if column == "without" else "right", no_wrap=True)
    every = np.array([row for rows in whole.values() for row in rows])
    for name, found in {"": whole, **without}.items():
        rows = np.array([row for some in found.values() for row in some])
        lost = every[:, at_10] - rows[:, at_10]
        half = 1.96 * lost.std() / np.sqrt(len(lost))
        table.add_row(
            name or "nothing",
            *(f"{mean:.3f}" for mean in rows.mean(axis=0)),
            *(f"{np.mean(some, axis=0)[at_10]:.3f}" for some in found.values()),
            f"{lost.mean():+.3f} ±{half:.3f}" if name else "",
        )
    return table


def weights_json(
    weights: dict[str, float],
    learnt_from: Sequence[Conversation],
    questions: int,
    embedder: str | None = None,
) -> bytes:
    """The file of weights, to two decimals, with the command and the data that made it.

    Args:
        weights: by lever, in the order of the search.
        learnt_from: their ids are told, and a digest of all that was read of them.
        questions: how many cases they hold.
        embedder: its name, None for the packaged one.
    """
    content = {
        "made_by": "python -m locomo.retrieval --fit"
        + (f" --embedder {embedder}" * bool(embedder)),
        "conversations": [one.id for one in learnt_from],
        "sha256": data_fingerprint(learnt_from),
        "questions": questions,
        "weights": {lever: round(float(weight), 2) for lever, weight in weights.items()},
    }
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def data_fingerprint(conversations: Sequence[Conversation]) -> str:
    """SHA-256 of turns and questions, whatever files they came in."""
    read = json.dumps([asdict(one) for one in conversations], ensure_ascii=False)
    return hashlib.sha256(read.encode("utf-8", "surrogatepass")).hexdigest()
