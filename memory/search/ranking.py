"""The hybrid ranking: finds the turns that a question asks for, without a language model.

The formula: a turn's score is the sum over its features of weight times value (`Index.rank`).
`Index.features` computes the ten features; `weights.json` holds their weights. In a large memory,
`Index.candidates` first picks the turns worth ranking.

The ranking judges a turn with its neighbours, because an answer often shares no words with its
question. It needs no database: a store provides the columns, the vectors and the turns that
contain a word.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from memory.errors import InputError
from memory.records import Hit
from memory.search.question import Query, SpeakerNames, read_question
from memory.search.turn_columns import FULL_LENGTH, TURN_DTYPE, disagreement, sign_codes

# Fitted to LoCoMo's seven conversations and to our own chats with `python -m locomo.retrieval
# --fit`. Features are bounded, not standardised, so a weight means the same in any memory.
FEATURE_WEIGHTS: dict[str, float] = json.loads(
    Path(__file__).with_name("weights.json").read_text("utf-8")
)["weights"]


def ordered_weights(weights: Mapping[str, float] | None) -> Mapping[str, float]:
    """Weights in the order of FEATURE_WEIGHTS; None means FEATURE_WEIGHTS.

    Raises InputError for weights of other features.
    """
    if weights is None:
        return FEATURE_WEIGHTS
    if weights.keys() != FEATURE_WEIGHTS.keys():
        raise InputError(f"weights are those of the features {', '.join(FEATURE_WEIGHTS)}")
    return {name: weights[name] for name in FEATURE_WEIGHTS}


# How much the turns from 4 before to 4 after count for a turn of the same session. A reply answers
# the turns before it, so those count more. Other windows cost .004 to .008 of recall@10
# (docs/log.md).
NEIGHBOUR_SHARES = np.array([0.1, 0.2, 0.4, 0.6, 1.0, 0.5, 0.3, 0.15, 0.1], np.float32)
SATURATION = 0.6  # a word seen once near a turn counts 1 / 1.6, and never more than 1
# A longer turn contains a question's words by chance and needs no neighbours to explain it: an
# assistant's answers filled most of the first ten ranks (docs/log.md). 3 % of LoCoMo's turns are
# longer.
LONG_TURN = 60  # words
LENGTH_SHARE = 0.75  # the share of saturation that grows with the length, as b in BM25
QUESTION_LENGTH = 20  # words; a longer turn that ends in a question mark says something too
RELATED_SHARE = 0.5  # the worth of a word of related meaning
# Up to MAX_RANKED_WHOLE turns, the ranking scores all of them; in a larger memory, the best groups
# of neighbours. At 100,000 turns, 384 groups of 8 find what ranking everything finds (recall@10
# .60) in a tenth of the time (docs/decisions.md, 17).
MAX_RANKED_WHOLE = 4096
GROUP_TURNS = 8
CHOSEN_GROUPS = 384
# A search reads only the newest turns that contain a word; a more frequent word says little. At a
# million turns, 20,000 instead of 50,000 took 16.8 instead of 19.0 ms a search, and recall@10 fell
# from .45 to .39 (docs/log.md).
MAX_EXACT = 50_000
MAX_RELATED = 10_000
USUAL_SPREAD = 0.085  # of cosines, to choose groups by
SPREAD_TURNS = 1024  # the newest turns, which show how far cosines spread
_REACH = len(NEIGHBOUR_SHARES) // 2

_T = TypeVar("_T", bound=np.generic)
Piece = tuple[int, int, int]  # a store's key for a piece of vectors


@dataclass(frozen=True)
class UnreadVectors:
    """Vectors in pieces; a search reads the pieces it needs, many at once.

    The keys of `pieces` are the ids of their first turns. `read` returns their vectors, each
    (turns, width), and reads pieces of earlier extensions too.
    """

    pieces: Mapping[int, Piece]
    read: Callable[[Sequence[Piece]], Sequence[NDArray[np.int8]]]


@dataclass(frozen=True)
class WordMatches:
    """The turns that contain a word of the question, a word of like meaning, or an example of it.

    For "pets": pets or pet; dog; puppy or hamster. The turns are ids, or positions in an index.
    """

    exact: NDArray[np.int64]
    related: NDArray[np.int64]
    examples: NDArray[np.int64]


class Index:
    """The turns of one namespace in id order, as columns. `extend` adds turns; none is removed.

    A position is a turn's number in this order, from 1. Position 0 means "no such turn".
    """

    def __init__(self) -> None:
        self.names = SpeakerNames()
        self.count = 0
        self.last_id = 0
        self._rows = np.zeros(1, TURN_DTYPE)
        self._ids = np.zeros(1, np.int64)
        self._session = np.zeros(1, np.int32)  # position of the session's first turn
        self._before = np.zeros(1, np.int32)  # position of the turn before in the session
        self._after = np.zeros(1, np.int32)  # position of the turn after in the session
        self._excess = np.ones(1, np.float32)  # the length in units of LONG_TURN, at least 1
        self._vectors = np.zeros((1, 0), np.int8)
        self._norms = np.ones(1, np.float32)
        # Each plane has 64 signs of every turn, (GROUP_TURNS, groups). A group is a column, because
        # the minimum of a column is fast to compute.
        self._planes: list[NDArray[np.uint64]] = []
        self._pieces = np.zeros(0, np.int64)  # positions where pieces of vectors begin
        self._unread: dict[int, Piece] = {}  # by position: the pieces that no search has read yet
        self._read: Callable[[Sequence[Piece]], Sequence[NDArray[np.int8]]] = lambda pieces: []
        # A number for every position, zero between uses. Filling and clearing a few of them is
        # faster than making an array as large as the memory for every word.
        self._scratch = np.zeros(1, np.float32)

    def extend(
        self,
        rows: NDArray[np.void],
        codes: NDArray[np.uint64],
        vectors: NDArray[np.int8] | UnreadVectors,
    ) -> None:
        """Add the turns that are newer than `last_id`.

        Args:
            rows: (n,) TURN_DTYPE with ascending ids above `last_id`; ids may have gaps.
            codes: (n, planes) `sign_codes` of the vectors.
            vectors: (n, width), or pieces to read later.
        """
        first = self.count + 1
        self.count += len(rows)
        new = slice(first, self.count + 1)
        if first == 1:
            self._planes = [np.zeros((GROUP_TURNS, 0), np.uint64) for _ in range(codes.shape[1])]
        self._make_room()
        self._rows[new] = rows
        self._ids[new] = rows["id"]
        self.last_id = int(rows["id"][-1])
        positions = np.arange(first, self.count + 1)
        group, within = np.divmod(positions, GROUP_TURNS)
        for plane, code in zip(self._planes, codes.T, strict=True):
            plane[within, group] = code
        self._session[new] = self._positions(rows["session"])
        self._excess[new] = np.maximum(rows["length"] / np.float32(LONG_TURN), 1)
        before = self._positions(rows["previous"])
        self._before[new] = before
        self._after[before] = positions
        self._after[0] = 0  # the first turn of a session has written here
        if isinstance(vectors, np.ndarray):
            self._take_vectors(new, vectors)
        else:
            starts = self._positions(np.array([*vectors.pieces]))
            self._pieces = np.concatenate([self._pieces, starts])
            self._unread.update(zip(starts.tolist(), vectors.pieces.values(), strict=True))
            self._read = vectors.read

    def _make_room(self) -> None:
        if self.count < len(self._rows):
            return
        # A multiple of GROUP_TURNS, and an eighth more than needed: otherwise every new turn would
        # copy all arrays.
        room = (self.count + self.count // 8 + 64) // GROUP_TURNS * GROUP_TURNS
        self._rows = _longer(self._rows, room)
        self._ids = _longer(self._ids, room)
        self._session = _longer(self._session, room)
        self._before = _longer(self._before, room)
        self._after = _longer(self._after, room)
        self._excess = _longer(self._excess, room)
        self._vectors = _longer(self._vectors, room)
        self._norms = _longer(self._norms, room)
        self._planes = [
            np.pad(plane, ((0, 0), (0, room // GROUP_TURNS - plane.shape[1])))
            for plane in self._planes
        ]
        self._scratch = np.zeros(room, np.float32)

    def _positions(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """The positions of these ids; 0 for an id that is not in this index."""
        if not len(ids):
            return np.zeros(0, np.int64)
        known = self._ids[1 : self.count + 1]
        if int(known[-1]) - int(known[0]) == self.count - 1:  # no gaps
            positions: NDArray[np.int64] = (ids - (known[0] - 1)).astype(np.int64, copy=False)
            positions[(positions < 0) | (positions > self.count)] = 0
            return positions
        ahead = np.searchsorted(known, ids)
        is_known = known[np.minimum(ahead, self.count - 1)] == ids
        return np.where(is_known, ahead + 1, 0)

    def _take_vectors(
        self, positions: slice | NDArray[np.int64], vectors: NDArray[np.int8]
    ) -> None:
        if self._vectors.shape[1] != vectors.shape[1]:
            self._vectors = np.zeros((len(self._rows), vectors.shape[1]), np.int8)
        self._vectors[positions] = vectors
        floats = vectors.astype(np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", floats, floats))
        self._norms[positions] = np.where(norms > 0, norms, 1)

    def query(self, text: str) -> Query:
        """Read a question: the words to search the full-text index for, and the text to embed."""
        newest = int(self._rows["date"][self.count])
        return read_question(text, self.names, newest)

    def rank(
        self,
        query: Query,
        vector: NDArray[np.float32],
        matches: Sequence[WordMatches],
        k: int,
        feature_weights: Mapping[str, float] = FEATURE_WEIGHTS,
    ) -> list[Hit]:
        """The best k turns, best first; of equal scores the newer turn first.

        Args:
            query: the question, read by this index.
            vector: (width,) unit vector of `query.plain`.
            matches: for each of `query.words`, the ids of the turns that contain it.
            feature_weights: one for each feature, in the order of FEATURE_WEIGHTS.
        """
        if k < 1 or not self.count:
            return []
        words = [
            WordMatches(
                exact=self._positions(match.exact),
                related=self._positions(match.related),
                examples=self._positions(match.examples),
            )
            for match in matches
        ]
        positions = self.candidates(query, vector, words, feature_weights)
        weights = np.array([*feature_weights.values()])
        features = self.features(positions, query, vector=vector, words=words)
        scores = np.einsum("ij,j->i", features, weights)  # the formula: weight times value, summed

        best = _best(scores, positions, k)
        turn_ids = self._ids[positions[best]].tolist()
        shares = (features[best] * weights).tolist()
        return [
            Hit(turn_id, score, dict(zip(FEATURE_WEIGHTS, turn_shares, strict=True)))
            for turn_id, score, turn_shares in zip(
                turn_ids, scores[best].tolist(), shares, strict=True
            )
        ]

    def candidates(
        self,
        query: Query,
        vector: NDArray[np.float32],
        words: Sequence[WordMatches],
        feature_weights: Mapping[str, float] = FEATURE_WEIGHTS,
    ) -> NDArray[np.int64]:
        """The positions to rank: all of a small memory, the best groups of a large one.

        A group is GROUP_TURNS neighbours. A rough version of the formula ranks the groups: by the
        question's words and speakers that they contain, where rare ones weigh more; by the signs of
        their vectors that agree with the question's; and by its dates. `words` are positions.
        """
        if self.count <= MAX_RANKED_WHOLE:
            return np.arange(1, self.count + 1)
        groups = self.count // GROUP_TURNS + 1
        spoken = _spoken_by(self._rows["speaker"][: self.count + 1], query.speakers | query.implied)
        nothing = np.zeros(0, np.int64)
        speaker_matches = WordMatches(np.flatnonzero(spoken), nothing, nothing)  # like a word
        evidence = np.zeros(groups, np.float32)
        possible = 0.0
        for match in [*words, speaker_matches]:
            holders = len(match.exact) or len(match.related)
            if holders:
                rarity = self._rarity(holders)
                rarity_of_examples = self._rarity(len(match.examples))
                # Not np.add.at: a group counts once, however many of its turns hold the word.
                evidence[match.examples // GROUP_TURNS] += RELATED_SHARE * rarity_of_examples
                evidence[match.related // GROUP_TURNS] += RELATED_SHARE * rarity
                evidence[match.exact // GROUP_TURNS] += rarity
                possible += rarity

        # The share of signs in which two vectors differ estimates their angle. A group is as near
        # as its nearest turn.
        planes = [plane[:, :groups] for plane in self._planes]
        signs = disagreement(planes, sign_codes(vector[None])[0]).min(axis=0)
        likeness = np.cos(np.pi / (64 * len(planes)) * signs.astype(np.float32)) / USUAL_SPREAD
        scores = (
            feature_weights["words"] / (possible or 1.0) * evidence
            + feature_weights["meaning"] * likeness
        )
        if query.dates or query.spans:
            dates = np.ascontiguousarray(self._rows["date"][: self.count + 1])
            dated_groups = np.flatnonzero(_date_match(dates, query)) // GROUP_TURNS
            scores[dated_groups] += feature_weights["date"]
        chosen = np.sort(_highest(scores, CHOSEN_GROUPS))
        positions = (chosen[:, None] * GROUP_TURNS + np.arange(GROUP_TURNS)).ravel()
        return positions[(positions > 0) & (positions <= self.count)]

    def features(
        self,
        positions: NDArray[np.int64],
        query: Query,
        vector: NDArray[np.float32],
        words: Sequence[WordMatches],
    ) -> NDArray[np.float64]:
        """The features of the turns at these positions, without weights.

        Returns (len(positions), len(FEATURE_WEIGHTS)), in the order of the weights. `words` are
        positions.
        """
        # Row _REACH holds the turns themselves, the rows above and below it their neighbours;
        # position 0 where a session has no more turns.
        neighbours = np.zeros((len(NEIGHBOUR_SHARES), len(positions)), np.int64)
        neighbours[_REACH] = positions
        for step in range(_REACH):
            neighbours[_REACH - step - 1] = self._before[neighbours[_REACH - step]]
            neighbours[_REACH + step + 1] = self._after[neighbours[_REACH + step]]
        rows = self._rows.take(positions)  # ten times as fast as [positions] on a structured array
        word_shares = self._words(neighbours, words)
        columns = {
            "words": word_shares,
            "meaning": self._meaning(positions, vector),
            "kind": self._examples(positions, words),
            "session": self._best_of_session(self._session[positions], word_shares),
            "speaker": _spoken_by(rows["speaker"], query.speakers),
            "implied": _spoken_by(rows["speaker"], query.implied),
            "date": _date_match(rows["date"], query),
            # Only for questions about a time: for all questions it gained at most .001
            # (docs/log.md).
            "time": (rows["tells_time"] & query.asks_time) / self._excess[positions],
            # Weighs against a turn: an answer is seldom a question. A longer turn says something
            # before it asks ("By the way, I sold my car. Which bus is it?").
            "asks": rows["asks"] / np.maximum(rows["length"] / np.float32(QUESTION_LENGTH), 1),
            # Up to FULL_LENGTH words only: documents must not win by their size.
            "length": np.log1p(np.minimum(rows["length"], FULL_LENGTH)),
        }
        values = np.empty((len(FEATURE_WEIGHTS), len(positions)))
        for feature_values, name in zip(values, FEATURE_WEIGHTS, strict=True):
            feature_values[:] = columns[name]
        return values.T

    def _words(
        self, neighbours: NDArray[np.int64], words: Sequence[WordMatches]
    ) -> NDArray[np.float32]:
        """The share of the question's words around each turn, 0 to 1; rare words weigh more.

        Each word saturates separately, as in BM25 (Robertson and Zaragoza 2009): two words near a
        turn beat one word twice. One score for all words together cost .006 to .009 of recall@10
        (docs/decisions.md, 8). In a turn longer than LONG_TURN, words saturate later, and the turn
        and its neighbours count less for each other.
        """
        excesses = self._excess.take(neighbours)
        excess = excesses[_REACH]
        window = NEIGHBOUR_SHARES[:, None] / (excesses * excess)
        window[_REACH] = NEIGHBOUR_SHARES[_REACH]
        saturation = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * excess)
        total = np.zeros(neighbours.shape[1], np.float32)
        possible = 0.0
        for match in words:
            holders = len(match.exact) or len(match.related)
            if holders:
                self._scratch[match.related] = RELATED_SHARE
                self._scratch[match.exact] = 1  # after the related ones: a turn may be in both
                self._scratch[0] = 0  # the position of turns that this index lacks
                amount = np.einsum("ij,ij->j", window, self._scratch.take(neighbours))
                self._scratch[match.related] = self._scratch[match.exact] = 0
                total += self._rarity(holders) * amount / (amount + saturation)
                possible += self._rarity(holders)
        return total / (possible or 1.0)

    def _rarity(self, turns: int) -> float:
        """The inverse document frequency as in BM25, never below 0."""
        return float(np.log(1 + max(self.count - turns + 0.5, 0.0) / (turns + 0.5)))

    def _examples(
        self, positions: NDArray[np.int64], words: Sequence[WordMatches]
    ) -> NDArray[np.bool_]:
        """Whether each turn contains an example of what the question asks for."""
        for match in words:
            self._scratch[match.examples] = 1
        self._scratch[0] = 0
        has_example = self._scratch[positions] > 0
        for match in words:
            self._scratch[match.examples] = 0
        return has_example

    def _meaning(
        self, positions: NDArray[np.int64], vector: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The cosine of the question with each turn in its context, in units of its usual spread.

        The unit is the standard deviation of the newest turns' cosines. With it, a weight means the
        same for any embedder.
        """
        cosines = self._cosines(positions, vector)
        usual = cosines[-SPREAD_TURNS:]
        if len(positions) < self.count:
            newest = np.arange(max(self.count - SPREAD_TURNS, 0) + 1, self.count + 1)
            usual = self._cosines(newest, vector)
        return cosines / (usual.std() or np.float32(1))

    def _cosines(
        self, positions: NDArray[np.int64], vector: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        self._read_vectors(positions)
        # einsum, not @, which would wake a thread per core for a tenth of a millisecond's work and
        # wait for the slowest: with busy cores, searches went from 1.7 to 5.2 ms at the 95th
        # percentile (docs/log.md).
        dots = np.einsum("ij,j->i", self._vectors[positions].astype(np.float32), vector)
        return np.asarray(dots / self._norms[positions], np.float32)

    def _read_vectors(self, positions: NDArray[np.int64]) -> None:
        """Read the pieces of vectors for these positions that no earlier search has read."""
        if not self._unread:
            return
        pieces = np.searchsorted(self._pieces, positions, side="right") - 1
        starts = np.unique(self._pieces[pieces[pieces >= 0]]).tolist()
        starts = [start for start in starts if start in self._unread]
        if starts:
            vectors = self._read([self._unread[start] for start in starts])
            read = [np.arange(n, n + len(v)) for n, v in zip(starts, vectors, strict=True)]
            self._take_vectors(np.concatenate(read), np.concatenate(vectors))
            for start in starts:
                del self._unread[start]

    def _best_of_session(
        self, sessions: NDArray[np.int32], words: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """For each turn, the best share of words in its session; 1 in the best session."""
        # The highest is written last and stays. np.maximum.at would add a thirtieth to a search.
        ascending = words.argsort()
        self._scratch[sessions[ascending]] = words[ascending]
        best = self._scratch[sessions]
        self._scratch[sessions] = 0
        return best / (best.max() or 1.0)


def _spoken_by(speakers: NDArray[np.int32], named: Iterable[int]) -> NDArray[np.bool_]:
    """Which of the turns by these speakers are by somebody the question names."""
    spoken = np.zeros(len(speakers), np.bool_)
    for number in named:
        spoken |= speakers == number
    return spoken


def _date_match(dates: NDArray[np.int32], query: Query) -> NDArray[np.float64]:
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


def _highest(values: NDArray[np.floating[Any]], k: int) -> NDArray[np.intp]:
    """The indices of the k highest values; of equal values the last ones."""
    if k >= len(values):
        return np.arange(len(values))
    limit = np.partition(values, -k)[-k]
    above = np.flatnonzero(values > limit)
    return np.concatenate([above, np.flatnonzero(values == limit)[len(above) - k :]])


def _best(scores: NDArray[np.float64], positions: NDArray[np.int64], k: int) -> NDArray[np.intp]:
    """The indices of the k highest scores, best first; of equal scores the newest turn first."""
    # Sorts only the scores not below the k-th: a partition is faster than sorting all.
    contenders = np.arange(len(scores))
    if k < len(scores):
        contenders = contenders[scores >= np.partition(scores, -k)[-k]]
    order: NDArray[np.intp] = np.lexsort((-positions[contenders], -scores[contenders]))[:k]
    return contenders[order]


def _longer(array: NDArray[_T], room: int) -> NDArray[_T]:
    """The array, extended with zeros to the length `room`."""
    longer = np.zeros((room, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
