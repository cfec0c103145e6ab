"""The hybrid ranking: finds the turns that a question asks for, without a language model.

The formula: a turn's score is the sum over its features of weight times value (`best_hits`).
`memory.search.features` computes ten of the features from the columns of an `Index`; the eleventh
is `meaning`, a cosine. `weights.json` holds their weights. In a large memory,
`candidates` first picks the turns worth ranking, by a rough version of the formula.

It needs no database: a store provides the columns, the vectors and the turns that contain a word.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import is_
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.errors import InputError
from memory.records import Hit, ranked_hits
from memory.search.features import (
    DATE_SHARES,
    OWN_WORDS_UNIT,
    RELATED_SHARE,
    columns_of,
    date_match,
    talk_of,
)
from memory.search.index import GROUP_TURNS, Index, Selection, by_speakers
from memory.search.question import Query
from memory.search.word_matches import Counts, WordMatches, counted_matches

# Fitted to LoCoMo's seven conversations and to our own chats with `python -m locomo.retrieval
# --fit`. Features are bounded, not standardised, so a weight means the same in any memory.
FEATURE_WEIGHTS: dict[str, float] = json.loads(
    Path(__file__).with_name("weights.json").read_text("utf-8")
)["weights"]
# In size; a score of larger ones could be infinite, which neither an order nor JSON has.
LARGEST_WEIGHT = 1e6
SPREAD_TURNS = 1024  # the newest turns, which show how far cosines spread


def ordered_weights(weights: Mapping[str, float] | None) -> Mapping[str, float]:
    """Weights in the order of FEATURE_WEIGHTS; None means FEATURE_WEIGHTS.

    Raises InputError for weights of other features.
    """
    if weights is None:
        return FEATURE_WEIGHTS
    if weights.keys() != FEATURE_WEIGHTS.keys():
        raise InputError(f"weights must be of the features {', '.join(FEATURE_WEIGHTS)}")
    return {name: weights[name] for name in FEATURE_WEIGHTS}


@dataclass(frozen=True)
class Features:
    """The features of the turns of one memory that are worth ranking.

    `columns` has the values by feature, (n,) each. Two have no unit yet: `session` is the best
    share of words in each turn's session, which counts against the best of all sessions; `meaning`
    is the cosine, whose unit is the standard deviation of `usual_cosines`.
    """

    turn_ids: NDArray[np.int64]
    columns: Mapping[str, NDArray[Any]]
    usual_cosines: NDArray[np.float32]


class RankedQuestion:
    """The features of the question that was ranked last; asked for more turns, it keeps them.

    A context looks for more where the best turns repeat each other. It is used by one search at a
    time, as the index is.
    """

    def __init__(self) -> None:
        self._key: tuple[Any, ...] | None = None
        self._vector = np.zeros(0, np.float32)
        self._matches: Sequence[WordMatches] = ()
        self._features: Features | None = None

    def features(
        self,
        index: Index,
        query: Query,
        vector: NDArray[np.float32],
        matches: Sequence[WordMatches],
        feature_weights: Mapping[str, float],
        selection: Selection | None,
    ) -> Features:
        """As `features_of`; the last result, if all its inputs are the same."""
        key = (index, index.count, query, selection, dict(feature_weights))
        # A store gives the same matches again as long as nothing has changed.
        are_same = len(matches) == len(self._matches) and all(map(is_, matches, self._matches))
        if (
            self._features is None
            or not are_same
            or key != self._key
            or not np.array_equal(vector, self._vector)
        ):
            self._features = features_of(
                index, query, vector, matches, feature_weights=feature_weights, selection=selection
            )
            self._key, self._vector, self._matches = key, vector, matches
        return self._features

    @property
    def nbytes(self) -> int:
        """About how many bytes it keeps."""
        if self._features is None:
            return 0
        columns = sum(column.nbytes for column in self._features.columns.values())
        return columns + self._features.turn_ids.nbytes + self._features.usual_cosines.nbytes


def rank(
    index: Index,
    query: Query,
    vector: NDArray[np.float32],
    matches: Sequence[WordMatches],
    k: int,
    feature_weights: Mapping[str, float] = FEATURE_WEIGHTS,
    selection: Selection | None = None,
    last: RankedQuestion | None = None,
) -> list[Hit]:
    """The best k turns, best first; of equal scores the newer turn first.

    The turns of a selection are ranked as in a memory of these turns alone: only they count for
    how rare a word is, how far cosines spread and how good a session is. But the other turns of
    a session remain their neighbours.

    Args:
        query: the question, read by this index for this selection.
        vector: (width,) unit vector of `query.plain`.
        matches: for each of `query.words`, the ids of the turns that contain it.
        feature_weights: one for each feature, in the order of FEATURE_WEIGHTS.
        selection: the turns to rank; None for all.
        last: the question that was ranked last, and from now on this one.
    """
    if k < 1 or not index.turns_of(selection):
        return []
    ranked = RankedQuestion() if last is None else last
    features = ranked.features(index, query, vector, matches, feature_weights, selection)
    return [hit for _, hit in best_hits([features], [""], k, feature_weights)]


def features_of(
    index: Index,
    query: Query,
    vector: NDArray[np.float32],
    matches: Sequence[WordMatches],
    counts: Counts | None = None,
    feature_weights: Mapping[str, float] = FEATURE_WEIGHTS,
    selection: Selection | None = None,
) -> Features:
    """The features of the turns worth ranking; there is at least one turn to rank.

    Arguments as for `rank`; `counts` covers all memories that are searched together.
    """
    if counts is None:
        counts = Counts.of(index.turns_of(selection), [counted_matches(index, matches, selection)])
    words = [
        WordMatches(
            exact=index.positions_of(match.exact),
            related=index.positions_of(match.related),
            examples=index.positions_of(match.examples),
        )
        for match in matches
    ]
    positions = candidates(index, query, vector, words, feature_weights, counts, selection)
    if query.told_on:
        told = index.positions_of(np.array(sorted(query.told_on), np.int64))
        is_ranked = told > 0 if selection is None else selection.mask[told]
        positions = np.union1d(positions, told[is_ranked])
    cosines = index.cosines(positions, vector)
    return Features(
        index.ids[positions],
        {
            **columns_of(index, positions, query, words=words, counts=counts),
            "meaning": cosines,
        },
        _usual_cosines(index, cosines, vector, selection),
    )


def best_hits(
    memories: Sequence[Features],
    embedders: Sequence[str],
    k: int,
    feature_weights: Mapping[str, float] = FEATURE_WEIGHTS,
) -> list[tuple[int, Hit]]:
    """The best k turns of one memory or of several, each with the number of its memory, from 0.

    Best first; of equal scores the newer turn first, and turns of an earlier memory. Several are
    ranked as one memory that holds all their turns: each unit is counted over all of them. Only
    the spread of cosines is that of the memories with the same one of `embedders`.
    """
    weights = np.array([*feature_weights.values()])
    best_session = max((of_one.columns["session"].max() for of_one in memories), default=0)
    ranked: list[tuple[int, Hit]] = []
    for number, (of_one, embedder) in enumerate(zip(memories, embedders, strict=True)):
        alike = [
            features.usual_cosines
            for features, other in zip(memories, embedders, strict=True)
            if other == embedder
        ]
        spread = np.concatenate(alike).std() or np.float32(1)
        columns = {
            **of_one.columns,
            "session": of_one.columns["session"] / (best_session or 1.0),
            "meaning": of_one.columns["meaning"] / spread,
        }
        by_name = np.empty((len(FEATURE_WEIGHTS), len(of_one.turn_ids)))
        for feature_values, name in zip(by_name, FEATURE_WEIGHTS, strict=True):
            feature_values[:] = columns[name]
        values = by_name.T
        scores = np.einsum("ij,j->i", values, weights)  # the formula: weight times value, summed
        best = _best(scores, of_one.turn_ids, k)
        turn_ids = of_one.turn_ids[best].tolist()
        shares = (values[best] * weights).tolist()
        named_shares = [dict(zip(FEATURE_WEIGHTS, of_turn, strict=True)) for of_turn in shares]
        hits = ranked_hits(turn_ids, scores[best].tolist(), named_shares)
        ranked += [(number, hit) for hit in hits]
    # Sorting keeps the order of equals.
    return sorted(ranked, key=lambda pair: -pair[1].score)[:k] if len(memories) > 1 else ranked


def _usual_cosines(
    index: Index,
    cosines: NDArray[np.float32],
    vector: NDArray[np.float32],
    selection: Selection | None,
) -> NDArray[np.float32]:
    """The cosines of the question with the newest turns, whose spread is the unit of meaning.

    With it, a weight means the same for any embedder. `cosines` has the cosines of the turns
    worth ranking.
    """
    if len(cosines) == index.turns_of(selection):
        return cosines[-SPREAD_TURNS:]
    newest = np.arange(max(index.count - SPREAD_TURNS, 0) + 1, index.count + 1)
    if selection is not None:
        newest = selection.positions[-SPREAD_TURNS:]
    return index.cosines(newest, vector)


def _best(scores: NDArray[np.float64], positions: NDArray[np.int64], k: int) -> NDArray[np.intp]:
    """The indices of the k highest scores, best first; of equal scores the newest turn first."""
    # Sorts only the scores not below the k-th: a partition is faster than sorting all.
    contenders = np.arange(len(scores))
    if k < len(scores):
        contenders = contenders[scores >= np.partition(scores, -k)[-k]]
    order: NDArray[np.intp] = np.lexsort((-positions[contenders], -scores[contenders]))[:k]
    return contenders[order]


# Up to MAX_RANKED_WHOLE turns, the ranking scores all of them; in a larger memory, the best groups
# of neighbours. At 100,000 turns, 384 groups of 8 find what ranking everything finds (recall@10
# .60) in a tenth of the time (decision 17).
MAX_RANKED_WHOLE = 4096
CHOSEN_GROUPS = 384
USUAL_SPREAD = 0.085  # of cosines, to choose groups by


def candidates(
    index: Index,
    query: Query,
    vector: NDArray[np.float32],
    words: Sequence[WordMatches],
    feature_weights: Mapping[str, float],
    counts: Counts | None = None,
    selection: Selection | None = None,
) -> NDArray[np.int64]:
    """The positions to rank: all of a small memory, the best groups of a large one.

    A group is GROUP_TURNS neighbours, in a selection as many turns of it that follow each
    other. A rough version of the formula ranks the groups: by the question's words and speakers
    that they contain, where rare ones weigh more; by the signs of their vectors that agree with
    the question's; and by its dates. `words` are positions, and `counts` are needed for a
    selection.
    """
    count = index.turns_of(selection)
    if count <= MAX_RANKED_WHOLE:
        return np.arange(1, count + 1) if selection is None else selection.positions
    groups = count // GROUP_TURNS + 1
    spoken = by_speakers(index.rows["speaker"][: index.count + 1], query.speakers | query.implied)
    nothing = np.zeros(0, np.int64)
    speaker_matches = WordMatches(np.flatnonzero(spoken), nothing, nothing)  # like a word
    counts = counts or Counts.of(index.count, [words])
    holders_of_words = [*counts.holders, len(_numbers(speaker_matches.exact, selection))]
    examples_of_words = [*counts.examples, 0]
    evidence = np.zeros(groups, np.float32)
    own_words = np.zeros(groups, np.float32)
    possible = 0.0
    for match, holders, examples in zip(
        [*words, speaker_matches], holders_of_words, examples_of_words, strict=True
    ):
        if holders:
            rarity = counts.rarity(holders)
            rarity_of_examples = counts.rarity(examples)
            # Not np.add.at: a group counts once, however many of its turns hold the word.
            groups_with_examples = _groups_of(_numbers(match.examples, selection), groups)
            evidence[groups_with_examples] += RELATED_SHARE * rarity_of_examples
            groups_with_related = _groups_of(_numbers(match.related, selection), groups)
            evidence[groups_with_related] += RELATED_SHARE * rarity
            groups_with_word = _groups_of(_numbers(match.exact, selection), groups)
            evidence[groups_with_word] += rarity
            if match is not speaker_matches:
                own_words[groups_with_word] += rarity / OWN_WORDS_UNIT
            possible += rarity

    # The share of differing signs in two vectors estimates their angle. A group is as near as
    # its nearest turn.
    signs = index.disagreement(vector, selection).min(axis=0)
    likeness = np.cos(np.pi / (64 * len(index.planes)) * signs.astype(np.float32)) / USUAL_SPREAD
    scores = (
        feature_weights["words"] / (possible or 1.0) * evidence
        + feature_weights["meaning"] * likeness
    )
    talk = talk_of(index, _first_of_groups(index, groups, selection))
    scores += feature_weights["own_words"] * talk.with_assistant * own_words
    if query.dates or query.spans:
        dates = np.ascontiguousarray(index.rows["date"][: index.count + 1])
        dated = _numbers(np.flatnonzero(date_match(dates, query)), selection)
        groups_with_date = dated // GROUP_TURNS
        share = talk.share(DATE_SHARES)
        scores[groups_with_date] += feature_weights["date"] * share[groups_with_date]
    chosen = np.sort(_highest(scores, CHOSEN_GROUPS))
    numbers = (chosen[:, None] * GROUP_TURNS + np.arange(GROUP_TURNS)).ravel()
    numbers = numbers[(numbers > 0) & (numbers <= count)]
    return numbers if selection is None else selection.positions[numbers - 1]


def _first_of_groups(
    index: Index, groups: int, selection: Selection | None
) -> NDArray[np.integer[Any]]:
    """The position of each group's first turn."""
    firsts = np.maximum(np.arange(groups) * GROUP_TURNS, 1)
    if selection is not None:
        firsts = selection.positions[np.minimum(firsts, selection.count) - 1]
    return np.minimum(firsts, index.count)


def _numbers(positions: NDArray[np.int64], selection: Selection | None) -> NDArray[np.integer[Any]]:
    """Positions as numbers of the ranked turns: the same, or a selection's numbers."""
    return positions if selection is None else selection.numbers_of(positions)


def _groups_of(numbers: NDArray[np.integer[Any]], groups: int) -> NDArray[np.integer[Any]]:
    """The groups of these turns; of many turns each group once, which is faster to go on with."""
    of_each = numbers // GROUP_TURNS
    if len(numbers) < groups // 4:
        return of_each
    is_there = np.zeros(groups, np.bool_)
    is_there[of_each] = True
    return np.flatnonzero(is_there)


def _highest(values: NDArray[np.floating[Any]], k: int) -> NDArray[np.intp]:
    """The indices of the k highest values; of equal values the last ones."""
    if k >= len(values):
        return np.arange(len(values))
    limit = np.partition(values, -k)[-k]
    above = np.flatnonzero(values > limit)
    return np.concatenate([above, np.flatnonzero(values == limit)[len(above) - k :]])
