"""Contradictions for people and models: what is shown with a question, and how one is settled."""

from dataclasses import replace
from typing import Literal

from memory.errors import InputError
from memory.facts import conflict_over, edits_since
from memory.facts.standing import applying
from memory.prompts.disputes import pair_line, touched
from memory.prompts.evidence import CONTRADICTIONS_HEAD, Standing
from memory.records import Change, Contradiction
from memory.store import Store
from memory.store.contradictions import open_contradictions, settle_contradiction
from memory.text.tokens import line_tokens

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
    for pair in touched(question, open_contradictions(store), names):
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
    return settle_contradiction(store, first, second, verdict, by=by)
