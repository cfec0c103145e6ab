"""What `forget` says of a server: rows are removed at once, their bytes when the server vacuums."""

import json
import os
import time
from pathlib import Path

import psycopg
import pytest

from memory import Turn, open_store
from memory.errors import StoreError
from memory.store.postgres import names, pool
from memory.store.turns.turn_validation import FORGET_AFTER
from tests.support.commands import run
from tests.support.postgres_server import new_database, new_server

pytestmark = pytest.mark.slow
SECRET = "xylophonist"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this machine's own files, where memories are in a database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "sql-memory"


def tables_with(pgdata: str, database: str, text: str) -> list[Path]:
    """The files of a server's tables that hold a text, once all pages are written."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CHECKPOINT")
    files = [path for path in (Path(pgdata) / "base").rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes()]


def test_the_bytes_are_there_until_a_vacuum(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server, database = new_server()
    monkeypatch.setenv("MEMORY_HOME", database)
    address = f"{database}&namespace=anna"
    with open_store(address) as store:
        store.add([Turn("Zyl", f"I am a {SECRET}."), Turn("Anna", "Hello.")])
    printed = run("forget", "--turn", "1", "--yes", "-n", "anna")
    assert "overwritten" not in printed
    assert "`memory admin vacuum --namespace anna`" in printed
    [receipt] = home.glob("forgotten-*.json")
    assert not [*Path.cwd().glob("*.json")]
    fields = json.loads(receipt.read_text())
    assert (fields["files"], fields["vacuumed_at"]) == ([], "")
    assert fields["vacuum"].startswith("VACUUM (FULL) memory.turns, ")
    assert tables_with(server.pgdata, database, SECRET)
    receipt.unlink()

    printed = run("forget", "--turn", "2", "--yes", "--vacuum", "-n", "anna")
    assert "vacuumed: the server's tables" in printed
    [receipt] = home.glob("forgotten-*.json")
    fields = json.loads(receipt.read_text())
    assert fields["vacuum"] == ""
    assert fields["vacuumed_at"] >= fields["at"][:10]
    assert "Hello" not in receipt.read_text()
    assert tables_with(server.pgdata, database, SECRET) == []
    assert "gone: 1 turn" in run("forget", "verify", receipt, "-n", "anna")
    assert "vacuumed: VACUUM (FULL)" in run("admin", "vacuum", "-n", "anna")
    pool.close_pools()
    server.cleanup()


def test_the_bytes_of_what_expired_go_with_a_vacuum(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, database = new_server()
    monkeypatch.setenv("MEMORY_HOME", database)
    address = f"{database}&namespace=anna"
    with open_store(address) as store:
        store.add(
            [Turn("Zyl", f"I am a {SECRET}.", tags={FORGET_AFTER: "1d"}), Turn("Anna", "Hi.")]
        )
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 90_000)
    with open_store(address) as store:
        assert [turn.text for turn in store.turns()] == ["Hi."]
        assert SECRET not in "\n".join(map(str, store.dump()))
    open_store(address).close()
    [receipt] = home.glob("forgotten-*.json")
    assert json.loads(receipt.read_text())["turns"] == [1]
    run("admin", "vacuum", "-n", "anna")
    assert tables_with(server.pgdata, database, SECRET) == []
    pool.close_pools()
    server.cleanup()


def test_a_login_that_may_not_vacuum_is_told_who_may() -> None:
    database = new_database()
    open_store(f"{database}&namespace=anna").close()
    role = f"guest_{os.getpid()}"
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute(f"CREATE ROLE {role}")
        conn.execute(f"GRANT USAGE ON SCHEMA memory TO {role}")
        conn.execute(f"GRANT SELECT ON memory.version TO {role}")
        try:
            conn.execute(f"SET ROLE {role}")
            with pytest.raises(StoreError, match=r"VACUUM \(FULL\)"):
                names.vacuum(conn, database)
        finally:
            conn.execute("RESET ROLE")
            conn.execute(f"DROP OWNED BY {role}")
            conn.execute(f"DROP ROLE {role}")


def test_a_receipt_that_was_written_before_a_failing_vacuum_stays(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = new_database()
    monkeypatch.setenv("MEMORY_HOME", database)
    with open_store(f"{database}&namespace=anna") as store:
        store.add([Turn("Zyl", f"I am a {SECRET}.")])

    def refuse(conn: psycopg.Connection, location: str) -> None:
        raise StoreError("this login may not")

    monkeypatch.setattr(names, "vacuum", refuse)
    run("forget", "--turn", "1", "--yes", "--vacuum", "-n", "anna", says="this login may not")
    [receipt] = home.glob("forgotten-*.json")
    assert json.loads(receipt.read_text())["vacuum"]
