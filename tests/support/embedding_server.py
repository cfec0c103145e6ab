"""An embedding server on localhost, and memories with its vectors."""

import gzip
import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from memory import Turn, open_store
from memory.search import embed
from memory.store.database_store import DatabaseStore
from memory.store.search import vectors
from tests.support.local_http import Handler, local_http
from tests.support.rows import connection_of, rows_of

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
        self.address = ""

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

    class Answers(Handler):
        def do_POST(self) -> None:
            request = self.asked()
            served.requests.append(len(request.get("input") or request["documents"]))
            served.addresses.append((self.path, self.headers["authorization"]))
            if act := served.at_request:
                served.at_request = None
                act()
            planned = served.plan.pop(0) if served.plan else (200, served.answer(request))
            if planned is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            status, body = planned
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            # The client beneath hears the second of these.
            headers = {"retry-after": served.retry_after, "retry-after-ms": "1"}
            if served.packs(self.headers["accept-encoding"] or ""):
                data = gzip.compress(data)
                headers["content-encoding"] = "gzip"
            with suppress(BrokenPipeError):  # the client waited no longer
                self.send(data, status, headers)

    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(embed, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(embed, "REQUEST_RETRIES", 1)
    with local_http(Answers) as address:
        served.address = f"{address}/v1"
        monkeypatch.setenv("OPENAI_API_BASE", served.address)
        yield served


TABLES = {
    "recent": "turn_id, columns, vector",
    "blocks": "first_turn, last_turn, columns, codes",
    "pieces": "first_turn, vectors",
}


def stored_columns(location: Path | str) -> list[list[tuple[Any, ...]]]:
    """All that search keeps of the vectors, and by whom they are."""
    with open_store(location) as store:
        assert isinstance(store, DatabaseStore)
        embedder = vectors.recorded_embedder(connection_of(store))
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
