"""Logs experiments to MLflow, with the hash of the data and the commit of the code."""

import hashlib
import logging
import os
import re
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from locomo.dataset.format import data_files
from locomo.harness import Result
from locomo.results.report import PairedDifference, ScoreLine
from locomo.results.traces import ModelCall, RowsRead, Trace
from locomo.tasks.gains import Gain
from memory import InputError

# Set before the import: without a network MLflow's start would wait for one.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
# A server that does not answer fails after seconds, not minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
# A trace that cannot be written in the background is lost with a line in the log.
os.environ.setdefault("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", "false")

DEFAULT_STORE = "sqlite:///mlflow.db"
_REFUSED = re.compile(r"[^\w .:/-]", re.ASCII)  # what MLflow takes in no name
_CANDIDATE_RUNS = 100
_SQLITE = "sqlite:///"
_MOST_SECONDS = 120  # to wait for another process that makes the database, which takes 2 to 20
_ANSWERS = "answers"  # the tag that names a run's file of answers
_TRACES_AT_ONCE = 10  # while other processes wait
_NANOSECONDS = 1_000_000_000
_NAME_CHARACTERS = 80


def connect_mlflow(experiment: str) -> ModuleType:
    """The mlflow module, set to this experiment in MLFLOW_TRACKING_URI or ./mlflow.db.

    Raises InputError when MLflow cannot use that address.
    """
    import mlflow

    for chatty in ("mlflow", "alembic"):  # a first start tells of every table that it makes
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        mlflow.set_tracking_uri(DEFAULT_STORE)
    # The first start of a database sets the root logger to tell everything.
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    with _mlflow_errors(mlflow), _one_at_a_time(mlflow.get_tracking_uri()):
        mlflow.set_experiment(experiment)
    root.setLevel(level)
    root.handlers = handlers
    return mlflow


@contextmanager
def _one_at_a_time(address: str) -> Iterator[None]:
    """Keep other processes from making the same database file meanwhile, and from writing traces.

    MLflow makes and migrates a database without a lock, table by table, and drops a trace that
    meets a locked one. Ours is one of SQLite, which ends with its
    process, on an empty file among the temporary ones.
    """
    if not address.startswith(_SQLITE):
        yield
        return
    file = Path(address.removeprefix(_SQLITE).partition("?")[0]).resolve()
    name = hashlib.sha256(f"{Path.home()}\n{file}".encode()).hexdigest()[:16]
    lock = Path(tempfile.gettempdir(), f"sql-memory-mlflow-{name}.lock")
    with closing(sqlite3.connect(lock, timeout=_MOST_SECONDS, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            raise InputError(
                f"another process has been writing {file} for {_MOST_SECONDS} seconds; end it, or"
                " set MLFLOW_TRACKING_URI"
            ) from error
        yield


@contextmanager
def _mlflow_errors(mlflow: ModuleType) -> Iterator[None]:
    try:
        yield
    except (mlflow.exceptions.MlflowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"MLflow cannot use {mlflow.get_tracking_uri()}; set MLFLOW_TRACKING_URI ({reason})"
        ) from error


@contextmanager
def mlflow_run(experiment: str, params: Mapping[str, object], name: str) -> Iterator[ModuleType]:
    """An MLflow run of this name and these parameters, in MLFLOW_TRACKING_URI or ./mlflow.db.

    Yields the mlflow module; the run ends as failed when the block raises. Raises InputError
    when MLflow cannot keep the run.
    """
    mlflow = connect_mlflow(experiment)
    with _mlflow_errors(mlflow), mlflow.start_run(run_name=name):
        mlflow.log_params({name: str(value)[:500] for name, value in params.items()})
        mlflow.set_tag("commit", code_commit())
        if _ANSWERS in params:
            mlflow.set_tag(_ANSWERS, str(params[_ANSWERS]))
        yield mlflow


@contextmanager
def judged_run(experiment: str, params: Mapping[str, object], name: str) -> Iterator[ModuleType]:
    """The newest run of the same answers, to add verdicts to; a new one where there is none.

    The judge becomes a tag: parameters of a run cannot change. Raises InputError as `mlflow_run`.
    """
    mlflow = connect_mlflow(experiment)
    with _mlflow_errors(mlflow):
        runs = mlflow.search_runs(
            experiment_names=[experiment],
            filter_string=f"tags.{_ANSWERS} = '{params[_ANSWERS]}'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
            output_format="list",
        )
    if not runs:
        with mlflow_run(experiment, params, name) as mlflow:
            yield mlflow
        return
    with _mlflow_errors(mlflow), mlflow.start_run(run_id=runs[0].info.run_id):
        mlflow.set_tag("judge_model", str(params["judge_model"]))
        yield mlflow


def log_traces(mlflow: ModuleType, traces: Iterable[Trace]) -> None:
    """Write a trace into the active run for each question, with a span for each call and query.

    Called after all answers, by one thread and one process at a time: while threads answer and
    write at once, SQLite is locked and traces are lost. Raises InputError when MLflow cannot store
    them.
    """
    waiting = list(traces)
    for begin in range(0, len(waiting), _TRACES_AT_ONCE):
        with _mlflow_errors(mlflow), _one_at_a_time(mlflow.get_tracking_uri()):
            for trace in waiting[begin : begin + _TRACES_AT_ONCE]:
                _log_trace(mlflow, trace)


def _log_trace(mlflow: ModuleType, trace: Trace) -> None:
    result = trace.result
    end = time.time_ns()
    begin = end - round(result.seconds * _NANOSECONDS)
    root = mlflow.start_span_no_context(
        name=_clean(f"{result.system}: {result.question}")[:_NAME_CHARACTERS],
        inputs={"question": _clean(result.question), "conversation": result.conversation},
        attributes={"category": str(result.category), "index": str(result.index)},
        start_time_ns=begin,
    )
    steps = {step.name: step for step in result.steps}
    retrieving = [steps[name].seconds for name in ("select", "search") if name in steps]
    answering = steps.get("answer")
    before_answer = len(trace.calls) - (answering.calls if answering else 0)
    now = begin
    parent = root
    if retrieving:
        parent = mlflow.start_span_no_context(
            name="retrieve",
            span_type="RETRIEVER",
            parent_span=root,
            inputs={"question": _clean(result.question)},
            start_time_ns=begin,
        )
    now = _log_calls(mlflow, parent, trace.calls[: max(before_answer, 0)], start=now, end=end)
    if retrieving:
        _log_reads(mlflow, parent, trace.rows, now)
        now = min(begin + round(sum(retrieving) * _NANOSECONDS), end)
        parent.end(outputs={"sql": [_clean(sql) for sql in result.sql]}, end_time_ns=now)
    parent = root
    if answering:
        parent = mlflow.start_span_no_context(
            name="answer",
            span_type="CHAIN",
            parent_span=root,
            inputs={"question": _clean(result.question), "turns": result.shown},
            start_time_ns=now,
        )
    after_calls = _log_calls(
        mlflow, parent, trace.calls[max(before_answer, 0) :], start=now, end=end
    )
    if answering:
        now = min(now + round(answering.seconds * _NANOSECONDS), end)
        parent.end(outputs={"answer": _clean(result.answer)}, end_time_ns=now)
    if not retrieving:
        _log_reads(mlflow, root, trace.rows, after_calls)
    root.end(outputs={"answer": _clean(result.answer)}, end_time_ns=end)
    _log_assessments(mlflow, root.trace_id, result)


def _log_calls(
    mlflow: ModuleType, parent: Any, calls: Sequence[ModelCall], start: int, end: int
) -> int:
    """A span for each call, one after the other; returns when the last one ended."""
    now = start
    for number, call in enumerate(calls, 1):
        span = mlflow.start_span_no_context(
            name=f"call {number}",
            span_type="CHAT_MODEL",
            parent_span=parent,
            inputs=[{"role": role, "content": _clean(text)} for role, text in call.messages],
            start_time_ns=now,
        )
        now = min(now + round(call.seconds * _NANOSECONDS), end)
        if call.error:
            span.set_status("ERROR")
        span.end(outputs=[_clean(text) for text in call.answers], end_time_ns=now)
    return now


def _log_reads(mlflow: ModuleType, parent: Any, reads: Sequence[RowsRead], now: int) -> None:
    """A span for each SELECT with its rows."""
    for read in reads:
        span = mlflow.start_span_no_context(
            name="SELECT",
            span_type="RETRIEVER",
            parent_span=parent,
            inputs=_clean(read.sql),
            start_time_ns=now,
        )
        rows = [dict(zip(read.columns, map(_clean, row), strict=True)) for row in read.rows]
        span.end(outputs=rows, end_time_ns=now)


def _log_assessments(mlflow: ModuleType, trace_id: str, result: Result) -> None:
    """The gold answer as what was expected, the scores as feedback of code."""
    source = mlflow.entities.AssessmentSource(source_type="CODE", source_id="locomo.metrics")
    mlflow.log_expectation(trace_id=trace_id, name="answer", value=_clean(result.gold))
    scores = {"score": result.score, "evidence recall": result.recall}
    for name, value in scores.items():
        if value is not None:
            mlflow.log_feedback(trace_id=trace_id, name=name, value=value, source=source)


def _clean(text: str) -> str:
    """A text as UTF-8 has it: a model may write a lone surrogate."""
    return text.encode("utf-8", "replace").decode()


def data_hash(path: Path) -> str:
    """The sha256 of a data file, or of all files of a folder, 64 hex digits."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in data_files(path))).hexdigest()


def code_commit() -> str:
    """The commit of the working copy, with + for changes; for an installed package its version."""
    git = [
        "git",
        "-C",
        str(Path(__file__).parent),
        "describe",
        "--always",
        "--dirty=+",
        "--abbrev=40",
    ]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return f"sql-memory {version('sql-memory')}"
    return commit.stdout.strip()


def score_metrics(
    lines: Sequence[ScoreLine], difference: PairedDifference | None = None
) -> dict[str, float]:
    """The numbers of the tables under names that MLflow accepts."""
    numbers: dict[str, float | None] = {}
    for line in lines:
        name = f"{line.system}/{line.categories.replace(' ', '_')}"
        numbers[f"{name}/questions"] = line.questions
        numbers[f"{name}/score"] = line.score
        numbers[f"{name}/low"] = line.low
        numbers[f"{name}/high"] = line.high
        numbers[f"{name}/evidence_recall"] = line.recall
        numbers[f"{name}/tokens"] = line.tokens
        numbers[f"{name}/unusable"] = line.unusable
        for judge, share in line.judged.items():
            numbers[f"{name}/judge_{_REFUSED.sub('_', judge)}"] = share
    if difference:
        numbers["difference/1-4"] = difference.change
        numbers["difference/1-4/low"] = difference.low
        numbers["difference/1-4/high"] = difference.high
    return {name: number for name, number in numbers.items() if number is not None}


def gain_metrics(gains: Sequence[Gain]) -> dict[str, float]:
    """Each gain's number of questions, both sides and interval, under names that MLflow accepts."""
    numbers: dict[str, float] = {}
    for gain in gains:
        gain_name = f"{gain.component}/{gain.categories.replace(' ', '_')}"
        for side in ("questions", "before", "after", "low", "high"):
            numbers[f"{gain_name}/{side}"] = getattr(gain, side)
    return numbers


@dataclass(frozen=True)
class TriedPrompt:
    """A candidate prompt: its mean reward, its number of training examples, the calls before it."""

    name: str
    score: float
    examples: int
    calls: int
    prompts: str


def track_compile(
    experiment: str,
    name: str,
    params: Mapping[str, object],
    candidates: Sequence[TriedPrompt],
    gains: Sequence[Gain],
    cost: Mapping[str, float],
    files: Sequence[Path],
) -> None:
    """Log a compile as an MLflow run: gain, cost, and the files as artifacts.

    The 100 best candidates become nested runs, each with its prompts as an artifact; a run takes
    about 15 ms. Raises InputError when MLflow cannot store them.
    """
    with mlflow_run(experiment, params, name) as mlflow:
        numbers = {f"cost/{_REFUSED.sub('_', name)}": value for name, value in cost.items()}
        mlflow.log_metrics(numbers | gain_metrics(gains))
        for file in files:
            mlflow.log_artifact(str(file))
        for tried in sorted(candidates, key=lambda tried: -tried.score)[:_CANDIDATE_RUNS]:
            with mlflow.start_run(run_name=tried.name, nested=True):
                mlflow.log_metrics(
                    {"score": tried.score, "examples": tried.examples, "calls": tried.calls}
                )
                mlflow.log_text(_clean(tried.prompts), "prompts.txt")
