"""The JSON API: what programs without MCP read and write, by tokens with rights."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import TypeAdapter
from starlette.testclient import TestClient

from memory import Memory, open_store
from memory.server.json_api import ENDPOINTS, document
from memory.store.configuration.declared_settings import Settings
from memory.store.namespaces import create, existing, location_of
from tests.conftest import MOVED
from tests.support.postgres_server import new_namespace
from tests.support.reversed_ranking import REVERSED, reversing_program
from tests.support.scripted import answer, scripted_model, sql
from tests.support.secrets_corpus import SECRETS
from tests.support.serving import serving, token

BOTH_STORES = "slow"
GITHUB_TOKEN = {kind: secret for kind, _, secret in SECRETS}["GitHub token"]


@pytest.fixture
def client() -> Iterator[TestClient]:
    pairs = [([], sql("SELECT turn_id FROM facts")), (["Oslo"], answer("Oslo", "1"))]
    with serving(scripted_model(pairs), signed_in=False) as opened:
        opened.headers.update(token("anna", rights="read,write,forget"))
        opened.event_hooks["response"] = [is_as_described]
        yield opened


def is_as_described(response: Any) -> None:
    """Every answer of this file has the type that the document promises."""
    path = re.sub(r"^/api/[^/]+", "", unquote(response.request.url.path))
    path = re.sub(r"/\d+", "/{id}", path)
    of_path = [e for e in ENDPOINTS if (e.method, e.path) == (response.request.method, path)]
    if response.is_success and of_path and of_path[0].answer is not None:
        response.read()
        [endpoint] = of_path
        adapter = TypeAdapter(endpoint.answer)
        value = adapter.validate_json(response.content)
        # What the type lacks would be lost here.
        assert json.loads(adapter.dump_json(value)) == response.json()


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


def test_facts_are_those_that_stand_for_all_answers_where_asked_for(client: TestClient) -> None:
    new = {"text": "Whatever happens, I want no emojis.", "speaker": "Anna"}
    turn_id = client.post("/api/anna/turns", json=new).json()["id"]
    fact = {"subject": "Anna", "attribute": "instruction", "value": "no emojis"}
    client.post("/api/anna/facts", json={**fact, "turn_id": turn_id})
    listed = client.get("/api/anna/facts?standing=true").json()["facts"]
    assert ("no emojis", turn_id) in [(fact["value"], fact["turn_id"]) for fact in listed]
    assert {fact["attribute"] for fact in listed} == {"instruction"}


def test_search_ranks_and_says_why(client: TestClient) -> None:
    hits = client.get("/api/anna/search?query=which pet?&limit=2").json()["hits"]
    assert len(hits) == 2
    assert hits[0]["shares"]
    assert "Miso" in hits[0]["text"] + hits[1]["text"]
    past = client.get("/api/anna/search?query=dog&as_of=2017-05").json()["hits"]
    assert "Rufus" not in str(past)


def test_search_finds_only_the_turns_that_a_filter_lets_pass(client: TestClient) -> None:
    given = {"query": "pet", "filter": '{"speaker": "Ben", "since": "2017-06"}'}
    hits = client.get("/api/anna/search", params=given).json()["hits"]
    assert {hit["turn_id"] for hit in hits} == {4}
    refused = client.get("/api/anna/search", params=given | {"filter": '{"mood": "good"}'})
    assert refused.status_code == 400
    assert "there are speaker, session, kind" in refused.json()["error"]["message"]


def test_tags_are_stored_set_counted_and_searched(client: TestClient) -> None:
    new = {"text": "We move", "tags": {"project": "move", "topic": ["a", "b"]}}
    number = client.post("/api/anna/turns", json=new).json()["id"]
    assert client.get(f"/api/anna/turns/{number}").json()["tags"] == new["tags"]
    given = {"turn_ids": [1, number], "tags": {"project": "later"}}
    change = client.post("/api/anna/tags", json=given).json()
    assert client.get("/api/anna/tags").json()["tags"]["project"] == {"later": 2}
    asked = {"query": "Oslo", "filter": '{"tags": {"project": "later"}}'}
    hits = client.get("/api/anna/search", params=asked).json()["hits"]
    assert {hit["turn_id"] for hit in hits} == {1, number}
    client.post(f"/api/anna/changes/{change['id']}/undo")
    client.post("/api/anna/tags", json={"turn_ids": [number], "remove": ["topic"]})
    assert client.get("/api/anna/tags").json() == {"tags": {"project": {"move": 1}}}
    refused = client.post("/api/anna/tags", json={"turn_ids": [number]})
    assert refused.status_code == 400
    assert "keys to remove" in refused.text


def test_search_ranks_by_the_weights_of_the_program() -> None:
    with open_store(location_of("anna")) as store:
        ranked = [hit.turn_id for hit in store.search("pet", weights=REVERSED)]
        assert ranked != [hit.turn_id for hit in store.search("pet")]
    with serving(signed_in=False, program=reversing_program()) as client:
        hits = client.get("/api/anna/search?query=pet", headers=token("anna")).json()["hits"]
    assert [hit["turn_id"] for hit in hits] == ranked


def test_an_answer_names_its_turns_and_sql(client: TestClient) -> None:
    told = client.post("/api/anna/ask", json={"question": "Where does Anna live?"}).json()
    assert told["answer"] == "Oslo"
    assert [turn["id"] for turn in told["turns"]] == [1]
    assert told["sql"][0]["statement"].startswith("SELECT turn_id")


def test_a_listed_fact_has_the_later_turn_that_may_change_it(client: TestClient) -> None:
    for text in ("I have a dog called Rex.", "I speak Welsh.", "The vet could not save Rex."):
        turn = {"text": text, "speaker": "Eve", "said_at": "2025-03-01"}
        client.post("/api/anna/turns", json=turn)
    rex, welsh = client.get("/api/anna/facts?subject=Eve").json()["facts"]
    assert rex["later"] == 'later, turn 8, 1 Mar 2025: "The vet could not save Rex."'
    assert "later" not in welsh


def test_facts_are_noted_corrected_and_taken_back(client: TestClient) -> None:
    new = {"subject": "Ben", "attribute": "has_pet", "value": "dog Rufus", "turn_id": 4}
    assert client.post("/api/anna/facts", json=new).json()["id"] == 2
    facts = client.get("/api/anna/facts?subject=ben").json()
    assert [fact["value"] for fact in facts["facts"]] == ["dog Rufus"]
    by_hand = {"subject": "Ben", "attribute": "plays", "value": "chess"}
    assert client.post("/api/anna/facts", json=by_hand).json()["id"] == 3
    assert client.get("/api/anna/facts?subject=ben").json()["facts"][-1]["turn_id"] == 6
    client.post("/api/anna/changes/3/undo")
    change = client.post("/api/anna/facts/1/correction", json={"value": "Bergen"}).json()
    assert client.post(f"/api/anna/changes/{change['id']}/undo").json()["facts"] == 2
    changes = client.get("/api/anna/changes?limit=2").json()["changes"]
    assert [entry["id"] for entry in changes] == [5, 6]


def test_facts_come_page_by_page(client: TestClient) -> None:
    page = client.get("/api/anna/facts?limit=1").json()
    assert (page["facts"][0]["value"], page["after"]) == ("Oslo", 1)
    page = client.get(f"/api/anna/facts?limit=1&after={page['after']}").json()
    assert (page["facts"][0]["value"], page["after"]) == ("cat Miso", None)


def test_forgetting_wants_the_word_of_its_preview(client: TestClient) -> None:
    nothing = client.post("/api/anna/forget", json={}).json()["error"]["message"]
    assert nothing.startswith("name what to forget")
    of_ben = client.post("/api/anna/forget", json={"speaker": "Ben", "matching": "dog"}).json()
    assert {turn["speaker"] for turn in of_ben["preview"]["turns"]} == {"Ben"}
    shown = client.post("/api/anna/forget", json={"turn_ids": [1]}).json()
    assert [fact["value"] for fact in shown["preview"]["facts"]] == ["Oslo"]
    again = {"turn_ids": [1, 2], "confirmation": shown["confirmation"]}
    refused = client.post("/api/anna/forget", json=again)
    assert (refused.status_code, refused.json()["error"]["kind"]) == (409, "WrongConfirmation")
    assert [turn["id"] for turn in refused.json()["error"]["preview"]["turns"]] == [1, 2]
    receipt = client.post("/api/anna/forget", json={**again, "turn_ids": [1]}).json()["receipt"]
    assert receipt["turns"] == [1]
    assert receipt["salt"]


def test_a_client_waits_for_changes_after_one(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    [*_, last] = client.get("/api/anna/changes").json()["changes"]

    async def add_meanwhile(seconds: float) -> None:
        with open_store(existing("anna")) as store:
            store.write(MOVED, "meanwhile")

    monkeypatch.setattr("memory.server.api_whole.sleep", add_meanwhile)
    new = client.get(f"/api/anna/changes?after={last['id']}&wait=60").json()["changes"]
    assert [change["cause"] for change in new] == ["meanwhile"]
    monkeypatch.undo()
    oldest = client.get("/api/anna/changes?after=0&limit=1").json()["changes"]
    assert [change["id"] for change in oldest] == [1]
    for query in ("wait=5", "after=1&before=3"):
        assert client.get(f"/api/anna/changes?{query}").status_code == 400


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/api/anna/turns/99", None, 404, "there is no turn 99"),
        ("GET", "/api/anna/search", None, 400, "query: Field required"),
        ("GET", "/api/anna/turns?limit=100000", None, 400, "limit: Input should be less"),
        ("POST", "/api/anna/turns", {"text": ""}, 400, "has no text"),
        (
            "POST",
            "/api/anna/turns",
            {"text": "x", "namespace": "ben"},
            400,
            "there is no namespace",
        ),
        ("GET", "/api/anna/tags?q=x", None, 400, "there is no q; it takes none"),
        ("POST", "/api/anna/facts/99/correction", {"value": "x"}, 404, "there is no fact 99"),
        ("POST", "/api/anna/changes/99/undo", None, 404, "there is no change 99"),
        ("GET", "/api/ben/turns", None, 403, "may not read in 'ben'"),
        ("GET", f"/api/anna/turns?after=-{'9' * 22}", None, 400, "after: Input should be greater"),
        ("GET", f"/api/anna/turns?after={2**63}", None, 400, "after: Input should be less"),
        ("GET", f"/api/anna/changes?before={2**63}", None, 400, "before: Input should be less"),
        ("POST", "/api/anna/forget", {"turn_ids": [2**63]}, 400, "turn_ids.0: Input should be"),
        ("POST", "/api/anna/tags", {"turn_ids": [10**30], "remove": ["a"]}, 400, "turn_ids.0: "),
    ],
)
def test_an_error_says_what_to_do(
    client: TestClient, method: str, path: str, body: Any, status: int, message: str
) -> None:
    refused = client.request(method, path, json=body)
    assert refused.status_code == status
    assert message in refused.json()["error"]["message"]


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "said_at", ["'; DROP", "99999-01-01", "2017-13", "2017-02-30", "yesterday", "-5", "05/08/2023"]
)
def test_a_turn_is_not_dated_with_what_is_no_date(client: TestClient, said_at: str) -> None:
    new = {"text": "I play the flute.", "speaker": "Anna", "said_at": said_at}
    refused = client.post("/api/anna/turns", json=new)
    assert (refused.status_code, "is not a date" in refused.text) == (400, True)
    assert client.get("/api/anna/turns/6").status_code == 404
    for date in ("2017-05-08T13:56+02:00", "2017-05", "8 May 2017", "1494251760"):
        assert client.post("/api/anna/turns", json={**new, "said_at": date}).status_code == 200


@pytest.mark.parametrize("digits", [19, 5_000])
def test_a_number_that_is_no_id_is_no_address(client: TestClient, digits: int) -> None:
    for path in (f"/api/anna/turns/{'9' * digits}", f"/api/anna/changes/{'9' * digits}/undo"):
        method = "POST" if path.endswith("undo") else "GET"
        refused = client.request(method, path)
        assert (refused.status_code, refused.json()["error"]["kind"]) == (404, "NoEndpoint")


@pytest.mark.parametrize("kind", ["", "application/x-www-form-urlencoded", "text/plain"])
def test_a_body_is_json_whatever_its_type_says(client: TestClient, kind: str) -> None:
    """As curl's -d sends it, and a client that names no type."""
    body = b'{"text": "I moved to Bonn.", "speaker": "Anna"}'
    headers = {"content-type": kind} if kind else {}
    stored = client.post("/api/anna/turns", content=body, headers=headers)
    assert (stored.status_code, stored.json()["new"]) == (200, True)


def test_what_is_no_json_is_refused_in_words(client: TestClient) -> None:
    refused = client.post("/api/anna/turns", content=b"{'text': ")
    assert refused.status_code == 400
    assert "Invalid JSON" in refused.json()["error"]["message"]


def test_a_namespace_that_is_not_there_tells_of_no_other(client: TestClient) -> None:
    everywhere = token("*")
    refused = client.get("/api/ann/turns", headers=everywhere)
    assert refused.status_code == 404
    assert refused.json()["error"]["message"] == "there is no namespace 'ann'"
    refused = client.post("/api/ann/turns", headers=everywhere, json={"text": "x"})
    assert "create it: PUT /api/ann" in refused.json()["error"]["message"]


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
            assert {"400", "401", "403", "404"} <= {*operation["responses"]}
            assert {"200", "201", "202"} & {*operation["responses"]}


@pytest.mark.slow
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
        assert hit["text"] == "I play the flute."
        assert served.get("/api/nobody/turns", headers=token("*")).status_code == 404


# ------------------------------------------------------------------------ a memory as a whole


def test_a_memory_is_made_once_by_who_may_write_in_it(client: TestClient) -> None:
    headers = token("new one")
    made = client.put("/api/new%20one", json={"owner": "Mara"}, headers=headers)
    assert (made.status_code, made.json()) == (
        *(201, {"namespace": "new one", "new": True, "owner": "Mara"}),
    )
    again = client.put("/api/new%20one", headers=headers)
    assert (again.status_code, again.json()["new"], again.json()["owner"]) == (200, False, "Mara")
    client.post("/api/new%20one/turns", json={"text": "I play chess."}, headers=headers)
    [turn] = client.get("/api/new%20one/turns", headers=headers).json()["turns"]
    assert turn["speaker"] == "Mara"
    assert client.put("/api/another", headers=headers).status_code == 403
    reader = token("third", rights="read")
    assert client.put("/api/third", headers=reader).status_code == 403
    mistaken = client.put("/api/anna/turns", headers=token("*"))
    assert (mistaken.status_code, mistaken.headers["allow"]) == (405, "GET, HEAD, POST")


def test_turns_come_in_batches_whole_or_not_at_all(client: TestClient) -> None:
    turns = [{"text": f"Tea number {n}.", "speaker": "Anna", "source": f"t{n}"} for n in range(3)]
    for is_new in (True, False):
        added = client.post("/api/anna/turns/batch", json={"turns": turns}).json()["turns"]
        assert added == [{"id": number, "new": is_new} for number in (6, 7, 8)]
    wrong = [{"text": "Coffee."}, {"text": "Milk.", "said_at": "soon"}]
    assert client.post("/api/anna/turns/batch", json={"turns": wrong}).status_code == 400
    assert len(client.get("/api/anna/turns").json()["turns"]) == 8
    mixed = [
        turns[2],
        {"text": f"The key is {GITHUB_TOKEN}.", "source": "k"},
        {"text": "x", "source": "k"},
    ]
    added = client.post("/api/anna/turns/batch", json={"turns": mixed}).json()["turns"]
    assert added == [
        {"id": 8, "new": False},
        {"id": 9, "new": True, "withheld": {"secrets": 1, "private": 0}},
        {"id": 9, "new": False},
    ]


def test_a_turn_that_a_memory_refuses_leaves_its_batch_out(client: TestClient) -> None:
    with Memory("anna") as memory:
        Settings(memory.store).set("secrets", "refuse")
    turns = [{"text": "Coffee."}, {"text": f"The key is {GITHUB_TOKEN}."}]
    refused = client.post("/api/anna/turns/batch", json={"turns": turns})
    assert (refused.status_code, "turn 2 holds" in refused.text) == (400, True)
    assert len(client.get("/api/anna/turns").json()["turns"]) == 5


def test_a_fact_is_edited_by_its_kind(client: TestClient) -> None:
    wrong = {"kind": "was wrong", "value": "Bergen"}
    client.post("/api/anna/facts/1/correction", json=wrong)
    client.post("/api/anna/facts/2/correction", json={"kind": "is over", "since": "2018"})
    [lives] = client.get("/api/anna/facts?attribute=lives in").json()["facts"]
    assert (lives["value"], lives["happened_on"]) == ("Bergen", "2017-05-06")
    then = client.get("/api/anna/facts?as_of=2017-06").json()["facts"]
    assert [fact["value"] for fact in then] == ["Bergen", "cat Miso"]


def test_a_context_is_a_block_for_a_prompt(client: TestClient) -> None:
    asked = {"messages": "Which pet do I have, a cat?", "budget": 200}
    block = client.post("/api/anna/context", json=asked).json()
    assert "Miso" in block["text"]
    aside = {"messages": "What is 17 times 23?", "budget": 200}
    assert client.post("/api/anna/context", json=aside).json()["text"] == ""
    whole = client.post("/api/anna/context", json={**aside, "gate": False}).json()
    assert "Miso" in whole["text"]
    assert block["tokens"] <= 200
    assert block["turn_ids"]


def test_an_export_is_imported_as_an_equal_memory(client: TestClient) -> None:
    exported = client.get("/api/anna/export")
    assert exported.headers["content-type"] == "application/x-ndjson"
    headers = token("copy")
    client.put("/api/copy", headers=headers)
    done = client.post("/api/copy/import", content=exported.content, headers=headers)
    assert done.json() == {"turns": 5}
    facts = client.get("/api/copy/facts", headers=headers).json()
    assert facts == client.get("/api/anna/facts").json()
    refused = client.post("/api/copy/import", content=b"no lines of ours", headers=headers)
    assert (refused.status_code, "the body: line 1" in refused.text) == (400, True)


def test_a_digest_is_a_job_that_is_asked_for(home: str) -> None:
    model = scripted_model([([], sql("-- none")), ([], sql("-- none"))], window=3)
    # It asks again and again whether the job is done.
    with serving(model, signed_in=False, requests_a_second=1e6) as client:
        client.headers.update(token("anna"))
        client.event_hooks["response"] = [is_as_described]
        begun = client.post("/api/anna/digest")
        assert (begun.status_code, begun.json()["kind"]) == (202, "digest")
        deadline = time.monotonic() + 60
        while (job := client.get("/api/anna/jobs/1").json())["state"] == "running":
            assert time.monotonic() < deadline
        assert (job["state"], job["error"], job["result"]["stored"]) == ("done", "", 2)
        assert client.get("/api/anna/jobs").json() == {"jobs": [job]}
        assert client.get("/api/anna/jobs/7").status_code == 404
        others = token("ben")
        assert client.get("/api/ben/jobs/1", headers=others).status_code == 404


def test_a_memory_is_exported_and_erased_by_a_request_each(
    client: TestClient, tmp_path: Path
) -> None:
    with open_store(existing("anna")) as store:
        store.backup(tmp_path / "copy.backup")
    assert '"text"' in client.get("/api/anna/export").text
    mistaken = client.request("DELETE", "/api/anna", json={"confirmation": "ann"})
    assert (mistaken.status_code, "nothing was erased" in mistaken.text) == (400, True)
    writer = token("anna", rights="read,write")
    named = {"confirmation": "anna"}
    assert client.request("DELETE", "/api/anna", json=named, headers=writer).status_code == 403
    erased = client.request("DELETE", "/api/anna", json=named).json()
    assert erased == {"erased": "anna", "backups": [str(tmp_path / "copy.backup")]}
    assert client.get("/api/anna/turns").status_code == 404
    assert client.request("DELETE", "/api/anna", json=named).status_code == 404
    of_facts = client.request("DELETE", "/api/anna/facts", json=named, headers=token("*"))
    assert of_facts.status_code == 405


def test_the_asker_is_the_speaker_by_another_name(client: TestClient) -> None:
    said = {"text": "I live in Ulm.", "speaker": "Ben"}
    client.post("/api/anna/turns", json=said)
    for name in ("speaker", "asker"):
        block = client.post("/api/anna/context", json={"messages": "Where do I live?", name: "Ben"})
        assert "Ulm" in block.json()["text"], name
    refused = client.post("/api/anna/turns", json={"text": "Hi.", "asker": "Ben"})
    assert refused.status_code == 400
    assert "speaker" in refused.text, refused.text


def test_traces_take_the_rights_of_turns_and_pins_those_of_tags(client: TestClient) -> None:
    block = client.post("/api/anna/context", json={"messages": "Where does Anna live?"}).json()
    reply = client.post("/api/anna/turns", json={"text": "In Oslo.", "speaker": "bot"}).json()["id"]
    trace = {"turn_ids": block["turn_ids"], "fact_ids": block["fact_ids"]}
    path = f"/api/anna/turns/{reply}/trace"
    assert client.post(path, json=trace).json() == {"new": True}
    assert client.get(path).json()["turns"] == block["turn_ids"]
    assert client.get("/api/anna/turns/1/trace").json()["replies"] == [reply]
    assert client.get("/api/anna/facts/99/trace").status_code == 404
    assert client.post("/api/anna/pins/out", json={"fact_ids": [99]}).status_code == 404
    reader, writer = token("anna", rights="read"), token("anna", rights="write")
    assert client.get(path, headers=reader).status_code == 200
    assert client.post(path, json=trace, headers=reader).status_code == 403
    assert (
        client.post("/api/anna/pins/out", json={"turn_ids": [1]}, headers=reader).status_code == 403
    )
    assert client.get(path, headers=writer).status_code == 403
    assert client.post(path, json=trace, headers=writer).json() == {"new": False}
    assert client.get(path, headers=token("ben", rights="read")).status_code == 403
    client.post("/api/anna/pins/out", json={"turn_ids": [1]}, headers=writer)
    kept_out = client.get("/api/anna/pins", headers=reader).json()["kept_out"]
    assert [turn["id"] for turn in kept_out] == [1]
    again = client.post("/api/anna/context", json={"messages": "Where does Anna live?"}).json()
    assert 1 not in again["turn_ids"]
