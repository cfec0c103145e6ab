"""Operations: written once, the same at every door."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from memory import InputError, open_store
from memory.errors import NotThereError
from memory.operations import OPERATIONS
from memory.operations.tools import GROUPS, Tools, tool_rights
from memory.server.json_api import document
from memory.store.namespaces import create, existing, path_of
from tests.support.commands import run
from tests.support.refiner import creating, deleting, furnished, refiner_model
from tests.support.serving import serving, token


@pytest.fixture
def client() -> Iterator[TestClient]:
    with serving(signed_in=False) as served:
        served.headers.update(token("anna", rights="read,write,forget"))
        yield served


def by_command(*words: str) -> Any:
    return json.loads(run("admin", "call", *words, "-n", "anna"))


def no_model(store: object) -> Any:
    raise AssertionError


def by_tool(name: str, /, **arguments: object) -> Any:
    with open_store(existing("anna")) as store:
        tools = Tools(lambda: nullcontext(store), no_model, weights=None)
        return json.loads(getattr(tools, name)(**arguments))


def test_an_operation_answers_the_same_at_every_door(client: TestClient) -> None:
    hits = client.get("/api/anna/search?query=pet&limit=2").json()
    assert len(hits["hits"]) == 2
    assert by_command("search", "--query", "pet", "--limit", "2") == hits
    assert by_tool("search", query="pet", limit=2) == hits
    turn = client.get("/api/anna/turns/3").json()
    assert by_command("turn", "3") == by_tool("turn", turn_id=3) == turn


def test_what_a_question_recalls_is_the_same_for_programs_and_for_agents(
    client: TestClient,
) -> None:
    [fact] = client.get("/api/anna/facts?attribute=lives_in").json()["facts"]
    moved = {"value": "Tromsø", "since": "2020"}
    assert client.post(f"/api/anna/facts/{fact['id']}/correction", json=moved).is_success
    recalled = client.get("/api/anna/recall?query=Where does Anna live?&limit=2").json()
    assert "Tromsø" in [fact["value"] for fact in recalled["facts"]]
    assert len(recalled["turns"]) == 2
    [mark] = [hit["mark"] for hit in recalled["turns"] if hit["turn"]["id"] == fact["turn_id"]]
    assert mark == "outdated: lives in Oslo until 2020, now Tromsø"
    with open_store(existing("anna")) as store:
        tools = Tools(lambda: nullcontext(store), no_model, weights=None)
        lines = tools.recall("Where does Anna live?", 2).splitlines()
    assert [line for line in lines if line.endswith(f"[{mark}]")]
    newest = client.get("/api/anna/recall?query=%20&limit=5").json()  # facts need an asker
    assert (len(newest["turns"]), newest["facts"]) == (5, [])


def test_lists_and_objects_are_given_to_a_command_as_json(client: TestClient) -> None:
    tags = {"topic": ["a", "b"], "project": "move"}
    by_command("set-tags", "--turn-ids", "1", "--turn-ids", "2", "--tags", json.dumps(tags))
    counts = {"topic": {"a": 2, "b": 2}, "project": {"move": 2}}
    assert client.get("/api/anna/tags").json() == by_tool("tags") == {"tags": counts}


def test_what_is_wrong_is_told_in_the_same_words(client: TestClient) -> None:
    words = "limit: Input should be less than or equal to 200"
    assert words in client.get("/api/anna/turns?limit=201").json()["error"]["message"]
    run("admin", "call", "turns", "--limit", "201", "-n", "anna", says=words)
    with pytest.raises(InputError, match=words):
        by_tool("turns", limit=201)
    run("admin", "call", "turn", "99", "-n", "anna", says="there is no turn 99")
    with pytest.raises(NotThereError, match="there is no turn 99"):
        by_tool("turn", turn_id=99)
    with pytest.raises(InputError, match="turn_id: Input"):
        by_tool("turn", turn_id=2**63)
    run("admin", "call", "turn", str(2**63), "-n", "anna", says="turn_id: Input")


def test_an_operation_says_by_which_door_a_fact_was_changed() -> None:
    change = by_tool("correct", fact_id=1, value="Bergen")
    assert "tool correct" in change["cause"]
    assert by_command("undo", str(change["id"]))["facts"] == 2


def test_settings_are_changed_but_for_those_of_a_person(client: TestClient) -> None:
    changed = client.post("/api/anna/settings", json={"name": "persona", "value": "a cat"})
    assert changed.json() == {"name": "persona", "takes": "text", "value": "a cat"}
    [persona] = [each for each in by_tool("settings")["settings"] if each["name"] == "persona"]
    assert persona == changed.json()
    for name in ("secrets", "retention_days", "retention_keeps_facts"):
        refused = client.post("/api/anna/settings", json={"name": name, "value": "off"})
        assert (refused.status_code, "a person sets this" in refused.text) == (400, True)


def test_a_fact_has_a_history_and_an_attribute_a_count(client: TestClient) -> None:
    client.post("/api/anna/facts/1/correction", json={"kind": "was wrong", "value": "Bergen"})
    edits = client.get("/api/anna/facts/1/history").json()["edits"]
    assert [edit["after"]["value"] for edit in edits] == ["Oslo", "Bergen"]
    assert edits[0]["before"] is None
    counts = {each["name"]: each for each in by_command("attributes")["attributes"]}
    assert (counts["lives_in"]["facts"], counts["lives_in"]["kind"]) == (1, "one value")


def test_a_fact_is_deleted_and_comes_back_by_undo(client: TestClient) -> None:
    seen = client.get("/api/anna/changes").json()["changes"][0]["id"]
    change = client.request("DELETE", "/api/anna/facts/1", json={"seen": seen})
    assert change.status_code == 200
    assert client.request("DELETE", "/api/anna/facts/1").status_code == 409  # it is gone
    edits = client.get("/api/anna/facts/1/history").json()["edits"]
    assert [edit["after"] is None for edit in edits] == [False, True]
    client.post(f"/api/anna/changes/{change.json()['id']}/undo")
    assert by_command("delete-fact", "1")["id"] == change.json()["id"] + 2


def test_an_audit_is_read_over_the_api(client: TestClient) -> None:
    for city in ("Bonn", "Ulm"):
        fact = {"subject": "Ben", "attribute": "has_pet", "value": city, "turn_id": 4}
        client.post("/api/anna/facts", json=fact)
    with open_store(existing("anna")) as store:
        store.write("UPDATE facts SET value = 'bonn' WHERE value = 'Ulm'", "twice", by_person=True)
    findings = client.get("/api/anna/audit").json()["findings"]
    assert findings[0]["kind"] == "duplicate"
    assert findings == by_command("audit")["findings"]


def test_every_operation_is_at_every_door() -> None:
    described = {
        operation["operationId"]: operation
        for methods in document()["paths"].values()
        for operation in methods.values()
    }
    rights = tool_rights(["operations"])
    commands = run("admin", "call", "--help")
    for name, operation in OPERATIONS.items():
        assert described[name]["summary"] == operation.summary
        assert name.replace("_", "-") in commands
        if name in rights:
            assert rights[name] == operation.right
    # Tools of models do these in their own words; the others are work on a whole memory.
    names = {name for tools in GROUPS.values() for name in tools}
    assert names & {*OPERATIONS} == {"recall", "forget", "digest"}
    assert {*OPERATIONS} - {*rights} == {"digest", "refine", "export_memory", "import_memory"}


def test_people_and_attributes_are_edited_at_every_door(client: TestClient) -> None:
    def post(path: str, **body: object) -> Any:
        response = client.post(f"/api/anna/{path}", json=body)
        assert response.is_success, response.text
        return response.json()

    change = by_command("rename-attribute", "--name", "lives_in", "--new-name", "home")
    shapes = {
        frozenset(post("entities/rename", name="Anna", new="Anna Berg")),
        frozenset(by_command("describe-entity", "--name", "Anna Berg", "--description", "a vet")),
        frozenset(by_tool("alias", name="Annie", entity="Anna Berg")),
        frozenset(post("attributes", name="mood", values=["good", "bad"])),
        frozenset(change),
        frozenset(by_tool("undo", change_id=change["id"])),
    }
    assert len(shapes) == 1
    [entity] = client.get("/api/anna/entities?text=annie").json()["entities"]
    assert (entity["name"], entity["description"]) == ("Anna Berg", "a vet")
    printed = run("facts", "entities", "list", "annie", "--json", "-n", "anna")
    assert json.loads(printed) == entity
    listed = {each["name"]: each for each in by_tool("attributes", text="mood")["attributes"]}
    assert (listed["mood"]["by"], listed["mood"]["allowed_values"]) == ("you", ["good", "bad"])
    printed = run("facts", "attributes", "list", "mood", "--json", "-n", "anna")
    assert json.loads(printed) == listed["mood"]
    refused = client.post("/api/anna/entities/merge", json={"name": "Zoe", "into": "Anna Berg"})
    assert (refused.status_code, "there is no entity 'Zoe'" in refused.text) == (400, True)


NEW_OPERATION = """
from memory.operations import OpenMemory, operation

@operation("read", "GET /turns/{id}/length")
def turn_length(memory: OpenMemory, turn_id: int) -> dict[str, int]:
    \"""Count the characters of a turn.\"""
    return {"characters": len(memory.store.turn(turn_id).text)}
"""


# In a process that has the file first, as one of the room: doors list operations once.
DOORS_OF_IT = """
import json, sys
import turn_length
from memory.__main__ import app
from memory.operations.tools import tool_rights
from memory.server.json_api import document

assert tool_rights(["operations"])["turn_length"] == "read"
assert "turn_length" in json.dumps(document())
sys.argv = ["memory", "admin", "call", "turn-length", "3", "-n", "anna"]
app()
"""


def test_a_new_operation_is_one_file(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "turn_length.py").write_text(NEW_OPERATION, "utf-8")
    text = client.get("/api/anna/turns/3").json()["text"]
    done = subprocess.run(
        [sys.executable, "-c", DOORS_OF_IT],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f'{{"characters": {len(text)}}}\n', done.stderr


def test_a_whole_memory_goes_through_commands_and_the_api(
    client: TestClient, tmp_path: Path
) -> None:
    exported = client.get("/api/anna/export").text
    assert run("admin", "call", "export-memory", "-n", "anna") == exported
    file = tmp_path / "anna.jsonl"
    file.write_text(exported, "utf-8")
    words = ("admin", "call", "import-memory", "--lines", file, "-n")
    run(*words, "copy", says="there is no namespace 'copy'")
    create("copy")
    for turns in (5, 0):  # what is there is not stored again
        stored = run(*words, "copy")
        assert json.loads(stored) == {"turns": turns}
    assert run("admin", "call", "export-memory", "-n", "copy") == exported
    file.write_text("no lines of ours")
    run(*words, "copy", says=str(file))
    assert run("admin", "call", "export-memory", "-n", "copy") == exported


def test_a_digest_counts_what_it_did() -> None:
    counts = by_command("digest")
    assert counts["read"] == 5  # by templates, as there is no larger model
    assert counts["calls"] == counts["failed"] == 0


def test_a_refinement_is_a_job(home: str) -> None:
    model, _ = refiner_model([creating(3), deleting(1)], [])
    with open_store(path_of("ann")) as store:
        furnished(store.location, without=[3])
    headers = token("ann")
    with serving(model, signed_in=False, requests_a_second=1e6) as client:
        body = {"operations": 2, "questions": 12}
        begun = client.post("/api/ann/refine", json=body, headers=headers)
        assert (begun.status_code, begun.json()["kind"]) == (202, "refine")
        deadline = time.monotonic() + 60
        while (job := client.get("/api/ann/jobs/1", headers=headers).json())["state"] == "running":
            assert time.monotonic() < deadline
        refused = client.post("/api/ann/refine", json={"operations": 201}, headers=headers)
    counts = {"operations": 2, "changes": 1, "dropped": 1, "before": 1.0, "after": 1.0}
    assert (job["state"], job["result"]) == ("done", counts), job
    assert refused.status_code == 400
    with open_store(existing("ann")) as store:
        assert len(store.facts()) == 12


def test_nothing_is_refined_without_a_model() -> None:
    run("admin", "call", "refine", "-n", "anna", says="it needs a language model")


def test_another_method_is_told_which_one_is_for_an_address(client: TestClient) -> None:
    refused = client.post("/api/anna/search")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD")
    assert client.head("/api/anna/turns").status_code == 200
    assert client.patch("/api/anna/nothing").status_code == 404
    refused = client.request("TRACE", "/api/anna")
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, PUT")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "turns", "GET, HEAD, POST"),
        ("DELETE", "turns", "GET, HEAD, POST"),
        ("PUT", "turns/1", "GET, HEAD"),
        ("DELETE", "changes/1/undo", "POST"),
    ],
)
def test_an_address_below_a_memory_is_no_memory_to_make_or_erase(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    refused = client.request(method, f"/api/anna/{path}")
    assert (refused.status_code, refused.headers["allow"]) == (405, allowed)


def test_what_is_not_there_is_404_whatever_it_is(client: TestClient) -> None:
    for path in ("facts/999/history", "turns/999"):
        assert client.get(f"/api/anna/{path}").status_code == 404
    for path in ("changes/999/undo", "facts/999/end"):
        assert client.post(f"/api/anna/{path}", json={}).status_code == 404


def test_true_is_no_number_and_no_lines_are_no_export(client: TestClient) -> None:
    no_numbers = {"tags": {"turn_ids": [True], "remove": ["a"]}, "digest": {"calls": True}}
    for path, body in no_numbers.items():
        refused = client.post(f"/api/anna/{path}", json=body)
        assert (refused.status_code, "valid integer" in refused.text) == (400, True)
    assert client.post("/api/anna/import").status_code == 400
