"""number() in Postgres gives what it gives in SQLite, for any text, and to the digit."""

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memory import open_store
from memory.text.amounts import languages, number, number_words
from tests.memory.test_amounts import AMOUNTS
from tests.support.postgres_server import logged_in, new_namespace, shared_database


@pytest.fixture(scope="module")
def conn() -> Iterator[psycopg.Connection]:
    with open_store(new_namespace()), logged_in(shared_database()) as connection:
        yield connection


def in_postgres(conn: psycopg.Connection, text: str) -> float | None:
    [(amount,)] = conn.execute("SELECT memory.number(%s)", (text,)).fetchall()
    return None if amount is None else float(amount)


def vocabulary() -> list[str]:
    words = number_words()
    openings = [word for language in languages().values() for word in language["openings"]]
    small = [*words.ands, *words.halves, *words.articles, "minus", "moins", "menos"]
    return [*words.numbers, *words.scales, *openings, *small]


numerals = st.text(st.sampled_from([*"0123456789.,'’ -−–/:kKmMbBne½¼$€~+\t\u00a0%x"]), max_size=18)
worded = st.lists(st.sampled_from(vocabulary()), max_size=6).flatmap(
    lambda words: st.sampled_from([" ", "-", ", "]).map(lambda joint: joint.join(words))
)
mixed = st.tuples(st.one_of(numerals, worded), st.one_of(numerals, worded)).map(" ".join)
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=120)


def test_each_example_and_each_word_has_the_same_amount(conn: psycopg.Connection) -> None:
    words = vocabulary()
    cases = [*AMOUNTS, *words, *(f"{word} 12" for word in words), *(f"3 {word}" for word in words)]
    cases += [f"a {word}" for word in words] + [f"twenty {word}" for word in words]
    cases += [word.upper() for word in words]
    for text in cases:
        assert repr(in_postgres(conn, text)) == repr(number(text)), text


@given(st.one_of(numerals, worded, mixed, texts))
@example("1" * 1_000_000)
@example("two " * 100_000)
@example("9" * 99 + "½")
def test_any_text_has_the_same_amount_and_none_fails(conn: psycopg.Connection, text: str) -> None:
    assert repr(in_postgres(conn, text)) == repr(number(text))


def test_functions_on_another_search_path_change_no_amount(conn: psycopg.Connection) -> None:
    """Whoever may create functions in a schema could give them the names that number() calls."""
    conn.execute("CREATE SCHEMA evil")
    try:
        for function in ("left(text, integer)", "btrim(text, text)", "substr(text, integer)"):
            conn.execute(
                f"CREATE FUNCTION evil.{function} RETURNS text LANGUAGE sql AS $$SELECT '7'$$"
            )
        conn.execute("SET search_path = evil, pg_catalog")
        assert conn.execute("SELECT left('12', 2)").fetchall() == [("7",)]
        assert in_postgres(conn, "12 cats") == 12
        assert in_postgres(conn, "two cats") == 2
        replaced = conn.execute("SELECT memory.replaced('12', '1', '3')").fetchall()
        assert replaced == [("32",)]
    finally:
        conn.execute("RESET search_path")
        conn.execute("DROP SCHEMA evil CASCADE")
