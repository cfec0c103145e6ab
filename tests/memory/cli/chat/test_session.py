"""The chat without a terminal: what is stored when, what is shown, what is asked before harm."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

import pytest
from rich.console import Console

from memory import Memory, Turn, open_store
from memory.cli.chat.background import Background
from memory.cli.chat.commands import talk
from memory.cli.chat.screen import Screen
from memory.cli.chat.session import Chat
from memory.errors import InputError, ModelError
from memory.models import Model, load_model
from memory.records import CUT_ANSWER
from memory.store.configuration.declared_settings import Settings, name_of
from tests.support.local_http import Handler, completion, local_http
from tests.support.scripted import sql
from tests.support.talk import FACT, Talker, talker

BOTH_STORES = "slow"

Line = str | BaseException


def says(text: str, turns: str = "") -> str:
    return f"[[ ## reply ## ]]\n{text}\n\n[[ ## turns ## ]]\n{turns}\n\n[[ ## completed ## ]]"


def replier(
    reply: Callable[[str], str] = lambda _: says("I see."), window: int = 16
) -> tuple[Model, Talker]:
    return talker(window=window, answer=reply)  # a reply's prompt shows a memory, as an answer's


def chat(
    address: str,
    lines: Iterable[Line],
    model: Model | None = None,
    attended: bool = True,
    digests: bool = True,
    **named: str | None,
) -> str:
    """What a chat of these lines shows. An exception among them is what reading raises."""
    left = iter(lines)

    def read(prompt: str) -> str:
        line = next(left, EOFError())
        if isinstance(line, BaseException):
            raise line
        return line

    shown = io.StringIO()
    loaded = model or replier()[0]
    with open_store(address) as store:
        since = max((turn.id for turn in store.turns()), default=0) + 1
        background = Background(address, loaded, since=since, digests=digests)
        screen = Screen(Console(file=shown, width=200), read, attended=attended)
        try:
            talk(Chat(Memory(store, model=loaded), background, screen, "anna", **named))
        finally:
            background.end()
    return shown.getvalue()


def turns(address: str) -> list[tuple[str, str]]:
    with open_store(address) as store:
        return [(turn.speaker, turn.text) for turn in store.turns()]


# ---------------------------------------------------------------------------------- said and kept


def test_both_sides_of_an_exchange_become_turns_of_a_session(address: str) -> None:
    shown = chat(address, ["My dog is called Rufus.", "bye"], speaker="Anna", character="Miku")
    assert "Miku: I see." in shown
    assert turns(address) == [("Anna", "My dog is called Rufus."), ("Miku", "I see.")]
    with open_store(address) as store:
        [first, second] = store.turns()
    assert first.session == second.session
    assert datetime.fromisoformat(first.session) <= datetime.fromisoformat(first.said_at)


def test_a_reply_says_what_it_was_made_from(address: str) -> None:
    with open_store(address) as store:
        store.add([Turn("Anna", "My dog is called Rufus.", said_at="2024-05-01")])
    lines = ["What is my dog called?", "/why 3", "/why 1", "/why 2", "/why x", "bye"]
    shown = chat(address, lines, replier(lambda _: says("Rufus."))[0], speaker="Anna")
    assert "the block of turn 3 held:\n[1] (" in shown
    assert "1 reply was shaped by it: turn 3" in shown
    assert "turn 2 has no trace" in shown
    assert "'x' is no turn's id" in shown


def test_no_reply_is_made_from_what_is_kept_out(address: str) -> None:
    prompts: list[str] = []

    def reply(prompt: str) -> str:
        prompts.append(prompt)
        return says("I see.")

    with Memory(address) as memory:
        memory.add([("Anna", "My dog is called Rufus."), ("Anna", "My cat is called Miso.")])
        memory.keep_out(1)
    chat(address, ["What is my dog called? And my cat?"], replier(reply)[0], speaker="Anna")
    assert "Miso" in prompts[0]
    assert not any("Rufus" in prompt for prompt in prompts)
    with Memory(address) as memory:
        memory.unpin(1)
    chat(address, ["What is my dog called?"], replier(reply)[0], speaker="Anna")
    assert any("Rufus" in prompt for prompt in prompts)


def test_a_turn_is_on_disk_before_the_model_is_asked(address: str) -> None:
    seen: list[list[tuple[str, str]]] = []

    def reply(prompt: str) -> str:
        seen.append(turns(address))
        return says("Yes.")

    chat(address, ["Hello."], replier(reply)[0])
    assert seen == [[("User", "Hello.")]]


@pytest.mark.slow
def test_facts_are_stored_in_the_background_and_the_rest_at_the_end(address: str) -> None:
    def slowly(prompt: str) -> str:
        time.sleep(0.3)  # what is said waits for a window to be full
        return says("I see.")

    model, engine = replier(slowly, window=2)
    chat(address, ["I sang one song.", "I sang two songs."], model)
    assert engine.calls()["store"] == 2
    with open_store(address) as store:
        assert [change.window for change in store.changes()] == [(1, 2), (3, 4)]
        assert store.pending() == []


@pytest.mark.slow
def test_what_waits_from_before_is_stored_when_somebody_says_so(address: str) -> None:
    with open_store(address) as store:
        store.add([Turn("Anna", f"My dog is called Rufus {n}.", "s") for n in range(40)])
    model, engine = replier()
    shown = chat(address, ["Hello.", "bye", "no"], model)
    assert "3 calls of talker" in shown
    assert "`memory digest`" in shown
    assert engine.calls()["store"] == 1
    with open_store(address) as store:
        assert [change.window for change in store.changes()] == [(41, 42)]
        assert [(p.first_turn, p.last_turn) for p in store.pending()] == [(1, 40)]

    assert "40 turns from before" in chat(address, ["bye", "yes"], model)
    assert engine.calls()["store"] == 4
    with open_store(address) as store:
        assert [change.window for change in store.changes()[1:]] == [(1, 16), (17, 32), (33, 40)]
        assert store.pending() == []
    assert "from before" not in chat(address, ["bye"], model)


@pytest.mark.slow
@pytest.mark.parametrize("digests", [True, False])
def test_where_nobody_types_or_wants_facts_an_import_waits_unasked(
    address: str, digests: bool
) -> None:
    with open_store(address) as store:
        store.add([Turn("Anna", "My dog is called Rufus.", "s")])
    model, engine = replier(window=2)
    shown = chat(address, ["Hello.", "Hi.", "bye"], model, attended=not digests, digests=digests)
    assert "from before" not in shown
    assert engine.calls().get("store", 0) == 2 * digests
    with open_store(address) as store:
        assert [change.window for change in store.changes()] == [(2, 3), (4, 5)][: 2 * digests]


def test_a_model_that_fails_costs_a_line_and_no_turn(address: str) -> None:
    def fails(prompt: str) -> str:
        raise ConnectionError("gone")

    model, _ = talker(answer=fails, retrieve=fails, store=fails)
    shown = chat(address, ["Hello.", "Still there?", "bye"], model)
    assert shown.count("error: ") == 2
    assert "facts wait" in shown
    assert [text for _, text in turns(address)] == ["Hello.", "Still there?"]


@pytest.mark.slow
@pytest.mark.parametrize("happens", [KeyboardInterrupt(), ModelError("the server is gone")])
def test_a_reply_that_is_interrupted_is_kept_as_far_as_it_was_shown(
    address: str, happens: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stream(*_: object) -> Iterator[str]:
        yield "Once upon "
        raise happens

    monkeypatch.setattr("memory.program.chat.stream", stream)
    chat(address, ["Tell me a story.", "Go on."])
    assert [text for _, text in turns(address)] == [
        "Tell me a story.",
        "Once upon",
        "Go on.",
        "Once upon",
    ]
    with open_store(address) as store:
        assert [turn.tags for turn in store.turns()] == [{}, CUT_ANSWER, {}, CUT_ANSWER]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["", "   ", "\x1b[31mred\x07", "bye"], ["[31mred"]),
        (["half \ud83d here"], ["half \N{REPLACEMENT CHARACTER} here"]),
        (["two\nlines"], ["two\nlines"]),
        (["long " * 20_000], [("long " * 20_000).strip()]),
        ([KeyboardInterrupt(), "hi", KeyboardInterrupt(), KeyboardInterrupt(), "no"], ["hi"]),
        (["\N{FAMILY}\u200d\N{DOG} BYE", "Bye"], ["\N{FAMILY}\u200d\N{DOG} BYE"]),
    ],
)
def test_whatever_is_typed_is_taken_as_it_can_be(
    address: str, lines: list[Line], said: list[str]
) -> None:
    shown = chat(address, lines)
    assert [text for speaker, text in turns(address) if speaker == "User"] == said
    assert "\x1b" not in shown


# ---------------------------------------------------------------------------------- who is who


def test_the_next_start_greets_whom_it_knows(address: str) -> None:
    assert "here we are again" not in chat(address, ["Hello."], speaker="Anna", character="Miku")
    shown = chat(address, [])
    assert "Miku: Hello Anna, here we are again! We last spoke on " in shown


def test_a_user_who_tells_a_name_later_stays_the_same(address: str) -> None:
    model, engine = replier()
    chat(
        address, ["My dog is called Rufus.", "/speaker Anna", "Hello.", "/rename Ann", "Hi."], model
    )
    said = [turn for turn in turns(address) if turn[0] != "Assistant"]
    assert said[1:] == [
        ("User", "My name is Anna."),
        ("Anna", "Hello."),
        ("Anna", "My name is Ann."),
        ("Ann", "Hi."),
    ]
    assert "[[ ## known_as ## ]]\nUser, Anna" in engine.prompts_for("answer")[-1]
    assert "Hello Ann," in chat(address, [], model)


def test_a_persona_that_the_packaged_model_does_not_take_is_called_so(address: str) -> None:
    packaged = load_model("local")
    by_packaged = chat(address, ["bye"], packaged, persona="a pirate", digests=False)
    assert "needs a larger model" in by_packaged
    assert "needs a larger model" not in chat(address, ["bye"], persona="a pirate")


@pytest.mark.slow
def test_a_name_on_the_command_line_is_told_or_somebody_else(address: str) -> None:
    chat(address, ["Hello."])
    chat(address, ["It is me."], speaker="Anna")
    chat(address, ["I am her brother."], speaker="Ben")
    said = [turn for turn in turns(address) if turn[0] != "Assistant"]
    assert said == [
        ("User", "Hello."),
        ("User", "My name is Anna."),
        ("Anna", "It is me."),
        ("Ben", "I am her brother."),
    ]
    assert "Hello Anna," in chat(address, [])


def test_several_people_may_speak(address: str) -> None:
    shown = chat(
        address, ["/speaker Anna", "/speaker Ben", "Hi.", "/rename Tom", "/speaker Anna", "Bye."]
    )
    speakers = [speaker for speaker, _ in turns(address)]
    assert speakers == ["User", "Ben", "Assistant", "Anna", "Assistant"]
    assert turns(address)[0] == ("User", "My name is Anna.")
    assert "error: Ben speaks" in shown


@pytest.mark.slow
def test_another_character_shares_the_memory_and_the_persona(address: str) -> None:
    chat(address, ["Hello."], character="Miku", persona="a pirate")
    model, engine = replier()
    chat(address, ["Hello?"], model, character="Luka")
    [prompt] = engine.prompts_for("answer")
    assert "[[ ## character ## ]]\nLuka" in prompt
    assert "[[ ## persona ## ]]\na pirate" in prompt


@pytest.mark.parametrize("name", ["", "a:b", "x" * 61, "a\x1bb"])
def test_a_name_must_fit_before_a_colon(name: str) -> None:
    with pytest.raises(InputError, match="is not a name"):
        name_of(name)


def test_the_settings_refuse_the_names_that_the_chat_refuses(address: str) -> None:
    chat(address, [], speaker="Anna")
    with open_store(address) as store:
        settings = Settings(store)
        for name in ("user", "character"):
            with pytest.raises(InputError, match="is not a name"):
                settings.set_text(name, "a:b")
        settings.set_text("persona", "a pirate: loud")
        assert settings.set_text("user", " Ann  Lee ").value == "Ann Lee"
    assert "Hello Ann Lee" in chat(address, [])


# ---------------------------------------------------------------------------------- the reply


def test_the_model_sees_the_memory_and_what_was_just_said(address: str) -> None:
    chat(address, ["My dog is called Rufus."], speaker="Anna")
    model, engine = replier(lambda _: says("Rufus!", "1, 99"))
    shown = chat(address, ["I fed the dog.", "/why", "What is his name?", "/why"], model)
    first, second = engine.prompts_for("answer")
    memory, recent = first.split("[[ ## recent ## ]]")
    assert "[1] Anna: My dog is called Rufus." in memory
    assert "I fed the dog." not in memory
    assert "Anna: I fed the dog." in recent
    assert "Anna: I fed the dog." in second.split("[[ ## recent ## ]]")[1]
    assert "Anna: I fed the dog." not in second.split("[[ ## recent ## ]]")[0]
    assert "SELECT turn_id, value FROM facts" in shown
    assert "sources:\n[1] (" in shown


def test_a_reply_out_of_form_is_a_reply_and_an_empty_one_is_none(address: str) -> None:
    chat(address, ["Hello."], replier(lambda _: "Just words.")[0])
    assert turns(address)[-1] == ("Assistant", "Just words.")
    assert "Assistant: (says nothing)\n" in chat(address, ["Hi."], replier(lambda _: says(""))[0])
    assert turns(address)[-1] == ("User", "Hi.")


@contextmanager
def streaming(heard: threading.Event, thought: Sequence[str] = ()) -> Iterator[str]:
    """The address of a server that speaks in pieces, the last one when somebody heard the first.

    The pieces of a thought come before them.
    """

    class Answers(Handler):
        def do_POST(self) -> None:
            asked = self.asked()
            self.send_response(200)
            self.end_headers()
            if not asked.get("stream"):
                self._write("message", "[[ ## sql ## ]]\n-- none", "stop")
                return
            for piece in (*thought, "[[ ## reply ## ]]\n", "Once ", *["and again "] * 12):
                self._write("delta", piece)
            heard.wait(10)
            self._write("delta", "the end.\n\n[[ ## turns ## ]]\n\n[[ ## completed ## ]]", "stop")

        def _write(self, key: str, text: str, end: str | None = None) -> None:
            said = {"role": "assistant", "content": text}
            choice = {"index": 0, key: said, "finish_reason": end}
            body = {"id": "1", "model": "m", "choices": [choice]}
            mark = b"data: " if key == "delta" else b""
            self.wfile.write(mark + json.dumps(body).encode() + b"\n\n")

    with local_http(Answers) as address:
        yield f"{address}/v1"
        heard.set()


@pytest.mark.parametrize(
    "thought", [(), ("<thi", "nk>\nI may begin with ", "[[ ## reply ## ]]\nTwice.", "</think>\n\n")]
)
def test_a_reply_is_heard_while_the_model_still_speaks(
    address: str, thought: Sequence[str]
) -> None:
    heard = threading.Event()
    with (
        streaming(heard, thought) as server_address,
        Memory(address, "openai/m", api_base=server_address) as memory,
    ):
        [turn_id] = memory.add(Turn("Anna", "Hello.", "s", "2026-11-20"))
        reply = memory.reply(memory.store.turn(turn_id))
        said = ""
        for piece in reply:
            said += piece
            heard.set()
        assert said == f"Once {'and again ' * 12}the end."
        assert list(reply) == []
        assert reply.answer is not None
        assert reply.answer.text == said


@contextmanager
def unable_to_stream(status: int) -> Iterator[tuple[str, list[bool]]]:
    """The address of a server that never streams, and whether each request asked it to.

    It ignores the wish for a stream (status 200) or refuses it.
    """
    asked_to_stream: list[bool] = []

    class Answers(Handler):
        def do_POST(self) -> None:
            asked = self.asked()
            asked_to_stream.append(bool(asked.get("stream")))
            refused = asked.get("stream") and status != 200
            is_query = "[[ ## question ## ]]" in asked["messages"][-1]["content"]
            text = sql("SELECT 1") if is_query else says("Hello there.")
            if refused:
                error = {"message": "'stream' is not supported", "code": str(status)}
                self.send({"error": error}, status)
            else:
                self.send(completion(text))

    with local_http(Answers) as address:
        yield f"{address}/v1", asked_to_stream


@pytest.mark.parametrize("status", [200, 400])
def test_a_server_that_does_not_stream_replies_in_one_piece(address: str, status: int) -> None:
    with (
        unable_to_stream(status) as (server_address, asked_to_stream),
        Memory(address, "openai/m", api_base=server_address) as memory,
    ):
        [turn_id] = memory.add(Turn("Anna", "Hello.", "s", "2026-11-20"))
        for _ in range(2):
            reply = memory.reply(memory.store.turn(turn_id))
            assert list(reply) == ["Hello there."]
            assert reply.answer is not None
            assert reply.answer.text == "Hello there."
    assert asked_to_stream.count(True) == 1, "asked again, each reply would be paid twice"


# ---------------------------------------------------------------------------------- commands


def test_undo_takes_the_last_change_back_and_says_what(address: str) -> None:
    chat(address, ["I painted the blue shed."])
    shown = chat(address, ["/memory", "/undo", "/memory", "/undo"], attended=False)
    assert "2 turns (Assistant 1, User 1), 1 fact about 1 subject\nUser\n  did: " in shown
    assert "undid change 1 (digest by talker):\nINSERT INTO facts" in shown
    assert ", 0 facts" in shown
    assert "no change to undo" in shown


def test_where_the_model_stores_no_facts_it_is_asked_for_none(address: str) -> None:
    model = replace(replier()[0], name="local", size="small")
    shown = chat(address, ["/memory", "bye"], model)
    assert "0 facts about 0 subjects" in shown
    assert "storing facts" not in shown


def test_the_facts_shown_are_those_that_hold_today(address: str) -> None:
    columns = "subject, attribute, value, happened_on, ended_on, turn_id"
    values = "('Ann', 'a', 'x', '', '2931', 1), ('Ann', 'works_at', 'y', '2930', '', 1)"
    with open_store(address) as store:
        store.add([Turn("Anna", "I moved.")])
        store.write(f"INSERT INTO facts ({columns}) VALUES {values}", cause="test")
    shown = chat(address, ["/memory"])
    assert "  a: x [1]" in shown
    assert "works" not in shown


def test_undo_goes_by_what_a_change_did_not_by_how_its_cause_begins(address: str) -> None:
    with open_store(address) as store:
        store.add([Turn("Anna", "I moved.")])
        store.write(FACT.format(1), cause="undone by hand, then redone")
    assert "undid change 1 (undone by hand, then redone)" in chat(address, ["/undo"])


def test_forgetting_asks_and_shows_what_goes(address: str) -> None:
    chat(address, ["My PIN is 4711.", "Nice day."])
    shown = chat(address, ["/forget 4711", "no", "/forget nothing", "/forget", "/memory"])
    assert "nothing was changed" in shown
    assert "nothing was removed" in shown
    assert "error: give a text" in shown
    shown = chat(address, ["/forget pin", "yes", "/memory"])
    assert "forgot 1 turn and " in shown
    assert [text for _, text in turns(address)] == ["I see.", "Nice day.", "I see."]


def test_forgetting_waits_for_the_window_under_way(address: str) -> None:
    begun = threading.Event()

    def slowly(prompt: str) -> str:
        begun.set()
        time.sleep(0.2)
        return sql(FACT.format(1).replace("'Ann'", "'User'").replace("part", "walk"))

    def lines() -> Iterator[str]:
        yield "My PIN is 4711, and I went for walk 1."
        assert begun.wait(60)
        yield from ("/forget pin", "yes")

    model, _ = talker(answer=lambda _: says("I see."), store=slowly)
    assert "forgot 1 turn and 1 fact\n" in chat(address, lines(), model)


def test_the_memory_is_counted_whole(address: str) -> None:
    with open_store(address) as store:
        store.add([Turn(f"Guest {n:03}", "Hello.", "s") for n in range(201)])
    shown = chat(address, ["/memory", "reset"])
    assert shown.count("201 turns (Guest 000 1, Guest 001 1, ") == 2
    assert shown.count(", 191 others), ") == 2


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["yes", "Anna"])
def test_a_reset_names_what_goes_and_wipes_it(address: str, answer: str) -> None:
    chat(address, ["My dog is called Rufus."])
    shown = chat(address, ["reset", "y", "reset", EOFError()])
    assert "wipes the memory 'anna': 2 turns" in shown
    assert shown.count("nothing was changed") == 2
    assert len(turns(address)) == 2
    assert "forgot 2 turns" in chat(address, ["/reset", answer])
    assert turns(address) == []
    assert "again" not in chat(address, ["reset"])


def test_an_unknown_command_is_called_so_and_help_is_no_message(address: str) -> None:
    assert "unknown command /nonsense; /help lists" in chat(address, ["/nonsense 1"])
    assert chat(address, ["help", "/help", "Help"]).count("/forget TEXT") == 3
    assert turns(address) == []
    assert "no answer yet" in chat(address, ["/why"])
