"""The hybrid ranking: finds the turns that a question asks for, without a language model.

The formula: a turn's score is the sum over its features of weight times value (`Index.rank`).
`Index.features` computes the eleven features; `weights.json` holds their weights. In a large
memory, `Index.candidates` first picks the turns worth ranking.

The ranking judges a turn with its neighbours, because an answer often shares no words with its
question. It needs no database: a store provides the columns, the vectors and the turns that
contain a word.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from memory.errors import InputError
from memory.records import Hit
from memory.search.frequent_words import FrequentWords
from memory.search.question import Query, SpeakerNames, packed_date, read_question
from memory.search.selection import Selection
from memory.search.turn_columns import FULL_LENGTH, TURN_DTYPE, disagreement, sign_codes

# Fitted to LoCoMo's seven conversations and to our own chats with `python -m locomo.retrieval
# --fit`. Features are bounded, not standardised, so a weight means the same in any memory.
FEATURE_WEIGHTS: dict[str, float] = json.loads(
    Path(__file__).with_name("weights.json").read_text("utf-8")
)["weights"]
# In size; a score of larger ones could be infinite, which neither an order nor JSON has.
LARGEST_WEIGHT = 1e6


def ordered_weights(weights: Mapping[str, float] | None) -> Mapping[str, float]:
    """Weights in the order of FEATURE_WEIGHTS; None means FEATURE_WEIGHTS.

    Raises InputError for weights of other features.
    """
    if weights is None:
        return FEATURE_WEIGHTS
    if weights.keys() != FEATURE_WEIGHTS.keys():
        raise InputError(f"weights must be of the features {', '.join(FEATURE_WEIGHTS)}")
    return {name: weights[name] for name in FEATURE_WEIGHTS}


# How much the turns from 4 before to 4 after count for a turn of the same session. A reply answers
# the turns before it, so those count more. Other windows cost .004 to .008 of recall@10
# (the log).
NEIGHBOUR_SHARES = np.array([0.1, 0.2, 0.4, 0.6, 1.0, 0.5, 0.3, 0.15, 0.1], np.float32)
SATURATION = 0.6  # a word seen once near a turn counts 1 / 1.6, and never more than 1
# A longer turn contains a question's words by chance and needs no neighbours to explain it: an
# assistant's answers filled most of the first ten ranks (the log). 3 % of LoCoMo's turns are
# longer.
LONG_TURN = 60  # words
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
LENGTH_SHARES = (2.5, -1.25)
OWN_WORDS_UNIT = 10.0  # of rarity: about two rare words
# With an assistant, a turn that is longer than LONG_TURN loses a little of `length`: it holds a
# question's words by its size, and people ask about what they said themselves. Between 0 and .3,
# recall@10 differs by .007 (the log).
LONG_TURN_LOSS = 0.3
MAX_EXCESS = 100 / LONG_TURN  # beyond that, length says nothing of how words should count
# Up to MAX_RANKED_WHOLE turns, the ranking scores all of them; in a larger memory, the best groups
# of neighbours. At 100,000 turns, 384 groups of 8 find what ranking everything finds (recall@10
# .60) in a tenth of the time (decision 17).
MAX_RANKED_WHOLE = 4096
GROUP_TURNS = 8
CHOSEN_GROUPS = 384
# A store reads the turns that hold a more frequent word once, and keeps them (`FrequentWords`).
MAX_EXACT = 50_000
# Words of similar meaning and examples that occur in this many turns are left out: they say little
# (decision 131).
MAX_RELATED = 3_000
MOST_FACTS = 50_000  # of the facts that hold a word, a search looks at the newest
USUAL_SPREAD = 0.085  # of cosines, to choose groups by
SPREAD_TURNS = 1024  # the newest turns, which show how far cosines spread
FEW_SPEAKERS = 4  # are compared with each turn's one by one; thousands may be implied
_REACH = len(NEIGHBOUR_SHARES) // 2
_UNREAD_BYTES = 300  # of the note on a piece that no search has read
_TALK_BYTES = 150  # of two numbers in a dict

_T = TypeVar("_T", bound=np.generic)
Piece = tuple[int, int, int]  # a store's key for a piece of vectors


@dataclass(frozen=True)
class UnreadVectors:
    """Vectors in pieces; a search reads the pieces it needs, many at once (`Index.read_pieces`).

    The keys of `pieces` are the ids of their first turns.
    """

    pieces: Mapping[int, Piece]


@dataclass(frozen=True)
class WordMatches:
    """The turns that contain a word of the question, a word of like meaning, or an example of it.

    For "pets": pets or pet; dog; puppy or hamster. The turns are ids, or positions in an index.
    """

    exact: NDArray[np.int64]
    related: NDArray[np.int64]
    examples: NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """What rarity is counted from: all turns that are ranked, of one memory or of several.

    `holders` are how many of them contain each word of the question, or else one of like meaning;
    `examples` are how many contain an example of it.
    """

    turns: int
    holders: Sequence[int]
    examples: Sequence[int]

    @classmethod
    def of(cls, turns: int, matches: Sequence[Sequence[WordMatches]]) -> "Counts":
        """Count the matches of each word; `matches` has each memory's own."""
        by_word = [*zip(*matches, strict=True)]
        exact = [sum(len(match.exact) for match in word) for word in by_word]
        related = [sum(len(match.related) for match in word) for word in by_word]
        return cls(
            turns,
            holders=[first or second for first, second in zip(exact, related, strict=True)],
            examples=[sum(len(match.examples) for match in word) for word in by_word],
        )

    def rarity(self, turns: int) -> float:
        """The inverse document frequency as in BM25, never below 0."""
        return float(np.log(1 + max(self.turns - turns + 0.5, 0.0) / (turns + 0.5)))


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
        ranked += [
            (number, Hit(turn_id, score, dict(zip(FEATURE_WEIGHTS, turn_shares, strict=True))))
            for turn_id, score, turn_shares in zip(
                turn_ids, scores[best].tolist(), shares, strict=True
            )
        ]
    # Sorting keeps the order of equals.
    return sorted(ranked, key=lambda pair: -pair[1].score)[:k] if len(memories) > 1 else ranked


class Index:
    """The turns of one namespace in id order, as columns. `extend` adds turns; none is removed.

    A position is a turn's number in this order, from 1. Position 0 means "no such turn".
    """

    def __init__(self) -> None:
        self.names = SpeakerNames()
        self.frequent_words = FrequentWords()
        self.count = 0
        self.last_id = 0
        self._rows = np.zeros(1, TURN_DTYPE)
        self._ids = np.zeros(1, np.int64)
        self._session = np.zeros(1, np.int32)  # position of the session's first turn
        # By the position of a session's first turn: whether an assistant speaks in it.
        self._has_assistant = np.zeros(1, np.bool_)
        # A talk is what a session has of one day. By the position of a talk's first turn: how many
        # turns it has.
        self._talk = np.zeros(1, np.int32)  # position of the talk's first turn
        self._talk_turns = np.zeros(1, np.int32)
        self._talks: dict[int, int] = {}  # by session and date in one number: its first turn
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
        # Gives the vectors of pieces, each (turns, width). Each search sets it, because each has a
        # separate connection.
        self.read_pieces: Callable[[Sequence[Piece]], Sequence[NDArray[np.int8]]] = lambda _: []
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
        by_assistant = _spoken_by(rows["speaker"], self.names.assistants)
        self._has_assistant[self._session[new][by_assistant]] = True
        self._has_assistant[0] = False
        self._talk[new] = self._talks_of(positions, self._session[new], rows["date"])
        np.add.at(self._talk_turns, self._talk[new], 1)
        excess = rows["length"] / np.float32(LONG_TURN)
        self._excess[new] = np.clip(excess, 1, MAX_EXCESS)
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

    @property
    def nbytes(self) -> int:
        """About how many bytes of memory it takes."""
        arrays = [value for value in vars(self).values() if isinstance(value, np.ndarray)]
        return (
            sum(array.nbytes for array in (*arrays, *self._planes))
            + len(self._unread) * _UNREAD_BYTES
            + len(self._talks) * _TALK_BYTES
            + self.frequent_words.nbytes
        )

    def _make_room(self) -> None:
        if self.count < len(self._rows):
            return
        # A multiple of GROUP_TURNS, and an eighth more than needed: otherwise every new turn would
        # copy all arrays.
        room = (self.count + self.count // 8 + 64) // GROUP_TURNS * GROUP_TURNS
        self._rows = _longer(self._rows, room)
        self._ids = _longer(self._ids, room)
        self._session = _longer(self._session, room)
        self._has_assistant = _longer(self._has_assistant, room)
        self._talk = _longer(self._talk, room)
        self._talk_turns = _longer(self._talk_turns, room)
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

    def _talks_of(
        self,
        positions: NDArray[np.int64],
        sessions: NDArray[np.integer[Any]],
        dates: NDArray[np.integer[Any]],
    ) -> NDArray[np.int64]:
        """The first turns of the talks that new turns belong to, as positions."""
        talks = sessions.astype(np.int64) << 32 | dates
        # Turns of a talk mostly follow each other, so there are far fewer runs than turns.
        runs = np.flatnonzero(np.diff(talks, prepend=-1))
        beginnings = [
            self._talks.setdefault(talk, position)
            for talk, position in zip(talks[runs].tolist(), positions[runs].tolist(), strict=True)
        ]
        return np.repeat(beginnings, np.diff(runs, append=len(talks)))

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

    # ---------------------------------------------------------------- what passes a filter
    # Masks are (count + 1,), by position; position 0 never passes.

    def spoken_by(self, speakers: Iterable[str]) -> NDArray[np.bool_]:
        """Which turns are by speakers of these names."""
        numbers = [self.names.numbers[name] for name in speakers if name in self.names.numbers]
        return _spoken_by(self._rows["speaker"][: self.count + 1], numbers)

    def in_sessions(self, first_turns: Sequence[int]) -> NDArray[np.bool_]:
        """Which turns are of the sessions that begin with these turns (ids)."""
        firsts = self._positions(np.array(first_turns, np.int64))
        return np.isin(self._session[: self.count + 1], firsts[firsts > 0])

    def dated(self, since: str, until: str) -> NDArray[np.bool_]:
        """Which turns have a date that can lie between two ISO dates; "" is no bound."""
        dates = np.ascontiguousarray(self._rows["date"][: self.count + 1])
        passes = dates > 0
        if until:  # an unknown part is 0, so a packed date is the first day that may be meant
            passes &= dates <= _last_day(np.array(packed_date(until)))
        if since:
            passes &= _last_day(dates) >= packed_date(since)
        return passes

    def with_ids(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which turns have these ids."""
        mask = np.zeros(self.count + 1, np.bool_)
        mask[self._positions(ids)] = True
        mask[0] = False
        return mask

    def select(self, mask: NDArray[np.bool_]) -> Selection:
        """The turns that pass."""
        positions = np.flatnonzero(mask)
        speakers = np.flatnonzero(np.bincount(self._rows["speaker"].take(positions)))
        return Selection(
            mask,
            positions,
            self.names.only(speakers.tolist()),
            plane_shape=self._planes[0].shape if self._planes else (GROUP_TURNS, 0),
            turn_ids=self._reach(positions),
        )

    def _reach(self, positions: NDArray[np.int64]) -> tuple[int, int]:
        """The first and the last id of these turns and their neighbours; (0, 0) for none."""
        if not len(positions):
            return 0, 0
        first, last = positions[0], positions[-1]
        before = after = positions
        for _ in range(_REACH):
            before = self._before.take(before).astype(np.int64)
            after = self._after.take(after).astype(np.int64)
            first = min(first, before.min(where=before > 0, initial=first))
            last = max(last, after.max())
        return int(self._ids[first]), int(self._ids[last])

    # ---------------------------------------------------------------- ranking

    def query(self, text: str, selection: Selection | None = None) -> Query:
        """Read a question: the words to search the full-text index for, and the text to embed."""
        return read_question(text, self.names_of(selection), self.newest_date(selection))

    def names_of(self, selection: Selection | None) -> SpeakerNames:
        """The speakers of all turns or of a selection."""
        return self.names if selection is None else selection.names

    def newest_date(self, selection: Selection | None) -> int:
        """The packed date of the last turn, which words such as "last week" count from."""
        last = self.count
        if selection is not None:
            last = int(selection.positions[-1]) if selection.count else 0
        return int(self._rows["date"][last])

    def turns_of(self, selection: Selection | None) -> int:
        """How many turns there are, or are in a selection."""
        return self.count if selection is None else selection.count

    def rank(
        self,
        query: Query,
        vector: NDArray[np.float32],
        matches: Sequence[WordMatches],
        k: int,
        feature_weights: Mapping[str, float] = FEATURE_WEIGHTS,
        selection: Selection | None = None,
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
        """
        if k < 1 or not self.turns_of(selection):
            return []
        features = self.features(
            query, vector, matches, feature_weights=feature_weights, selection=selection
        )
        return [hit for _, hit in best_hits([features], [""], k, feature_weights)]

    def features(
        self,
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
            counts = Counts.of(self.turns_of(selection), [self.counted(matches, selection)])
        words = [
            WordMatches(
                exact=self._positions(match.exact),
                related=self._positions(match.related),
                examples=self._positions(match.examples),
            )
            for match in matches
        ]
        positions = self.candidates(query, vector, words, feature_weights, counts, selection)
        cosines = self._cosines(positions, vector)
        return Features(
            self._ids[positions],
            {
                **self._columns(positions, query, words=words, counts=counts),
                "meaning": cosines,
            },
            self._usual_cosines(cosines, vector, selection),
        )

    def counted(
        self,
        matches: Sequence[WordMatches],
        selection: Selection | None,
        neighbours: bool = True,
    ) -> Sequence[WordMatches]:
        """The matches, as ids, from which the rarity of words is counted: those in a selection.

        Of a word that only their neighbours in a session contain, one match counts; none without
        `neighbours`.
        """
        if selection is None:
            return matches
        return [self._counted(match, selection, neighbours) for match in matches]

    def _counted(self, match: WordMatches, selection: Selection, neighbours: bool) -> WordMatches:
        passing = WordMatches(
            exact=match.exact[selection.mask[self._positions(match.exact)]],
            related=match.related[selection.mask[self._positions(match.related)]],
            examples=match.examples[selection.mask[self._positions(match.examples)]],
        )
        if len(passing.exact) or len(passing.related) or not neighbours:
            return passing
        holders = np.concatenate([match.exact, match.related])
        positions = self._positions(holders)
        for chain in (self._before, self._after):
            near = positions
            for _ in range(_REACH):
                near = chain[near].astype(np.int64)
                if selection.mask[near].any():
                    return replace(passing, exact=holders[:1])
        return passing

    def candidates(
        self,
        query: Query,
        vector: NDArray[np.float32],
        words: Sequence[WordMatches],
        feature_weights: Mapping[str, float] = FEATURE_WEIGHTS,
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
        count = self.turns_of(selection)
        if count <= MAX_RANKED_WHOLE:
            return np.arange(1, count + 1) if selection is None else selection.positions
        groups = count // GROUP_TURNS + 1
        spoken = _spoken_by(self._rows["speaker"][: self.count + 1], query.speakers | query.implied)
        nothing = np.zeros(0, np.int64)
        speaker_matches = WordMatches(np.flatnonzero(spoken), nothing, nothing)  # like a word
        counts = counts or Counts.of(self.count, [words])
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
        signs = self._disagreement(vector, selection).min(axis=0)
        likeness = (
            np.cos(np.pi / (64 * len(self._planes)) * signs.astype(np.float32)) / USUAL_SPREAD
        )
        scores = (
            feature_weights["words"] / (possible or 1.0) * evidence
            + feature_weights["meaning"] * likeness
        )
        talk = self._kind_of_talk(self._first_of_groups(groups, selection))
        scores += feature_weights["own_words"] * talk.with_assistant * own_words
        if query.dates or query.spans:
            dates = np.ascontiguousarray(self._rows["date"][: self.count + 1])
            dated = _numbers(np.flatnonzero(_date_match(dates, query)), selection)
            groups_with_date = dated // GROUP_TURNS
            share = talk.share(DATE_SHARES)
            scores[groups_with_date] += feature_weights["date"] * share[groups_with_date]
        chosen = np.sort(_highest(scores, CHOSEN_GROUPS))
        numbers = (chosen[:, None] * GROUP_TURNS + np.arange(GROUP_TURNS)).ravel()
        numbers = numbers[(numbers > 0) & (numbers <= count)]
        return numbers if selection is None else selection.positions[numbers - 1]

    def _first_of_groups(
        self, groups: int, selection: Selection | None
    ) -> NDArray[np.integer[Any]]:
        """The position of each group's first turn."""
        firsts = np.maximum(np.arange(groups) * GROUP_TURNS, 1)
        if selection is not None:
            firsts = selection.positions[np.minimum(firsts, selection.count) - 1]
        return np.minimum(firsts, self.count)

    def _kind_of_talk(self, positions: NDArray[np.integer[Any]]) -> "_Talk":
        """What kind of talk the turns at these positions belong to."""
        shortest, longest = LONG_TALK
        turns = self._talk_turns[self._talk[positions]]
        length = np.clip((turns - shortest) / np.float32(longest - shortest), 0, 1)
        return _Talk(self._has_assistant[self._session[positions]], length)

    def _disagreement(
        self, vector: NDArray[np.float32], selection: Selection | None
    ) -> NDArray[np.uint16]:
        """In how many signs each turn's vector differs from this one, (GROUP_TURNS, groups)."""
        signs = sign_codes(vector[None])[0]
        groups = self.count // GROUP_TURNS + 1
        if selection is None:
            return disagreement([plane[:, :groups] for plane in self._planes], signs)
        # Looking cells up takes as long as comparing signs: before, in every plane, or after.
        if selection.count * len(self._planes) < self.count:
            return disagreement([plane.take(selection.cells) for plane in self._planes], signs)
        return disagreement(self._planes, signs).take(selection.cells)

    def _columns(
        self,
        positions: NDArray[np.int64],
        query: Query,
        words: Sequence[WordMatches],
        counts: Counts,
    ) -> dict[str, NDArray[Any]]:
        """The features of the turns at these positions but for their meaning, (n,) each.

        `words` are positions.
        """
        # Row _REACH holds the turns themselves, the rows above and below it their neighbours;
        # position 0 where a session has no more turns.
        neighbours = np.zeros((len(NEIGHBOUR_SHARES), len(positions)), np.int64)
        neighbours[_REACH] = positions
        for step in range(_REACH):
            neighbours[_REACH - step - 1] = self._before[neighbours[_REACH - step]]
            neighbours[_REACH + step + 1] = self._after[neighbours[_REACH + step]]
        rows = self._rows.take(positions)  # ten times as fast as [positions] on a structured array
        word_shares, own_words = self._words(neighbours, words, counts)
        talk = self._kind_of_talk(positions)
        length = np.log1p(np.minimum(rows["length"], FULL_LENGTH)) - np.log1p(FULL_LENGTH)
        excess = np.maximum(rows["length"] / np.float32(LONG_TURN), 1)
        return {
            "words": word_shares,
            # Among many long turns, what a turn itself holds tells more than its share of a long
            # question. Between people it costs .003 of recall@10 (the log).
            "own_words": own_words * talk.with_assistant,
            "kind": self._examples(positions, words),
            "session": self._best_of_session(self._session[positions], word_shares),
            "speaker": _spoken_by(rows["speaker"], query.speakers),
            "implied": _spoken_by(rows["speaker"], query.implied),
            "date": _date_match(rows["date"], query) * talk.share(DATE_SHARES),
            # Only for questions about a time: for all questions it gained at most .001
            # (the log).
            "time": (rows["tells_time"] & query.asks_time)
            * talk.share(TIME_SHARES)
            / self._excess[positions],
            # Weighs against a turn: an answer is seldom a question. A longer turn says something
            # before it asks ("By the way, I sold my car. Which bus is it?").
            "asks": rows["asks"] / np.maximum(rows["length"] / np.float32(QUESTION_LENGTH), 1),
            # Up to FULL_LENGTH words only: documents must not win by their size. A turn of that
            # many words has the same length in any session.
            "length": talk.share(LENGTH_SHARES) * length
            + np.log1p(FULL_LENGTH)
            - LONG_TURN_LOSS * talk.with_assistant * np.log(excess),
        }

    def _words(
        self, neighbours: NDArray[np.int64], words: Sequence[WordMatches], counts: Counts
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The share of the question's words around each turn, 0 to 1; rare words weigh more.

        And the rarity of the words that the turn itself holds, in OWN_WORDS_UNIT.

        Each word saturates separately, as in BM25 (Robertson and Zaragoza 2009): two words near a
        turn beat one word twice. One score for all words together cost .006 to .009 of recall@10
        (decision 8). In a turn longer than LONG_TURN, words saturate later, and the turn
        and its neighbours count less for each other.
        """
        excesses = self._excess.take(neighbours)
        excess = excesses[_REACH]
        window = NEIGHBOUR_SHARES[:, None] / (excesses * excess)
        window[_REACH] = NEIGHBOUR_SHARES[_REACH]
        saturation = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * excess)
        total = np.zeros(neighbours.shape[1], np.float32)
        own = np.zeros(neighbours.shape[1], np.float32)
        possible = 0.0
        for match, holders in zip(words, counts.holders, strict=True):
            if holders:
                self._scratch[match.related] = RELATED_SHARE
                self._scratch[match.exact] = 1  # after the related ones: a turn may be in both
                self._scratch[0] = 0  # the position of turns that this index lacks
                near = self._scratch.take(neighbours)
                amount = np.einsum("ij,ij->j", window, near)
                self._scratch[match.related] = self._scratch[match.exact] = 0
                rarity = counts.rarity(holders)
                total += rarity * amount / (amount + saturation)
                own += rarity * (near[_REACH] == 1)
                possible += rarity
        return total / (possible or 1.0), own / OWN_WORDS_UNIT

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

    def _usual_cosines(
        self,
        cosines: NDArray[np.float32],
        vector: NDArray[np.float32],
        selection: Selection | None,
    ) -> NDArray[np.float32]:
        """The cosines of the question with the newest turns, whose spread is the unit of meaning.

        With it, a weight means the same for any embedder. `cosines` has the cosines of the turns
        worth ranking.
        """
        if len(cosines) == self.turns_of(selection):
            return cosines[-SPREAD_TURNS:]
        newest = np.arange(max(self.count - SPREAD_TURNS, 0) + 1, self.count + 1)
        if selection is not None:
            newest = selection.positions[-SPREAD_TURNS:]
        return self._cosines(newest, vector)

    def _cosines(
        self, positions: NDArray[np.int64], vector: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        self._read_vectors(positions)
        # einsum, not @, which would wake a thread per core for a tenth of a millisecond's work and
        # wait for the slowest: with busy cores, searches went from 1.7 to 5.2 ms at the 95th
        # percentile (the log).
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
            vectors = self.read_pieces([self._unread[start] for start in starts])
            read = [np.arange(n, n + len(v)) for n, v in zip(starts, vectors, strict=True)]
            self._take_vectors(np.concatenate(read), np.concatenate(vectors))
            for start in starts:
                del self._unread[start]

    def _best_of_session(
        self, sessions: NDArray[np.int32], words: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """For each turn, the best share of words in its session."""
        # The highest is written last and stays. np.maximum.at would add a thirtieth to a search.
        ascending = words.argsort()
        self._scratch[sessions[ascending]] = words[ascending]
        best = self._scratch[sessions]
        self._scratch[sessions] = 0
        return best


@dataclass(frozen=True)
class _Talk:
    """What kind of talk turns belong to: with an assistant or not, and how long, 0 to 1."""

    with_assistant: NDArray[np.bool_]
    length: NDArray[np.float32]

    def share(self, shares: tuple[float, float]) -> NDArray[np.float64]:
        """How much a feature counts in each: 1 among people, else from the first to the second."""
        short, long = shares
        return np.where(self.with_assistant, short + (long - short) * self.length, 1.0)


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


def _spoken_by(speakers: NDArray[np.int32], named: Iterable[int]) -> NDArray[np.bool_]:
    """Which of the turns by these speakers are by a person that the question names."""
    numbers = [*named]
    if len(numbers) > FEW_SPEAKERS:
        is_named = np.zeros(max(*numbers, int(speakers.max(initial=0))) + 1, np.bool_)
        is_named[numbers] = True
        return is_named.take(speakers)
    spoken = np.zeros(len(speakers), np.bool_)
    for number in numbers:
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


def _last_day(dates: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """The last day that packed dates may be, where the month or the day is not known (0)."""
    return dates + np.where(dates % 100 > 0, 0, np.where(dates % 10_000 > 0, 99, 9_999))


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
