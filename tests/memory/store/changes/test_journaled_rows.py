"""Rows of tags, attributes, entities and aliases: journaled, undone, copied, forgotten."""

from pathlib import Path
from typing import Any

import pytest

from memory import Store, open_store
from memory.errors import InputError
from memory.store.changes import journal, journaled_rows
from memory.store.database_store import DatabaseStore
from memory.store.turns.turn_validation import SPEAKS_OF

BOTH_STORES = True

TAG = {"turn_id": 2, "key": "project", "value": "garden"}
ILSE = {"name": "Ilse", "description": ""}
GRANDMOTHER = {"name": "Ilse", "description": "Anna's grandmother"}
MUM = {"name": "Mum", "entity": "Ilse", "turn_id": 3}


def change(store: Store, *rows: tuple[str, dict[str, Any] | None, dict[str, Any] | None]) -> int:
    """One change that brings rows from what they were to what they are to be."""
    assert isinstance(store, DatabaseStore)
    with store.transaction() as conn:
        change_id = journal.begin(conn, "test", "")
        for table, before, after in rows:
            stored = journaled_rows.JournaledRows(conn, change_id, table)
            if after is not None:
                stored.put(after, instead_of=before)
            elif before is not None:
                stored.drop(before)
    return change_id


def rows(store: Store) -> dict[str, list[dict[str, Any]]]:
    """All rows of these tables that are not empty, without the days that turns speak of."""
    assert isinstance(store, DatabaseStore)
    found = {}
    with store.reading() as conn:
        for table in journaled_rows.TABLES:
            stored = journaled_rows.all_rows(conn, table)
            if stored := [row for row in stored if row.get("key") != SPEAKS_OF]:
                found[table] = stored
    return found


def test_a_change_of_rows_is_undone_and_done_again(store: Store) -> None:
    first = change(store, ("tags", None, TAG), ("entities", None, ILSE), ("aliases", None, MUM))
    second = change(store, ("entities", ILSE, GRANDMOTHER), ("tags", TAG, None))
    assert rows(store) == {"entities": [GRANDMOTHER], "aliases": [MUM]}

    with pytest.raises(InputError, match=f"change {first} cannot be undone: 'Ilse' in entities"):
        store.undo(first)
    undone = store.undo(second)
    assert rows(store) == {"tags": [TAG], "entities": [ILSE], "aliases": [MUM]}
    store.undo(undone.id)
    assert rows(store) == {"entities": [GRANDMOTHER], "aliases": [MUM]}
    store.undo(second + 2)
    store.undo(first)
    assert rows(store) == {}


def test_a_row_that_is_there_is_not_inserted_again(store: Store) -> None:
    change(store, ("entities", None, ILSE))
    again = change(store, ("entities", None, ILSE))
    with pytest.raises(InputError, match="entities has 'Ilse' already"):
        change(store, ("entities", None, GRANDMOTHER))
    with pytest.raises(InputError, match="tags has no 2, 'project', 'garden'"):
        change(store, ("tags", TAG, None))
    store.undo(again)
    assert rows(store) == {"entities": [ILSE]}


@pytest.mark.few(1)
def test_rows_that_rest_on_a_forgotten_turn_go_with_it(store: Store) -> None:
    change(store, ("tags", None, TAG), ("entities", None, ILSE), ("aliases", None, MUM))
    store.forget([2, 3])
    assert rows(store) == {}  # nothing names Ilse any more
    records = "".join(map(str, store.dump()))
    assert "garden" not in records
    assert "Mum" not in records


def test_a_dump_brings_rows_and_their_log(store: Store, tmp_path: Path) -> None:
    first = change(store, ("tags", None, TAG), ("entities", None, ILSE), ("aliases", None, MUM))
    with open_store(str(tmp_path / "copy.db")) as copy:
        copy.load(store.dump())
        assert rows(copy) == rows(store)
        copy.undo(first)
        assert rows(copy) == {}


def test_a_backup_has_the_rows(store: Store, tmp_path: Path) -> None:
    change(store, ("tags", None, TAG), ("aliases", None, MUM))
    store.backup(tmp_path / "backup.db")
    with open_store(str(tmp_path / "backup.db"), read_only=True) as backup:
        assert rows(backup) == rows(store)


def test_as_of_shows_the_rows_of_that_time(store: Store) -> None:
    change(store, ("tags", None, TAG))
    with store.as_of("2999") as later, store.as_of("2020") as earlier:
        assert rows(later) == rows(store)
        assert rows(earlier) == {}


def test_a_model_reads_tags_and_names(store: Store) -> None:
    change(store, ("tags", None, TAG), ("entities", None, ILSE), ("aliases", None, MUM))
    select = (
        "SELECT t.text, g.value FROM turns t JOIN tags g ON g.turn_id = t.id"
        " WHERE g.key = 'project'"
    )
    assert store.read(select).rows == ((store.turn(2).text, "garden"),)
    assert store.read("SELECT name, entity FROM aliases").rows == (("Mum", "Ilse"),)
    assert store.read("SELECT * FROM entities").rows == (("Ilse", ""),)
    assert store.read("SELECT entity, value_entity FROM facts").rows == ()
