"""The rules of `rules.toml`, compiled: what the words behind a verb say of its subject."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_PART = re.compile(r"\{([a-z]+)\}")  # {2,3} is a count
_LONGEST_WORDS = 300  # characters that a rule looks at


@dataclass(frozen=True)
class Rule:
    """Words that state something of a subject; the fields are those of `rules.toml`."""

    words: re.Pattern[str]
    now: str
    past: str
    denied: str
    future: str
    ends: tuple[str, ...]
    is_list: bool
    value: str
    cannot: bool
    still: bool
    is_ahead: bool
    together: bool
    tenses: tuple[str, ...]
    noun: re.Pattern[str] | None = None

    def match(self, text: str) -> re.Match[str] | None:
        """The match at the beginning of a text, None where the rule does not fit."""
        return self.words.match(text, 0, _LONGEST_WORDS)


def rules_of(verb: str) -> tuple[Rule, ...]:
    """The rules of a verb, in the order in which they are tried."""
    return _rules().get(verb, ())


def rule_verbs() -> frozenset[str]:
    """The verbs that have rules."""
    return frozenset(_rules())


@cache
def possession_rules() -> tuple[Rule, ...]:
    """The rules for what belongs to a subject: "my birthday is on 3 May"."""
    table = _table()
    return tuple(_rule(entry, table["parts"]) for entry in table["possession"])


def part_of_rules(name: str) -> str:
    """A part of the patterns of `rules.toml`, without a group: "job", "pet"."""
    parts: dict[str, str] = _table()["parts"]
    return parts[name]


@cache
def _rules() -> dict[str, tuple[Rule, ...]]:
    table = _table()
    by_verb: dict[str, list[Rule]] = {}
    for entry in table["rule"]:
        rule = _rule(entry, table["parts"])
        for verb in entry["verbs"]:
            by_verb.setdefault(verb, []).append(rule)
    return {verb: tuple(rules) for verb, rules in by_verb.items()}


def _rule(entry: Mapping[str, Any], parts: Mapping[str, str]) -> Rule:
    return Rule(
        words=re.compile(_with_parts(entry["words"], parts), re.IGNORECASE),
        now=entry.get("now", ""),
        past=entry.get("past", ""),
        denied=entry.get("not", ""),
        future=entry.get("next", "plans"),
        ends=tuple(entry.get("ends", ())),
        is_list=entry.get("list", False),
        value=entry.get("value", ""),
        cannot=entry.get("cannot", False),
        still=entry.get("still", False),
        is_ahead=entry.get("ahead", False),
        together=entry.get("together", False),
        tenses=tuple(entry.get("tenses", ())),
        noun=re.compile(entry["noun"], re.IGNORECASE) if "noun" in entry else None,
    )


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("rules.toml").read_text("utf-8"))


def _with_parts(words: str, parts: Mapping[str, str]) -> str:
    while _PART.search(words):
        words = _PART.sub(lambda part: parts[part[1]], words)
    return words
