"""When something happened, first, last or at all, by the day that turns tell of it."""

import pytest

from memory import Store, Turn
from memory.program.turn_days import answer_when

BOTH_STORES = "slow"
TODAY = "2026-06-30"
_TOLD = (
    ("Oda", "2026-01-11", "The rowing boat is gone. A woman from Mariestad took it on Friday."),
    ("Pelle", "2026-01-11", "Sad, but you never rowed it."),
    # What was planned, moved and told as done.
    ("Pelle", "2026-01-18", "I'm moving into the mill on February 7th."),
    ("Pelle", "2026-02-20", "I was in bed on the 7th, so I moved into the mill on the 14th."),
    ("Oda", "2026-03-02", "The optician moved me from 9 March to 23 March. She's ill."),
    ("Oda", "2026-03-03", "I get a crown fitted on Thursday."),
    ("Oda", "2026-03-20", "My surgery on the knee was not on the 12th. They did it on the 19th."),
    # Whoever is spoken of is named right before.
    ("Pelle", "2026-04-12", "Our dog Snus is limping. The vet says he was lucky."),
    ("Pelle", "2026-04-19", "Snus had an operation on Tuesday."),
    ("Oda", "2026-04-26", "I gave my accordion to your cousin Liv last Monday."),
    ("Pelle", "2026-05-03", "I had my first lesson on the organ yesterday."),
    ("Pelle", "2026-05-10", "I sailed to Vinga on Saturday."),
    ("Pelle", "2026-05-24", "I sailed to Vinga again yesterday, in rain."),
    ("Oda", "2026-05-31", "My brother went up in a balloon on Friday."),
    ("Pelle", "2026-06-01", "I want to go to the glassworks on the 5th."),
    ("Oda", "2026-06-02", "I have a hearing test on 8 June."),
    # A day alone belongs to the sentence before.
    ("Oda", "2026-06-07", "I signed the lease. On the 4th."),
    ("Pelle", "2026-06-14", "Our regatta is on 25 July. I'm nervous."),
    ("Oda", "2026-06-20", "The hearing test was cancelled, by the way."),
    # Told by the way, or of the day that the sentence before tells.
    ("Oda", "2026-04-05", "I fiddled at the harbour on Friday."),
    ("Oda", "2026-05-17", "We were at the harbour on the 9th for more fiddling."),
    ("Pelle", "2026-05-18", "The fair in Kil was yesterday. I sold honey, it was my first time."),
    ("Pelle", "2026-06-08", "I sold honey on the 6th."),
    ("Oda", "2026-06-10", "I woke up with gout on Sunday and couldn't get a shoe on."),
)


@pytest.fixture
def told(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _TOLD])
    return store


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When did Oda sell the rowing boat?", "9 January 2026"),
        ("When did Pelle move into the mill?", "14 February 2026"),
        ("On what date did Oda go to the optician?", "23 March 2026"),
        ("When was Oda's crown fitted?", "5 March 2026"),
        ("When was Oda's knee operation?", "19 March 2026"),
        ("When did Pelle's dog have the operation?", "14 April 2026"),
        ("When did Liv get the accordion from Oda?", "20 April 2026"),
        ("When did Pelle have an organ lesson for the first time?", "2 May 2026"),
        ("When did Pelle first sail to Vinga?", "9 May 2026"),
        ("When did Oda sign the lease?", "4 June 2026"),
        ("When is Pelle's regatta?", "25 July 2026"),
        ("When was the last time Pelle sailed to Vinga?", "23 May 2026"),
        ("When did Oda last fiddle at the harbour?", "9 May 2026"),
        ("When did Pelle first sell honey?", "17 May 2026"),
        ("When did Oda first have gout?", "7 June 2026"),
    ],
)
def test_a_day_is_read_from_the_turns_that_tell_the_deed(
    told: Store, question: str, answer: str
) -> None:
    read = answer_when(question, TODAY, read=told.read)

    assert read is not None
    assert read.text == answer
    assert read.sql


@pytest.mark.parametrize(
    "question",
    [
        "When did Oda go up in a balloon?",  # her brother did
        "When did Pelle go to the glassworks?",  # he only wanted to
        "When did Oda have the hearing test?",  # it was cancelled
        "When did Pelle sail to Vinga?",  # which of the two
        "When did Oda buy a rowing machine?",
        "How often did Pelle sail to Vinga?",
        "On which day of the week does Oda have her hearing test?",
    ],
)
def test_what_was_not_told_of_one_day_has_none(told: Store, question: str) -> None:
    assert answer_when(question, TODAY, read=told.read) is None


@pytest.mark.parametrize(
    ("planned", "moved", "day"),
    [
        ("My ferry leaves on 4 July.", "They moved my ferry to 6 July.", "6 July 2026"),
        (
            "My ferry leaves on 4 July.",
            "The line has rescheduled my ferry to 6 July.",
            "6 July 2026",
        ),
        ("My ferry leaves on 4 July.", "They brought my ferry forward to 2 July.", "2 July 2026"),
        ("My ferry leaves on 4 July.", "My ferry got shifted to 6 July.", "6 July 2026"),
        ("My ferry leaves on 4 July.", "My ferry is now on 6 July.", "6 July 2026"),
        # What was moved is another thing, or another's.
        ("My ferry leaves on 4 July.", "My cabin booking is now on 6 July.", "4 July 2026"),
        ("My ferry leaves on 4 July.", "They moved my cabin booking to 6 July.", "4 July 2026"),
        ("My ferry leaves on 4 July.", "They moved Pelle's ferry to 6 July.", ""),
    ],
)
def test_what_was_moved_is_on_its_new_day(store: Store, planned: str, moved: str, day: str) -> None:
    for text, said_at in ((planned, "2026-06-01"), (moved, "2026-06-20")):
        store.add([Turn("Oda", text, said_at=said_at), Turn("Pelle", "Oh.", said_at=said_at)])
    read = answer_when("When does Oda's ferry leave?", TODAY, read=store.read)
    assert (read.text if read else "") == day


def test_a_day_and_no_time_is_told_of_what_somebody_does(store: Store) -> None:
    store.add(
        [
            Turn("Oda", "My riding test is on 12 July.", said_at="2026-06-01"),
            Turn("Oda", "The dentist sees me on 5 July.", said_at="2026-06-02"),
            Turn("Oda", "The library opens on Mondays.", said_at="2026-06-03"),
        ]
    )
    read = answer_when("When does the dentist see Oda?", TODAY, read=store.read)
    assert read is not None
    assert read.text == "5 July 2026"
    assert answer_when("When does the library open?", TODAY, read=store.read) is None


@pytest.mark.parametrize(
    "text",
    [
        "Theo broke his wrist on 4 May.",
        "Theo really broke his wrist on 4 May.",
        "Poor Theo. Broke his wrist on 4 May.",
    ],
)
def test_what_happened_to_another_is_not_dated(store: Store, text: str) -> None:
    store.add([Turn("Oda", text, said_at="2026-06-01")])
    assert answer_when("When did Oda break her wrist?", TODAY, read=store.read) is None
