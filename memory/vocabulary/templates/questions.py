"""Questions in the form of templates: their subject, attribute, and what they ask of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from memory.vocabulary import Attribute, Vocabulary
from memory.vocabulary.entities import as_spoken
from memory.vocabulary.templates.clauses import without_fillers
from memory.vocabulary.templates.date_phrases import date_of
from memory.vocabulary.templates.forms import fits
from memory.vocabulary.templates.made_once import made_once
from memory.vocabulary.templates.matching import Somebody, somebody
from memory.vocabulary.templates.patterns import Row, Table, pattern, table_of, words_of
from memory.vocabulary.templates.words import language_words

# What a question wants of the values of an attribute.
QuestionKind = Literal["value", "count", "date", "first", "last"]
_FIELDS: dict[str, QuestionKind] = {
    "asks": "value",
    "asks_count": "count",
    "asks_date": "date",
    "asks_first": "first",
    "asks_last": "last",
}
_LONGEST_QUESTION = 200  # characters
_MOST_WHO_WORDS = 5


@dataclass(frozen=True)
class Question:
    """A question in the form of a template.

    `attribute` is its name, and `who` the person in the question's own words, "" for the asker.
    `value` is a value that it names, `date` (ISO) a day, month, year or span.
    """

    template: str
    kind: QuestionKind
    attribute: str
    who: str = ""
    value: str = ""
    date: str = ""


@dataclass(frozen=True)
class _Form:
    kind: QuestionKind
    attribute: Attribute | None  # None if the question names it


class QuestionTemplates:
    """The templates of a vocabulary's questions, ready to be matched."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._table = Table(
            (variant, _Form(kind, attribute))
            for attribute in (*vocabulary.attributes, None)
            for field, kind in _FIELDS.items()
            for template in _templates(attribute, field)
            for variant in _variants(template)
        )

    def read(self, text: str, today: str) -> list[Question]:
        """The possible meanings of a question in templates, the vocabulary's attributes first.

        `today` (ISO) is what "last year" counts from.
        """
        clean = _clean(text)
        if len(clean) > _LONGEST_QUESTION:
            return []
        bare = without_fillers(clean)
        found = [
            question
            for row in self._table.candidates(words_of(bare))
            if (question := self._match(row, bare, today))
        ]
        return sorted(dict.fromkeys(found), key=lambda question: "{attribute}" in question.template)

    def _match(self, row: Row[_Form], text: str, today: str) -> Question | None:
        match = pattern(row.template).match(text)
        if match is None:
            return None
        parts: dict[str, str] = {}
        for placeholder, part in match.texts:
            if placeholder.form and not fits(part, placeholder.form):
                return None
            parts[placeholder.name] = part
        if len(parts.get("who", "").split()) > _MOST_WHO_WORDS:
            return None
        date = date_of(parts["date"], today) if "date" in parts else ""
        if date is None or ("date" in parts and not date):
            return None
        attribute = row.value.attribute
        name = attribute.name if attribute else parts["attribute"]
        known = attribute or self.vocabulary.canonical(name)
        if attribute is None and known and known.kind == "event":
            return None
        return Question(
            row.template,
            row.value.kind,
            known.name if known else name,
            parts.get("who", ""),
            parts.get("value", ""),
            date,
        )


def asked_about(text: str) -> str | None:
    """The person that a question wants to know everything about: a name, a relation or "" (asker).

    None for any other question; the memory may not have the name.
    """
    bare = without_fillers(_clean(text))
    if len(bare) > _LONGEST_QUESTION:
        return None
    for row in _overviews().candidates(words_of(bare)):
        if match := pattern(row.template).match(bare):
            return match.text("who") or ""
    return None


@cache
def _overviews() -> Table[None]:
    """The templates of these questions, those about the asker first."""
    known = language_words()
    return table_of((*known.own_overviews, *known.overviews))


def _clean(text: str) -> str:
    """A question on one line, without its marks."""
    return " ".join(text.replace("\u2019", "'").split()).rstrip(" ?!.").lstrip("\u00bf ")


def _templates(attribute: Attribute | None, field: str) -> tuple[str, ...]:
    if attribute is None:
        return language_words().questions if field == "asks" else ()
    templates: tuple[str, ...] = getattr(attribute, field)
    return templates


def _variants(template: str) -> Iterator[str]:
    """A template of a question, and what it becomes where its asker is meant."""
    yield template
    if "{who}" not in template:
        return
    for third_person, first_person in language_words().agreement:
        if third_person in template:
            mine = template.replace(third_person, first_person)
            if "{who}" not in mine:
                yield mine
            template = mine


def whom(who: str, asker: str) -> Somebody | None:
    """The person that a question is about, by name or by a relation; None if there is none."""
    if not who:
        return Somebody(asker) if asker else None
    if named := somebody(who, asker):
        return named
    spoken = as_spoken(who, asker)
    if spoken is None:
        return None
    return Somebody(spoken) if isinstance(spoken, str) else Somebody(str(spoken), spoken.name)


@made_once
def question_templates_of(vocabulary: Vocabulary) -> QuestionTemplates:
    """The templates of a vocabulary's questions, made once for each."""
    return QuestionTemplates(vocabulary)
