"""Clients of Postgres killed repeatedly in the middle of an act, and the namespace that they leave.

    python -m tests.support.killed_clients SEED KILLS [ACT ...]

As tests/support/killed_acts.py does it to files: a process that does an act is forked, killed (-9)
at a random moment, and the next one goes on from what is there. That must be what the act leaves
undisturbed, after the last acknowledged time or after the one begun then.
"""

import json
import random
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from memory import open_store
from memory.store.postgres import pool
from memory.store.postgres.store import PostgresStore
from tests.support import acts
from tests.support.acts import Act
from tests.support.killed_acts import life, seconds_of_a_life
from tests.support.postgres_server import logged_in, new_database, new_namespace

# Those acts on files that are acts on a namespace, too.
NAMES = (
    *("add", "digest", "forget", "forget with replies", "expire", "say", "memory tool"),
    *("undo", "revert", "merge", "rename attribute", "tags"),
    *("remove tags", "set attribute", "alias", "rename entity", "split entity", "record"),
    *("describe entity", "add fact", "reembed", "import"),
)
ACTS: dict[str, Act] = {
    **{name: acts.ACTS[name] for name in NAMES},
    "forget": replace(acts.ACTS["forget"], begin=acts.begin_with_facts),
}
_MOMENTS = ("at", "recorded_at", "set_at", "undone_at")  # and the last element of a fact's image
_OTHER_CLIENTS = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
_GONE_SECONDS = 60.0  # within which the server has noticed that a client is gone
_RECEIPTS = ("forgetting", "forgotten")  # with a moment and a salt


class Namespace:
    """A namespace that an act has begun in, in the place of a folder."""

    def __init__(self, database: str, act: Act) -> None:
        self._database, self._act = database, act
        self.begin_again()

    def begin_again(self) -> None:
        """Begin in another namespace."""
        self.address = new_namespace(self._database)
        # The acts call it with the folder that they were given.
        acts.main_file = lambda _: self.address  # type: ignore[assignment, return-value]
        self._act.begin(Path())
        pool.close_pools()  # a process that is forked has connections of its own

    def settle(self) -> None:
        """Wait for what the server still does for a killed client, then finish what is due.

        A COMMIT that was sent is carried out, whoever waits for it. A forgetting is finished as a
        person does after an interruption: its receipt is written after the removal.
        """
        until = time.monotonic() + _GONE_SECONDS
        with logged_in(self._database) as conn:
            while conn.execute(_OTHER_CLIENTS).fetchone() is not None:
                assert time.monotonic() < until, "the server goes on for a client that is gone"
                time.sleep(0.005)
        with open_store(self.address) as store:
            acts.complete(self._act, store)

    def state(self) -> list[Any]:
        """All rows but claims, without moments and other accidents. Its check must be content."""
        with open_store(self.address) as store:
            assert store.check() == []
            rows = [
                _without_accidents(record)
                for record in store.dump()
                if record["table"] != "pending"
            ]
        pool.close_pools()
        return rows


def _without_accidents(record: dict[str, Any]) -> dict[str, Any]:
    clean = {name: value for name, value in record.items() if name not in _MOMENTS}
    clean["is_undone"] = record.get("undone_at") is not None
    if record["table"] == "facts_log":
        images = {name: json.loads(record[name] or "[]") for name in ("before", "after")}
        clean |= {name: image[:7] for name, image in images.items()}
    if record["table"] == "settings":
        clean.pop("id")
        if record["name"] in _RECEIPTS:
            clean["value"] = {**json.loads(record["value"]), "at": "", "sha256": "", "salt": ""}
    return clean


def undisturbed(act: Act, namespace: Namespace) -> list[Any]:
    """What is there before the first time of an act and after each."""
    states = [namespace.state()]
    act.work(Path(), 0, lambda number: states.append(namespace.state()))
    pool.close_pools()
    return states


def kill_again_and_again(name: str, kills: int, seed: int, database: str) -> str:
    """Kill an act so often; what the kills found, in one line. Raises AssertionError for a loss."""
    act, chance = ACTS[name], random.Random(f"{name} {seed}")
    namespace = Namespace(database, act)
    states = undisturbed(act, namespace)
    namespace.begin_again()
    seconds = seconds_of_a_life(act, Path())
    times_done = len(states) - 1
    certain = whole = absent = 0
    for _ in range(kills):
        if times_done == len(states) - 1:
            namespace.begin_again()
            times_done = 0
        numbers = life(act, Path(), times_done, chance.uniform(0, seconds))
        acknowledged = max([times_done, *numbers])
        certain += acknowledged - times_done
        namespace.settle()
        after = namespace.state()
        possible = [n for n in (acknowledged + 1, acknowledged) if states[n : n + 1] == [after]]
        assert possible, f"after {acknowledged}: {_difference(states[acknowledged], after)}"
        [times_done, *_] = possible
        whole += times_done > acknowledged
        absent += times_done == acknowledged
    return (
        f"{name}: {kills} kills, {certain} acts acknowledged,"
        f" {whole} found the act begun last whole, {absent} absent"
    )


def _difference(expected: list[Any], actual: list[Any]) -> str:
    lacks = [row for row in expected if row not in actual]
    has = [row for row in actual if row not in expected]
    return f"lacks {lacks[:5]!r:.800}, has {has[:5]!r:.800}"


def main() -> None:
    """Kill all acts, or those that are named, and print what the kills found."""
    seed, kills, *names = sys.argv[1:]
    acts.prepare_process()
    database = new_database()
    with patch.object(acts, "SqliteStore", PostgresStore):
        for name in names or ACTS:
            try:
                print(kill_again_and_again(name, int(kills), int(seed), database), flush=True)
            except AssertionError as error:
                sys.exit(f"{name}, seed {seed}: {error}")


if __name__ == "__main__":
    main()
