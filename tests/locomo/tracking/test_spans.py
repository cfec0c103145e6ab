"""Traces of digests, and twenty threads that write traces at once."""

import time
from pathlib import Path
from typing import Any

import pytest

from locomo.dataset.format import load_conversations
from locomo.harness import Setup, build_memory
from locomo.results.traces import traced_digest
from locomo.tracking.runs import mlflow_run
from locomo.tracking.spans import log_traces
from memory import MemoryProgram
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
