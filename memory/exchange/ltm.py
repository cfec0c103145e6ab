"""Characters of the long_term_memory extension: each a folder with SQLite and zarr files."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

from memory.errors import InputError
from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.items import short_hash, with_date
from memory.records import Skipped, Turn
from memory.store.sqlite.foreign_database import foreign_rows
from memory.system.files import open_regular
from memory.text.written_dates import clean_date

_SQLITE_MAGIC = b"SQLite format 3\0"
DATABASE = "long_term_memory.db"
EMBEDDINGS = "long_term_memory_embeddings.zarr"
_LONGEST_HEADER = 1_000_000  # bytes


def is_ltm(path: Path) -> bool:
    """Whether a path is a character: its database, or the folder that holds it."""
    if path.is_dir():
        return (path / DATABASE).is_file()
    with open_regular(path) as file:
        return file.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC


def character_folders(path: Path) -> list[Path]:
    """The folders of characters in a folder, or the folder itself; empty if it has neither.

    Accepts `bot_memories`, `model_memories`, and the folder that contains them. A database directly
    in `bot_memories` is from before each character had a folder.
    """
    if not path.is_dir():
        return []
    here = [path] if (path / DATABASE).is_file() else []
    below = [*path.glob(f"*/{DATABASE}"), *path.glob(f"*_memories/*/{DATABASE}")]
    return here + sorted({database.parent for database in below})


def character_database(path: Path) -> Path:
    """The database of one character. Raises InputError if the folder is not a character's."""
    if path.is_file() or (path / DATABASE).is_file():
        return path if path.is_file() else path / DATABASE
    names = ", ".join(sorted(file.name for file in path.iterdir())[:5])
    raise InputError(
        f"{path}: a character's folder holds {DATABASE}, and that of a chat export"
        f" conversations.json; here is {names or 'nothing'}"
    )


def character_name(database: Path) -> str:
    """The character's name: that of its folder."""
    return database.resolve().parent.name if database.name == DATABASE else database.stem


def read_ltm(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages of a character, oldest first; a session is a day.

    The source contains a hash of the message besides its id: after "destroy all memories" the
    extension starts again at id 0.
    """
    database = character_database(export.path)
    name = character_name(database)
    select = "SELECT id, name, message, timestamp FROM long_term_memory ORDER BY timestamp, id"
    for number, speaker, message, timestamp in foreign_rows(database, select):
        if not isinstance(message, str) or not message.strip():
            yield Skipped(f"row {number}", "no message")
        elif not isinstance(speaker, str) or not speaker.strip():
            yield Skipped(f"row {number}", "nobody's name")
        else:
            source = f"ltm:{name}:{number}:{short_hash(speaker, message, timestamp)}"
            day = clean_date(timestamp)[:10]
            turn = Turn(speaker, message, session=day, said_at=str(timestamp), source=source)
            yield from with_date(turn, f"row {number}")


def vector_notes(export: ExportFiles, rows: int) -> Iterator[str]:
    """The faults of the vectors next to the database.

    They do no harm: this reads only their header, `.zarray`, and a memory computes its vectors
    from the texts.
    """
    folder = character_database(export.path).with_name(EMBEDDINGS)
    ending = "; no text is lost, all vectors are made anew"
    try:
        with open_regular(folder / ".zarray") as file:
            header = json.loads(file.read(_LONGEST_HEADER))
        length, per_chunk = header["shape"][0], header["chunks"][0]
        chunks = math.ceil(length / per_chunk)
    except FileNotFoundError:
        yield f"{folder.name} is missing{ending}"
    except (InputError, OSError, ValueError, LookupError, TypeError, ArithmeticError):
        yield f"{folder.name} is broken (its .zarray){ending}"
    else:
        if length != rows:
            yield f"{folder.name} has {length:,} vectors for {rows:,} messages{ending}"
        # A damaged header may claim any number of chunks; this checks at most one for each row.
        numbers = range(min(chunks, rows))
        missing = [number for number in numbers if not (folder / f"{number}.0").is_file()]
        if missing:
            yield f"{folder.name} lacks {len(missing)} of its {chunks} files{ending}"


IMPORTER = Importer("ltm", read_ltm, is_path=is_ltm, notes=vector_notes)
