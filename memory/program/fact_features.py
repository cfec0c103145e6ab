"""How a fact fits a question, in numbers: see `features_of`.

A word of a question may stand in a fact's attribute, its value, its subject or its turn: in some
form, as a word that means nearly the same, or as one of the same topic (word_classes.toml). How
much of the question that explains, whether the fact has the kind of thing asked for (a person, a
place, a day), and whether its time fits are the numbers; fact_weights.json says what each is worth.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from memory.embed import embed, word_weights
from memory.program.fact_candidates import (
    CAPITAL,
    IS_PLAN,
    TELLS_PLACE,
    TIME_WORDS,
    WANTED,
    is_of_place,
    is_subject_named,
    subject_words,
)
from memory.program.fact_questions import KIN, QUESTION_WORDS, FactQuestion
from memory.program.fact_select import LIGHT_WORDS, DatedFact
from memory.program.fact_words import (
    are_forms,
    classes_of,
    is_class,
    is_near,
    is_of_class,
    is_past_verb,
    is_related,
    meant_by,
    words_of_names,
)
from memory.search.word_forms import telling_words
from memory.search.words import STOP_WORDS, words
from memory.vocabulary import Vocabulary

_HEAVY = 12.0  # the weight of a rare word, see `word_weights`
_LIGHT = 0.25  # what a word like "get" counts beside others
VAGUE_WORDS = frozenset(
    words(
        "both together put turn set look start started noted down there here way case later really"
        " end finally back up again new own old"
    )
)
_PREPOSITION = re.compile(
    r"\b(?:for|to|with|by|from|at|in|on|about|near|after|before|than)\W+$", re.IGNORECASE
)
_PERSONAL = re.compile(
    r"partner|husband|wife|sister|brother|mother|father|child|son|daughter|friend|boss|married"
    r"|engaged|relationship|broke_up|doctor|therapist|teacher|nurse|engineer|colleague|neighbour"
    r"|guests|fianc|landlord|name|parent|uncle|aunt|cousin|coach|dentist|tutor|mentor|pet|_with$"
)
_NAME = re.compile(r"(?:(?:Dr|Mr|Mrs|Ms|Aunt|Uncle) )?[A-Z]\w+(?: [A-Z]\w+)?(?=$|,| |;)")
# Kinds of questions that ask for all facts there are.
ALL_OF = ("list", "count", "first", "last", "change", "how long")

# "Which cats has Ilka had?" asks for what she has, and not for what she likes.
_ASKS_POSSESSION = (
    r"\b(?:do|does|did)\b.*\b(?:have|possess)\b(?! to\b)"
    r"|\b(?:has|have)\b.*\b(?:had|got|possessed)\b"
)
_POSSESSION = re.compile(r"(?:has|have|had|owns?|possesses|keeps)(?:_|$)")
_HAVING = frozenset(words("have has had got possess"))
_NEGATIONS = frozenset(words("no not never without"))

# What the noun that is asked for is explained by: "manager" of "the name of the ward's manager".
_HEADS = {
    "by_attribute": "head_attribute",
    "near_attribute": "head_attribute",
    "by_value": "head_value",
    "near_value": "head_value",
    "topic_attribute": "head_topic",
    "topic_value": "head_topic",
    "by_subject": "head_value",
    "by_turn": "head_turn",
    "near_turn": "head_turn",
    "rest": "head_rest",
}
# "What does the cat love?": a fact of whose cat it is does not tell what the cat does.
_NOUN_DOES = re.compile(
    r"^\W*(?i:what|which|who|where|when|how)\b[\w ]* (?:do|does|did) (?:the|a|an|our|my|your|this) "
    r"[a-z-]+ (?P<verb>[a-z]+)\b"
)
_HEAD = re.compile(
    r"^\W*(?:(?:in|on|at|to|for|from|by) )?(?:what|which|whose|how many|how much) (?P<noun>[a-z-]+)"
    r"|^\W*(?:what|who|where|when)(?:'s| is| was| are| were) (?:[\w' -]*'s? |the )?"
    r"(?P<last>[a-z -]+)",
    re.IGNORECASE,
)

_PARTS = tuple(_HEADS)
# In these parts the words of a question are explained.
_BESIDE = ("by_turn", "near_turn", "rest")
_EXPLAINING = ("by_attribute", "by_value", "near_attribute", "near_value")
FEATURES = (
    *_PARTS,
    *("rest_count", "rest_weight"),
    *("rest_cosine", "attribute_cosine", "explained", "any_attribute", "any_value", "both", "none"),
    *("whole", "one_left", "sentence_cosine", "name_cosine", "names_in_value"),
    *(
        "names_left",
        "numbers_left",
        "subject",
        "subject_whole",
        "possessive",
        "preposition",
        "in_parentheses",
    ),
    *("not_subject", "other_subject", "plan", "plan_past", "plan_ahead", "ahead_past"),
    *("ahead_ahead", "over_now", "state_now", "event_past", "event_now", "state_past"),
    *("over_past", "in_span", "out_of_span", "place_place", "place_attribute", "place_none"),
    *("person_value", "person_attribute", "person_none", "person_subject", "day_dated"),
    *("day_none", "digits", "digits_none", "length_dated", "length_none", "length_over"),
    *("name_name", "name_none", "job_work", "job_as", "job_at", "place_job", "event_many"),
    *("yes_rest", "topic_only", "whole_attribute", "possession", "deed_beside"),
    *("head_rest", "head_topic", "head_turn", "head_attribute", "head_value"),
)


def attribute_words(fact: DatedFact, vocabulary: Vocabulary) -> frozenset[str]:
    attribute = vocabulary.canonical(fact.attribute)
    names = attribute.names if attribute else ()
    return words_of_names((fact.attribute, *names))


def is_event(fact: DatedFact, vocabulary: Vocabulary) -> bool:
    """Whether a fact tells what happened, and no state."""
    attribute = vocabulary.canonical(fact.attribute)
    if attribute is not None:
        return attribute.kind == "event"
    return is_past_verb(fact.attribute.partition("_")[0])


@lru_cache(maxsize=20_000)
def _vector(word: str) -> NDArray[np.float32]:
    vector: NDArray[np.float32] = embed([word])[0]
    return vector


@lru_cache(maxsize=5_000)
def _vector_of(text: str) -> NDArray[np.float32]:
    return _vector(text)


@lru_cache(maxsize=20_000)
def _weight(word: str) -> float:
    weight = min(word_weights([word])[0], _HEAVY) * 2 / _HEAVY
    return weight * (_LIGHT if word in LIGHT_WORDS or word in VAGUE_WORDS else 1.0)


def features_of(
    question: FactQuestion,
    facts: Sequence[DatedFact],
    vocabulary: Vocabulary,
    texts: Mapping[int, str],
    today: str,
) -> NDArray[np.float64]:
    """How each fact fits a question, in numbers: (len(facts), len(FEATURES)).

    `texts` are those of the facts' turns by their ids, as far as they are to be looked at.
    """
    wording = _Wording(question, {word for fact in facts for word in subject_words(fact)})
    rows = []
    for fact in facts:
        numbers = {
            **_by_words(wording, fact, vocabulary, texts.get(fact.turn_id, "")),
            **_by_subject(wording, fact),
            **_by_time(question, fact, today, is_event(fact, vocabulary)),
            **_by_kind(wording, fact, is_event(fact, vocabulary)),
        }
        numbers["yes_rest"] = numbers["rest"] * ("yes" in wording.wanted)
        rows.append([float(numbers[name]) for name in FEATURES])
    return np.array(rows).reshape(len(facts), len(FEATURES))


class _Wording:
    """A question, with what is the same for all facts: its words, its names, what it wants."""

    def __init__(self, question: FactQuestion, of_subjects: set[str]) -> None:
        self.question = question
        self.text = question.text
        self.text_words = frozenset(words(question.text))
        capitals = {w for name in CAPITAL.findall(self.text[1:]) for w in words(name)}
        first = words(self.text.partition(" ")[0])[:1]
        self.names = (capitals | ({*first} & of_subjects)) - TIME_WORDS
        self.has_subject = bool(self.names & of_subjects)
        self.words = [
            word
            for word in dict.fromkeys(
                (*question.telling, *(w for w in telling_words(self.text) if w in self.names))
            )
            if word not in QUESTION_WORDS and word not in TIME_WORDS and not word.isdigit()
        ]
        is_dated = bool(question.span)
        self.numbers = {word for word in self.text_words if word.isdigit() and not is_dated}
        # "have" says little beside what somebody has, and all there is in "What does Anna own?".
        telling = [word for word in self.words if word not in _HAVING]
        if not self.names.issuperset(telling):
            self.words = telling
        self.wanted = {kind for kind, pattern in WANTED.items() if pattern.search(self.text)}
        head = _HEAD.match(self.text)
        head_words = (
            [w for w in words(head["noun"] or head["last"]) if w in self.words] if head else []
        )
        self.heads = frozenset(head_words[-1:])
        noun = _NOUN_DOES.match(self.text)
        self.noun_does = frozenset(words(noun["verb"])) if noun else frozenset()
        spoken = CAPITAL.sub("", self.text)
        self.vector = _vector_of(spoken)


@dataclass(frozen=True)
class _FactWords:
    """The words of a fact and of its turn, by where they stand."""

    name: Sequence[str]  # of its attribute
    names: frozenset[str]  # of its attribute, with its other names
    attribute: str
    value: Sequence[str]
    subject: frozenset[str]
    turn: frozenset[str]

    @property
    def telling_value(self) -> list[str]:
        """Those of its value that tell something."""
        return [word for word in self.value if word not in STOP_WORDS]

    def part_with(self, word: str) -> str:
        """The part that explains a word of a question; "rest" where none does."""
        if any(are_forms(word, term) for term in self.names):
            return "by_attribute"
        if any(are_forms(word, term) for term in self.value):
            return "by_value"
        if self.attribute in meant_by(word) or any(is_near(word, term) for term in self.names):
            return "near_attribute"
        is_negated = not _NEGATIONS.isdisjoint(self.value)
        if (
            (is_class(word) and is_of_class(word, self.value))
            or (is_negated and not set(classes_of(word)).isdisjoint(self.value))
            or any(is_near(word, term) for term in self.telling_value)
        ):
            return "near_value"
        if any(is_related(word, term) for term in self.name):
            return "topic_attribute"
        if any(is_related(word, term) for term in self.telling_value):
            return "topic_value"
        if any(are_forms(word, term) for term in self.subject):
            return "by_subject"
        if any(are_forms(word, term) for term in self.turn):
            return "by_turn"
        if any(is_near(word, term) for term in self.turn):
            return "near_turn"
        return "rest"


def _by_words(
    wording: _Wording, fact: DatedFact, vocabulary: Vocabulary, text: str
) -> dict[str, float]:
    """How much of the question the fact's words explain."""
    own_words = [w for w in words(fact.attribute.replace("_", " ")) if w not in STOP_WORDS]
    fact_words = _FactWords(
        name=own_words,
        names=attribute_words(fact, vocabulary) | set(own_words),
        attribute=vocabulary.name_of(fact.attribute),
        value=words(fact.value),
        subject=frozenset(words(fact.names)),
        turn=frozenset(telling_words(text)),
    )
    of_subject = subject_words(fact)
    sums = dict.fromkeys((*_PARTS, "rest_count", "rest_weight"), 0.0)
    total = cosine_rest = cosine_attribute = 0.0
    heads: set[str] = set()
    is_beside = False
    for word in wording.words:
        if word in of_subject or word in wording.names:
            continue
        weight = _weight(word)
        total += weight
        part = fact_words.part_with(word)
        if part == "rest":
            sums["rest_count"] += 1
            sums["rest_weight"] = max(sums["rest_weight"], weight)
            cosine_rest += weight * _cosine(word, [*own_words, *fact_words.telling_value])
        if word in wording.heads:
            heads.add(_HEADS[part])
        sums[part] += weight
        if word in wording.noun_does and part in _BESIDE:
            is_beside = True
        cosine_attribute += weight * _cosine(word, own_words)
    explained = sum(sums[part] for part in _EXPLAINING)
    any_attribute = sums["by_attribute"] + sums["near_attribute"] + sums["topic_attribute"] > 0
    any_value = sums["by_value"] + sums["near_value"] > 0
    return {
        **{name: name in heads for name in _HEADS.values()},
        **{part: sums[part] / (total or 1) for part in _PARTS},
        "rest_count": min(sums["rest_count"], 4.0),
        "rest_weight": sums["rest_weight"],
        "rest_cosine": cosine_rest / (total or 1),
        "attribute_cosine": cosine_attribute / (total or 1),
        "explained": min(explained, 5.0),
        "any_attribute": any_attribute,
        "any_value": any_value,
        "both": any_attribute and any_value,
        "none": not total,
        "whole": bool(total) and not sums["rest_count"],
        "one_left": sums["rest_count"] == 1,
        "deed_beside": is_beside,
        "topic_only": not explained and sums["topic_attribute"] + sums["topic_value"] > 0,
        "whole_attribute": any_attribute and not sums["rest_count"],
        "sentence_cosine": float(
            wording.vector @ _vector_of(f"{' '.join(own_words)} {fact.value}")
        ),
        "name_cosine": float(wording.vector @ _vector_of(" ".join(own_words))),
    }


def _cosine(word: str, other_words: Sequence[str]) -> float:
    """The nearest of some words to a word, by the packaged embedder, 0 and more."""
    return max((_word_cosine(word, term) for term in other_words), default=0.0)


@lru_cache(maxsize=50_000)
def _word_cosine(word: str, other: str) -> float:
    return max(float(_vector(word) @ _vector(other)), 0.0)


def _by_subject(wording: _Wording, fact: DatedFact) -> dict[str, float]:
    """Whether the fact is about whom the question names, and where its other names stand."""
    of_subject = subject_words(fact)
    is_named = is_subject_named(wording.question, fact)
    value_words = set(words(fact.value))
    other_words = wording.names - of_subject - KIN
    in_value = {w for w in other_words if w in value_words or w in words(fact.names)}
    name = re.escape(fact.subject.partition(" (")[0])
    match = re.search(rf"\b{name}(?!\w)", wording.text, re.IGNORECASE)
    is_person = "person" in wording.wanted
    return {
        "names_in_value": min(len(in_value), 2),
        "names_left": min(len(other_words - in_value), 2),
        "numbers_left": bool(wording.numbers - value_words - set(words(fact.names))),
        "subject": is_named,
        "subject_whole": fact.subject.lower() in wording.text.lower(),
        "possessive": bool(match and wording.text[match.end() :].startswith(("'s", "' "))),
        "preposition": bool(match and _PREPOSITION.search(wording.text[: match.start()])),
        "in_parentheses": "(" in fact.subject,
        "not_subject": not is_named and not is_person,
        "other_subject": not is_named and not is_person and wording.has_subject,
        "person_subject": is_person and not is_named and fact.subject[:1].isupper(),
    }


def _is_possessed(fact: DatedFact) -> bool:
    return bool(_POSSESSION.match(fact.attribute))


def _by_time(
    question: FactQuestion, fact: DatedFact, today: str, is_deed: bool
) -> dict[str, float]:
    """Whether the tense and the days of the question are those of the fact."""
    is_over = bool(fact.ended_on) and fact.ended_on <= today
    is_to_come = bool(fact.date) and fact.date > today[: len(fact.date)]
    is_plan = bool(IS_PLAN.match(fact.attribute))
    in_span = out_of_span = False
    if question.span:
        first, last = question.span
        if is_deed:
            in_span = bool(fact.day) and first[: len(fact.day)] <= fact.day <= last
        else:
            has_ended = is_over and fact.ended_on < first[: len(fact.ended_on)]
            in_span = not has_ended and (not fact.date or fact.date <= last)
        out_of_span = not in_span
    return {
        "plan": is_plan,
        "plan_past": is_plan and question.is_past,
        "plan_ahead": is_plan and (question.is_ahead or is_to_come) and not question.is_past,
        "ahead_past": is_to_come and question.is_past,
        "ahead_ahead": is_to_come and question.is_ahead,
        "over_now": is_over and not question.is_past and not question.span,
        "state_now": not is_over and not is_deed and not question.is_past,
        "event_past": is_deed and question.is_past,
        "event_now": is_deed and not question.is_past,
        "state_past": not is_deed and question.is_past,
        "over_past": is_over and question.is_past,
        "in_span": in_span,
        "out_of_span": out_of_span,
    }


def _by_kind(wording: _Wording, fact: DatedFact, is_deed: bool) -> dict[str, float]:
    """Whether the fact has what the question asks for: a person, a place, a day, a number."""
    wanted = wording.wanted
    is_named = is_subject_named(wording.question, fact)
    parts = set(fact.attribute.split("_"))
    of_place = is_of_place(fact)
    is_place = of_place or bool(TELLS_PLACE.search(fact.value))
    has_digits = bool(re.search(r"\d", fact.value))
    has_name = bool(_NAME.search(fact.value))
    asks_person = "person" in wanted and is_named
    is_work = not {"work", "works", "job"}.isdisjoint(parts)
    return {
        "place_place": "place" in wanted and is_place,
        "place_attribute": "place" in wanted and of_place,
        "place_none": "place" in wanted and not is_place,
        "person_value": asks_person and bool(_NAME.match(fact.value)),
        "person_attribute": asks_person and bool(_PERSONAL.search(fact.attribute)),
        "person_none": asks_person and not has_name,
        "day_dated": "time" in wanted and bool(fact.date),
        "day_none": "time" in wanted and not fact.date and not has_digits,
        "digits": "number" in wanted and has_digits,
        "digits_none": "number" in wanted and not has_digits and wording.question.kind != "count",
        "length_dated": "length" in wanted and bool(fact.date and (fact.ended_on or not is_deed)),
        "length_none": "length" in wanted and not fact.date,
        "length_over": "length" in wanted and bool(fact.date and fact.ended_on),
        "name_name": "name" in wanted and has_name,
        "name_none": "name" in wanted and not has_name,
        "job_work": "job" in wanted and is_work,
        "job_as": "job" in wanted and is_work and "as" in parts,
        "job_at": "job" in wanted and is_work and "at" in parts,
        "place_job": "place" in wanted and is_work and "as" in parts,
        "possession": _is_possessed(fact) and wording.question.says(_ASKS_POSSESSION),
        "event_many": wording.question.kind in ALL_OF and is_deed,
    }
