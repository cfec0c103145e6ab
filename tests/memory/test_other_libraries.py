"""Calls of other libraries run, or are answered with what to write, which then works."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from memory import InputError, Memory
from memory.api import other_libraries
from memory.api.other_libraries import IMPORTS, KEYWORDS, METHODS, NoEffect, Write, awaited
from tests.support.other_calls import (
    ROWS,
    Call,
    message_of,
    names_of_a_program,
    obey,
    page,
    value_of,
)

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "other-libraries.md"
CALLS = {f"{row.number} {call.typed}": call for row in ROWS for call in row.calls}
# Where code begins in a hint.
_HEADS = re.compile(r"(?<![\w.])(?:[a-zA-Z]\w*[.(]|\[\*?\w)")


@pytest.mark.few(40)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_of_another_library_runs_or_says_what_to_write(call: Call, tmp_path: Path) -> None:
    with names_of_a_program(tmp_path) as names:
        message = message_of(call, names)
        assert bool(message) == bool(call.write), message
        if message:
            assert "\n" not in message
            obey(call, message, names)


def test_the_guide_is_made_of_the_calls_that_are_tested() -> None:
    made = "uv run python -m tests.support.other_calls > docs/guides/other-libraries.md"
    assert GUIDE.read_text("utf-8") == page(), f"make it anew: {made}"


def test_most_of_what_people_type_runs() -> None:
    assert len(ROWS) == 83
    assert sum(not all(call.write for call in row.calls) for row in ROWS) >= 45


def codes_in(hint: str) -> Iterator[str]:
    """The pieces of code in a hint: from a head on, the longest text that is an expression."""
    end = 0
    for head in _HEADS.finditer(hint):
        if head.start() < end:
            continue
        for stop in range(len(hint), head.end(), -1):
            code = hint[head.start() : stop].strip()
            if code.endswith((")", "]", ".text", ".rows", ".tags")) and _is_expression(code):
                yield code
                end = stop
                break


def _is_expression(code: str) -> bool:
    try:
        ast.parse(code, mode="eval")
    except SyntaxError:
        return False
    return True


HINTS: dict[str, str] = {
    **METHODS,
    **{f"import {name}": hint for name, hint in IMPORTS.items()},
    **{
        f"{call}({keyword}=)": rule.advice if isinstance(rule, Write) else rule.otherwise
        for call, rules in KEYWORDS.items()
        for keyword, rule in rules.items()
        if isinstance(rule, (Write, NoEffect))
    },
}


@pytest.mark.few(20)
@pytest.mark.parametrize("hint", HINTS.values(), ids=HINTS)
def test_the_code_of_every_hint_runs(hint: str, tmp_path: Path) -> None:
    codes = [*codes_in(re.sub("`[^`]*`", "", hint))]
    assert codes or "leave the call out" in hint or "optimize.py" in hint or "=" in hint or not hint
    for code in codes:
        with names_of_a_program(tmp_path / str(codes.index(code))) as names:
            for imported in re.findall(r"`(from [^`]+)`", hint):
                value_of(imported, names)
            value_of(code, names)


def test_code_for_a_memory_becomes_code_for_an_async_one() -> None:
    code = "[t for t in memory.get_all(user_id=str(memory.of(user_id).read('x'))) if t.id].text"
    assert awaited(code) == (
        "[t for t in (await memory.get_all(user_id=str((await memory.of(user_id).read('x')))))"
        " if t.id].text"
    )
    assert awaited("facts.history(memory.of(user_id).store, 1)") == (
        "facts.history(memory.of(user_id).store, 1)"
    )


@pytest.fixture
def memory(home: str) -> Iterator[Memory]:
    with Memory() as opened:
        opened.add("I love cats.", user_id="alice", metadata={"category": "hobby"})
        yield opened


def refusal(act: Any) -> str:
    with pytest.raises(InputError) as caught:
        act()
    return str(caught.value)


def test_all_refused_parts_of_a_call_are_named_at_once(memory: Memory) -> None:
    filters = {"AND": [{"user_id": ["a", "b"]}, {"updated_at": "2026"}, {"x": {"near": 1}}]}
    said = refusal(lambda: memory.search("x", filters=filters, threshold=0.3, rerank=True, wings=2))
    for part in ("threshold=", "rerank=True", "wings=", "Memory.over(['a', 'b'])", "near", "upd"):
        assert part in said
    assert memory.search("x", user_id="alice", filters={"category": "hobby"})


@pytest.mark.parametrize(
    ("filters", "part"),
    [
        ({"speakers": "Anna"}, "filters have no 'speakers'; write 'speaker'"),
        ({"AND": [{"category": "a"}, {"category": "b"}]}, "two values for 'category'"),
        ({"AND": [{"run_id": "a"}, {"session": "b"}]}, "two values for 'session'"),
        ({"OR": [{"category": "a"}, {"speaker": "b"}]}, "OR of one key only"),
        ({"NOT": {"speaker": "Anna"}}, "NOT of tags only, not of 'speaker'"),
        ({"created_at": {"gt": "2026-01-01"}}, '{"since": "2026-01-01", "until": "2026-12-31"}'),
        ({"run_id": {"ne": "a"}}, "no condition of 'run_id'"),
        ({"user_id": "bob"}, "the user is 'alice' and, in filters, 'bob'"),
        ({"user_id": None}, "in filters, None; write one"),
        ({"category": {"regex": "a"}}, "no 'regex'"),
        ({"metadata": "hobby"}, "is an object of keys and values"),
        (["AND"], "a filter is an object"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(memory: Memory, filters: Any, part: str) -> None:
    assert part in refusal(lambda: memory.search("x", filters=filters, user_id="alice"))


def test_a_user_in_filters_who_is_none_is_refused(memory: Memory) -> None:
    assert "user_id is None" in refusal(lambda: memory.search("x", filters={"user_id": None}))


def test_one_user_in_filters_is_that_user(memory: Memory) -> None:
    memory.add("I love dogs.", user_id="bob")
    for user in ("alice", {"eq": "alice"}, {"in": ["alice"]}, ["alice"]):
        hits = memory.search("love", filters={"user_id": user})
        assert [hit.text for hit in hits] == ["I love cats."]
    said = refusal(lambda: memory.search("love", filters={"user_id": {"ne": "alice"}}))
    assert "no condition of 'user_id'; write user_id=user_id" in said
    assert "names()" not in said


def test_a_value_too_many_or_too_few_is_answered_with_the_call(memory: Memory) -> None:
    typed: Any = memory
    form = "write memory.search(query, user_id=user_id, limit=5)"
    assert refusal(lambda: typed.search("cat", None, None, 7)).endswith(f"without a name; {form}")
    assert refusal(lambda: typed.search()) == f"search lacks query=; {form}"
    assert refusal(lambda: typed.search("cat", "alice")).endswith(f"not 'alice'; {form}")
    assert "add is a memory's call" in refusal(lambda: Memory.add("I ski."))  # type: ignore[call-arg]


def test_a_module_and_a_type_say_what_to_write(memory: Memory) -> None:
    package: Any = import_module("memory")
    for name in ("search", "facts", "store", "evidence"):
        import_module(f"memory.{name}")
        said = refusal(getattr(package, name))
        assert said.startswith(f"memory.{name} is a module; ")
    assert "begin with Memory()" in refusal(package.evidence)
    assert "then memory.search(query" in refusal(package.search)
    assert refusal(package.Store) == (
        'Store is a type, and opens nothing; write open_store("anna.db")'
    )


def test_a_class_of_another_library_is_known_by_the_end_of_its_name() -> None:
    for name in (
        "WindowMemory",
        "HttpClient",
        "TreeIndex",
        "ToolMessage",
        "FactBlock",
        "BaseStore",
    ):
        assert other_libraries.hint_of_import(name), name
    for name in ("Wings", "a_client", "memory"):
        assert not other_libraries.hint_of_import(name), name


@pytest.mark.parametrize("name", ["memory", "sql_memory"])
def test_who_looks_for_a_class_of_another_library_learns_that_it_is_not_there(name: str) -> None:
    package: Any = import_module(name)
    assert not hasattr(package, "TreeIndex")
    with pytest.raises(AttributeError, match="has no TreeIndex"):
        _ = package.TreeIndex
    with pytest.raises(ImportError, match=r"has no TreeIndex; write Memory\(\)"):
        __import__(name, fromlist=["TreeIndex"])  # as `from memory import TreeIndex`


def test_a_query_and_a_limit_of_another_kind_are_named(memory: Memory) -> None:
    queries: Any = (["cat", "dog"], ("memories",), None)
    for query in queries:
        assert "takes query= as a text, not" in refusal(lambda query=query: memory.search(query))
    limit: Any = "5"
    assert "takes limit= as a whole number, not '5'" in refusal(
        lambda: memory.search("cat", limit=limit)
    )


def test_several_memories_are_not_one_text() -> None:
    said = refusal(lambda: Memory.over("alice"))
    assert said == "name several memories: Memory.over(['alice', ...])"


def test_a_hit_is_read_as_a_dictionary_too(memory: Memory) -> None:
    [hit] = memory.search("cats", user_id="alice")
    assert hit.get("memory") == "I love cats."
    assert hit.get("wings", 3) == 3
    with pytest.raises(KeyError, match=r"hit\.text"):
        hit.get("content")


def test_what_is_given_twice_is_refused(memory: Memory) -> None:
    with pytest.raises(TypeError, match="multiple values"):
        memory.search("x", query="y")
    assert "turns= once" in refusal(lambda: memory.add("x", messages="y", user_id="alice"))
    assert "limit= once" in refusal(lambda: memory.search("x", limit=2, top_k=3))


def test_a_namespace_of_langgraph_is_answered_with_its_store(memory: Memory) -> None:
    typed: Any = memory
    for call in (
        lambda: typed.get(("a",), "k"),
        lambda: typed.delete(("a",), "k"),
        lambda: typed.add(("a",), "k"),
        lambda: typed.search(("memories",), query="cats"),
    ):
        assert 'write MemoryStore("anna.db"): `from memory.frameworks' in refusal(call)


@pytest.mark.parametrize("keyword", ["top_k", "limit", "k"])
def test_how_many_turns_is_a_question_of_search(memory: Memory, keyword: str) -> None:
    typed: Any = memory
    said = refusal(lambda: typed.ask("Whom does Alice love?", **{keyword: 3}))
    assert "write memory.search(question, limit=5, user_id=user_id)" in said
    said = refusal(lambda: typed.context("Hello", **{keyword: 3}))
    assert "write memory.context(query, budget=400, user_id=user_id).text" in said
    said = refusal(lambda: typed.ask("Whom?", filters={"user_id": "alice"}))
    assert "write memory.ask(question, user_id=user_id)" in said


def test_names_of_no_library_are_what_python_says_of_them(memory: Memory) -> None:
    assert not hasattr(memory, "wings")
    assert not hasattr(memory, "update")
    assert not hasattr(Memory, "history")
    with pytest.raises(AttributeError, match=r"Memory has no thread.fly; docs/guides/other-lib"):
        _ = memory.thread.fly  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"Memory has no user.add; write memory.add\("):
        memory.user("alice")  # type: ignore[attr-defined]
    assert other_libraries.hint_of_import("wings") == ""


def test_a_configuration_of_mem0_names_its_models_by_their_names_here() -> None:
    config = {
        "llm": {"provider": "ollama", "config": {"model": "qwen2.5:7b"}},
        "embedder": {"provider": "openai", "config": {"model": "text-embedding-3-small"}},
        "reranker": {"provider": "cohere", "config": {"model": "rerank-v3.5"}},
        "vector_store": {"provider": "qdrant"},
    }
    said = refusal(lambda: Memory(config))  # type: ignore[arg-type]
    assert 'Memory(model="ollama_chat/qwen2.5:7b", reranker="cohere/rerank-v3.5")' in said
    assert 'embedder="openai/text-embedding-3-small" would keep yours' in said
    assert 'model="ollama_chat/qwen2.5:7b"' in refusal(
        lambda: Memory.from_config(config_dict=config)
    )
    assert 'write model="openai/gpt-4o-mini"' in refusal(lambda: Memory(llm="gpt-4o"))  # type: ignore[call-arg]
    assert "write Memory()" in refusal(lambda: Memory({}))  # type: ignore[arg-type]
