"""What was told, told again: in the second person or quoted, with its date."""

import pytest

from memory import Turn
from memory.program.messages import is_quotation
from memory.program.recall import recall

NOW = "2026-11-21T18:00+01:00"


def asked(text: str, turn: Turn) -> str:
    return recall(Turn("Anna", text, said_at=NOW), [turn], {"Anna", "User"})


@pytest.mark.parametrize(
    ("text", "retold"),
    [
        ("My dog is called Rufus.", "your dog is called Rufus."),
        ("I'm a nurse, I was born in Rome!", "you're a nurse, you were born in Rome."),
        ("We sold our car to Ben and his wife", "you sold your car to Ben and his wife."),
        ("I moved here last Saturday.", "you moved here last Saturday (14 November 2026)."),
    ],
)
def test_what_a_listener_said_is_told_in_the_second_person(text: str, retold: str) -> None:
    turn = Turn("User", text, said_at="2026-11-18T09:00")
    assert asked("What did I say?", turn) == f"You told me on Wednesday that {retold}"


@pytest.mark.parametrize(
    "text",
    [
        "I fell ill and was in bed.",
        "I like you.",
        "Guess what, I moved.",
        "Yesterday was a long day.",
        "I moved. My dog did not.",
    ],
)
def test_what_a_rule_could_get_wrong_is_quoted(text: str) -> None:
    turn = Turn("Anna", text, said_at="2026-11-21")
    assert asked("What did I say?", turn) == f"You said today: \u201c{text}\u201d"


@pytest.mark.parametrize(
    ("said_at", "day"),
    [
        ("2026-11-20T23:59", "said yesterday"),
        ("2026-11-16", "said on Monday"),
        ("2026-11-14", "said on 14 November"),
        ("2025-05-03", "said on 3 May 2025"),
        ("2025-05", "said in May 2025"),
        ("2025", "said in 2025"),
        ("", "once said"),
        ("long ago", "once said"),
        ("2026-12-01", "said on 1 December"),
    ],
)
def test_what_others_said_is_quoted_with_its_date(said_at: str, day: str) -> None:
    reply = asked("Who moved?", Turn("Ben", "I moved.", said_at=said_at))
    assert reply == f"Ben {day}: \u201cI moved.\u201d"
    assert is_quotation(reply)


def test_of_a_long_message_the_passage_asked_for_is_told() -> None:
    text = (
        "It rained all day long. " * 20
        + "I bought a red bicycle for 90 euros. "
        + "So it goes. " * 9
    )
    reply = asked("How much was the bicycle?", Turn("Anna", text, said_at="2026-11-21"))
    assert reply == "You told me today that you bought a red bicycle for 90 euros."


def test_a_question_is_answered_in_its_language() -> None:
    turn = Turn("Anna", "Ich arbeite im Hafen.", said_at="2026-11-21")
    assert asked("Wo arbeite ich?", turn) == (
        "Du hast am 21.11.2026 gesagt: \u201eIch arbeite im Hafen.\u201c"
    )
