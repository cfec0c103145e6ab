"""Processes that add turns and digest them: many at once, or killed one after another.

    python -m tests.support.worker lives PATH NUMBER    each killed at work
    python -m tests.support.worker crowd PATH NUMBER    all at once

Their program stores one fact a turn and asks no model, so that what is tried is the store. Each id
is printed once `add` has returned it: the store can be held to that.
"""

import os
import random
import sys
from functools import partial

import sqlite_utils  # noqa: F401 - imported once for all, before the processes part

from memory import Memory, MemoryProgram, Turn
from memory.search.embed import embed
from memory.store.search import search_tables
from tests.support.killing import kill_after
from tests.support.scripted import StoresByRule, rows_saying, scripted_model

ROUNDS = 6
BLOCK = 8  # so small that processes are killed, and meet, while they make blocks
MODEL = scripted_model([], window=3, budget=1_000)  # never asked: PROGRAM writes the facts


def one_fact_a_turn(turns: str) -> str:
    values = ", ".join(rows_saying("said", turns))
    return f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {values}"


PROGRAM = MemoryProgram()
PROGRAM.store = StoresByRule(one_fact_a_turn)


def work(path: str, name: str, rounds: int) -> None:
    """Add two turns and digest what waits, `rounds` times."""
    with Memory(path, model=MODEL, program=PROGRAM) as memory:
        for n in range(rounds):
            ids = memory.add([Turn(name, f"{name} says {n}.{m}", session=name) for m in (1, 2)])
            os.write(1, (" ".join(map(str, ids)) + "\n").encode())  # one write: whole or not at all
            memory.digest()


def start(path: str, name: str, rounds: int) -> int:
    """Fork a worker (forked, so that DSPy is imported once for all); returns its process id."""
    child = os.fork()
    if child == 0:
        try:
            work(path, name, rounds)
        except BaseException as error:  # noqa: BLE001 - the parent must hear of it
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return child


def lives(path: str, number: int) -> None:
    """Kill one worker after another soon after a few rounds, at times while it starts."""
    chance = random.Random(1)
    for life in range(number):
        worker = partial(work, path, f"life {life}", 10_000)
        written = kill_after(chance.randint(0, 3), chance.uniform(0, 0.1), worker)
        print(written, end="", flush=True)


def crowd(path: str, number: int) -> None:
    """Let all work at once; fails when one of them fails."""
    children = [start(path, f"process {n}", ROUNDS) for n in range(number)]
    failed = [child for child in children if os.waitpid(child, 0)[1] != 0]
    sys.exit(len(failed))


if __name__ == "__main__":
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # its threads do not survive a fork
    embed(["loaded once for all"])
    search_tables.BLOCK = BLOCK
    {"lives": lives, "crowd": crowd}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
