"""A memory behind a pooler: no call fails, nothing is stored twice, nothing is left for others."""

import json
import subprocess
import sys
from collections import Counter

import psycopg
import pytest

from memory import Memory, Turn
from memory.errors import InputError, StoreError
from memory.store.postgres.address import read_address
from tests.support.poolers import (
    behind,
    model_role_of,
    pgbouncer,
    pgpool,
    pooled_database,
)
from tests.support.postgres_server import new_database

PROCESSES, CALLS = 3, 40

CLIENT = f"""
import json, sys
from memory import Memory
memory, errors = Memory(sys.argv[1]), []
for n in range({CALLS}):
    for call in (
        lambda: memory.add(f"line {{n}} about a ferry", source=f"line {{n}}"),
        lambda: memory.search("ferry"),
        lambda: memory.read("SELECT count(*) FROM turns"),
    ):
        try: call()
        except Exception as error: errors.append(repr(error))
print(json.dumps(errors))
"""


def calls_of_processes(address: str) -> list[str]:
    """The errors of some processes that add, search and read in namespaces of their own."""
    Memory(f"{address}?namespace=first").close()  # makes the tables
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", CLIENT, f"{address}?namespace=u{n}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(PROCESSES)
    ]
    return [error for run in runs for error in json.loads(run.communicate(timeout=240)[0])]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_behind_pgbouncer_no_call_fails_and_each_turn_is_stored_once(mode: str) -> None:
    database = pooled_database()
    with pgbouncer(mode, size=3 if mode == "transaction" else 20) as port:
        assert calls_of_processes(behind(database, port)) == []
        for n in range(PROCESSES):
            with Memory(f"{database}&namespace=u{n}") as memory:
                texts = Counter(turn.text for turn in memory.get_all())
            assert texts == Counter(f"line {line} about a ferry" for line in range(CALLS))
        settings = (
            "SELECT name, setting FROM pg_settings WHERE name IN ('lock_timeout', 'search_path')"
        )
        with psycopg.connect(behind(database, port), prepare_threshold=None) as other:
            rows = dict(other.execute(settings).fetchall())
            [(prepared,)] = other.execute("SELECT count(*) FROM pg_prepared_statements")
    if mode == "transaction":  # in the other one a client has a connection that was reset
        assert (rows["search_path"], rows["lock_timeout"], prepared) == ('"$user", public', "0", 0)


@pytest.mark.slow
def test_behind_pgpool_no_call_fails() -> None:
    """Its clients keep a connection to the server each, so it needs no more than a server does."""
    database = new_database()
    with pgpool() as port:
        address = f"postgresql://postgres@127.0.0.1:{port}/{database.split('/')[3].split('?')[0]}"
        assert calls_of_processes(address) == []


@pytest.mark.slow
def test_everything_about_a_whole_memory_works_behind_a_pooler(tmp_path) -> None:  # type: ignore[no-untyped-def]
    database = pooled_database()
    with pgbouncer() as port, Memory(f"{behind(database, port)}?namespace=anna") as memory:
        memory.add([Turn("Anna", "I live in Oslo."), Turn("Ben", "We went to the fjord.")])
        assert memory.store.check() == []
        assert [fact.value for fact in memory.facts("Anna")] == ["Oslo"]
        memory.store.undo(memory.store.changes()[-1].id)
        assert memory.facts("Anna") == []
        memory.store.backup(tmp_path / "copy.db")
        memory.store.vacuum()
        [receipt] = memory.forget(matching="fjord")
        assert receipt.turns == (2,)
        assert list(memory.store.dump())


@pytest.mark.slow
def test_a_pooler_that_does_not_know_the_second_login_is_named() -> None:
    database = pooled_database()
    with (
        pgbouncer(looks_up_passwords=False) as port,
        pytest.raises(StoreError, match=f"{model_role_of(database)}.*auth_query"),
    ):
        Memory(f"{behind(database, port)}?namespace=anna")


def test_a_pooler_in_transaction_mode_can_be_told() -> None:
    """Then a connection keeps nothing of its last use, here one without a pooler in between."""
    address = f"{new_database()}&pooler=transaction&namespace=anna"
    with Memory(address) as memory:
        for line in range(8):  # psycopg prepares what it has run five times
            memory.add(f"line {line}")
            memory.search("line")
            memory.read("SELECT count(*) FROM turns")
        assert memory.store.address == address
        with memory.store._database.own.connection() as conn:  # type: ignore[attr-defined]
            conn.rollback()  # what is set until then ends
            [(path, prepared)] = conn.execute(
                "SELECT current_setting('search_path'),"
                " (SELECT count(*) FROM pg_prepared_statements)"
            )
    assert (path, prepared) == ('"$user", public', 0)


def test_another_kind_of_pooler_is_refused() -> None:
    with pytest.raises(InputError, match="pooler=transaction or pooler=session"):
        read_address("postgresql://host/db?pooler=statement&namespace=anna")


def test_a_turn_with_the_callers_own_id_is_stored_once() -> None:
    """So a call whose answer was lost can be made again."""
    with Memory(f"{new_database()}&namespace=anna") as memory:
        first = memory.add("I moved to Oslo.", source="request 7")
        again = memory.add("I moved to Oslo.", source="request 7")
        assert (list(first), list(again)) == ([1], [1])
        assert (first.new, again.new) == ([1], [])
        assert len(memory.get_all()) == 1
