"""What servers share in Postgres: memories, tokens, links to sign in and their sessions."""

from threading import Thread
from time import sleep

import psycopg
import pytest

from memory import SqlError, Turn, open_store
from memory.errors import InputError
from memory.server import sign_in, tokens
from memory.server.sign_in import open_sign_in
from memory.server.tokens import Grant, Tokens
from memory.store import namespaces
from memory.store.postgres import store as postgres_store
from tests.support.postgres_server import empty_home, new_database


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_HOME", empty_home())


def test_a_memory_deleted_or_renamed_elsewhere_is_no_longer_current(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgres_store, "CURRENT_SECONDS", 0)
    with open_store(namespaces.create("a")) as deleted, open_store(namespaces.create("b")) as moved:
        deleted.add([Turn("Anna", "I moved to Oslo.")])
        assert deleted.is_current()
        assert moved.is_current()
        namespaces.delete("a")
        namespaces.rename("b", "a")
        assert not deleted.is_current()  # another memory has its name
        assert not moved.is_current()


@pytest.mark.slow
def test_a_database_that_does_not_answer_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, other = new_database(), new_database()
    for database in (stuck, other):
        open_store(f"{database}&namespace=anna").close()
    monkeypatch.setattr(postgres_store, "CURRENT_SECONDS", 0.0)
    with psycopg.connect(stuck) as holder:
        holder.execute("LOCK TABLE memory.version IN ACCESS EXCLUSIVE MODE")
        waiting = Thread(target=lambda: open_store(f"{stuck}&namespace=anna").close())
        waiting.start()
        waits = "SELECT FROM pg_locks WHERE NOT granted AND relation = 'memory.version'::regclass"
        while not holder.execute(waits).fetchall():
            sleep(0.05)
        answered = Thread(target=lambda: open_store(f"{other}&namespace=anna").close())
        answered.start()
        answered.join(60)
        is_answered = not answered.is_alive()
        assert waiting.is_alive()
    waiting.join()
    assert is_answered


def test_tokens_are_those_of_every_server_of_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = Tokens(), Tokens()
    token = first.create("laptop", ["anna"], ["read"])
    first.create("backup", ["*"], ["read", "forget"], days=1)
    grant = Grant("laptop", ("anna",), ("read",))
    assert not second.is_fresh(token)
    assert second.find(token) == grant
    assert second.is_fresh(token)
    assert [each.name for each in second.grants()] == ["laptop", "backup"]
    with pytest.raises(InputError, match="taken"):
        second.create("laptop", ["*"], ["read"])
    first.revoke("laptop")
    assert first.find(token) is None
    assert second.find(token) == grant  # for a few seconds more
    monkeypatch.setattr(tokens, "FRESH_SECONDS", 0.0)
    assert second.find(token) is None


def test_a_link_works_once_at_any_server_and_its_session_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = open_sign_in(), open_sign_in(new_link=False)
    assert first.redeem("another") is None
    session = second.redeem(first.link_token)
    assert session
    assert first.redeem(first.link_token) is None
    assert first.holds(session)
    assert second.holds(session)
    second.sign_out(session)
    monkeypatch.setattr(sign_in, "FRESH_SECONDS", 0.0)
    assert not first.holds(session)
    assert not first.holds("")


def test_a_session_and_a_link_in_a_database_end(monkeypatch: pytest.MonkeyPatch) -> None:
    here = open_sign_in()
    session = here.redeem(here.link_token)
    assert session
    late = open_sign_in()
    monkeypatch.setattr(sign_in, "SESSION_SECONDS", -1.0)
    monkeypatch.setattr(sign_in, "LINK_SECONDS", -1.0)
    assert late.redeem(late.link_token) is None
    assert not late.holds(session)


def test_a_model_reads_no_token() -> None:
    Tokens().create("laptop", ["anna"], ["read"])
    with open_store(namespaces.create("a")) as store:
        store.add([Turn("Anna", "I moved to Oslo.")])
        with pytest.raises(SqlError):
            store.read("SELECT value FROM memory.secrets")
