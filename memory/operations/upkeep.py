"""How a memory is kept: its settings, and what an audit finds."""

from typing import Annotated, Any

from pydantic import Field

from memory.facts import audit as auditing
from memory.operations.answers import Findings, SettingList, SettingRecord
from memory.operations.operation import OpenMemory, operation
from memory.store.declared_settings import Settings, refuse_of_person


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
