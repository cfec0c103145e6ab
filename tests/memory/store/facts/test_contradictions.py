"""Facts that cannot both be true are linked when the second is stored; a person settles them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import SqlError, Store, Turn, open_store
from memory.errors import InputError
from memory.facts import correct
from memory.facts.additions import add_turns
from memory.sql import quoted
from memory.store.facts.contradictions import Verdict, open_contradictions, settle_contradiction
from memory.store.waiting.pending_windows import claim_window

BOTH_STORES = "slow"


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """A namespace without turns."""
    with open_store(address) as opened:
        yield opened


NEVER = "I have never flown."
ROME = "I flew to Rome last May."


def say(store: Store, *messages: str, day: str = "2024-02-01") -> list[int]:
    return store.add([Turn("Anna", text, said_at=day) for text in messages])


def insert(turn_id: int, attribute: str, value: str, subject: str = "Anna") -> str:
    values = ", ".join(map(quoted, (subject, attribute, value)))
    return f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES ({values}, {turn_id});"


def digest(store: Store, sql: str, turn_id: int) -> int:
    """Store what a model writes of one turn."""
    while (window := claim_window(store, 1)) and window[1] < turn_id:
        store.write("-- none", cause="digest by scripted", window=window)
    assert window == (turn_id, turn_id)
    return store.write(sql, cause="digest by scripted", window=window).id


def pairs(store: Store) -> list[tuple[str, str]]:
    return [(pair.first.value, pair.second.value) for pair in open_contradictions(store)]


def linked(store: Store) -> int:
    """A pair that a model links; returns the change."""
    say(store, NEVER, "My flight to Rome last May was awful.", day="2024-02-01")
    digest(store, insert(1, "never", "flown"), 1)
    link = "INSERT INTO contradictions (first_fact, turn_id, attribute) VALUES (1, 2, 'travelled');"
    return digest(store, insert(2, "travelled", "to Rome, by plane") + link, 2)


def test_a_model_links_a_known_fact_with_what_it_stores(store: Store) -> None:
    linked(store)
    [pair] = open_contradictions(store)
    assert (pair.first.turn_id, pair.second.turn_id) == (1, 2)
    assert pair.said_at == ("2024-02-01", "2024-02-01")
    rows = store.read("SELECT first_fact, second_fact, turn_id FROM contradictions")
    assert rows.rows == ((1, 2, 2),)


def test_a_model_links_two_facts_of_its_window(store: Store) -> None:
    say(store, NEVER, ROME)
    window = claim_window(store, 2)
    sql = (
        insert(1, "never", "flown")
        + insert(2, "travelled_to", "Rome")
        + "INSERT INTO contradictions (first_turn, first_attribute, turn_id, attribute)"
        " VALUES (1, 'never', 2, 'travelled_to')"
    )
    store.write(sql, cause="digest by scripted", window=window)
    assert pairs(store) == [("flown", "Rome")]


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("statement", "advice"),
    [
        ("(first_fact, turn_id, attribute) VALUES (9, 2, 'travelled')", "there is no fact 9"),
        ("(first_fact, turn_id, attribute) VALUES (1, 1, 'never')", "turn_id 1 is not one"),
        ("(first_fact, turn_id, attribute) VALUES (1, 2, 'owns')", "has no fact with"),
        ("(first_fact, second_fact) VALUES (1, 2)", "write INSERT INTO contradictions"),
        (
            "(first_fact, turn_id, attribute) VALUES " + ", ".join(["(1, 2, 'travelled')"] * 9),
            "at most 8",
        ),
    ],
)
def test_what_is_no_pair_is_refused_with_advice(store: Store, statement: str, advice: str) -> None:
    say(store, NEVER, ROME)
    digest(store, insert(1, "never", "flown"), 1)
    window = claim_window(store, 1)
    sql = insert(2, "travelled", "to Rome") + f"INSERT INTO contradictions {statement}"
    with pytest.raises(SqlError, match=advice):
        store.write(sql, cause="digest by scripted", window=window)
    assert not open_contradictions(store)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE contradictions SET settled = 'both' WHERE first_fact = 1",
        "DELETE FROM contradictions WHERE first_fact = 1",
    ],
)
def test_a_model_settles_nothing(store: Store, sql: str) -> None:
    linked(store)
    with pytest.raises(SqlError, match="a person settles"):
        store.write(sql, cause="digest by scripted")


def test_undoing_the_change_unlinks_the_pair(store: Store) -> None:
    change_id = linked(store)
    undoing = store.undo(change_id)
    assert not store.read("SELECT first_fact FROM contradictions").rows
    store.undo(undoing.id)
    assert pairs(store) == [("flown", "to Rome, by plane")]


@pytest.mark.parametrize("fact_id", [1, 2])
@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        ("2024-01-31", False),
        ("2023", False),
        ("2024", True),
        ("2024-03-01", True),
        ("2024-09", True),
    ],
)
def test_only_an_end_before_the_other_was_said_closes_the_pair(
    store: Store, fact_id: int, day: str, is_open: bool
) -> None:
    linked(store)
    store.write(
        f"UPDATE facts SET ended_on = '{day}' WHERE id = {fact_id}", cause="test", by_person=True
    )
    assert bool(open_contradictions(store)) == is_open


def test_a_correction_of_one_closes_the_pair_until_it_is_undone(store: Store) -> None:
    linked(store)
    change = correct(store, 2, value="to Rome, by train")
    assert not open_contradictions(store)
    store.undo(change.id)
    assert pairs(store) == [("flown", "to Rome, by plane")]


def test_what_has_ended_since_can_be_linked(store: Store) -> None:
    say(store, NEVER, day="2024-02-01")
    say(store, "My flight to Rome was awful.", day="2024-02-01")
    say(store, "I fly every week now.", day="2024-06-01")
    window = claim_window(store, 3)
    store.write(
        "INSERT INTO facts (subject, attribute, value, ended_on, turn_id) VALUES"
        " ('Anna', 'never', 'flown', '2024-06-01', 1), ('Anna', 'travelled', 'to Rome', NULL, 2);"
        "INSERT INTO contradictions (first_turn, first_attribute, turn_id, attribute)"
        " VALUES (1, 'never', 2, 'travelled')",
        cause="digest by scripted",
        window=window,
    )
    assert pairs(store) == [("flown", "to Rome")]


@pytest.mark.parametrize("turn_id", [1, 2])
def test_a_pair_is_forgotten_with_either_fact(store: Store, turn_id: int) -> None:
    linked(store)
    store.forget([turn_id])
    assert not store.read("SELECT first_fact FROM contradictions").rows
    assert not [record for record in store.dump() if record.get("table_name") == "contradictions"]


def test_a_pair_travels_with_a_dump(store: Store, tmp_path: Path) -> None:
    linked(store)
    with open_store(tmp_path / "copy.db") as copy:
        copy.load(store.dump())
        assert pairs(copy) == pairs(store)


@pytest.mark.parametrize(
    ("right", "values_after"),
    [("first", ["flown"]), ("second", ["to Rome, by plane"]), ("both", None)],
)
def test_a_person_settles_it_in_one_change(
    store: Store, right: Verdict, values_after: list[str] | None
) -> None:
    linked(store)
    change = settle_contradiction(store, 1, 2, right, by="anna")
    values = [fact.value for fact in store.facts()]
    assert values == (values_after or ["flown", "to Rome, by plane"])
    assert not open_contradictions(store)
    assert change.cause == "edit by anna"
    with pytest.raises(InputError, match="no open contradiction"):
        settle_contradiction(store, 1, 2, right)
    store.undo(change.id)
    assert len(open_contradictions(store)) == 1


def digest_both(store: Store) -> None:
    """Store two birthdays, as a model that reads their turns for the first time or once more."""
    sql = (
        "DELETE FROM facts WHERE turn_id IN (1, 2);"
        + insert(1, "birthday", "12 May")
        + insert(2, "birthday", "13 May")
        + "INSERT INTO contradictions (first_turn, first_attribute, turn_id, attribute)"
        " VALUES (1, 'birthday', 2, 'birthday')"
    )
    store.write(sql, cause="digest by scripted", window=(1, 2))


def test_what_is_settled_is_not_linked_again(store: Store) -> None:
    say(store, "My birthday is 12 May.", "My birthday is 13 May.")
    digest_both(store)
    [pair] = open_contradictions(store)
    settle_contradiction(store, pair.first.id, pair.second.id, "both")
    digest_both(store)
    assert not open_contradictions(store)
    assert [fact.value for fact in store.facts()] == ["12 May", "13 May"]


def test_what_was_found_wrong_is_wrong_when_it_is_read_again(store: Store) -> None:
    say(store, "My birthday is 12 May.", "My birthday is 13 May.")
    digest_both(store)
    [pair] = open_contradictions(store)
    settle_contradiction(store, pair.first.id, pair.second.id, "first")
    with pytest.raises(SqlError, match="13 May\\) was deleted by user"):
        digest_both(store)
    assert [fact.value for fact in store.facts()] == ["12 May"]


def test_templates_link_nothing(store: Store) -> None:
    add_turns(
        store, [Turn("Anna", "My birthday is 12 May."), Turn("Anna", "My birthday is 13 May.")]
    )
    assert [fact.value for fact in store.facts()] == ["12 May", "13 May"]
    assert not open_contradictions(store)
