"""The name of a fact's attribute: a known one, or a new one unlike all others."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from memory.errors import InputError
from memory.store import Store
from memory.store.facts.fact_reads import count_attributes
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.text.words import STOP_WORDS, words
from memory.vocabulary import name_key

# Words that do not say what an attribute is about: dog_name and has_dog are near, mother_name and
# father_name are not.
_EMPTY = STOP_WORDS | {"name"}
# In 50 pairs of names, pairs with the same meaning had .54 or more, except for verbs (hates,
# dislikes), and all others .49 or less.
_LEAST_COSINE = 0.5
_LEAST_SPELLING = 0.85  # mother_name and father_name have .8
_MOST_OFFERED = 3
_MOST_COMPARED = 200  # a new attribute's meaning is compared with this many of the commonest


def known_name(store: Store, attribute: str, *, new_attribute: bool) -> str:
    """The name of an attribute in the vocabulary or among the facts; a new name unchanged.

    Raises InputError, with similar attributes, for a new name close to them.
    """
    vocabulary = vocabulary_of(store)
    if known := vocabulary.canonical(attribute):
        return known.name
    if vocabulary.strict:
        return attribute  # which it refuses
    counts = count_attributes(store)
    present = sorted(counts, key=lambda name: (-counts[name], name))
    spellings = {name_key(name): name for name in reversed(present)}  # the commonest wins
    if spelling := spellings.get(name_key(attribute)):
        return spelling
    if not new_attribute:
        commonest = present[:_MOST_COMPARED]
        near = near_attributes(attribute, {name: vocabulary.names_of(name) for name in commonest})
        if near:
            raise InputError(
                f"no fact has the attribute {attribute!r}, and some have {' or '.join(near)}: use"
                " that name, or add yours as a new attribute (--new-attribute, new_attribute=true)"
            )
    return "_".join(attribute.split())


def near_attributes(attribute: str, known: Mapping[str, Sequence[str]]) -> list[str]:
    """The known attributes that a name may mean, the nearest first, at most three.

    Arguments:
        attribute: the new name.
        known: the attributes of a memory, each with all its names.
    """
    names = [(name, key) for key, names in known.items() for name in names]
    if not names:
        return []
    from memory.search.embed import embed  # with numpy

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
    """The words of a name that tell what it is about; all of them if none does."""
    all_words = words(name.replace("_", " "))
    return " ".join(word for word in all_words if word not in _EMPTY) or " ".join(all_words)
