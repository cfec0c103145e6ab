"""A user's memory is deleted while others add to it, in threads and in processes."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from memory import Memory, open_store
from memory.store import namespaces

BOTH_STORES = "slow"
THREADS = 4
LAST = 5  # turns of each process after the last deletion
ADDS = f"""
import sys
from pathlib import Path
from memory import Memory

go_on = Path(sys.argv[1])
with Memory() as memory:
    print("ready", flush=True)
    while not go_on.exists():
        memory.add(["I live in Oslo.", "I like tea."], user_id="alice")
        memory.search("tea", 3, user_id="alice")
    for number in range({LAST}):
        memory.add(f"After the last one, {{number}}.", user_id="alice")
"""


@pytest.fixture(autouse=True)
def _home(home: str) -> None:
    """Namespaces of SQLite, then of Postgres."""


@pytest.mark.parametrize("rounds", [8, pytest.param(30, marks=pytest.mark.slow)])
def test_threads_add_while_a_user_is_deleted(rounds: int) -> None:
    is_over = threading.Event()
    with Memory() as memory, ThreadPoolExecutor(THREADS) as threads:

        def add() -> None:
            while not is_over.is_set():
                memory.add("I live in Oslo.", user_id="alice")
                memory.search("Oslo", 3, user_id="alice")

        adding = [threads.submit(add) for _ in range(THREADS)]
        for _ in range(rounds):
            memory.add("I like tea.", user_id="alice")
            memory.delete_all("alice")
        is_over.set()
        for future in adding:
            future.result()
        memory.delete_all("alice")
        memory.add("I moved to Rome.", user_id="alice")
        assert [turn.text for turn in memory.get_all(user_id="alice")] == ["I moved to Rome."]
        assert memory.of("alice").store.check() == []


@pytest.mark.slow
def test_processes_add_while_a_user_is_deleted(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    command = [sys.executable, "-c", ADDS, str(go_on)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    with Memory() as memory:
        for _ in range(30):
            memory.add("I like tea.", user_id="alice")
            memory.delete_all("alice")
    go_on.touch()
    assert [process.communicate()[1] for process in processes] == [""] * len(processes)
    with open_store(namespaces.existing("alice")) as store:
        texts = [turn.text for turn in store.turns() if turn.text.startswith("After")]
        assert len(texts) == LAST * len(processes)
        assert store.check() == []
