"""The words for matching templates, in all languages together: `languages.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from memory.text import amounts


@dataclass(frozen=True)
class Words:
    """What `languages.toml` says; its head explains each.

    A tuple has the lines of its heading, a set the words.
    """

    contractions: Mapping[str, str]
    numbers: Mapping[str, int]
    greater_numbers: Mapping[str, int]
    agreement: tuple[tuple[str, str], ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    comments: tuple[str, ...]
    joins: tuple[str, ...]
    again: tuple[str, ...]
    list_joins: frozenset[str]
    reasons: frozenset[str]
    subjects: frozenset[str]
    speakers: frozenset[str]
    possessives: frozenset[str]
    prepositions: frozenset[str]
    spoken_to: frozenset[str]
    stops: frozenset[str]
    opens: frozenset[str]
    negations: frozenset[str]
    changes: frozenset[str]
    permissions: frozenset[str]
    corrections: frozenset[str]
    passing: frozenset[str]
    present: frozenset[str]
    no_names: frozenset[str]
    unasserted: tuple[str, ...]
    reports: frozenset[str]
    retractions: tuple[str, ...]
    frames: tuple[str, ...]
    suppositions: tuple[str, ...]
    requests: tuple[str, ...]
    plays: tuple[str, ...]
    questions: tuple[str, ...]
    overviews: tuple[str, ...]
    own_overviews: tuple[str, ...]
    heads: tuple[str, ...]

    @cached_property
    def outside_phrases(self) -> frozenset[str]:
        """The words that are part of no phrase: comments of one word among them."""
        return self.stops | frozenset(each for each in self.comments if " " not in each)


@cache
def language_words() -> Words:
    """The words of all languages."""
    file = tomllib.loads(Path(__file__).with_name("languages.toml").read_text("utf-8"))
    languages = list(file.values())
    named = list(amounts.languages().values())
    special: dict[str, Any] = {
        "contractions": _merged(languages, "contractions"),
        "numbers": {
            word: number
            for language in reversed(named)
            for number, word in enumerate(language["numbers"].split())
        },
        "greater_numbers": {**_merged(named, "tens"), **_merged(languages, "spans")},
        "agreement": tuple((them, me) for them, me in file["english"]["agreement"]),
    }
    for field in fields(Words):
        if field.name in special:
            continue
        listed = [language.get(field.name, ()) for language in languages]
        special[field.name] = (
            frozenset(word.casefold() for text in listed if text for word in text.split())
            if field.type == frozenset[str]
            else tuple(dict.fromkeys(line for lines in listed for line in lines))
        )
    return Words(**special)


def _merged(languages: list[dict[str, Any]], heading: str) -> dict[str, Any]:
    return {
        short: long for language in languages for short, long in language.get(heading, {}).items()
    }
