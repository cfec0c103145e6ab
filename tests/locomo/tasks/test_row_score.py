"""The score of what was stored of a turn: statements covered / (statements + false facts)."""

import pytest

from locomo.dataset.rows import GoldRow, GoldTurn
from locomo.tasks.row_score import score_rows
from memory import Fact, Turn


def fact(subject: str, attribute: str, value: str) -> Fact:
    return Fact(subject, attribute, value, turn_id=1)


SAID = Turn("Ida", "My sister Ella moved to Porto, I bought a kayak and it's sunny.")
MOVED = GoldRow("My sister Ella | moved to | Porto", ("Porto",), ("Ella", "my sister"))
BOUGHT = GoldRow("Ida | bought | a kayak", ("kayak",), ("Ida",))
GOLD = GoldTurn((MOVED, BOUGHT), other=("sunny",))
ELLA, KAYAK = fact("Ella", "moved_to", "Porto"), fact("Ida", "bought", "a kayak")
HERS = fact("Ida's sister", "moved_to", "Porto")
WRONG = fact("Ida", "moved_to", "Porto")
WEATHER = fact("weather", "is", "sunny")


@pytest.mark.parametrize(
    ("facts", "score"),
    [
        ([ELLA, KAYAK], 1.0),
        ([HERS, KAYAK], 1.0),  # as the speaker's sister
        ([KAYAK], 0.5),
        ([ELLA, KAYAK, WRONG], 2 / 3),  # about somebody else
        ([WRONG], 0.0),
        ([ELLA, KAYAK, WEATHER], 1.0),  # true, and not worth a fact
        ([ELLA, KAYAK, fact("Ida", "is", "rich")], 2 / 3),
        ([], 0.0),
    ],
)
def test_statements_are_covered_or_missed_and_other_facts_are_false(
    facts: list[Fact], score: float
) -> None:
    assert score_rows(GOLD, SAID, facts).score == pytest.approx(score)


def test_small_talk_earns_one_where_nothing_is_stored_of_it() -> None:
    assert score_rows(GoldTurn(), SAID, []).score == 1.0
    assert score_rows(GoldTurn(), SAID, [KAYAK]).score == 0.0


def test_an_attribute_of_the_vocabulary_is_the_word_that_it_stands_for() -> None:
    moved = GoldTurn((GoldRow("Ida | lives in | Porto", ("lives",), ("Ida",)),))
    assert score_rows(moved, SAID, [fact("Ida", "lives_in", "Porto")]).score == 1.0


def test_the_feedback_names_what_is_missed_and_what_is_false() -> None:
    text = score_rows(GOLD, SAID, [WRONG]).feedback
    assert "missed: My sister Ella | moved to | Porto" in text
    assert "missed: Ida | bought | a kayak" in text
    assert "false, or about somebody else: Ida | moved_to | Porto" in text
    assert "right answer was none" in score_rows(GoldTurn(), SAID, [KAYAK]).feedback
