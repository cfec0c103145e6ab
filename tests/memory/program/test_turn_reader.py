"""Days, persons and codes are read by rule from the clause that tells what is asked."""

from datetime import date

import pytest

from memory import Turn
from memory.program.answer_checks import asked_for
from memory.program.grounding import PERHAPS_MORE, ground
from memory.program.messages import ABSTAIN
from memory.program.spoken_days import days_in, spoken
from memory.program.turn_reader import corrected_number, read_turns

TURNS = [
    Turn(speaker, text, session="s", said_at=said_at, id=number)
    for number, (speaker, text, said_at) in enumerate(
        [
            ("Greta", "The gate code is 5518 from today.", "2025-03-02"),
            ("Greta", "Sorry, typo, it's 5581.", "2025-03-02"),
            ("Greta", "The hearing is on the 30th of June.", "2025-03-04"),
            ("Oskar", "Noted, both.", "2025-03-04"),
            ("Greta", "No sorry, I looked again, the 26th.", "2025-03-04"),
            ("Oskar", "I picked up my passport on Tuesday.", "2025-03-06"),
            ("Oskar", "Dr Brandt is off, so I've a Dr Sandoval now.", "2025-04-01"),
            ("Oskar", "I was at the garage on Friday, they want a new clutch in.", "2025-04-06"),
            ("Oskar", "My first dive was on Saturday 12th!", "2025-07-15"),
            ("Oskar", "Dived again on the 2nd.", "2025-08-05"),
        ],
        start=1,
    )
]


def read(question: str) -> str | None:
    asked = asked_for(question, {"Greta", "Oskar"})
    reading = read_turns(asked, TURNS, lambda turn: TURNS[turn.id :])
    return reading.text if reading else None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is the gate code?", "5581"),  # corrected in the next turn
        ("When is the hearing?", "26 June 2025"),  # of the same month, by Greta and not by Oskar
        ("When did Oskar pick up his passport?", "4 March 2025"),
        ("Who is Oskar's doctor now?", "Dr Sandoval"),
        ("When did Oskar get a new clutch?", None),  # the day is that of another clause
        ("When did Oskar first dive?", "12 July 2025"),
        ("When did Oskar last dive?", "2 August 2025"),
        ("When did Greta pick up her passport?", None),
        ("Who is Greta's doctor?", None),
    ],
)
def test_the_clause_with_all_that_is_asked_answers(question: str, answer: str | None) -> None:
    assert read(question) == answer


@pytest.mark.parametrize(
    ("text", "is_past", "days"),
    [
        ("We are in since Sat 15th.", True, ["15 February 2025"]),
        ("My last shift is the thirty-first of March.", False, ["31 March 2025"]),
        ("They wed on the 4th of May, at his mother's.", False, ["4 May 2025"]),
        ("Second o June I stopped.", True, ["2 June 2024"]),
        (
            "It went off on the 3rd (toast), the 9th (toast).",
            True,
            ["3 March 2025", "9 March 2025"],
        ),
        ("We swam last Sunday, the 9th.", True, ["9 March 2025"]),
        ("I passed yesterday.", True, ["9 March 2025"]),
        ("The third is in the garage, may 5 people lift it?", True, []),
        ("Every Friday we bake.", True, []),
    ],
)
def test_days_have_the_month_and_year_that_are_near(
    text: str, is_past: bool, days: list[str]
) -> None:
    named = days_in(text, date(2025, 3, 10), is_past)
    assert [spoken(day.day) for day in named] == days


SAID = [
    Turn("Greta", text, said_at="2024-01-08", id=number)
    for number, text in enumerate(
        [
            "I was in hospital after the fall, fourteen stitches.",
            "I walked to the pier on the 5th.",
            "We adopted a cat called Basalt.",
            "I live near Varberg, in the yellow house.",
            "I finish at the bakery on Friday.",
            "We put the exam off to May.",
            "What colour did we paint the hall, I need another tin",
            "Mikkel is allergic to cashews. His birthday is on 9 May.",
            "The bowling club was fun, Astrid came too.",
        ],
        start=1,
    )
]


@pytest.mark.parametrize(
    ("question", "picked", "answer"),
    [
        ("How long was Greta in hospital?", "fourteen stitches", ABSTAIN),
        ("When did Greta first walk to the pier?", "5 January 2024", ABSTAIN),  # one of many
        ("Which cats has Greta had?", "Basalt", f"Basalt, {PERHAPS_MORE}"),
        ("How has what Greta lives in changed?", "the yellow house", ABSTAIN),
        ("Where was Greta living in March 2024?", "Varberg", ABSTAIN),  # told in January
        ("When did Greta start at the bakery?", "12 January 2024", ABSTAIN),
        ("Did Greta pass the exam?", "Likely no, we put the exam off", ABSTAIN),
        ("What colour is the hall painted?", "green", ABSTAIN),  # a question is no answer
        ("Where does Greta live?", "Varberg", "Varberg"),
        ("What am I allergic to?", "cashews", ABSTAIN),  # Mikkel is
        ("When is my sister's birthday?", "9 May 2024", ABSTAIN),
        ("What is Mikkel allergic to?", "cashews", "cashews"),
    ],
)
def test_what_one_turn_cannot_tell_is_left_out(question: str, picked: str, answer: str) -> None:
    assert ground(picked, question, SAID)[0] == answer


@pytest.mark.parametrize(
    ("answer", "later", "corrected"),
    [
        ("2,900 euro", [("Greta", "Sorry 3,200 I forgot the tax.")], "3,200 euro"),
        ("2,900 euro", [("Oskar", "Gosh."), ("Greta", "No wait, 3,200.")], "3,200 euro"),
        ("2,900 euro", [("Oskar", "Sorry, 3,200?")], None),  # by somebody else
        ("2,900 euro", [("Greta", "Sorry, 3,200 or 3,300.")], None),
        ("2,900 euro", [("Greta", "The old one was 3,200.")], None),  # no correction
    ],
)
def test_a_number_is_told_as_its_speaker_corrected_it(
    answer: str, later: list[tuple[str, str]], corrected: str | None
) -> None:
    source = Turn("Greta", "The boiler is 2,900 euro.", id=1)
    following = [Turn(*said, id=number) for number, said in enumerate(later, start=2)]
    asked = asked_for("How much was the boiler?", {"Greta", "Oskar"})
    told = corrected_number(answer, asked, source, following)
    assert (told[0] if told else None) == corrected


def test_a_number_is_corrected_in_any_later_turn_that_names_both() -> None:
    source = Turn("Greta", "The boiler is 2,900 euro.", id=1)
    asked = asked_for("How much was the boiler?", {"Greta", "Oskar"})
    receipt = Turn("Greta", "I told you wrong. It was 3,200 euro, not 2,900.", id=9)
    by_another = Turn("Oskar", "Ours was 3,200 euro, not 2,900.", id=8)
    told = corrected_number("2,900 euro", asked, source, [], [by_another, receipt])
    assert told == ("3,200 euro", receipt)
    assert corrected_number("2,900 euro", asked, source, [], [by_another]) is None


def test_a_day_that_something_is_put_off_to_is_to_come() -> None:
    text = "They had to put the right eye back to 9 June."
    [day] = days_in(text, date(2026, 5, 17), True)
    assert spoken(day.day) == "9 June 2026"
