"""Numbers and dates that a statement computes: bounded, and the same in both databases."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from memory import InputError, SqlError, Store, Turn, open_store
from memory.errors import StoreError
from memory.records import Rows
from memory.store import model_limits
from memory.store.changes import journal
from memory.store.changes.history import edits_of, revert_to
from memory.store.files import integrity
from memory.store.model_limits import ResultRows
from tests.conftest import CAT, MOVED
from tests.support.commands import run
from tests.support.rows import connection_of

BOTH_STORES = "slow"


@pytest.fixture
def facts(store: Store) -> Store:
    """Five turns and two facts: of turn 1 from 2017-05-06 on, of turn 3 without a date."""
    store.write(f"{MOVED}; {CAT}", cause="test")
    return store


# ------------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize(
    "number", ["1e309", "1e131000", "-9e999", "1" + "0" * 400, "0." + "0" * 400 + "1e999"]
)
def test_a_number_that_no_computer_holds_is_refused_by_the_parser(
    store: Store, number: str
) -> None:
    for select in (f"SELECT {number} AS n", f"SELECT id FROM turns WHERE id < {number}"):
        with pytest.raises(SqlError, match="this number is too large"):
            store.read(select)
    with pytest.raises(SqlError, match="this number is too large"):
        store.write(f"UPDATE facts SET turn_id = {number} WHERE id = 1", cause="test")


@pytest.mark.parametrize(
    "number",
    [
        "1e308 * 10",
        "-(1e200 * 1e200)",
        "1e308 * 10 - 1e308 * 10",
        "MAX(id) * 1e308",
        "SUM(id * 1e308)",
    ],
)
def test_a_number_that_grows_beyond_all_bounds_is_a_refusal_with_advice(
    store: Store, database: str, number: str
) -> None:
    select = f"SELECT {number} AS n FROM turns"
    if number == "1e308 * 10 - 1e308 * 10" and database == "sqlite":
        assert {*store.read(select).rows} == {(None,)}  # infinity less infinity is NULL there
        return
    with pytest.raises(SqlError, match=re.escape(model_limits.TOO_LARGE)):
        store.read(select)


@pytest.mark.parametrize("text", ["inf", "nan", "1e999", "0x10", "1_000", "no number"])
def test_a_text_that_is_no_amount_is_cast_to_nothing(store: Store, text: str) -> None:
    """Postgres reads the first ones as numbers, which JSON does not have, and refuses the last."""
    for kind in ("REAL", "INTEGER"):
        [[amount]] = store.read(f"SELECT CAST('{text}' AS {kind}) AS n").rows
        assert amount == {"0x10": 0, "1_000": 1}.get(text)


@pytest.mark.few(8)
@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1.5e3", 1500.0),
        ("SUM(id)", 15),
        ("SUM(id) / 2", 7),
        ("SUM(DISTINCT length(speaker))", 7),
        ("AVG(id)", 3.0),
        ("SUM(id * 0.5)", 7.5),
        ("SUM(length(speaker) * 1000000000)", 18_000_000_000),
        ("2000000000 + 2000000000", 4_000_000_000),
        ("MAX(id) / 0", None),
        ("ROUND(AVG(id) / 7, 2)", 0.43),
        ("ROUND(2.5)", 3.0),
        ("ROUND(-0.5)", -1.0),
        ("ROUND(1e-200, 99999)", 0.0),
        ("CAST(' 1.5e3 ' AS REAL)", 1500.0),
        ("99999999999999999999", 1e20),
        ("CAST(SUM(id) AS TEXT) || '!'", "15!"),
        ("SUM(CASE WHEN id > 2 THEN 1 ELSE 0 END)", 3),
        ("SUM(COALESCE(NULL, id, 2.5))", 15.0),
        ("(SELECT SUM(a.n) FROM (SELECT id AS n FROM turns UNION SELECT 0.5) a)", 15.5),
    ],
)
def test_numbers_come_back_as_integers_of_64_bits_or_as_floats(
    store: Store, expression: str, value: object
) -> None:
    [[number]] = store.read(f"SELECT {expression} AS n FROM turns LIMIT 1").rows
    assert (type(number), number) == (type(value), value) or number == value == 15.0


def test_an_integer_beyond_64_bits_is_refused_or_a_float(store: Store) -> None:
    for number in ("9223372036854775807 + 1", "SUM(9223372036854775807)"):
        try:
            [[value]] = store.read(f"SELECT {number} AS n FROM turns LIMIT 1").rows
        except SqlError:
            continue
        assert isinstance(value, float)


def test_a_joined_text_is_bounded_inside_the_database(store: Store) -> None:
    store.add([Turn("Eve", "long " * 60_000)])
    joined = " || ".join(["text"] * 8)
    with pytest.raises(SqlError, match="a value is too long"):
        store.read(f"SELECT length({joined}) AS n FROM turns WHERE id = 6")
    rows = store.read("SELECT length(text || text) AS n FROM turns WHERE id = 6").rows
    assert rows == ((2 * len("long " * 60_000),),)


@pytest.mark.parametrize("cell", [b"x" * 9_000_000, "x" * 9_000_000, ["x" * 9_000_000]])
def test_values_of_every_type_count_as_text(cell: object) -> None:
    rows = ResultRows(200)
    rows.extend([(cell,)])
    with pytest.raises(SqlError, match="too much text"):
        rows.extend([(cell,)])


def test_no_command_prints_a_number_that_json_does_not_have(
    store: Store, memory_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("admin", "sql", "SELECT 1e308 * 10 AS n", "--json", *memory_options, says="too large")
    run("admin", "sql", "SELECT 1e131000 AS n FROM turns", *memory_options, says="too large")
    numbers = Rows(("a", "b"), ((float("inf"), float("nan")),))
    monkeypatch.setattr(type(store), "read", lambda *_: numbers)
    printed = run("admin", "sql", "SELECT 1 AS n", "--json", *memory_options)
    assert json.loads(printed) == {"a": None, "b": None}


# ------------------------------------------------------------------------------------ dates


@pytest.mark.few(10)
@pytest.mark.parametrize(
    "assignment",
    [
        "happened_on = substr(happened_on, 3, 4)",
        "happened_on = substr(happened_on, 1, 5)",
        "ended_on = substr(happened_on, 2, 9)",
        "happened_on = happened_on || happened_on",
        "happened_on = COALESCE(ended_on, happened_on) || happened_on",
        "ended_on = upper(happened_on) || trim(happened_on)",
        "ended_on = CASE WHEN happened_on = ended_on THEN ended_on ELSE substr(happened_on, 6) END",
        "turn_id = 1e308 * 10 * length(value)",
        "turn_id = turn_id + 0.5",
        "turn_id = 0.5 * length(value)",
    ],
)
@pytest.mark.parametrize("window", [None, (1, 5)])
def test_a_computed_date_or_turn_that_is_none_is_refused(
    facts: Store, assignment: str, window: tuple[int, int] | None
) -> None:
    before = facts.facts()
    with pytest.raises(SqlError, match=r"no date|whole number|too large"):
        facts.write(f"UPDATE facts SET {assignment} WHERE id = 1", cause="test", window=window)
    assert facts.facts() == before
    assert facts.check() == []


def test_a_computed_date_that_is_one_is_stored(facts: Store) -> None:
    facts.write(
        "UPDATE facts SET happened_on = substr(happened_on, 1, 7),"
        " ended_on = substr(happened_on, 1, 4) WHERE id = 1",
        cause="test",
    )
    [moved, _] = facts.facts()
    assert (moved.happened_on, moved.ended_on) == ("2017-05", "2017")


DATES = ["", "2017", "2017-02", "2016-02-29", "0001-01-01", "9999-12-31", "2000-02-29"]
SPANS = ["2017-05/2017-06", "2017-05-13/2017-05-14"]
NO_DATES = [
    *("0", "17", "201", "2017-", "2017-0", "2017-00", "2017-13", "2017-5-7", "2017-02-30"),
    *("2017-02-29", "1900-02-29", "2017-04-31", "2017-06-31", "2017-12-32", "2017-12-00"),
    *(
        "0000",
        "0000-01",
        "0000-01-01",
        "-017-01-01",
        "now",
        "2457900.5",
        "２０１７",
        "2017-05-07T12",
    ),
    *("2017/2018", "2017-06/2017-05", "2017-05/2017-05", "2017-05-07/2017-06", "/", "2017-05/"),
    *(" 2017", "2017 ", "2017-05-07\n", "2017-05-07/2017-05-08/2017-05-09"),
]


def test_the_tables_take_the_very_dates_that_the_parser_takes(facts: Store, database: str) -> None:
    """Without the parser: what a statement has computed is judged by the database alone."""

    def is_taken(column: str, date: str) -> bool:
        table = "facts" if database == "sqlite" else "memory.facts"
        try:
            with facts.transaction() as conn:
                conn.execute(f"UPDATE {table} SET {column} = '{date}' WHERE id = 1")
        except (StoreError, InputError):  # of the trigger, of the constraint
            return False
        return True

    # The parser makes NULL of '', which has no other spelling in the tables.
    for date in (*DATES, *SPANS, *NO_DATES):
        assert is_taken("happened_on", date) == (date in {*DATES, *SPANS} - {""}), date
        assert is_taken("ended_on", date) == (date in {*DATES} - {""}), date


# --------------------------------------------------------------------------------- older memories


def test_dates_that_are_none_in_an_older_journal_are_restored_as_none(
    facts: Store, database: str
) -> None:
    day = facts.facts()[0].recorded_at[:10]
    facts.write(
        f"UPDATE facts SET happened_on = NULL, ended_on = '{day}' WHERE id = 1",
        cause="upgrade: dates of facts",
    )
    log, where = ("facts_log", "1 = 1")
    if database == "postgres":
        log, where = ("memory.facts_log", "namespace = %(namespace)s")
    dates, bad = '"2017-05-06",null,', '"23-0","soon",'
    with facts.transaction() as conn:
        conn.execute(
            f"UPDATE {log} SET before = replace(before, '{dates}', '{bad}'),"
            f" after = replace(after, '{dates}', '{bad}') WHERE {where}"
        )
    assert_is_upgraded(facts)
    with facts.as_of("2100") as past:
        assert past.facts() == facts.facts()


def assert_is_upgraded(store: Any) -> None:
    """The first fact began at an unknown time and has ended; all of that can be worked with."""
    fact = store.facts()[0]
    assert (fact.happened_on, fact.ended_on) == ("", fact.recorded_at[:10])
    last = store.changes()[-1]
    assert (last.cause, last.facts) == ("upgrade: dates of facts", 1)
    [edit] = edits_of(store, last.id)
    assert edit.before
    assert (edit.before.happened_on, edit.before.ended_on) == ("23-0", "soon")
    assert [*integrity.journal_faults(connection_of(store))] == []
    # What it was before is no date still: whatever restores it stores none.
    store.undo(last.id)
    revert_to(store, last.id - 1)
    assert store.facts()[0] == fact
    change = store.write("DELETE FROM facts WHERE id = 1", cause="test")
    store.undo(change.id)
    assert store.facts()[0] == fact
    assert [*integrity.journal_faults(connection_of(store))] == []


def test_a_dump_of_an_older_version_is_loaded_with_dates_for_its_dates(
    facts: Store, tmp_path: Path
) -> None:
    def older(record: dict[str, Any]) -> dict[str, Any]:
        if record["table"] == "facts" and record["id"] == 1:
            return record | {"happened_on": "23-0", "ended_on": "soon"}
        if record["table"] == "facts_log" and record["fact_id"] == 1:
            image = json.loads(record["after"])
            return record | {
                "after": journal.written_image([*image[:4], "23-0", "soon", *image[6:]])
            }
        return record

    records = [older(record) for record in facts.dump()]
    with open_store(tmp_path / "copy.db") as copy:
        copy.load(records)
        assert copy.load(records) == 0  # it is all there
        fact = copy.facts()[0]
        assert (fact.happened_on, fact.ended_on) == ("", fact.recorded_at[:10])
        assert copy.check() == []
