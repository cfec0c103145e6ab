"""What turns say is over: whose it is, and the words that name it."""

import pytest

from memory.records import Turn
from memory.statements import Over, told


def endings(text: str) -> list[tuple[str, str]]:
    turn = Turn("Anna", text, said_at="2025-03-12T09:00")
    return [(over.subject, over.words) for over in told(turn, ("Anna", "Tom")).endings]


@pytest.mark.parametrize(
    ("text", "ending"),
    [
        ("I gave up on the Dutch, tbh", ("Anna", "Dutch")),
        ("packed in the driving lessons, no money", ("Anna", "driving lessons")),
        ("the Skoda's gone to the scrapyard", ("Anna", "Skoda")),
        ("my bike got stolen outside the station", ("Anna", "bike")),
        ("We gave the piano to the school.", ("Anna", "piano")),
        ("No more depot for me", ("Anna", "depot")),
        ("Tom's band is finished", ("Tom", "band")),
        ("Tom no longer plays chess", ("Tom", "chess")),
        ("Malta's off, Jun has the flu", ("Anna", "Malta")),
        ("the dentist cancelled my appointment", ("Anna", "appointment")),
        ("Alma left me.", ("Anna", "Alma")),
        ("off the crutches since Friday", ("Anna", "crutches")),
        ("Mum's home from hospital!", ("Anna's mum", "hospital")),
        ("Back on coffee since Monday", ("Anna", "coffee")),
    ],
)
def test_words_say_that_something_is_over(text: str, ending: tuple[str, str]) -> None:
    assert ending in endings(text)


@pytest.mark.parametrize(
    "text",
    [
        "choir is over at nine tonight",
        "Is the engagement off?",
        "I would quit the choir if I could",
        "Jim's off to school today",
        "I'm over here",
        "I stopped for bread on the way home",
        "My shift is over the limit",
    ],
)
def test_other_senses_of_such_words_end_nothing(text: str) -> None:
    assert endings(text) == []


def test_what_takes_its_place_is_told_with_it() -> None:
    turn = Turn("Anna", "I swapped the Fiat for a Seat.")
    [over] = told(turn).endings
    assert over == Over("Anna", "Fiat", "any", "Seat")


@pytest.mark.parametrize(
    ("text", "over"),
    [
        ("We left Split for Zadar in July.", Over("Anna", "Split", "place", "Zadar", "2024-07")),
        ("I left Split on 28 November 2024.", Over("Anna", "Split", "place", "", "2024-11-28")),
        ("Tom has left Ericsson for Nokia.", Over("Tom", "Ericsson", "place", "Nokia")),
    ],
)
def test_a_place_is_left_for_another(text: str, over: Over) -> None:
    turn = Turn("Anna", text, said_at="2025-03-12T09:00")
    assert over in told(turn, ("Anna", "Tom")).endings


@pytest.mark.parametrize(
    "text",
    [
        "We left Split for Zadar on Friday.",
        "We left Split for Zadar at six.",
        "I left Split for Zadar for the weekend.",
        "I nearly left Split for Zadar, if the rent had been lower.",
        "We are leaving Split for Zadar.",
        "The ferry left Split for Zadar yesterday.",
    ],
)
def test_a_trip_leaves_no_home(text: str) -> None:
    turn = Turn("Anna", text, said_at="2025-03-12T09:00")
    assert [over for over in told(turn).endings if over.kind == "place"] == []


def test_an_amount_has_a_unit() -> None:
    [over] = told(Turn("Anna", "down to 84 kg!")).endings
    assert (over.value, over.unit) == ("84 kg", "kg")
