"""A client of Arbor's server: requests with time limits, checkpoints downloaded completely."""

import os
import shutil
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from memory import InputError
from memory.errors import ModelError

T = TypeVar("T")
# Routes that may be asked twice: they change nothing, or the same again. A second `initialize`
# would start a second job, a second `step` train on one group twice.
_REPEATABLE = {"status", "metrics", "download", "checkpoint"}


class ServerError(ModelError):
    """The training server failed, stopped answering or contradicts itself; see the message."""


class CheckpointLost(ServerError):
    """The server cannot deliver a checkpoint that it listed; earlier ones are unchanged."""


class AnswerLost(ServerError):
    """No answer came in time, or an error: the request may have been carried out all the same."""


class RequestRefused(ServerError):
    """The server understood the request and refused it; `status` is HTTP's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Timeouts:
    """How many seconds each route may take, and how often a repeatable one is tried again.

    `batch` is how long the trainer may take until it asks for the next batch, `list_lag` how late
    the server's list of batches may be, `chat` one answer of the model. `retry_pause` comes before
    the first retry and doubles. All in seconds, but `retries`.
    """

    initialize: float = 1800.0
    status: float = 30.0
    step: float = 600.0
    checkpoint: float = 900.0
    terminate: float = 600.0
    batch: float = 1200.0
    chat: float = 300.0
    retries: int = 4
    retry_pause: float = 1.0
    list_lag: float = 3.0

    def seconds(self, route: str) -> float:
        """The time limit of one answer of this route."""
        field_of = {"download": "checkpoint", "cancel": "terminate"}
        return float(getattr(self, field_of.get(route, route), self.status))


@dataclass
class WaitMonitor:
    """Reports the purpose and duration of a wait, and ends it at its limit.

    `on_wait` is called with the purpose and the seconds so far, from `after` seconds on and then
    every `interval` seconds, in the thread that waits. `undo` is called with a result that comes
    after Ctrl-C.
    """

    on_wait: Callable[[str, float], None] = lambda purpose, seconds: None
    after: float = 10.0
    interval: float = 5.0
    undo: Callable[[Any], object] | None = None
    _last_report: float = field(default=0.0, repr=False)

    def check(self, purpose: str, since: float, limit: float) -> None:
        """Raise AnswerLost when more than `limit` seconds passed since `since` (monotonic)."""
        now = time.monotonic()
        waited = now - since
        if waited > limit:
            raise AnswerLost(f"waited {waited:.0f} s for {purpose}; the server's log says more")
        if waited >= self.after and now - self._last_report >= self.interval:
            self._last_report = now
            self.on_wait(purpose, waited)

    def during(self, purpose: str, limit: float, call: Callable[[], T]) -> T:
        """The result of `call`; raises AnswerLost if it takes far more than `limit` seconds.

        The call runs in its own thread, so that Ctrl-C and reports do not wait for it.
        """
        done, outcome = threading.Event(), list[T | BaseException]()

        def work() -> None:
            try:
                outcome.append(call())
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                outcome.append(error)
            done.set()

        since = time.monotonic()
        threading.Thread(target=work, daemon=True).start()
        try:
            while not done.wait(min(limit / 10, self.after / 2, 1.0)):
                # The call's own limit comes first, if it keeps it.
                self.check(purpose, since, 1.5 * limit)
        except KeyboardInterrupt:
            if self.undo:
                waited = time.monotonic() - since
                self.on_wait(f"{purpose}, to undo it (Ctrl-C leaves it)", waited)
                if done.wait(limit) and not isinstance(outcome[0], BaseException):
                    self.undo(outcome[0])
            raise
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]


class Gpu(BaseModel):
    """A GPU of the server's machine; memory in bytes, utilization 0 to 1."""

    id: int
    name: str
    memory_total: int
    memory_free: int
    utilization: float


class Split(BaseModel):
    """Which GPUs serve answers and which train, by id."""

    inference: list[int]
    training: list[int]


class Process(BaseModel):
    """A process of the server and the GPUs it holds, as the machine says."""

    pid: int
    role: str
    gpus: list[int]


class Repair(BaseModel):
    """A patch of Arbor that the server runs with: "applied", or "not needed"."""

    name: str
    state: str


class ServerInfo(BaseModel):
    """The server: its version, GPUs, the split that runs, free disk in bytes, repairs."""

    arbor: str
    gpus: list[Gpu]
    split: Split
    processes: list[Process]
    disk_free: int
    repairs: list[Repair]


class ModelInfo(BaseModel):
    """A model as the server finds it; context in tokens."""

    name: str
    parameters: int
    context: int
    chat_template: bool


@dataclass(frozen=True)
class Server:
    """Arbor at an address, http://HOST:PORT/v1/, with the token of ARBOR_TOKEN.

    Every method raises ServerError when the server fails, does not answer or sends nonsense, after
    `timeouts.retries`; InputError when the address, the token or a name is wrong.
    """

    url: str
    token: str = field(default_factory=lambda: os.environ.get("ARBOR_TOKEN", ""), repr=False)
    timeouts: Timeouts = field(default=Timeouts(), repr=False)
    monitor: WaitMonitor = field(default_factory=WaitMonitor, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise InputError(
                f"{parts.hostname or self.url!r} is not the address of a server: write "
                "http://HOST:PORT/v1/, and its token into ARBOR_TOKEN"
            )
        url = self.url if parts.path.strip("/") else f"{self.url.rstrip('/')}/v1"
        object.__setattr__(self, "url", url.rstrip("/") + "/")

    def describe(self) -> ServerInfo:
        """Describe the server. Raises InputError if it is not an Arbor of arbor/serve.py."""
        try:
            return self._request("server", "memory/server", ServerInfo)
        except RequestRefused as error:
            raise InputError(self._describe_stranger()) from error

    def model(self, name: str) -> ModelInfo:
        """A model's size and context. Raises InputError when the server cannot find it."""
        try:
            return self._request("model", "memory/model", ModelInfo, content={"name": name})
        except RequestRefused as error:
            raise InputError(f"the server has no model {name}: {error}") from error

    def metrics(self, job_id: str, since: int) -> list[dict[str, float]]:
        """The trainer's metrics for each step after `since`."""
        answer_type = dict[str, list[dict[str, float]]]
        query = {"job_id": job_id, "since": since}
        return self._request("metrics", "memory/metrics", answer_type, content=query).get(
            "metrics", []
        )

    def close_job(self, job_id: str) -> None:
        """End a job and free its GPUs; does nothing if the job has ended or is unknown."""
        try:
            self.post("cancel", dict[str, Any], {"job_id": job_id})
        except RequestRefused as error:
            if error.status not in (400, 404):
                raise

    def stop_serving(self) -> None:
        """Unload every model that answers without a job."""
        self._request("kill", "chat/kill", dict[str, Any], content={"job_id": "*"}, method="POST")

    def download(self, job_id: str, name: str, folder: Path) -> Path:
        """Fetch a checkpoint's adapter files into `folder`, which appears whole or stays unchanged.

        Raises CheckpointLost when the server does not have it or it arrives broken,
        InputError when it cannot be written.
        """
        query = {"job_id": job_id, "name": name}
        # Both are next to the folder, on its disk, so that the last step is a rename.
        archive, unpacked = _sibling(folder, "tar.part"), _sibling(folder, "new")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(unpacked, ignore_errors=True)
            self._with_retries("download", lambda: self._stream_checkpoint(query, archive))
            _unpack(archive, unpacked, name)
            _replace_folder(folder, unpacked)
        except AnswerLost as error:
            raise CheckpointLost(f"checkpoint {name} cannot be fetched: {error}") from error
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
        finally:
            with suppress(OSError):
                archive.unlink()
            shutil.rmtree(unpacked, ignore_errors=True)
        return folder

    def post(self, route: str, answer_type: type[T], body: dict[str, Any]) -> T:
        """Call one of Arbor's own routes about a job; retried only where that is safe."""
        path = f"fine_tuning/grpo/{route}"
        return self._request(route, path, answer_type, content=body, method="POST")

    def _request(
        self,
        route: str,
        path: str,
        answer_type: type[T],
        content: dict[str, Any] | None = None,
        method: str = "GET",
    ) -> T:
        """The answer of a route, checked; `content` is the query of a GET, the body of a POST.

        Raises AnswerLost when there is no answer to trust.
        """
        arguments: dict[str, Any] = {"json" if method == "POST" else "params": content}
        limit = self.timeouts.seconds(route)

        def attempt() -> T:
            with self._connection_errors(route):
                response = _http().request(
                    method,
                    self.url + path,
                    auth=self._authorize,
                    timeout=httpx.Timeout(limit, connect=min(limit, 10.0)),
                    **arguments,
                )
            self._check_status(route, response)
            try:
                return TypeAdapter(answer_type).validate_json(response.content)
            except ValidationError as error:
                first = error.errors()[0]
                field = ".".join(map(str, first["loc"])) or "the answer"
                raise ServerError(
                    f"{self.url} is no Arbor, or another version: its answer to {route} does not "
                    f"fit ({field}: {first['msg']})"
                ) from error

        purpose = f"the server's answer to {route}"
        return self._with_retries(route, lambda: self.monitor.during(purpose, limit, attempt))

    def _with_retries(self, route: str, call: Callable[[], T]) -> T:
        """The result of `call`, retried after an AnswerLost if this route may be repeated."""
        retries = self.timeouts.retries if route in _REPEATABLE else 0
        since = time.monotonic()
        for attempt in range(retries):
            try:
                return call()
            except AnswerLost:
                if time.monotonic() - since > self.timeouts.batch:
                    raise
                time.sleep(self.timeouts.retry_pause * 2**attempt)
        return call()

    def _authorize(self, request: httpx.Request) -> httpx.Request:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request

    @contextmanager
    def _connection_errors(self, route: str) -> Iterator[None]:
        """Raise AnswerLost, in words, for a connection that fails inside."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise AnswerLost(
                f"nothing listens at {self.url}: start the server there with arbor/startup.sh, or "
                "correct --server"
            ) from error
        except httpx.TimeoutException as error:
            limit = self.timeouts.seconds(route)
            raise AnswerLost(f"{self.url} was silent for {limit:.0f} s at {route}") from error
        except httpx.HTTPError as error:
            raise AnswerLost(f"{self.url} closed the connection at {route}: is it up?") from error

    def _check_status(self, route: str, response: httpx.Response) -> None:
        """Raise unless the server did what it was asked to do."""
        status = response.status_code
        if status == 401:
            raise InputError(f"{self.url} refused the token: set ARBOR_TOKEN as on the server")
        reason = "" if status == 200 else self._reason(response)
        # A checkpoint is fetched only after the server listed it: 404 is a failure, too.
        if status >= 500 or (route == "download" and status == 404):
            raise AnswerLost(f"{self.url} failed at {route}: {reason}")
        if status != 200:
            raise RequestRefused(f"{self.url} refused {route} ({status}): {reason}", status)

    def _describe_stranger(self) -> str:
        """What answers at this address without having our routes."""
        root = httpx.URL(self.url).join("/openapi.json")
        try:
            title = _http().get(root, timeout=self.timeouts.status).json()["info"]["title"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            title = ""
        if title == "Arbor API":
            return "this Arbor was started without arbor/serve.py: start it with arbor/startup.sh"
        return f"another kind of server answers at {self.url}: correct --server"

    def _reason(self, response: httpx.Response) -> str:
        """The first line of Arbor's message, or FastAPI's, or of any text; not the token."""
        try:
            body = response.json()
            message = str(body.get("message") or body.get("detail"))
        except (ValueError, AttributeError):
            message = response.text
        line = (message.strip().splitlines() or ["no reason given"])[0][:200]
        return line.replace(self.token, "***") if self.token else line

    def _stream_checkpoint(self, query: dict[str, str], archive: Path) -> None:
        """Write a checkpoint's tar, all of it, to `archive`."""
        name = query["name"]
        stream = _http().stream(
            "GET",
            self.url + "memory/checkpoint",
            params=query,
            auth=self._authorize,
            timeout=self.timeouts.status,  # of silence; the limit below is for all of it
        )
        limit, since = self.timeouts.seconds("download"), time.monotonic()
        size = 0  # bytes that came
        with self._connection_errors("download"), stream as response:
            if response.status_code != 200:
                response.read()
            self._check_status("download", response)
            with archive.open("wb") as file:
                for chunk in response.iter_raw():
                    file.write(chunk)
                    size += len(chunk)
                    self.monitor.check(f"checkpoint {name}", since, limit)
        if str(size) != response.headers.get("content-length"):
            raise AnswerLost(f"{self.url} sent {size} bytes of checkpoint {name}, not all")


@cache
def _http() -> httpx.Client:
    # A new connection for each request: the server may close an open one just when it
    # is needed.
    return httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))


def _sibling(folder: Path, kind: str) -> Path:
    return folder.with_name(f".{folder.name}.{kind}")


def _unpack(archive: Path, folder: Path, name: str) -> None:
    """Unpack a checkpoint: plain files in the folder, nothing else. Raises CheckpointLost."""
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if not (member.isfile() or member.isdir()):
                    raise CheckpointLost(f"checkpoint {name}: {member.name!r} is no plain file")
            tar.extractall(folder, filter="data")  # refuses paths that lead outside
    except tarfile.TarError as error:
        raise CheckpointLost(f"checkpoint {name} arrived broken: {error}") from error
    if not (folder / "adapter_config.json").is_file():
        raise CheckpointLost(f"checkpoint {name} holds no adapter_config.json")


def _replace_folder(folder: Path, unpacked: Path) -> None:
    """Replace an old folder by a new one; a failure restores the old one."""
    previous = _sibling(folder, "old")
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.replace(previous)
    try:
        unpacked.replace(folder)
    except OSError:
        if previous.exists():
            previous.replace(folder)
        raise
    shutil.rmtree(previous, ignore_errors=True)
