"""Foreign turns stored in a memory: batch by batch, each durable, and every turn once."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from memory.errors import InputError, StoreError
from memory.exchange.items import ForeignExport, Skipped
from memory.home import embed_command
from memory.records import Turn
from memory.store import Store
from memory.store.protocol import Turns

# The first line of a dump; its number grows when older readers could not read a newer dump.
DUMP_HEAD = "sql-memory"
DUMP_VERSION = 1


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    `turns` are new, `already` were there. When two processes import the same export at the same
    moment, each turn is stored once, and may be counted as new by both.
    """

    turns: int
    already: int
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()


def import_turns(
    store: Turns,
    export: ForeignExport,
    batch: int = 1024,
    progress: Callable[[int], None] | None = None,
) -> ImportReport:
    """Store those turns of an export that the memory does not know by their source.

    Every `batch` items are durable at once, and `progress` is called with their number: whatever
    ends this, the same call later goes on where it stopped.

    Raises StoreError (a full disk) and ModelError (an embedder); the batches before are stored.
    """
    # Batches of 64, 256 and 1,024 hardly differ in speed (docs/log.md).
    advance = progress or (lambda items: None)
    new = already = 0
    skipped: list[Skipped] = []
    while items := list(islice(export.items, batch)):
        turns = [item for item in items if isinstance(item, Turn)]
        skipped += [item for item in items if isinstance(item, Skipped)]
        known = store.known([turn.source for turn in turns])
        fresh = [turn for turn in turns if turn.source not in known]
        if fresh:
            try:
                # `once`, because another process may have stored them since the look-up.
                new += len(set(store.add(fresh, once=True)))
            except StoreError as error:
                raise StoreError(f"{error}; the {new:,} turns before are kept") from error
        already += len(turns) - len(fresh)
        advance(len(items))
    return ImportReport(new, already, skipped=tuple(skipped), notes=export.notes)


def load_dump(
    store: Store, path: Path, progress: Callable[[int], None] | None = None
) -> ImportReport:
    """Make a memory equal to the one that `exports.export_memory` wrote as JSON lines.

    The store is empty or holds the beginning of that dump: after an interruption the same call
    goes on where it stopped.
    Raises InputError for a line that is none, and when the memory holds something else.
    """
    advance = progress or (lambda records: None)
    turns = 0
    embedder = ""  # the last that the dump names, as JSON

    def counted_records() -> Iterator[dict[str, Any]]:
        nonlocal turns, embedder
        for record in dump_records(path):
            turns += record.get("table") == "turns"
            if (record.get("table"), record.get("name")) == ("settings", "embedder"):
                embedder = str(record.get("value"))
            yield record
            advance(1)

    new = store.load(counted_records())
    notes: tuple[str, ...] = ()
    # All records are sound by now.
    if embedder and (name := json.loads(embedder)["name"]) != store.embedder:
        notes = (
            f"the vectors were by {name}, and are by {store.embedder} here; for the other:"
            f" {embed_command(store.location, name)}",
        )
    return ImportReport(new, turns - new, notes=notes)


def dump_records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a dump. Raises InputError, with its number, for a line that is none."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                record = _record(path, number, line)
                if number > 1:
                    yield record
                elif record.get(DUMP_HEAD) != DUMP_VERSION:
                    raise InputError(
                        f'{path}: line 1 is not {{"{DUMP_HEAD}": {DUMP_VERSION}}}: no dump, or a'
                        " newer one; upgrade sql-memory to read that"
                    )
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: line {number:,} is not JSON: the file was changed or cut off; export again"
        ) from error
    if not isinstance(record, dict):
        raise InputError(f"{path}: line {number:,} is no record")
    return record
