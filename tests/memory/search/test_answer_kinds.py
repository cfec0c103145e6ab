"""What kind of answer a question asks for."""

import pytest

from memory.search.question import (
    asks_for_present,
    asks_for_several,
    asks_for_story,
)


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


@pytest.mark.parametrize(
    "question",
    [
        "Can you summarise what we said of the garden?",
        "Give me an overview of my thesis.",
        "In what order did I visit these towns?",
        "List the order in which I brought up the parts of my app.",
        "How has my understanding of Greek developed?",
        "Catch me up on the move.",
        "Walk me through the renovation.",
        "Tell me the whole story of the shed.",
    ],
)
def test_a_summary_and_an_order_are_stories(question: str) -> None:
    assert asks_for_story(question)


@pytest.mark.parametrize(
    ("question", "several"),
    [
        ("How many towns did I visit?", True),
        ("List the books that Anna read.", True),
        ("How much did I spend on the boat in total?", True),
        ("Where have I been so far?", True),
        ("What did Anna do in order to save money?", False),
        ("When did Tom order the pizza?", False),
        ("Where do I live?", False),
        ("How much was the boat?", False),
    ],
)
def test_a_count_a_sum_and_a_list_need_several_turns_and_no_story(
    question: str, several: bool
) -> None:
    assert not asks_for_story(question)
    assert asks_for_several(question) == several
