"""Whether a text has the form of a value: a name, a number, one word of a list."""

import re
from functools import cache
from itertools import takewhile

from memory.text.word_classes import is_infinitive
from memory.vocabulary import Attribute
from memory.vocabulary.entities import relation_words
from memory.vocabulary.forms import PLAIN_FORMS, compound_forms, head_lists, is_town, word_lists
from memory.vocabulary.template_syntax import Placeholder
from memory.vocabulary.templates.date_phrases import date_of, dates_at_ends, names_day
from memory.vocabulary.templates.patterns import Table, pattern, table_of, words_of
from memory.vocabulary.templates.words import language_words

# A quotation in a turn is one of these characters, so that no template reads what it says.
FIRST_QUOTATION, LAST_QUOTATION = "\ue000", "\uf8ff"
_MOST_WORDS = 5
_MOST_TITLE_WORDS = 8
_MOST_TEXT_WORDS = 40
_MOST_SPOKEN_TO = 3  # words for the person spoken to: "my dear Clara"
_PHRASE_WORD = re.compile(r"\w[\w'&+./-]*")
_WRITTEN = {
    "code": re.compile(r"#?(?=[\w/-]*\d)\w[\w/-]{1,40}"),
    "email": re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"),
    "phone": re.compile(r"\+?[\d(][\d ()/.-]{4,20}\d"),
    "number": re.compile(r"\d{1,12}(?:[.,]\d{1,6})*"),
}


def fits(text: str, form: str) -> bool:
    """Whether a text has a form."""
    if form in word_lists():
        return text.casefold() in word_lists()[form]
    if form in head_lists():
        return is_phrase(text) and _has_head(text.casefold(), head_lists()[form])
    if form in PLAIN_FORMS:
        return _fits_plain(text, form)
    return any(
        all(fits(part, placeholder.name) for placeholder, part in match.texts)
        for row in _compound(form).candidates(words_of(text))
        if (match := pattern(row.template).match(text))
    )


@cache
def _compound(form: str) -> Table[None]:
    return table_of(compound_forms()[form])


def is_closed(form: str) -> bool:
    """Whether a form says by its words what a value may be, and no text of another kind fits."""
    return form in word_lists() or form in head_lists() or form in ("number", "email", "phone")


def fits_attribute(text: str, attribute: Attribute, placeholder: Placeholder) -> bool:
    """Whether a text has the form of an attribute's value at a placeholder of its template."""
    if attribute.allowed_values:
        return attribute.allowed(text) is not None
    return fits(text, form_of(attribute, placeholder))


def form_of(attribute: Attribute, placeholder: Placeholder) -> str:
    """The form of an attribute's value at a placeholder of its template."""
    return placeholder.form or attribute.form or "phrase"


def _fits_plain(text: str, form: str) -> bool:
    words = text.split(" ")
    if form in _WRITTEN:
        is_number_word = form == "number" and text.casefold() in language_words().numbers
        return is_number_word or bool(_WRITTEN[form].fullmatch(text))
    if form == "name":
        return is_name(text) and not _ends_with_person(words)
    if form == "place":
        return _is_place(text)
    if form == "date":
        return names_day(text)
    if form == "verb":
        return text.isalpha() and is_infinitive(text.casefold())
    if form == "text":
        return len(words) <= _MOST_TEXT_WORDS
    if form == "title" and (is_quotation(text) or _is_title(words)):
        return True
    return is_phrase(text) and not _ends_with_person(words)


def _is_place(text: str) -> bool:
    """Whether a text is the name of a known town or region: not "We moved to Kubernetes"."""
    town, _, region = text.removeprefix("the ").removeprefix("The ").partition(", ")
    regions = word_lists()["region"]
    if not is_name(town) or (region and region.casefold() not in regions):
        return False
    return bool(region) or town.casefold() in regions or any(map(is_town, (town, *town.split(" "))))


def is_quotation(text: str) -> bool:
    """Whether a text is one quotation, and nothing else."""
    return len(text) == 1 and FIRST_QUOTATION <= text <= LAST_QUOTATION


def is_name(text: str) -> bool:
    """Whether a text is a name: capitalised words, with particles between them."""
    first, *rest = text.split(" ")
    known = relation_words()
    folded = first.casefold()
    if len(rest) >= _MOST_WORDS or folded in language_words().no_names:
        return False
    common = (known.no_names, known.relations, word_lists()["language"])
    if not rest and any(folded in words for words in common):
        return False
    capitals = [word for word in rest if word.casefold() not in (*known.particles, "of")]
    ends_well = not rest or rest[-1] in capitals
    return ends_well and all(
        word[:1].isupper() and _PHRASE_WORD.fullmatch(word) for word in (first, *capitals)
    )


def _is_title(words: list[str]) -> bool:
    """Whether words form a title, which begins and ends with a capital."""
    begins_and_ends = words[0][:1].isupper() and words[-1][:1].isupper()
    return begins_and_ends and len(words) <= _MOST_TITLE_WORDS and "," not in " ".join(words)


def _has_head(text: str, heads: frozenset[str]) -> bool:
    """Whether a phrase is about one of some things: "raw egg whites", "dust in old houses"."""
    prepositions = language_words().prepositions
    words = list(takewhile(lambda word: word not in prepositions, text.split(" ")))
    ends = [" ".join(words[start:]) for start in range(len(words))]
    return text in heads or any(
        end in heads or end.removesuffix("s") in heads or end.removesuffix("es") in heads
        for end in ends
    )


def is_phrase(text: str) -> bool:
    """Whether a text is a short phrase: up to five words of one clause, and no date."""
    words = text.split(" ")
    folded = [word.casefold() for word in words]
    known = language_words()
    if len(words) > _MOST_WORDS or not all(map(_PHRASE_WORD.fullmatch, words)):
        return False
    is_proper = folded[0] == "the" and len(words) > 1 and words[1][:1].isupper()
    if folded[0] in known.opens and not is_proper:
        return False
    if not (known.outside_phrases | known.list_joins).isdisjoint(words_of(text)):
        return False
    return date_of(text, "") is None and not any(dates_at_ends(text))


def _ends_with_person(words: list[str]) -> bool:
    """Whether words may end in the person spoken to: "horses Mairi", "Boots Mum"."""
    *before, last = words
    if not before or before[-1].casefold() in _words_before_names():
        return False
    folded = last.casefold()
    is_called = folded in relation_words().names or folded in language_words().spoken_to
    return is_called or (last.istitle() and before[-1].islower())


def name_at_end(value: str) -> str:
    """The last word of a value, if it may be the name of the person spoken to; else ""."""
    *before, last = value.split(" ")
    return "" if not before or before[-1].casefold() in _words_before_names() else last


@cache
def _words_before_names() -> frozenset[str]:
    """Words behind which a name belongs to them: "with Tom", "the Baltic", "van Gogh"."""
    known = language_words()
    return known.prepositions | known.opens | relation_words().particles


def list_items(text: str, is_closed: bool) -> list[str] | None:
    """The values of "nuts, eggs and milk"; None for what may be no list.

    Without a word that joins the last value, the words after a comma may be a comment or the name
    of the person spoken to. They are a value only if a closed list of words has them.
    """
    items = _list_joins().split(text)
    *inner, last = items
    if ", " in last and not is_closed:
        return None
    if len(items) == 1:
        return text.split(", ")
    return [part for item in (*inner, last) for part in item.removesuffix(",").split(", ") if part]


@cache
def _list_joins() -> re.Pattern[str]:
    joins = "|".join(map(re.escape, sorted(language_words().list_joins)))
    return re.compile(rf",? (?:{joins}) ", re.IGNORECASE)


def without_person_spoken_to(clause: str) -> str:
    """A clause without the person spoken to behind its last comma: "I love tea, Clara"."""
    rest, comma, tail = clause.rpartition(", ")
    words = tail.split(" ")
    if comma and len(words) <= _MOST_SPOKEN_TO and all(map(_may_be_spoken_to, words)):
        return rest
    return clause


def _may_be_spoken_to(word: str) -> bool:
    folded = word.casefold()
    known = language_words()
    people = relation_words()
    of_people = (known.spoken_to, people.names, people.possessives, people.adjectives)
    if any(folded in words for words in of_people):
        return True
    return word[:1].isupper() and word.isalpha() and folded not in known.stops
