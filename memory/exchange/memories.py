"""Memories of mem0 and LangMem: sentences without the turns they came from."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import AliasChoices, BaseModel, Field

from memory.exchange.items import short_hash, with_date
from memory.exchange.json_files import InputFile, validated
from memory.records import Skipped, Turn
from memory.text.written_dates import clean_date


class _Mem0Memory(BaseModel):
    id: str
    memory: str
    user_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class _StoreItem(BaseModel):
    # A LangGraph store's table has the namespace as `prefix`, with dots between its parts.
    namespace: list[str] | str = Field(validation_alias=AliasChoices("namespace", "prefix"))
    key: str
    value: Any
    created_at: str | None = None
    updated_at: str | None = None


def read_mem0(files: Sequence[InputFile]) -> Iterator[Turn | Skipped]:
    """Each memory as something its user (agent, run) said when it got its current wording.

    A memory that mem0 rewrites keeps its id, so the source contains a hash of the text: the new
    wording is a new turn.
    """
    for location, item in validated(files, _Mem0Memory):
        if isinstance(item, str):
            yield Skipped(location, item)
            continue
        yield from _turn(
            item,
            location,
            speaker=item.user_id or item.agent_id or item.run_id or "mem0",
            text=item.memory,
            session=item.run_id or "mem0",
            source=f"mem0:{item.id}:{short_hash(item.memory)}",
        )


def read_langmem(files: Sequence[InputFile]) -> Iterator[Turn | Skipped]:
    """Each item of a LangGraph store, with the last part of its namespace as the speaker."""
    for location, item in validated(files, _StoreItem):
        if isinstance(item, str):
            yield Skipped(location, item)
            continue
        names = item.namespace
        if isinstance(names, str):
            names = names.split(".")
        names = [name for name in names if name.strip()]
        namespace = "/".join(names)
        text = _text(item.value)
        yield from _turn(
            item,
            location,
            speaker=names[-1] if names else "langmem",
            text=text,
            session=namespace or "langmem",
            source=f"langmem:{namespace}:{item.key}:{short_hash(text)}",
        )


def _turn(
    memory: _Mem0Memory | _StoreItem,
    location: str,
    speaker: str,
    text: str,
    session: str,
    source: str,
) -> Iterator[Turn | Skipped]:
    if not text.strip():
        yield Skipped(location, "no text")
        return
    dates = [date for date in (memory.updated_at, memory.created_at) if date]
    said_at = next(filter(clean_date, dates), "".join(dates[:1]))
    turn = Turn(speaker=speaker, text=text, session=session, said_at=said_at, source=source)
    yield from with_date(turn, location)


def _text(value: Any) -> str:
    """The content of an item; an object with several fields becomes `name: value` lines."""
    while isinstance(value, dict) and "content" in value:
        value = value["content"]
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_plain(field)}" for name, field in value.items())
    return _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
