"""A model's server that answers at once and counts tokens: `python -m tests.benchmarks.day.model`.

It speaks OpenAI's protocol on localhost, stores a fact of twelve words for each turn that is not
an assistant's (as `tests.benchmarks.digest_cost`), and answers each question. What it has counted
is at `/counts`. It has a process of its own, so that its work is no part of what is measured.
"""

import json
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from memory.text.tokens import count_tokens
from tests.benchmarks.digest_cost import insert_of
from tests.support.answering_server import reply

FIELDS = {
    "sql": "SELECT turn_id, subject, attribute, value FROM facts ORDER BY turn_id DESC LIMIT 20",
    "answer": "A short answer of about ten tokens",
    "turns": "1, 2",
    "look": "",
}


def _kind(text: str) -> str:
    """What a call was for, by its answer."""
    if "[[ ## sql ## ]]" not in text:
        return "answer"
    return "query" if FIELDS["sql"] in text else "digest"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seconds = seconds
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        texts = [str(message["content"]) for message in request["messages"]]
        text = reply(texts[-1], FIELDS, insert_of)
        read, written = sum(map(count_tokens, texts)), count_tokens(text)
        kind = _kind(text)
        with self.server.lock:
            self.server.counts += Counter(
                {f"{kind}.calls": 1, f"{kind}.read": read, f"{kind}.written": written}
            )
        time.sleep(self.server.seconds)
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": text},
        }
        usage = {"prompt_tokens": read, "completion_tokens": written}
        self._send(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 0,
                "model": request["model"],
                "choices": [choice],
                "usage": {**usage, "total_tokens": read + written},
            }
        )

    def do_GET(self) -> None:
        with self.server.lock:
            self._send(dict(self.server.counts))

    def _send(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


if __name__ == "__main__":
    server = _Server(float(sys.argv[1]) if sys.argv[1:] else 0.0)
    count_tokens("The tokenizer is read before the first request.")
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()
