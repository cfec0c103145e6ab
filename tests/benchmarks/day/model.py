"""A model's server that answers at once and counts tokens: `python -m tests.benchmarks.day.model`.

It speaks OpenAI's protocol on localhost, stores a fact of twelve words for each turn that is not
an assistant's (as `tests.benchmarks.digest_cost`), and answers each question. What it has counted
is at `/counts`. It has a process of its own, so that its work is no part of what is measured.
"""

import sys
import threading
import time
from collections import Counter

from memory.text.tokens import count_tokens
from tests.benchmarks.digest_cost import insert_of
from tests.support.answering_server import reply
from tests.support.local_http import Handler, Server, completion

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


class _Server(Server):
    def __init__(self, seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seconds = seconds
        self.counts: Counter[str] = Counter()
        self.lock = threading.Lock()


class _Handler(Handler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        request = self.asked()
        texts = [str(message["content"]) for message in request["messages"]]
        text = reply(texts[-1], FIELDS, insert_of)
        read, written = sum(map(count_tokens, texts)), count_tokens(text)
        kind = _kind(text)
        with self.server.lock:
            self.server.counts += Counter(
                {f"{kind}.calls": 1, f"{kind}.read": read, f"{kind}.written": written}
            )
        time.sleep(self.server.seconds)
        self.send(completion(text, request["model"], tokens=(read, written)))

    def do_GET(self) -> None:
        with self.server.lock:
            self.send(dict(self.server.counts))


if __name__ == "__main__":
    server = _Server(float(sys.argv[1]) if sys.argv[1:] else 0.0)
    count_tokens("The tokenizer is read before the first request.")
    print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()
