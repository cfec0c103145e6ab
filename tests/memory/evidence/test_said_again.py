"""What a person said many times is in a block once, by the newest turn that says it."""

from pathlib import Path

import pytest

from memory import Memory, Turn
from memory.evidence.room import each_once


def lines_of(memory: Memory, message: str) -> list[str]:
    text = memory.context(message, speaker="Ada").text
    return [line for line in text.splitlines() if ") Ada: " in line]


@pytest.mark.parametrize("others", [0, 60])
def test_what_lasts_is_told_once_by_its_newest_turn(tmp_path: Path, others: int) -> None:
    """https://github.com/NousResearch/hermes-agent/issues/88471: 49 identical facts in one turn."""
    with Memory(tmp_path / "ada.db") as memory:
        for number in range(9):
            text = ("I live in Bergen.", "My home is in Bergen.", "We deploy on Friday.")[
                number % 3
            ]
            memory.add(("Ada", text), said_at=f"2026-01-0{number + 1}")
        memory.add([("Ada", f"Report {number} is done.") for number in range(others)])
        for message in ("Where do I live?", "When do we deploy?", "Suggest a trip."):
            lines = lines_of(memory, message)
            texts = [line.partition("Ada: ")[2].partition(" [")[0] for line in lines]
            assert len(texts) == len(set(texts)), lines
        [home] = [line for line in lines_of(memory, "Where do I live?") if "live in" in line]
        assert home.startswith("[7] ")


def test_a_value_that_came_back_is_told_by_its_newest_turn(tmp_path: Path) -> None:
    with Memory(tmp_path / "ada.db") as memory:
        for day, town in enumerate(("Oslo", "Bergen", "Oslo"), 1):
            memory.add(("Ada", f"I live in {town}."), said_at=f"2026-01-0{day}")
        lines = [line for line in lines_of(memory, "Where do I live?") if "Oslo." in line]
        assert [line[:3] for line in lines] == ["[3]"]


def test_a_short_reply_that_others_repeat_stays_with_its_question() -> None:
    said = ("Do you eat fish?", "Yes.", "I live in Oslo.", "Do you drink wine?", "Yes.")
    turns = [Turn("Ada", text, id=number) for number, text in enumerate(said, 1)]
    home = Turn("Ada", "I live in Oslo.", id=9)
    room = each_once(turns, [home])
    assert [turn.id for turn in room.turns] == [1, 2, 9, 4, 5]
    assert room.portrait == [home]
