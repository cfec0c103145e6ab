"""Which turns of a large memory are worth ranking, by a rough version of the formula."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.search.features import (
    DATE_SHARES,
    OWN_WORDS_UNIT,
    RELATED_SHARE,
    date_match,
    talk_of,
)
from memory.search.index import GROUP_TURNS, Index, by_speakers
from memory.search.question import Query
from memory.search.selection import Selection
from memory.search.word_matches import Counts, WordMatches

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
