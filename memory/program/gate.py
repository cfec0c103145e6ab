"""Whether a turn says anything to store: a calibrated guess without a model.

Half of what people write to each other is thanks, jokes, advice and questions. A logistic
regression (Cox 1958) over the words of a turn tells most of it apart for a thousandth of a call.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import exp, log1p
from pathlib import Path
from typing import Literal

from memory.models.row_grammar import clauses_of
from memory.text.amounts import number_words
from memory.text.sentences import Word, sentences
from memory.text.speakers import is_assistant
from memory.text.word_classes import closed_classes, is_past
from memory.vocabulary.entities import count_people, relation_words

Decision = Literal["skip", "ask", "require"]
_PLANS = frozenset({"will", "gonna", "shall"})
_CONDITIONS = frozenset({"if", "would", "could", "should", "might"})
_MOST = 3  # more of a kind say nothing more


@dataclass(frozen=True)
class StoreGate:
    """A gate before the storing module: the weights of `features_of`, by name, and two thresholds.

    A turn that says something with a probability below `skip` is not asked about. From `force` on
    rows must be written: a little model that may say "none" says it too often.
    """

    weights: Mapping[str, float]
    intercept: float
    skip: float
    force: float = 1.0

    def decision(self, turn: str) -> Decision:
        """Whether a model is asked about a turn (`Anna: text`), and must then write rows."""
        probability = self.probability(turn)
        if probability < self.skip:
            return "skip"
        return "require" if probability >= self.force else "ask"

    def probability(self, turn: str) -> float:
        """The probability that a turn (`Anna: text`) says something to store, 0 to 1."""
        features = features_of(turn)
        logit = self.intercept + sum(self.weights[name] * features[name] for name in self.weights)
        return 1 / (1 + exp(-logit))


@cache
def shipped_gate() -> StoreGate:
    """The gate that little models have as long as no compiled program brings another."""
    return StoreGate(**tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8")))


def features_of(turn: str) -> dict[str, float]:
    """Counts of a turn (`Anna: text`), by name.

    words: log(1 + words that are no question). own_clauses, other_clauses: log(1 + clauses for
    which a row may be written, about the speaker and about others). possessives: "my", "our". past:
    verbs of the past tense. plans: "will", "gonna". conditions: "if", "would". people, numbers: how
    many are named. questions, exclamations: whether there is one. courtesies, addressed: the share
    of words of thanks and praise, and of "you". assistant: whether one speaks. Counts end at 3.
    """
    speaker, _, text = turn.partition(": ")
    marked = [*sentences(text)]
    stated = [words for words, is_question in marked if not is_question]
    words = [word for sentence in stated for word in sentence]
    clauses = [clause for _, of_sentence in clauses_of(text, speaker) for clause in of_sentence]
    by_speaker = sum(clause.by_speaker for clause in clauses)
    known, classes = relation_words(), closed_classes()
    return {
        "words": log1p(len(words)),
        "own_clauses": log1p(by_speaker),
        "other_clauses": log1p(len(clauses) - by_speaker),
        "possessives": _count(word.head in known.possessives for word in words),
        "past": _count(is_past(word.head) for word in words),
        "plans": _count(word.head in _PLANS or word.ending == "ll" for word in words),
        "conditions": _count(word.head in _CONDITIONS or word.ending == "d" for word in words),
        "people": float(min(sum(map(count_people, stated)), _MOST)),
        "numbers": _count(map(_is_number, words)),
        "questions": float(any(is_question for _, is_question in marked)),
        "exclamations": float("!" in text),
        "courtesies": _share(word.head in classes.courtesies for word in words),
        "addressed": _share(word.head in known.addressed for word in words),
        "assistant": float(is_assistant(speaker)),
    }


def _count(occurrences: Iterable[bool]) -> float:
    return float(min(sum(occurrences), _MOST))


def _share(occurrences: Iterable[bool]) -> float:
    flags = [*occurrences]
    return sum(flags) / max(len(flags), 1)


def _is_number(word: Word) -> bool:
    return word.head[:1].isdigit() or word.head in number_words().numbers
