"""Right, wrong or nothing said: what became of each question."""

from dataclasses import replace

import pytest
from rich.console import Console

from locomo.harness import Result
from locomo.results.outcomes import no_facts, outcome, outcome_table

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


def test_each_system_has_a_row():
    results = [
        replace(ASKED, system="newest", answer="Oslo"),
        replace(ASKED, system="ranking", answer=ABSTAINED, rows=1),
        replace(ASKED, rows=2),
    ]
    console = Console(width=100)
    with console.capture() as capture:
        console.print(outcome_table(results))
    lines = [" ".join(line.split()) for line in capture.get().splitlines()]
    assert "newest (newest turns) 0 1 0 0" in lines
    assert "ranking (turns by ranking) 0 0 1 0" in lines
    assert "memory (ranking, facts and SELECTs) 1 0 0 1" in lines


def test_a_note_where_the_row_facts_repeats_the_row_ranking():
    of_facts = replace(ASKED, system="facts")
    assert no_facts([ASKED]) == ""
    assert no_facts([of_facts, replace(of_facts, facts=1)]) == ""
    assert no_facts([of_facts]).startswith("note: of 1 question not one was shown a fact")
