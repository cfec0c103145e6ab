"""Templates as regular expressions, and which of many a text may match at all."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Generic, TypeVar

from memory.text.tokens import TextCache
from memory.vocabulary.template_syntax import (
    Placeholder,
    expression_of,
    needed_words,
    placeholders_of,
)
from memory.vocabulary.templates.words import language_words

_TOKEN = re.compile(r"[\w'+-]+")
_ANY = ""  # in the place of a word, where a template needs none
T = TypeVar("T")


@dataclass(frozen=True)
class Match:
    """The words at the placeholders of a template, in their order.

    `literal_words` are how many words of the text are the template's own.
    """

    texts: tuple[tuple[Placeholder, str], ...]
    literal_words: int

    def text(self, *names: str) -> str | None:
        """The words at the placeholder with one of these names; None without one."""
        return next((text for known, text in self.texts if known.name in names), None)


@dataclass(frozen=True)
class Pattern:
    """A template as a regular expression over words that are each followed by a space."""

    expression: re.Pattern[str]
    placeholders: tuple[Placeholder, ...]

    def match(self, text: str) -> Match | None:
        """A whole text matched, with single spaces."""
        match = self.expression.fullmatch(f"{text} ")
        if match is None:
            return None
        texts = tuple(
            (placeholder, value)
            for number, placeholder in enumerate(self.placeholders)
            if (value := match[f"p{number}"]) is not None
        )
        return Match(texts, text.count(" ") + 1 - sum(1 + part.count(" ") for _, part in texts))

    def search(self, text: str) -> str:
        """The first part of a text that matches in whole words, "" for none."""
        match = self.expression.search(text.replace("\u2019", "'") + " ")
        return " ".join(match[0].split()) if match else ""


@lru_cache(maxsize=4_000)
def pattern(template: str, anywhere: bool = False) -> Pattern:
    """The pattern of a template; with `anywhere` to be searched for."""
    long = in_full(template)
    text = _contractions()[0].sub(
        lambda words: _contractions()[1][words[0].casefold()], expression_of(long)
    )
    if anywhere:
        text = r"(?<!\w)" + text.replace(" ", r"\W+")
    return Pattern(re.compile(text, re.IGNORECASE), placeholders_of(long))


def in_full(text: str) -> str:
    """A text with its contractions in full: "I'm" becomes "I am"; "im" may be German."""
    shorts = language_words().contractions
    return _TOKEN.sub(
        lambda word: shorts.get(word[0].casefold(), word[0]) if "'" in word[0] else word[0], text
    )


@cache
def _contractions() -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern of the words that may be contracted, and the expression for each and all forms."""
    forms = defaultdict[str, list[str]](list)
    for short, long in language_words().contractions.items():
        forms[long].append(short)
    expressions = {
        long: f"(?:{'|'.join(map(re.escape, (long, *shorts)))})".replace("\\ ", " ")
        for long, shorts in forms.items()
    }
    listed = "|".join(map(re.escape, sorted(forms, key=len, reverse=True)))
    return re.compile(rf"(?<![\w'])(?:{listed})(?![\w'])", re.IGNORECASE), expressions


def words_of(text: str) -> frozenset[str]:
    """The words of a text in small letters, contracted ones in full, too."""
    return _known_words[text]


def _words_of(text: str) -> frozenset[str]:
    tokens = set(_TOKEN.findall(text.casefold().replace("\u2019", "'")))
    shorts = language_words().contractions
    for word in tokens & shorts.keys():
        tokens.update(shorts[word].split())
    return frozenset(tokens)


# Each table of templates asks for the words of the same turn, and of the same clauses.
_known_words = TextCache(_words_of, most=500, longest=1_000)


@dataclass(frozen=True)
class Row(Generic[T]):
    """A template with its meaning, and sets of words: every match has one of each."""

    template: str
    value: T
    needed: tuple[frozenset[str], ...]

    def may_match(self, words: frozenset[str]) -> bool:
        """Whether a text with these words may match."""
        return not any(map(words.isdisjoint, self.needed))


class Table(Generic[T]):
    """Templates, each with its meaning, found by the rarest word that a match must have."""

    def __init__(self, templates: Iterable[tuple[str, T]]) -> None:
        self.rows = [
            Row(template, value, tuple(filter(None, map(_tokens, needed_words(in_full(template))))))
            for template, value in templates
        ]
        needed = Counter(word for row in self.rows for words in row.needed for word in words)
        self._by_word = defaultdict[str, list[int]](list)
        for number, row in enumerate(self.rows):
            rarest = min(
                row.needed, key=lambda words: sum(needed[word] for word in words), default=("",)
            )
            for word in rarest:
                self._by_word[word].append(number)

    def candidates(self, words: frozenset[str]) -> list[Row[T]]:
        """The templates that a text with these words may match, in their order."""
        numbers = {n for word in words & self._by_word.keys() | {_ANY} for n in self._by_word[word]}
        rows = map(self.rows.__getitem__, sorted(numbers))
        return [row for row in rows if not any(map(words.isdisjoint, row.needed))]


def _tokens(words: Iterable[str]) -> frozenset[str]:
    return frozenset(_TOKEN.findall(" ".join(words)))


def table_of(templates: Iterable[str]) -> Table[None]:
    """Templates that mean nothing by themselves."""
    return Table((template, None) for template in templates)


def is_one_of(table: Table[None], text: str) -> bool:
    """Whether a whole text has the form of one of some templates."""
    text = " ".join(text.casefold().split())
    rows = table.candidates(words_of(text))
    return any(pattern(row.template).match(text) for row in rows)


def first_search(table: Table[None], text: str) -> str:
    """The first words of a text in the form of one of these templates, "" for none."""
    for row in table.candidates(words_of(text)):
        if match := pattern(row.template, anywhere=True).search(text):
            return match
    return ""
