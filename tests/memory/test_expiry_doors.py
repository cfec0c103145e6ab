"""Expiry at every door: each can say when a turn is forgotten, and none shows it from then on."""

import io
import json
from collections.abc import Callable

import pytest
from rich.console import Console

from memory import Memory, Turn, open_store
from memory.cli.chat.background import Background
from memory.cli.chat.commands import talk
from memory.cli.chat.screen import Screen
from memory.cli.chat.session import Chat
from memory.operations.tools import memory_tools
from memory.server.handles import Handles
from memory.server.mcp_server import mcp_server
from memory.store.namespaces import create, existing
from memory.store.turns.expiry import expiring_turns
from tests.conftest import Wait
from tests.memory.cli.chat.test_session import replier, says
from tests.support.commands import run
from tests.support.mcp_clients import text_of, use
from tests.support.scripted import scripted_model
from tests.support.serving import ADDRESS, serving, token

WORD = "Quackenbusch77"
CODE = f"The code of the door is {WORD}."
PARROT = "I have a parrot called Kiki."
DAY = 86_400


@pytest.fixture
def anna(home_folder: object) -> str:
    """The name of a memory with a turn that stays."""
    with open_store(create("anna")) as store:
        store.add([Turn("Anna", PARROT)])
    return "anna"


def said(name: str) -> list[str]:
    with open_store(existing(name), read_only=True) as store:
        return [turn.text for turn in store.turns()]


def add_in_python(name: str) -> None:
    with Memory(existing(name), "local") as memory:
        memory.add(Turn("Anna", CODE), expires="1d")


def add_by_command(name: str) -> None:
    run("add", CODE, "--speaker", "Anna", "--expires", "1d", "-n", name)


def add_over_http(name: str) -> None:
    with serving(signed_in=False) as client:
        body = {"text": CODE, "speaker": "Anna", "expires": "1d"}
        added = client.post(f"/api/{name}/turns", json=body, headers=token(name, rights="write"))
        assert added.is_success, added.text


def add_over_mcp(name: str) -> None:
    handles = Handles(scripted_model([]))
    new = {"text": CODE, "speaker": "Anna", "expires": "1d"}
    use(mcp_server(handles, name), lambda client: text_of(client, "remember", turns=[new]))
    handles.close()


def add_by_a_tool(name: str) -> None:
    with Memory(existing(name), "local") as memory:
        remember = next(tool for tool in memory_tools(memory) if tool.__name__ == "remember")
        remember(turns=[{"text": CODE, "speaker": "Anna", "expires": "1d"}])


def add_on_the_page(name: str) -> None:
    with serving() as client:
        [turn_id] = add_for_good(name)
        client.headers["origin"] = ADDRESS
        set_so = client.post(f"/m/{name}/turns/{turn_id}/expiry", data={"expires": "1d"})
        assert set_so.status_code == 303, set_so.text


def add_for_good(name: str) -> list[int]:
    with open_store(existing(name)) as store:
        return [*store.add([Turn("Anna", CODE)])]


def add_in_a_chat(name: str) -> None:
    shown = chat(name, [CODE, "/expire 1d", "bye"])
    assert "[2], [3] will be forgotten: 1d (change 1)" in shown


def chat(name: str, lines: list[str]) -> str:
    left, shown = iter(lines), io.StringIO()
    model, _ = replier(lambda _: says("I see."))
    with open_store(existing(name)) as store:
        background = Background(existing(name), model, since=1, digests=False)
        screen = Screen(Console(file=shown, width=200), lambda _: next(left), attended=True)
        try:
            talk(Chat(Memory(store, model=model), background, screen, "anna", speaker="Anna"))
        finally:
            background.end()
    return shown.getvalue()


@pytest.mark.parametrize(
    "add",
    [
        *(add_in_python, add_by_command, add_over_http, add_over_mcp, add_by_a_tool),
        *(add_on_the_page, add_in_a_chat),
    ],
)
def test_every_door_can_say_when_a_turn_is_forgotten(
    anna: str, wait: Wait, add: Callable[[str], None]
) -> None:
    """The proxy's door is in tests/memory/server/test_proxy.py, LangGraph's with its store."""
    add(anna)
    assert CODE in said(anna)
    with open_store(existing(anna)) as store:
        assert CODE in [each.turn.text for each in expiring_turns(store)]
    wait(DAY + 1)
    assert said(anna) == [PARROT]


def test_no_door_shows_what_has_expired(anna: str, wait: Wait) -> None:
    add_in_python(anna)
    wait(DAY + 1)
    question = "What is the code of the door?"
    with Memory(existing(anna), "local") as memory:
        seen = [
            str(memory.ask(question)),
            str(memory.context(question)),
            str(memory.search("code")),
        ]
        seen += [str(memory.facts()), str(memory.store.catalog(500)), str([*memory.store.dump()])]
    for command in (["search", "code of the door"], ["ask", question], ["facts"]):
        seen.append(run(*command, "-n", anna))
    with serving(scripted_model([])) as client:
        for page in (
            "",
            "/conversation",
            "/facts",
            "/search?q=code",
            "/forget",
            "/journal",
            "/turns/2",
        ):
            seen.append(client.get(f"/m/{anna}{page}").text)
        headers = token(anna, rights="read,forget")
        for path in ("turns", "turns/2", "facts", "expiries", "tags", "search?query=code"):
            seen.append(client.get(f"/api/{anna}/{path}", headers=headers).text)
        sent = {"messages": question}
        seen.append(client.post(f"/api/{anna}/context", json=sent, headers=headers).text)
    handles = Handles(scripted_model([]))

    async def asked(client: object) -> list[str]:
        return [
            await text_of(client, "recall", query=question),
            await text_of(client, "list_facts"),
            await text_of(client, "query_memory", select="SELECT * FROM turns"),
        ]

    seen += use(mcp_server(handles, anna), asked)
    handles.close()
    for text in seen:
        assert WORD not in text, text


def test_an_undone_expiry_leaves_the_turn_at_every_door(anna: str, wait: Wait) -> None:
    [turn_id] = add_for_good(anna)
    done = json.loads(
        run("admin", "call", "expire", "--turn-ids", str(turn_id), "--expires", "1d", "-n", anna)
    )
    run("undo", str(done["id"]), "-n", anna)
    wait(DAY + 1)
    assert WORD in run("search", "code of the door", "-n", anna)
