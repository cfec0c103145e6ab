"""What the product asks a memory itself: nothing of it is parsed, and a question is few calls."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count, islice
from pathlib import Path

import pytest
import sqlglot

from locomo.dataset.format import load_conversations
from memory import Memory, Turn
from memory import facts as fact_edits
from memory.agents.blocks import prompt_block, start_block
from memory.operations.tools import Tools, memory_tools
from memory.worker.waiting import waiting
from tests.benchmarks.own_reads import FEW_TURNS, TURNS, counted_calls, filled, question_calls
from tests.conftest import INSERT, SAID
from tests.memory.web.test_pages import PAGES
from tests.support.page_client import page_client
from tests.support.scripted import answer, scripted_model, sql

WHEN_IT_PAYS = True
# Of functions in memory/, for a chat of any length. The model's own calls do not count.
MOST_OF_CONTEXT, MOST_OF_ROWS = 2_000, 3_000
CHATS = Path(__file__).parents[2] / "data" / "chats.json"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that sqlglot reads meanwhile, on any thread."""
    statements: list[str] = []

    def noting(function: Callable[..., object]) -> Callable[..., object]:
        def call(statement: str, *args: object, **options: object) -> object:
            statements.append(statement)
            return function(statement, *args, **options)

        return call

    for name in ("parse", "parse_one", "tokenize"):
        monkeypatch.setattr(sqlglot, name, noting(getattr(sqlglot, name)))
    return statements


@pytest.fixture
def anna(path: Path) -> Iterator[Memory]:
    """Anna's chat, with a fact that has ended and its successor."""
    with Memory(path, model="local") as memory:
        memory.add(SAID)
        memory.add([Turn("Anna", "I live in Oslo.", "s", "2023-05-01")])
        fact_edits.add(memory.store, subject="Anna", attribute="lives_in", value="Rome", by="Anna")
        yield memory


def test_a_hosted_question_has_nothing_parsed(anna: Memory, parsed: list[str]) -> None:
    asked = Memory(anna.store, model=scripted_model([([], answer("Rome", "1"))]))
    assert asked.ask("In which city does Anna live?").text == "Rome"
    assert parsed == []


def test_a_context_and_a_search_have_nothing_parsed(anna: Memory, parsed: list[str]) -> None:
    assert "Rome" in anna.context("Where does Anna live?").text
    assert anna.search("Anna")
    assert parsed == []


def test_a_digest_has_only_what_its_model_wrote_parsed(anna: Memory, parsed: list[str]) -> None:
    insert = f"{INSERT}('Anna', 'has_pet', 'my cat Miso', NULL, 3)"
    digesting = Memory(anna.store, model=scripted_model([([], sql(insert))]))
    assert waiting(anna.store, digesting.model).turns == anna.store.count_turns()
    assert parsed == []
    assert digesting.digest().stored == 1
    assert parsed
    assert all("'has_pet', 'my cat Miso'" in statement for statement in parsed), parsed


def test_templates_facts_and_edits_by_persons_are_written_without_a_look_at_sql(
    anna: Memory, parsed: list[str]
) -> None:
    anna.add(Turn("Ben", "I live in Ulm.", "t", "2023-05-02"))
    assert parsed == []


def test_the_blocks_of_an_agent_have_nothing_parsed(anna: Memory, parsed: list[str]) -> None:
    names = {"session": "new", "speaker": "Anna"}
    assert start_block(anna.store, None, **names, tokens=900)
    prompt_block(anna.store, None, "Where does Anna live?", **names, tokens=900)
    assert parsed == []


def test_the_tools_of_an_agent_have_nothing_parsed_but_their_query(
    anna: Memory, parsed: list[str]
) -> None:
    tools = {tool.__name__: tool for tool in memory_tools(anna)}
    assert isinstance(next(iter(tools.values())).__self__, Tools)  # type: ignore[attr-defined]
    assert "Rome" in tools["recall"]("Where does Anna live?")
    assert "Rome" in tools["list_facts"]()
    assert parsed == []
    tools["query_memory"]("SELECT id FROM facts")
    assert parsed


@pytest.mark.usefixtures("home")
def test_no_page_has_anything_parsed(parsed: list[str]) -> None:
    with Memory("anna", model="local") as memory:
        memory.add(SAID)
        memory.add([Turn("Anna", "I live in Oslo.", "s", "2023-05-01")])
    parsed.clear()
    with page_client() as client:
        for page in PAGES:
            assert client.get(f"/m/anna{page}").status_code in (200, 404), page
            assert parsed == [], page


@pytest.mark.parametrize(("turns", "most"), [(FEW_TURNS, 1_100), (TURNS, 1_400)])
def test_a_question_takes_few_calls(path: Path, turns: int, most: int) -> None:
    with filled(path, turns, has_ended=True) as memory:
        calls = question_calls(memory)
    assert 100 < calls["memory"] <= most
    assert calls["parses"] == 0


def chatter() -> Iterator[Turn]:
    """Turns without end: each repetition of a conversation has sessions of its own."""
    for copy in count():
        for chat in load_conversations(CHATS):
            for turn in chat.turns:
                yield replace(turn, session=f"{chat.id} {copy} {turn.session}", source="", id=0)


@pytest.mark.parametrize("turns", [300, 3_000])
def test_the_calls_of_a_context_do_not_grow_with_the_turns(path: Path, turns: int) -> None:
    said = chatter()
    with Memory(path, model="local") as memory:
        memory.store.add(list(islice(said, turns)))
        memory.add(
            [Turn("Anna", "I live in Oslo.", "new"), Turn("Anna", "I work at Nokia.", "new")]
        )
        memory.store.add(list(islice(said, 60)))
        for question in (
            "Where did we go on holiday?",
            "Any ideas for dinner?",
            "Where do I live?",
        ):
            calls = calls_when_warm(partial(memory.context, question, speaker="Anna"))
            assert 100 < calls["memory"] <= MOST_OF_CONTEXT
        answered = partial(memory.ask, "Where do I live?", asker="Anna")
        assert answered().basis == "rows"
        assert 100 < calls_when_warm(answered)["memory"] <= MOST_OF_ROWS


def calls_when_warm(work: Callable[[], object]) -> Counter[str]:
    """The calls of the third time."""
    work()
    work()
    return counted_calls(work)
