"""The chat of mem0's README, with the import line changed; see also test_other_libraries.py."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import memory as package_with_types
from memory import InputError

TALK = [
    {"role": "user", "content": "I live in Oslo, and I am allergic to nuts."},
    {"role": "assistant", "content": "Noted, no nuts."},
]
# Their names are not ours, so types have nothing to check here.
package: Any = package_with_types
Memory: Any = package.Memory
AsyncMemory: Any = package.AsyncMemory


@pytest.fixture
def memory(home: str) -> Iterator[Any]:
    with Memory() as opened:
        opened.add(TALK, user_id="alex")
        yield opened


def test_a_chat_in_the_shape_of_mem0_remembers(memory: Any) -> None:
    hits = memory.search(query="What am I allergic to?", filters={"user_id": "alex"}, top_k=3)
    remembered = "\n".join(f"- {entry['memory']}" for entry in hits["results"])
    assert "allergic to nuts" in remembered
    assert memory.facts(user_id="alex")
    assert memory.search("nuts", user_id="somebody else") == []


def test_the_same_is_awaited(home: str) -> None:
    async def main() -> None:
        async with AsyncMemory() as memory:
            await memory.add(TALK, user_id="alex")
            assert await memory.search("nuts", user_id="alex", limit=1)
            assert await memory.search("nuts", filters={"user_id": "alex"}, top_k=1)
            with pytest.raises(InputError, match="scores have no fixed scale"):
                await memory.search("nuts", user_id="alex", threshold=0.3)
            with pytest.raises(AttributeError, match=r"write memory.ask\(question"):
                await memory.reflect("Who am I?")

    asyncio.run(main())


def test_what_is_no_name_of_others_fails_as_usual(memory: Any) -> None:
    with pytest.raises(AttributeError, match="Memory has no bogus"):
        memory.bogus  # noqa: B018
    with pytest.raises(AttributeError, match=r"memory has no bogus; begin with Memory\(\)"):
        package.bogus  # noqa: B018
    with pytest.raises(InputError, match="search takes no qurey=; it takes query=, k="):
        memory.search(qurey="nuts")
