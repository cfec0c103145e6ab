"""What a run is made of: its command, options, versions, commit and data.

Every script of the benchmark leaves this record in MLflow, as tags and as the artifact `run.json`,
and next to what it wrote. `python -m locomo.rerun` reads it.
"""

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import click
from pydantic import TypeAdapter, ValidationError

from memory import InputError
from memory.system import write_whole

RUN_FILE = "run.json"
_LIBRARIES = ("sql-memory", "dspy", "mlflow", "torch", "trl", "llama-cpp-python", "sqlglot")


@dataclass(frozen=True)
class RunData:
    """A data file or folder that a run used: where it lies, its sha256, and what it was for."""

    path: str
    sha256: str
    split: str = ""


@dataclass(frozen=True)
class RunRecord:
    """What a run is made of; the command repeats it.

    `parent` is the id of the run that it is compared with, `run_id` its own in MLflow.
    """

    command: str
    commit: str
    options: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    data: tuple[RunData, ...] = ()
    parent: str = ""
    run_id: str = ""

    def json(self) -> str:
        """The record as a file has it."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=1)


_RECORD = TypeAdapter(RunRecord)


def run_record(commit: str, data: Sequence[RunData] = (), parent: str = "") -> RunRecord:
    """The record of the command that runs now."""
    return RunRecord(
        command=command_now(),
        commit=commit,
        options=options_now(),
        versions=versions_now(),
        data=tuple(data),
        parent=parent,
    )


def command_now() -> str:
    """The command line of this process, as it can be pasted; addresses without a login or a key."""
    words = ["python", *sys.orig_argv[1:]] if sys.orig_argv else sys.argv
    return shlex.join(without_login(word) if "://" in word else word for word in words)


def options_now() -> dict[str, str]:
    """Every option of the command that runs, with its value, also those left at their default."""
    context = click.get_current_context(silent=True)
    values = context.params if context else {}
    return {
        name: without_login(str(value)) if "://" in str(value) else str(value)
        for name, value in values.items()
        if value is not None
    }


def versions_now() -> dict[str, str]:
    """The versions of Python and of the libraries that change a result."""
    versions = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions


def without_login(address: str) -> str:
    """An address without a name and a password in it, and without a query, which may hold a key."""
    parts = urlsplit(address)
    if not parts.netloc:  # a path; "sqlite:///" would lose its slashes
        return address
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def record_file(output: Path) -> Path:
    """Where the record of an output is: in its folder, or next to its file."""
    return output / RUN_FILE if output.is_dir() else output.with_name(f"{output.name}.{RUN_FILE}")


def write_record(record: RunRecord, output: Path) -> None:
    """Write a record next to a run's output, a file or an existing folder."""
    write_whole(record_file(output), record.json().encode("utf-8", "replace"))


def read_record(output: Path) -> RunRecord:
    """The record next to an output, or in a separate file. Raises InputError without one."""
    file = output if output.name.endswith(RUN_FILE) else record_file(output)
    try:
        return _RECORD.validate_json(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read: no run left a record there") from error
    except ValidationError as error:
        raise InputError(f"{file} is no record of a run") from error


def parent_of(output: Path | None) -> str:
    """The id of the run that made a file; "" if none did."""
    if output is None or not record_file(output).is_file():
        return ""
    return read_record(output).run_id


def is_tracked() -> bool:
    """Whether runs are kept here: MLFLOW_TRACKING_URI is set, or there is a ./mlflow.db."""
    return bool(os.environ.get("MLFLOW_TRACKING_URI")) or Path("mlflow.db").is_file()
