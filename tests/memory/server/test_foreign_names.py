"""No name in an address or an argument opens a memory that the token does not, or tells of it."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unicodedata import normalize

import pytest
from starlette.testclient import TestClient

from memory import Turn, open_store
from memory.store.namespaces import create
from tests.support.mcp_clients import INITIALIZE
from tests.support.serving import serving, token

BOTH_STORES = "slow"
SECRET = "xylophone"
THERE = "bén"
ABSENT = "cén"  # spelled as the other, and nowhere a memory
OTHERS = [f"user {number}" for number in range(9)]


def spellings(name: str) -> list[str]:
    """Addresses of a name, as somebody may write it who has no token for it."""
    quoted = "".join(f"%{byte:02x}" for byte in name.encode())
    return [
        name,
        normalize("NFD", name),
        name.upper(),
        f"{name}/",
        f"{name}//",
        f"/{name}",
        f"./{name}",
        f"anna/../{name}",
        f"..%2f{quoted}",
        f"anna%2f..%2f{quoted}",
        quoted,
        quoted.replace("%", "%25"),
        f"{quoted}%00",
        f"{quoted}%20",
        f"{quoted}%3fa=b",
        f"{quoted}.db",
        f"anna,{name}",
        f"anna\u200b/{name}",
        name * 3000,
    ]


@pytest.fixture(params=[(), ("operations",)], ids=["tools", "operations"])
def client(home: str, request: pytest.FixtureRequest) -> Iterator[TestClient]:
    for name in (THERE, *OTHERS):
        with open_store(create(name)) as store:
            store.add([Turn("Ben", f"The secret of {name} is {SECRET}{name[-1]}.")])
    with serving(signed_in=False, groups=request.param, requests_a_second=1e6) as served:
        yield served


def mcp(client: TestClient, address: str, bearer: dict[str, str], *messages: Any) -> list[Any]:
    """The answers to messages of one session: the results, or the status and the text."""
    headers = {**bearer, "accept": "application/json, text/event-stream"}
    results: list[Any] = []
    for message in messages:
        answer = client.post(f"/mcp/{address}", json=message, headers=headers)
        if session := answer.headers.get("mcp-session-id"):
            headers |= {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
        results.append((answer.status_code, answer.text))
    return results


def tools_of(client: TestClient, name: str, bearer: dict[str, str]) -> list[str]:
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    [_, (_, listed)] = mcp(client, name, bearer, INITIALIZE, listing)
    [data] = [line for line in listed.splitlines() if line.startswith("data: ")]
    return [tool["name"] for tool in json.loads(data.removeprefix("data: "))["result"]["tools"]]


def call(tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def without_name(text: str) -> str:
    """An answer without the name that it repeats, in any spelling."""
    text = re.sub(r"[^\x00-\x7f]|%(25)?[0-9a-f]{2}|\\+[ux][0-9a-f]{2,4}", "?", text, flags=re.I)
    return re.sub(r"[bc](?=\??[e?])", "x", text, flags=re.I)


@pytest.mark.few(2)
@pytest.mark.parametrize("own", [("anna",), ("anna", "user 1")])
def test_what_a_token_does_not_open_is_as_if_it_were_not_there(
    client: TestClient, own: tuple[str, ...]
) -> None:
    bearer = token(*own)
    for there, absent in zip(spellings(THERE), spellings(ABSENT), strict=True):
        addresses = [
            (f"{there}", f"{absent}"),
            (f"anna?also={there}", f"anna?also={absent}"),
            (f"anna?also=user 1&also={there}", f"anna?also=user 1&also={absent}"),
            (f"{there}?also=anna", f"{absent}?also=anna"),
        ]
        for address, other in addresses:
            [(status, text)] = mcp(client, address, bearer, INITIALIZE)
            [(absent_status, absent_text)] = mcp(client, other, bearer, INITIALIZE)
            assert SECRET not in text
            assert status in (307, 400, 403, 404, 414), address[:100]
            assert status == absent_status, address[:100]
            assert without_name(text) == without_name(absent_text)


ARGUMENTS = ("namespace", "namespaces", "also", "memory", "db", "name", "session")
VALUES = (THERE, [THERE], f"../{THERE}", "", "x" * 100_000)


@pytest.mark.few(1)
def test_no_argument_of_a_tool_names_another_memory(client: TestClient) -> None:
    bearer = token("anna", rights="read,write,forget")
    tools = tools_of(client, "anna", bearer)
    assert len(tools) > 5
    required = {
        "query": "secret",
        "question": "secret",
        "select": "SELECT text FROM turns",
        "sql": "SELECT text FROM turns",
    }
    for value in VALUES:
        arguments = dict.fromkeys(ARGUMENTS, value)
        calls = [call(tool, **required, **arguments) for tool in tools]
        for status, text in mcp(client, "anna", bearer, INITIALIZE, *calls)[1:]:
            assert status == 200
            assert SECRET not in text
            assert THERE not in text or THERE in str(value)
    selects = [
        "SELECT text FROM main.turns",
        "SELECT text FROM memory.turns",
        f"ATTACH 'file:{THERE}.db' AS other",
        "SELECT * FROM memory.namespaces",
        "SELECT name FROM sqlite_master",
        "SELECT text FROM turns WHERE namespace = 2",
    ]
    for tool in {"query_memory", "query"} & {*tools}:
        calls = [call(tool, select=select, sql=select) for select in selects]
        for _, text in mcp(client, "anna", bearer, INITIALIZE, *calls)[1:]:
            assert SECRET not in text


@pytest.mark.slow
def test_ten_clients_at_once_see_each_its_own(client: TestClient) -> None:
    names = [THERE, *OTHERS]
    bearers = {name: token(name) for name in names}
    tool = "search" if "search" in tools_of(client, THERE, bearers[THERE]) else "recall"

    def ask(number: int) -> tuple[str, list[Any]]:
        name = names[number % len(names)]
        asked = call(tool, query="secret")
        return name, mcp(client, name, bearers[name], INITIALIZE, asked, asked)

    with ThreadPoolExecutor(10) as threads:
        for name, answers in threads.map(ask, range(40)):
            for _, text in answers[1:]:
                assert {*re.findall(rf"{SECRET}(\w)", text)} == {name[-1]}, text
