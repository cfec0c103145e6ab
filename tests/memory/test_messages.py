"""What people type into `Memory.add`."""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from memory import InputError, Memory, Store, Turn
from memory.store.turns.turn_validation import local_now


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
    now, *others = [turn.said_at for turn in memory.store.turns()]
    assert abs(datetime.now(UTC) - datetime.fromisoformat(now)) < timedelta(minutes=5)
    assert others == ["2026-09-22", "2025", "2026-01-02T03:00:00"]
    assert said(memory.store)[1] == ("Ben", "So do I.")


def test_turns_are_said_now_unless_their_time_is_unknown(memory: Memory) -> None:
    memory.add([Turn("Anna", "Tea."), {"role": "user", "content": "Tea.", "said_at": ""}, "Tea."])
    memory.add(["Tea.", Turn("Anna", "Tea.", said_at="2025")], said_at="")
    dates = [turn.said_at for turn in memory.get_all()]
    assert dates[0] == dates[2] == local_now()[:10] + dates[0][10:]
    assert [dates[1], *dates[3:]] == ["", "", "2025"]


def test_moments_are_taken_as_other_programs_write_them(memory: Memory) -> None:
    said_at: list[Any] = [1700000000, 1700000000.7, "1700000000", "2023-11-14T22:13:20Z"]
    for moment in said_at:
        memory.add("Tea.", said_at=moment)
        for key in ("timestamp", "created_at", "said_at"):
            memory.add({"role": "user", "content": "Tea.", key: moment})
    assert {turn.said_at for turn in memory.get_all()} == {"2023-11-14T22:13:20Z"}
    with pytest.raises(InputError, match="'yesterday'"):
        memory.add(["Tea.", {"role": "user", "content": "Tea.", "timestamp": "yesterday"}])


@dataclass
class Block:
    type: str
    text: str = ""


@dataclass
class Said:
    role: str
    content: Any
    name: str | None = None


class Part(BaseModel):
    type: str
    text: str | None = None


class Pydantic(BaseModel):
    role: str
    content: str | list[Part] | None
    created_at: datetime | None = None
    tool_calls: list[str] | None = None


class LangChain(BaseModel):
    type: str
    content: str | list[str | dict[str, Any]]
    name: str | None = None
    additional_kwargs: dict[str, Any] = {}

    def text(self) -> str:
        raise AssertionError("a method")


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
IN_HAND: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "dataclasses": (
        [Said("user", "Hi."), Said("assistant", [Block("text", "Oh.")])],
        [
            ("user", "Hi."),
            ("assistant", "Oh."),
        ],
    ),
    "a dataclass alone": (Said("user", "Hi.", "Anna"), [("Anna", "Hi.")]),
    "pydantic": (
        [Pydantic(role="user", content=[Part(type="input_text", text="Hi.")])],
        [("user", "Hi.")],
    ),
    "LangChain": (
        [
            LangChain(type="system", content="Be kind."),
            LangChain(type="human", content=[{"type": "text", "text": "Hi."}, "Ho."], name="Anna"),
            LangChain(type="ai", content="Oh."),
            LangChain(type="AIMessageChunk", content="Ah."),
        ],
        [("Anna", "Hi.\nHo."), ("assistant", "Oh."), ("assistant", "Ah.")],
    ),
    "LangChain as JSON": (
        [{"type": "human", "data": {"content": "Hi.", "additional_kwargs": {}}}],
        [("user", "Hi.")],
    ),
    "pairs": (
        [("user", "Hi."), ("Ben", "Ho."), ["assistant", "Oh."]],
        [
            ("user", "Hi."),
            ("Ben", "Ho."),
            ("assistant", "Oh."),
        ],
    ),
    "a pair alone": (("human", "Hi."), [("user", "Hi.")]),
    "a tuple of texts": (("Hi.", "Ho."), [("user", "Hi."), ("user", "Ho.")]),
    "Gemini": ([{"role": "model", "parts": [{"text": "Hi."}]}], [("assistant", "Hi.")]),
    "a picture": ([{"role": "user", "content": [PICTURE]}], [("user", "[image]")]),
    "a picture without a list": ([{"role": "user", "content": PICTURE}], [("user", "[image]")]),
    "sound": (
        [{"role": "assistant", "content": None, "audio": {"transcript": "Hi."}}],
        [("assistant", "Hi.")],
    ),
    "a refusal": (
        [{"role": "assistant", "content": None, "refusal": "I cannot."}],
        [("assistant", "I cannot.")],
    ),
    "a generator": ((text for text in ("Hi.", "Ho.")), [("user", "Hi."), ("user", "Ho.")]),
}


@pytest.mark.parametrize(("given", "turns"), IN_HAND.values(), ids=IN_HAND)
def test_what_people_have_in_their_hands_becomes_turns(
    memory: Memory, given: Any, turns: list[tuple[str, str]]
) -> None:
    memory.add(given)
    assert said(memory.store) == turns


def test_messages_of_installed_libraries_become_turns(memory: Memory) -> None:
    chat = pytest.importorskip("openai.types.chat")
    responses = pytest.importorskip("openai.types.responses")
    memory.add(
        [
            chat.ChatCompletionMessage(role="assistant", content="Oh."),
            responses.ResponseOutputMessage(
                id="1",
                role="assistant",
                status="completed",
                type="message",
                content=[{"type": "output_text", "text": "Ah.", "annotations": []}],
            ),
        ]
    )
    assert said(memory.store) == [("assistant", "Oh."), ("assistant", "Ah.")]
    messages = pytest.importorskip("langchain_core.messages")
    memory.add([messages.HumanMessage("Hi."), messages.AIMessage("Ho."), ("ai", "Hm.")])
    assert said(memory.store)[2:] == [("user", "Hi."), ("assistant", "Ho."), ("assistant", "Hm.")]


def test_characters_that_no_database_keeps_are_replaced_and_counted(memory: Memory) -> None:
    ids = memory.add(["Hi \0 and \ud83d.", "Ho \ufffd."])
    assert len(ids) == 2
    assert [(skipped.where, skipped.why) for skipped in ids.skipped] == [
        ("message 1", "characters that no database keeps became U+FFFD: 2")
    ]


def test_what_becomes_no_turn_is_skipped_and_counted(memory: Memory) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "I sail."},
        {"role": "assistant", "content": "\u200b"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
        Turn("Anna", " \u2060 "),
        "",
    ]
    ids = memory.add(messages)
    assert ids == [1]
    assert [(skipped.where, skipped.why) for skipped in ids.skipped] == [
        ("message 1", "instructions to a model"),
        ("message 3", "it has no text that can be seen"),
        ("message 4", "a tool's call or result in a chat"),
        ("message 5", "a tool's call or result in a chat"),
        ("message 6", "it has no text that can be seen"),
        ("message 7", "it has no text that can be seen"),
    ]
    alone = memory.add({"role": "assistant", "content": "\u200b"})
    assert (alone, len(alone.skipped)) == ([], 1)
    for text in ("", Turn("Anna", "\u200b")):
        with pytest.raises(InputError, match="has no text"):
            memory.add(text)


def test_the_speaker_of_texts_and_of_the_user_can_be_named(memory: Memory) -> None:
    given: list[Any] = ["Hi.", ("user", "Ho."), ("assistant", "Oh."), Turn("Ben", "Yes.")]
    memory.add(given, speaker="Alex")
    memory.add("I live in Oslo.", speaker="Alex")
    assert [turn.speaker for turn in memory.get_all()] == [
        *("Alex", "Alex", "assistant", "Ben", "Alex")
    ]
    assert [(fact.subject, fact.value) for fact in memory.facts()] == [("Alex", "Oslo")]


def test_what_a_message_says_of_itself_is_kept(memory: Memory) -> None:
    message = {"role": "user", "content": "Hi.", "metadata": {"n": 3}, "thread_id": "t1"}
    memory.add(message, metadata={"n": 4}, run_id="t2")
    [turn] = memory.get_all()
    assert (turn.session, turn.tags) == ("t1", {"n": "3"})


def test_numbers_in_metadata_and_in_filters_are_one_kind(memory: Memory) -> None:
    memory.add("I like tea.", metadata={"n": 3, "ok": True, "l": [1, 2.5], "none": None})
    memory.add("I like cocoa.", tags={"n": 30})
    for tags in ({"n": 3}, {"n": "3"}, {"n": 3.0}, {"ok": True}, {"l": 2.5}, {"n": [3, 4]}):
        assert [hit.turn_id for hit in memory.search("like", filters={"tags": tags})] == [1]
    assert memory.get_all()[0].tags == {"n": "3", "ok": "true", "l": ["1", "2.5"]}


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
        ("x", {"immutable": True}, "add takes no immutable=; it takes turns=, speaker="),
        ("x", {"infer": True}, "add takes no infer=; write memory.digest("),
        ("x", {"wings": 2}, "add takes no wings=; it takes turns=, speaker="),
        ("x", {"metadata": {"plan": {"a": 1}}}, "write anything else as JSON text: json.dumps("),
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
