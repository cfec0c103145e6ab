"""The memory as a provider of AMB: what its runner calls, and how it is put there."""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from locomo.others.amb import ADAPTER, app
from memory import InputError
from tests.support.commands import run_in_process

REGISTRY = """\
from .base import MemoryProvider
from .bm25 import BM25MemoryProvider

REGISTRY: dict[str, type[MemoryProvider]] = {
    "bm25": BM25MemoryProvider,

}


def get_memory_provider(name: str) -> MemoryProvider:
    return REGISTRY[name]()
"""
FILES = {
    "__init__.py": "",
    "models.py": """\
from dataclasses import dataclass


@dataclass
class Document:
    id: str
    content: str
    user_id: str | None = None
    messages: list[dict] | None = None
    timestamp: str | None = None
    context: str | None = None
""",
    "memory/__init__.py": REGISTRY,
    "memory/base.py": """\
from abc import ABC, abstractmethod


class MemoryProvider(ABC):
    concurrency: int = 4

    @abstractmethod
    def ingest(self, documents): ...

    @abstractmethod
    def retrieve(self, query, k=10, user_id=None, query_timestamp=None): ...
""",
    "memory/bm25.py": """\
from .base import MemoryProvider


class BM25MemoryProvider(MemoryProvider): ...
""",
}
# As its LoCoMo writes a session (dataset/locomo.py).
ADOPTED = [
    {"speaker": "Ann", "dia_id": "D1:1", "text": "I adopted a cat yesterday."},
    {"speaker": "Ben", "dia_id": "D1:2", "text": "Look!", "blip_caption": "a grey cat asleep"},
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Those parts of a checkout that a provider is made of, in its form."""
    for name, text in FILES.items():
        path = tmp_path / "amb" / "src" / "memory_bench" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "amb"


@pytest.fixture
def provider(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The provider as AMB makes it, before a run."""
    ADAPTER.install(checkout)
    monkeypatch.syspath_prepend(checkout / "src")
    made = import_module("memory_bench.memory").get_memory_provider("sql-memory")
    made.prepare(checkout / "outputs", unit_ids={"conv-1", "conv/2"})
    yield made
    for module in [module for module in sys.modules if module.startswith("memory_bench")]:
        del sys.modules[module]


def document(id: str, content: object, user_id: str | None, **fields: object) -> Any:
    made = import_module("memory_bench.models").Document
    text = content if isinstance(content, str) else json.dumps(content)
    return made(id, text, user_id, **fields)


def test_a_session_is_found_as_dated_lines_under_its_id(provider: Any) -> None:
    first = document("conv-1_session_1", ADOPTED, "conv-1", timestamp="2023-05-08T13:56:00+00:00")
    later = document("conv-1_session_2", [{"role": "user", "content": "My cat is Miso."}], "conv-1")
    other = document("conv/2_session_1", [{"role": "user", "content": "I like tea."}], "conv/2")
    provider.ingest([first, later, other])
    found, raw = provider.retrieve("What did Ann say of her cat?", user_id="conv-1")
    assert raw is None  # AMB would show it in place of the lines
    assert [each.id for each in found] == ["conv-1_session_1", "conv-1_session_2"]
    assert found[0].content.splitlines() == [
        "[1] (Mon 08 May 2023) Ann: I adopted a cat yesterday (7 May 2023).",
        "[2] (Mon 08 May 2023) Ben: Look! [shares a picture: a grey cat asleep]",
    ]
    assert "user: My cat is Miso." in found[1].content
    [tea] = provider.retrieve("tea", user_id="conv/2")[0]
    assert "tea" in tea.content


def test_no_name_of_a_user_leads_out_of_the_memories(checkout: Path, provider: Any) -> None:
    result = checkout / "outputs" / "result.json"
    result.parent.mkdir()
    result.write_text("{}")
    provider.ingest([document("a_0", "I sail on Sundays.", "..")])
    assert result.is_file()
    assert provider.retrieve("When do I sail?", user_id="..")[0]


def test_texts_and_messages_are_turns_too(provider: Any) -> None:
    said = [{"role": "user", "content": "I bought a cello."}, {"role": "assistant", "content": " "}]
    session = document("a_0", "[USER] I bought a cello.", "a", messages=said)
    provider.ingest([session, document("7_0", "I sail on Sundays. (place: Oslo)", None)])
    [cello] = provider.retrieve("cello", user_id="a")[0]
    assert cello.content.endswith("user: I bought a cello.")
    [sail] = provider.retrieve("When do I sail?")[0]
    assert (sail.id, "(place: Oslo)" in sail.content) == ("7_0", True)
    assert provider.retrieve("cello", user_id="nobody") == ([], None)


def test_a_run_begins_anew_and_shows_no_more_than_k_documents_hold(provider: Any) -> None:
    talk = [{"role": "user", "content": f"The cat slept {hour} hours."} for hour in range(200)]
    provider.ingest([document("long", talk, "a")])
    few, many = (provider.retrieve("cat", k=k, user_id="a")[0][0].content for k in (1, 5))
    assert len(few.splitlines()) * 4 < len(many.splitlines()) <= 200
    provider.ingest([document("short", talk[:1], "a")])
    assert [each.id for each in provider.retrieve("cat", user_id="a")[0]] == ["short"]


def test_a_checkout_lists_the_memory_once(checkout: Path) -> None:
    assert len(ADAPTER.install(checkout)) == 2
    assert ADAPTER.install(checkout) == []
    written = (checkout / "src/memory_bench/memory/__init__.py").read_text()
    ours = [line for line in written.splitlines() if line not in REGISTRY.splitlines()]
    assert ours == [
        "from .sql_memory import SqlMemoryProvider",
        '    "sql-memory": SqlMemoryProvider,',
    ]


def test_what_is_no_checkout_is_refused_and_left_alone(checkout: Path, tmp_path: Path) -> None:
    refused = run_in_process(app, tmp_path)
    assert (refused.returncode, "is no checkout of AMB" in refused.stderr) == (2, True)
    registry = checkout / "src/memory_bench/memory/__init__.py"
    other = REGISTRY.replace('"bm25": BM25MemoryProvider', '"bm25": "bm25"')
    registry.write_text(other)
    with pytest.raises(
        InputError, match="lists its systems otherwise; this is made for commit de83fa7 of AMB"
    ):
        ADAPTER.install(checkout)
    assert registry.read_text() == other
    assert not registry.with_name("sql_memory.py").exists()
