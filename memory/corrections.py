"""Corrections in a chat: what somebody says to an answer is put right in the facts it rested on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from memory.errors import InputError
from memory.facts import edit, is_current, read_facts
from memory.prompt import known_fact_line, turn_line
from memory.records import Answer, Change, Fact, Turn
from memory.store import Store
from memory.store.turn_validation import local_now

if TYPE_CHECKING:
    from memory.program import Model

_MOST_FACTS = 12  # of an answer's turns, the newest


def answer_facts(store: Store, answer: Answer) -> list[Fact]:
    """The facts in force that an answer's cited turns tell, newest first."""
    if not answer.turns:
        return []
    listed = ", ".join(map(str, answer.turns))
    facts = read_facts(store, f"WHERE turn_id IN ({listed}) ORDER BY id DESC")
    today = local_now()[:10]
    return [fact for fact in facts if is_current(fact, today)][:_MOST_FACTS]


def correct_answer(
    store: Store, model: "Model", answer: Answer, message: Turn
) -> Sequence[tuple[Fact, Change]]:
    """Let a model read in a message what it takes back of the last answer, and edit these facts.

    No model is asked where the answer rests on no fact. Each edit is a change by the message's
    speaker, which can be undone; one that somebody else was faster with is left out.

    Returns the facts as they were, each with its change. Raises ModelError when the model cannot be
    used.
    """
    from memory.program.fact_edits import fact_edits  # with DSPy

    facts = {fact.id: fact for fact in answer_facts(store, answer)}
    if not facts:
        return []
    with model.active():
        edits = list(
            fact_edits(
                "\n".join(map(known_fact_line, facts.values())),
                answer.text,
                turn_line(message),
                facts,
            )
        )
    changes = []
    for wanted in edits:
        try:
            change = edit(
                store,
                wanted.fact_id,
                wanted.kind,
                value=wanted.value,
                on=wanted.on,
                by=message.speaker,
            )
        except InputError:  # the model misread it, or somebody was faster (EditConflict)
            continue
        changes.append((facts[wanted.fact_id], change))
    return changes


def correction_line(fact: Fact, change: Change) -> str:
    """`Corrected: Anna lives in Oslo (fact 3); change 12.`, of the fact as it was."""
    attribute = fact.attribute.replace("_", " ")
    return (
        f"Corrected: {fact.subject} {attribute} {fact.value} (fact {fact.id}); change {change.id}."
    )
