"""The walls around a model's SQL in Postgres: each attack also with the parser bypassed."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from memory import SqlError, Turn, open_store
from memory.errors import StoreError
from memory.store.changes import journal
from memory.store.postgres import migrate, model_login
from memory.store.postgres import store as postgres_store
from memory.store.postgres.pool import connection_of_models
from memory.store.postgres.store import PostgresStore
from memory.text.characters import label, one_line
from tests.conftest import CAT, MOVED, SAID
from tests.memory.sql.refused import REFUSED_READS, REFUSED_WRITES
from tests.memory.store.postgres.attacks import READS, WRITES
from tests.support import sql_fuzzing, sql_statements
from tests.support.postgres_server import logged_in, new_database, new_namespace, shared_database
from tests.support.rows import connection_of
from tests.support.stored_attacks import ATTACKS

SECRET = "xylophone"


@pytest.fixture(scope="module")
def anna() -> Iterator[PostgresStore]:
    with open_store(new_namespace()) as store:
        assert isinstance(store, PostgresStore)
        store.add(SAID)
        store.write(f"{MOVED}; {CAT}", cause="test")
        yield store


@pytest.fixture(scope="module")
def ben() -> Iterator[PostgresStore]:
    """Another namespace, with what nobody else may see."""
    with open_store(new_namespace()) as store:
        assert isinstance(store, PostgresStore)
        store.add([Turn("Ben", f"My {SECRET} is hidden.")])
        store.write(
            "INSERT INTO facts (subject, attribute, value, turn_id)"
            f" VALUES ('Ben', 'owns', '{SECRET}', 1);"
            f"INSERT INTO entities (name, description) VALUES ('{SECRET}', 'hidden');"
            f"INSERT INTO aliases (name, entity, turn_id) VALUES ('my {SECRET}', '{SECRET}', 1)",
            cause=SECRET,
        )
        yield store


def filled(attack: str, own: PostgresStore, foreign: PostgresStore) -> str:
    for name, value in (
        ("{own}", own._namespace),
        ("{foreign}", foreign._namespace),
        ("{owner}", "postgres"),
    ):
        attack = attack.replace(name, str(value))
    return attack


def ticket_of(store: PostgresStore, scope: str) -> str:
    """What lets a model read (`r`) or change (`j`) a namespace."""
    return store._tickets[scope]


def read_as_model(
    store: PostgresStore, statement: str, ticket: str = "", limit: int = 200
) -> list[tuple[Any, ...]]:
    """The rows of a statement that no parser has seen, as `read` runs what it has checked."""
    with connection_of_models(store._database.of_models) as conn:
        rows = model_login.select(
            conn, statement, ticket or ticket_of(store, "r"), limit=limit, seconds=2.0
        )
    return [*rows.rows]


def write_as_model(store: PostgresStore, statement: str, ticket: str = "") -> None:
    """Run what changes rows in the open transaction, without the cursor that refuses it."""
    conn = connection_of(store).connection
    model_login.enter(conn, ticket or ticket_of(store, "r"), 2.0)
    text = f"WITH written AS (\n{statement}\nRETURNING 1) SELECT FROM written"
    conn.execute(text)  # type: ignore[arg-type]


def rows_of_the_transaction(store: PostgresStore) -> list[list[tuple[Any, ...]]]:
    """What the second login may write, as its open transaction sees it."""
    conn = connection_of(store).connection
    model_login.enter(conn, ticket_of(store, "j"), 2.0)
    tables = ("facts", "facts_log", "changes", "pending", "word_lists", "counters")
    return [sorted(conn.execute("SELECT * FROM memory." + table)) for table in tables]


class Backout(Exception):
    """Ends a transaction that an attack ran in."""


@contextmanager
def rolled_back(store: PostgresStore) -> Iterator[None]:
    """A transaction in which a model's statements run, taken back at its end."""
    with suppress(Backout, psycopg.Error, StoreError), store._model_transaction():
        yield
        raise Backout


@pytest.mark.slow
@pytest.mark.parametrize("attack", READS)
def test_a_read_gives_nothing_of_another_namespace(
    anna: PostgresStore, ben: PostgresStore, attack: str
) -> None:
    before = [*ben.dump()]
    with pytest.raises(SqlError):
        anna.read(filled(attack, anna, ben).replace("SELECT * FROM turns", "SELECT * FROM TURN"))
    try:
        rows = read_as_model(anna, filled(attack, anna, ben))
    except (SqlError, psycopg.Error):
        rows = []
    assert SECRET not in str(rows)
    assert ticket_of(ben, "r") not in str(rows)
    assert [*ben.dump()] == before
    assert anna.search("cat")[0].turn_id == 3  # the connections are as good as new
    assert len(anna.read("SELECT id FROM turns").rows) == len(SAID)


def test_without_the_ticket_the_walls_are_what_held(
    anna: PostgresStore, ben: PostgresStore
) -> None:
    """The control: with a valid ticket of the other namespace the same way in finds the secret."""
    foreign = ticket_of(ben, "r")
    assert SECRET in str(read_as_model(anna, "SELECT * FROM memory.turns", ticket=foreign))
    assert SECRET in str(read_as_model(anna, "SELECT * FROM facts", ticket=foreign))
    journal = ticket_of(ben, "j")
    assert SECRET in str(read_as_model(anna, "SELECT * FROM memory.changes", ticket=journal))
    for broken in ("", "42", foreign[:-1], foreign.replace(".r.", ".j."), f"{foreign}.x"):
        assert read_as_model(anna, "SELECT * FROM memory.turns", ticket=broken or " ") == []


@pytest.mark.few(20)
@pytest.mark.parametrize("attack", WRITES)
def test_a_write_changes_nothing_of_another_namespace_and_nothing_but_facts(
    anna: PostgresStore, ben: PostgresStore, attack: str
) -> None:
    bens, annas = [*ben.dump()], [*anna.dump()]
    statement = filled(attack, anna, ben)
    with pytest.raises(SqlError):
        anna.write(statement.replace("FROM facts", "FROM fact"), cause="test")
    with rolled_back(anna):
        journal.begin(connection_of(anna), "attack", "")
        rows = rows_of_the_transaction(anna)
        with suppress(SqlError, psycopg.Error), connection_of(anna).connection.transaction():
            model_login.select(
                connection_of(anna).connection,
                statement,
                ticket_of(anna, "r"),
                limit=9,
                seconds=2.0,
            )
        assert rows_of_the_transaction(anna) == rows
        with suppress(SqlError, psycopg.Error):
            write_as_model(anna, statement)
            if connection_of(anna).connection.info.transaction_status == TransactionStatus.INTRANS:
                assert rows_of_the_transaction(anna) == rows
            with psycopg.connect(shared_database()) as owner:  # nothing of it can be seen outside
                assert owner.execute(
                    "SELECT value FROM memory.facts WHERE namespace = %s", [ben._namespace]
                ).fetchall() == [(SECRET,)]
    assert [*ben.dump()] == bens
    assert [*anna.dump()] == annas


def test_with_a_foreign_ticket_a_write_breaks_through(
    anna: PostgresStore, ben: PostgresStore
) -> None:
    with rolled_back(anna):
        attack = "UPDATE memory.facts SET value = 'broken' WHERE value = 'xylophone'"
        write_as_model(anna, attack, ticket=ticket_of(ben, "j"))
        rows = connection_of(anna).connection.execute("SELECT value FROM memory.facts").fetchall()
        assert rows == [("broken",)]
    assert ben.facts()[0].value == SECRET


# --- which wall holds, where the parser and the ticket do not ------------------------------------

# With a valid ticket of the other namespace and no parser: how many of the attacks break through,
# which is what the ticket holds back, and what refuses the others.
READ_WALLS = {
    "ticket": 17,
    "changed by the statement itself": 4,
    "one statement of its kind": 36,
    "grants": 19,
    "read only": 1,
    "other errors": 10,
    "nothing to see": 12,
}
WRITE_WALLS = {"ticket": 19, "one statement of its kind": 13, "grants": 20, "other errors": 1}
# Since Postgres 17 a MERGE may stand inside a WITH: then the ticket holds that one back.
WRITE_WALLS_SINCE_17 = {**WRITE_WALLS, "ticket": 20, "one statement of its kind": 12}
NAMES = {
    psycopg.errors.InsufficientPrivilege: "grants",
    psycopg.errors.SyntaxError: "one statement of its kind",
    psycopg.errors.ReadOnlySqlTransaction: "read only",
}


def wall_of(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error, SqlError) and error.__cause__ else error
    return next((name for kind, name in NAMES.items() if isinstance(cause, kind)), "other errors")


def wall_of_read(attack: str, anna: PostgresStore, ben: PostgresStore) -> str:
    if "set_config('memory.ticket'" in attack:
        return "changed by the statement itself"  # before or after rows are read, as it is planned
    walls_met = []
    for scope in "rj":
        try:
            rows = read_as_model(anna, filled(attack, anna, ben), ticket=ticket_of(ben, scope))
        except (SqlError, psycopg.Error) as error:
            walls_met.append(wall_of(error))
        else:
            walls_met.append("ticket" if SECRET in str(rows) else "nothing to see")
    return "ticket" if "ticket" in walls_met else walls_met[0]


def wall_of_write(attack: str, anna: PostgresStore, ben: PostgresStore) -> str:
    wall = "ticket"
    with rolled_back(ben):
        journal.begin(connection_of(ben), "attack", "")
        try:
            statement = filled(attack, anna, ben)
            write_as_model(ben, statement, ticket=ticket_of(ben, "j"))
        except (SqlError, psycopg.Error) as error:
            wall = wall_of(error)
    return wall


@pytest.mark.slow
@pytest.mark.skipif(
    "MEMORY_TEST_CITUS" in os.environ, reason="Citus refuses some attacks by errors of its own"
)
def test_with_a_foreign_ticket_what_the_ticket_held_back_breaks_through(
    anna: PostgresStore, ben: PostgresStore
) -> None:
    """The control of all attacks at once: a wall that holds everything may be none."""
    before = [*ben.dump()]
    reads = Counter(wall_of_read(attack, anna, ben) for attack in READS)
    writes = Counter(wall_of_write(attack, anna, ben) for attack in WRITES)
    with logged_in(shared_database()) as conn:
        is_new = conn.info.server_version >= 170_000
    assert reads == READ_WALLS
    assert writes == (WRITE_WALLS_SINCE_17 if is_new else WRITE_WALLS)
    assert [*ben.dump()] == before


STATEMENTS = [
    statement
    for table in (REFUSED_READS, REFUSED_WRITES)
    for advice in table.values()
    for statement in advice
]


@pytest.mark.slow
@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_the_parser_refuses_leaks_nothing_without_it(
    anna: PostgresStore, ben: PostgresStore, statement: str
) -> None:
    before = [*ben.dump()]
    try:
        rows = read_as_model(anna, statement)
    except (SqlError, psycopg.Error):
        rows = []
    assert SECRET not in str(rows)
    bens, annas = before, [*anna.dump()]
    with rolled_back(anna):
        journal.begin(connection_of(anna), "attack", "")
        with suppress(SqlError, psycopg.Error, UnicodeError):
            write_as_model(anna, statement)
            conn = connection_of(anna).connection
            facts = conn.execute("SELECT value FROM memory.facts").fetchall()
            assert SECRET not in str(facts)
    assert [*ben.dump()] == bens
    assert [*anna.dump()] == annas


@pytest.mark.slow
def test_statements_at_random_give_nothing_of_another_namespace(
    anna: PostgresStore, ben: PostgresStore
) -> None:
    """Statements of the fuzzing of SQLite, and mutants of its corpus; with the parser, without."""
    random = Random(1)
    corpus = sql_fuzzing.corpus()
    before = [*ben.dump()], [*anna.dump()]
    answered = 0
    for n in range(600):
        statement = sql_fuzzing.mutant(random, corpus) if n % 2 else sql_statements.read(random)
        for read in (anna.read, lambda text: read_as_model(anna, text)):
            with suppress(SqlError, psycopg.Error, UnicodeError):
                rows = read(statement)
                answered += 1
                assert SECRET not in str(rows)
    assert answered > 100
    assert ([*ben.dump()], [*anna.dump()]) == before


@pytest.mark.slow
@pytest.mark.parametrize("text", ATTACKS)
def test_what_others_said_is_text_and_no_statement(text: str) -> None:
    """The stored attacks on the page, in every column that a person or a model may fill."""
    short = text[:300]  # of what Postgres has an index
    with open_store(new_namespace()) as store:
        [turn_id] = store.add([Turn(short, text, short, "2020", short)])
        [turn] = store.turns()
        assert turn.text == text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        quoted = turn.text.replace("'", "''")
        insert = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
        store.write(f"{insert} ('{quoted}', '{quoted}', '{quoted}', {turn_id})", cause=turn.text)
        [fact] = store.facts()
        line = one_line(turn.text)  # a fact is a line without what nobody sees
        assert fact.value == line
        assert (fact.subject, fact.attribute) == (label(line, 500), label(line, 200))
        assert store.read("SELECT value FROM facts").rows == ((line,),)
        store.search(text)
        assert store.check() == []


def test_what_a_statement_sets_is_gone_with_its_connection(anna: PostgresStore) -> None:
    read_as_model(anna, "SELECT set_config('memory.ticket', 'x', false), pg_advisory_lock(2309)")
    rows = read_as_model(
        anna,
        # By number: another process of the tests may migrate, which takes such a lock too.
        "SELECT current_setting('memory.ticket', true) = 'x', (SELECT count(*) FROM pg_locks"
        " WHERE locktype = 'advisory' AND objid = 2309)",
    )
    assert rows == [(False, 0)]


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_sleep(60)",
        "SELECT set_config('statement_timeout', '0', true), pg_sleep(60)",
        "SELECT count(*) FROM generate_series(1, 1e9::bigint)",
    ],
)
def test_a_deadline_ends_what_takes_too_long(anna: PostgresStore, statement: str) -> None:
    with pytest.raises(SqlError, match="too slow"), anna._database.of_models.connection() as conn:
        model_login.select(conn, statement, ticket_of(anna, "r"), limit=5, seconds=0.2)


def test_the_client_ends_what_has_lifted_its_deadline(anna: PostgresStore) -> None:
    lifted = (
        "SELECT set_config('statement_timeout', '0', true) UNION ALL SELECT repeat('x', 10)"
        " UNION ALL SELECT pg_sleep(CASE WHEN n > 11 THEN 60 ELSE 0 END)::text"
        " FROM generate_series(1, 30) n"
    )
    with pytest.raises(SqlError, match="too slow"), anna._database.of_models.connection() as conn:
        model_login.select(conn, lifted, ticket_of(anna, "r"), limit=200, seconds=0.2)


@pytest.mark.slow
def test_a_busy_server_gives_a_statement_longer_and_not_for_ever(
    anna: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = ticket_of(anna, "r")
    monkeypatch.setattr(model_login, "_busyness", lambda conn: 9.0)
    with anna._database.of_models.connection() as conn:
        naps = "SELECT 'awake' FROM pg_sleep(0.3)"
        assert model_login.select(conn, naps, ticket, limit=5, seconds=0.1).rows == (("awake",),)
        with pytest.raises(SqlError, match="too slow"):
            model_login.select(conn, "SELECT pg_sleep(60)", ticket, limit=5, seconds=0.1)


def test_how_busy_a_server_is_is_asked_of_it_and_not_known_without_an_answer(
    anna: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **settings: object) -> None:
        raise psycopg.OperationalError("too many clients")

    with anna._database.of_models.connection() as conn:
        assert model_login._busyness(conn) >= 1.0
        monkeypatch.setattr(model_login, "_PROBE_SECONDS", 0.0001)
        assert model_login._busyness(conn) > 5
        monkeypatch.setattr(model_login.psycopg, "connect", fail)
        assert model_login._busyness(conn) == 1.0


def test_rows_and_text_of_a_select_are_bounded(anna: PostgresStore) -> None:
    ticket = ticket_of(anna, "r")
    with anna._database.of_models.connection() as conn:
        numbers = "SELECT n FROM generate_series(1, 300) n"
        rows = model_login.select(conn, numbers, ticket, limit=200, seconds=2.0)
        assert (len(rows.rows), rows.truncated) == (200, True)
        long = "SELECT repeat('x', 9000000) FROM generate_series(1, 2)"
        with pytest.raises(SqlError, match="too much text"):
            model_login.select(conn, long, ticket, limit=200, seconds=2.0)


@pytest.mark.parametrize("number", ["1e131000", "-1e131000", "1e-16000", "9e999 * 9e999"])
def test_a_number_of_a_hundred_thousand_digits_is_refused_before_python_reads_it(
    anna: PostgresStore, number: str
) -> None:
    """Python took 1.5 s for each of them, beyond every deadline; here no parser stands before."""
    with pytest.raises(SqlError, match="a number is too large"):
        read_as_model(anna, f"SELECT {number} AS n FROM memory.turns")
    assert read_as_model(anna, "SELECT 1.5, 2.0, sum(3::bigint)") == [(1.5, 2.0, 3)]


ROW = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "


def test_a_whole_change_has_one_deadline(
    anna: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts to insert are read by no statement of a model, and the deadline is theirs as well."""
    before = anna.facts()
    monkeypatch.setattr(postgres_store, "WRITE_SECONDS", -1.0)
    with pytest.raises(SqlError, match="too slow"):
        anna.write(ROW + "('a', 'b', 'c', 1)", cause="test")
    assert anna.facts() == before


def test_one_statement_inserts_a_thousand_facts_at_most(anna: PostgresStore) -> None:
    before = anna.facts()
    with pytest.raises(SqlError, match="more than 1000 facts"):
        anna.write(ROW + ",".join(["('a','b','c',1)"] * 1001), cause="test")
    assert anna.facts() == before


def test_a_refusal_of_the_second_statement_takes_the_first_back(anna: PostgresStore) -> None:
    before = anna.facts()
    with pytest.raises(SqlError, match="names no turn"):
        anna.write(f"{ROW} ('a', 'b', 'c', 1); {ROW} ('a', 'b', 'c', 999)", cause="test")
    assert anna.facts() == before


GAPS: dict[str, Callable[[str], str]] = {
    "row-level security of memory.turns is off": lambda role: (
        "ALTER TABLE memory.turns DISABLE ROW LEVEL SECURITY"
    ),
    "memory.facts_log has no policy": lambda role: "DROP POLICY journals ON memory.facts_log",
    "may read or write memory.secrets": lambda role: f'GRANT SELECT ON memory.secrets TO "{role}"',
    "may pass row-level security": lambda role: f'ALTER ROLE "{role}" BYPASSRLS',
    "may sign tickets": lambda role: f'GRANT EXECUTE ON FUNCTION memory.signature TO "{role}"',
    "is a member of": lambda role: f'GRANT postgres TO "{role}"',
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", GAPS)
def test_a_memory_whose_wall_does_not_stand_is_not_opened(fault: str) -> None:
    database = new_database()
    migrate.upgrade(database, "here")
    with logged_in(database) as conn:
        conn.execute(GAPS[fault](migrate.model_role(conn.info.dbname)))  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=fault):
        open_store(new_namespace(database))
