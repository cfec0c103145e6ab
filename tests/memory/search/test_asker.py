"""Questions in the first person, read as their asker means them; and the turns they find."""

from pathlib import Path

import pytest

from memory import Turn, open_store
from memory.search.question import standalone_question, third_person


@pytest.mark.parametrize(
    ("question", "read"),
    [
        ("Where do I live?", "Where does Anna live?"),
        ("Am I allergic to nuts?", "Is Anna allergic to nuts?"),
        ("what's my sister called", "what's Anna's sister called"),
        ("When I'm in Oslo, where do i eat?", "When Anna is in Oslo, where does Anna eat?"),
        ("I’ve told you where I am, haven’t I?", "Anna has told you where Anna is, hasn't Anna?"),
        ("Who gave me and Tom that car of mine?", "Who gave Anna and Tom that car of Anna's?"),
        ("What should I, as a vegan, eat?", "What should Anna, as a vegan, eat?"),
    ],
)
def test_i_and_my_are_the_asker(question: str, read: str) -> None:
    assert third_person(question, "Anna") == read


@pytest.mark.parametrize(
    "question",
    [
        'Who said "I love my dog"?',
        "When was World War I?",
        "Dove sono i miei libri?",
        "Co my robimy?",
        "Where does Tom live?",
    ],
)
def test_what_is_no_first_person_is_left_alone(question: str) -> None:
    assert third_person(question, "Anna") == question


@pytest.mark.parametrize("asker", ["", " \n"])
def test_without_an_asker_nothing_is_rewritten(asker: str) -> None:
    assert third_person("Where do I live?", asker) == "Where do I live?"


# Turns of two people about the same things, on the days on which they did them.
LIVES = [
    ("Anna", "I work at a bakery in Bergen.", "2026-03-02"),
    ("Tom", "I work at a school in Oslo.", "2026-03-02"),
    ("Anna", "I went to the theatre with my sister.", "2026-10-17"),
    ("Tom", "I went to the theatre with my boss.", "2026-11-12"),
    ("Anna", "I painted the kitchen and went to a concert.", "2026-11-12"),
    ("Tom", "I painted the garage and went to a concert.", "2026-11-12"),
    ("Anna", "I painted the fence, and then went for a swim.", "2026-11-20"),
    ("Tom", "I painted a boat and then went for a swim.", "2026-11-20"),
    ("Anna", "I broke my arm while skiing.", "2025-02-11"),
    ("Tom", "I broke my leg while skiing.", "2026-02-11"),
    ("Anna", "My dentist wants to see me in March.", "2026-11-21"),
    ("Tom", "My new phone keeps ringing.", "2026-12-24"),
]
# (question, asker, the turn that answers), asked on 2026-11-21; the newest turn is of December.
ASKED = [
    ("Where do I work?", "Anna", 1),
    ("Where do I work?", "Tom", 2),
    ("What did I paint last week?", "Anna", 5),
    ("What did I paint last week?", "Tom", 6),
    ("What did I paint yesterday?", "Anna", 7),
    ("What did I paint yesterday?", "Tom", 8),
    ("Who was with me at the theatre last month?", "Anna", 3),
    ("Who was with me at the theatre this month?", "Tom", 4),
    ("What did I break last year?", "Anna", 9),
    ("What did I break this year?", "Tom", 10),
    ("Which concert was I at last week?", "Anna", 5),
    ("When does my dentist want to see me?", "Anna", 11),
    ("Did I swim with anybody yesterday?", "Tom", 8),
]


@pytest.mark.few(4)
@pytest.mark.parametrize(("question", "asker", "turn_id"), ASKED)
def test_the_turn_that_answers_the_asker_on_that_day_comes_first(
    tmp_path: Path, question: str, asker: str, turn_id: int
) -> None:
    with open_store(tmp_path / "lives.db") as store:
        store.add([Turn(*line[:2], said_at=line[2], session=line[2]) for line in LIVES])
        assert (
            store.search(standalone_question(question, asker, "2026-11-21"))[0].turn_id == turn_id
        )
