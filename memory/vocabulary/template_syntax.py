"""The syntax of templates: literal words, {value}, {who}, [optional words], (one|other)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memory.errors import InputError
from memory.vocabulary.forms import check_form, compound_forms

LONGEST_TEMPLATE = 300  # characters
MOST_TEMPLATES = 200  # of one field of an attribute
VALUES = ("value", "values")
# What a template of each field may name.
PLACEHOLDERS = {
    "says": ("value", "values", "who", "date"),
    "ends": ("value", "values", "who", "date", "text"),
    "asks": ("value", "who", "date"),
    "asks_count": ("who", "date"),
    "asks_date": ("value", "who"),
    "asks_first": ("who", "date"),
    "asks_last": ("who", "date"),
}
# An innermost group or a placeholder, with what is glued to it.
_NO_LITERAL = re.compile(r"[^\s()\[\]|]*(?:\[[^\[\]()]*\]|\([^\[\]()]*\)|\{[^{}]*\})[^\s()\[\]|]*")
_CLOSING = {"[": "]", "(": ")"}
_MARKS = frozenset("[](){}|")


@dataclass(frozen=True)
class Placeholder:
    """`{value}`, or with the form of its content `{value:number}`."""

    name: str
    form: str = ""


@dataclass(frozen=True)
class Group:
    """`(one|other)`, or what may be missing: `[one|other]`."""

    options: tuple["Words", ...]
    is_optional: bool


Part = str | Placeholder | Group
Word = tuple[Part, ...]  # parts without a space between them: "l'{value}", "visit[ed]"
Words = tuple[Word, ...]


def parse(template: str) -> Words:
    """The words of a template. Raises InputError, in one line, for an invalid one."""
    words, rest = _words(template, 0, template)
    if rest < len(template):
        raise _fault(template, f"{template[rest]!r} has nothing to close")
    if not words:
        raise InputError("a template is empty")
    return words


def check_template(template: str, field: str) -> str:
    """A template of a field of an attribute, with single spaces. Raises InputError."""
    clean = " ".join(template.split())
    if len(clean) > LONGEST_TEMPLATE:
        raise InputError(
            f"the template {clean[:40]!r}... has {len(clean)} characters;"
            f" at most {LONGEST_TEMPLATE} are allowed"
        )
    words = parse(clean)
    names = [part.name for part in parts_of(words) if isinstance(part, Placeholder)]
    allowed = PLACEHOLDERS[field]
    if unknown := [name for name in names if name not in allowed]:
        listed = ", ".join(f"{{{name}}}" for name in allowed)
        raise _fault(clean, f"{field} has no {{{unknown[0]}}}; it may have {listed}")
    if repeated := [name for name in names if names.count(name) > 1]:
        raise _fault(clean, f"{{{repeated[0]}}} occurs twice")
    for part in parts_of(words):
        if isinstance(part, Placeholder) and part.form:
            check_form(part.form)
    if field == "says" and not any(name in VALUES for name in names):
        raise _fault(clean, "it needs {value} where the value stands")
    if not literals(clean):
        raise _fault(clean, "it needs a word that is always there")
    return clean


def bare_words(template: str) -> str:
    """A template without its placeholders and optional words, each choice by its first option."""

    def texts(words: Words) -> Iterator[str]:
        for word in words:
            for part in word:
                if isinstance(part, str):
                    yield part
                elif isinstance(part, Group) and not part.is_optional:
                    yield from texts(part.options[0])

    return " ".join(texts(parse(template)))


def parts_of(words: Words) -> Iterator[Part]:
    """All parts of a template, including the parts of groups."""
    for word in words:
        for part in word:
            yield part
            if isinstance(part, Group):
                for option in part.options:
                    yield from parts_of(option)


def literals(template: str) -> list[frozenset[str]]:
    """Words that a text in a template's form has, in small letters: all of one of these sets.

    Empty if a text may match without any of its words.
    """
    plain, rest = template, ""
    while rest != plain:
        plain, rest = _NO_LITERAL.sub(" ", plain), plain
    if words := plain.casefold().split():
        return [frozenset(words)]
    sets = _sure_words(parse(template))
    return sets if all(sets) else []


def _sure_words(words: Words) -> list[frozenset[str]]:
    """The words of the first part of a template that is not optional, a set for each way."""
    for word in words:
        options = _options(word[0]) if len(word) == 1 else _spellings(word)
        if all(options):
            return options
    return [frozenset()]


def _options(part: Part) -> list[frozenset[str]]:
    """What a text has for a part that stands alone, a set for each way to say it."""
    if isinstance(part, str):
        return [frozenset({part.casefold()})]
    if isinstance(part, Placeholder):
        templates = compound_forms().get(part.form or part.name, ())
        return [
            known for template in templates for known in literals(template) or [frozenset()]
        ] or [frozenset()]
    if part.is_optional:
        return [frozenset()]
    return [known for option in part.options for known in _sure_words(option)]


def _spellings(word: Word) -> list[frozenset[str]]:
    """The words of "visit[ed]" or "(in future|as of now)[,]", a set for each way to write it.

    An empty one if a placeholder is a part of them.
    """
    spellings = [""]
    for part in word:
        if isinstance(part, Placeholder):
            return [frozenset()]
        if isinstance(part, str):
            endings = [part]
        else:
            endings = [" ".join(_texts(option)) for option in part.options]
            endings += [""] if part.is_optional else []
        spellings = [spelling + ending for spelling in spellings for ending in endings]
    return [frozenset(spelling.casefold().split()) for spelling in spellings]


def _texts(words: Words) -> Iterator[str]:
    for word in words:
        for part in word:
            if isinstance(part, str):
                yield part


def _words(template: str, at: int, whole: str) -> tuple[Words, int]:
    """The words from a position up to a closing mark or a bar, and where that is."""
    words: list[Word] = []
    while at < len(template) and template[at] not in "])|":
        if template[at] == " ":
            at += 1
            continue
        word, at = _word(template, at, whole)
        words.append(word)
    return tuple(words), at


def _word(template: str, at: int, whole: str) -> tuple[Word, int]:
    parts: list[Part] = []
    while at < len(template) and template[at] not in " ])|":
        mark = template[at]
        if mark in _CLOSING:
            group, at = _group(template, at, whole)
            parts.append(group)
        elif mark == "{":
            end = template.find("}", at)
            inside = template[at + 1 : end] if end > at else ""
            name, _, form = inside.partition(":")
            if not name or set(inside) & _MARKS:
                raise _fault(whole, "'{' opens no placeholder such as {value} or {value:number}")
            parts.append(Placeholder(name, form))
            at = end + 1
        elif mark == "}":
            raise _fault(whole, "'}' has nothing to close")
        else:
            start = at
            while at < len(template) and template[at] not in _MARKS and template[at] != " ":
                at += 1
            parts.append(template[start:at])
    return tuple(parts), at


def _group(template: str, at: int, whole: str) -> tuple[Group, int]:
    opening = template[at]
    options: list[Words] = []
    while True:
        words, at = _words(template, at + 1, whole)
        options.append(words)
        if at >= len(template):
            raise _fault(whole, f"{opening!r} is not closed")
        if template[at] != "|":
            break
    if template[at] != _CLOSING[opening]:
        raise _fault(whole, f"{opening!r} is closed by {template[at]!r}")
    if not all(options):
        raise _fault(whole, "a group has an empty part; write [words] for words that may be absent")
    return Group(tuple(options), opening == "["), at + 1


def _fault(template: str, reason: str) -> InputError:
    return InputError(f"the template {template!r}: {reason}")


def check_templates(templates: Sequence[str], field: str, attribute: str) -> tuple[str, ...]:
    """The templates of a field of an attribute, each once. Raises InputError."""
    try:
        clean = dict.fromkeys(check_template(template, field) for template in templates)
    except InputError as error:
        raise InputError(f"attribute {attribute}: {field}: {error}") from None
    if len(clean) > MOST_TEMPLATES:
        raise InputError(
            f"attribute {attribute} has more than {MOST_TEMPLATES} templates in {field}"
        )
    return tuple(clean)
