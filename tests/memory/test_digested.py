"""A memory that a model digested, seen through every door: what has not ended is found at each.

The model spells an end that is not there as models do, now '' and now NULL.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from memory import Memory, Turn, open_store
from memory.operations.tools import Tools
from memory.refine.tools import RefiningTools
from memory.refine.workbench import StoreWorkbench
from memory.store import Store
from memory.store.namespaces import create, existing
from tests.support.commands import run
from tests.support.page_client import page_client, shown
from tests.support.scripted import answer, scripted_model, sql
from tests.support.serving import serving, token

BOTH_STORES = "slow"
COLUMNS = "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id) VALUES"
TURNS = [
    Turn("Maria", "I lived in Porto until April 2011, and have a cat.", said_at="2011-05-02"),
    Turn("Tom", "And now?", said_at="2011-05-02"),
    Turn("Maria", "Now I live in Rome and work at the Old Mill.", said_at="2011-05-02"),
]
DIGEST = f"""{COLUMNS}
  ('Maria', 'lives_in', 'Porto', '', '2011-04', 1),
  ('Maria', 'has_pet', 'a cat', '', '', 1),
  ('Maria', 'lives_in', 'Rome', '2011-05', NULL, 3);
INSERT INTO facts (subject, attribute, value, turn_id) VALUES
  ('Maria', 'works_at', 'the Old Mill', 3);
UPDATE facts SET ended_on = '' WHERE value = 'the Old Mill';"""
IN_FORCE = ["a cat", "Rome", "the Old Mill"]
FIRST_QUERY = "SELECT turn_id, value FROM facts WHERE ended_on IS NULL ORDER BY id"


@pytest.fixture
def digested(home: str) -> Iterator[Store]:
    """The memory anna, digested by a model."""
    with open_store(create("anna")) as store:
        store.add(TURNS)
        model = scripted_model([(["[1] (Mon 02 May 2011) Maria"], sql(DIGEST))])
        assert Memory(store, model).digest().stored == 1
        yield store


def values(store: Store, select: str) -> list[object]:
    return [row[-1] for row in store.read(select).rows]


def test_a_models_first_query_finds_what_has_not_ended(digested: Store) -> None:
    assert values(digested, FIRST_QUERY) == IN_FORCE
    assert values(digested, FIRST_QUERY.replace("IS NULL", "= ''")) == IN_FORCE
    assert values(digested, "SELECT value FROM facts_now ORDER BY id") == IN_FORCE
    assert digested.check() == []


def test_a_question_is_answered_from_it(digested: Store) -> None:
    asked = [
        (["Where does Maria live now?"], sql(f"{FIRST_QUERY};")),
        (["Rome", "the Old Mill"], answer("Rome", "3")),
    ]
    model = scripted_model(asked)
    given = Memory(digested, model).ask("Where does Maria live now?")
    assert given.text == "Rome"
    assert [row[-1] for row in given.rows[0].rows] == IN_FORCE
    model.lm.assert_done()


@pytest.mark.parametrize("filters", ["person=Maria", "sort=date", "attribute=lives+in", "q=rome"])
def test_the_page_lists_it_by_every_filter(digested: Store, filters: str) -> None:
    with page_client() as client:
        listed = shown(client.get(f"/m/anna/facts?{filters}").text)
    assert "No facts match" not in listed
    assert "Rome" in listed
    assert "Porto" not in listed


def test_the_command_lists_it(digested: Store) -> None:
    printed = run("facts", "-n", "anna")
    assert all(value in printed for value in IN_FORCE)
    assert "Porto" not in printed


def test_the_api_and_the_tools_of_agents_read_it(digested: Store) -> None:
    with serving(signed_in=False) as client:
        client.headers.update(token("anna", rights="read"))
        facts = client.get("/api/anna/facts").json()["facts"]
        assert [fact["value"] for fact in facts] == IN_FORCE
    tools = Tools(
        lambda: nullcontext(digested),
        lambda store: Memory(store, scripted_model([])),
        weights=None,
    )
    table = tools.query_memory(FIRST_QUERY)
    assert all(value in table for value in IN_FORCE)
    assert "Porto" not in table


def test_a_dump_of_a_memory_with_both_spellings_is_loaded_with_one(
    digested: Store, tmp_path: Path
) -> None:
    records = [*digested.dump()]
    older = [
        {
            name: "" if name in ("happened_on", "ended_on") and value is None else value
            for name, value in record.items()
        }
        if record["table"] == "facts"
        else {**record, "after": record["after"].replace("null", '""')}
        if record["table"] == "facts_log"
        else record
        for record in records
    ]
    assert older != records
    for number, given in enumerate((records, older)):
        with open_store(tmp_path / f"{number}.db") as loaded:
            loaded.load(given)
            assert [*loaded.dump()] == records
            assert loaded.load(older) == 0
            assert values(loaded, FIRST_QUERY) == IN_FORCE
            assert loaded.check() == []
            loaded.undo(1)
            assert loaded.facts() == []


def test_what_is_reopened_refined_and_edited_has_ended_nowhere(digested: Store) -> None:
    digested.write("UPDATE facts SET ended_on = '' WHERE value = 'Porto'", cause="reopened")
    refining = RefiningTools(StoreWorkbench(lambda: open_store(existing("anna"))))
    refining.manage_memory(
        "create", "told", subject="Tom", attribute="asked", value="And now?", turn_id=2
    )
    run("facts", "add", "Tom", "likes", "tea", "-n", "anna")
    expected = ["Porto", *IN_FORCE, "And now?", "tea"]
    assert values(digested, FIRST_QUERY) == expected
    digested.undo(2)
    assert values(digested, FIRST_QUERY) == expected[1:]
    assert digested.check() == []
