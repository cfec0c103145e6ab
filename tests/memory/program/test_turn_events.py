"""Events of plain sentences: answers to questions, what was wanted, another's, elsewhere."""

from collections.abc import Sequence

import pytest

from memory.program.event_details import details_of
from memory.program.list_questions import read_list_question
from memory.program.turn_events import Told, Topic, read_events, topics_of
from memory.program.turn_items import read_items
from memory.records import Turn

TODAY = "2025-12-01"


def turns_of(*texts: str) -> list[Turn]:
    """A chat on 3 July 2025, a Thursday; "Ben: " begins what Ben says, else Ada speaks."""
    turns = []
    for number, text in enumerate(texts, 1):
        speaker = "Ben" if text.startswith("Ben: ") else "Ada"
        said = text.removeprefix("Ben: ")
        turns.append(Turn(speaker, said, id=number, session="1", said_at="2025-07-03"))
    return turns


def events_of(question: str, turns: Sequence[Turn]) -> tuple[Topic, Told]:
    read = read_list_question(question, TODAY)
    assert read is not None
    [topic, *_] = topics_of(read)
    return topic, read_events(topic, turns)


def days_of(question: str, *texts: str) -> list[str]:
    _, told = events_of(question, turns_of("Ben: Hello Ada.", *texts))
    return [day.isoformat() for event in told.events if event.is_met for day in event.days]


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (("Ben: Did you go swimming again?", "Yes, on the 1st, and it was cold."), ["2025-07-01"]),
        (("I wanted to go swimming yesterday, but I went home.",), []),
        (("My brother swam on Sunday.",), []),
        (("I had a swim on the 1st when I was up that way.",), ["2025-07-01"]),
        (
            ("I swam in the sea on the 1st.", "I swam again on the 2nd."),
            ["2025-07-01", "2025-07-02"],
        ),
        (("I swam in the river on the 1st.",), []),
        (("I signed up for the swim last Sunday, but I stayed home.",), []),
        (
            ("I went swimming on the 1st.", "Ben: And on Wednesday she took me along."),
            ["2025-07-01", "2025-07-02"],
        ),
    ],
)
def test_swims_in_the_sea(texts: tuple[str, ...], days: list[str]) -> None:
    assert days_of("When did Ada swim in the sea?", *texts) == days


def test_a_race_is_not_always_run() -> None:
    days = days_of("When was the last race Ada ran?", "I did the harbour race on the 1st.")
    assert days == ["2025-07-01"]


def test_where_and_with_whom_it_was() -> None:
    turns = turns_of("Ben: Hello Ada.", "I swam at Grey Point on Sunday with my cousin Nuno.")
    topic, told = events_of("Where did Ada go swimming?", turns)
    topic = Topic(topic.parts, topic.names, frozenset(("ada", "ben")))
    places, _ = details_of("place", told.events, topic)
    assert [place.value for place in places] == ["Grey Point"]
    company, _ = details_of("company", told.events, topic)
    assert [name.value for name in company] == ["Nuno"]


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("I finished Half a Lantern on Sunday and I cried.", ["Half a Lantern"]),
        ("I will bring you Lighthouses. I finished it on Sunday.", ["Lighthouses"]),
        ("I read two novels, The Salt Road and Tern.", ["The Salt Road", "Tern"]),
        ("I finished Salt and the Moon last night and I've started Otter.", ["Salt and the Moon"]),
        ("Nuno wanted me to read Otter, but I never started it.", []),
        ("I finished my Spanish class on Monday.", []),
    ],
)
def test_a_title_stands_behind_its_verb(text: str, titles: list[str]) -> None:
    read = read_list_question("Which books has Ada read?", TODAY)
    assert read is not None
    [topic, *_] = topics_of(read)
    items = read_items("title", read, topic, turns_of("Ben: Hello Ada.", text))
    assert [item.value for item in items] == titles
