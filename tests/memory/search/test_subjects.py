"""A question for a story selects turns by the names and the months in it, not by its frame."""

from pathlib import Path

import pytest

from memory import Memory, Turn
from memory.evidence.block import evidence
from memory.evidence.question import UserQuestion
from memory.search.question import subjects_in, subjects_of

ORDER = (
    "Can you walk me through the order in which I brought up different aspects of my talks with"
    " Odile? Mention only six items."
)


@pytest.mark.parametrize(
    ("question", "subjects"),
    [
        (ORDER, ("Odile",)),
        ("Please sum up what I altered in March 2025 and why.", ("2025-03",)),
        ("Summarize what Ben and Clara did on 8 May 2024.", ("Ben", "Clara", "2024-05-08")),
        ("How did my plans for the garden develop? In order, please.", ()),
    ],
)
def test_names_and_dates_are_what_a_story_is_about(
    question: str, subjects: tuple[str, ...]
) -> None:
    assert subjects_of(question) == subjects


def test_a_turn_has_names_of_the_question_and_one_of_its_dates() -> None:
    turn = Turn("user", "Odile rang me.", said_at="2025-03-04")
    assert subjects_in(turn, ("Odile",)) == 1
    assert subjects_in(turn, ("Ben", "Odile", "2025-03")) == 1
    assert subjects_in(turn, ("Odile", "2025-04")) == 0
    assert subjects_in(turn, ("Odil",)) == 0
    assert subjects_in(turn, ("2025-03",)) == subjects_in(turn, ()) == 1


def test_turns_with_the_name_come_before_turns_with_the_words_of_the_frame(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db") as memory:
        memory.store.add(
            [Turn("user", f"I brought up six items in order, week {n}.") for n in range(40)]
        )
        named = memory.store.add(
            [Turn("user", f"Odile showed me how to cut glass, part {n}.") for n in range(5)]
        )
        hits = memory.reader.search(ORDER, 8)
        assert {hit.turn_id for hit in hits[:5]} == {*named}
        assert len(hits) == 8
        other = memory.reader.search("Which items did I bring up with Odile?", 8)
        assert len(other) == 8


def test_a_story_shows_the_askers_turns_with_the_name_and_what_was_replied(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db") as memory:
        memory.store.add(
            [Turn("Anna", f"My talks with customers came up again, aspect {n}.") for n in range(40)]
        )
        exchanges = []
        for n in range(5):
            exchanges.append(Turn("Anna", f"Odile showed me how to cut glass, part {n}."))
            exchanges.append(Turn("assistant", f"Wear gloves, and score it once, rule {n}."))
        named = memory.store.add(exchanges)
        memory.store.add([Turn("assistant", f"Talks bring orders, aspect {n}.") for n in range(40)])
        question = UserQuestion(ORDER, asker="Anna")
        hits = memory.reader.search(question.ranked_text, 400)
        shown = evidence(question, memory.reader, hits, budget=400).turn_ids
        assert {*named} <= {*shown}
