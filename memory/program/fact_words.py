"""Words of questions about facts: their forms, the attributes they mean, the class of a value."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import takewhile
from pathlib import Path

from memory.search.word_forms import forms_of, telling_words
from memory.search.words import words

_SHORTEST_ROOT = 3  # letters
_SHORTEST_PAST = 5  # letters: "fixed"
_NO_PASTS = frozenset(
    words(
        "bleed breed creed greed speed steed tweed exceed proceed succeed indeed embed hundred"
        " kindred naked sacred wicked rugged"
    )
)
_LONG_STEM = 5  # letters that two forms share: "employer" and "employed"
_LONGEST_ENDING = 4
_NONE: frozenset[int] = frozenset()


@cache
def _attributes_by_word() -> Mapping[str, Sequence[str]]:
    table: dict[str, list[str]] = tomllib.loads(_file("fact_words.toml"))
    return table


@cache
def _classes() -> Mapping[str, frozenset[str]]:
    table = tomllib.loads(_file("word_classes.toml"))["classes"]
    return {name: frozenset(words(members)) for name, members in table.items()}


@cache
def _bases() -> Mapping[str, str]:
    table = tomllib.loads(_file("word_classes.toml"))["forms"]
    return {form: base for base, forms in table.items() for form in forms.split()}


@cache
def _synonyms() -> Sequence[Sequence[str]]:
    groups = tomllib.loads(_file("word_classes.toml"))["synonyms"]["groups"]
    return [group.split() for group in groups]


@cache
def day_words() -> Sequence[tuple[Sequence[str], Sequence[str], Sequence[str]]]:
    """How the day of a deed is told: verbs of questions, of its doer, and of others."""
    groups = tomllib.loads(_file("word_classes.toml"))["days"]["groups"]
    return [tuple(part.split() for part in group.split("|")) for group in groups]


@lru_cache(maxsize=5_000)
def _groups_of(word: str) -> frozenset[int]:
    """The numbers of the groups of synonyms that a word, in any form, belongs to."""
    forms = {word, base_of(word)}
    return frozenset(
        number
        for number, group in enumerate(_synonyms())
        if any(_is_form(form, member) for form in forms for member in group)
    )


@lru_cache(maxsize=2_000)
def near_words(word: str) -> frozenset[str]:
    """The words that mean nearly the same as one: "haul" and "bring" for "carry"."""
    groups = _synonyms()
    return frozenset(member for number in _groups_of(word) for member in groups[number])


def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")


def base_of(word: str) -> str:
    """The verb that a word is an irregular form of ("seen": "see"), else the word."""
    return _bases().get(word, word)


def is_past_verb(word: str) -> bool:
    """Whether a word is the past of a verb: broke, painted."""
    ends_so = word.endswith("ed") and len(word) >= _SHORTEST_PAST and word not in _NO_PASTS
    return (base_of(word) != word) or ends_so


@lru_cache(maxsize=1_000)
def all_forms(word: str) -> tuple[str, ...]:
    """A word and, of an irregular verb, its other forms: see, saw, seen."""
    base = base_of(word)
    return tuple(dict.fromkeys((word, base, *(f for f, b in _bases().items() if b == base))))


def forms_of_words(text_words: Iterable[str]) -> set[str]:
    """What the forms of words share, irregular ones too."""
    listed = list(text_words)
    return forms_of([*listed, *map(base_of, listed)])


@lru_cache(maxsize=2_000)
def words_of_names(names: tuple[str, ...]) -> frozenset[str]:
    """The telling words of an attribute's names."""
    return frozenset(w for name in names for w in telling_words(name.replace("_", " ")))


def are_forms(word: str, other: str) -> bool:
    """Whether two words are forms of one word; stricter than `is_among`: "car" is not "cargo"."""
    if root_of(word) == root_of(other):
        return True
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(word, other, strict=False))
    shared = len(list(pairs))
    return shared >= _LONG_STEM and max(len(word), len(other)) <= shared + _LONGEST_ENDING


@lru_cache(maxsize=5_000)
def root_of(word: str) -> str:
    """What is left of a word without its ending: run of "running" and "ran", stud of "studies"."""
    word = base_of(word)
    for ending in ("ies", "ied", "ying", "ing", "ed", "es", "s"):
        is_whole = ending == "s" and word.endswith("ss")
        if word.endswith(ending) and len(word) - len(ending) >= _SHORTEST_ROOT and not is_whole:
            word = word[: -len(ending)]
            break
    if word.endswith(("e", "y")) and len(word) > _SHORTEST_ROOT:
        word = word[:-1]
    is_doubled = len(word) > _SHORTEST_ROOT and word[-1] == word[-2] and word[-1] not in "ls"
    return word[:-1] if is_doubled else word


@lru_cache(maxsize=1_000)
def meant_by(word: str) -> tuple[str, ...]:
    """The attributes that a word of a question stands for."""
    forms = {word, base_of(word)}
    return tuple(
        dict.fromkeys(
            attribute
            for key, attributes in _attributes_by_word().items()
            if any(_is_form(form, key) for form in forms)
            for attribute in attributes
        )
    )


@lru_cache(maxsize=20_000)
def is_near(word: str, other: str) -> bool:
    """Whether two words mean nearly the same, in any form: "carry" and "transports"."""
    return are_forms(word, other) or not _groups_of(word).isdisjoint(_groups_of(other))


@cache
def _topics() -> Mapping[str, frozenset[int]]:
    """The numbers of the topics that a word belongs to, by its root."""
    topics: dict[str, set[int]] = {}
    lines = tomllib.loads(_file("word_classes.toml"))["topics"]["groups"].splitlines()
    for number, line in enumerate(lines):
        for word in line.split():
            topics.setdefault(root_of(word), set()).add(number)
    return {root: frozenset(numbers) for root, numbers in topics.items()}


def is_related(word: str, other: str) -> bool:
    """Whether two words belong to one topic: "employed" and "position"."""
    return not _topics().get(root_of(word), _NONE).isdisjoint(_topics().get(root_of(other), _NONE))


def classes_of(word: str) -> list[str]:
    """The classes that a word names a member of: gammon is meat."""
    single = word.removesuffix("s")
    return [name for name, members in _classes().items() if word in members or single in members]


def is_class(word: str) -> bool:
    """Whether a word names a class of values, such as music."""
    return _class_of(word) in _classes()


def members_of(word: str) -> frozenset[str]:
    """What a class has for members; none of a word that names no class."""
    return _classes().get(_class_of(word), frozenset())


def is_of_class(word: str, value_words: Iterable[str]) -> bool:
    """Whether a value names something of a class: jazz is music."""
    members = members_of(word)
    return any(w in members or w.removesuffix("s") in members for w in value_words)


def _class_of(word: str) -> str:
    return word if word in _classes() else word.removesuffix("s")


def _is_form(word: str, key: str) -> bool:
    return word == key or (word.startswith(key[:-1]) and word[len(key) - 1 :] in _endings(key[-1]))


def _endings(last: str) -> Sequence[str]:
    """How a word that ends in this letter may end in a question: move, moves, moved, moving."""
    if last == "e":
        return ("e", "es", "ed", "ing")
    if last == "y":
        return ("y", "ies", "ied", "ying")
    doubled = (f"{last}{last}ing", f"{last}{last}ed")
    return (last, f"{last}s", f"{last}es", f"{last}ed", f"{last}ing", *doubled)
