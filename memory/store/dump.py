"""A SQLite namespace as a whole: copied while in use, written out as records and read again."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from memory.embed import DIM, PACKAGED, Hosted, Local, load_embedder
from memory.errors import InputError, ModelError
from memory.model import Turn
from memory.store import search_tables, vectors
from memory.store.forget import DONE, OURS, Embed, Transaction
from memory.store.turn_validation import valid_turn

BATCH = 256
Record = dict[str, Any]

# What is dumped, in an order in which it can be stored: columns, and how many of them identify a
# row. Rows in words, columns and vectors are made anew; who works on a pending window is not said.
TABLES: dict[str, tuple[tuple[str, ...], int]] = {
    "settings": (("id", "name", "value", "set_at"), 1),
    "turns": (("id", "kind", "session", "speaker", "text", "said_at", "source"), 1),
    "changes": (
        ("id", "at", "cause", "statement", "undone_at", "undoes", "first_turn", "last_turn"),
        1,
    ),
    "facts": (
        (
            *("id", "subject", "attribute", "value", "happened_on", "ended_on", "turn_id"),
            "recorded_at",
        ),
        1,
    ),
    "facts_log": (("id", "change_id", "fact_id", "before", "after"), 1),
    "pending": (("first_turn", "last_turn", "error", "attempts"), 2),
    "shown": (("turn_id", "times"), 1),
}
_NUMBERS = frozenset(
    [
        *("id", "turn_id", "first_turn", "last_turn", "undoes", "change_id", "fact_id"),
        *("attempts", "times"),
    ]
)
_IN_USE = ("pending", "shown")  # these go on changing; that a row is there is enough
_JSON = {("settings", "value"), ("facts_log", "before"), ("facts_log", "after")}
LAST_ID = 2**31 - 1  # the columns of search hold ids in 32 bits


# --- one file ---------------------------------------------------------------------------------


# --- records ----------------------------------------------------------------------------------


def dump(conn: sqlite3.Connection) -> Iterator[Record]:
    """Everything that was stored, as records; `Store.dump`. All of one moment."""
    path = Path(conn.execute("PRAGMA database_list").fetchone()[2])
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reading:
        reading.execute("BEGIN")
        for table, (columns, key) in TABLES.items():
            order = ", ".join(columns[:key])
            for row in reading.execute(
                f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}"
            ):
                if table != "settings" or row[1] not in OURS:
                    yield {"table": table, **dict(zip(columns, row, strict=True))}


def load(
    conn: sqlite3.Connection, transaction: Transaction, embed: Embed, records: Iterable[Record]
) -> int:
    """Store the records of a dump; `Store.load`.

    In batches, each one transaction: interrupted, this memory holds the beginning of the dump,
    which a later call finds equal and goes on from.
    """
    loading, numbered = _Loading(conn, embed), enumerate(records, 1)
    while batch := list(islice(numbered, BATCH)):
        with transaction():
            for number, record in batch:
                loading.take(number, record)
            loading.flush()
    return loading.turns


class _Loading:
    """A load at work: what is there already, and the turns of a batch that are not."""

    def __init__(self, conn: sqlite3.Connection, embed: Embed) -> None:
        self.turns = 0
        self._conn = conn
        self._embed = embed
        self._there: Counter[str] = Counter()
        self._new: list[Turn] = []
        self._begun = False

    def take(self, number: int, record: Record) -> None:
        """Store a record unless it is there. Raises InputError when it cannot be stored."""
        table, values = _read(number, record)
        columns, key = TABLES[table]
        if table != "turns":
            self.flush()
        where = " AND ".join(f"{column} = ?" for column in columns[:key])
        found = self._conn.execute(
            f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", values[:key]
        ).fetchone()
        if found is not None:
            if found != values and table not in _IN_USE:
                raise _elsewhere(number, record, "holds another one")
            self._there[table] += 1
            return
        if not self._begun:
            self._refuse_more(number, record)
            self._begun = True
        if table == "turns" and values[0] <= self._last_turn():
            raise InputError(f"record {number} ({_named(record)}) stands after a later turn")
        try:
            self._insert(table, columns, values)
        except (sqlite3.IntegrityError, OverflowError, LookupError, TypeError) as error:
            raise InputError(f"record {number} ({_named(record)}) cannot be: {error}") from error

    def _insert(self, table: str, columns: Sequence[str], values: tuple[Any, ...]) -> None:
        if table == "pending":
            columns, values = (*columns, "claimed_by", "claimed_until"), (*values, "", 0)
        logged = "SELECT coalesce(max(id), 0) FROM facts_log"
        (last,) = self._conn.execute(logged).fetchone() if table == "facts" else (0,)
        self._conn.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            values,
        )
        self._there[table] += 1
        if table == "facts":  # the journal of a dump comes with it: none of a second one's
            self._conn.execute("DELETE FROM facts_log WHERE id > ?", (last,))
        if table == "facts_log":
            self._never_again("facts", [values[2]])
        if table == "settings" and values[1] == DONE:
            receipt = json.loads(values[2])
            self._never_again("turns", receipt["turns"])
            self._never_again("facts", receipt["facts"])
        if table == "turns":
            self._new.append(_to_turn(values))

    def _never_again(self, table: str, numbers: Sequence[int]) -> None:
        """Give no number again that something had which is gone."""
        update = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?"
        values = (max(numbers, default=0), table)
        if not self._conn.execute(update, values).rowcount:
            self._conn.execute("INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)", values)

    def _last_turn(self) -> int:
        (last,) = self._conn.execute("SELECT coalesce(max(id), 0) FROM turns").fetchone()
        return int(last)

    def flush(self) -> None:
        """Keep what search needs of the turns that are new."""
        if not self._new:
            return
        turns, self._new = self._new, []
        made = _usable(self._conn)
        search_tables.put_words(self._conn, turns)
        if not isinstance(load_embedder(made.name), Hosted):
            rows = self._embed([turn.text for turn in turns], made)
            search_tables.put_columns(self._conn, turns, rows)
        self.turns += len(turns)

    def _refuse_more(self, number: int, record: Record) -> None:
        """Before anything is stored: what is there is the beginning of this dump and no more."""
        hidden = json.dumps(["embedder", *OURS])
        for table in TABLES:
            kept = "" if table != "settings" else " WHERE name NOT IN (SELECT value FROM ours)"
            (count,) = self._conn.execute(
                f"WITH ours AS (SELECT value FROM json_each(?)) SELECT count(*) FROM {table}{kept}",
                (hidden,),
            ).fetchone()
            if count > self._there[table]:
                raise _elsewhere(number, record, "lacks it and holds something else")


def _usable(conn: sqlite3.Connection) -> vectors.RecordedEmbedder:
    """The recorded embedder; the packaged one when there is none, or it cannot be used here."""
    made = vectors.recorded_embedder(conn)
    if made is not None:
        try:
            embedder = load_embedder(made.name)
            if isinstance(embedder, Local) and not search_tables.last_with_columns(conn):
                embedder(["a"])
        except (InputError, ModelError):
            made = None
    if made is None:
        vectors.record_embedder(conn, PACKAGED, DIM)
        made = vectors.recorded_embedder(conn)
        assert made is not None
    return made


def _read(number: int, record: Record) -> tuple[str, tuple[Any, ...]]:
    """The table and the values of a record. Raises InputError for one that is none."""
    table = record.get("table")
    if table not in TABLES:
        names = ", ".join(TABLES)
        raise InputError(f"record {number}: table {table!r} is none of {names}")
    columns, key = TABLES[table]
    if missing := [name for name in columns if name not in record]:
        raise InputError(f"record {number} ({table}) lacks {missing[0]!r}")
    for name in columns:
        value = record[name]
        right = isinstance(value, int) if name in _NUMBERS else isinstance(value, str)
        if isinstance(value, bool) or not (right or (value is None and name not in columns[:key])):
            raise InputError(f"record {number} ({table}): {name} is {value!r}")
        if isinstance(value, int) and not 0 <= value <= LAST_ID:
            raise InputError(f"record {number} ({table}): {name} is {value}, out of bounds")
        if (table, name) in _JSON and value is not None and not _is_json(value):
            raise InputError(f"record {number} ({table}): {name} is not JSON")
    values = tuple(record[name] for name in columns)
    if table == "turns":
        if None in values:
            raise InputError(f"record {number} (turns): nothing may be null")
        if valid_turn(turn := _to_turn(values), number) != turn:
            raise InputError(f"record {number} (turns) holds characters that no turn has")
    else:
        try:
            "".join(value for value in values if isinstance(value, str)).encode()
        except UnicodeEncodeError:
            raise InputError(f"record {number} ({table}) holds lone surrogates") from None
    return table, values


def _to_turn(values: tuple[Any, ...]) -> Turn:
    turn_id, kind, session, speaker, text, said_at, source = values
    return Turn(speaker, text, session, said_at, source, kind, turn_id)


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except ValueError:
        return False
    return True


def _named(record: Record) -> str:
    columns, key = TABLES[record["table"]]
    return f"{record['table']} {', '.join(str(record[name]) for name in columns[:key])}"


def _elsewhere(number: int, record: Record, why: str) -> InputError:
    return InputError(
        f"record {number} ({_named(record)}): this memory {why}; load the dump into a new namespace"
    )
