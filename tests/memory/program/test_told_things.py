"""Things and places that several turns tell with verbs of one sense."""

import pytest

from memory.program.told_things import read_things, things_asked
from memory.records import Turn

TODAY = "2026-06-07"


def _things(question: str, *texts: str, speaker: str = "Ada") -> list[str]:
    asked = things_asked(question, TODAY)
    assert asked is not None
    turns = [
        Turn(id=n, session="1", speaker=speaker, said_at=f"2026-05-{10 + n}T10:00:00", text=text)
        for n, text in enumerate(texts, 1)
    ]
    return [thing.value for thing in read_things(asked, turns)]


@pytest.mark.parametrize(
    ("question", "texts", "values"),
    [
        (
            "Which mountains did Ada climb?",
            ["I walked up Skiddaw on Sunday.", "I was on Tryfan on the 9th with Jo. Lovely."],
            ["Skiddaw", "Tryfan"],
        ),
        (
            "Which towns has Ada been to?",
            ["I was in Hexham on the 4th.", "But on the 1st I had a quiet day in Alnwick."],
            ["Hexham", "Alnwick"],
        ),
        (
            "Which books has Ada read?",
            ["I got right through The Tin Boat.", "I'll lend you Marram. I finished it on Friday."],
            ["The Tin Boat", "Marram"],
        ),
        (
            "Which films did Ada see with Jo?",
            ["Jo and I went to see Night Ferry.", "I saw Paper Moon alone.", "We saw Red Barn."],
            ["Night Ferry", "Red Barn"],
        ),
        (
            "What did Ada part with before she moved?",
            ["I sold the tent to Jo.", "The kettle is gone too, I gave it to the club."],
            ["tent", "kettle"],
        ),
        (
            "Which dishes did Ada cook after she left the shop?",
            ["I made moussaka, my first dish alone.", "I made a dried fish stew and dumplings."],
            ["moussaka", "dried fish stew", "dumplings"],
        ),
        (
            "Where did Ada go hiking?",
            ["I did my first hike on the 7th, at Wood Point.", "I hiked Cape Grim on Saturday."],
            ["Wood Point", "Cape Grim"],
        ),
    ],
)
def test_verbs_of_one_sense_tell_a_list(question: str, texts: list[str], values: list[str]) -> None:
    assert _things(question, *texts) == values


def test_what_is_wished_denied_or_anothers_is_no_part_of_a_list() -> None:
    texts = ["I want to sell the piano.", "I never sold the car.", "My brother sold a boat."]
    assert _things("What did Ada sell?", *texts) == []


@pytest.mark.parametrize(
    "question",
    [
        "How often did Ada sell cakes?",
        "Which town does Ada live in?",
        "In which towns did Ada run a race?",  # it stands with the race
        "Which town did Ada first visit with Jo?",
    ],
)
def test_other_questions_are_left_to_others(question: str) -> None:
    assert things_asked(question, TODAY) is None


def test_the_last_thing_is_asked_for_by_its_kind() -> None:
    asked = things_asked("What was the last film that Ada saw?", TODAY)
    assert asked is not None
    assert (asked.question.kind, asked.kind) == ("last", "title")
