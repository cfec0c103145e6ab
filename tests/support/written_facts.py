"""Sentences with the facts that are right for each, and what the templates make of them."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from memory.records import Assertion, Turn
from memory.vocabulary import default_vocabulary
from memory.vocabulary.templates import assertions_in

SENTENCES = Path(__file__).parents[1] / "memory" / "vocabulary" / "templates" / "sentences"
SPEAKER = "Anna"
DAY = "2024-06-15T12:00"
_OPTIONAL = "? "


@dataclass(frozen=True)
class Outcome:
    """What the templates store of a sentence: right and false facts, and those they missed."""

    text: str
    right: tuple[str, ...]
    false: tuple[str, ...]
    missed: tuple[str, ...]


def outcomes(path: Path) -> dict[str, list[Outcome]]:
    """Each sentence of a TOML file with what the templates make of it, by the kind of talk."""
    return {
        kind: [outcome(text, facts) for text, facts in of_kind.items()]
        for kind, of_kind in tomllib.loads(path.read_text("utf-8")).items()
    }


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
