"""Whether a text has the form of a value: a name, a number, one word of a list."""

import re
from functools import cache

from memory.text.word_classes import is_infinitive
from memory.vocabulary import Attribute
from memory.vocabulary.entities import relation_words
from memory.vocabulary.forms import PLAIN_FORMS, compound_forms, head_lists, is_town, word_lists
from memory.vocabulary.template_syntax import Placeholder, literals
from memory.vocabulary.templates.date_phrases import date_of, dates_at_ends, names_day
from memory.vocabulary.templates.patterns import Index, pattern, words_of
from memory.vocabulary.templates.values import (
    has_loose_end,
    has_second_clause,
    head_of,
    is_joined_well,
)
from memory.vocabulary.templates.words import language_words

# A quotation in a turn is one of these characters, so that no template reads what it says.
FIRST_QUOTATION, LAST_QUOTATION = "\ue000", "\uf8ff"
_OPEN_FORMS = ("phrase", "name", "place", "title", "text")
_MOST_WORDS = 5
_MOST_TITLE_WORDS = 8
_MOST_TEXT_WORDS = 40
_DIGITS = re.compile(r"\d{1,12}(?:[.,]\d{1,6})*")
_CODE = re.compile(r"#?(?=[\w/-]*\d)\w[\w/-]{1,40}")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"\+?[\d(][\d ()/.-]{4,20}\d")
_PHRASE_WORD = re.compile(r"\w[\w'&+./-]*")


def fits(text: str, form: str) -> bool:
    """Whether a text has a form."""
    if form in word_lists():
        return text.casefold() in word_lists()[form]
    if form in head_lists():
        return is_phrase(text) and _has_head(text.casefold(), head_lists()[form])
    if form in PLAIN_FORMS:
        return _fits_plain(text, form)
    index, others = _compound_templates(form)
    likely = dict.fromkeys(entry.template for entry in index.candidates(words_of(text)))
    for template in (*likely, *others):
        match = pattern(template).match(text)
        if match and all(fits(part, placeholder.name) for placeholder, part in match.texts):
            return True
    return False


@cache
def _compound_templates(form: str) -> tuple[Index[None], tuple[str, ...]]:
    """The templates of a compound form by their words, and the ones without their own word."""
    templates = compound_forms()[form]
    with_words = [template for template in templates if literals(template)]
    others = [template for template in templates if template not in with_words]
    return Index((template, None) for template in with_words), tuple(others)


def is_open(form: str) -> bool:
    """Whether a value of a form may be any phrase or name."""
    return form in _OPEN_FORMS or "{phrase}" in compound_forms().get(form, ())


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
    if form == "name":
        return is_name(text)
    if form == "place":
        town, _, region = text.removeprefix("the ").removeprefix("The ").partition(", ")
        regions = word_lists()["region"]
        if not is_name(town) or (region and region.casefold() not in regions):
            return False
        # "We moved to Kubernetes": a bare name is a place only if it is a known one.
        return bool(region) or town.casefold() in regions or any(map(is_town, _names_in(town)))
    if form == "number":
        return bool(_DIGITS.fullmatch(text)) or text.casefold() in language_words().numbers
    if form == "date":
        return names_day(text)
    if form == "code":
        return bool(_CODE.fullmatch(text))
    if form == "email":
        return bool(_EMAIL.fullmatch(text))
    if form == "phone":
        return bool(_PHONE.fullmatch(text))
    if form == "verb":
        return is_bare_verb(text)
    if form == "text":
        return len(words) <= _MOST_TEXT_WORDS and not has_second_clause(text, imperative=True)
    if form == "title":
        is_title = is_quotation(text) or _is_title(words)
        return is_title or is_phrase(text)
    return is_phrase(text)


def _names_in(town: str) -> tuple[str, ...]:
    """A name, and its words: "North Leeds", "Leeds"."""
    return (town, *town.split(" "))


def is_bare_verb(text: str) -> bool:
    """Whether a text is a verb as an imperative has it: "list", "double-check", and no "is"."""
    known = language_words()
    folded = text.casefold()
    if " " in text or folded in known.stops | known.subjects | known.opens:
        return folded == "be"
    word = folded.rpartition("-")[2]
    return word.isalpha() and is_infinitive(word)


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
    text = " ".join(words)
    *_, last = text.split(", ")
    is_addressed = last != text and " " not in last  # "Alien, Clara"
    begins_and_ends = words[0][:1].isupper() and words[-1][:1].isupper()
    is_short = len(words) <= _MOST_TITLE_WORDS
    return begins_and_ends and is_short and not is_addressed and not has_second_clause(text)


def _has_head(text: str, heads: frozenset[str]) -> bool:
    """Whether a phrase is about one of some things: "raw egg whites", "dust in old houses"."""
    words = head_of(text).split(" ")
    ends = [" ".join(words[start:]) for start in range(len(words))]
    return text in heads or any(
        end in heads or end.removesuffix("s") in heads or end.removesuffix("es") in heads
        for end in ends
    )


def is_phrase(text: str) -> bool:
    """Whether a text is a short phrase: up to five words, without a pronoun or a date."""
    words = text.split(" ")
    folded = [word.casefold() for word in words]
    known = language_words()
    if len(words) > _MOST_WORDS or not all(map(_PHRASE_WORD.fullmatch, words)):
        return False
    is_proper = folded[0] == "the" and len(words) > 1 and words[1][:1].isupper()
    if folded[0] in known.opens and not is_proper:
        return False
    contracted = " ".join(known.contractions.get(word, "") for word in folded if "'" in word)
    if not known.outside_phrases.isdisjoint((*folded, *contracted.split())):
        return False
    has_date = date_of(text, "") is not None or any(dates_at_ends(text))
    return (
        not has_date
        and is_joined_well(text)
        and not (has_second_clause(text) or has_loose_end(text))
    )
