"""Memories by name, and of users by their ids."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from memory import AsyncMemory, InputError, Memory, Turn, open_store
from memory.errors import StoreError
from memory.store import namespaces
from memory.system.users import UserMemories
from tests.support.scripted import scripted_model


@pytest.fixture(autouse=True)
def _home(home: str) -> None:
    """Namespaces of SQLite, then of Postgres."""


def texts(name: str) -> list[str]:
    with open_store(namespaces.existing(name)) as store:
        return [turn.text for turn in store.turns()]


def test_a_memory_by_name_is_the_namespace_of_this_name() -> None:
    with Memory("anna") as memory:
        memory.add("I live in Oslo.")
    with Memory() as memory:
        memory.add("Nobody's.")
    assert texts("anna") == ["I live in Oslo."]
    assert texts("default") == ["Nobody's."]


def test_a_user_id_is_a_namespace_of_its_own() -> None:
    with Memory() as memory:
        memory.add("I live in Oslo.", user_id="anna")
        memory.add("I live in Bergen.", user_id="../ben@example.com")
        assert [hit.text for hit in memory.search("live", user_id="anna")] == ["I live in Oslo."]
        assert [fact.value for fact in memory.facts(user_id="anna")] == ["Oslo"]
        assert memory.search("live") == []
        with Memory("anna") as anna:
            assert [turn.text for turn in anna.get_all()] == ["I live in Oslo."]
    assert namespaces.names() == ["../ben@example.com", "anna", "default"]
    with pytest.raises(StoreError, match="closed"):
        memory.search("live", user_id="anna")


def test_what_is_forgotten_is_of_one_user() -> None:
    with Memory() as memory:
        for user_id in ("anna", "ben"):
            memory.add(["I live in Oslo.", "I like tea."], user_id=user_id)
        [hit] = memory.search("tea", 1, user_id="anna")
        [receipt] = memory.delete(hit.turn_id, user_id="anna")
        assert receipt.turns == (2,)
        memory.forget(matching="oslo", user_id="ben")
        assert [turn.text for turn in memory.get_all(user_id="anna")] == ["I live in Oslo."]
        assert [turn.text for turn in memory.get_all(user_id="ben")] == ["I like tea."]
        with pytest.raises(InputError, match="name what to forget"):
            memory.forget(user_id="ben")
        memory.delete_all("ben")
        assert namespaces.names() == ["anna", "default"]


def test_a_model_is_loaded_once_for_all_users(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load_model(name: str, api_base: str | None = None) -> Any:
        loaded.append(name)
        return scripted_model([])

    monkeypatch.setattr("memory.program.load_model", load_model)
    with (
        Memory() as memory,
        memory._of_user("anna") as anna,
        memory._of_user("ben") as ben,
    ):
        assert anna.model is ben.model is memory.model
    assert loaded == ["local"]


@pytest.mark.parametrize("user_id", ["", "  "])
def test_a_blank_user_id_is_refused(user_id: str) -> None:
    with Memory() as memory, pytest.raises(InputError, match="name is blank"):
        memory.add("I live in Oslo.", user_id=user_id)


def test_a_memory_in_a_file_takes_no_user_id(tmp_path: Path) -> None:
    with Memory(tmp_path / "anna.db") as memory:
        with pytest.raises(InputError, match=r"one file or store, and takes no user_id=; write M"):
            memory.add("I live in Oslo.", user_id="anna")
        assert memory.store.count_turns() == 0


def test_a_name_that_is_a_file_here_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_store(Path("anna")).close()
    with pytest.raises(InputError, match=r"a namespace's name and a file here; write Path\('anna'"):
        Memory("anna")
    Memory(Path("anna")).close()


def test_users_of_an_async_memory() -> None:
    async def main() -> None:
        async with AsyncMemory() as memory:
            await memory.add(Turn("Anna", "I live in Oslo."), user_id="anna")
            [hit] = await memory.search("Oslo", user_id="anna")
            assert (hit.speaker, hit.text) == ("Anna", "I live in Oslo.")

    asyncio.run(main())


class _Opened:
    def __init__(self, user_id: str, log: list[str]) -> None:
        self.user_id, self.log = user_id, log
        log.append(f"open {user_id}")

    def close(self) -> None:
        self.log.append(f"close {self.user_id}")


def test_memories_used_longest_ago_are_closed_but_none_in_use() -> None:
    log: list[str] = []
    users = UserMemories(lambda user_id: _Opened(user_id, log), most_idle=1)
    with users.of("anna"):
        for user_id in ("ben", "cleo", "cleo"):
            with users.of(user_id):
                pass
    assert log == ["open anna", "open ben", "open cleo", "close ben", "close anna"]
    users.close()
    assert log[-1] == "close cleo"
    users.close("anna")  # as delete_all does
    with pytest.raises(StoreError, match="is closed"), users.of("anna"):
        pass


def test_threads_share_the_memories_of_users() -> None:
    with Memory() as memory:

        def add(user_id: str) -> None:
            for number in range(10):
                memory.add(f"Message {number}.", user_id=user_id)

        threads = [threading.Thread(target=add, args=(f"user-{n % 3}",)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(3):
            assert len(memory.get_all(user_id=f"user-{number}")) == 20
