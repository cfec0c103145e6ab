"""Endpoints that need the request itself: memories made, erased and waited for; jobs."""

import asyncio
import time
from asyncio import sleep
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from pydantic import Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from memory.errors import InputError, MemoryFault, NotThereError
from memory.operations.operation import Id, Inputs, Limit
from memory.records import Change
from memory.server.api_jobs import Jobs
from memory.server.handles import Handles
from memory.server.tokens import Grant
from memory.store import Store
from memory.store.configuration.declared_settings import set_owner
from memory.store.configuration.settings import owner_of, settings_of

NDJSON = "application/x-ndjson"
_LOOK_EVERY_S = 1.0  # for a change that a client waits for


@dataclass(frozen=True)
class Call:
    """A request for one memory, and what the server has to answer it."""

    request: Request
    namespace: str
    grant: Grant
    handles: Handles
    jobs: Jobs

    @property
    def number(self) -> int:
        """The id in the path."""
        return int(self.request.path_params.get("id", 0))


class MemoryOptions(Inputs):
    """How a memory is made."""

    owner: str = Field("", description="Whose memory it is; I, me and user mean this person.")


class Changes(Inputs):
    """Which changes."""

    before: Id | None = Field(None, description="Only changes with a smaller id, the newest.")
    after: Id | None = Field(None, description="Only changes with a larger id, the oldest.")
    wait: float = Field(
        0, ge=0, le=60, description="With `after`: how many seconds to wait for the first of them."
    )
    limit: Limit = 50


async def changes(call: Call, wanted: Changes) -> Response:
    """The newest changes, or those after one, for which a client may wait."""
    if wanted.after is None and wanted.wait:
        raise InputError("`wait` goes with `after`, the last change you have")
    if wanted.after is not None and wanted.before is not None:
        raise InputError("give `before` or `after`")

    def read(store: Store) -> list[Change]:
        return store.changes(wanted.before, wanted.limit, wanted.after)

    deadline = time.monotonic() + wanted.wait
    while True:
        new = await call.handles.run_on_store(call.namespace, read)
        is_late = time.monotonic() >= deadline
        if new or is_late or await call.request.is_disconnected():
            return JSONResponse({"changes": [asdict(change) for change in new]})
        await sleep(_LOOK_EVERY_S)


async def put_memory(call: Call, options: MemoryOptions) -> Response:
    """Make a memory, or say that it exists; an owner is stored either way."""
    is_new = False
    with suppress(InputError):  # it exists; an invalid name is refused below
        await call.handles.create(call.namespace)
        is_new = True

    def work(store: Store) -> dict[str, Any]:
        if options.owner:
            set_owner(store, options.owner)
        return {"namespace": call.namespace, "new": is_new, "owner": owner_of(store)}

    result = await call.handles.run_on_store(call.namespace, work)
    return JSONResponse(result, 201 if is_new else 200)


class Erasure(Inputs):
    """What erases a memory."""

    confirmation: str = Field(description="The memory's name, again.")


async def erase_memory(call: Call, options: Erasure) -> Response:
    """Delete a memory with all that was stored; its backups stay, and are named."""
    if options.confirmation != call.namespace:
        raise InputError("nothing was erased: give the memory's name as `confirmation`")
    call.handles.refuse_missing([call.namespace])
    backups: list[str] = []
    with suppress(MemoryFault):  # a memory that does not open is erased, too
        backups = await call.handles.run_on_store(call.namespace, _backups)
    await call.handles.delete(call.namespace)
    return JSONResponse({"erased": call.namespace, "backups": backups})


def _backups(store: Store) -> list[str]:
    paths = dict.fromkeys(str(setting.value) for setting in settings_of(store, "backup"))
    return [path for path in paths if Path(path).exists()]


@asynccontextmanager
async def received(request: Request) -> AsyncIterator[Path]:
    """The body of a request as a file, which is removed at the end."""
    with NamedTemporaryFile(prefix="memory-import-", suffix=".jsonl") as file:
        try:
            async for piece in request.stream():
                await asyncio.to_thread(file.write, piece)
        except ClientDisconnect:
            raise InputError("the body is incomplete") from None
        if not file.tell():
            raise InputError("the body is empty; send the lines of an export")
        file.flush()
        yield Path(file.name)


async def jobs(call: Call, options: Inputs) -> Response:
    """The jobs of a memory since the server started."""
    return JSONResponse({"jobs": [job.record() for job in call.jobs.of(call.namespace)]})


async def job(call: Call, options: Inputs) -> Response:
    """One job."""
    found = call.jobs.get(call.namespace, call.number)
    if found is None:
        raise NotThereError(f"there is no job {call.number}; a restart of the server forgets them")
    return JSONResponse(found.record())
