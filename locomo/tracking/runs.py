"""Runs in MLflow, with the hash of the data and the commit of the code."""

import hashlib
import logging
import os
import sqlite3
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from locomo.dataset.format import Question, data_files
from locomo.harness import Result
from locomo.results.report import failure_cause, judges_of, score_by
from locomo.tracking.record import (
    RUN_FILE,
    RunData,
    RunRecord,
    is_tracked,
    read_record,
    run_record,
    without_login,
    write_record,
)
from memory import InputError

# Set before the import: without a network MLflow's start would wait for one.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "true")
# A server that does not answer fails after seconds, not minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")  # seconds, of each of three tries
# Traces are written in the background, by one thread: of two that meet in SQLite one is lost.
os.environ.setdefault("MLFLOW_ASYNC_TRACE_LOGGING_MAX_WORKERS", "1")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

DEFAULT_STORE = "sqlite:///mlflow.db"
_SQLITE = "sqlite:///"
_MOST_SECONDS = 120  # to wait for another process that makes the database, which takes 2 to 20
ANSWER_TABLE = "answers.json"
DESCRIPTION = "mlflow.note.content"  # the tag that MLflow's page shows as a run's description
_ANSWERS = "answers"  # the tag that names a run's file of answers


def connect_mlflow(experiment: str) -> ModuleType:
    """The mlflow module, set to this experiment in MLFLOW_TRACKING_URI or ./mlflow.db.

    Raises InputError when MLflow cannot use that address.
    """
    import mlflow

    for chatty in ("mlflow", "alembic"):  # a first start tells of every table that it makes
        logging.getLogger(chatty).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_STORE)
    # The first start of a database sets the root logger to tell everything.
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    with mlflow_errors(mlflow), one_at_a_time(mlflow.get_tracking_uri()):
        mlflow.set_experiment(experiment)
    root.setLevel(level)
    root.handlers = handlers
    return mlflow


@contextmanager
def one_at_a_time(address: str) -> Iterator[None]:
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
def mlflow_errors(mlflow: ModuleType) -> Iterator[None]:
    from sqlalchemy.exc import SQLAlchemyError  # MLflow lets these through

    try:
        yield
    except (mlflow.exceptions.MlflowException, SQLAlchemyError, OSError) as error:
        address = mlflow.get_tracking_uri()
        shown = without_login(address)
        reason = " ".join(str(error).replace(address.rstrip("/"), shown.rstrip("/")).split())[:200]
        raise InputError(
            f"MLflow cannot use {shown}; set MLFLOW_TRACKING_URI ({reason})"
        ) from error


@contextmanager
def mlflow_run(
    experiment: str,
    params: Mapping[str, object],
    name: str,
    *,
    data: Sequence[RunData] = (),
    parent: str = "",
    output: Path | None = None,
) -> Iterator[ModuleType]:
    """An MLflow run of this name and these parameters, in MLFLOW_TRACKING_URI or ./mlflow.db.

    Its record (`locomo.tracking.record`) goes into tags, the artifact run.json and, with an
    `output`, a file next to that. `data` become the run's datasets, `parent` is the id of the run
    that it is compared with. Yields the mlflow module. The run lasts as long as the block and ends
    as it ends: finished, failed, or killed by Ctrl-C. Raises InputError when MLflow cannot keep it.
    """
    mlflow = connect_mlflow(experiment)
    with mlflow_errors(mlflow):
        mlflow.start_run(run_name=name)
    status = "FAILED"
    try:
        with mlflow_errors(mlflow):
            log_params(mlflow, params)
            record = replace(
                run_record(code_commit(), data, parent), run_id=mlflow.active_run().info.run_id
            )
            _log_record(mlflow, record)
            if _ANSWERS in params:
                mlflow.set_tag(_ANSWERS, str(params[_ANSWERS]))
        if output is not None:
            write_record(record, output)
        yield mlflow
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        with mlflow_errors(mlflow):
            mlflow.end_run(status)


@contextmanager
def run_where_tracked(
    experiment: str,
    params: Mapping[str, object],
    name: str,
    *,
    data: Sequence[RunData] = (),
    output: Path | None = None,
) -> Iterator[ModuleType | None]:
    """`mlflow_run` where runs are kept already; elsewhere only the record next to the output.

    For commands of a few seconds, which MLflow's start would double.
    """
    if is_tracked():
        with mlflow_run(experiment, params, name, data=data, output=output) as mlflow:
            yield mlflow
        return
    if output is not None:
        write_record(run_record(code_commit(), data), output)
    yield None


def _log_record(mlflow: ModuleType, record: RunRecord) -> None:
    mlflow.set_tag("commit", record.commit)
    mlflow.set_tag("command", clean(record.command))
    if record.parent:
        mlflow.set_tag("mlflow.parentRunId", record.parent)
    mlflow.log_text(clean(record.json()), RUN_FILE)
    for data in record.data:
        log_data(mlflow, data)


def log_data(mlflow: ModuleType, data: RunData) -> None:
    """Make a file or folder a dataset of the active run: its name, digest and place, no text."""
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.data.sources import LocalArtifactDatasetSource

    source = LocalArtifactDatasetSource(Path(data.path).absolute().as_uri())
    name = Path(data.path).name
    mlflow.log_input(MetaDataset(source, name, data.sha256[:12]), context=data.split or "data")


def recorded_in_mlflow(run_id: str) -> RunRecord:
    """The record of a run by its id. Raises InputError for an unknown one."""
    import mlflow

    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_STORE)
    with mlflow_errors(mlflow), tempfile.TemporaryDirectory() as folder:
        file = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path=RUN_FILE, dst_path=folder
        )
        return read_record(Path(file))


def log_params(mlflow: ModuleType, params: Mapping[str, object]) -> None:
    """Add parameters to the active run."""
    with mlflow_errors(mlflow):
        mlflow.log_params({name: str(value)[:500] for name, value in params.items()})


def rename_run(mlflow: ModuleType, name: str) -> None:
    """Give the active run a name that tells its result."""
    with mlflow_errors(mlflow):
        mlflow.set_tag("mlflow.runName", clean(name))


def step_log(mlflow: ModuleType) -> Callable[[Mapping[str, float], int], None]:
    """Logs the numbers of a step in the run that is active now, from whichever thread.

    MLflow's own function would start a run for a thread that has none.
    """
    run_id = mlflow.active_run().info.run_id

    def log(numbers: Mapping[str, float], step: int) -> None:
        with mlflow_errors(mlflow):
            mlflow.log_metrics(dict(numbers), step=step, run_id=run_id)

    return log


@contextmanager
def judged_run(experiment: str, params: Mapping[str, object], name: str) -> Iterator[ModuleType]:
    """The newest finished run of the same answers, to add verdicts to; a new one without one.

    The judge becomes a tag: parameters of a run cannot change. The run keeps the times of the
    answers. Raises InputError as `mlflow_run`.
    """
    mlflow = connect_mlflow(experiment)
    with mlflow_errors(mlflow):
        runs = mlflow.search_runs(
            experiment_names=[experiment],
            filter_string=f"tags.{_ANSWERS} = '{params[_ANSWERS]}' AND status = 'FINISHED'",
            order_by=["attributes.start_time DESC"],
            max_results=1,
            output_format="list",
        )
    if not runs:
        with mlflow_run(experiment, params, name) as mlflow:
            yield mlflow
        return
    answered = runs[0].info
    with mlflow_errors(mlflow):
        mlflow.start_run(run_id=answered.run_id)
    try:
        with mlflow_errors(mlflow):
            mlflow.set_tag("judge_model", str(params["judge_model"]))
        yield mlflow
    finally:
        with mlflow_errors(mlflow):
            mlflow.end_run()
            client = mlflow.MlflowClient()
            client.set_terminated(answered.run_id, end_time=answered.end_time)


def log_questions(
    mlflow: ModuleType,
    questions: Iterable[tuple[str, Question]],
    data: Path,
    sha256: str,
    context: str,
) -> None:
    """Log the questions of a data file as a dataset of the active run.

    MLflow keeps its name, its hash, where it lies, its columns and their number, and no text.
    `context` says what it is for: "evaluation", "training", "validation".
    """
    import pandas as pd

    rows = [
        {
            "conversation": conversation,
            "index": str(question.index),
            "category": str(question.category),
            "question": question.text,
            "answer": question.answer,
            "evidence": " ".join(question.evidence),
        }
        for conversation, question in questions
    ]
    if rows:
        name = f"{data.name}, {context}"
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            # It warns about every local path that two of its sources could read it.
            dataset = mlflow.data.from_pandas(
                pd.DataFrame(rows), str(data), targets="answer", name=name, digest=sha256[:12]
            )
        mlflow.log_input(dataset, context=context)


def log_answers(mlflow: ModuleType, results: Iterable[Result], replaces: bool = False) -> None:
    """Log a table of the answers: a row for each question of a system, a column for each judge.

    MLflow shows it, also for several runs side by side. `replaces`: the run has the table already,
    which `log_table` would append to.
    """
    import pandas as pd

    table = pd.DataFrame(
        {
            # MLflow's page groups by the first column and compares the second.
            "question": clean(result.question),
            "answer": clean(result.answer or result.unusable),
            "gold": clean(result.gold),
            "system": result.system,
            "conversation": result.conversation,
            "index": result.index,
            "category": result.category,
            "score": result.score,
            "evidence recall": result.recall,
            "failure": failure_cause(result) or "",
            "sql": clean("\n".join(result.sql)),
            "cited": " ".join(result.cited),
            "evidence": " ".join(result.evidence),
            "turns shown": result.shown,
            **{judge: score_by(judge, result) for judge in sorted(judges_of(result))},
        }
        for result in results
    )
    if replaces:
        mlflow.log_text(table.to_json(orient="split", force_ascii=False), ANSWER_TABLE)
    else:
        mlflow.log_table(table, ANSWER_TABLE)


def clean(text: str) -> str:
    """A text as UTF-8 has it: a model may write a lone surrogate."""
    return text.encode("utf-8", "replace").decode()


def data_hash(path: Path) -> str:
    """The sha256 of a data file, or of all files of a folder, 64 hex digits."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in data_files(path))).hexdigest()


def run_data(path: Path, split: str = "") -> RunData:
    """A data file or folder for a run's record."""
    return RunData(str(path), data_hash(path), split)


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
