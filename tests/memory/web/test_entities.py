"""Entities on the page: facts by whom they are about, and forms for their names."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from memory import open_store
from memory.store.facts.entity_edits import known_entities
from memory.store.namespaces import create, existing
from tests.conftest import INSERT, SAID
from tests.support.page_client import page_client, shown

BOTH_STORES = "slow"
PAGE = "/m/anna"
FACTS = (
    f"{INSERT}('my mother', 'lives_in', 'Bergen', '', 1), ('Ilse <b>', 'age', 'eighty', '', 3),"
    " ('Tom', 'called', 'on Monday', '', 3), ('Tom', 'called', 'on Friday', '', 4)"
)


@pytest.fixture
def client(home: str) -> Iterator[TestClient]:
    with open_store(create("anna")) as store:
        store.add(SAID)
        store.write(FACTS, cause="test")
    with page_client() as client:
        yield client


def entities() -> list[str]:
    with open_store(existing("anna"), read_only=True) as store:
        return [entity.name for entity in known_entities(store)]


@pytest.mark.slow
def test_entities_are_merged_renamed_described_and_undone(client: TestClient) -> None:
    assert "3 people and things" in shown(client.get(f"{PAGE}/facts").text)
    form = {"edit": "merge", "name": "Anna's mother", "into": "ilse <b>"}
    page = client.post(f"{PAGE}/entities", data=form)
    text = shown(page.text)
    assert "Bergen" in text
    assert "eighty" in text
    assert "Also called Anna's mother" in text
    assert "<b>" not in page.text
    assert "2 people and things" in shown(client.get(f"{PAGE}/facts").text)
    form = {"edit": "describe", "name": "Ilse <b>", "description": "a <i>pianist</i>"}
    page = client.post(f"{PAGE}/entities", data=form)
    assert "a <i>pianist</i>" in shown(page.text)
    assert "<i>" not in page.text
    client.post(f"{PAGE}/entities", data={"edit": "rename", "name": "Ilse <b>", "new": "Ilse"})
    assert entities() == ["Ilse", "Tom"]
    for change in (4, 3, 2):
        client.post(f"{PAGE}/undo", data={"change": str(change)})
    assert entities() == ["Anna's mother", "Ilse <b>", "Tom"]


def test_two_of_one_name_are_split(client: TestClient) -> None:
    form = {"edit": "split", "name": "Tom", "new": "Tom from work", "turns": "4"}
    page = client.post(f"{PAGE}/entities", data=form)
    text = shown(page.text)
    assert "on Friday" in text
    assert "on Monday" not in text
    assert "Tom from work" in entities()


def test_forgetting_goes_by_entity(client: TestClient) -> None:
    client.post(f"{PAGE}/entities", data={"edit": "merge", "name": "Tom", "into": "ilse <b>"})
    text = shown(client.get(f"{PAGE}/forget?about=Tom").text)
    assert "2 turns to forget" in text
    assert "3 facts" in text
    assert client.get(f"{PAGE}/forget?about=Zoe").status_code == 400


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"edit": "merge", "name": "Tom", "into": "Zoe"}, "there is no entity 'Zoe'"),
        ({"edit": "split", "name": "Tom", "new": "Zoe", "turns": "x"}, "give the turns"),
        ({"edit": "rename", "name": "Tom", "new": " "}, "a name has 1 to 200 characters"),
        ({"edit": "drop", "name": "Tom"}, "there is no such edit"),
    ],
)
def test_what_cannot_be_is_said_on_the_page(
    client: TestClient, form: dict[str, str], problem: str
) -> None:
    response = client.post(f"{PAGE}/entities", data=form)
    assert response.status_code == 400
    assert problem in shown(response.text)
