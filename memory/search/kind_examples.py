"""Examples of a general word: a question about "pets" also finds puppy, hamster and Rex."""

from functools import cache
from pathlib import Path


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
