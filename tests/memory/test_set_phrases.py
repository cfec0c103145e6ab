"""Set phrases without a model: whole orders, slips, and rows that answer what was asked."""

from pathlib import Path

import pytest

from memory import Memory, Turn

ORDERS = {
    "Never suggest taking the car.": "Never suggest taking the car",
    'Always sign with "Yours, the cat" when I ask for a letter.': (
        'Always sign with "Yours, the cat" when I ask for a letter'
    ),
    "I'd rather you kept answers in one paragraph": "I'd rather you kept answers in one paragraph",
    "Can you always use metric units?": "Can you always use metric units",
    "please stop calling me captain": "stop calling me captain",
    "No more bullet points please": "No more bullet points",
    "I want you to be blunt.": "I want you to be blunt",
}
NO_ORDERS = (
    "Can you always tell when milk has gone off?",
    "I'd rather go by car.",
    "My boss said no more bullet points.",
    "We should skip the intro of the film.",
)


@pytest.mark.parametrize("text", ORDERS)
def test_an_order_is_kept_whole(text: str, tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add(Turn("Ida", text))
        assert [fact.value for fact in memory.facts()] == [ORDERS[text]]


def test_what_only_looks_like_an_order_is_none(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add([Turn("Ida", text) for text in NO_ORDERS])
        assert [fact.value for fact in memory.facts()] == []


@pytest.mark.parametrize(
    "text",
    [
        "I live in Ghent, no sorry, Bruges.",
        "I live in Ghent. Oops, I meant Bruges.",
        "I'm vegetarian. Well, vegan, I skip eggs too.",
    ],
)
def test_a_slip_that_is_corrected_in_one_breath_is_no_fact(text: str, tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add(Turn("Ida", text))
        assert memory.facts() == []


def test_a_joke_in_a_set_phrase_is_kept_as_a_turn_alone(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add(Turn("Ida", "My name is Nobody, haha"))
        memory.add(Turn("Ida", "My dog is called Rex."))
        assert [fact.value for fact in memory.facts()] == ["Rex"]
        assert "haha" in memory.ask("What is my name?", asker="Ida").text


def test_who_asks_for_a_name_and_not_for_a_job(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add(Turn("Ida", "My husband Joost is a baker."))
        memory.add(Turn("Ida", "My brother is a teacher."))
        assert memory.ask("Who is my husband?", asker="Ida").text == "Joost"
        assert memory.ask("Who is my brother?", asker="Ida").basis == "quotes"


def test_a_home_that_began_later_is_not_of_the_day_asked_for(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        for day, text in (
            ("2022-01-03", "I live in Ghent now."),
            ("2023-01-03", "I live in Bruges now."),
            ("2024-01-03", "I live in Lille now."),
        ):
            memory.add(Turn("Ida", text, said_at=day))
        answer = memory.ask("Where did I live in May 2022?", asker="Ida", now="2024-06-01")
        assert answer.text.startswith("Ghent")
        assert "Bruges" not in answer.text
