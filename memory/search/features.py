"""The features of turns for a question: what the formula of the ranking weighs.

The ranking judges a turn with its neighbours, because an answer often shares no words with its
question.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.search.index import LONG_TURN, REACH, Described, Index, by_speakers
from memory.search.question import Query
from memory.search.turn_columns import FULL_LENGTH, asks
from memory.search.word_matches import Counts, WordMatches

# How much the turns from REACH before to REACH after count for a turn of the same session. A reply
# answers the turns before it, so those count more. Other windows cost .004 to .008 of recall@10
# (the log).
NEIGHBOUR_SHARES = np.array([0.1, 0.2, 0.4, 0.6, 1.0, 0.5, 0.3, 0.15, 0.1], np.float32)
SATURATION = 0.6  # a word seen once near a turn counts 1 / 1.6, and never more than 1
LENGTH_SHARE = 0.75  # the share of saturation that grows with the length, as b in BM25
QUESTION_LENGTH = 20  # words; a longer turn that ends in a question mark says something too
RELATED_SHARE = 0.5  # the worth of a word of related meaning
# In a chat with an assistant dates and words of time tell less of a turn, and a short turn is
# mostly thanks or a request. In a long talk with it, of two hours and not ten minutes, a date tells
# next to nothing, since a hundred turns have it, and short turns say as much as others. A talk of
# LONG_TALK[0] turns is short, one of LONG_TALK[1] is long, one between them is both in parts; so
# shares are (in a short talk, in a long one). Together they move recall@10 of chats with an
# assistant by .01 to .03 (the log).
LONG_TALK = (20, 60)  # turns of a session on one day
DATE_SHARES = (0.6, 0.06)
TIME_SHARES = (0.8, 0.4)
# Of `date`, for a turn that speaks of a day that the question names: more than for the turns of
# that day (2), since "What do I have today?" asks for what was said of today before.
TOLD_DATE = 3.0
LENGTH_SHARES = (2.5, -1.25)
OWN_WORDS_UNIT = 10.0  # of rarity: about two rare words
# Of `own_words`, for each word of a question of one or two: more than all other features together,
# so that no turn without the word comes before one with it.
HELD_WORD = 8.0
# With an assistant, a turn that is longer than LONG_TURN loses a little of `length`: it holds a
# question's words by its size, and people ask about what they said themselves. Between 0 and .3,
# recall@10 differs by .007 (the log).
LONG_TURN_LOSS = 0.3


@dataclass(frozen=True)
class Talk:
    """What kind of talk turns belong to: with an assistant or not, and how long, 0 to 1."""

    with_assistant: NDArray[np.bool_]
    length: NDArray[np.float32]

    def share(self, shares: tuple[float, float]) -> NDArray[np.float64]:
        """How much a feature counts in each: 1 among people, else from the first to the second."""
        short, long = shares
        return np.where(self.with_assistant, short + (long - short) * self.length, 1.0)


def talk_of(index: Index, positions: NDArray[np.integer[Any]]) -> Talk:
    """What kind of talk the turns at these positions belong to."""
    shortest, longest = LONG_TALK
    turns = index.talk_turns[index.talk[positions]]
    length = np.clip((turns - shortest) / np.float32(longest - shortest), 0, 1)
    return Talk(index.has_assistant[index.session[positions]], length)


def columns_of(
    index: Index,
    positions: NDArray[np.int64],
    query: Query,
    words: Sequence[WordMatches],
    counts: Counts,
) -> dict[str, NDArray[Any]]:
    """The features of the turns at these positions but for their meaning, (n,) each.

    `words` are positions.
    """
    turns = _described(index, positions)
    word_shares, own_words, words_held = _words(index, turns, words, counts)
    return {
        "words": word_shares,
        # Among many long turns, what a turn itself holds tells more than its share of a long
        # question. Between people it costs .003 of recall@10 (the log).
        "own_words": own_words * turns.with_assistant
        + words_held * (HELD_WORD * query.is_of_words),
        "kind": _examples(index, positions, words),
        "session": _best_of_session(index, turns.session, word_shares),
        "speaker": by_speakers(turns.speaker, query.speakers),
        "implied": by_speakers(turns.speaker, query.implied),
        "date": np.maximum(
            date_match(turns.date, query) * turns.date_share,
            TOLD_DATE * np.isin(index.ids[positions], [*query.told_on]),
        ),
        # Only for questions about a time: for all questions it gained at most .001
        # (the log).
        "time": turns.time * query.asks_time,
        "asks": turns.asks,
        "length": turns.length,
    }


def _described(index: Index, positions: NDArray[np.int64]) -> Described:
    """What features need of these turns, whatever is asked; of all turns it is kept."""
    if len(positions) < index.count:
        return _describe(index, positions)
    if index.described is None:
        index.described = _describe(index, positions)
    return index.described


def _describe(index: Index, positions: NDArray[np.int64]) -> Described:
    # Row REACH holds the turns themselves, the rows above and below it their neighbours;
    # position 0 if a session has no more turns.
    neighbours = np.zeros((len(NEIGHBOUR_SHARES), len(positions)), np.int64)
    neighbours[REACH] = positions
    for step in range(REACH):
        neighbours[REACH - step - 1] = index.before[neighbours[REACH - step]]
        neighbours[REACH + step + 1] = index.after[neighbours[REACH + step]]
    rows = index.rows.take(positions)  # ten times as fast as [positions] on a structured array
    excesses = index.excess.take(neighbours)
    excess = excesses[REACH]
    window = NEIGHBOUR_SHARES[:, None] / (excesses * excess)
    window[REACH] = NEIGHBOUR_SHARES[REACH]
    talk = talk_of(index, positions)
    length = np.log1p(np.minimum(rows["length"], FULL_LENGTH)) - np.log1p(FULL_LENGTH)
    longer = np.maximum(rows["length"] / np.float32(LONG_TURN), 1)
    return Described(
        neighbours=neighbours,
        window=window,
        saturation=SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * excess),
        session=index.session[positions],
        speaker=np.ascontiguousarray(rows["speaker"]),
        date=np.ascontiguousarray(rows["date"]),
        with_assistant=talk.with_assistant,
        date_share=talk.share(DATE_SHARES),
        time=rows["tells_time"] * talk.share(TIME_SHARES) / excess,
        # Weighs against a turn: an answer is seldom a question. A longer turn says something
        # before it asks ("By the way, I sold my car. Which bus is it?").
        asks=asks(rows) / np.maximum(rows["length"] / np.float32(QUESTION_LENGTH), 1),
        # Up to FULL_LENGTH words only: documents must not win by their size. A turn of that
        # many words has the same length in any session.
        length=talk.share(LENGTH_SHARES) * length
        + np.log1p(FULL_LENGTH)
        - LONG_TURN_LOSS * talk.with_assistant * np.log(longer),
    )


def _words(
    index: Index, turns: Described, words: Sequence[WordMatches], counts: Counts
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The share of the question's words around each turn, 0 to 1; rare words weigh more.

    And the rarity of the words that the turn itself holds, in OWN_WORDS_UNIT, and how many it does.

    Each word saturates separately, as in BM25 (Robertson and Zaragoza 2009): two words near a
    turn beat one word twice. One score for all words together cost .006 to .009 of recall@10
    (decision 8). In a turn longer than LONG_TURN, words saturate later, and the turn
    and its neighbours count less for each other.
    """
    neighbours = turns.neighbours
    total = np.zeros(neighbours.shape[1], np.float32)
    own = np.zeros(neighbours.shape[1], np.float32)
    words_held = np.zeros(neighbours.shape[1], np.float32)
    possible = 0.0
    for match, holders in zip(words, counts.holders, strict=True):
        if holders:
            index.scratch[match.related] = RELATED_SHARE
            index.scratch[match.exact] = 1  # after the related ones: a turn may be in both
            index.scratch[0] = 0  # the position of turns that this index lacks
            near = index.scratch.take(neighbours)
            amount = np.einsum("ij,ij->j", turns.window, near)
            index.scratch[match.related] = index.scratch[match.exact] = 0
            rarity = counts.rarity(holders)
            total += rarity * amount / (amount + turns.saturation)
            holds_it = near[REACH] == 1
            own += rarity * holds_it
            words_held += holds_it
            possible += rarity
    return total / (possible or 1.0), own / OWN_WORDS_UNIT, words_held


def _examples(
    index: Index, positions: NDArray[np.int64], words: Sequence[WordMatches]
) -> NDArray[np.bool_]:
    """Whether each turn contains an example of what the question asks for."""
    for match in words:
        index.scratch[match.examples] = 1
    index.scratch[0] = 0
    has_example = index.scratch[positions] > 0
    for match in words:
        index.scratch[match.examples] = 0
    return has_example


def _best_of_session(
    index: Index, sessions: NDArray[np.int32], words: NDArray[np.float32]
) -> NDArray[np.float32]:
    """For each turn, the best share of words in its session."""
    # The highest is written last and stays. np.maximum.at would add a thirtieth to a search.
    ascending = words.argsort()
    index.scratch[sessions[ascending]] = words[ascending]
    best = index.scratch[sessions]
    index.scratch[sessions] = 0
    return best


def date_match(dates: NDArray[np.int32], query: Query) -> NDArray[np.float64]:
    """How well packed dates (yyyymmdd) match the question's: 0, 1 (month or year), 2 (day)."""
    match = np.zeros(len(dates))
    for year, month, day in query.dates:
        if year:  # a range of packed dates
            first = 10_000 * year + 100 * month
            same = (first <= dates) & (dates <= first + (99 if month else 9_999))
        else:
            same = dates // 100 % 100 == month
        match = np.maximum(match, same * (1.0 + (dates % 100 == day)) if day else same)
    for first, last, worth in query.spans:
        match = np.maximum(match, worth * ((first <= dates) & (dates <= last)))
    return match
