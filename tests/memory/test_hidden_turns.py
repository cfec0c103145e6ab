"""What a framework deleted is shown at no door, unless it is asked for by its tag."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Memory, Turn
from memory.frameworks.store_thread import hide
from memory.operations.tools import memory_tools
from memory.store.turns.turn_validation import HIDDEN

QUESTION = "What is the code of the safe?"
OLD, NEW = "The code of the safe is zork seventeen.", "The code of the safe is with Grandma."
BOTH_STORES = "slow"


@pytest.fixture
def memory(address: str) -> Iterator[Memory]:
    with Memory(address, "local") as memory:
        memory.add([Turn("assistant", text, "notes", kind="document") for text in (OLD, NEW)])
        memory.add([("Anna", OLD.replace("zork", "quux")), ("Anna", "I live in Oslo.")])
        hide(memory.store, memory.store.turns_by_id([1, 3]), "test")
        yield memory


def test_no_door_shows_a_hidden_turn(memory: Memory) -> None:
    recall = next(tool for tool in memory_tools(memory) if tool.__name__ == "recall")
    shown = [
        str(memory.search("code of the safe")),
        str(memory.search("zork seventeen")),
        memory.context(QUESTION, speaker="Anna").text,
        memory.context("What do you know about me?", speaker="Anna").text,
        str(memory.ask(QUESTION, asker="Anna")),
        str(recall(query=QUESTION)),
    ]
    for text in shown:
        assert "zork" not in text
        assert "quux" not in text
    assert any("Grandma" in text for text in shown)


def test_who_asks_for_hidden_turns_sees_them(memory: Memory) -> None:
    hits = memory.search("code of the safe", filter={"tags": {str(HIDDEN): "yes"}})
    assert {hit.turn_id for hit in hits} == {1, 3}
    memory.store.undo(memory.store.changes()[-1].id)
    assert "zork" in str(memory.search("zork seventeen"))


def test_a_memory_without_hidden_turns_searches_all(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add([("Anna", OLD)])
        assert "zork" in str(memory.search("zork"))
