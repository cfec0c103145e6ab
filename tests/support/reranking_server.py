"""A reranking server on localhost, with Cohere's, Jina's and Voyage's protocols."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.embedding_server import KEY, Server

PROVIDERS = ("cohere", "jina_ai", "voyage")


class RerankingServer(Server):
    """Finds a passage the better the shorter it is.

    `questions` and `passages` are what each request asked; see `Server` for the plan of failures.
    """

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[str] = []
        self.passages: list[list[str]] = []
        self.address = self.address.removesuffix("/v1")

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        time.sleep(self.slow_s)
        self.questions.append(request["query"])
        self.passages.append(request["documents"])
        scores = [1 / len(passage) for passage in request["documents"]]
        results = [{"index": index, "relevance_score": score} for index, score in enumerate(scores)]
        # Providers answer with the best first.
        results.sort(key=lambda result: -result["relevance_score"])
        name = "data" if self.addresses[-1][1].endswith("voyage") else "results"
        return {"id": "1", "model": request["model"], name: results, "usage": {"total_tokens": 1}}


@contextmanager
def reranking(monkeypatch: pytest.MonkeyPatch) -> Iterator[RerankingServer]:
    """A server at work, named by the environment as that of each provider."""
    served = RerankingServer()
    monkeypatch.setenv("NO_PROXY", "*")
    for provider in PROVIDERS:
        monkeypatch.setenv(f"{provider.upper()}_API_BASE", served.address)
        monkeypatch.setenv(f"{provider.upper()}_API_KEY", f"{KEY}-{provider}")
    threading.Thread(target=served.http.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield served
    finally:
        served.http.shutdown()
        served.http.server_close()
