"""What a database cannot do for a model's statement: advice for its next attempt, and no alarm."""

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from memory import Memory, SqlError, Store
from memory.digest.windows import WINDOW_ATTEMPTS
from memory.errors import StoreError
from memory.store.database_store import DatabaseStore
from memory.store.postgres.connection import NamespaceConnection
from memory.store.sqlite import authorizer
from memory.store.sqlite.store import SqliteStore
from tests.conftest import CAT, DOG, MOVED, SAID
from tests.support.rows import connection_of
from tests.support.scripted import scripted_model, sql

BOTH_STORES = True


def test_an_error_of_sqlite_in_a_write_is_advice_and_no_damage(
    store: SqliteStore, path: Path
) -> None:
    """Without the walls before it, an infinite number makes JSON that SQLite cannot read."""
    store.write(MOVED, cause="test")
    for trigger in ("inserted_fact_is_dated", "updated_fact_is_dated"):
        connection_of(store).execute(f"DROP TRIGGER {trigger}")
    statement = "UPDATE facts SET turn_id = NULLIF(1e308 * 10, turn_id) WHERE id = 1"
    for window in (None, (1, 5)):
        with pytest.raises(SqlError, match=r"malformed JSON|names no turn"):  # newer: of the latter
            store.write(statement, cause="digest", window=window)
    assert store.check() == []


def test_a_damaged_file_is_named_only_after_a_look_at_it(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def corrupt(conn: sqlite3.Connection, statements: Sequence[str], seconds: float) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorname = "SQLITE_CORRUPT"
        raise error

    monkeypatch.setattr(authorizer, "change_facts", corrupt)
    with pytest.raises(SqlError, match="write a simpler"):
        store.write(MOVED, cause="digest", window=(1, 5))
    with pytest.raises(StoreError, match="the file is whole"), store.reading():
        connection_of(store).execute("SELECT json('{')").fetchall()
    connection_of(store).execute("DROP TRIGGER turns_are_immutable")
    connection_of(store).execute("UPDATE turns SET text = 'I never moved.' WHERE id = 1")
    with pytest.raises(StoreError, match="restore it from a backup"):
        store.write(MOVED, cause="digest", window=(1, 5))


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.NumericValueOutOfRange("out of range"),
        psycopg.errors.InvalidTextRepresentation("no number"),
        psycopg.errors.CheckViolation("no date"),
        psycopg.errors.ProgramLimitExceeded("too long"),
        psycopg.errors.DatatypeMismatch("text"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_postgres_in_a_write_is_advice(
    monkeypatch: pytest.MonkeyPatch, error: psycopg.Error
) -> None:
    """Also one that comes up after the model's statement, where its rows are written."""
    from memory import open_store
    from tests.support.postgres_server import new_namespace

    def finish(self: NamespaceConnection) -> None:
        raise error

    with open_store(new_namespace()) as store:
        store.add(SAID)
        monkeypatch.setattr(NamespaceConnection, "finish", finish)
        for write in (MOVED, "-- none"):
            with pytest.raises(SqlError):
                store.write(write, cause="digest", window=(1, 1))
        monkeypatch.undo()
        assert store.facts() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "error",
    [
        StoreError("the server says no"),
        ValueError("a fault of ours"),
        RecursionError("too deep"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_window_stops_those_after_it(
    store: DatabaseStore, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    change_facts = type(store)._change_facts

    def failing(self: DatabaseStore, *args: Any, **options: Any) -> Any:
        if options["window"] == (1, 3):
            raise error
        return change_facts(self, *args, **options)

    monkeypatch.setattr(type(store), "_change_facts", failing)
    for attempt in range(1, WINDOW_ATTEMPTS + 1):
        with pytest.raises(type(error), match=re.escape(str(error))):
            Memory(store, model=scripted_model([(["[1]"], sql(CAT))], window=3)).digest()
        [failed] = store.pending()
        assert failed.attempts == attempt
        assert str(error) in failed.error
    after = Memory(store, model=scripted_model([(["[4]"], sql(DOG))], window=3))
    assert after.digest().stored == 1
    assert [fact.value for fact in store.facts()] == ["dog Rufus"]


def test_an_interruption_is_no_attempt(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: Any, **options: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(store), "_change_facts", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Memory(store, model=scripted_model([(["[1]"], sql(CAT))])).digest()
    assert store.pending()[0].attempts == 0
