"""LangMem's memories: the items of a LangGraph store."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import AliasChoices, BaseModel, Field

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.items import short_hash, with_newest_date
from memory.exchange.json_files import validated
from memory.records import Skipped, Turn


class _Item(BaseModel):
    # A LangGraph store's table has the namespace as `prefix`, with dots between its parts.
    namespace: list[str] | str = Field(validation_alias=AliasChoices("namespace", "prefix"))
    key: str
    value: Any
    created_at: str | None = None
    updated_at: str | None = None


def read_langmem(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """Each item of a LangGraph store, with the last part of its namespace as the speaker."""
    for location, item in validated(export.files, _Item):
        if isinstance(item, str):
            yield Skipped(location, item)
            continue
        names = item.namespace
        if isinstance(names, str):
            names = names.split(".")
        names = [name for name in names if name.strip()]
        namespace = "/".join(names)
        text = _text(item.value)
        turn = Turn(
            names[-1] if names else "langmem",
            text,
            session=namespace or "langmem",
            source=f"langmem:{namespace}:{item.key}:{short_hash(text)}",
        )
        yield from with_newest_date(turn, (item.updated_at, item.created_at), location)


def _text(value: Any) -> str:
    """The content of an item; an object with several fields becomes `name: value` lines."""
    while isinstance(value, dict) and "content" in value:
        value = value["content"]
    if isinstance(value, dict):
        return "\n".join(f"{name}: {_plain(field)}" for name, field in value.items())
    return _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


IMPORTER = Importer("langmem", read_langmem, is_object=lambda value: {"key", "value"} <= {*value})
