"""Rewrites the summaries of turns whose facts were corrected."""

from dataclasses import replace
from typing import TYPE_CHECKING

from memory.errors import InputError, PromptTooLong
from memory.evidence.lines import known_fact_line, turn_lines
from memory.evidence.messages import is_withdrawn
from memory.evidence.outline import outlined
from memory.records import Summary
from memory.store import Store
from memory.store.turns.summaries import set_summary
from memory.text.tokens import spread_lines

if TYPE_CHECKING:  # DSPy takes more than a second to import
    from memory.models import Model
    from memory.program.digest import TellStory

MOST_RETOLD = 8  # in one digest: a call each
_LINES_TOKENS = 3_000
_FACTS_TOKENS = 500


def retell(store: Store, model: "Model", tell: "TellStory", most: int) -> int:
    """Let a model write up to `most` of the waiting summaries; returns its calls."""
    from dspy.utils.exceptions import AdapterParseError

    calls = 0
    for waiting in [summary for summary in store.summaries() if not summary.text]:
        if calls >= most:
            break
        lines = _lines(store, waiting)
        if not lines:
            continue
        facts = store.digested_facts(range(waiting.turn_id, waiting.last_turn_id + 1))
        calls += 1
        try:
            with model.active():
                known = spread_lines([*map(known_fact_line, facts)], _FACTS_TOKENS)
                text = tell(lines, known).summary
        except (AdapterParseError, PromptTooLong):
            continue  # it waits for the next digest
        if not text:
            continue
        told = replace(waiting, text=text)
        try:
            set_summary(store, told, instead_of=waiting, by=f"digest by {model.name}")
        except InputError:
            continue  # another process was faster
    return calls


def _lines(store: Store, summary: Summary) -> str:
    """The turns that a summary is about."""
    turns = [
        turn
        for turn in store.turns(summary.turn_id, summary.last_turn_id)
        if not is_withdrawn(turn.text)
    ]
    return turn_lines(outlined(turns), _LINES_TOKENS, iso=True, spans=True)
