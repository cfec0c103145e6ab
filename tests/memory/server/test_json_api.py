"""The JSON API: what programs without MCP read and write, by tokens with rights."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from memory import open_store
from memory.namespaces import create, location_of
from memory.server.json_api import ENDPOINTS
from memory.server.openapi import document
from tests.support.postgres_server import new_namespace
from tests.support.reranking_server import reranking
from tests.support.reversed_ranking import REVERSED, reversing_program
from tests.support.scripted import answer, scripted_model, sql
from tests.support.serving import serving, token

BOTH_STORES = "slow"


@pytest.fixture
def client() -> Iterator[TestClient]:
    pairs = [([], sql("SELECT turn_id FROM facts")), (["Oslo"], answer("Oslo", "1"))]
    with serving(scripted_model(pairs), signed_in=False) as opened:
        opened.headers.update(token("anna", rights="read,write,forget"))
        yield opened


def test_turns_are_stored_once_by_source_and_read(client: TestClient) -> None:
    new = {"text": "I play the flute.", "speaker": "Anna", "source": "note 1"}
    assert client.post("/api/anna/turns", json=new).json() == {"id": 6, "new": True}
    assert client.post("/api/anna/turns", json=new).json() == {"id": 6, "new": False}
    turn = client.get("/api/anna/turns/6").json()
    assert (turn["text"], turn["speaker"], turn["source"]) == (
        "I play the flute.",
        "Anna",
        "note 1",
    )
    first = client.get("/api/anna/turns?limit=4").json()
    assert [t["id"] for t in first["turns"]] == [1, 2, 3, 4]
    rest = client.get("/api/anna/turns", params={"after": first["after"]}).json()
    assert [t["id"] for t in rest["turns"]] == [5, 6]


def test_search_ranks_and_says_why(client: TestClient) -> None:
    hits = client.get("/api/anna/search?query=which pet?&limit=2").json()["hits"]
    assert len(hits) == 2
    assert hits[0]["shares"]
    assert "Miso" in hits[0]["turn"]["text"] + hits[1]["turn"]["text"]
    past = client.get("/api/anna/search?query=dog&as_of=2017-05").json()["hits"]
    assert "Rufus" not in str(past)


def test_search_ranks_by_the_weights_of_the_program() -> None:
    with open_store(location_of("anna")) as store:
        ranked = [hit.turn_id for hit in store.search("pet", weights=REVERSED)]
        assert ranked != [hit.turn_id for hit in store.search("pet")]
    with serving(signed_in=False, program=reversing_program()) as client:
        hits = client.get("/api/anna/search?query=pet", headers=token("anna")).json()["hits"]
    assert [hit["turn"]["id"] for hit in hits] == ranked


def test_an_answer_names_its_turns_and_sql(client: TestClient) -> None:
    told = client.post("/api/anna/ask", json={"question": "Where does Anna live?"}).json()
    assert told["answer"] == "Oslo"
    assert [turn["id"] for turn in told["turns"]] == [1]
    assert told["sql"][0]["statement"].startswith("SELECT turn_id")


def test_an_answer_is_read_from_what_a_reranker_puts_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [([], sql("SELECT 1 AS n")), ([], answer("a dog", "4"))]
    question = {"question": "How is the new flat?"}
    with reranking(monkeypatch) as reranker:
        with serving(scripted_model(pairs), signed_in=False, reranker="cohere/best") as opened:
            told = opened.post("/api/anna/ask", json=question, headers=token("anna")).json()
        assert reranker.questions == [question["question"]]
    assert told["answer"] == "a dog"


def test_facts_are_noted_corrected_and_taken_back(client: TestClient) -> None:
    new = {"subject": "Ben", "attribute": "has_pet", "value": "dog Rufus", "turn_id": 4}
    assert client.post("/api/anna/facts", json=new).json()["id"] == 2
    facts = client.get("/api/anna/facts?subject=ben").json()
    assert [fact["value"] for fact in facts["facts"]] == ["dog Rufus"]
    change = client.post("/api/anna/facts/1/correction", json={"value": "Bergen"}).json()
    assert client.post(f"/api/anna/changes/{change['id']}/undo").json()["facts"] == 2
    changes = client.get("/api/anna/changes?limit=2").json()["changes"]
    assert [entry["id"] for entry in changes] == [3, 4]


def test_facts_come_page_by_page(client: TestClient) -> None:
    page = client.get("/api/anna/facts?limit=1").json()
    assert (page["facts"][0]["value"], page["after"]) == ("Oslo", 1)
    page = client.get(f"/api/anna/facts?limit=1&after={page['after']}").json()
    assert (page["facts"][0]["value"], page["after"]) == ("cat Miso", None)


def test_forgetting_wants_the_word_of_its_preview(client: TestClient) -> None:
    shown = client.post("/api/anna/forget", json={"turn_ids": [1]}).json()
    assert [fact["value"] for fact in shown["preview"]["facts"]] == ["Oslo"]
    again = {"turn_ids": [1, 2], "confirmation": shown["confirmation"]}
    assert "preview" in client.post("/api/anna/forget", json=again).json()
    receipt = client.post("/api/anna/forget", json={**again, "turn_ids": [1]}).json()["receipt"]
    assert receipt["turns"] == [1]
    assert receipt["salt"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/api/anna/turns/99", None, 400, "there is no turn 99"),
        ("GET", "/api/anna/search", None, 400, "query: Field required"),
        ("GET", "/api/anna/turns?limit=100000", None, 400, "limit: Input should be less"),
        ("POST", "/api/anna/turns", {"text": ""}, 400, "has no text"),
        ("POST", "/api/anna/turns", {"text": "x", "namespace": "ben"}, 400, "namespace: Extra"),
        ("POST", "/api/anna/facts/99/correction", {"value": "x"}, 400, "there is no fact 99"),
        ("POST", "/api/anna/changes/99/undo", None, 400, "there is no change 99"),
        ("GET", "/api/ben/turns", None, 403, "may not read in 'ben'"),
    ],
)
def test_an_error_says_what_to_do(
    client: TestClient, method: str, path: str, body: Any, status: int, message: str
) -> None:
    refused = client.request(method, path, json=body)
    assert refused.status_code == status
    assert message in refused.json()["error"]["message"]


def test_what_is_no_json_is_refused_in_words(client: TestClient) -> None:
    refused = client.post("/api/anna/turns", content=b"{'text': ")
    assert refused.status_code == 400
    assert "Invalid JSON" in refused.json()["error"]["message"]


def test_a_namespace_that_is_not_there_tells_of_no_other(client: TestClient) -> None:
    everywhere = token("*")
    refused = client.get("/api/ann/turns", headers=everywhere)
    assert refused.status_code == 404
    assert refused.json()["error"]["message"] == "there is no namespace 'ann'"


def test_a_token_does_what_it_was_granted_and_nothing_else(client: TestClient) -> None:
    reader = token("anna", rights="read")
    assert client.get("/api/anna/turns", headers=reader).status_code == 200
    for path in ("/api/anna/turns", "/api/anna/forget", "/api/anna/changes/1/undo"):
        refused = client.post(path, json={"text": "x", "turn_ids": [1]}, headers=reader)
        assert refused.status_code == 403
    with open_store(location_of("anna")) as store:
        assert len(store.turns()) == 5


def test_a_server_that_only_reads_lets_no_token_write(client: TestClient) -> None:
    with serving(rights=("read",), signed_in=False) as reading:
        everything = token("anna", rights="read,write,forget")
        answer = reading.post("/api/anna/turns", json={"text": "x"}, headers=everything)
        assert answer.status_code == 403


def test_a_name_with_slashes_and_spaces_is_an_address(client: TestClient) -> None:
    create("home/Anna & Ben")
    headers = token("home/Anna & Ben")
    path = "/api/home%2FAnna%20%26%20Ben/turns"
    assert client.post(path, json={"text": "Tea."}, headers=headers).json()["id"] == 1


# ---------------------------------------------------------------------------- its document


def test_the_document_is_read_without_a_token_and_has_every_endpoint() -> None:
    with serving(signed_in=False) as client:
        shown = client.get("/api/openapi.json").json()
    assert shown == document()
    operations = [
        (method.upper(), path.removeprefix("/api/{namespace}"))
        for path, methods in shown["paths"].items()
        for method in methods
    ]
    assert sorted(operations) == sorted((e.method, e.path) for e in ENDPOINTS)


def test_the_document_is_sound() -> None:
    shown = document()
    ids = [o["operationId"] for methods in shown["paths"].values() for o in methods.values()]
    assert len(ids) == len({*ids})
    for path, methods in shown["paths"].items():
        for operation in methods.values():
            named = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
            assert named == re.findall(r"\{(\w+)\}", path)
            assert {"200", "400", "401", "403", "404"} <= {*operation["responses"]}


def test_memories_in_postgres_are_served_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, _, quoted_name = new_namespace().rpartition("&namespace=")
    name = unquote(quoted_name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))  # where tokens are then
    monkeypatch.setenv("MEMORY_HOME", address)
    create(name)
    with serving(signed_in=False) as served:
        served.headers.update(token(name))
        new = {"text": "I play the flute.", "speaker": "Anna"}
        assert served.post(f"/api/{name}/turns", json=new).json() == {"id": 1, "new": True}
        [hit] = served.get(f"/api/{name}/search?query=flute").json()["hits"]
        assert hit["turn"]["text"] == "I play the flute."
        assert served.get("/api/nobody/turns", headers=token("*")).status_code == 404
