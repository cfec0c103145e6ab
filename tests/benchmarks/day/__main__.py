"""A day of ten thousand users against `memory serve`, its workers and a model that answers.

python -m tests.benchmarks.day [--users N] [--share S] [--seconds S] [--store local|ADDRESS|FOLDER]
    [--processes N] [--workers N] [--json OUT]

So many memories of 300 turns are made. Of the sittings in which their users come on a day (20
questions and 60 turns in four of them) a share is replayed, spread evenly over so many seconds:
the share of a day's seconds divided by those is the compression. Who adds and asks shares the
machine with all that is measured, so processor seconds hold on a busy machine, the clock does not.
Then come clients that wait for changes, an idle worker, one with a backlog, and what so many more
users take on paper. A process that dies ends the run with its last lines (exit code 2). Ctrl-C ends
all that was started; a table shows what was measured until then.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Annotated
from urllib.request import urlopen

import numpy as np
import psutil
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from locomo.commands import print_table, run_command
from memory import InputError, Memory, open_store
from memory.models import load_model
from memory.server.tokens import Tokens
from memory.store.namespaces import create, existing, exists
from memory.system.files import write_whole
from memory.system.terminal import progress
from tests.benchmarks.crowd import copies, processor_seconds
from tests.benchmarks.day.paper import Assumptions, Line, Measured, limits, on_paper
from tests.benchmarks.day.traffic import (
    DAY_SECONDS,
    SPEAKERS,
    Replay,
    Sitting,
    replay,
    sittings,
    wait_for_changes,
)
from tests.benchmarks.day.watch import (
    DIGEST_WINDOW,
    Waits,
    Watched,
    all_alive,
    database_process,
    waits,
    watching,
)
from tests.benchmarks.scale import chat
from tests.support.server_process import Served, server_process

SETTLE_SECONDS = 600.0  # of `memory serve worker`, in real time; compressed like the day
LONGEST_SECONDS = 300.0  # for a worker to begin, and for it to end a backlog
MODEL = "openai/stand-in"

console = Console()


@dataclass
class Run:
    """What one run has measured so far, as rows of the table: a name, a value, what it is of."""

    rows: list[tuple[str, float, str]] = field(default_factory=list)

    def note(self, name: str, value: float, of: str = "") -> float:
        self.rows.append((name, value, of))
        return value

    def note_use(self, phase: str, watched: Watched, wall: float) -> None:
        for name, use in watched.uses.items():
            self.note(f"{phase}: {name}, CPU s", use.cpu_seconds, f"in {wall:.0f} s")
            self.note(f"{phase}: {name}, MB", use.resident_mb, "the most at a moment")
        if watched.most_connections:
            of = f"of {watched.most_connections} (max_connections)"
            self.note(f"{phase}: connections to Postgres", watched.connections, of)


@dataclass(frozen=True)
class Stage:
    """What runs: the server, its token, the model's address, and where processes log."""

    served: Served
    token: str
    model: str
    model_process: psutil.Process
    database: str
    folder: Path

    @property
    def port(self) -> int:
        return int(self.served.address.rsplit(":", 1)[1])

    @property
    def servers(self) -> psutil.Process:
        return psutil.Process(self.served.process.pid)

    def logs(self, workers: list[psutil.Process]) -> dict[Path, psutil.Process]:
        """All processes by their logs."""
        logs = {self.folder / f"worker{number}.log": each for number, each in enumerate(workers)}
        logs[self.folder / "served.log"] = self.servers
        logs[self.folder / "model.log"] = self.model_process
        return logs

    def groups(self, workers: list[psutil.Process]) -> dict[str, list[psutil.Process]]:
        groups = {"servers": [self.servers], "workers": workers, "model": [self.model_process]}
        if self.database and (process := database_process(self.database)):
            groups["Postgres"] = [process]
        return groups


# --- the parts ------------------------------------------------------------------------------------


def fill(run: Run, model: str, users: int, turns: int, database: str) -> float:
    """Make the memories, digested by the model, unless an earlier run has; the bytes of one."""
    from tests.benchmarks.scale_store import bytes_of

    if exists(f"m{users - 1}"):
        location, before = existing("m0"), 0
    else:
        location = create("m0")
        before = bytes_of(database) if database else 0
        with open_store(location) as store:
            store.add([*islice(chat(0, SPEAKERS), turns)])
            Memory(store, model=MODEL, api_base=model).digest()
            run.note("facts of a memory", len(store.facts()), f"{turns} turns")
        begin = time.perf_counter()
        with progress() as bar:
            task = bar.add_task("memories", total=users - 1)
            for number in copies("m0", users):
                bar.advance(task, number)
        of = f"{users:,} of {turns} turns"
        run.note("to make the memories, s", time.perf_counter() - begin, of)
    size = (bytes_of(database) - before) / users if database else bytes_of(str(location))
    return run.note("disk of a user, kB", size / 1e3, "turns, indexes, facts, journal") * 1e3


@contextmanager
def working(stage: Stage, count: int, *options: str) -> Iterator[list[psutil.Process]]:
    """So many `memory serve worker` at work."""
    line = [
        sys.executable,
        "-m",
        "memory",
        "serve",
        "worker",
        "--model",
        MODEL,
        "--api-base",
        stage.model,
    ]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        with ExitStack() as logs:
            for number in range(count):
                log = logs.enter_context((stage.folder / f"worker{number}.log").open("wb"))
                processes.append(subprocess.Popen([*line, *options], stderr=log))
        yield [psutil.Process(process.pid) for process in processes]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:  # at its first look at thousands of files
                process.kill()
                process.wait()


def counts(stage: Stage) -> dict[str, int]:
    """What the model's server has counted so far."""
    found: dict[str, int] = json.loads(_get(f"{stage.model.removesuffix('/v1')}/counts"))
    return found


def _get(address: str) -> bytes:
    with urlopen(address, timeout=LONGEST_SECONDS) as answer:  # noqa: S310 - of this machine
        body: bytes = answer.read()
    return body


def begin_work(run: Run, stage: Stage, workers: list[psutil.Process], users: int) -> None:
    """Wait until a worker has digested a first window, which lies in the last memory."""
    begin, before = time.perf_counter(), counts(stage).get("digest.calls", 0)
    with open_store(existing(f"m{users - 1}")) as store:
        store.add([*islice(chat(-users % 1_000, SPEAKERS), DIGEST_WINDOW)])
    while counts(stage).get("digest.calls", 0) == before:
        if time.perf_counter() - begin > LONGEST_SECONDS:
            raise InputError(f"no window was digested in {LONGEST_SECONDS:.0f} s; see the logs")
        time.sleep(0.1)
    run.note("workers: from their start to a first window, s", time.perf_counter() - begin)
    run.note("workers: CPU s until then", sum(map(processor_seconds, workers)))


def warm(stage: Stage, users: int, processes: int) -> None:
    """Have each process of the server load what the first question to a model needs."""
    plan = [Sitting(users - 1, turns=1, questions=1, seed=number) for number in range(processes)]
    seen = Replay()
    for _ in range(2):  # by chance one process answers more than one of them
        asyncio.run(
            replay(
                plan,
                stage.port,
                stage.token,
                seconds=0,
                clients=processes,
                seen=seen,
                advance=lambda: None,
            )
        )
    if set(seen.statuses) != {200}:
        raise InputError(f"the server answered {dict(seen.statuses)}: {[*seen.refusals]}")


def day(
    run: Run,
    stage: Stage,
    workers: list[psutil.Process],
    *,
    plan: list[Sitting],
    seconds: float,
    clients: int,
    settle: float,
) -> tuple[Replay, Watched, dict[str, int], Waits]:
    """Replay these sittings, and wait until what they said is digested."""
    seen, before, begin = Replay(), counts(stage), time.perf_counter()
    with watching(stage.groups(workers), stage.database) as watched, progress() as bar:
        task = bar.add_task("sittings", total=len(plan))
        asyncio.run(
            replay(
                plan,
                stage.port,
                stage.token,
                seconds=seconds,
                clients=clients,
                seen=seen,
                advance=partial(bar.advance, task),
            )
        )
        replayed = time.perf_counter() - begin
        task = bar.add_task("what waits for a digest", total=sum(map(len, seen.stored.values())))
        deadline = time.monotonic() + settle + LONGEST_SECONDS
        while True:
            waited = waits(seen.stored, settle, time.time())
            bar.update(task, completed=len(waited.turns) - waited.left)
            if not waited.left or time.monotonic() > deadline:
                break
            time.sleep(2.0)
    asked = {name: n - before.get(name, 0) for name, n in counts(stage).items()}
    wall = time.perf_counter() - begin
    run.note("day: seconds of the replay", replayed, f"planned: {seconds:.0f}")
    run.note("day: seconds until all was digested", wall)
    for status, number in sorted(seen.statuses.items()):
        run.note(f"day: answers with status {status}", number, "0: none came" if not status else "")
    for (status, text), number in seen.refusals.most_common(20):
        run.note(f"day: of them {status} with one text", number, text)
    run.note("day: latest begin of a sitting, s", max(seen.late), "behind its time")
    for kind, times in seen.milliseconds.items():
        for share in (50, 95, 99):
            run.note(
                f"day: {kind}, p{share} ms", float(np.percentile(times, share)), f"{len(times):,}"
            )
    run.note_use("day", watched, wall)
    for share in (50, 95, 100):
        of = f"{len(waited.windows):,} windows, due for so long"
        run.note(
            f"day: age of a waiting window, p{share} s", _percentile(waited.windows, share), of
        )
    of = f"settled after {settle:.0f} s ({SETTLE_SECONDS:.0f} s compressed)"
    run.note("day: from a turn to its facts, p95 s", _percentile(waited.turns, 95), of)
    run.note("day: turns not digested at the end", waited.left)
    return seen, watched, asked, waited


def _percentile(values: list[float], share: float) -> float:
    return float(np.percentile(values, share)) if values else 0.0


def idle(
    run: Run, stage: Stage, workers: list[psutil.Process], *, clients: int, seconds: float
) -> Watched:
    """Clients that wait for changes, and workers without work."""
    memories = [f"m{number}" for number in range(clients)]
    with ExitStack() as stack:
        watched: list[Watched] = []

        def begun() -> None:
            watched.append(stack.enter_context(watching(stage.groups(workers), stage.database)))

        begin = time.perf_counter()
        waiting = wait_for_changes(stage.port, stage.token, memories, seconds, begun)
        answered = asyncio.run(waiting)
    run.note("idle: clients that waited for changes", answered, f"of {clients}, {seconds:.0f} s")
    run.note_use("idle", watched[0], time.perf_counter() - begin)
    return watched[0]


def backlog(
    run: Run, stage: Stage, workers: list[psutil.Process], *, memories: int, windows: int
) -> float:
    """Workers that find so many windows waiting; processor ms of a window."""
    stored: dict[str, dict[int, float]] = {}
    with progress() as bar:
        task = bar.add_task("windows of a backlog", total=memories * windows)
        begin, left = time.perf_counter(), memories * windows * DIGEST_WINDOW
        with watching(stage.groups(workers), stage.database) as watched:
            for number in range(memories):
                with open_store(existing(f"m{number}")) as store:
                    ids = store.add([*islice(chat(number, SPEAKERS), windows * DIGEST_WINDOW)])
                stored[f"m{number}"] = dict.fromkeys(ids, time.time())
            while left and time.perf_counter() - begin < LONGEST_SECONDS:
                time.sleep(1.0)
                left = waits(stored, 0.0, time.time()).left
                bar.update(task, completed=memories * windows - left // DIGEST_WINDOW)
        wall = time.perf_counter() - begin
    done = memories * windows - left // DIGEST_WINDOW
    run.note_use("backlog", watched, wall)
    run.note("backlog: windows", done, f"of {memories * windows}, {len(workers)} workers")
    run.note("backlog: windows a second", done / wall, "by the clock")
    cpu_seconds = watched.uses["workers"].cpu_seconds
    return run.note("backlog: worker CPU, ms a window", cpu_seconds / max(done, 1) * 1_000)


# --- all of it ------------------------------------------------------------------------------------


def measure(
    users: Annotated[int, typer.Option(min=2)] = 10_000,
    turns: Annotated[int, typer.Option(min=24, help="Of each memory before the day.")] = 300,
    turns_a_day: Annotated[int, typer.Option(min=1)] = 60,
    questions: Annotated[int, typer.Option(min=0, help="Of each user in a day.")] = 20,
    share: Annotated[float, typer.Option(min=1e-6, max=1, help="Of the day's sittings.")] = 0.01,
    seconds: Annotated[float, typer.Option(min=1, help="That the share is replayed in.")] = 200,
    clients: Annotated[int, typer.Option(min=1, max=200, help="Sittings at a time.")] = 64,
    store: Annotated[
        str, typer.Option(help="A database or folder, kept for the next run; or local: Postgres.")
    ] = "",
    processes: Annotated[int, typer.Option(min=1, help="Of the server.")] = 1,
    workers: Annotated[int, typer.Option(min=1)] = 1,
    concurrency: Annotated[int, typer.Option(min=1, help="Of each worker.")] = 8,
    model_seconds: Annotated[float, typer.Option(min=0, help="That the model takes.")] = 0.0,
    waiting: Annotated[int, typer.Option(min=1, max=200, help="Clients for changes.")] = 200,
    idle_seconds: Annotated[float, typer.Option(min=1, max=60)] = 30,
    backlog_memories: Annotated[int, typer.Option(min=1)] = 50,
    price_of: Annotated[str, typer.Option(help="Whose list price counts.")] = "openai/gpt-4.1-mini",
    paper_users: Annotated[int, typer.Option(min=1)] = 1_000_000,
    paper_model_seconds: Annotated[float, typer.Option(min=0, help="Of a real model.")] = 2.0,
    peak: Annotated[float, typer.Option(min=1, help="Busiest hour / average.")] = 3.0,
    busy: Annotated[float, typer.Option(min=0.1, max=1, help="Of a core at the peak.")] = 0.6,
    to: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Measure a share of a day, and compute what more users take."""
    run, begin = Run(), time.perf_counter()
    compression = share * DAY_SECONDS / seconds
    settle = SETTLE_SECONDS / compression
    plan = sittings(users, turns_a_day, questions, share)
    console.print(
        f"{users:,} users, {len(plan):,} sittings ({share:.2%} of a day) in {seconds:.0f} s:"
        f" compressed {compression:.1f} times; {store or 'SQLite'}, {processes} processes of the"
        f" server, {workers} workers of {concurrency} memories at a time"
    )
    lines: list[Line] = []
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="day-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(lambda: _report(run, lines, to))
        database = _home(store, folder)
        os.environ |= {"OPENAI_API_KEY": "none", "XDG_DATA_HOME": str(folder / "data")}
        answering = stack.enter_context(
            server_process(folder / "model.log", "tests.benchmarks.day.model", str(model_seconds))
        )
        disk = fill(run, answering.line, users, turns, database)
        stage = _stage(stack, run, answering, database, folder=folder, processes=processes)
        options = ["--concurrency", str(concurrency), "--settle", str(settle)]
        with working(stage, workers, *options) as at_work, all_alive(stage.logs(at_work)):
            begin_work(run, stage, at_work, users)
            warm(stage, users, processes)
            seen, watched, asked, _ = day(
                run,
                stage,
                at_work,
                plan=plan,
                seconds=seconds,
                clients=clients,
                settle=settle,
            )
            window_cpu = backlog(
                run, stage, at_work, memories=min(backlog_memories, users), windows=2
            )
            rested = idle(run, stage, at_work, clients=min(waiting, users), seconds=idle_seconds)
        price = load_model(price_of).price or (0.0, 0.0)
        assumed = Assumptions(
            users=paper_users,
            turns=turns_a_day,
            questions=questions,
            peak=peak,
            busy=busy,
            model_seconds=paper_model_seconds,
            read_price=price[0] * 1e6,
            written_price=price[1] * 1e6,
            price_source=f"{price_of}, list of litellm {version('litellm')}",
        )
        measured = _measured(
            seen,
            watched,
            asked,
            window_cpu_ms=window_cpu,
            disk_bytes_a_turn=disk / turns,
            look_cpu_ms=rested.uses["workers"].cpu_seconds / idle_seconds / workers / users * 1e3,
        )
        run.note("the whole run, s", time.perf_counter() - begin)
        lines += [*on_paper(measured, assumed), *limits(measured, assumed)]


def _home(store: str, folder: Path) -> str:
    """Set MEMORY_HOME to a folder or a database; gives the database's address."""
    if store != "local" and "://" not in store:
        os.environ["MEMORY_HOME"] = str(Path(store).absolute() if store else folder / "home")
        return ""
    from tests.benchmarks.scale_store import database_of

    os.environ["MEMORY_HOME"] = database = database_of(store)
    return database


def _stage(
    stack: ExitStack,
    run: Run,
    answering: Served,
    database: str,
    *,
    folder: Path,
    processes: int,
) -> Stage:
    """The server, once it answers."""
    token = Tokens().create(f"day {time.time()}", ["*"], ["read", "write"])
    options = ["--port", "0", "--requests-a-second", "100000", "--workers", str(processes)]
    options += ["--model", MODEL, "--api-base", answering.line]
    begin = time.perf_counter()
    served = stack.enter_context(server_process(folder / "served.log", "memory", "serve", *options))
    _get(f"{served.address}/health/ready")
    run.note("server: from its start to ready, s", time.perf_counter() - begin)
    process = psutil.Process(served.process.pid)
    run.note("server: CPU s until ready", processor_seconds(process))
    return Stage(
        served,
        token,
        answering.line,
        psutil.Process(answering.process.pid),
        database,
        folder,
    )


def _measured(
    seen: Replay,
    watched: Watched,
    asked: dict[str, int],
    *,
    window_cpu_ms: float,
    disk_bytes_a_turn: float,
    look_cpu_ms: float,
) -> Measured:
    """What the paper needs, for one request, window, question or turn each."""
    requests, windows = max(seen.requests, 1), max(asked.get("digest.calls", 0), 1)
    asked_questions = max(len(seen.milliseconds["question"]), 1)
    of_questions = {
        name: asked.get(f"query.{name}", 0) + asked.get(f"answer.{name}", 0)
        for name in ("calls", "read", "written")
    }
    database = watched.uses.get("Postgres")
    return Measured(
        request_cpu_ms=watched.uses["servers"].cpu_seconds / requests * 1_000,
        database_cpu_ms=database.cpu_seconds / requests * 1_000 if database else 0.0,
        window_cpu_ms=window_cpu_ms,
        windows_a_turn=windows / max(len(seen.milliseconds["turn"]), 1),
        disk_bytes_a_turn=disk_bytes_a_turn,
        window_read=asked.get("digest.read", 0) / windows,
        window_written=asked.get("digest.written", 0) / windows,
        question_calls=of_questions["calls"] / asked_questions,
        question_read=of_questions["read"] / asked_questions,
        question_written=of_questions["written"] / asked_questions,
        look_cpu_ms=look_cpu_ms,
    )


def _report(run: Run, lines: list[Line], to: Path | None) -> None:
    """Print what there is, also of a run that was interrupted."""
    measured = Table("measured", "", "of", box=SIMPLE)
    for name, value, of in run.rows:
        measured.add_row(name, _shown(value), of)
    print_table(console, measured)
    if lines:
        table = Table("on paper", "", "", "how", box=SIMPLE)
        for line in lines:
            table.add_row(line.name, _shown(line.value), line.kind, line.how)
        print_table(console, table)
    if to:
        figures = {
            "measured": [dict(zip(("name", "value", "of"), row, strict=True)) for row in run.rows],
            "on paper": [vars(line) for line in lines],
        }
        write_whole(to, f"{json.dumps(figures, indent=1)}\n".encode())


def _shown(value: float) -> str:
    """A number with about three digits."""
    if value == round(value) or abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:,.{max(0, 2 - int(np.floor(np.log10(abs(value)))))}f}"


if __name__ == "__main__":
    # A SIGTERM ends what was started, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app = typer.Typer()
    app.command()(measure)
    run_command(app)
