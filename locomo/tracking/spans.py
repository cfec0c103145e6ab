"""Traces of MLflow: the spans store, retrieve and answer, with calls, rows, times and verdicts."""

import time
from collections.abc import Iterable, Sequence
from functools import partial
from types import ModuleType
from typing import Any

from rich.progress import Progress

from locomo.harness import Result
from locomo.results.report import failure_cause, judges_of, score_by
from locomo.results.traces import DigestTrace, ModelCall, RowsRead, StoredWindow, Trace
from locomo.tracking.runs import clean, mlflow_errors, one_at_a_time
from memory.text import mask

_TRACES_AT_ONCE = 25  # while other processes wait
_NANOSECONDS = 1_000_000_000
_NAME_CHARACTERS = 80


def log_traces(
    mlflow: ModuleType,
    traces: Iterable[Trace],
    digests: Iterable[DigestTrace] = (),
    bar: Progress | None = None,
) -> None:
    """Write a trace into the active run for each digest and each question; `bar` shows how many.

    May be called by many threads and processes: they write in turn, for a trace that meets a
    locked database of SQLite is lost. Raises InputError when MLflow cannot store them.
    """
    waiting = [
        *(partial(_log_digest, mlflow, digest) for digest in digests),
        *(partial(_log_question, mlflow, trace) for trace in traces),
    ]
    line = bar.add_task("writing traces", total=len(waiting)) if bar and waiting else None
    for begin in range(0, len(waiting), _TRACES_AT_ONCE):
        with mlflow_errors(mlflow), one_at_a_time(mlflow.get_tracking_uri()):
            for log in waiting[begin : begin + _TRACES_AT_ONCE]:
                log()
                if bar and line is not None:
                    bar.advance(line)
            mlflow.flush_trace_async_logging()


def _log_digest(mlflow: ModuleType, digest: DigestTrace) -> None:
    """A trace of a conversation's digest: a span `store` for each window, or one of templates."""
    begin, end = _ns(digest.began), _ns(digest.began + digest.seconds)
    inputs = {"conversation": digest.conversation, "turns": digest.turns}
    root = mlflow.start_span_no_context(
        name=_shown(f"digest: {digest.conversation}")[:_NAME_CHARACTERS],
        span_type="CHAIN",
        inputs=inputs,
        start_time_ns=begin,
        **_in_run(mlflow),
    )
    for window in digest.windows:
        _log_window(mlflow, root, window)
    if not digest.windows:  # no model was asked
        by_templates = {**inputs, "by": "templates"}
        store = _start(mlflow, root, "store", "MEMORY", inputs=by_templates, begin=begin)
        store.end(outputs={"facts": digest.facts}, end_time_ns=end)
    root.end(outputs={"facts": digest.facts}, end_time_ns=end)


def _shown(text: str) -> str:
    """A text as a trace shows it, to all who may open MLflow: without secrets and private text."""
    return mask(clean(text)).text


def _start(
    mlflow: ModuleType, parent: Any, name: str, span_type: str, *, inputs: Any, begin: int
) -> Any:
    """A span below another one, begun at a time in nanoseconds."""
    return mlflow.start_span_no_context(
        name=name, span_type=span_type, parent_span=parent, inputs=inputs, start_time_ns=begin
    )


def _log_window(mlflow: ModuleType, parent: Any, window: StoredWindow) -> None:
    begin, end = _ns(window.began), _ns(window.began + window.seconds)
    inputs = {name: _shown(text) for name, text in window.inputs.items()}
    store = _start(mlflow, parent, "store", "MEMORY", inputs=inputs, begin=begin)
    _log_calls(mlflow, store, window.calls, start=begin, end=end)
    if window.error:
        store.set_status("ERROR")
    outputs = {"sql": _shown(window.sql), "refusals": [_shown(text) for text in window.refusals]}
    store.end(outputs=outputs, end_time_ns=end)


def _log_question(mlflow: ModuleType, trace: Trace) -> None:
    result = trace.result
    question = {"question": _shown(result.question)}
    # Traces of earlier versions do not say when they began.
    begin = _ns(trace.began) if trace.began else time.time_ns() - _ns(result.seconds)
    end = begin + _ns(result.seconds)
    root = mlflow.start_span_no_context(
        name=_shown(f"{result.system}: {result.question}")[:_NAME_CHARACTERS],
        inputs={**question, "conversation": result.conversation},
        attributes={
            "category": str(result.category),
            "index": str(result.index),
            "evidence": " ".join(result.evidence),
        },
        start_time_ns=begin,
        **_in_run(mlflow),
    )
    steps = {step.name: step for step in result.steps}
    refused = {"refusals": [_shown(refusal) for refusal in trace.refusals]}
    retrieving = [steps[name].seconds for name in ("select", "search") if name in steps]
    answering = steps.get("answer")
    before_answer = max(len(trace.calls) - (answering.calls if answering else 0), 0)
    now = begin
    parent = root
    if retrieving:
        parent = _start(mlflow, root, "retrieve", "RETRIEVER", inputs=question, begin=begin)
    now = _log_calls(mlflow, parent, trace.calls[:before_answer], start=now, end=end)
    if retrieving:
        _log_reads(mlflow, parent, trace.rows, now)
        now = min(max(begin + _ns(sum(retrieving)), now), end)
        parent.end(outputs={"sql": [_shown(sql) for sql in result.sql], **refused}, end_time_ns=now)
    parent = root
    if answering:
        inputs = {**question, "turns": result.shown}
        parent = _start(mlflow, root, "answer", "CHAIN", inputs=inputs, begin=now)
    after_calls = _log_calls(mlflow, parent, trace.calls[before_answer:], start=now, end=end)
    if answering:
        now = min(max(now + _ns(answering.seconds), after_calls), end)
        parent.end(outputs={"answer": _shown(result.answer)}, end_time_ns=now)
    if not retrieving:
        _log_reads(mlflow, root, trace.rows, after_calls)
    outputs = {"answer": _shown(result.answer or result.unusable), "cited": list(result.cited)}
    _log_assessments(mlflow, root, result)
    root.end(outputs=outputs, end_time_ns=end)


def _in_run(mlflow: ModuleType) -> dict[str, Any]:
    """Where a trace belongs: by itself MLflow takes the newest run of all threads."""
    run = mlflow.active_run().info
    return {
        "metadata": {"mlflow.sourceRun": run.run_id},
        "experiment_id": run.experiment_id,
    }


def _ns(seconds: float) -> int:
    return round(seconds * _NANOSECONDS)


def _log_calls(
    mlflow: ModuleType, parent: Any, calls: Sequence[ModelCall], start: int, end: int
) -> int:
    """A span for each call, at its time; returns when the last one ended.

    A call that does not say when it began follows the one before it.
    """
    now = start
    for number, call in enumerate(calls, 1):
        begin = min(_ns(call.began), end) if call.began else now
        messages = [{"role": role, "content": _shown(text)} for role, text in call.messages]
        span = _start(mlflow, parent, f"call {number}", "CHAT_MODEL", inputs=messages, begin=begin)
        now = min(begin + _ns(call.seconds), end)
        if call.error:
            span.set_status("ERROR")
        span.end(outputs=[_shown(text) for text in call.answers], end_time_ns=now)
    return now


def _log_reads(mlflow: ModuleType, parent: Any, reads: Sequence[RowsRead], now: int) -> None:
    """A span for each SELECT with its rows."""
    for read in reads:
        span = _start(mlflow, parent, "SELECT", "RETRIEVER", inputs=_shown(read.sql), begin=now)
        rows = [dict(zip(read.columns, map(_shown, row), strict=True)) for row in read.rows]
        span.end(outputs=rows, end_time_ns=now)


def _log_assessments(mlflow: ModuleType, root: Any, result: Result) -> None:
    """The gold answer as what was expected; scores, cause of failure and verdicts as feedback.

    They are written with the trace, for its root is not ended; a write of each took a second more.
    """
    from mlflow.tracing.provider import safe_set_span_in_context

    with safe_set_span_in_context(root):
        _log_scores(mlflow, root.trace_id, result)


def _log_scores(mlflow: ModuleType, trace_id: str, result: Result) -> None:
    mlflow.log_expectation(trace_id=trace_id, name="answer", value=_shown(result.gold))
    code = mlflow.entities.AssessmentSource(source_type="CODE", source_id="locomo.metrics")
    scores = {
        "score": result.score,
        "evidence recall": result.recall,
        "failure": failure_cause(result),
    }
    for name, value in scores.items():
        if value is not None:
            mlflow.log_feedback(trace_id=trace_id, name=name, value=value, source=code)
    for judge in sorted(judges_of(result)):
        model = mlflow.entities.AssessmentSource(source_type="LLM_JUDGE", source_id=judge)
        mlflow.log_feedback(
            trace_id=trace_id, name=judge, value=score_by(judge, result), source=model
        )
