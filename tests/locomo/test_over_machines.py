"""Work over three machines of a Ray cluster, of which one is lost: nothing is, and all is equal."""

import json
import os
import re
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from locomo.dataset.format import Conversation, load_conversations
from locomo.evaluation import Evaluation, EvaluationRun
from locomo.harness import Setup, answer_log
from locomo.prompts import job, optimizers
from locomo.retrieval.__main__ import app as retrieval_app
from locomo.systems import MemorySystem, NewestTurns
from memory import InputError, MemoryProgram, Turn, load_model, open_store
from memory.models.costs import Cost
from memory.store.namespaces import path_of
from memory.system.machines import over_machines
from optimize import optimize
from tests.support.commands import run, run_in_process
from tests.support.locomo_records import question, record, turn, write
from tests.support.model_server import DEADLINE_S, ModelServer, serving_model
from tests.support.obedient import houses_to_hold_out

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
THINGS = ("lamp", "kite", "drum", "vase", "harp", "coat", "boot", "flag", "mask", "rope")


@dataclass
class Machines:
    """A cluster of three nodes of two cores on this machine."""

    cluster: Any
    nodes: list[Any]
    client_address: str

    @contextmanager
    def losing_one_when(self, is_time: Callable[[], bool]) -> Iterator[None]:
        """Remove a node as soon as it is time; there are three again afterwards."""
        lost: list[Any] = []

        def lose() -> None:
            deadline = time.monotonic() + DEADLINE_S
            while not is_time() and time.monotonic() < deadline:
                time.sleep(0.01)
            node = self.nodes.pop()
            self.cluster.remove_node(node, allow_graceful=False)
            lost.append(node)

        watcher = threading.Thread(target=lose)
        watcher.start()
        yield
        watcher.join()
        assert lost
        self.nodes.append(self.cluster.add_node(num_cpus=2))
        self.cluster.wait_for_nodes()


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))  # what the workers import
        patch.setenv("no_proxy", "*")
        # Ray reads these when it is imported; without the second, nodes make environments of their
        # own as soon as it is `uv run` that started the tests.
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        ray = pytest.importorskip("ray")
        cluster_utils = pytest.importorskip("ray.cluster_utils")
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        head = {"num_cpus": 2, "include_dashboard": False, "ray_client_server_port": port}
        cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
        nodes = [cluster.add_node(num_cpus=2) for _ in range(2)]
        cluster.wait_for_nodes()
        patch.setenv("RAY_ADDRESS", cluster.address)
        yield Machines(cluster, nodes, f"ray://127.0.0.1:{port}")
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving_model() as server:
        yield server


# --- the generator --------------------------------------------------------------------------------


def noted(item: tuple[Path, int]) -> int:
    folder, number = item
    with (folder / f"{number}.txt").open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(0.3)
    if number == 1_000:
        raise InputError("a thousand is too many")
    return number**2


def gather(pairs: Iterator[tuple[int, int]], results: dict[int, int]) -> None:
    """Take what comes, until an error does."""
    for place, result in pairs:
        results[place] = result


def test_of_forty_items_all_come_when_a_machine_is_lost(machines: Machines, tmp_path: Path) -> None:
    items = [(tmp_path, number) for number in range(40)]
    with machines.losing_one_when(lambda: len([*tmp_path.iterdir()]) > 8):
        results = dict(over_machines(noted, items))
    assert results == {number: number**2 for number in range(40)}
    runs = [len(file.read_text().splitlines()) for file in tmp_path.iterdir()]
    assert len(runs) == 40
    assert sum(runs) - 40 <= 2, "only what the lost node was at runs again"
    assert len({pid for file in tmp_path.iterdir() for pid in file.read_text().split()}) > 2


def test_an_error_begins_no_further_item_and_what_is_under_way_still_comes(
    machines: Machines, tmp_path: Path
) -> None:
    results: dict[int, int] = {}
    with pytest.raises(InputError, match=r"^a thousand is too many$"):
        gather(over_machines(noted, [(tmp_path, n) for n in range(999, 1_060)]), results)
    begun = len([*tmp_path.iterdir()])
    assert len(results) == begun - 1
    assert begun < 20


def test_ctrl_c_is_raised_after_what_is_under_way(machines: Machines, tmp_path: Path) -> None:
    """Pressed once: a second one cancels tasks, and Ray (2.60) may abort if one ends just then."""
    pressed: list[int] = []

    def press_keys() -> None:
        if not pressed and (begun := len([*tmp_path.iterdir()])) > 8:
            pressed.append(begun)
            raise KeyboardInterrupt

    results: dict[int, int] = {}
    items = [(tmp_path, number) for number in range(400)]
    with pytest.raises(KeyboardInterrupt):
        gather(over_machines(noted, items, idle=press_keys), results)
    begun = len([*tmp_path.iterdir()])
    assert 8 < begun < 40
    assert len(results) == begun


# --- digest and import --------------------------------------------------------------------------


def make_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Six namespaces of 96 turns, two windows each."""
    monkeypatch.setenv("MEMORY_HOME", str(home))
    home.mkdir()
    names = [f"house {number}" for number in range(6)]
    for number, name in enumerate(names):
        turns = [
            Turn("Ann", f"I keep the {THINGS[n % 10]} in the room{number}x{n}.") for n in range(96)
        ]
        with open_store(path_of(name)) as store:
            store.add(turns)
    return names


def facts(names: list[str]) -> dict[str, list[tuple[int, str, str, str]]]:
    found = {}
    for name in names:
        with open_store(path_of(name), read_only=True) as store:
            rows = [(f.turn_id, f.subject, f.attribute, f.value) for f in store.facts()]
            assert store.pending() == []
        found[name] = sorted(rows)  # what a lost machine was at is stored last
    return found


def windows_on_disk(names: list[str]) -> set[str]:
    """The windows that are stored, by the place of their first turn."""
    stored = set()
    for number, name in enumerate(names):
        with open_store(path_of(name), read_only=True) as store:
            stored |= {
                f"room{number}x{change.window[0] - 1}."
                for change in store.changes()
                if change.window
            }
    return stored


def test_a_lost_machine_loses_no_fact_and_pays_for_no_window_twice_that_was_on_disk(
    machines: Machines, server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ["--model", "openai/m", "--api-base", server.address]
    names = make_home(tmp_path / "here", monkeypatch)
    run("digest", "--all", *model)
    expected = facts(names)
    assert sum(map(len, expected.values())) == 6 * 96
    server.answered.clear()

    names = make_home(tmp_path / "there", monkeypatch)
    on_disk: set[str] = set()

    def is_time() -> bool:
        if len(server.answered) < 8:
            return False
        on_disk.update(windows_on_disk(names))
        return True

    with machines.losing_one_when(is_time):
        printed = run("digest", "--all", "--over", "ray", *model)
    assert facts(names) == expected
    # The nodes of this process write on its stdout when they are lost.
    lines = [line for line in printed.splitlines() if "facts changed" in line]
    assert len(lines) == 7
    # The sums are those of the memories, with what the lost node had stored.
    assert lines[-1].startswith("6 namespaces, 12 windows stored, 576 facts changed")
    windows = (answered.body.rsplit("[[ ## window ## ]]", 1)[1] for answered in server.answered)
    prompts = Counter(re.findall(r"room\dx\d+\.", window)[0] for window in windows)
    assert len(on_disk) >= 4
    assert {prompts[window] for window in on_disk} == {1}
    assert len(prompts) == 12
    assert sum(prompts.values()) <= 18 + 8, "what the lost node was at is asked again"


# --- evaluation and retrieval --------------------------------------------------------------------


def houses(path: Path) -> list[Conversation]:
    """Three conversations of 32 turns, each with six questions."""
    records = []
    for number in range(3):
        turns = [
            turn(f"D1:{n + 1}", f"I keep the {THINGS[n % 10]} in the room{number}x{n}.")
            for n in range(32)
        ]
        questions = [
            question(
                4,
                question=f"Where does Ann keep the {THINGS[n]}?",
                answer=f"room{number}x{n} on the ground floor",
                evidence=[f"D1:{n + 1}"],
            )
            for n in range(6)
        ]
        date = "9:00 am on 12 June, 2017"
        records.append(
            record(f"house-{number}", questions, session_1=turns, session_1_date_time=date)
        )
    return load_conversations(write(path, *records))


def evaluated(folder: Path, server: ModelServer, over: str, resume: bool = False) -> Evaluation:
    folder.mkdir(exist_ok=True)
    conversations = houses(folder / "data.json")
    setup = Setup(load_model("openai/m", server.address), MemoryProgram(), 2_000)
    return EvaluationRun(
        questions=[(c, asked) for c in conversations for asked in c.questions],
        systems={"newest": NewestTurns(setup), "memory": MemorySystem(setup)},
        embedder="wordllama",
        judging=None,
        memories=folder / "memories",
        log=answer_log(folder / "answers-1.jsonl", resume),
        threads=2,
        console=Console(quiet=True),
        over=over,
    ).run()


def comparable(evaluation: Evaluation) -> list[Any]:
    built = [
        (m.conversation, m.turns, m.facts, m.failed, m.calls, m.tokens) for m in evaluation.built
    ]
    untimed = [
        replace(
            result, seconds=0.0, steps=tuple(replace(step, seconds=0.0) for step in result.steps)
        )
        for result in evaluation.results
    ]
    return [*built, *untimed]


def test_an_evaluation_over_machines_gives_the_same_also_when_one_is_lost(
    machines: Machines, server: ModelServer, tmp_path: Path
) -> None:
    here = evaluated(tmp_path / "here", server, over="")
    calls = len(server.answered)
    server.answered.clear()
    with machines.losing_one_when(lambda: len(server.answered) > 20):
        there = evaluated(tmp_path / "there", server, over="ray")
    assert comparable(there) == comparable(here)
    assert here.costs["asking"] == there.costs["asking"] == Cost(36, 36 * 70, 36 * 30, None)
    assert calls == 36 + 3, "a window for each conversation"
    most = calls + 3 * 8
    assert calls <= len(server.answered) <= most, "what the lost node was at is asked again"
    asked = Counter(answered.body for answered in server.answered)
    server.answered.clear()
    again = evaluated(tmp_path / "there", server, over="ray", resume=True)
    assert comparable(again) == comparable(here)
    assert server.answered == [], f"{len(asked)} were on disk"


def test_a_folder_that_a_machine_does_not_see_is_told_of(
    machines: Machines, server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from locomo import harness

    monkeypatch.setattr(harness._Builder, "begin", lambda builder, conversation: None)
    with pytest.raises(InputError, match="not the same folder"):
        evaluated(tmp_path, server, over="ray")


def test_recall_over_machines_is_the_same(machines: Machines, tmp_path: Path) -> None:
    ranked = []
    for name, options in (("here", []), ("there", ["--over", "ray"])):
        file = tmp_path / f"{name}.json"
        data = ROOT / "data" / "sample.json"
        done = run_in_process(retrieval_app, "--data", data, "--json", file, *options)
        assert done.returncode == 0, done.stderr
        results = json.loads(file.read_bytes())
        ranked.append({id_: result["ranked"] for id_, result in results.items()})
    assert ranked[0] == ranked[1]


# --- compiling ----------------------------------------------------------------------------------


def compiled(folder: Path, server: ModelServer, *options: str) -> dict[str, Any]:
    """What SIMBA makes of the packaged model's prompt, and all that led to it."""
    folder.mkdir()
    app = typer.Typer()
    app.command()(optimize)
    done = run_in_process(
        app,
        *("--data", houses_to_hold_out(folder / "houses"), "--output", folder / "program.json"),
        *("--output-dir", folder / "results", "--num-examples", 4, "--num-validation", 6),
        *("--num-threads", 4, "--budget", 200),
        *("--prompt-model", "openai/m", "--prompt-api-base", server.address),
        *options,
    )
    assert done.returncode == 0, done.stderr
    [run] = (folder / "results").glob("optimize-*")
    program = json.loads((folder / "program.json").read_bytes())
    del program["sql_memory"]["card"]["made_at"]
    report = json.loads((run / "report.json").read_bytes())
    prompts = [json.loads(line) for line in (run / "answer" / "prompts.jsonl").open("rb")]
    return {
        "program": program,
        "verdict": report["verdict"],
        "gains": report["gains"],
        "prompts": sorted(prompts, key=str),
        "asked": sorted(answered.body for answered in server.answered),
    }


def test_a_compile_over_machines_makes_a_program(
    machines: Machines,
    server: ModelServer,
    tmp_path: Path,
    tracking_database: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copy(tracking_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    # A smaller batch of fewer candidates: a call of the packaged model takes half a second.
    monkeypatch.setattr(optimizers, "MOST_IN_BATCH", 4)
    monkeypatch.setattr(job, "LEAST_EXAMPLES", 4)
    monkeypatch.setitem(optimizers.CANDIDATES, "simba", 2)
    # What turns decide by themselves asks no model, so that no prompt would be better.
    there = compiled(tmp_path / "there", server, "--over", "ray")
    assert len(there["prompts"]) > 1, "prompts were tried beside the plain one"
    assert there["asked"], "the prompt model was asked"
    assert there["verdict"] in ("gain", "no gain")
