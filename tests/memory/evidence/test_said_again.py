"""Turns in which a speaker says the same again share a line of a block."""

from collections.abc import Iterator

import pytest

from memory import Memory
from memory.evidence.said_again import again_mark, said_again
from memory.records import Turn

DAYS = ("2026-02-27", "2026-03-02", "2026-03-05")


@pytest.fixture
def memory(address: str) -> Iterator[Memory]:
    with Memory(address) as opened:
        yield opened


def told(*texts: str, speaker: str = "Ines") -> list[Turn]:
    return [
        Turn(speaker, text, "", day, id=number)
        for number, (text, day) in enumerate(zip(texts, DAYS, strict=True), 1)
    ]


def test_one_complaint_leaves_room_for_the_rest(memory: Memory) -> None:
    memory.add("The alarm of the boathouse goes off with 2206.", said_at="2026-01-03")
    said = ["The boathouse smells of paint", "Again, the boathouse smells of paint"]
    for day in range(1, 13):
        memory.add(f"{said[day % 2]}.", said_at=f"2026-02-{day:02}")
    memory.add("The floor of the boathouse is new.", said_at="2026-03-04")
    question = "What should I know about the boathouse?"
    for block in (memory.context(question).text, memory.evidence(question).text):
        assert block.count("smells of paint") == 1
        assert "[said 12 times, also on 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12 Feb 2026]" in block
        assert "2206" in block
        assert "The floor of the boathouse" in block


@pytest.mark.parametrize(
    "texts",
    [
        ("Ben never answers.", "Ben never answers!", "ben never answers"),
        ("The coffee is awful.", "Again: the coffee is awful.", "The coffee is so awful."),
        ("I miss Lisbon.", "I miss Lisbon so much.", "I really miss Lisbon."),
    ],
)
def test_the_same_in_other_words_is_the_same(texts: tuple[str, ...]) -> None:
    assert {*said_again(told(*texts))} == {1, 2, 3}


@pytest.mark.parametrize(
    "texts",
    [
        ("The kiln works.", "The kiln doesn't work.", "The kiln is not working."),
        ("I can sleep.", "I can't sleep.", "I can sleep."),
        ("I paid 40 euros.", "I paid 45 euros.", "I paid 50 euros."),
        ("I have a dog.", "I had a dog.", "I want a dog."),
        ("I called Anna.", "I called Anna's mother.", "I called Anna's mother-in-law."),
        ("Anna called Tom.", "Tom called Anna.", "Anna and Tom called."),
        ("It rained today.", "It rained today.", "It rained today."),
        ("I like tea.", "I like tea.", "I like mint tea with sugar."),
    ],
)
def test_what_differs_keeps_its_line(texts: tuple[str, ...]) -> None:
    assert not said_again(told(*texts))


def test_what_two_people_say_keeps_its_lines() -> None:
    texts = ("I am hungry.",) * 3
    ines, mo = told(*texts), told(*texts, speaker="Mo")
    assert not said_again([*ines[:2], Turn("Mo", "I am hungry.", "", DAYS[2], id=3)])
    assert len(said_again([*ines, *[Turn(t.speaker, t.text, id=t.id + 3) for t in mo]])) == 6


def test_the_fullest_wording_stands_for_all_and_the_other_days_are_named() -> None:
    said = said_again(told("Lena is ill.", "Lena is still ill.", "Lena is ill."))[1]
    assert said[0].text == "Lena is still ill."
    assert again_mark(said) == "said 3 times, also on 27 Feb 2026, 5 Mar 2026"


def test_of_many_days_the_first_and_the_last_are_named() -> None:
    said = [Turn("Ines", "I am tired.", "", f"2026-05-{day:02}", id=day) for day in range(1, 21)]
    assert again_mark(said_again(said)[1]) == "said 20 times, from 1 May 2026 to 19 May 2026"
