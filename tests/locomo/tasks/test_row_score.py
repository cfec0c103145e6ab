"""The score of what was stored of a turn: one fact a statement, by the words they share."""

import pytest

from locomo.dataset.rows import GoldRow, GoldTurn
from locomo.tasks.row_score import score_rows
from memory import Fact, Turn


def fact(subject: str, attribute: str, value: str, day: str = "") -> Fact:
    return Fact(subject, attribute, value, turn_id=1, happened_on=day)


SAID = Turn("Ida", "My sister Ella moved to Porto, I bought a red kayak and it's sunny.")
MOVED = GoldRow("My sister Ella | moved to | Porto", ("Porto",), ("Ella", "my sister"))
BOUGHT = GoldRow("Ida | bought | a red kayak", ("kayak",), ("Ida",))
GOLD = GoldTurn((MOVED, BOUGHT), other=("sunny",))
ELLA, KAYAK = fact("Ella", "moved_to", "Porto"), fact("Ida", "bought", "a red kayak")
HERS = fact("Ida's sister", "moved_to", "Porto")
WRONG = fact("Ida", "moved_to", "Porto")
WEATHER = fact("weather", "is", "sunny")


@pytest.mark.parametrize(
    ("facts", "precision", "recall"),
    [
        ([ELLA, KAYAK], 1.0, 1.0),
        ([HERS, KAYAK], 1.0, 1.0),  # as the speaker's sister
        ([KAYAK], 1.0, 1 / 2),
        ([fact("Ida", "bought", "a kayak")], 1.0, 1 / 3),  # two words of three
        ([ELLA, KAYAK, WRONG], 2 / 3, 1.0),  # about somebody else
        ([ELLA, KAYAK, fact("Ida", "bought", "a kayak")], 2 / 3, 1.0),  # stored twice
        ([WRONG], 0.0, 0.0),
        ([ELLA, KAYAK, WEATHER], 1.0, 1.0),  # true, and not worth a fact
        ([fact("Ida", "is", "a kayak")], 0.0, 0.0),  # another attribute
        ([ELLA, KAYAK, fact("Ida", "is", "rich")], 2 / 3, 1.0),
        ([], 1.0, 0.0),
    ],
)
def test_each_fact_is_one_statement_by_its_words(
    facts: list[Fact], precision: float, recall: float
) -> None:
    score = score_rows(GOLD, SAID, facts)
    assert (score.precision, score.recall) == (pytest.approx(precision), pytest.approx(recall))
    assert score.score == pytest.approx(
        2 * precision * recall / (precision + recall) if recall else 0.0
    )


def test_one_long_fact_covers_no_second_statement() -> None:
    lives = GoldRow("Ida | bought | a boat shed", ("shed",), ("Ida",))
    both = GoldTurn((BOUGHT, lives))
    dumped = fact("Ida", "bought", "a red kayak and a boat shed for it in the winter")
    score = score_rows(both, SAID, [dumped])
    assert len(score.covered) == len(score.missed) == 1
    assert score.precision < 1 / 2


def test_a_day_counts_as_a_word() -> None:
    dated = GoldTurn((GoldRow("Ida | bought | a kayak", ("kayak",), ("Ida",), "2024-05-03"),))
    scores = [
        score_rows(dated, SAID, [fact("Ida", "bought", "a kayak", day)])
        for day in ("2024-05-03", "2024-05", "", "2024-05-04")
    ]
    assert [score.recall for score in scores] == pytest.approx([1, 1, 2 / 3, 2 / 3])
    assert [score.precision for score in scores] == pytest.approx([1, 1, 1, 2 / 3])


def test_small_talk_earns_one_where_nothing_is_stored_of_it() -> None:
    assert score_rows(GoldTurn(), SAID, []).score == 1.0
    assert score_rows(GoldTurn(), SAID, [KAYAK]).score == 0.0


def test_an_attribute_of_the_vocabulary_is_the_word_that_it_stands_for() -> None:
    moved = GoldTurn((GoldRow("Ida | lives in | Porto", ("lives",), ("Ida",)),))
    assert score_rows(moved, SAID, [fact("Ida", "lives_in", "Porto")]).score == 1.0


BUS = GoldRow(
    "Ida | works_as | bus driver",
    ("bus driver",),
    ("Ida",),
    said="started as a bus driver in September",
)


@pytest.mark.parametrize("attribute", ["works_as", "profession", "working_as", "started_as"])
def test_where_gold_names_an_attribute_its_synonym_and_the_turns_words_will_do(
    attribute: str,
) -> None:
    stored = fact("Ida", attribute, "bus driver")
    assert score_rows(GoldTurn((BUS,)), SAID, [stored]).score == 1.0


@pytest.mark.parametrize("attribute", ["likes", "bus_driver", "started_a_new_one_september"])
def test_neither_another_attribute_nor_a_copied_sentence_is_one(attribute: str) -> None:
    stored = fact("Ida", attribute, "bus driver")
    assert not score_rows(GoldTurn((BUS,)), SAID, [stored]).covered


def test_numbers_are_the_same_in_words_and_figures() -> None:
    goats = GoldTurn((GoldRow("Ida | keeps | two goats", ("two",), ("Ida",)),))
    assert score_rows(goats, SAID, [fact("Ida", "keeps", "2 goats")]).score == 1.0


def test_the_feedback_names_what_is_missed_and_what_is_false() -> None:
    text = score_rows(GOLD, SAID, [WRONG]).feedback
    assert "missed: My sister Ella | moved to | Porto" in text
    assert "missed: Ida | bought | a red kayak" in text
    assert "false, or about someone else: Ida | moved_to | Porto" in text
    assert "right answer was none" in score_rows(GoldTurn(), SAID, [KAYAK]).feedback
    inexact = score_rows(GOLD, SAID, [fact("Ida", "bought", "a kayak")]).feedback
    assert (
        "inexact: Ida | bought | a kayak (the message says: Ida | bought | a red kayak)" in inexact
    )
