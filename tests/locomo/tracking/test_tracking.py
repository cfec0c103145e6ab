"""A compile on record: one run with what was gained, its candidates nested in it."""

import csv
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from locomo.harness import Result
from locomo.results.report import score_lines, system_differences
from locomo.results.traces import ModelCall, RowsRead, Trace
from locomo.tasks.gains import Gain
from locomo.tracking import runs as tracking
from locomo.tracking.compiles import TriedPrompt, log_compile
from locomo.tracking.overview import log_overview
from locomo.tracking.runs import code_commit
from locomo.tracking.spans import log_traces
from memory import InputError
from memory.errors import ModelError
from memory.models.costs import Step

if TYPE_CHECKING:
    from mlflow.entities import Run

FOUND = [
    Gain("answer", "1 multi-hop", 4, before=0.25, after=0.5, low=-0.125, high=0.75),
    Gain("reward", "all", 9, before=0.5, after=0.75, low=0.125, high=0.5),
]


# MLflow takes ten seconds of computing before it has recorded the first run.
pytestmark = pytest.mark.slow


def runs(experiment: str) -> "tuple[list[Run], list[Run]]":
    """Top-level runs, and those that are nested in the first of them, oldest first."""
    import mlflow

    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    every = list(client.search_runs([found.experiment_id], order_by=["start_time ASC"]))
    top = [run for run in every if "mlflow.parentRunId" not in run.data.tags]
    inside = {"mlflow.parentRunId": top[0].info.run_id}
    return top, [run for run in every if inside.items() <= run.data.tags.items()]


def text(run: "Run", name: str) -> str:
    import mlflow

    return str(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{name}"))


def is_run_active() -> bool:
    from mlflow.tracking.fluent import active_run

    return active_run() is not None


def tried_prompt(
    name: str, score: float, *, examples: int = 1, calls: int = 1, prompts: str = ""
) -> TriedPrompt:
    return TriedPrompt(name, score, examples, calls, prompts, reward=score, best=score)


def test_a_compile_is_one_run_with_its_candidates_nested_in_it(place: Path) -> None:
    diff = place / "prompts.diff"
    diff.write_text("+Answer in two words.\n", "utf-8")
    tried = [
        tried_prompt("first", 0.25, examples=3, calls=12, prompts="Antworte kurz, bitte schön.\n"),
        tried_prompt("second", 0.5, examples=6, calls=40, prompts="half a pair: \ud83d"),
    ]
    cost = {"calls": 52, "usd (gpt-4o)": 0.125}
    params = {"optimizer": "gepa", "seed": 0}
    with tracking.mlflow_run("compile", params, "gepa of store") as run:
        log_compile(run, target="store", candidates=tried, gains=FOUND, cost=cost, files=[diff])
        tracking.rename_run(run, "gepa of store: gain")

    import mlflow

    (parent,), nested = runs("compile")
    assert parent.info.run_name == "gepa of store: gain"
    assert parent.data.params == {"optimizer": "gepa", "seed": "0"}
    assert parent.data.tags["commit"] == code_commit()
    assert parent.data.metrics == {
        "difference/reward all": 0.25,
        "difference/reward all low": 0.125,
        "difference/reward all high": 0.5,
        "difference/reward all before": 0.5,
        "difference/reward all after": 0.75,
        "difference by category/answer 1 multi-hop": 0.25,
        "cost/calls": 52,
        "cost/usd _gpt-4o_": 0.125,
        "training/reward": 0.5,
        "training/best_reward": 0.5,
    }
    assert parent.data.tags["verdict"] == "not measured"
    [multi_hop, reward] = csv.DictReader(text(parent, "gains.csv").splitlines())
    assert (multi_hop["questions"], multi_hop["low"]) == ("4", "-0.125")
    assert (reward["component"], reward["questions"]) == ("reward", "9")
    curve = mlflow.MlflowClient().get_metric_history(parent.info.run_id, "training/reward")
    assert [(point.step, point.value) for point in curve] == [(12, 0.25), (40, 0.5)]
    assert text(parent, "prompts.diff") == "+Answer in two words.\n"
    shown = {run.info.run_name: run for run in nested}
    assert shown.keys() == {"first", "second"}
    assert shown["first"].data.metrics == {"score": 0.25, "examples": 3, "calls": 12}
    assert text(shown["first"], "prompts.txt") == tried[0].prompts
    assert text(shown["second"], "prompts.txt") == "half a pair: ?"
    assert {run.info.status for run in (parent, *nested)} == {"FINISHED"}
    assert not is_run_active()


def test_a_store_that_fails_is_named_and_the_run_has_failed(place: Path) -> None:
    absent = [place / "not there"]
    with (
        pytest.raises(InputError, match="set MLFLOW_TRACKING_URI"),
        tracking.mlflow_run("broken", {}, "a run") as run,
    ):
        log_compile(run, target="all", candidates=[], gains=FOUND, cost={}, files=absent)
    (parent,), _ = runs("broken")
    assert parent.info.status == "FAILED"
    assert not is_run_active()


def test_no_error_tells_the_password_of_a_store() -> None:
    import mlflow

    here, address = mlflow.get_tracking_uri(), "http://ann:secret@127.0.0.1:1"
    mlflow.set_tracking_uri(address)
    try:
        with pytest.raises(InputError) as caught, tracking.mlflow_errors(mlflow):
            raise mlflow.exceptions.MlflowException(f"API request to {address}/api failed")
    finally:
        mlflow.set_tracking_uri(here)
    assert str(caught.value).startswith("MLflow cannot use http://127.0.0.1:1; set")
    assert "secret" not in str(caught.value)


def test_a_server_that_hangs_is_waited_for_a_minute_at_most() -> None:
    environment = {name: text for name, text in os.environ.items() if "HTTP_REQUEST" not in name}
    code = """
import locomo.tracking.runs
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES as retries
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_TIMEOUT as seconds
print(seconds.get() * (1 + retries.get()))
"""
    printed = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert int(printed.stdout) <= 60


def test_a_trace_has_spans_of_its_steps_the_gold_answer_and_the_scores() -> None:
    steps = (
        Step("select", calls=1, seconds=0.2),
        Step("search", seconds=0.1),
        Step("answer", calls=1, seconds=0.5),
    )
    result = Result(
        *("memory", "chat", 0, 4, "Where?", "Lyon", "Paris", 0.25, 1.0, 1.0),
        steps=steps,
        cited=("D1:1",),
        verdicts={"lenient (openai/judge@2)": True, "strict (openai/judge@2)": None},
    )
    calls = tuple(
        ModelCall((("user", text),), (text,), seconds=0.1) for text in ("SELECT 1", "Paris")
    )
    refusals = ("Refused:\nSELECT nothing",)
    trace = Trace(result, (RowsRead("SELECT 1", ("n",), (("1",),)),), refusals, calls)
    with tracking.mlflow_run("steps", {}, "a run") as mlflow:
        log_traces(mlflow, [trace])
    experiment = mlflow.get_experiment_by_name("steps")
    [logged] = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
    names = {span.span_id: span.name for span in logged.data.spans}
    shape = [(span.name, names.get(span.parent_id)) for span in logged.data.spans]
    assert sorted(shape, key=str) == [
        ("SELECT", "retrieve"),
        ("answer", "memory: Where?"),
        ("call 1", "answer"),
        ("call 1", "retrieve"),
        ("memory: Where?", None),
        ("retrieve", "memory: Where?"),
    ]
    spans = {span.name: span for span in logged.data.spans}
    seconds = {
        name: (spans[name].end_time_ns - spans[name].start_time_ns) / 1e9
        for name in ("retrieve", "answer")
    }
    assert seconds == pytest.approx({"retrieve": 0.3, "answer": 0.5})
    assert spans["answer"].outputs == {"answer": "Paris"}
    assert spans["memory: Where?"].outputs == {"answer": "Paris", "cited": ["D1:1"]}
    assert spans["retrieve"].outputs["refusals"] == [*refusals]
    assessed = {(one.name, one.value) for one in logged.info.assessments}
    assert assessed == {
        *{("answer", "Lyon"), ("score", 0.25), ("evidence recall", 1.0)},
        *{("failure", "not answered"), ("lenient (openai/judge@2)", 1.0)},
        ("strict (openai/judge@2)", 0.0),  # could not be read, which counts as wrong
    }


def test_a_trace_holds_no_secret_that_a_question_or_a_model_says() -> None:
    key = "ghp_" + "x7Kq2mV9tRz4Lw8PbY3nHcJd6FsGa5Ue1oTi"
    private = "<private>the safe is behind the clock</private>"
    said = f"My token is {key}. {private}"
    steps = (Step("select", calls=1), Step("search"), Step("answer", calls=1))
    result = Result(*("memory", "chat", 0, 4, said, said, said, 0.25, 1.0, 1.0), steps=steps)
    calls = tuple(ModelCall((("user", said),), (said,), seconds=0.1) for _ in range(2))
    rows = (RowsRead(f"SELECT '{key}'", ("n",), ((said,),)),)
    with tracking.mlflow_run("secrets", {}, "a run") as mlflow:
        log_traces(mlflow, [Trace(result, rows, (said,), calls)])
    experiment = mlflow.get_experiment_by_name("secrets")
    [logged] = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
    text = repr(logged.to_dict()) + repr(logged.info.assessments)
    assert "[withheld]" in text
    assert key not in text
    assert "behind the clock" not in text


def test_the_answers_are_a_table_of_the_run_that_verdicts_replace() -> None:
    import mlflow

    asked = Result("memory", "chat", 0, 4, "Where?", "Lyon", "Lyon \ud83d", 0.5, 1.0, 0.1)
    unusable = replace(asked, index=1, answer="", score=0.0, unusable="banana")
    judged = [replace(result, verdicts={"strict (m)": True}) for result in (asked, unusable)]
    params = {"answers": "answers-2.jsonl", "judge_model": "m"}
    for run_again in range(3):
        run = tracking.judged_run("table", params, "a run")
        with run as mlflow_module:
            results = judged if run_again else [asked, unusable]
            tracking.log_answers(mlflow_module, results, replaces=bool(run_again))
    [logged], _ = runs("table")
    table = mlflow.load_table(tracking.ANSWER_TABLE, run_ids=[logged.info.run_id])
    assert table["answer"].tolist() == ["Lyon ?", "banana"]
    assert table["failure"].tolist() == ["", "unusable answer"]
    assert table["strict (m)"].tolist() == [1.0, 1.0]


def test_a_run_is_described_drawn_and_has_a_row_for_each_question() -> None:
    asked = Result("memory", "chat", 0, 4, "Where, Ann?", "Lyon", "Lyon \ud83d", 1.0, 1.0, 0.1)
    asked = replace(asked, sql=("SELECT 1",), verdicts={"strict (m)": True})
    results = [replace(asked, system="newest", answer="Paris", score=0.0, sql=()), asked]
    differences = system_differences(results, "independent")
    with tracking.mlflow_run("overview", {}, "a run") as mlflow:
        lines = score_lines(results, "independent")
        log_overview(mlflow, results, lines, differences)
    [run], _ = runs("overview")
    assert run.data.tags["verdict"] == "memory - newest: too few questions"
    assert run.data.tags["mlflow.note.content"] == (
        "- **memory - newest: too few questions**, +1.000, of a single question"
    )
    [row] = csv.DictReader(text(run, "questions.csv").splitlines())
    assert row == {
        "question": "Where, Ann?",
        "gold": "Lyon",
        "category": "4",
        "conversation": "chat",
        "newest": "Paris",
        "newest, F1": "0.0",
        "newest, strict (m)": "1.0",
        "memory": "Lyon ?",
        "memory, F1": "1.0",
        "memory, strict (m)": "1.0",
        "memory, SQL": "SELECT 1",
    }
    picture = mlflow.artifacts.load_image(f"{run.info.artifact_uri}/scores.png")
    assert picture.width > picture.height > 100


@pytest.mark.parametrize(
    ("error", "status"),
    [(None, "FINISHED"), (KeyboardInterrupt(), "KILLED"), (ModelError("it failed"), "FAILED")],
)
def test_a_run_ends_as_its_script_ended_and_has_what_came_before(
    error: BaseException | None, status: str
) -> None:
    ends = pytest.raises(type(error)) if error else nullcontext()
    with ends, tracking.mlflow_run(f"ended {status}", {"seed": 1}, "a run") as run:
        log = tracking.step_log(run)
        with ThreadPoolExecutor(1) as threads:  # TRL's processes are answered in threads
            threads.submit(log, {"reward": 0.5}, 3).result()
        if error:
            raise error
    [ended_run], _ = runs(f"ended {status}")
    assert (ended_run.info.status, ended_run.data.params) == (status, {"seed": "1"})
    assert ended_run.data.metrics == {"reward": 0.5}
    assert not is_run_active()


@pytest.mark.slow
def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    """A file may have 300 kB here, and MLflow's new database has more."""
    code = (
        "import resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "from locomo.tracking.runs import connect_mlflow\n"
        "from memory import InputError\n"
        "try:\n    connect_mlflow('test')\n"
        "except InputError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("MLflow cannot use sqlite:///mlflow.db; set"), done.stderr
    assert "disk I/O error" in done.stdout
