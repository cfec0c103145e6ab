"""The memories that are measured side by side, each behind the same three calls.

python -m locomo.others.peers NAME FILE K [CONVERSATION]

measures one of them and prints one JSON object a conversation: `rankings_of` runs this in a process
for each, so that what one does to its process (crash, threads, settings) is its own.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stdout
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from locomo.dataset.format import Conversation, load_conversations
from locomo.retrieval.baselines import Cosine, FullText, said
from locomo.retrieval.measure import Retrieval
from memory import Turn, open_store
from memory.search import DIM, load_embedder

# Read when the products are imported: nothing is reported to anybody, nothing downloaded.
QUIET = {
    "MEM0_TELEMETRY": "False",
    "ANONYMIZED_TELEMETRY": "False",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    "HF_HUB_OFFLINE": "1",
}

_embed = load_embedder()


class System(Protocol):
    """A memory in its own folder. Turns are named by the ids that the system gave them."""

    def add(self, turns: Sequence[Turn]) -> list[str]:
        """Store turns; their ids, in order."""

    def search(self, text: str, k: int) -> list[str]:
        """The ids of the best k turns, best first."""

    def close(self) -> None:
        """Release what the system holds."""


class Ours:
    """This project, which also takes the session and the date of a turn."""

    def __init__(self, folder: Path) -> None:
        self._store = open_store(folder / "memory.db")

    def add(self, turns: Sequence[Turn]) -> list[str]:
        return [str(turn_id) for turn_id in self._store.add(turns)]

    def search(self, text: str, k: int) -> list[str]:
        return [str(hit.turn_id) for hit in self._store.search(text, k)]

    def close(self) -> None:
        self._store.close()


class Chroma:
    """A persistent collection with Chroma's settings, given the vectors."""

    _BATCH = 1000  # Chroma refuses more than a few thousand at once

    def __init__(self, folder: Path) -> None:
        self._client = import_module("chromadb").PersistentClient(path=str(folder))
        self._turns = self._client.create_collection("turns", embedding_function=None)
        self._count = 0

    def add(self, turns: Sequence[Turn]) -> list[str]:
        texts = [said(turn) for turn in turns]
        # It ignores a turn whose id it has.
        ids = [str(n) for n in range(self._count, self._count + len(turns))]
        self._count += len(turns)
        for start in range(0, len(ids), self._BATCH):
            part = slice(start, start + self._BATCH)
            vectors = _embed(texts[part])
            self._turns.add(ids=ids[part], documents=texts[part], embeddings=vectors)
        return ids

    def search(self, text: str, k: int) -> list[str]:
        hits = self._turns.query(query_embeddings=_embed([text]), n_results=k)
        return list(hits["ids"][0])

    def close(self) -> None:
        self._client.close()


class LangMem:
    """LangMem's two tools over the store that its documentation starts with, which is in memory."""

    def __init__(self, folder: Path) -> None:
        langmem, stores = import_module("langmem"), import_module("langgraph.store.memory")
        index = {"dims": DIM, "embed": lambda texts: _embed(texts).tolist()}
        tools: dict[str, Any] = {
            "namespace": ("memories",),
            "store": stores.InMemoryStore(index=index),
        }
        self._manage = langmem.create_manage_memory_tool(**tools)
        self._search = langmem.create_search_memory_tool(
            **tools, response_format="content_and_artifact"
        )

    def add(self, turns: Sequence[Turn]) -> list[str]:
        # It answers "created memory ID".
        return [self._manage.invoke({"content": said(turn)}).split()[-1] for turn in turns]

    def search(self, text: str, k: int) -> list[str]:
        call = {"type": "tool_call", "id": "1", "name": self._search.name}
        answer = self._search.invoke({**call, "args": {"query": text, "limit": k}})
        return [item.key for item in answer.artifact]

    def close(self) -> None:
        """Nothing to release."""


class Mem0:
    """mem0 storing its input unchanged (`infer=False`) in the Qdrant that it runs by itself."""

    _WHO = "benchmark"

    def __init__(self, folder: Path) -> None:
        os.environ["MEM0_DIR"] = str(folder)  # made in the home directory otherwise
        # Both clients are always constructed; the model is never called, and the embedder is
        # replaced, because no provider takes a function.
        nobody = {"api_key": "none", "openai_base_url": "http://localhost:9"}
        self._memory = import_module("mem0").Memory.from_config(
            {
                "llm": {"provider": "openai", "config": nobody},
                "embedder": {"provider": "openai", "config": nobody},
                "vector_store": {
                    "provider": "qdrant",
                    "config": {"path": str(folder / "qdrant"), "embedding_model_dims": DIM},
                },
                "history_db_path": str(folder / "history.db"),
            }
        )
        self._memory.embedding_model = Packaged()

    def add(self, turns: Sequence[Turn]) -> list[str]:
        messages = [{"role": "user", "content": said(turn)} for turn in turns]
        stored = self._memory.add(messages, user_id=self._WHO, infer=False)
        return [result["id"] for result in stored["results"]]

    def search(self, text: str, k: int) -> list[str]:
        hits = self._memory.search(text, top_k=k, filters={"user_id": self._WHO})
        return [hit["id"] for hit in hits["results"]]

    def close(self) -> None:
        self._memory.close()
        self._memory.vector_store.client.close()


class Packaged:
    """Our embedder with the two methods that mem0 calls."""

    def embed(self, text: str, action: str = "add") -> list[float]:
        vector: list[float] = _embed([text])[0].tolist()
        return vector

    def embed_batch(self, texts: Sequence[str], action: str = "add") -> list[list[float]]:
        return [self.embed(text, action) for text in texts]


@dataclass(frozen=True)
class Peer:
    """A system by name: the modules it needs, and the distribution whose version it has."""

    title: str
    open: Callable[[Path], System]
    modules: tuple[str, ...] = ()
    distribution: str = ""
    on_disk: bool = True


PEERS = {
    "ours": Peer("sql-memory", Ours, distribution="sql-memory"),
    "fts5": Peer("SQLite FTS5", lambda folder: FullText(str(folder / "turns.db"))),
    "cosine": Peer("cosine", lambda _: Cosine(_embed), distribution="sql-memory", on_disk=False),
    "chroma": Peer("Chroma", Chroma, ("chromadb",), "chromadb"),
    "langmem": Peer("LangMem", LangMem, ("langmem", "langgraph"), "langmem", on_disk=False),
    "mem0": Peer("mem0", Mem0, ("mem0",), "mem0ai"),
}


@dataclass(frozen=True)
class Measured(Retrieval):
    """What a system found in one conversation, and the bytes of its files when it was closed."""

    bytes: int


def measure(peer: Peer, conversation: Conversation, folder: Path, k: int) -> Measured:
    """Store a conversation in a fresh memory in the folder and search for every question.

    Seconds to ingest end when the first search is answered: what a system puts off counts.
    """
    search_ms, ranked = [], {}
    with closing(peer.open(folder)) as system:
        start = time.perf_counter()
        ids = system.add(conversation.turns)
        system.search(conversation.turns[0].text, k)
        ingest_s = time.perf_counter() - start
        sources = dict(zip(ids, (turn.source for turn in conversation.turns), strict=True))
        for question in conversation.questions:
            start = time.perf_counter()
            turn_ids = system.search(question.text, k)
            search_ms.append(round(1000 * (time.perf_counter() - start), 3))
            ranked[str(question.index)] = [sources[turn_id] for turn_id in turn_ids]
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Measured(len(ids), ingest_s, search_ms, ranked, size)


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    message = " ".join(f"{kind.__name__}: {error}".split())
    print(json.dumps({"error": message}), file=sys.__stdout__, flush=True)
    sys.__excepthook__(kind, error, trace)


def main(name: str, file: str, k: str, only: str = "") -> None:
    """Measure one system on the conversations of a file, or on one, after a rehearsal."""
    os.environ.update(QUIET)
    sys.excepthook = _tell
    conversations = [c for c in load_conversations(Path(file)) if only in ("", c.id)]
    first = conversations[0]
    # The rehearsal pays for imports and for loading the embedder.
    rehearsal = Conversation(first.id, first.turns[:2], first.questions[:1], 0)
    with redirect_stdout(sys.stderr):
        for conversation in (rehearsal, *conversations):
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                measured = measure(PEERS[name], conversation, Path(folder), int(k))
            if conversation is not rehearsal:
                line = json.dumps({"conversation": conversation.id, "measured": asdict(measured)})
                print(line, file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
