"""An abstention shows the nearest turns, with who said them and when, at every door."""

from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from memory import Memory, Turn, open_store
from memory.__main__ import app
from memory.namespaces import create, existing
from memory.program.messages import ABSTAIN, NEAREST_HEAD
from memory.program.packaged import PackagedModel
from memory.server.handles import Handles
from memory.server.mcp_server import mcp_server
from memory.tools import memory_tools
from tests.support.mcp_clients import text_of, use
from tests.support.page_client import finished, page_client, shown
from tests.support.scripted import answer, scripted_packaged_model
from tests.support.serving import serving, token

QUESTION = "Which instrument does Ben play?"
NEAREST = "Ben, 8 May 2017: \u201cWe got a puppy, her name is Figaro.\u201d"


def silent() -> PackagedModel:
    """A model that answers nothing."""
    return scripted_packaged_model([([], answer(ABSTAIN))])


@pytest.fixture
def memories(home: str) -> str:
    """A home with one memory, anna: what Anna and Ben said."""
    with open_store(create("anna")) as store:
        store.add(
            [
                Turn("Anna", "The kettle is broken.", said_at="2017-05-07"),
                Turn("Ben", "We got a puppy, her name is Figaro.", said_at="2017-05-08"),
                Turn("Anna", "Which instruments are loud, Ben?", said_at="2017-05-08"),
            ]
        )
    return home


def by_sdk() -> str:
    with Memory(existing("anna"), model=silent()) as memory:
        asked = memory.ask(QUESTION)
    assert (asked.text, asked.basis) == (ABSTAIN, "quotes")
    first = asked.quotations[0]
    return f"{NEAREST_HEAD} {first.speaker}, 8 May 2017: \u201c{first.text}\u201d {first.said_at}"


def by_command() -> str:
    return CliRunner().invoke(app, ["ask", QUESTION, "-n", "anna"]).output


def by_page() -> str:
    with page_client(silent()) as client:
        begun = client.post("/m/anna/ask", data={"question": QUESTION})
        page = shown(finished(client, str(begun.url)))
    assert page.index("Nearest in this memory") < page.index("Figaro") < page.index("Also found")
    assert "Which instruments are loud" in page, "a hit that was shown stays"
    for told in ("Ben", "8 May 2017", "We got a puppy, her name is Figaro."):
        assert told in page
    return f"{NEAREST_HEAD} {NEAREST}"


def by_tool() -> str:
    with Memory(existing("anna"), model=silent()) as memory:
        [ask] = [tool for tool in memory_tools(memory) if tool.__name__ == "ask_memory"]
        return ask(QUESTION)


def by_mcp() -> str:
    handles = Handles(silent())
    try:
        return use(
            mcp_server(handles, "anna"),
            lambda client: text_of(client, "ask_memory", question=QUESTION),
        )
    finally:
        handles.close()


def by_json_api() -> str:
    with serving(silent(), signed_in=False) as client:
        told = client.post(
            "/api/anna/ask", json={"question": QUESTION}, headers=token("anna")
        ).json()
    assert (told["answer"], told["basis"]) == (ABSTAIN, "quotes")
    first = told["nearest"][0]
    assert first["said_at"] == "2017-05-08"
    return f"{NEAREST_HEAD} {first['speaker']}, 8 May 2017: \u201c{first['text']}\u201d"


def by_chat() -> str:
    with Memory(existing("anna"), model=silent()) as memory:
        return "".join(memory.reply(Turn("Anna", QUESTION, session="now")))


DOORS: dict[str, Callable[[], str]] = {
    "SDK": by_sdk,
    "command": by_command,
    "page": by_page,
    "tool": by_tool,
    "MCP": by_mcp,
    "JSON API": by_json_api,
    "chat": by_chat,
}


@pytest.mark.parametrize("door", DOORS)
def test_an_abstention_shows_who_said_what_is_nearest_and_when(
    door: str, memories: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.program.loading.load_model", lambda name, *_, **settings: silent())
    told = DOORS[door]()
    assert NEAREST_HEAD in told
    assert NEAREST in told
