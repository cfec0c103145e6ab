"""Turns that hold the words of other turns: replies that quote them, and people who say it again.

A machine's later turn quotes a turn when it has a run of its telling words, a long number of it, or
two words that no one else has said before. A person's correction quotes the value that it replaced:
an undone correction says nothing any more, and goes as a reply does; any other stays, as what
people say again. So "Rex takes phenobarbital" goes with the turn that named both. Whole-text hashes
could not find these, and hashes of parts in a receipt would let anyone with the receipt put the
text together again, word by word.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from memory.records import CORRECTIONS, WITHDRAWN, Turn
from memory.text.speakers import is_by_assistant
from memory.text.words import UNSPACED, telling_words, words

RUN = 4  # telling words in a row: fewer are also said by chance
_SHORTEST_RUN = 2  # of a short turn, whose words count as a run if all occur
_FRESH_WORDS = 2  # of a reply that quotes in its own words
_DIGITS = 4  # of a number that tells something by itself, if it is no year
_YEARS = range(1900, 2100)
_BLOCK, _OVERLAP = 1_000_000, 1_000  # characters of a file, read one block after another
Piece = str | tuple[str, ...]  # a word, or a run of words
_MOST_RARE = 500  # turns that hold a rare word
_FEW = 8  # turns: to read as many takes less than to ask for the other words of a run
_ALL = 2**31
Holding = Callable[[Sequence[str], int, bool], Sequence[int]]
TurnsById = Callable[[Sequence[int]], Sequence[Turn]]


@dataclass(frozen=True)
class Quoting:
    """Ids of turns that hold the words of others.

    `replies` are later turns of machines that quote them. `repeats` are all other turns with a run
    of their words, or a long number of theirs.
    """

    replies: tuple[int, ...] = ()
    repeats: tuple[int, ...] = ()

    def taken(self, replies: bool, repeats: bool) -> tuple[int, ...]:
        """The turns that go too, by what a person chose."""
        return (*(self.replies if replies else ()), *(self.repeats if repeats else ()))

    def left(self, replies: bool, repeats: bool) -> tuple[int, ...]:
        """The turns that stay."""
        return tuple(sorted({*self.replies, *self.repeats} - {*self.taken(replies, repeats)}))


def turns_quoting(
    turns: Iterable[Turn],
    gone: Collection[int],
    characters: Collection[str] = (),
    with_repeats: bool = False,
) -> Quoting:
    """Which turns of a memory hold the words of those with the ids in `gone`.

    Arguments:
        turns: all turns of the memory, in the order of their ids.
        gone: ids of turns that are to be forgotten.
        characters: names of machines that have a person's name.
        with_repeats: also look for replies to the repeats, as these are to be forgotten too.
    """
    characters = {name.casefold() for name in characters}
    chosen, turns = set(gone), list(turns)
    wanted = _Pieces([turn.text for turn in turns if turn.id in chosen])
    shared = {turn.id: wanted.in_text(turn.text) for turn in turns}
    quoting = [turn for turn in turns if shared[turn.id]]
    holding = [turn.id for turn in quoting if any(map(_tells_alone, shared[turn.id]))]
    if with_repeats:
        machines = {turn.id for turn in quoting if is_machine(turn, characters)}
        gone = chosen | ({*holding} - machines)
    replies: list[int] = []
    corrections: list[int] = []
    fresh: set[Piece] = set()  # pieces that a turn in `gone` was the first to say
    known: set[Piece] = set()
    for turn in quoting:
        pieces = shared[turn.id]
        if turn.id in gone:
            fresh |= pieces - known
        elif (replaced := _replaced_value(turn)) and replaced <= pieces & fresh:
            (replies if turn.text.startswith(WITHDRAWN) else corrections).append(turn.id)
        elif not is_machine(turn, characters):
            known |= pieces
            fresh -= pieces
        elif _quotes(turn, pieces & fresh, wanted):
            replies.append(turn.id)
        else:
            known |= pieces - fresh
    repeats = {*holding, *corrections} - {*chosen, *replies}
    return Quoting(tuple(replies), tuple(sorted(repeats)))


def may_quote(
    gone: Sequence[Turn],
    holding: Holding,
    turns_by_id: TurnsById,
    characters: Collection[str] = (),
) -> list[Turn]:
    """The turns that may hold words of some turns, with these, in the order of their ids.

    By the index: those with a long number or a run of theirs, and those with a word of theirs up to
    the first other person who says it. After that the word quotes no one.

    Arguments:
        gone: turns that are to be forgotten.
        holding: which turns hold all of some words: a limited number, the newest or the oldest.
        turns_by_id: turns by their ids.
        characters: names of machines that have a person's name.
    """
    ids = {turn.id for turn in gone}
    rare: dict[str, set[int]] = {}
    waiting: dict[str, list[int]] = {}  # of each word who holds it and was not looked at, in order
    for word in dict.fromkeys(word for turn in gone for word in _words(turn.text)):
        if _tells_alone(word):
            ids.update(holding([word], _ALL, False))
            continue
        holders = holding([word], _MOST_RARE + 1, False)
        if len(holders) <= _MOST_RARE:
            rare[word] = {*holders}
            waiting[word] = sorted(rare[word] - ids)
        else:
            waiting[word] = sorted({*holding([word], _MOST_RARE, True)} - ids)
    for turn in gone:
        telling = _words(turn.text)
        length = min(RUN, len(telling))
        if length >= _SHORTEST_RUN:
            for run in {*_runs(telling, length)}:
                of_rare = [rare[word] for word in run if word in rare]
                holders = [*set.intersection(*of_rare)] if of_rare else []
                if not of_rare or len(holders) > _FEW:
                    holders = holding(run, _ALL, False)
                ids.update(holders)
    candidates = _until_known(waiting, turns_by_id, {name.casefold() for name in characters})
    candidates |= {turn.id: turn for turn in turns_by_id(sorted(ids - candidates.keys()))}
    return [candidates[turn_id] for turn_id in sorted(candidates)]


def _until_known(
    holders_of: Mapping[str, Sequence[int]], turns_by_id: TurnsById, characters: Collection[str]
) -> dict[int, Turn]:
    """Of each word the turns that hold it, in order, up to the first that makes it known; by id.

    One turn of each is read, then two, then four: most words are known at once.
    """
    turns: dict[int, Turn] = {}
    chosen: set[int] = set()
    at_once = 1
    while holders_of:
        missing = {n for holders in holders_of.values() for n in holders[:at_once]} - turns.keys()
        turns |= {turn.id: turn for turn in turns_by_id(sorted(missing))}
        unknown: dict[str, Sequence[int]] = {}
        for word, holders in holders_of.items():
            looked_at = [n for n in holders[:at_once] if n in turns]
            first = (
                place
                for place, turn_id in enumerate(looked_at, 1)
                if _makes_known(turns[turn_id], word, characters)
            )
            known_at = next(first, None)
            chosen.update(looked_at[:known_at])
            if known_at is None and len(holders) > at_once:
                unknown[word] = holders[at_once:]
        holders_of = unknown
        at_once *= 2
    return {turn_id: turns[turn_id] for turn_id in chosen}


def _makes_known(turn: Turn, word: str, characters: Collection[str]) -> bool:
    """Whether a turn that stays says a word itself, and not only another form of it."""
    is_person = turn.session != CORRECTIONS and not is_machine(turn, characters)
    return is_person and word in words(turn.text)


class WordsOfText:
    """The words of a text that are looked for in others: all of it, its runs and long numbers."""

    def __init__(self, text: str) -> None:
        self._text = text.casefold()
        self._pieces = _Pieces([text])

    def are_in(self, other: str) -> bool:
        """Whether another text holds some."""
        return self._text in other.casefold() or any(map(_tells_alone, self._pieces.in_text(other)))

    def pattern(self) -> re.Pattern[bytes]:
        """A pattern for bytes that hold some, as UTF-8."""
        written = re.findall(r"\w+", self._text)
        telling = [position for position, word in enumerate(written) if _words(word)]
        length = min(RUN, len(telling))
        runs = [
            written[telling[first] : telling[first + length - 1] + 1]
            for first in range(len(telling) - length + 1)
            if length >= _SHORTEST_RUN
        ]
        numbers = [[word] for word in written if _tells_alone(word)]
        # In bytes, a letter beyond ASCII counts as a gap between words.
        patterns = [
            rb"\b" + rb"\W{1,9}".join(map(_as_bytes, run)) + rb"\b" for run in runs + numbers
        ]
        return re.compile(b"|".join([_as_bytes(self._text), *patterns]), re.IGNORECASE)


def _as_bytes(text: str) -> bytes:
    return re.escape(text.encode("utf-8", "replace"))


def files_quoting(paths: Iterable[str], texts: Sequence[str]) -> tuple[str, ...]:
    """The existing files with a run or a long number of one of the texts."""
    wanted = _Pieces(texts)
    return tuple(path for path in paths if _file_quotes(Path(path), wanted))


def _file_quotes(path: Path, wanted: "_Pieces") -> bool:
    before = ""
    with suppress(OSError), path.open(encoding="utf-8", errors="replace") as file:
        while block := file.read(_BLOCK):
            # JSON writes the end of a line as "\n", which would be a letter of the next word.
            text = before + block.replace("\\n", " ")
            if any(map(_tells_alone, wanted.in_text(text))):
                return True
            before = text[-_OVERLAP:]
    return False


class _Pieces:
    """The telling words of some texts, and their runs."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.single_words: set[str] = set()  # each the only telling word of a text
        self._pieces: set[Piece] = set()
        self._lengths: set[int] = set()
        for text in texts:
            telling = _words(text)
            length = min(RUN, len(telling))
            self._pieces.update(telling)
            if length >= _SHORTEST_RUN:
                self._lengths.add(length)
                self._pieces.update(_runs(telling, length))
            elif telling:
                self.single_words.update(telling)

    def in_text(self, text: str) -> set[Piece]:
        """Those of the pieces that a text holds."""
        pieces: set[Piece] = self._pieces.intersection(words(text))
        if pieces:
            telling = _words(text)
            for length in self._lengths:
                pieces |= self._pieces.intersection(_runs(telling, length))
        return pieces


def _words(text: str) -> list[str]:
    """The telling words of a text; Chinese as pairs of characters only."""
    return [word for word in telling_words(text) if len(word) > 1 or not UNSPACED.match(word)]


def _runs(telling: Sequence[str], length: int) -> Iterable[tuple[str, ...]]:
    return zip(*(telling[start:] for start in range(length)), strict=False)


def is_machine(turn: Turn, characters: Collection[str]) -> bool:
    """Whether a turn is a tool's, an assistant's, or by one of the characters, in small letters."""
    is_character = turn.speaker.casefold() in characters
    return turn.kind == "tool" or is_character or is_by_assistant(turn)


def _replaced_value(turn: Turn) -> set[Piece]:
    """The telling words of the value that a person's correction replaced, "..., not Oslo."."""
    return {*_words(turn.text.rpartition(", not ")[2])} if turn.session == CORRECTIONS else set()


def _quotes(turn: Turn, pieces: Collection[Piece], wanted: _Pieces) -> bool:
    """Whether a machine's turn quotes others, which said these pieces before anyone else."""
    if any(map(_tells_alone, pieces)) or not wanted.single_words.isdisjoint(pieces):
        return True
    # A tool's output names the files and functions of the message that asked for it.
    return turn.kind != "tool" and len(pieces) >= _FRESH_WORDS


def _tells_alone(piece: Piece) -> bool:
    """Whether a piece tells something by itself: a run, or a long number that is no year."""
    if isinstance(piece, tuple):
        return True
    if not piece.isdecimal() or len(piece) < _DIGITS:
        return False
    return len(piece) > _DIGITS or int(piece) not in _YEARS
