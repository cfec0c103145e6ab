"""Questions that SQL answers, made from gold rows, and what stored facts answer to them."""

import pytest

from locomo.dataset.rows import GoldRow, GoldTurn
from locomo.tasks.row_use import WRONG_COST, QuestionAnswered, StoredOf, answered_by, use_score
from memory import Fact, Turn

MAY = Turn("Ida", "I bought a kayak on Friday.", said_at="2024-05-06 10:00", id=1)
JUNE = Turn("Ida", "I bought a tent. My sister Ella lives in Porto.", said_at="2024-06-01", id=2)
KAYAK = GoldRow("Ida | bought | a kayak", ("kayak",), ("Ida",), "2024-05-03")
TENT = GoldRow("Ida | bought | a tent", ("tent",), ("Ida",))
PORTO = GoldRow("My sister Ella | lives in | Porto", ("Porto",), ("Ella", "my sister"))


def fact(subject: str, attribute: str, value: str, day: str = "") -> Fact:
    return Fact(subject, attribute, value, turn_id=1, happened_on=day)


OF_KAYAK = fact("Ida", "bought", "a kayak", "2024-05-03")
OF_TENT = fact("Ida", "bought", "a tent")
OF_PORTO = fact("Ida's sister", "lives_in", "Porto")


def answers(may: list[Fact], june: list[Fact]) -> dict[str, list[QuestionAnswered]]:
    answered = answered_by(
        [
            StoredOf(MAY, GoldTurn((KAYAK,)), tuple(may)),
            StoredOf(JUNE, GoldTurn((TENT, PORTO)), tuple(june)),
        ]
    )
    kinds: dict[str, list[QuestionAnswered]] = {}
    for question in answered:
        kinds.setdefault(question.question.kind, []).append(question)
    return kinds


def scores(may: list[Fact], june: list[Fact]) -> dict[str, list[float]]:
    return {
        kind: [question.score for question in of_kind]
        for kind, of_kind in answers(may, june).items()
    }


def test_gold_rows_answer_questions_of_every_kind() -> None:
    gold = {
        kind: [question.question.answer for question in of_kind]
        for kind, of_kind in answers([], []).items()
    }
    assert gold["list"] == [("a kayak", "a tent")]
    assert gold["count"] == [("2",)]
    assert gold["first"] == [("a kayak",)]
    assert gold["last"] == [("a tent",)]
    assert gold["what"] == [("Porto",)]
    assert gold["when"] == [("2024-05-03",)]
    assert gold["on a day"] == [("bought a kayak",)]
    assert gold["who"] == [("ida",), ("ida",), ("ella",)]
    assert gold["of whom"] == [("ida", "ella")]


def test_a_missing_row_and_a_missing_day_cost_what_they_would_answer() -> None:
    without = scores([OF_KAYAK], [OF_PORTO])
    assert without["count"] == [-WRONG_COST]
    assert without["list"] == [pytest.approx(2 / 3)]
    assert without["first"] == [1.0]
    undated = scores([fact("Ida", "bought", "a kayak")], [OF_TENT, OF_PORTO])
    assert (undated["when"], undated["on a day"]) == ([0.0], [0.0])


def test_a_wrong_row_is_in_the_answers_and_a_copied_turn_answers_little() -> None:
    wrong = scores([OF_KAYAK], [OF_TENT, OF_PORTO, fact("Ida", "bought", "a horse")])
    assert wrong["count"] == [-WRONG_COST]
    assert wrong["last"] == [-WRONG_COST]
    copied = answers(
        [fact("Ida", "bought", f"{MAY.text} It was a long and rainy weekend at the lake.")],
        [fact("Ida", "bought", JUNE.text), fact("Ella", "lives_in", f"{JUNE.text} {MAY.text}")],
    )
    assert copied["what"][0].is_wrong
    assert copied["list"][0].is_wrong


def test_silence_answers_nothing_and_of_small_talk_is_right() -> None:
    assert use_score(StoredOf(MAY, GoldTurn((KAYAK,)), ())) == 0.0
    assert use_score(StoredOf(MAY, GoldTurn((KAYAK,)), (OF_KAYAK,))) == 1.0
    assert use_score(StoredOf(MAY, GoldTurn(), ())) == 1.0
    assert use_score(StoredOf(MAY, GoldTurn(), (OF_TENT,))) == 0.0


def test_what_is_true_and_not_worth_a_row_spoils_no_answer() -> None:
    gold = GoldTurn((TENT,), other=("sunny",))
    stored = (OF_TENT, fact("the weather", "is", "sunny"))
    assert use_score(StoredOf(JUNE, gold, stored)) == 1.0
