"""The packaged model stores no facts: who does, who is told so, and what waits for whom."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from memory import Memory, MemoryProgram, load_model, open_store
from memory.digest import Digest
from memory.namespaces import path_of
from memory.program import Model
from memory.program.messages import NO_FACTS
from memory.program.optimizer_start import starting_program
from memory.searcher import Searcher
from memory.store.sqlite import SqliteStore
from memory.tools import Tools
from memory.waiting import digest_whole, waiting
from tests.conftest import MOVED, SAID
from tests.support.commands import run
from tests.support.gguf_adapter import adapter
from tests.support.scripted import scripted_model, scripted_packaged_model, sql


@pytest.fixture
def unasked() -> Model:
    """As the packaged model, but no prompt is expected."""
    return replace(scripted_packaged_model([]), writes_facts=False)


def test_local_stores_nothing_and_its_turns_wait_for_a_larger_model(
    store: SqliteStore, unasked: Model
) -> None:
    with Memory(store, model=unasked) as memory:
        assert memory.digest(replay=True) == Digest()
        assert waiting(store, memory.model).turns == 0
    assert store.changes() == []
    larger = scripted_model([([f"[{n}]" for n in range(1, 6)], sql(MOVED))])
    assert Memory(store, model=larger).digest() == Digest(stored=1, facts=1, calls=1)


def test_local_waits_for_no_window_that_another_process_is_at(
    store: SqliteStore, unasked: Model
) -> None:
    assert store.claim(2)
    assert digest_whole(Memory(store, model=unasked)) == Digest()


def test_who_tuned_or_compiled_a_storing_model_gets_what_it_writes(tmp_path: Path) -> None:
    local = load_model("local")
    own = load_model("local", adapter=adapter(tmp_path / "store", "store"))
    answering = load_model("local", adapter=adapter(tmp_path / "answer", "answer"))
    writing = [model.writes_facts for model in (local, own, answering, load_model("local-base"))]
    assert writing == [False, True, False, True]
    assert local.weights["store"] == answering.weights["store"] != own.weights["store"]
    assert local.as_tuned({"store"}).writes_facts
    assert not local.stores_facts(MemoryProgram())
    assert local.stores_facts(starting_program(local))
    compiled = MemoryProgram()
    store = compiled.store.predict
    store.signature = store.signature.with_instructions("Write what hurts.")
    assert local.stores_facts(compiled)


def test_a_digest_by_local_says_who_stores_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    with open_store(path_of("anna")) as store:
        store.add(SAID)
    assert run("digest", "-n", "anna") == run("digest", "--all") == f"{NO_FACTS}\n"
    with open_store(path_of("anna")) as store:
        assert (store.changes(), store.pending()) == ([], [])


def test_an_agent_that_calls_for_a_digest_is_told(store: SqliteStore, unasked: Model) -> None:
    tools = Tools(
        lambda: nullcontext(store), lambda store: Memory(store, unasked), searcher=Searcher()
    )
    assert "stores no facts" in tools.digest()
