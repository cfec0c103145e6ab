"""Servers on localhost: a handler that reads and sends JSON, and a server until a block ends."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Reads what was asked, sends answers, and logs nothing."""

    def content(self) -> bytes:
        """The body of the request."""
        return self.rfile.read(int(self.headers["content-length"]))

    def asked(self) -> dict[str, Any]:
        """The body of the request, which is JSON."""
        request: dict[str, Any] = json.loads(self.content())
        return request

    def send(
        self,
        body: object,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        cut_after: int | None = None,
    ) -> None:
        """Answer with bytes as they are, or with JSON; no more than `cut_after` bytes of it."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[:cut_after])

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    """A server for handlers; silent where a client goes away or is killed."""

    request_queue_size = 256

    def handle_error(self, *_: object) -> None: ...


@contextmanager
def local_http(handler: type[Handler]) -> Iterator[str]:
    """The address of a server that answers by a handler until the block ends."""
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def completion(
    text: str | None,
    model: str = "m",
    *,
    id_: str = "chatcmpl-1",
    finish: str = "stop",
    tokens: tuple[int, int] = (70, 30),
    **message: Any,
) -> dict[str, Any]:
    """An answer of OpenAI's protocol in one piece; `message` has what else is in the message."""
    said = {"role": "assistant", "content": text, **message}
    return {
        "id": id_,
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "finish_reason": finish, "message": said}],
        "usage": {
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "total_tokens": sum(tokens),
        },
    }
