"""The turns of some speakers, read from the columns of a memory's index; no text is read.

So they cost the same for ten turns and, but for a scan of a column, for a hundred thousand.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memory.search.embed import sign_codes
from memory.search.index import Index, Selection
from memory.search.turn_columns import asks, lasting, worth

# Turns whose vectors are compared, the nearest by their signs; to how many sentences.
_COMPARED, _SENTENCES = 1_024, 8
_FEW_WORDS = 6
_FOLLOWING = 64  # turns among which the next one of a speaker is looked for


@dataclass(frozen=True)
class SpeakersTurns:
    """The ids of turns of some speakers.

    `count` is how many they have. `everything` has all of them, oldest first, if they have few
    words. `nearest` are the nearest to a vector, `lasting` say the most lasting things in the
    fewest words (`memory.search.turn_columns`), the best first.
    """

    count: int = 0
    everything: tuple[int, ...] = ()
    nearest: tuple[int, ...] = ()
    lasting: tuple[int, ...] = ()


NO_TURNS = SpeakersTurns()


def turns_of_speakers(
    index: Index,
    names: Collection[str],
    *,
    words: int,
    sentences: NDArray[np.float32] | None = None,
    nearest: int = 48,
    most_lasting: int = 40,
    selection: Selection | None = None,
) -> SpeakersTurns:
    """The turns of speakers by these names.

    Arguments:
        words: the most that `everything` may have, each turn's name and date counted as ten.
        sentences: unit vectors to compare turns with, (n, width): a turn is as near as to its
            nearest ones.
        nearest, most_lasting: how many turns.
        selection: the turns that may be shown; by default all.
    """
    spoken = index.spoken_by(names)
    positions = np.flatnonzero(spoken & selection.mask if selection else spoken)
    if not len(positions):
        return NO_TURNS
    lengths = index.rows["length"][positions]
    is_little = int(lengths.sum()) + 10 * len(positions) <= words
    worths = worth(lasting(index.rows)[positions], lengths)
    best = _highest(worths, most_lasting)
    return SpeakersTurns(
        count=len(positions),
        everything=tuple(index.ids[positions].tolist()) if is_little else (),
        nearest=_nearest(index, positions, sentences, nearest) if sentences is not None else (),
        lasting=tuple(index.ids[positions[best]].tolist()),
    )


def _highest(worths: NDArray[np.float64], number: int) -> NDArray[np.int64]:
    """The places of the highest worths above 0, best first; of equals the last, the newest, first.

    Of a hundred thousand turns only turns that can be among the best are sorted.
    """
    places = np.flatnonzero(worths > 0)
    if number < len(places):
        least = np.partition(worths[places], -number)[-number]
        places = places[worths[places] >= least]
    return places[np.lexsort((-places, -worths[places]))][:number]


def _nearest(
    index: Index, positions: NDArray[np.int64], sentences: NDArray[np.float32], number: int
) -> tuple[int, ...]:
    # An answer is seldom a question.
    positions = positions[~asks(index.rows)[positions]]
    mean = sentences.mean(axis=0)
    if len(positions) > _COMPARED and sign_codes(mean[None]).shape[1] == len(index.planes):
        differing = index.disagreement(mean, None).T.ravel()[positions]
        positions = np.sort(positions[np.argpartition(differing, _COMPARED)[:_COMPARED]])
    lengths = index.rows["length"][positions]
    worths = likeness(index.nearness(positions, sentences), lengths)
    best = np.argsort(-worths, kind="stable")[:number]
    return tuple(index.ids[positions[best]].tolist())


def likeness(cosines: NDArray[np.float32], words: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
    """How like some sentences turns of that many words are, of (turns, sentences): (turns,).

    The mean of the nearest sentences; a turn of a few words may be near by chance.
    """
    number = min(_SENTENCES, cosines.shape[1])
    nearest = np.partition(cosines, -number, axis=1)[:, -number:].mean(axis=1)
    return np.asarray(nearest * np.sqrt(np.minimum(words / _FEW_WORDS, 1)), np.float32)


def questions_of(index: Index, turn_ids: Sequence[int], words: int) -> dict[int, int]:
    """For each of these turns that is a reply of at most that many words: the question before it.

    That is the turn before it in its session, if another speaker asks there. By id.
    """
    if not turn_ids:
        return {}
    positions = index.positions_of(np.array(turn_ids, np.int64))
    before = index.before[positions]
    rows, previous = index.rows[positions], index.rows[before]
    is_reply = (before > 0) & (rows["length"] <= words) & asks(previous)
    is_reply &= rows["speaker"] != previous["speaker"]
    return dict(zip(rows["id"][is_reply].tolist(), previous["id"][is_reply].tolist(), strict=True))


def sequels_of(index: Index, turn_ids: Sequence[int], words: int, days: int) -> dict[int, int]:
    """For each of these turns the next one of its speaker, in any session, if it is short.

    It has at most that many words and was said within that many days. By id.
    """
    sequels: dict[int, int] = {}
    positions = index.positions_of(np.array(turn_ids, np.int64)).tolist()
    for turn_id, position in zip(turn_ids, positions, strict=True):
        row = index.rows[position]
        following = index.rows[position + 1 : min(position + 1 + _FOLLOWING, index.count + 1)]
        speakers = np.flatnonzero(following["speaker"] == row["speaker"])
        if position and len(speakers):
            sequel = following[speakers[0]]
            is_near = _days_apart(int(row["date"]), int(sequel["date"])) <= days
            if is_near and sequel["length"] <= words:
                sequels[turn_id] = int(sequel["id"])
    return sequels


def _days_apart(first: int, last: int) -> int:
    """About how many days lie between two packed dates."""
    years, months, days = (
        last // unit % size - first // unit % size
        for unit, size in ((10_000, 10_000), (100, 100), (1, 100))
    )
    return abs(372 * years + 31 * months + days)
