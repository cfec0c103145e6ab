"""Contradictions for people and models: what is shown with a question, and how one is settled."""

import re
from dataclasses import replace
from typing import Literal

from memory.errors import InputError
from memory.facts import conflict_over, edits_since
from memory.program.disputes import pair_line, touched
from memory.program.fact_words import are_forms
from memory.prompt import CONTRADICTIONS_HEAD, Standing
from memory.records import Change, Contradiction, Fact
from memory.search.word_forms import telling_words
from memory.search.words import words
from memory.standing import applying
from memory.store import Store
from memory.tokens import line_tokens

SHOWN_TOKENS = 250  # of the pairs that are shown with a question, their heading included
_FACT_TOKENS = 45
_BOTH: Literal["both"] = "both"


def shown_before(store: Store, question: str, *askers: str) -> Standing:
    """What the asker wants of answers, and the contradictions that a question may be about."""
    standing = applying(store, question, *askers)
    names = [name.strip() for name in askers if name.strip()]
    pairs: list[Contradiction] = []
    lines: list[str] = []
    tokens = SHOWN_TOKENS - line_tokens(CONTRADICTIONS_HEAD)
    for pair in touched(question, store.contradictions(), names):
        line = pair_line(pair, _FACT_TOKENS)
        if line_tokens(line) <= tokens:
            tokens -= line_tokens(line)
            pairs.append(pair)
            lines.append(line)
    return replace(standing, pairs=tuple(pairs), pair_lines=tuple(lines))


def settle(
    store: Store,
    fact_id: int,
    other_id: int,
    *,
    right: int | Literal["both"],
    by: str = "",
    seen: int | None = None,
) -> Change:
    """Say which of two facts that contradict each other is right; the wrong one is deleted.

    Arguments:
        fact_id, other_id: the two, in any order.
        right: the id of the one that is right, or "both" where they are no contradiction.
        by: who says so.
        seen: the newest change that they know.

    Raises InputError where they are no open contradiction, or `right` is neither; EditConflict when
    somebody has edited one of them after `seen`.
    """
    if right != _BOTH and right not in (fact_id, other_id):
        raise InputError(f"give the fact that is right, {fact_id} or {other_id}, or both")
    for number in (fact_id, other_id):
        if seen is not None and edits_since(store, number, seen):
            raise conflict_over(store, number)
    first, second = sorted((fact_id, other_id))
    verdict: Literal["first", "second", "both"]
    verdict = "both" if right == _BOTH else "first" if right == first else "second"
    return store.settle(first, second, verdict, by=by)


# --- what a person answers ------------------------------------------------------------------------

_FIRST = re.compile(r"(?:first|former|earlier|older|1st)\b", re.IGNORECASE)
_SECOND = re.compile(r"(?:second|latter|later|newer|last|2nd)\b", re.IGNORECASE)
_ONE = re.compile(
    r"\W*(?:no\W+|yes\W+|well\W+)?(?:(?:it(?:'s| is| was)|that(?:'s| is)|i meant) )?the"
    r" (?P<which>first|former|earlier|older|1st|second|latter|later|newer|last|2nd)"
    r"(?: (?:one|fact|statement|date|answer))?(?: (?:is|was)(?: (?:right|true|correct))?)?\W*",
    re.IGNORECASE,
)
_BOTH_TRUE = re.compile(
    r"\W*(?:they(?: are|'re) )?both(?: of them)?(?: (?:are|were))?(?: (?:right|true|correct))?\W*",
    re.IGNORECASE,
)
_DENIES = re.compile(r"\b(?:never|not|no)\b|n't\b", re.IGNORECASE)
_LONGEST_REPLY = 160  # characters


def right_one(message: str, pair: Contradiction) -> int | Literal["both"] | None:
    """Which fact of a pair a message says is right; None where that is not certain.

    "The first one is right" names it; so does a statement with the words of one fact alone: "I have
    flown, in May" after "has never flown" and "travelled to Rome (May 2023)".
    """
    text = " ".join(message.replace("\u2019", "'").split())
    if not text or len(text) > _LONGEST_REPLY or "?" in text:
        return None
    if _BOTH_TRUE.fullmatch(text):
        return _BOTH
    if match := _ONE.fullmatch(text):
        return pair.first.id if _FIRST.match(match["which"]) else pair.second.id
    denials = [fact for fact in pair.facts if fact.attribute in ("never", "has_no")]
    if len(denials) == 1 and _says_of(text, pair):
        [denied] = denials
        second = pair.second if denied is pair.first else pair.first
        return denied.id if _DENIES.search(text) else second.id
    if _DENIES.search(text):
        return None
    plain = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", "", text)
    named = [fact for fact in pair.facts if _own_words(fact, pair) & {*words(plain)}]
    return named[0].id if len(named) == 1 else None


def _says_of(text: str, pair: Contradiction) -> bool:
    """Whether a statement of the asker is about a pair: it has a word of one of its facts."""
    value_words = [
        word for fact in pair.facts for word in telling_words(fact.value.replace("_", " "))
    ]
    is_answer = re.match(r"\W*(?:yes|no|i|we|actually|in fact|never)\b", text, re.IGNORECASE)
    return bool(is_answer) and any(
        are_forms(word, value_word) for word in telling_words(text) for value_word in value_words
    )


def _own_words(fact: Fact, pair: Contradiction) -> set[str]:
    """The words of a fact's value and date that the other fact lacks."""
    second = pair.second if fact is pair.first else pair.first
    return {*words(fact.value)} - {*words(second.value)}
