"""A worker: claims work in one memory after the other, and does it in its own threads."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from memory.api import Memory
from memory.digest.windows import Digest
from memory.errors import (
    MemoryFault,
    ModelError,
    PromptTooLong,
    Stop,
    StoreError,
    UnusableAnswer,
)
from memory.models import Model
from memory.models.costs import Cost, Spending, spending
from memory.models.model_errors import seconds_to_wait
from memory.program import MemoryProgram
from memory.records import Task, WaitingWork
from memory.store import Store, open_store
from memory.store.namespaces import existing
from memory.store.waiting.pending_windows import new_claimant
from memory.store.waiting.work import end_task, move_task, spend_on_task, worker_tasks
from memory.system.home import save_receipts
from memory.system.provider_calls import CallsEnded, end_calls
from memory.system.terminal import clean_line, count
from memory.worker import retention
from memory.worker.limits import Backoff, Limits, delay_after, today
from memory.worker.queue import Queue, Sight, queue_of_home

DIGEST, FORGET = "digest", "forget"
# Then others have their turn: a memory of a thousand windows does not make them wait.
_WINDOWS_AT_ONCE = 4
_TICK_S = 0.2  # how soon a signal and the end of a thread are seen
_ERROR_EVERY_S = 60.0  # the same error is reported no sooner


class _SliceEnd(Exception):
    """Ends a digest after the window that it has just stored."""


@dataclass(frozen=True)
class Options:
    """How a worker works.

    Arguments:
        concurrency: memories worked on at a time.
        settle: seconds that turns that do not fill a window wait for others.
        poll: seconds between two looks at what waits, while nothing does.
        grace: seconds that windows under way have to end once the worker is asked to stop.
        once: whether to end when there is nothing to do right now.
    """

    concurrency: int = 4
    settle: float = 600.0
    poll: float = 2.0
    grace: float = 20.0
    once: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class _Job:
    """A claimed task of a memory."""

    name: str
    task: str
    claimant: str
    position: Task
    work: Callable[[Store, "_Job"], str]


_Kind = tuple[str, Callable[[WaitingWork, Task], bool], Callable[[Store, _Job], str]]


class Worker:
    """Digests, tells summaries again, and finishes forgetting.

    Arguments:
        model: None to leave out tasks that call one.
        report: gets a line about what was done to a memory, without anything people said.
        alive: a file that is touched at each look: an old one means a worker that hangs.

    Raises OSError if that file cannot be made.
    """

    def __init__(
        self,
        model: Model | None,
        options: Options,
        report: Callable[[str], None],
        program: MemoryProgram | None = None,
        alive: Path | None = None,
    ) -> None:
        self._model = model
        self._alive = alive
        if alive:
            alive.touch()
        self._program = program
        self._options = options
        self._report = report
        self._queue: Queue = queue_of_home()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._running: dict[threading.Thread, _Job] = {}
        self._backoff = Backoff()
        self._unsettled: dict[str, tuple[int, float]] = {}  # last turn, and since when
        self._spent_since_look = Cost()
        self._reported: dict[str, float] = {}
        self._failure: Stop | None = None
        self._done = 0  # tasks that got somewhere

    def stop(self) -> None:
        """Claim nothing more, and end soon: for a signal's handler."""
        self._stop.set()
        self._wake.set()

    def run(self) -> None:
        """Work until `stop`, or with `once` until nothing is left.

        Raises ModelError for a model that cannot be used, however long one waits; with `once` also
        StoreError, and ModelError when the provider fails.
        """
        sight, looked_at, has_looked = Sight(), -self._options.poll, False
        try:
            while not self._stop.is_set():
                was_woken = self._wake.is_set()
                self._wake.clear()
                started = self._start_due(sight)
                is_old = time.monotonic() - looked_at >= self._options.poll
                has_looked = not started and (was_woken or is_old)
                if has_looked:
                    sight, looked_at = self._look(), time.monotonic()
                    started = self._start_due(sight)
                if started or self._stop.is_set():
                    continue
                if self._options.once and has_looked and not self._running:
                    break
                self._wake.wait(_TICK_S if self._running else self._options.poll)
        finally:
            self._end()
        if self._failure:
            raise self._failure

    def _look(self) -> Sight:
        """What waits now; nothing while the database cannot be reached."""
        try:
            sight = self._queue.look(False, self._stop.is_set)
        except StoreError as error:  # the server may be back soon
            if self._options.once:
                raise
            self._report_error(str(error))
            return Sight()
        if self._alive:
            self._alive.touch()
        for name, error_text in sight.errors.items():
            self._report_error(f"{clean_line(name)}: {error_text}")
        with self._lock:
            self._spent_since_look = Cost()
        return sight

    def _start_due(self, sight: Sight) -> bool:
        """Claim and start what there is room for; whether anything was started."""
        started = False
        for task, is_due, work in self._kinds():
            names = self._due(sight, task, is_due) if self._has_room(task) else []
            while names and self._has_room(task) and not self._stop.is_set():
                if task == DIGEST and not self._may_ask(sight):
                    break
                claimant = new_claimant()
                try:
                    name = self._queue.claim(names, task, claimant, sight)
                except StoreError as error:
                    self._report_error(str(error))
                    break
                if name is None:
                    break
                names.remove(name)
                self._start(_Job(name, task, claimant, sight.task(name, task), work))
                started = True
        return started

    # ---------------------------------------------------------------- what is due

    def _kinds(self) -> list[_Kind]:
        """The kinds of tasks: their names, when they are due, and what does them."""
        kinds: list[_Kind] = [(FORGET, _is_to_forget, self._forget)]
        if self._model is not None:
            kinds.append((DIGEST, self._is_to_digest, self._digest))
        return kinds

    def _due(
        self, sight: Sight, task: str, is_due: Callable[[WaitingWork, Task], bool]
    ) -> list[str]:
        """The memories whose task is due and free, those served the longest ago first."""
        with self._lock:
            busy = {job.name for job in self._running.values() if job.task == task}
        names = [
            name
            for name, work in sight.waiting.items()
            if name not in busy
            and sight.is_free(name, task)
            and (task != DIGEST or self._is_affordable(sight.tasks.get(name, {}).values()))
            and is_due(work, sight.task(name, task))
        ]
        return sorted(names, key=lambda name: (sight.task(name, task).served_at, name))

    def _is_affordable(self, tasks: Iterable[Task]) -> bool:
        """Whether the day's limits allow work on a memory with these tasks."""
        return self._options.limits.allows(tasks, today())

    def _is_to_digest(self, work: WaitingWork, task: Task) -> bool:
        assert self._model is not None
        if work.windows or work.blank_summaries or work.turns >= self._model.limits.window:
            return True
        return work.turns > 0 and self._is_settled(work)

    def _is_settled(self, work: WaitingWork) -> bool:
        """Whether nothing was added for a while: a window that is half full costs a call, too."""
        if self._options.once:
            return True
        last_turn, since = self._unsettled.get(work.name, (0, 0.0))
        if last_turn != work.last_turn:
            self._unsettled[work.name] = (work.last_turn, time.monotonic())
            return self._options.settle <= 0
        return time.monotonic() - since >= self._options.settle

    def _may_ask(self, sight: Sight) -> bool:
        """Whether the provider may be asked now, and the day's limits allow it."""
        if time.monotonic() < self._backoff.until:
            return False
        with self._lock:
            since = self._spent_since_look
        return self._options.limits.allows_in_all(sight.calls_of(today()) + since.calls)

    def _has_room(self, task: str) -> bool:
        """Whether fewer run than may: digests and forgetting, separately."""
        with self._lock:
            running = sum(job.task == task for job in self._running.values())
        return running < self._options.concurrency

    # ---------------------------------------------------------------- doing it

    def _start(self, job: _Job) -> None:
        # Daemons: a model that does not answer does not keep the process alive.
        thread = threading.Thread(target=self._serve, args=(job,), name=job.name, daemon=True)
        with self._lock:
            self._running[thread] = job
        thread.start()

    def _serve(self, job: _Job) -> None:
        """Do a claimed task, and give it back whatever happens."""
        failures, error = job.position.failures + 1, "interrupted"
        try:
            with open_store(existing(job.name)) as store:
                try:
                    line = job.work(store, job)
                    failures, error = 0, ""
                    self._done += 1
                    self._report(f"{clean_line(job.name)}: {line}")
                except ModelError as fault:
                    failures, error = job.position.failures, str(fault)
                    self._note_model_failure(fault)
                except _NoProgress as fault:
                    error = ""  # windows that fail have their own
                    self._report(
                        f"{clean_line(job.name)}: {fault}; again in {delay_after(failures):.0f} s"
                    )
                except MemoryFault as fault:
                    error = str(fault)
                    self._report_error(f"{clean_line(job.name)}: {job.task}: {clean_line(error)}")
                except CallsEnded:
                    failures = job.position.failures
                finally:
                    due_at = time.time() + delay_after(failures) if failures else 0.0
                    end_task(store, job.task, job.claimant, due_at, failures, error)
        except CallsEnded:
            pass
        except MemoryFault as fault:  # deleted meanwhile, or the database is gone: the claim ends
            self._report_error(f"{clean_line(job.name)}: {fault}")
        finally:
            with self._lock:
                del self._running[threading.current_thread()]
            self._wake.set()

    def _digest(self, store: Store, job: _Job) -> str:
        """Digest some windows of a memory, then tell summaries again."""
        assert self._model is not None
        sums = [Digest()]
        paid = [Cost()]
        with spending(self._model) as spent:

            def progress(so_far: Digest) -> None:
                sums[0] = so_far
                self._pay(store, job.task, spent, paid)
                is_enough = so_far.stored + so_far.failed >= _WINDOWS_AT_ONCE
                if is_enough or self._stop.is_set() or not self._may_go_on(store):
                    raise _SliceEnd

            has_ended = False
            try:
                memory = Memory(store, model=self._model, program=self._program)
                sums[0] = memory.digest(progress=progress)
                has_ended = True
            except _SliceEnd:
                pass
            except (PromptTooLong, UnusableAnswer):
                sums[0] += Digest(failed=1)  # it waits with its reason
            finally:
                self._pay(store, job.task, spent, paid)
        done, cost = sums[0], spent.cost
        if cost.calls:
            self._backoff.worked()
        line = (
            f"windows: {done.stored} stored, {done.failed} failed;"
            f" {count(done.facts, 'fact')} changed; {cost}"
        )
        if has_ended and not done.stored and not done.calls:
            # Everything possible was done; anything still waiting would be looked at for ever.
            raise _NoProgress("nothing can be digested now")
        if done.failed and not done.stored:
            raise _NoProgress(line)
        return line

    def _pay(self, store: Store, task: str, spent: Spending, paid: list[Cost]) -> None:
        """Write down the calls since the last time, so that a kill loses only a window's cost."""
        cost = spent.cost
        calls = cost.calls - paid[0].calls
        tokens_in = cost.tokens_in - paid[0].tokens_in
        tokens_out = cost.tokens_out - paid[0].tokens_out
        dollars = (cost.dollars or 0.0) - (paid[0].dollars or 0.0)
        if calls:
            paid[0] = cost
            new = Cost(calls, tokens_in, tokens_out, dollars)
            spend_on_task(store, task, today(), calls, tokens_in + tokens_out)
            with self._lock:
                self._spent_since_look += new

    def _may_go_on(self, store: Store) -> bool:
        return not self._options.limits.calls or self._is_affordable(worker_tasks(store))

    def _forget(self, store: Store, job: _Job) -> str:
        """Forget turns older than the memory's setting allows, and finish interrupted forgetting.

        The receipts are kept next to the memory.
        """
        now = time.time()
        has_jumped = retention.has_jumped(store, job.position, now)
        move_task(store, job.task, job.claimant, retention.day_number(now) if has_jumped else 0)
        receipts = retention.carry_out(store, None if has_jumped else now)
        if not receipts and has_jumped:
            return "no clock was looked at for long: old turns are forgotten from tomorrow on"
        if not receipts:
            return "no turn is older than may be"
        folder = save_receipts(store.location, receipts)
        return f"forgetting finished: {count(len(receipts), 'receipt')} in {folder}"

    # ---------------------------------------------------------------- failures and the end

    def _note_model_failure(self, error: ModelError) -> None:
        """Leave the provider alone for a while, or stop if waiting does not help."""
        wanted = seconds_to_wait(error)
        if wanted is None or self._options.once:
            self._failure = self._failure or error
            self.stop()
            return
        seconds = self._backoff.failed(time.monotonic(), wanted)
        self._report_error(f"{error}; asked again in {seconds:.0f} s")

    def _report_error(self, text: str) -> None:
        now = time.monotonic()
        if now - self._reported.get(text, -_ERROR_EVERY_S) >= _ERROR_EVERY_S:
            self._reported[text] = now
            self._report(text)

    def _end(self) -> None:
        """Wait for what is under way; then end its calls, which gives the windows back."""
        self._stop.set()
        self._wait_for_threads(self._options.grace)
        if self._running:
            end_calls()
            self._wait_for_threads(self._options.grace)

    def _wait_for_threads(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            with self._lock:
                threads = [*self._running]
            if not threads or time.monotonic() >= deadline:
                return
            threads[0].join(min(_TICK_S, max(deadline - time.monotonic(), 0.0)))


def _is_to_forget(work: WaitingWork, task: Task) -> bool:
    """Whether a forgetting was interrupted, or a memory's old turns were not looked for today.

    Opening a memory forgets its expired turns.
    """
    if work.has_expired:
        return True
    if work.forgets or work.retention_days in ("", "null", "0"):
        return work.forgets > 0
    # A clock that was ahead and was set back does not keep it waiting for years.
    return abs(time.time() - task.served_at) >= 86_400


class _NoProgress(Exception):
    """Nothing more can be done for a memory now, though work waits there."""
