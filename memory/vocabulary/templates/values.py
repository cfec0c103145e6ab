"""What a value may be: words that could stand alone as one, with no second clause behind them."""

import re
from functools import cache
from itertools import pairwise, takewhile

from memory.vocabulary.entities import relation_words
from memory.vocabulary.forms import head_lists, word_lists
from memory.vocabulary.templates.words import language_words

_MOST_SPOKEN_TO = 3  # words for the person spoken to: "my dear Clara"
_MARK = re.compile(r"[,;:()\u2013\u2014]| - ")


def has_second_clause(text: str, imperative: bool = False) -> bool:
    """Whether a new clause begins inside a text: "pizza and I'm 30", "tea and hate coffee".

    In a text that is a request a second verb is part of it: "use tables and keep it short".
    """
    return any(_begins_clause(part, imperative) for part in _parts(text)[1:])


def joined_values(text: str) -> tuple[str, ...]:
    """The values that "and" joins, if each makes sense alone; else the text unchanged.

    "electronic and rock music" and "Simon and Garfunkel" stay whole.
    """
    items = _items(text)
    is_whole = any(text.casefold() in words for words in word_lists().values())
    are_nouns = all(" " not in item and item.islower() and _is_noun(item) for item in items)
    return tuple(items) if are_nouns and not is_whole else (text,)


def is_joined_well(text: str) -> bool:
    """Whether what "and" joins to a phrase is a noun, too, and no other predicate."""
    _, *joined = _items(text)
    if any(item.partition(" ")[0].casefold() in language_words().opens for item in joined):
        return False
    return not joined or _is_noun(head_of(joined[-1]).rpartition(" ")[2])


def has_loose_end(phrase: str) -> bool:
    """Whether a phrase ends in words not part of it: "heights lah", "golf passionately".

    An activity may have its adverb: "submitting applications early".
    """
    known = language_words()
    words = phrase.split(" ")
    if words[0].endswith(known.gerund_endings):
        return False
    last = words[-1]
    if last.islower() and last.endswith(known.adverb_endings) and last not in known.nouns:
        return True
    return any(
        word == following or (_is_plural(word) and not _may_follow(following))
        for word, following in pairwise(words)
        if word.islower()
    )


def _is_plural(word: str) -> bool:
    known = language_words()
    is_plural = word.endswith(known.plural_endings) and not word.endswith(known.other_endings)
    return is_plural and word not in known.prepositions and word not in known.list_joins


def _may_follow(word: str) -> bool:
    """Whether a word may follow a plural in a phrase: a noun, "of", "and"."""
    known = language_words()
    folded = word.casefold()
    return folded in known.prepositions | known.list_joins | known.opens or _is_noun(word)


def list_items(text: str, is_closed: bool) -> list[str] | None:
    """The values of "nuts, eggs and milk"; None for what may be no list.

    Without a word that joins the last value, the words after a comma may be a comment or the name
    of the person spoken to. They are a value only if a closed list of words has them.
    """
    items = _items(text)
    *inner, last = items
    if ", " in last and not is_closed:
        return None
    if len(items) == 1:
        return text.split(", ")
    return [part for item in (*inner, last) for part in item.removesuffix(",").split(", ") if part]


def without_person_spoken_to(clause: str) -> str:
    """A clause without the person spoken to behind its last comma: "I love tea, Clara"."""
    rest, comma, tail = clause.rpartition(", ")
    words = tail.split(" ")
    if comma and len(words) <= _MOST_SPOKEN_TO and all(map(_may_be_spoken_to, words)):
        return rest
    return clause


def ends_with_person_spoken_to(value: str) -> bool:
    """Whether a value may end in the person spoken to: "horses Mairi", "Boots Mum"."""
    words = value.partition(", ")[0].split(" ")
    last = words[-1].casefold()
    if len(words) == 1:
        return False
    if last in relation_words().names and not _may_have_name_behind(words[-2]):
        return True
    name = sum(1 for _ in takewhile(_is_capitalised, reversed(words)))
    if name == len(words):
        return False
    known_word = last in language_words().spoken_to
    return bool(name or known_word) and not _may_have_name_behind(words[-max(name, 1) - 1])


def name_at_end(value: str) -> str:
    """The last word of a value, if it may be the name of the person spoken to; else ""."""
    *before, last = value.split(" ")
    return "" if not before or _may_have_name_behind(before[-1]) else last


def _may_have_name_behind(word: str) -> bool:
    """Whether a name behind a word belongs to it: "with Tom", "the Baltic", "van Gogh"."""
    known = language_words()
    return word.casefold() in known.prepositions | known.opens | relation_words().particles


def _is_capitalised(word: str) -> bool:
    return word.istitle() and word.isalpha()


def _may_be_spoken_to(word: str) -> bool:
    folded = word.casefold()
    known = language_words()
    people = relation_words()
    of_people = (known.spoken_to, people.names, people.possessives, people.adjectives)
    if any(folded in words for words in of_people):
        return True
    return word[:1].isupper() and word.isalpha() and folded not in known.stops


def _items(text: str) -> list[str]:
    """A text cut at each "and"."""
    return _list_joins().split(text)


def _parts(text: str) -> list[str]:
    """A text cut at each mark and each word that joins."""
    return [part.strip() for piece in _MARK.split(text) for part in _joins().split(f" {piece} ")]


def _begins_clause(part: str, imperative: bool) -> bool:
    words = part.split(" ")
    first = words[0].casefold()
    known = language_words()
    subject = first.partition("'")[0]
    if len(words) > 1 and (first in known.subjects or subject in known.subjects):
        # In a title the next word has a capital: "The King and I".
        return not words[1][:1].isupper()
    if imperative:
        return False
    if first in known.verbs and words[0].islower():
        return True
    is_somebody = words[0][:1].isupper() or first in relation_words().relations
    return is_somebody and len(words) > 1 and words[1] in known.verbs


def _is_noun(word: str) -> bool:
    """Whether a word is a noun by its form: a name, a plural, a gerund, or one of a list."""
    known = language_words()
    folded = word.casefold()
    if folded in known.verbs or folded in known.stops:
        return False
    if word[:1].isupper() or folded in known.nouns:
        return True
    lists = (*head_lists().values(), *(word_lists()[name] for name in _noun_lists()))
    if any(folded in words for words in lists):
        return True
    return folded.endswith(known.noun_endings) and not folded.endswith(known.other_endings)


def head_of(phrase: str) -> str:
    """What a phrase is about: its words before a preposition."""
    prepositions = language_words().prepositions
    words = takewhile(lambda word: word.casefold() not in prepositions, phrase.split(" "))
    return " ".join(words) or phrase


def _noun_lists() -> tuple[str, ...]:
    return ("animal", "language")


@cache
def _list_joins() -> re.Pattern[str]:
    joins = "|".join(map(re.escape, sorted(language_words().list_joins)))
    return re.compile(rf",? (?:{joins}) ", re.IGNORECASE)


@cache
def _joins() -> re.Pattern[str]:
    known = language_words()
    joins = sorted({*known.joins, *known.list_joins, *known.reasons}, key=len, reverse=True)
    return re.compile(rf" (?:{'|'.join(map(re.escape, joins))}) ", re.IGNORECASE)
