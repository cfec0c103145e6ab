"""A server on localhost with OpenAI's protocol whose model stores one fact for each turn."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.scripted import rows_saying, sql, window

Refusal = tuple[int, dict[str, str]]  # a status and headers


class FactServer:
    """Answers each window with a fact a turn; `prompts` has all that it was asked.

    `refuse` may give a status instead, `before_answer` is called before an answer is sent; `reply`
    writes another text than facts.
    """

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.refuse: Callable[[int], Refusal | None] = lambda number: None
        self.before_answer: Callable[[], object] = lambda: None
        self.reply: Callable[[str], str] = facts_of
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status, headers, data = outer.answer(request)
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None: ...

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None: ...  # who asked was killed

        self.http = Server(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/v1"

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        prompt = str(request["messages"][-1]["content"])
        self.prompts.append(prompt)
        if refusal := self.refuse(len(self.prompts)):
            return (*refusal, b'{"error": {"message": "refused", "code": "x"}}')
        self.before_answer()
        message = {"role": "assistant", "content": self.reply(prompt)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 70, "completion_tokens": 30, "total_tokens": 100}
        reply = {"id": "x", "object": "chat.completion", "created": 0, "model": request["model"]}
        body = json.dumps({**reply, "choices": [choice], "usage": usage}).encode()
        return 200, {"content-type": "application/json"}, body


def facts_of(prompt: str) -> str:
    """A fact for each turn of a window."""
    rows = ", ".join(rows_saying("said", window(prompt)))
    return sql(f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {rows}")


@contextmanager
def serving_facts() -> Iterator[FactServer]:
    """A model's server at work."""
    served = FactServer()
    threading.Thread(target=served.http.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield served
    finally:
        served.http.shutdown()
        served.http.server_close()
