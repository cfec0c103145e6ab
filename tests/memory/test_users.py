"""Memories by name, and of users by their ids."""

import asyncio
import gc
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from memory import AsyncMemory, InputError, Memory, Turn, facts, open_store
from memory.api.users import MOST_IDLE, UserMemories
from memory.errors import DeletedError, StoreError
from memory.store import namespaces
from tests.support.scripted import patch_load_model, scripted_model

BOTH_STORES = "slow"


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
    assert namespaces.names() == ["../ben@example.com", "anna"]
    with pytest.raises(StoreError, match="closed"):
        memory.search("live", user_id="anna")


def test_a_user_who_makes_room_for_others_is_closed_at_once() -> None:
    with Memory() as memory:
        memory.add("I live in Oslo.", user_id="anna")
        memory.search("live", user_id="anna")
        memory.context("Where do I live?", user_id="anna")
        memory.facts(user_id="anna")
        anna = ref(memory.of("anna").store)
        gc.collect()
        gc.disable()  # which would end circles later, with their files open until then
        try:
            for number in range(MOST_IDLE):
                memory.add("I like tea.", user_id=number)
            assert anna() is None
        finally:
            gc.enable()


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
        assert namespaces.names() == ["anna"]


def test_a_model_is_loaded_once_for_all_users(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def load_model(name: str, api_base: str | None = None) -> Any:
        loaded.append(name)
        return scripted_model([])

    patch_load_model(monkeypatch, load_model)
    with Memory(model="local") as memory:
        assert memory.of("anna").model is memory.of("ben").model is memory.model
    assert loaded == ["local"]


class _Greeting(Memory):
    @cached_property
    def greeting(self) -> str:
        return self.get_all()[0].text


def test_what_a_memory_has_read_is_never_its_users() -> None:
    with _Greeting() as memory:
        memory.add("Hello, everyone.")
        assert memory.greeting == "Hello, everyone."
        memory.add("Hello, Anna.", user_id="anna")
        memory.add("Hello, Ben.", user_id="ben")
        assert [memory.of(name).greeting for name in ("anna", "ben")] == [
            "Hello, Anna.",
            "Hello, Ben.",
        ]
    with Memory() as memory:
        begun = {*vars(memory)}
        memory.add("Hello.", user_id="cleo")
        assert {*vars(memory.of("dora"))} == begun


def test_the_memory_of_a_user_takes_every_call_without_its_id() -> None:
    with Memory() as memory:
        alex = memory.of("alex")
        alex.add("I live in Oslo.")
        assert [turn.text for turn in memory.get_all(user_id="alex")] == ["I live in Oslo."]
        [fact] = alex.facts()
        facts.supersede(alex.store, fact.id, "Rome")
        assert [fact.value for fact in memory.facts(user_id="alex")] == ["Rome"]
        alex.delete(1)
        alex.close()
        assert "I live in Oslo." not in [turn.text for turn in memory.of("alex").get_all()]
        assert memory.of("default").store is memory.store


NO_USER: dict[str, Callable[[Memory, Any], object]] = {
    "add": lambda memory, user: memory.add("I live in Oslo.", user_id=user),
    "search": lambda memory, user: memory.search("PIN", user_id=user),
    "ask": lambda memory, user: memory.ask("What is my PIN?", user_id=user),
    "context": lambda memory, user: memory.context("PIN", user_id=user),
    "facts": lambda memory, user: memory.facts(user_id=user),
    "get_all": lambda memory, user: memory.get_all(user_id=user),
    "digest": lambda memory, user: memory.digest(user_id=user),
    "forget": lambda memory, user: memory.forget(matching="PIN", user_id=user),
    "delete": lambda memory, user: memory.delete(1, user_id=user),
    "delete_all": lambda memory, user: memory.delete_all(user),
    "of": lambda memory, user: memory.of(user),
}


@pytest.mark.parametrize("call", NO_USER.values(), ids=NO_USER)
def test_a_user_who_is_none_is_refused_and_is_not_everyone(
    call: Callable[[Memory, Any], object],
) -> None:
    with Memory() as memory:
        memory.add("My PIN is 4821.")
        memory.add("I live in Oslo.", user_id="anna")
        for nobody in (None, True, object(), ["anna"]):
            with pytest.raises(InputError, match=r"user_id is .*; give the user's id"):
                call(memory, nobody)
        assert [len(memory.get_all()), len(memory.get_all(user_id="anna"))] == [1, 1]


def test_a_turn_is_deleted_of_a_named_user_where_there_are_several() -> None:
    with Memory() as memory:
        memory.add(["The shared note.", "Another."])
        assert memory.delete(2), "nobody else is in this memory"
        memory.add("I live in Rome.", user_id="alice")
        for call in (memory.delete, memory.forget):
            with pytest.raises(InputError, match=r"say whose turn it is: memory\.(delete|forget)"):
                call(1)
    with Memory() as memory:  # in another process, where no user was named yet
        with pytest.raises(InputError, match=r"user_id=user_id\), or user_id='default' for a turn"):
            memory.delete(1)
        assert len(memory.get_all()) == 1
        memory.delete("1", user_id="alice")  # type: ignore[arg-type]
        memory.delete(1, user_id="default")
        assert memory.get_all() == memory.get_all(user_id="alice") == []


def test_the_id_of_another_library_deletes_nothing() -> None:
    with Memory() as memory:
        memory.add("I live in Oslo.")
        for turn_id in ("a3f1c2d4-0001", None, 1.5, True):
            with pytest.raises(InputError, match="no turn's id"):
                memory.delete(turn_id)  # type: ignore[arg-type]
        assert len(memory.get_all()) == 1


def test_the_thread_of_a_user_is_listed_and_deleted_by_itself() -> None:
    with Memory() as memory:
        for number in range(4):
            memory.add(f"Day {number}.", user_id="anna", run_id="trip", agent_id="bot")
        memory.add("I like tea.", user_id="anna")
        trip = memory.get_all(user_id="anna", run_id="trip", limit=2)
        assert [turn.text for turn in trip] == ["Day 2.", "Day 3."], "the last two"
        assert len(memory.get_all(user_id="anna", agent_id="bot")) == 4
        assert "Day" not in memory.context("What day?", user_id="anna", run_id="trip").text
        memory.delete_all("anna", run_id="trip")
        assert [turn.text for turn in memory.get_all(user_id="anna")] == ["I like tea."]


def test_deleting_without_a_user_closes_nobody_s_memory() -> None:
    with Memory() as memory:
        memory.add("I live in Bergen.", user_id="anna")
        for nobody in (None, ""):
            with pytest.raises(InputError):
                memory.delete_all(nobody)  # type: ignore[arg-type]
        for user_id in ("anna", "ben"):
            memory.add("I own a boat.", user_id=user_id)
        assert len(memory.get_all(user_id="anna")) == 2


def test_a_memory_that_is_open_elsewhere_is_deleted_and_says_so_there() -> None:
    with Memory() as memory, Memory("anna") as anna:
        anna.add("My PIN is 4821.")
        assert memory.search("PIN", user_id="anna")
        with open_store(namespaces.existing("anna")) as store:
            memory.delete_all("anna")
            assert memory.get_all(user_id="anna") == []
            with pytest.raises(DeletedError, match="open it again"):
                store.add([Turn("Anna", "I live in Oslo.")])
        assert namespaces.names() == []
        assert anna.get_all() == []
        assert anna.add("I live in Oslo.") == [1], "a memory that is named begins anew"


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
            await memory.of("anna").add(Turn("Anna", "I live in Oslo."))
            [hit] = await memory.search("Oslo", user_id="anna")
            assert (hit.speaker, hit.text) == ("Anna", "I live in Oslo.")

    asyncio.run(main())


class _Opened:
    def __init__(self, user_id: str, log: list[str]) -> None:
        self.user_id, self.log, self.is_closed = user_id, log, False
        log.append(f"open {user_id}")

    def close(self) -> None:
        self.log.append(f"close {self.user_id}")
        self.is_closed = True

    def __del__(self) -> None:
        if not self.is_closed:
            self.log.append(f"gone {self.user_id}")


def test_memories_used_longest_ago_are_let_go_but_none_in_use() -> None:
    log: list[str] = []
    users = UserMemories(lambda user_id: _Opened(user_id, log), most_idle=1)
    anna = users.of("anna")
    for user_id in ("ben", "cleo", "cleo"):
        users.of(user_id)
    assert log == ["open anna", "open ben", "open cleo", "gone ben"]
    assert users.of("anna") is anna, "what a caller has is not opened twice"
    del anna
    users.close()
    assert log[-2:] == ["gone cleo", "close anna"]
    with pytest.raises(StoreError, match="is closed"):
        users.of("anna")
