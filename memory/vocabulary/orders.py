"""Which sentence asks the assistant for something in all its answers: a standing order.

Logistic over the words of a sentence and their order. `orders.json` has the weights and the phrases
that only say that an order stands ("from now on"); `python -m tests.benchmarks.orders --fit` makes
the weights of the labelled sentences in `data/orders` and of ordinary talk.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import exp
from pathlib import Path

from memory.text.word_classes import closed_classes, is_infinitive, is_past
from memory.vocabulary.sentences import Sentence, sentences_of

_TOKEN = re.compile(r"[^\W_]+|[?!:,\"]")
_QUOTED = re.compile(
    r"[\"\u201c\u201e\u00ab][^\"\u201c\u201d\u201e\u00ab\u00bb]*[\"\u201c\u201d\u00bb]"
)
_QUOTATION = " something "  # in its place: what is quoted orders nothing
_EDGES = " \t.,;:!?()-\u2013\u2014\u2026"
_LONGEST_TURN = 20_000  # characters that are read
LONGEST_ORDER = 300  # characters
_MOST_WORDS = 40
_LENGTHS = 5  # classes of sentences by their words
_JOINTS, _COURTEOUS = frozenset({",", ":", "so", "but", "because"}), {"please", "then"}
_NEGATED = frozenset({"don", "do", "not", "t", "never", "always", "only", "just"})


@dataclass(frozen=True)
class Order:
    """A sentence that asks for something in all answers, without what only says that it stands."""

    text: str
    sentence: str
    chance: float
    after: str = ""  # the next sentence, which may take it back


def orders_in(text: str) -> list[Order]:
    """The standing orders of a person's own text."""
    sentences = sentences_of(text[:_LONGEST_TURN])
    are_tasks = [is_task(sentence) for sentence in sentences]
    tasks = sum(are_tasks)
    orders = []
    for sentence, asks in zip(sentences, are_tasks, strict=True):
        value = order_text(sentence.text)
        if not value or len(value) > LONGEST_ORDER or len(value.split()) > _MOST_WORDS:
            continue
        beside_task = tasks > asks
        chance = chance_of(features_of(sentence.text, beside_task=beside_task))
        if chance >= _model().least:
            orders.append(Order(value, sentence.text, chance, sentence.after))
    return orders


def order_text(sentence: str) -> str:
    """A sentence without "please" and "from now on" at its ends: "use Celsius"."""
    text = sentence.strip(_EDGES)
    while match := _beginning().match(text) or _end().search(text):
        stripped = text[match.end() :] if match.start() == 0 else text[: match.start()]
        text = stripped.strip(_EDGES)
    return text


def chance_of(features: set[str]) -> float:
    """How likely a sentence with these features is a standing order (0 to 1)."""
    model = _model()
    logit = model.intercept + sum(model.weights.get(name, 0.0) for name in features)
    return 1 / (1 + exp(-max(-30.0, min(30.0, logit))))


def features_of(sentence: str, *, beside_task: bool = False) -> set[str]:
    """What a sentence has, by name: words, pairs of words, how it and its clauses begin, its tense.

    Words that only say that the order stands count like one, and "please" at the ends apart. A
    request next to another one is for the same answer, unless it is general: "always".
    """
    tokens = _tokens(sentence)
    spoken = [token for token in tokens if token[0].isalnum()]
    features = {token for token in tokens if not token[0].isalnum()}
    lasting = _phrases().search(sentence.casefold()) is not None
    if lasting:
        features.add("from now on")
        spoken = [token for token in _tokens(order_text(sentence)) if token[0].isalnum()]
    courtesies = closed_classes().courtesies
    while len(spoken) > 1 and spoken[0] in courtesies - _NEGATED - {"no"}:
        features.add(f"first {spoken[0]}")
        spoken = spoken[1:]
    while spoken and spoken[-1] == "please":
        features.add("last please")
        spoken = spoken[:-1]
    if not spoken:
        return features
    features |= {*spoken, *(" ".join(pair) for pair in pairwise(spoken))}
    features |= {f"1 {spoken[0]}", f"2 {' '.join(spoken[1:2])}", f"1 2 {' '.join(spoken[:2])}"}
    features.add("verb" if is_infinitive(spoken[0]) else "no verb")
    behind = next((token for token in spoken if token not in _NEGATED), "")
    if spoken[0] in _NEGATED:
        features.add("then verb" if is_infinitive(behind) else "then no verb")
    features.add(f"length {min(len(spoken) // 4, _LENGTHS)}")
    features |= {f"last {spoken[-1]}", "past" if any(map(is_past, spoken)) else "not past"}
    features |= _features_of_clauses(tokens)
    if beside_task:
        is_general = lasting or not _model().general.isdisjoint(spoken)
        features.add("beside a task, general" if is_general else "beside a task")
    return features


def _features_of_clauses(tokens: Sequence[str]) -> set[str]:
    """How the clauses behind the first one begin: "I can't see red, so never use it"."""
    clauses: list[list[str]] = [[]]
    for token in tokens:
        if token in _JOINTS:
            clauses.append([])
        elif token[0].isalnum() and not (token in _COURTEOUS and not clauses[-1]):
            clauses[-1].append(token)
    features = set[str]()
    for clause in filter(None, clauses[1:]):
        features |= {f"clause {clause[0]}", f"clause {' '.join(clause[:2])}"}
        is_negated = clause[0] in _NEGATED
        first = next((token for token in clause if token not in _NEGATED), "")
        begins = "clause negated" if is_negated else "clause"
        features.add(f"{begins}, {'verb' if is_infinitive(first) else 'no verb'}")
    return features


def is_task(sentence: Sentence) -> bool:
    """Whether a sentence asks for something: a question or a request, perhaps for one answer."""
    if sentence.text.rstrip("\"' ").endswith("?"):
        return True
    tokens = [token for token in _tokens(sentence.text) if token[0].isalnum()]
    is_need = tokens[:2] in (["i", "need"], ["i", "want"])
    return is_need or any(is_infinitive(token) for token in tokens[:1])


def _tokens(text: str) -> list[str]:
    shorts = closed_classes().contractions
    tokens = list[str]()
    text = _QUOTED.sub(_QUOTATION, text.replace("\u2019", "'"))
    for token in _TOKEN.findall(text.casefold()):
        tokens += re.findall(r"[^\W_]+|.", shorts.get(token, token).replace("'", " ").strip())
    return [token for token in tokens if not token.isspace()]


@cache
def _phrases() -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, _model().lasting))})\b")


@cache
def _beginning() -> re.Pattern[str]:
    phrases = (*_model().lasting, *_model().polite)
    options = "|".join(map(re.escape, sorted(phrases, key=len, reverse=True)))
    return re.compile(rf"(?:{options})(?![\w-])[\s,:]*", re.IGNORECASE)  # and not "well-known"


@cache
def _end() -> re.Pattern[str]:
    options = "|".join(map(re.escape, (*_model().lasting, *_model().polite_behind)))
    # Only from where a run of spaces begins: else each of them would be tried.
    return re.compile(rf"(?<![\s,])[\s,]++(?:{options})$", re.IGNORECASE)


@dataclass(frozen=True)
class _Model:
    """What `orders.json` says."""

    lasting: tuple[str, ...]
    polite: tuple[str, ...]
    polite_behind: tuple[str, ...]
    general: frozenset[str]
    weights: Mapping[str, float]
    intercept: float
    least: float


@cache
def _model() -> _Model:
    file = json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
    return _Model(
        lasting=tuple(file["lasting"]),
        polite=tuple(file["polite"]),
        polite_behind=tuple(file["polite_behind"]),
        general=frozenset(file["general"]),
        weights=file["weights"],
        intercept=file["intercept"],
        least=file["least"],
    )


def clear_weights() -> None:
    """Read the weights again when they are next needed: they have been fitted anew."""
    _model.cache_clear()
