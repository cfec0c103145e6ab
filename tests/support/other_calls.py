"""Calls as users of other memory libraries type them, and what becomes of each here.

The guide docs/guides/other-libraries.md is made of these rows:

    uv run python -m tests.support.other_calls > docs/guides/other-libraries.md

The names of calls and keywords are read from mem0ai 2.0.18, zep-cloud 3.19.0, graphiti-core 0.29.3,
langmem 0.0.30, langgraph-checkpoint 4.2.0, openai-agents 0.22.0, letta-client 1.12.1, supermemory
3.22.0 and honcho-ai 2.3.0.
"""

# ruff: noqa: E501, S102, S307
from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from memory import AsyncMemory, Memory, facts
from memory.store import namespaces


@dataclass(frozen=True)
class Call:
    """A call as it is typed, and what it does.

    Without `write` it runs, and `then` is true of its result `r`. With `write` it is refused: the
    message has these words, which are code that runs, and `then` is true of the last one's value.
    Where they are no whole statement, `obeyed` is the statement that does what they say. An `await`
    runs in an event loop.
    """

    typed: str
    write: tuple[str, ...] = ()
    then: str = "True"
    obeyed: str = ""


@dataclass(frozen=True)
class Row:
    """What belongs together in the table, by the number that it has in the list of calls."""

    number: str
    library: str
    calls: tuple[Call, ...]


def run(typed: str, then: str = "True") -> Call:
    return Call(typed, then=then)


def hint(typed: str, *write: str, then: str = "True", obeyed: str = "") -> Call:
    return Call(typed, write, then, obeyed)


CONFIG = (
    '{"llm": {"provider": "openai", "config": {"model": "gpt-4o-mini"}},'
    ' "vector_store": {"provider": "qdrant"}}'
)
MODEL = 'Memory(model="openai/gpt-4o-mini")'
MESSAGES = '[{"role": "user", "content": "I play chess."}]'
TAGGED = '{"tags": {"category": "hobby"}}'
ALICE = 'memory.get_all(user_id="alice")'
ONE_HIT = "[hit.turn_id for hit in r] == [1]"
_SEARCH = "memory.search(query, user_id=user_id, limit=5)"
_READ = 'memory.of(user_id).read("SELECT * FROM turns").rows'
# Words that are usual in libraries without a table of their own.
USUAL: dict[str, Sequence[tuple[str, str]]] = {
    "LlamaIndex": (
        ('Memory.from_defaults(session_id="alice", token_limit=4000)', 'Memory("alice")'),
        ("memory.put(message)", "memory.add(text, user_id=user_id)"),
        ("memory.put_messages(messages)", "memory.add(messages, user_id=user_id)"),
        ("memory.as_query_engine()", "memory.ask(question, user_id=user_id).text"),
        ("memory.retrieve('cat')", _SEARCH),
        ("memory.set(messages)", "memory.delete_all(user_id)"),
        ("memory.insert_nodes([])", "memory.add(text, user_id=user_id)"),
        ("memory.get(input='hi')", "memory.context(message, user_id=user_id)"),
        ("memory.aget_all()", "(await memory.get_all(user_id=user_id))"),
        ("from memory import VectorStoreIndex", "Memory()"),
        ("from memory import SimpleDirectoryReader", 'memory.add(text, source="note 1")'),
    ),
    "Haystack": (
        ("memory.write_documents([])", "memory.add(messages, user_id=user_id)"),
        ("memory.filter_documents()", "memory.get_all(user_id=user_id)"),
        ("memory.count_documents()", "len(memory.of(user_id))"),
        ("memory.bm25_retrieval('cat')", _SEARCH),
    ),
    "Chroma": (
        ("memory.get_or_create_collection('alice')", "memory.of(user_id)"),
        ("memory.upsert(documents=['x'], ids=['1'])", "memory.add(text, user_id=user_id)"),
        ("memory.query(query_texts=['cat'], n_results=5)", _SEARCH),
        ("memory.peek()", "memory.get_all(user_id=user_id)"),
        ("memory.count()", "len(memory.of(user_id))"),
        ("from memory import PersistentClient", "Memory()"),
        ("from memory import EphemeralClient", "Memory()"),
        ("memory.heartbeat()", "leave the call out"),
        ("memory.list_collections()", "namespaces.names()"),
        ("memory.delete_collection('alice')", "memory.delete_all(user_id)"),
        ("memory.get(ids=['1'])", "[memory.get(turn_id, user_id=user_id) for turn_id in turn_ids]"),
        ("memory.delete(ids=['1'])", "memory.forget(turn_ids, user_id=user_id)"),
    ),
    "OpenAI": (
        ("memory.beta.threads.create()", "memory.add(messages, user_id=user_id, run_id=thread_id)"),
        ("memory.responses.create(input='x')", "memory.ask(question, user_id=user_id).text"),
        ("memory.vector_stores.search('cat')", _SEARCH),
    ),
    "LangChain": (
        ("memory.get_relevant_documents('cat')", _SEARCH),
        ("memory.buffer", "memory.context(message, user_id=user_id)"),
        ("memory.messages", "memory.get_all(user_id=user_id)"),
        ("memory.chat_memory.add_user_message('Hi.')", "memory.add(messages, user_id=user_id)"),
        ("memory.asimilarity_search('cat')", f"(await {_SEARCH})"),
        (
            "memory.get_by_ids(['1'])",
            "[memory.get(turn_id, user_id=user_id) for turn_id in turn_ids]",
        ),
        ("from memory import ConversationBufferMemory", "Memory()"),
        ("from memory import ConversationSummaryMemory", "Memory()"),
        ("memory.save_local('x')", "leave the call out"),
    ),
    "sqlite-utils": (
        ("memory.read()", _READ),
        ("memory.execute('SELECT * FROM turns')", _READ),
        ("memory.query('SELECT * FROM turns')", _READ),
        ("memory['turns'].rows", _READ),
        ("memory.table_names()", _READ),
        ("memory.read('SELECT * FROM turns WHERE id = ?', [1])", _READ),
        ("memory.read('SELECT text FROM turns', user_id='alice')", _READ),
        ("memory.read('SELECT text FROM turns').fetchall()", "[row['text'] for row in rows]"),
        ("memory.vacuum()", "leave the call out"),
    ),
    "Python's own": (
        ("__import__('memory').Store()", 'open_store("anna.db")'),
        ("__import__('memory').search('cat')", _SEARCH),
        ("__import__('memory').facts()", "memory.facts(user_id=user_id)"),
        ("__import__('memory').ask('Where?')", "memory.ask(question, user_id=user_id).text"),
        ("Memory.add('I ski.')", "memory.add(text, user_id=user_id)"),
        ("memory.add('I ski.', 'alice')", "memory.add(text, user_id=user_id)"),
        ("memory.search('cat', 'alice')", _SEARCH),
        ("memory.get_all('alice')", "memory.get_all(user_id=user_id)"),
        ("memory.search()", _SEARCH),
        ("memory.of()", "memory.of(user_id)"),
    ),
    "any": (
        ("memory.remember('x')", "memory.add(text, user_id=user_id)"),
        ("memory.clear()", "memory.delete_all(user_id)"),
        ("memory.remove(1)", "memory.forget(turn_ids, user_id=user_id)"),
        ("memory.save()", "leave the call out"),
        ("memory.export()", "[*memory.of(user_id).store.dump()]"),
        ("memory.backup()", "memory.of(user_id).store.backup(path)"),
        ("memory.edit(1, 'x')", "facts.supersede(memory.of(user_id).store, fact_id, value)"),
        ("memory.redo()", "memory.undo(user_id=user_id)"),
        ("memory.to_dict()", "[turn.to_dict() for turn in memory.get_all(user_id=user_id)]"),
        ("memory.stats()", "namespaces.summary(user_id)"),
        ("memory.as_tool()", "memory_tools(memory.of(user_id))"),
        ("from memory import namespaces", "namespaces.names()"),
    ),
    "no library": (
        ("memory.wings()", "has add, search, ask"),
        ("memory.search('cat', user_id='alice')[0].wings", "has turn_id, score"),
        ("memory.get_all(user_id='alice')[0]['wings']", "has speaker, text"),
    ),
}
ROWS: Sequence[Row] = (
    # ------------------------------------------------------------------ mem0: opening
    Row("1", "mem0", (run("Memory()", "r.get_all()"),)),
    Row("2", "mem0", (hint(f"Memory.from_config({CONFIG})", MODEL),)),
    Row(
        "3",
        "mem0",
        (
            hint(f"Memory(config={CONFIG})", MODEL),
            hint("from memory import MemoryConfig", MODEL),
        ),
    ),
    Row("4", "mem0", (hint(f"Memory({CONFIG})", MODEL),)),
    Row(
        "5",
        "mem0",
        (
            hint("from memory import MemoryClient", "Memory()"),
            hint(
                'Memory(api_key="m0-1", host="https://api.mem0.ai")',
                "api_key=; leave it out",
                "host=; leave it out",
                obeyed="Memory()",
            ),
        ),
    ),
    Row(
        "6",
        "mem0",
        (
            run("AsyncMemory()"),
            hint("from memory import AsyncMemoryClient", "AsyncMemory()"),
            hint(f"AsyncMemory.from_config({CONFIG})", 'AsyncMemory(model="openai/gpt-4o-mini")'),
        ),
    ),
    # ------------------------------------------------------------------ mem0: add
    Row(
        "7, 8",
        "mem0",
        (
            run(f'memory.add({MESSAGES}, user_id="alice")', f"len({ALICE}) == 4"),
            run('memory.add("I play chess.", user_id="alice")', f"len({ALICE}) == 4"),
            run(
                'memory.add({"role": "user", "content": "Hi."}, user_id="alice")',
                f"len({ALICE}) == 4",
            ),
        ),
    ),
    Row(
        "9",
        "mem0",
        (run(f'memory.add(messages={MESSAGES}, user_id="alice")', f"len({ALICE}) == 4"),),
    ),
    Row(
        "10",
        "mem0",
        (
            run(
                'memory.add("Hi.", user_id="alice", agent_id="bot", run_id="s1",'
                ' metadata={"category": "x", "n": 3, "ok": True, "l": ["a"]})',
                f'{ALICE}[-1].tags == {{"category": "x", "n": "3", "ok": "true", "l": "a",'
                ' "agent_id": "bot"}',
            ),
        ),
    ),
    Row(
        "11",
        "mem0",
        (
            run(
                'memory.add("Hi.", user_id="alice", metadata={"l": [1, 2.5]})',
                f'{ALICE}[-1].tags == {{"l": ["1", "2.5"]}}',
            ),
            hint(
                'memory.add("Hi.", user_id="alice", metadata={"plan": {"a": 1}})',
                "json.dumps(value)",
                then=f'{ALICE}[-1].tags["plan"] == \'{{"a": 1}}\'',
                obeyed='memory.add("Hi.", user_id="alice", metadata={"plan": json.dumps(value)})',
            ),
        ),
    ),
    Row(
        "12",
        "mem0",
        (
            run('memory.add("Hi.", user_id="alice", infer=False)', f"len({ALICE}) == 4"),
            hint(
                'memory.add("Hi.", user_id="alice", infer=True)',
                "memory.digest(user_id=user_id)",
            ),
        ),
    ),
    Row(
        "13",
        "mem0",
        (
            run(
                'memory.add("Hi.", user_id="alice", timestamp=1700000000)',
                f'{ALICE}[-1].said_at == "2023-11-14T22:13:20Z"',
            ),
        ),
    ),
    Row(
        "14, 15",
        "mem0",
        (
            run(
                'memory.add("Hi.", user_id="alice", expiration_date="2030-01-01")',
                'memory.expiring(user_id="alice")[-1].forget_after.startswith("2030-01-0")',
            ),
            hint(
                'memory.add("Hi.", user_id="alice", prompt="x",'
                ' custom_instructions="x", memory_type="procedural_memory")',
                "prompt=; leave it out",
                "custom_instructions=; leave it out",
                "memory_type=; leave it out",
                obeyed='memory.add("Hi.", user_id="alice")',
            ),
        ),
    ),
    Row(
        "16",
        "mem0",
        (
            hint(
                'memory.add("Hi.", user_id="alice", custom_categories=[], includes="x",'
                ' agent_custom_instructions="x", structured_data_schema={}, excludes="x")',
                "custom_categories=; leave it out: a vocabulary",
                "includes=; leave it out",
                "agent_custom_instructions=; leave it out",
                "structured_data_schema=; leave it out",
                "excludes=; leave it out",
                obeyed='memory.add("Hi.", user_id="alice")',
            ),
        ),
    ),
    Row(
        "17",
        "mem0",
        (
            run(
                'memory.add("Hi.", user_id="alice", app_id="app")',
                f'{ALICE}[-1].tags == {{"app_id": "app"}}',
            ),
        ),
    ),
    Row(
        "18",
        "mem0",
        (
            run(
                f'memory.add({MESSAGES}, filters={{"user_id": "alice", "run_id": "s1"}})',
                f'{ALICE}[-1].session == "s1"',
            ),
        ),
    ),
    Row(
        "19",
        "mem0",
        (
            run(
                'memory.add("Hi.", user_id="alice", async_mode=True, output_format="v1.1",'
                ' version="v2", enable_graph=True)',
                f"len({ALICE}) == 4",
            ),
        ),
    ),
    Row(
        "20",
        "mem0",
        (
            run(
                'memory.add([{"role": "user", "name": "Alice", "content": "Hi."}],'
                ' user_id="alice")',
                f'{ALICE}[-1].speaker == "Alice"',
            ),
        ),
    ),
    Row(
        "21",
        "mem0",
        (
            run(
                'memory.add([{"role": "system", "content": "Be kind."},'
                ' {"role": "user", "content": "Hi."}], user_id="alice")',
                'len(r) == 1 and r.skipped[0].why == "instructions to a model"',
            ),
        ),
    ),
    Row(
        "22",
        "mem0",
        (
            run(
                'memory.add([{"role": "user", "content": "Hi.", "timestamp": "2024-01-02"},'
                ' {"role": "user", "content": "Ho.", "created_at": 1700000000}], user_id="alice")',
                f'[turn.said_at[:10] for turn in {ALICE}[-2:]] == ["2024-01-02", "2023-11-14"]',
            ),
        ),
    ),
    Row(
        "23",
        "mem0",
        (
            run(
                'memory.add([{"role": "user", "content": [{"type": "text", "text": "Look."},'
                ' {"type": "image_url", "image_url": {"url": "u"}}]}], user_id="alice")',
                f'{ALICE}[-1].text == "Look."',
            ),
            run(
                'memory.add([{"role": "user", "content": {"type": "image_url", "image_url":'
                ' {"url": "u"}}}], user_id="alice")',
                f'{ALICE}[-1].text == "[image]"',
            ),
        ),
    ),
    Row(
        "24",
        "mem0",
        (
            hint(
                'memory.add("Hi.", user_id="alice")["results"]',
                "for turn_id in memory.add(...)",
                obeyed='[turn_id for turn_id in memory.add("Hi.", user_id="alice")]',
            ),
        ),
    ),
    # ------------------------------------------------------------------ mem0: search
    Row(
        "25",
        "mem0",
        (
            run(
                'memory.search("cat", filters={"user_id": "alice"}, top_k=5)',
                "len(r) == 3 and r[0].turn_id == 1",
            ),
        ),
    ),
    Row("26", "mem0", (run('memory.search("cat", user_id="alice", limit=1)', ONE_HIT),)),
    Row(
        "27",
        "mem0",
        (
            run(
                '[hit["memory"] for hit in memory.search("cat", user_id="alice")["results"]]',
                '"I love cats." in r',
            ),
            run(
                '[(hit["id"], hit["score"] > 0, hit["created_at"]) for hit in'
                ' memory.search("cat", user_id="alice", limit=1).get("results", [])]',
                "r[0][:2] == (1, True)",
            ),
            hint('memory.search("cat", user_id="alice")[0].id', "hit.turn_id", then="r == 1"),
            hint(
                'memory.search("cat", user_id="alice")[0].memory',
                "hit.text",
                then='r == "I love cats."',
            ),
            hint(
                'memory.search("cat", user_id="alice")[0].metadata',
                "hit.tags",
                then='r == {"agent_id": "bot", "category": "hobby", "priority": "2"}',
            ),
        ),
    ),
    Row(
        "28",
        "mem0",
        (
            run(
                'memory.search("cat", filters={"user_id": "alice", "run_id": "trip",'
                ' "agent_id": "bot"})',
                ONE_HIT,
            ),
            run('memory.search("cat", filters={"user_id": "alice", "app_id": "app"})', "r == []"),
            hint(
                'memory.search("cat", filters={"user_id": "*"})',
                "Memory.over(namespaces.names()).search(query)",
                then="len(r) == 5",
            ),
        ),
    ),
    Row(
        "28a",
        "mem0",
        (
            run('memory.search("x", user_id="alice", filters={"category": "hobby"})', ONE_HIT),
            run(
                'memory.search("x", user_id="alice", filters={"metadata": {"category": "hobby"}})',
                ONE_HIT,
            ),
        ),
    ),
    Row(
        "28b",
        "mem0",
        (
            run(
                'memory.search("x", user_id="alice",'
                ' filters={"category": {"in": ["hobby", "sport"]}})',
                "{hit.turn_id for hit in r} == {1, 2}",
            ),
        ),
    ),
    Row(
        "28c",
        "mem0",
        (
            run('memory.search("x", user_id="alice", filters={"priority": {"gte": 2}})', ONE_HIT),
            run(
                'memory.search("x", user_id="alice", filters={"priority": {"gt": 0, "lt": 2}})',
                "[hit.turn_id for hit in r] == [2]",
            ),
            run(
                'memory.search("x", user_id="alice", filters={"category": {"ne": "sport"}})',
                "{hit.turn_id for hit in r} == {1, 3}",
            ),
            run(
                'memory.search("x", user_id="alice", filters={"category": {"icontains": "HOB"}})',
                ONE_HIT,
            ),
        ),
    ),
    Row(
        "28d",
        "mem0",
        (
            run(
                'memory.search("x", filters={"AND": [{"user_id": "alice"},'
                ' {"category": "hobby"}]})',
                ONE_HIT,
            ),
            hint(
                'memory.search("x", filters={"AND": [{"user_id": "alice"}, {"categories": ["a"]}]},'
                " top_k=5, threshold=0.3, rerank=True)",
                "leave it out: scores have no fixed scale; take fewer turns by limit=",
                'Memory(reranker="cohere/rerank-v3.5")',
                'filters={"category": "hobby"}',
                then=ONE_HIT,
                obeyed='memory.search("x", user_id="alice", filters={"category": "hobby"})',
            ),
        ),
    ),
    Row(
        "28e",
        "mem0",
        (
            hint(
                'memory.search("x", filters={"OR": [{"user_id": "alice"}, {"user_id": "bob"}]})',
                "Memory.over(['alice', 'bob']).search(query)",
                then='{hit.memory for hit in r} == {"alice", "bob"}',
            ),
            run(
                'memory.search("x", user_id="alice", filters={"OR": [{"category": "hobby"},'
                ' {"category": "sport"}]})',
                "{hit.turn_id for hit in r} == {1, 2}",
            ),
        ),
    ),
    Row(
        "28f",
        "mem0",
        (
            run(
                'memory.search("x", user_id="alice", filters={"NOT": [{"category": "sport"}]})',
                "{hit.turn_id for hit in r} == {1, 3}",
            ),
        ),
    ),
    Row(
        "28g",
        "mem0",
        (
            run(
                'memory.search("x", user_id="alice", filters={"created_at":'
                ' {"gte": "2026-01-01", "lte": "2026-12-31"}})',
                "{hit.turn_id for hit in r} == {1, 2}",
            ),
        ),
    ),
    Row(
        "28h",
        "mem0",
        (
            hint(
                'memory.search("x", user_id="alice", filters={"categories": {"contains": "x"},'
                ' "keywords": {"icontains": "cat"}})',
                "filters have no 'categories'; leave it out",
                "filters have no 'keywords'; leave it out",
                obeyed='memory.search("x", user_id="alice")',
            ),
            run('memory.search("x", user_id="alice", filters={"*": "*"})', "len(r) == 3"),
        ),
    ),
    Row(
        "28i",
        "mem0",
        (
            hint(
                'memory.search("x", user_id="alice", threshold=0.3)',
                "leave it out: scores have no fixed scale; take fewer turns by limit=",
                then="len(r) == 2",
                obeyed='memory.search("x", user_id="alice", limit=2)',
            ),
        ),
    ),
    Row(
        "28j",
        "mem0",
        (
            run('memory.search("x", user_id="alice", rerank=False)', "len(r) == 3"),
            hint(
                'memory.search("x", user_id="alice", rerank=True)',
                'Memory(reranker="cohere/rerank-v3.5")',
            ),
        ),
    ),
    Row(
        "28k",
        "mem0",
        (
            run(
                'memory.search("x", user_id="alice", keyword_search=True, filter_memories=True,'
                ' enable_graph=True, version="v2", metadata={"category": "hobby"})',
                ONE_HIT,
            ),
        ),
    ),
    Row(
        "28l",
        "mem0",
        (
            run(
                'memory.search("x", user_id="alice", explain=True, show_expired=True)',
                "r[0].shares",
            ),
            hint(
                'memory.search("x", user_id="alice", latest_only=True)',
                "memory.facts(query, user_id=user_id)",
            ),
            hint(
                'memory.search("x", user_id="alice", fields=["memory"])',
                "leave it out: a hit has all fields",
                obeyed='memory.search("x", user_id="alice")',
            ),
            hint(
                'memory.search("x", user_id="alice", categories=["hobby"])',
                'filters={"tags": {"category": categories}}',
                then=ONE_HIT,
                obeyed='memory.search("x", user_id="alice",'
                ' filters={"tags": {"category": categories}})',
            ),
            hint(
                'memory.search("x", user_id="alice", reference_date="2026-05-01")',
                "memory.ask(question, now=reference_date, user_id=user_id)",
            ),
            hint(
                'memory.search("x", user_id="alice", page=2)',
                "memory.search(query, limit=page * size, user_id=user_id)[(page - 1) * size :]",
                then="len(r) == 1",
            ),
        ),
    ),
    # ------------------------------------------------------------------ mem0: the rest
    Row(
        "29",
        "mem0",
        (
            run('memory.get(1, user_id="alice")["memory"]', 'r == "I love cats."'),
            run('memory.get("9", user_id="alice")', "r is None"),
            hint(
                "memory.get(1)", "memory.get(1, user_id=user_id)", then='r.text == "I love cats."'
            ),
        ),
    ),
    Row(
        "30",
        "mem0",
        (
            run('memory.get_all(user_id="alice")', "len(r) == 3"),
            run(
                '[turn["memory"] for turn in memory.get_all(user_id="alice")["results"]]',
                'r[0] == "I love cats."',
            ),
        ),
    ),
    Row("31", "mem0", (run('memory.get_all(filters={"user_id": "alice"})', "len(r) == 3"),)),
    Row(
        "32",
        "mem0",
        (
            run('memory.get_all(user_id="alice", top_k=2)', "len(r) == 2"),
            run('memory.get_all(user_id="alice", limit=2)', "len(r) == 2"),
            hint(
                'memory.get_all(user_id="alice", page=2, page_size=2)',
                "memory.get_all(user_id=user_id)[(page - 1) * size : page * size]",
                then="len(r) == 1",
            ),
        ),
    ),
    Row(
        "33, 35",
        "mem0",
        (
            run(
                'memory.get_all(user_id="alice", start_date="2026-01-01", end_date="2026-02-01")',
                "[turn.id for turn in r] == [1]",
            ),
            run('memory.get_all(user_id="alice", show_expired=True)', "len(r) == 3"),
            hint(
                'memory.get_all(user_id="alice", categories=["hobby"])',
                'filters={"tags": {"category": categories}}',
                then="[turn.id for turn in r] == [1]",
                obeyed='memory.get_all(user_id="alice",'
                ' filters={"tags": {"category": categories}})',
            ),
            hint(
                'memory.get_all(user_id="alice", latest_only=True)',
                "memory.facts(user_id=user_id)",
            ),
        ),
    ),
    Row(
        "34",
        "mem0",
        (
            run('memory.get_all(user_id="alice", run_id="trip")', "[t.id for t in r] == [1]"),
            run('memory.get_all(user_id="alice", agent_id="bot")', "[t.id for t in r] == [1]"),
        ),
    ),
    Row(
        "36",
        "mem0",
        (
            hint(
                'memory.update(2, text="Oslo")',
                "[facts.supersede(memory.of(user_id).store, fact.id, text) for fact in"
                " memory.facts(user_id=user_id) if fact.turn_id == turn_id]",
                then='"Oslo" in [fact.value for fact in memory.facts("lives_in", user_id="alice")]',
            ),
        ),
    ),
    Row(
        "37",
        "mem0",
        (
            hint(
                'memory.update(2, metadata={"category": "home"})',
                "set_tags(memory.of(user_id).store, [turn_id], metadata)",
                then=f'{ALICE}[1].tags["category"] == "home"',
            ),
        ),
    ),
    Row(
        "38",
        "mem0",
        (
            hint(
                "memory.delete(1)",
                "memory.delete(1, user_id=user_id)",
                then=f"len({ALICE}) == 2 and len(memory.get_all()) == 1",
            ),
            run('memory.delete(memory_id=1, user_id="alice")', f"len({ALICE}) == 2"),
            run('memory.delete("1", user_id="alice")', f"len({ALICE}) == 2"),
            hint(
                'memory.delete("a3f1c2d4-7b1e", user_id="alice")',
                "ids are numbers, as add returns them and hit.turn_id of a search",
                obeyed="memory.delete(hit.turn_id, user_id=user_id)",
            ),
        ),
    ),
    Row(
        "39",
        "mem0",
        (
            run('memory.delete_all(user_id="alice")', f"{ALICE} == []"),
            run('memory.delete_all(user_id="nobody")', f"len({ALICE}) == 3"),
        ),
    ),
    Row(
        "40",
        "mem0",
        (
            run('memory.delete_all(user_id="alice", run_id="trip")', f"len({ALICE}) == 2"),
            hint(
                'memory.delete_all(run_id="trip")',
                'memory.delete_all(user_id, run_id="trip")',
                then=f"len({ALICE}) == 2",
            ),
        ),
    ),
    Row(
        "41",
        "mem0",
        (
            run('memory.delete_all(user_id="alice", agent_id="bot")', f"len({ALICE}) == 2"),
            hint(
                'memory.delete_all(agent_id="bot")',
                'memory.delete_all(user_id, agent_id="bot")',
                then=f"len({ALICE}) == 2",
            ),
        ),
    ),
    Row(
        "42",
        "mem0",
        (
            hint(
                "memory.history(2)",
                "[edit for fact in memory.facts(user_id=user_id, ended=True) if fact.turn_id =="
                " turn_id for edit in facts.history(memory.of(user_id).store, fact.id)]",
                then="len(r) == 1",
            ),
        ),
    ),
    Row(
        "43",
        "mem0",
        (
            hint(
                "memory.reset()",
                "[namespaces.delete(name) for name in namespaces.names()]",
                then="namespaces.names() == [] and memory.add('Hi.') == [1]",
            ),
        ),
    ),
    Row(
        "44",
        "mem0",
        (
            run("memory.users()", 'r == ["alice", "bob"]'),
            hint(
                'memory.delete_users(user_id="alice")',
                "memory.delete_all(user_id)",
                then=f"{ALICE} == []",
            ),
        ),
    ),
    Row(
        "45",
        "mem0",
        (
            hint('memory.chat("Where do I live?")', "memory.ask(question, user_id=user_id).text"),
            hint(
                "memory.batch_delete([])",
                "memory.forget(turn_ids, user_id=user_id)",
                then=f"len({ALICE}) == 1",
            ),
            hint(
                "memory.batch_update([])",
                "facts.supersede(memory.of(user_id).store, fact_id, value)",
            ),
            hint(
                "memory.feedback(1)",
                "facts.correct(memory.of(user_id).store, fact_id, value=value)",
            ),
            hint("memory.create_memory_export({})", "[*memory.of(user_id).store.dump()]"),
            hint("memory.get_summary()", "memory.of(user_id).store.summaries()"),
            hint("memory.project.update()", "leave the call out", obeyed="None"),
            hint("memory.create_webhook()", "leave the call out", obeyed="None"),
        ),
    ),
    Row(
        "46",
        "mem0",
        (
            run(
                'await AsyncMemory().search("cat", filters={"user_id": "alice"}, top_k=1)',
                ONE_HIT,
            ),
            run('await AsyncMemory().delete_all(user_id="alice")', f"{ALICE} == []"),
            run('await AsyncMemory().get(1, user_id="alice")', 'r.text == "I love cats."'),
            run('(await AsyncMemory().get_all(user_id="alice"))["results"]', "len(r) == 3"),
            hint(
                'AsyncMemory().chat("q")',
                "(await memory.ask(question, user_id=user_id)).text",
            ),
        ),
    ),
    # ------------------------------------------------------------------ Zep and Graphiti
    Row(
        "47",
        "Zep",
        (
            hint(
                'memory.user.add(user_id="alice")',
                "memory.add(messages, user_id=user_id)",
                then=f"len({ALICE}) == 5",
            ),
            hint('memory.user.get("alice")', "namespaces.summary(user_id)", then="r.turns == 3"),
            hint(
                'memory.user.delete("alice")', "memory.delete_all(user_id)", then=f"{ALICE} == []"
            ),
            hint("memory.user.list_ordered()", "namespaces.names()", then="len(r) == 3"),
        ),
    ),
    Row(
        "48",
        "Zep",
        (
            hint(
                'memory.thread.create(thread_id="trip", user_id="alice")',
                "memory.add(messages, user_id=user_id, run_id=thread_id)",
            ),
            hint(
                'memory.thread.add_messages("trip", messages=[])',
                "memory.add(messages, user_id=user_id, run_id=thread_id)",
                then=f'{ALICE}[-1].session == "trip"',
            ),
        ),
    ),
    Row(
        "49",
        "Zep",
        (
            hint(
                'memory.thread.get_user_context("trip")',
                "memory.context(message, user_id=user_id, run_id=thread_id).text",
                then='"Rome" in r',
            ),
        ),
    ),
    Row(
        "50",
        "Zep",
        (
            hint(
                'memory.thread.get("trip", lastn=5)',
                "memory.get_all(user_id=user_id, run_id=thread_id, limit=5)",
                then="[turn.id for turn in r] == [1]",
            ),
            hint(
                'memory.thread.delete("trip")',
                "memory.delete_all(user_id, run_id=thread_id)",
                then=f"len({ALICE}) == 2",
            ),
            hint(
                'memory.user.get_threads("alice")',
                "sorted({turn.session for turn in memory.get_all(user_id=user_id)})",
                then='r == ["", "trip"]',
            ),
        ),
    ),
    Row(
        "51",
        "Zep",
        (
            hint(
                'memory.graph.add(user_id="alice", type="text", data="x")',
                "memory.add(text, user_id=user_id, said_at=created_at)",
                then=f'{ALICE}[-1].said_at == "2026-05-01"',
            ),
            hint(
                'memory.graph.search(user_id="alice", query="q", scope="edges")',
                "memory.facts(query, user_id=user_id)",
                "memory.search(query, user_id=user_id)",
            ),
            hint(
                'memory.graph.node.get_by_user_id("alice")',
                'memory.of(user_id).read("SELECT DISTINCT subject FROM facts").rows',
                then='r == (("user",),)',
            ),
            hint(
                'memory.graph.add_fact_triple(fact="x", fact_name="y")',
                "facts.add(memory.of(user_id).store, subject=subject, attribute=attribute,"
                " value=value)",
            ),
        ),
    ),
    Row(
        "52",
        "Graphiti",
        (
            hint(
                'memory.add_episode(name="x", episode_body="y", reference_time=None)',
                "memory.add(text, user_id=group_id, said_at=created_at)",
            ),
            hint(
                'memory.search("q", group_ids=["alice", "bob"], num_results=5)',
                "Memory.over(group_ids).search(query)",
                then='{hit.memory for hit in r} == {"alice", "bob"}',
            ),
            hint(
                "memory.add_triplet(None, None, None)",
                "facts.add(memory.of(group_id).store, subject=subject, attribute=attribute,"
                " value=value)",
            ),
        ),
    ),
    Row(
        "53",
        "Zep 2",
        (
            hint(
                'memory.memory.add("trip", messages=[])',
                "memory.add(messages, user_id=user_id, run_id=session_id)",
            ),
            hint(
                'memory.memory.get("trip")',
                "memory.context(message, user_id=user_id, run_id=session_id).text",
            ),
            hint(
                'memory.memory.search_sessions(user_id="alice", text="q")',
                "memory.search(query, user_id=user_id)",
            ),
        ),
    ),
    # ------------------------------------------------------------------ LangMem, LangGraph, Agents
    Row(
        "54",
        "LangMem",
        (
            hint(
                "from memory import create_manage_memory_tool",
                "memory_tools(memory.of(user_id))",
                'MemoryStore("anna.db")',
            ),
            hint(
                "from memory import create_search_memory_tool",
                "memory_tools(memory.of(user_id))",
            ),
        ),
    ),
    Row(
        "55",
        "LangMem",
        (
            *(
                hint(
                    f"from memory import {name}",
                    "memory.add(messages, user_id=user_id)",
                    "memory.digest(user_id=user_id)",
                )
                for name in (
                    "create_memory_manager",
                    "create_memory_store_manager",
                    "ReflectionExecutor",
                    "create_thread_extractor",
                )
            ),
            hint(
                "from memory import create_memory_searcher",
                "memory.search(query, user_id=user_id)",
            ),
            hint(
                "from memory import create_prompt_optimizer",
                "`uv run optimize.py`",
                obeyed="None",  # tests/test_optimize.py
            ),
            hint(
                'memory.invoke({"messages": []})',
                "memory.add(messages, user_id=user_id)",
                "memory.digest(user_id=user_id)",
            ),
        ),
    ),
    Row(
        "56",
        "LangGraph",
        (
            run(
                'store.put(("u",), "k", {"text": "tea"}), store.get(("u",), "k")',
                'r[1].value == {"text": "tea"}',
            ),
            run('await store.aput(("u",), "k", {"text": "tea"})', 'store.get(("u",), "k")'),
            run("store.batch([])", "r == []"),
            run('store.delete(("u",), "k")', 'store.get(("u",), "k") is None'),
            run('store.put(("u",), "k", {"text": "tea"}, index=False)'),
            hint('memory.put(("u",), "k", {})', 'MemoryStore("anna.db")'),
            hint("memory.aput()", 'MemoryStore("anna.db")'),
            hint("memory.batch([])", 'MemoryStore("anna.db")'),
            hint("memory.list_namespaces()", 'MemoryStore("anna.db")'),
        ),
    ),
    Row(
        "57",
        "LangGraph",
        (
            run(
                'store.put(("m",), "a", {"n": 7}), store.search(("m",), query="x",'
                ' filter={"n": {"$gte": 5}}, limit=3)',
                "len(r[1]) == 1",
            ),
            run(
                'store.put(("m",), "a", {"n": 7}), store.search(("m",), filter={"n": {"$in": [7]}})',
                "len(r[1]) == 1",
            ),
            hint(
                'store.search(("m",), filter={"n": {"$regex": "7"}})',
                "$eq, $ne, $gt, $gte, $lt, $lte, $in, $nin",
                obeyed='store.search(("m",), filter={"n": {"$gte": 7, "$lte": 7}})',
            ),
        ),
    ),
    Row(
        "58",
        "LangGraph",
        (
            run(
                'store.put(("m",), "a", {}), store.list_namespaces(prefix=("m",), max_depth=1)',
                'r[1] == [("m",)]',
            ),
            hint("from memory import MemoryStore", 'MemoryStore("anna.db")'),
            hint("from memory import InMemoryStore", 'MemoryStore("anna.db")'),
            run('MemoryStore("anna").put(("m",), "k", {})', '"anna" in memory.users()'),
        ),
    ),
    Row(
        "59",
        "Agents SDK",
        (
            run(
                'await session.add_items([{"role": "user", "content": "Hi."}]),'
                " await session.get_items(limit=1), await session.pop_item(),"
                " await session.clear_session()",
                'r[1] == [r[2]] == [{"role": "user", "content": "Hi."}]',
            ),
            hint('MemorySession("conv", "hist.db")', 'MemorySession("hist.db", "conv")'),
            hint("from memory import SQLiteSession", 'MemorySession("anna.db", session_id)'),
            hint("memory.get_items()", 'MemorySession("anna.db", session_id)'),
        ),
    ),
    # ------------------------------------------------------------------ Letta, Supermemory, Honcho
    Row(
        "60",
        "Letta",
        (
            hint(
                'memory.agents.blocks.retrieve("human", agent_id="alice")',
                '[turn.text for turn in memory.get_all(user_id=agent_id, filters={"tags":'
                ' {"block": label}})][-1:]',
                'memory.add(value, user_id=agent_id, tags={"block": label})',
            ),
            hint(
                'memory.blocks.create(label="human", value="x")',
                'memory.add(value, user_id=user_id, tags={"block": label})',
            ),
        ),
    ),
    Row(
        "61",
        "Letta",
        (
            hint(
                'memory.agents.passages.create("alice", text="x")',
                "memory.add(text, user_id=agent_id, said_at=created_at)",
                "memory.search(query, 3, user_id=agent_id)",
                "memory.get_all(user_id=agent_id)",
                "memory.delete(turn_id, user_id=agent_id)",
            ),
        ),
    ),
    Row(
        "62",
        "Letta",
        (
            hint(
                'memory.agents.messages.create("alice", messages=[])',
                "memory.add(messages, user_id=agent_id)",
                "memory.ask(question, user_id=agent_id).text",
            ),
            hint("memory.archival_memory_search", "memory_tools(memory.of(user_id))"),
        ),
    ),
    Row(
        "63",
        "Supermemory",
        (
            hint(
                'memory.add(content="x", container_tag="alice")',
                "user_id=user_id",
                obeyed='memory.add(content="x", user_id=user_id)',
            ),
            hint(
                'memory.search.memories(q="x", container_tag="alice", limit=5)',
                "memory.search(query, user_id=user_id, limit=5)",
            ),
            hint('memory.profile(container_tag="alice")', "memory.facts(user_id=user_id)"),
        ),
    ),
    Row(
        "64",
        "Honcho",
        (
            hint(
                'memory.peer("alice").chat("q")',
                'memory.add([{"role": "user", "name": peer_id, "content": text}])',
                "memory.ask(question, asker=peer_id).text",
                'memory.search(query, filters={"speaker": peer_id})',
            ),
            hint(
                'memory.session("s1").add_messages([])',
                "memory.add(messages, run_id=session_id)",
                "memory.context(message, run_id=session_id, budget=400).text",
            ),
            hint('Memory(workspace_id="w")', "Memory(workspace_id)"),
        ),
    ),
    *(
        Row(str(number), library, tuple(hint(typed, write) for typed, write in calls))
        for number, (library, calls) in enumerate(USUAL.items(), start=65)
    ),
    Row(
        "74",
        "Python",
        (
            run(
                '[row["text"] for row in memory.of("alice").read("SELECT text FROM turns")]',
                '"I love cats." in r',
            ),
            run('memory.of("alice").read("SELECT text FROM turns")[0]', 'r == ("I love cats.",)'),
            run(
                'memory.search("cat", user_id="alice", where={"$and": [{"category": {"$eq": "hobby"}},'
                ' {"category": {"$ne": "sport"}}]}, include=["documents"])',
                ONE_HIT,
            ),
            run('memory.add("I ski.", user_id="alice", expires_at="2030-01-01")', "len(r) == 1"),
            run("len(memory.of('alice'))", "r == 3"),
            run("[turn.text for turn in memory.of('alice')]", '"I love cats." in r'),
            run('json.dumps(memory.search("cat", user_id="alice"))', '"I love cats." in r'),
            run("memory.search('cat', user_id='alice')[0].model_dump()", 'r["turn_id"] == 1'),
            run("memory.get_all(user_id='alice').to_dict()", 'r[0]["text"] == "I love cats."'),
            run("memory.get_all(user_id='alice')._repr_html_()", '"<table>" in r'),
            run("memory.facts(user_id='alice')._repr_html_()", '"<td>Rome</td>" in r'),
            run("f\"{memory.context('Where do I live?', user_id='alice')}\"", '"Rome" in r'),
            run("bool(memory.context('', user_id='nobody'))", "not r"),
            run('memory.add(("Alice", "I swim."), user_id="alice")', "len(r) == 1"),
            run("memory.undo(user_id='alice')", "r.cause.startswith('undo')"),
            run("memory.changes(user_id='alice')", "len(r) >= 1"),
            run("__import__('memory').__version__", "r[0].isdigit()"),
            run("memory.search('cat', n_results=1, user='alice').results", ONE_HIT),
            run("memory.context('Where do I live?', user_id='alice')['text']", '"Rome" in r'),
            run("memory.facts(subject='Alice', user_id='alice')"),
            run('memory.add("I ski.", role="Alice", date="2026-01-02", user="alice")'),
            run("Memory(path='diary.db')"),
            hint("memory.context('x').content", "context.text", obeyed="memory.context('x').text"),
            hint("memory.ask('Where?', model='openai/gpt-4o')", MODEL),
            hint(
                'memory.add("I ski.", tags=["hobby"])',
                'write {"topic": ["a", "b"]}',
                obeyed='memory.add("I ski.", tags={"topic": ["a", "b"]})',
            ),
            hint("memory['alice']", "memory.of(user_id)"),
            hint(
                'memory.add("I ski.", ttl=60)',
                'expires="7d"',
                obeyed='memory.add("I ski.", expires="7d")',
            ),
        ),
    ),
)


# ---------------------------------------------------------------- what becomes of a call


@cache
def prepared_home() -> Path:
    """A home with memories of two users and one of an application itself."""
    home = Path(tempfile.mkdtemp(prefix="memory-calls-"))
    with at_home(home), Memory() as memory:
        memory.add("The shared note.", said_at="2026-01-01")
        memory.add(
            "I love cats.",
            user_id="alice",
            said_at="2026-01-15",
            run_id="trip",
            agent_id="bot",
            metadata={"category": "hobby", "priority": 2},
        )
        memory.add(
            "I live in Rome.",
            user_id="alice",
            said_at="2026-03-01",
            metadata={"category": "sport", "priority": 1},
        )
        memory.add("I sold my car.", user_id="alice", said_at="2025-06-01")
        memory.add("I like tea.", user_id="bob", said_at="2026-01-01")
    return home


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    """With this MEMORY_HOME, and without keys but the one that a reranker needs."""
    before = {name: os.environ.get(name) for name in ("MEMORY_HOME", "COHERE_API_KEY")}
    os.environ |= {"MEMORY_HOME": str(home), "COHERE_API_KEY": "none"}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def names_of_a_program(folder: Path) -> Iterator[dict[str, Any]]:
    """What stands in a program that makes the calls."""
    from memory import memory_tools, open_store
    from memory.frameworks.langgraph_store import MemoryStore
    from memory.frameworks.openai_agents import MemorySession
    from memory.store.turns.tags import set_tags

    home = folder / "home"
    shutil.copytree(prepared_home(), home)
    with at_home(home), chdir(folder), Memory() as memory:
        store = MemoryStore(folder / "store.db")
        session = MemorySession(folder / "session.db", "conv")
        names: dict[str, Any] = {
            **{thing.__name__: thing for thing in (AsyncMemory, Memory, MemoryStore)},
            "MemorySession": MemorySession,
            "open_store": open_store,
            "set_tags": set_tags,
            "memory_tools": memory_tools,
            "namespaces": namespaces,
            "facts": facts,
            "memory": memory,
            "store": store,
            "session": session,
            "json": __import__("json"),
            "user_id": "alice",
            "agent_id": "alice",
            "group_id": "bob",
            "peer_id": "Alice",
            "group_ids": ["alice", "bob"],
            "workspace_id": "work",
            "name": "Alice",
            "turn_id": 2,
            "turn_ids": [1, 2],
            "fact_id": 1,
            "value": "Oslo",
            "text": "Oslo",
            "subject": "Alice",
            "attribute": "works_at",
            "label": "human",
            "query": "live",
            "question": "Where do I live?",
            "message": "Where do I live?",
            "messages": [{"role": "user", "content": text} for text in ("Hi.", "Ho.")],
            "thread_id": "trip",
            "session_id": "trip",
            "created_at": "2026-05-01",
            "reference_date": "2026-05-01",
            "metadata": {"category": "home"},
            "path": folder / "copy.db",
            "page": 2,
            "size": 2,
            "max_tokens": 100,
            "categories": ["hobby"],
            "hit": memory.search("cat", 1, user_id="alice")[0],
            "rows": memory.read("SELECT text FROM turns"),
        }
        try:
            yield names
        finally:
            store.close()
            session.close()


def value_of(code: str, names: dict[str, Any]) -> Any:
    """The value of an expression, or of the last statement's effects: None."""
    if code.startswith("from "):
        exec(code, names)
        return None
    if "await " not in code:
        return eval(code, names)
    wrapped = f"async def act():\n{textwrap.indent(f'return ({code})', '    ')}"
    exec(wrapped, names)
    return asyncio.run(names["act"]())


def message_of(call: Call, names: dict[str, Any]) -> str:
    """What a call is refused with; "" where it runs, and does what `then` says."""
    try:
        names["r"] = value_of(call.typed, names)
    except Exception as error:  # noqa: BLE001 - any error is what the caller sees
        return f"{type(error).__name__}: {error}"
    assert eval(call.then, names), f"{call.typed} gives {names['r']!r:.200}"
    return ""


def obey(call: Call, message: str, names: dict[str, Any]) -> None:
    """Write what a message says, and look whether that does what was meant."""
    for words in call.write:
        assert words in message, f"{call.typed} lacks {words!r}: {message}"
    if "json.dumps(value)" in call.write:
        names["value"] = {"a": 1}
    if call.typed.startswith("AsyncMemory(") or "(await " in call.write[-1]:
        names["memory"] = AsyncMemory(names["memory"])
    for code in [call.obeyed] if call.obeyed else call.write:
        if code == "leave the call out" or code.startswith("has "):  # nothing to write
            continue
        names["r"] = value_of(code, names)
    assert eval(call.then, names), f"{call.write[-1]} gives {names['r']!r:.200}"


def table() -> str:
    """The rows as a table of Markdown, and how many of them run."""
    whole = sum(not any(call.write for call in row.calls) for row in ROWS)
    part = sum(not all(call.write for call in row.calls) for row in ROWS) - whole
    lines = [
        "| # | library | as typed | here |",
        "|---|---|---|---|",
        *(
            f"| {row.number} | {row.library} | `{_cell(call.typed)}` | {_here(call)} |"
            for row in ROWS
            for call in row.calls
        ),
    ]
    counts = (
        f"Of {len(ROWS)} groups of calls, {whole} run as typed, {part} run except for the calls that"
        f" the table names, and {len(ROWS) - whole - part} are answered with what to write instead."
    )
    return "\n".join([textwrap.fill(counts, 118), "", *lines])


def _cell(code: str) -> str:
    return code.replace("|", "\\|")


def _here(call: Call) -> str:
    if not call.write:
        return "runs"
    return ", ".join(f"`{_cell(words)}`" for words in call.write)


PAGE = """\
# Calls of other libraries

You can type what mem0's users type: most of it runs here. A call that does not run is refused, and the message says
what to write instead, for all refused parts of the call at once. Nothing is silently ignored. [Coming from
mem0](from-mem0.md) is the short version.

This page is made by `uv run python -m tests.support.other_calls > docs/guides/other-libraries.md`; a test makes each
call, and does what the last column says. In the table, `memory` is a `Memory()` with a user "alice", and `store` and
`session` are a `MemoryStore` and a `MemorySession`.

{table}
"""


def page() -> str:
    """The guide."""
    return PAGE.format(table=table())


if __name__ == "__main__":
    sys.stdout.write(page())
