"""Open stores: warm within a number of bytes, one call at a time, and none for unknown names."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from memory import Turn, open_store
from memory.errors import InputError
from memory.server import handles as handles_module
from memory.server.handles import HANDLE_BYTES, Handles, NoNamespaceError
from memory.store import Store, namespaces
from memory.store.configuration.limits import Limits
from memory.store.turns.turns_table import known_sources
from tests.support.scripted import scripted_model

ROOM_FOR_TWO = 2 * HANDLE_BYTES + HANDLE_BYTES // 2


@pytest.fixture
def names() -> list[str]:
    for name in "abcd":
        with open_store(namespaces.create(name)) as store:
            store.add([Turn("Anna", f"I moved to Oslo, says {name}.")])
    return [*"abcd"]


@pytest.fixture
def opened(names: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The memories that handles opened, in order."""
    opened: list[str] = []

    def open_and_note(location: namespaces.Location, **options: bool) -> Store:
        store = open_store(location, **options)
        opened.append(store.turn(1).text[-2])
        return store

    monkeypatch.setattr(handles_module, "open_store", open_and_note)
    return opened


@pytest.fixture
def small(names: list[str]) -> Iterator[Handles]:
    """Handles with room for two memories."""
    handles = Handles(scripted_model([]), cache_bytes=ROOM_FOR_TWO)
    yield handles
    handles.close()


def search(store: Store) -> list[int]:
    return [hit.turn_id for hit in store.search("Oslo")]


def run(handles: Handles, *names: str) -> None:
    for name in names:
        assert asyncio.run(handles.run_on_store(name, search)) == [1]


def test_the_memory_used_longest_ago_is_closed_when_there_is_no_more_room(
    small: Handles, opened: list[str]
) -> None:
    run(small, "a", "b", "a", "c", "a", "b")
    assert opened == ["a", "b", "c", "b"]
    assert 2 * HANDLE_BYTES < small.cached_bytes <= ROOM_FOR_TWO


def test_bytes_are_those_of_the_index(small: Handles) -> None:
    run(small, "a")
    before = small.cached_bytes
    turns = [Turn("Anna", f"This is number {number}.") for number in range(2_000)]
    asyncio.run(small.run_on_store("a", lambda store: store.add(turns)))
    asyncio.run(small.run_on_store("a", search))
    assert small.cached_bytes - before > 2_000 * 300  # 256 of each are its vector


def test_unknown_names_take_no_place_and_are_compared_with_no_others(
    small: Handles, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(small, "a", "b")

    def refuse() -> list[str]:
        raise AssertionError("all names were listed")

    monkeypatch.setattr(namespaces, "names", refuse)
    monkeypatch.setattr(namespaces, "_few_names", refuse)
    for number in range(5):
        with pytest.raises(NoNamespaceError, match="there is no namespace"):
            run(small, f"nobody {number}")
    with pytest.raises(InputError, match="blank"):
        run(small, " ")
    run(small, "a", "b")
    assert opened == ["a", "b"]


def test_many_names_are_not_compared(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="did you mean"):
        namespaces.existing("aa")
    monkeypatch.setattr(namespaces, "MOST_COMPARED", 4)
    with pytest.raises(InputError) as refused:
        namespaces.existing("aa")
    assert "did you mean" not in str(refused.value)


def test_calls_of_a_memory_follow_one_another(small: Handles) -> None:
    calls, at_once = 0, []

    def count(store: Store) -> None:
        nonlocal calls
        calls += 1
        at_once.append(calls)
        known_sources(store, [])
        calls -= 1

    async def crowd() -> None:
        await asyncio.gather(*(small.run_on_store("a", count) for _ in range(40)))

    asyncio.run(crowd())
    assert at_once == [1] * 40


def test_a_caller_who_gave_up_leaves_the_memory_to_others_in_order(small: Handles) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def wait(store: Store) -> None:
        begun.set()
        may_end.wait(30)

    async def give_up() -> list[int]:
        first = asyncio.ensure_future(small.run_on_store("a", wait))
        await asyncio.to_thread(begun.wait, 30)
        first.cancel()
        second = asyncio.ensure_future(small.run_on_store("a", search))
        await asyncio.sleep(0)
        may_end.set()
        return await second

    assert asyncio.run(give_up()) == [1]


def test_a_busy_memory_is_not_closed_for_others(small: Handles) -> None:
    """Two stores of one memory in a process would be two writers."""
    begun, may_end = threading.Event(), threading.Event()

    def wait(store: Store) -> Store:
        begun.set()
        may_end.wait(30)
        return store

    async def crowd() -> bool:
        first = asyncio.ensure_future(small.run_on_store("a", wait))
        await asyncio.to_thread(begun.wait, 30)
        for name in "bcd":
            await small.run_on_store(name, search)
        may_end.set()
        return await first is await small.run_on_store("a", lambda store: store)

    assert asyncio.run(crowd())


def test_a_memory_deleted_by_another_program_is_gone_at_once(small: Handles) -> None:
    run(small, "a")
    for file in namespaces.home().glob("a.db*"):
        file.unlink()
    with pytest.raises(NoNamespaceError):
        run(small, "a")
    namespaces.create("a")
    assert asyncio.run(small.run_on_store("a", search)) == []


def test_a_deleted_memory_leaves_its_room(small: Handles) -> None:
    run(small, "a")
    asyncio.run(small.delete("a"))
    assert small.cached_bytes == 0


def test_a_memory_takes_no_more_turns_and_characters_than_a_server_allows(
    names: list[str],
) -> None:
    handles = Handles(scripted_model([]), limits=Limits(turns=3, characters=60))

    def add(*texts: str) -> None:
        turns = [Turn("Anna", text) for text in texts]
        asyncio.run(handles.run_on_store("a", lambda store: store.add(turns)))

    add("Tea.")
    with pytest.raises(InputError, match="may hold 3 turns"):
        add("Two.", "More.")
    with pytest.raises(InputError, match="may hold 60 characters"):
        add("Long " * 8)
    add("One.")
    with pytest.raises(InputError, match="may hold 3 turns"):
        add("Four.")
    asyncio.run(handles.run_on_store("a", lambda store: store.forget([2])))
    add("There is room again.")
    handles.close()
