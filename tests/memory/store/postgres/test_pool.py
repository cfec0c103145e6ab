"""The connections of a process: whoever waits for the longest has the next one."""

import time
from threading import Thread

import psycopg
import pytest

from memory.errors import StoreError
from memory.store.postgres import pool as pools
from memory.store.postgres.connection import postgres_errors
from memory.store.postgres.pool import Pool
from tests.support.postgres_server import server_address


def test_a_connection_goes_to_whoever_waits_for_the_longest() -> None:
    """Not to the thread that gave one back and asks again: others would wait to their end."""
    connections = Pool(lambda: psycopg.connect(server_address(), autocommit=True), most=1)
    order: list[str] = []

    def take_one() -> None:
        with connections.connection():
            order.append("who waited")

    for _ in range(20):
        held = connections.take()
        waiting = Thread(target=take_one)
        waiting.start()
        while not connections._places.waiting:
            time.sleep(0.001)
        connections.give_back(held)
        with connections.connection():
            order.append("who came back")
        waiting.join()
    connections.close()
    assert order == ["who waited", "who came back"] * 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["sorry, too many clients already", "the database system is starting up"]
)
def test_a_server_that_will_soon_have_a_connection_is_asked_again(text: str) -> None:
    faults = [psycopg.OperationalError(f"FATAL: {text}")] * 2

    def connect() -> psycopg.Connection:
        if faults:
            raise faults.pop()
        return psycopg.connect(server_address(), autocommit=True)

    connections = Pool(connect)
    with connections.connection() as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
    connections.close()


def test_what_does_not_pass_is_raised_at_once_and_frees_its_place() -> None:
    faults = [psycopg.OperationalError("no such database")] * 9

    def connect() -> psycopg.Connection:
        raise faults.pop()

    connections = Pool(connect, most=1)
    for _ in range(2):
        with pytest.raises(StoreError) as caught, postgres_errors("here", "dbname=x"):
            connections.take()
        assert caught.value.cause == "unreachable"
    assert len(faults) == 7


def test_a_pool_whose_connections_stay_in_use_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "WAIT_SECONDS", 0.05)
    connections = Pool(lambda: psycopg.connect(server_address(), autocommit=True), most=1)
    with connections.connection():
        with pytest.raises(StoreError) as caught, postgres_errors("here", "dbname=x"):
            connections.take()
        assert caught.value.cause == "connections"
        assert not connections._places.waiting
    connections.give_back(connections.take())
    connections.close()
