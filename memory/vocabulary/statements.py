"""Whether a sentence states a fact: a calibrated guess, without a model.

A sentence that denies, supposes, asks or jokes, or that tells something of another person, may have
all the words of a fact and still not state it. A logistic regression (Cox 1958) over the small
words around the value tells them apart; `python -m tests.benchmarks.statements` fits and measures
it. Whose words a part of a text has is decided by its form alone (templates/parts.py): a pasted
text says nothing about the person who pasted it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp
from pathlib import Path

from memory.records import Fact, Turn
from memory.text.speakers import is_by_assistant
from memory.text.word_classes import closed_classes, is_infinitive, is_known
from memory.text.words import STOP_WORDS, forms_of, is_among, words
from memory.vocabulary.entities import key, relation_words
from memory.vocabulary.sentences import Sentence, sentences_of
from memory.vocabulary.templates.parts import parts_of

_TOKEN = re.compile(r"\w+|[^\w\s]")
_CLAUSE_MARKS = frozenset(",;:()\u2013\u2014\u2026")
_CLAUSE_WORDS = frozenset({"but", "so", "because", "since", "and", "or"})
_APOSTROPHES = frozenset("'\u2019")
_QUESTION_MARKS = frozenset("?\uff1f")
_BEFORE_REQUEST = frozenset({"please", "so", "and", "then", "now", "also", "just"}) | _CLAUSE_MARKS
_SHORT = 6  # words of a next sentence that may take back the one before: "Just kidding."
_ANYWHERE = frozenset({"joke", "task", "play"})  # kinds that make a whole sentence no statement
_MOST_LOGIT = 50.0
_KINDS = {
    "between": "between paragraphs",
    "quoted": "quoted",
    "pasted": "pasted",
    "code": "code",
    "tool": "a tool's",
}
_NAMING = frozenset({"called", "named", "name"})
_FIRST = frozenset({"i", "im", "ive", "me", "my", "mine", "myself"})
_FIRST_PLURAL = frozenset({"we", "us", "our", "ours"})
_NOMINATIVE = frozenset({"i", "im", "ive", "we"})
_THIRD = frozenset({"he", "she", "they", "his", "her", "their", "him", "them"})


@dataclass(frozen=True)
class Claim:
    """What a fact says of its turn; the subject is "" for the speaker."""

    subject: str
    attribute: str
    value: str


@dataclass(frozen=True)
class Statement:
    """The sentence that a fact is based on, and how likely it is that it states it, 0 to 1.

    `fault` says what rules it out, or is most against it: "" if the sentence states the fact.
    """

    sentence: str
    probability: float
    fault: str = ""


def statement_of(claim: Claim, turn: Turn) -> Statement:
    """The sentence of a turn that a fact is based on, and whether it states it."""
    sentence = _sentence_of(claim, turn.text)
    if sentence is None:
        return Statement("", 1.0)
    if kind := _part_of_others(claim, turn.text, sentence):
        return Statement(sentence.text, 0.0, f"the words are {_KINDS[kind]}")
    features = features_of(claim, sentence)
    model = _model()
    logit = model.intercept + sum(model.weights.get(name, 0.0) for name in features)
    probability = 1 / (1 + exp(-max(-_MOST_LOGIT, min(_MOST_LOGIT, logit))))
    if probability >= model.least:
        return Statement(sentence.text, probability)
    # Each sentence has one of two features for whether it names the speaker.
    telling = [name for name in sorted(features) if not name.endswith(" named")]
    worst = min(telling, key=lambda name: model.weights.get(name, 0.0), default="")
    return Statement(sentence.text, probability, _in_words(worst))


def why_unstated(fact: Fact, turn: Turn) -> str:
    """Why a turn does not state a fact of it, with the sentence it is based on; "" if it does.

    Only a person's message is judged: documents and tools report, and an assistant repeats.
    """
    if turn.kind != "message" or is_by_assistant(turn):
        return ""
    is_own = key(fact.subject) == key(turn.speaker)
    # "Nora's dog" is "my dog" in Nora's words.
    subject = re.sub(rf"^{re.escape(turn.speaker)}['\u2019]s ", "my ", fact.subject)
    claim = Claim("" if is_own else subject, fact.attribute, fact.value)
    statement = statement_of(claim, turn)
    return f"{statement.fault} ({statement.sentence!r:.90})" if statement.fault else ""


def features_around(claim: Claim, text: str) -> set[str]:
    """The features of the sentence that a fact is based on; empty if no sentence is judged."""
    sentence = _sentence_of(claim, text)
    if sentence is None or _part_of_others(claim, text, sentence):
        return set()
    return features_of(claim, sentence)


def _sentence_of(claim: Claim, text: str) -> Sentence | None:
    """The sentence that has most words of a fact, the first of equals; None if none has any."""
    value = _telling(claim.value)
    other_words = [*_telling(claim.attribute.replace("_", " ")), *_telling(claim.subject)]
    best, best_score = None, 0.0
    for sentence in sentences_of(text):
        forms = forms_of(words(sentence.text))
        shared = sum(is_among(word, forms) for word in value)
        beside = sum(is_among(word, forms) for word in other_words)
        is_question = sentence.text[-1:] in _QUESTION_MARKS
        score = shared + 0.3 * beside - 0.1 * is_question
        if score > best_score:
            best, best_score = sentence, score
    return best


def _part_of_others(claim: Claim, text: str, sentence: Sentence) -> str:
    """The kind of the parts that alone have a fact's words: pasted, quoted; "" for one's own."""
    value = _telling(claim.value)
    kinds = {
        "own" if part.is_inline or (part.kind == "between" and claim.subject) else part.kind
        for part in parts_of(text)
        if part.start < sentence.end
        and part.end > sentence.start
        and _has(text[max(part.start, sentence.start) : min(part.end, sentence.end)], value)
    }
    return "" if not kinds or "own" in kinds else min(kinds)


def _has(text: str, value: Sequence[str]) -> bool:
    forms = forms_of(words(text))
    return any(is_among(word, forms) for word in value)


def _telling(text: str) -> list[str]:
    all_words = words(text)
    return [word for word in all_words if word not in STOP_WORDS] or all_words


# --- features -------------------------------------------------------------------------------------


def features_of(claim: Claim, sentence: Sentence) -> set[str]:
    """What a sentence has around the value of a fact, by name.

    A kind of words (`words` of statements.json) and where one of them stands: "in" the value's
    clause before it, "behind" it there, "earlier" or "later" in the sentence, "next" in a short
    sentence behind it, "first" in the one before; with "=" if the attribute is of that kind.
    "who" is the subject of the clause, against the person of the fact.
    """
    tokens = _tokens(sentence.text)
    # "May" within a sentence is the month.
    folded = [word if at and word == "May" else word.casefold() for at, word in enumerate(tokens)]
    forms = forms_of(_telling(claim.value))
    places = [at for at, token in enumerate(folded) if is_among(token, forms)]
    first, last = (places[0], places[-1]) if places else (len(tokens), len(tokens) - 1)
    start = _clause_start(folded, first)
    end = _clause_end(folded, last)
    following = _folded(sentence.after)
    ranges = {
        "in": folded[start:first],
        "behind": folded[last + 1 : end],
        "earlier": folded[:start],
        "later": folded[end:],
        "next": following if len(following) <= _SHORT else [],
        "first": _folded(sentence.before)[:3],
    }
    kinds = _kinds(claim)
    features = set[str]()
    attribute = forms_of(words(claim.attribute.replace("_", " ")))
    named = {token for token in folded if is_among(token, attribute)}
    for kind, listed in _model().words.items():
        agrees = "=" if kind in kinds else ""
        matched = {
            where for where, tokens_there in ranges.items() if (listed - named) & {*tokens_there}
        }
        features |= {f"{kind} {where}{agrees}" for where in matched}
        if matched and kind in _ANYWHERE:
            features.add(f"{kind}{agrees}")
    features |= {f"attribute {kind}" for kind in kinds}
    if "negation in" in features:  # "I don't like olives" is what "dislikes" says
        features |= {f"negation in, attribute {kind}" for kind in kinds}
    denies = "negation" in kinds and _model().words["negation"] & {*folded}
    features |= {
        f"no {kind}"
        for kind in kinds
        if not (_model().words[kind] | named) & {*folded} and not (denies and kind == "end")
    }
    features |= _question_features(folded, start, end)
    if _opens_as_request(folded):  # what follows may be a text to work on
        features.add("opens as request")
        if ":" in folded[:first]:
            features.add("behind the colon of a request")
    if _is_between_marks(folded, first):
        features.add("in quotation marks")
    whose = "other" if claim.subject else "own"
    who = _subject_of(tokens[start:first], claim) or "none"
    if "in quotation marks" in features:
        features.add(f"{whose}: who {who} in quotation marks")
        if {"report in", "report earlier"} & features:
            features.add("report before quotation marks")
    features.add(f"{whose}: who {who}")
    if who == "none":
        outer = _subject_of(tokens[:start], claim) or "none"
        features.add(f"{whose}: who none, earlier {outer}")
    if {"condition earlier", "condition in"} <= features:
        features.add("condition twice")
    spoken = (_FIRST | _FIRST_PLURAL) & {*folded}
    features.add(f"{whose}: {'speaker' if spoken else 'no speaker'} named")
    for where in ("in", "behind"):
        if _NOMINATIVE & {*ranges[where]}:
            features.add(f"{whose}: speaker {where}, who {who}")
    if claim.subject:
        own = {*words(claim.subject)} - STOP_WORDS
        features |= {
            f"subject {where}" for where, tokens_there in ranges.items() if own & {*tokens_there}
        }
    if named - STOP_WORDS:
        features.add("attribute said")
    if not places:
        features.add("no value")
    return features


def _question_features(folded: Sequence[str], start: int, end: int) -> set[str]:
    """Whether the clause from `start` to `end` is asked, and how it begins."""
    closed = closed_classes()
    opens = bool(folded) and folded[0] in closed.auxiliaries | closed.questions
    asks = [at for at, token in enumerate(folded) if token in _QUESTION_MARKS]
    features = set[str]()
    if opens:
        features.add("opens as question")
    if asks:
        is_last = end >= asks[-1]
        features.add("asked" if is_last else "asked later")
        if (
            is_last
            and start < len(folded)
            and folded[start] in closed.auxiliaries | closed.questions
        ):
            features.add("asked inverted")
        if is_last and start == 0:
            features.add("asked whole")
        if is_last and not {*folded[start:end]} & (_FIRST | _FIRST_PLURAL):
            features.add("asked without speaker")
    return features


def _opens_as_request(folded: Sequence[str]) -> bool:
    """Whether a sentence begins with the infinitive of a verb: "please write a letter"."""
    first = next((token for token in folded if token not in _BEFORE_REQUEST), "")
    is_auxiliary = first in closed_classes().auxiliaries
    return not is_auxiliary and is_known(first) and is_infinitive(first)


def _is_between_marks(folded: Sequence[str], at: int) -> bool:
    """Whether quotation marks are before and behind a token."""
    marks = ('"', "\u201c", "\u201d")
    before = sum(token in marks for token in folded[:at])
    return before % 2 == 1 and any(token in marks for token in folded[at:])


def _kinds(claim: Claim) -> set[str]:
    """The kinds of an attribute: "dislikes" is of "hate", and so is a value with "not"."""
    named = {*words(claim.attribute.replace("_", " "))}
    kinds = {kind for kind, listed in _model().attributes.items() if listed & named}
    if _model().attributes["negation"] & {*words(claim.value)}:
        kinds.add("negation")
    return kinds


def _tokens(text: str) -> list[str]:
    """The words and marks of a text, "don't" as "don" and "t"."""
    shorts = closed_classes().contractions
    tokens = list[str]()
    for token in _TOKEN.findall(text.replace("\u2019", "'")):
        if token not in _APOSTROPHES:
            long = shorts.get(token.casefold(), token)
            tokens += [part for part in re.split("'", long) if part]
    return tokens


def _folded(text: str) -> list[str]:
    return [token.casefold() for token in _tokens(text)]


def _clause_start(folded: Sequence[str], at: int) -> int:
    """Where the clause of a token begins: behind a mark, or a word that joins clauses."""
    for index in range(min(at, len(folded)) - 1, -1, -1):
        if folded[index] in _CLAUSE_MARKS or folded[index] in _CLAUSE_WORDS:
            return index + 1
    return 0


def _clause_end(folded: Sequence[str], at: int) -> int:
    for index in range(at + 1, len(folded)):
        if folded[index] in _CLAUSE_MARKS or folded[index] in _CLAUSE_WORDS:
            return index
    return len(folded)


def _subject_of(tokens: Sequence[str], claim: Claim) -> str:
    """Who some words of a clause are about: the first one named that follows no preposition."""
    closed, known = closed_classes(), relation_words()
    subject = {*words(claim.subject)} - STOP_WORDS
    person = ""
    for at, token in enumerate(tokens):
        folded = token.casefold()
        before = tokens[at - 1].casefold() if at else ""
        after = tokens[at + 1].casefold() if at + 1 < len(tokens) else ""
        who = ""
        if folded in ("i", "im", "ive"):  # "with the old man I came home": I did
            return f"{person} and I" if person and before == "and" else "I"
        if folded == "we":
            return "we"
        if folded in subject:
            who = "subject"
            if after == "s" and at + 2 < len(tokens):
                who = "subject's"
        elif folded in ("my", "our"):
            is_meant = after in words(claim.attribute.replace("_", " "))  # has_brother
            is_person = after in known.relations or after in known.names
            is_person = is_person or after in _model().words["person"]
            # "my sister Ida" and "my dog is called Rex", of the speaker's sister and dog
            behind = {word.casefold() for word in tokens[at + 2 :]}
            is_named = not behind or bool(behind & _NAMING and behind <= _NAMING | {"is", "s"})
            who = "my relative" if is_person and not (is_meant or is_named) else "mine"
            who = "subject" if after in subject else who
        elif folded in ("you", "your", "u"):
            who = "you"
        elif folded in _THIRD:
            who = "they"
        elif (
            folded in known.relations or folded in known.names or folded in _model().words["person"]
        ):
            who = "relative"
        elif token[:1].isupper() and folded not in STOP_WORDS and token.isalpha():
            who = "name" if not is_known(folded) else "first" if not at else ""
        elif before in ("the", "a", "an", "some", "that", "this"):
            who = "thing"
        if who and not person and before not in closed.prepositions:
            person = who
    return person


def _in_words(feature: str) -> str:
    """What a feature says of a sentence, for a reason."""
    kind = feature.split(" ", maxsplit=1)[0]
    reasons = {
        "negation": "it is denied",
        "condition": "it is only supposed",
        "hope": "it is only hoped or planned",
        "joke": "it is a joke",
        "report": "someone else says it",
        "task": "it is a text to work on",
        "behind": "it is a text to work on",
        "play": "it is a story or a play",
        "in": "it is quoted",
        "asked": "it is asked",
        "opens": "it is asked",
        "own:": "it is said of someone else",
        "other:": "it is said of someone else",
        "like": "it says the opposite",
        "hate": "it says the opposite",
        "end": "it says that it is over",
    }
    return reasons.get(kind, "it does not say so")


# --- weights --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Model:
    """What `statements.json` says: kinds of words and of attributes, and the weights."""

    words: Mapping[str, frozenset[str]]
    attributes: Mapping[str, frozenset[str]]
    weights: Mapping[str, float]
    intercept: float
    least: float


@cache
def _model() -> _Model:
    file = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
    words_by_kind, attributes_by_kind = (
        {kind: frozenset(listed.split()) for kind, listed in file[name].items()}
        for name in ("words", "attributes")
    )
    return _Model(
        words_by_kind, attributes_by_kind, file["weights"], file["intercept"], file["least"]
    )


def clear_weights() -> None:
    """Read the weights again when they are next needed: they have been fitted anew."""
    _model.cache_clear()
