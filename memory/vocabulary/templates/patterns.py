"""Templates as regular expressions, and which of many a text may match at all."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Generic, TypeVar

from memory.text.tokens import TextCache
from memory.vocabulary.template_syntax import Group, Part, Placeholder, Words, literals, parse
from memory.vocabulary.templates.words import language_words

_TOKEN = re.compile(r"[\w'+-]+")
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
    text, placeholders = _expression(template)
    if anywhere:
        text = r"(?<!\w)" + text.replace(" ", r"\W+")
    return Pattern(re.compile(text, re.IGNORECASE), placeholders)


def any_of(templates: Iterable[str]) -> str:
    """The regular expression of templates without placeholders, the longest first."""
    longest_first = sorted(templates, key=len, reverse=True)
    return "|".join(_expression(template)[0] for template in longest_first)


def most_words(templates: Iterable[str]) -> int:
    """No match of these templates without placeholders has more words."""
    return max(_expression(template)[0].count(" ") for template in templates)


def _expression(template: str) -> tuple[str, tuple[Placeholder, ...]]:
    """The regular expression of a template, and the content of its placeholders."""
    placeholders: list[Placeholder] = []
    text = _sequence(parse(_expanded(template)), placeholders)
    text = _contractions()[0].sub(lambda long: _contractions()[1][long[0].casefold()], text)
    return text, tuple(placeholders)


def _sequence(words: Words, placeholders: list[Placeholder]) -> str:
    """The regular expression of words; a space follows each."""
    texts = []
    for word in words:
        if len(word) == 1 and isinstance(word[0], Group):
            texts.append(_group(word[0], placeholders, ""))
        else:
            texts.append("".join(_part(part, placeholders) for part in word) + " ")
    return "".join(texts)


def _part(part: Part, placeholders: list[Placeholder]) -> str:
    if isinstance(part, str):
        return re.escape(part.casefold()).replace("ss", "(?:ss|ß)")
    if isinstance(part, Group):
        return _group(part, placeholders, " ")
    placeholders.append(part)
    return f"(?P<p{len(placeholders) - 1}>.+?)"


def _group(group: Group, placeholders: list[Placeholder], without: str) -> str:
    options = [_sequence(option, placeholders).removesuffix(without) for option in group.options]
    return f"(?:{'|'.join(options)}){'?' if group.is_optional else ''}"


def _expanded(template: str) -> str:
    """A template with contractions in full: "I'm" becomes "I am"; "im" may be German."""
    shorts = language_words().contractions
    return _TOKEN.sub(
        lambda word: shorts.get(word[0].casefold(), word[0]) if "'" in word[0] else word[0],
        template,
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
    return re.compile(rf"(?<![\w'])(?:{listed})(?![\w'])"), expressions


def words_of(text: str) -> frozenset[str]:
    """The words of a text in small letters, contracted ones in full, too."""
    return _known_words[text]


def _words_of(text: str) -> frozenset[str]:
    tokens = set(_TOKEN.findall(text.casefold().replace("\u2019", "'")))
    shorts = language_words().contractions
    for word in tokens & shorts.keys():
        tokens.update(shorts[word].split())
    return frozenset(tokens)


# Each index of templates asks for the words of the same turn, and of the same clauses.
_known_words = TextCache(_words_of, most=500, longest=1_000)


@dataclass(frozen=True)
class Entry(Generic[T]):
    """A template with its meaning, the words that every match has, and those it may begin with.

    Without `first` words a match may begin with any word.
    """

    template: str
    value: T
    needed: frozenset[str]
    first: frozenset[str] = frozenset()

    def may_match(self, text: str) -> bool:
        """Whether a text with single spaces begins as a match of the whole may begin.

        It spares most of the expressions: a template whose words a clause has is seldom its form.
        """
        word = text.partition(" ")[0]
        # Small letters outside ASCII have other forms.
        return not self.first or not word.isascii() or word.lower() in self.first


class Index(Generic[T]):
    """Templates by the rarest of the words that a match must have."""

    def __init__(self, templates: Iterable[tuple[str, T]]) -> None:
        entries = [
            Entry(template, value, frozenset(_TOKEN.findall(" ".join(needed))), first)
            for template, value in templates
            for first in [_first_words(template)]
            for needed in literals(_expanded(template))
        ]
        counts = Counter(word for entry in entries for word in entry.needed)
        self._by_word = defaultdict[str, list[Entry[T]]](list)
        for entry in entries:
            rarest = min(entry.needed, key=lambda word: (counts[word], -len(word), word))
            self._by_word[rarest].append(entry)

    def candidates(self, words: frozenset[str]) -> list[Entry[T]]:
        """The templates that a text with these words may match."""
        return [
            entry
            for word in words & self._by_word.keys()
            for entry in self._by_word[word]
            if entry.needed <= words
        ]

    def first_words(self) -> Iterator[str]:
        """Words with which a match of a template may begin."""
        for entries in self._by_word.values():
            for entry in entries:
                yield from _edge_words(parse(_expanded(entry.template)))


def _first_words(template: str) -> frozenset[str]:
    """All words that may begin a match; none if any word may."""
    words = frozenset(_sure_first_words(parse(_expanded(template))))
    if "" in words:
        return frozenset()
    contractions = language_words().contractions.items()
    shorts = {short.split()[0] for short, long in contractions if long.split()[0] in words}
    return words | shorts


def _sure_first_words(words: Words) -> Iterator[str]:
    """The first words of a template; "" if any word may be the first."""
    for word in words:
        part = word[0] if len(word) == 1 else ""
        if not isinstance(part, Group):
            yield part.casefold() if isinstance(part, str) else ""
            return
        for option in part.options:
            yield from _sure_first_words(option)
        if not part.is_optional:
            return
    yield ""


def edge_words(template: str, at_end: bool = False) -> frozenset[str]:
    """The words with which a match of a template without placeholders may begin, or end.

    There may be more: contractions whose long forms begin, or end, with one of them.
    """
    words = frozenset(_edge_words(parse(_expanded(template)), at_end))
    place = -1 if at_end else 0
    contractions = language_words().contractions.items()
    return words | {short for short, long in contractions if long.split()[place] in words}


def _edge_words(words: Words, at_end: bool = False) -> Iterator[str]:
    for word in reversed(words) if at_end else words:
        part = word[-1 if at_end else 0]
        if isinstance(part, str):
            yield part.casefold()
        if not isinstance(part, Group):
            return
        for option in part.options:
            yield from _edge_words(option, at_end)
        if not part.is_optional:
            return


def first_search(index: Index[None], text: str) -> str:
    """The first words of a text in the form of one of these templates, "" for none."""
    for entry in index.candidates(words_of(text)):
        if match := pattern(entry.template, anywhere=True).search(text):
            return match
    return ""
