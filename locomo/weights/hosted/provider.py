"""A provider of DSPy that trains weights for us: it waits patiently and says what went wrong."""

import json
import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from dspy.clients.provider import Provider, TrainingJob
from dspy.clients.utils_finetune import TrainDataFormat, TrainingStatus, save_data

from locomo.weights.hosted.examples import checked_examples
from locomo.weights.hosted.job import JobState
from locomo.weights.hosted.names import ProviderName, litellm_name, own_name
from memory.errors import InputError, ModelError
from memory.system import one_line

POLL_SECONDS = 20.0  # between two looks at a job, as in DSPy
# Seconds between tries of a call that failed for a while. Together ten minutes: a job takes longer,
# and goes on meanwhile.
WAITS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 60.0, 120.0, 300.0)
_LONGEST_WAIT = 300.0  # whatever a provider asks for
_CALL_SECONDS = 60.0
SUFFIX = "sql-memory"  # part of the tuned model's name
_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


class HostedJob(TrainingJob):
    """A job as DSPy's optimizers see it; `provider_job_id` is set once it has started."""

    provider: "HostedProvider"
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


class HostedProvider(Provider):
    """Uploads examples, starts a job, follows it to its end.

    `dspy.LM(..., provider=...)` and `dspy.BootstrapFinetune` use it by `finetune`, train.py step by
    step. Calls that fail for a while (a cut connection, a limit of rates, a server's own failure)
    are made again. Every other failure is an InputError or a ModelError in one line.
    """

    title: str  # the provider's name, for people
    key: str  # the environment's name for its key
    name: ProviderName
    least_examples: int
    package: ModuleType  # its client; both have the same error classes
    transport_errors: tuple[type[Exception], ...] = ()  # cut connections on top of the client's own

    def __init__(self, say: Callable[[str], object] = _log.info) -> None:
        super().__init__()
        self.finetunable = True
        self.TrainingJob = self._job
        self._say = say
        self._clients: list[Any] = []

    def __deepcopy__(self, memo: object) -> "HostedProvider":
        return self  # an LM is copied with its provider; a client has locks

    def _job(self, *arguments: Any, **named: Any) -> HostedJob:
        job = HostedJob(*arguments, **named)
        job.provider = self
        return job

    # --- what each provider does its own way ----------------------------------------------------

    @abstractmethod
    def _new_client(self, **settings: Any) -> Any:
        """A client with the key of the environment."""

    @abstractmethod
    def _longest_example(self, model: str) -> int | None:
        """The tokens of the longest example; fails for a model that the provider does not know."""

    @abstractmethod
    def _upload(self, file: Path) -> str:
        """The id of an uploaded file."""

    @abstractmethod
    def _jobs_of(self, file_id: str) -> list[str]:
        """The ids of the jobs with this file."""

    @abstractmethod
    def _create(self, model: str, file_id: str, settings: Mapping[str, Any]) -> str:
        """The id of a new job."""

    @abstractmethod
    def _state(self, job_id: str) -> JobState:
        """A job's state."""

    @abstractmethod
    def _cancel(self, job_id: str) -> None:
        """End a job."""

    def settings(self, epochs: int, learning_rate: float | None, seed: int) -> dict[str, Any]:
        """The settings of a job, as this provider names them. Raises InputError."""
        raise NotImplementedError

    def estimated_dollars(
        self, model: str, file_id: str, settings: Mapping[str, Any]
    ) -> float | None:
        """The provider's own estimate of a job on an uploaded file; None where it makes none."""
        return None

    # --- steps ----------------------------------------------------------------------------------

    @property
    def client(self) -> Any:
        """The provider's client. It tries nothing again by itself: `ask` does, and says so."""
        if not self._clients:
            self._clients.append(self._new_client(max_retries=0, timeout=_CALL_SECONDS))
        return self._clients[0]

    def longest_example(self, model: str) -> int | None:
        """The tokens of the longest example that a model is tuned on; None for no limit.

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
        """The id of a job: a new one, or the one started when its answer was lost.

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
            raise ModelError(f"the job at {self.title} was cancelled: there is no tuned model")
        if state.status == TrainingStatus.failed or not state.tuned_model:
            reason = one_line(state.reason or state.message or "no reason given")
            raise ModelError(f"the job at {self.title} failed: {reason}")
        return state.tuned_model

    def finetune(
        self,
        job: HostedJob,
        model: str,
        train_data: list[dict[str, Any]],
        train_data_format: TrainDataFormat | str | None,
        train_kwargs: dict[str, Any] | None = None,
    ) -> str:
        """Tune a model on examples, as DSPy asks for it; returns the tuned model's litellm name.

        `train_kwargs` are settings of the provider's client.
        """
        if train_data_format != TrainDataFormat.CHAT:
            raise InputError(f"{self.title} tunes chat models: {train_data_format} is no chat")
        name = own_name(self.name, model)
        checked = checked_examples(
            [example["messages"] for example in train_data],
            least=self.least_examples,
            longest=self.longest_example(name),
            provider=self.title,
        )
        settings = dict(train_kwargs or {})
        file = Path(save_data([{"messages": messages} for messages in checked.examples]))
        job.provider_file_id = self.upload(file)
        earlier = self.jobs_of(job.provider_file_id)
        job.provider_job_id = self.start(name, job.provider_file_id, settings, earlier)
        self._say(f"{self.title}: job {job.provider_job_id} on {len(checked.examples)} examples")
        state = self.follow(job.provider_job_id, lambda _: None)
        return litellm_name(self.name, self.tuned_model(state))

    # --- failures -------------------------------------------------------------------------------

    def ask(self, call: Callable[[], _Result], what: str) -> _Result:
        """A call's result; `what` it is about, for errors."""
        for wait in (*WAITS, None):
            try:
                return call()
            except (self.package.APIError, *self.transport_errors) as error:
                if wait is None or not self._passes(error):
                    raise self._explained(error, what) from error
                seconds = max(wait, self._asked_wait(error))
                self._say(f"{self.title} {self._trouble(error)}: again in {seconds:g} s")
                time.sleep(seconds)
        raise AssertionError("unreachable")

    def _passes(self, error: Exception) -> bool:
        """Whether a failure may be over when the call is made again."""
        if isinstance(error, self.transport_errors):
            return True
        status = getattr(error, "status_code", None)
        if status == 429:  # of a limit, or of an account without money
            return "quota" not in f"{getattr(error, 'code', '')} {_reason(error)}".lower()
        is_cut = isinstance(error, self.package.APIConnectionError)
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
                return InputError(f"{self.title} refuses the key in {self.key}: {reason}")
            case 403:
                return InputError(f"{self.title} does not allow this account to do that: {reason}")
            case 404:
                return InputError(f"{self.title} does not have {what}: {reason}")
            case 429:
                return ModelError(f"{self.title} limits this account: {reason}")
            case None:
                return ModelError(f"{self.title} cannot be reached: {reason}")
            case status if status >= 500:
                return ModelError(f"{self.title} fails ({status}), try later: {reason}")
        return InputError(f"{self.title} refuses {what}: {reason}")


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
