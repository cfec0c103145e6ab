"""The commonest statements about oneself in German, French and Spanish: "Ich wohne in Bonn"."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from memory.statements.sentences import sentences
from memory.statements.statement import End, Statement

_PROPER = r"(?-i:[A-ZÀ-Ý])[\w'-]+(?: (?-i:[A-ZÀ-Ý])[\w'-]+)?"
_VALUE_ENDS = (
    r"(?= (?:und|et|y|aber|mais|pero|weil|parce|porque|seit|depuis|desde|als|comme|como)\b"
    r"|$|[,.;:!?(])"
)
_VALUE = r"[^,.;:!?()]{2,60}?"
_PARTS = {
    "name": f"({_PROPER})",
    "proper": _PROPER,
    "value": f"({_VALUE}){_VALUE_ENDS}",
    "role": f"({_VALUE})",
    "end": _VALUE_ENDS,
    "place": f"(?P<works_at>{_VALUE}){_VALUE_ENDS}",
}
_CLAUSE = re.compile(
    r"\s*(?:[,;:()]|\s-\s|\b(?:und|et|y|aber|mais|pero|denn|car"
    r"|weil)\b)\s*",
    re.I,
)
_OPENER = re.compile(
    r"(?:ja|nein|also|hallo|übrigens|bonjour|salut|oui|non|alors|hola|sí|bueno|pues|hey|hi"
    r"|ach|moi"
    r"|und|et|y)\b[\s,!]*",
    re.IGNORECASE,
)
_PART = re.compile(r"\{([a-z]+)\}")  # {2,60} is a count
_MOVED = re.compile(r"gezogen|déménagé|installé|muda", re.IGNORECASE)


def in_other_languages(text: str, speaker: str) -> list[Statement]:
    """What a speaker states of themselves, in the patterns of `other_languages.toml`."""
    statements: dict[tuple[str, str], Statement] = {}
    for sentence in sentences(text):
        if sentence.rstrip().endswith("?"):
            continue
        subject = ""
        for clause in _CLAUSE.split(sentence):
            part = clause.strip(" .!\"'")
            while opener := _OPENER.match(part):
                part = part[opener.end() :]
            # "Ich wohne in Bonn und arbeite bei Rheinau": the second verb has the subject of the
            # first.
            own = _read(part)
            found = own or (_read(f"{subject}{part}") if subject else None)
            if found is None:
                continue
            language, attribute, match = found
            subject = _table().subjects[language] if own else subject
            ends = (End("lives_in"),) if _MOVED.search(match[0]) else ()
            values = {attribute: match[1], **match.groupdict()}
            for name, value in values.items():
                if value and value.strip():
                    statement = Statement(speaker, name, value.strip(), ends=ends)
                    statements.setdefault((name, statement.value.lower()), statement)
    return list(statements.values())


@dataclass(frozen=True)
class _Patterns:
    """The patterns of all languages, each with its language and attribute.

    `subjects` is the pronoun of the first person that a language writes before its verbs.
    """

    patterns: tuple[tuple[str, str, re.Pattern[str]], ...]
    subjects: Mapping[str, str]


def _read(part: str) -> tuple[str, str, re.Match[str]] | None:
    """The language and attribute of the first pattern that a part of a sentence begins with."""
    for language, attribute, pattern in _table().patterns:
        match = pattern.match(part)
        if match and match[1].strip():
            return language, attribute, match
    return None


@cache
def _table() -> _Patterns:
    file = Path(__file__).with_name("other_languages.toml")
    table = tomllib.loads(file.read_text("utf-8"))
    parts_of_languages = table.pop("parts")
    subjects = {language: parts.pop("subject") for language, parts in parts_of_languages.items()}
    compiled = []
    for language, parts in parts_of_languages.items():
        every_part = {**_PARTS, **parts}
        for attribute, patterns in table[language].items():
            for words in patterns:
                while _PART.search(words):
                    words = _PART.sub(lambda part: every_part[part[1]], words)  # noqa: B023
                compiled.append((language, attribute, re.compile(words, re.IGNORECASE)))
    return _Patterns(tuple(compiled), subjects)
