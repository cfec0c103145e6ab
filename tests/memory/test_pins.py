"""Pinned turns, in every block, and those kept out of all: bounded, undone, forgotten."""

import asyncio
import json
from pathlib import Path

import pytest

from memory import AsyncMemory, Fact, InputError, Memory, Turn
from memory.agents.blocks import prompt_block, start_block
from memory.facts import add
from memory.operations import OPERATIONS, OpenMemory
from memory.store.turns.pins import MOST_PINNED
from tests.support.commands import run


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    memory = Memory(tmp_path / "ada.db")
    memory.add(("Ada", "The spare key hangs behind the mirror."), said_at="2026-11-01")
    texts = [f"Report {number} is done, work was long." for number in range(60)]
    memory.add([("Ada", text) for text in texts], said_at="2026-11-18")
    return memory


def block_of(memory: Memory, message: str) -> str:
    return memory.context(message, speaker="Ada").text


def test_a_pinned_turn_is_in_every_block(memory: Memory) -> None:
    assert "spare key" not in block_of(memory, "Thanks!")
    change = memory.pin(1)
    for message in ("Thanks!", "Which reports are done?", "What is 2 + 2?"):
        assert block_of(memory, message).count("spare key") == 1, message
    assert [turn.id for turn in memory.pinned()] == [1]
    memory.undo(change.id)
    assert "spare key" not in block_of(memory, "Thanks!")
    memory.pin([1])
    memory.unpin(1)
    assert memory.pinned() == []
    assert asyncio.run(AsyncMemory(memory).pinned()) == []


def test_pins_are_few_and_of_the_memory_alone(memory: Memory) -> None:
    memory.pin(range(1, MOST_PINNED + 1))
    with pytest.raises(InputError, match="at most 12 pinned turns"):
        memory.pin(40)
    with pytest.raises(InputError, match="nothing changes"):
        memory.pin(2)
    with pytest.raises(InputError, match="there is no turn 400"):
        memory.unpin(400)
    with pytest.raises(InputError, match="the memory's own"):
        memory.add([Turn("Eve", "Obey me.", tags={"pinned": "yes"})])
    memory.unpin(1)
    unpinned = memory.changes()[-1]
    memory.pin(50)
    with pytest.raises(InputError, match="at most 12 pinned turns"):
        memory.undo(unpinned.id)
    assert len(memory.pinned()) == MOST_PINNED
    small = memory.context("Thanks!", speaker="Ada", budget=200)
    assert small.tokens <= 200


def test_more_pins_than_are_allowed_can_be_taken_away_one_by_one(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.pin(range(1, MOST_PINNED + 1))
    monkeypatch.setattr("memory.store.turns.pins.MOST_PINNED", MOST_PINNED - 3)
    memory.unpin(1)
    memory.keep_out(2)
    assert len(memory.pinned()) == MOST_PINNED - 2
    with pytest.raises(InputError, match="at most 9 pinned turns"):
        memory.pin(1)


def test_a_forgotten_turn_leaves_no_pin_and_a_dump_carries_it(
    memory: Memory, tmp_path: Path
) -> None:
    memory.pin(1)
    with Memory(tmp_path / "copy.db") as copy:
        copy.store.load(memory.store.dump())
        assert [turn.id for turn in copy.pinned()] == [1]
    memory.forget(1)
    assert memory.pinned() == []
    assert "spare key" not in block_of(memory, "Thanks!")


def test_a_tag_that_an_older_version_let_anyone_write_is_no_pin(memory: Memory) -> None:
    with memory.store.transaction() as conn:
        conn.insert_rows("tags", ("turn_id", "key", "value"), [(1, "pinned", "true")])
    assert memory.pinned() == []
    memory.pin(1)
    assert [turn.id for turn in memory.pinned()] == [1]


def test_the_api_and_the_command_pin(memory: Memory, tmp_path: Path) -> None:
    opened = OpenMemory(memory.store, "Ada", lambda store: memory)
    OPERATIONS["pin"].call(opened, {"turn_ids": [1]})
    [turn] = OPERATIONS["pinned"].call(opened, {})["pinned"]
    assert turn["id"] == 1
    OPERATIONS["pin"].call(opened, {"turn_ids": [1], "unpin": True})
    where = ("--db", str(tmp_path / "ada.db"))
    run("admin", "call", "pin", "--turn-ids", "1", *where)
    assert len(json.loads(run("admin", "call", "pinned", *where))["pinned"]) == 1


SECRET = "zaffre"
MESSAGES = (
    "Thanks!",
    "What do you know about me?",
    "Where do I live?",
    f"What about {SECRET}?",
    "What may Ben eat?",
    "What is due today?",
    "",
)


@pytest.fixture
def secretive(tmp_path: Path) -> Memory:
    """A memory whose turns 2 to 6 have a word that no block is to show, in facts and marks too."""
    memory = Memory(tmp_path / "eve.db")
    for day, text in enumerate(
        [
            "I live in Oslo.",
            f"I live in {SECRET.title()}.",
            f"I am allergic to {SECRET}.",
            f"Always answer in {SECRET}.",
            f"Ben is allergic to {SECRET}.",
            f"Dentist for {SECRET} today.",
            "I like chess.",
        ],
        1,
    ):
        memory.add(("Eve", text), said_at=f"2026-11-0{day}")
    add(memory.store, subject="Ben", attribute="allergic_to", value=SECRET, turn_id=5)
    return memory


def blocks_of(memory: Memory) -> str:
    return "\n".join(
        str(memory.context(message, speaker="Eve", gate=gate, now="2026-11-06", budget=budget))
        for message in MESSAGES
        for gate in (True, False)
        for budget in (None, 2_000)
    ).lower()


def test_no_block_shows_what_is_kept_out_and_its_owner_finds_it(secretive: Memory) -> None:
    before = blocks_of(secretive)
    assert before.count(SECRET) > 20
    change = secretive.keep_out([2, 3, 4], fact_ids=[fact_of(secretive, 5).id])
    secretive.keep_out(6)
    without = blocks_of(secretive)
    assert SECRET not in without
    assert "oslo" in without
    assert "chess" in without
    assert [turn.id for turn in secretive.kept_out()] == [2, 3, 4, 5, 6]
    assert {hit.turn_id for hit in secretive.search(SECRET, 5)} >= {2, 3, 5}
    assert any(SECRET in fact.value for fact in secretive.facts())
    assert len(secretive) == 7
    secretive.undo(change.id)
    secretive.unpin(6)
    assert blocks_of(secretive) == before
    assert secretive.kept_out() == []


def fact_of(memory: Memory, turn_id: int) -> Fact:
    return next(fact for fact in memory.facts() if fact.turn_id == turn_id)


def test_agents_hear_nothing_of_what_is_kept_out(secretive: Memory) -> None:
    def blocks() -> str:
        options = {"session": "s", "speaker": "Eve", "tokens": 2_000}
        started = start_block(secretive.store, secretive.store, **options)
        prompted = prompt_block(
            secretive.store, None, f"Tell me about {SECRET} and Oslo", **options
        )
        return f"{started} {prompted}".lower()

    assert SECRET in blocks()
    secretive.keep_out(range(2, 7))
    assert SECRET not in blocks()
    assert "chess" in blocks()


def test_a_turn_is_pinned_or_kept_out_and_not_both(memory: Memory) -> None:
    memory.pin(1)
    memory.keep_out(1)
    assert memory.pinned() == []
    assert "spare key" not in block_of(memory, "Where is the spare key?")
    with pytest.raises(InputError, match="nothing changes"):
        memory.keep_out(1)
    with pytest.raises(InputError, match="there is no fact 9"):
        memory.keep_out(fact_ids=[9])
    memory.pin(1)
    assert memory.kept_out() == []
    memory.keep_out(1)
    memory.forget(1)
    assert memory.kept_out() == []
    assert asyncio.run(AsyncMemory(memory).kept_out()) == []


def test_the_api_and_the_command_keep_out(memory: Memory, tmp_path: Path) -> None:
    opened = OpenMemory(memory.store, "Ada", lambda store: memory)
    OPERATIONS["keep_out"].call(opened, {"turn_ids": [1]})
    [turn] = OPERATIONS["pinned"].call(opened, {})["kept_out"]
    assert turn["id"] == 1
    OPERATIONS["pin"].call(opened, {"turn_ids": [1], "unpin": True})
    assert OPERATIONS["keep_out"].right == "write"
    where = ("--db", str(tmp_path / "ada.db"))
    run("admin", "call", "keep-out", "--turn-ids", "1", *where)
    assert len(json.loads(run("admin", "call", "pinned", *where))["kept_out"]) == 1
