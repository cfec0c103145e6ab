"""A compile that is killed at random moments and resumed: what is paid twice, what is lost.

A server on localhost keeps count of what it answered, for the same compile once uninterrupted and
once in many sessions. A call whose answer was on its way at a kill is in no file and asked again:
at most one a thread. Everything else is to be asked once, filed once, and found again.
"""

import json
import os
import random
import runpy
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from locomo.choices import Optimizer
from locomo.prompts.scoreboard import Scoreboard, advantage, best
from locomo.tasks.rewards import metric
from tests.support.locomo_records import write
from tests.support.model_server import DEADLINE_S, Answered, ModelServer, serving_model
from tests.support.obedient import house

OPTIMIZE = Path(__file__).parents[2] / "optimize.py"
QUESTIONS, VALIDATION, THREADS = 16, 12, 4
OUTPUT = "optimized_memory_qa.json"
# What a compile imports on its way, all but what starts threads.
IMPORTS = """optimize litellm mlflow mlflow.store.tracking.sqlalchemy_store mlflow.utils.name_utils
alembic.command git nltk scipy.stats matplotlib.pyplot safetensors.numpy"""
PAUSE_S = 0.1  # at most, between an answer and the kill
REPLAY_S = 1.5  # at most, between the start of a session and the kill while it replays


@dataclass(frozen=True)
class Left:
    """What is on disk after a session: answers as (id, key of the ledger), and the scoreboard."""

    answers: Sequence[tuple[str, str]]
    board: Scoreboard

    @property
    def best(self) -> tuple[str, float]:
        """The best prompt and its advantage; the plain prompt is filed first."""
        plain = next(iter(self.board.prompts), "")
        found = best(self.board, plain)
        return found, advantage(self.board, found, plain)


@dataclass(frozen=True)
class Session:
    """A session that was killed after so many answers of all sessions; the last was not.

    Of this one alone are: `on_disk` and `under_way`, answers that reached the disk and that did
    not; `repeated`, on disk when it began and paid again; `twins`, asked by two threads at once;
    `lost`, prompts and runs of the scoreboard that were there when it began and are gone, runs
    without their prompt, and the best prompt when the same runs do not give it again.
    """

    when: str
    answers: int
    on_disk: int
    under_way: int
    repeated: int
    twins: int
    prompts: int
    runs: int
    lost: int
    best: str
    advantage: float


@dataclass(frozen=True)
class Found:
    """What a trial found. `different`: calls that only one of both compiles made, or more often.

    `same`: whether what they came to is the same.
    """

    uninterrupted: int
    in_sessions: int
    rows: Sequence[Session]
    different: int
    same: dict[str, bool]

    @property
    def defects(self) -> list[str]:
        *killed, last = self.rows
        found = {
            "paid calls repeated": sum(row.repeated for row in self.rows),
            "more answers under way than threads": sum(k.under_way > THREADS for k in killed),
            "answers of the last session in no file": last.under_way,
            "prompts, runs or bests lost": sum(row.lost for row in self.rows),
            "different calls": self.different,
            **{f"another {what}": not same for what, same in self.same.items()},
        }
        return [f"{what}: {number:d}" for what, number in found.items() if number]


# --- sessions -----------------------------------------------------------------------------------


def optimize(folder: Path, flags: Sequence[str]) -> None:
    """The command in this process, which is to be a new one."""
    os.chdir(folder)
    os.environ |= {"NO_PROXY": "*", "MLFLOW_TRACKING_URI": f"sqlite:///{folder.parent}/mlflow.db"}
    for name, number in (("stdout", 1), ("stderr", 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = [str(OPTIMIZE), *flags]
    runpy.run_path(str(OPTIMIZE), run_name="__main__")


def command(server: ModelServer, optimizer: Optimizer, rounds: int) -> list[str]:
    """The flags of a compile on the houses."""
    numbers = {"num-examples": QUESTIONS, "num-validation": VALIDATION, "num-threads": THREADS}
    flags = {"model": "openai/obedient", "api-base": server.address, "data": "houses.json"}
    flags |= {"optimizer": optimizer, "rounds": str(rounds)}
    flags |= {name: str(number) for name, number in numbers.items()}
    return ["--yes", *(f"--{name}={value}" for name, value in flags.items())]


@contextmanager
def running(root: Path, flags: Sequence[str], method: str) -> Iterator[Any]:
    """The command at work in its folder, in a process that is started by this method.

    `spawn` makes a fresh one; `forkserver` one that has imported everything already, and has the
    same hashes of strings as the one before.
    """
    root.mkdir(exist_ok=True)
    if not (root / "houses.json").exists():
        write(root / "houses.json", *(house(f"house-{n}", n) for n in range(8)))
    context: Any = get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload([*IMPORTS.split(), __name__])
    process = context.Process(target=optimize, args=(root, flags))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def wait(process: Any, until: Callable[[], bool]) -> None:
    """Wait for something while a session is at work. Raises TimeoutError when it never comes."""
    end = time.monotonic() + DEADLINE_S
    while not until():
        if time.monotonic() > end or not process.is_alive():
            raise TimeoutError(f"the session ended with {process.exitcode}, or waits for ever")
        time.sleep(0.002)


def finish(root: Path, flags: Sequence[str], method: str) -> None:
    """A session to its end."""
    with running(root, flags, method) as process:
        process.join()
        assert process.exitcode == 0, (root / "stderr").read_text()


def kill(
    root: Path,
    flags: Sequence[str],
    method: str,
    server: ModelServer,
    answers: int,
    chance: random.Random,
) -> None:
    """A session that is killed soon after so many answers, or after its start if there are more."""
    replays = len(server.answered) >= answers
    goal = server.probes + 2, answers
    with running(root, flags, method) as process:
        wait(process, lambda: server.came_to(*goal))
        time.sleep(chance.uniform(0, REPLAY_S if replays else PAUSE_S))
        assert process.is_alive()
    server.settle()


def left(root: Path) -> Left:
    """Read what is on disk, as a resumed session does; the files are not touched."""
    folder = next(root.glob("results/optimize-*"), root / "none")
    file = folder / "calls.jsonl"
    lines = file.read_bytes().split(b"\n")[:-1] if file.exists() else []  # without a torn one
    calls = [json.loads(line) for line in lines]
    answers = [(call["record"]["responses"][0]["id"], call["key"]) for call in calls]
    with tempfile.TemporaryDirectory() as spare:
        if (folder / "answer").exists():
            shutil.copytree(folder / "answer", spare, dirs_exist_ok=True)
        board = Scoreboard(metric, {}, Path(spare), True, lambda: 0)
        board.close()
    return Left(answers, board)


# --- the trial ----------------------------------------------------------------------------------


def killing_moments(answered: Sequence[Answered], kills: int, chance: random.Random) -> list[int]:
    """After how many answers to kill: once while memories are built, then all over the rest.

    Every third number is the one before again: that session is killed while it replays.
    """
    built = sum(one.kind == "store" for one in answered)
    rest, found = len(answered) - built, [chance.randint(1, built)]
    strata = [n for n in range(1, kills) if n % 3 != 2]
    for index, _ in enumerate(strata):
        first, last = (rest * n // len(strata) for n in (index, index + 1))
        found.append(built + chance.randint(first + 1, last))
    return [found[n - (n + 1) // 3] for n in range(kills)]


def compared(before: Left, after: Left, when: str, answers: int, own: int) -> Session:
    """What a session that was given `own` answers did to what was on disk before.

    More runs may rightly lower the advantage of a prompt that was lucky, so the best is compared
    on those runs alone that were there before.
    """
    assert after.answers[: len(before.answers)] == before.answers
    known = {key for _, key in before.answers}
    new = [key for _, key in after.answers[len(before.answers) :]]
    old, now = before.board, after.board
    kept = copy(now)
    kept.runs = {which: run for which, run in now.runs.items() if which in old.runs}
    kept.prompts = {key: prompt for key, prompt in now.prompts.items() if key in old.prompts}
    lost = len(old.prompts.keys() - now.prompts.keys()) + len(old.runs.items() - now.runs.items())
    lost += len({run.candidate for run in now.runs.values()} - now.prompts.keys())
    lost += Left(after.answers, kept).best != before.best
    repeated, twins = sum(key in known for key in new), len(new) - len(set(new))
    counts = (len(new), own - len(new), repeated, twins, len(now.prompts), len(now.runs), lost)
    return Session(when, answers, *counts, *after.best)


def phase(root: Path, plain: Sequence[Answered], on_disk: int, own: int) -> str:
    """What a killed session was doing, told from how far it had come."""
    if not own:
        return "replaying"
    if on_disk < sum(one.kind == "store" for one in plain):
        return "storing"
    if not list(root.glob("results/*/answer/runs.jsonl")):
        return "measuring"
    return "measuring again" if on_disk >= len(plain) - VALIDATION else "compiling"


def paid(answered: Sequence[Answered], disk: Left) -> Counter[str]:
    """How often each request was needed: once for each key of the ledger."""
    bodies = {one.id: one.body for one in answered}
    first = {key: id_ for id_, key in reversed(disk.answers)}
    return Counter(bodies[id_] for id_ in first.values())


def results(root: Path) -> dict[str, Any]:
    """What a compile came to, without times and calls."""
    (report,) = root.glob("results/optimize-*/report.json")
    said = json.loads(report.read_bytes())
    program = json.loads((root / OUTPUT).read_bytes())
    del program["sql_memory"]["card"]["made_at"]
    tried = sorted((one["prompts"], one["score"], one["examples"]) for one in said["tried"])
    return {"program": program, "verdict": said["verdict"], "gains": said["gains"], "tried": tried}


def trial(
    root: Path, optimizer: Optimizer, kills: int, seed: int, method: str, rounds: int
) -> Found:
    """Compile once uninterrupted and once killed so often; compare all that was paid and found."""
    chance, rows = random.Random(seed), list[Session]()
    once, often = root / "once", root / "often"
    with serving_model() as server:
        flags = command(server, optimizer, rounds)
        finish(once, flags, method)
        plain = server.answered[:]
        before = left(often)
        moments = killing_moments(plain, kills, chance)
        for number in range(kills + 1):
            start, resumed = len(server.answered), [*flags, *["--resume"] * (number > 0)]
            if number < kills:
                kill(often, resumed, method, server, len(plain) + moments[number], chance)
            else:
                finish(often, resumed, method)
            after, own = left(often), len(server.answered) - start
            when = phase(often, plain, len(after.answers), own) if number < kills else "to the end"
            rows.append(compared(before, after, when, len(server.answered) - len(plain), own))
            before = after
        assert server.unexpected == []
    needed, made = paid(plain, left(once)), paid(server.answered, before)
    different = (needed - made) + (made - needed)
    first, second = results(once), results(often)
    same = {what: first[what] == second[what] for what in first}
    return Found(len(plain), rows[-1].answers, rows, different.total(), same)
