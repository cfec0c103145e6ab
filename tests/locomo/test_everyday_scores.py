"""How answers to everyday questions are scored without a judge."""

import pytest

from locomo.dataset.format import Question
from memory import Answer
from memory.records import ABSTAIN
from tests.benchmarks.everyday import Scored, outcome, shares

MUST = [["Porto"], ["March 2025", "2025-03"]]


@pytest.mark.parametrize(
    ("answer", "category", "expected"),
    [
        ("Porto, since 3 March 2025; before that Braga", 4, "right"),
        ("porto (2025-03)", 4, "right"),
        ("Porto", 4, "wrong"),
        ("Portofino, since March 2025", 4, "wrong"),
        ("not Porto since March 2025", 4, "wrong"),
        (ABSTAIN, 4, "abstained"),
        (ABSTAIN, 5, "right"),
        ("Porto, March 2025", 5, "wrong"),
    ],
)
def test_an_answer_holds_one_text_of_every_list_and_none_that_must_not_be(
    answer: str, category: int, expected: str
) -> None:
    assert outcome(answer, category, MUST, must_not=["not"]) == expected


def test_what_is_asserted_and_what_stands_near_are_counted_apart() -> None:
    def scored(text: str, result: str, category: int = 4, near: bool = False) -> Scored:
        question = Question(index=0, text="?", answer="", category=category, evidence=())
        return Scored(question, Answer(text, (), (), (), tokens=0, calls=0, shown=()), result, near)

    counted = shares(
        [
            scored("Porto", "right"),
            scored("Braga", "wrong", near=True),
            scored(ABSTAIN, "abstained", near=True),
            scored(ABSTAIN, "abstained"),
            scored("Faro", "wrong", category=5),
            scored(ABSTAIN, "right", category=5),
        ]
    )
    assert counted == {
        "asserted wrong": (2, 6),
        "asserted right": (1, 4),
        "asserted right, or the whole answer among the nearest": (2, 4),
        "never told, asserted": (1, 2),
    }
