"""The facts of a namespace in Postgres: written together with the journal and the lists of words.

Each entry of the journal is the same as SQLite's triggers write. `memory.store.changes.journal`
says why
there are no triggers here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from memory.sql import FACT_COLUMNS, WRITABLE
from memory.store.database import Connection, Restatement, restatements
from memory.store.postgres.word_lists import WordLists

# A fact's id, and how the journal writes it before and after a write (None: it is not there).
Entry = tuple[int, str | None, str | None]
Rows = Sequence[tuple[Any, ...]]


class OwnConnection(Connection, Protocol):
    """A connection that also gives what RETURNING gives, and the numbers of new rows."""

    def run_returning(self, statement: str, rows: Iterable[dict[str, Any]], /) -> list[Any]: ...

    def execute_returning(self, text: str, rows: Iterable[dict[str, Any]], /) -> list[Any]: ...

    def next_ids(self, table: str, count: int) -> Sequence[int]: ...


class FactTable:
    """The facts of one namespace, within the transaction that is open; see `database.FactTable`."""

    def __init__(self, conn: OwnConnection, words: WordLists) -> None:
        self._conn = conn
        self._words = words
        self._unlogged: list[Entry] = []

    def clear(self) -> None:
        """Forget what is noted of a transaction."""
        self._unlogged = []

    def insert(self, facts: Sequence[Sequence[Any]]) -> None:
        rows = [dict(zip(FACT_COLUMNS, fact, strict=True)) for fact in facts]
        self._note({}, dict(self._conn.run_returning("insert_fact", rows)))

    def end(self, fact_id: int, ended_on: str | None) -> None:
        before = self._images([fact_id])
        ended = self._conn.run("end_fact", fact_id=fact_id, ended_on=ended_on)
        self._note(before, dict(ended.fetchall()))

    def date(self, fact_id: int, happened_on: str | None, ended_on: str | None) -> None:
        before = self._images([fact_id])
        dated = self._conn.run(
            "date_fact", fact_id=fact_id, happened_on=happened_on, ended_on=ended_on
        )
        self._note(before, dict(dated.fetchall()))

    def restate(self, facts: Sequence[Restatement]) -> None:
        before = self._images([fact_id for fact_id, *_ in facts])
        rows = restatements(facts)
        self._note(before, dict(self._conn.run_returning("restate_fact", rows)))

    def delete(self, fact_ids: Sequence[int]) -> None:
        deleted = self._conn.run("delete_facts", fact_ids=[*fact_ids])
        self._note(dict(deleted.fetchall()), {})

    def insert_new(self, columns: Sequence[str], rows: Rows) -> None:
        """Insert facts of these columns, numbered in the order of the rows."""
        numbers = self._conn.next_ids("facts", len(rows))
        facts = [
            {**dict.fromkeys(WRITABLE), **dict(zip(columns, row, strict=True)), "id": number}
            for number, row in zip(numbers, rows, strict=True)
        ]
        self._note({}, dict(self._conn.run_returning("insert_new_fact", facts)))

    def update(self, columns: Sequence[str], rows: Rows) -> None:
        """Change facts: each row is an id with the new values of these columns."""
        before = self._images([row[0] for row in rows])
        # Put together here, because a model's UPDATE may set any of the columns, and the others
        # must not change.
        new_values = ", ".join(f"{column} = %({column})s" for column in columns)
        updated = self._conn.execute_returning(
            f"UPDATE memory.facts SET {new_values} WHERE namespace = %(namespace)s AND id = %(id)s"
            f" RETURNING id, memory.json_array({', '.join(FACT_COLUMNS)})",
            [dict(zip(("id", *columns), row, strict=True)) for row in rows],
        )
        self._note(before, dict(updated))

    def _images(self, fact_ids: Sequence[int]) -> dict[int, str]:
        return dict(self._conn.run("images_of_some_facts", fact_ids=[*fact_ids]).fetchall())

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
        [(change_id,)] = self._conn.run("newest_change").fetchall()
        numbers = self._conn.next_ids("facts_log", len(entries))
        self._conn.run_many(
            "insert_entry",
            [
                {
                    "id": number,
                    "change_id": change_id,
                    "fact_id": fact_id,
                    "before": before,
                    "after": after,
                }
                for number, (fact_id, before, after) in zip(numbers, entries, strict=True)
            ],
        )


def _text(image: str | None) -> str:
    """The text that search finds a fact by; "" for a missing fact."""
    return " ".join(json.loads(image)[1:4]) if image else ""
