"""What is made of a vocabulary, once for each."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from memory.vocabulary import Vocabulary

_Made = TypeVar("_Made")
_MOST_KNOWN = 32


def made_once(make: Callable[[Vocabulary], _Made]) -> Callable[[Vocabulary], _Made]:
    """The same function, called once for each vocabulary: by identity, as hashing one is slow."""
    # With the vocabulary, so that no other has its id meanwhile.
    known: dict[int, tuple[Vocabulary, _Made]] = {}

    @wraps(make)
    def made(vocabulary: Vocabulary) -> _Made:
        found = known.get(id(vocabulary))
        if found is None:
            if len(known) >= _MOST_KNOWN:
                known.clear()
            found = known[id(vocabulary)] = vocabulary, make(vocabulary)
        return found[1]

    return made
