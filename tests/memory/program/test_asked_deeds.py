"""A yes needs the deed that is asked about: its verb, done by the one asked about, to the thing."""

import pytest

from memory import Store, Turn
from memory.program.answer_checks import asked_for
from memory.program.asked_deeds import read_deed
from memory.program.turn_answers import yes_or_no
from memory.program.turn_yes_no import answer_yes_or_no

BOTH_STORES = "slow"
_TOLD = [
    ("Did Uma buy a canoe?", "We bought a canoe in April."),
    ("Has Uma sold the piano?", "I've sold the piano to a neighbour."),
    ("Does Uma have a garden?", "My garden has a pond."),
    ("Does Uma take medicine?", "I take ibuprofen every morning."),
    ("Does Uma play the cello?", "My son plays hockey, and I play the cello in a quartet."),
    ("Did Uma pass her driving test?", "I finally passed my driving test!"),
    ("Did Uma paint the shed?", "Repaired the fence and painted the shed yesterday."),
    ("Did Uma rent a cottage?", "My brother and I rented a cottage in Skye."),
    ("Is Uma learning Welsh?", "I am learning Welsh."),
    ("Is Uma allergic to cats?", "I'm allergic to cats."),
    ("Did Uma meet Kirsten?", "I met Kirsten at the station."),
    ("Did Uma lose her job?", "I lost my job in March."),
    ("Did Uma lose her job?", "The job? I lost it in March."),
    ("Has Uma had any soda?", "I had a root beer, my first soda in weeks."),
    ("Does Uma drive?", "I drive to work every day."),
    ("Does Uma run?", "I usually run on Sundays."),
    ("Is Uma a nurse?", "I'm a nurse, and my sister is a vet."),
    ("Is Uma a nurse?", "I work as a nurse."),
    ("Did Uma call Uma's mother?", "I called my mum this morning."),
]
_NOT_TOLD = [
    ("Does Uma play football?", "The radio plays the same song all day."),
    ("Does Uma play the radio?", "The radio plays the same song all day."),
    ("Does Uma play hockey?", "I play the cello in a quartet and my son plays hockey."),
    ("Does Uma keep bees?", "My neighbour keeps bees."),
    ("Does Uma drink whisky?", "Kit drinks whisky."),
    ("Does Uma drink whisky?", "He drinks whisky."),
    ("Does Uma teach maths?", "My sister's husband teaches maths."),
    ("Did Uma paint the fence?", "Repaired the fence and painted the shed yesterday."),
    ("Did Uma call Uma's mother?", "I called the plumber."),
    ("Did Uma catch a cold?", "I caught the early train."),
    ("Did Uma break a mug?", "I broke the news to my mum."),
    ("Did Uma break her arm?", "I broke up the fight."),
    ("Has Uma run marathons?", "I run the village shop."),
    ("Did Uma run a marathon?", "I ran into Paula at the market."),
    ("Did Uma meet Kay?", "I met the deadline."),
    ("Is Uma allergic to dogs?", "I'm allergic to cats."),
    ("Is Uma learning Danish?", "I am learning Welsh."),
    ("Does Uma run?", "My phone runs out of battery."),
    ("Does Uma run?", "I run the village shop."),
    ("Does Uma smoke?", "I smoke salmon on Sundays."),
    ("Does Uma drive?", "The noise drives me mad."),
    ("Does Uma write?", "I write off every bad day."),
    ("Does Uma sing?", "This song sings to me."),
    ("Is Uma a nurse?", "My sister is a nurse."),
    ("Is Uma a nurse?", "Kit's a nurse."),
]


@pytest.mark.parametrize(("question", "text"), _TOLD)
def test_what_is_asked_is_told(question: str, text: str) -> None:
    deed = read_deed(question, speakers={"uma"})

    assert deed is not None
    assert deed.is_told_in(Turn("Uma", text))


@pytest.mark.parametrize(("question", "text"), _NOT_TOLD)
def test_another_deed_with_the_same_verb_is_not(question: str, text: str) -> None:
    deed = read_deed(question, speakers={"uma"})

    assert deed is not None
    assert not deed.is_told_in(Turn("Uma", text))


def test_what_it_means_is_named_before() -> None:
    deed = read_deed("Did Uma pass the exam?", speakers={"uma"})

    assert deed is not None
    assert deed.is_told_in(Turn("Uma", "I passed it with luck!"), "How was the exam?")
    assert not deed.is_told_in(Turn("Uma", "I passed the post office."), "How was the exam?")


@pytest.mark.parametrize(
    "question", ["Is Uma vegetarian?", "Where does Uma live?", "Is Uma in Oslo?", "Does she?"]
)
def test_a_question_about_no_deed_has_none(question: str) -> None:
    assert read_deed(question, speakers={"uma"}) is None


@pytest.mark.parametrize(("question", "text"), _NOT_TOLD)
def test_no_rule_says_yes_by_another_deed(store: Store, question: str, text: str) -> None:
    turns = [Turn("Uma", text, said_at="2025-05-01", id=1)]
    store.add(turns)

    by_turns = answer_yes_or_no(question, "2025-06-01", read=store.read, asker="Uma")
    assert by_turns is None or not by_turns.text.startswith("Yes")
    assert yes_or_no(asked_for(question, {"Uma"}), turns) is None


def test_another_thing_that_was_not_done_is_no_no(store: Store) -> None:
    store.add([Turn("Uma", "I never called the plumber.", said_at="2025-05-01")])

    for question, is_told in (
        ("Did Uma call Uma's mother?", False),
        ("Did Uma call the plumber?", True),
    ):
        answer = answer_yes_or_no(question, "2025-06-01", read=store.read, asker="Uma")
        assert (answer is not None) == is_told


def test_the_turn_that_tells_it_is_quoted_and_not_a_newer_one(store: Store) -> None:
    store.add(
        [
            Turn("Uma", "I play the flute in an orchestra.", said_at="2025-05-01"),
            Turn("Uma", "My son plays the drums, a flute would be quieter.", said_at="2025-05-02"),
        ]
    )

    answer = answer_yes_or_no("Does Uma play the flute?", "2025-06-01", read=store.read)

    assert answer is not None
    assert answer.text == "Yes: I play the flute in an orchestra."
