"""Quick starts of other libraries, with the import line changed: each call runs, or says what to
write instead."""

import asyncio
from collections.abc import Callable, Iterator
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
Call = Callable[[Any], Any]

# mem0: a chat that searches, answers and adds; then what it remembers.
MEM0: list[tuple[Call, str]] = [
    (lambda m: m.search(query="Where do I live?", user_id="alex", limit=3), ""),
    (lambda m: m.add(TALK, user_id="alex", metadata={"category": "food", "stars": 3}), ""),
    (lambda m: m.add("I like jazz.", user_id="alex", agent_id="cook", run_id="monday"), ""),
    (lambda m: m.get_all(user_id="alex"), ""),
    (lambda m: m.delete(1, user_id="alex"), ""),
    (lambda m: m.delete_all(user_id="alex"), ""),
    (lambda m: m.search("nuts", user_id="alex")["results"], "write `for hit in memory.search("),
    (lambda m: m.search("nuts", user_id="alex", top_k=3), "write k= or limit="),
    (lambda m: m.search("nuts", filters={"user_id": "alex"}), "write user_id= beside filters="),
    (lambda m: m.search("nuts", filters={"AND": []}), "write its parts side by side"),
    (lambda m: m.add(TALK, user_id="alex", infer=False), "leave it out: add asks"),
    (lambda m: m.add(messages=TALK, user_id="alex"), "write it as the first argument"),
    (lambda m: m.add(TALK, user_id="alex", version="v2"), "leave it out"),
    (lambda m: m.update(memory_id="1", data="I live in Bergen."), "write facts.supersede("),
    (lambda m: m.history(memory_id="1"), "write facts.history("),
    (lambda m: m.reset(), "write delete_all(user_id)"),
    (lambda _: Memory.from_config({"llm": {}}), "write Memory(model=..."),
    (lambda _: package.MemoryClient(api_key="key"), "write Memory: `from memory import Memory`"),
]
# Zep: a user, a thread of theirs, its messages, its context; the graph.
ZEP: list[tuple[Call, str]] = [
    (lambda _: package.Zep, "write Memory: `from memory import Memory`"),
    (lambda _: Memory(api_key="key"), "a model's key is in its environment"),
    (lambda m: m.user.add(user_id="alex", first_name="Alex"), "a user is there with the first"),
    (lambda m: m.thread.create(thread_id="t1", user_id="alex"), "write add(messages, user_id"),
    (lambda m: m.memory.get(session_id="t1"), "context(message, user_id=...).text"),
    (lambda m: m.graph.search(user_id="alex", query="nuts"), "search(query, user_id=...)"),
    (lambda m: m.add(TALK, thread_id="t1"), "write run_id= or session="),
    (lambda m: m.search("nuts", group_id="family"), "write user_id=: each user has a namespace"),
    (lambda m: m.search("nuts", user_id="alex", scope="edges"), "one ranking has words"),
]
# LangMem: tools for an agent, a manager that reads messages, a store.
LANGMEM: list[tuple[Call, str]] = [
    (lambda _: package.create_manage_memory_tool, "write memory_tools(...)"),
    (lambda _: package.create_search_memory_tool, "write memory_tools(...)"),
    (lambda _: package.create_memory_manager, "write Memory: `from memory import Memory`, and its"),
    (lambda m: m.invoke({"messages": TALK}), "then digest(user_id=...) with a model"),
    (lambda m: m.put(("memories",), "key", {"text": "x"}), "write add(text, user_id=...)"),
    (lambda m: m.search("nuts", namespace=("memories",)), "write user_id=: each user has"),
]
# Hindsight: retain, recall, reflect.
HINDSIGHT: list[tuple[Call, str]] = [
    (lambda _: package.Hindsight, "write Memory: `from memory import Memory`"),
    (lambda _: Memory(base_url="http://localhost"), "write api_base="),
    (lambda m: m.retain(bank_id="alex", content="I live in Oslo."), "write add(text, user_id="),
    (lambda m: m.recall(bank_id="alex", query="Where?"), "write search(query, user_id=...)"),
    (lambda m: m.reflect(bank_id="alex", query="Who am I?"), "write ask(question, user_id=...)"),
    (lambda m: m.add("I live in Oslo.", bank_id="alex"), "write user_id=: each user has a"),
    (lambda m: m.add("I live in Oslo.", timestamp="2026-01-01"), "write said_at="),
    (lambda m: m.search("Oslo", max_tokens=4096), "context(message, budget=...).text"),
]


@pytest.fixture
def memory(home: str) -> Iterator[Any]:
    with Memory() as opened:
        opened.add(TALK, user_id="alex")
        yield opened


@pytest.mark.parametrize("calls", [MEM0, ZEP, LANGMEM, HINDSIGHT])
def test_each_call_runs_or_says_what_to_write(memory: Any, calls: list[tuple[Call, str]]) -> None:
    for call, advice in calls:
        if not advice:
            call(memory)
            continue
        with pytest.raises((ImportError, AttributeError, TypeError, InputError)) as caught:
            call(memory)
        assert advice in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_chat_in_the_shape_of_mem0_remembers(memory: Any) -> None:
    hits = memory.search(query="What am I allergic to?", user_id="alex", limit=3)
    remembered = "\n".join(f"- {hit.text}" for hit in hits)
    assert "allergic to nuts" in remembered
    assert memory.facts(user_id="alex")
    assert memory.search("nuts", user_id="somebody else") == []


def test_the_same_is_awaited(home: str) -> None:
    async def main() -> None:
        async with AsyncMemory() as memory:
            await memory.add(TALK, user_id="alex")
            assert await memory.search("nuts", user_id="alex", limit=1)
            with pytest.raises(InputError, match="write k= or limit="):
                await memory.search("nuts", user_id="alex", top_k=3)
            with pytest.raises(AttributeError, match="write ask"):
                await memory.reflect("Who am I?")

    asyncio.run(main())


def test_what_is_no_name_of_others_fails_as_usual(memory: Any) -> None:
    with pytest.raises(AttributeError, match="'Memory' object has no attribute 'bogus'"):
        memory.bogus  # noqa: B018
    with pytest.raises(AttributeError, match="No memory attribute bogus"):
        package.bogus  # noqa: B018
    with pytest.raises(InputError, match="search takes no qurey=; it takes query=, k="):
        memory.search(qurey="nuts")
