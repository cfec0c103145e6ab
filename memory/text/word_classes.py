"""Classes of English words: closed ones from `word_classes.toml`, verbs from lemminflect.

lemminflect has the inflected forms of the SPECIALIST Lexicon (U.S. National Library of Medicine). A
word that it lacks, as most words of other languages, may belong to any open class.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

_KNOWN_WORDS = 20_000  # kept: looking up a word takes some 10 microseconds


@dataclass(frozen=True)
class ClosedClasses:
    """The lists of `word_classes.toml`, in lower case; `courtesies` is an open class."""

    auxiliaries: frozenset[str]
    prepositions: frozenset[str]
    conjunctions: frozenset[str]
    joining: frozenset[str]
    questions: frozenset[str]
    determiners: frozenset[str]
    possessives: frozenset[str]
    persons: frozenset[str]
    pronouns: frozenset[str]
    courtesies: frozenset[str]
    contractions: Mapping[str, str]


@cache
def closed_classes() -> ClosedClasses:
    """The closed classes of English words."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
    contractions = table.pop("contractions")
    lists = {name: frozenset(words.split()) for name, words in table.items()}
    return ClosedClasses(**lists, contractions=contractions)


def may_be_verb(word: str) -> bool:
    """Whether a word in lower case is a verb in some sentence, or unknown."""
    if word in closed_classes().auxiliaries:
        return True
    classes = _open_classes(word)
    return "VERB" in classes or (not classes and word.isalpha())


def is_verb(word: str) -> bool:
    """Whether a known word in lower case is a verb in every sentence: "bought", not "left"."""
    return _open_classes(word) == {"VERB"}


def is_known(word: str) -> bool:
    """Whether the lexicon has a word in lower case: it is no name, or not only one."""
    return bool(_open_classes(word))


def is_plural(word: str) -> bool:
    """Whether a word in lower case is a noun's plural."""
    import lemminflect

    lemmas = lemminflect.getAllLemmas(word, "NOUN").get("NOUN", ())
    return bool(lemmas) and word not in lemmas


def may_be_noun(word: str) -> bool:
    """Whether a word in lower case is a noun in some sentence, or unknown."""
    classes = _open_classes(word)
    return "NOUN" in classes or not classes


def is_noun(word: str) -> bool:
    """Whether a known word in lower case is a noun in every sentence."""
    return _open_classes(word) == {"NOUN"}


def third_person(word: str) -> str:
    """A verb in lower case in the third person of the present, "lives" for "live"; else itself."""
    import lemminflect

    for lemma, tags in verb_forms(word).items():
        if tags & {"VB", "VBP"}:
            return str(next(iter(lemminflect.getInflection(lemma, "VBZ")), word))
    return word


def is_adjective(word: str) -> bool:
    """Whether a word in lower case is an adjective in some sentence."""
    return "ADJ" in _open_classes(word)


def may_be_adverb(word: str) -> bool:
    """Whether a word in lower case is an adverb in some sentence, and no preposition or noun."""
    classes = _open_classes(word)
    is_closed = word in closed_classes().prepositions
    return "ADV" in classes and "NOUN" not in classes and not is_closed


def is_past(word: str) -> bool:
    """Whether a word in lower case is the past tense of a verb, and no other word."""
    return is_verb(word) and _has_tag(word, {"VBD"})


def is_participle(word: str) -> bool:
    """Whether a word in lower case may be a participle: "going", "gone", "married"."""
    return _has_tag(word, {"VBG", "VBN"}) or (word.endswith("ed") and _has_tag(word, {"VBD"}))


def is_infinitive(word: str) -> bool:
    """Whether a word in lower case may be the infinitive of a verb, or is unknown."""
    return _has_tag(word, {"VB"}) or not _open_classes(word)


def is_bare_verb(word: str) -> bool:
    """Whether a word is a verb in a form that "he" and "she" never have: "rail", not "put"."""
    tags = {tag for tags in verb_forms(word).values() for tag in tags}
    is_auxiliary = word in closed_classes().auxiliaries
    return bool(tags) and tags <= {"VB", "VBP"} and not is_auxiliary


def _has_tag(word: str, tags: set[str]) -> bool:
    return any(tags & known for known in verb_forms(word).values())


@lru_cache(_KNOWN_WORDS)
def verb_forms(word: str) -> Mapping[str, frozenset[str]]:
    """The verbs that a word in lower case is a form of, each with its tags (Penn Treebank)."""
    import lemminflect  # reading its lexicon takes half a second

    return {
        lemma: frozenset(
            tag
            for tag, forms in lemminflect.getAllInflections(lemma, "VERB").items()
            if word in forms
        )
        for lemma in lemminflect.getAllLemmas(word, "VERB").get("VERB", ())
    }


@lru_cache(_KNOWN_WORDS)
def _open_classes(word: str) -> frozenset[str]:
    import lemminflect

    return frozenset(lemminflect.getAllLemmas(word)) - {"AUX"}
