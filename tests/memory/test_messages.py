"""What people type into `Memory.add`."""

import re
import warnings
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest

from memory import InputError, Memory, Store, Turn


@pytest.fixture
def memory(address: str) -> Iterator[Memory]:
    with Memory(address) as opened:
        yield opened


def said(store: Store) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in store.turns()]


def test_messages_of_the_openai_shape_are_turns(memory: Memory) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "You are kind."},
        {"role": "user", "content": "I live in Oslo.", "name": "Anna"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "12 degrees", "tool_call_id": "1"},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "It is"}, {"type": "image_url"}],
        },
    ]
    ids = memory.add(messages, session="s1", said_at=date(2026, 9, 22), tags={"topic": "home"})
    assert ids == [1, 2, 3]
    assert said(memory.store) == [
        ("Anna", "I live in Oslo."),
        ("tool", "12 degrees"),
        ("assistant", "It is"),
    ]
    for turn in memory.store.turns():
        assert (turn.session, turn.said_at, turn.tags) == ("s1", "2026-09-22", {"topic": "home"})
    assert [turn.kind for turn in memory.store.turns()] == ["message", "tool", "message"]


def test_a_text_a_dict_and_turns_are_taken_as_well(memory: Memory) -> None:
    memory.add("I live in Oslo.")
    memory.add({"speaker": "Ben", "text": "So do I.", "said_at": "2026-09-22"})
    memory.add([Turn("Anna", "Really?", said_at="2025"), "Yes."], said_at=datetime(2026, 1, 2, 3))
    assert [turn.said_at for turn in memory.store.turns()] == [
        *("", "2026-09-22", "2025", "2026-01-02T03:00:00")
    ]
    assert said(memory.store)[1] == ("Ben", "So do I.")


def test_dates_are_texts_dates_and_datetimes_at_every_call(memory: Memory) -> None:
    moments: tuple[str | date, ...] = ("2026-09-22", date(2026, 9, 22), datetime(2026, 9, 22, 8))
    for moment in moments:
        turn: Any = Turn("Anna", "I live in Oslo.", said_at=moment)  # type: ignore[arg-type]
        memory.add(turn)
        memory.add("I like tea.", said_at=moment)
        assert len(memory.search("tea", filters={"since": moment, "until": moment})) > 0
        assert {fact.value for fact in memory.facts(as_of=moment)} >= {"Oslo"}
        assert memory.facts(as_of=date(2026, 9, 21)) == []
        assert memory.context("Where does Anna live?", now=moment).text
    assert [turn.said_at[:10] for turn in memory.get_all()] == ["2026-09-22"] * 6
    assert len(memory.forget(before=date(2026, 9, 23))[0].turns) == 6


@pytest.mark.parametrize("words", ["banana", "2026-13", "soon"])
def test_what_is_no_date_is_refused_at_every_call(memory: Memory, words: str) -> None:
    for call in (
        lambda: memory.add("I like tea.", said_at=words),
        lambda: memory.add({"role": "user", "content": "I like tea.", "said_at": words}),
        lambda: memory.search("tea", filters={"since": words}),
        lambda: memory.facts(as_of=words),
        lambda: memory.context("Tea?", now=words),
        lambda: memory.ask("Tea?", now=words),
        lambda: memory.forget(before=words),
    ):
        with pytest.raises(InputError, match=f"{words}") as caught:
            call()
        assert re.search(r"2026-11-25|2017-05-08", str(caught.value)), "what to write"
    assert memory.store.count_turns() == 0


@pytest.mark.parametrize(
    "turn",
    [
        Turn("I bought a bike", "Anna"),
        Turn("We went to the market.", "Ben"),
        Turn("Where are we going in Oslo?", "Anna Maria"),
        {"speaker": "so my sister moved to Oslo.", "text": "Anna"},
    ],
)
def test_a_speaker_in_the_place_of_the_text_gets_a_warning(memory: Memory, turn: Any) -> None:
    with pytest.warns(UserWarning, match=r"the speaker comes first: Turn\('(Anna|Ben)") as caught:
        memory.add(turn)
    assert caught[0].filename == __file__, "of the line with memory.add"


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "speaker",
    [
        *("Anna", "user", "anna from work", "Juan de la Cruz", "Ludwig Mies van der Rohe"),
        *("María del Carmen de los Ángeles", "bell hooks", "k.d. lang", "Mary Ann O'Neil"),
        *("Sammy Davis Jr.", "Maria von und zu Stein", "Mary W.", "王小明"),
        *("Dr. med. Anna von und zu Stein", "Anna (she/her)", "the dude"),
        *("Vincent van der Meer", "a friend of Anna", "Bot 3 of the team"),
    ],
)
def test_no_name_of_a_person_gets_a_warning(memory: Memory, speaker: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for text in ("Hello", "I bought a bike", "ok", "Thanks Ben", "Yes."):
            memory.add(Turn(speaker, text))


@pytest.mark.parametrize(
    ("given", "options", "advice"),
    [
        ("x", {"said_at": "banana"}, "'banana' is no date; write 2026-11-25"),
        ("x", {"user_id": "anna"}, "is one file or store, and takes no user_id=; write Memory()"),
        ("x", {"session_id": "1"}, "add takes no session_id=; write run_id= or session="),
        ("x", {"infer": False}, "add takes no infer=; leave it out: add asks no"),
        ("x", {"wings": 2}, "add takes no wings=; it takes turns=, session="),
        ("x", {"metadata": {"plan": {"a": 1}}}, "the key and the values of a tag are texts"),
        ([3], {}, "turn 1 is int; write Turn"),
        (None, {}, "turn 1 is NoneType; write Turn"),
        ({"speaker": "Anna", "txt": "x"}, {}, "turn 1: there is no 'txt'"),
        ({"role": "user", "content": 3}, {}, "turn 1: its content is int, no text"),
    ],
)
def test_what_is_not_taken_is_answered_with_what_to_write(
    memory: Memory, given: Any, options: dict[str, Any], advice: str
) -> None:
    with pytest.raises(InputError) as caught:
        memory.add(given, **options)
    assert advice in str(caught.value)
    assert memory.store.count_turns() == 0
