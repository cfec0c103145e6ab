"""OpenAI's tuning jobs: DSPy's provider of OpenAI, followed patiently."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openai
from dspy.clients.openai import OpenAIProvider
from dspy.clients.utils_finetune import TrainingStatus

from locomo.weights.hosted.job import JobState
from locomo.weights.hosted.provider import SUFFIX, HostedProvider
from memory.errors import InputError

_STATUS = {
    "validating_files": TrainingStatus.pending,
    "queued": TrainingStatus.pending,
    "running": TrainingStatus.running,
    "succeeded": TrainingStatus.succeeded,
    "failed": TrainingStatus.failed,
    "cancelled": TrainingStatus.cancelled,
}
_LONGEST_EXAMPLE = 65_536  # tokens; OpenAI cuts the rest
_EVENTS = 20
_STEP = re.compile(r"Step (\d+)/(\d+)(?:.*?loss=([\d.]+))?", re.IGNORECASE)


class OpenAITuning(HostedProvider, OpenAIProvider):
    """Tunes models of OpenAI.

    DSPy's own provider waits for a job by asking whether it exists, and takes a cut connection for
    a no. So the calls are made here, with the settings and in the order of DSPy's.
    """

    title = "OpenAI"
    key = "OPENAI_API_KEY"
    name = "openai"
    least_examples = 10
    package = openai

    def _new_client(self, **settings: Any) -> Any:
        return openai.OpenAI(**settings)

    def settings(self, epochs: int, learning_rate: float | None, seed: int) -> dict[str, Any]:
        """The hyperparameters of a job. Raises InputError for a learning rate."""
        if learning_rate is not None:
            raise InputError("OpenAI chooses the learning rate: leave --learning-rate out")
        return {"n_epochs": epochs}

    def _longest_example(self, model: str) -> int:
        self.client.models.retrieve(model)
        return _LONGEST_EXAMPLE

    def _upload(self, file: Path) -> str:
        with file.open("rb") as content:
            return str(self.client.files.create(file=content, purpose="fine-tune").id)

    def _jobs_of(self, file_id: str) -> list[str]:
        # The newest hundred: what is looked for began minutes ago.
        jobs = self.client.fine_tuning.jobs.list(limit=100).data
        return [job.id for job in jobs if job.training_file == file_id]

    def _create(self, model: str, file_id: str, settings: Mapping[str, Any]) -> str:
        job = self.client.fine_tuning.jobs.create(
            model=model, training_file=file_id, hyperparameters=dict(settings), suffix=SUFFIX
        )
        return str(job.id)

    def _state(self, job_id: str) -> JobState:
        job = self.client.fine_tuning.jobs.retrieve(job_id)
        events = self.client.fine_tuning.jobs.list_events(job_id, limit=_EVENTS).data
        step, steps, loss = _progress(events)
        return JobState(
            status=_STATUS.get(job.status, TrainingStatus.running),
            detail=job.status.replace("_", " "),
            message=events[0].message if events else "",
            step=step,
            steps=steps,
            loss=loss,
            tuned_model=job.fine_tuned_model or "",
            reason=job.error.message if job.error and job.error.message else "",
            tokens=job.trained_tokens,
        )

    def _cancel(self, job_id: str) -> None:
        self.client.fine_tuning.jobs.cancel(job_id)


def _progress(events: list[Any]) -> tuple[int | None, int | None, float | None]:
    """Step, steps and loss of the newest event that has them; the newest event is the first."""
    for event in events:
        numbers = event.data if isinstance(event.data, dict) else {}
        if "step" in numbers:
            return numbers["step"], numbers.get("total_steps"), numbers.get("train_loss")
        if found := _STEP.search(event.message or ""):
            step, steps, loss = found.groups()
            return int(step), int(steps), float(loss) if loss else None
    return None, None, None
