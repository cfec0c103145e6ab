"""Facts that contradict each other are shown as a pair, asked about, and settled by a person."""

from collections.abc import Callable, Iterator

import pytest

from memory import InputError, Memory, Store, Turn, open_store
from memory.__main__ import app
from memory.errors import EditConflict
from memory.evidence.wishes import shown_before
from memory.facts import correct
from memory.facts.audit import audit
from memory.facts.contradictions import settle
from memory.operations.tools import memory_tools
from memory.text.fence import FENCE_HEAD
from tests.support.commands import run_in_process
from tests.support.scripted import answer, scripted_model, sql

FLIGHTS = (
    Turn("Anna", "I have never flown.", said_at="2024-02-01"),
    Turn("Anna", "I flew to Rome in May 2023.", said_at="2024-02-03"),
)
LINKED = """
INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES
('Anna', 'never', 'flown', '', 1), ('Anna', 'travelled_to', 'Rome', '2023-05', 2);
INSERT INTO contradictions (first_turn, first_attribute, turn_id, attribute)
VALUES (1, 'never', 2, 'travelled_to');
"""


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """Two flights of Anna, of which one was none: a model's digest has linked them."""
    with open_store(address) as opened:
        opened.add(FLIGHTS)
        opened.write(LINKED, cause="digest by test", window=(1, 2))
        yield opened


def tools(store: Store) -> dict[str, Callable[..., str]]:
    return {tool.__name__: tool for tool in memory_tools(Memory(store))}


def test_a_large_model_is_shown_the_pair_and_what_to_do(store: Store) -> None:
    line = "[1] (said 1 Feb 2024) Anna | never: flown <-> [2] (said 3 Feb 2024) Anna |"
    shown = ["Facts that contradict each other", line]
    nothing = ([], sql("SELECT turn_id FROM facts WHERE id = 0"))
    model = scripted_model([nothing, (shown, answer("You said both. Which is right?", "1, 2"))])
    reply = Memory(store, model).ask("Have I ever flown?", asker="Anna")
    assert reply.turns == (1, 2)


def test_recall_and_a_context_show_the_pair(store: Store) -> None:
    for text in (
        Memory(store).context("Have I ever flown?", speaker="Anna").text,
        tools(store)["recall"]("Have I ever flown?"),
    ):
        quoted = text.removeprefix("<memory>\n").removeprefix(f"{FENCE_HEAD}\n")
        assert quoted.startswith("Facts that contradict each other")
    assert not shown_before(store, "What is for dinner?", "Anna").pairs


def test_an_audit_lists_the_pair_once(store: Store) -> None:
    [finding] = audit(store, ["contradiction"])
    assert finding.facts == (1, 2)
    assert "memory facts settle 1 2 --right ID" in finding.text


def test_what_somebody_else_edited_is_not_overwritten(store: Store) -> None:
    seen = store.changes()[-1].id
    correct(store, 2, value="Rome, Italy")
    with pytest.raises(EditConflict):
        settle(store, 1, 2, right=1, seen=seen)
    with pytest.raises(InputError, match="give the fact that is right"):
        settle(store, 1, 2, right=5)


def test_a_command_lists_and_settles(store: Store, memory_options: list[str]) -> None:
    listed = run_in_process(app, "facts", "list", "--contradictions", *memory_options).stdout
    assert "never: flown (fact 1, turn 1), said on 2024-02-01 / Anna travelled_to: Rome" in listed
    run_in_process(app, "facts", "settle", "2", "1", "--right", "2", *memory_options)
    assert [fact.value for fact in store.facts()] == ["Rome"]
    empty = run_in_process(app, "facts", "list", "--contradictions", *memory_options)
    assert "no facts contradict each other" in empty.stderr


def test_a_tool_settles(store: Store) -> None:
    tools(store)["correct_fact"](1, right=2)
    assert [fact.value for fact in store.facts()] == ["Rome"]
