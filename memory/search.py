"""The hybrid ranking: which turns a question asks for, from word scores, vectors and light columns.

No database and no model: the store brings the full-text scores and the vectors. `Index.query`
reads a question, `Index.features` gives each turn eight numbers, a weighted sum of them ranks.
A turn is judged with its neighbours: an answer often holds none of the words of its question.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from memory.model import Hit, Turn

# Fitted as a listwise softmax over the turns of a namespace (least mean negative log-likelihood
# of the evidence turns, with slight L2) on the 1,033 questions of categories 1 to 4 with evidence
# in seven LoCoMo conversations, then rounded. Fitted on six and measured on the seventh, recall@10
# is .821; with these weights, which saw all seven, .822. No feature is standardised over the
# namespace: a weight means the same in a small memory and in a large one.
WEIGHTS = {
    "words": 7.6,  # full-text scores of the question's words around the turn, 0 to 1
    "meaning": 8.3,  # cosine of the question with the turn and its neighbours
    "session": 1.7,  # best `words` in the turn's session / best of all
    "speaker": 2.8,  # said by a speaker whom the question names
    "date": 3.7,  # said in a month or year that the question names; 2 if on the day
    "time": 2.5,  # tells a time, and the question asks for one
    "asks": -0.8,  # ends in a question mark: what is asked for stands in the reply
    "length": 0.8,  # log(1 + words), for at most 100 words
}
# How much a turn takes from those 4 before to 4 after it in its session: a reply answers what
# was said before it, so the turns before count more.
WINDOW = np.array([0.1, 0.2, 0.4, 0.6, 1.0, 0.5, 0.3, 0.15, 0.1])
MAX_WORDS = 32
_REACH = len(WINDOW) // 2
_SATURATION = 0.6  # a word seen once near a turn counts 1 / 1.6, and never more than 1
_MAX_LENGTH = 100
_CHUNK = 4096

_T = TypeVar("_T", bound=np.generic)
_WORD = re.compile(r"[^\W_]+")
STOP_WORDS = frozenset(
    _WORD.findall(
        "a about after all also am an and any are as at be because been before being between both"
        " but by can could d did didn do does doesn doing don during each few for from further had"
        " has have having he her here hers him his how i if in into is isn it its itself just ll m"
        " me might more most must my no nor not of off on once only or other our out over own re s"
        " same shall she should so some such t than that the their them then there these they this"
        " those through to too under until up ve very was wasn we were what when where which while"
        " who whom whose why will with would you your yours"
    )
)
_MONTHS = _WORD.findall(
    "january february march april may june july august september october november december"
)
_MONTH = "|".join(_MONTHS).replace("march", "(?-i:March)").replace("may", "(?-i:May)")
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_NAMED_DATE = re.compile(
    rf"(?:\b{_DAY}(?: of)? )?\b({_MONTH})\b(?: {_DAY}\b)?(?:,? ((?:19|20)\d\d)\b)?",
    re.IGNORECASE | re.ASCII,
)
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?!\d)")
_ASKS_TIME = re.compile(
    r"\b(?:when|how long|how often|(?:what|which) (?:day|date|week|month|year|time))\b",
    re.IGNORECASE,
)
_TELLS_TIME = re.compile(
    r"\b(?:yesterday|today|tonight|tomorrow|ago|last|next|recently|since|(?:day|week|month|year)s?"
    r"|weekend|morning|(?:mon|tues|wednes|thurs|fri|satur|sun)day|\d{4}"
    rf"|{_MONTH})\b",
    re.IGNORECASE,
)
_QUESTION_MARKS = ("?", "\uff1f", "\u061f")  # Latin, Chinese and Japanese, Arabic

_ROW = np.dtype(
    [
        ("id", np.int64),
        ("session", np.int32),
        ("speaker", np.int32),
        ("year", np.int16),  # 0 where unknown, as are month and day
        ("month", np.int8),
        ("day", np.int8),
        ("tells_time", np.bool_),
        ("asks", np.bool_),
        ("length", np.float32),
        ("around", np.int32, WINDOW.shape),  # places of the session's turns near it, -1: none
        ("norm", np.float32),  # length of the weighted sum of their vectors
    ]
)


@dataclass(frozen=True)
class Query:
    """A question as the ranking reads it.

    `words` are for the full-text index, each by itself; `plain` is for the embedder (speakers'
    names are out of both); `speakers` are the numbers of those named; `dates` are (year, month,
    day) with 0 for what is not said.
    """

    words: tuple[str, ...]
    plain: str
    speakers: tuple[int, ...]
    dates: tuple[tuple[int, int, int], ...]
    asks_time: bool


class Index:
    """The turns of one namespace in id order, as columns: it grows by `extend`, never shrinks."""

    def __init__(self) -> None:
        self.last_id = 0
        self._count = 0
        self._rows: NDArray[np.void] = np.zeros(0, _ROW)
        self._vectors: NDArray[np.float32] = np.zeros((0, 0), np.float32)
        self._sessions: dict[str, tuple[int, list[int]]] = {}  # number, places of the last turns
        self._speakers: dict[str, int] = {}
        self._names: dict[str, set[int]] = {}  # a word of a name -> the speakers who bear it

    def extend(self, turns: Sequence[Turn], vectors: NDArray[np.float32]) -> None:
        """Take in turns that were added since.

        Args:
            turns: with ascending ids above `last_id`; ids may have gaps.
            vectors: (len(turns), width) unit rows, or zeros for a turn without meaning.
        """
        if not turns:
            return
        first, self._count = self._count, self._count + len(turns)
        if first == 0:
            self._vectors = np.zeros((0, vectors.shape[1]), np.float32)
        self._rows = _with_room(self._rows, self._count)
        self._vectors = _with_room(self._vectors, self._count)
        self._vectors[first : self._count] = vectors
        changed = {
            place for at, turn in enumerate(turns, first) for place in self._take_in(turn, at)
        }
        self._measure_windows(np.array(sorted(changed)))
        self.last_id = turns[-1].id

    def _take_in(self, turn: Turn, place: int) -> list[int]:
        """Fill the turn's row; return the places whose windows it changes, its own included."""
        session, tail = self._sessions.setdefault(turn.session, (len(self._sessions), []))
        if turn.speaker not in self._speakers:
            self._speakers[turn.speaker] = len(self._speakers)
            for word in _WORD.findall(turn.speaker):
                self._names.setdefault(word.casefold(), set()).add(self._speakers[turn.speaker])
        row = self._rows[place]
        row["id"], row["session"] = turn.id, session
        row["speaker"] = self._speakers[turn.speaker]
        said = _ISO_DATE.match(turn.said_at)
        row["year"], row["month"], row["day"] = _numbers(said.groups()) if said else (0, 0, 0)
        row["tells_time"] = _TELLS_TIME.search(turn.text) is not None
        row["asks"] = turn.text.rstrip().endswith(_QUESTION_MARKS)
        words = sum(1 for _ in zip(_WORD.finditer(turn.text), range(_MAX_LENGTH), strict=False))
        row["length"] = np.log1p(words)
        row["around"] = -1
        row["around"][_REACH] = place
        for back, earlier in enumerate(reversed(tail), 1):
            row["around"][_REACH - back] = earlier
            self._rows["around"][earlier, _REACH + back] = place
        changed = [*tail, place]
        tail.append(place)
        del tail[:-_REACH]
        return changed

    def _measure_windows(self, places: NDArray[np.int64]) -> None:
        for start in range(0, len(places), _CHUNK):
            chunk = places[start : start + _CHUNK]
            total = np.zeros((len(chunk), self._vectors.shape[1]), np.float32)
            for near, weight in zip(self._rows["around"][chunk].T, WINDOW, strict=True):
                total += np.where(near >= 0, weight, 0)[:, None] * self._vectors[near]
            self._rows["norm"][chunk] = np.linalg.norm(total, axis=1)

    def query(self, text: str) -> Query:
        """Read a question: what to look for in the full-text index, and what to embed.

        At most MAX_WORDS words; a name is a word after all where nothing else is asked.
        """
        named = {word: self._named(word) for word in dict.fromkeys(_WORD.findall(text))}
        telling = [word for word in named if word.casefold() not in STOP_WORDS]
        others = [word for word in telling if not named[word]]
        dates = [
            _numbers((year, str(_MONTHS.index(month.lower()) + 1), before or after))
            for before, month, after, year in _NAMED_DATE.findall(text)
        ]
        dates += [_numbers(found) for found in _ISO_DATE.findall(_NAMED_DATE.sub(" ", text))]
        return Query(
            words=tuple(dict.fromkeys(map(str.casefold, others or telling)))[:MAX_WORDS],
            plain=_WORD.sub(lambda match: "" if named[match[0]] and others else match[0], text),
            speakers=tuple(sorted(set().union(*named.values()))),
            dates=tuple(dates),
            asks_time=_ASKS_TIME.search(text) is not None,
        )

    def _named(self, word: str) -> set[int]:
        """The speakers whom a word names: in full, or by the first letters (Mel for Melanie)."""
        folded = word.casefold()
        if folded in STOP_WORDS and not word[0].isupper():
            return set()
        speakers = self._names.get(folded, set())
        if speakers or folded in STOP_WORDS or len(word) < 3 or not word[0].isupper():
            return speakers
        longer = [bearers for name, bearers in self._names.items() if name.startswith(folded)]
        return set().union(*longer)

    def rank(
        self,
        query: Query,
        vector: NDArray[np.float32],
        word_scores: Sequence[Mapping[int, float]],
        k: int,
    ) -> list[Hit]:
        """The best k turns, best first; of equal ones the newer first. Arguments: `features`."""
        if k < 1 or not self._count:
            return []
        scores = self.features(query, vector, word_scores) @ np.array([*WEIGHTS.values()])
        ids = self._rows["id"]
        return [Hit(int(ids[place]), float(scores[place])) for place in _best(scores, k)]

    def features(
        self,
        query: Query,
        vector: NDArray[np.float32],
        word_scores: Sequence[Mapping[int, float]],
    ) -> NDArray[np.float64]:
        """What speaks for each turn, unweighted.

        Args:
            query: the question, read by this index.
            vector: (width,) unit vector of `query.plain`.
            word_scores: for each of `query.words` the full-text score (above 0) of the turns
                that hold it, or that a fact with it points at, by turn id.

        Returns:
            (turns, len(WEIGHTS)), columns in the order of WEIGHTS.
        """
        rows = self._rows[: self._count]
        words = self._words(word_scores)
        best = np.zeros(len(self._sessions))
        np.maximum.at(best, rows["session"], words)
        # einsum, not @: that would wake a thread per core for a tenth of a millisecond's work,
        # and wait for the slowest.
        cosines = np.einsum("ij,j->i", self._vectors[: self._count], vector)
        near = self._spread(np.arange(self._count), cosines)
        columns = {
            "words": words,
            "meaning": np.divide(near, rows["norm"], out=0 * near, where=rows["norm"] > 1e-6),
            "session": best[rows["session"]] / (best.max() or 1.0),
            "speaker": np.isin(rows["speaker"], query.speakers),
            "date": _date_match(rows, query.dates),
            "time": rows["tells_time"] & query.asks_time,
            "asks": rows["asks"],
            "length": rows["length"],
        }
        return np.column_stack([columns[name] for name in WEIGHTS]).astype(np.float64)

    def _words(self, word_scores: Sequence[Mapping[int, float]]) -> NDArray[np.float64]:
        """Share of the question's words around each turn, rare words weighing more, 0 to 1.

        Each word saturates by itself, as in BM25: two words near a turn beat one word twice.
        """
        total, possible = np.zeros(self._count), 0.0
        for scores in word_scores:
            ids = np.fromiter(scores.keys(), np.int64, len(scores))
            values = np.fromiter(scores.values(), np.float64, len(scores))
            known = ids <= self.last_id  # another process may have added turns meanwhile
            if known.any():
                ids, values, best = ids[known], values[known], values[known].max()
                places = np.searchsorted(self._rows["id"][: self._count], ids)
                near = self._spread(places, values / best)
                total += best * near / (near + _SATURATION)
                possible += best
        return total / (possible or 1.0)

    def _spread(
        self, places: NDArray[np.int64], values: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Lend the values at these places to the turns around them: (turns,) weighted sums."""
        around = self._rows["around"][places]
        lent = values[:, None] * WINDOW[::-1]
        exists = around >= 0
        sums = np.bincount(around[exists], lent[exists], minlength=self._count)
        return sums.astype(np.float64, copy=False)


def _date_match(
    rows: NDArray[np.void], dates: Sequence[tuple[int, int, int]]
) -> NDArray[np.float64]:
    match = np.zeros(len(rows))
    for year, month, day in dates:
        same = np.full(len(rows), True)
        if year:
            same &= rows["year"] == year
        if month:
            same &= rows["month"] == month
        match = np.maximum(match, same * (1.0 + (rows["day"] == (day or -1))))
    return match


def _best(scores: NDArray[np.float64], k: int) -> NDArray[np.intp]:
    """Places of the k highest scores, best first; of equal scores the last place first."""
    places = np.arange(len(scores))
    if k < len(scores):
        places = places[scores >= np.partition(scores, -k)[-k]]
    order: NDArray[np.intp] = np.lexsort((-places, -scores[places]))[:k]
    return places[order]


def _numbers(date: Sequence[str | None]) -> tuple[int, int, int]:
    year, month, day = (int(part) if part else 0 for part in date)
    return year, month, day


def _with_room(array: NDArray[_T], count: int) -> NDArray[_T]:
    """The array, or a longer copy with at least `count` rows: each doubling pays for itself."""
    if count <= len(array):
        return array
    longer = np.zeros((max(count, 2 * len(array)), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
