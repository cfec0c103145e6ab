"""Which clauses that rules leave unread are worth a fact: by learnt weights.

A logistic regression (`statement_weights.json`), fitted to chats whose facts somebody wrote down
(`python -m tests.benchmarks.statement_weights`): its features are the words and the form of a
clause, and it says how likely its statement is one of those facts.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from memory.records import Turn
from memory.statements.generous import Unread
from memory.statements.open_clauses import is_idle, refers
from memory.statements.statement import Statement
from memory.statements.word_lists import word_lists

WEIGHTS_FILE = Path(__file__).with_name("statement_weights.json")
# The likelihood from which on a statement is stored; see docs/log.md for what others bring.
LEAST_WORTH = 0.35

_PREPOSITION = re.compile(
    r"(?:to|at|in|on|into|onto|off|from|for|with|by|under|over|round|around|through|past|across"
    r"|between|against|near|behind|along|about|without|of|as|like)\b",
    re.IGNORECASE,
)
_POSSESSIVE = re.compile(r"(?:my|our|his|her|their|\w+'s)\b", re.IGNORECASE)
_UNREAL = re.compile(r"\b(?:like|as if|kind of|sort of|would|could|if)\b", re.IGNORECASE)
_REFERRING = frozenset(
    "it that this them him her you me us so what how if where when why all something".split()  # noqa: SIM905
)
# Of these verbs the first word behind them tells more than they do.
_LIGHT = frozenset({"be", "have", "go", "get", "do", "make", "take"})
_WORD = re.compile(r"[a-z]{3,}")


def worth_storing(candidates: Sequence[Unread], turn: Turn) -> list[Statement]:
    """The statements that are likely enough to be stored."""
    return [
        each.statement
        for each in candidates
        if likelihood(features_of(each, turn), _weights()) >= LEAST_WORTH
    ]


def features_of(candidate: Unread, turn: Turn) -> dict[str, float]:
    """What tells whether a statement is one that somebody would write down."""
    verbs, statement = candidate.verbs, candidate.statement
    value = statement.value
    behind = _behind(verbs.rest)
    subject = _subject_kind(candidate, turn)
    names = [
        f"kind {candidate.kind} {'ruled' if candidate.is_ruled else 'open'}",
        f"verb {verbs.verb}",
        f"verb {verbs.verb} {verbs.tense}",
        f"tense {verbs.tense}",
        f"behind {behind}",
        f"behind {behind} {verbs.tense}",
        f"subject {subject}",
        f"subject {subject} {verbs.tense}",
        f"words {_size(len(value.split()))}",
        f"part {min(len(candidate.part) // 30, 4)}",
        f"turn {min(len(turn.text) // 80, 5)}",
        *(f"word {word}" for word in {*_WORD.findall(value.lower())}),
    ]
    if candidate.is_ruled:
        names.append(f"attribute {statement.attribute}")
    if verbs.verb in _LIGHT:
        names.append(f"{verbs.verb} {behind}")
    if verbs.verb == "be" and verbs.rest:
        names.append(f"be with {verbs.rest.lower().split()[0]}")
    signs = {
        "passive": verbs.is_passive,
        "denied": verbs.is_denied,
        "bare": value == "yes",
        "rest refers": refers(verbs.rest),
        "idle": is_idle(verbs),
        "digit": any(letter.isdigit() for letter in value),
        "capital": value != value.lower(),
        "dated": bool(statement.happened_on),
        "day": len(statement.happened_on) == len("2025-01-01"),
        "unreal": bool(_UNREAL.search(candidate.part)),
        "long": len(turn.text) > 700,
    }
    names += [name for name, holds in signs.items() if holds]
    return dict.fromkeys(names, 1.0)


def _behind(rest: str) -> str:
    """What stands behind a verb, by its first word."""
    words = rest.strip(" .,!;:").split()
    if not words:
        return "nothing"
    first = words[0].strip(",.;:!").lower()
    if match := _PREPOSITION.match(rest):
        return match[0].lower()
    if first in ("a", "an", "the"):
        return first.replace("an", "a")
    if _POSSESSIVE.match(rest):
        return "possessive"
    if words[0][0].isdigit():
        return "digit"
    if first in _REFERRING:
        return first
    if words[0][0].isupper():
        return "capital"
    return "adverb" if first in word_lists().adverbs else "word"


def _subject_kind(candidate: Unread, turn: Turn) -> str:
    subject = candidate.statement.subject
    if subject == turn.speaker.strip():
        return "speaker"
    if candidate.clause.is_thing:
        return "thing"
    return "kin" if "'s " in subject else "name"


def _size(words: int) -> str:
    if words < 4:
        return str(words)
    return "4" if words < 6 else "6" if words < 10 else "10"


def likelihood(features: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The likelihood that weights give features; "always" is added."""
    score = weights.get("always", 0.0) + sum(
        value * weights.get(name, 0.0) for name, value in features.items()
    )
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, score))))


@cache
def _weights() -> dict[str, float]:
    weights: dict[str, float] = json.loads(WEIGHTS_FILE.read_text("utf-8"))["weights"]
    return weights
