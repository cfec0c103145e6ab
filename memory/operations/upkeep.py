"""How a memory is kept: its settings, its attributes, and what an audit finds."""

from typing import Annotated, Any

from pydantic import Field

from memory.facts import audit as auditing
from memory.operations.answers import AttributeCounts, Findings, SettingList, SettingRecord
from memory.operations.operation import OpenMemory, operation
from memory.store.declared_settings import Settings, refuse_of_person
from memory.store.fact_reads import count_attributes
from memory.store.vocabulary_edits import vocabulary_of


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


@operation("read", "GET /attributes")
def attributes(memory: OpenMemory) -> AttributeCounts:
    """List the attributes that facts may have, and how many have each."""
    vocabulary = vocabulary_of(memory.store)
    counts = dict.fromkeys((attribute.name for attribute in vocabulary.attributes), 0)
    for name, number in count_attributes(memory.store).items():
        canonical = vocabulary.name_of(name)
        counts[canonical] = counts.get(canonical, 0) + number
    known = {attribute.name: attribute for attribute in vocabulary.attributes}
    return {
        "attributes": [
            {
                "name": name,
                "kind": known[name].kind if name in known else "many",
                "other_names": [*known[name].other_names] if name in known else [],
                "instruction": known[name].instruction if name in known else "",
                "facts": number,
            }
            for name, number in counts.items()
        ]
    }


@operation("read", "GET /audit", is_slow=True)
def audit(memory: OpenMemory) -> Findings:
    """Find contradictions, duplicates, facts without a source and damage; changes nothing."""
    return {"findings": auditing.audit(memory.store)}
