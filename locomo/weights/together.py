"""Tunes a LoRA on Together's machines from a file of examples; the only code that spends money.

Needs `uv sync --extra together` and a key in TOGETHER_API_KEY, which is read from there only.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from locomo.examples.jsonl import check_examples
from memory import InputError
from memory.errors import ModelError
from memory.system.files import write_whole

KEY = "TOGETHER_API_KEY"
TIMEOUT_S = 60.0  # of one request
POLL_S = 20.0  # between two looks at a job
_END_STATES = ("completed", "error", "user_error", "cancelled")
_INSTALL = "the together package is not installed; run `uv sync --extra together`"


@dataclass(frozen=True)
class Upload:
    """An upload: a file, its number of examples and its size in bytes."""

    path: Path
    examples: int
    size: int

    def __str__(self) -> str:
        size = f"{self.size / 2**20:.1f} MiB" if self.size >= 2**20 else f"{self.size:,} bytes"
        return f"{self.path}: {self.examples:,} examples, {size}, would go to Together"


@dataclass(frozen=True)
class FinishedJob:
    """A job that is done: the names of the model it made, and of the adapter alone, or ""."""

    job: str
    model: str
    adapter: str


def missing_access() -> list[str]:
    """What this machine lacks to ask Together: its package, a key."""
    missing = [] if find_spec("together") else ["its package: uv sync --extra together"]
    if not os.environ.get(KEY):
        missing.append(f"a key in {KEY}")
    return missing


def check_upload(examples: Path) -> Upload:
    """Check a file of examples as Together does, without sending it.

    Raises InputError if it is not a file of examples, or the together package is not installed.
    """
    number = check_examples(examples)
    report = _sdk().lib.check_file(examples)
    if not report["is_check_passed"]:
        raise InputError(f"Together does not take {examples}: {_line(report['message'])}")
    return Upload(examples, number, examples.stat().st_size)


def job_path(examples: Path) -> Path:
    """The path of the record of a job that was started on a file."""
    return examples.with_suffix(".job.json")


def started_job(examples: Path, model: str) -> str | None:
    """The job that was started on this very file, for this model; None when there is none."""
    try:
        receipt = json.loads(job_path(examples).read_bytes())
        same = (receipt["sha256"], receipt["model"]) == (_sha256(examples), model)
        return str(receipt["job"]) if same else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def start_job(
    examples: Path,
    model: str,
    epochs: int = 1,
    suffix: str | None = None,
    learning_rate: float = 1e-5,
    base_url: str | None = None,
) -> str:
    """Send a file and start a paid job that tunes a LoRA on it; its id, on disk on return.

    Arguments:
        model: Together's name of a model that can be tuned, "meta-llama/...".
        epochs: passes over the examples.
        suffix: of the new model's name, 40 characters at most.
        learning_rate: at its peak; Together's own default.
        base_url: an address other than Together's.

    Raises InputError for a file that cannot be sent, ModelError when Together refuses or fails.
    """
    check_upload(examples)
    client = _client(base_url)
    sha256 = _sha256(examples)  # before it is sent: of the very file
    with _errors_in_words(model):
        uploaded = client.files.upload(examples, purpose="fine-tune", check=False)
    # Requested once only: a second request could start, and charge, a second job.
    with _errors_in_words(model, "; a job may be running all the same: look at Together first"):
        job = client.with_options(max_retries=0).fine_tuning.create(
            training_file=uploaded.id,
            model=model,
            n_epochs=epochs,
            learning_rate=learning_rate,
            lora=True,
            suffix=suffix,
            train_on_inputs=False,
        )
    receipt = {"job": job.id, "model": model, "sha256": sha256}
    try:
        write_whole(job_path(examples), json.dumps(receipt, indent=2).encode())
    except InputError as error:
        raise InputError(f"job {job.id} is started, --resume will not know it: {error}") from error
    return str(job.id)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def wait(
    job: str,
    minutes: float,
    show: Callable[[str], None],
    poll_s: float = POLL_S,
    base_url: str | None = None,
) -> FinishedJob:
    """Wait for a job, for at most `minutes`, and return its result.

    A lost connection, or a failure on Together's side, is retried until the time is over.
    `show` is told each new state in a line. Ctrl-C, and the end of the time, end the waiting but
    not the job; `show`, or the error, names it.

    Raises ModelError when the job failed, Together refuses, or the time is over.
    """
    # The loop below is the retry, and says so; the SDK's own would be silent.
    client = _client(base_url).with_options(max_retries=0)
    end = time.monotonic() + 60 * minutes
    state = ""
    try:
        while True:
            record, description = _job_state(client, job)
            if description != state:
                show(f"{job}: {description}")
                state = description
            if record is not None and record.status in _END_STATES:
                return _finished(job, record)
            if time.monotonic() + poll_s > end:
                raise ModelError(
                    f"{job} is not done after {minutes:g} minutes; it continues, wait again"
                )
            time.sleep(poll_s)
    except KeyboardInterrupt:
        show(f"{job} goes on at Together; wait for it again, or cancel it there")
        raise


def _job_state(client: Any, job: str) -> tuple[Any, str]:
    """The job at Together, None if there is no answer now; and its state in words."""
    together = _sdk()
    with _errors_in_words(job):
        try:
            record = client.fine_tuning.retrieve(job)
        except (
            together.APIConnectionError,
            together.InternalServerError,
            together.RateLimitError,
        ) as error:
            return None, f"no answer ({_message(error)}), trying again"
    if not record.epochs_completed:
        return record, str(record.status)
    return record, f"{record.status}, {record.epochs_completed} of {record.n_epochs} epochs"


def _finished(job: str, record: Any) -> FinishedJob:
    """Raises ModelError for a job that ended in any other way than completed."""
    if record.status != "completed":
        reason = record.events[-1].message if record.events else None
        raise ModelError(f"{job} ended as {record.status}: {_line(reason or 'no reason given')}")
    return FinishedJob(
        job, model=record.x_model_output_name or "", adapter=record.adapter_object_name or ""
    )


def _sdk() -> Any:
    try:
        import together
        import together.lib
    except ImportError as error:
        raise InputError(_INSTALL) from error
    return together


def _client(base_url: str | None) -> Any:
    together, key = _sdk(), os.environ.get(KEY)
    if not key:
        raise ModelError(f"Together needs a key: set {KEY}")
    return together.Together(api_key=key, base_url=base_url, timeout=TIMEOUT_S)


@contextmanager
def _errors_in_words(subject: str, warning: str = "") -> Iterator[None]:
    """Raise ModelError, one line without the key, for what Together refuses or fails at.

    `subject` is what would be refused; `warning` ends the line where no answer came.
    """
    together = _sdk()
    import httpx  # which together sends files with, and whose errors it lets through

    try:
        yield
    except (together.AuthenticationError, together.PermissionDeniedError) as error:
        raise ModelError(f"Together refused the key: check {KEY} ({_message(error)})") from None
    except (together.APIConnectionError, httpx.HTTPError) as error:
        raise ModelError(f"cannot reach Together: {_message(error)}{warning}") from None
    except (together.TogetherError, ValueError) as error:
        if getattr(error, "status_code", 0) >= 500:
            why = f"try again later ({_message(error)}){warning}"
            raise ModelError(f"Together failed on its side; {why}") from None
        raise ModelError(f"Together refused {subject}: {_message(error)}") from None


def _message(error: Any) -> str:
    """Together's own message, without the SDK's words around it."""
    body = getattr(error, "body", None)
    details = body.get("error", body) if isinstance(body, dict) else None
    message = details.get("message") if isinstance(details, dict) else None
    return _line(message if isinstance(message, str) else str(error))


def _line(text: str) -> str:
    """A message in one line, without the key that it may repeat."""
    key = os.environ.get(KEY)
    return " ".join((text.replace(key, "***") if key else text).split())[:300]
