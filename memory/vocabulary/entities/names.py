"""Spoken names, in a form that can be compared.

A relation ("my mother", "Mum", "meine Mutter") is the speaker's and becomes "Anna's mother". The
words for relations are in `relations.toml`.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase

from memory.text.words import UNSPACED

_MOST_NAME_WORDS = 5
_LONGEST_NAME = 60  # characters
_LONGEST_UNSPACED_NAME = 8  # characters, in scripts without spaces
_OF_SOMEBODY = re.compile(r"(?P<owner>\S.*?)['\u2019]s? (?P<rest>\S.*)")
_NO_SPEAKERS: Mapping[str, str] = {}
_POSSESSIVE_MARKS = ("'s", "\u2019s", "'", "\u2019")
_HAS_LETTER = re.compile(r"[^\W\d_]")
_ASCII_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


@dataclass(frozen=True)
class Relation:
    """A relation to a person: whose ("Anna"), which ("mother"), and whether people have several."""

    owner: str
    name: str
    several: bool

    def __str__(self) -> str:
        return f"{self.owner}'s {self.name}"


@dataclass(frozen=True)
class _Words:
    """What `relations.toml` says: words in lower case, each noun with its relation."""

    possessives: frozenset[str]
    prefixes: tuple[str, ...]
    adjectives: frozenset[str]
    particles: frozenset[str]
    no_names: frozenset[str]
    several: frozenset[str]
    headings: frozenset[str]
    relations: Mapping[str, str]
    names: Mapping[str, str]
    speaker: frozenset[str]
    others: frozenset[str]
    addressed: frozenset[str]
    genders: Mapping[str, frozenset[str]]


def key(name: str) -> str:
    """What two spellings of a name have in common: case and surrounding spaces are ignored."""
    return name.strip().casefold()


def spellings(names: Iterable[str]) -> list[str]:
    """The spellings that a database looks for with some names, besides ASCII's cases.

    A database folds only the cases of ASCII in the same way everywhere.
    """
    return sorted(set[str]().union(*map(_spellings_of, names)))


@lru_cache(maxsize=20_000)  # a relation has fifteen hundred forms, asked for at each
def _spellings_of(name: str) -> frozenset[str]:
    return frozenset(case.translate(_ASCII_LOWER) for case in cases(name))


def cases(name: str) -> list[str]:
    """The usual cases of a name: "Ilse", "ilse", "ILSE"."""
    text = name.strip()
    forms = (text, text.lower(), text.upper(), text.title(), text.capitalize(), key(text))
    return sorted({form for form in forms if form})


def as_spoken(
    name: str, speaker: str, *, is_value: bool = False, speakers: Mapping[str, str] = _NO_SPEAKERS
) -> "str | Relation | None":
    """Whom a name means when a speaker says it, before any alias is asked.

    That is the speaker for "I", a `Relation` for "my mother" and "Anna's mother", and else the name
    itself. None for words that mean no particular person ("she", ""). In a value "mother" is a
    word, and "Mum" is a person; a subject is always a person. "Mum" is a relation only if no one
    speaks under that name: `speakers` has names of speakers by their keys, and the speaker's own is
    known.
    """
    text = " ".join(name.split())
    words = relation_words()
    folded = text.casefold()
    named = speaker.strip() if key(text) == key(speaker) else speakers.get(key(text), "")
    is_word = is_value and text.islower() and not named.islower()
    is_pronoun = folded in words.speaker or folded in words.others
    if named and not is_word and not is_pronoun:
        return named
    if not text or folded in words.others:
        return None
    if folded in words.speaker:
        return speaker.strip() or None
    relation = _relation_of_speaker(text, is_value)
    if relation:
        return Relation(speaker.strip(), *relation) if speaker.strip() else None
    if of_somebody := _OF_SOMEBODY.fullmatch(text):
        noun = words.relations.get(of_somebody["rest"].casefold(), "")
        if noun:
            return Relation(of_somebody["owner"], noun, noun in words.several)
    return text


def _relation_of_speaker(text: str, is_value: bool) -> tuple[str, bool] | None:
    """The relation that a name has to its speaker, and whether people have several."""
    words = relation_words()
    folded = text.casefold()
    # In a value a lower-case noun is a word ("mum to twins"), where the script has cases.
    if folded in words.names and not (is_value and text.islower()):
        return words.names[folded], False
    if folded in words.headings and not is_value:
        return folded, folded in words.several
    first, _, rest = folded.partition(" ")
    if first in words.possessives and rest:
        return _relation(rest, text.partition(" ")[2])
    for prefix in words.prefixes:
        noun = words.relations.get(folded.removeprefix(prefix))
        if folded.startswith(prefix) and noun:
            return noun, noun in words.several
    return None


def _relation(folded: str, text: str) -> tuple[str, bool]:
    """The words after "my": a known relation, or the words themselves."""
    words = relation_words()
    last = folded.split()[-1]
    several = words.relations.get(last, "") in words.several
    return words.relations.get(folded, text), several


def is_relative(name: str) -> bool:
    """Whether a name alone means a relative of the person who says it: "Mum", "coach"."""
    folded = " ".join(name.split()).casefold()
    return folded in relation_words().names or folded in relation_words().headings


def names_somebody(value: str) -> bool:
    """Whether a value is a name and nothing else: short, and written as names are."""
    text = value.strip()
    if not text or len(text) > _LONGEST_NAME or not _HAS_LETTER.search(text):
        return False
    spoken = as_spoken(text, "somebody", is_value=True)
    if spoken != text:
        return spoken is not None  # "my mother", "Anna's mother"
    words = text.split()
    if len(words) > _MOST_NAME_WORDS or any(mark in text for mark in ',;:!?"()/\n'):
        return False
    has_case = text.lower() != text.upper()
    if not has_case:
        return len(text) <= _LONGEST_UNSPACED_NAME or not UNSPACED.search(text)
    particles = relation_words().particles
    inner = [word for word in words if word not in particles]
    return bool(inner) and all(not word[0].islower() and _HAS_LETTER.search(word) for word in inner)


def relation_named(word: str) -> str:
    """The relation that a word names in any language ("mother" for "mamá"), "" for none."""
    return relation_words().relations.get(word.casefold(), "")


def forms(name: str, speaker: str) -> list[str]:
    """The names that may mean the same as a name that a speaker says, before any alias."""
    spoken = as_spoken(name, speaker or "somebody")
    if not isinstance(spoken, Relation):
        return [name, *([spoken] if spoken else [])]
    nouns = [noun for noun, heading in relation_words().relations.items() if heading == spoken.name]
    owned = [f"{spoken.owner}{mark} {noun}" for mark in _POSSESSIVE_MARKS for noun in nouns]
    return [name, str(spoken), *owned, *_relation_forms(spoken.name)]


def _relation_forms(relation: str) -> list[str]:
    """Every name that a speaker uses for a relation, from `relations.toml`."""
    words = relation_words()
    nouns = [noun for noun, name in words.relations.items() if name == relation]
    nouns = nouns or [relation]
    spaced = [f"{possessive} {noun}" for possessive in words.possessives for noun in nouns]
    unspaced = [f"{prefix}{noun}" for prefix in words.prefixes for noun in nouns]
    alone = [noun for noun, name in words.names.items() if name == relation]
    return [*nouns, *alone, *spaced, *unspaced]


@cache
def relation_words() -> _Words:
    """The words of `relations.toml`."""
    table = tomllib.loads(Path(__file__).with_name("relations.toml").read_text("utf-8"))
    return _Words(
        possessives=frozenset(table["possessives"].split()),
        prefixes=tuple(table["prefixes"].split()),
        adjectives=frozenset(table["adjectives"].split()),
        particles=frozenset(table["particles"].split()),
        no_names=frozenset(table["no_names"].split()),
        several=frozenset(table["several"]),
        headings=frozenset(table["relations"]),
        relations=_by_noun(table["relations"]),
        names=_by_noun(table["names"]),
        speaker=frozenset(table["pronouns"]["speaker"].split()),
        others=frozenset(table["pronouns"]["others"].split()),
        addressed=frozenset(table["pronouns"]["addressed"].split()),
        genders={pronoun: frozenset(names) for pronoun, names in table["genders"].items()},
    )


def _by_noun(nouns_of: Mapping[str, str]) -> dict[str, str]:
    """Each noun with its relation; of two relations the first."""
    relation_of: dict[str, str] = {}
    for relation, nouns in nouns_of.items():
        for noun in nouns.split():
            relation_of.setdefault(noun.casefold(), relation)
    return relation_of
