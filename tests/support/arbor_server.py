"""A server on localhost with Arbor's protocol and faults that a test chooses.

    with arbor_server(misbehave={"step": Fault("drop", times=1)}) as server:
        Server(server.url) ...
        server.bodies("initialize"), server.groups, server.checkpoints

Routes, by short name: initialize, status, step, checkpoint, terminate, cancel, chat; and those of
arbor/serve.py: server, model, metrics, download. Faults, for any route: "slow" (`slow` seconds
late), "silent" (never answers), "500", "drop" (closes the connection unread), "drop after" (does
what was asked, then closes), "garbage" (no JSON), "wrong job", "die" (the whole server ends).
status: "failed", "cancelled", "never" (no next batch), "repeated" (one batch twice over),
"backwards" (the batch before the last once more), "strings", "negative". checkpoint: "unlisted"
(says done). download: "lost" (404), "truncated" (fewer bytes than announced), "unmeasured"
(the same, unannounced), "broken" (no tar), "unsafe" (a path outside), "link".
"""

import importlib.util
import io
import json
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import ValidationError

GRPO = "/v1/fine_tuning/grpo/"
ROUTES = {
    **{GRPO + n: n for n in ("initialize", "status", "step", "checkpoint", "terminate", "cancel")},
    **{f"/v1/chat/{path}": n for path, n in (("completions", "chat"), ("kill", "kill"))},
    "/v1/memory/server": "server",
    "/v1/memory/model": "model",
    "/v1/memory/metrics": "metrics",
    "/v1/memory/checkpoint": "download",
    "/openapi.json": "openapi",
}
JOB = "grpo:qwen2.5-3b:tidy-otter:20250101"
GIB = 1024**3


@cache
def _schemas() -> Any:
    """Upstream's own models of the requests, which need no more than pydantic."""
    path = Path(str(distribution("arbor-ai").locate_file("arbor/server/api/schemas.py")))
    module_spec = importlib.util.spec_from_file_location("arbor_schemas", path)
    assert module_spec
    assert module_spec.loader
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Fault:
    """What goes wrong: after `after` proper answers, `times` times (None: from then on)."""

    what: str
    times: int | None = None
    after: int = 0

    def strikes(self, number: int) -> bool:
        """Whether it goes wrong at this request, counted from 0."""
        past = number - self.after
        return past >= 0 and (self.times is None or past < self.times)


@dataclass(frozen=True)
class ReceivedRequest:
    """One request as it came off the wire; for a GET, `body` has the query's arguments."""

    route: str
    path: str
    body: dict[str, Any]
    authorization: str | None


class Refusal(Exception):
    """An answer other than 200: a status and its JSON."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


def say(messages: list[dict[str, Any]], number: int) -> str:
    """What the model says by default: the n-th of ten different answers."""
    return f"[[ ## answer ## ]]\n7 May {number % 10}\n\n[[ ## completed ## ]]"


@dataclass
class ArborServer:
    """State and records. What a test changes: `about`, `models`, `adapter`, `measured`."""

    about: dict[str, Any]
    token: str = ""
    plain: bool = False  # Arbor as it is, without our routes
    answer: Callable[[list[dict[str, Any]], int], str] = say
    step_seconds: float = 0.0  # from a group to the request for the next
    slow: float = 0.3
    misbehave: Mapping[str, str | Fault] = field(default_factory=dict)
    url: str = ""
    requests: list[ReceivedRequest] = field(default_factory=list)
    groups: list[tuple[int, list[dict[str, Any]]]] = field(default_factory=list)
    checkpoints: dict[str, int] = field(default_factory=dict)  # by name: groups trained on by then
    status: str = "none"  # of the job
    models: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {
            "Qwen/Qwen2.5-3B": {"parameters": 3_085_938_688, "context": 32_768},
            "Qwen/Qwen2.5-7B": {"parameters": 7_615_616_512, "context": 131_072},
        }
    )
    adapter: dict[str, bytes] = field(
        default_factory=lambda: {
            "adapter_config.json": b'{"peft_type": "LORA", "r": 64}',
            "adapter_model.safetensors": b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ",
        }
    )
    measured: dict[str, float] = field(
        default_factory=lambda: {
            "kl": 0.01,
            "loss": 0.1,
            "completion_length": 9.0,
            "reward": 0.5,
            "grad_norm": 0.7,
            "learning_rate": 2e-5,
        }
    )

    def __post_init__(self) -> None:
        self._schemas = _schemas()
        self._closing, self._lock = threading.Event(), threading.Lock()
        self._seen: dict[str, int] = {}
        self._ready_at = 0.0
        self._rollouts = 0

    def bodies(self, route: str) -> list[dict[str, Any]]:
        """What was sent to a route, in order."""
        return [request.body for request in self.requests if request.route == route]

    def fault(self, route: str) -> str:
        """What goes wrong with this request, or nothing. Counts the request."""
        with self._lock:
            number = self._seen.get(route, 0)
            self._seen[route] = number + 1
        fault = self.misbehave.get(route, "")
        fault = Fault(fault) if isinstance(fault, str) else fault
        return fault.what if fault.strikes(number) else ""

    def reply(self, request: ReceivedRequest, fault: str) -> bytes | dict[str, Any]:
        """Do what is asked. Raises Refusal."""
        if request.route == "openapi":
            return {"info": {"title": "Arbor API"}}
        if self.token and request.authorization != f"Bearer {self.token}":
            raise Refusal(401, {"message": "the token is missing or wrong"})
        ours = request.path.startswith("/v1/memory/")
        if request.route == "unknown" or (ours and self.plain):
            raise Refusal(404, {"detail": "Not Found"})
        with self._lock:
            done: bytes | dict[str, Any] = getattr(self, f"_{request.route}")(request.body, fault)
            return done

    def _checked(self, model: str, body: dict[str, Any]) -> Any:
        try:
            request = getattr(self._schemas, model).model_validate(body)
        except ValidationError as error:
            raise Refusal(422, {"detail": json.loads(error.json())}) from error
        if model != "GRPOInitializeRequest" and (
            self.status == "none" or not self._own(request.job_id)
        ):
            raise Refusal(400, {"type": "KeyError", "message": repr(request.job_id)})
        return request

    @staticmethod
    def _own(job_id: str) -> bool:
        return job_id == JOB

    def _state(self, fault: str = "", *, stale: bool = False) -> dict[str, Any]:
        done = len(self.groups)
        is_waiting = time.monotonic() < self._ready_at
        ids: list[Any] = [done - 1] if stale else [] if is_waiting else [done]
        odd: dict[str, list[Any]] = {
            "never": [],
            "repeated": [done, done],
            "backwards": [max(done - 2, 0)],
            "strings": [str(done)],
            "negative": [-1],
        }
        names = [] if fault == "unlisted" else list(self.checkpoints)
        answer = {
            "job_id": "grpo:somebody:else" if fault == "wrong job" else JOB,
            "status": fault if fault in ("failed", "cancelled") else self.status,
            "current_model": JOB,
            "checkpoints": {n: {"checkpoint_name": n, "checkpoint_dir": f"/d/{n}"} for n in names},
            "last_checkpoint": next(reversed(self.checkpoints), None),
            "pending_batch_ids": odd.get(fault, ids),
        }
        if fault not in ("strings", "negative"):
            self._schemas.GRPOStatus.model_validate(answer)
        return answer

    def _initialize(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        trainer_config = {**body["trainer_config"]}
        trainer_config.pop("resume_from_checkpoint", None)  # a field of arbor/serve.py's own
        body = {**body, "trainer_config": trainer_config}
        request = self._checked("GRPOInitializeRequest", body)
        self._rollouts = request.trainer_config.num_generations
        self.status = "running"
        return self._state(fault)

    def _status(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        self._checked("GRPOBaseRequest", body)
        return self._state(fault)

    def _step(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        request = self._checked("GRPOStepRequest", body)
        received = len(request.batch)
        if received != self._rollouts:
            message = f"Expected {self._rollouts} samples in the group, received {received}"
            raise Refusal(400, {"type": "ValueError", "message": message})
        assert all({"messages", "completion", "reward"} <= set(item) for item in request.batch)
        self.groups.append((request.batch_id, request.batch))
        self._ready_at = time.monotonic() + self.step_seconds
        return self._state(fault, stale=True)  # its list is half a second behind

    def _checkpoint(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        request = self._checked("GRPOCheckpointRequest", body)
        self.checkpoints[request.checkpoint_name] = len(self.groups)
        return self._state(fault)

    def _terminate(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        self._checked("GRPOTerminateRequest", body)
        self.checkpoints["checkpoint_final"] = len(self.groups)
        return self._state(fault)

    def _cancel(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        if self.status == "none" or not self._own(body.get("job_id", "")):
            raise Refusal(404, {"detail": f"GRPO job {body.get('job_id')} not found"})
        self.status = "cancelled"
        return self._state(fault)

    def _chat(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        content = self.answer(body["messages"], self._seen["chat"] - 1)
        message = {"role": "assistant", "content": content}
        return {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 70, "completion_tokens": 30, "total_tokens": 100},
        }

    def _kill(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        return {"message": f"terminated {body['job_id']}"}

    def _server(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        return self.about

    def _model(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        if body["name"] not in self.models:
            raise Refusal(404, {"message": f"{body['name']} cannot be found"})
        return {"name": body["name"], "chat_template": True, **self.models[body["name"]]}

    def _metrics(self, body: dict[str, Any], fault: str) -> dict[str, Any]:
        steps = range(int(body["since"]) + 1, len(self.groups) + 1)
        return {"metrics": [{"step": step, **self.measured} for step in steps]}

    def _download(self, body: dict[str, Any], fault: str) -> bytes:
        if fault == "lost" or not self._own(body["job_id"]) or body["name"] not in self.checkpoints:
            raise Refusal(404, {"message": f"no checkpoint {body['name']}"})
        if fault == "broken":
            return b"no tar at all" * 100
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            files = {"step.txt": str(self.checkpoints[body["name"]]).encode(), **self.adapter}
            if fault == "unsafe":
                files["../outside.txt"] = b"out"
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            if fault == "link":
                member = tarfile.TarInfo("again.txt")
                member.type, member.linkname = tarfile.SYMTYPE, "step.txt"
                tar.addfile(member)
        return packed.getvalue()


class _Handler(BaseHTTPRequestHandler):
    state: ArborServer

    def do_GET(self) -> None:
        self._serve({k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()})

    def do_POST(self) -> None:
        self._serve(json.loads(self.rfile.read(int(self.headers["content-length"]))))

    def _serve(self, body: dict[str, Any]) -> None:
        state, path = self.state, urlsplit(self.path).path
        request = ReceivedRequest(
            ROUTES.get(path, "unknown"), path, body, self.headers["authorization"]
        )
        state.requests.append(request)
        fault = state.fault(request.route)
        if fault == "slow":
            state._closing.wait(state.slow)
        elif fault == "silent":
            state._closing.wait()
        if fault in ("drop", "silent"):
            return self._cut()
        if fault == "die":
            self.server.shutdown()
            self.server.server_close()  # nobody is let in any more
            state._closing.set()
        if state._closing.is_set():
            return self._cut()
        if fault == "500":
            message = f"CUDA out of memory, asked by {request.authorization}\nTraceback: ..."
            return self._send(500, {"type": "RuntimeError", "message": message})
        try:
            answer = state.reply(request, fault)
        except Refusal as refusal:
            return self._send(refusal.status, refusal.body)
        sent = b"<html>" if fault == "garbage" else answer
        return self._cut() if fault == "drop after" else self._send(200, sent, fault)

    def _send(self, status: int, answer: bytes | dict[str, Any], fault: str = "") -> None:
        kind = "application/x-tar" if isinstance(answer, bytes) else "application/json"
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        if fault != "unmeasured":
            self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:-1024] if fault in ("truncated", "unmeasured") else data)

    def _cut(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_: object) -> None: ...


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None: ...  # the client went away


def describe(gpus: int = 3, memory: int = 24 * GIB, **changes: Any) -> dict[str, Any]:
    """What GET /v1/memory/server answers: GPU 0 serves answers, the others train."""
    split = {"inference": [0], "training": list(range(1, gpus))}
    return {
        "arbor": "0.2.17",
        "disk_free": 500 * GIB,
        "split": split,
        "gpus": [
            {
                "id": i,
                "name": "NVIDIA RTX A6000",
                "utilization": 0.5,
                "memory_total": memory,
                "memory_free": memory,
            }
            for i in range(gpus)
        ],
        "processes": [
            {"pid": 100, "role": "inference", "gpus": [0]},
            {"pid": 101, "role": "training", "gpus": split["training"]},
        ],
        "repairs": [{"name": "deepspeed_config", "state": "applied"}],
        **changes,
    }


@contextmanager
def arbor_server(
    gpus: int = 3,
    misbehave: Mapping[str, str | Fault] | None = None,
    about: dict[str, Any] | None = None,
    **settings: Any,
) -> Iterator[ArborServer]:
    """A server at work; `settings` are fields of ArborServer, `about` goes over `describe(gpus)`.

    It never waits for requests that it leaves unanswered.
    """
    state = ArborServer(describe(gpus, **(about or {})), misbehave=misbehave or {}, **settings)
    http = _Http(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    state.url = f"http://127.0.0.1:{http.server_port}/v1/"
    serving = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    serving.start()
    try:
        yield state
    finally:
        state._closing.set()
        http.shutdown()
        http.server_close()
