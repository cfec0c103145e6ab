"""The hybrid ranking: which turns a question asks for, at any size of memory, without a model.

A turn is judged with its neighbours, as an answer often holds none of the words of its question.
`Index.candidates` names the turns worth a look, `Index.features` gives each a few bounded numbers,
and a weighted sum of them (`weights.json`) ranks. No database: a store brings the columns, the
vectors and the turns that hold a word.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from memory.model import Hit
from memory.search.question import Query, SpeakerNames, read_question
from memory.search.turn_columns import FULL_LENGTH, TURN_DTYPE, disagreement, sign_codes

WEIGHTS: dict[str, float] = json.loads(Path(__file__).with_name("weights.json").read_text("utf-8"))[
    "weights"
]
# How much a turn takes from those 4 before to 4 after it in its session: a reply answers what
# was said before it, so the turns before count more.
WINDOW = np.array([0.1, 0.2, 0.4, 0.6, 1.0, 0.5, 0.3, 0.15, 0.1], np.float32)
SATURATION = 0.6  # a word seen once near a turn counts 1 / 1.6, and never more than 1
RELATED = 0.5  # what a word of related meaning counts
# Memories of up to EVERY turns are ranked whole; of larger ones the best groups of neighbours.
EVERY = 4096
GROUP = 8
GROUPS = 384
USUAL_SPREAD = 0.085  # of cosines, to choose groups by
NEWEST = 1024  # turns that tell how far cosines spread
_REACH = len(WINDOW) // 2

_T = TypeVar("_T", bound=np.generic)
VectorLoader = Callable[[], NDArray[np.int8]]


@dataclass(frozen=True)
class WordMatches:
    """The turns that hold a word of the question, one of like meaning, or an example of it.

    For "pets": pets or pet, dog, puppy or hamster. Ids, or places in an index.
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
        self._before = np.zeros(1, np.int32)  # place of the session's turn before, and after
        self._after = np.zeros(1, np.int32)
        self._vectors = np.zeros((1, 0), np.int8)
        self._norms = np.ones(1, np.float32)
        # 64 signs of every turn in each, (GROUP, groups): the least of a column is fast to find.
        self._planes: list[NDArray[np.uint64]] = []
        self._pieces = np.zeros(0, np.int64)  # places where pieces begin, and those not read yet
        self._unread: dict[int, VectorLoader] = {}
        self._scratch = np.zeros(1, np.float32)  # zeros between uses

    def extend(
        self,
        rows: NDArray[np.void],
        codes: NDArray[np.uint64],
        vectors: NDArray[np.int8] | Mapping[int, VectorLoader],
    ) -> None:
        """Take in turns that were added since.

        Args:
            rows: (n,) TURN_DTYPE with ascending ids above `last_id`; ids may have gaps.
            codes: (n, planes) `sign_codes` of the vectors.
            vectors: (n, width), or in pieces: the id of each piece's first turn with a function
                that returns its vectors when they are needed.
        """
        first, self.count = self.count + 1, self.count + len(rows)
        new = slice(first, self.count + 1)
        if first == 1:
            self._planes = [np.zeros((GROUP, 0), np.uint64) for _ in range(codes.shape[1])]
        self._make_room()
        self._rows[new], self._ids[new] = rows, rows["id"]
        self.last_id = int(rows["id"][-1])
        group, within = np.divmod(np.arange(first, self.count + 1), GROUP)
        for plane, code in zip(self._planes, codes.T, strict=True):
            plane[within, group] = code
        self._session[new] = self._places(rows["session"])
        self._before[new] = before = self._places(rows["previous"])
        self._after[before] = np.arange(first, self.count + 1)
        self._after[0] = 0
        if isinstance(vectors, np.ndarray):
            self._take_vectors(first, vectors)
        else:
            begins = self._places(np.array([*vectors]))
            self._pieces = np.concatenate([self._pieces, begins])
            self._unread.update(zip(begins.tolist(), vectors.values(), strict=True))

    def _make_room(self) -> None:
        if self.count < len(self._rows):
            return
        # A multiple of GROUP, an eighth more than is needed: growth pays for itself.
        room = (self.count + self.count // 8 + 64) // GROUP * GROUP
        self._rows = _longer(self._rows, room)
        self._ids = _longer(self._ids, room)
        self._session = _longer(self._session, room)
        self._before = _longer(self._before, room)
        self._after = _longer(self._after, room)
        self._vectors = _longer(self._vectors, room)
        self._norms = _longer(self._norms, room)
        self._planes = [
            np.pad(plane, ((0, 0), (0, room // GROUP - plane.shape[1]))) for plane in self._planes
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
        found = known[np.minimum(ahead, self.count - 1)] == ids
        return np.where(found, ahead + 1, 0)

    def _take_vectors(self, first: int, vectors: NDArray[np.int8]) -> None:
        if self._vectors.shape[1] != vectors.shape[1]:
            self._vectors = np.zeros((len(self._rows), vectors.shape[1]), np.int8)
        self._vectors[first : first + len(vectors)] = vectors
        floats = vectors.astype(np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", floats, floats))
        self._norms[first : first + len(vectors)] = np.where(norms > 0, norms, 1)

    def query(self, text: str) -> Query:
        """Read a question: what to look for in the full-text index, and what to embed."""
        newest = int(self._rows["date"][self.count])
        return read_question(text, self.names, newest)

    def rank(
        self, query: Query, vector: NDArray[np.float32], found: Sequence[WordMatches], k: int
    ) -> list[Hit]:
        """The best k turns, best first; of equal ones the newer first.

        Args:
            query: the question, read by this index.
            vector: (width,) unit vector of `query.plain`.
            found: for each of `query.words` the turns that hold it.
        """
        if k < 1 or not self.count:
            return []
        held = [
            WordMatches(self._places(h.exact), self._places(h.related), self._places(h.examples))
            for h in found
        ]
        places = self.candidates(query, vector, held)
        weights = np.array([*WEIGHTS.values()])
        features = self.features(places, query, vector, held)
        scores = np.einsum("ij,j->i", features, weights)
        best = _best(scores, places, k)
        columns = (self._ids[places[best]], scores[best], features[best] * weights)
        return [
            Hit(turn_id, score, dict(zip(WEIGHTS, shares, strict=True)))
            for turn_id, score, shares in zip(*(column.tolist() for column in columns), strict=True)
        ]

    def candidates(
        self, query: Query, vector: NDArray[np.float32], held: Sequence[WordMatches]
    ) -> NDArray[np.int64]:
        """The places to rank: all of a small memory, of a large one the best groups of neighbours.

        Groups are ranked like turns, roughly: by what they hold of the question's words and its
        speakers, rare ones weighing more, by the signs that agree with its own, and by its dates.
        """
        if self.count <= EVERY:
            return np.arange(1, self.count + 1)
        groups = self.count // GROUP + 1
        said = _said_by(self._rows["speaker"][: self.count + 1], query.speakers)
        none = np.zeros(0, np.int64)
        words, possible = np.zeros(groups, np.float32), 0.0
        for one in [*held, WordMatches(np.flatnonzero(said), none, none)]:
            if known := len(one.exact) or len(one.related):
                # Not np.add.at: a group counts once, however many of its turns hold the word.
                words[one.examples // GROUP] += RELATED * self._rarity(len(one.examples))
                words[one.related // GROUP] += RELATED * self._rarity(known)
                words[one.exact // GROUP] += self._rarity(known)
                possible += self._rarity(known)
        planes = [plane[:, :groups] for plane in self._planes]
        signs = disagreement(planes, sign_codes(vector[None])[0]).min(axis=0)
        likeness = np.cos(np.pi / (64 * len(planes)) * signs.astype(np.float32)) / USUAL_SPREAD
        scores = WEIGHTS["words"] / (possible or 1.0) * words + WEIGHTS["meaning"] * likeness
        if query.dates or query.spans:
            dates = np.ascontiguousarray(self._rows["date"][: self.count + 1])
            scores[np.flatnonzero(_date_match(dates, query)) // GROUP] += WEIGHTS["date"]
        chosen = np.sort(_highest(scores, GROUPS))
        places = (chosen[:, None] * GROUP + np.arange(GROUP)).ravel()
        return places[(places > 0) & (places <= self.count)]

    def features(
        self,
        places: NDArray[np.int64],
        query: Query,
        vector: NDArray[np.float32],
        held: Sequence[WordMatches],
    ) -> NDArray[np.float64]:
        """What speaks for the turns at these places: (len(places), len(WEIGHTS)), unweighted."""
        near = np.zeros((len(WINDOW), len(places)), np.int64)
        near[_REACH] = places
        for step in range(_REACH):
            near[_REACH - step - 1] = self._before[near[_REACH - step]]
            near[_REACH + step + 1] = self._after[near[_REACH + step]]
        rows = self._rows.take(places)  # ten times as fast as [places] on a structured array
        words = self._words(near, held)
        columns = {
            "words": words,
            "meaning": self._meaning(places, vector),
            "kind": self._examples(places, held),
            "session": self._best_of_session(self._session[places], words),
            "speaker": _said_by(rows["speaker"], query.speakers),
            "date": _date_match(rows["date"], query),
            "time": rows["tells_time"] & query.asks_time,
            "asks": rows["asks"],
            "length": np.log1p(np.minimum(rows["length"], FULL_LENGTH)),
        }
        return np.column_stack([columns[name] for name in WEIGHTS]).astype(np.float64)

    def _words(self, near: NDArray[np.int64], held: Sequence[WordMatches]) -> NDArray[np.float32]:
        """Share of the question's words around each turn, rare words weighing more, 0 to 1.

        Each word saturates by itself, as in BM25: two words near a turn beat one word twice.
        """
        total, possible = np.zeros(near.shape[1], np.float32), 0.0
        for one in held:
            known = len(one.exact) or len(one.related)
            if known:
                self._scratch[one.related] = RELATED
                self._scratch[one.exact] = 1
                self._scratch[0] = 0
                lent = np.einsum("i,ij->j", WINDOW, self._scratch[near])
                self._scratch[one.related] = self._scratch[one.exact] = 0
                total += self._rarity(known) * lent / (lent + SATURATION)
                possible += self._rarity(known)
        return total / (possible or 1.0)

    def _rarity(self, turns: int) -> float:
        """Inverse document frequency as in BM25, never below 0."""
        return float(np.log(1 + max(self.count - turns + 0.5, 0.0) / (turns + 0.5)))

    def _examples(
        self, places: NDArray[np.int64], held: Sequence[WordMatches]
    ) -> NDArray[np.bool_]:
        """Whether a turn holds an example of what the question asks for."""
        for one in held:
            self._scratch[one.examples] = 1
        self._scratch[0] = 0
        found = self._scratch[places] > 0
        for one in held:
            self._scratch[one.examples] = 0
        return found

    def _meaning(
        self, places: NDArray[np.int64], vector: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Cosine of the question with each turn in its context, in units of its usual spread.

        The unit makes a weight mean the same with any embedder: the standard deviation of the
        cosines of the newest turns.
        """
        cosines = self._cosines(places, vector)
        usual = cosines[-NEWEST:]
        if len(places) < self.count:
            newest = np.arange(max(self.count - NEWEST, 0) + 1, self.count + 1)
            usual = self._cosines(newest, vector)
        return cosines / (usual.std() or np.float32(1))

    def _cosines(
        self, places: NDArray[np.int64], vector: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        self._read_vectors(places)
        # einsum, not @: that would wake a thread per core for a tenth of a millisecond's work,
        # and wait for the slowest.
        dots = np.einsum("ij,j->i", self._vectors[places].astype(np.float32), vector)
        return np.asarray(dots / self._norms[places], np.float32)

    def _read_vectors(self, places: NDArray[np.int64]) -> None:
        if self._unread:
            pieces = np.searchsorted(self._pieces, places, side="right") - 1
            for begin in np.unique(self._pieces[pieces[pieces >= 0]]).tolist():
                if begin in self._unread:
                    self._take_vectors(begin, self._unread.pop(begin)())

    def _best_of_session(
        self, sessions: NDArray[np.int32], words: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        np.maximum.at(self._scratch, sessions, words)
        best = self._scratch[sessions]
        self._scratch[sessions] = 0
        return best / (best.max() or 1.0)


def _said_by(speakers: NDArray[np.int32], named: Iterable[int]) -> NDArray[np.bool_]:
    said = np.zeros(len(speakers), np.bool_)
    for number in named:
        said |= speakers == number
    return said


def _date_match(dates: NDArray[np.int32], query: Query) -> NDArray[np.float64]:
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
    among = np.arange(len(scores))
    if k < len(scores):
        among = among[scores >= np.partition(scores, -k)[-k]]
    order: NDArray[np.intp] = np.lexsort((-places[among], -scores[among]))[:k]
    return among[order]


def _longer(array: NDArray[_T], room: int) -> NDArray[_T]:
    longer = np.zeros((room, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
