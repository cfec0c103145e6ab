"""Together's tuning jobs, as a provider of DSPy on the package `together`."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import together
from dspy.clients.utils_finetune import TrainingStatus

from locomo.weights.hosted import provider
from locomo.weights.hosted.job import JobState
from locomo.weights.hosted.provider import SUFFIX, HostedProvider
from memory.errors import InputError
from memory.system import one_line

_STATUS = {
    "pending": TrainingStatus.pending,
    "queued": TrainingStatus.pending,
    "completed": TrainingStatus.succeeded,
    "error": TrainingStatus.failed,
    "user_error": TrainingStatus.failed,
    "cancelled": TrainingStatus.cancelled,
}
_LEARNING_RATE = 3e-4  # of a LoRA, as on this machine; Together's own default is for all weights
_NANODOLLARS = 1_000_000_000  # a dollar, in a job's price


class TogetherProvider(HostedProvider):
    """Tunes open models at Together: a LoRA on the answers of conversations.

    For DSPy: `dspy.LM("together_ai/MODEL", provider=TogetherProvider())`, then BootstrapFinetune.
    """

    title = "Together"
    key = "TOGETHER_API_KEY"
    name = "together"
    least_examples = 1
    package = together
    # The package sends the file itself past its own errors.
    transport_errors = (httpx.TransportError,)

    @staticmethod
    def is_provider_model(model: str) -> bool:
        """Whether a model's name is one of Together's."""
        return model.startswith(("together_ai/", "together/"))

    def _new_client(self, **settings: Any) -> Any:
        return together.Together(**settings)

    def settings(self, epochs: int, learning_rate: float | None, seed: int) -> dict[str, Any]:
        """The settings of a job."""
        return {
            "n_epochs": epochs,
            "learning_rate": learning_rate or _LEARNING_RATE,
            "random_seed": seed,
        }

    def estimated_dollars(
        self, model: str, file_id: str, settings: Mapping[str, Any]
    ) -> float | None:
        """Together's estimate, once it has checked the file. Raises InputError for a refused one.

        None where it makes none in time.
        """
        for wait in (*provider.WAITS[:7], None):
            estimate = self.ask(
                lambda: self.client.fine_tuning.estimate_price(
                    training_file=file_id,
                    model=model,
                    n_epochs=settings.get("n_epochs", 1),
                    training_method={"method": "sft", "train_on_inputs": False},
                ),
                "an estimate",
            )
            if estimate.estimation_available:
                if estimate.allowed_to_proceed is False:
                    raise InputError(
                        "Together: the account's credit is too small for a job of about"
                        f" $ {estimate.estimated_total_price or 0:,.2f}; no job was started"
                    )
                return estimate.estimated_total_price
            if estimate.unavailable_reason == "train_file_invalid":
                raise InputError(f"Together refuses the file of examples: {self._fault(file_id)}")
            if estimate.unavailable_reason != "train_file_not_validated" or wait is None:
                break
            time.sleep(wait)
        return None

    def _fault(self, file_id: str) -> str:
        file = self.ask(lambda: self.client.files.retrieve(file_id), "the file")
        report = file.validation_report
        return one_line((report.error if report else "") or "it gives no reason")

    def _longest_example(self, model: str) -> int:
        limits = self.client.fine_tuning.model_limits(model_name=model)
        return int(limits.max_seq_length_sft)

    def _upload(self, file: Path) -> str:
        return str(self.client.files.upload(file=file, purpose="fine-tune", check=False).id)

    def _jobs_of(self, file_id: str) -> list[str]:
        jobs = self.client.fine_tuning.list().data
        return [job.id for job in jobs if job.training_file == file_id]

    def _create(self, model: str, file_id: str, settings: Mapping[str, Any]) -> str:
        # The answers alone are learned, as on this machine.
        told = {"lora": True, "train_on_inputs": False, "suffix": SUFFIX, **settings}
        job = self.client.fine_tuning.create(model=model, training_file=file_id, **told)
        return str(job.id)

    def _state(self, job_id: str) -> JobState:
        job = self.client.fine_tuning.retrieve(job_id)
        # By time: which end is the newest is not said.
        events = sorted(
            self.client.fine_tuning.list_events(job_id).data,
            key=lambda event: event.created_at or "",
        )
        status = _STATUS.get(job.status, TrainingStatus.running)
        with_steps = [event for event in events if event.total_steps]
        errors = [event.message for event in events if "error" in str(event.type).lower()]
        price = job.total_price
        return JobState(
            status=status,
            detail=str(job.status).replace("_", " "),
            message=events[-1].message if events else "",
            step=with_steps[-1].step if with_steps else None,
            steps=with_steps[-1].total_steps if with_steps else None,
            loss=self._loss(job_id) if status == TrainingStatus.running else None,
            tuned_model=job.x_model_output_name or job.api_model_object_name or "",
            reason=errors[-1] if errors and status == TrainingStatus.failed else "",
            tokens=job.token_count,
            dollars=price / _NANODOLLARS if price else None,
        )

    def _loss(self, job_id: str) -> float | None:
        """The newest loss; None where Together has none yet."""
        try:
            rows = self.client.fine_tuning.list_metrics(job_id).metrics or []
        except together.APIStatusError:  # an extra: a job without metrics is followed all the same
            return None
        losses = [row["train/loss"] for row in rows if "train/loss" in row]
        return losses[-1] if losses else None

    def _cancel(self, job_id: str) -> None:
        self.client.fine_tuning.cancel(job_id)
