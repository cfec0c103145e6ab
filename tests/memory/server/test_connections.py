"""Many connections: who gives way, so that a server answers those who sign in or have a token."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from memory.server.connections import (
    MOST_CONNECTIONS,
    MOST_OF_AN_ADDRESS,
    RESERVED,
    Connection,
    Connections,
)
from memory.server.tokens import Tokens
from memory.store.namespaces import create
from tests.support.server_process import Served, server_process

WHOLE_AND_HALF = (
    b"GET /api/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /api/openapi.json HTTP/1.1\r\nHo"
)


@pytest.fixture
def server(tmp_path: Path, home: str) -> Iterator[Served]:
    log = tmp_path / "served.log"
    with server_process(log, "tests.support.timed_server", "head", "3600", "--port", "0") as served:
        yield served


@pytest.fixture
def hurried_server(tmp_path: Path, home: str) -> Iterator[Served]:
    log = tmp_path / "served.log"
    with server_process(log, "tests.support.timed_server", "head", "0.2", "--port", "0") as served:
        yield served


def connect(served: Served) -> socket.socket:
    host, port = served.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


@pytest.mark.slow
def test_connections_that_begin_a_second_request_keep_nobody_out(server: Served) -> None:
    create("ben")
    bearer = {"authorization": f"Bearer {Tokens().create('anna', ['*'], ['read'])}"}
    with ExitStack() as stack, httpx2.Client(timeout=60) as known:
        address = f"{server.address}/api/ben/turns"
        assert known.get(address, headers=bearer).status_code == 200
        for _ in range(MOST_CONNECTIONS + RESERVED):
            stranger = stack.enter_context(connect(server))
            stranger.sendall(WHOLE_AND_HALF)
            assert stranger.recv(100)
        assert known.get(address, headers=bearer).status_code == 200
        assert httpx2.get(address, headers=bearer, timeout=60).status_code == 200
        assert httpx2.get(server.line, timeout=60).status_code == 303


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [b"", WHOLE_AND_HALF[-30:], WHOLE_AND_HALF, b"GET / HTTP/1.1\r\nContent-Length: 9\r\n\r\nbody"],
    ids=["nothing", "half a head", "half a second head", "half a body that nobody reads"],
)
def test_each_head_has_a_deadline(hurried_server: Served, sent: bytes) -> None:
    with connect(hurried_server) as connection:
        connection.sendall(sent)
        try:
            while connection.recv(100_000):
                pass
        except ConnectionResetError:
            pass  # closed as well


# ---------------------------------------------------------------- which connections give way


class Crowd:
    """Connections of clients by their address, and which of them were closed."""

    def __init__(self, most: int = 4, most_of_an_address: int = 3, reserved: int = 1) -> None:
        self._connections = Connections(most, most_of_an_address, reserved)
        self.closed: list[Connection] = []

    def open(self, address: str, *, known: bool = False, waits: bool = True) -> Connection | None:
        """A new connection; None where there was no room."""
        new = Connection(address, lambda: self.closed.append(new), known, waits)
        return new if self._connections.admit(new) else None


def test_one_address_has_its_share_alone() -> None:
    crowd = Crowd()
    other, first, *_ = [crowd.open(address) for address in "baaa"]
    crowd.open("a")
    assert crowd.closed == [first]
    assert other not in crowd.closed


def test_the_largest_network_gives_way_where_all_are_taken() -> None:
    crowd = Crowd()
    _, first, *_ = [crowd.open(address) for address in "baac"]
    crowd.open("d")
    assert crowd.closed == [first]


def test_addresses_of_one_ipv6_network_are_one() -> None:
    crowd = Crowd()
    first, *_ = [crowd.open(f"2001:db8::{number}") for number in (1, 2, 3)]
    crowd.open("2001:db8::4")
    assert crowd.closed == [first]


def test_strangers_give_way_before_those_who_signed_in() -> None:
    crowd = Crowd()
    crowd.open("a", known=True)
    running = crowd.open("a", waits=False)
    crowd.open("a")
    crowd.open("a")
    assert crowd.closed == [running]


def test_running_requests_of_those_who_signed_in_are_never_cut_off() -> None:
    crowd = Crowd()
    for address in "aabb":
        crowd.open(address, known=True, waits=False)
    extra = crowd.open("c")
    assert extra
    assert extra.is_extra
    assert not crowd.closed
    next_extra = crowd.open("c")  # the reserve is taken, by a stranger
    assert next_extra
    assert next_extra.is_extra
    assert crowd.closed == [extra]
    next_extra.is_known, next_extra.is_waiting = True, False
    assert not crowd.open("c")


def test_a_connection_that_ended_makes_room() -> None:
    connections = Connections(1, 1, 0)
    first = Connection("a", lambda: None, is_known=True, is_waiting=False)
    assert connections.admit(first)
    connections.remove(first)
    assert connections.admit(Connection("a", lambda: None))


def test_the_share_of_an_address_is_a_part() -> None:
    assert MOST_OF_AN_ADDRESS < MOST_CONNECTIONS
