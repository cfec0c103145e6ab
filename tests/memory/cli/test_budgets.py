"""The option --budget: how much of a memory a command shows its model."""

from collections.abc import Callable
from pathlib import Path
from shutil import copyfile

import httpx2
import pytest
from mcp import Client

from memory import Turn, open_store
from memory.server.tokens import Tokens
from memory.store.namespaces import create
from tests.support.commands import run
from tests.support.mcp_clients import stdio, text_of, use
from tests.support.odd_server import odd_server
from tests.support.server_process import server_process

WHEN_IT_PAYS = True

LOCAL = ("--model", "local")


PARK = "where I walk the dog by the river every day, in any weather"
TURNS = [Turn("Anna", f"I live in Oslo near park {i}, {PARK}.") for i in range(30)]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    with open_store(tmp_path / "anna.db") as store:
        store.add(TURNS)
    return tmp_path / "anna.db"


def ask_over_http(folder: Path, *options: str) -> None:
    token = Tokens().create(f"token {len(options)}", ["anna"], ["read"])
    with server_process(folder / "log", "memory", "serve", "--port", "0", *options) as served:
        answer = httpx2.post(
            f"{served.address}/api/anna/ask",
            json={"question": "Where does Anna live?"},
            headers={"authorization": f"Bearer {token}"},
            timeout=120,
        )
    assert answer.status_code == 200, answer.text


def ask_over_stdio(folder: Path, *options: str) -> None:
    async def work(client: Client) -> str:
        return await text_of(client, "ask_memory", question="Where does Anna live?")

    answer = use(stdio("-n", "anna", *options, home=str(folder)), work)
    assert not answer.startswith("error"), answer


@pytest.mark.few(1)
@pytest.mark.parametrize("command", [["ask", "Where does Anna live?"], ["digest"]])
def test_a_budget_bounds_what_the_model_is_shown(path: Path, command: list[str]):
    sizes = []
    for budget in ((), ("--budget", 300)):
        db = path.with_stem(f"copy{len(sizes)}")
        copyfile(path, db)
        with odd_server(lambda _: None) as server:
            model = ("--model", "openai/m", "--api-base", server.address)
            run(*command, "--db", db, *model, *budget)
            sizes.append(len(str(server.requests[0]["messages"])))
    assert sizes[1] < sizes[0] - 1_000


@pytest.mark.slow
@pytest.mark.parametrize("ask", [ask_over_http, ask_over_stdio])
def test_a_budget_bounds_what_a_server_shows_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[..., None]
):
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    with open_store(create("anna")) as store:
        store.add(TURNS)
    sizes = []
    for budget in ((), ("--budget", "300")):
        with odd_server(lambda _: None) as server:
            ask(tmp_path, "--model", "openai/m", "--api-base", server.address, *budget)
            sizes.append(len(str(server.requests[0]["messages"])))
    assert sizes[1] < sizes[0] - 1_000


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["serve", "mcp", "-n", "anna"]])
def test_a_server_does_not_begin_with_a_budget_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
):
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    run(*command, "--budget", 63, says="give at least 64")
    run(*command, "--budget", 9_000, *LOCAL, says="--budget 9000: give local at most")
    assert not [*tmp_path.glob("anna*")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ask", "Where?", "--budget", 63), "give at least 64"),
        (("ask", "Where?", "--budget", 9_000, *LOCAL), "--budget 9000: give local at most"),
        (("chat", "--budget", 9_000, *LOCAL), "--budget 9000: give local at most"),
        (("digest", "--budget", 9_000, *LOCAL), "--budget 9000: give local at most 400"),
        (("digest", "--budget", 9_000), "--budget is for a model: name one with --model"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(path: Path, arguments: tuple[object, ...], words: str):
    run(*arguments, "--db", path, says=words)
