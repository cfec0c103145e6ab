"""The room of a message: all that an asker said, or what belongs, with a portrait of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Memory, Turn
from memory.evidence.lines import PORTRAIT_HEAD

TALK = (
    "the {n}th tram was late", "soup number {n} again", "rain for {n} days", "{n} pigeons outside",
    "the printer jammed {n} times", "read {n} pages today", "{n} mails before lunch",
)  # fmt: skip


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "room.db") as opened:
        yield opened


def talk(number: int, speaker: str = "user") -> list[Turn]:
    return [
        Turn(
            speaker,
            TALK[n % len(TALK)].format(n=n),
            said_at=f"2026-{1 + n // 28:02}-{1 + n % 28:02}",
        )
        for n in range(number)
    ]


def test_all_that_the_asker_said_is_shown_if_it_fits(memory: Memory) -> None:
    memory.add(talk(20))
    memory.add("I can't have penicillin, it brings me out in lumps.", speaker="user")
    context = memory.context("Can I take amoxicillin?", speaker="user")
    assert "penicillin" in context.text
    assert len(context.memories) == 21


def test_the_turns_of_the_attribute_asked_for_are_shown(memory: Memory) -> None:
    memory.add(talk(40))
    memory.add("signed the lease, two rooms and a tiny kitchen in Okehampton", speaker="user")
    memory.add(talk(200))
    assert "Okehampton" in memory.context("Where do I live?", speaker="user").text


def test_a_portrait_tells_what_lasts(memory: Memory) -> None:
    memory.add("I'm coeliac, so no wheat, and my two kids won't touch fish.", speaker="user")
    memory.add(talk(250))
    context = memory.context("Any ideas for a weekend with the family?", speaker="user")
    head, _, portrait = context.text.partition(PORTRAIT_HEAD)
    assert portrait, head
    assert "coeliac" in context.text


def test_a_budget_decides_how_much_is_shown(memory: Memory) -> None:
    memory.add(talk(300))
    little, usual, much = (
        memory.context("How many pages did I read?", speaker="user", budget=budget).tokens
        for budget in (200, None, 3_000)
    )
    assert little <= 200 < usual < much <= 3_000


def test_i_is_the_one_who_asks_in_a_group(memory: Memory) -> None:
    for name, place in (("Tove", "Ghent"), ("Bao", "Delft"), ("Ines", "Namur")):
        memory.add(f"got the keys to the flat in {place}", speaker=name, said_at="2026-02-01")
        memory.add(talk(30, name))
    for name, place in (("Tove", "Ghent"), ("Bao", "Delft"), ("Ines", "Namur")):
        assert place in memory.context("where do I live?", speaker=name).text


def test_a_person_who_is_named_brings_what_is_stored_of_them(memory: Memory) -> None:
    memory.add("I'm allergic to peanuts.", speaker="Kwame")
    memory.add(talk(60, "Tove"))
    memory.add(talk(60, "Bao"))
    text = memory.context("baking a cake for kwame, which one?", speaker="Tove").text
    assert "About Kwame:" in text
    assert "peanuts" in text


def test_a_short_sequel_of_the_next_day_stands_beside(memory: Memory) -> None:
    memory.add(talk(100))
    memory.add("flights to Leeds booked, 24 to 28 october", speaker="user", said_at="2026-06-01")
    memory.add("wait, 25 to 29", speaker="user", said_at="2026-06-02", session="next day")
    memory.add(talk(150))
    assert "25 to 29" in memory.context("when do I fly to Leeds?", speaker="user").text


def test_a_short_reply_has_the_question_that_it_answers(memory: Memory) -> None:
    for n, turn in enumerate(talk(80, "Vera")):
        memory.add(turn.text, speaker=turn.speaker, said_at="2026-01-05", session="s")
        memory.add(TALK[n % 7].format(n=n + 90), speaker="Nora", said_at="2026-01-05", session="s")
    memory.add("What did you name the boat?", speaker="Vera", said_at="2026-01-06", session="s")
    memory.add(
        "We called it Biscuit, of course.", speaker="Nora", said_at="2026-01-06", session="s"
    )
    for text in (
        memory.context("Biscuit?", speaker="Vera").text,
        "\n".join(memory.evidence("What is called Biscuit?").turns),
    ):
        assert "Biscuit" in text
        assert "name the boat?" in text


def test_a_note_at_the_end_of_turns_is_told_once_in_a_block(memory: Memory) -> None:
    caption = "[shares a picture: a photo of a turtle on a bed of rocks]"
    memory.add(f"Look at her! {caption}", speaker="Ana")
    memory.add(f"She eats strawberries now. {caption}", speaker="Ana")
    memory.add("Seen it. [12]", speaker="Ben")
    memory.add("Noted. [12]", speaker="Ben")
    context = memory.context("What does the turtle eat?", speaker="Ana")
    evidence = memory.evidence("What does the turtle eat?")
    for text in (context.text, evidence.text):
        assert text.count(caption) == 1
        assert text.count("[as in turn ") == 1
    assert context.text.count("[12]") == 2
    assert "strawberries" in context.text
    assert len(context.memories) == 4
