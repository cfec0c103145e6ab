"""A memory copied into a store of any database, and the proof that the two are equal."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from memory.errors import StoreError
from memory.store.configuration import settings
from memory.store.forgetting.forget import COPY
from memory.store.protocol import Store

_EMBEDDER = "embedder"


def transfer(
    source: Store, target: Store, progress: Callable[[str], None] = lambda table: None
) -> int:
    """Copy everything of a memory, journal and all, into an empty one or the beginning of a copy.

    Vectors are made anew. After an interruption a later call goes on. `progress` is called with the
    table of each record. Returns how many turns are new.

    Raises InputError when the target holds something else, StoreError when the result is not equal
    to the source.
    """
    read = hashlib.sha256()

    def records() -> Iterator[dict[str, Any]]:
        for record in source.dump():
            _take_in(read, record)
            progress(record["table"])
            yield record

    turns = target.load(records())
    written = hashlib.sha256()
    for record in target.dump():
        _take_in(written, record)
    if written.digest() != read.digest():
        raise StoreError(
            f"{target.location} holds more than, or something else than, what was read of"
            f" {source.location}; nothing was changed: copy into an empty memory"
        )
    return turns


def note_copy(store: Store, location: str) -> None:
    """Let a memory know of a copy of it, or of the memory that it was copied from."""
    with store.transaction() as conn:
        settings.add_setting(conn, COPY, location)


def _take_in(digest: "hashlib._Hash", record: dict[str, Any]) -> None:
    # The embedder that made the vectors may be another one here (see `dump.load`).
    if record["table"] != "settings" or record["name"] != _EMBEDDER:
        digest.update(json.dumps(record, sort_keys=True).encode("utf-8", "surrogatepass") + b"\n")
