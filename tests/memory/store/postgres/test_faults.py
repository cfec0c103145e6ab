"""Faults that are really made: killed clients and servers, lost lines, a crowd."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from time import sleep
from typing import Any

import psycopg
import pytest

from memory import Store, Turn, open_store
from memory.errors import SqlError, StoreError
from memory.records import Assertion, TurnAssertions
from memory.store.facts.entity_edits import (
    add_alias,
    known_entities,
    merge_entities,
    rename_entity,
    split_entity,
)
from memory.store.facts.vocabulary_table import set_attribute, set_vocabulary, vocabulary_of
from memory.store.postgres import model_login, pool
from memory.store.postgres.connection import pipeline
from memory.store.postgres.store import PostgresStore
from memory.store.turns.tags import count_tags, remove_tags, set_tags
from memory.vocabulary import Attribute
from tests.conftest import CAT, DOG, INSERT, MOVED, SAID
from tests.support.cutting_proxy import CuttingProxy
from tests.support.postgres_server import (
    kill_server,
    logged_in,
    new_database,
    new_namespace,
    new_server,
    server_address,
    shared_database,
)

pytestmark = pytest.mark.slow

ADDS = """
import sys
from memory import Turn, open_store
with open_store(sys.argv[1]) as store:
    for n in range(10_000):
        [turn_id] = store.add([Turn("Anna", f"number {n}", source=f"{sys.argv[2]} {n}")])
        store.write(
            "INSERT INTO facts (subject, attribute, value, turn_id)"
            f" VALUES ('Anna', 'number', '{turn_id}', {turn_id})", cause="test")
        print(turn_id, flush=True)
"""


def adding(address: str, name: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", ADDS, address, name],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def confirmed(process: "subprocess.Popen[str]", count: int) -> list[int]:
    """The first ids that a process was told are stored."""
    assert process.stdout
    return [int(process.stdout.readline()) for _ in range(count)]


def assert_whole(address: str, ids: list[int]) -> None:
    """What was confirmed is there once, with its fact, and nothing is half there."""
    with open_store(address) as store:
        turns = store.turns()
        assert [turn.id for turn in turns] == [*range(1, len(turns) + 1)]
        assert {*ids} <= {turn.id for turn in turns}
        sources = [turn.source for turn in turns]
        assert len({*sources}) == len(sources)
        assert {*ids} <= {int(fact.value) for fact in store.facts()}
        assert store.check() == []
        assert store.search("number 3", 1)


def test_a_killed_client_leaves_nothing_half_there_and_no_lock() -> None:
    address = new_namespace()
    ids: list[int] = []
    for life in range(4):
        process = adding(address, f"life {life}")
        ids += confirmed(process, 3 + life)
        process.kill()
        process.communicate()
    assert_whole(address, ids)


def test_a_killed_server_loses_nothing_that_was_confirmed() -> None:
    server, server_place = new_server()
    address = f"{server_place}&namespace=anna"
    open_store(address).close()
    process = adding(address, "first")
    ids = confirmed(process, 5)
    kill_server(server)
    output, errors = process.communicate(timeout=60)
    ids += [int(line) for line in output.split()]
    assert process.returncode != 0
    assert "StoreError" in errors
    sleep(0.5)
    with pytest.raises(StoreError, match=r"no server answers|broke off"):
        open_store(address).turns()
    server.ensure_postgres_running()
    pool.close_pools()
    assert_whole(address, ids)
    server.cleanup()


def test_a_connection_lost_at_any_step_doubles_and_halves_nothing() -> None:
    """The whole of an add and a write is tried with the line cut after each message in turn."""
    database = new_database()
    open_store(f"{database}&namespace=anna").close()
    folder = server_address().split("host=")[1]
    messages_of_error: list[str] = []
    for messages in range(1, 60, 2):
        proxy = CuttingProxy(folder, messages)
        address = f"{database.replace(folder, proxy.folder)}&namespace=anna"
        turn = Turn("Anna", f"cut {messages}", source=f"cut {messages}")
        ids: list[int] = []
        try:
            with open_store(address) as store:
                ids = store.add([turn], once=True)
                store.write(f"{INSERT}('Anna', 'cut', '{messages}', NULL, {ids[0]})", cause="t")
        except StoreError as error:
            messages_of_error.append(str(error))
        proxy.close()
        with open_store(f"{database}&namespace=anna") as store:
            [again] = store.add([turn], once=True)  # what the caller does who was told nothing
            assert ids in ([], [again])
            assert [t.text for t in store.turns()].count(turn.text) == 1
            assert len([f for f in store.facts() if f.value == str(messages)]) <= 1
            assert store.check() == []
    assert len(messages_of_error) > 5
    assert not any("\n" in message for message in messages_of_error)


def _record(store: Store) -> object:
    turn = store.turns()[-1]  # what was taken back of a turn is not recorded of it again
    fact = Assertion("Anna", "has_pet", f"dog {turn.id}")
    return store.record([TurnAssertions(turn, (fact,))])


CUT_ACTS: dict[str, Callable[[Store], object]] = {
    "set tags": lambda store: set_tags(store, [1, 2], {"project": "move", "place": ["a", "b"]}),
    "remove tags": lambda store: remove_tags(store, [3], ["project"]),
    "attribute": lambda store: set_attribute(store, Attribute("keeps", other_names=("has_pet",))),
    "vocabulary": lambda store: set_vocabulary(
        store, [Attribute("keeps", other_names=("has_pet",)), Attribute("owns_boat")], replaces=True
    ),
    "alias": lambda store: add_alias(store, "Annie", "Anna"),
    "split": lambda store: split_entity(store, "Anna", "Anna 2", [3]),
    "rename entity": lambda store: rename_entity(store, "Anna", "Anna Berg"),
    "merge": lambda store: merge_entities(store, "Anna", "Ben"),
    "assertions": _record,
}


def contents(store: Store) -> object:
    """What the acts change, without the journal."""
    facts = [replace(fact, recorded_at="") for fact in store.facts()]
    return facts, count_tags(store), vocabulary_of(store), known_entities(store)


@pytest.mark.parametrize("act", CUT_ACTS)
def test_a_connection_lost_in_an_act_leaves_it_whole_or_absent(act: str) -> None:
    """Cut after each message in turn; what is there is taken back by its own journal."""
    database = new_database()
    direct = f"{database}&namespace=anna"
    with open_store(direct) as store:
        store.add(SAID)
        set_tags(store, [3], {"project": "flat"})
        store.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
    folder = server_address().split("host=")[1]
    outcomes: Counter[str] = Counter()
    acknowledged = 0
    # Opening takes 18. How many an act takes depends on how many the proxy reads at once, too.
    for messages in range(16, 300, 3):
        with open_store(direct) as store:
            before, changes = contents(store), len(store.changes())
        proxy = CuttingProxy(folder, messages)
        is_acknowledged = False
        try:
            with open_store(f"{database.replace(folder, proxy.folder)}&namespace=anna") as store:
                CUT_ACTS[act](store)
                is_acknowledged = True
        except StoreError:
            pass
        proxy.close()
        with open_store(direct) as store:
            assert store.check() == []
            new = len(store.changes()) - changes
            assert new in ((1,) if is_acknowledged else (0, 1))
            outcomes["whole" if new else "absent"] += 1
            assert (contents(store) != before) == bool(new)
            if new:
                store.undo(store.changes()[-1].id)
                assert store.check() == []
                assert contents(store) == before
                store.add([Turn("Anna", "one more to read")])  # the mark of what was read stays
        acknowledged += is_acknowledged
        if acknowledged == 2:
            break
    assert outcomes["absent"] > 3
    assert outcomes["whole"] > 1


def test_an_outage_is_named_at_once_and_over_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call waits for a connection that cannot be made, also not of a server that is back."""
    monkeypatch.setattr(pool, "WAIT_SECONDS", 3600.0)  # a wait would end at the deadline below
    server, database = new_server()

    def call(ask: Callable[[], object]) -> object:
        with ThreadPoolExecutor(1) as executor:
            return executor.submit(ask).result(60)

    with open_store(f"{database}&namespace=anna") as store:
        [turn_id] = store.add([Turn("Anna", "I moved to Oslo")])
        store.read("SELECT id FROM turns")
        kill_server(server)
        for ask in (store.turns, lambda: store.read("SELECT id FROM turns"), store.turns):
            with pytest.raises(StoreError, match=r"no server answers|broke off"):
                call(ask)
        server.ensure_postgres_running()
        assert call(lambda: store.read("SELECT id FROM turns").rows) == ((turn_id,),)
        assert call(lambda: len(store.turns())) == 1
    pool.close_pools()
    server.cleanup()


def copy_without_taking_rows(conn: psycopg.Connection, refusal: Exception | None = None) -> None:
    """Leave a pipeline with results that psycopg cannot take."""
    with pipeline(conn):
        conn.execute("SELECT 1")
        conn.execute("COPY (SELECT 1) TO STDOUT")
        if refusal:
            raise refusal


def test_a_pipeline_that_cannot_be_left_hides_no_refusal() -> None:
    with logged_in(shared_database()) as conn:
        with pytest.raises(psycopg.ProgrammingError, match="COPY cannot be used"):
            copy_without_taking_rows(conn)
        assert conn.closed
    with logged_in(shared_database()) as conn:
        with pytest.raises(SqlError, match="the refusal"):
            copy_without_taking_rows(conn, SqlError("the refusal"))
        assert conn.closed
    with logged_in(shared_database()) as conn:  # a nested one leaves the outer one as it is
        with pipeline(conn), pipeline(conn):
            conn.execute("SELECT 1")
        assert conn.execute("SELECT 1").fetchone() == (1,)


def test_a_read_whose_connection_was_closed_for_that_says_what_was_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @contextmanager
    def cancelled_pipeline(conn: psycopg.Connection) -> Iterator[None]:
        yield
        conn.close()
        raise psycopg.errors.QueryCanceled("canceling statement due to user request")

    with open_store(new_namespace()) as store:
        with monkeypatch.context() as patch:
            patch.setattr(model_login, "pipeline", cancelled_pipeline)
            with pytest.raises(SqlError, match="too slow"):
                store.read("SELECT count(*) AS n FROM turns")
        assert store.read("SELECT count(*) AS n FROM turns").rows == ((0,),)


def test_all_connections_in_use_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.0)
    with open_store(new_namespace()) as store, ExitStack() as stack:
        assert isinstance(store, PostgresStore)
        for _ in range(pool.POOL_CONNECTIONS):
            stack.enter_context(store._database.own.connection())
        with pytest.raises(StoreError, match="were in use"):
            store.turns()


def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.0)
    connections = pool.Pool(lambda: psycopg.connect(server_address(), autocommit=True))
    with connections.connection() as conn, connections.connection() as other:
        assert (conn.closed, other.closed) == (False, False)
    while reaper := connections._reaper:
        reaper.join(60)
    with connections._lock:  # the reaper may be at it
        pass
    assert (conn.closed, other.closed) == (True, True)


def test_connections_that_the_server_closed_in_a_pause_are_replaced() -> None:
    with open_store(new_namespace()) as store:
        [turn_id] = store.add([Turn("Anna", "I moved to Oslo")])
        assert store.read("SELECT id FROM turns").rows
        with logged_in(shared_database()) as conn:
            closed = conn.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name = 'sql-memory' AND datname = current_database()"
            ).fetchall()
        assert len(closed) >= 2  # of both logins
        assert store.search("Oslo", 1)[0].turn_id == turn_id
        assert store.read("SELECT id FROM turns").rows == ((turn_id,),)


def test_two_processes_and_eight_threads_on_one_namespace() -> None:
    address = new_namespace()
    processes = [adding(address, f"process {n}") for n in range(2)]
    ids = [turn_id for process in processes for turn_id in confirmed(process, 1)]

    def work(thread: int) -> list[int]:
        with open_store(address) as store:
            added: list[int] = []
            for n in range(12):
                [turn_id] = store.add([Turn("Ben", "from a thread", source=f"{thread} {n}")])
                store.write(f"{INSERT}('Ben', 'did', '{turn_id}', NULL, {turn_id})", cause="t")
                store.search("thread", 3)
                assert store.read(f"SELECT id FROM turns WHERE id = {turn_id}").rows
                added.append(turn_id)
            return added

    with ThreadPoolExecutor(8) as executor:
        for added in executor.map(work, range(8)):
            ids += added
    for process in processes:
        process.kill()
        process.communicate()
    assert len({*ids}) == len(ids) == 98
    assert_whole(address, ids)


def test_a_hundred_namespaces_share_four_connections() -> None:
    database = new_database()
    open_store(f"{database}&namespace=0").close()

    def live(n: int) -> None:
        with open_store(f"{database}&namespace={n}") as store:
            [turn_id] = store.add([Turn("Anna", f"I live in town{n}.")])
            store.write(f"{INSERT}('Anna', 'lives_in', 'town{n}', NULL, {turn_id})", cause="t")
            assert [turn.text for turn in store.turns()] == [f"I live in town{n}."]
            assert store.read("SELECT value FROM facts").rows == ((f"town{n}",),)
            assert [hit.turn_id for hit in store.search("town", 5)] == [1]

    with ThreadPoolExecutor(12) as executor:
        assert [*executor.map(live, range(1, 101))]
    with psycopg.connect(database) as conn:
        sessions = conn.execute(
            "SELECT usename, count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'sql-memory' GROUP BY 1"
        ).fetchall()
    assert len(sessions) == 2
    assert all(count <= pool.POOL_CONNECTIONS for _, count in sessions)


# --- a full disk --------------------------------------------------------------------------------


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 128 MB that the server's user may go to."""
    folder = Path(tempfile.mkdtemp(prefix="memory-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=128M,mode=0777", "tmpfs", str(folder)]
    if os.name != "posix" or os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a disk in memory cannot be mounted here: that takes root")
    folder.chmod(0o777)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


def namespace_on(disk: Path, server: Any, address: str, part: str) -> str:
    """The address of a namespace whose tables, or all of whose server, lie on a disk."""
    if part == "tables":
        tables = disk / "tables"
        tables.mkdir()
        shutil.chown(tables, server.system_user)
        with logged_in(address) as conn:
            conn.execute(f"CREATE TABLESPACE small LOCATION '{tables}'")  # type: ignore[arg-type]
            conn.execute("CREATE DATABASE small TABLESPACE small")
        address = address.replace("/postgres?", "/small?")
    return f"{address}&namespace=anna"


def add_until_it_fails(address: str, ids: list[int], disk: Path) -> None:
    """Add turns with a fact each; `ids` are those that were confirmed."""
    noise = Random(1)
    with open_store(address) as store:
        for n in range(20_000):
            text = " ".join(str(noise.random()) for _ in range(200))
            [turn_id] = store.add([Turn("Anna", text, source=f"full {n}")])
            store.write(f"{INSERT}('Anna', 'number', '{turn_id}', NULL, {turn_id})", cause="t")
            ids.append(turn_id)
            if n == 5:
                free = shutil.disk_usage(disk).free
                (disk / "ballast").write_bytes(bytes(free - 2**20))


@pytest.mark.parametrize("part", ["tables", "everything"])
def test_a_full_disk_is_one_clear_line_and_loses_nothing(small_disk: Path, part: str) -> None:
    server, server_place = new_server(small_disk if part == "everything" else None)
    try:
        address = namespace_on(small_disk, server, server_place, part)
        ids: list[int] = []
        with pytest.raises(StoreError) as full:
            add_until_it_fails(address, ids, small_disk)
        assert len(ids) > 5
        message = str(full.value)
        assert "\n" not in message
        # Where the log has no room either, the server ends all connections.
        ends = "disk is full; nothing was written" if part == "tables" else "is full|broke off"
        assert re.search(ends, message)
        kill_server(server)
        subprocess.run(["mount", "-o", "remount,size=512M", str(small_disk)], check=True)
        pool.close_pools()
        server.ensure_postgres_running()
        assert_whole(address, ids)
        with open_store(address) as store:
            assert len(store.turns()) - len(ids) in (0, 1), "one may be there without its fact"
            assert store.add([Turn("Anna", "There is room again.")])
    finally:
        pool.close_pools()
        kill_server(server)


@pytest.fixture(autouse=True)
def _fresh_pools() -> Iterator[None]:
    yield
    pool.close_pools()
