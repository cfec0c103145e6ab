"""Arbor's server as a client sees it: requests that end, and checkpoints fetched whole."""

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

from memory import InputError, ModelError

T = TypeVar("T")
_REPEATABLE = {"status", "metrics", "download", "checkpoint"}


class ServerError(ModelError):
    """The training server failed, fell silent or contradicts itself; the message says how."""


class CheckpointLost(ServerError):
    """The server cannot give a checkpoint that it said it has; earlier ones are as they were."""


class AnswerLost(ServerError):
    """What was asked for did not come in time, or a failure did: it may be done all the same."""


class Refused(ServerError):
    """The server understood and would not; `status` is HTTP's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Timeouts:
    """How many seconds each thing may take, and how often what may be repeated is tried again.

    `batch` is how long the trainer may take until it asks for the next batch; `behind` how late
    the server's list of batches may be; `pause` comes before the first retry and doubles.
    """

    initialize: float = 1800.0
    status: float = 30.0
    step: float = 600.0
    checkpoint: float = 900.0
    terminate: float = 600.0
    batch: float = 1200.0
    chat: float = 300.0
    retries: int = 4
    pause: float = 1.0
    behind: float = 3.0

    def seconds(self, route: str) -> float:
        """How long one answer of this route may take."""
        alike = {"download": "checkpoint", "cancel": "terminate"}
        return float(getattr(self, alike.get(route, route), self.status))


@dataclass
class WaitMonitor:
    """Says what is waited for and for how long already, and ends the wait at its limit.

    `on_wait` is called with both (seconds) from `after` seconds on, at most every `every` seconds,
    in the thread that waits; `undo` what comes after Ctrl-C.
    """

    on_wait: Callable[[str, float], None] = lambda what, seconds: None
    after: float = 10.0
    every: float = 5.0
    undo: Callable[[Any], object] | None = None
    _said: float = field(default=0.0, repr=False)

    def check(self, what: str, since: float, limit: float) -> None:
        """Raise AnswerLost when `what` has taken longer than `limit` since time.monotonic()."""
        now = time.monotonic()
        if now - since > limit:
            raise AnswerLost(f"waited {now - since:.0f} s for {what}; the server's log says more")
        if now - since >= self.after and now - self._said >= self.every:
            self._said = now
            self.on_wait(what, now - since)

    def during(self, what: str, limit: float, call: Callable[[], T]) -> T:
        """What `call` returns or raises; AnswerLost when it takes far more than `limit` s."""
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
                self.check(what, since, 1.5 * limit)  # its own limit comes first, if it keeps it
        except KeyboardInterrupt:
            if self.undo:
                self.on_wait(f"{what}, to undo it (Ctrl-C leaves it)", time.monotonic() - since)
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
    """A defect of Arbor that the server's start mended: "applied", or "not needed"."""

    name: str
    state: str


class ServerInfo(BaseModel):
    """The server: its version, GPUs, the split that runs, free disk in bytes, repairs."""

    arbor: str
    rehearsal: bool
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

    Every method raises ServerError when the server fails, is silent or says nonsense, after
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
                f"{parts.hostname or self.url!r} is no address of a server: write "
                "http://HOST:PORT/v1/, and its token into ARBOR_TOKEN"
            )
        url = self.url if parts.path.strip("/") else f"{self.url.rstrip('/')}/v1"
        object.__setattr__(self, "url", url.rstrip("/") + "/")

    def describe(self) -> ServerInfo:
        """What runs there. Raises InputError when it is not an Arbor started by arbor/serve.py."""
        try:
            return self._ask("server", "memory/server", ServerInfo)
        except Refused as error:
            raise InputError(self._stranger()) from error

    def model(self, name: str) -> ModelInfo:
        """A model's size and context. Raises InputError when the server cannot find it."""
        try:
            return self._ask("model", "memory/model", ModelInfo, {"name": name})
        except Refused as error:
            raise InputError(f"the server has no model {name}: {error}") from error

    def metrics(self, job_id: str, since: int) -> list[dict[str, float]]:
        """What the trainer measured at each step after `since`."""
        asked, kind = {"job_id": job_id, "since": since}, dict[str, list[dict[str, float]]]
        return self._ask("metrics", "memory/metrics", kind, asked).get("metrics", [])

    def close_job(self, job_id: str) -> None:
        """End a job and free its GPUs; one that ended already, or is unknown, is fine."""
        try:
            self.post("cancel", dict[str, Any], {"job_id": job_id})
        except Refused as error:
            if error.status not in (400, 404):
                raise

    def stop_serving(self) -> None:
        """Let go of every model that answers without a job."""
        self._ask("kill", "chat/kill", dict[str, Any], {"job_id": "*"}, "POST")

    def download(self, job_id: str, name: str, folder: Path) -> Path:
        """Fetch a checkpoint's adapter files into `folder`, which appears whole or stays as it was.

        Raises CheckpointLost when the server does not have it or it arrives broken,
        InputError when it cannot be written.
        """
        asked = {"job_id": job_id, "name": name}
        part, fresh = _beside(folder, "tar.part"), _beside(folder, "new")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)
            self._again("download", lambda: self._stream(asked, part))
            _unpack(part, fresh, name)
            _put(fresh, folder)
        except AnswerLost as error:
            raise CheckpointLost(f"checkpoint {name} cannot be fetched: {error}") from error
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror or error}") from error
        finally:
            with suppress(OSError):
                part.unlink()
            shutil.rmtree(fresh, ignore_errors=True)
        return folder

    def post(self, route: str, model: type[T], body: dict[str, Any]) -> T:
        """Ask one of Arbor's own routes about a job; tried again only where that does no harm."""
        return self._ask(route, f"fine_tuning/grpo/{route}", model, body, "POST")

    def _ask(
        self, route: str, path: str, model: type[T], asked: Any = None, method: str = "GET"
    ) -> T:
        """The answer of a route, checked. Raises AnswerLost when there is none to trust."""
        sent: dict[str, Any] = {"json": asked} if method == "POST" else {"params": asked}
        limit = self.timeouts.seconds(route)

        def once() -> T:
            with self._named(route):
                timeout = httpx.Timeout(limit, connect=min(limit, 10.0))
                url = self.url + path
                response = _http().request(method, url, auth=self._auth, timeout=timeout, **sent)
            self._check(route, response)
            try:
                return TypeAdapter(model).validate_json(response.content)
            except ValidationError as error:
                wrong = error.errors()[0]
                place = ".".join(map(str, wrong["loc"])) or "the answer"
                raise ServerError(
                    f"{self.url} is no Arbor, or another version: its answer to {route} does not "
                    f"fit ({place}: {wrong['msg']})"
                ) from error

        what = f"the server's answer to {route}"
        return self._again(route, lambda: self.monitor.during(what, limit, once))

    def _again(self, route: str, call: Callable[[], T]) -> T:
        """What `call` returns, tried again after an AnswerLost if this route may be repeated."""
        retries = self.timeouts.retries if route in _REPEATABLE else 0
        since = time.monotonic()
        for attempt in range(retries):
            try:
                return call()
            except AnswerLost:
                if time.monotonic() - since > self.timeouts.batch:
                    raise
                time.sleep(self.timeouts.pause * 2**attempt)
        return call()

    def _auth(self, request: httpx.Request) -> httpx.Request:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request

    @contextmanager
    def _named(self, route: str) -> Iterator[None]:
        """Failures of a connection, in words."""
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

    def _check(self, route: str, response: httpx.Response) -> None:
        """Raise unless the server did what it was asked."""
        status = response.status_code
        if status == 401:
            raise InputError(f"{self.url} refused the token: set ARBOR_TOKEN as on the server")
        said = "" if status == 200 else self._line(response)
        if status >= 500 or (route == "download" and status == 404):  # it said that it has it
            raise AnswerLost(f"{self.url} failed at {route}: {said}")
        if status != 200:
            raise Refused(f"{self.url} refused {route} ({status}): {said}", status)

    def _stranger(self) -> str:
        """What answers at this address without having our routes."""
        root = httpx.URL(self.url).join("/openapi.json")
        try:
            title = _http().get(root, timeout=self.timeouts.status).json()["info"]["title"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            title = ""
        if title == "Arbor API":
            return "this Arbor was started without arbor/serve.py: start it with arbor/startup.sh"
        return f"another kind of server answers at {self.url}: correct --server"

    def _line(self, response: httpx.Response) -> str:
        """The first line of Arbor's own words, or FastAPI's, or whatever came; not the token."""
        try:
            body = response.json()
            said = str(body.get("message") or body.get("detail"))
        except (ValueError, AttributeError):
            said = response.text
        line = (said.strip().splitlines() or ["no reason given"])[0][:200]
        return line.replace(self.token, "***") if self.token else line

    def _stream(self, asked: dict[str, str], part: Path) -> None:
        """A checkpoint's tar, all of it, into `part`."""
        limit, since, got = self.timeouts.seconds("download"), time.monotonic(), 0
        url, silence = self.url + "memory/checkpoint", self.timeouts.status
        opened = _http().stream("GET", url, params=asked, auth=self._auth, timeout=silence)
        with self._named("download"), opened as response:
            if response.status_code != 200:
                response.read()
            self._check("download", response)
            with part.open("wb") as file:
                for chunk in response.iter_raw():
                    file.write(chunk)
                    got += len(chunk)
                    self.monitor.check(f"checkpoint {asked['name']}", since, limit)
        if str(got) != response.headers.get("content-length"):
            raise AnswerLost(f"{self.url} sent {got} bytes of checkpoint {asked['name']}, not all")


@cache
def _http() -> httpx.Client:
    # A connection each: one kept open may be closed by the other side just when it is needed.
    return httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))


def _beside(folder: Path, kind: str) -> Path:
    return folder.with_name(f".{folder.name}.{kind}")


def _unpack(packed: Path, folder: Path, name: str) -> None:
    """Unpack a checkpoint: plain files in the folder, nothing else. Raises CheckpointLost."""
    try:
        with tarfile.open(packed, "r:") as tar:
            for member in tar:
                if not (member.isfile() or member.isdir()):
                    raise CheckpointLost(f"checkpoint {name}: {member.name!r} is no plain file")
            tar.extractall(folder, filter="data")  # refuses paths that lead outside
    except tarfile.TarError as error:
        raise CheckpointLost(f"checkpoint {name} arrived broken: {error}") from error
    if not (folder / "adapter_config.json").is_file():
        raise CheckpointLost(f"checkpoint {name} holds no adapter_config.json")


def _put(fresh: Path, folder: Path) -> None:
    old = _beside(folder, "old")
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.replace(old)
    try:
        fresh.replace(folder)
    except OSError:
        if old.exists():
            old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
