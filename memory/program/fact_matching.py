"""Which facts a question is about: weights learnt from questions about other memories decide.

fact_weights.json says what each number of `features_of` is worth, and how sure the best facts must
be to decide. `python -m tests.benchmarks.fact_weights` learns it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memory.program.fact_candidates import (
    CAPITAL,
    TIME_WORDS,
    is_subject_named,
    subject_words,
    suitable,
)
from memory.program.fact_features import (
    ALL_OF,
    FEATURES,
    VAGUE_WORDS,
    attribute_words,
    features_of,
)
from memory.program.fact_questions import FactQuestion
from memory.program.fact_select import LIGHT_WORDS, DatedFact
from memory.program.fact_words import are_forms, is_near
from memory.search.word_forms import telling_words
from memory.search.words import words
from memory.vocabulary import Vocabulary

_WEIGHTS = Path(__file__).with_name("fact_weights.json")
_MOST_TURNS = 60  # facts whose turns are looked at
_LEAST_PART = 0.05
_MOST_MARGIN = 8.0
_ALIKE = 0.7  # facts of several people are meant alike where their scores are this near
# An event after which something is no more, and how a person says it.
ENDINGS = {
    "stopped": "stopped",
    "sold": "sold",
    "left": "left",
    "left_job": "left",
    "lost_job": "lost the job at",
    "lost": "lost",
    "separated_from": "separated from",
    "broke_up_with": "broke up with",
}
CONFIDENCE = (
    *(
        "best",
        "margin",
        "margin_same",
        "rest",
        "rest_count",
        "names_left",
        "whole",
        "near",
        "cosine",
        "subject",
    ),
    *("other_subject", "any_attribute", "explained", "day_none", "place_none", "digits_none"),
    *(
        "person_none",
        "name_none",
        "out_of_span",
        "length_none",
        "question_words",
        "person_subject",
    ),
    *("kind_value", "kind_when", "kind_who", "kind_where", "kind_count", "kind_list"),
    *("kind_how long", "kind_yes or no", "kind_first", "kind_last", "kind_change", "yes_rest"),
    *("chosen_part", "several_groups", "topic_only", "best_without_names"),
    *("head_rest", "head_topic", "head_turn", "head_attribute", "head_value", "rest_weight"),
    *("by_turn", "possessive", "job_at", "person_value", "both", "one_left"),
)


@dataclass(frozen=True)
class Matched:
    """The facts a question is about, and numbers that tell how certain that is: CONFIDENCE."""

    facts: tuple[DatedFact, ...]
    confidence: NDArray[np.float64]

    @property
    def probability(self) -> float:
        """How likely it is that an answer from the facts is right."""
        weights = _weights()
        score = weights.start + sum(_leaf(tree, self.confidence) for tree in weights.trees)
        return float(1 / (1 + np.exp(-score)))

    @property
    def is_certain(self) -> bool:
        """Whether they may decide the question."""
        return self.probability >= _weights().threshold


# A node of a tree: the number of a feature, the most with which to go left, the nodes left and
# right; a leaf has -1 for its feature and its value for the bound.
Node = tuple[int, float, int, int]


@dataclass(frozen=True)
class _Weights:
    features: NDArray[np.float64]
    bias: float
    start: float
    trees: Sequence[Sequence[Node]]
    threshold: float


@cache
def _weights() -> _Weights:
    stored = json.loads(_WEIGHTS.read_text("utf-8"))
    if stored["confidence"] != list(CONFIDENCE):
        raise ValueError("fact_weights.json is of other features: learn it again")
    return _Weights(
        np.array([stored["features"][name] for name in FEATURES]),
        stored["bias"],
        stored["start"],
        stored["trees"],
        stored["threshold"],
    )


def _leaf(tree: Sequence[Node], numbers: NDArray[np.float64]) -> float:
    feature, bound, low, high = tree[0]
    while feature >= 0:
        feature, bound, low, high = tree[low if numbers[feature] <= bound else high]
    return bound


def matching(
    question: FactQuestion,
    facts: Sequence[DatedFact],
    vocabulary: Vocabulary,
    texts: Callable[[Iterable[int]], Mapping[int, str]],
    today: str,
) -> Matched | None:
    """The facts that a question is most likely about, None where there are none.

    `texts` returns the texts of turns by their ids. `today` is the day of the question (ISO).
    """
    weights = _weights()
    facts = suitable(question, facts)
    if not facts:
        return None
    rows = features_of(question, facts, vocabulary, {}, today)
    if len(facts) > _MOST_TURNS:
        likely = np.argsort(-(rows @ weights.features), kind="stable")[:_MOST_TURNS]
        facts = [facts[index] for index in sorted(likely)]
    by_id = texts(fact.turn_id for fact in facts)
    rows = features_of(question, facts, vocabulary, by_id, today)
    return choose(question, facts, rows, rows @ weights.features + weights.bias, vocabulary)


def choose(
    question: FactQuestion,
    facts: Sequence[DatedFact],
    rows: NDArray[np.float64],
    scores: NDArray[np.float64],
    vocabulary: Vocabulary,
) -> Matched | None:
    """The facts of the subject and attribute with the best score, and how certain they are.

    None where they explain nothing of the question, or not all words of one of yes or no.

    Arguments:
        question: the question.
        facts: n facts.
        rows: their features, (n, len(FEATURES)).
        scores: their scores, (n,): the larger, the likelier a fact is meant.
        vocabulary: that of the memory.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for index, fact in enumerate(facts):
        groups.setdefault((fact.subject, vocabulary.name_of(fact.attribute)), []).append(index)
    best_of = {key: max(scores[index] for index in group) for key, group in groups.items()}
    ranked = sorted(best_of, key=lambda key: -best_of[key])
    top = ranked[0]
    chosen_groups = [top]
    if _is_of_several(question, facts[groups[top][0]]):
        chosen_groups += [
            key for key in ranked[1:] if key[1] == top[1] and best_of[key] >= best_of[top] - _ALIKE
        ]
    if ending := _ending_of(question, [facts[index] for index in groups[top]], facts, vocabulary):
        chosen_groups = [ending]
    chosen = sorted(index for key in chosen_groups for index in groups[key])
    topic_words = {word for index in chosen for word in telling_words(facts[index].value)}
    next_other = next_same = best_of[top] - _MOST_MARGIN
    for key in ranked:
        if key in chosen_groups:
            continue
        other_words = (word for index in groups[key] for word in telling_words(facts[index].value))
        if key[0] == top[0] and not topic_words.isdisjoint(other_words):
            next_same = max(next_same, best_of[key])
        else:
            next_other = max(next_other, best_of[key])
    part = _said_of(question, [facts[index] for index in chosen], vocabulary)
    row = dict(zip(FEATURES, rows[max(chosen, key=lambda index: scores[index])], strict=True))
    beside = row["rest"] + row["by_turn"] + row["near_turn"]
    is_of_other = beside > 0 or row["topic_only"] or row["names_left"] or row["numbers_left"]
    if question.kind == "yes or no" and is_of_other:
        return None  # "Is Anna allergic to dogs?" of one who is allergic to nuts
    if beside > 1 - _LEAST_PART or row["deed_beside"]:
        return None
    numbers = {
        **row,
        "best": best_of[top],
        "margin": best_of[top] - next_other,
        "margin_same": best_of[top] - next_same,
        "near": row["near_attribute"] + row["near_value"],
        "cosine": row["rest_cosine"],
        "question_words": float(len(question.telling)),
        f"kind_{question.kind}": 1.0,
        "chosen_part": float(len(part) < len(chosen)),
        "several_groups": float(len(chosen_groups) > 1),
        "best_without_names": best_of[top] * (not question.names),
    }
    return Matched(tuple(part), np.array([numbers.get(name, 0.0) for name in CONFIDENCE]))


def _ending_of(
    question: FactQuestion,
    best: Sequence[DatedFact],
    facts: Sequence[DatedFact],
    vocabulary: Vocabulary,
) -> tuple[str, str] | None:
    """The subject and attribute of what ended a state that a question of yes or no asks about.

    "Does Anna still have the bike?" of one who bought a bike, and sold it later.
    """
    if question.kind != "yes or no" or question.is_past:
        return None
    subject = best[0].subject
    topic_words = {
        word
        for word in question.telling
        for fact in best
        if any(
            are_forms(word, other)
            for other in (*telling_words(fact.value), *attribute_words(fact, vocabulary))
        )
    }
    newest = max(fact.day for fact in best)
    endings = (
        fact
        for fact in facts
        if fact.subject == subject and fact.attribute in ENDINGS and fact.day >= newest
    )
    for fact in endings:
        value_words = telling_words(fact.value)
        if any(are_forms(word, other) for word in topic_words for other in value_words):
            return fact.subject, vocabulary.name_of(fact.attribute)
    return None


def _is_of_several(question: FactQuestion, fact: DatedFact) -> bool:
    """Whether a question may ask for facts of several subjects."""
    if question.is_shared and question.says(r"\b(?:we|us)\b") and question.kind in ALL_OF:
        return True
    if question.is_by_subject or len(question.names) > 1:
        return True
    return not is_subject_named(question, fact) and question.kind in ("who", *ALL_OF)


def _said_of(
    question: FactQuestion, facts: Sequence[DatedFact], vocabulary: Vocabulary
) -> list[DatedFact]:
    """Those of several facts whose values have what the question says: "in the tarn"."""
    chosen = list(facts)
    of_names = {name for fact in facts for name in attribute_words(fact, vocabulary)}
    of_subjects = {word for fact in facts for word in subject_words(fact)}
    names = [word for name in CAPITAL.findall(question.text[1:]) for word in words(name)]
    for word in dict.fromkeys((*question.telling, *names)):
        is_vague = word in LIGHT_WORDS or word in VAGUE_WORDS or word in TIME_WORDS
        if word in question.before:
            continue  # "before Bergen" asks for another value than Bergen
        if is_vague or word in of_subjects or any(is_near(word, other) for other in of_names):
            continue
        for has in (are_forms, is_near):
            of_word = [
                fact
                for fact in chosen
                if any(has(word, other) for other in telling_words(fact.value))
            ]
            if of_word:
                chosen = of_word
                break
    return chosen
