"""`memory serve` in a process of its own: MCP over HTTP, tokens, slow clients, and its log."""

import json
import os
import re
import signal
import socket
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from memory import Turn, open_store
from memory.server.tokens import Tokens
from memory.store.namespaces import create
from tests.support.commands import run
from tests.support.mcp_clients import INITIALIZE, MODES, text_of, use
from tests.support.postgres_server import empty_home
from tests.support.server_process import Served, server_process
from tests.support.serving import serving


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A server over the memories of anna and ben, which all tests of this file ask."""
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORY_HOME", str(folder / "home"))
        if request.param == "postgres":
            patch.setenv("MEMORY_HOME", empty_home())
            patch.setenv("XDG_DATA_HOME", str(folder))  # where tokens are then
        for name in ("anna", "ben"):
            with open_store(create(name)) as store:
                store.add([Turn(name, f"The secret of {name} is {name * 3}.")])
        with server_process(folder / "served.log", "memory", "serve", "--port", "0") as process:
            yield process


@pytest.fixture(autouse=True)
def home() -> str:
    """The MEMORY_HOME of the server that runs, or of all tests."""
    return os.environ["MEMORY_HOME"]


def token(*namespaces: str, rights: str = "read,write") -> str:
    tokens = Tokens()
    name = f"token {len(tokens.grants()) + 1}"
    return tokens.create(name, namespaces, rights.split(","))


def connection(served: Served, namespace: str, bearer: str) -> Any:
    """What the SDK's client connects by: the address, and a token in each request."""
    headers = {"authorization": f"Bearer {bearer}"}
    return streamable_http_client(
        f"{served.address}/mcp/{namespace}",
        http_client=httpx2.AsyncClient(headers=headers, timeout=60),
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_client_remembers_and_recalls_over_http(served: Served, mode: str) -> None:
    async def work(client: Client) -> None:
        said = await text_of(client, "remember", turns=[{"text": "Tea at four.", "source": "x"}])
        assert re.fullmatch(r"(Remembered|Known already) as turn 2\.", said)
        assert "Tea at four." in await text_of(client, "recall", query="tea", limit=1)
        [content] = (await client.read_resource("memory://turns/2")).contents
        assert "Tea at four." in str(content.text)
        assert "error" in await text_of(client, "query_memory", select="DROP TABLE turns")

    use(connection(served, "anna", token("anna")), work, mode)


@pytest.mark.few(1)
@pytest.mark.parametrize("mode", MODES)
def test_two_tokens_of_two_namespaces_never_cross(served: Served, mode: str) -> None:
    bearers = {"anna": token("anna"), "ben": token("ben")}
    for name, other in (("anna", "ben"), ("ben", "anna")):

        async def work(client: Client, name: str = name, other: str = other) -> None:
            for query in (f"secret of {other}", "secret"):
                told = await text_of(client, "recall", query=query, limit=50)
                assert name * 3 in told
                assert other * 3 not in told
            rows = await text_of(client, "query_memory", select="SELECT text FROM turns")
            assert other * 3 not in rows

        use(connection(served, name, bearers[name]), work, mode)
        answer = httpx2.post(
            f"{served.address}/mcp/{other}",
            headers={"authorization": f"Bearer {bearers[name]}"},
            timeout=60,
        )
        assert answer.status_code == 403
        assert other * 3 not in answer.text


@pytest.mark.slow
def test_a_session_of_one_namespace_or_token_is_not_found_in_another(served: Served) -> None:
    """With a token for both: what a session was opened for stays so."""
    both, second = token("anna", "ben"), token("anna")
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {
        "authorization": f"Bearer {both}",
        "accept": "application/json, text/event-stream",
    }
    opened = httpx2.post(f"{served.address}/mcp/anna", json=INITIALIZE, headers=headers, timeout=60)
    headers |= {
        "mcp-session-id": opened.headers["mcp-session-id"],
        "mcp-protocol-version": "2025-11-25",
    }

    def ask(namespace: str, bearer: str) -> int:
        with_token = headers | {"authorization": f"Bearer {bearer}"}
        address = f"{served.address}/mcp/{namespace}"
        return httpx2.post(address, json=listing, headers=with_token, timeout=60).status_code

    assert ask("anna", both) == 200
    assert ask("ben", both) == 404
    assert ask("anna", second) == 404
    assert ask("ben", second) == 403


def test_half_an_emoji_is_stored_over_http(served: Served) -> None:
    arguments = {"turns": [{"text": "My fish is Blub \ud83d"}]}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    headers = {
        "authorization": f"Bearer {token('anna')}",
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": "2025-11-25",
    }
    address = f"{served.address}/mcp/anna"
    info = {"clientInfo": {"name": "test", "version": "1"}, "capabilities": {}}
    hello = {"method": "initialize", "params": {"protocolVersion": "2025-11-25", **info}}
    opened = httpx2.post(address, json={**call, **hello}, headers=headers, timeout=60)
    headers["mcp-session-id"] = opened.headers["mcp-session-id"]
    body = json.dumps({**call, "params": {"name": "remember", "arguments": arguments}})
    told = httpx2.post(address, content=body, headers=headers, timeout=60)
    assert "Remembered as turn" in told.text


@pytest.mark.slow
def test_a_session_goes_on_after_its_server_has_restarted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is stored: its id is signed, and a new server answers it without state."""
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    with open_store(create("anna")) as store:
        store.add([Turn("Anna", "Tea at four.")])
    own, others = ({"authorization": f"Bearer {token('anna')}"} for _ in range(2))
    start = {"protocolVersion": "2025-11-25", "capabilities": {}}
    client_info = {"name": "test", "version": "1"}
    hello = {"method": "initialize", "params": {**start, "clientInfo": client_info}}
    recall = {"method": "tools/call", "params": {"name": "recall", "arguments": {"query": "tea"}}}

    def post(client: Any, body: dict[str, Any], headers: dict[str, str]) -> Any:
        accepts = {"accept": "application/json, text/event-stream"}
        message = {"jsonrpc": "2.0", "id": 1, **body}
        return client.post("/mcp/anna", json=message, headers=headers | accepts)

    with serving(signed_in=False) as first:
        opened = post(first, hello, own)
        assert f'"version":"{version("sql-memory")}"' in opened.text
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        session["mcp-protocol-version"] = "2025-11-25"
        assert "Tea at four." in post(first, recall, own | session).text
    with serving(signed_in=False) as second:
        assert "Tea at four." in post(second, recall, own | session).text
        assert post(second, recall, others | session).status_code == 404
        forged = session | {"mcp-session-id": session["mcp-session-id"][:-1] + "x"}
        assert post(second, recall, own | forged).status_code == 404
        assert second.delete("/mcp/anna", headers=own | session).status_code == 200
        assert post(second, recall, own | session).status_code == 404


def test_a_client_that_looks_for_oauth_is_told_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    with serving(signed_in=False) as client:
        refused = client.post("/register", json={"redirect_uris": ["http://127.0.0.1:1/"]})
        assert refused.status_code == 400
        assert refused.json()["error"] == "invalid_client_metadata"
        assert "Authorization: Bearer TOKEN" in refused.json()["error_description"]
        for name in ("oauth-protected-resource", "oauth-authorization-server/mcp/anna"):
            missing = client.get(f"/.well-known/{name}")
            assert (missing.status_code, missing.json()["error"][:7]) == (404, "invalid")


@pytest.mark.slow
def test_several_memories_are_read_by_a_token_for_each(served: Served) -> None:
    async def work(client: Client) -> None:
        recalled = await text_of(client, "recall", query="secret", limit=50)
        assert re.search(r"\[1\] anna .*annaannaanna", recalled)
        assert re.search(r"\[100001\] ben .*benbenben", recalled)
        rows = await text_of(client, "query_memory", select="SELECT COUNT(*) AS n FROM turns")
        assert re.search(r"anna \| \d+\nben \| 1\n", rows)

    use(connection(served, "anna?also=ben", token("anna", "ben")), work)
    headers = {"authorization": f"Bearer {token('anna')}"}
    for other in ("ben", "nobody"):
        refused = httpx2.post(
            f"{served.address}/mcp/anna?also={other}", headers=headers, timeout=60
        )
        assert refused.status_code == 403
        assert refused.text.endswith(f"may not use the namespace {other!r}\n")


@pytest.mark.slow
def test_a_session_of_one_memory_is_not_one_of_several(served: Served) -> None:
    """Nor the other way round: what a session was opened for stays so."""
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    headers = {
        "authorization": f"Bearer {token('anna', 'ben')}",
        "accept": "application/json, text/event-stream",
    }
    places = [f"{served.address}/mcp/{name}" for name in ("anna", "anna?also=ben")]
    for own, other in (places, places[::-1]):
        opened = httpx2.post(own, json=INITIALIZE, headers=headers, timeout=60)
        session = {
            "mcp-session-id": opened.headers["mcp-session-id"],
            "mcp-protocol-version": "2025-11-25",
        }
        statuses = [
            httpx2.post(place, json=listing, headers=headers | session, timeout=60).status_code
            for place in (own, other)
        ]
        assert statuses == [200, 404]


def test_tools_are_those_of_the_tokens_rights(served: Served) -> None:
    async def work(client: Client) -> None:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert "recall" in names
        assert "remember" not in names

    use(connection(served, "anna", token("anna", rights="read")), work)


@pytest.mark.parametrize(
    ("address", "status"), [("/mcp/anna", 401), ("/mcp/nobody", 401), ("/api/anna/turns", 401)]
)
def test_without_a_token_nothing_is_told(served: Served, address: str, status: int) -> None:
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Basic x"}):
        answer = httpx2.post(served.address + address, json={}, headers=headers, timeout=60)
        assert answer.status_code == status
        assert "memory admin tokens create" in answer.text


def test_a_namespace_that_is_not_there_is_not_found(served: Served) -> None:
    headers = {"authorization": f"Bearer {token('*')}"}
    answer = httpx2.post(f"{served.address}/mcp/nobody", json={}, headers=headers, timeout=60)
    assert (answer.status_code, answer.text) == (404, "there is no namespace 'nobody'\n")


def test_slow_clients_hold_nobody_up(served: Served) -> None:
    host, port = served.address.removeprefix("http://").split(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(60)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\n"[: 10 + number])
        assert httpx2.get(f"{served.address}/api/openapi.json", timeout=60).status_code == 200
    finally:
        for connection in slow:
            connection.close()


def test_the_log_and_the_output_hold_no_token(served: Served) -> None:
    bearer = token("anna")
    httpx2.get(
        f"{served.address}/api/anna/turns",
        headers={"authorization": f"Bearer {bearer}"},
        timeout=60,
    )
    httpx2.get(f"{served.address}/sign-in?token={bearer}", timeout=60)
    link = re.fullmatch(r"http://127\.0\.0\.1:\d+/sign-in\?token=([\w-]{43})", served.line)
    assert link, "the sign-in link stands on a line of its own"
    httpx2.get(served.line, timeout=60)
    log = served.log.read_text("utf-8")
    assert bearer not in log
    assert link[1] not in log


def test_another_address_is_refused_without_a_token_and_a_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    refused = "give --allowed-host NAME"
    run("serve", "--host", "192.0.2.1", says=refused)
    run("serve", "--host", "192.0.2.1", "--allowed-host", "here", says=refused)
    token("anna")
    run("serve", "--host", "192.0.2.1", says=refused)


def test_a_port_that_is_taken_is_named(served: Served) -> None:
    run("serve", "--port", served.address.rsplit(":")[-1], says="cannot listen .* `--port`")


@pytest.mark.slow
def test_ctrl_c_ends_a_server_at_once_and_cleanly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    with server_process(tmp_path / "served.log", "memory", "serve", "--port", "0") as served:
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(30) == 0
        assert "Traceback" not in served.log.read_text("utf-8")
