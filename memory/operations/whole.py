"""A memory as a whole: its settings, audited, digested and refined, exported and imported."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from memory.exchange.exports import dump_lines
from memory.exchange.imports import load_dump
from memory.facts import audit as auditing
from memory.operations.answers import Findings, Imported, SettingList, SettingRecord
from memory.operations.operation import NO_TRUTH, OpenMemory, operation
from memory.store.configuration.declared_settings import Settings, refuse_of_person

_MOST_CALLS = 1_000
_MOST_OPERATIONS, _MOST_QUESTIONS = 200, 100


@operation("read", "GET /settings")
def settings(memory: OpenMemory) -> SettingList:
    """List the settings, what each takes, and its value."""
    known = Settings(memory.store)
    values = known.all()
    return {
        "settings": [
            {"name": name, "takes": kind, "value": values.get(name)}
            for name, kind in known.types().items()
        ]
    }


@operation("write", "POST /settings")
def change_setting(
    memory: OpenMemory,
    name: Annotated[str, Field(description="A name that the list has.")],
    value: Annotated[Any, Field(description="The new value.")],
) -> SettingRecord:
    """Change a setting; its history keeps the values before."""
    refuse_of_person(name)
    known = Settings(memory.store)
    changed = known.set(name, value)
    return {"name": name, "takes": known.types()[name], "value": changed.value}


@operation("read", "GET /audit", is_slow=True)
def audit(memory: OpenMemory) -> Findings:
    """Find contradictions, duplicates, facts without a source and damage; changes nothing."""
    return {"findings": auditing.audit(memory.store)}


@operation("write", "POST /digest", is_job=True)
def digest(
    memory: OpenMemory,
    calls: Annotated[
        int | None,
        Field(ge=1, le=_MOST_CALLS, description="Model calls at most; default: all that wait."),
        NO_TRUTH,
    ] = None,
) -> dict[str, float | list[str]]:
    """Extract the facts of the turns that wait.

    `refused` are rows of the model that were set aside, and `undecided` changes that a person
    decides about (`GET /held`), each with its reason.
    """
    sums = memory.memory_of(memory.store).digest(max_calls=calls)
    numbers = {name: number for name, number in asdict(sums).items() if isinstance(number, int)}
    return {**numbers, "refused": [*sums.refused], "undecided": [*sums.undecided]}


@operation("write", "POST /refine", is_job=True)
def refine(
    memory: OpenMemory,
    operations: Annotated[
        int, Field(ge=1, le=_MOST_OPERATIONS, description="Tool calls at most."), NO_TRUTH
    ] = 30,
    questions: Annotated[
        int,
        Field(ge=1, le=_MOST_QUESTIONS, description="How many to measure with; the model asks."),
        NO_TRUTH,
    ] = 20,
    judge: Annotated[
        bool, Field(description="Whether the model judges answers, instead of F1 of words.")
    ] = False,
) -> dict[str, float]:
    """Let the model improve facts; only changes that help to answer questions stay."""
    from memory.refine.run import refine as refined  # with DSPy

    opened = memory.memory_of(memory.store)
    refinement = refined(
        opened.store, opened.model, opened.program, operations, questions, judged=judge
    )
    return {
        "operations": len(refinement.uses),
        "changes": len(refinement.changes),
        "dropped": len(refinement.taken_back),
        "before": refinement.before,
        "after": refinement.after,
    }


@operation("read", "GET /export")
def export_memory(memory: OpenMemory) -> Iterator[str]:
    """Everything, as JSON lines."""
    return dump_lines(memory.store)


@operation("write", "POST /import")
def import_memory(memory: OpenMemory, lines: Path) -> Imported:
    """Store an export in an empty memory, or in a memory with the beginning of it."""
    return {"turns": load_dump(memory.store, lines).turns}
