"""mem0's memories: sentences without the turns they came from."""

from collections.abc import Iterator

from pydantic import BaseModel

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.items import by_person, short_hash, with_newest_date
from memory.exchange.json_files import validated
from memory.records import Skipped, Turn


class _Memory(BaseModel):
    id: str
    memory: str
    user_id: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


def read_mem0(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """Each memory as something its user (agent, run) said when it got its current wording.

    A memory that mem0 rewrites keeps its id, so the source contains a hash of the text: the new
    wording is a new turn.
    """
    for location, item in validated(export.files, _Memory):
        if isinstance(item, str):
            yield Skipped(location, item)
            continue
        turn = Turn(
            item.user_id or item.agent_id or item.run_id or "mem0",
            item.memory,
            session=item.run_id or "mem0",
            source=f"mem0:{item.id}:{short_hash(item.memory)}",
        )
        if item.user_id:
            turn = by_person(turn, "mem0", item.user_id)
        yield from with_newest_date(turn, (item.updated_at, item.created_at), location)


IMPORTER = Importer("mem0", read_mem0, is_object=lambda value: {"id", "memory"} <= {*value})
