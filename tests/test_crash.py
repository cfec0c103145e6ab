"""Killed processes and crowds of them: nothing acknowledged is lost, nothing is stored twice."""

import subprocess
import sys
from pathlib import Path

from memory import Memory, open_store
from tests.worker import MODEL, PROGRAM, ROUNDS

LIVES = 40
CROWD = 8


def acknowledged(what: str, path: Path, number: int) -> list[int]:
    """The ids that the processes were given, in the order of their acknowledgement."""
    command = [sys.executable, "-m", "tests.worker", what, str(path), str(number)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert out.returncode == 0, out.stderr
    return [int(n) for n in out.stdout.split()]


def assert_sound(path: Path) -> list[int]:
    """The file is whole and its indexes agree with its tables; returns the ids of all turns."""
    with open_store(path) as store:
        assert store._select("PRAGMA integrity_check") == [("ok",)]
        with store._transaction() as conn:
            for table in ("turns_fts", "facts_fts"):
                conn.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)")
        turns = [turn.id for turn in store.turns()]
        assert store._select("SELECT count(*) FROM turn_vectors") == [(len(turns),)]
        journal = "SELECT count(*) FROM facts_log JOIN changes ON changes.id = change_id"
        assert store._select(journal) == store._select("SELECT count(*) FROM facts")
        return turns


def assert_each_turn_has_one_fact(path: Path) -> None:
    with Memory(path, model=MODEL, program=PROGRAM) as memory:
        memory.digest()
    with open_store(path) as store:
        assert store.pending() == []
        others = store._select(
            "SELECT turns.id, count(facts.id) FROM turns LEFT JOIN facts ON turn_id = turns.id"
            " GROUP BY turns.id HAVING count(facts.id) <> 1"
        )
        assert others == []


def test_processes_killed_at_work_lose_nothing(path: Path) -> None:
    """kill -9 in the middle of adding and digesting; a fresh process goes on with what is left."""
    open_store(path).close()
    ids = acknowledged("lives", path, LIVES)
    assert len(ids) > LIVES
    assert set(ids) <= set(assert_sound(path))
    assert_each_turn_has_one_fact(path)


def test_a_crowd_in_one_namespace_loses_and_doubles_nothing(path: Path) -> None:
    ids = acknowledged("crowd", path, CROWD)
    assert len(ids) == len(set(ids)) == CROWD * ROUNDS * 2
    assert sorted(ids) == assert_sound(path)
    assert_each_turn_has_one_fact(path)
