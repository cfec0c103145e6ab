"""Rows of INSERT statements, revised before they are stored."""

from dataclasses import replace

import pytest

from memory import Fact, SqlError
from memory.sql import CheckedWrites, check_writes
from memory.sql.inserts import revise_inserts

ROWS = (
    "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES"
    " ('Anna', 'said', 'it''s; \\ so', NULL, 3), ('Ben', 'age', 5, '2023', 4),"
    " ('Ben', 'age', '5', '2023', 4)"
)
END = "UPDATE facts SET ended_on = '2023' WHERE id = 3"
COLUMNS = "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id) VALUES"


def texts(writes: CheckedWrites) -> list[str]:
    return [write.text for write in writes]


def test_rows_are_facts_and_equal_ones_are_inserted_once() -> None:
    facts: list[Fact] = []

    def revise(fact: Fact) -> Fact:
        facts.append(fact)
        return fact

    said, age = Fact("Anna", "said", "it's; \\ so", 3), Fact("Ben", "age", "5", 4, "2023")
    again = "INSERT INTO facts (turn_id, value, subject, attribute) VALUES (5, 'x', 'A', 'b')"
    statements, dropped = revise_inserts(check_writes(f"{ROWS}; {END}; {again}"), revise)
    assert facts == [said, age, age, Fact("A", "b", "x", 5)]
    assert dropped == 0
    assert texts(statements) == [
        f"{COLUMNS} ('Anna', 'said', 'it''s; \\ so', NULL, NULL, 3),"
        " ('Ben', 'age', '5', '2023', NULL, 4)",
        END,
        f"{COLUMNS} ('A', 'b', 'x', NULL, NULL, 5)",
    ]


def test_rows_that_differ_in_capitals_and_punctuation_are_one_and_of_two_turns_are_two() -> None:
    row = "('Anna', 'likes', '{}', '', {})"
    rows = [row.format("Green tea!", 3), row.format("green tea", 3), row.format("green tea", 4)]
    statements, _ = revise_inserts(
        check_writes(
            "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES "
            + ", ".join(rows)
        ),
        lambda fact: fact,
    )
    assert texts(statements) == [
        f"{COLUMNS} ('Anna', 'likes', 'Green tea!', NULL, NULL, 3),"
        " ('Anna', 'likes', 'green tea', NULL, NULL, 4)"
    ]


def test_facts_are_stored_as_revised_or_left_out_and_counted() -> None:
    statements, dropped = revise_inserts(
        check_writes(ROWS),
        lambda fact: replace(fact, value="six") if fact.subject == "Ben" else None,
    )
    assert texts(statements) == [f"{COLUMNS} ('Ben', 'age', 'six', '2023', NULL, 4)"]
    assert dropped == 1
    assert revise_inserts(check_writes(ROWS), lambda fact: None) == ((), 3)
    assert revise_inserts((), lambda fact: fact) == ((), 0)


def test_a_fact_with_a_date_that_is_none_is_refused_after_its_revision() -> None:
    with pytest.raises(SqlError, match="'last week'"):
        revise_inserts(check_writes(ROWS), lambda fact: replace(fact, happened_on="last week"))
