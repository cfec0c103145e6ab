"""Two processes that use one memory; one of them pauses where it takes or releases a lock.

    python -m tests.support.schedules STEP [FIRST,SECOND ...]

Each act of one process is stopped at each STEP-th such place, until the other process has done its
act or waits for the lock itself. What both answered and what is there afterwards must be as if the
acts had come one after another, or as if a refused one had never begun. Prints for each pair of
acts (all, unless some are named) how many schedules were tried and what they looked like.
"""

import os
import select
import shutil
import sqlite3
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from memory import Memory, Turn, open_store
from memory.errors import MemoryFault
from memory.store.files.backup import restore
from tests.support import acts
from tests.support.acts import MODEL, OTHER, PROGRAM, State, main_file
from tests.support.killed_acts import differences

# What the statements that take a lock, or give it back, begin with.
LOCKING = ("BEGIN", "COMMIT", "VACUUM", "INSERT", "PRAGMA wal_checkpoint", "PRAGMA journal_mode")
PATIENCE_S = 60.0  # after which a process that reports nothing counts as hung


def begin(folder: Path) -> None:
    """A memory of digested turns with a backup, then three turns and a fact of the first."""
    acts.begin_with_a_backup(folder)
    with open_store(main_file(folder)) as store:
        store.add([Turn("Anna", f"Undigested {n}", "last") for n in range(3)])
        store.write(acts.FACT.format(value="cat Miso", turn=31), cause="test")


def digest(folder: Path) -> None:
    with Memory(main_file(folder), model=MODEL, program=PROGRAM) as memory:
        memory.digest()


def digest_new_turns(folder: Path) -> None:
    with Memory(main_file(folder), model=MODEL, program=PROGRAM) as memory:
        memory.digest(since=31)


def forget(folder: Path) -> None:
    with open_store(main_file(folder)) as store:
        store.forget([31])


def undo(folder: Path) -> None:
    with open_store(main_file(folder)) as store:
        store.undo(11)


def reembed(folder: Path) -> None:
    with open_store(main_file(folder)) as store:
        store.vectors.reembed(OTHER, batch=20)


def put_backup_back(folder: Path) -> None:
    restore(folder / "backup00.db", main_file(folder), replace=True)


PAIRED: dict[str, Callable[[Path], object]] = {
    "add": lambda folder: acts.add(folder, 0),
    "digest": digest,
    "forget": forget,
    "undo": undo,
    "restore": put_backup_back,
    "reembed": reembed,
}
PAIRS = [*product(PAIRED, PAIRED)]
NOTHING = "nothing"
NEW_TURNS = "digest new turns"
PAIRED |= {NOTHING: lambda folder: None, NEW_TURNS: digest_new_turns}


# --- a process that reports where it is --------------------------------------------------------


@dataclass
class Process:
    """A forked process that does an act, and stops at each lock until it may go on.

    `is_holding`: whether it stopped in the middle of a transaction. `answer`: "" or the error's
    class once it has ended.
    """

    reports: Any
    permits: int
    pid: int
    is_holding: bool = False
    answer: str | None = None
    message: str = field(default="")

    def go_on(self) -> None:
        os.write(self.permits, b".")

    def report(self) -> None:
        """Read where it stopped now, or what it ended with. Raises AssertionError when it broke."""
        line = self.reports.readline()
        word, _, text = line.rstrip("\n").partition(" ")
        if word == "lock":
            self.is_holding = text == "1"
            return
        os.waitpid(self.pid, 0)
        os.close(self.permits)
        self.reports.close()
        assert word == "end", f"a process broke: {line}"
        self.answer, _, self.message = text.partition(" ")


def start(do: Callable[[Path], object], folder: Path) -> Process:
    """Fork a process that does an act; it stops before its first lock."""
    report_reader, report_writer = os.pipe()
    permit_reader, permit_writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(report_writer)
        os.close(permit_reader)
        return Process(os.fdopen(report_reader), permit_writer, pid)

    def stop_at_lock(statement: str, conn: sqlite3.Connection) -> None:
        # Inside a transaction only its end counts: the lock is there already.
        if statement.startswith(LOCKING):
            is_end = statement.startswith("COMMIT")
            if is_end or not conn.in_transaction:
                os.write(report_writer, b"lock %d\n" % is_end)
                os.read(permit_reader, 1)

    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        conn = connect(*arguments, **options)
        conn.set_trace_callback(lambda statement: stop_at_lock(statement, conn))
        return conn

    sqlite3.connect = traced  # type: ignore[assignment]
    try:
        try:
            do(folder)
            answer = "end "
        except MemoryFault as error:
            answer = f"end {type(error).__name__} {error}"
        os.write(report_writer, f"{answer}\n".encode())
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a forked child must not go on as its parent
        os.write(report_writer, repr(traceback.format_exc()).encode())
    os._exit(1)


def run_pair(first: str, second: str, folder: Path, stop: int) -> tuple[bool, Process, Process]:
    """Stop the first process at its lock with this number, until the second is done or waits.

    Returns whether there was such a lock, and both processes, which have ended.
    """
    paused = start(PAIRED[first], folder)
    paused.report()
    for _ in range(stop):
        if paused.answer is None:
            paused.go_on()
            paused.report()
    is_paused = paused.answer is None
    other = start(PAIRED[second], folder)
    other.report()
    # A process that takes a lock which the paused one holds would wait for ever.
    while is_paused and not paused.is_holding and other.answer is None:
        other.go_on()
        other.report()
    for process in (paused, other):
        if process.answer is None:
            process.go_on()
    while running := [process for process in (paused, other) if process.answer is None]:
        ready, _, _ = select.select([p.reports for p in running], [], [], PATIENCE_S)
        assert ready, "both processes wait"
        for process in running:
            if process.reports in ready:
                process.report()
                if process.answer is None:
                    process.go_on()
    return is_paused, paused, other


# --- what they may leave -----------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What the first and the second act answered, and what is there afterwards."""

    answers: tuple[str, str]
    state: State


def look(folder: Path, answers: tuple[str, str]) -> Outcome:
    acts.settle(acts.ACTS["forget"], folder)  # what is due of a forgetting
    assert acts.faults(folder) == []
    return Outcome(answers, acts.state(folder))


@cache
def one_after_another(names: tuple[str, ...], beginning: Path, folder: Path) -> Outcome:
    """Do acts undisturbed; their answers in this order, "-" for an act that is not done."""
    acts.begin_again(beginning, folder)
    answers = []
    for name in names:
        _, process, _ = run_pair(name, NOTHING, folder, stop=10_000)
        answers.append(str(process.answer))
    return look(folder, (answers[0], answers[-1]))


def try_pair(first: str, second: str, beginning: Path, folder: Path, step: int) -> str:
    """Try each STEP-th schedule of a pair; what they looked like. Raises AssertionError."""
    forth = one_after_another((first, second), beginning, folder)
    back = one_after_another((second, first), beginning, folder)
    back = Outcome((back.answers[1], back.answers[0]), back.state)
    allowed = [forth, back]
    if {first, second} == {"digest", "undo"}:
        # An undo puts its window back. A digest that has looked for such windows goes on with the
        # new turns, and the next one stores it.
        between = one_after_another(("undo", NEW_TURNS, "digest"), beginning, folder)
        allowed.append(between)
    alone = {name: one_after_another((name,), beginning, folder).state for name in (first, second)}
    # A refused act has changed nothing, whatever the order.
    refused = [
        Outcome(("StoreError", ""), alone[second]),
        Outcome(("", "StoreError"), alone[first]),
    ]
    seen: Counter[str] = Counter()
    tried = 0
    for stop in count(0, step):
        acts.begin_again(beginning, folder)
        was_paused, paused, other = run_pair(first, second, folder, stop)
        if not was_paused:
            break
        tried += 1
        outcome = look(folder, (str(paused.answer), str(other.answer)))
        if outcome not in (*allowed, *refused) and "digest" in (first, second):
            # A window of which turns were forgotten meanwhile, or facts undone, waits for the next
            # digest.
            run_pair("digest", NOTHING, folder, stop=10_000)
            outcome = look(folder, outcome.answers)
            seen["digested again"] += 1
        if outcome == forth:
            seen["first first"] += 1
        elif outcome == back:
            seen["second first"] += 1
        elif outcome in allowed:
            seen["in between"] += 1
        else:
            lines = [f"{first} stopped at lock {stop}, {second}: {outcome.answers}"]
            lines += [paused.message, other.message]
            lines += ["to first first:", *differences(forth.state, outcome.state)[:6]]
            lines += ["to second first:", *differences(back.state, outcome.state)[:6]]
            assert outcome in refused, "\n".join(lines)
            seen["refused"] += 1
    counts = ", ".join(f"{number} {kind}" for kind, number in sorted(seen.items()))
    return f"{first}, {second}: {tried} schedules: {counts}"


def main(step: int, pairs: Sequence[tuple[str, str]]) -> None:
    acts.prepare_process()
    with TemporaryDirectory() as temporary:
        beginning, folder = Path(temporary) / "beginning", Path(temporary) / "folder"
        folder.mkdir()
        begin(folder)
        shutil.copytree(folder, beginning)
        for first, second in pairs or PAIRS:
            print(try_pair(first, second, beginning, folder, step), flush=True)


if __name__ == "__main__":
    try:
        step, *pairs = sys.argv[1:]
        main(int(step), [(pair.split(",")[0], pair.split(",")[1]) for pair in pairs])
    except AssertionError as error:
        sys.exit(str(error))
