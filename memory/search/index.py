"""The turns of one namespace as columns, which the ranking reads: see `Index`.

It needs no database: a store provides the columns and the vectors.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from memory.search.embed import disagreement, sign_codes
from memory.search.question import Query, SpeakerNames, packed_date, read_question
from memory.search.turn_columns import TURN_DTYPE


@dataclass(frozen=True, eq=False)
class Selection:
    """Turns of an index, numbered from 1 in its order, as a memory of them alone would number them.

    `mask` says for each position whether its turn passes, `positions` has the passing positions,
    ascending, and `names` the names of their speakers. `plane_shape` is the shape of the index's
    planes of signs. `turn_ids` are the first and the last id of these turns and their neighbours.
    """

    mask: NDArray[np.bool_]
    positions: NDArray[np.int64]
    names: SpeakerNames
    plane_shape: tuple[int, ...]
    turn_ids: tuple[int, int]

    @property
    def count(self) -> int:
        """How many turns pass."""
        return len(self.positions)

    @property
    def nbytes(self) -> int:
        """How many bytes its arrays take by now."""
        return sum(array.nbytes for array in vars(self).values() if isinstance(array, np.ndarray))

    def numbers_of(self, positions: NDArray[np.int64]) -> NDArray[np.int32]:
        """The numbers of the passing positions among these."""
        numbers = self._numbers[positions]
        return numbers[numbers > 0]

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """Where the turns are in a plane of signs, in columns as an index of them alone has them.

        A cell of a flat plane; 0, which is no turn's, fills the columns up.
        """
        size, width = self.plane_shape
        positions = np.zeros((self.count // size + 1) * size, np.int64)
        positions[1 : self.count + 1] = self.positions
        group, within = np.divmod(positions.reshape(-1, size).T, size)
        return within * width + group

    @cached_property
    def _numbers(self) -> NDArray[np.int32]:
        """The number of each position, 0 if the turn does not pass."""
        numbers = np.cumsum(self.mask, dtype=np.int32)
        numbers[~self.mask] = 0
        return numbers


MOST_WORDS = 64  # kept with their turns; of a million turns 8 MB
MOST_COUNTED = 20_000  # words of like meaning and examples
_COUNTED_BYTES = 250  # of one of them
_FOR_EVER = 2**62  # no turn has this number
_NOT_COUNTED: tuple[bool, int] = (False, -1)


class FrequentWords:
    """The turns that hold a word, a bit for each id up to the newest that does.

    And of words of like meaning and of examples whether they are frequent.
    """

    def __init__(self) -> None:
        self._bits: dict[str, NDArray[np.uint8]] = {}
        self._counted: dict[str, tuple[bool, int]] = {}  # and the last turn counted

    def get(self, word: str) -> NDArray[np.int64] | None:
        """The ids of all turns that held a word when it was put here, ascending."""
        bits = self._bits.pop(word, None)
        if bits is None:
            return None
        self._bits[word] = bits  # the last one used is the last to go
        return np.flatnonzero(np.unpackbits(bits).view(np.bool_))

    def put(self, word: str, ids: NDArray[np.int64]) -> None:
        """Keep the ids, ascending, of all turns that hold a word."""
        is_held = np.zeros(int(ids[-1]) + 1, np.bool_)
        is_held[ids] = True
        self._bits.pop(word, None)
        self._bits[word] = np.packbits(is_held)
        if len(self._bits) > MOST_WORDS:
            del self._bits[next(iter(self._bits))]

    def known(self, words: Iterable[str], newest: int) -> list[bool | None]:
        """Which words are frequent in a memory whose last turn is `newest`; None: count it."""
        counts = [self._counted.get(word, _NOT_COUNTED) for word in words]
        return [is_frequent if newest <= known_to else None for is_frequent, known_to in counts]

    def put_count(self, word: str, count: int, newest: int, frequent_from: int) -> bool:
        """Keep how many turns hold a word; returns whether it is frequent."""
        if len(self._counted) >= MOST_COUNTED:
            self._counted.clear()
        # Each new turn may hold the word, and none is removed.
        known_to = newest + frequent_from - 1 - count if count < frequent_from else _FOR_EVER
        self._counted[word] = count >= frequent_from, known_to
        return count >= frequent_from

    @property
    def nbytes(self) -> int:
        """How many bytes it takes."""
        bits = sum(bits.nbytes for bits in self._bits.values())
        return bits + len(self._counted) * _COUNTED_BYTES


# A longer turn contains a question's words by chance and needs no neighbours to explain it: an
# assistant's answers filled most of the first ten ranks (the log). 3 % of LoCoMo's turns are
# longer.
LONG_TURN = 60  # words
MAX_EXCESS = 100 / LONG_TURN  # beyond that, length says nothing of how words should count
REACH = 4  # turns before and after a turn of its session that count as its neighbours
GROUP_TURNS = 8  # neighbours, which a large memory ranks together
FEW_SPEAKERS = 4  # are compared with each turn's one by one; thousands may be implied
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
class Described:
    """What the features of some turns are made of, whatever is asked: (n,) each.

    `neighbours` has the positions of each turn and its neighbours, and `window` how much each of
    them counts: a row for each from REACH before to REACH after. `saturation` is that of a word.
    """

    neighbours: NDArray[np.int64]
    window: NDArray[np.float32]
    saturation: NDArray[np.float32]
    session: NDArray[np.int32]
    speaker: NDArray[np.int32]
    date: NDArray[np.int32]
    with_assistant: NDArray[np.bool_]
    date_share: NDArray[np.float64]
    time: NDArray[np.float64]
    asks: NDArray[np.float64]
    length: NDArray[np.float64]

    @property
    def nbytes(self) -> int:
        """How many bytes its arrays take."""
        return sum(array.nbytes for array in vars(self).values())


class Index:
    """The turns of one namespace in id order, as columns. `extend` adds turns; none is removed.

    A position is a turn's number in this order, from 1. Position 0 means "no such turn".
    """

    def __init__(self) -> None:
        self.names = SpeakerNames()
        self.frequent_words = FrequentWords()
        self.count = 0
        self.last_id = 0
        self.rows = np.zeros(1, TURN_DTYPE)
        self.ids = np.zeros(1, np.int64)
        self.session = np.zeros(1, np.int32)  # position of the session's first turn
        # By the position of a session's first turn: whether an assistant speaks in it.
        self.has_assistant = np.zeros(1, np.bool_)
        # A talk is what a session has of one day. By the position of a talk's first turn: how many
        # turns it has.
        self.talk = np.zeros(1, np.int32)  # position of the talk's first turn
        self.talk_turns = np.zeros(1, np.int32)
        self._talks: dict[int, int] = {}  # by session and date in one number: its first turn
        self.before = np.zeros(1, np.int32)  # position of the turn before in the session
        self.after = np.zeros(1, np.int32)  # position of the turn after in the session
        self.excess = np.ones(1, np.float32)  # the length in units of LONG_TURN, at least 1
        self._vectors = np.zeros((1, 0), np.int8)
        self._norms = np.ones(1, np.float32)
        # Each plane has 64 signs of every turn, (GROUP_TURNS, groups). A group is a column, because
        # the minimum of a column is fast to compute.
        self.planes: list[NDArray[np.uint64]] = []
        self._pieces = np.zeros(0, np.int64)  # positions where pieces of vectors begin
        self._unread: dict[int, Piece] = {}  # by position: the pieces that no search has read yet
        # Gives the vectors of pieces, each (turns, width). Each search sets it, because each has a
        # separate connection.
        self.read_pieces: Callable[[Sequence[Piece]], Sequence[NDArray[np.int8]]] = lambda _: []
        # A number for every position, zero between uses. Filling and clearing a few of them is
        # faster than making an array as large as the memory for every word.
        self.scratch = np.zeros(1, np.float32)
        # Of all turns, where a search looks at all: kept until turns are added.
        self.described: Described | None = None

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
        self.described = None
        first = self.count + 1
        self.count += len(rows)
        new = slice(first, self.count + 1)
        if first == 1:
            self.planes = [np.zeros((GROUP_TURNS, 0), np.uint64) for _ in range(codes.shape[1])]
        self._make_room()
        self.rows[new] = rows
        self.ids[new] = rows["id"]
        self.last_id = int(rows["id"][-1])
        positions = np.arange(first, self.count + 1)
        group, within = np.divmod(positions, GROUP_TURNS)
        for plane, code in zip(self.planes, codes.T, strict=True):
            plane[within, group] = code
        self.session[new] = self.positions_of(rows["session"])
        by_assistant = by_speakers(rows["speaker"], self.names.assistants)
        self.has_assistant[self.session[new][by_assistant]] = True
        self.has_assistant[0] = False
        self.talk[new] = self._talks_of(positions, self.session[new], rows["date"])
        np.add.at(self.talk_turns, self.talk[new], 1)
        excess = rows["length"] / np.float32(LONG_TURN)
        self.excess[new] = np.clip(excess, 1, MAX_EXCESS)
        before = self.positions_of(rows["previous"])
        self.before[new] = before
        self.after[before] = positions
        self.after[0] = 0  # the first turn of a session has written here
        if isinstance(vectors, np.ndarray):
            self._take_vectors(new, vectors)
        else:
            starts = self.positions_of(np.array([*vectors.pieces]))
            self._pieces = np.concatenate([self._pieces, starts])
            self._unread.update(zip(starts.tolist(), vectors.pieces.values(), strict=True))

    @property
    def nbytes(self) -> int:
        """About how many bytes of memory it takes."""
        arrays = [value for value in vars(self).values() if isinstance(value, np.ndarray)]
        return (
            sum(array.nbytes for array in (*arrays, *self.planes))
            + len(self._unread) * _UNREAD_BYTES
            + len(self._talks) * _TALK_BYTES
            + self.frequent_words.nbytes
            + (self.described.nbytes if self.described else 0)
        )

    def _make_room(self) -> None:
        if self.count < len(self.rows):
            return
        # A multiple of GROUP_TURNS, and an eighth more than needed: otherwise every new turn would
        # copy all arrays.
        room = (self.count + self.count // 8 + 64) // GROUP_TURNS * GROUP_TURNS
        self.rows = _longer(self.rows, room)
        self.ids = _longer(self.ids, room)
        self.session = _longer(self.session, room)
        self.has_assistant = _longer(self.has_assistant, room)
        self.talk = _longer(self.talk, room)
        self.talk_turns = _longer(self.talk_turns, room)
        self.before = _longer(self.before, room)
        self.after = _longer(self.after, room)
        self.excess = _longer(self.excess, room)
        self._vectors = _longer(self._vectors, room)
        self._norms = _longer(self._norms, room)
        self.planes = [
            np.pad(plane, ((0, 0), (0, room // GROUP_TURNS - plane.shape[1])))
            for plane in self.planes
        ]
        self.scratch = np.zeros(room, np.float32)

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

    def positions_of(self, ids: NDArray[np.integer]) -> NDArray[np.int64]:
        """The positions of these ids; 0 for an id that is not in this index."""
        if not len(ids):
            return np.zeros(0, np.int64)
        known = self.ids[1 : self.count + 1]
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
            self._vectors = np.zeros((len(self.rows), vectors.shape[1]), np.int8)
        self._vectors[positions] = vectors
        floats = vectors.astype(np.float32)
        norms = np.sqrt(np.einsum("ij,ij->i", floats, floats))
        self._norms[positions] = np.where(norms > 0, norms, 1)

    # ---------------------------------------------------------------- what passes a filter
    # Masks are (count + 1,), by position; position 0 never passes.

    def spoken_by(self, speakers: Iterable[str]) -> NDArray[np.bool_]:
        """Which turns are by speakers of these names."""
        numbers = [self.names.numbers[name] for name in speakers if name in self.names.numbers]
        return by_speakers(self.rows["speaker"][: self.count + 1], numbers)

    def in_sessions(self, first_turns: Sequence[int]) -> NDArray[np.bool_]:
        """Which turns are of the sessions that begin with these turns (ids)."""
        firsts = self.positions_of(np.array(first_turns, np.int64))
        return np.isin(self.session[: self.count + 1], firsts[firsts > 0])

    def dated(self, since: str, until: str) -> NDArray[np.bool_]:
        """Which turns have a date that can lie between two ISO dates; "" is no bound."""
        dates = np.ascontiguousarray(self.rows["date"][: self.count + 1])
        passes = dates > 0
        if until:  # an unknown part is 0, so a packed date is the first day that may be meant
            passes &= dates <= _last_day(np.array(packed_date(until)))
        if since:
            passes &= _last_day(dates) >= packed_date(since)
        return passes

    def with_ids(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which turns have these ids."""
        mask = np.zeros(self.count + 1, np.bool_)
        mask[self.positions_of(ids)] = True
        mask[0] = False
        return mask

    def select(self, mask: NDArray[np.bool_]) -> Selection:
        """The turns that pass."""
        positions = np.flatnonzero(mask)
        speakers = np.flatnonzero(np.bincount(self.rows["speaker"].take(positions)))
        return Selection(
            mask,
            positions,
            self.names.only(speakers.tolist()),
            plane_shape=self.planes[0].shape if self.planes else (GROUP_TURNS, 0),
            turn_ids=self._reach(positions),
        )

    def _reach(self, positions: NDArray[np.int64]) -> tuple[int, int]:
        """The first and the last id of these turns and their neighbours; (0, 0) for none."""
        if not len(positions):
            return 0, 0
        first, last = positions[0], positions[-1]
        before = after = positions
        for _ in range(REACH):
            before = self.before.take(before).astype(np.int64)
            after = self.after.take(after).astype(np.int64)
            first = min(first, before.min(where=before > 0, initial=first))
            last = max(last, after.max())
        return int(self.ids[first]), int(self.ids[last])

    # ---------------------------------------------------------------- for a question

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
        return int(self.rows["date"][last])

    def turns_of(self, selection: Selection | None) -> int:
        """How many turns there are, or are in a selection."""
        return self.count if selection is None else selection.count

    def disagreement(
        self, vector: NDArray[np.float32], selection: Selection | None
    ) -> NDArray[np.uint16]:
        """In how many signs each turn's vector differs from this one, (GROUP_TURNS, groups)."""
        signs = sign_codes(vector[None])[0]
        groups = self.count // GROUP_TURNS + 1
        if selection is None:
            return disagreement([plane[:, :groups] for plane in self.planes], signs)
        # Looking cells up takes as long as comparing signs: before, in every plane, or after.
        if selection.count * len(self.planes) < self.count:
            return disagreement([plane.take(selection.cells) for plane in self.planes], signs)
        return disagreement(self.planes, signs).take(selection.cells)

    def cosines(
        self, positions: NDArray[np.int64], vector: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The cosines of the turns at these positions with a unit vector, (n,)."""
        self._read_vectors(positions)
        # einsum, not @, which would wake a thread per core for a tenth of a millisecond's work and
        # wait for the slowest: with busy cores, searches went from 1.7 to 5.2 ms at the 95th
        # percentile (the log).
        # All turns are looked up faster as a slice.
        chosen = slice(1, self.count + 1) if len(positions) == self.count else positions
        dots = np.einsum("ij,j->i", self._vectors[chosen].astype(np.float32), vector)
        return np.asarray(dots / self._norms[chosen], np.float32)

    def nearness(
        self, positions: NDArray[np.int64], sentences: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The cosines of the turns at these positions with unit vectors, (n, sentences)."""
        self._read_vectors(positions)
        vectors = self._vectors[positions].astype(np.float32)
        dots = np.einsum("ij,kj->ik", vectors, sentences)  # not @, as above
        return np.asarray(dots / self._norms[positions][:, None], np.float32)

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


def by_speakers(speakers: NDArray[np.int32], named: Iterable[int]) -> NDArray[np.bool_]:
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


def _last_day(dates: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    """The last day that packed dates may be, where the month or the day is not known (0)."""
    return dates + np.where(dates % 100 > 0, 0, np.where(dates % 10_000 > 0, 99, 9_999))


def _longer(array: NDArray[_T], room: int) -> NDArray[_T]:
    """The array, extended with zeros to the length `room`."""
    longer = np.zeros((room, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
