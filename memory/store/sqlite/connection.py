"""Connections to the file of a SQLite namespace, and the errors of an unusable file."""

import json
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from memory.errors import DeletedError, InputError, StoreError
from memory.sql import FACT_COLUMNS
from memory.sql.tables import DAYS_BETWEEN, EXACT_SUM, NUMBER
from memory.store import migrations
from memory.store.configuration.setting_values import is_own_value
from memory.store.database import Restatement, restatements
from memory.store.sqlite.full_text import FullText, KnownMatches
from memory.store.statement_file import FACTS_NOW, for_sqlite, read_statements
from memory.store.turns.turns_table import ever_had_turns, turn_checksum
from memory.system.files import create_private, tighten
from memory.system.home import item_keys, make_item_key
from memory.text.amounts import ExactSum, number
from memory.text.dates import days_between, is_iso_date, is_iso_span
from memory.text.words import words

# Of subject, attribute and value together (migrations: "a column of a fact holds at most ...").
LONGEST_FACT = 3 * 20_000 + 2  # characters
BUSY_SECONDS = 30.0  # how long a connection waits for another one's write transaction
# The size that -wal reaches while no one reads, in bytes: SQLite's own limit for pages of 4,096.
_LOG_BYTES = 1_000 * 4_096
# And its size once its commits are in the main file. A long reader let it grow to 130 MB, which
# then stayed.
LARGEST_LOG_KEPT = 8_000_000

# SQLite keeps the newest commits, and an index of them, in files next to a memory that is in use.
LOG_ENDS = ("-wal", "-shm")

_FOLDER = Path(__file__).parent
STATEMENTS = read_statements(
    _FOLDER.parent / "statements.sql",
    _FOLDER.parent / "leases.sql",
    _FOLDER / "sqlite.sql",
    FACTS_NOW,
    render=for_sqlite,
)


class SqliteFacts:
    """The facts of a SQLite memory; triggers keep its journal and its index of words."""

    def __init__(self, conn: "SqliteConnection") -> None:
        self._conn = conn

    def insert(self, facts: Sequence[Sequence[Any]]) -> None:
        rows = [dict(zip(FACT_COLUMNS, fact, strict=True)) for fact in facts]
        self._conn.run_many("insert_fact", rows)

    def end(self, fact_id: int, ended_on: str | None) -> None:
        self._conn.run("end_fact", fact_id=fact_id, ended_on=ended_on)

    def date(self, fact_id: int, happened_on: str | None, ended_on: str | None) -> None:
        self._conn.run("date_fact", fact_id=fact_id, happened_on=happened_on, ended_on=ended_on)

    def restate(self, facts: Sequence[Restatement]) -> None:
        self._conn.run_many("restate_fact", restatements(facts))

    def delete(self, fact_ids: Sequence[int]) -> None:
        self._conn.run("delete_facts", fact_ids=[*fact_ids])

    def log(self) -> None:
        """Nothing is to be done: the triggers have written it."""


class SqliteConnection(sqlite3.Connection):
    """A connection to the file of a namespace, as the modules that both stores share use it."""

    @cached_property
    def _known_matches(self) -> KnownMatches:
        return KnownMatches()

    @property
    def words(self) -> FullText:
        return FullText(self, self._known_matches)

    @property
    def facts(self) -> SqliteFacts:
        return SqliteFacts(self)

    @property
    def integrity_error(self) -> type[Exception]:
        return sqlite3.IntegrityError

    def item_keys(self, makes: bool = False) -> list[bytes]:
        if makes:
            make_item_key()
        return item_keys()

    def run(self, statement: str, /, **values: Any) -> sqlite3.Cursor:
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = json.dumps(value)
        return self.execute(STATEMENTS[statement], values)

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()  # there is no server

    def run_many(self, statement: str, rows: Iterable[dict[str, Any]], /) -> None:
        self.executemany(STATEMENTS[statement], rows)

    def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], /
    ) -> None:
        places = ", ".join("?" * len(columns))
        self.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)

    def read_rows(self, table: str, columns: Sequence[str], order: Sequence[str]) -> sqlite3.Cursor:
        return self.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {', '.join(order)}")

    def find_row(
        self, table: str, columns: Sequence[str], key: Mapping[str, Any]
    ) -> tuple[Any, ...] | None:
        conditions = " AND ".join(f"{column} = :{column}" for column in key)
        row: tuple[Any, ...] | None = self.execute(
            f"SELECT {', '.join(columns)} FROM {table} WHERE {conditions}", key
        ).fetchone()
        return row

    def delete_row(self, table: str, key: Mapping[str, Any]) -> None:
        conditions = " AND ".join(f"{column} = :{column}" for column in key)
        self.execute(f"DELETE FROM {table} WHERE {conditions}", key)

    def new_id(self, table: str) -> None:
        """None: SQLite numbers the row (AUTOINCREMENT)."""

    def defer_keys(self) -> None:
        self.execute("PRAGMA defer_foreign_keys = ON")

    def last_id(self, table: str) -> int:
        (last,) = self.execute(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (table,)
        ).fetchone()
        return int(last)

    def reserve_ids(self, table: str, last: int) -> None:
        update = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?"
        if not self.execute(update, (last, table)).rowcount:
            self.execute("INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)", (last, table))


# Prepares the copy of a memory of an older schema, and returns what makes it.
CopyOfOlder = Callable[[SqliteConnection, Path, int], Callable[[], None]]


def connect(
    path: Path,
    read_only: bool,
    may_be_older: bool = False,
    copied_by: "CopyOfOlder | None" = None,
) -> SqliteConnection:
    """Open the namespace at a path, creating or migrating it unless `read_only`.

    `copied_by` copies an older one first (`older_copy.copy_of_older`).

    A new file is for its owner alone, and so is an older one from now on.
    Raises StoreError, with the file untouched, for a file that is not ours, is newer, older than
    the first migration or runs what is not ours, and for a namespace that is missing when it is
    opened read-only, or must be migrated then and may not be read as an older version made it
    (`may_be_older`).
    """
    refuse_no_file(path)
    is_new = not path.exists() or path.stat().st_size == 0
    if read_only and is_new:
        raise StoreError(f"{path}: there is no memory here to read")
    if is_new and not path.parent.is_dir():
        raise StoreError(f"{path}: the folder {path.parent} does not exist")
    if not is_new:
        _refuse_foreign_file(path)

    is_made_here = not path.exists()
    if not read_only:
        create_private(path)
        # SQLite gives -wal and -shm the rights of the main file when it makes them.
        for end in ("", *LOG_ENDS):
            tighten(path.with_name(path.name + end))
    conn = open_for_reading(path) if read_only else _open(path, "mode=rwc")
    try:
        _set_up(conn, path, read_only=read_only, may_be_older=may_be_older, copied_by=copied_by)
        if not is_new:
            _refuse_foreign_settings(conn, path)
    except BaseException:
        conn.close()
        if is_made_here:
            _remove_empty(path)
        raise
    return conn


def refuse_no_file(path: Path) -> None:
    """Raises StoreError for a folder, a pipe or a device: opening a pipe waits without end."""
    if path.is_dir():
        raise StoreError(f"{path}: a folder; give the path of a file in it")
    # Looked at once: between two looks another process may delete it.
    with suppress(OSError):
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise StoreError(f"{path}: no regular file")


def open_for_reading(path: Path) -> SqliteConnection:
    """A connection that cannot write, which also works in a read-only folder.

    There, SQLite cannot make the -shm file that it needs next to a memory. Without a -wal it does
    not need one, and reads the file as if no one writes to it meanwhile. Raises StoreError when
    there is a -wal with commits that could not be read.
    """
    # For reading, SQLite makes -wal and -shm next to a file in WAL mode, and leaves them there: the
    # next look would no longer see that the log is missing.
    conn = _open(path, "mode=ro&immutable=1" if lacks_log(path) else "mode=ro")
    try:
        _pragma(conn, "user_version")
    except sqlite3.DatabaseError as error:
        conn.close()
        if error.sqlite_errorname not in ("SQLITE_READONLY_DIRECTORY", "SQLITE_CANTOPEN"):
            raise
    else:
        return conn
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise StoreError(
            f"{path}: its newest turns are in {log.name}, which SQLite can only read where it may"
            " write; copy both files into a folder that you may write to"
        )
    return _open(path, "mode=ro&immutable=1")


def _open(path: Path, options: str) -> SqliteConnection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}",
        uri=True,
        timeout=BUSY_SECONDS,
        factory=SqliteConnection,
        isolation_level=None,  # transactions begin where the store says so, never by themselves
        # One call after another (`SqliteStore` sees to it), on whatever thread makes it.
        check_same_thread=False,
    )


def _remove_empty(path: Path) -> None:
    """Remove a file that was made a moment ago and that nothing could be written to."""
    with suppress(OSError, sqlite3.Error), closing(_open(path, "mode=rw")) as conn:
        # Another process may be making its memory there.
        conn.execute("BEGIN EXCLUSIVE")
        if not path.stat().st_size:
            path.unlink()


def _set_up(
    conn: SqliteConnection,
    path: Path,
    *,
    read_only: bool,
    may_be_older: bool,
    copied_by: "CopyOfOlder | None",
) -> None:
    """Bring a namespace up to date, and prepare a connection to it."""
    # SQLite checks foreign keys only where a connection asks for it. A fact's turn_id is one: it
    # is what makes a fact without a turn impossible.
    conn.execute("PRAGMA foreign_keys = ON")
    # Without it, a row that REPLACE removes fires no trigger, and the journal would lack a fact.
    conn.execute("PRAGMA recursive_triggers = ON")
    _add_functions(conn)
    schema = stamp_of(conn).version
    if schema < migrations.VERSION:
        if not read_only and schema and copied_by:
            migrations.migrate(conn, copied_by(conn, path, schema))
        elif not read_only:
            migrations.migrate(conn)
        elif not may_be_older:
            raise StoreError(
                f"{path}: made by an older version; open it once for writing, or a copy of it"
            )
    if not read_only:
        # With WAL, readers go on while one connection writes. FULL syncs the log at every commit:
        # with NORMAL, a power cut could take back turns whose ids `add` has returned.
        keep_a_log(conn)
        conn.execute("PRAGMA synchronous = FULL")
        conn.execute(f"PRAGMA journal_size_limit = {LARGEST_LOG_KEPT}")
        (page_bytes,) = conn.execute("PRAGMA page_size").fetchone()
        conn.execute(f"PRAGMA wal_autocheckpoint = {_LOG_BYTES // page_bytes}")


def _add_functions(conn: SqliteConnection) -> None:
    """Add the functions that the triggers, the checks and the look at a whole file call."""
    # The triggers on facts call this function to keep the index of their words. A connection that
    # lacks it (a foreign tool) can read facts and not change them.
    # It looks at no more than a fact can hold: no deadline interrupts it.
    conn.create_function(
        "words", 1, lambda text: " ".join(words(text[:LONGEST_FACT])), deterministic=True
    )
    add_functions_of_models(conn)
    for name, is_sound in (("is_date", is_iso_date), ("is_span", is_iso_span)):
        conn.create_function(name, 1, _of_text(is_sound), deterministic=True)
    # Likewise those on turns.
    conn.create_function("turn_checksum", 7, turn_checksum, deterministic=True)
    for table in ("turns", "facts"):  # never called: a program without it reads its name
        conn.create_collation(migrations.COLLATION + table, lambda one, other: 0)
    # A damaged page is an error where it is read, and not a wrong row.
    conn.execute("PRAGMA cell_size_check = ON")


def add_functions_of_models(conn: sqlite3.Connection) -> None:
    """Add the functions of dates and amounts that a model's statement may call."""
    conn.create_function(DAYS_BETWEEN, 2, days_between, deterministic=True)
    conn.create_function(NUMBER, 1, number, deterministic=True)
    conn.create_window_function(EXACT_SUM, 1, ExactSum)


def open_reader(path: Path) -> SqliteConnection:
    """One more connection to a memory that is open, which cannot write."""
    conn = open_for_reading(path)
    try:
        _add_functions(conn)
    except BaseException:
        conn.close()
        raise
    return conn


def keep_a_log(conn: sqlite3.Connection) -> None:
    """Put a file into WAL mode; while others open it, too, SQLite says "locked" without waiting."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            conn.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


# Settings that the store itself reads; if one has another form, the file is not ours.
_OWN_SETTINGS = frozenset({"backup", "copied memory", "declared", "forgetting", "forgotten"})


def _refuse_foreign_settings(conn: SqliteConnection, path: Path) -> None:
    """Raises StoreError for settings that are not JSON, or not as the store writes them.

    Whoever reads them later would fail in another way each.
    """
    for _, name, text, _ in conn.run("settings"):
        try:
            value = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            is_ours = False
        else:
            is_ours = name not in _OWN_SETTINGS or is_own_value(name, value)
        if not is_ours:
            raise StoreError(
                f"{path}: its setting {str(name)[:40]!r} is not as sql-memory writes it; restore a"
                " backup, or ask whoever sent the file for an export (.jsonl)"
            )


def _of_text(is_sound: Callable[[str], bool]) -> Callable[[Any], bool]:
    """The function for SQLite, which may call it with any value."""
    return lambda value: isinstance(value, str) and is_sound(value)


def _refuse_foreign_file(path: Path) -> None:
    """Raises StoreError for a file that is not ours, or not of a schema that this version uses.

    That is before anything is written to it.
    """
    _take_back_interrupted_write(path)
    conn = open_for_reading(path)
    try:
        conn.execute("BEGIN")  # of one moment: another process may be migrating the file
        owner = _pragma(conn, "application_id")
        stamp = stamp_of(conn)
        present = migrations.schema_of(conn)
    finally:
        conn.close()

    # A database without an owner, a version or a table is an empty one, which may become ours.
    if owner != migrations.APPLICATION_ID:
        if owner or stamp.version or present:
            raise StoreError(f"{path}: a SQLite file, but not one of ours; choose another path")
        return
    refuse_newer(stamp, path)
    if stamp.version < migrations.OLDEST:
        raise StoreError(f"{path}: {migrations.how_to_move(stamp.version)}")
    # A trigger of another's would run with the next turn, and may have no end.
    if foreign := migrations.foreign_part(present, stamp.version):
        raise StoreError(
            f"{path}: its {foreign} is not as sql-memory makes it, and would be run with what is"
            " stored; restore a backup, or ask whoever sent the file for an export (.jsonl)"
        )


def stamp_of(conn: sqlite3.Connection) -> migrations.Stamp:
    """The schema of a file, as its header says."""
    return migrations.read_stamp(_pragma(conn, "user_version"))


def refuse_deleted(stamp: migrations.Stamp, path: Path) -> None:
    """Raises DeletedError for the file of a memory that was deleted after it was opened."""
    if stamp == migrations.read_stamp(migrations.DELETED):
        raise DeletedError(f"{path}: deleted while it was open; open it again to begin a new one")


def refuse_newer(stamp: migrations.Stamp, path: Path) -> None:
    """Raises StoreError for a newer schema, unless that only adds to the one of this version."""
    if not migrations.is_usable(stamp):
        raise StoreError(
            f"{path}: made by a newer version (schema {stamp.version}, this one knows"
            f" {migrations.VERSION}); upgrade sql-memory to open it"
        )


def _take_back_interrupted_write(path: Path) -> None:
    """Have SQLite take back a write to a file of ours that a kill interrupted outside of WAL mode.

    Files are in that mode while they are made, moved or backups. A connection for reading cannot
    take the write back, and another's file must not be changed.
    """
    try:
        open_for_reading(path).close()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_READONLY_ROLLBACK":
            raise
    else:
        return
    # The file as it lies there. It is never opened but by SQLite: closing it would drop the locks
    # that other connections of this process have on it.
    with closing(_open(path, "immutable=1")) as conn:
        owner = _pragma(conn, "application_id")
    if owner != migrations.APPLICATION_ID:
        raise StoreError(f"{path}: not one of ours, and in the middle of a write; choose another")
    with closing(_open(path, "mode=rw")) as conn:
        _pragma(conn, "user_version")


def _pragma(conn: sqlite3.Connection, name: str) -> int:
    return int(conn.execute(f"PRAGMA {name}").fetchone()[0])


COPIED_WITHOUT_LOG = (
    "no turn was ever stored in this file. If it is a copy, the turns are in the -wal of the memory"
    " it was copied from: copy that one by `memory admin backup` or `memory admin namespaces copy`."
    " If it is not, this message goes away with the first turn"
)
_FORMAT_BYTES = slice(18, 20)  # of a SQLite file; both are 2 in WAL mode


def lacks_log(path: Path) -> bool:
    """Whether a file without turns is in WAL mode, like a file in use, but has no -wal."""
    if not path.exists() or os.path.exists(f"{os.path.realpath(path)}-wal"):
        return False
    try:
        with closing(_open(path, "mode=ro&immutable=1")) as conn:
            return not ever_had_turns(conn) and conn.serialize()[_FORMAT_BYTES] == b"\2\2"
    except sqlite3.DatabaseError:
        return False  # what is wrong with it, opening it says


class OpenedFiles:
    """The files that a connection holds, told by device and inode from others at their paths.

    A memory that is moved, deleted or replaced under an open connection still accepts writes, which
    no one finds again: SQLite holds the old file and keeps the log (-wal) by its name.
    """

    def __init__(self, path: Path) -> None:
        # SQLite keeps the log next to the file that a link leads to.
        real = os.path.realpath(path)
        self._logs = [real + end for end in LOG_ENDS]
        self._paths = [str(path)]
        self._ids = _file_ids(self._paths)

    def lie_at(self, path: Path) -> bool:
        """Whether the memory's file is still the one at its path."""
        return _file_ids([str(path)]) == self._ids[:1]

    def refuse_others(self, path: Path) -> None:
        """Raises StoreError when other files, or none, lie there by now.

        Called inside a write transaction. From the first one on, the log exists too.
        """
        if _file_ids(self._paths) != self._ids:
            raise StoreError(
                f"{path}: moved, deleted or replaced while it was open; nothing was written."
                " Put it back with its -wal, or open it at its new place"
            )
        if len(self._paths) == 1:
            self._paths += self._logs
            self._ids = _file_ids(self._paths)


def _file_ids(paths: Iterable[str]) -> list[tuple[int, int] | None]:
    """Device and inode of each file, None where there is none."""
    ids: list[tuple[int, int] | None] = []
    for path in paths:
        try:
            status = os.stat(path)
            ids.append((status.st_dev, status.st_ino))
        except OSError:
            ids.append(None)
    return ids


class WholeFileError(StoreError):
    """SQLite could not do something, and a look at the whole file found nothing wrong with it."""


DAMAGED = "the file is damaged; restore it from a backup"
# A piece of SQLite's message -> what a person can do about it.
_ADVICE_TO_PEOPLE = {
    "not a database": "not a SQLite file; choose another path",
    "disk is full": "the disk is full; nothing was written",
    "readonly": "opened for reading only, or the file or its folder is write-protected",
    "unable to open": "cannot be opened; check the path and its permissions",
    "locked": f"another process has been writing for {BUSY_SECONDS:.0f} seconds; try again",
    "locking protocol": (
        "its disk has no file locks that SQLite can use, as many network disks; keep it on a local"
        " one, or in Postgres"
    ),
    "malformed": DAMAGED,
    "vtable constructor": DAMAGED,
    "Could not decode": DAMAGED,
    "user-defined function raised": DAMAGED,  # `words` of what is no text
    "datatype mismatch": DAMAGED,
}

_ON_READ_ONLY_DISK = (
    "its disk cannot be written; in Python, Memory(open_store(path, read_only=True)) reads it"
)


def may_be_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether SQLite says what it also says of a damaged file."""
    return any(sign in str(error) for sign, text in _ADVICE_TO_PEOPLE.items() if text == DAMAGED)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and the disk into a StoreError of one line: what a person can do.

    What cannot be sent to SQLite at all becomes an InputError.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
    except OverflowError as error:
        raise InputError("a number here has more than 64 bits; no id is so large") from error
    except UnicodeEncodeError as error:
        raise InputError("a text here holds half a character (a lone surrogate)") from error
    except UnicodeDecodeError as error:  # SQLite quotes a damaged schema in its own message
        raise StoreError(f"{path}: {DAMAGED}") from error
    except sqlite3.DatabaseError as error:
        message = str(error)
        advice = next(
            (text for sign, text in _ADVICE_TO_PEOPLE.items() if sign in message), message
        )
        if "unable to open" in message and _is_on_read_only_disk(path):
            advice = _ON_READ_ONLY_DISK
        raise StoreError(f"{path}: {advice}") from error


def _is_on_read_only_disk(path: Path) -> bool:
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except (OSError, AttributeError):  # Windows has no statvfs
        return False
