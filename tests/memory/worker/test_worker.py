"""A worker digests all memories in turn, within limits, and gives back what it cannot finish."""

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memory import Turn, open_store
from memory.__main__ import app
from memory.cli.options import open_memory
from memory.errors import ModelError
from memory.models import load_model
from memory.records import Task
from memory.store.configuration.settings import set_setting
from memory.store.namespaces import existing
from memory.store.sqlite.store import SqliteStore
from memory.store.waiting.pending_windows import (
    claim_window,
    fail_window,
    new_claimant,
    reclaim_window,
)
from memory.store.waiting.work import (
    claim_task,
    count_waiting,
    end_task,
    spend_on_task,
    worker_tasks,
)
from memory.system.provider_calls import _ended
from memory.worker.limits import Backoff, Limits, delay_after
from memory.worker.queue import Sight, queue_of_home
from memory.worker.run import DIGEST, Options, Worker
from tests.support.commands import run
from tests.support.fact_server import FactServer, serving_facts

BOTH_STORES = "slow"


@pytest.fixture
def server() -> Iterator[FactServer]:
    with serving_facts() as served:
        yield served


def add_turns(name: str, count: int) -> None:
    with open_memory(name, None, create=True) as store:
        store.add([Turn("Ann", f"{name}, line {number}") for number in range(count)])


def digested(name: str) -> list[int]:
    """The turns of a memory's facts: each turn is told by one fact."""
    with open_store(existing(name)) as store:
        return sorted(fact.turn_id for fact in store.facts())


def worker(server: FactServer, **options: object) -> tuple[Worker, list[str]]:
    lines: list[str] = []
    model = load_model("openai/facts", server.address, retries=0)
    chosen = Options(**{"once": True, "concurrency": 1, **options})  # type: ignore[arg-type]
    return Worker(model, chosen, lines.append), lines


def task_of(name: str) -> Task:
    with open_store(existing(name)) as store:
        [task] = worker_tasks(store)
        return task


@pytest.mark.slow
def test_all_memories_are_digested_once(home: str, server: FactServer) -> None:
    for name, turns in (("anna", 60), ("ben", 5), ("cleo", 48)):
        add_turns(name, turns)

    at_work, lines = worker(server, concurrency=3)
    at_work.run()

    assert [len(digested(name)) for name in ("anna", "ben", "cleo")] == [60, 5, 48]
    assert digested("anna") == [*range(1, 61)]
    assert len(server.prompts) == 4
    assert sorted(line.partition(":")[0] for line in lines) == ["anna", "ben", "cleo"]
    assert (task_of("anna").calls, task_of("anna").tokens) == (2, 200)
    again, lines = worker(server)
    again.run()
    assert (len(server.prompts), lines) == (4, [])


@pytest.mark.slow
def test_a_large_memory_does_not_keep_the_others_waiting(home: str, server: FactServer) -> None:
    add_turns("anna", 48 * 6)
    add_turns("ben", 48)

    at_work, lines = worker(server)
    at_work.run()

    assert [line.partition(":")[0] for line in lines] == ["anna", "ben", "anna"]
    assert "4 stored" in lines[0]
    assert "2 stored" in lines[2]


@pytest.mark.slow
def test_who_was_served_the_longest_ago_is_next(home: str, server: FactServer) -> None:
    for name in ("anna", "ben"):
        add_turns(name, 48)
    worker(server)[0].run()
    with open_store(existing("anna")) as store:
        claim_task(store, DIGEST, "host:1:later")
        end_task(store, DIGEST, "host:1:later")
    for name in ("anna", "ben"):
        add_turns(name, 48)

    at_work, lines = worker(server)
    at_work.run()

    assert [line.partition(":")[0] for line in lines] == ["ben", "anna"]


def test_a_few_turns_wait_until_they_settle(home: str, server: FactServer) -> None:
    add_turns("anna", 3)
    at_work, lines = worker(server, once=False, settle=3600.0, poll=0.01)
    add_turns("ben", 48)
    at_work._report = lambda line: (lines.append(line), at_work.stop())

    at_work.run()

    assert (len(digested("ben")), digested("anna")) == (48, [])


def test_each_memory_settles_by_itself(home: str, server: FactServer) -> None:
    add_turns("anna", 3)
    add_turns("ben", 5)
    at_work, lines = worker(server, once=False, settle=0.1, poll=0.01)
    at_work._report = lambda line: (lines.append(line), len(lines) == 2 and at_work.stop())
    patience = threading.Timer(30.0, at_work.stop)
    patience.start()

    at_work.run()

    patience.cancel()
    assert (len(digested("anna")), len(digested("ben"))) == (3, 5)


@pytest.mark.slow
def test_a_limit_of_calls_ends_the_day_of_a_memory(home: str, server: FactServer) -> None:
    add_turns("anna", 48 * 3)
    add_turns("ben", 48)

    at_work, _ = worker(server, limits=Limits(calls=2))
    at_work.run()

    assert (len(digested("anna")), len(digested("ben"))) == (96, 48)


def test_a_memory_has_one_limit_for_all_that_is_asked_for_it() -> None:
    digest = Task("digest", day="2026-05-01", calls=2)
    forget = Task("forget", day="2026-05-01", calls=2)
    assert Limits(calls=3).allows([digest], "2026-05-01")
    assert not Limits(calls=3).allows([digest, forget], "2026-05-01")
    assert Limits(calls=3).allows([digest, forget], "2026-05-02")


def test_no_clock_takes_back_what_was_spent(home: str) -> None:
    add_turns("anna", 2)
    limits = Limits(calls=6)
    with open_store(existing("anna")) as store:
        claim_task(store, DIGEST, "elsewhere:1:a")
        # The clock goes to the next day and back, as that of a second machine may all the time.
        for day in ("2026-01-01", "2026-01-02", "2026-01-01", "2026-01-02", "2026-01-01"):
            spend_on_task(store, DIGEST, day, calls=2, tokens=100)
        tasks = worker_tasks(store)
    sight = queue_of_home().look(every=True)

    assert not limits.allows(tasks, "2026-01-01")
    assert not limits.allows(tasks, "2026-01-02")
    assert limits.allows(tasks, "2026-01-03")
    assert limits.allows(tasks, "2025-12-31")
    assert sight.calls_of("2026-01-01") == sight.calls_of("2026-01-02") == 8


@pytest.mark.slow
def test_a_limit_in_all_ends_the_day(home: str, server: FactServer) -> None:
    for name in ("anna", "ben", "cleo"):
        add_turns(name, 48)

    worker(server, limits=Limits(all_calls=2))[0].run()
    worker(server, limits=Limits(all_calls=2))[0].run()

    assert len(server.prompts) == 2


@pytest.mark.slow
def test_a_rate_limit_is_waited_for(
    home: str, server: FactServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    def failed(backoff: Backoff, now: float, wanted: float) -> float:
        waits.append(wanted)
        return 0.0

    monkeypatch.setattr(Backoff, "failed", failed)
    add_turns("anna", 48)
    server.refuse = lambda number: (429, {"retry-after": "7"}) if number <= 2 else None
    at_work, lines = worker(server, once=False, settle=0.0, poll=0.01)
    at_work._report = lambda line: (lines.append(line), "stored" in line and at_work.stop())

    at_work.run()

    assert len(digested("anna")) == 48
    assert waits == [7.0, 7.0]
    assert "asked again" in lines[0]
    assert task_of("anna").failures == 0


def test_once_ends_where_the_provider_fails(home: str, server: FactServer) -> None:
    add_turns("anna", 48)
    server.refuse = lambda number: (429, {})

    with pytest.raises(ModelError, match="rate"):
        worker(server)[0].run()

    with open_store(existing("anna")) as store:
        [window] = store.pending()
    assert (window.attempts, window.statement) == (0, "")


def test_a_key_that_is_refused_ends_the_worker(home: str, server: FactServer) -> None:
    add_turns("anna", 48)
    server.refuse = lambda number: (401, {})

    with pytest.raises(ModelError, match="key"):
        worker(server, once=False)[0].run()


@pytest.mark.slow
def test_a_window_that_fails_again_and_again_waits_for_a_person(
    home: str, server: FactServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.worker.run.delay_after", lambda failures: 0.0)
    add_turns("anna", 48)
    monkeypatch.setattr("tests.support.fact_server.sql", lambda text: "nonsense")

    worker(server)[0].run()

    assert digested("anna") == []
    listed = run("serve", "worker", "--failed")
    assert "memory digest --replay" in listed
    monkeypatch.undo()
    monkeypatch.setenv("MEMORY_HOME", home)
    run("digest", "-n", "anna", "--replay", "--model", "openai/facts", "--api-base", server.address)
    assert len(digested("anna")) == 48
    assert "window" not in run("serve", "worker", "--failed")


def test_a_worker_told_to_stop_finishes_its_window(home: str, server: FactServer) -> None:
    add_turns("anna", 96)
    at_work, _ = worker(server, once=False, grace=60.0)
    server.before_answer = at_work.stop

    at_work.run()

    assert len(digested("anna")) == 48
    with open_store(existing("anna")) as store:
        assert store.pending() == []


def test_a_worker_that_may_not_wait_gives_its_window_back(home: str, server: FactServer) -> None:
    add_turns("anna", 48)
    answers, asked = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        answers.wait(60)

    server.before_answer = hold
    at_work, _ = worker(server, once=False, settle=0.0, grace=0.0)
    stopper = threading.Thread(target=lambda: asked.wait(60) and at_work.stop())
    stopper.start()
    try:
        at_work.run()
        at_work._wait_for_threads(60)
    finally:
        answers.set()
        stopper.join()
        _ended.clear()

    with open_store(existing("anna")) as store:
        [window] = store.pending()
        assert window.attempts == 0
        assert reclaim_window(store, (1, 48)) == (1, 48)  # nobody holds it
        [task] = worker_tasks(store)
    assert task.held_until == 0


def test_what_a_claim_looks_at_is_what_a_store_sees(home: str) -> None:
    add_turns("anna", 30)
    add_turns("ben", 2)
    with open_store(existing("anna")) as store:
        claim_window(store, 10)
        fail_window(store, claim_window(store, 5) or (0, 0), "no", statement="UPDATE facts")
        set_setting(store, "retention_days", 365)
        own = count_waiting(store, 3)

    sight = queue_of_home().look(every=True)

    assert {**vars(sight.waiting["anna"]), "name": ""} == vars(own)
    assert (own.turns, own.claimed_windows, own.dead_windows) == (15, 1, 1)
    assert sight.waiting["ben"].turns == 2


def test_a_task_is_claimed_by_one_worker(home: str) -> None:
    for name in ("anna", "ben"):
        add_turns(name, 2)
    queue, other = queue_of_home(), queue_of_home()
    sight, seen = queue.look(every=False), other.look(every=False)
    names = sorted(sight.waiting)

    first = queue.claim(names, DIGEST, "elsewhere:1:a", sight)
    second = other.claim(names, DIGEST, "elsewhere:1:b", seen)

    assert {first, second} == {"anna", "ben"}
    assert other.claim(names, DIGEST, "elsewhere:1:b", seen) is None
    assert not queue.look(every=False).is_free("anna", DIGEST)


@pytest.mark.slow
def test_a_claim_takes_one_task_however_postgres_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.postgres_server import empty_home, logged_in

    database = empty_home()
    monkeypatch.setenv("MEMORY_HOME", database)
    queue = queue_of_home()

    def claim(claimant: str) -> str | None:
        sight = queue.look(every=False)
        return queue.claim([*sight.waiting], DIGEST, claimant, sight)

    add_turns("anna", 2)
    assert claim("elsewhere:1:a") == "anna"
    with logged_in(database) as conn:
        conn.execute("ANALYZE memory.work")  # one row is expected from now on: joined row by row
    add_turns("ben", 2)
    add_turns("cleo", 2)

    assert [claim(f"elsewhere:1:{n}") for n in range(3)] == ["ben", "cleo", None]


def test_what_ended_since_a_look_is_not_claimed_by_it(home: str) -> None:
    add_turns("anna", 2)
    queue = queue_of_home()
    assert queue.claim(["anna"], DIGEST, "elsewhere:1:a", queue.look(every=False)) == "anna"
    sight = queue.look(every=False)  # the turns wait until the task has ended
    with open_store(existing("anna")) as store:
        end_task(store, DIGEST, "elsewhere:1:a")

    assert queue.claim(["anna"], DIGEST, "elsewhere:1:b", sight) is None
    sight = queue.look(every=False)
    assert queue.claim(["anna"], DIGEST, "elsewhere:1:b", sight) == "anna"


def test_a_task_of_a_dead_process_is_free() -> None:
    task = Task(DIGEST, held_by="elsewhere:1:a", held_until=2e9)
    assert not Sight(1e9, tasks={"anna": {DIGEST: task}}).is_free("anna", DIGEST)
    # This process' number, and another process' claim: it had the number before.
    dead = Task(DIGEST, held_by=f"{socket.gethostname()}:{os.getpid()}:a", held_until=2e9)
    assert Sight(1e9, tasks={"anna": {DIGEST: dead}}).is_free("anna", DIGEST)
    own = Task(DIGEST, held_by=new_claimant(), held_until=2e9)
    assert not Sight(1e9, tasks={"anna": {DIGEST: own}}).is_free("anna", DIGEST)


LATER = 86_400.0 * 365 * 200
CREDIBLE = 300.0  # seconds ahead


def put_into_rows(home: str, table: str, **values: object) -> None:
    """Write into all rows of a table of `anna`, as another program or another clock does."""
    columns, given = ", ".join(f"{name} = ?" for name in values), [*values.values()]
    if "://" in home:
        from tests.support.postgres_server import logged_in

        with logged_in(home) as server:
            server.execute(f"UPDATE memory.{table} SET {columns.replace('?', '%s')}", given)
        return
    with closing(sqlite3.connect(existing("anna"))) as file, file:
        file.execute(f"UPDATE {table} SET {columns}", given)


@pytest.mark.parametrize(
    ("claimant", "ahead", "is_open"),
    [("elsewhere:1:a", CREDIBLE, False), ("elsewhere:1:a", LATER, True), ("", CREDIBLE, True)],
)
def test_a_worker_counts_a_window_with_a_claim_of_nobody_as_waiting(
    home: str, claimant: str, ahead: float, is_open: bool
) -> None:
    add_turns("anna", 48)
    with open_store(existing("anna")) as store:
        claim_window(store, 48)
    put_into_rows(home, "pending", claimed_by=claimant, claimed_until=time.time() + ahead)

    seen = queue_of_home().look(every=False).waiting["anna"]
    with open_store(existing("anna")) as store:
        own = count_waiting(store, 3)

    assert (seen.windows, seen.claimed_windows) == (is_open, not is_open)
    assert (own.windows, own.claimed_windows) == (is_open, not is_open)


@pytest.mark.parametrize("moment", ["served_at", "due_at", "held_until"])
def test_a_moment_that_nobody_can_have_written_keeps_no_task(home: str, moment: str) -> None:
    add_turns("anna", 48)
    with open_store(existing("anna")) as store:
        assert claim_task(store, DIGEST, "elsewhere:1:a")
        end_task(store, DIGEST, "elsewhere:1:a")
    queue = queue_of_home()

    def claim_of(ahead: float) -> str | None:
        held = {"held_by": "elsewhere:1:a", moment: time.time() + ahead}
        put_into_rows(home, "work", **held)
        sight = queue.look(every=False)
        free = [name for name in sight.waiting if sight.is_free(name, DIGEST)]
        return queue.claim(free, DIGEST, "elsewhere:1:b", sight)

    assert claim_of(CREDIBLE) is None
    assert claim_of(LATER) == "anna"
    with open_store(existing("anna")) as store:
        assert claim_task(store, DIGEST, "elsewhere:1:c") is None
    put_into_rows(home, "work", **{"held_until": 0, "due_at": 0, moment: time.time() + LATER})
    with open_store(existing("anna")) as store:
        assert claim_task(store, DIGEST, "elsewhere:1:c")


def test_who_was_served_at_a_time_that_does_not_come_is_next(home: str) -> None:
    for name in ("anna", "ben"):
        add_turns(name, 48)
    queue = queue_of_home()
    claimed = [queue.claim(["anna"], DIGEST, "elsewhere:1:a", queue.look(every=False))]
    put_into_rows(home, "work", held_until=0, served_at=time.time() + LATER)
    claimed += [queue.claim(["ben"], DIGEST, "elsewhere:1:a", queue.look(every=False))]
    with open_store(existing("ben")) as store:
        end_task(store, DIGEST, "elsewhere:1:a")

    sight = queue.look(every=False)
    at_work = Worker(None, Options(), print)

    assert claimed == ["anna", "ben"]
    assert at_work._due(sight, DIGEST, lambda work, task: True) == ["anna", "ben"]
    assert queue.claim(["anna", "ben"], DIGEST, "elsewhere:1:b", sight) == "anna"


def test_waits_grow_to_a_bound() -> None:
    assert [delay_after(number) for number in (1, 2, 3, 9, 99)] == [30, 60, 120, 3600, 3600]
    backoff = Backoff()
    assert backoff.failed(0.0, 40.0) == 40
    assert backoff.until == 40
    assert 1.0 <= backoff.failed(40.0, 0.0) <= 2.0
    assert backoff.failed(1e6, 0.0) <= 4.0
    backoff.worked()
    assert backoff.failed(2e6, 0.0) <= 1.0


def test_a_file_that_has_not_changed_is_not_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    add_turns("anna", 2)
    queue = queue_of_home()
    sight = queue.look(every=False)
    assert sight.waiting["anna"].turns == 2

    file = tmp_path / "anna.db"
    before = file.stat()
    file.write_bytes(b"no database".ljust(before.st_size))  # to open it would be an error
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = queue.look(every=False)

    assert (again.waiting, again.errors) == (sight.waiting, {})


def test_a_turn_that_comes_while_its_file_is_looked_into_is_seen_by_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    add_turns("anna", 2)
    with open_store(existing("anna")) as other, monkeypatch.context() as patched:

        def tasks_after_a_turn(store: SqliteStore) -> list[Task]:
            other.add([Turn("Ann", "and this")])
            return worker_tasks(store)

        patched.setattr("memory.worker.queue.worker_tasks", tasks_after_a_turn)
        queue = queue_of_home()
        assert queue.look(every=False).waiting["anna"].turns == 2

        patched.undo()
        assert queue.look(every=False).waiting["anna"].turns == 3


def test_a_log_that_is_removed_meanwhile_does_not_end_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    add_turns("anna", 2)
    # As whoever asks a moment before the last process that has the memory open closes it.
    monkeypatch.setattr(Path, "exists", lambda _: True)

    assert queue_of_home().look(every=False).waiting["anna"].turns == 2


def test_what_is_deleted_after_a_look_is_not_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    for name in ("anna", "ben"):
        add_turns(name, 2)
    queue = queue_of_home()
    sight = queue.look(every=False)
    existing("anna").unlink()

    assert queue.claim(["anna", "ben"], DIGEST, "elsewhere:1:a", sight) == "ben"


def test_a_look_at_many_files_ends_when_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    for name in ("anna", "ben", "cleo"):
        add_turns(name, 2)
    over = iter([False, False, True])

    sight = queue_of_home().look(every=False, is_over=lambda: next(over))

    assert [*sight.waiting] == ["anna", "ben"]


@pytest.mark.slow
def test_a_window_of_a_process_that_has_died_waits_again(home: str) -> None:
    add_turns("anna", 48)
    claims = (
        "from memory import open_store; from memory.store.waiting.pending_windows import "
        "claim_window;"
        " import sys; print(claim_window(open_store(sys.argv[1]), 48), flush=True); input()"
    )
    location = str(existing("anna"))
    with subprocess.Popen(
        [sys.executable, "-c", claims, location], stdin=-1, stdout=-1, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "(1, 48)\n"
        queue = queue_of_home()
        work = queue.look(every=False).waiting["anna"]
        assert (work.windows, work.claimed_windows) == (0, 1)
        other.kill()

    work = queue.look(every=False).waiting["anna"]
    assert (work.windows, work.claimed_windows) == (1, 0)


def test_each_look_touches_the_file_of_life(home_folder: Path, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    at_work = Worker(None, Options(once=True), print, alive=alive)
    os.utime(alive, (0, 0))
    at_work.run()
    assert alive.stat().st_mtime > 0


def test_a_file_of_life_that_cannot_be_made_ends_the_command(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["serve", "worker", "--once", "--alive", str(tmp_path / "no" / "file")]
    )
    assert isinstance(result.exception, OSError)
