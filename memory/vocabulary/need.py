"""Which attributes of a vocabulary the turns of a window may need, as lines for a prompt."""

from collections.abc import Collection
from functools import lru_cache

from memory.text.tokens import first_lines
from memory.text.words import forms_of, is_among, telling_words, words
from memory.vocabulary.attributes import Attribute, Vocabulary

# The application's attributes are always shown, default ones if a window mentions them.
OWN_TOKENS = 1_000  # about fifty attributes
# About 35. Windows of 16 turns show 71 % of the attributes that gold facts of data/train need; with
# 300 tokens 48 %, with all default ones that share a word 78 %.
DEFAULT_TOKENS = 600
_STRICT = "No other attributes are stored: leave out what none fits."
# A name says more of what an attribute is for than a word of its instruction, and a word itself
# more than another form of it.
_NAME_WEIGHT = 2
_WORD_WEIGHT = 3


def attribute_lines(vocabulary: Vocabulary, text: str, most: int | None = None) -> str:
    """The attributes that a text may need, a line each, within OWN_TOKENS and DEFAULT_TOKENS.

    First the application's attributes, then default ones with a word in the text. In each group the
    attributes with most in common with the text come first. With `most`, at most that many of all
    attributes with a word in the text; with a strict vocabulary also others, if there is room.
    """
    text_words = frozenset(words(text))
    forms = forms_of(text_words)
    shared = {
        attribute: _shared(attribute, text_words, forms) for attribute in vocabulary.attributes
    }
    ranked = sorted(
        vocabulary.attributes, key=lambda attribute: (-shared[attribute], attribute.name)
    )
    if most is not None:
        pointed_at = [attribute for attribute in ranked if shared[attribute] or vocabulary.strict]
        ranked = pointed_at[:most]
    own = [attribute.line for attribute in ranked if attribute.name in vocabulary.own]
    needed = [
        attribute.line
        for attribute in ranked
        if attribute.name not in vocabulary.own and shared[attribute]
    ]
    groups = (
        _STRICT if vocabulary.strict else "",
        first_lines(own, OWN_TOKENS),
        first_lines(needed, DEFAULT_TOKENS),
    )
    return "\n".join(filter(None, groups))


def _shared(attribute: Attribute, text_words: Collection[str], forms: Collection[str]) -> int:
    """How much an attribute has in common with a text, given its words and their forms."""

    def weight(word: str) -> int:
        return _WORD_WEIGHT if word in text_words else is_among(word, forms)

    of_names, of_instruction = _words_of(attribute)
    return _NAME_WEIGHT * sum(map(weight, of_names)) + sum(map(weight, of_instruction))


@lru_cache(maxsize=2_000)
def _words_of(attribute: Attribute) -> tuple[frozenset[str], frozenset[str]]:
    """The significant words of an attribute's names, and of its instruction."""
    of_names = frozenset(word for name in attribute.names for word in telling_words(name))
    return of_names, frozenset(telling_words(attribute.instruction)) - of_names
