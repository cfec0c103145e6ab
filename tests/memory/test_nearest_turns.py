"""Where nothing answers, the answer is among the nearest turns: a family chat of our own."""

import json
from pathlib import Path

import pytest

from memory import Memory, Turn
from memory.program.quotations import MOST_QUOTATIONS
from memory.records import ABSTAIN
from tests.support.scripted import answer, scripted_packaged_model

FAMILY = Path(__file__).parents[1] / "held_out" / "nearest" / "family.json"
LEAST = 18  # of 25; the turns held 22 when the chat was first asked


@pytest.fixture
def family() -> dict[str, list[dict[str, str]]]:
    return dict(json.loads(FAMILY.read_text("utf-8")))


def test_of_everyday_questions_the_nearest_turns_hold_the_answer(
    family: dict[str, list[dict[str, str]]], path: Path
) -> None:
    questions = family["questions"]
    pairs = [([], answer(ABSTAIN)) for _ in questions]
    model = scripted_packaged_model(pairs)
    missed = []
    with Memory(path, model=model) as memory:
        memory.store.add([Turn(**turn) for turn in family["turns"]])
        for question in questions:
            asked = memory.ask(question["question"], now="2026-08-20")
            assert asked.basis == "quotes"
            assert 0 < len(asked.quotations) <= MOST_QUOTATIONS
            assert all(quoted.speaker and quoted.said_at for quoted in asked.quotations)
            if not any(question["holds"] in quoted.text for quoted in asked.quotations):
                missed.append(question["question"])
    assert len(questions) == 25
    assert len(questions) - len(missed) >= LEAST, missed


@pytest.mark.parametrize("assistant", ["assistant", "Claude"])
def test_what_an_assistant_says_of_itself_is_no_answer_about_its_user(
    path: Path, assistant: str
) -> None:
    said = "Hello! My name is Max, I am allergic to peanuts and I live in Berlin."
    with Memory(path) as memory:
        memory.add([Turn("user", "Who are you?"), Turn(assistant, said)])
        assert memory.facts() == []
        for question in ("What is my name?", "What am I allergic to?", "Where do I live?"):
            assert said not in memory.ask(question).text
        for question in ("Who are you?", "What's your name?", "Where do you live?"):
            assert [quoted.turn_id for quoted in memory.ask(question).quotations] == [2]

        memory.add("My name is Anna. I live in Oslo.", speaker="user")
        assert memory.ask("What is my name?").text == "Anna"
        assert [quoted.turn_id for quoted in memory.ask("Who are you?").quotations] == [2]
        # Someone who has said nothing gets nothing of either as their own.
        assert "About the asker" not in memory.context("What should I eat?", speaker="Ben").text


def test_a_turn_that_says_more_of_what_is_asked_stays(path: Path) -> None:
    said = "My name is Max. You said that your name is Anna."
    with Memory(path) as memory:
        memory.add([Turn("user", "Hi."), Turn("assistant", said)])
        assert said in memory.ask("What is my name?").text


def test_two_persons_are_quoted_both(path: Path) -> None:
    with Memory(path) as memory:
        memory.add([Turn("Anna", "I live in Oslo."), Turn("Ben", "I live in Bergen.")])
        assert len(memory.ask("Where do you live?").quotations) == 2


@pytest.mark.parametrize(
    ("older", "newer", "asked"),
    [
        (
            "I'm learning Japanese.",
            "I'm learning Korean and no Japanese.",
            "What language am I learning?",
        ),
        ("I'm engaged to Piotr.", "I'm not engaged to Piotr any more.", "Am I engaged to anyone?"),
        ("I play the cello.", "I play the oboe now, the cello is sold.", "What do I play?"),
    ],
)
def test_what_holds_now_of_the_asker_is_quoted_before_what_was(
    path: Path, older: str, newer: str, asked: str
) -> None:
    with Memory(path) as memory:
        for day, text in (("2024-03-13", older), ("2025-08-08", newer)):
            memory.add(text, speaker="Nora", said_at=day, session=day)
            memory.add("The bus was late again.", speaker="Nora", said_at=day, session=day)
        asked_now = memory.ask(asked, speaker="Nora", now="2026-02-01")
        texts = [quoted.text for quoted in asked_now.quotations]
        assert texts.index(newer) < texts.index(older)


def test_a_question_about_the_past_has_the_nearest_turn_first(path: Path) -> None:
    with Memory(path) as memory:
        older, newer = "I drove the Skoda down to Rome.", "I drove to Oslo, and not in the Skoda."
        for day, text in (("2024-03-13", older), ("2025-08-08", newer)):
            memory.add(text, speaker="Nora", said_at=day, session=day)
        asked = memory.ask(
            "Where did I drive down to in the Skoda?", speaker="Nora", now="2026-02-01"
        )
        assert asked.quotations[0].text == older
