"""What mem0 and LangMem remember: sentences that no longer name their turns."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import AliasChoices, BaseModel, Field

from memory.exchange.json_files import Document, checked
from memory.exchange.reading import Skipped, clean_date, digest
from memory.model import Turn


class _Mem0(BaseModel):
    id: str
    memory: str
    user_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class _Item(BaseModel):
    # A table of a LangGraph store has the namespace as `prefix`, its parts joined by dots.
    namespace: list[str] | str = Field(validation_alias=AliasChoices("namespace", "prefix"))
    key: str
    value: Any
    created_at: str | None = None
    updated_at: str | None = None


def read_mem0(documents: Sequence[Document]) -> Iterator[Turn | Skipped]:
    """Each memory as something its user (agent, run) said when it got the wording it has.

    A memory that mem0 rewrites keeps its id, so the source has the text's digest: the new wording
    is a new turn.
    """
    for place, item in checked(documents, _Mem0):
        if isinstance(item, str):
            yield Skipped(place, item)
            continue
        speaker = item.user_id or item.agent_id or item.run_id or "mem0"
        source = f"mem0:{item.id}:{digest(item.memory)}"
        yield _turn(item, place, speaker, item.memory, item.run_id or "mem0", source)


def read_langmem(documents: Sequence[Document]) -> Iterator[Turn | Skipped]:
    """Each item of a LangGraph store as something that the last part of its namespace said."""
    for place, item in checked(documents, _Item):
        if isinstance(item, str):
            yield Skipped(place, item)
            continue
        named = item.namespace.split(".") if isinstance(item.namespace, str) else item.namespace
        parts = [part for part in named if part.strip()]
        text = _text(item.value)
        speaker, session = parts[-1] if parts else "langmem", "/".join(parts) or "langmem"
        source = f"langmem:{'/'.join(parts)}:{item.key}:{digest(text)}"
        yield _turn(item, place, speaker, text, session, source)


def _turn(
    item: _Mem0 | _Item, place: str, speaker: str, text: str, session: str, source: str
) -> Turn | Skipped:
    if not text.strip():
        return Skipped(place, "no text")
    said_at = clean_date(item.updated_at) or clean_date(item.created_at)
    return Turn(speaker, text, session, said_at, source)


def _text(value: Any) -> str:
    """The content of an item; one with fields of its own as `name: value` lines."""
    while isinstance(value, dict) and "content" in value:
        value = value["content"]
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_plain(what)}" for name, what in value.items())
    return _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
