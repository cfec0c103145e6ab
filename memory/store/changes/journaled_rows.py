"""Rows of the tables other than facts: what a change does to tags or aliases can be undone.

Each row that a change inserts, deletes or replaces has an entry in `rows_log`, with the row before
and after as JSON objects. A row is identified by its columns, because these tables have no numbers.
The functions run inside the transaction of a change that `journal.begin` began.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from memory.errors import InputError, StoreError
from memory.store.configuration import settings
from memory.store.database import Connection

Row = Mapping[str, Any]

# The columns of each table, and how many of the first ones are its key.
TABLES: dict[str, tuple[tuple[str, ...], int]] = {
    "tags": (("turn_id", "key", "value"), 3),
    "attributes": (
        ("name", "other_names", "kind", "allowed_values", "instruction", "templates"),
        1,
    ),
    "entities": (("name", "description"), 1),
    "aliases": (("name", "entity", "turn_id"), 3),
    "contradictions": (("first_fact", "second_fact", "first_turn", "turn_id", "settled"), 2),
    "summaries": (("turn_id", "last_turn_id", "kind", "summary"), 3),
}

# A model tells these rows anew where a change took their text, and may have since: by table, the
# column of the text.
_SUMMARY_TEXTS = {"summaries": "summary"}
# What rows lack that an older version logged.
ADDED_COLUMNS: dict[str, Row] = {"attributes": {"templates": "{}"}}
# Settings have no key, and keep their earlier values: a change of one is logged with the rows.
_SETTINGS = "settings"


class JournaledRows:
    """The rows of one table, as a change writes them."""

    def __init__(self, conn: Connection, change_id: int, table: str) -> None:
        self._conn = conn
        self._change_id = change_id
        self._table = table

    def put(self, row: Row, instead_of: Row | None = None) -> None:
        """Replace a row by another, or add it to the existing rows.

        Nothing happens if exactly this row exists. Raises InputError if another row has its key,
        and if the row that it replaces does not exist.
        """
        if instead_of is not None:
            _delete(self._conn, self._table, instead_of)
        else:
            current = find_row(self._conn, self._table, row)
            if current == dict(row):
                return
            if current is not None:
                raise InputError(f"{self._table} has {_name(self._table, row)} already")
        _insert(self._conn, self._table, row)
        _log(self._conn, self._change_id, self._table, before=instead_of, after=row)

    def drop(self, row: Row) -> None:
        """Delete a row. Raises InputError when it is not there."""
        _delete(self._conn, self._table, row)
        _log(self._conn, self._change_id, self._table, before=row, after=None)


def put_setting(conn: Connection, change_id: int, name: str, before: Any, after: Any) -> None:
    """Give a setting a new value in the place of another, which an undo sets again."""
    settings.add_setting(conn, name, after)
    values = [{"name": name, "value": value} for value in (before, after)]
    _log(conn, change_id, _SETTINGS, before=values[0], after=values[1])


def all_rows(conn: Connection, table: str) -> list[dict[str, Any]]:
    """The rows of a table in the order of their keys."""
    columns, key = TABLES[table]
    return to_rows(table, conn.read_rows(table, columns, columns[:key]))


def to_rows(table: str, cursor: Iterable[Sequence[Any]]) -> list[dict[str, Any]]:
    """What a statement reads of all columns of a table."""
    columns, _ = TABLES[table]
    return [dict(zip(columns, values, strict=True)) for values in cursor]


def find_row(conn: Connection, table: str, row: Row) -> dict[str, Any] | None:
    """The row of a table that has the key of this one."""
    columns, _ = TABLES[table]
    values = conn.find_row(table, columns, key_of(table, row))
    return None if values is None else dict(zip(columns, values, strict=True))


def key_of(table: str, row: Row) -> dict[str, Any]:
    """The columns that identify a row."""
    columns, key = TABLES[table]
    return {name: row[name] for name in columns[:key]}


def undo(conn: Connection, change_id: int, undoing: int) -> None:
    """Take back what a change did to rows, as a part of the change `undoing`.

    Raises InputError when a later change depends on it. A line of the story that was rewritten
    since does not count: it waits to be rewritten once more.
    """
    entries = conn.run("rows_of_change", change_id=change_id).fetchall()
    _refuse_unknown(entries)
    for _, table, before_text, after_text in reversed(entries):
        before: Row | None = _read(table, before_text)
        after: Row | None = _read(table, after_text)
        if table in _SUMMARY_TEXTS:
            before, after = _with_present_text(conn, table, before=before, after=after)
            if before == after:
                continue
        _take_back(conn, change_id, table=table, before=before, after=after)
        _log(conn, undoing, table, before=after, after=before)


def _refuse_unknown(entries: Iterable[Sequence[Any]]) -> None:
    """Raises StoreError for what a newer version logged of a table that this one does not know."""
    for _, table, *_ in entries:
        if table not in TABLES and table != _SETTINGS:
            raise StoreError(
                f"a newer version changed rows of its table {table}, which this one does not know;"
                " only that version can take it back"
            )


def _with_present_text(
    conn: Connection, table: str, *, before: Row | None, after: Row | None
) -> tuple[Row | None, Row | None]:
    """A line after an undo, and the present line: a line rewritten since loses its text."""
    image = after or before
    assert image is not None
    current = find_row(conn, table, image)
    if current == (after and dict(after)):
        return before, after
    if before is not None and after is not None and key_of(table, before) != key_of(table, after):
        return (None, current) if current else (None, None)
    return before and {**before, _SUMMARY_TEXTS[table]: ""}, current


def take_back_others(conn: Connection, change_ids: Sequence[int]) -> None:
    """Make the rows as if there had never been another change than these; their entries go."""
    entries = conn.run("rows_of_other_changes", change_ids=[*change_ids]).fetchall()
    _refuse_unknown(entries)
    for change_id, table, before, after in reversed(entries):
        images = [_read(table, text) for text in (before, after)]
        _take_back(conn, change_id, table=table, before=images[0], after=images[1])
    conn.run("delete_rows_of_other_changes", change_ids=[*change_ids])


def clean(conn: Connection, cleaned: Mapping[str, Callable[[Row], Row | None]]) -> None:
    """Make the rows of some tables as the function of each returns them; None deletes a row.

    So are their images in the log, where each entry still follows the one before it. An entry with
    an image that goes, goes too. The log comes after all rows: what a function reads of other rows
    holds for the images.
    """
    for table, clean_row in cleaned.items():
        for row in all_rows(conn, table):
            new = clean_row(row)
            if new != row:
                conn.delete_row(table, key_of(table, row))
                if new is not None:
                    _insert(conn, table, new)
    for table, clean_row in cleaned.items():
        for entry_id, _, *texts in conn.run("logged_rows", table_name=table).fetchall():
            images = [_read(table, text) for text in texts]
            new_images = [None if image is None else clean_row(image) for image in images]
            if new_images.count(None) > images.count(None):
                conn.run("delete_logged_row", entry_id=entry_id)
            elif new_images != images:
                before, after = map(_written, new_images)
                conn.run("set_logged_row", entry_id=entry_id, before=before, after=after)


def _take_back(
    conn: Connection, change_id: int, *, table: str, before: Row | None, after: Row | None
) -> None:
    if table == _SETTINGS:
        assert before is not None
        assert after is not None
        if settings.setting_history(conn, after["name"])[-1].value != after["value"]:
            raise InputError(
                f"change {change_id} cannot be undone: the setting {after['name']} has changed"
                " since"
            )
        settings.add_setting(conn, before["name"], before["value"])
        return
    if after is not None:
        if find_row(conn, table, after) != dict(after):
            raise InputError(
                f"change {change_id} cannot be undone: {_name(table, after)} in {table} has changed"
                " since"
            )
        _delete(conn, table, after)
    if before is not None:
        if find_row(conn, table, before) is not None:
            raise InputError(
                f"change {change_id} cannot be undone: {table} has {_name(table, before)} again"
            )
        _insert(conn, table, before)


def _insert(conn: Connection, table: str, row: Row) -> None:
    columns, _ = TABLES[table]
    conn.insert_rows(table, columns, [[row[name] for name in columns]])


def _delete(conn: Connection, table: str, row: Row) -> None:
    if find_row(conn, table, row) != dict(row):
        raise InputError(f"{table} has no {_name(table, row)}")
    conn.delete_row(table, key_of(table, row))


def _log(
    conn: Connection, change_id: int, table: str, *, before: Row | None, after: Row | None
) -> None:
    row = after or before
    assert row is not None
    conn.insert_rows(
        "rows_log",
        ("id", "change_id", "table_name", "turn_id", "before", "after"),
        [
            (
                conn.new_id("rows_log"),
                change_id,
                table,
                row.get("turn_id", 0),
                _written(before),
                _written(after),
            )
        ],
    )


def _written(row: Row | None) -> str | None:
    return None if row is None else json.dumps(dict(row), ensure_ascii=False)


def _read(table: str, row: str | None) -> dict[str, Any] | None:
    return None if row is None else {**ADDED_COLUMNS.get(table, {}), **json.loads(row)}


def _name(table: str, row: Row) -> str:
    """The key of a row, for messages."""
    return ", ".join(map(repr, key_of(table, row).values()))
