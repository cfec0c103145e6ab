"""Fixtures of the server's tests: a home of memories, and an API behind the proxy."""

from collections.abc import Iterator

import pytest

from memory import Turn, open_store
from memory.store.namespaces import create
from tests.conftest import CAT, MOVED, SAID
from tests.support.upstream import UPSTREAM_KEY, Upstream, upstream_server


@pytest.fixture(autouse=True)
def home(home: str) -> str:
    """A MEMORY_HOME with anna's memory: five turns and two facts."""
    with open_store(create("anna")) as store:
        store.add(SAID)
        store.write(f"{MOVED}; {CAT}", cause="test")
    return home


@pytest.fixture
def nora(home: str) -> str:
    """The name of a memory with one turn."""
    with open_store(create("nora")) as store:
        store.add([Turn("Anna", "I live in Oslo, near the fjord.", "s1", "2017-05-08", "D1:1")])
    return "nora"


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """The API that the proxy sends requests on to, with a key of OpenAI's alone."""
    monkeypatch.setenv("OPENAI_API_KEY", UPSTREAM_KEY)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with upstream_server() as server:
        yield server
