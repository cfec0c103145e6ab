"""Together's tuning jobs, as a provider of DSPy on the package `together`: followed patiently."""

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import together
from dspy.clients.provider import Provider, TrainingJob
from dspy.clients.utils_finetune import TrainDataFormat, TrainingStatus, save_data

from locomo.weights.hosted.examples import checked_examples
from locomo.weights.hosted.job import JobState
from locomo.weights.hosted.names import litellm_name, own_name
from memory.errors import InputError, ModelError
from memory.system import one_line

POLL_SECONDS = 20.0  # between two looks at a job, as in DSPy
# Seconds between tries of a call that failed for a while: ten minutes together: a job takes longer,
# and goes on meanwhile.
WAITS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 60.0, 120.0, 300.0)
_LONGEST_WAIT = 300.0  # whatever a provider asks for
_CALL_SECONDS = 60.0
SUFFIX = "sql-memory"  # part of the tuned model's name
_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
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


class TogetherJob(TrainingJob):
    """A job as DSPy's optimizers see it; `provider_job_id` is set once it has started."""

    provider: "TogetherProvider"
    provider_file_id: str = ""
    provider_job_id: str = ""

    def status(self) -> TrainingStatus:
        """The job's status at the provider."""
        if not self.provider_job_id:
            return TrainingStatus.not_started
        return self.provider.state(self.provider_job_id).status

    def cancel(self) -> bool:
        """End the job at the provider, if it has started."""
        if self.provider_job_id:
            self.provider.cancel(self.provider_job_id)
        super().cancel()
        return bool(self.provider_job_id)


class TogetherProvider(Provider):
    """Tunes open models at Together: a LoRA on the answers of conversations.

    For DSPy: `dspy.LM("together_ai/MODEL", provider=TogetherProvider())`, then BootstrapFinetune or
    the LM's own `finetune`; train.py goes step by step. Calls that fail for a while (a cut
    connection, a limit of rates, a server's own failure) are made again. Every other failure is an
    InputError or a ModelError in one line.
    """

    @staticmethod
    def is_provider_model(model: str) -> bool:
        """Whether a model's name is one of Together's."""
        return model.startswith(("together_ai/", "together/"))

    def __init__(self, say: Callable[[str], object] = _log.info) -> None:
        super().__init__()
        self.finetunable = True
        self.TrainingJob = self._job
        self._say = say
        self._clients: list[Any] = []

    def __deepcopy__(self, memo: object) -> "TogetherProvider":
        return self  # an LM is copied with its provider; a client has locks

    def _job(self, *arguments: Any, **named: Any) -> TogetherJob:
        job = TogetherJob(*arguments, **named)
        job.provider = self
        return job

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
        for wait in (*WAITS[:7], None):
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

    # --- steps ----------------------------------------------------------------------------------

    @property
    def client(self) -> Any:
        """The provider's client. It tries nothing again by itself: `ask` does, and says so."""
        if not self._clients:
            self._clients.append(together.Together(max_retries=0, timeout=_CALL_SECONDS))
        return self._clients[0]

    def longest_example(self, model: str) -> int:
        """The tokens of the longest example that a model is tuned on.

        The first call: it finds a wrong key or model before anything is sent.
        """
        return self.ask(lambda: self._longest_example(model), f"the model {model}")

    def upload(self, file: Path) -> str:
        """The id of an uploaded file of examples."""
        return self.ask(lambda: self._upload(file), "the file of examples")

    def delete(self, file_id: str) -> None:
        """Delete an uploaded file."""
        self.ask(lambda: self.client.files.delete(file_id), "the file")

    def jobs_of(self, file_id: str) -> list[str]:
        """The ids of the jobs with this file."""
        return self.ask(lambda: self._jobs_of(file_id), "the list of jobs")

    def start(
        self, model: str, file_id: str, settings: Mapping[str, Any], earlier: Collection[str]
    ) -> str:
        """The id of a job: a new one, or the one started before an answer was lost.

        `earlier` jobs with this file are others. Two jobs would cost twice.
        """

        def start() -> str:
            started = [job for job in self._jobs_of(file_id) if job not in earlier]
            return started[0] if started else self._create(model, file_id, settings)

        return self.ask(start, "the job")

    def state(self, job_id: str) -> JobState:
        """A job's state."""
        return self.ask(lambda: self._state(job_id), f"the job {job_id}")

    def cancel(self, job_id: str) -> None:
        """End a job."""
        self.ask(lambda: self._cancel(job_id), f"the job {job_id}")

    def follow(self, job_id: str, show: Callable[[JobState], object]) -> JobState:
        """A job's state at its end; `show` is called with each state until then."""
        while True:
            state = self.state(job_id)
            show(state)
            if state.ended:
                return state
            time.sleep(POLL_SECONDS)

    def tuned_model(self, state: JobState) -> str:
        """The tuned model of a job that has ended. Raises ModelError where it has none."""
        if state.status == TrainingStatus.cancelled:
            raise ModelError("the job at Together was cancelled: there is no tuned model")
        if state.status == TrainingStatus.failed or not state.tuned_model:
            reason = one_line(state.reason or state.message or "no reason given")
            raise ModelError(f"the job at Together failed: {reason}")
        return state.tuned_model

    def finetune(
        self,
        job: TogetherJob,
        model: str,
        train_data: list[dict[str, Any]],
        train_data_format: TrainDataFormat | str | None,
        train_kwargs: dict[str, Any] | None = None,
    ) -> str:
        """Tune a model on examples, as DSPy asks for it; returns the tuned model's litellm name.

        `train_kwargs` are settings of the provider's client.
        """
        if train_data_format != TrainDataFormat.CHAT:
            raise InputError(f"Together tunes chat models: {train_data_format} is no chat")
        name = own_name(model)
        checked = checked_examples(
            [example["messages"] for example in train_data],
            longest=self.longest_example(name),
        )
        settings = dict(train_kwargs or {})
        file = Path(save_data([{"messages": messages} for messages in checked.examples]))
        job.provider_file_id = self.upload(file)
        earlier = self.jobs_of(job.provider_file_id)
        job.provider_job_id = self.start(name, job.provider_file_id, settings, earlier)
        self._say(f"Together: job {job.provider_job_id} on {len(checked.examples)} examples")
        state = self.follow(job.provider_job_id, lambda _: None)
        return litellm_name(self.tuned_model(state))

    # --- calls -----------------------------------------------------------------------------------

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

    # --- failures -------------------------------------------------------------------------------

    def ask(self, call: Callable[[], _Result], what: str) -> _Result:
        """A call's result; `what` it is about, for errors."""
        for wait in (*WAITS, None):
            try:
                return call()
            except (together.APIError, httpx.TransportError) as error:
                if wait is None or not self._passes(error):
                    raise self._explained(error, what) from error
                seconds = max(wait, self._asked_wait(error))
                self._say(f"Together {self._trouble(error)}: again in {seconds:g} s")
                time.sleep(seconds)
        raise AssertionError("unreachable")

    def _passes(self, error: Exception) -> bool:
        """Whether a failure may be over when the call is made again."""
        if isinstance(error, httpx.TransportError):  # the package sends files past its own errors
            return True
        status = getattr(error, "status_code", None)
        if status == 429:  # of a limit, or of an account without money
            return "quota" not in f"{getattr(error, 'code', '')} {_reason(error)}".lower()
        is_cut = isinstance(error, together.APIConnectionError)
        return is_cut or status == 408 or (status is not None and status >= 500)

    def _asked_wait(self, error: Exception) -> float:
        """The seconds that a provider asks to wait."""
        response = getattr(error, "response", None)
        headers = response.headers if response is not None else {}
        try:
            seconds = float(headers.get("retry-after", 0))
        except ValueError:  # a date
            return 0.0
        return min(max(seconds, 0.0), _LONGEST_WAIT)

    def _trouble(self, error: Exception) -> str:
        status = getattr(error, "status_code", None)
        if status == 429:
            return "limits the rate"
        return f"failed ({status})" if status else "does not answer"

    def _explained(self, error: Exception, what: str) -> Exception:
        """The error in one line, for people."""
        reason = one_line(_reason(error))
        match getattr(error, "status_code", None):
            case 401:
                return InputError(f"Together refuses the key in TOGETHER_API_KEY: {reason}")
            case 403:
                return InputError(f"Together does not allow this account to do that: {reason}")
            case 404:
                return InputError(f"Together does not have {what}: {reason}")
            case 429:
                return ModelError(f"Together limits this account: {reason}")
            case None:
                return ModelError(f"Together cannot be reached: {reason}")
            case status if status >= 500:
                return ModelError(f"Together fails ({status}), try later: {reason}")
        return InputError(f"Together refuses {what}: {reason}")


def _reason(error: Exception) -> str:
    """A provider's own words for a failure."""
    body = getattr(error, "body", None)
    if isinstance(body, str):  # Together's package gives some as they came
        with suppress(ValueError):
            body = json.loads(body)
    for _ in range(2):
        if isinstance(body, dict):
            body = body.get("error") or body.get("message") or body.get("detail") or body
    return body if isinstance(body, str) and body.strip() else str(error)
