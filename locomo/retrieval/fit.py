"""Fits the ranking's weights to questions with known evidence, and cross-validates them.

The value of a feature for a turn comes from the search itself: it is the feature's share of the
score, divided by the weight that the search used.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.table import Table

from locomo.dataset.format import ABSTENTION, Conversation
from locomo.harness import temporary_memory
from locomo.retrieval.measure import Recalls
from memory import InputError

WEIGHTS_FILE = Path(str(files("memory.search") / "weights.json"))
# On weights of features with standard deviation 1: chosen small compared with the loss, so that
# correlated features share a weight and no weight grows without bound.
L2 = 0.002

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A question with evidence, and the features of each turn for it.

    `turns` (n,) and `evidence` are ids of turns, `turns` ascending; `features` is (n, features).
    """

    category: int
    turns: NDArray[np.int64]
    evidence: NDArray[np.int64]
    features: Floats
    conversation: str = ""


def weights_in_use() -> dict[str, float]:
    """The weights of the installed ranking, by feature.

    Raises InputError for a feature that weighs 0: its share of a score does not show its value.
    """
    weights: dict[str, float] = json.loads(WEIGHTS_FILE.read_bytes())["weights"]
    for feature, weight in weights.items():
        if not weight:
            raise InputError(
                f"{feature!r} weighs 0 in {WEIGHTS_FILE}, so nothing can be learned about it;"
                " give it any other weight there"
            )
    return weights


def search_cases(
    conversation: Conversation, weights: dict[str, float], embedder: str | None = None
) -> list[Case]:
    """The questions of categories 1 to 4 that have evidence, searched in a fresh memory.

    A memory of more than 4,096 turns ranks candidates only, so a case may lack turns, even its
    evidence.

    Args:
        conversation: its turns are stored, its questions searched.
        weights: of the ranking; all differ from 0.
        embedder: its name, None for the packaged one.
    """
    divisors = np.array([*weights.values()])
    result = []
    ids_by_source = {turn.source: number for number, turn in enumerate(conversation.turns, 1)}
    with temporary_memory(conversation.turns, embedder) as store:
        for question in conversation.questions:
            if not question.evidence or question.category == ABSTENTION:
                continue
            hits = store.search(question.standalone_question, len(conversation.turns))
            hits.sort(key=lambda hit: hit.turn_id)
            shares = np.array([[hit.shares[feature] for feature in weights] for hit in hits])
            case = Case(
                category=question.category,
                turns=np.array([hit.turn_id for hit in hits]),
                evidence=np.array([ids_by_source[source] for source in question.evidence]),
                features=shares / divisors,
                conversation=conversation.id,
            )
            result.append(case)
    return result


class _Softmax:
    """The likelihood of the evidence under a softmax over each case's turns.

    Each question's features are centred, which changes no softmax, and scaled to standard deviation
    1. Cases whose evidence is not among the ranked turns are left out.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        ranked = [case for case in cases if np.isin(case.turns, case.evidence).any()]
        if not ranked:
            raise InputError("no question of categories 1 to 4 has evidence that a search finds")
        self.count = len(ranked)
        self.rows = np.concatenate([case.features - case.features.mean(axis=0) for case in ranked])
        spread = np.sqrt(np.square(self.rows).mean(axis=0))
        self.spread = np.where(spread > 1e-9, spread, 1.0)  # a feature that is the same everywhere
        self.rows /= self.spread

        self.sizes = np.array([len(case.turns) for case in ranked])
        self.starts = np.cumsum(self.sizes) - self.sizes
        # Scores are linear in the weights: of the evidence only the sum of its features counts.
        self.target = np.zeros(self.rows.shape[1])
        for start, case in zip(self.starts, ranked, strict=True):
            evidence_rows = np.flatnonzero(np.isin(case.turns, case.evidence))
            self.target += self.rows[start + evidence_rows].mean(axis=0)

    def loss(self, weights: Floats) -> tuple[float, Floats]:
        """Mean negative log-likelihood of the evidence, and its gradient."""
        scores = self.rows @ weights
        # Subtract the greatest score of each case, or its exponentials would overflow.
        top = np.maximum.reduceat(scores, self.starts)
        odds = np.exp(scores - np.repeat(top, self.sizes))
        total = np.add.reduceat(odds, self.starts)
        value = float((np.log(total) + top).sum() - self.target @ weights)
        slope = self.rows.T @ (odds / np.repeat(total, self.sizes)) - self.target
        return value / self.count, slope / self.count


def negative_log_likelihood(cases: Sequence[Case], weights: Floats) -> float:
    """Mean negative log-likelihood of the evidence turns under these weights, in nats."""
    table = _Softmax(cases)
    return table.loss(weights * table.spread)[0]


def fit_weights(
    cases: Sequence[Case],
    without: int | None = None,
    prior: Floats | None = None,
    prior_weight: float = L2,
) -> Floats:
    """The weights that maximize the likelihood of the evidence, (features,).

    Listwise softmax over the turns of a case (ListNet: Cao et al. 2007), its mean negative
    log-likelihood plus prior_weight |w - prior|^2, where w weighs features that spread by 1: what
    the features are measured in makes no difference. A feature that tells no turns apart gets its
    prior.

    Args:
        cases: of any conversations.
        without: the number of a feature to leave out; its weight is 0.
        prior: (features,) the weights to stay near; zeros by default.
        prior_weight: how near.

    Raises InputError when no case has its evidence among its turns.
    """
    table = _Softmax(cases)
    if without is not None:
        table.rows[:, without] = table.target[without] = 0

    start = np.zeros(len(table.target)) if prior is None else prior * table.spread

    def loss(weights: Floats) -> tuple[float, Floats]:
        value, slope = table.loss(weights)
        away = weights - start
        return value + prior_weight * float(away @ away), slope + 2 * prior_weight * away

    from scipy.optimize import minimize  # takes a second, and only a fit needs it

    best = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        # Tight: the weights are written to two decimals, and a test makes them again.
        options={"ftol": 1e-13, "gtol": 1e-7, "maxiter": 1000},
    )
    return np.asarray(best.x / table.spread)


def rank_turns(case: Case, weights: Floats) -> NDArray[np.int64]:
    """The turns of a case, best first; of equal ones the newer first."""
    # As the search ranks, even for equal scores: a case is measured as it would be found.
    return case.turns[np.lexsort((-case.turns, -(case.features @ weights)))]


def cross_validated_recalls(
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
        without: the number of a feature to leave out.
        advance: called after each fold.
    """
    by_category: Recalls = {}
    # By conversation, never by question: questions about the same turns are dependent.
    for fold in range(folds):
        training: list[Case] = []
        held_out: list[Case] = []
        for number, cases in enumerate(conversations):
            part = held_out if number % folds == fold else training
            part.extend(cases)
        weights = fit_weights(training, without)
        for case in held_out:
            ranking = rank_turns(case, weights)
            by_category.setdefault(case.category, []).append(
                [float(np.isin(case.evidence, ranking[:depth]).mean()) for depth in depths]
            )
        advance()
    return dict(sorted(by_category.items(), key=lambda group: str(group[0])))


def ablation_table(whole: Recalls, without: Mapping[str, Recalls], depths: Sequence[int]) -> Table:
    """Recall without each feature, by depth and category, and the loss of recall at 10.

    The loss is paired by question, with the half width of its 95 % interval.
    """
    at_10 = depths.index(10)  # the depth at which the log compares rankings
    table = Table(title="each feature removed in turn", box=SIMPLE, padding=0, pad_edge=False)
    table.add_column("without", no_wrap=True)
    for depth in depths:
        table.add_column(f"R@{depth}", justify="right", no_wrap=True)
    for category in whole:
        table.add_column(f"@10 c{category}", justify="right", no_wrap=True)
    table.add_column("lost", justify="right", no_wrap=True)

    whole_rows = np.array([row for rows in whole.values() for row in rows])
    for feature, by_category in {"": whole, **without}.items():
        rows = np.array([row for rows in by_category.values() for row in rows])
        # The same questions both times, so their differences are paired.
        lost = whole_rows[:, at_10] - rows[:, at_10]
        half_width = 1.96 * lost.std() / np.sqrt(len(lost))
        table.add_row(
            feature or "nothing",
            *(f"{mean:.3f}" for mean in rows.mean(axis=0)),
            *(f"{np.mean(rows, axis=0)[at_10]:.3f}" for rows in by_category.values()),
            f"{lost.mean():+.3f} ±{half_width:.3f}" if feature else "",
        )
    return table


def weights_json(
    weights: dict[str, float],
    conversations: Sequence[Conversation],
    questions: int,
    embedder: str | None = None,
) -> bytes:
    """The file of weights, to two decimals, with the command and the data that made it.

    Args:
        weights: by feature, in the order of the search.
        conversations: what they were fitted to; the file has their ids, and a digest of all that
            was read of them.
        questions: how many cases they hold.
        embedder: its name, None for the packaged one.
    """
    command = "python -m locomo.retrieval --fit"
    if embedder:
        command += f" --embedder {embedder}"
    content = {
        "made_by": command,
        "conversations": [conversation.id for conversation in conversations],
        # Data that may not be kept here is known by its digest.
        "sha256": data_fingerprint(conversations),
        "questions": questions,
        "weights": {feature: round(float(weight), 2) for feature, weight in weights.items()},
    }
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def data_fingerprint(conversations: Sequence[Conversation]) -> str:
    """SHA-256 of turns and questions, whatever files they came in."""
    contents = [asdict(conversation) for conversation in conversations]
    for content in contents:
        for turn in content["turns"]:
            del turn["tags"]  # which no ranking reads
        for question in content["questions"]:
            del question["rubric"]  # which judges read
    text = json.dumps(contents, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
