"""Everyday facts of templates, which a person then corrects or ends, decide the answer.

Turns tell the state before. Rows decide what a template asks for; else the changed fact stands
first among the nearest turns. All doors change facts alike: `test_by_hand.py`.
"""

from collections.abc import Iterator
from pathlib import Path

import dspy
import pytest

from memory import Memory, facts
from memory.program import AnswerQuestion
from memory.records import ABSTAIN
from memory.store.changes.history import edits_of
from memory.store.configuration.declared_settings import Settings
from tests.support.everyday_changes import CHANGES, OWNER
from tests.support.everyday_changes import EverydayChange as Case


@pytest.fixture
def memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    """A memory in which everything was said, with the packaged model, which knows no answer."""

    def abstain(*args: object, **kwargs: object) -> dspy.Prediction:
        return dspy.Prediction(answer=ABSTAIN, calls=0)

    monkeypatch.setattr(AnswerQuestion, "forward", abstain)
    with Memory(path, model="local") as opened:
        Settings(opened.store).set("user", OWNER)
        opened.add(sorted((t for case in CHANGES for t in case.turns), key=lambda t: t.said_at))
        yield opened


def _fact_before(memory: Memory, case: Case) -> int:
    """The fact that a template has stored of a case, or that a person writes for it."""
    if case.attribute:
        written = facts.add(
            memory.store, subject=case.subject, attribute=case.attribute, value=case.old
        )
        [fact_id] = {edit.fact_id for edit in edits_of(memory.store, written.id)}
        return fact_id
    stored = [
        fact.id
        for fact in memory.store.facts()
        if fact.subject == case.subject and case.old in fact.value
    ]
    assert len(stored) == 1, (case.name, stored)
    return stored[0]


def _change(memory: Memory, case: Case, fact_id: int) -> None:
    if case.kind == "over":
        facts.end(memory.store, fact_id, case.on)
    elif case.kind == "changed":
        facts.supersede(memory.store, fact_id, case.value, case.on)
    else:
        facts.edit(memory.store, fact_id, "was wrong", value=case.value, on=case.on)


def test_a_change_by_hand_is_what_is_answered(memory: Memory) -> None:
    before = {case.name: _fact_before(memory, case) for case in CHANGES if case.kind != "new"}
    for case in CHANGES:
        if case.kind == "new":
            facts.add(
                memory.store,
                subject=case.subject,
                attribute=case.attribute,
                value=case.value,
                happened_on=case.on,
            )
        else:
            _change(memory, case, before[case.name])
    answers = {case.name: memory.ask(case.question) for case in CHANGES}
    misses = {case.name: miss for case in CHANGES if (miss := case.miss(answers[case.name]))}
    assert misses == {}
    assert sum(answer.basis == "rows" for answer in answers.values()) >= 16
