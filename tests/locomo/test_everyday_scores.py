"""How answers to everyday questions are scored without a judge."""

import pytest

from memory.records import ABSTAIN
from tests.benchmarks.everyday import outcome

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
