"""Whether a value is what a person said in other words: a wish that a model wrote down.

"Excel to track her spending" is "I keep using Excel to track my spending". Pronouns, the speaker's
name, "the user", small words and the order of words do not count. One other word may be the model's
own, but no name, number or link, no word that someone else has just said, and no "not" that the
person did not say.
"""

from collections.abc import Callable, Collection, Sequence
from functools import cache

from memory.text.words import STOP_WORDS, forms_of, is_among, words
from memory.vocabulary.templates.clauses import form_of_others
from memory.vocabulary.templates.parts import own_text
from memory.vocabulary.templates.words import language_words

# Whether one of these beginnings of words occurs in others' words.
SaidByOthers = Callable[[Sequence[str]], bool]
_LEAST_SHARED = 0.6  # of the words of a value that are more than small words
_MOST_OTHERS = 1
_USER = "user"


def foreign_words(
    value: str, text: str, said_by_others: SaidByOthers, speaker: str = ""
) -> list[str]:
    """The words that a value adds to a turn's own text; empty for a rewording.

    Models write "when Ann asks" or "when the user asks" for what Ann, the `speaker`, calls "I".

    What was pasted into the text counts as said by others, and a quotation unless most of the
    value is said around it: "end your answers with the word 'amber'".
    """
    if form_of_others(text, speaker):
        return words(value)
    own_words = words(own_text(text))
    forms = forms_of(own_words)
    missing = [word for word in words(value) if not is_among(word, forms)]
    small = small_words() | {_USER, *words(speaker)}
    if quoted := _mostly_quoted(value, text, forms, small):
        return quoted
    if not missing:
        return []
    negations = language_words().negations
    negated = [word for word in missing if word in negations]
    if negated and negations.isdisjoint(own_words):
        return negated
    missing = [word for word in missing if word not in small and word not in negations]
    shared = [word for word in words(value) if word not in small and word not in missing]
    if not missing:
        # A value of small words alone has to be said as it stands.
        return [] if shared else [word for word in words(value) if not is_among(word, forms)]
    share = len(shared) / (len(shared) + len(missing))
    if len(missing) > _MOST_OTHERS or share < _LEAST_SHARED:
        return missing
    named = [word for word in missing if is_name(word, value)]
    beginnings = [min(forms_of([word]), key=len) for word in missing]
    pasted = {word for word in words(text) if word not in own_words}
    is_pasted = any(word.startswith(beginning) for word in pasted for beginning in beginnings)
    return missing if named or is_pasted or said_by_others(beginnings) else []


def _mostly_quoted(
    value: str, text: str, forms: Collection[str], small: Collection[str]
) -> list[str]:
    """The words of a value that only a quotation of the text says, if they are most of it."""
    unquoted = forms_of(words(own_text(text, with_quotations=False)))
    said = [word for word in words(value) if word not in small and is_among(word, forms)]
    quoted = [word for word in said if not is_among(word, unquoted)]
    return quoted if 2 * len(quoted) > len(said) else []


def stand_in(texts: Collection[str]) -> SaidByOthers:
    """What others said, as texts."""
    spoken = {word for text in texts for word in words(text)}

    def said_by_others(beginnings: Sequence[str]) -> bool:
        return any(word.startswith(beginning) for word in spoken for beginning in beginnings)

    return said_by_others


@cache
def small_words() -> frozenset[str]:
    """Pronouns, prepositions and the like, of all languages."""
    listed = language_words()
    return STOP_WORDS | {part for word in listed.stops | listed.opens for part in words(word)}


def is_name(word: str, value: str) -> bool:
    """Whether a word of a value is a name, a number, a link or a part of one."""
    first, *rest_of_value = value.split() or [""]
    for token in (first, *rest_of_value):
        if word not in words(token):
            continue
        core = token.strip(".,;:!?()\"'")
        has_sign = any(not character.isalpha() and character not in "-'" for character in core)
        if has_sign or (token is not first and core != core.lower()):
            return True
    return False
