"""The syntax of templates: literal words, {value}, {who}, [optional words], (one|other)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from memory.errors import InputError
from memory.vocabulary.forms import check_form

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
_PLACEHOLDER = re.compile(r"\{([^\s:{}()\[\]|]+)(?::([^{}()\[\]|]*))?\}")
_CLOSING = {"[": "]", "(": ")"}
# In the place of the marks of groups that are read, and of the beginning of a placeholder.
_OPEN, _CLOSE, _NAMED = "\x02", "\x03", "\x04"
# An innermost group: optional words, alone or as a part of a word, or one of several.
_GROUP = re.compile(
    rf"(?<![^\s(\[|{_OPEN}])\[(?P<word>[^\[\]()]*)\] | \[(?P<last>[^\[\]()]*)\](?=[|)\]])"
    r"|\[(?P<part>[^\[\]()]*)\]|\((?P<choice>[^\[\]()]*)\)"
)
_INNERMOST = re.compile(r"\[[^\[\]()]*\]|\([^\[\]()]*\)")
_OPTIONAL = re.compile(r"\[[^\[\]()]*\]")
_FIRST_OPTION = re.compile(r"\(([^\[\]()|]*)[^\[\]()]*\)")
# A group or a placeholder, with what is glued to it.
_NO_LITERAL = re.compile(r"[^\s()\[\]|]*(?:\[[^\[\]()]*\]|\([^\[\]()]*\)|\{[^{}]*\})[^\s()\[\]|]*")
_CHOICE_OF_WORDS = re.compile(r"(?<!\S)\(([^\[\](){}]*)\)(?!\S)")


@dataclass(frozen=True)
class Placeholder:
    """`{value}`, or with the form of its content `{value:number}`."""

    name: str
    form: str = ""


@lru_cache(maxsize=4_000)
def placeholders_of(template: str) -> tuple[Placeholder, ...]:
    """The placeholders of a template in their order. Raises InputError for an invalid template."""
    rest = _PLACEHOLDER.sub("", template)
    open_marks: list[str] = []
    for mark in re.findall(r"[()\[\]{}|]", rest):
        if mark == "{":
            raise _fault(template, "'{' opens no placeholder such as {value} or {value:number}")
        if mark in _CLOSING:
            open_marks.append(mark)
        elif not open_marks or mark == "}":
            raise _fault(template, f"{mark!r} has nothing to close")
        elif mark != "|" and _CLOSING[opening := open_marks.pop()] != mark:
            raise _fault(template, f"{opening!r} is closed by {mark!r}")
    if open_marks:
        raise _fault(template, f"{open_marks[-1]!r} is not closed")
    if re.search(r"[(\[|]\s*[)\]|]", template):
        reason = "a group has an empty part; write [words] for words that may be absent"
        raise _fault(template, reason)
    return tuple(Placeholder(name, form) for name, form in _PLACEHOLDER.findall(template))


def expression_of(template: str) -> str:
    """The regular expression of a template, over words that are each followed by a space.

    The content of placeholder n is the group `pn`.
    """
    numbers = iter(range(len(placeholders_of(template))))
    text = re.sub(r"[^\w\s()\[\]|{}:]", r"\\\g<0>", f"{' '.join(template.split())} ")
    text = _PLACEHOLDER.sub(lambda _: f"{_NAMED}<p{next(numbers)}>.+?{_CLOSE}", text)
    found = 1
    while found:
        text, found = _GROUP.subn(_group, text)
    return text.replace(_NAMED, "(?P").replace(_OPEN, "(?:").replace(_CLOSE, ")")


def _group(group: re.Match[str]) -> str:
    """A group in marks of its own, so that the one around it is an innermost one now."""
    if group["word"] is not None:
        return f"{_OPEN}{_OPEN}{group['word']}{_CLOSE} {_CLOSE}?"
    if group["last"] is not None:
        return f"{_OPEN} {_OPEN}{group['last']}{_CLOSE}{_CLOSE}?"
    if group["part"] is not None:
        return f"{_OPEN}{group['part']}{_CLOSE}?"
    return f"{_OPEN}{group['choice']}{_CLOSE}"


def needed_words(template: str) -> tuple[frozenset[str], ...]:
    """Sets of words in small letters: a text in a template's form has a word of each set."""
    plain, rest = template, ""
    while rest != plain:
        plain, rest = _NO_LITERAL.sub(" ", plain), plain
    needed = [frozenset({word}) for word in plain.casefold().split()]
    for choice in _CHOICE_OF_WORDS.finditer(template) if not needed else ():
        if _is_outermost(template[: choice.start()]):
            words = (option.split()[0].casefold() for option in choice[1].split("|"))
            needed.append(frozenset(words))
    return tuple(needed)


def _is_outermost(before: str) -> bool:
    """Whether what follows a part of a template is in no group."""
    return before.count("[") == before.count("]") and before.count("(") == before.count(")")


def spellings(template: str) -> Iterator[str]:
    """Each text in the form of a template without placeholders."""
    group = _INNERMOST.search(template)
    if group is None:
        yield " ".join(template.split())
        return
    options = [*group[0][1:-1].split("|"), *([""] if group[0][0] == "[" else [])]
    for option in options:
        yield from spellings(f"{template[: group.start()]}{option}{template[group.end() :]}")


def bare_words(template: str) -> str:
    """A template without its placeholders and optional words, each choice by its first option."""
    text, rest = _PLACEHOLDER.sub("", template), ""
    while rest != text:
        text, rest = _FIRST_OPTION.sub(r"\1", _OPTIONAL.sub("", text)), text
    return " ".join(text.split())


def check_template(template: str, field: str) -> str:
    """A template of a field of an attribute, with single spaces. Raises InputError."""
    clean = " ".join(template.split())
    if not clean:
        raise InputError("a template is empty")
    if len(clean) > LONGEST_TEMPLATE:
        raise InputError(
            f"the template {clean[:40]!r}... has {len(clean)} characters;"
            f" at most {LONGEST_TEMPLATE} are allowed"
        )
    placeholders = placeholders_of(clean)
    names = [placeholder.name for placeholder in placeholders]
    allowed = PLACEHOLDERS[field]
    if unknown := [name for name in names if name not in allowed]:
        listed = ", ".join(f"{{{name}}}" for name in allowed)
        raise _fault(clean, f"{field} has no {{{unknown[0]}}}; it may have {listed}")
    if repeated := [name for name in names if names.count(name) > 1]:
        raise _fault(clean, f"{{{repeated[0]}}} occurs twice")
    for placeholder in placeholders:
        if placeholder.form:
            check_form(placeholder.form)
    if field == "says" and not any(name in VALUES for name in names):
        raise _fault(clean, "it needs {value} where the value stands")
    if not bare_words(clean):
        raise _fault(clean, "it needs a word that is always there")
    return clean


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


def _fault(template: str, reason: str) -> InputError:
    return InputError(f"the template {template!r}: {reason}")
