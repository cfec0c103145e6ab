"""Recall next to textbook rankings on equal terms: all are tuned on the same other conversations.

The strongest textbook ranking is a hybrid: bm25 and cosine, joined by reciprocal ranks (Cormack et
al. 2009), with the constant and the share of each chosen where the weights are fitted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from locomo.choices import EMBEDDER
from locomo.dataset.format import ABSTENTION, LEAST_CONVERSATIONS, Conversation
from locomo.metrics import paired_bootstrap
from locomo.retrieval.baselines import Cosine, FullText
from locomo.retrieval.fit import Case, Floats, fit_weights, rank_turns
from memory.search import load_embedder

_CONSTANTS = (1, 5, 10, 20, 60, 120)  # of the reciprocal ranks; 60 is usual
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # of the cosine
_TUNED_DEPTH = 10  # the depth at which the log compares rankings
Ranking = Callable[["RankedCase"], NDArray[np.int64]]


@dataclass(frozen=True)
class RankedCase:
    """A case with the place that bm25 and the cosine give each of its turns, (n,), from 1.

    A turn without a word of the question is in no place of bm25's: infinity. `by_named` are the
    places by the cosine of another embedder, if one is compared.
    """

    case: Case
    by_words: Floats
    by_cosine: Floats
    by_named: Floats | None = None


def ranked_cases(
    conversation: Conversation,
    cases: Sequence[Case],
    embedder: str | None = None,
    named: str | None = None,
) -> list[RankedCase]:
    """The cases of a conversation (`search_cases`) with the two textbook rankings.

    `named` is one more embedder for a cosine and a hybrid, such as a contextual one.
    """
    words, cosine = FullText(), Cosine(load_embedder(embedder or EMBEDDER))
    other = Cosine(load_embedder(named)) if named else None
    words.add(conversation.turns)
    cosine.add(conversation.turns)
    if other:
        other.add(conversation.turns)
    number = len(conversation.turns)
    questions = [
        question
        for question in conversation.questions
        if question.evidence and question.category != ABSTENTION
    ]

    def places(found: Sequence[str], turns: NDArray[np.int64]) -> Floats:
        place = np.full(number, np.inf)
        place[np.array(found, dtype=int)] = np.arange(1, len(found) + 1)
        return place[turns - 1]

    return [
        RankedCase(
            case,
            places(words.search(question.standalone_question, number), case.turns),
            places(cosine.search(question.standalone_question, number), case.turns),
            places(other.search(question.standalone_question, number), case.turns)
            if other
            else None,
        )
        for question, case in zip(questions, cases, strict=True)
    ]


def fair_recalls(
    conversations: Sequence[Sequence[RankedCase]],
    signs: Floats,
    depths: Sequence[int],
    named: str = "",
) -> Mapping[str, list[list[float]]]:
    """Recall of each question's evidence at these depths, by ranking.

    What is tuned for a conversation is tuned on the others. `signs` (features,) say which features
    speak against a turn; with equal weights, features that spread by 1 on the others weigh that.
    """
    by_ranking: dict[str, list[list[float]]] = {}
    for held_out in conversations:
        others = [case for cases in conversations if cases is not held_out for case in cases]
        rankings: dict[str, Ranking] = {
            "FTS5": _ordered(lambda ranked: -ranked.by_words),
            "cosine": _ordered(lambda ranked: -ranked.by_cosine),
            "hybrid of both, tuned": _tuned_hybrid(others),
            **(_of_embedder(named, others) if named else {}),
            "this ranking, equal weights": _weighed(_equal_weights(others, signs)),
            "this ranking, fitted": _weighed(fit_weights([ranked.case for ranked in others])),
        }
        for name, ranking in rankings.items():
            rows = by_ranking.setdefault(name, [])
            rows += [_recalls(ranked, ranking(ranked), depths) for ranked in held_out]
    return by_ranking


def _of_embedder(name: str, others: Sequence[RankedCase]) -> dict[str, Ranking]:
    """The cosine of another embedder, and the hybrid that is tuned with it."""

    def of_named(ranking: Ranking) -> Ranking:
        return lambda ranked: ranking(_with_named(ranked))

    return {
        f"cosine, {name}": of_named(_ordered(lambda ranked: -ranked.by_cosine)),
        f"hybrid of FTS5 and {name}, tuned": of_named(_tuned_hybrid([*map(_with_named, others)])),
    }


def _with_named(ranked: RankedCase) -> RankedCase:
    if ranked.by_named is None:
        raise ValueError("these cases were ranked without a named embedder")
    return replace(ranked, by_cosine=ranked.by_named)


def ranking_table(
    by_ranking: Mapping[str, list[list[float]]], depths: Sequence[int], clusters: Sequence[str]
) -> Table:
    """A line for each ranking: means over questions, and its change of recall at 10.

    The change is the fitted ranking's minus this one's, paired by question, with its 95 % interval
    over conversations; `clusters` is the conversation of each question. Fewer than three
    conversations have no interval.
    """
    columns = ("ranking", *(f"R@{depth}" for depth in depths), "questions", "fitted minus it")
    table = Table(*columns, title="recall of evidence turns, tuned on the other conversations")
    [*_, fitted] = (np.array(rows) for rows in by_ranking.values())
    at = depths.index(_TUNED_DEPTH)
    for name, rows in by_ranking.items():
        change = fitted[:, at] - np.array(rows)[:, at]
        means = [f"{mean:.3f}" for mean in np.mean(rows, axis=0)]
        paired = f"{change.mean():+.3f}" if change.any() else ""
        if paired and len({*clusters}) >= LEAST_CONVERSATIONS:
            low, high = paired_bootstrap([*change], [0.0] * len(change), clusters=clusters)
            paired += f" [{low:+.3f}, {high:+.3f}]"
        table.add_row(name, *means, str(len(rows)), paired)
    return table


def hybrid_scores(ranked: RankedCase, constant: float, share: float) -> Floats:
    """Reciprocal ranks of bm25 and the cosine, joined: (n,), greater is better."""
    by_words, by_cosine = 1 / (constant + ranked.by_words), 1 / (constant + ranked.by_cosine)
    return np.asarray((1 - share) * by_words + share * by_cosine)


def _tuned_hybrid(cases: Sequence[RankedCase]) -> Ranking:
    def mean_recall(settings: tuple[float, float]) -> float:
        ranking = _ordered(lambda ranked: hybrid_scores(ranked, *settings))
        return float(np.mean([_recalls(r, ranking(r), [_TUNED_DEPTH]) for r in cases]))

    best = max(product(_CONSTANTS, _SHARES), key=mean_recall)
    return _ordered(lambda ranked: hybrid_scores(ranked, *best))


def _equal_weights(cases: Sequence[RankedCase], signs: Floats) -> Floats:
    rows = np.concatenate([r.case.features - r.case.features.mean(axis=0) for r in cases])
    spread = rows.std(axis=0)
    return np.divide(signs, spread, out=np.zeros_like(spread), where=spread > 1e-9)


def _weighed(weights: Floats) -> Ranking:
    return lambda ranked: rank_turns(ranked.case, weights)


def _ordered(score: Callable[[RankedCase], Any]) -> Ranking:
    """The turns by a score, best first; of equal ones the newer first, as in `rank_turns`."""
    return lambda ranked: ranked.case.turns[np.lexsort((-ranked.case.turns, -score(ranked)))]


def _recalls(ranked: RankedCase, ranking: NDArray[np.int64], depths: Sequence[int]) -> list[float]:
    evidence = ranked.case.evidence
    return [float(np.isin(evidence, ranking[:depth]).mean()) for depth in depths]
