"""Examples of what a question asks for in general: "pets" are found by puppy, hamster, Rex."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path


def examples_of_kind(word: str) -> tuple[str, ...]:
    """Words that name examples of a kind, () for a word that names no kind.

    The kinds and their examples stand in `kinds.txt`, written by hand (docs/decisions.md, 16).
    """
    kinds = _kinds()
    return next((kinds[form] for form in _singulars(word) if form in kinds), ())


def _singulars(word: str) -> Iterator[str]:
    """A word and what it may be the plural of; most of these are no words, which does no harm."""
    yield word
    if word.endswith("s"):
        yield word[:-1]
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("ies"):
        yield word[:-3] + "y"


@cache
def _kinds() -> dict[str, tuple[str, ...]]:
    """Examples by the names of their kind. A name may stand in several lines."""
    examples: dict[str, dict[str, None]] = {}  # in the order of the file, each once
    for line in Path(__file__).with_name("kinds.txt").read_text("utf-8").splitlines():
        names, members = (part.split() for part in line.split(":"))
        for name in names:
            examples.setdefault(name, {}).update(dict.fromkeys(members))
    return {name: tuple(members) for name, members in examples.items()}
