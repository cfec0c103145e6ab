"""What is current: the same in SELECTs, `Memory.facts`, the page, commands and of the past."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import Store, Turn, open_store
from memory.facts import facts_named, find
from memory.facts.state import current_of
from memory.store.facts.fact_reads import (
    current_among,
    current_facts,
    facts_now_about,
    listed_facts,
)
from memory.store.facts.rights import edited_facts
from memory.store.facts.vocabulary_table import set_attribute, vocabulary_of
from memory.store.namespaces import create
from memory.vocabulary import Attribute, default_vocabulary
from tests.support.commands import run
from tests.support.page_client import page_client, shown

BOTH_STORES = "slow"
COLUMNS = "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id) VALUES"


def stored(store: Store, *facts: tuple[str, str, str, str, str]) -> list[int]:
    """Facts of Anna (said_at, attribute, value, happened_on, ended_on), as a model writes them."""
    turns = [Turn("Anna", f"I say {fact[2]}.", said_at=fact[0]) for fact in facts]
    ids = store.add(turns)
    for turn_id, (_, *columns) in zip(ids, facts, strict=True):
        row = ", ".join(f"'{text}'" for text in columns)
        window = (turn_id, turn_id)
        store.write(f"{COLUMNS} ('Anna', {row}, {turn_id})", cause="digest", window=window)
    return ids


def now(store: Store) -> list[object]:
    return [value for (value,) in store.read("SELECT value FROM facts_now ORDER BY id").rows]


AHEAD = [
    ("goal", "save 10,000"),
    ("plans", "a trip to Rome"),
    ("wants", "a bicycle"),
    ("appointment", "Dr Lund"),
    ("deadline", "the tax return"),
    ("exam_on", "biology"),  # of an attribute that the vocabulary lacks
    ("booked", "a flight"),
]


@pytest.mark.parametrize(("attribute", "value"), AHEAD)
def test_what_lies_ahead_is_current_once_it_is_said(
    store: Store, attribute: str, value: str
) -> None:
    stored(store, ("2025-03-20", attribute, value, "2099-12", ""))
    assert now(store) == [value]
    assert [fact.value for fact in find(store)] == [value]
    assert [fact.value for fact in find(store, point="2025-06")] == [value]
    if attribute != "booked":  # of a month, what happened in it
        assert [fact.value for fact in facts_named(store, "Anna", "", "2025-06")] == [value]
    assert find(store, point="2025-02") == []
    store.write("UPDATE facts SET ended_on = '2025-05' WHERE value <> ''", cause="test")
    assert now(store) == []
    assert find(store) == []


def test_a_state_waits_for_its_beginning(store: Store) -> None:
    stored(
        store,
        ("2025-03-20", "lives_in", "Oslo", "", ""),
        ("2025-03-20", "lives_in", "Bonn", "2099-01", ""),
        ("2025-03-20", "has_pet", "a dog", "2099-01", ""),
    )
    assert now(store) == ["Oslo"]
    assert [fact.value for fact in find(store)] == ["Oslo"]


def test_an_application_says_of_its_own_attribute_what_a_date_means(store: Store) -> None:
    stored(store, ("2025-03-20", "renews", "the licence", "2099-01", ""))
    assert now(store) == ["the licence"]
    set_attribute(store, Attribute("renews", "many"))
    assert now(store) == []
    set_attribute(store, Attribute("renews", "plan"))
    assert vocabulary_of(store).canonical("renews") == Attribute("renews", "plan")
    assert now(store) == ["the licence"]


@pytest.mark.parametrize(
    ("days", "newest"),
    [
        (["2025-01-01", "2025-02-01", "2025-01-15"], 1),
        (["2025-01-01", "2025-02-01", ""], 2),
        (["", "", ""], 2),
        (["", "2025-01-01", "2024-01-01"], 1),
        (["2025-01-01T10:00", "2025-01-01T09:00", "2025-01-01T09:30"], 0),
        (["2025-01-01T10:00", "2025-01-01", "2024-12-31"], 1),
    ],
)
@pytest.mark.parametrize("since", ["", "2019"])
def test_what_was_said_last_is_current_where_nothing_was_ended(
    store: Store, days: Sequence[str], newest: int, since: str
) -> None:
    towns = ["Oslo", "Bonn", "Rome"]
    facts = [
        (day, "lives_in", town, since if number == newest else "2024", "")
        for number, (day, town) in enumerate(zip(days, towns, strict=True))
    ]
    stored(store, *facts)
    assert now(store) == [towns[newest]]
    assert [fact.value for fact in find(store)] == [towns[newest]]


def test_of_two_opinions_of_one_thing_the_last_is_current(store: Store) -> None:
    stored(
        store,
        ("2025-01-01", "likes", "tea", "", ""),
        ("2025-02-01", "dislikes", "Tea", "", ""),
        ("2025-01-01", "hates", "rum", "", ""),  # another name of dislikes
        ("2025-02-01", "likes", "rum", "", ""),
        ("2025-02-01", "likes", "cake", "", ""),
    )
    assert now(store) == ["Tea", "rum", "cake"]
    assert [(fact.attribute, fact.value) for fact in find(store)] == [
        ("dislikes", "Tea"),
        ("likes", "rum"),
        ("likes", "cake"),
    ]


def test_the_page_and_the_commands_agree(home: str) -> None:
    with open_store(create("anna")) as store:
        stored(
            store,
            ("2025-01-01", "lives_in", "Hull", "", ""),
            ("2025-02-01", "lives_in", "Bonn", "2019", ""),
            ("2025-02-01", "goal", "save 10,000", "2099-12", ""),
        )
    for arguments in (("facts",), ("facts", "--as-of", "2025-06")):
        listed = run(*arguments, "-n", "anna")
        assert "Bonn" in listed
        assert "save 10,000" in listed
        assert "Hull" not in listed
    with page_client() as client:
        for address in ("facts", "facts?sort=new", "facts?q=Anna", "past?day=2025-06-30"):
            text = shown(client.get(f"/m/anna/{address}").text).rpartition("facts on")[-1]
            assert "Bonn" in text, address
            assert "save 10,000" in text, address
            assert "Hull" not in text, address


# --- SQL and Python say the same ------------------------------------------------------------------

DATES = ["", "2024", "2024-06", "2024-06-15", "2025-01-10/2025-01-12", "2025-07", "2099-01"]
DAYS = [
    "",
    "soon",
    "2025-01-01",
    "2025-01-01T09:00",
    "2025-01-01T10:00:30",
    "2025-06",
    "2025-07-02",
    "2099-01-01",
]
ATTRIBUTES = ["lives_in", "home", "likes", "dislikes", "goal", "visited", "said", "has_pet", "diet"]
fact = st.tuples(
    st.sampled_from(DAYS),
    st.sampled_from([("Anna", "message"), ("Ben", "message"), ("page", "document")]),
    st.sampled_from(["Anna", "Ben", "Cleo"]),
    st.sampled_from(ATTRIBUTES),
    st.sampled_from(["tea", "Tea", "Oslo", "vegan", "vegetarian"]),
    st.sampled_from(DATES),
    st.sampled_from(["", "", "", "2024", "2025-01-11", "2099"]),
    st.booleans(),
)


@given(st.lists(fact, min_size=1, max_size=8), st.sampled_from(["2025-01-11", "2025-08-01", ""]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_sql_and_python_agree(
    store: Store,
    rows: list[tuple[str, tuple[str, str], str, str, str, str, str, bool]],
    day: str,
) -> None:
    """Whoever said it, whenever, and whether a person edited it or not; models' SELECTs as well."""
    is_today, day = not day, day or store.today
    if store.facts():
        store.write("DELETE FROM facts WHERE id > 0", cause="test", by_person=True)
    ids = store.add(
        [
            Turn(speaker, f"{value}.", kind=kind, said_at=day_said)
            for day_said, (speaker, kind), _, _, value, *_ in rows
        ]
    )
    columns = ", ".join(
        f"('{who}', '{attribute}', '{value}', '{began}', '{ended}', {turn_id})"
        for turn_id, (_, _, who, attribute, value, began, ended, _) in zip(ids, rows, strict=True)
    )
    store.write(f"{COLUMNS} {columns}", cause="test")
    for turn_id, (*_, is_edited) in zip(ids, rows, strict=True):
        if is_edited:
            edit = f"UPDATE facts SET value = 'Rome' WHERE turn_id = {turn_id}"
            store.write(edit, cause="edit by Anna", by_person=True)
    facts = store.facts()

    def turns_of(turn_ids: Sequence[int]) -> dict[int, Turn]:
        return {turn.id: turn for turn in store.turns_by_id(turn_ids)}

    with store.reading() as conn:
        edited = edited_facts(conn)
    expected = current_of(facts, day, default_vocabulary(), turns_of, edited)
    assert current_facts(store, day) == expected
    if is_today:
        ids_now = [number for (number,) in store.read("SELECT id FROM facts_now ORDER BY id").rows]
        assert ids_now == [fact.id for fact in expected]
    assert current_among(store, facts, day) == expected
    listed = listed_facts(store, day=day, most=100)
    assert sorted(listed, key=lambda fact: fact.id) == expected
    about = facts_now_about(store, ["Anna", "Ben", "Cleo"], day)
    assert sorted(about, key=lambda fact: fact.id) == expected
