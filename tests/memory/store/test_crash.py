"""Killed processes and crowds of them: nothing acknowledged is lost, nothing is stored twice."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from memory import Memory, open_store
from memory.search.embed import DIM
from memory.search.turn_columns import TURN_DTYPE
from memory.store.search import search_tables
from memory.store.sqlite.store import SqliteStore
from tests.support import full_text
from tests.support.rows import rows_of
from tests.support.worker import BLOCK, MODEL, PROGRAM, ROUNDS

CROWD = 4
SLOW = pytest.mark.slow


@pytest.fixture(autouse=True)
def _as_in_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_tables, "BLOCK", BLOCK)


def acknowledged(task: str, path: Path, number: int) -> list[int]:
    """The ids that the processes were given, in the order of their acknowledgement."""
    command = [sys.executable, "-m", "tests.support.worker", task, str(path), str(number)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert out.returncode == 0, out.stderr
    return [int(n) for n in out.stdout.split()]


def assert_sound(path: Path) -> list[int]:
    """The file is whole and all that search keeps agrees with it; returns the ids of all turns."""
    with open_store(path) as store:
        assert isinstance(store, SqliteStore)
        store.search("who says what")
        assert rows_of(store, "PRAGMA integrity_check") == [("ok",)]
        full_text.assert_sound(store)
        turns = [turn.id for turn in store.turns()]
        blocks = rows_of(store, "SELECT columns FROM blocks ORDER BY first_turn")
        pieces = rows_of(store, "SELECT vectors FROM pieces ORDER BY first_turn")
        recent = rows_of(store, "SELECT columns, vector FROM recent ORDER BY turn_id")
        rows = np.frombuffer(b"".join(row[0] for row in [*blocks, *recent]), TURN_DTYPE)
        assert rows["id"].tolist() == turns
        assert len(recent) < BLOCK <= len(turns)
        assert sum(len(row[-1]) for row in [*pieces, *recent]) == DIM * len(turns)
        assert len(store.search("Who says 0?", len(turns))) == len(turns)
        journal = "SELECT count(*) FROM facts_log JOIN changes ON changes.id = change_id"
        assert rows_of(store, journal) == rows_of(store, "SELECT count(*) FROM facts")
        return turns


def assert_each_turn_has_one_fact(path: Path) -> None:
    with Memory(path, model=MODEL, program=PROGRAM) as memory:
        memory.digest()
    with open_store(path) as store:
        assert isinstance(store, SqliteStore)
        assert store.pending() == []
        wrong_counts = rows_of(
            store,
            "SELECT turns.id, count(facts.id) FROM turns LEFT JOIN facts ON turn_id = turns.id"
            " GROUP BY turns.id HAVING count(facts.id) <> 1",
        )
        assert wrong_counts == []


@pytest.mark.slow
@pytest.mark.parametrize("lives", [4, 6])
def test_processes_killed_at_work_lose_nothing(path: Path, lives: int) -> None:
    """kill -9 in the middle of adding and digesting; a fresh process goes on with what is left."""
    open_store(path).close()
    ids = acknowledged("lives", path, lives)
    assert len(ids) > lives
    assert set(ids) <= set(assert_sound(path))
    assert_each_turn_has_one_fact(path)


@SLOW
def test_a_crowd_in_one_namespace_loses_and_doubles_nothing(path: Path) -> None:
    ids = acknowledged("crowd", path, CROWD)
    assert len(ids) == len(set(ids)) == CROWD * ROUNDS * 2
    assert sorted(ids) == assert_sound(path)
    assert_each_turn_has_one_fact(path)
