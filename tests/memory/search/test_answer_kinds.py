"""What kind of answer a question asks for."""

import pytest

from memory.search.answer_kinds import asks_for_present, asks_for_several


@pytest.mark.parametrize(
    "question",
    [
        "Which countries has Tom visited?",
        "How many dogs did Maria have?",
        "What do Maria and Tom have in common?",
        "Does Tom like the sea?",
    ],
)
def test_lists_counts_comparisons_and_conclusions_ask_for_several(question: str) -> None:
    assert asks_for_several(question)


@pytest.mark.parametrize(
    "question",
    ["When did Maria and Tom move?", "Where does Tom work?", "What is the name of the cat?"],
)
def test_a_date_a_place_and_a_name_are_one_thing(question: str) -> None:
    assert not asks_for_several(question)


@pytest.mark.parametrize(
    ("question", "present"),
    [
        ("Where does Nora live now?", True),
        ("Is Nora a vegetarian?", True),
        ("Where did Nora live?", False),
        ("Which phone had Nora before the Nokia?", False),
        ("Where is Nora's flat in 2023?", False),
    ],
)
def test_a_past_tense_or_a_year_asks_for_the_past(question: str, present: bool) -> None:
    assert asks_for_present(question) is present
