"""Facts that a text is about, for a model to see before it ends, merges or repeats them."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, islice, pairwise
from typing import TypeVar

from memory.records import Fact, Turn
from memory.store import Store
from memory.store.facts.fact_reads import candidate_facts
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.text.words import forms_of, telling_words, words
from memory.vocabulary import Attribute, Vocabulary
from memory.vocabulary.templates import assertions_in

_TURNS_A_TEXT = 12  # hits of each search
_FACTS_OF_NAMES = 2_000  # about subjects that texts name: speakers, and others
# At most this many related facts that the texts may change, facts that may depend on these, and
# related facts before the latter.
_MAY_CHANGE, _MOST_RESTING, _BEFORE_RESTING = 8, 8, 24
_MOST_COMPARED = 200
_SPEAKER = re.compile(r"([^:\n]{1,60}): ")
# Weights of a fact's turn, its own words, its subject, and of a text that asserts its attribute
# of its subject, which it may repeat or end. The ranking of turns also matches synonyms, a fact's
# words match only themselves.
_BY_TURN, _BY_WORDS, _BY_SUBJECT = 0.5, 0.3, 0.2
_BY_STATEMENT = 0.5
_BY_STATE = 0.1  # a speaker's current state, which a turn may end in any words
_Shared = TypeVar("_Shared")


@dataclass(frozen=True)
class _Text:
    """A text to compare facts with."""

    text: str
    ranks: Mapping[int, int]  # of turns, in a search for it
    vocabulary: Vocabulary

    @cached_property
    def speaker(self) -> str:
        match = _SPEAKER.match(self.text)
        return match[1] if match else ""

    @cached_property
    def forms(self) -> set[str]:
        return forms_of(telling_words(self.text))

    @cached_property
    def names(self) -> set[str]:
        return set(_names(self.text))

    @cached_property
    def attributes(self) -> set[tuple[str, str]]:
        """The subjects, as words, and attributes that it asserts in templates."""
        turn = Turn(self.speaker, self.text.removeprefix(f"{self.speaker}: "))
        return {
            (_plain(assertion.subject), assertion.attribute)
            for assertion in assertions_in(turn, self.vocabulary)
        }


def related_facts(
    store: Store,
    texts: Sequence[str],
    most: int = 40,
    least_score: float = 0.0,
    weights: Mapping[str, float] | None = None,
) -> list[tuple[Fact, float]]:
    """The facts that some texts are about, best first, each with a score from 0 to 1.

    A fact scores by the rank of its source in a search for a text, by the share of its words in the
    text, by whether the text names its subject, by any of its names, and by whether it asserts in
    a template the fact's attribute of its subject; the best text counts.
    Past facts are included. Calls no language model.

    Arguments:
        store: the memory.
        texts: turns as `Speaker: text`, or questions; each is one search.
        most: how many facts at most.
        least_score: omit facts with a lower score.
        weights: of the ranking, as for `Store.search`.
    """
    speakers = dict.fromkeys(match[1] for text in texts if (match := _SPEAKER.match(text)))
    vocabulary = vocabulary_of(store)
    compared = [_Text(text, ranks, vocabulary) for text, ranks in _ranked(store, texts, weights)]
    turn_ids = sorted({turn_id for text in compared for turn_id in text.ranks})
    # Speakers apart: facts about others are fewer, and found by their turns and words, too.
    names = [*map(_plain, speakers)]
    others = sorted({name for text in compared for name in text.names} - {*names})
    facts, called = candidate_facts(store, turn_ids, (names, others), _FACTS_OF_NAMES)

    compared_by = _ByContent(compared)
    scores = {
        fact.id: compared_by.best_score(fact, attribute, is_called=fact.id in called)
        for attribute, of_attribute in _by_attribute(facts.values(), vocabulary)
        for fact in of_attribute
    }
    # Of two equal scores the newer fact first: it is more likely to be current.
    ranked = sorted(facts.values(), key=lambda fact: (-scores[fact.id], -fact.id))
    scored = [(fact, min(scores[fact.id], 1.0)) for fact in ranked if scores[fact.id] > 0]
    return [(fact, score) for fact, score in scored if score >= least_score][:most]


def known_facts(
    store: Store,
    texts: Sequence[str],
    most: int = 40,
    weights: Mapping[str, float] | None = None,
) -> list[Fact]:
    """The facts that a model sees before it stores some texts: related ones, best first.

    After the first come current facts that share names or words with the facts that the texts may
    change, and may depend on them: who approves leave, when the texts tell of a new lead. Arguments
    as for `related_facts`.
    """
    related = [fact for fact, _ in related_facts(store, texts, most, weights=weights)]
    first = related[:_BEFORE_RESTING]
    changing: dict[tuple[str, str], Fact] = {}  # the best of each subject and attribute
    for fact in related:
        if not fact.ended_on:
            changing.setdefault((fact.subject, fact.attribute), fact)
    changed = dict(islice(changing.items(), _MAY_CHANGE))
    if not changed:
        return related
    names = ". ".join(f"{fact.subject} {fact.value}" for fact in changed.values())
    resting = [
        fact
        for fact, _ in related_facts(store, [names], _MOST_COMPARED, weights=weights)
        if not fact.ended_on and (fact.subject, fact.attribute) not in changed
    ]
    return list(dict.fromkeys([*first, *resting[:_MOST_RESTING], *related]))[:most]


def _ranked(
    store: Store, texts: Sequence[str], weights: Mapping[str, float] | None
) -> Iterator[tuple[str, Mapping[int, int]]]:
    """Each text with the ranks of the turns that a search for it finds."""
    for text in texts:
        hits = store.search(text, _TURNS_A_TEXT, weights=weights)
        yield text, {hit.turn_id: rank for rank, hit in enumerate(hits)}


def _by_attribute(
    facts: Iterable[Fact], vocabulary: Vocabulary
) -> Iterator[tuple[Attribute, Sequence[Fact]]]:
    """The facts by attribute; an attribute that the vocabulary lacks may have many values."""
    by_name: dict[str, list[Fact]] = {}
    for fact in facts:
        by_name.setdefault(fact.attribute, []).append(fact)
    for name, of_name in by_name.items():
        yield vocabulary.canonical(name) or Attribute(name), of_name


class _ByContent:
    """Texts, indexed by what a fact may share with them.

    Most facts share something with a few texts. Comparing each with every text took two thirds of a
    digest.
    """

    def __init__(self, texts: Sequence[_Text]) -> None:
        self._texts = texts
        self._by_turn = _numbers_by(text.ranks for text in texts)
        self._by_form = _numbers_by(text.forms for text in texts)
        self._by_name = _numbers_by(text.names for text in texts)
        self._by_attribute = _numbers_by(text.attributes for text in texts)
        self._by_word = _NumbersByWord(self._by_form)

    def best_score(self, fact: Fact, attribute: Attribute, is_called: bool) -> float:
        """The score of a fact in the text that it fits best."""
        subject = _plain(fact.subject)
        forms = _word_forms(fact.attribute, fact.value)
        shared = Counter(chain.from_iterable(map(self._by_word.__getitem__, forms)))
        stated = {*self._by_attribute.get((subject, attribute.name), ())}
        naming = {*self._by_name.get(subject, ())}
        best = _BY_SUBJECT if is_called else 0.0
        for number in {*self._by_turn.get(fact.turn_id, ()), *shared, *stated, *naming}:
            rank = self._texts[number].ranks.get(fact.turn_id)
            score = 0.0 if rank is None else _BY_TURN * (1 - rank / _TURNS_A_TEXT)
            if forms:
                score += _BY_WORDS * shared[number] / len(forms)
            if number in naming:
                score += _BY_SUBJECT
                if attribute.kind == "one value" and not fact.ended_on:
                    score += _BY_STATE
            elif is_called:
                score += _BY_SUBJECT
            if number in stated and not fact.ended_on:
                score += _BY_STATEMENT
            best = max(best, score)
        return best


class _NumbersByWord(dict[frozenset[str], set[int]]):
    """The numbers of the texts that hold a word, given by its forms; facts share their words."""

    def __init__(self, by_form: Mapping[str, Sequence[int]]) -> None:
        super().__init__()
        self._by_form = by_form

    def __missing__(self, forms: frozenset[str]) -> set[int]:
        known = forms & self._by_form.keys()
        self[forms] = {*chain.from_iterable(map(self._by_form.__getitem__, known))}
        return self[forms]


def _numbers_by(shared: Iterable[Iterable[_Shared]]) -> Mapping[_Shared, list[int]]:
    """The numbers of the texts that have each of these things."""
    numbers = defaultdict[_Shared, list[int]](list)
    for number, of_text in enumerate(shared):
        for thing in of_text:
            numbers[thing].append(number)
    return numbers


@lru_cache(maxsize=10_000)
def _plain(name: str) -> str:
    """A name in the form of `_names`."""
    return " ".join(words(name))


@lru_cache(maxsize=10_000)
def _word_forms(attribute: str, value: str) -> tuple[frozenset[str], ...]:
    """The forms of each telling word of a fact."""
    text = f"{attribute.replace('_', ' ')} {value}"
    return tuple(frozenset(forms_of([word])) for word in telling_words(text))


def _names(text: str) -> list[str]:
    """The words of a text, and its pairs of words, that may name a subject."""
    text_words = words(text)
    pairs = [f"{first} {second}" for first, second in pairwise(text_words)]
    return [*telling_words(text), *pairs]
