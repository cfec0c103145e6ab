"""The page of the vocabulary."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from memory import Turn, open_store
from memory.facts import find
from memory.facts.additions import add_turns
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.namespaces import create, existing
from memory.vocabulary import Vocabulary
from tests.conftest import CAT, INSERT, SAID
from tests.support.page_client import page_client, shown

BOTH_STORES = "slow"
PAGE = "/m/anna/attributes"


@pytest.fixture
def client(home: str) -> Iterator[TestClient]:
    """A memory of two facts, one of them with an attribute of no vocabulary."""
    with open_store(create("anna")) as store:
        store.add(SAID)
        store.write(f"{CAT}; {INSERT}('Ben', '<b>dog</b>', 'Rex', '', 1)", cause="test")
    with page_client() as client:
        yield client


def vocabulary() -> Vocabulary:
    with open_store(existing("anna"), read_only=True) as store:
        return vocabulary_of(store)


def attributes() -> list[str]:
    with open_store(existing("anna"), read_only=True) as store:
        return [fact.attribute for fact in store.facts()]


def test_attributes_are_shown_with_their_facts(client: TestClient) -> None:
    html = client.get(PAGE).text
    assert "<b>dog</b>" not in html
    text = shown(html)
    assert "has_pet a dog, a cat or another animal" in text
    assert "<b>dog</b> not set 1" in text


@pytest.mark.slow
def test_an_attribute_is_set_renamed_merged_and_undone(client: TestClient) -> None:
    form = {
        "edit": "set",
        "name": "mood",
        "kind": "",
        "values": "good\nbad\n",
        "other_names": "feeling",
    }
    page = client.post(PAGE, data=form)
    assert "mood yours many: good, bad feeling" in shown(page.text)
    client.post(PAGE, data={"edit": "merge", "name": "<b>dog</b>", "into": "pet"})
    assert attributes() == ["has_pet", "has_pet"]
    page = client.post(PAGE, data={"edit": "rename", "name": "pet", "new_name": "animal"})
    assert attributes() == ["animal", "animal"]
    client.post("/m/anna/undo", data={"change": page.url.params["done"]})
    assert attributes() == ["has_pet", "has_pet"]
    page = client.post(PAGE, data={"edit": "remove", "name": "mood"})
    assert vocabulary().canonical("mood") is None
    assert "Undo" in shown(page.text)  # also where no fact has changed
    client.post("/m/anna/undo", data={"change": page.url.params["done"]})
    assert vocabulary().canonical("feeling")


def test_a_vocabulary_is_made_strict_and_not_strict(client: TestClient) -> None:
    page = client.post(PAGE, data={"edit": "strict", "strict": "1"})
    assert "Facts of other attributes are not stored." in shown(page.text)
    assert vocabulary().strict
    client.post(PAGE, data={"edit": "strict"})
    assert not vocabulary().strict


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({"edit": "rename", "name": "petz", "new_name": "a"}, "no attribute"),
        ({"edit": "set", "name": "", "kind": "many"}, "the name of an attribute is empty"),
        ({"edit": "set", "name": "a", "kind": "state"}, "the kinds are"),
        ({"edit": "drop"}, "there is no such edit"),
    ],
)
def test_what_cannot_be_is_said_on_the_page(
    client: TestClient, form: dict[str, str], problem: str
) -> None:
    page = client.post(PAGE, data=form)
    assert page.status_code == 400
    assert problem in shown(page.text)


def test_templates_are_set_and_kept_by_another_edit(client: TestClient) -> None:
    form = {"edit": "set", "name": "order", "says": "my order is {value}\n", "form": "code"}
    page = client.post(PAGE, data={**form, "asks": "which order is {who}'s"})
    assert "2 templates" in shown(page.text)
    client.post(PAGE, data={"edit": "set", "name": "order", "other_names": "order_number"})
    order = vocabulary().canonical("order number")
    assert order
    assert (order.says, order.form) == (("my order is {value}",), "code")
    page = client.post(PAGE, data={**form, "says": "my order is"})
    assert "it needs {value} where the value stands" in shown(page.text)


def test_a_fact_names_the_template_that_made_it(client: TestClient) -> None:
    with open_store(existing("anna")) as store:
        add_turns(store, [Turn("Anna", "My dog is called Viola.")])
        [viola] = find(store, "Viola")
    template = "guinea pig|horse|pony|parrot|budgie|tortoise) is (called|named) {value:name}"
    assert template in shown(client.get(f"/m/anna/facts/{viola.id}").text)
    assert "template" not in shown(client.get("/m/anna/facts/1").text)
