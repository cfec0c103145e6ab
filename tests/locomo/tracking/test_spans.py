"""Traces of digests, and twenty threads that write traces at once."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from locomo.dataset.format import load_conversations
from locomo.harness import Result, Setup, build_memory
from locomo.results.traces import DigestTrace, ModelCall, Trace, traced_digest
from locomo.tracking.runs import connect_mlflow, mlflow_run
from locomo.tracking.spans import log_traces
from memory import MemoryProgram
from memory.models.costs import Step
from tests.support.scripted import scripted_model, sql
from tests.support.talk import talks

# MLflow takes ten seconds of computing before it has recorded the first run.
pytestmark = pytest.mark.slow

INSERT = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "


def traces_of(mlflow: Any, experiment: str) -> list[Any]:
    found = mlflow.get_experiment_by_name(experiment)
    traces: list[Any] = mlflow.search_traces(
        locations=[found.experiment_id], return_type="list", max_results=500
    )
    return traces


def test_the_trace_of_a_digest_has_a_span_for_each_window_with_its_calls(tmp_path: Path) -> None:
    [talk] = load_conversations(talks(tmp_path / "talk.json"))
    turns = len(talk.turns)
    refused = INSERT + "('Ann', 'lives_in', 'Lyon', 99);"
    right = INSERT + "('Ann', 'lives_in', 'Lyon', 1);"
    model = scripted_model([(["[1]"], sql(refused)), (["Because:"], sql(right))], window=turns)
    before = time.time()
    built, digest = traced_digest(
        lambda: build_memory(talk, Setup(model, MemoryProgram(), 2_000), tmp_path)
    )
    after = time.time()
    with mlflow_run("digests", {}, "a run") as mlflow:
        log_traces(mlflow, [], [digest])
    [logged] = traces_of(mlflow, "digests")
    names = {span.span_id: span.name for span in logged.data.spans}
    shape = [(span.name, span.span_type, names.get(span.parent_id)) for span in logged.data.spans]
    root = f"digest: {talk.id}"
    assert sorted(shape, key=str) == [
        ("call 1", "CHAT_MODEL", "store"),
        ("call 2", "CHAT_MODEL", "store"),
        (root, "CHAIN", None),
        ("store", "MEMORY", root),
    ]
    spans = {span.name: span for span in logged.data.spans}
    store = spans["store"]
    assert "[1]" in store.inputs["window"]
    assert store.outputs["sql"] == right
    assert "turn_id" in store.outputs["refusals"][0]
    assert spans[root].outputs == {"facts": built.facts} == {"facts": 1}
    # The times are those of the work, not of the writing.
    times = [before * 1e9]
    times += [spans[name].start_time_ns for name in (root, "store", "call 1", "call 2")]
    times += [spans[name].end_time_ns for name in ("call 2", "store", root)]
    assert times == sorted(times)
    assert times[-1] <= after * 1e9 + 1e6


def test_a_digest_by_templates_is_one_span(tmp_path: Path) -> None:
    digest = DigestTrace("talk", 6, 2, windows=(), began=1_700_000_000.0, seconds=0.5)
    with mlflow_run("templates", {}, "a run") as mlflow:
        log_traces(mlflow, [], [digest])
    [logged] = traces_of(mlflow, "templates")
    [store] = [span for span in logged.data.spans if span.name == "store"]
    assert store.inputs == {"conversation": "talk", "turns": 6, "by": "templates"}
    assert store.outputs == {"facts": 2}
    assert store.start_time_ns == 1_700_000_000 * 10**9
    assert store.end_time_ns - store.start_time_ns == 500_000_000


def a_trace(thread: int, index: int) -> Trace:
    steps = (Step("search", seconds=0.1), Step("answer", calls=1, seconds=0.5))
    name = f"chat-{thread}"
    result = Result("memory", name, index, 4, "Where?", "Lyon", "Lyon", 1.0, 1.0, 0.7, steps=steps)
    return Trace(result, (), (), (ModelCall((("user", "Where?"),), ("Lyon",), seconds=0.25),))


def test_twenty_threads_lose_no_run_trace_or_assessment_in_sqlite() -> None:
    connect_mlflow("crowd")

    def write(thread: int) -> None:
        with mlflow_run("crowd", {"thread": thread}, f"thread {thread}") as mlflow:
            log_traces(mlflow, [a_trace(thread, index) for index in range(5)])
            mlflow.log_metrics({"score": 1.0})

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(write, range(20)))
    import mlflow

    found = mlflow.get_experiment_by_name("crowd")
    runs = mlflow.MlflowClient().search_runs([found.experiment_id])
    assert {run.data.params["thread"] for run in runs} == set(map(str, range(20)))
    assert {(run.info.status, run.data.metrics["score"]) for run in runs} == {("FINISHED", 1.0)}
    thread_of = {run.info.run_id: run.data.params["thread"] for run in runs}
    traces = traces_of(mlflow, "crowd")
    written = {
        (trace.data.spans[0].inputs["conversation"], trace.data.spans[0].attributes["index"])
        for trace in traces
    }
    assert written == {(f"chat-{t}", str(index)) for t in range(20) for index in range(5)}
    for trace in traces:
        assert len(trace.data.spans) == 4
        names = sorted(assessment.name for assessment in trace.info.assessments)
        assert names == ["answer", "evidence recall", "score"]
        # Each stands in the run of its own thread.
        thread = thread_of[trace.info.trace_metadata["mlflow.sourceRun"]]
        assert trace.data.spans[0].inputs["conversation"] == f"chat-{thread}"
