"""A namespace as records: everything in it written out, and read into another one.

A load stops at the first record that does not fit, and continues where an interrupted one ended:
the memory must contain the beginning of the dump.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from memory.errors import InputError, ModelError
from memory.records import Turn
from memory.search.embed import DIM, PACKAGED_EMBEDDER, LocalEmbedder, load_embedder
from memory.sql import FACT_COLUMNS
from memory.store.changes import journal, journaled_rows
from memory.store.configuration.setting_values import is_own_value
from memory.store.configuration.withheld import POLICY, public_turns
from memory.store.database import Connection, Transaction
from memory.store.facts import entities
from memory.store.forgetting.forget import DONE, OF_THIS_FILE
from memory.store.search import search_tables, vectors
from memory.store.search.vectors import EmbedTexts
from memory.store.turns import newer_words, traces, turns_table
from memory.store.turns.turn_validation import valid_turn
from memory.text.secrets import Policy, mask

BATCH_RECORDS = 256  # of one transaction
DumpRecord = dict[str, Any]

# The columns of each table that is dumped, and how many of the first ones identify a row. The order
# of the tables suits their foreign keys. A load makes the search data again. The claimant of a
# pending window is left out.
DUMPED_TABLES: dict[str, tuple[tuple[str, ...], int]] = {
    "settings": (("id", "name", "value", "set_at"), 1),
    "turns": (turns_table.COLUMNS, 1),
    "changes": (
        ("id", "at", "cause", "statement", "undone_at", "undoes", "first_turn", "last_turn"),
        1,
    ),
    "facts": (FACT_COLUMNS, 1),
    "facts_log": (("id", "change_id", "fact_id", "before", "after"), 1),
    "pending": (("first_turn", "last_turn", "error", "attempts", "statement"), 2),
    "shown": (("turn_id", "times"), 1),
    "traces": (traces.COLUMNS, 1),
    "newer_words": (newer_words.COLUMNS, 3),
    **journaled_rows.TABLES,
    "rows_log": (("id", "change_id", "table_name", "turn_id", "before", "after"), 1),
}
_NUMBER_COLUMNS = frozenset(
    [
        "id",
        "turn_id",
        "first_turn",
        "last_turn",
        "last_turn_id",
        "undoes",
        "change_id",
        "fact_id",
        "attempts",
        "times",
        "first_fact",
        "second_fact",
        "older_turn",
        "newer_turn",
        "chance",
        "left_out",
    ]
)
# Earlier versions kept questions with their answers in this table: a load leaves it out.
FORMER_TABLE = "answers"
_POLICIES_OF_DUMPS = ('"mask"', '"refuse"')
# What dumps of older versions lack.
_ADDED_COLUMNS: dict[str, Mapping[str, Any]] = {
    "pending": {"statement": ""},
    **journaled_rows.ADDED_COLUMNS,
}
# Rows of these tables change in use: a row that differs from the dump's is still the same row.
_CHANGING_TABLES = ("pending", "shown", "traces")
_JSON_COLUMNS = {
    ("settings", "value"),
    ("facts_log", "before"),
    ("facts_log", "after"),
    ("attributes", "other_names"),
    ("attributes", "allowed_values"),
    ("attributes", "templates"),
    ("rows_log", "before"),
    ("rows_log", "after"),
}
LAST_ID = 2**31 - 1  # the columns of search hold ids in 32 bits


def dump(conn: Connection) -> Iterator[DumpRecord]:
    """Everything that was stored, as records; `Store.dump`.

    All of one moment: the caller holds a transaction for reading.
    """
    for table, (columns, key) in DUMPED_TABLES.items():
        for row in conn.read_rows(table, columns, order=columns[:key]):
            if table != "settings" or row[1] not in OF_THIS_FILE:
                yield {"table": table, **dict(zip(columns, row, strict=True))}


def load(
    transaction: Transaction,
    embed: EmbedTexts,
    records: Iterable[DumpRecord],
    refuse_beyond: Callable[[Sequence[Turn]], None],
    secrets: Policy = "off",
) -> int:
    """Store the records of a dump; `Store.load`.

    The packaged embedder takes the place of one that this machine lacks. A dump does not set what
    is of another file, and lets no secrets in.
    `refuse_beyond` raises for new turns beyond a server's limits; `secrets` is the policy that
    they are under.

    In batches, each one transaction: interrupted, this memory holds the beginning of the dump,
    which a later call finds equal and goes on from.
    """
    loader = _Loader(embed)
    numbered = enumerate(records, 1)
    while batch := list(islice(numbered, BATCH_RECORDS)):
        rows = [
            (number, record, *_public_row(number, record, secrets))
            for number, record in batch
            if not _is_left_out(record)
        ]
        with transaction() as conn:
            loader.conn = conn
            new = loader.new_turns_of((table, values) for _, _, table, values in rows)
        refuse_beyond(new)
        with transaction() as loader.conn:
            for number, record, table, values in rows:
                loader.store(number, record, table, values)
            loader.index_turns()
    with transaction() as conn:  # a dump does not say it, and an interrupted load could not
        entities.derive_all(conn)
    return loader.new_turns


class _Loader:
    """A load at work: it counts the rows that are in place and collects a batch's new turns."""

    conn: Connection  # of the batch's transaction

    def __init__(self, embed: EmbedTexts) -> None:
        self.new_turns = 0
        self._embed = embed
        self._rows_in_place: Counter[str] = Counter()  # by table
        self._unindexed: list[Turn] = []
        self._has_stored = False

    def new_turns_of(self, rows: Iterable[tuple[str, tuple[Any, ...]]]) -> list[Turn]:
        """The turns among these rows that are not there yet."""
        last = self._last_turn()
        return [
            turns_table.to_turn(values)
            for table, values in rows
            if table == "turns" and values[0] > last
        ]

    def store(self, number: int, record: DumpRecord, table: str, values: tuple[Any, ...]) -> None:
        """Store a record's row unless it exists. Raises InputError when it cannot be stored."""
        columns, key = DUMPED_TABLES[table]
        if table != "turns":
            self.index_turns()
        row = self.conn.find_row(table, columns, dict(zip(columns[:key], values, strict=False)))
        if row is not None:
            if row != values and table not in _CHANGING_TABLES:
                raise _holds_something_else(number, record, "holds another one")
            self._rows_in_place[table] += 1
            return
        if not self._has_stored:
            self._refuse_rows_beyond(number, record)
            self._has_stored = True
        if table == "turns" and values[0] <= self._last_turn():
            raise InputError(f"record {number} ({_named(record)}) stands after a later turn")
        try:
            self._insert(table, columns, values)
        except (self.conn.integrity_error, OverflowError, LookupError, TypeError) as error:
            raise InputError(f"record {number} ({_named(record)}) cannot be: {error}") from error

    def _insert(self, table: str, columns: Sequence[str], values: tuple[Any, ...]) -> None:
        if table == "pending":  # a dump leaves out the claimant, so no one has it
            columns = (*columns, "claimed_by", "claimed_until")
            values = (*values, "", 0)
        # In Postgres no foreign key says so of this table, which every question writes to.
        if table == "shown" and not self._has_turn(values[0]):
            raise LookupError(f"there is no turn {values[0]}")
        if table == "facts":
            self._insert_fact(values)
        else:
            self.conn.insert_rows(table, columns, [values])
        self._rows_in_place[table] += 1
        if columns[0] == "id":
            self._reserve_ids(table, [values[0]])
        # The numbers of removed facts and turns are in the journal and in receipts.
        if table == "facts_log":
            self._reserve_ids("facts", [values[2]])
        if table == "settings" and values[1] == DONE:
            receipt = json.loads(values[2])
            self._reserve_ids("turns", receipt["turns"])
            self._reserve_ids("facts", receipt["facts"])
        if table == "turns":
            self._unindexed.append(turns_table.to_turn(values))

    def _insert_fact(self, values: tuple[Any, ...]) -> None:
        (last_entry,) = self.conn.run("last_entry").fetchone()
        self.conn.facts.insert([values])
        # The journal has the insertion by now. The dump brings its own journal, which says how the
        # fact came to be, so this entry goes.
        self.conn.facts.log()
        self.conn.run("delete_entries_after", last_entry=last_entry)

    def _reserve_ids(self, table: str, ids: Sequence[int]) -> None:
        """Keep new rows from getting the id of a removed row."""
        self.conn.reserve_ids(table, max(ids, default=0))

    def _has_turn(self, turn_id: int) -> bool:
        turn_ids = self.conn.run("turn_ids_between", first=turn_id, last=turn_id, most=1)
        return turn_ids.fetchone() is not None

    def _last_turn(self) -> int:
        (last,) = self.conn.run("last_turn").fetchone()
        return int(last)

    def index_turns(self) -> None:
        """Store the words, columns and vectors of the new turns."""
        if not self._unindexed:
            return
        turns = self._unindexed
        self._unindexed = []
        recorded = _usable_embedder(self.conn)
        self.conn.words.put_turns(turns)
        rows = self._embed([turn.text for turn in turns], recorded)
        search_tables.put_columns(self.conn, turns, rows)
        self.new_turns += len(turns)

    def _refuse_rows_beyond(self, number: int, record: DumpRecord) -> None:
        """Raises InputError when the memory holds rows that the dump has not brought so far.

        Called before anything is stored: the memory has the beginning of this dump and no more.
        """
        hidden = ["embedder", *OF_THIS_FILE]
        counts = self.conn.run("count_dumped_rows", hidden_settings=hidden)
        for table, count in counts.fetchall():
            if count > self._rows_in_place[table]:
                raise _holds_something_else(number, record, "lacks it and holds something else")


def _usable_embedder(conn: Connection) -> vectors.RecordedEmbedder:
    """The recorded embedder; the packaged one when there is none, or it cannot be used here."""
    recorded = vectors.recorded_embedder(conn)
    if recorded is not None:
        try:
            embedder = load_embedder(recorded.name)
            # A model of this machine may not be installed: it is loaded when it is first asked.
            if isinstance(embedder, LocalEmbedder) and not search_tables.last_with_columns(conn):
                embedder(["a"])
        except (InputError, ModelError):
            recorded = None
    if recorded is None:
        vectors.record_embedder(conn, PACKAGED_EMBEDDER, DIM)
        recorded = vectors.recorded_embedder(conn)
        assert recorded is not None
    return recorded


def _is_left_out(record: DumpRecord) -> bool:
    """Whether a record is not taken over: of an earlier version, or what no dump may set."""
    if record.get("table") == "settings":
        name, value = record.get("name"), record.get("value")
        is_policy = name == POLICY and value not in _POLICIES_OF_DUMPS
        return name in OF_THIS_FILE or is_policy or not _is_as_we_write(name, value)
    return _is_of_former_table(record)


def _public_row(number: int, record: DumpRecord, policy: Policy) -> tuple[str, tuple[Any, ...]]:
    """As `_parse`, with a turn as a policy lets it in. Raises InputError for another secret."""
    table, values = _parse(number, record)
    if policy == "off":
        return table, values
    if table == "turns":
        [turn] = public_turns([turns_table.to_turn(values)], policy).turns
        at = DUMPED_TABLES[table][0].index("text")
        return table, (*values[:at], turn.text, *values[at + 1 :])
    if any(mask(value).secrets for value in values if isinstance(value, str)):
        raise InputError(
            f"record {number} ({_named(record)}) holds what looks like a secret (a key, token or"
            " password); nothing more was stored"
        )
    return table, values


def _is_of_former_table(record: DumpRecord) -> bool:
    """Whether a record is a row of FORMER_TABLE, or what the journal says of one."""
    names = (record.get("table"), record.get("table_name"))
    return names[0] == FORMER_TABLE or names == ("rows_log", FORMER_TABLE)


def _parse(number: int, record: DumpRecord) -> tuple[str, tuple[Any, ...]]:
    """The table and the values of a record. Raises InputError if it is not a record."""
    table = record.get("table")
    if not isinstance(table, str) or table not in DUMPED_TABLES:
        names = ", ".join(DUMPED_TABLES)
        raise InputError(f"record {number}: table {table!r} is not among {names}")
    columns, key = DUMPED_TABLES[table]
    record = {**_ADDED_COLUMNS.get(table, {}), **record}
    missing = [name for name in columns if name not in record]
    if missing:
        raise InputError(f"record {number} ({table}) lacks {missing[0]!r}")
    for name in columns:
        value = record[name]
        expected_type = int if name in _NUMBER_COLUMNS else str
        may_be_null = name not in columns[:key]
        fits = isinstance(value, expected_type) or (value is None and may_be_null)
        if isinstance(value, bool) or not fits:  # a bool is an int to Python
            raise InputError(f"record {number} ({table}): {name} is {value!r}")
        if isinstance(value, int) and not 0 <= value <= LAST_ID:
            raise InputError(f"record {number} ({table}): {name} is {value}, out of bounds")
        if (table, name) in _JSON_COLUMNS and value is not None and not _is_json(value):
            raise InputError(f"record {number} ({table}): {name} is not JSON")
    values = tuple(record[name] for name in columns)
    if table == "facts":
        values = journal.dated(values)
    elif table == "facts_log":
        values = (*values[:3], *map(_dated_image, values[3:]))
    if table == "settings" and record["name"] == "embedder":
        try:
            vectors.embedder_setting(record["value"])
        except InputError as error:
            raise InputError(f"record {number} (settings): {error}") from error
    if table == "turns":
        if None in values:
            raise InputError(f"record {number} (turns): nothing may be null")
        turn = turns_table.to_turn(values)
        if valid_turn(turn, number) != turn:
            raise InputError(f"record {number} (turns) holds characters that no turn has")
    else:
        try:
            "".join(value for value in values if isinstance(value, str)).encode()
        except UnicodeEncodeError:
            raise InputError(f"record {number} ({table}) holds lone surrogates") from None
    return table, values


def _dated_image(image: str | None) -> str | None:
    """An entry of the journal as the facts themselves are loaded: with dates for its dates."""
    columns = json.loads(image) if image else None
    if not isinstance(columns, list) or len(columns) != len(FACT_COLUMNS):
        return image
    sound = [*journal.dated(columns)]
    return image if sound == columns else journal.written_image(sound)


def _is_as_we_write(name: Any, value: Any) -> bool:
    """Whether a setting may be taken over. What is no JSON is refused by `_parse`."""
    is_json = isinstance(value, str) and _is_json(value)
    return not is_json or is_own_value(str(name), json.loads(value))


def _is_json(value: str) -> bool:
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return False
    return True


def _named(record: DumpRecord) -> str:
    columns, key = DUMPED_TABLES[record["table"]]
    return f"{record['table']} {', '.join(str(record[name]) for name in columns[:key])}"


def _holds_something_else(number: int, record: DumpRecord, reason: str) -> InputError:
    return InputError(
        f"record {number} ({_named(record)}): this memory {reason};"
        " load the dump into a new namespace"
    )
