"""How likely a later sentence changes what its speaker said before: logistic over a few features.

`changes_weights.json` has the weights and from which chance on a change is noted; `python -m
tests.benchmarks.changes --fit` makes it. `changes.toml` has what people say when something of an
attribute changes, and what on any day.
"""

import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from memory.records import Turn
from memory.text.word_classes import is_infinitive, is_past
from memory.text.words import forms_of, is_among, telling_words, words
from memory.vocabulary import (
    CALLED,
    INSTRUCTION,
    LANGUAGE,
    LENGTH,
    PREFERENCE,
    STANDING,
    Attribute,
    default_vocabulary,
    orders,
)
from memory.vocabulary.entities import relation_named
from memory.vocabulary.forms import word_lists
from memory.vocabulary.orders import order_text
from memory.vocabulary.template_syntax import bare_words
from memory.vocabulary.templates.clauses import supposes, unasserted
from memory.vocabulary.templates.forms import fits
from memory.vocabulary.templates.patterns import words_of
from memory.vocabulary.templates.words import language_words

if TYPE_CHECKING:  # with numpy, which listing facts does not need
    from numpy import float32
    from numpy.typing import NDArray

Model = Literal["fact", "wish", "turn"]
MOST_WORDS = 20  # of a sentence that changes something: people say news in short ones
_FEWEST_WORDS = 2
_FEWEST_TOLD, _MOST_TOLD = 4, 30  # of a sentence that a later one changes
_SHORT, _SHORT_CORRECTION = 12, 7
_LONGEST = 2_000  # characters of a turn
_CLAUSE_END = re.compile(r"\s*[,;:\u2013\u2014]\s+|\s+(?:and|but|so|because|since)\s+")
_FEWEST_OF_CLAUSE, _FEWEST_LETTERS = 3, 3
_CASE = re.compile(r"^(?:when|whenever|if)\b[^,]*, | (?:when|whenever|if) I .*$", re.IGNORECASE)
_AS_ORDERS = {
    LANGUAGE: "answer in {}",
    LENGTH: "keep your answers {}",
    CALLED: "call me {}",
    PREFERENCE: "I prefer {}",
}
_ADDRESSED = frozenset({"you", "your", "please", "let", "no", "enough"})
_NEAREST = 2  # sentences of change
_SAME = 0.5  # the cosine to an attribute's own sentences
# The cosine to an order of a matter: of another order, and of what may end one.
_SAME_MATTER = 0.6
_NEAR_MATTER = 0.45
_NO_TOPIC = -0.5  # the nearness to a topic without a description
_CHANGE, _CORRECTION = "change", "correction"


@dataclass(frozen=True, eq=False)
class Told:
    """What a later sentence may change: a fact of a turn, or a sentence of the turn itself.

    `value` is the fact's, or the sentence; `attribute` is None for the sentence.
    """

    turn: Turn
    value: str
    subject: str
    attribute: Attribute | None = None
    fact_id: int = 0

    @property
    def model(self) -> Model:
        if self.attribute is None:
            return "turn"
        return "wish" if self.attribute.name in STANDING else "fact"

    @property
    def as_order(self) -> str:
        """A wish as people say it: "answer in Italian", where the value is "Italian"."""
        name = self.attribute.name if self.attribute else ""
        return _AS_ORDERS.get(name, "{}").format(self.value)

    @cached_property
    def matter(self) -> str:
        """What a wish is about, if it can have one value only: see `matter_of`."""
        return matter_of(self.as_order)

    @cached_property
    def value_words(self) -> list[str]:
        """The words that a sentence has of it: of an order, its object's."""
        if self.attribute is None or self.attribute.name != INSTRUCTION:
            return telling_words(self.value)
        order = telling_words(_CASE.sub("", self.value)) or telling_words(self.value)
        return order[1:] if len(order) > 1 else order

    @cached_property
    def value_forms(self) -> set[str]:
        return forms_of(self.value_words)

    @cached_property
    def names(self) -> list[str]:
        return telling_words(" ".join(filter(_is_name, self.value.split())))

    @cached_property
    def first_words(self) -> set[str]:
        """All words of the turn: a word of change among them is nothing new."""
        first = f"{self.turn.text[:_LONGEST]} {self.value}"
        return {*words(first), *words_of(first)}


@dataclass(frozen=True, eq=False)
class Later:
    """A later sentence.

    `is_next` says whether at once, in the same session, and `before` is the turn that it was said
    after; `is_wish` says whether a wish was stored of it.
    """

    turn: Turn
    text: str
    is_next: bool = False
    is_wish: bool = False
    before: int = 0
    _near: dict[str, bool] = field(default_factory=dict)  # by attribute

    @cached_property
    def words(self) -> list[str]:
        return words(self.text)

    @cached_property
    def all_words(self) -> set[str]:
        return {*self.words, *words_of(self.text)}

    @cached_property
    def telling(self) -> list[str]:
        return telling_words(self.text)

    @cached_property
    def forms(self) -> set[str]:
        return forms_of(self.telling)

    @cached_property
    def clauses(self) -> tuple[str, ...]:
        """The sentence and its clauses, without names, which are near to nothing."""
        return _clauses(self.text)

    @cached_property
    def matters(self) -> frozenset[str]:
        """What of answers the sentence, or a clause of it, may be about: see `matter_of`."""
        parts = (self.text, *_CLAUSE_END.split(self.text))
        return frozenset(matter_of(order_text(part), _NEAR_MATTER) for part in parts)

    def is_near_to_change_of(self, attribute: str) -> bool:
        """Whether it is near to what people say when something of an attribute changes."""
        if attribute not in self._near:
            self._near[attribute] = _change_nearness(self.clauses, attribute) > 0
        return self._near[attribute]

    @cached_property
    def order_chance(self) -> float:
        """How likely it is a standing order (0 to 1)."""
        return orders.chance_of(orders.features_of(self.text))

    @property
    def is_short(self) -> bool:
        """Whether it is as short as the sentences of people who tell news."""
        return _FEWEST_WORDS <= len(self.words) <= MOST_WORDS

    @cached_property
    def is_told(self) -> bool:
        """Whether it states something, and does not suppose or advise."""
        return not supposes(self.text)

    @cached_property
    def is_asserted(self) -> bool:
        """Whether it states it without a condition and not in others' words."""
        return self.is_told and not unasserted(self.text)

    @property
    def has_word_of_correction(self) -> bool:
        return not self.all_words.isdisjoint(language_words().corrections)

    @property
    def has_word_of_change(self) -> bool:
        known = language_words()
        return not self.all_words.isdisjoint(known.changes | known.negations | known.corrections)


def is_about(later: Later, statement: Told) -> bool:
    """Whether a sentence may be about the person of the earlier statement.

    "My brother Emil lives in Bonn" is about Emil and about a brother.
    """
    if statement.subject != statement.turn.speaker:
        relatives = {word for word in words(statement.turn.text[:_LONGEST]) if relation_named(word)}
        return not {*later.words}.isdisjoint(
            {*words(statement.subject)} - {*words(statement.turn.speaker)} | relatives
        )
    first, second, *_ = (*later.words, "", "")
    return first not in language_words().possessives or not relation_named(second.partition("'")[0])


def may_be_told(sentence: str) -> bool:
    """Whether a sentence may tell something lasting of its speaker: "my boss is Trevor"."""
    known = language_words()
    sentence_words = words(sentence)
    return _FEWEST_TOLD <= len(sentence_words) <= _MOST_TOLD and not (
        known.speakers | known.possessives
    ).isdisjoint(sentence_words)


def shares(statement: Told, later: Later) -> bool:
    """Whether a sentence has a word of the earlier statement."""
    return any(_shared(statement, later))


def _shared(statement: Told, later: Later) -> list[bool]:
    """For each word of the earlier statement: does a sentence have it? Names have one form."""
    return [
        word in later.all_words if word in statement.names else is_among(word, later.forms)
        for word in statement.value_words
    ]


def chance_of(statement: Told, later: Later) -> float:
    """How likely a sentence changes an earlier statement (0 to 1)."""
    weights = _weights()[statement.model]["weights"]
    values = features(statement, later)
    logit = sum(weights.get(name, 0.0) * value for name, value in values.items())
    return 1 / (1 + math.exp(-logit))


def may_change(statement: Told, later: Later) -> bool:
    """Whether a sentence and an earlier fact or wish are compared.

    They share a word, or the sentence is near to a change of the attribute; of a wish, it is about
    the same matter: units, a language.
    """
    if shares(statement, later):
        return True
    if statement.attribute is None or is_named(statement.attribute.name):
        return False
    if statement.model == "wish":
        return bool(statement.matter) and statement.matter in later.matters
    return later.is_near_to_change_of(statement.attribute.name)


def says_again(statement: Told, later: Later) -> bool:
    """Whether a sentence says a fact or a wish again, unchanged."""
    known = language_words()
    new_words = later.all_words - statement.first_words
    if (
        not statement.value_words
        or statement.attribute is None
        or not all(_shared(statement, later))
    ):
        return False
    if statement.model == "wish":
        is_reversed = (known.negations & statement.first_words) - later.all_words
        has_new = any(not is_among(word, forms_of(statement.first_words)) for word in later.telling)
        return not (is_reversed or has_new) and new_words.isdisjoint(
            known.changes | known.negations
        )
    return new_words.isdisjoint(known.changes | known.negations) and (
        not new_words or _own_nearness(later, statement.attribute) >= _SAME
    )


def is_of_same_matter(statement: Told, later: Later) -> bool:
    """Whether a new order takes the place of one: both are about the units, the length, and so on.

    Not if one of them is for a case, or says the other again.
    """
    if statement.model != "wish" or not later.is_wish or says_again(statement, later):
        return False
    order = order_text(later.text)
    has_cases = has_case(statement.as_order) or has_case(order)
    return bool(statement.matter) and not has_cases and statement.matter == matter_of(order)


def has_case(wish: str) -> bool:
    """Whether a wish is for a case: "when I ask about books"."""
    return bool(_CASE.search(wish))


def least_chance(model: Model) -> float:
    """From which chance on a change is noted."""
    return float(_weights()[model]["least"])


def features(statement: Told, later: Later) -> Mapping[str, float]:
    """The features of a sentence and an earlier statement, by the names of the weights."""
    known = language_words()
    new_words = later.all_words
    shared = _shared(statement, later)
    share = sum(shared) / len(shared) if shared else 0.0
    is_whole = bool(shared) and all(shared)
    if is_whole:
        new_words = new_words - statement.first_words
    changes = not new_words.isdisjoint(known.changes)
    denied = not new_words.isdisjoint(known.negations)
    named = not later.all_words.isdisjoint(statement.names)
    count = len(later.words)
    values = {
        "always": 1.0,
        "share": share,
        "named": float(named),
        _CHANGE: float(changes),
        "denied": float(denied),
        "share x change": share * changes,
        "share x denied": share * denied,
        _CORRECTION: float(
            later.is_next
            and count <= _SHORT_CORRECTION
            and not new_words.isdisjoint(known.corrections)
        ),
        "of self": float(not known.speakers.isdisjoint(later.all_words)),
    }
    if statement.model != "fact":  # stories of a fact's change are as long as other talk
        values |= {
            "short x change": float(changes and count <= _SHORT),
            "short x share": share * (count <= _SHORT),
            "long": max(count - _SHORT, 0) / 8,
        }
    if statement.attribute is None:
        return values | _of_turn(statement, later, has_change=changes or denied)
    near = _nearness(later, statement, statement.attribute.name, without_value=share > 0)
    own_near = _own_nearness(later, statement.attribute)
    to_value = _cosine(later.text, (statement.value,))
    values |= {
        "change near": near,
        "own near": own_near,
        "value near": to_value,
        "share x change near": share * near,
        "unnamed x change near": (share == 0) * near,
        "change x near": changes * max(near, 0.0),
    }
    if statement.model == "wish":
        return values | _of_wish(statement, later, share=share)
    has_other = _has_other_value(later.text, statement)
    return values | {
        "other value x near": has_other * max(near, own_near),
        "of somebody": float(statement.subject != statement.turn.speaker),
        "taste": float(_topic_of(statement.attribute.name).is_named),
        "taste x change": float(
            _topic_of(statement.attribute.name).is_named and changes and is_whole
        ),
        "one value": float(statement.attribute.kind == "one value"),
    }


def _of_wish(statement: Told, later: Later, *, share: float) -> dict[str, float]:
    """Its words that the order does not have, how it begins, and whether it is an order itself."""
    is_order = later.order_chance
    of_order = {*words(statement.value)}
    in_order = ["_" if word in of_order else word for word in later.words]
    is_same_matter = bool(statement.matter) and statement.matter in later.matters
    is_past_tense = float(any(map(is_past, later.words)))
    is_to_assistant = is_infinitive(later.words[0]) or not _ADDRESSED.isdisjoint(later.words)
    mark = later.text.rstrip()[-1:]
    return {
        "past": is_past_tense,
        "past, to no one": is_past_tense * (not is_to_assistant),
        "to no one": float(not is_to_assistant),
        "begins with a verb": float(is_infinitive(later.words[0])),
        "asked": float(mark == "?"),
        "exclaimed": float(mark == "!"),
        "words": min(len(later.words), MOST_WORDS) / 10,
        f"first {in_order[0]}": 1.0,
        **{f"pair {first} {second}": 1.0 for first, second in pairwise(in_order)},
        "order": is_order,
        "order x share": is_order * share,
        "order x near": is_order * _cosine(later.text, (statement.as_order,)),
        "other value": float(_has_other_value(later.text, statement)),
        "is wish": float(later.is_wish),
        "is wish x share": later.is_wish * share,
        "same matter": float(is_same_matter),
        "order x same matter": is_order * is_same_matter,
        **{f"word {word}": 1.0 for word in later.words if word not in of_order},
    }


@lru_cache(maxsize=2_000)
def matter_of(order: str, least: float = _SAME_MATTER) -> str:
    """What of answers an order is about, if that can have one value only; "" for anything else.

    `least` is the cosine to the nearest order of that matter.
    """
    matters = _matters()
    texts, names = zip(*matters, strict=True)
    cosines = (_fixed(texts) @ _vectors_of((order, _in_general(order))).T).max(axis=1)
    best = int(cosines.argmax())
    return names[best] if cosines[best] >= least else ""


def _in_general(order: str) -> str:
    """An order without names, which are near to nothing, and with any language as English."""
    first, *others = order.split() or [""]
    general = [first]
    for word in others:
        if fits(word.strip(".,!?"), "language"):
            general.append("English")
        elif not _is_name(word):
            general.append(word)
    return " ".join(general)


@cache
def _matters() -> tuple[tuple[str, str], ...]:
    return tuple((text, name) for name, texts in _file()["matters"].items() for text in texts)


def _of_turn(statement: Told, later: Later, *, has_change: bool) -> dict[str, float]:
    """A sentence without a fact is taken for one of the attribute nearest to it."""
    attribute, own_near = _nearest_attribute(statement.value)
    near = _nearness(later, statement, attribute, without_value=True)
    of_later = [is_among(word, statement.value_forms) for word in later.telling]
    back = sum(of_later) / len(of_later) if of_later else 0.0
    names = {*telling_words(" ".join(filter(_is_name, later.text.split()[1:])))}
    has_other_name = bool(names - statement.first_words)
    return {
        "share of later": back,
        "alike": _cosine(later.text, (statement.value,)),
        "told near": own_near,
        "change near": near,
        "share of later x change near": back * near,
        "told near x change near": max(own_near, 0.0) * near,
        "other name": float(bool(statement.names) and has_other_name),
        "other name x change near": (bool(statement.names) and has_other_name) * near,
        "change and name": float(has_change and not later.all_words.isdisjoint(statement.names)),
        "told of self": float(not language_words().speakers.isdisjoint(words(statement.value))),
        "told long": max(len(words(statement.value)) - _SHORT, 0) / 8,
    }


def _has_other_value(sentence: str, statement: Told) -> bool:
    """Whether a sentence names another place, or another of a listed form ("English")."""
    attribute = statement.attribute
    if attribute is None:
        return False
    known = {word.casefold() for word in statement.value.split()}
    written = [word.strip(".,!?;:\"'()") for word in sentence.split()]
    if attribute.form == "place":
        return any(
            fits(name, "place")
            for name in written[1:]
            if _is_name(name) and name.casefold() not in known and len(name) >= _FEWEST_LETTERS
        )
    return attribute.form in word_lists() and any(
        fits(word, attribute.form) for word in written if word.casefold() not in known
    )


# --- nearness -------------------------------------------------------------------------------------


def prepare(sentences: Iterable[Later]) -> None:
    """Make the vectors of many sentences at once, which takes less than one by one."""
    texts = {text for later in sentences for text in (later.text, *later.clauses)}
    if new := [text for text in texts if text not in _known]:
        from memory.search.embed import embed

        if len(_known) + len(new) > _MOST_KNOWN:
            _known.clear()
        _known.update(zip(new, embed(new), strict=True))


_known: dict[str, "NDArray[float32]"] = {}
_MOST_KNOWN = 4_000


def _vectors_of(texts: Sequence[str]) -> "NDArray[float32]":
    import numpy as np

    from memory.search.embed import embed

    if all(text in _known for text in texts):
        return np.stack([_known[text] for text in texts])
    return embed(texts)


@lru_cache(maxsize=400)
def _fixed(texts: tuple[str, ...]) -> "NDArray[float32]":
    return _vectors_of(texts)


def _cosine(sentence: str, sentences: tuple[str, ...]) -> float:
    """The cosine of a sentence to the nearest of some others; 0 for none."""
    if not sentences:
        return 0.0
    return float((_fixed(sentences) @ _vectors_of((sentence,))[0]).max())


def _own_nearness(later: Later, attribute: Attribute) -> float:
    """The cosine of a sentence to the nearest of an attribute's own sentences."""
    return _cosine(later.text, _sentences_of(attribute))


def _nearness(later: Later, statement: Told, attribute: str, *, without_value: bool) -> float:
    """How near a sentence is to a change of an attribute, also without the words of the value.

    "I gave up on Welsh" is near to "I gave up on the language".
    """
    near = _change_nearness(later.clauses, attribute)
    if without_value:
        unnamed = " ".join(
            word for word in later.words if not is_among(word, statement.value_forms)
        )
        near = max(near, _change_nearness(_clauses(unnamed), attribute))
    return near


def is_named(attribute: str) -> bool:
    """Whether a sentence has to name a value to change it: "I am over it" is said of any taste."""
    topic = _topic_of(attribute)
    return topic.is_named or not topic.changes


def _change_nearness(clauses: Sequence[str], topic_name: str) -> float:
    topic = _topic_of(topic_name)
    if not topic.changes or not clauses:
        return _NO_TOPIC
    clause_vectors = _vectors_of(clauses).T
    nearness = sorted((_fixed(topic.changes) @ clause_vectors).max(axis=1))[-_NEAREST:]
    any_day = (_fixed(topic.everyday) @ clause_vectors).max()
    return float(sum(nearness) / len(nearness) - any_day / 2)


def _clauses(sentence: str) -> tuple[str, ...]:
    written = sentence.split()
    plain = " ".join(word for place, word in enumerate(written) if not (place and _is_name(word)))
    clauses = [part for part in _CLAUSE_END.split(plain) if len(part.split()) >= _FEWEST_OF_CLAUSE]
    return (plain, *clauses) if " " in plain else ()


def _is_name(word: str) -> bool:
    return word[:1].isupper() and word.partition("'")[0] != "I"


@lru_cache(maxsize=200)
def _sentences_of(attribute: Attribute) -> tuple[str, ...]:
    """An attribute's templates without their placeholders: "I live in", "where do I live"."""
    templates = (*attribute.says, *attribute.asks)
    return tuple(dict.fromkeys(filter(None, map(bare_words, templates))))


def sentences_about(attribute: Attribute) -> tuple[str, ...]:
    """What people say and ask of an attribute, and what they say when it changes."""
    return (*_sentences_of(attribute), *_topic_of(attribute.name).changes)


@dataclass(frozen=True)
class _Topic:
    """What people say when something of an attribute changes, and what on any day."""

    attributes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    everyday: tuple[str, ...] = ()
    is_named: bool = False


@cache
def _file() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("changes.toml").read_text("utf-8"))


@cache
def _topics() -> tuple[_Topic, ...]:
    """The topics of changes.toml."""
    talk, *topics = (topic for name, topic in _file().items() if name != "matters")
    return tuple(
        _Topic(
            attributes=tuple(topic["attributes"]),
            changes=tuple(topic["sentences"]),
            states=tuple(topic.get("states", ())),
            everyday=(*topic.get("everyday", ()), *talk["everyday"]),
            is_named=topic.get("named", False),
        )
        for topic in topics
    )


@cache
def _topic_of(attribute: str) -> _Topic:
    """The topic of an attribute in changes.toml; an empty one for a user's own attributes."""
    return next((topic for topic in _topics() if attribute in topic.attributes), _Topic())


@cache
def _attribute_sentences() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sentences of the attributes with a topic, and the attribute of each."""
    pairs = [
        (sentence, attribute.name)
        for attribute in default_vocabulary().attributes
        if attribute.name not in STANDING and _topic_of(attribute.name).changes
        for sentence in _sentences_of(attribute)
    ]
    pairs += [(state, topic.attributes[0]) for topic in _topics() for state in topic.states]
    sentences, names = zip(*pairs, strict=True)
    return sentences, names


@lru_cache(maxsize=2_000)
def _nearest_attribute(sentence: str) -> tuple[str, float]:
    """The attribute that a sentence is nearest to, and the cosine."""
    sentences, names = _attribute_sentences()
    cosines = _fixed(sentences) @ _vectors_of((sentence,))[0]
    best = int(cosines.argmax())
    return names[best], float(cosines[best])


@cache
def _weights() -> dict[str, Any]:
    weights: dict[str, Any] = json.loads(
        Path(__file__).with_name("changes_weights.json").read_text("utf-8")
    )
    return weights
