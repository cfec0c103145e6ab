"""A memory in the protocols of real frameworks."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from memory import InputError, Memory, Turn, open_store
from memory.operations.tools import memory_tools
from memory.text.fence import fenced
from tests.support.secrets_corpus import SECRETS

BOTH_STORES = True
pytestmark = pytest.mark.slow


def test_a_session_of_the_agents_sdk_keeps_its_items(path: Path) -> None:
    from agents.memory import Session

    from memory.frameworks.openai_agents import MemorySession

    session = MemorySession(path, "chat 1", user="Anna")
    assert isinstance(session, Session)
    said: list[Any] = [
        {"role": "user", "content": "I moved to Oslo."},
        {
            "type": "function_call",
            "call_id": "c1",
            "name": "weather",
            "arguments": '{"in": "Oslo"}',
        },
        {"type": "function_call_output", "call_id": "c1", "output": "Rain."},
        {"role": "assistant", "content": "It rains there."},
    ]

    async def talk() -> None:
        await session.add_items(said)
        assert await session.get_items() == said
        assert await session.get_items(2) == said[-2:]
        assert await session.pop_item() == said[-1]
        assert await session.get_items() == said[:-1]
        await MemorySession(path, "chat 2").add_items([said[0]])
        await session.clear_session()
        assert await session.get_items() == []
        assert await session.pop_item() is None
        assert len(await MemorySession(path, "chat 2").get_items()) == 1

    asyncio.run(talk())
    session.close()
    with open_store(path) as store:
        assert store.turn(1).text == "I moved to Oslo."  # the memory keeps what a session hides
        assert store.turn(1).speaker == "Anna"


def test_items_of_the_agents_sdk_come_back_exactly_as_added(path: Path) -> None:
    from memory.frameworks.openai_agents import MemorySession

    citation = {"type": "url_citation", "url": "https://a.org/" + "x" * 300, "start_index": 0}
    texts = [
        {
            "type": "output_text",
            "text": "It rains there. ",
            "annotations": [citation],
            "logprobs": [],
        },
        {"type": "output_text", "text": "Ærlig \N{UMBRELLA}\nTake one.", "annotations": []},
    ]
    message = {"id": "msg_1", "type": "message", "status": "completed", "phase": "final_answer"}
    items: list[Any] = [
        {"role": "user", "type": "message", "content": " Hi "},
        {"role": "user", "content": [{"type": "input_text", "text": "I moved to Oslo."}]},
        {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "abc"},
        {**message, "role": "assistant", "content": texts},
        {"role": "user", "content": [{"type": "input_image", "image_url": "https://a.org/1.png"}]},
    ]
    session = MemorySession(path, "chat 1", user="Anna")

    async def talk() -> None:
        await session.add_items(items)
        assert await session.get_items() == items

    asyncio.run(talk())
    session.close()
    with open_store(path) as store:
        assert [turn.text for turn in store.turns() if turn.kind == "message"][1:] == [
            "I moved to Oslo.",
            "It rains there. \nÆrlig \N{UMBRELLA}\nTake one.",
        ]


def test_langgraphs_filter_of_several_values_is_applied_or_refused(path: Path) -> None:
    from memory.frameworks.langgraph_store import MemoryStore

    store = MemoryStore(path)
    for key, color in (("a", "red"), ("b", "blue"), ("c", "green")):
        store.put(("user",), key, {"color": color})
    among = store.search(("user",), filter={"color": {"$in": ["red", "green"]}})
    assert {item.key for item in among} == {"a", "c"}
    assert [
        i.key for i in store.search(("user",), filter={"color": {"$nin": ["red", "green"]}})
    ] == ["b"]
    with pytest.raises(ValueError, match="takes a list"):
        store.search(("user",), filter={"color": {"$in": "red"}})
    with pytest.raises(ValueError, match="no operator '\\$regex'"):
        store.search(("user",), filter={"color": {"$regex": "r"}})
    store.close()


def test_a_runner_of_the_agents_sdk_remembers_with_it(path: Path) -> None:
    from agents import Agent, ModelResponse, RunConfig, Runner, SQLiteSession, Usage
    from agents.models.interface import Model, ModelProvider
    from openai.types.responses import ResponseOutputMessage, ResponseOutputText

    from memory.frameworks.openai_agents import MemorySession

    inputs: list[Any] = []

    class Scripted(Model):
        async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
            inputs.append(args[1] if len(args) > 1 else kwargs["input"])
            text = ResponseOutputText(text="Nice.", type="output_text", annotations=[])
            message = ResponseOutputMessage(
                id="m", content=[text], role="assistant", status="completed", type="message"
            )
            return ModelResponse(output=[message], usage=Usage(), response_id=None)

        def stream_response(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

    class Provider(ModelProvider):
        def get_model(self, model_name: str | None) -> Model:
            return Scripted()

    config = RunConfig(model_provider=Provider(), tracing_disabled=True)
    ours, theirs = MemorySession(path, "chat"), SQLiteSession("chat")

    async def talk() -> None:
        for session in (ours, theirs):
            for message in ("I moved to Oslo.", "Where do I live?"):
                await Runner.run(Agent("A"), message, session=session, run_config=config)

    asyncio.run(talk())
    ours.close()
    theirs.close()
    first, reply, second = inputs[1]
    assert (first["content"], second["content"]) == ("I moved to Oslo.", "Where do I live?")
    assert [part["text"] for part in reply["content"]] == ["Nice."]
    assert inputs[:2] == inputs[2:], "the model reads what the SDK's own session gives it"


def test_langgraphs_store_puts_gets_searches_and_lists(path: Path) -> None:
    from memory.frameworks.langgraph_store import MemoryStore

    store = MemoryStore(path)
    store.put(("users", "anna"), "home", {"text": "Anna lives in Oslo, near the fjord.", "n": 1})
    store.put(("users", "anna"), "pet", {"text": "Anna's cat is called Miso.", "n": 2})
    store.put(("users", "ben"), "home", {"text": "Ben lives in Rome.", "n": 3})
    item = store.get(("users", "anna"), "home")
    assert item
    assert item.value == {"text": "Anna lives in Oslo, near the fjord.", "n": 1}
    assert (item.key, item.namespace) == ("home", ("users", "anna"))
    best = store.search(("users",), query="Which cat does Anna have?", limit=2)
    assert best[0].key == "pet"
    assert best[0].score is not None
    assert {hit.namespace for hit in store.search(("users", "ben"), query="lives")} == {
        ("users", "ben")
    }
    assert [hit.key for hit in store.search(("users",), filter={"n": {"$gte": 3}})] == ["home"]
    assert [hit.key for hit in store.search(("users",), filter={"n": 2})] == ["pet"]
    assert len(store.search(("users",), limit=2, offset=1)) == 2
    assert store.list_namespaces(prefix=("users",)) == [("users", "anna"), ("users", "ben")]
    assert store.list_namespaces(suffix=("ben",)) == [("users", "ben")]
    assert store.list_namespaces(max_depth=1) == [("users",)]

    store.put(("users", "anna"), "home", {"text": "Anna lives in Bergen."})
    again = store.get(("users", "anna"), "home")
    assert again
    assert again.value == {"text": "Anna lives in Bergen."}
    assert again.created_at == item.created_at
    assert again.updated_at > item.updated_at
    assert len(store.search(("users", "anna"))) == 2
    store.delete(("users", "anna"), "home")
    assert store.get(("users", "anna"), "home") is None
    assert asyncio.run(store.aget(("users", "anna"), "pet")) is not None
    secret = next(secret for kind, _, secret in SECRETS if kind == "GitHub token")
    store.put(("users", "anna"), "key", {"text": f"use {secret}"})
    kept = store.get(("users", "anna"), "key")
    assert kept
    assert kept.value == {"text": "use [withheld]"}
    store.close()


def test_an_item_with_a_time_to_live_is_forgotten_at_its_end(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from memory.frameworks.langgraph_store import MemoryStore

    began, passed = time.time(), [0.0]
    monkeypatch.setattr(time, "time", lambda: began + 60 * passed[0])
    store = MemoryStore(address, ttl={"default_ttl": 30, "refresh_on_read": True})
    notes = ("notes",)
    store.put(notes, "code", {"text": "The code is 4711."}, index=["text"])
    store.put(notes, "home", {"text": "Anna lives in Oslo."}, ttl=None)
    store.put(notes, "kept", {"text": "The code of the gate is 12."}, ttl=5)
    store.put(notes, "kept", {"text": "The code of the gate is 12."}, ttl=None)
    passed[0] = 20
    assert store.get(notes, "code")  # begins the 30 minutes again
    passed[0] = 45
    assert store.get(notes, "code", refresh_ttl=False)
    passed[0] = 51
    assert store.get(notes, "code") is None
    assert {item.key for item in store.search(notes)} == {"home", "kept"}
    store.close()
    with open_store(address) as opened:
        assert "4711" not in str(opened.turns())


def test_a_batch_of_langgraphs_store_with_an_item_that_cannot_be_put_puts_none(
    address: str,
) -> None:
    from langgraph.store.base import PutOp

    from memory.frameworks.langgraph_store import MemoryStore

    store = MemoryStore(address)
    good = PutOp(("notes",), "good", {"text": "x"})
    for bad in (PutOp(("notes",), "two\nlines", {}), PutOp(("notes",), "odd", {"at": object()})):
        with pytest.raises((InputError, TypeError)):
            store.batch([good, bad])
    assert store.search(("notes",)) == []
    store.close()


def test_a_batch_of_langgraphs_store_is_one_transaction(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails or is killed in the middle has put nothing and deleted nothing."""
    from langgraph.store.base import GetOp, PutOp

    from memory.frameworks import store_thread
    from memory.frameworks.langgraph_store import MemoryStore

    notes = ("notes",)
    store = MemoryStore(address)
    store.batch([PutOp(notes, "old", {"n": 1}), PutOp(notes, "gone", {"n": 1})])
    batch = [
        PutOp(notes, "new", {"n": 1}),
        PutOp(notes, "new", {"n": 2}),
        PutOp(notes, "old", {"n": 2}),
        PutOp(notes, "gone", None),
        GetOp(notes, "old"),
    ]

    def stop(*_: Any, **__: Any) -> None:
        raise RuntimeError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(store_thread, "replace_tags_of_those_there", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            store.batch(batch)
    assert {item.key: item.value["n"] for item in store.search(notes)} == {"old": 1, "gone": 1}

    *_, read = store.batch(batch)
    assert read is not None
    assert read.value == {"n": 1}  # LangGraph's own stores read before they put, too
    assert {item.key: item.value["n"] for item in store.search(notes)} == {"old": 2, "new": 2}
    store.close()


def test_a_session_of_the_agents_sdk_obeys_its_settings_and_refuses_what_is_no_json(
    path: Path,
) -> None:
    from agents import SessionSettings

    from memory.frameworks.openai_agents import MemorySession

    assert MemorySession(path, "chat").session_settings == SessionSettings()
    with pytest.raises(TypeError, match="limitt"):
        MemorySession(path, "chat", session_settings={"limitt": 1})
    session = MemorySession(path, "chat", session_settings={"limit": 2})
    assert session.session_settings == SessionSettings(limit=2)

    async def talk() -> None:
        await session.add_items([{"role": "user", "content": str(n)} for n in range(4)])
        assert [item["content"] for item in await session.get_items()] == ["2", "3"]
        assert len(await session.get_items(limit=3)) == 3
        with pytest.raises(TypeError):
            await session.add_items([{"role": "user", "content": object()}])  # type: ignore
        assert len(await session.get_items(limit=9)) == 4

    asyncio.run(talk())
    session.close()


def test_a_callback_of_litellm_stores_both_sides(path: Path) -> None:
    from memory.system.providers import load_litellm

    litellm = load_litellm()
    from memory.frameworks.litellm_callback import MemoryCallback

    callback = MemoryCallback(path, user="Anna")
    block = fenced("What was said:\n[1] Anna: I live in Rome.")
    message = {"role": "user", "content": f"I moved to Oslo.\n\n{block}"}
    response = litellm.completion(model="openai/m", messages=[message], mock_response="Nice.")
    kwargs = {"messages": [message], "litellm_params": {"metadata": {"session_id": "chat"}}}
    callback.log_success_event(kwargs, response, None, None)
    asyncio.run(callback.async_log_success_event(kwargs, response, None, None))
    callback.close()
    with open_store(path) as store:
        turns = [(turn.speaker, turn.text, turn.session) for turn in store.turns()]
    assert turns == [("Anna", "I moved to Oslo.", "chat"), ("Assistant", "Nice.", "chat")] * 2


@pytest.mark.parametrize(
    "session", ["corrections", "memory tool /memories/a.md", 'langgraph ["a"]']
)
def test_no_framework_writes_into_a_session_that_only_the_memory_names(
    path: Path, session: str
) -> None:
    from memory.frameworks.litellm_callback import MemoryCallback
    from memory.frameworks.openai_agents import MemorySession

    agents = MemorySession(path, session)
    with pytest.raises(InputError, match="the memory's own"):
        asyncio.run(agents.add_items([{"role": "user", "content": "I live in Rome."}]))
    agents.close()
    callback = MemoryCallback(path)
    messages = [{"role": "user", "content": "I live in Rome."}]
    kwargs = {"messages": messages, "litellm_params": {"metadata": {"session_id": session}}}
    with pytest.raises(InputError, match="the memory's own"):
        callback.log_success_event(kwargs, None, None, None)
    callback.close()
    with open_store(path) as store:
        assert store.count_turns() == 0


def test_an_agent_of_pydantic_ai_uses_the_tools(path: Path) -> None:
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    with open_store(path) as store:
        store.add([Turn("Anna", "I moved to Oslo.")])
        tools = [tool for tool in memory_tools(Memory(store)) if tool.__name__ == "recall"]
        agent = Agent(TestModel(), tools=tools)
        result = agent.run_sync("Where do I live?")
    assert "Oslo" in result.output
