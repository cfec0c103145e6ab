"""An abstention shows the nearest turns, with who said them and when, at every door."""

import io
from collections.abc import Callable
from functools import partial

import pytest
from rich.console import Console
from typer.testing import CliRunner

from memory import Memory, Turn, open_store
from memory.__main__ import app
from memory.cli.chat.background import Background
from memory.cli.chat.screen import Screen
from memory.cli.chat.session import Chat
from memory.evidence.messages import NEAREST_HEAD
from memory.models import Model
from memory.operations.tools import memory_tools
from memory.records import ABSTAIN
from memory.server.handles import Handles
from memory.server.mcp_server import mcp_server
from memory.store.namespaces import create, existing
from tests.support.mcp_clients import text_of, use
from tests.support.page_client import finished, page_client, shown
from tests.support.scripted import answer, patch_load_model, scripted_model, scripted_packaged_model
from tests.support.serving import serving, token

QUESTION = "Which instrument does Ben play?"
NEAREST = "Ben, 8 May 2017: \u201cWe got a puppy, her name is Figaro.\u201d"

WHEN_IT_PAYS = True


def packaged() -> Model:
    """A packaged model that answers nothing."""
    return scripted_packaged_model([([], answer(ABSTAIN))])


def hosted(text: str) -> Model:
    """A larger model that answers so, in its own words too, and names no turn."""
    return scripted_model([([QUESTION], says(text))])


def says(text: str) -> str:
    """What a model answers to a question, and to a message of a chat."""
    return "".join(f"[[ ## {name} ## ]]\n{text}\n" for name in ("answer", "reply"))


SILENT: dict[str, Callable[[], Model]] = {
    "packaged": packaged,
    **{
        text: partial(hosted, text)
        for text in (
            ABSTAIN,
            f"{ABSTAIN}.",
            f'"{ABSTAIN}" about instruments.',
            "Ben never names an instrument of his.",
        )
    },
}
ModelOf = Callable[[], Model]


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


def by_sdk(silent: ModelOf) -> str:
    with Memory(existing("anna"), model=silent()) as memory:
        asked = memory.ask(QUESTION)
    assert asked.basis == ("model" if "never" in asked.text else "quotes")
    first = asked.quotations[0]
    return f"{NEAREST_HEAD} {first.speaker}, 8 May 2017: \u201c{first.text}\u201d {first.said_at}"


def by_command(silent: ModelOf) -> str:
    return CliRunner().invoke(app, ["ask", QUESTION, "-n", "anna"]).output


def by_page(silent: ModelOf) -> str:
    with page_client(silent()) as client:
        begun = client.post("/m/anna/ask", data={"question": QUESTION})
        page = shown(finished(client, str(begun.url)))
    assert page.index("Nearest in this memory") < page.index("Figaro")
    assert "Which instruments are loud" in page, "a hit that was shown stays"
    return _as_line(page)


def by_page_chat(silent: ModelOf) -> str:
    with page_client(silent()) as client:
        client.post("/m/anna/chat", data={"text": QUESTION, "session": "now"})
        page = shown(finished(client, "/m/anna/chat?session=now"))
    return _as_line(page)


def _as_line(page: str) -> str:
    """The nearest turn as the other doors write it, where a page shows it."""
    for part in ("Nearest in this memory", "Ben", "8 May 2017", "We got a puppy"):
        assert part in page
    return f"{NEAREST_HEAD} {NEAREST}"


def by_tool(silent: ModelOf) -> str:
    with Memory(existing("anna"), model=silent()) as memory:
        [ask] = [tool for tool in memory_tools(memory) if tool.__name__ == "ask_memory"]
        return ask(QUESTION)


def by_mcp(silent: ModelOf) -> str:
    handles = Handles(silent())
    try:
        return use(
            mcp_server(handles, "anna"),
            lambda client: text_of(client, "ask_memory", question=QUESTION),
        )
    finally:
        handles.close()


def by_json_api(silent: ModelOf) -> str:
    with serving(silent(), signed_in=False) as client:
        told = client.post(
            "/api/anna/ask", json={"question": QUESTION}, headers=token("anna")
        ).json()
    assert told["basis"] == ("model" if "never" in told["answer"] else "quotes")
    first = told["nearest"][0]
    assert first["said_at"] == "2017-05-08"
    return f"{NEAREST_HEAD} {first['speaker']}, 8 May 2017: \u201c{first['text']}\u201d"


def by_chat(silent: ModelOf) -> str:
    shown_lines = io.StringIO()
    with Memory(existing("anna"), model=silent()) as memory:
        background = Background(existing("anna"), memory.model, digests=False)
        screen = Screen(Console(file=shown_lines, width=200), lambda prompt: "")
        chat = Chat(memory, background, screen, "anna", speaker="Anna")
        chat.exchange(QUESTION)
        stored = memory.store.turns()[-1].text
        background.end()
    if "never" in stored:
        assert "Figaro" not in stored, "what is nearest is beside the reply, not in it"
    return shown_lines.getvalue()


DOORS: dict[str, Callable[[ModelOf], str]] = {
    "SDK": by_sdk,
    "command": by_command,
    "page": by_page,
    "page's chat": by_page_chat,
    "tool": by_tool,
    "MCP": by_mcp,
    "JSON API": by_json_api,
    "chat": by_chat,
}


@pytest.mark.few(10)
@pytest.mark.parametrize("silent", SILENT)
@pytest.mark.parametrize("door", DOORS)
def test_an_abstention_shows_who_said_what_is_nearest_and_when(
    door: str, silent: str, memories: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SILENT[silent]
    patch_load_model(monkeypatch, lambda name, *_, **settings: model())
    told = DOORS[door](model)
    assert NEAREST_HEAD in told
    assert NEAREST in told
