"""Models of sentence-transformers that are not there, and memories with their vectors."""

import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import pytest

from memory import Turn, open_store
from memory.errors import ModelError
from memory.search import embed
from memory.store.database_store import DatabaseStore
from memory.store.search import vectors
from tests.support.rows import connection_of, rows_of

T = TypeVar("T", Path, str)
SMALL, WIDE = "sentence-transformers/small-16", "sentence-transformers/wide-48"
TALK = [Turn("Anna" if n % 3 else "Ben", f"said {n}", f"s{n % 4}") for n in range(40)]


class Models:
    """Models whose names end in the width of their vectors. `embedded` are the texts, in order.

    First they give what is planned: vectors, or None for a failure.
    """

    def __init__(self) -> None:
        self.plan: list[np.ndarray[Any, Any] | None] = []
        self.embedded: list[str] = []
        self.calls: list[int] = []  # the number of texts of each
        self.slow_s = 0.0
        self.width = 0  # instead of the name's
        self.at_call: Callable[[], object] | None = None  # once

    def encode(self, model: str, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        self.calls.append(len(texts))
        if act := self.at_call:
            self.at_call = None
            act()
        time.sleep(self.slow_s)
        planned = self.plan.pop(0) if self.plan else self.vectors(model, texts)
        if planned is None:
            raise ModelError("the model fails")
        self.embedded += texts
        return planned

    def vectors(self, model: str, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        width = self.width or int(model.rpartition("-")[2])
        return np.array([vector(text, width) for text in texts])


def vector(text: str, width: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(zlib.crc32(text.encode())).normal(size=width)


def stand_in(models: Models) -> ModuleType:
    """A module that loads these models as sentence-transformers loads its own."""

    class SentenceTransformer:
        def __init__(self, name: str, local_files_only: bool = False) -> None:
            assert local_files_only
            self._name = name

        def encode(self, texts: Sequence[str], show_progress_bar: bool) -> np.ndarray[Any, Any]:
            return models.encode(self._name, texts)

    module = ModuleType("sentence_transformers")
    module.__spec__ = ModuleSpec(module.__name__, None)
    module.SentenceTransformer = SentenceTransformer  # type: ignore[attr-defined]
    return module


@contextmanager
def loading(monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    """Models of sentence-transformers, whether that is installed or not."""
    models = Models()
    monkeypatch.setitem(sys.modules, "sentence_transformers", stand_in(models))
    embed._sentence_transformer.cache_clear()
    try:
        yield models
    finally:
        embed._sentence_transformer.cache_clear()


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


def make_of_a_provider(location: Path | str) -> None:
    """Let a memory say that its vectors are a provider's, as earlier versions could."""
    with open_store(location) as store:
        assert isinstance(store, DatabaseStore)
        with store.transaction() as conn:
            vectors.record_embedder(conn, "openai/small-256", embed.DIM)
