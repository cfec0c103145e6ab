"""Several memories by the API and MCP: a right for each, and nothing of any other."""

import gc
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest
from mcp import Client
from starlette.testclient import TestClient

from memory import Turn, open_store
from memory.server import mcp_http
from memory.server.handles import Handles
from memory.server.mcp_server import mcp_server
from memory.store.namespaces import create, delete, location_of
from tests.conftest import INSERT
from tests.support.mcp_clients import INITIALIZE, text_of, use
from tests.support.scripted import answer, scripted_model, sql
from tests.support.serving import serving, token

BOTH_STORES = "slow"

FACTS = "SELECT turn_id, subject, value FROM facts WHERE subject = 'Cleo'"
QUESTION = "Where does Cleo meet the team?"
SECRET = "The code of the safe in Oslo is 4711."


@pytest.fixture(autouse=True)
def others(home: str) -> None:
    """A memory of the team, and one of Eve that no token here is for."""
    with open_store(create("team")) as store:
        store.add([Turn("Cleo", "We meet in the Oslo office on Friday.", "s", "2017-06-01")])
        store.write(f"{INSERT}('Cleo', 'meets_in', 'the Oslo office', NULL, 1)", cause="test")
    with open_store(create("eve")) as store:
        store.add([Turn("Eve", SECRET, "s", "2017-06-02")])


@pytest.fixture
def client() -> Iterator[TestClient]:
    pairs = [([], sql(FACTS)), (["[100001] team"], answer("the Oslo office", "100001"))]
    with serving(scripted_model(pairs), signed_in=False) as opened:
        yield opened


# ------------------------------------------------------------------------------- the API


@pytest.mark.slow
def test_the_api_asks_several_memories(client: TestClient) -> None:
    headers = token("anna", "team")
    hits = client.get("/api/anna/search?query=Oslo&also=team", headers=headers).json()["hits"]
    assert {(hit["memory"], hit["turn_id"]) for hit in hits} >= {
        ("anna", 1),
        ("team", 1),
    }
    question = {"question": QUESTION, "also": ["team"]}
    said = client.post("/api/anna/ask", json=question, headers=headers).json()
    assert said["answer"] == "the Oslo office"
    assert (said["turns"][0]["memory"], said["turns"][0]["id"]) == ("team", 1)
    assert said["citations"][0]["memory"] == "team"
    assert said["sql"][0]["columns"][0] == "memory"
    assert said["sql"][0]["rows"] == [["team", 1, "Cleo", "the Oslo office"]]
    alone = client.get("/api/anna/search?query=Oslo", headers=headers).json()["hits"]
    assert all("memory" not in hit for hit in alone)
    past = client.get(
        "/api/anna/search?query=Oslo&also=team&as_of=2017-05-31", headers=headers
    ).json()["hits"]
    assert {hit["memory"] for hit in past} == {"anna"}


def test_the_api_makes_one_block_from_several_memories(client: TestClient) -> None:
    asked = {"messages": QUESTION, "speaker": "Anna", "also": ["team"]}
    block = client.post("/api/anna/context", json=asked, headers=token("anna", "team")).json()
    assert "From the memory 'team':" in block["text"]
    assert "in the Oslo office" in block["text"]
    assert block["also"] == {"team": [1]}
    refused = client.post("/api/anna/context", json=asked, headers=token("anna"))
    assert refused.status_code == 403
    assert "Oslo office" not in refused.text


@pytest.mark.few(5)
@pytest.mark.parametrize("other", ["eve", "nobody", "te am", "team", "../eve", "*", ""])
def test_a_token_for_the_first_memory_alone_sees_nothing_of_another(
    client: TestClient, other: str
) -> None:
    headers = token("anna")
    replies = [
        client.get("/api/anna/search", params={"query": "x", "also": other}, headers=headers),
        client.post("/api/anna/ask", json={"question": "x", "also": [other]}, headers=headers),
        client.post(f"/mcp/anna?also={other}", json={}, headers=headers),
    ]
    # The same words whether there is such a memory or not.
    api = f"may not read in {other!r}"
    assert [reply.status_code for reply in replies] == [403] * 3
    assert all(reply.json()["error"]["message"].endswith(api) for reply in replies[:2])
    assert replies[2].text.endswith(f"may not use the namespace {other!r}\n")


def test_a_right_to_write_or_for_another_memory_is_no_right_to_read(client: TestClient) -> None:
    for headers in (token("team"), token("eve", "team")):
        reply = client.get("/api/anna/search?query=Oslo&also=team", headers=headers)
        assert reply.status_code == 403
        assert client.post("/mcp/anna?also=team", json={}, headers=headers).status_code == 403
    writer = token("anna", "team", rights="write")
    assert client.get("/api/anna/search?query=x&also=team", headers=writer).status_code == 403
    assert client.post("/mcp/anna?also=team", json={}, headers=writer).status_code == 403


def test_lists_that_cannot_be_asked(client: TestClient) -> None:
    headers = token("*")
    for also, status, says in (
        (["nobody"], 404, "no namespace 'nobody'"),
        (["anna"], 400, "named twice"),
        (["team", "team"], 400, "named twice"),
        (["team"] * 16, 400, "at most 15 items"),
    ):
        reply = client.post("/api/anna/ask", json={"question": "x", "also": also}, headers=headers)
        assert (reply.status_code, says in reply.json()["error"]["message"]) == (status, True)
    reply = client.post("/mcp/anna?also=nobody", json={}, headers=headers)
    assert (reply.status_code, reply.text) == (404, "there is no namespace 'nobody'\n")
    # Nothing that writes takes a list.
    turn = {"text": "Hello.", "also": ["team"]}
    assert client.post("/api/anna/turns", json=turn, headers=headers).status_code == 400


def test_a_memory_that_was_deleted_is_in_no_answer(client: TestClient) -> None:
    headers = token("anna", "team")
    search = "/api/anna/search?query=Oslo office&also=team"
    assert "Friday" in client.get(search, headers=headers).text
    delete("team")
    reply = client.get(search, headers=headers)
    assert (reply.status_code, "Friday" in reply.text) == (404, False)


# ------------------------------------------------------------------------------- MCP


@pytest.fixture
def handles() -> Iterator[Handles]:
    pairs = [([], sql(FACTS)), (["[100001] team"], answer("the Oslo office", "100001"))]
    opened = Handles(scripted_model(pairs))
    yield opened
    opened.close()


def test_the_tools_read_several_memories_and_write_to_the_first(handles: Handles) -> None:
    async def work(client: Client) -> None:
        recalled = await text_of(client, "recall", query="Oslo", limit=9)
        assert "[100001] team (Thu 01 Jun 2017) Cleo: We meet in the Oslo office" in recalled
        assert "[1] anna (Mon 08 May 2017) Anna: I moved to Oslo" in recalled
        assert SECRET not in recalled
        said = await text_of(client, "ask_memory", question=QUESTION)
        assert said.startswith("the Oslo office\n[100001] team (")
        facts = await text_of(client, "list_facts")
        assert "Cleo meets_in: the Oslo office (fact 100001, turn 100001, in team)" in facts
        assert "(fact 1, turn 1, in anna)" in facts
        counted = await text_of(client, "query_memory", select="SELECT COUNT(*) AS n FROM facts")
        assert counted.startswith("memory | n\nanna | 2\nteam | 1\n")
        rows = await text_of(client, "query_memory", select=FACTS)
        assert "team | 100001 | Cleo" in rows
        [catalog] = (await client.read_resource("memory://catalog")).contents
        assert "memory team:" in str(catalog.text)

        said = await text_of(client, "remember", turns=[{"text": "Tea at four."}])
        assert said == "Remembered as turn 6."
        wrong = await text_of(client, "correct_fact", fact_id=100_001, value="Bergen")
        assert "there is no fact 100001" in wrong
        fact = {"subject": "Cleo", "attribute": "is", "value": "late", "turn_id": 100_001}
        assert "there is no turn 100001" in await text_of(client, "remember", facts=[fact])
        gone = await text_of(client, "forget", turn_ids=[100_001])
        assert "there is no turn 100001" in gone

    use(mcp_server(handles, "anna", also=["team"], groups=["forget"]), work)
    with open_store(location_of("team")) as store:
        assert store.count_turns() == 1
        assert len(store.changes()) == 1


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "select",
    [
        "SELECT text FROM eve.turns",
        "SELECT text FROM turns WHERE memory = 'eve'",
        "SELECT text FROM turns; ATTACH 'eve.db' AS eve",
        "SELECT text FROM turns WHERE namespace > 0",
        "SELECT content FROM memory.secrets",
    ],
)
def test_no_select_reaches_a_third_memory(handles: Handles, select: str) -> None:
    async def work(client: Client) -> None:
        refused = await text_of(client, "query_memory", select=select)
        assert refused.startswith("error: ")
        assert "4711" not in refused

    use(mcp_server(handles, "anna", also=["team"]), work)


def test_a_server_says_that_it_reads_several_memories(handles: Handles) -> None:
    several: Any = mcp_server(handles, "anna", also=["team"])
    assert "2 memories, anna, team" in several.instructions
    alone: Any = mcp_server(handles, "anna")
    assert "memories, anna" not in alone.instructions


@pytest.mark.slow
def test_a_server_keeps_few_lists_of_memories_and_their_sessions_go_on(
    home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_http, "MOST_SERVERS", 2)
    names = ["anna", *(f"user {number}" for number in range(4))]
    for name in names[1:]:
        with open_store(create(name)):
            pass
    addresses = [f"/mcp/{first}?also={other}" for first, other in permutations(names, 2)]
    sessions: dict[str, dict[str, str]] = {}
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with serving(signed_in=False) as client:
        bearer = {**token(*names), "accept": "application/json, text/event-stream"}
        for address in addresses:
            opened = client.post(address, json=INITIALIZE, headers=bearer)
            session = opened.headers["mcp-session-id"]
            sessions[address] = {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
        gc.collect()
        kept = sum(isinstance(thing, mcp_http._Managers) for thing in gc.get_objects())
        answers = [
            client.post(address, json=listing, headers=bearer | session)
            for address, session in sessions.items()
        ]

    assert kept <= 3  # one more while its last task ends
    assert {answer.status_code for answer in answers} == {200}
    assert all("recall" in answer.text for answer in answers)
