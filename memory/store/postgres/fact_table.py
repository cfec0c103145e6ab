"""The facts of a namespace in Postgres: written together with the journal and the lists of words.

Each entry of the journal is the one that SQLite's triggers write; `memory.store.journal` says why
these do not do it here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import psycopg

from memory.store.database import Cursor
from memory.store.journal import FACT_IMAGE
from memory.store.postgres.statements import translated
from memory.store.postgres.word_lists import WordLists

_IMAGE = f"memory.{FACT_IMAGE}"
_RETURNING = f"RETURNING id, {_IMAGE}"
_SELECT = f"SELECT id, {_IMAGE} FROM memory.facts WHERE namespace = $1"
# A fact's id, and how the journal writes it before and after a write (None: it is not there).
Entry = tuple[int, str | None, str | None]
Rows = Sequence[tuple[Any, ...]]


class OwnConnection(Protocol):
    """Runs statements of Postgres' own: $1 is the namespace, $2 the first value."""

    @property
    def connection(self) -> psycopg.Connection: ...

    def own(self, statement: str, values: Sequence[Any] = ..., /) -> psycopg.Cursor[Any]: ...

    def own_rows(self, statement: str, rows: Iterable[Sequence[Any]], /) -> list[Any]: ...

    def run_rows(self, text: str, rows: Sequence[Sequence[Any]], /) -> list[Any]: ...

    def next_ids(self, table: str, count: int) -> Sequence[int]: ...


class FactTable:
    """The facts of one namespace, within the transaction that is open."""

    def __init__(self, conn: OwnConnection, words: WordLists) -> None:
        self._conn = conn
        self._words = words
        self._unlogged: list[Entry] = []

    def clear(self) -> None:
        """Forget what is noted of a transaction."""
        self._unlogged = []

    def execute(self, statement: str, parameters: Sequence[Any]) -> Cursor:
        """Run a statement of the shared modules that writes facts; the namespace comes last."""
        text, _ = translated(statement)
        before = self._images_before(statement, parameters)
        cursor = self._conn.connection.execute(f"{text} {_RETURNING}", parameters)
        rows = cursor.fetchall()
        if statement.startswith("DELETE"):
            self._note(dict(rows), {})
        else:
            self._note(before, dict(rows))
        return cursor

    def _images_before(self, statement: str, parameters: Sequence[Any]) -> dict[int, str]:
        """The facts that an UPDATE is going to change."""
        if not statement.startswith("UPDATE"):
            return {}
        values, where = statement.split(" WHERE ", 1)
        text, _ = translated(f"SELECT id, {FACT_IMAGE} FROM facts WHERE {where}")
        rows = self._conn.connection.execute(text, parameters[values.count("?") :])
        return dict(rows.fetchall())

    def insert_copies(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run an INSERT of the shared modules for each of these rows, which have their numbers."""
        text, _ = translated(statement)
        self._note({}, dict(self._conn.run_rows(f"{text} {_RETURNING}", rows)))

    def insert(self, columns: Sequence[str], rows: Rows) -> None:
        """Add facts, numbered in the order of these rows."""
        names = ", ".join(columns)
        values = ", ".join(f"${number}" for number in range(3, len(columns) + 3))
        numbers = self._conn.next_ids("facts", len(rows))
        written = self._conn.own_rows(
            f"INSERT INTO memory.facts (namespace, id, {names}) VALUES ($1, $2, {values})"
            f" {_RETURNING}",
            [(number, *row) for number, row in zip(numbers, rows, strict=True)],
        )
        self._note({}, dict(written))

    def update(self, columns: Sequence[str], rows: Rows) -> None:
        """Change facts: each row is an id with the new values of these columns."""
        values = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, 3))
        ids = [row[0] for row in rows]
        before = dict(self._conn.own(f"{_SELECT} AND id = ANY ($2)", (ids,)).fetchall())
        written = self._conn.own_rows(
            f"UPDATE memory.facts SET {values} WHERE namespace = $1 AND id = $2 {_RETURNING}", rows
        )
        self._note(before, dict(written))

    def delete(self, ids: Sequence[int]) -> None:
        delete = f"DELETE FROM memory.facts WHERE namespace = $1 AND id = ANY ($2) {_RETURNING}"
        self._note(dict(self._conn.own(delete, (ids,)).fetchall()), {})

    def _note(self, before: Mapping[int, str], after: Mapping[int, str]) -> None:
        for fact_id in sorted({*before, *after}):
            images = before.get(fact_id), after.get(fact_id)
            self._unlogged.append((fact_id, *images))
            self._words.change_fact(fact_id, *map(_text, images))

    def log(self) -> None:
        """Write what happened to facts into the journal, as a part of the newest change."""
        entries, self._unlogged = self._unlogged, []
        if not entries:
            return
        newest = "SELECT max(id) FROM memory.changes WHERE namespace = $1"
        [(change_id,)] = self._conn.own(newest).fetchall()
        numbers = self._conn.next_ids("facts_log", len(entries))
        self._conn.own_rows(
            "INSERT INTO memory.facts_log (namespace, id, change_id, fact_id, before, after)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            [(number, change_id, *entry) for number, entry in zip(numbers, entries, strict=True)],
        )


def _text(image: str | None) -> str:
    """What search finds a fact by, "" for one that is not there."""
    return " ".join(json.loads(image)[1:4]) if image else ""
