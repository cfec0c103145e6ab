"""Calls as users of other memory libraries type them; the guide of other libraries is made of them.

    uv run python -m tests.support.other_calls > docs/guides/other-libraries.md

The names of calls and keywords are read from mem0ai 2.0.18, zep-cloud 3.19.0, graphiti-core 0.29.3,
langmem 0.0.30, langgraph-checkpoint 4.2.0, openai-agents 0.22.0, letta-client 1.12.1, supermemory
3.22.0 and honcho-ai 2.3.0.
"""

# ruff: noqa: E501, S102, S307
import asyncio
import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from memory import AsyncMemory, Memory, Turn, facts, memory_tools
from memory.api.other_libraries import others
from memory.store import namespaces

ALICE = 'memory.get_all(user_id="alice")'
MESSAGES = '[{"role": "user", "content": "I play chess."}]'
ONE_HIT = "[hit.turn_id for hit in r] == [1]"
FOUR = f"len({ALICE}) == 4"
# A call that runs as it is typed -> what is true afterwards, with its result r.
RUNS = {
    "Memory()": "r.get_all()",
    f'memory.add({MESSAGES}, user_id="alice")': FOUR,
    f'memory.add(messages={MESSAGES}, user_id="alice")': FOUR,
    'memory.add("Hi.", user_id="alice", agent_id="bot", run_id="s1", metadata={"n": 3, "ok": True, "l": ["a"]})': f'{ALICE}[-1].tags == {{"n": "3", "ok": "true", "l": "a", "agent_id": "bot"}}',
    'memory.add("Hi.", user_id="alice", infer=False)': FOUR,
    'memory.add("Hi.", user_id="alice", timestamp=1700000000)': f'{ALICE}[-1].said_at == "2023-11-14T22:13:20Z"',
    'memory.add("Hi.", user_id="alice", expiration_date="2030-01-01")': 'memory.expiring(user_id="alice")[-1].forget_after.startswith("2030-01-0")',
    'memory.add("Hi.", user_id="alice", app_id="app")': f'{ALICE}[-1].tags == {{"app_id": "app"}}',
    f'memory.add({MESSAGES}, filters={{"user_id": "alice", "run_id": "s1"}})': f'{ALICE}[-1].session == "s1"',
    'memory.add("Hi.", user_id="alice", async_mode=True, version="v2", enable_graph=True)': FOUR,
    'memory.add([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi."}], user_id="alice")': 'len(r) == 1 and r.skipped[0].why == "instructions to a model"',
    'memory.add([{"role": "user", "content": "Hi.", "timestamp": "2024-01-02"}], user_id="alice")': f'{ALICE}[-1].said_at[:10] == "2024-01-02"',
    'memory.add([{"role": "user", "content": {"type": "image_url", "image_url": {"url": "u"}}}], user_id="alice")': f'{ALICE}[-1].text == "[image]"',
    'memory.add("I ski.", role="Alice", date="2026-01-02", user="alice")': f'{ALICE}[-1].speaker == "Alice"',
    'memory.search("cat", filters={"user_id": "alice"}, top_k=5)': "len(r) == 3 and r[0].turn_id == 1",
    'memory.search("cat", user_id="alice", limit=1)': ONE_HIT,
    '[hit["memory"] for hit in memory.search("cat", user_id="alice")["results"]]': '"I love cats." in r',
    '[(hit["id"], hit["score"] > 0) for hit in memory.search("cat", user_id="alice", limit=1).get("results", [])]': "r == [(1, True)]",
    'memory.search("cat", filters={"user_id": "alice", "run_id": "trip", "agent_id": "bot"})': ONE_HIT,
    'memory.search("x", user_id="alice", filters={"category": "hobby"})': ONE_HIT,
    'memory.search("x", user_id="alice", filters={"category": {"in": ["hobby", "sport"]}})': "{hit.turn_id for hit in r} == {1, 2}",
    'memory.search("x", user_id="alice", filters={"priority": {"gt": 0, "lt": 2}})': "[hit.turn_id for hit in r] == [2]",
    'memory.search("x", filters={"AND": [{"user_id": "alice"}, {"category": "hobby"}]})': ONE_HIT,
    'memory.search("x", user_id="alice", rerank=False, metadata={"category": "hobby"}, explain=True)': ONE_HIT,
    'memory.get(1, user_id="alice")["memory"]': 'r == "I love cats."',
    'memory.get("9", user_id="alice")': "r is None",
    '[turn["memory"] for turn in memory.get_all(user_id="alice")["results"]]': 'r[0] == "I love cats."',
    'memory.get_all(filters={"user_id": "alice"}, top_k=2)': "len(r) == 2",
    'memory.get_all(user_id="alice", start_date="2026-01-01", end_date="2026-02-01")': "[turn.id for turn in r] == [1]",
    'memory.get_all(user_id="alice", run_id="trip", agent_id="bot")': "[turn.id for turn in r] == [1]",
    'memory.delete(memory_id=1, user_id="alice")': f"len({ALICE}) == 2",
    'memory.delete_all(user_id="alice")': f"{ALICE} == []",
    'memory.delete_all(user_id="nobody")': f"len({ALICE}) == 3",
    'memory.delete_all(user_id="alice", run_id="trip")': f"len({ALICE}) == 2",
    'memory.facts(subject="Alice", user_id="alice")': "True",
    'memory.context("Where do I live?", user_id="alice")["text"]': '"Rome" in r',
    'memory.ask(query="Where do I live?", user_id="alice").text': '"Rome" in r',
    "memory.users()": 'r == ["alice", "bob"]',
    'Memory(path="diary.db")': "True",
    'await AsyncMemory().search("cat", filters={"user_id": "alice"}, top_k=1)': ONE_HIT,
    '(await AsyncMemory().get_all(user_id="alice"))["results"]': "len(r) == 3",
}


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
    """With this MEMORY_HOME."""
    before = {"MEMORY_HOME": os.environ.get("MEMORY_HOME")}
    os.environ["MEMORY_HOME"] = str(home)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def names_of_a_program(folder: Path) -> Iterator[dict[str, Any]]:
    """The names in a program that makes the calls."""
    home = folder / "home"
    shutil.copytree(prepared_home(), home)
    with at_home(home), chdir(folder), Memory() as memory:
        yield {
            **{thing.__name__: thing for thing in (AsyncMemory, Memory, Turn, memory_tools)},
            "namespaces": namespaces,
            "facts": facts,
            "memory": memory,
            "user_id": "alice",
            "peer_id": "Alice",
            "group_ids": ["alice", "bob"],
            "turn_id": 2,
            "turn_ids": [1, 2],
            "fact_id": 1,
            "value": "Oslo",
            "text": "Oslo",
            "subject": "Alice",
            "attribute": "works_at",
            "label": "human",
            "query": "live",
            "filters": {"tags": {"category": "hobby"}},
            "question": "Where do I live?",
            "message": "Where do I live?",
            "messages": [{"role": "user", "content": text} for text in ("Hi.", "Ho.")],
            "thread_id": "trip",
            "session_id": "trip",
            "created_at": "2026-05-01",
            "reference_date": "2026-05-01",
            "metadata": {"category": "home"},
            "path": folder / "copy.db",
            "name": "diary",
            "page": 2,
            "size": 2,
        }


def value_of(code: str, names: dict[str, Any]) -> Any:
    """The value of an expression, in an event loop where it awaits; None for an import."""
    if code.startswith("from "):
        exec(code, names)
        return None
    if "await " not in code:
        return eval(code, names)
    wrapped = f"async def act():\n{textwrap.indent(f'return ({code})', '    ')}"
    exec(wrapped, names)
    return asyncio.run(names["act"]())


PAGE = """\
# Calls of other libraries

Most of what mem0's users type runs here. A call that does not run is refused, and the message says what to write
instead, for all refused keywords of the call at once. Nothing is silently ignored. [Coming from mem0](from-mem0.md) is
the short version.

These calls run as typed, where `memory` is a `Memory()` with a user "alice":

| a call that runs |
|---|
{runs}

The names below are no part of a `Memory` (`hasattr` says so). The error of each says what to write; the calls of an
`AsyncMemory` are awaited.

| you type | write |
|---|---|
{methods}

Keywords, in any call that lacks them:

| you type | write |
|---|---|
{keywords}

Names that you import from `memory`:

| you type | write |
|---|---|
{imports}

`uv run python -m tests.support.other_calls > docs/guides/other-libraries.md` makes this page, and a test runs each
call.
"""


def page() -> str:
    """The guide."""
    tables = {name: _table(name) for name in ("methods", "keywords", "imports")}
    return PAGE.format(runs="\n".join(f"| `{call}` |" for call in RUNS), **tables)


def _table(name: str) -> str:
    names: dict[str, list[str]] = {}
    for word, line in others()[name].items():
        names.setdefault(line, []).append(f"`{word}`")
    return "\n".join(f"| {', '.join(words)} | {line} |" for line, words in names.items())


if __name__ == "__main__":
    sys.stdout.write(page())
