"""The time that a question for a list names, whose it is, and how it is to be answered."""

import pytest

from memory.program.list_questions import read_list_question

TODAY = "2026-06-07"


@pytest.mark.parametrize(
    ("question", "span"),
    [
        (
            "How many races did Ada run between March and September 2025?",
            ("2025-03-01", "2025-09-31"),
        ),
        (
            "Which towns did Ada visit from October 2024 to May 2025?",
            ("2024-10-01", "2025-05-31"),
        ),
        ("Which books has Ada read since last autumn?", ("2025-09-01", TODAY)),
        ("Which books has Ada read since last October?", ("2025-10-01", TODAY)),
        (
            "How many hats did Ada knit in the last three months of 2024?",
            ("2024-10-01", "2024-12-31"),
        ),
        ("What did Ada plant in winter 2024?", ("2024-12-01", "2025-02-31")),
        ("How often did Ada swim in all?", None),
    ],
)
def test_a_question_names_a_time_in_many_words(question: str, span: tuple[str, str] | None) -> None:
    read = read_list_question(question, TODAY)
    assert read is not None
    assert read.span == span
    assert not {"march", "september", "october", "may", "autumn", "winter"} & set(read.telling)


def test_who_asks_is_one_whom_the_question_names() -> None:
    read = read_list_question("How often did user swim?", TODAY, "user")
    assert read is not None
    assert read.names == (("user",),)


def test_what_kind_of_thing_is_asked_for_is_no_name() -> None:
    read = read_list_question("Which Spanish dishes did Ada cook?", TODAY)
    assert read is not None
    assert read.names == (("ada",),)
