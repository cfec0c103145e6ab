"""One memory shared by threads: nobody hangs, nothing is lost, and readers wait for nobody."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from memory import Memory, Store, Turn, open_store
from memory.errors import StoreError
from memory.store.database_store import DatabaseStore
from memory.store.facts.standing_facts import facts_of_askers
from memory.store.fair_lock import FairLock, Places
from memory.store.sqlite.connection import connect
from memory.store.sqlite.store import SqliteStore
from tests.conftest import MOVED
from tests.support.crowd import let_work, slow_model
from tests.support.scripted import scripted_model, sql

BOTH_STORES = "slow"
ENDS_A_HANG = 60  # seconds
ACTS = 30  # of each thread


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@contextmanager
def under_way(do: Callable[[threading.Event, threading.Event], object]) -> Iterator[Future[object]]:
    """Let a thread do something that stops half way, for as long as the block lasts."""
    is_there, may_go_on = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        doing = pool.submit(do, is_there, may_go_on)
        try:
            assert is_there.wait(ENDS_A_HANG)
            yield doing
        finally:
            may_go_on.set()
    doing.result()


def read_all(store: Store) -> list[int]:
    """What a reader can ask of a store, and the ids of the turns that a search found."""
    store.facts()
    store.changes()
    store.catalog(100)
    store.read("SELECT text FROM turns")
    assert sum(1 for _ in store.dump()) > 0
    return [hit.turn_id for hit in store.search("Anna moved to Oslo", 10)]


@pytest.mark.slow
def test_a_crowd_shares_a_memory(address: str, tmp_path: Path) -> None:
    with Memory(address, model=slow_model(0.01)) as memory:
        crowd = let_work(memory, tmp_path, threads=8, is_over=lambda acts: acts >= ACTS)
    assert crowd.hung == []
    assert crowd.faults == []
    assert crowd.acts.total() == 8 * ACTS


def test_readers_do_not_wait_for_a_writer(store: Store, threads: ThreadPoolExecutor) -> None:
    assert isinstance(store, DatabaseStore)
    shared = store

    def write(is_there: threading.Event, may_go_on: threading.Event) -> None:
        with shared.transaction():
            is_there.set()
            assert may_go_on.wait(ENDS_A_HANG)

    with under_way(write):
        reads = [threads.submit(read_all, store) for _ in range(4)]
        assert [sorted(read.result(ENDS_A_HANG)) for read in reads] == [[1, 2, 3, 4, 5]] * 4


def test_nobody_waits_for_a_model(store: Store, threads: ThreadPoolExecutor) -> None:
    is_there, may_go_on = threading.Event(), threading.Event()

    model = scripted_model([(["[1]"], sql(MOVED))])
    answer = model.lm.engine.complete

    def slowly(request: object) -> object:
        is_there.set()
        assert may_go_on.wait(ENDS_A_HANG)
        return answer(request)

    model.lm.engine.complete = slowly
    memory = Memory(store, model=model)
    digesting = threads.submit(memory.digest, max_calls=1)
    assert is_there.wait(ENDS_A_HANG)
    assert threads.submit(store.add, [Turn("Ben", "Hello.")]).result(ENDS_A_HANG) == [6]
    assert threads.submit(read_all, store).result(ENDS_A_HANG)
    assert not digesting.done()
    may_go_on.set()
    assert digesting.result(ENDS_A_HANG).stored == 1


def test_what_an_asker_wants_is_read_before_its_connection_is_given_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From then on another thread may close it."""
    with open_store(path) as store:
        monkeypatch.setattr(store, "reading", lambda: closing(connect(path, read_only=True)))
        assert facts_of_askers(store, ["Anna"]).contradictions == []


def test_a_thread_sees_what_it_has_written_inside_its_transaction(store: Store) -> None:
    assert isinstance(store, DatabaseStore)
    with store.transaction() as conn:
        conn.run("insert_speaker", id=77, name="Zoe")
        with store.reading() as inner:
            assert (77, "Zoe") in [*inner.run("speakers_after", after=0)]


def test_a_forked_process_is_told_to_open_its_own(store: Store) -> None:
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        lines = []
        for act in (store.turns, lambda: store.add([Turn("Anna", "x")]), lambda: [*store.dump()]):
            try:
                act()
                lines.append("nothing")
            except StoreError as error:
                lines.append(str(error))
        store.close()
        os.write(tell, "\n".join(lines).encode())
        os._exit(0)
    os.waitpid(child, 0)
    lines = os.read(told, 10_000).decode().splitlines()
    assert len(lines) == 3
    for line in lines:
        assert "open it again in this process" in line
    assert store.count_turns() == 5  # here it goes on


def test_a_memory_that_is_closed_waits_for_what_is_written(path: Path) -> None:
    store = open_store(path)
    assert isinstance(store, DatabaseStore)
    shared = store

    def write(is_there: threading.Event, may_go_on: threading.Event) -> None:
        with shared.transaction() as conn:
            is_there.set()
            conn.run("insert_speaker", id=77, name="Zoe")

    with under_way(write):
        store.close()
    again = open_store(path)
    assert isinstance(again, DatabaseStore)
    with again, again.reading() as conn:
        assert (77, "Zoe") in [*conn.run("speakers_after", after=0)]


def test_threads_read_on_from_a_file_that_was_moved(
    path: Path, threads: ThreadPoolExecutor
) -> None:
    with open_store(path) as store:
        store.add([Turn("Anna", "I moved to Oslo.")])
        for end in ("", "-wal", "-shm"):
            Path(f"{path}{end}").rename(f"{path}.moved{end}")
        with open_store(path) as other:
            other.add([Turn("Ben", "Another memory.")] * 3)
        assert isinstance(store, SqliteStore)
        taken = store._writer
        with taken:
            reading = threads.submit(store.count_turns)
            while not taken._places.waiting:  # it reads by the connection that has the file
                pass
        assert reading.result(ENDS_A_HANG) == 1


# --- the lock ---------------------------------------------------------------------------------


def test_a_fair_lock_is_had_in_the_order_in_which_it_was_asked_for(
    threads: ThreadPoolExecutor,
) -> None:
    lock, order = FairLock(), list[int]()

    def take(number: int) -> None:
        with lock, lock:  # a thread that has it may take it again
            order.append(number)

    with lock:
        working = []
        for number in range(6):
            working.append(threads.submit(take, number))
            while len(lock._places.waiting) <= number:
                pass
        assert not threads.submit(lock.take, 0).result()
    for each in working:
        each.result(ENDS_A_HANG)
    assert order == [*range(6)]


def test_a_place_is_not_given_to_one_whose_wait_was_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = Places(1)
    assert places.take()

    def interrupted(event: threading.Event, timeout: float | None = None) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            places.take()
    assert not places.waiting
    places.give_back()
    assert places.take(0)
