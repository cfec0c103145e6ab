"""The commonest statements about oneself in German, French and Spanish: "Ich wohne in Bonn"."""

import re
import tomllib
from functools import cache
from pathlib import Path

from memory.statements.sentences import sentences
from memory.statements.statement import End, Statement

_PARTS = {
    "name": r"((?-i:[A-ZÀ-Ý])[\w'-]+(?: (?-i:[A-ZÀ-Ý])[\w'-]+)?)",
    "value": r"([^,.;:!?()]{2,60}?)(?= (?:und|et|y|aber|mais|pero|weil|parce|porque|seit"
    "|depuis|desde"
    r"|als|comme|como)\b|$|[,.;:!?(])",
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
_MOVED = re.compile(r"gezogen|déménagé|installé|muda", re.IGNORECASE)


def in_other_languages(text: str, speaker: str) -> list[Statement]:
    """What a speaker states of themselves, in the patterns of `other_languages.toml`."""
    statements: dict[tuple[str, str], Statement] = {}
    for sentence in sentences(text):
        if sentence.rstrip().endswith("?"):
            continue
        for clause in _CLAUSE.split(sentence):
            part = clause.strip(" .!\"'")
            while opener := _OPENER.match(part):
                part = part[opener.end() :]
            for attribute, pattern in _patterns():
                match = pattern.match(part)
                value = match[1].strip() if match else ""
                if match and value:
                    ends = (End("lives_in"),) if _MOVED.search(match[0]) else ()
                    statement = Statement(speaker, attribute, value, ends=ends)
                    statements.setdefault((attribute, value.lower()), statement)
                    break
    return list(statements.values())


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    file = Path(__file__).with_name("other_languages.toml")
    table = tomllib.loads(file.read_text("utf-8"))
    compiled = []
    for language, parts in table.pop("parts").items():
        every_part = {**_PARTS, **parts}
        for attribute, patterns in table[language].items():
            for pattern in patterns:
                words = re.sub(r"\{([a-z]+)\}", lambda part: every_part[part[1]], pattern)  # noqa: B023
                compiled.append((attribute, re.compile(words, re.IGNORECASE)))
    return tuple(compiled)
