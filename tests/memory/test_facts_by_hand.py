"""Everyday facts that a person corrects, ends or adds are what each door answers.

Turns tell the state before; whatever was changed by hand decides, and no model is asked.
"""

from pathlib import Path

import pytest

from memory import Memory, facts
from memory.namespaces import create
from memory.program.local import LocalEngine
from memory.settings import Settings
from tests.support.doors import DOORS, Door, opened
from tests.support.everyday_changes import ADDITIONS, CHANGES, CORRECTIONS, ENDS, OWNER
from tests.support.everyday_changes import EverydayChange as Case

NAME = "everyday"


class ModelAsked(BaseException):
    """The model was asked about what facts decide. No `except Exception` hides it."""


@pytest.fixture
def fact_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A memory in which everything was said; the id of the fact that each case changes."""
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))

    def refuse(engine: LocalEngine, request: object) -> None:
        raise ModelAsked(request)

    monkeypatch.setattr(LocalEngine, "complete", refuse)
    create(NAME)
    with opened(NAME) as store, Memory(store, model="local") as memory:
        Settings(store).set("user", OWNER)
        memory.add(sorted((t for case in CHANGES for t in case.turns), key=lambda t: t.said_at))
        changed = [case for case in CHANGES if case.kind != "new"]
        return {case.name: _fact_before(memory, case) for case in changed}


def _fact_before(memory: Memory, case: Case) -> int:
    """The fact that rules have noted of a case, or that a person writes for it."""
    if case.attribute:
        written = facts.add(
            memory.store,
            subject=case.subject,
            attribute=case.attribute,
            value=case.old,
        )
        [fact_id] = {edit.fact_id for edit in memory.store.journal(written.id)}
        return fact_id
    noted = [
        fact.id
        for fact in memory.store.facts()
        if fact.subject == case.subject and case.old in fact.value
    ]
    assert len(noted) == 1, (case.name, [*memory.store.facts()])
    return noted[0]


def _change(door: Door, case: Case, fact_ids: dict[str, int]) -> None:
    if case.kind == "new":
        door.add(case.subject, case.attribute, case.value, case.on)
    elif case.kind == "over":
        door.is_over(fact_ids[case.name], case.on)
    elif case.kind == "changed":
        door.changed(fact_ids[case.name], case.value, case.on)
    else:
        door.was_wrong(fact_ids[case.name], case.value, case.on)


def _answer(door: Door, question: str) -> str:
    try:
        return door.ask(question)
    except ModelAsked:
        return "(the model was asked)"


def test_the_cases_are_ten_of_each() -> None:
    assert [len(CORRECTIONS), len(ENDS), len(ADDITIONS)] == [10, 10, 10]
    assert len({case.name for case in CHANGES}) == len(CHANGES)


@pytest.mark.parametrize(
    "name",
    [pytest.param(door, marks=() if door == "Python" else pytest.mark.slow) for door in DOORS],
)
def test_a_change_by_hand_is_what_is_answered(fact_ids: dict[str, int], name: str) -> None:
    misses = []
    with DOORS[name](NAME) as door:
        for case in CHANGES:
            _change(door, case, fact_ids)
        for case in CHANGES:
            answer = _answer(door, case.question)
            if miss := case.miss(answer):
                misses.append((case.name, miss, answer))
    assert misses == []
