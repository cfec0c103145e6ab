"""The hybrid ranking: which turns a question asks for, at any size of memory, without a model.

The formula: the score of a turn is the sum over its features of weight times value (`Index.rank`).
The ten features are computed in `Index.features`, and their weights stand in `weights.json`. In a
large memory `Index.candidates` first names the turns worth a look.

A turn is judged with its neighbours, as an answer often holds none of the words of its question.
No database: a store brings the columns, the vectors and the turns that hold a word.
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

# Fitted to LoCoMo's seven conversations and to chats of our own by `python -m locomo.retrieval
# --fit`. Features are bounded, not standardised, so a weight means the same in any memory.
FEATURE_WEIGHTS: dict[str, float] = json.loads(
    Path(__file__).with_name("weights.json").read_text("utf-8")
)["weights"]


def ordered_weights(weights: Mapping[str, float] | None) -> Mapping[str, float]:
    """Weights in the order of FEATURE_WEIGHTS, which None stands for.

    Raises InputError for weights of other features.
    """
    if weights is None:
        return FEATURE_WEIGHTS
    if weights.keys() != FEATURE_WEIGHTS.keys():
        raise InputError(f"weights are those of the features {', '.join(FEATURE_WEIGHTS)}")
    return {name: weights[name] for name in FEATURE_WEIGHTS}


# How much a turn takes from those 4 before to 4 after it in its session: a reply answers what
# was said before it, so the turns before count more. Other windows cost .004 to .008 of recall@10
# (docs/log.md).
NEIGHBOUR_SHARES = np.array([0.1, 0.2, 0.4, 0.6, 1.0, 0.5, 0.3, 0.15, 0.1], np.float32)
SATURATION = 0.6  # a word seen once near a turn counts 1 / 1.6, and never more than 1
# A longer turn holds the words of a question by chance, and needs no neighbours to explain it: an
# assistant's answers filled most of the first ten places (docs/log.md). 3 % of LoCoMo's turns are
# longer.
LONG_TURN = 60  # words
LENGTH_SHARE = 0.75  # of saturation that grows with the length, as BM25's b
QUESTION_LENGTH = 20  # words; a turn that ends in a question mark and has more tells something, too
RELATED_SHARE = 0.5  # what a word of related meaning counts
# Memories of up to MAX_RANKED_WHOLE turns are ranked whole; of larger ones the best groups of
# neighbours. At 100,000 turns 384 groups of 8 find what ranking everything finds (recall@10 .60),
# in a tenth of the time (docs/decisions.md, 17).
MAX_RANKED_WHOLE = 4096
GROUP_TURNS = 8
CHOSEN_GROUPS = 384
# Only the newest turns that hold a word are looked at; a word of more turns tells little. At a
# million turns 20,000 instead of 50,000 took 16.8 instead of 19.0 ms a search, and recall@10 fell
# from .45 to .39 (docs/log.md).
MAX_EXACT = 50_000
MAX_RELATED = 10_000
USUAL_SPREAD = 0.085  # of cosines, to choose groups by
SPREAD_TURNS = 1024  # the newest turns, which tell how far cosines spread
_REACH = len(NEIGHBOUR_SHARES) // 2

_T = TypeVar("_T", bound=np.generic)
Piece = tuple[int, int, int]  # what a store knows a piece of vectors by


@dataclass(frozen=True)
class UnreadVectors:
    """Vectors in pieces that are read as searches need them, many at once.

    `pieces` are by the id of the first turn of each; `read` returns their vectors, (turns, width),
    those of earlier extensions too.
    """

    pieces: Mapping[int, Piece]
    read: Callable[[Sequence[Piece]], Sequence[NDArray[np.int8]]]


@dataclass(frozen=True)
class WordMatches:
    """The turns that hold a word of the question, one of like meaning, or an example of it.

    For "pets": pets or pet, dog, puppy or hamster. The turns are ids, or places in an index.
    """

    exact: NDArray[np.int64]
    related: NDArray[np.int64]
    examples: NDArray[np.int64]


class Index:
    """The turns of one namespace in id order, as columns: it grows by `extend`, never shrinks.

    A place is a turn's number in this order, from 1; place 0 stands for "no such turn".
    """

    def __init__(self) -> None:
        self.names = SpeakerNames()
        self.count = 0
        self.last_id = 0
        self._rows = np.zeros(1, TURN_DTYPE)
        self._ids = np.zeros(1, np.int64)
        self._session = np.zeros(1, np.int32)  # place of the session's first turn
        self._before = np.zeros(1, np.int32)  # place of the turn before in the session
        self._after = np.zeros(1, np.int32)  # place of the turn after in the session
        self._excess = np.ones(1, np.float32)  # the length in units of LONG_TURN, at least 1
        self._vectors = np.zeros((1, 0), np.int8)
        self._norms = np.ones(1, np.float32)
        # Each plane has 64 signs of every turn, (GROUP_TURNS, groups): a group is a column, and the
        # least number of a column is fast to find.
        self._planes: list[NDArray[np.uint64]] = []
        self._pieces = np.zeros(0, np.int64)  # places where pieces of vectors begin
        self._unread: dict[int, Piece] = {}  # by their places: those that no search has read yet
        self._read: Callable[[Sequence[Piece]], Sequence[NDArray[np.int8]]] = lambda pieces: []
        # A number for every place, zeros between uses: filling and emptying a few of them is faster
        # than making an array as large as the memory for every word.
        self._scratch = np.zeros(1, np.float32)

    def extend(
        self,
        rows: NDArray[np.void],
        codes: NDArray[np.uint64],
        vectors: NDArray[np.int8] | UnreadVectors,
    ) -> None:
        """Take in turns that were added since.

        Args:
            rows: (n,) TURN_DTYPE with ascending ids above `last_id`; ids may have gaps.
            codes: (n, planes) `sign_codes` of the vectors.
            vectors: (n, width), or in pieces that are read when they are needed.
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
        places = np.arange(first, self.count + 1)
        group, within = np.divmod(places, GROUP_TURNS)
        for plane, code in zip(self._planes, codes.T, strict=True):
            plane[within, group] = code
        self._session[new] = self._places(rows["session"])
        self._excess[new] = np.maximum(rows["length"] / np.float32(LONG_TURN), 1)
        before = self._places(rows["previous"])
        self._before[new] = before
        self._after[before] = places
        self._after[0] = 0  # first turns of a session have written here
        if isinstance(vectors, np.ndarray):
            self._take_vectors(new, vectors)
        else:
            starts = self._places(np.array([*vectors.pieces]))
            self._pieces = np.concatenate([self._pieces, starts])
            self._unread.update(zip(starts.tolist(), vectors.pieces.values(), strict=True))
            self._read = vectors.read

    def _make_room(self) -> None:
        if self.count < len(self._rows):
            return
        # A multiple of GROUP_TURNS, and an eighth more than is needed, so that not every new turn
        # has all arrays copied.
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

    def _places(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """The places of ids, 0 for an id that is not here."""
        if not len(ids):
            return np.zeros(0, np.int64)
        known = self._ids[1 : self.count + 1]
        if int(known[-1]) - int(known[0]) == self.count - 1:  # no gaps
            places: NDArray[np.int64] = (ids - (known[0] - 1)).astype(np.int64, copy=False)
            places[(places < 0) | (places > self.count)] = 0
            return places
        ahead = np.searchsorted(known, ids)
        is_known = known[np.minimum(ahead, self.count - 1)] == ids
        return np.where(is_known, ahead + 1, 0)

    def _take_vectors(self, places: slice | NDArray[np.int64], vectors: NDArray[np.int8]) -> None:
        if self._vectors.shape[1] != vectors.shape[1]:
            self._vectors = np.zeros((len(self._rows), vectors.shape[1]), np.int8)
        self._vectors[places] = vectors
        floats = vectors.astype(np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", floats, floats))
        self._norms[places] = np.where(norms > 0, norms, 1)

    def query(self, text: str) -> Query:
        """Read a question: what to look for in the full-text index, and what to embed."""
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
        """The best k turns, best first; of equal ones the newer first.

        Args:
            query: the question, read by this index.
            vector: (width,) unit vector of `query.plain`.
            matches: for each of `query.words` the ids of the turns that hold it.
            feature_weights: one for each feature, in the order of FEATURE_WEIGHTS.
        """
        if k < 1 or not self.count:
            return []
        words = [
            WordMatches(
                exact=self._places(match.exact),
                related=self._places(match.related),
                examples=self._places(match.examples),
            )
            for match in matches
        ]
        places = self.candidates(query, vector, words, feature_weights)
        weights = np.array([*feature_weights.values()])
        features = self.features(places, query, vector=vector, words=words)
        scores = np.einsum("ij,j->i", features, weights)  # the formula: weight times value, summed

        best = _best(scores, places, k)
        turn_ids = self._ids[places[best]].tolist()
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
        """The places to rank: all of a small memory, of a large one the best groups of neighbours.

        Groups are ranked like turns, roughly: by which of the question's words and speakers they
        hold, rare ones weighing more; by how many signs of a vector agree with those of the
        question's; and by its dates. `words` are places.
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

        # The share of signs in which two vectors differ estimates their angle: a group is as near
        # as the nearest of its turns.
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
        places = (chosen[:, None] * GROUP_TURNS + np.arange(GROUP_TURNS)).ravel()
        return places[(places > 0) & (places <= self.count)]

    def features(
        self,
        places: NDArray[np.int64],
        query: Query,
        vector: NDArray[np.float32],
        words: Sequence[WordMatches],
    ) -> NDArray[np.float64]:
        """What speaks for the turns at these places, unweighted.

        Returns (len(places), len(FEATURE_WEIGHTS)), in the order of the weights. `words` are
        places.
        """
        # Row _REACH has the turns themselves, those above and below it their neighbours; place 0
        # where a session has no more turns.
        neighbours = np.zeros((len(NEIGHBOUR_SHARES), len(places)), np.int64)
        neighbours[_REACH] = places
        for step in range(_REACH):
            neighbours[_REACH - step - 1] = self._before[neighbours[_REACH - step]]
            neighbours[_REACH + step + 1] = self._after[neighbours[_REACH + step]]
        rows = self._rows.take(places)  # ten times as fast as [places] on a structured array
        word_shares = self._words(neighbours, words)
        columns = {
            "words": word_shares,
            "meaning": self._meaning(places, vector),
            "kind": self._examples(places, words),
            "session": self._best_of_session(self._session[places], word_shares),
            "speaker": _spoken_by(rows["speaker"], query.speakers),
            "implied": _spoken_by(rows["speaker"], query.implied),
            "date": _date_match(rows["date"], query),
            # Only where a time is asked: counted always, it gained no more than .001 (docs/log.md).
            "time": (rows["tells_time"] & query.asks_time) / self._excess[places],
            # Weighs against a turn: an answer is seldom a question itself. A longer turn tells
            # something before it asks ("By the way, I sold my car. Which bus is it?").
            "asks": rows["asks"] / np.maximum(rows["length"] / np.float32(QUESTION_LENGTH), 1),
            # Up to FULL_LENGTH words only, so that documents do not win by their size.
            "length": np.log1p(np.minimum(rows["length"], FULL_LENGTH)),
        }
        values = np.empty((len(FEATURE_WEIGHTS), len(places)))
        for feature_values, name in zip(values, FEATURE_WEIGHTS, strict=True):
            feature_values[:] = columns[name]
        return values.T

    def _words(
        self, neighbours: NDArray[np.int64], words: Sequence[WordMatches]
    ) -> NDArray[np.float32]:
        """Share of the question's words around each turn, rare words weighing more, 0 to 1.

        Each word saturates by itself, as in BM25 (Robertson and Zaragoza 2009): two words near a
        turn beat one word twice. One score for all words together cost .006 to .009 of recall@10
        (docs/decisions.md, 8). In a turn longer than LONG_TURN words saturate later, and it takes
        and gives less.
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
                self._scratch[match.exact] = 1  # after the related ones: a turn may be among both
                self._scratch[0] = 0  # places of turns that this index does not know
                amount = np.einsum("ij,ij->j", window, self._scratch.take(neighbours))
                self._scratch[match.related] = self._scratch[match.exact] = 0
                total += self._rarity(holders) * amount / (amount + saturation)
                possible += self._rarity(holders)
        return total / (possible or 1.0)

    def _rarity(self, turns: int) -> float:
        """Inverse document frequency as in BM25, never below 0."""
        return float(np.log(1 + max(self.count - turns + 0.5, 0.0) / (turns + 0.5)))

    def _examples(
        self, places: NDArray[np.int64], words: Sequence[WordMatches]
    ) -> NDArray[np.bool_]:
        """Whether a turn holds an example of what the question asks for."""
        for match in words:
            self._scratch[match.examples] = 1
        self._scratch[0] = 0
        has_example = self._scratch[places] > 0
        for match in words:
            self._scratch[match.examples] = 0
        return has_example

    def _meaning(
        self, places: NDArray[np.int64], vector: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Cosine of the question with each turn in its context, in units of its usual spread.

        The unit makes a weight mean the same with any embedder: the standard deviation of the
        cosines of the newest turns.
        """
        cosines = self._cosines(places, vector)
        usual = cosines[-SPREAD_TURNS:]
        if len(places) < self.count:
            newest = np.arange(max(self.count - SPREAD_TURNS, 0) + 1, self.count + 1)
            usual = self._cosines(newest, vector)
        return cosines / (usual.std() or np.float32(1))

    def _cosines(
        self, places: NDArray[np.int64], vector: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        self._read_vectors(places)
        # einsum, not @: that would wake a thread per core for a tenth of a millisecond's work,
        # and wait for the slowest. With busy cores it took searches from 1.7 to 5.2 ms at the 95th
        # percentile (docs/log.md).
        dots = np.einsum("ij,j->i", self._vectors[places].astype(np.float32), vector)
        return np.asarray(dots / self._norms[places], np.float32)

    def _read_vectors(self, places: NDArray[np.int64]) -> None:
        """Read the pieces of vectors that these places are in, unless an earlier search did."""
        if not self._unread:
            return
        pieces = np.searchsorted(self._pieces, places, side="right") - 1
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
        """For each turn the best share of words in its session, 1 in the best session."""
        # The highest is written last and stays; np.maximum.at is slower by a thirtieth of a search.
        ascending = words.argsort()
        self._scratch[sessions[ascending]] = words[ascending]
        best = self._scratch[sessions]
        self._scratch[sessions] = 0
        return best / (best.max() or 1.0)


def _spoken_by(speakers: NDArray[np.int32], named: Iterable[int]) -> NDArray[np.bool_]:
    """Which of the turns of these speakers are by one whom the question names."""
    spoken = np.zeros(len(speakers), np.bool_)
    for number in named:
        spoken |= speakers == number
    return spoken


def _date_match(dates: NDArray[np.int32], query: Query) -> NDArray[np.float64]:
    """How well packed dates (yyyymmdd) fit those of a question: 0, 1 (month or year), 2 (day)."""
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
    """Where the k highest values stand; of equal ones the last."""
    if k >= len(values):
        return np.arange(len(values))
    limit = np.partition(values, -k)[-k]
    above = np.flatnonzero(values > limit)
    return np.concatenate([above, np.flatnonzero(values == limit)[len(above) - k :]])


def _best(scores: NDArray[np.float64], places: NDArray[np.int64], k: int) -> NDArray[np.intp]:
    """Where the k highest scores stand, best first; of equal scores the newest turn first."""
    # Only those not below the k-th score are sorted: a partition is faster than a sort of all.
    contenders = np.arange(len(scores))
    if k < len(scores):
        contenders = contenders[scores >= np.partition(scores, -k)[-k]]
    order: NDArray[np.intp] = np.lexsort((-places[contenders], -scores[contenders]))[:k]
    return contenders[order]


def _longer(array: NDArray[_T], room: int) -> NDArray[_T]:
    """The array with zeros behind it, `room` long."""
    longer = np.zeros((room, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
