"""How long something lasted, told outright or by two days, and the time between two things."""

import pytest

from memory import Store, Turn
from memory.program.turn_spans import answer_span

BOTH_STORES = "slow"
TODAY = "2026-06-30"
_TOLD = (
    ("Oda", "2025-03-02", "I fell off the ladder on the 26th and they put my arm in a sling."),
    ("Oda", "2025-03-30", "The sling is off. I wore it for four weeks."),
    ("Pelle", "2025-04-06", "I became treasurer of the chess club on 1 April."),
    (
        "Pelle",
        "2025-09-14",
        "Friday was my last day as treasurer, the chess club has found another.",
    ),
    ("Oda", "2025-06-15", "I was in Bergen from the 2nd to the 9th."),
    # What was planned, and what was.
    ("Pelle", "2025-07-01", "My grandmother arrives on the 5th and will stay for two weeks."),
    ("Pelle", "2025-08-03", "My grandmother liked it here, she flew home on the 2nd of August."),
    ("Oda", "2025-08-10", "My uncle is in hospital since Friday."),
    ("Pelle", "2025-08-24", "Was your uncle long in the hospital?"),
    ("Oda", "2025-08-24", "Eleven days, and he is still cross."),
    # Two things that happened.
    ("Pelle", "2025-10-05", "My last day at the sawmill was 26 September."),
    ("Pelle", "2025-11-09", "I started at the ferry company on 3 November."),
    ("Oda", "2026-01-11", "My left knee was operated on on the 5th."),
    ("Oda", "2026-03-15", "My right knee was operated on on the 2nd."),
    # Visits: with whom, and when, is told beside the days or not at all.
    ("Oda", "2025-11-02", "My niece Tuva is coming from the 10th to the 20th of November."),
    ("Oda", "2025-11-30", "Tuva arrived on the 10th, but she went home on the 17th."),
    ("Oda", "2026-04-05", "Pelle drove up on the 28th of March and stayed until the 2nd of April."),
    ("Pelle", "2026-02-15", "I have my ticket to Riga, from 3 to 17 May."),
    # Work: its last day names no place, and a month is counted whole at its end.
    ("Oda", "2025-08-03", "I've taught at the weaving school since August 2019."),
    ("Oda", "2026-01-18", "Thursday the 15th was my last day and I cried."),
    ("Pelle", "2026-01-18", "I handed over my brewery on Friday, after thirteen years."),
    # A home, until the next.
    ("Pelle", "2025-02-09", "I moved into the lighthouse on the 1st of February."),
    ("Pelle", "2025-03-09", "I left the hospital on the 3rd."),
    ("Pelle", "2025-12-14", "I moved on the 1st, to a cabin in the woods."),
    ("Oda", "2026-05-03", "I might rent a boat for three weeks."),
)


@pytest.fixture
def told(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _TOLD])
    return store


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How long did Oda wear the sling?", "four weeks"),
        (
            "How long was Pelle treasurer of the chess club?",
            "5 months and 11 days (164 days), from 1 April 2025 to 12 September 2025",
        ),
        ("How long was Oda in Bergen?", "7 days, from 2 June 2025 to 9 June 2025"),
        (
            "How long did Pelle's grandmother stay?",
            "4 weeks, from 5 July 2025 to 2 August 2025",
        ),
        ("How long was Oda's uncle in hospital?", "Eleven days"),
        (
            "How long was it between Pelle's last day at the sawmill and the first day at the ferry"
            " company?",
            "38 days, from 26 September 2025 to 3 November 2025",
        ),
        ("How long did Tuva stay with Oda?", "7 days, from 10 November 2025 to 17 November 2025"),
        (
            "How many nights did Pelle stay with Oda?",
            "5 nights, from 28 March 2026 to 2 April 2026",
        ),
        (
            "How long was Pelle's trip to Riga in May 2026?",
            "2 weeks, from 3 May 2026 to 17 May 2026",
        ),
        ("How long did Oda teach at the weaving school?", "6 years and 5 months, from August 2019"),
        ("How long did Pelle have the brewery?", "thirteen years"),
        (
            "How long did Pelle live in the lighthouse?",
            "10 months (303 days), from 1 February 2025 to 1 December 2025",
        ),
        (
            "How much time passed between Oda's two knee operations?",
            "8 weeks, from 5 January 2026 to 2 March 2026",
        ),
    ],
)
def test_a_length_is_told_outright_or_by_two_days(told: Store, question: str, answer: str) -> None:
    read = answer_span(question, TODAY, read=told.read)

    assert read is not None
    assert read.text.startswith(answer)
    assert read.sql


def test_a_plan_of_another_length_is_not_quoted(told: Store) -> None:
    read = answer_span("How long did Pelle's grandmother stay?", TODAY, read=told.read)

    assert read is not None
    assert "two weeks" not in read.text


@pytest.mark.parametrize(
    "question",
    [
        "How long did Oda rent a boat?",  # she only might
        "How long was Pelle in Bergen?",
        "How long did Oda wear the crown?",
        "When was Oda in Bergen?",
    ],
)
def test_a_length_that_nobody_told_has_none(told: Store, question: str) -> None:
    assert answer_span(question, TODAY, read=told.read) is None


@pytest.mark.parametrize(
    "stay",
    [
        "I was in hospital for six weeks.",
        "I spent six weeks in hospital, from 1 February to 14 March.",
        "I went into hospital on 1 February. I left hospital on 14 March.",
        "We were at the seaside for six weeks.",
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_length_is_of_the_place_that_its_sentence_names(
    store: Store, stay: str, is_first: bool
) -> None:
    texts = ["I used to work at the sawmill.", stay]
    for text in texts if is_first else reversed(texts):
        store.add([Turn("Ulf", text, said_at="2025-03-20")])
    assert answer_span("How long did Ulf work at the sawmill?", TODAY, read=store.read) is None


@pytest.mark.parametrize("text", ["It was six weeks altogether.", "I was there for six weeks."])
def test_a_length_without_a_place_is_of_the_one_told_before(store: Store, text: str) -> None:
    for each in ("I worked at the sawmill as a student.", text):
        store.add([Turn("Ulf", each, said_at="2025-03-20")])
    read = answer_span("How long did Ulf work at the sawmill?", TODAY, read=store.read)
    assert read is not None
    assert read.text.startswith("six weeks")


def test_what_lasts_has_not_ended_since(store: Store) -> None:
    store.add([Turn("Ulf", "I've been playing the oboe since March 2024.", said_at="2025-03-20")])
    question = "How long has Ulf been playing the oboe?"
    read = answer_span(question, TODAY, read=store.read)
    assert read is not None
    store.add([Turn("Ulf", "I gave up the oboe.", said_at="2025-04-20")])
    assert answer_span(question, TODAY, read=store.read) is None


def test_who_asks_after_her_does_not_mean_themselves(store: Store) -> None:
    store.add([Turn("Ulf", "I've been playing the oboe since March 2024.", said_at="2025-03-20")])
    question = "How long has she been playing the oboe?"
    assert answer_span(question, TODAY, read=store.read, asker="Ulf") is None
    read = answer_span(question, TODAY, read=store.read, asker="Siv")
    assert read is not None
