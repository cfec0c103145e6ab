"""Together's tuning on localhost, as its documents and its client package describe it.

A job goes one step further each time somebody looks at it. Faults are planned by method and path.
"""

import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk-0123456789KEYKEYKEY"
MODEL = "Qwen/Qwen3-8B"
TUNED = {f"ft-{n}": f"acme/Qwen3-8B-sql-memory-{n}" for n in range(1, 4)}
# What a look at a job finds, in order; the last stays.
STEPS = ["pending", "queued", "running", "running", "uploading", "completed"]


@dataclass
class TuningServer:
    """A provider that remembers what it was sent, and how it is to behave."""

    url: str = ""
    steps: list[str] = field(default_factory=list)
    files: dict[str, list[Any]] = field(default_factory=dict)  # the lines of each
    sums: dict[str, str] = field(default_factory=dict)  # the files by their checksum
    deleted: list[str] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)  # the request of each
    looks: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # "POST /v1/files"
    # By "METHOD /path", what happens to the next requests: a status with a body, "cut" for a
    # connection that ends, "lost" for work that is done and whose answer is cut, "ctrl-c".
    faults: dict[str, list[Any]] = field(default_factory=dict)
    estimates: list[dict[str, Any]] = field(default_factory=list)  # the last stays
    reason: str = "The job failed due to an invalid training file."
    fault_of_file: str = "line 1: no role"
    answers: Callable[[str], str] = lambda prompt: "yes"

    def status(self, job: str) -> str:
        steps = self.steps or STEPS
        return steps[min(self.looks[job], len(steps)) - 1]

    def new_job(self, request: dict[str, Any]) -> str:
        job = f"ft-{len(self.jobs) + 1}"
        self.jobs[job], self.looks[job] = request, 0
        return job


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: TuningServer
    routes: tuple[tuple[str, str, str], ...] = (
        ("POST", r"/v1/files", "new_file"),
        ("PUT", r"/bucket/(?P<file>[\w-]+)", "put_file"),
        ("POST", r"/v1/files/(?P<file>[\w-]+)/preprocess", "described_file"),
        ("GET", r"/v1/files/(?P<file>[\w-]+)", "described_file"),
        ("DELETE", r"/v1/files/(?P<file>[\w-]+)", "delete_file"),
        ("GET", r"/v1/fine-tunes/models/limits", "limits"),
        ("POST", r"/v1/fine-tunes/estimate-price", "estimate"),
        ("GET", r"/v1/fine-tunes", "list_jobs"),
        ("POST", r"/v1/fine-tunes", "new_job"),
        ("GET", r"/v1/fine-tunes/(?P<job>[\w-]+)", "look_at_job"),
        ("GET", r"/v1/fine-tunes/(?P<job>[\w-]+)/events", "events"),
        ("GET", r"/v1/fine-tunes/(?P<job>[\w-]+)/metrics", "metrics"),
        ("POST", r"/v1/fine-tunes/(?P<job>[\w-]+)/cancel", "cancel_job"),
        ("POST", r"/v1/chat/completions", "chat"),
    )

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        request = f"{self.command} {path}"
        self.provider.asked.append(request)
        faults = self.provider.faults.get(request, [])
        fault = faults.pop(0) if faults else None
        if fault == "cut":
            return self.cut()
        if fault == "ctrl-c":
            os.kill(os.getpid(), signal.SIGINT)
        if isinstance(fault, tuple):
            return self.send(*fault)
        if path.startswith("/v1/") and self.headers.get("authorization") != f"Bearer {KEY}":
            error = {"message": "Incorrect API key provided", "code": "invalid_api_key"}
            return self.send(401, {"error": error})
        for method, pattern, name in self.routes:
            found = re.fullmatch(pattern, path)
            if found and method == self.command:
                arguments = found.groupdict()
                result = getattr(self, name)(body=body, query=query, **arguments)
                return self.cut() if fault == "lost" else self.send(*result)
        return self.send(404, {"error": {"message": f"no {request}"}})

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def cut(self) -> None:
        self.close_connection = True

    def send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...

    def new_file(self, body: bytes, **_: Any) -> Any:
        """Where the file goes: Together takes its content in a second request."""
        file = f"file-{len(self.provider.files) + 1}"
        [checksum] = re.findall(r'name="checksum"\s+([0-9a-f]{64})\s', body.decode())
        known = self.provider.sums.setdefault(checksum, file)
        if known in self.provider.files and known not in self.provider.deleted:
            return 409, {"error": {"message": "file exists"}, "file_id": known}
        self.provider.sums[checksum] = file
        location = f"{self.provider.url.removesuffix('/v1')}/bucket/{file}"
        return 302, {}, {"Location": location, "X-Together-File-Id": file}

    def keep(self, file: str, content: bytes) -> None:
        self.provider.files[file] = [json.loads(line) for line in content.splitlines()]

    def delete_file(self, file: str, **_: Any) -> tuple[int, Any]:
        self.provider.deleted.append(file)
        return 200, {"id": file, "object": "file", "deleted": True}

    def put_file(self, file: str, body: bytes, **_: Any) -> tuple[int, Any]:
        self.keep(file, body)
        return 200, {}

    def described_file(self, file: str, **_: Any) -> tuple[int, Any]:
        report = {"valid": False, "error": self.provider.fault_of_file}
        return 200, {
            "id": file,
            "object": "file",
            "bytes": 1,
            "created_at": 0,
            "Processed": True,
            "filename": "sent.jsonl",
            "FileType": "jsonl",
            "purpose": "fine-tune",
            "processing_status": "INVALID_FORMAT",
            "validation_report": report,
        }

    def limits(self, query: dict[str, list[str]], **_: Any) -> tuple[int, Any]:
        if query["model_name"] != [MODEL]:
            return 404, {"error": {"message": "model is not available for fine-tuning"}}
        lora = {"max_batch_size": 64, "max_batch_size_dpo": 8, "min_batch_size": 8, "max_rank": 64}
        return 200, {
            "model_name": MODEL,
            "max_num_epochs": 20,
            "max_num_evals": 100,
            "max_learning_rate": 1.0,
            "min_learning_rate": 1e-8,
            "max_seq_length_sft": 8192,
            "max_seq_length_dpo": 4096,
            "min_max_seq_length": 256,
            "supports_tools": True,
            "max_num_checkpoints": 10,
            "default_gradient_accumulation_steps": 1,
            "supports_vision": False,
            "supports_reasoning": True,
            "merge_output_lora": True,
            "supports_full_training": False,
            "full_training": None,
            "lora_training": {**lora, "default_rank": 64, "target_modules": ["q_proj"]},
        }

    def estimate(self, body: bytes, **_: Any) -> tuple[int, Any]:
        assert json.loads(body)["training_file"] in self.provider.files
        estimates = self.provider.estimates
        if not estimates:
            return 200, {"estimation_available": True, "estimated_total_price": 0.01}
        return 200, estimates.pop(0) if len(estimates) > 1 else estimates[0]

    def new_job(self, body: bytes, **_: Any) -> tuple[int, Any]:
        request = json.loads(body)
        assert request["training_file"] in self.provider.files
        assert request["training_type"]["type"] == "Lora"
        return 200, self.record(self.provider.new_job(request))

    def list_jobs(self, **_: Any) -> tuple[int, Any]:
        return 200, {"data": [self.record(job) for job in self.provider.jobs]}

    def look_at_job(self, job: str, **_: Any) -> tuple[int, Any]:
        self.provider.looks[job] += 1
        return 200, self.record(job)

    def record(self, job: str) -> dict[str, Any]:
        request, status = self.provider.jobs[job], self.provider.status(job)
        done = status == "completed"
        return {
            "id": job,
            "status": status,
            "user_id": "acme",
            "model": request["model"],
            "training_file": request["training_file"],
            "created_at": "2026-11-28T00:00:00Z",
            "token_count": 4321 if done else 0,
            "total_price": 20_000_000 if done else 0,
            "model_output_name": TUNED.get(job),
            "n_epochs": request["n_epochs"],
        }

    def events(self, job: str, **_: Any) -> tuple[int, Any]:
        step, base = self.provider.looks[job], {"object": "fine-tune-event", "level": "info"}
        events = [
            {**base, "created_at": f"2026-11-28T00:00:0{step}Z", "message": f"step {step}"},
            {**base, "created_at": "2026-11-28T00:00:00Z", "message": "Fine tune request created"},
        ]
        events[0] |= {"type": "checkpoint_save", "step": step, "total_steps": 6}
        events[1] |= {"type": "job_pending"}
        if self.provider.status(job).endswith("error"):
            last = {"created_at": "2026-11-28T01:00:00Z", "message": self.provider.reason}
            events.append({**base, **last, "type": "job_error", "level": "error"})
        return 200, {"data": events}

    def metrics(self, job: str, **_: Any) -> tuple[int, Any]:
        rows = [{"train/global_step": n, "train/loss": 1 / n} for n in range(1, 3)]
        return 200, {"metrics": rows}

    def cancel_job(self, job: str, **_: Any) -> tuple[int, Any]:
        self.provider.steps, self.provider.looks[job] = ["cancelled"], 1
        return 200, self.record(job)

    def chat(self, body: bytes, **_: Any) -> tuple[int, Any]:
        request = json.loads(body)
        prompt = "\n".join(message["content"] for message in request["messages"])
        message = {"role": "assistant", "content": self.provider.answers(prompt)}
        self.provider.asked[-1] += f" {request['model']}"
        return 200, {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 70, "completion_tokens": 30, "total_tokens": 100},
        }


@contextmanager
def tuning_server() -> Iterator[TuningServer]:
    """A server at work."""
    provider = TuningServer()
    handler = type("Handler", (_Handler,), {"provider": provider})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    provider.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
