"""The turns that contain a question's words, and how rare these words are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory.search.index import REACH, Index, Selection

# A store reads the turns that hold a more frequent word once, and keeps them (`FrequentWords`).
MAX_EXACT = 50_000
# Words of similar meaning and examples that occur in this many turns are left out: they say little
# (decision 131).
MAX_RELATED = 3_000
MOST_FACTS = 50_000  # of the facts that hold a word, a search looks at the newest


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
        holders, examples = [], []
        for word in zip(*matches, strict=True):
            exact = related = of_kind = 0
            for match in word:
                exact += len(match.exact)
                related += len(match.related)
                of_kind += len(match.examples)
            holders.append(exact or related)
            examples.append(of_kind)
        return cls(turns, holders, examples)

    def rarity(self, turns: int) -> float:
        """The inverse document frequency as in BM25, never below 0."""
        return float(np.log(1 + max(self.turns - turns + 0.5, 0.0) / (turns + 0.5)))


def counted_matches(
    index: Index,
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
    return [_counted(index, match, selection, neighbours) for match in matches]


def _counted(
    index: Index, match: WordMatches, selection: Selection, neighbours: bool
) -> WordMatches:
    passing = WordMatches(
        exact=match.exact[selection.mask[index.positions_of(match.exact)]],
        related=match.related[selection.mask[index.positions_of(match.related)]],
        examples=match.examples[selection.mask[index.positions_of(match.examples)]],
    )
    if len(passing.exact) or len(passing.related) or not neighbours:
        return passing
    holders = np.concatenate([match.exact, match.related])
    positions = index.positions_of(holders)
    for chain in (index.before, index.after):
        near = positions
        for _ in range(REACH):
            near = chain[near].astype(np.int64)
            if selection.mask[near].any():
                return replace(passing, exact=holders[:1])
    return passing


def examples_of_kind(word: str) -> tuple[str, ...]:
    """Words that name examples of a kind; () for a word that names no kind.

    `kinds.txt` lists the kinds and their examples; it was written manually (decision 16).
    """
    kinds = _kinds()
    for form in _singulars(word):
        if form in kinds:
            return kinds[form]
    return ()


def _singulars(word: str) -> list[str]:
    """A word and its possible singulars; most of these are not words, which does no harm."""
    forms = [word]
    if word.endswith("s"):
        forms.append(word[:-1])
    if word.endswith("es"):
        forms.append(word[:-2])
    if word.endswith("ies"):
        forms.append(word[:-3] + "y")
    return forms


@cache
def _kinds() -> dict[str, tuple[str, ...]]:
    """Examples by the name of their kind. A name may appear on several lines."""
    examples: dict[str, dict[str, None]] = {}  # in the file's order, without duplicates
    for line in Path(__file__).with_name("kinds.txt").read_text("utf-8").splitlines():
        names, members = (part.split() for part in line.split(":"))
        for name in names:
            examples.setdefault(name, {}).update(dict.fromkeys(members))
    return {name: tuple(members) for name, members in examples.items()}
