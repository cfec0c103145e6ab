"""Forms of words: "stopping" and "stop", or "nine" and "9", are two forms of one word.

Two forms of an English word share a beginning, so this needs no dictionary. It is generous: short
words with the same beginning ("cat", "cater") count as one word too.
"""

from collections.abc import Collection, Iterable

from memory.text.dates import COUNT
from memory.text.text_cache import TextCache
from memory.text.words import STOP_WORDS, UNSPACED, words

_LONGEST_ENDING = 4  # letters of an English word: "stopping" and "stop" share "stop"
SHORTEST_STEM = 3  # letters


def telling_words(text: str, others: Collection[str] = ()) -> list[str]:
    """The words of a text, in order, without stop words and without `others`."""
    return [word for word in words(text) if word not in STOP_WORDS and word not in others]


def forms_of(text_words: Iterable[str]) -> set[str]:
    """What the forms of words share: the words and their beginnings; numbers as digits."""
    return set().union(*map(known_forms.__getitem__, text_words))


def _forms(word: str) -> tuple[str, ...]:
    if word in COUNT:
        return word, str(COUNT[word])
    # Numbers, and words of scripts without spaces, have no endings.
    if not word.isalpha() or UNSPACED.match(word):
        return (word,)
    shortest = max(len(word) - _LONGEST_ENDING, SHORTEST_STEM)
    return word, *(word[:end] for end in range(shortest, len(word)))


# By word.
known_forms = TextCache(_forms, most=20_000, longest=40)


def is_among(word: str, forms: Collection[str]) -> bool:
    """Whether a word, in any form, is one of the words behind `forms`."""
    return not forms_of([word]).isdisjoint(forms)
