"""How much work a statement may make, judged before SQLite compiles it."""

import pytest

from memory.errors import SqlError
from memory.sql import MAX_PATTERN, check_select, check_writes


def search(text: str, k: int) -> list[tuple[int, float]]:
    return [(1, 0.5)]


def nested(joins: int, levels: int) -> str:
    """Text joined with itself, level by level: SQLite writes each level into the one around it."""
    query = "SELECT 'a' AS x"
    for _ in range(levels):
        query = f"SELECT {'||'.join(['x'] * joins)} AS x FROM ({query}) q"
    return query


def doubled(levels: int) -> str:
    """A WITH that reads the one before it twice, level by level."""
    ctes = "WITH a0 AS (SELECT 1 AS id)"
    for level in range(1, levels + 1):
        select = f"SELECT id FROM a{level - 1}"
        ctes += f", a{level} AS ({select} UNION ALL {select})"
    return f"{ctes} SELECT COUNT(id) AS n FROM a{levels}"


PATTERN = "%" + "a" * (MAX_PATTERN - 2) + "%"
TOO_MUCH_WORK = {
    "columns of columns": nested(8, 8),
    "columns that WITH names": "WITH a(x) AS (SELECT 'a'), b(y) AS (SELECT "
    + "||".join(["x"] * 70)
    + " FROM a) SELECT "
    + ", ".join(["||".join(["y"] * 16)] * 3)
    + " FROM b",
    "columns by a star": f"SELECT x FROM (SELECT * FROM ({nested(8, 7)}) r) s",
    "columns in a condition": f"SELECT 1 FROM ({nested(8, 5)}) q WHERE x = 'a' OR x = 'b'",
    "an alias in ORDER BY": f"SELECT {'||'.join(['x'] * 8)} AS y FROM ({nested(8, 2)}) q"
    " ORDER BY y, y, y, y, y, y, y, y",
    "WITH read twice": doubled(22),
    "a subquery in each arm": "SELECT id FROM turns WHERE "
    + " OR ".join([f"text IN (SELECT x FROM ({nested(4, 4)}) q)"] * 8),
    "unions around a long condition": f"SELECT 1 FROM ({doubled(6)}) q, ({doubled(6)}) r WHERE "
    + " OR ".join([f"q.n = {n}" for n in range(70)]),
    "many patterns": "SELECT id FROM turns WHERE " + " OR ".join([f"text LIKE '{PATTERN}'"] * 6),
    "many patterns of unknown length": "SELECT a.id FROM turns a JOIN facts f ON "
    + " OR ".join(["a.text LIKE '%' || f.value || '%'"] * 6),
}


@pytest.mark.parametrize("statement", TOO_MUCH_WORK.values(), ids=TOO_MUCH_WORK)
def test_a_read_that_multiplies_is_refused_before_it_is_compiled(statement: str) -> None:
    with pytest.raises(SqlError, match="too much work"):
        check_select(statement)


def test_a_write_that_multiplies_is_refused_as_well() -> None:
    value = f"(SELECT x FROM ({nested(8, 8)}) q)"
    for statement in (
        f"UPDATE facts SET value = {value} WHERE id = 1",
        f"DELETE FROM facts WHERE value = {value}",
    ):
        with pytest.raises(SqlError, match="too much work"):
            check_writes(statement)


@pytest.mark.parametrize(
    "statement",
    [
        nested(4, 3),
        doubled(4),
        "SELECT id FROM turns WHERE id IN (" + ", ".join(map(str, range(3500))) + ")",
        "SELECT id FROM turns WHERE " + " OR ".join([f"text LIKE '%word {n}%'" for n in range(60)]),
        "SELECT t.id FROM facts f JOIN turns t ON t.text LIKE '%' || f.value || '%'",
        "SELECT t.*, f.*, s.score FROM search('a') s JOIN turns t ON t.id = s.turn_id"
        " LEFT JOIN facts f ON f.turn_id = t.id",
    ],
)
def test_honest_statements_are_far_below_the_limit(statement: str) -> None:
    assert check_select(statement)


@pytest.mark.parametrize(
    ("advice", "expression"),
    [
        ("at most 200 bytes", f"text LIKE '{'a' * 201}'"),
        ("at most 200 bytes", f"text LIKE '{'é' * 101}'"),
        ("at most 20 characters", f"trim(text, '{'ab' * 11}') = ''"),
        ("at most 20 characters", "trim(text, speaker) = ''"),
        ("at most 20 characters", "trim(text, 'a' || 'b') = ''"),
    ],
)
def test_what_is_compared_at_each_character_is_short(advice: str, expression: str) -> None:
    with pytest.raises(SqlError, match=advice):
        check_select(f"SELECT id FROM turns WHERE {expression}")


def test_a_select_gives_at_most_36_columns() -> None:
    columns = ", ".join(["text"] * 36)
    assert check_select(f"SELECT {columns} FROM turns")
    for select in (f"SELECT {columns}, id FROM turns", "SELECT *" + ", t.*" * 5 + " FROM turns t"):
        with pytest.raises(SqlError, match="select at most 36"):
            check_select(select)
        with pytest.raises(SqlError, match="select at most 36"):
            check_select(f"SELECT COUNT(*) AS n FROM ({select}) q")
