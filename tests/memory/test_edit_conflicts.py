"""Two people edit one fact: the second sees what the first wrote, and chooses, at every door."""

import re
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from memory import InputError, Store, open_store
from memory.__main__ import app
from memory.errors import EditConflict
from memory.facts import add, correct, end, remove, supersede
from memory.records import Change
from memory.store.namespaces import create, location_of
from tests.conftest import CAT, MOVED, SAID
from tests.support.commands import run
from tests.support.page_client import hidden, page_client, shown
from tests.support.scripted import scripted_model
from tests.support.serving import serving, token

BOTH_STORES = "slow"
Edit = Callable[..., Change]


@pytest.fixture
def anna(home: str) -> str:
    """A memory, anna, in which fact 1 says that Anna has lived in Oslo since 2017-05-06."""
    with open_store(create("anna")) as store:
        store.add(SAID)
        store.write(f"{MOVED}; {CAT}", cause="digest by test", window=(1, 5))
    return "anna"


@pytest.fixture
def told(store: Store) -> Store:
    store.write(f"{MOVED}; {CAT}", cause="digest by test", window=(1, 5))
    return store


def homes(store: Store) -> list[tuple[str, str, str]]:
    """Where Anna lives, by id: value, since and until."""
    facts = [fact for fact in store.facts() if fact.attribute == "lives_in"]
    return [(fact.value, fact.happened_on, fact.ended_on) for fact in facts]


def conflict_of(edit: Callable[[], Change]) -> EditConflict:
    with pytest.raises(EditConflict) as raised:
        edit()
    return raised.value


# ---------------------------------------------------------------------------- Python


def test_a_second_value_meets_the_first_and_is_put_over_it(told: Store) -> None:
    supersede(told, 1, "Rome", since="2018", by="Ben")
    conflict = conflict_of(lambda: supersede(told, 1, "Bergen", since="2019"))
    assert conflict.fact
    assert (conflict.fact.value, conflict.fact.happened_on) == ("Rome", "2018")
    assert conflict.change.cause == "edit by Ben"
    assert "Anna lives_in: Rome since 2018 (fact 3, turn 6)" in str(conflict)
    assert "(edit by Ben)" in str(conflict)
    assert len(told.turns()) == 6  # nothing was written
    supersede(told, 1, "Bergen", since="2019", seen=conflict.change.id)
    assert homes(told) == [
        ("Oslo", "2017-05-06", "2018"),
        ("Rome", "2018", "2019"),
        ("Bergen", "2019", ""),
    ]
    assert told.check() == []


def test_a_value_from_before_the_first_one_takes_its_place(told: Store) -> None:
    change = supersede(told, 1, "Rome", since="2019", by="Ben")
    supersede(told, 1, "Bergen", since="2018", seen=change.id)
    assert homes(told)[-1] == ("Bergen", "2018", "")
    assert "Rome" not in str(homes(told))


def test_whoever_has_not_seen_the_newest_edit_is_told_again(told: Store) -> None:
    first = supersede(told, 1, "Rome", by="Ben")
    [_, newer] = [fact for fact in told.facts() if fact.attribute == "lives_in"]
    correct(told, newer.id, value="Roma", by="Cleo")
    conflict = conflict_of(lambda: supersede(told, 1, "Bergen", seen=first.id))
    assert conflict.fact
    assert conflict.fact.value == "Roma"
    assert "edit by Cleo" in str(conflict)
    supersede(told, 1, "Bergen", seen=conflict.change.id)
    assert [value for value, _, until in homes(told) if not until] == ["Bergen"]


def test_an_end_is_put_over_an_end(told: Store) -> None:
    end(told, 1, "2018", by="Ben")
    conflict = conflict_of(lambda: end(told, 1, "2019"))
    assert conflict.fact
    assert conflict.fact.ended_on == "2018"
    end(told, 1, "2019", seen=conflict.change.id)
    assert homes(told) == [("Oslo", "2017-05-06", "2019")]
    with pytest.raises(InputError, match="fact 1 already ended on 2019"):
        end(told, 1, "2019", seen=99)


@pytest.mark.parametrize(("since", "until"), [("2017-07", "2017-07"), ("2019", "2018")])
def test_a_value_is_put_over_an_end(told: Store, since: str, until: str) -> None:
    change = end(told, 1, "2018", by="Ben")
    supersede(told, 1, "Bergen", since=since, seen=change.id)
    assert homes(told) == [("Oslo", "2017-05-06", until), ("Bergen", since, "")]


def test_a_deleted_fact_is_brought_back_by_undoing(told: Store) -> None:
    change = remove(told, 1, by="Ben")
    for edit in (lambda: supersede(told, 1, "Bergen"), lambda: end(told, 1, seen=change.id)):
        conflict = conflict_of(edit)
        assert conflict.fact is None
        assert f"deleted by change {change.id} (edit by Ben); undo that change" in str(conflict)
    told.undo(conflict.change.id)
    supersede(told, 1, "Bergen")


@pytest.mark.parametrize(
    "edit",
    [
        lambda store, seen: supersede(store, 1, "Bergen", seen=seen),
        lambda store, seen: correct(store, 1, value="Bergen", seen=seen),
        lambda store, seen: end(store, 1, "2020", seen=seen),
        lambda store, seen: remove(store, 1, seen=seen),
    ],
)
def test_no_edit_overwrites_what_was_not_seen(told: Store, edit: Edit) -> None:
    seen = told.changes()[-1].id
    correct(told, 1, value="Osaka", by="Ben")
    conflict = conflict_of(lambda: edit(told, seen))
    assert conflict.fact
    assert conflict.fact.value == "Osaka"
    assert homes(told) == [("Osaka", "2017-05-06", "")]
    edit(told, conflict.change.id)
    assert ("Osaka", "2017-05-06", "") not in homes(told)


def test_several_facts_one_after_another_lead_to_the_present_one(told: Store) -> None:
    supersede(told, 1, "Rome", since="2018")
    supersede(told, 3, "Turin", since="2019")
    add(told, subject="Anna", attribute="plays", value="chess")
    conflict = conflict_of(lambda: supersede(told, 1, "Bergen"))
    assert conflict.fact
    assert conflict.fact.value == "Turin"


# ---------------------------------------------------------------------------- other doors


def refused(*arguments: str) -> str:
    """What a command says that leaves the memory as it is."""
    error = CliRunner().invoke(app, [*arguments]).exception
    assert isinstance(error, EditConflict)
    return str(error)


def test_the_command_says_what_the_first_wrote_and_how_to_overrule_it(anna: str) -> None:
    edit = ("facts", "edit", "1", "-n", anna, "--value")
    run(*edit, "Rome", "--since", "2018")
    message = refused(*edit, "Bergen")
    assert "Anna lives_in: Rome since 2018 (fact 3, turn 6), by change 2 (edit by user)" in message
    [seen] = re.findall(r"--seen (\d+)", message)
    assert "Anna lives_in: Bergen" in run(*edit, "Bergen", "--seen", seen)
    assert "1 already ended" in refused("facts", "edit", "1", "-n", anna, "--ended-on", "2020")
    correcting = ("facts", "edit", "2", "-n", anna, "--was-wrong", "--value")
    run(*correcting, "cat Tom")
    assert "cat Tom" in refused(*correcting, "cat Tim", "--seen", "1")


def test_the_api_answers_409_with_what_the_first_wrote(anna: str) -> None:
    with serving(scripted_model([]), signed_in=False) as client:
        client.headers.update(token(anna, rights="read,write"))
        address = f"/api/{anna}/facts/1/correction"
        first = client.post(address, json={"value": "Rome", "since": "2018"}).json()
        response = client.post(address, json={"value": "Bergen"})
        assert response.status_code == 409
        error = response.json()["error"]
        assert (error["kind"], error["fact"]["value"]) == ("EditConflict", "Rome")
        assert error["change"]["id"] == first["id"]
        over = {"value": "Bergen", "seen": error["change"]["id"]}
        assert client.post(address, json=over).status_code == 200
        facts = client.get(f"/api/{anna}/facts?attribute=lives_in").json()["facts"]
        assert [fact["value"] for fact in facts] == ["Bergen"]
        ending = f"/api/{anna}/facts/2/end"
        assert client.post(ending, json={"on": "2020"}).status_code == 200
        ended = client.post(ending, json={"on": "2021"})
        assert ended.json()["error"]["fact"]["ended_on"] == "2020"
        seen = ended.json()["error"]["change"]["id"]
        assert client.post(ending, json={"on": "2021", "seen": seen}).status_code == 200


def test_the_tool_says_what_the_first_wrote_and_how_to_overrule_it(told: Store) -> None:
    from memory import Memory
    from memory.operations.tools import memory_tools

    with Memory(told, model=scripted_model([])) as memory:
        tools = {tool.__name__: tool for tool in memory_tools(memory)}
        tools["correct_fact"](1, "changed", "Rome", "2018")
        with pytest.raises(InputError, match="now: Anna lives_in: Rome since 2018") as raised:
            tools["correct_fact"](1, value="Bergen")
        [seen] = re.findall(r"\(seen=(\d+)\)", str(raised.value))
        tools["correct_fact"](1, value="Bergen", seen=int(seen))
        tools["correct_fact"](2, "is over", on="2020")
        with pytest.raises(InputError, match="already ended on 2020"):
            tools["correct_fact"](2, "is over", on="2021")
    assert [value for value, _, until in homes(told) if not until] == ["Bergen"]


@pytest.mark.few(2)
@pytest.mark.parametrize(
    "first",
    [
        lambda store: supersede(store, 1, "Rome", since="2019", by="Ben"),
        lambda store: correct(store, 1, value="Rome", by="Ben"),
    ],
)
@pytest.mark.parametrize("since", ["", "2018"])
def test_the_page_shows_what_the_first_wrote_and_saves_the_second_over_it(
    anna: str, first: Edit, since: str
) -> None:
    with page_client() as client:
        address = f"/m/{anna}/facts/1"
        seen = hidden(client.get(address).text, "seen")
        with open_store(location_of(anna)) as store:
            first(store)
        form = {"edit": "supersede", "value": "Bergen", "since": since}
        response = client.post(address, data=form | {"seen": seen})
        assert response.status_code == 409
        assert "Now Anna lives in Rome" in shown(response.text)
        again = client.post(address, data=form | {"seen": hidden(response.text, "seen")})
        assert again.status_code == 200, shown(again.text)
    with open_store(location_of(anna), read_only=True) as store:
        assert [value for value, _, until in homes(store) if not until] == ["Bergen"]


def test_the_page_brings_a_deleted_fact_back(anna: str) -> None:
    with page_client() as client:
        address = f"/m/{anna}/facts/1"
        seen = hidden(client.get(address).text, "seen")
        client.post(address, data={"edit": "remove", "seen": seen})
        response = client.post(address, data={"edit": "end", "on": "2019", "seen": seen})
        assert response.status_code == 409
        change = hidden(response.text, "change")
        back = client.post(f"/m/{anna}/undo", data={"change": change})
    assert "Anna lives in Oslo" in shown(back.text)
