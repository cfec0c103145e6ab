"""The subjects of a digest's facts are the speakers as the turns name them."""

from collections.abc import Iterator

import pytest

from memory import Memory, Store, Turn, open_store
from tests.support.scripted import scripted_model, sql

BOTH_STORES = "slow"
STORED = (
    "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
    " ('Assistant', 'proposed', 'a plan for ten days in Porto', 2),"
    " ('USER', 'plans', 'ten days in Porto', 1);"
)


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as opened:
        opened.add(
            [
                Turn("user", "Make a plan for ten days in Porto, please.", "one", "2026-03-01"),
                Turn("assistant", "Here is a plan for ten days in Porto.", "one", "2026-03-01"),
            ]
        )
        yield opened


def digest(store: Store, statement: str) -> None:
    with Memory(store, scripted_model([([], sql(statement))])) as memory:
        memory.digest()


def test_a_speaker_has_one_name_in_facts_as_in_turns(store: Store) -> None:
    digest(store, STORED)
    assert {fact.subject for fact in store.facts()} == {"assistant", "user"}
    assert "facts of assistant: " in store.catalog(500)


def test_speakers_whose_names_differ_in_case_alone_stay_apart(store: Store) -> None:
    for name in ("Max", "MAX"):
        store.add([Turn(name, "I look after the hens.", "one", "2026-03-01")])
    told = STORED.replace(";", ", ('Max', 'keeps', 'hens', 3), ('MAX', 'keeps', 'hens', 4);")
    digest(store, told)
    assert {fact.subject for fact in store.facts()} == {"assistant", "user", "Max", "MAX"}


def test_a_wish_may_name_its_speaker_as_an_alias_does(store: Store) -> None:
    store.add([Turn("user", "I'm Darryl, hello!", "one", "2026-03-01")])
    digest(store, "INSERT INTO aliases (name, entity, turn_id) VALUES ('Darryl', 'user', 3);")
    store.add([Turn("user", "Sources are what I need with figures.", "two", "2026-03-02")])
    wish = "('Darryl', 'instruction', 'sources with figures', 4)"
    digest(store, f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {wish};")
    assert [fact.subject for fact in store.facts() if fact.turn_id == 4] == ["user"]


def test_the_facts_of_a_user_who_gives_a_name_are_the_users(store: Store) -> None:
    store.add([Turn("user", "Hi, I'm Craig!", "one", "2026-03-01")])
    store.add([Turn("user", "It's vegan for me, always.", "one", "2026-03-01")])
    into = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
    row = f"{into} ('Craig', 'diet', 'vegan', {{}});"
    digest(store, row.format(4))
    store.add([Turn("user", "Still vegan.", "two", "2026-04-01")])
    digest(store, row.format(5))
    assert {fact.subject for fact in store.facts()} == {"user"}
    with Memory(store) as memory:
        assert "diet vegan" in memory.context("What shall I cook?").text


def test_a_name_that_the_user_gives_somebody_else_stays_theirs(store: Store) -> None:
    store.add([Turn("user", "I'm Craig's sister, and Craig is vegan.", "one", "2026-03-01")])
    into = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
    digest(store, f"{into} ('Craig', 'diet', 'vegan', 3);")
    assert {fact.subject for fact in store.facts()} == {"Craig"}
