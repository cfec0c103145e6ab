"""`memory serve --workers N`: processes that share nothing but the database."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest

from memory import open_store
from memory.server.tokens import Tokens
from memory.store import namespaces
from memory.store.turns.turns_table import known_sources
from tests.support.commands import run
from tests.support.postgres_server import new_database
from tests.support.server_process import Served, server_process


def test_several_processes_need_a_database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    run("serve", "--workers", "2", says="--workers needs memories in Postgres")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Served]:
    monkeypatch.setenv("MEMORY_HOME", new_database())
    namespaces.create("anna")
    line = ["memory", "serve", "--port", "0", "--workers", "2"]
    with server_process(tmp_path / "log", *line) as server:
        yield server


def workers(server: Served) -> list[psutil.Process]:
    """The processes that answer."""
    children = psutil.Process(server.process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_no_acknowledged_turn_is_lost_when_a_worker_is_killed(served: Served) -> None:
    token = Tokens().create("crowd", ["anna"], ["read", "write"])

    def add(number: int) -> str:
        """Add a turn; its source where that was acknowledged."""
        turn = json.dumps({"text": f"This is number {number}.", "source": f"s{number}"})
        headers = {"authorization": f"Bearer {token}"}
        try:
            # A connection of its own for each.
            answer = httpx2.post(
                f"{served.address}/api/anna/turns", content=turn, headers=headers, timeout=60
            )
        except httpx2.HTTPError:
            return ""
        assert answer.status_code == 200, answer.text
        return f"s{number}"

    assert add(0)
    [first, *_] = workers(served)
    with ThreadPoolExecutor(4) as clients:
        acknowledged = clients.map(add, range(1, 60))
        first.kill()
        sources = {*acknowledged} - {""}
    assert add(99)
    assert len(sources) > 20
    with open_store(namespaces.existing("anna")) as store:
        assert known_sources(store, [*sources]).keys() == sources
        assert store.check() == []


@pytest.mark.slow
def test_workers_end_with_the_process_that_started_them(served: Served) -> None:
    assert httpx2.get(f"{served.address}/static/page.css", timeout=60).status_code == 200
    processes = workers(served)
    assert len(processes) == 2
    served.process.kill()
    _, alive = psutil.wait_procs(processes, timeout=60)
    assert not alive
