"""Roles and search paths of Postgres: names mean ours, and no other role has our rights."""

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg import sql

from memory import Turn, open_store
from memory.errors import StoreError
from memory.facts.additions import add_turns
from memory.store.forgetting.preview import forget, matching_turns
from memory.store.postgres import migrate
from memory.store.postgres.pool import close_pools
from memory.store.postgres.store import PostgresStore
from tests.conftest import INSERT, SAID
from tests.support.postgres_server import logged_in, new_database, new_namespace

# Every function and operator on common types, and tables of our names, which betray their use.
SHADOWS = """
CREATE SCHEMA evil;
CREATE TABLE evil.turns (id bigint);
CREATE TABLE evil.facts (id bigint);
CREATE TABLE evil.pg_class (oid oid);
CREATE TABLE evil.version (version_num text);
DO $do$
DECLARE
    one record;
    common text := '{text,int2,int4,int8,float8,numeric,bool,bytea,jsonb,json,date,timestamptz,name,
        oid,regclass,regprocedure,_text,_int4,_int8,_float8}';
BEGIN
    FOR one IN
        SELECT p.oid, p.proname, pg_get_function_identity_arguments(p.oid) AS arguments,
            p.prorettype::regtype AS result
        FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f'
            AND NOT p.proretset AND p.provariadic = 0
            AND (SELECT coalesce(bool_and(t.typname = ANY (common::text[])), true)
                FROM pg_type t WHERE t.oid = ANY (p.proargtypes) OR t.oid = p.prorettype)
            AND p.proallargtypes IS NULL
    LOOP
        EXECUTE format(
            'CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS
            $$BEGIN RAISE EXCEPTION ''shadow''; END$$', one.proname, one.arguments, one.result);
    END LOOP;
    FOR one IN
        SELECT o.oprname, o.oprleft::regtype AS l, o.oprright::regtype AS r, p.proname
        FROM pg_operator o JOIN pg_proc p ON p.oid = o.oprcode
        WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprleft <> 0
            AND to_regprocedure(format('evil.%I(%s,%s)', p.proname, o.oprleft::regtype,
                o.oprright::regtype)) IS NOT NULL
    LOOP
        EXECUTE format('CREATE OPERATOR evil.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = evil.%I)',
            one.oprname, one.l, one.r, one.proname);
    END LOOP;
END $do$;
CREATE FUNCTION evil.number(text) RETURNS float8 LANGUAGE sql AS 'SELECT 666::float8';
CREATE FUNCTION evil.days_between(text, text) RETURNS int LANGUAGE sql AS 'SELECT 666';
"""
SELECT = (
    "SELECT subject, number(value), days_between('2026-01-01', '2026-01-31'), lower(value),"
    " replace(value, 'euros', 'EUR') FROM facts_now WHERE value LIKE '%euros' ORDER BY value"
)


@pytest.fixture
def database() -> Iterator[str]:
    """A database that holds memories, and its logins."""
    address = new_database()
    migrate.upgrade(address, "here")
    name = urlsplit(address).path[1:]
    yield address
    close_pools()
    with logged_in(address) as conn:
        conn.execute("SET search_path = pg_catalog")
        for end in ("plain", "stranger"):
            role = sql.Identifier(f"{name}_{end}")
            conn.execute(
                sql.SQL(
                    "DO $do$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = {0}) THEN"
                    " DROP OWNED BY {1}; DROP ROLE {1}; END IF; END $do$"
                ).format(f"{name}_{end}", role)
            )


def login(database: str, end: str) -> tuple[str, str]:
    """Make a login; returns its name and the address of the database for it."""
    parts = urlsplit(database)
    name = f"{parts.path[1:]}_{end}"
    with logged_in(database) as conn:
        conn.execute(f"CREATE ROLE {name} LOGIN")  # type: ignore[arg-type]
    host = parts.netloc.rpartition("@")[2]
    return name, urlunsplit(parts._replace(netloc=f"{name}@{host}"))


def acts(address: str) -> list[object]:
    """What all kinds of statements of ours and of a model give on a namespace."""
    with open_store(address) as store:
        assert isinstance(store, PostgresStore)
        add_turns(store, [*SAID, Turn("user", "I live in Oslo.", source="D1:3")])
        store.write(f"{INSERT}('Anna', 'rent', '1,900 euros', '2026', 1)", cause="test")
        change = store.write("UPDATE facts SET value = '2,000 euros' WHERE value LIKE '1%'", "test")
        seen: list[object] = [store.read(SELECT).rows, store.search("dog", 3), store.catalog(500)]
        store.undo(change.id)
        seen += [
            store.read(SELECT).rows,
            [fact.value for fact in store.facts()],
            store.turns(),
            store.check(),
        ]
        _, [receipt] = forget(store, matching_turns(store, ids=[2]), lambda gone: True)
        seen += [receipt.turns, store.count_turns(), store.check()]
    return [str(item) for item in seen]


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["DATABASE {0}", "ROLE {1} IN DATABASE {0}"])
def test_no_search_path_puts_anothers_names_before_ours(setting: str, database: str) -> None:
    expected = acts(new_namespace(database))
    name, own = urlsplit(database).path[1:], urlsplit(database).username or "postgres"
    with logged_in(database) as conn:
        conn.execute(SHADOWS)
        conn.execute(
            f"ALTER {setting.format(name, own)} SET search_path = evil, pg_catalog"  # type: ignore[arg-type]
        )
    close_pools()
    with logged_in(database) as conn, pytest.raises(psycopg.Error, match="shadow"):
        conn.execute("SELECT lower('A')")
    found = acts(new_namespace(database))
    assert found == expected


@pytest.mark.slow
def test_a_login_that_takes_the_owners_role_works_as_the_owner(database: str) -> None:
    member, address = login(database, "plain")
    name = urlsplit(database).path[1:]
    with logged_in(database) as conn:
        conn.execute(f"GRANT {urlsplit(database).username or 'postgres'} TO {member}")  # type: ignore[arg-type]
        conn.execute(
            f"ALTER ROLE {member} IN DATABASE {name} SET role = postgres"  # type: ignore[arg-type]
        )
    with open_store(new_namespace(address)) as store:
        store.add([Turn("Anna", "I pay 1,900 euros.")])
        assert store.check() == []


@pytest.mark.slow
def test_a_login_that_takes_the_models_role_opens_nothing(database: str) -> None:
    with open_store(new_namespace(database)) as store:
        store.add([Turn("Anna", "My secret is hidden.")])
    member, address = login(database, "stranger")
    name = urlsplit(database).path[1:]
    model = migrate.model_role(name)
    with logged_in(database) as conn:
        conn.execute(f"GRANT {model} TO {member}")  # type: ignore[arg-type]
        conn.execute(f"ALTER ROLE {member} IN DATABASE {name} SET role = {model}")  # type: ignore[arg-type]
    with pytest.raises(StoreError) as caught:
        open_store(new_namespace(address))
    assert "\n" not in str(caught.value)
    with psycopg.connect(address, autocommit=True) as conn:
        assert conn.execute("SELECT current_user").fetchall() == [(model,)]
        assert conn.execute("SELECT * FROM memory.turns").fetchall() == []
        for statement in (
            "SELECT memory.signature('1.r')",
            "SELECT * FROM memory.secrets",
            "INSERT INTO memory.turns SELECT * FROM memory.turns",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)


@pytest.mark.slow
def test_another_login_of_the_server_calls_none_of_our_functions(database: str) -> None:
    _, address = login(database, "stranger")
    with logged_in(database) as conn:
        functions = conn.execute(
            "SELECT p.oid::regprocedure::text, array(SELECT format('NULL::%s', t::regtype)"
            " FROM unnest(p.proargtypes) t) FROM pg_proc p"
            " WHERE p.pronamespace = 'memory'::regnamespace AND p.prorettype <> 'trigger'::regtype"
        ).fetchall()
        tables = conn.execute(
            "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'v')"
            " AND relnamespace IN ('memory'::regnamespace, 'memory_views'::regnamespace)"
        ).fetchall()
    assert {name.partition("(")[0] for name, _ in functions} >= {
        "memory.number", "memory.replaced", "memory.signature", "memory.entered",
    }  # fmt: skip
    with psycopg.connect(address, autocommit=True) as conn:
        for name, arguments in functions:
            call = f"SELECT {name.partition('(')[0]}({', '.join(arguments)})"
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(call)  # type: ignore[arg-type]
        for (table,) in tables:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(f"SELECT * FROM {table}")  # type: ignore[arg-type]
