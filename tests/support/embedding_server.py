"""An embedding server on localhost, and memories with its vectors."""

import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from memory import Turn, open_store
from memory.search import embed
from memory.store.database_store import DatabaseStore
from memory.store.search import vectors
from tests.support.rows import rows_of

T = TypeVar("T", Path, str)
KEY = "very-secret-123"
SMALL, WIDE = "openai/small-16", "openai/wide-48"
TALK = [Turn("Anna" if n % 3 else "Ben", f"said {n}", f"s{n % 4}") for n in range(40)]


class Server:
    """Speaks OpenAI's protocol for embeddings; a model's name ends in the width of its vectors.

    First it gives the planned (status, body), None hangs up. `paid` are the texts embedded.
    """

    def __init__(self) -> None:
        self.plan: list[tuple[int, object] | None] = []
        self.paid: list[str] = []
        self.requests: list[int] = []  # number of texts in each
        self.addresses: list[tuple[str, str]] = []  # the path and the key of each
        self.slow_s = 0.0
        self.retry_after = "0"
        self.width = 0  # instead of the name's
        self.packs: Callable[[str], bool] = lambda _: False  # by what a client accepts
        self.at_request: Callable[[], object] | None = None  # once
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.requests.append(len(request.get("input") or request["documents"]))
                outer.addresses.append((self.path, self.headers["authorization"]))
                if act := outer.at_request:
                    outer.at_request = None
                    act()
                planned = outer.plan.pop(0) if outer.plan else (200, outer.answer(request))
                if planned is None:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                status, body = planned
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                packed = outer.packs(self.headers["accept-encoding"] or "")
                data = gzip.compress(data) if packed else data
                self.send_response(status)
                if packed:
                    self.send_header("content-encoding", "gzip")
                self.send_header("retry-after", outer.retry_after)
                self.send_header("retry-after-ms", "1")  # the client beneath hears this one
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                with suppress(BrokenPipeError):  # the client waited no longer
                    self.wfile.write(data)

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/v1"

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        time.sleep(self.slow_s)
        width = self.width or int(request["model"].rpartition("-")[2])
        self.paid += request["input"]
        data = [
            {"object": "embedding", "index": n, "embedding": vector(text, width).tolist()}
            for n, text in enumerate(request["input"])
        ]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return {"object": "list", "model": "m", "usage": usage, "data": data[::-1]}


def error(code: str, message: str = "no") -> dict[str, object]:
    """The body of a refusal."""
    return {"error": {"code": code, "message": message, "type": code}}


def vector(text: str, width: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(zlib.crc32(text.encode())).normal(size=width)


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server at work, named by the environment as OpenAI's."""
    served = Server()
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("OPENAI_API_BASE", served.address)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(embed, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(embed, "REQUEST_RETRIES", 1)
    threading.Thread(target=served.http.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield served
    finally:
        served.http.shutdown()
        served.http.server_close()


TABLES = {
    "recent": "turn_id, columns, vector",
    "blocks": "first_turn, last_turn, columns, codes",
    "pieces": "first_turn, vectors",
}


def stored_columns(location: Path | str) -> list[list[tuple[Any, ...]]]:
    """All that search keeps of the vectors, and by whom they are."""
    with open_store(location) as store:
        assert isinstance(store, DatabaseStore)
        embedder = vectors.recorded_embedder(store._conn)
        assert embedder
        tables = [
            rows_of(store, f"SELECT {columns} FROM {name} ORDER BY 1")
            for name, columns in TABLES.items()
        ]
        return [*tables, [(embedder.name, embedder.width)]]


def embedded_memory(location: T, name: str, turns: list[Turn] = TALK) -> T:
    with open_store(location, embedder=name) as store:
        store.add(turns)
    return location
