"""A server on localhost with OpenAI's files and batches; a test decides what each request gets."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class BatchServer:
    """Works off a batch after it was looked at `looks` times.

    `reply` maps a request's body to what the model says; None: the request fails.
    """

    def __init__(self, reply: Callable[[dict[str, Any]], str | None], looks: int) -> None:
        self.reply, self.looks = reply, looks
        self.files: dict[str, str] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.ends_as = "completed"

    def created(self, body: dict[str, Any]) -> dict[str, Any]:
        assert body["endpoint"] == "/v1/chat/completions"
        batch = {
            "id": f"batch_{len(self.batches) + 1}",
            "object": "batch",
            "status": "in_progress",
            "created_at": 0,
            "looks": 0,
            **body,
        }
        self.batches[batch["id"]] = batch
        return batch

    def looked_at(self, batch: dict[str, Any]) -> dict[str, Any]:
        batch["looks"] += 1
        if batch["looks"] > self.looks and batch["status"] == "in_progress":
            self._work(batch)
        return batch

    def _work(self, batch: dict[str, Any]) -> None:
        batch["status"] = self.ends_as
        requests = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        done: dict[str, list[Any]] = {"output": [], "error": []}
        for request in requests:
            said = self.reply(request["body"])
            message = {"role": "assistant", "content": said}
            body = {
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
            }
            answer = {"custom_id": request["custom_id"], "response": {"body": body}}
            if said is None:
                answer["response"] = None
            done["error" if said is None else "output"].append(answer)
        for kind, answers in done.items():
            if answers:
                name = f"{kind}-{batch['id']}"
                self.files[name] = "".join(json.dumps(answer) + "\n" for answer in answers)
                batch[f"{kind}_file_id"] = name
        counts = {kind: len(answers) for kind, answers in done.items()}
        total = {"total": len(requests), "completed": counts["output"], "failed": counts["error"]}
        batch["request_counts"] = total


@contextmanager
def batches(
    reply: Callable[[dict[str, Any]], str | None], looks: int = 2
) -> Iterator[tuple[str, BatchServer]]:
    """The address of a server, and the server."""
    state = BatchServer(reply, looks)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/files":
                [part] = re.findall(rb"\r\n\r\n(\{.*?\n)\r\n--", content, re.DOTALL)
                name = f"file-{len(state.files) + 1}"
                state.files[name] = part.decode()
                self._send({"id": name, "object": "file", "purpose": "batch"})
            else:
                assert self.path == "/v1/batches"
                self._send(state.created(json.loads(content)))

        def do_GET(self) -> None:
            _, _, kind, name, *_ = self.path.split("/")
            if kind == "batches":
                self._send(state.looked_at(state.batches[name]))
            else:
                self._send(state.files[name])

        def _send(self, value: dict[str, Any] | str) -> None:
            data = (value if isinstance(value, str) else json.dumps(value)).encode()
            self.send_response(200)
            is_text = isinstance(value, str)
            kind = "application/octet-stream" if is_text else "application/json"
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
