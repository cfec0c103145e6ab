"""Off the record at every door, to the byte: files, log, traces and queue hold none of it."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from memory import Memory, Turn, open_store
from memory.errors import StoreError
from memory.operations.tools import memory_tools
from memory.server.handles import Handles
from memory.server.mcp_server import mcp_server
from memory.store.namespaces import create, existing
from tests.memory.cli.chat.test_session import chat, says
from tests.support.commands import run
from tests.support.mcp_clients import text_of, use
from tests.support.page_client import page_client
from tests.support.scripted import answer
from tests.support.serving import serving, token
from tests.support.talk import talker

WORD = "Quackenbusch77"
QUESTION = f"What is my parrot called, {WORD}?"


def replying(word: str = WORD):  # type: ignore[no-untyped-def]
    """A model whose replies have the word, too."""
    return talker(
        answer=lambda prompt: (
            says(f"Kiki, {word}.", "1")
            if "[[ ## reply ## ]]" in prompt
            else answer(f"Kiki {word}", "1")
        )
    )[0]


@pytest.fixture
def anna(home_folder: Path) -> str:
    with open_store(create("anna")) as store:
        store.add([Turn("Anna", "My parrot is called Kiki.")])
    return "anna"


def said(name: str) -> list[object]:
    """All that a memory holds but its settings, which a chat begins with."""
    with open_store(existing(name), read_only=True) as store:
        return [row for row in store.dump() if row["table"] != "settings"]


def in_python(name: str) -> str:
    with Memory(existing(name), replying()) as memory, memory.off_the_record() as private:
        reply = "".join(private.reply(Turn("Anna", QUESTION)))
        with pytest.raises(StoreError):
            private.add(Turn("Anna", WORD))
        return f"{private.ask(QUESTION).text} {private.context(QUESTION).text} {reply}"


def by_tools_of_an_agent(name: str) -> str:
    with Memory(existing(name), replying()) as memory, memory.off_the_record() as private:
        tools = {tool.__name__: tool for tool in memory_tools(private)}
        with pytest.raises(StoreError):
            tools["remember"](turns=[{"text": WORD}])
        return tools["ask_memory"](question=QUESTION) + tools["recall"](query=QUESTION)


def over_http(name: str) -> str:
    with serving(replying(), signed_in=False) as client:
        client.headers.update(token(name, rights="read"))
        asked = {"question": QUESTION, "off_the_record": True}
        told = client.post(f"/api/{name}/ask", json=asked).text
        return told + client.post(f"/api/{name}/context", json={"messages": QUESTION}).text


def over_mcp(name: str) -> str:
    handles = Handles(replying())
    server = mcp_server(handles, name, groups=["operations"])
    told = use(
        server,
        lambda client: text_of(client, "ask", question=QUESTION, off_the_record=True),
    )
    handles.close()
    return told


def by_command(name: str) -> str:
    return run("admin", "call", "context", "--messages", json.dumps(QUESTION), "-n", name)


def in_a_chat(name: str) -> str:
    return chat(str(existing(name)), ["/private", QUESTION, "bye"], model=replying())


def on_the_page(name: str) -> str:
    with page_client(replying()) as client:
        told = client.post(
            f"/m/{name}/chat", data={"text": QUESTION, "session": "today", "private": "1"}
        )
        assert told.status_code < 400, told.text
        return "Kiki"


@pytest.mark.parametrize(
    "ask",
    [
        *(in_python, by_tools_of_an_agent, over_http, over_mcp),
        *(by_command, in_a_chat, on_the_page),
    ],
)
def test_no_byte_is_left_of_what_is_off_the_record(
    anna: str,
    home_folder: Path,
    caplog: pytest.LogCaptureFixture,
    ask: Callable[[str], str],
) -> None:
    """The proxy's door is in tests/memory/server/test_proxy.py."""
    caplog.set_level(logging.DEBUG, "memory")
    before = said(anna)
    assert "Kiki" in ask(anna)
    assert said(anna) == before
    left = {str(file): file.read_bytes() for file in home_folder.rglob("*") if file.is_file()}
    left["log"] = caplog.text.encode()
    assert [name for name, text in left.items() if WORD.encode() in text] == []
