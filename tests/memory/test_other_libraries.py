"""Calls of other memory libraries: most run here, and the others say what to write."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from memory import AsyncMemory, Memory
from memory.api.other_libraries import others
from memory.errors import InputError
from tests.support.other_calls import RUNS, names_of_a_program, page, value_of

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "other-libraries.md"
# Where a line of code in a hint begins.
_HEADS = re.compile(
    r"(?:memory\.|Memory\(|Memory\.over|AsyncMemory\(|Memory[A-Z]\w+\(|Turn\(|\[|facts\.|len\(|sorted\()"
)


@pytest.mark.few(20)
@pytest.mark.parametrize("typed", RUNS)
def test_a_call_of_another_library_runs(typed: str, tmp_path: Path) -> None:
    with names_of_a_program(tmp_path) as names:
        names["r"] = value_of(typed, names)
        assert value_of(RUNS[typed], names), names["r"]


def test_the_guide_is_made_of_the_calls_that_are_tested() -> None:
    made = "uv run python -m tests.support.other_calls > docs/guides/other-libraries.md"
    assert GUIDE.read_text("utf-8") == page(), f"make it anew: {made}"


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


HINTS = sorted(
    {hint for table in ("methods", "keywords", "imports") for hint in others()[table].values()}
)


@pytest.mark.few(20)
@pytest.mark.parametrize("hint", HINTS)
def test_the_code_of_every_hint_runs(hint: str, tmp_path: Path) -> None:
    codes = [*codes_in(re.sub("`[^`]*`", "", hint))]
    assert (
        codes
        or "=" in hint
        or hint.startswith(("nothing", "a vocabulary", "the values", "memory.reply", "optimize.py"))
    )
    for code in codes:
        with names_of_a_program(tmp_path / str(codes.index(code))) as names:
            for imported in re.findall(r"`(from [^`]+)`", hint):
                value_of(imported, names)
            value_of(code, names)


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
    filters = {"AND": [{"user_id": ["a", "b"]}, {"updated_at": "2026"}, {"OR": []}]}
    said = refusal(lambda: memory.search("x", filters=filters, threshold=0.3, rerank=True, wings=2))
    for part in ("threshold=", "rerank=", "wings=", "Memory.over([", "'OR'", "upd"):
        assert part in said
    assert memory.search("x", user_id="alice", filters={"category": "hobby"})


@pytest.mark.parametrize(
    ("filters", "part"),
    [
        ({"speakers": "Anna"}, "filters have no 'speakers'; write 'speaker'"),
        ({"AND": [{"category": "a"}, {"category": "b"}]}, "two values for 'category'"),
        ({"AND": [{"run_id": "a"}, {"session": "b"}]}, "two values for 'session'"),
        ({"OR": [{"category": "a"}, {"category": "b"}]}, "search twice"),
        ({"$and": [{"category": "a"}]}, "a filter is one object"),
        ({"created_at": {"gt": "2026-01-01"}}, '{"since": "2026-01-01", "until": "2026-12-31"}'),
        ({"run_id": {"ne": "a"}}, "session is a text or a list of texts"),
        ({"user_id": "bob"}, "the user is 'alice' and, in filters, 'bob'"),
        ({"user_id": None}, "in filters, None; write one"),
        ({"category": {"regex": "a"}}, "no 'regex'"),
        ({"metadata": "hobby"}, "is an object of keys and values"),
        (["AND"], "a filter is an object"),
    ],
)
def test_a_filter_that_cannot_be_read_is_refused(memory: Memory, filters: Any, part: str) -> None:
    assert part in refusal(lambda: memory.search("x", filters=filters, user_id="alice"))


def test_one_user_in_filters_is_that_user(memory: Memory) -> None:
    memory.add("I love dogs.", user_id="bob")
    hits = memory.search("love", filters={"user_id": "alice"})
    assert [hit.text for hit in hits] == ["I love cats."]
    said = refusal(lambda: memory.search("love", filters={"user_id": {"ne": "alice"}}))
    assert "write user_id=user_id" in said
    assert "names()" not in said


def test_a_value_too_many_or_too_few_is_answered_with_the_call(memory: Memory) -> None:
    typed: Any = memory
    form = "it takes query, k, filter, limit, filters, user_id"
    assert refusal(lambda: typed.search("cat", None, None, 7)).endswith(f"without a name; {form}")
    assert refusal(lambda: typed.search()) == f"search lacks query=; {form}"
    assert refusal(lambda: typed.search("cat", "alice")).endswith(f"not 'alice'; {form}")
    assert "add is a memory's call" in refusal(lambda: Memory.add("I ski."))  # type: ignore[call-arg]


@pytest.mark.parametrize("name", ["memory", "sql_memory"])
def test_who_looks_for_a_class_of_another_library_learns_that_it_is_not_there(name: str) -> None:
    package: Any = import_module(name)
    assert not hasattr(package, "TreeClient")
    with pytest.raises(AttributeError, match="has no TreeClient"):
        _ = package.TreeClient
    with pytest.raises(ImportError, match=r"has no TreeClient; write Memory\(\)"):
        __import__(name, fromlist=["TreeClient"])  # as `from memory import TreeClient`


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


def test_the_names_of_other_libraries_are_no_part_of_a_memory(memory: Memory) -> None:
    for name in (*others()["methods"], "wings"):
        assert not hasattr(memory, name), name
    with pytest.raises(AttributeError, match=r"Memory has no thread; write memory.add\("):
        memory.thread.fly()  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"Memory has no wings; it has add, ask, "):
        memory.wings  # type: ignore[attr-defined]  # noqa: B018


def test_a_configuration_of_mem0_is_answered_with_the_names_of_models() -> None:
    config: Any = {"llm": {"provider": "openai", "config": {"model": "gpt-4o-mini"}}}
    calls: list[Any] = [
        lambda: Memory(config),
        lambda: Memory(config=config),  # type: ignore[call-arg]
        lambda: Memory.from_config(config),
        lambda: AsyncMemory(config),
        lambda: Memory(llm="gpt-4o"),  # type: ignore[call-arg]
    ]
    for call in calls:
        assert 'emory(model="openai/gpt-4o-mini")' in refusal(call)
