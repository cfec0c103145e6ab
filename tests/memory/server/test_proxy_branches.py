"""Chats behind the proxy that part: an edited message, and answers to the same message."""

from collections.abc import Sequence
from typing import Any

import pytest

from memory import open_store
from memory.server import proxy as proxy_module
from memory.store import namespaces
from tests.memory.server.test_proxy import proxied
from tests.support.upstream import Upstream

BOTH_STORES = "slow"

Messages = list[dict[str, str]]


@pytest.fixture(autouse=True)
def memories_have_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_module, "MEMORY_SECONDS", 60.0)


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


def test_an_edited_message_and_the_earlier_one_both_stay(nora: str, upstream: Upstream) -> None:
    with proxied(upstream, namespace=nora) as client:
        chat = Chat(client, upstream)
        chat.say("Good morning.")
        chat.say("I live in Oslo.")
        assert chat.edit(2, "I live in Bergen.") == "both"
        assert chat.send(chat.messages[:-1]) == "both"  # sent again
    assert texts() == said("Good morning.", "I live in Oslo.", "I live in Bergen.")


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
