"""The words for matching templates, in all languages together: `languages.toml`."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from memory.text import amounts


@dataclass(frozen=True)
class Words:
    """What `languages.toml` says; its head explains each."""

    contractions: Mapping[str, str]
    numbers: Mapping[str, int]
    greater_numbers: Mapping[str, int]
    agreement: tuple[tuple[str, str], ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    comments: tuple[str, ...]
    joins: tuple[str, ...]
    list_joins: frozenset[str]
    reasons: frozenset[str]
    subjects: frozenset[str]
    speakers: frozenset[str]
    hearers: frozenset[str]
    possessives: frozenset[str]
    verbs: frozenset[str]
    nouns: frozenset[str]
    noun_endings: tuple[str, ...]
    other_endings: tuple[str, ...]
    gerund_endings: tuple[str, ...]
    plural_endings: tuple[str, ...]
    adverb_endings: tuple[str, ...]
    prepositions: frozenset[str]
    spoken_to: frozenset[str]
    stops: frozenset[str]
    opens: frozenset[str]
    negations: frozenset[str]
    contrasts: tuple[str, ...]
    again: tuple[str, ...]
    changes: frozenset[str]
    permissions: frozenset[str]
    corrections: frozenset[str]
    passing: frozenset[str]
    present: frozenset[str]
    no_names: frozenset[str]
    unasserted: tuple[str, ...]
    scenes: frozenset[str]
    reports: frozenset[str]
    retractions: tuple[str, ...]
    confessions: tuple[str, ...]
    ironies: tuple[str, ...]
    frames: tuple[str, ...]
    suppositions: tuple[str, ...]
    requests: tuple[str, ...]
    plays: tuple[str, ...]
    questions: tuple[str, ...]
    overviews: tuple[str, ...]
    own_overviews: tuple[str, ...]
    heads: tuple[str, ...]
    salutations: tuple[str, ...]
    formal_salutations: tuple[str, ...]
    signatures: tuple[str, ...]

    @cached_property
    def comment_words(self) -> frozenset[str]:
        """The comments of one word, which are part of no value."""
        return frozenset(comment for comment in self.comments if " " not in comment)

    @cached_property
    def outside_phrases(self) -> frozenset[str]:
        """The words that are part of no phrase."""
        return self.stops | self.comment_words


@cache
def language_words() -> Words:
    """The words of all languages."""
    file = tomllib.loads(Path(__file__).with_name("languages.toml").read_text("utf-8"))
    languages = list(file.values())
    named = list(amounts.languages().values())

    def lines(heading: str) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(line for language in languages for line in language.get(heading, ()))
        )

    def single(heading: str) -> frozenset[str]:
        return frozenset(
            word.casefold() for la in languages for word in la.get(heading, "").split()
        )

    return Words(
        contractions=_merged(languages, "contractions"),
        numbers={
            word: number
            for language in reversed(named)
            for number, word in enumerate(language["numbers"].split())
        },
        greater_numbers={**_merged(named, "tens"), **_merged(languages, "spans")},
        agreement=tuple((them, me) for them, me in file["english"]["agreement"]),
        before=lines("before"),
        after=lines("after"),
        comments=lines("comments"),
        joins=lines("joins"),
        list_joins=single("list_joins"),
        reasons=single("reasons"),
        subjects=single("subjects"),
        speakers=single("speakers"),
        hearers=single("hearers"),
        possessives=single("possessives"),
        verbs=frozenset(form for language in languages for form in _verb_forms(language)),
        nouns=single("nouns"),
        noun_endings=tuple(sorted(single("noun_endings"))),
        other_endings=tuple(sorted(single("other_endings"))),
        gerund_endings=tuple(sorted(single("gerund_endings"))),
        plural_endings=tuple(sorted(single("plural_endings"))),
        adverb_endings=tuple(sorted(single("adverb_endings"))),
        prepositions=single("prepositions"),
        spoken_to=single("spoken_to"),
        stops=single("stops"),
        opens=single("opens"),
        negations=single("negations"),
        contrasts=lines("contrasts"),
        again=lines("again"),
        changes=single("changes"),
        permissions=single("permissions"),
        corrections=single("corrections"),
        passing=single("passing"),
        present=single("present"),
        no_names=single("no_names"),
        unasserted=lines("unasserted"),
        scenes=single("scenes"),
        reports=single("reports"),
        retractions=lines("retractions"),
        confessions=lines("confessions"),
        ironies=lines("ironies"),
        frames=lines("frames"),
        suppositions=lines("suppositions"),
        requests=lines("requests"),
        plays=lines("plays"),
        questions=lines("questions"),
        overviews=lines("overviews"),
        own_overviews=lines("own_overviews"),
        heads=lines("heads"),
        salutations=lines("salutations"),
        formal_salutations=lines("formal_salutations"),
        signatures=lines("signatures"),
    )


def _verb_forms(language: dict[str, Any]) -> Iterator[str]:
    """The verbs of a language with each of its endings."""
    endings = [
        "" if ending == "-" else ending for ending in language.get("verb_endings", "").split()
    ]
    for verb in language.get("verbs", "").split():
        yield from (verb + ending for ending in endings)


def _merged(languages: list[dict[str, Any]], heading: str) -> dict[str, Any]:
    return {
        short: long for language in languages for short, long in language.get(heading, {}).items()
    }
