"""A tuning job at a provider: its state there, and its record on this disk."""

from dataclasses import dataclass
from pathlib import Path

from dspy.clients.utils_finetune import TrainingStatus
from pydantic import BaseModel, ConfigDict, TypeAdapter

from locomo.json_lines import read_json
from locomo.weights.hosted.names import ProviderName
from memory.system import write_whole

JOB_FILE = "job.json"
_ENDED = (TrainingStatus.succeeded, TrainingStatus.failed, TrainingStatus.cancelled)


@dataclass(frozen=True)
class JobState:
    """What a provider says of a job.

    `detail` is the provider's own word for the status, `message` its newest event, `reason` why the
    job failed. `tokens` are those it bills, `dollars` what it bills for them, where it says so.
    """

    status: TrainingStatus
    detail: str
    message: str = ""
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    tuned_model: str = ""
    reason: str = ""
    tokens: int | None = None
    dollars: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in _ENDED


class JobRecord(BaseModel):
    """A job as its folder remembers it, from the upload on.

    `file_id` and `job_id` are the provider's; `job_id` is empty until the job has started.
    `earlier_jobs` had the same file before: this job is another. `model` and `tuned_model` are
    the provider's own names.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    provider: ProviderName
    model: str
    settings: dict[str, int | float | bool | str]
    examples: int
    tokens: int
    estimated_dollars: float | None
    file_id: str
    earlier_jobs: list[str] = []
    job_id: str = ""
    tuned_model: str = ""

    def write(self, folder: Path) -> None:
        """Write the record into the job's folder."""
        write_whole(folder / JOB_FILE, self.model_dump_json(indent=2).encode())


def read_job(folder: Path) -> JobRecord:
    """The job of a folder. Raises InputError without one."""
    advice = "no job was started from here: leave --resume out"
    return read_json(folder / JOB_FILE, TypeAdapter(JobRecord), advice)
