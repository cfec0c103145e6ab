"""The page of the language model: what is on this machine is listed, tried and kept."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from memory import Turn, open_store
from memory.store.namespaces import create
from memory.system.home import default_model
from tests.support.odd_server import OddServer, Request, Sent, odd_server, spoken
from tests.support.page_client import Tags, finished, page_client, shown

PAGE = "/m/anna/model"
VARIABLES = ("OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_BASE_URL", "OLLAMA_API_BASE")


@pytest.fixture(autouse=True)
def _machine(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory, on a machine without keys, without fetched models, where no Ollama listens."""
    with open_store(create("anna")) as store:
        store.add([Turn("Anna", "I moved to Oslo.")])
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def client() -> Iterator[TestClient]:
    with page_client() as client:
        yield client


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[OddServer]:
    """Ollama with a model that answers, and one that makes vectors."""

    def answer(request: Request) -> Sent:
        is_trial = request["messages"][-1]["content"] == "Hello"
        message = {"role": "assistant", "content": "Hi!" if is_trial else spoken(request)}
        counts = {"prompt_eval_count": 70, "eval_count": 30}
        return Sent({"model": "m", "done": True, "message": message, **counts})

    with odd_server(answer, roots=("",), path="/api/chat") as server:
        models = [
            {"name": "qwen2.5:14b", "details": {"family": "qwen2"}},
            {"name": "nomic-embed-text:latest", "details": {"family": "nomic-bert"}},
        ]
        server.listed = {"/api/tags": {"models": models}}
        monkeypatch.setenv(
            "OLLAMA_HOST", server.address.removeprefix("http://").removesuffix("/v1")
        )
        yield server


def choose(client: TestClient, **fields: str) -> str:
    """The page that a choice leads to, once it is done, as a person reads it."""
    response = client.post(PAGE, data=fields)
    return shown(finished(client, response.url.path))


def test_ollamas_models_are_listed_chosen_and_kept(client: TestClient, ollama: OddServer) -> None:
    page = client.get(PAGE).text
    assert "ollama_chat/qwen2.5:14b" in Tags(page).values("input", "value")
    assert "nomic" not in page
    said = choose(client, model="ollama_chat/qwen2.5:14b")
    assert "ollama_chat/qwen2.5:14b is the model of this server from now on" in said
    assert default_model() == "ollama_chat/qwen2.5:14b"
    assert "Now: qwen2.5:14b by Ollama" in shown(client.get(PAGE).text)
    # Ask, and an extraction of facts, ask it.
    asked = len(ollama.requests)
    response = client.post("/m/anna/ask", data={"question": "Where does Anna live?"})
    assert "Oslo" in shown(finished(client, response.url.path))
    assert len(ollama.requests) > asked
    response = client.post("/m/anna/digest")
    assert "facts changed" in shown(finished(client, response.url.path))
    response = client.get("/m/anna/facts?q=moved")
    assert "I moved to Oslo" in shown(response.text)


def test_a_choice_is_undone_by_choosing_the_first_model(
    client: TestClient, ollama: OddServer
) -> None:
    choose(client, model="ollama_chat/qwen2.5:14b")
    assert "Now: The small model that is built in" in choose(client, model="local")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gpt-4o-mini", "names no provider; write openai/gpt-4o-mini"),
        ("openai/gpt-4o-mini", "openai/gpt-4o-mini needs a key: set OPENAI_API_KEY"),
        ("nobody/m", "no provider is called 'nobody'; write for example openai/MODEL"),
        ("gguf:/etc/passwd", "is not on this machine; choose one from the list"),
        ("gguf:qwen2.5-0.5b", "is not on this machine; choose one from the list"),
        ("qwen2.5-0.5b", "is not on this machine; choose one from the list"),
    ],
)
def test_a_wrong_name_or_a_missing_key_is_one_line_and_changes_nothing(
    client: TestClient, name: str, said: str
) -> None:
    response = client.post(PAGE, data={"hosted": name})
    [problem] = re.findall(r'<p class="problem">(.*)</p>', finished(client, response.url.path))
    assert said in shown(problem)
    assert default_model() == ""
    assert "Now: The small model that is built in" in shown(client.get(PAGE).text)


def test_a_key_comes_from_the_environment(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "there is none now" in shown(client.get(PAGE).text)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    page = client.get(PAGE).text
    assert "which has OPENAI_API_KEY" in shown(page)
    assert "sk-secret" not in page

    def refuse(request: Request) -> Sent | None:
        message = {"error": {"message": "The model `gtp-4o` does not exist"}}
        return Sent(message, 404) if request["model"] == "gtp-4o" else None

    with odd_server(lambda request: refuse(request) or Sent({})) as server:
        monkeypatch.setenv("OPENAI_API_BASE", server.address)
        assert "openai/gtp-4o does not exist" in choose(client, hosted="openai/gtp-4o")


@pytest.mark.parametrize(("read_only", "is_alone"), [(True, True), (False, False)])
def test_a_server_that_changes_nothing_or_is_one_of_several_keeps_its_model(
    read_only: bool, is_alone: bool
) -> None:
    with page_client(read_only=read_only, is_alone=is_alone) as client:
        page = client.get(PAGE)
        assert "memory serve --model" in page.text
        assert client.post(PAGE, data={"model": "local"}).status_code == 400
