"""A compile on record: one run with what was gained, its candidates nested in it."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from locomo import tracking
from locomo.results.charts import RewardPoint, progress_chart
from locomo.tasks.gains import Gain
from locomo.tracking import TriedPrompt, code_commit, track_compile
from memory import InputError

if TYPE_CHECKING:
    from mlflow.entities import Run

FOUND = [
    Gain("answer", "1 multi-hop", 4, before=0.25, after=0.5, low=-0.125, high=0.75),
    Gain("reward", "all", 9, before=0.5, after=0.75, low=0.125, high=0.5),
]


# MLflow takes ten seconds of computing before it has recorded the first run.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tracking_database: Path) -> Path:
    """Where all runs are."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copy(tracking_database, folder / "mlflow.db")
    return folder


@pytest.fixture(autouse=True)
def _tracked_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
    monkeypatch.chdir(place)


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


def test_a_compile_is_one_run_with_its_candidates_nested_in_it(place: Path) -> None:
    diff = place / "prompts.diff"
    diff.write_text("+Answer in two words.\n", "utf-8")
    tried = [
        TriedPrompt(
            "first", score=0.25, examples=3, calls=12, prompts="Antworte kurz, bitte schön.\n"
        ),
        TriedPrompt("second", score=0.5, examples=6, calls=40, prompts="half a pair: \ud83d"),
    ]
    cost = {"calls": 52, "usd (gpt-4o)": 0.125}
    params = {"optimizer": "gepa", "seed": 0}
    track_compile("compile", "gepa of store", params, tried, FOUND, cost, [diff])

    (parent,), nested = runs("compile")
    assert parent.info.run_name == "gepa of store"
    assert parent.data.params == {"optimizer": "gepa", "seed": "0"}
    assert parent.data.tags["commit"] == code_commit()
    assert parent.data.metrics == {
        "answer/1_multi-hop/questions": 4,
        "answer/1_multi-hop/before": 0.25,
        "answer/1_multi-hop/after": 0.5,
        "answer/1_multi-hop/low": -0.125,
        "answer/1_multi-hop/high": 0.75,
        "reward/all/questions": 9,
        "reward/all/before": 0.5,
        "reward/all/after": 0.75,
        "reward/all/low": 0.125,
        "reward/all/high": 0.5,
        "cost/calls": 52,
        "cost/usd _gpt-4o_": 0.125,
    }
    assert text(parent, "prompts.diff") == "+Answer in two words.\n"
    shown = {run.info.run_name: run for run in nested}
    assert shown.keys() == {"first", "second"}
    assert shown["first"].data.metrics == {"score": 0.25, "examples": 3, "calls": 12}
    assert text(shown["first"], "prompts.txt") == tried[0].prompts
    assert text(shown["second"], "prompts.txt") == "half a pair: ?"
    assert {run.info.status for run in (parent, *nested)} == {"FINISHED"}
    assert not is_run_active()


def test_only_the_best_candidates_become_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_CANDIDATE_RUNS", 2)  # each takes its time
    scores = {"a": 0.1, "b": 0.4, "c": 0.2, "d": 0.3}
    tried = [
        TriedPrompt(name, score, examples=1, calls=1, prompts="") for name, score in scores.items()
    ]
    track_compile("many", "all", {}, tried, [], {}, [])
    (_,), nested = runs("many")
    assert {run.info.run_name for run in nested} == {"b", "d"}


def test_a_store_that_fails_is_named_and_the_run_has_failed(place: Path) -> None:
    with pytest.raises(InputError, match="set MLFLOW_TRACKING_URI"):
        track_compile("broken", "a run", {}, [], FOUND, {}, [place / "not there"])
    (parent,), _ = runs("broken")
    assert parent.info.status == "FAILED"
    assert not is_run_active()


@pytest.mark.parametrize(
    "points", [[], [RewardPoint(5, 0.3, 0.3)], [RewardPoint(5, 0.3, 0.3), RewardPoint(9, 0.2, 0.3)]]
)
def test_the_chart_of_progress_is_a_picture(points: list[RewardPoint], tmp_path: Path) -> None:
    path = tmp_path / "progress.png"
    progress_chart(points, baseline=0.25, path=path, title="gepa, 3 examples")
    assert (tmp_path / "progress.png").read_bytes().startswith(b"\x89PNG")
