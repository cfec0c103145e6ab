"""The branch of a chat that stands: behind the proxy an edited message takes another's place."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from memory import open_store
from memory.facts.audit import audit
from memory.records import Turn
from memory.server import proxy as proxy_module
from memory.server.proxy_messages import read_conversation
from memory.store import namespaces
from tests.memory.server.test_proxy import proxied
from tests.support.server_process import server_process
from tests.support.upstream import Upstream, upstream_server

BOTH_STORES = "slow"

Messages = list[dict[str, str]]


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    monkeypatch.setenv("OPENAI_API_KEY", "upstream-key-of-the-test")
    monkeypatch.setattr(proxy_module, "MEMORY_SECONDS", 60.0)
    with upstream_server() as server:
        yield server


@pytest.fixture
def nora(home: str) -> str:
    namespaces.create("nora")
    return "nora"


class Chat:
    """A client with its own list of messages, as a chat page has it."""

    def __init__(self, client: Any, upstream: Upstream, **headers: str) -> None:
        self._client = client
        self._upstream = upstream
        self._headers = headers
        self.messages: Messages = [{"role": "system", "content": "Be kind."}]

    def say(self, text: str, reply: str = "") -> str:
        """Say something after all that is in the chat; the header `x-memory-stored`."""
        self._upstream.reply = reply or f"About {text}"
        self.messages.append({"role": "user", "content": text})
        stored = self.send(self.messages)
        self.messages.append({"role": "assistant", "content": self._upstream.reply})
        return stored

    def send(self, messages: Sequence[dict[str, str]]) -> str:
        body = {"model": "m", "messages": [*messages]}
        answer = self._client.post("/v1/chat/completions", json=body, headers=self._headers)
        assert answer.status_code == 200, answer.text
        return str(answer.headers["x-memory-stored"])

    def edit(self, number: int, text: str) -> str:
        """Put another text in the place of the user's message of that number, from 1 on."""
        users = [n for n, message in enumerate(self.messages) if message["role"] == "user"]
        del self.messages[users[number - 1] :]
        return self.say(text)


def texts() -> list[str]:
    with open_store(namespaces.existing("nora"), read_only=True) as store:
        return [turn.text for turn in store.turns()]


def said(*messages: str) -> list[str]:
    return [text for message in messages for text in (message, f"About {message}")]


def homes() -> list[str]:
    with open_store(namespaces.existing("nora"), read_only=True) as store:
        rows = store.read("SELECT value FROM facts_now WHERE attribute = 'home'").rows
    return sorted(value for (value,) in rows)


def test_an_edited_message_takes_back_what_it_edited_over_http(
    nora: str, upstream: Upstream, tmp_path: Path
) -> None:
    command = ("memory", "serve", "proxy", "--namespace", nora, "--port", "0")
    options = (*command, "--api-base", upstream.address)
    with (
        server_process(tmp_path / "log", *options) as server,
        httpx.Client(base_url=server.address, timeout=60) as client,
    ):
        chat = Chat(client, upstream)
        chat.say("Good morning.")
        chat.say("I live in Oslo.")
        chat.say("What is near?")
        assert homes() == ["Oslo"]
        assert chat.edit(2, "I live in Bergen.") == "both, in place of 4 turns"
        assert chat.say("And what is near?") == "both"
    assert texts() == said("Good morning.", "I live in Bergen.", "And what is near?")
    assert homes() == ["Bergen"]
    with open_store(namespaces.existing(nora)) as store:
        assert not [hit for hit in store.search("Oslo") if "Oslo" in hit.text]
        assert not audit(store, ["index"])


def test_each_edit_takes_back_the_one_before(nora: str, upstream: Upstream) -> None:
    with proxied(upstream, namespace=nora) as client:
        chat = Chat(client, upstream)
        for text in ("Good morning.", "I live in Oslo.", "It rains.", "It pours."):
            chat.say(text)
        chat.edit(3, "It snows.")
        chat.edit(2, "I live in Rome.")
        chat.say("It is hot.")
        chat.edit(3, "It is dry.")
        assert chat.send(chat.messages[:-1]) == "both"  # sent again
    assert texts() == said("Good morning.", "I live in Rome.", "It is dry.")


def test_a_message_edited_back_is_stored_as_it_was(nora: str, upstream: Upstream) -> None:
    with proxied(upstream, namespace=nora) as client:
        chat = Chat(client, upstream)
        chat.say("Good morning.")
        chat.say("I live in Oslo.")
        chat.edit(2, "I live in Rome.")
        chat.edit(2, "I live in Oslo.")
    assert texts() == said("Good morning.", "I live in Oslo.")
    assert homes() == ["Oslo"]


def test_a_branch_that_a_client_goes_back_to_is_put_back(nora: str, upstream: Upstream) -> None:
    with proxied(upstream, namespace=nora) as client:
        chat = Chat(client, upstream)
        chat.say("Good morning.")
        chat.say("I live in Oslo.")
        first = [*chat.messages]
        with open_store(namespaces.existing(nora)) as store:
            before = {turn.text: (turn.said_at, turn.source) for turn in store.turns()}
        chat.edit(2, "I live in Rome.")
        other = Chat(client, upstream)
        other.messages = first
        other.say("It rains.")
        chat.say("It is hot.")
        other.say("It pours.")
        chat.edit(2, "I live in Paris.")
    # Two chats went on from one place: nothing is taken back there again.
    of_both = ["Good morning.", "I live in Oslo.", "I live in Rome.", "It is hot.", "It rains."]
    assert sorted(texts()) == sorted(said(*of_both, "It pours.", "I live in Paris."))
    with open_store(namespaces.existing(nora)) as store:
        after = {turn.text: (turn.said_at, turn.source) for turn in store.turns()}
    assert before.items() <= after.items()


def test_what_was_forgotten_of_a_branch_is_not_put_back(nora: str, upstream: Upstream) -> None:
    with proxied(upstream, namespace=nora) as client:
        chat, other = Chat(client, upstream), Chat(client, upstream)
        chat.say("Good morning.")
        chat.say("I live in Oslo.")
        other.messages = [*chat.messages]
        chat.edit(2, "I live in Rome.")
        other.say("It rains.")
        with open_store(namespaces.existing(nora)) as store:
            store.forget([turn.id for turn in store.turns() if turn.text == "I live in Oslo."])
        other.say("It pours.")
    assert "I live in Oslo." not in texts()


@pytest.mark.parametrize("headers", [{}, {"x-memory-session": "kitchen"}])
@pytest.mark.parametrize("window", [1, 2, 3, 4, 5])
def test_a_client_that_leaves_out_what_is_old_takes_nothing_back(
    window: int, headers: dict[str, str], nora: str, upstream: Upstream
) -> None:
    with proxied(upstream, namespace=nora) as client:
        chat = Chat(client, upstream, **headers)
        lines = ["Hello.", "I live in Oslo.", "Yes.", "Hello.", "I am well.", "Yes.", "Bye."]
        for text in lines:
            system, *rest = chat.messages
            message = {"role": "user", "content": text}
            upstream.reply = f"About {text}"
            chat.send([system, *[*rest, message][-window:]])
            chat.messages += [message, {"role": "assistant", "content": upstream.reply}]
    assert {*texts()} == {*said(*lines)}


def test_a_client_that_keeps_the_beginning_and_the_end_takes_nothing_back(
    nora: str, upstream: Upstream
) -> None:
    lines = [f"This is day {day}." for day in range(8)]
    with proxied(upstream, namespace=nora) as client:
        chat = Chat(client, upstream)
        for text in lines:
            message = {"role": "user", "content": text}
            upstream.reply = f"About {text}"
            chat.send([*chat.messages[:3], *chat.messages[3:][-2:], message])
            chat.messages += [message, {"role": "assistant", "content": upstream.reply}]
    assert texts() == said(*lines)


def praise(chat: Chat, town: str) -> None:
    chat.say(f"I like {town}.")
    chat.say(f"{town} is big.")


@pytest.mark.parametrize("replies", [("Hi.", "Hi.", "Hi."), ("Hi.", "Hello.", "Hi.")])
@pytest.mark.parametrize("is_interleaved", [False, True])
def test_chats_that_begin_alike_do_not_take_each_others_turns_back(
    is_interleaved: bool, replies: tuple[str, ...], nora: str, upstream: Upstream
) -> None:
    towns = ("Oslo", "Rome", "Paris")
    with proxied(upstream, namespace=nora) as client:
        chats = [Chat(client, upstream) for _ in towns]
        begins = [
            partial(chat.say, "Hello.", reply) for chat, reply in zip(chats, replies, strict=True)
        ]
        goes_on = [partial(praise, chat, town) for chat, town in zip(chats, towns, strict=True)]
        steps: list[partial[Any]] = [*begins, *goes_on]
        if not is_interleaved:
            steps = [step for pair in zip(begins, goes_on, strict=True) for step in pair]
        for step in steps:
            step()
    kept = texts()
    for town in towns:
        assert {*said(f"I like {town}.", f"{town} is big.")} <= {*kept}
    assert kept.count("Hello.") >= 1
    assert is_interleaved or {*replies} <= {*kept}


def test_a_chat_that_begins_as_one_of_another_day_takes_nothing_back(
    nora: str, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxied(upstream, namespace=nora) as client:
        for day, town in (("2026-03-01T09:00", "Oslo"), ("2026-03-02T09:00", "Rome")):
            monkeypatch.setattr(proxy_module, "local_now", lambda day=day: day)
            chat = Chat(client, upstream)
            chat.say("Hello.", "Hi.")
            chat.say(f"I like {town}.")
    assert texts() == [
        *("Hello.", "Hi.", *said("I like Oslo.")),
        *("Hello.", "Hi.", *said("I like Rome.")),
    ]


def test_a_message_of_another_day_is_edited_alike(
    nora: str, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxied(upstream, namespace=nora) as client:
        monkeypatch.setattr(proxy_module, "local_now", lambda: "2026-03-01T09:00")
        chat = Chat(client, upstream)
        chat.say("Hello.")
        chat.say("I like Oslo.")
        monkeypatch.setattr(proxy_module, "local_now", lambda: "2026-03-02T09:00")
        chat.messages[0]["content"] = "Be kind. Today is Monday."  # system prompts have dates
        chat.edit(2, "I like Rome.")
    assert texts() == said("Hello.", "I like Rome.")


def test_examples_before_a_question_are_no_chat_that_was_edited(
    nora: str, upstream: Upstream
) -> None:
    questions = ["What is in Oslo?", "What is in Rome?", "What is in Paris?"]
    with proxied(upstream, namespace=nora) as client:
        for question in questions:
            chat = Chat(client, upstream)
            chat.messages += [
                {"role": "user", "content": "What is in Bergen?"},
                {"role": "assistant", "content": "A fish market."},
            ]
            chat.say(question)
    assert texts() == said(*questions)


def test_turns_of_another_program_in_the_session_stay(nora: str, upstream: Upstream) -> None:
    with proxied(upstream, namespace=nora) as client:
        chat = Chat(client, upstream, **{"x-memory-session": "kitchen"})
        chat.say("Good morning.")
        chat.say("I live in Oslo.")
        with open_store(namespaces.existing(nora)) as store:
            store.add([Turn("Tom", "I bring bread.", "kitchen", source="note 7")])
        chat.edit(2, "I live in Rome.")
    kept = texts()
    assert "I bring bread." in kept
    assert "I live in Oslo." not in kept


def test_an_answer_that_a_chat_went_on_from_stays_beside_another(
    nora: str, upstream: Upstream
) -> None:
    with proxied(upstream, namespace=nora) as client:
        chat = Chat(client, upstream)
        chat.say("Hello.", "Hi.")
        chat.say("I like Oslo.")
        again = Chat(client, upstream)
        for reply in ("Good day.", "Good evening.", "Good evening."):
            again.messages = [chat.messages[0]]
            again.say("Hello.", reply)
    assert texts() == ["Hello.", "Hi.", *said("I like Oslo."), "Good evening."]


def test_a_long_chat_is_placed_in_little_time() -> None:
    messages = [
        {"role": role, "content": f"{role} says {n} " + "word " * 200}
        for n in range(2_000)
        for role in ("user", "assistant")
    ]
    conversation = read_conversation("chat/completions", {"messages": messages[:-1]})
    assert conversation is not None
    places = conversation.earlier()
    request, answer = conversation.exchange(4)
    assert request.place.here == places[4]
    assert request.source("s", "user", "d").rpartition(":")[2] == request.place.text
    assert answer == messages[5]["content"].strip()
