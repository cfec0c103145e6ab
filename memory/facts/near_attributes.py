"""Attributes that may mean the same as a new one, by the meaning and spelling of their names."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from memory.search.embed import embed
from memory.text.words import STOP_WORDS, words
from memory.vocabulary import name_key

# Words that say nothing of what an attribute is about: dog_name and has_dog are near, mother_name
# and father_name are not.
_EMPTY = STOP_WORDS | {"name"}
# Of 50 pairs of names, those that mean the same had .54 or more, but for verbs (hates, dislikes),
# and all others .49 or less.
_LEAST_COSINE = 0.5
_LEAST_SPELLING = 0.85  # mother_name and father_name have .8
_MOST_OFFERED = 3


def near_attributes(attribute: str, known: Mapping[str, Sequence[str]]) -> list[str]:
    """The known attributes that a name may mean, the nearest first, at most three.

    Arguments:
        attribute: the new name.
        known: the attributes of a memory, each with all its names.
    """
    names = [(name, key) for key, names in known.items() for name in names]
    if not names:
        return []
    vectors = embed([_content(attribute), *(_content(name) for name, _ in names)])
    cosines: dict[str, float] = {}
    for (_, key), cosine in zip(names, vectors[1:] @ vectors[0], strict=True):
        cosines[key] = max(cosines.get(key, 0.0), float(cosine))
    spellings = {name_key(name): key for name, key in names}
    similar = get_close_matches(name_key(attribute), spellings, n=3, cutoff=_LEAST_SPELLING)
    near = {key for key, cosine in cosines.items() if cosine >= _LEAST_COSINE}
    near |= {spellings[spelling] for spelling in similar}
    return sorted(near, key=lambda key: (-cosines[key], key))[:_MOST_OFFERED]


def _content(name: str) -> str:
    """The words of a name that tell what it is about; all of them where none does."""
    all_words = words(name.replace("_", " "))
    return " ".join(word for word in all_words if word not in _EMPTY) or " ".join(all_words)
