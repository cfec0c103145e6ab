"""The words by which templates are matched, of all languages together: `languages.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Words:
    """What `languages.toml` says; its head explains each."""

    contractions: Mapping[str, str]
    numbers: Mapping[str, int]
    greater_numbers: Mapping[str, int]
    agreement: tuple[tuple[str, str], ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    joins: tuple[str, ...]
    stops: frozenset[str]
    opens: frozenset[str]
    no_names: frozenset[str]
    unasserted: tuple[str, ...]
    requests: tuple[str, ...]
    plays: tuple[str, ...]
    questions: tuple[str, ...]
    heads: tuple[str, ...]
    salutations: tuple[str, ...]
    formal_salutations: tuple[str, ...]
    signatures: tuple[str, ...]


@cache
def language_words() -> Words:
    """The words of all languages."""
    file = tomllib.loads(Path(__file__).with_name("languages.toml").read_text("utf-8"))
    languages = list(file.values())

    def lines(heading: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(line for language in languages for line in language[heading]))

    def single(heading: str) -> frozenset[str]:
        return frozenset(word.casefold() for la in languages for word in la[heading].split())

    return Words(
        contractions=_merged(languages, "contractions"),
        numbers={
            word: number
            for language in reversed(languages)
            for number, word in enumerate(language["numbers"].split())
        },
        greater_numbers=_merged(languages, "greater_numbers"),
        agreement=tuple((them, me) for la in languages for them, me in la["agreement"]),
        before=lines("before"),
        after=lines("after"),
        joins=lines("joins"),
        stops=single("stops"),
        opens=single("opens"),
        no_names=single("no_names"),
        unasserted=lines("unasserted"),
        requests=lines("requests"),
        plays=lines("plays"),
        questions=lines("questions"),
        heads=lines("heads"),
        salutations=lines("salutations"),
        formal_salutations=lines("formal_salutations"),
        signatures=lines("signatures"),
    )


def _merged(languages: list[dict[str, Any]], heading: str) -> dict[str, Any]:
    return {short: long for language in languages for short, long in language[heading].items()}
