"""The latest word on facts: the later turn where their speaker speaks of what a fact says.

A fact comes from one sentence; much of what changes it later is in no form that code reads ("no dog
anymore, my ex kept him"). So a later turn of the same speaker is shown with the fact, by what can
be seen without reading it: it says the sentence again with another value, it has the value with a
word of change, or it is near the attribute's own sentences.
"""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from memory.facts.restated import restated
from memory.records import CORRECTIONS, WITHDRAWN, Fact, FactWithLater, Turn
from memory.store import Store
from memory.store.facts.fact_reads import current_among
from memory.store.facts.vocabulary_edits import vocabulary_of
from memory.store.files.united import first_store
from memory.store.turns.minted_names import WRITTEN_AS
from memory.store.turns.turn_reads import last_turn, turns_after
from memory.text.characters import one_line
from memory.text.dates import short_day
from memory.text.speakers import is_by_assistant
from memory.text.tokens import line_tokens, trim
from memory.text.turn_filter import TurnFilter
from memory.text.word_forms import forms_of, is_among, telling_words
from memory.text.words import words
from memory.vocabulary import INSTRUCTION, PREFERENCE, STANDING, Attribute
from memory.vocabulary.entities import relation_named, relation_words
from memory.vocabulary.forms import word_lists
from memory.vocabulary.template_syntax import bare_words
from memory.vocabulary.templates.clauses import supposes, told_sentences, unasserted
from memory.vocabulary.templates.forms import fits
from memory.vocabulary.templates.parts import own_text
from memory.vocabulary.templates.patterns import words_of
from memory.vocabulary.templates.words import language_words

if TYPE_CHECKING:  # with numpy, which listing facts does not need
    from numpy import float32
    from numpy.typing import NDArray

_CLAUSE_END = re.compile(r"\s*[,;:\u2013\u2014]\s+|\s+(?:and|but|so|because|since)\s+")
_FEWEST_WORDS, _FEWEST_LETTERS = 3, 3  # of a clause, of a place
MOST_LISTED = 60  # facts of a list for which a later turn is looked for
_MOST_FOUND = 8  # turns of a search for one fact
_MOST_NEW = 48  # turns since the last look: as many are read, for more a search is quicker
_CASE = re.compile(r"^(?:when|whenever|if)\b[^,]*, | (?:when|whenever|if) I .*$", re.IGNORECASE)
_LONGEST = 2_000  # characters of a turn: people say news in short messages
_QUOTE_TOKENS = 28
# The share of a value's words that a sentence needs: "Lund" is of "Ingrid Lund", and "yoga"
# alone is not "aerial yoga".
_SHARES: Mapping[str, float] = {"one value": 0.01, "wish": 0.5, "many": 1}
_MOST_BEHIND = 4  # turns that correct what was just said
# The cosine of a sentence to an attribute's own sentences, with a word of change and without. In
# stories of change other talk reached .41, and a new value in other words .17 to .80
# (tests/benchmarks/changes).
_NEAR_WITH_CHANGE, _NEAR = 0.3, 0.5
# A sentence of talk changes a fact by how near it is to the nearest two of what people say when
# something of the attribute changes, less its nearness to what they say of it on any day
# (changes.toml), with the cosine to the value, another place and a denial. The weights are those of
# a logistic regression, rounded.
_NEAREST = 2
_ANY_DAY, _WITH_VALUE, _WITH_OTHER_PLACE, _DENIED = 0.5, 0.7, 0.3, 0.1
_WITH_SUBJECT = 0.1  # somebody else's fact: the sentence names them or their relation
_CHANGE = 0.32
_FEWEST_SAID = 4  # words: "Woohoo, Paris!" tells nothing
_NOT_NAMED = 0.99  # the most for a sentence that is known by nearness alone
# The same for wishes, which sentences that name what is wished take back.
_WISH_CHANGE, _WISH_NAMED, _WISH_WORD, _WISH_DENIED, _WISH_OF_SELF = 0.45, 0.3, 0.1, 0.05, 0.1
# "Go back to normal letters" is said of the wish for capitals, and of no other.
_SAME_WISH = 0.1
# Of turns that name nothing of a fact the newest counts that is this near to the nearest.
_AS_NEAR = 0.08


@dataclass(frozen=True)
class LatestWord:
    """A later turn that speaks of a fact, and the sentence that does.

    `value` is the new value if the sentence says the same with another one, else "": then it may
    or may not change the fact.
    """

    turn: Turn
    sentence: str
    value: str = ""

    @property
    def text(self) -> str:
        """`later, turn 3, 10 Mar 2026: "no dog anymore"`."""
        day = f", {short_day(self.turn.said_at)}" if self.turn.said_at else ""
        return f"later, turn {self.turn.id}{day}: {self.quotation}"

    @property
    def quotation(self) -> str:
        """The turn in quotation marks if it is short, else the sentence, cut if it is long."""
        turn = one_line(own_text(self.turn.text[:_LONGEST])).strip()
        quoted = turn if 0 < line_tokens(turn) <= _QUOTE_TOKENS else one_line(self.sentence)
        return f'"{trim(quoted, _QUOTE_TOKENS)}"'


def with_latest(line: str, word: LatestWord | None) -> str:
    """A line of a fact with the latest word on it, if there is one."""
    return f"{line}; {word.text}" if word else line


def with_later(store: Store, facts: Sequence[Fact], day: str = "") -> list[Fact]:
    """A list of facts: of the first MOST_LISTED, a current one with a latest word has `later`."""
    latest = latest_words(store, current_among(store, facts[:MOST_LISTED]), day)
    return [
        FactWithLater(**vars(fact), later=latest[fact.id].text) if fact.id in latest else fact
        for fact in facts
    ]


@dataclass
class _Seen:
    """The turns that speak of a fact, of those up to `last_turn`: by their ids, with the words."""

    last_turn: int = 0
    said: dict[int, "_Word"] = field(default_factory=dict)


class _Word(NamedTuple):
    """A sentence that speaks of a fact, its new value, and how near it is to a change.

    The sentence is "" where it says the same again. `nearness` is 1 where it names something.
    """

    sentence: str
    value: str = ""
    nearness: float = 1.0


# What was found stays as long as the store is open: only turns added since are looked at.
_seen_of: "WeakKeyDictionary[Store, dict[tuple[int, str], _Seen]]" = WeakKeyDictionary()


def latest_words(store: Store, facts: Sequence[Fact], day: str = "") -> Mapping[int, LatestWord]:
    """The latest word on facts that their speaker said, up to a day (ISO), by the facts' ids.

    A fact that no one speaks of later is left out, and so is a fact that was said again unchanged.
    Only states have one: an event happened once.
    """
    own = first_store(store)
    if own is not store or not facts:  # several memories count their turns apart
        return {}
    vocabulary = vocabulary_of(own)
    states = [
        (fact, attribute)
        for fact in facts
        if (attribute := vocabulary.canonical(fact.attribute)) and attribute.is_state
    ]
    if not states:
        return {}
    newest = last_turn(own)
    seen = _seen_of.setdefault(own, {})
    behind = [
        (fact, attribute)
        for fact, attribute in states
        if seen.setdefault((fact.id, fact.value), _Seen()).last_turn < newest
    ]
    _look(own, behind, seen, newest)
    turn_ids = {turn_id for fact, _ in states for turn_id in seen[fact.id, fact.value].said}
    turns = {turn.id: turn for turn in own.turns_by_id(sorted(turn_ids), missing_ok=True)}
    latest: dict[int, LatestWord] = {}
    sources = {(fact.attribute, fact.turn_id) for fact in facts}
    wishes = {fact.turn_id for fact in facts if fact.attribute in STANDING}
    for fact, attribute in states:
        spoken = seen[fact.id, fact.value].said
        later = [turns[turn_id] for turn_id in spoken if turn_id in turns]
        later = [
            turn
            for turn in later
            if not turn.text.startswith(WITHDRAWN) and (not day or turn.said_at[:10] <= day)
        ]
        # "A cat called Miso" is another pet, and no change of the first.
        if attribute.kind == "many" and attribute.name not in STANDING:
            later = [turn for turn in later if (fact.attribute, turn.id) not in sources]
        if attribute.name in STANDING:  # another order changes this one by words of change alone
            later = [t for t in later if spoken[t.id].nearness == 1 or t.id not in wishes]
        if later:
            nearest = max(spoken[turn.id].nearness for turn in later)
            turn = max(
                (turn for turn in later if spoken[turn.id].nearness >= nearest - _AS_NEAR),
                key=lambda turn: turn.id,
            )
            if spoken[turn.id].sentence:
                latest[fact.id] = LatestWord(turn, *spoken[turn.id][:2])
    return latest


def _look(
    store: Store,
    states: Sequence[tuple[Fact, Attribute]],
    seen: Mapping[tuple[int, str], _Seen],
    newest: int,
) -> None:
    """Look for turns that speak of facts, among the turns added since the last look."""
    if not states:
        return
    sources = {
        turn.id: turn
        for turn in store.turns_by_id(sorted({fact.turn_id for fact, _ in states}), missing_ok=True)
    }
    first = min(seen[fact.id, fact.value].last_turn for fact, _ in states)
    is_near = newest - first <= _MOST_NEW
    added = turns_after(store, first, _MOST_NEW) if is_near else []
    for fact, attribute in states:
        known, source = seen[fact.id, fact.value], sources.get(fact.turn_id)
        if source:
            speaker = _speaker(fact, source)
            turns = added if is_near else _found(store, fact, attribute, speaker)
            said_later = [
                turn
                for turn in turns
                if turn.id > fact.turn_id and turn.speaker == speaker and turn.kind == "message"
                # A name in other white space may be somebody else's.
                if WRITTEN_AS not in turn.tags
            ]
            known.said |= _said_of(fact, attribute, source, said_later)
        known.last_turn = newest


def _speaker(fact: Fact, source: Turn) -> str:
    """Whose later words count: who said it, or who it is about if a person wrote it."""
    is_told = source.kind == "message" and not is_by_assistant(source)
    return source.speaker if is_told and source.session != CORRECTIONS else fact.subject


def _found(store: Store, fact: Fact, attribute: Attribute, speaker: str) -> list[Turn]:
    """The turns of a speaker that a search finds for a fact."""
    own_sentence = next(iter(_sentences_of(attribute)), "")
    changes = " ".join(_topic_of(attribute.name).changes[:6])
    queries = filter(None, (f"{fact.value} {own_sentence}", changes))
    hits = [
        hit
        for query in queries
        for hit in store.search(query, _MOST_FOUND, filter=TurnFilter(speaker=(speaker,)))
    ]
    behind = range(fact.turn_id + 1, fact.turn_id + 1 + _MOST_BEHIND)
    turn_ids = sorted({*behind, *(hit.turn_id for hit in hits)})
    return store.turns_by_id(turn_ids, missing_ok=True)


def _said_of(
    fact: Fact, attribute: Attribute, source: Turn, turns: Sequence[Turn]
) -> dict[int, _Word]:
    """The turns, by id, that speak of a fact."""
    spoken: dict[int, _Word] = {}
    value_words = _value_words(fact, attribute)
    value_forms = forms_of(value_words)
    names = telling_words(" ".join(filter(_is_name, fact.value.split())))
    has_one_value, is_wish = attribute.kind == "one value", attribute.name in STANDING
    again = restated([source, *turns], "").get(source.id) if has_one_value else None
    language = language_words()
    own_speakers = language.speakers | {*relation_words().possessives}
    # "No emojis, please" and later "no emojis" is the same again: what is new makes a change.
    first = f"{source.text[:_LONGEST]} {fact.value}"
    first_words = {*words(first), *words_of(first)}
    for place, turn in enumerate(turns):
        for sentence in told_sentences(own_text(turn.text[:_LONGEST])):
            said_in = said_words = {*words(sentence), *words_of(sentence)}
            forms = forms_of(telling_words(sentence))
            shared = [is_among(word, forms) for word in value_words]
            is_named = any(is_among(word, forms) for word in names)
            if all(shared):
                said_words = said_in - first_words
            is_meant = bool(shared) and sum(shared) >= _SHARES[_kind(attribute)] * len(shared)
            # "English again, please": of a listed form, another value is known by its word alone.
            is_meant = is_meant or (has_one_value and _has_value(sentence, attribute))
            has_change = bool(said_words & language.changes)
            has_change = has_change or (
                is_wish and (_permits(sentence) or _allows(sentence, fact.value))
            )
            is_denied = bool(said_words & language.negations)
            is_meant = is_meant and not (is_wish and _is_of_other(sentence, value_words))
            is_correction = place == 0 and turn.session == source.session
            if again and again.turn.id == turn.id and again.value in sentence:
                is_value = attribute.form != "place" or fits(again.value, "place")
                spoken[turn.id] = _Word(sentence, again.value if is_value else "")
            elif (is_meant and (has_change or is_denied)) or (
                is_correction and said_words & language.corrections
            ):
                spoken[turn.id] = _Word(sentence)
            elif (
                (is_meant or has_one_value)
                and not unasserted(sentence)
                and (is_meant or _is_about(sentence, fact, source))
            ):
                nearness = _nearness(sentence, attribute)
                if is_wish and has_change and nearness >= _NEAR_WITH_CHANGE:
                    spoken[turn.id] = _Word(sentence)
                elif nearness >= _NEAR and not (is_wish or is_denied) and shared and all(shared):
                    spoken[turn.id] = _Word("")
            if (
                len(said_in) >= _FEWEST_SAID
                and (turn.id not in spoken or spoken[turn.id].nearness < 1)
                and (is_meant or not _topic_of(attribute.name).is_named)
                and not supposes(sentence)
                and _is_about(sentence, fact, source)
            ):
                change = _change_nearness(sentence, attribute.name)
                if is_meant:  # "I gave up on Welsh" is near to "I gave up on the language"
                    unnamed = _without(sentence, value_forms)
                    change = max(change, _change_nearness(unnamed, attribute.name))
                    if not (has_change or is_denied) and _nearness(unnamed, attribute) >= _NEAR:
                        change = -1.0  # the fact again
                to_value = _cosine(sentence, (fact.value,))
                if is_wish:
                    change += (
                        _WISH_NAMED * is_meant
                        + (_WISH_WORD if has_change else _WISH_DENIED * is_denied)
                        + _WISH_OF_SELF * (not own_speakers.isdisjoint(said_in))
                    )
                    is_change = change >= _WISH_CHANGE and (
                        is_meant or _kind(attribute) != "wish" or to_value >= _SAME_WISH
                    )
                else:
                    # "The kids are asleep" is near to "two kids" by a word alone.
                    change += (
                        _WITH_VALUE * to_value * (is_meant or is_named or not any(shared))
                        + _WITH_OTHER_PLACE * _has_other_place(sentence, fact, attribute)
                        + _WITH_SUBJECT * (fact.subject != source.speaker)
                        + _DENIED * is_denied
                    )
                    is_change = change >= _CHANGE
                if is_change and (turn.id not in spoken or change > spoken[turn.id].nearness):
                    spoken[turn.id] = _Word(sentence, nearness=min(change, _NOT_NAMED))
    return spoken


def _is_about(sentence: str, fact: Fact, source: Turn) -> bool:
    """Whether a sentence may be about the person that a fact is about.

    "My brother Emil lives in Bonn" is about Emil and about a brother.
    """
    sentence_words = words(sentence)
    if fact.subject != source.speaker:
        relatives = {word for word in words(source.text[:_LONGEST]) if relation_named(word)}
        return not {*sentence_words}.isdisjoint(
            {*words(fact.subject)} - {*words(source.speaker)} | relatives
        )
    first, second, *_ = (*sentence_words, "", "")
    return first not in language_words().possessives or not relation_named(second.partition("'")[0])


def _is_of_other(sentence: str, value_words: Sequence[str]) -> bool:
    """Whether a sentence is of something that somebody has: "my doctor stopped my pills".

    "My formal title can go" is of what is wished.
    """
    language = language_words()
    first, second, *_ = (*(w for w in words(sentence) if w not in language.before), "", "")
    return first in language.possessives and not is_among(second, forms_of(value_words))


def _allows(sentence: str, wish: str) -> bool:
    """Whether a sentence orders what a wish forbids: "recommend films", once "never" that.

    "Use a table for this one" is of one answer.
    """
    language, ordered = language_words(), words(sentence)
    always = language.opens | language.negations
    verb = next((word for word in telling_words(wish) if word not in always), "")
    return (
        not language.negations.isdisjoint(words(wish)[:2])
        and (language.negations | language.passing).isdisjoint(ordered)
        and ordered[:1] == [verb]
    )


def _permits(sentence: str) -> bool:
    """Whether a sentence may permit: by its words, or as "actually, do use slang" with "do"."""
    language = language_words()
    first = next((word for word in words(sentence) if word not in language.before), "")
    return first in language.emphases or not language.permissions.isdisjoint(words(sentence))


def _without(sentence: str, forms: Collection[str]) -> str:
    return " ".join(word for word in words(sentence) if not is_among(word, forms))


def _kind(attribute: Attribute) -> str:
    return "wish" if attribute.name in (INSTRUCTION, PREFERENCE) else attribute.kind


def _value_words(fact: Fact, attribute: Attribute) -> list[str]:
    """The words that a sentence needs to mean a value: of an order its object.

    That is without its verb, and without the case that it is for.
    """
    if attribute.name != INSTRUCTION:
        return telling_words(fact.value)
    order = _CASE.sub("", fact.value)
    value_words = telling_words(order) or telling_words(fact.value)
    return value_words[1:] if len(value_words) > 1 else value_words


def _has_value(sentence: str, attribute: Attribute) -> bool:
    form = attribute.form
    return form in word_lists() and any(fits(word, form) for word in words(sentence))


def _has_other_place(sentence: str, fact: Fact, attribute: Attribute) -> bool:
    """Whether a sentence names a place, and the fact has another one."""
    if attribute.form != "place":
        return False
    known = {word.casefold() for word in fact.value.split()}
    names = (word.strip(".,!?;:\"'()") for word in sentence.split()[1:])
    return any(
        fits(name, "place")
        for name in names
        if _is_name(name) and name.casefold() not in known and len(name) >= _FEWEST_LETTERS
    )


def _nearness(sentence: str, attribute: Attribute) -> float:
    """The cosine of a sentence to the nearest sentence of an attribute."""
    return _cosine(sentence, _sentences_of(attribute))


def _cosine(sentence: str, sentences: tuple[str, ...]) -> float:
    """The cosine of a sentence to the nearest of some others; 0 for none."""
    if not sentences:
        return 0.0
    return float((_vectors_of(sentences) @ _vectors_of((sentence,))[0]).max())


@lru_cache(maxsize=400)
def _vectors_of(sentences: tuple[str, ...]) -> "NDArray[float32]":
    from memory.search.embed import embed

    return embed(sentences)


@lru_cache(maxsize=200)
def _sentences_of(attribute: Attribute) -> tuple[str, ...]:
    """An attribute's templates without their placeholders: "I live in", "where do I live"."""
    templates = (*attribute.says, *attribute.asks)
    return tuple(dict.fromkeys(filter(None, map(bare_words, templates))))


@dataclass(frozen=True)
class _Topic:
    """What people say when something of an attribute changes, and what on any day."""

    changes: tuple[str, ...] = ()
    everyday: tuple[str, ...] = ()
    is_named: bool = False


@cache
def _topics() -> list[dict[str, Any]]:
    changes = Path(__file__).with_name("changes.toml").read_text("utf-8")
    return [*tomllib.loads(changes).values()]


@cache
def _topic_of(attribute: str) -> _Topic:
    """The topic of an attribute in changes.toml; an empty one for a user's own attributes."""
    talk, *topics = _topics()
    for topic in topics:
        if attribute in topic["attributes"]:
            changes = tuple(topic["sentences"])
            everyday = (*topic.get("everyday", ()), *talk["everyday"])
            return _Topic(changes, everyday, topic.get("named", False))
    return _Topic()


def _change_nearness(sentence: str, attribute: str) -> float:
    """How near the clauses of a sentence are to changes of an attribute, by cosines; -1 for none.

    "I fed the dog" is as near to "the dog died" as to what is said of a dog on any day.
    """
    topic, clauses = _topic_of(attribute), _clauses(sentence)
    if not topic.changes or not clauses:
        return -1.0
    clause_vectors = _vectors_of(clauses).T
    nearness = sorted((_vectors_of(topic.changes) @ clause_vectors).max(axis=1))[-_NEAREST:]
    any_day = (_vectors_of(topic.everyday) @ clause_vectors).max()
    return float(sum(nearness) / len(nearness) - _ANY_DAY * any_day)


def _clauses(sentence: str) -> tuple[str, ...]:
    """A sentence and its clauses, without names, which are near to nothing."""
    written = sentence.split()
    plain = " ".join(word for place, word in enumerate(written) if not (place and _is_name(word)))
    clauses = [part for part in _CLAUSE_END.split(plain) if len(part.split()) >= _FEWEST_WORDS]
    return (plain, *clauses) if " " in plain else ()


def _is_name(word: str) -> bool:
    return word[:1].isupper() and word.partition("'")[0] != "I"


def sentences_about(attribute: Attribute) -> tuple[str, ...]:
    """What people say and ask of an attribute, and what they say when it changes."""
    return (*_sentences_of(attribute), *_topic_of(attribute.name).changes)
