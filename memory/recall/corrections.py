"""Corrections in a chat: a reply to an answer corrects the facts that the answer is based on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memory.errors import EditConflict, InputError
from memory.evidence.lines import known_fact_line
from memory.facts import edit, edits_since
from memory.records import Answer, Change, Fact, Turn
from memory.store import Store
from memory.store.facts.fact_reads import current_among, facts_from
from memory.text.characters import one_line
from memory.text.turn_lines import turn_line
from memory.vocabulary.said import ShownTurns, Spoken, telling_words, unsaid_part

if TYPE_CHECKING:
    from memory.models import Model
    from memory.program.chat import FactEdit, ReadCorrections

_MOST_FACTS = 12  # of an answer's turns, the newest


@dataclass(frozen=True)
class Correction:
    """An edit that a message made: the fact before it, and the change, which can be undone.

    `value` is what is true instead; "" if nothing is. If someone else has edited the fact since the
    answer, it is a `conflict`; if the message does not say what the model read in it, `refused`
    says so. Then nothing was written.
    """

    fact: Fact
    change: Change | None = None
    conflict: EditConflict | None = None
    value: str = ""
    refused: str = ""

    @property
    def line(self) -> str:
        """`Corrected: Anna lives in Oslo -> Bergen (fact 3), change 12.`: before and after."""
        attribute = self.fact.attribute.replace("_", " ")
        fact = f"{self.fact.subject} {attribute} {self.fact.value}"
        number = f"(fact {self.fact.id})"
        if self.change is None:
            return f"Not corrected: {fact} {number}: {self.conflict or self.refused}"
        new = one_line(self.value) or "no longer"
        return f"Corrected: {one_line(fact)} -> {new} {number}, change {self.change.id}."


def answer_facts(store: Store, answer: Answer, seen: int | None) -> list[Fact]:
    """The facts from an answer's cited turns that were current then, newest first."""
    if not answer.turns:
        return []
    facts = sorted(facts_from(store, answer.turns), key=lambda fact: -fact.id)
    current = {fact.id for fact in current_among(store, facts)}
    in_force = [
        fact
        for fact in facts
        if fact.id in current or (seen is not None and edits_since(store, fact.id, seen))
    ]
    return in_force[:_MOST_FACTS]


def correct_answer(
    store: Store,
    model: "Model",
    read: "ReadCorrections",
    answer: Answer,
    message: Turn,
    seen: int | None = None,
) -> Sequence[Correction]:
    """Let a model read what a message takes back of the last answer, and edit these facts.

    `read` is the module that reads it.

    A value has to be in the words of the message, and the fact has to be in what the message or
    the answer speaks of. No model is called if the answer is based on no fact. Each edit is a
    change by the message's speaker. With `seen`, the newest change at the time of the answer, a
    fact that someone has edited since is left alone. Raises ModelError when the model cannot be
    used.
    """
    facts = {fact.id: fact for fact in answer_facts(store, answer, seen)}
    if not facts:
        return ()
    lines = "\n".join(map(known_fact_line, facts.values()))
    with model.active():
        edits = read(lines, answer.text, turn_line(message), facts).edits
    corrections = []
    for wanted in edits:
        fact = facts[wanted.fact_id]
        if reason := _why_not(wanted, fact, [*facts.values()], answer, message):
            corrections.append(Correction(fact, value=wanted.value, refused=reason))
            continue
        try:
            change = edit(
                store,
                fact.id,
                wanted.kind,
                value=wanted.value,
                on=wanted.on,
                by=message.speaker,
                seen=seen,
            )
        except EditConflict as conflict:
            corrections.append(Correction(fact, conflict=conflict))
        except InputError:  # the model misread it
            continue
        else:
            corrections.append(Correction(fact, change, value=wanted.value))
    return corrections


def _why_not(
    wanted: "FactEdit", fact: Fact, facts: Sequence[Fact], answer: Answer, message: Turn
) -> str:
    """Why a message does not make the edit that a model read in it; "" if it may."""
    spoken = Spoken.of(f"{answer.text} {message.text}")
    meant = [
        known
        for known in facts
        if any(
            map(spoken.says, telling_words(f"{known.attribute} {known.value}".replace("_", " ")))
        )
    ]
    if meant and fact not in meant:
        return "neither the answer nor the message speaks of it"
    unsaid = unsaid_part(
        wanted.value,
        fact.subject,
        fact.attribute,
        ShownTurns([message]).with_turn(message),
        is_strict=True,
    )
    return f"the message does not say {unsaid}" if unsaid else ""
