"""The clauses of a SELECT: read from its tree, and cut from its text as they stand there."""

import pytest

from memory.sql.clauses import Clauses, Conjunct, clauses_of, conjuncts


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT value FROM facts", Clauses("facts")),
        (
            "SELECT value FROM facts WHERE lower(value) LIKE '%a%' LIMIT 3",
            Clauses("facts", "lower(value) LIKE '%a%'"),
        ),
        (
            "SELECT value FROM facts WHERE id = 1 ORDER BY happened_on DESC, id LIMIT 3;",
            Clauses("facts", "id = 1", "happened_on", descending=True),
        ),
        (
            "SELECT attribute FROM facts WHERE id = 1 GROUP BY attribute ORDER BY count(*)",
            Clauses("facts", "id = 1"),
        ),
        (
            "SELECT count(*) AS times FROM facts WHERE id = 1",
            Clauses("facts", "id = 1", aggregates=True),
        ),
        (
            "SELECT (SELECT max(id) FROM turns WHERE id = 9) FROM facts WHERE value = ' LIMIT 1'",
            Clauses("facts", "value = ' LIMIT 1'"),
        ),
        (
            "SELECT value FROM facts WHERE id IN (SELECT id FROM facts WHERE id = 1 LIMIT 2)",
            Clauses("facts", "id IN (SELECT id FROM facts WHERE id = 1 LIMIT 2)"),
        ),
    ],
)
def test_a_select_over_one_table_has_its_clauses(statement: str, expected: Clauses) -> None:
    assert clauses_of(statement) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT turn_id FROM search('dog', 3)",
        "SELECT t.text FROM facts f JOIN turns t ON t.id = f.turn_id WHERE f.id = 1",
        "SELECT id FROM facts WHERE id = 1 UNION SELECT id FROM facts WHERE id = 2",
        "SELECT id FROM (SELECT id FROM facts WHERE id = 1)",
        "DELETE FROM facts WHERE id = 1",
        "SELECT id FROM facts WHERE (",
        "SELECT 1",
        "who knows?",
    ],
)
def test_any_other_statement_has_none(statement: str) -> None:
    assert clauses_of(statement) is None


def test_the_parts_of_a_condition_are_those_that_and_joins() -> None:
    assert conjuncts("subject = 'Bo''s' AND attribute IN ('a', 'b') AND (id = 1 OR id = 2)") == [
        Conjunct("subject", "=", "subject = 'Bo''s'"),
        Conjunct("attribute", "IN", "attribute IN ('a', 'b')"),
        Conjunct("", "", "(id = 1 OR id = 2)"),
    ]
    [alternatives] = conjuncts("id = 1 OR id = 2 AND id = 3")
    assert (alternatives.column, alternatives.operator) == ("", "")
    assert conjuncts("id = (") == []
