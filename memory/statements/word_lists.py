"""The English words of `words.toml`, and the forms of verbs."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

Form = Literal["base", "present", "past", "participle", "ing"]

_VOWELS = "aeiou"


@dataclass(frozen=True)
class Words:
    """What `words.toml` lists, in lower case; the texts are patterns."""

    relatives: frozenset[str]
    pets: frozenset[str]
    names_of_relatives: frozenset[str]
    no_names: frozenset[str]
    openers: str
    bare_verbs: frozenset[str]
    adverbs: frozenset[str]
    no_deeds: frozenset[str]
    irregular: Mapping[str, tuple[str, str]]
    verbs: frozenset[str]
    idle_verbs: frozenset[str]
    no_verbs: frozenset[str]
    light: frozenset[str]
    intransitive: frozenset[str]
    no_objects: frozenset[str]
    idioms: str
    moods: str
    conditions: str


@cache
def word_lists() -> Words:
    """The words of `words.toml`."""
    table = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))
    irregular = {}
    for line in table["irregular"].split(";"):
        verb, past, participle = line.split()
        irregular[verb] = (past, participle)
    return Words(
        relatives=frozenset(table["relatives"].split()),
        pets=frozenset(table["pets"].split()),
        names_of_relatives=frozenset(table["names_of_relatives"].split()),
        no_names=frozenset(table["no_names"].split()),
        openers=_alternatives(table["openers"]),
        bare_verbs=frozenset(table["bare_verbs"].split()),
        adverbs=frozenset(table["adverbs"].split()),
        no_deeds=frozenset(table["no_deeds"].split()),
        irregular=irregular,
        verbs=frozenset(table["verbs"].split()),
        idle_verbs=frozenset(table["idle_verbs"].split()),
        no_verbs=frozenset(table["no_verbs"].split()),
        light=frozenset(table["light"].split()),
        intransitive=frozenset(table["intransitive"].split()),
        no_objects=frozenset(table["no_objects"].split()),
        idioms=_alternatives(table["idioms"]),
        moods=_alternatives(table["moods"]),
        conditions=_alternatives(table["conditions"]),
    )


def _alternatives(lines: str) -> str:
    return lines.strip().replace("\n", "|")


def forms_of_verb(verb: str) -> frozenset[str]:
    """All forms of a verb: "buy", "buys", "buying" and "bought"."""
    return frozenset(form for form, _ in _forms(verb))


@cache
def _pasts() -> frozenset[str]:
    words = word_lists()
    return frozenset(
        form
        for verb in {*words.verbs, *words.irregular}
        for form, kind in _forms(verb)
        if kind in ("past", "participle")
    )


def is_past_form(word: str) -> bool:
    """Whether a word is the past of a verb of `words.toml`."""
    return word in _pasts()


@cache
def _third_persons() -> frozenset[str]:
    words = word_lists()
    return frozenset(third_person(verb) for verb in {*words.verbs, *words.irregular})


def is_third_person(word: str) -> bool:
    """Whether a word is the third person of a verb of `words.toml`: "restores"."""
    return word in _third_persons()


def verb_forms(verbs: Iterable[str]) -> dict[str, list[tuple[str, Form]]]:
    """Each form of some verbs, with the verb and what form it is: "moving" is "ing" of "move"."""
    forms: dict[str, list[tuple[str, Form]]] = {}
    for verb in verbs:
        for form, kind in _forms(verb):
            forms.setdefault(form, []).append((verb, kind))
    return forms


def regular_past(verb: str) -> str:
    """ "planted" for "plant", "used" for "use", "carried" for "carry"."""
    if verb.endswith("e"):
        return f"{verb}d"
    if verb.endswith("y") and verb[-2:-1] not in _VOWELS:
        return f"{verb[:-1]}ied"
    return f"{verb}ed"


def third_person(verb: str) -> str:
    """ "keeps" for "keep", "teaches" for "teach", "carries" for "carry"."""
    if verb in ("be", "have"):
        return {"be": "is", "have": "has"}[verb]
    if verb.endswith("y") and verb[-2:-1] not in _VOWELS:
        return f"{verb[:-1]}ies"
    return f"{verb}{'es' if re.search(r'(?:s|x|z|ch|sh|o)$', verb) else 's'}"


def _forms(verb: str) -> Iterable[tuple[str, Form]]:
    stem = verb.removesuffix("e") if verb != "be" else verb
    yield verb, "base"
    yield third_person(verb), "present"
    yield f"{verb[:-2]}ying" if verb.endswith("ie") else f"{stem}ing", "ing"
    yield f"{stem}{verb[-1]}ing", "ing"
    irregular = word_lists().irregular.get(verb)
    if irregular:
        yield irregular[0], "past"
        yield irregular[1], "participle"
        return
    for past in {f"{stem}ed", f"{stem}{verb[-1]}ed", f"{verb.removesuffix('y')}ied"}:
        yield past, "past"
        yield past, "participle"
