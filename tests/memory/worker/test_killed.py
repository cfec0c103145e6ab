"""Workers are killed at any moment: each window is stored once."""

import os
import subprocess
import sys
import threading

import pytest

from memory import Turn, open_store
from memory.cli.options import open_memory
from memory.store.namespaces import existing
from tests.support.fact_server import serving_facts

pytestmark = pytest.mark.slow
BOTH_STORES = True
# `WORKER_KILLS=20 WORKER_WINDOWS=500` for the run that docs/scaling.md tells of.
KILLS = int(os.environ.get("WORKER_KILLS", "4"))
WINDOWS = int(os.environ.get("WORKER_WINDOWS", "40"))
_MEMORIES = 8
_WINDOW = 48  # turns that a window of the model has


def test_killed_workers_store_each_window_once(home: str) -> None:
    names = [f"memory {number}" for number in range(_MEMORIES)]
    turns = _WINDOW * -(-WINDOWS // _MEMORIES)
    for name in names:
        with open_memory(name, None, create=True) as store:
            store.add([Turn("Ann", f"{name}, line {number}") for number in range(turns)])
    with serving_facts() as server:
        command = [
            sys.executable,
            "-m",
            "memory",
            "serve",
            "worker",
            "--once",
            "--model",
            "openai/facts",
        ]
        environment = {**os.environ, "OPENAI_API_KEY": "none"}
        killed, lock = 0, threading.Lock()
        at_work: list[subprocess.Popen[bytes]] = []

        def kill_one() -> None:
            """Kill the worker that was started first, every few windows."""
            nonlocal killed
            with lock:
                is_due = len(server.prompts) >= (killed + 1) * WINDOWS // (KILLS + 1)
                if killed < KILLS and is_due and at_work:
                    at_work[0].kill()
                    killed += 1

        server.before_answer = kill_one
        while killed < KILLS or at_work:
            while killed < KILLS and len(at_work) < 2:
                process = subprocess.Popen(
                    [*command, "--api-base", server.address], env=environment
                )
                at_work.append(process)
            at_work[0].wait(300)
            with lock:
                del at_work[0]
        subprocess.run([*command, "--api-base", server.address], env=environment, check=True)

    for name in names:
        with open_store(existing(name)) as store:
            assert sorted(fact.turn_id for fact in store.facts()) == [*range(1, turns + 1)]
            assert store.pending() == []
