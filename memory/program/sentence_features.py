"""What tells whether a sentence of a turn answers a question: numbers for a logistic regression.

Words are compared by letters (in any form), by the packaged embedder's vectors, and weighed by how
much they tell. Nothing here decides anything: `decisive_sentence` does.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memory.dates import resolve_dates
from memory.embed import embed, word_weights
from memory.passages import sentences
from memory.program.answer_checks import NUMBER, AskedFor, has_word
from memory.program.fact_words import meant_by
from memory.records import Hit, Turn
from memory.search.answer_kinds import asks_for_present
from memory.search.ranking import FEATURE_WEIGHTS
from memory.search.word_forms import forms_of, telling_words
from memory.search.words import words

MOST_TURNS = 12  # of the ranking
_MOST_SENTENCES = 24  # of a turn
_LONGEST = 400  # characters of a sentence
_AHEAD = re.compile(r"\b(?:will|going to|gonna|'ll|tomorrow|next|soon)\b", re.IGNORECASE)
_ASKS_PAST = re.compile(r"\b(?:did|was|were|had)\b", re.IGNORECASE)
_ASKS_AHEAD = re.compile(r"\b(?:will|going to)\b", re.IGNORECASE)
_NAME = re.compile(r"(?<=[\w,;:'\")-] )[A-Z][a-z]\w+|\b[A-Z][a-z]+ [A-Z][a-z]+\b")
_PLACE = re.compile(
    r"\b(?:in|at|on|near|from|to|into|by|over|under|behind|opposite)"
    r" (?:(?:the|a|an|my|our|his|her|their) )?(?:\w+ ){0,2}?(?:[A-Z]\w+|\w+)"
)
_DAY = re.compile(r"\([^()]*\d{4}\)|\b\d{1,2}(?:st|nd|rd|th)\b|\b(?:19|20)\d\d\b")
_TIME = re.compile(
    r"\b(?:january|february|(?-i:March)|april|(?-i:May)|june|july|august|september|october"
    r"|november|december|today|tonight|yesterday|just|this (?:morning|afternoon|evening)|\w+day)\b",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"\b(?:minutes?|hours?|days?|nights?|weeks?|fortnights?|months?|years?|since|until)\b", re.I
)


@dataclass(frozen=True)
class Sentence:
    """A sentence that may answer, in its turn, with its features by name."""

    turn: Turn
    text: str
    values: Mapping[str, float]


def candidate_sentences(
    question: AskedFor,
    hits: Sequence[Hit],
    turns: Mapping[int, Turn],
    speakers: Collection[str],
    feature_weights: Mapping[str, float] = FEATURE_WEIGHTS,
) -> list[Sentence]:
    """The sentences of the best turns, with their features.

    Arguments:
        question: the question, with names in place of "I".
        hits: of its ranking, best first.
        turns: by id, those of the hits and the two before each.
        speakers: the names of those who speak in the memory.
        feature_weights: those that the hits were ranked by.
    """
    best = [(hit, turns[hit.turn_id]) for hit in hits if hit.turn_id in turns][:MOST_TURNS]
    parts = [
        (hit, turn, part.strip()[:_LONGEST])
        for hit, turn in best
        for part in (sentences(turn.text) or [turn.text])[:_MOST_SENTENCES]
        if words(part)
    ]
    if not parts:
        return []
    meanings = _Meanings(question)
    vectors = embed([question.text, *(part for *_, part in parts)])
    cosines = vectors[1:] @ vectors[0]
    question_words = set(words(question.text))
    named = {word for name in speakers for word in words(name)} & question_words
    ids = sorted(turn.id for _, turn in best)
    ranks = {hit.turn_id: rank for rank, (hit, _) in enumerate(best)}
    contexts = {turn.id: meanings.match(_with_turns_before(turn, turns)) for _, turn in best}
    top = best[0][0].score
    candidates = []
    for (hit, turn, part), cosine in zip(parts, cosines, strict=True):
        values = {
            "cosine": float(cosine),
            "gap": hit.score - top,
            "rank": 1 / (1 + ranks[turn.id]),
            **_ranking_values(hit, feature_weights),
            **meanings.compared(meanings.match(part), contexts[turn.id]),
            **_speaker_values(part, turn, named),
            **_form_values(part, turn, question),
            "newest": ids.index(turn.id) / len(ids) * asks_for_present(question.text),
            "oldest": (1 - ids.index(turn.id) / len(ids)) * ("first" in question_words),
        }
        candidates.append(Sentence(turn, part, values))
    return candidates


def _ranking_values(hit: Hit, feature_weights: Mapping[str, float]) -> dict[str, float]:
    """The features of the ranking: shares of its score would change whenever it is fitted anew."""
    return {
        f"ranking_{name}": share / weight if (weight := feature_weights[name]) else 0.0
        for name, share in hit.shares.items()
    }


def _with_turns_before(turn: Turn, turns: Mapping[int, Turn]) -> str:
    before = [turns.get(turn.id - n) for n in (2, 1)]
    texts = [other.text for other in before if other and other.session == turn.session]
    return " ".join([*texts, turn.text])


# For each telling word of a question: whether a text has it, and how near one of its words is.
Match = tuple[NDArray[np.float32], NDArray[np.float32]]


class _Meanings:
    """The telling words of a question, what each is worth, and how texts match them."""

    def __init__(self, question: AskedFor) -> None:
        self.words = list(dict.fromkeys((*question.names, *question.telling)))
        self.names = set(question.names)
        weights = np.array(word_weights(self.words) or [0.0], np.float32)
        self.weights = weights / (weights.sum() or 1.0)
        self.vectors = embed(self.words) if self.words else np.zeros((0, 1), np.float32)

    def compared(self, sentence: Match, context: Match) -> dict[str, float]:
        """How much of the question a sentence has, and its turn with the two before."""
        if not self.words:
            return {}
        exact, near = sentence
        around, around_near = context
        return {
            "covered": float(exact @ self.weights),
            "nearly": float(near @ self.weights),
            "in_context": float(around @ self.weights),
            "near_in_context": float(around_near @ self.weights),
            "missing": float((self.weights * (1 - np.maximum(around, around_near))).max()),
            "name_missing": float(
                any(
                    not matched
                    for word, matched in zip(self.words, around, strict=True)
                    if word in self.names
                )
            ),
        }

    def match(self, text: str) -> Match:
        """How a text matches each telling word of the question."""
        text_words = list(dict.fromkeys(words(text)))[:400]
        forms = forms_of(text_words)
        exact = np.array(
            [
                1.0
                if has_word(word, forms)
                else 0.8 * any(has_word(other, forms) for other in meant_by(word))
                for word in self.words
            ],
            np.float32,
        )
        telling = telling_words(text)[:400]
        if not telling or not self.words:
            return exact, exact
        cosines = (embed(telling) @ self.vectors.T).max(axis=0)
        return exact, np.maximum(exact, np.clip(cosines, 0, 1))


def _speaker_values(part: str, turn: Turn, named: Collection[str]) -> dict[str, float]:
    """Whether a sentence is by one whom the question names, or neither by nor about them."""
    by_named = not set(words(turn.speaker)).isdisjoint(named)
    names_named = not set(words(part)).isdisjoint(named)
    return {
        "by_named": float(by_named),
        "by_other": float(bool(named) and not by_named and not names_named),
    }


def _form_values(part: str, turn: Turn, question: AskedFor) -> dict[str, float]:
    """Whether a sentence has what a question asks for: a number, a day, a name, news."""
    asked_words = forms_of(words(question.text))
    news = [word for word in telling_words(part) if not has_word(word, asked_words)]
    kind = question.kind
    dated = resolve_dates(part, turn.said_at)
    has = {
        "date": bool(_DAY.search(dated) or _TIME.search(part)),
        "person": any(not has_word(name.lower(), asked_words) for name in _NAME.findall(part)),
        "place": bool(_PLACE.search(part)),
        "length": bool(NUMBER.search(part) and _LENGTH.search(part)) or "since" in part,
    }.get(kind, bool(NUMBER.search(part)) if kind in ("count", "amount", "age") else True)
    asks_past = bool(_ASKS_PAST.search(question.text))
    return {
        "lacks_kind": float(not has),
        "question": float(part.rstrip(" )\"'").endswith("?")),
        "ahead": float(asks_past and bool(_AHEAD.search(part))),
        "not_ahead": float(bool(_ASKS_AHEAD.search(question.text)) and not _AHEAD.search(part)),
        "news": math.log(1 + len(news)),
        "no_news": float(not news),
        "names": float(bool(_NAME.search(part))),
        "asks_date": float(kind == "date"),
        "asks_yes or no": float(kind == "yes or no"),
    }
