"""Right, wrong or nothing said: what became of each question."""

from dataclasses import replace

import pytest

from locomo.harness import Result
from locomo.results.outcomes import outcome

ABSTAINED = "No information available"
ASKED = Result(
    system="memory",
    conversation="a",
    index=0,
    category=4,
    question="Where does Anna live?",
    gold="in Bergen",
    answer="Bergen, since May 2024; before that in Oslo",
    score=0.4,
    recall=1.0,
    seconds=0.1,
)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "right"),
        ({"answer": "Oslo"}, "wrong"),
        ({"answer": "She lived in Bergens"}, "right"),  # stemmed, as F1 has it
        ({"answer": ABSTAINED}, "nothing said"),
        ({"answer": "", "unusable": "it said <html>"}, "nothing said"),
        ({"category": 5, "gold": "", "answer": ABSTAINED}, "right"),
        ({"category": 5, "gold": "", "answer": "Oslo"}, "wrong"),
        ({"category": 3, "gold": "Bergen; it rains", "answer": "Bergen"}, "right"),
        ({"category": 1, "gold": "Danish, German", "answer": "German"}, "wrong"),
        ({"category": 1, "gold": "Danish, German", "answer": "German, Danish"}, "right"),
    ],
)
def test_an_answer_is_right_with_all_words_of_the_right_one(changed, expected):
    assert outcome(replace(ASKED, **changed)) == expected
