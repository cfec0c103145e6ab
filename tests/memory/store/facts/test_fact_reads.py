"""The product's own reads: all that matches, current as models see it, past and united too."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from memory import Memory, Store, Turn, open_store
from memory import facts as fact_edits
from memory.store.facts import fact_reads
from memory.store.files.united import unite
from tests.conftest import INSERT

BOTH_STORES = True
MANY = 203  # more than the rows that a model's SELECT may return


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as store:
        store.add([Turn("Anna", f"Now I live in town {n}.", "a") for n in range(3)])
        yield store


def homes(store: Store, number: int, is_over: bool, attribute: str = "lives_in") -> None:
    """So many homes of Anna, one for each day of a time."""
    days = [date(2020, 1, 1) + timedelta(n) for n in range(number + 1)]
    rows = ", ".join(
        f"('Anna', '{attribute}', 'town {n}', '{first}', '{last if is_over else ''}', 1)"
        for n, (first, last) in enumerate(pairwise(days))
    )
    columns = "subject, attribute, value, happened_on, ended_on, turn_id"
    store.write(f"INSERT INTO facts ({columns}) VALUES {rows}", "test", by_person=True)


def test_the_203rd_home_ends_the_one_before_it(store: Store) -> None:
    homes(store, MANY - 1, is_over=True)
    for day in ("2021-01-01", "2021-01-02"):
        fact_edits.add(
            store, subject="anna", attribute="lives in", value=f"home of {day}", happened_on=day
        )
    [current] = fact_edits.find(store, "Anna")
    assert (current.value, current.happened_on) == ("home of 2021-01-02", "2021-01-02")


def test_an_own_read_is_not_cut_at_the_rows_of_a_model(store: Store) -> None:
    homes(store, MANY, is_over=True)
    assert len(store.read("SELECT id FROM facts").rows) < MANY
    assert len(fact_reads.facts_of_subjects(store, ["Anna"], ["lives_in"])) == MANY
    assert len(fact_reads.facts_from(store, [1])) == MANY
    assert len(fact_reads.facts_about(store, ["Anna"])) == MANY


def test_what_is_current_is_what_facts_now_has(store: Store) -> None:
    homes(store, 3, is_over=False)
    homes(store, 2, is_over=False, attribute="likes")
    fact_edits.end(store, 5)
    store.write(f"{INSERT}('Ben', 'lives_in', 'Ulm', NULL, 2)", "test")
    of_models = store.read("SELECT id FROM facts_now WHERE subject = 'Anna'").rows
    facts = fact_reads.facts_now_about(store, ["Anna"])
    assert {(fact.id,) for fact in facts} == {*of_models} == {(3,), (4,)}
    assert [fact.id for fact in fact_reads.facts_now_about(store, ["Ben", "Anna"])] == [4, 3, 6]


def test_an_ended_fact_has_the_newest_current_one_as_its_successor(store: Store) -> None:
    homes(store, MANY, is_over=True)
    fact_edits.add(store, subject="Anna", attribute="lives_in", value="Rome", happened_on="2024")
    first, last, rome = fact_reads.facts_by_id(store, [1, MANY, MANY + 1])
    successors = fact_reads.successors(store, [first, last], "2026-01-01")
    assert {ended: fact.value for ended, fact in successors.items()} == {1: "Rome", MANY: "Rome"}
    assert fact_reads.successors(store, [rome], "2026-01-01") == {}
    assert fact_reads.successors(store, [first], "2022-01-01") == {}


def test_attributes_are_counted_all_of_them(store: Store) -> None:
    rows = ", ".join(f"('Anna', 'saw_{n:03}', 'it', NULL, 1)" for n in range(MANY))
    store.write(f"{INSERT}{rows}, ('Anna', 'saw_000', 'that', NULL, 1)", "test")
    counts = fact_reads.count_attributes(store)
    assert len(counts) == MANY
    assert (counts["saw_000"], counts["saw_202"]) == (2, 1)


def test_the_past_is_read_as_of_its_day(store: Store) -> None:
    [turn_id] = store.add([Turn("Ben", "I live in Ulm until May 2020.", said_at="2020-01-01")])
    columns = "subject, attribute, value, ended_on, turn_id"
    sql = f"INSERT INTO facts ({columns}) VALUES ('Ben', 'lives_in', 'Ulm', '2020-05', {turn_id})"
    store.write(sql, "digest", window=(turn_id, turn_id))
    with store.as_of("2020-02") as past:
        assert past.today == "2020-02-29"
        assert [fact.value for fact in fact_reads.facts_now_about(past, ["Ben"])] == ["Ulm"]
    assert fact_reads.facts_now_about(store, ["Ben"]) == []


def test_several_memories_are_read_with_the_numbers_that_their_facts_have_there(
    store: Store, tmp_path: Path
) -> None:
    homes(store, 1, is_over=False)
    with Memory(tmp_path / "team.db") as team:
        team.add(Turn("Ben", "I saw Anna."))
        team.store.write(f"{INSERT}('Anna', 'lives_in', 'Ulm', NULL, 1)", "test")
        both = unite({"anna": store, "team": team.store})
        facts = fact_reads.facts_now_about(both, ["Anna"])
        assert [(fact.value, fact.memory) for fact in facts] == [  # type: ignore[attr-defined]
            ("town 0", "anna"),
            ("Ulm", "team"),
        ]
        assert fact_reads.facts_by_id(both, [fact.id for fact in facts]) == facts
        assert fact_reads.facts_from(both, [fact.turn_id for fact in facts]) == facts
        assert fact_reads.facts_of_subjects(both, ["Anna"], ["lives_in"]) == facts
        assert fact_reads.count_attributes(both) == {"lives_in": 2}
        assert [fact.id for fact in facts] == [fact.id for fact in both.facts()]
