"""256 slow clients of the server and of the proxy: they take sockets and no threads."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx2
import psutil
import pytest

from memory.server.tokens import Tokens
from tests.support.server_process import Served, server_process
from tests.support.upstream import REPLY, Upstream

CLIENTS = 256
HEAD = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
CHAT = json.dumps(
    {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Where do I live?"}]}
).encode()
MOST_THREADS = 8  # more than before: of a pool that works for those who are served
MOST_BYTES = 150_000_000


@contextmanager
def slow_clients(served: Served, path: str) -> Iterator[list[socket.socket]]:
    """Clients that say nothing, a part of a head, or a head and a part of its body."""
    host, port = served.address.removeprefix("http://").split(":")
    head = HEAD % (path.encode(), int(port))
    sent = (b"", head[:40], head + b"Content-Length: %d\r\n\r\n" % len(CHAT) + CHAT[:20])
    with ExitStack() as stack:
        clients = []
        for number in range(CLIENTS):
            client = socket.create_connection((host, int(port)), timeout=60)
            clients.append(stack.enter_context(client))
            client.sendall(sent[number % len(sent)])
        yield clients


@contextmanager
def bounded(served: Served) -> Iterator[None]:
    """The server has few threads and little memory more than before."""
    process = psutil.Process(served.process.pid)
    threads, size = process.num_threads(), process.memory_info().rss
    yield
    assert process.num_threads() <= threads + MOST_THREADS
    assert process.memory_info().rss <= size + MOST_BYTES


@pytest.mark.slow
def test_the_server_answers_beside_256_slow_clients(nora: str, tmp_path: Path) -> None:
    bearer = {"authorization": f"Bearer {Tokens().create('anna', ['*'], ['read', 'write'])}"}
    with server_process(tmp_path / "log", "memory", "serve", "--port", "0") as served:
        turns = f"{served.address}/api/nora/turns"
        assert httpx2.get(turns, headers=bearer, timeout=60).status_code == 200
        with bounded(served), slow_clients(served, "/api/nora/turns") as clients:
            for number in range(20):
                said = {"turns": [{"speaker": "Anna", "text": f"Beside slow clients {number}."}]}
                added = httpx2.post(f"{turns}/batch", headers=bearer, json=said, timeout=60)
                assert added.status_code == 200, added.text
                for client in clients[number::20]:  # they go on, a byte at a time
                    with suppress(OSError):  # of one that gave way
                        client.sendall(b"x")
            found = httpx2.get(turns, headers=bearer, timeout=60).json()
        assert "Beside slow clients 19." in json.dumps(found)


@pytest.mark.slow
def test_the_proxy_answers_beside_256_slow_clients(
    nora: str, upstream: Upstream, tmp_path: Path
) -> None:
    options = ("--api-base", upstream.address, "--namespace", nora, "--port", "0")
    with server_process(tmp_path / "log", "memory", "serve", "proxy", *options) as served:
        chat = f"{served.address}/v1/chat/completions"
        headers = {"content-type": "application/json"}
        first = httpx2.post(chat, content=CHAT, headers=headers, timeout=60)
        assert first.status_code == 200
        with bounded(served), slow_clients(served, "/v1/chat/completions"):
            for _ in range(10):
                answer = httpx2.post(chat, content=CHAT, headers=headers, timeout=60)
                assert answer.status_code == 200
                assert REPLY.split()[-1] in answer.text
    assert len(upstream.requests) == 11  # no half of a request went on


@pytest.mark.slow
def test_clients_that_do_not_read_their_answer_keep_nobody_waiting(
    nora: str, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.reply = "fjord " * 100_000
    options = ("--api-base", upstream.address, "--namespace", nora, "--port", "0")
    with server_process(tmp_path / "log", "memory", "serve", "proxy", *options) as served:
        host, port = served.address.removeprefix("http://").split(":")
        whole = HEAD % (b"/v1/chat/completions", int(port))
        whole += b"Content-Length: %d\r\n\r\n" % len(CHAT) + CHAT
        with bounded(served), ExitStack() as stack:
            for _ in range(16):
                client = socket.create_connection((host, int(port)), timeout=60)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                stack.enter_context(client).sendall(whole)
            models = httpx2.get(f"{served.address}/v1/models", timeout=60)
            assert models.status_code == 200
