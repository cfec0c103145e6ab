"""Sentences with the facts that are right for each, and what the templates make of them."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memory.records import Assertion, Turn
from memory.vocabulary import default_vocabulary
from memory.vocabulary.templates import assertions_in

SPEAKER = "Anna"
DAY = "2024-06-15T12:00"
_OPTIONAL = "? "


@dataclass(frozen=True)
class Outcome:
    """What the templates store of a sentence: false facts, right ones, and those they missed."""

    text: str
    right: tuple[str, ...]
    false: tuple[str, ...]
    missed: tuple[str, ...]


def sentences(path: Path) -> dict[str, dict[str, list[str]]]:
    """The sentences of a TOML file by the kind of talk, each with its facts."""
    return tomllib.loads(path.read_text("utf-8"))


def outcome(text: str, facts: Sequence[str]) -> Outcome:
    """A sentence read with the default vocabulary, compared with its written facts."""
    wanted = {fact for fact in facts if not fact.startswith(_OPTIONAL)}
    allowed = {fact.removeprefix(_OPTIONAL) for fact in facts}
    stored = [fact_line(assertion) for assertion in asserted(text)]
    return Outcome(
        text,
        right=tuple(fact for fact in stored if fact in allowed),
        false=tuple(fact for fact in stored if fact not in allowed),
        missed=tuple(sorted(wanted.difference(stored))),
    )


def asserted(text: str) -> list[Assertion]:
    """What a sentence asserts when Anna says it."""
    return assertions_in(Turn(SPEAKER, text, said_at=DAY), default_vocabulary())


def fact_line(assertion: Assertion) -> str:
    """A fact as the files write it: "Elena: lives_in | Rome | 2024", "ends diet | vegan"."""
    subject = "" if assertion.subject == SPEAKER else f"{assertion.subject}: "
    ends = "ends " if assertion.is_end else ""
    date = f" | {assertion.happened_on}" if assertion.happened_on else ""
    return f"{subject}{ends}{assertion.attribute} | {assertion.value}{date}"
