"""Many clients of one server over many memories: requests a second, and the server's CPU for each.

python -m tests.benchmarks.crowd [--clients N] [--memories N ...] [--seconds S] [--names N]
    [--requests mixed|search|context] [--store local|ADDRESS] [--serve-option=OPTION ...]
    [--json OUT]

Of four requests of a client three search and one adds a turn, each in a memory drawn by chance; or
all search, or all ask for a block of context. The
clients write plain HTTP on connections of their own, as they share the cores with the server. Its
CPU (user and system seconds of all its processes) holds on a busy machine, the requests a second do
not. At the end come requests for names that are no memory's, among so many names.
"""

import asyncio
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import numpy as np
import psutil
import typer
from rich.console import Console

from locomo.commands import run_command
from memory import open_store
from memory.facts.additions import record_assertions
from memory.server.tokens import Tokens
from memory.store.namespaces import create, location_of
from memory.system.files import write_whole
from memory.system.home import home_address
from tests.benchmarks.scale import chat
from tests.support.server_process import server_process

TURNS = 300  # of each memory
WORDS = ("moving", "the garden", "a new job", "what about the trip", "tea in the morning")
Requests = Literal["mixed", "search", "context"]
UNKNOWN = 20  # requests for names that are no memory's

console = Console()


def fill(memories: int) -> None:
    """Make so many memories of the same TURNS turns, with what they assert."""
    with open_store(create("m0")) as store:
        store.add([*islice(chat(0), TURNS)])
        record_assertions(store)
    for _ in copies("m0", memories):
        pass


def copies(first: str, memories: int) -> Iterator[int]:
    """Copy a closed memory until there are m0 to m(MEMORIES - 1); gives how many were made at a
    time. In a database rows are copied, not brought in through a store.
    """
    location = location_of(first)
    names = [f"m{number}" for number in range(1, memories)]
    if isinstance(location, Path):
        for name in names:
            shutil.copyfile(location, str(location_of(name)))
            yield 1
        return
    from tests.benchmarks.scale_store import copied

    with open_store(location) as store:
        source = store._namespace  # type: ignore[attr-defined]
    yield from copied(home_address(), source, names)


def add_names(names: int) -> None:
    """Make so many further names: empty memories, in SQLite all of one file."""
    first = create("n0")
    for number in range(1, names):
        if isinstance(first, Path):
            os.link(first, Path(str(location_of(f"n{number}"))))
        else:
            create(f"n{number}")


class Client:
    """A connection of its own, which sends one request after another."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    def close(self) -> None:
        self._writer.close()

    async def send(self, method: str, path: str, body: str = "") -> int:
        """Send a request and read its answer; returns the status."""
        status, _ = await self.exchange(method, path, body)
        return status

    async def exchange(self, method: str, path: str, body: str = "") -> tuple[int, bytes]:
        """Send a request; returns the status and the body of its answer."""
        length = f"Content-Length: {len(body.encode())}\r\n\r\n"
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{self._head}{length}{body}".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
        return int(head.split(b" ", 2)[1]), await self._reader.readexactly(size)


def processor_seconds(process: psutil.Process) -> float:
    """User and system seconds of a process and its children, of those that have ended too."""
    return sum(sum(each.cpu_times()[:4]) for each in with_children(process))


def with_children(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that it has started and that still run."""
    return [process, *process.children(recursive=True)]


async def crowd(
    port: int, token: str, clients: int, memories: int, seconds: float, requests: Requests
) -> list[float]:
    """Milliseconds of each request of so many clients in so many seconds."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def work(number: int) -> None:
        drawn = random.Random(number)
        client = Client(port, token)
        await client.connect()
        while (begin := time.perf_counter()) < end:
            name = f"m{drawn.randrange(memories)}"
            if requests == "context":
                message = {"role": "user", "content": f"What about {drawn.choice(WORDS)}?"}
                body = json.dumps({"messages": [message]})
                status = await client.send("POST", f"/api/{name}/context", body)
            elif requests == "mixed" and drawn.random() < 0.25:
                turn = json.dumps({"text": f"{drawn.choice(WORDS)} {drawn.random()}"})
                status = await client.send("POST", f"/api/{name}/turns", turn)
            else:
                query = quote(drawn.choice(WORDS))
                status = await client.send("GET", f"/api/{name}/search?query={query}&limit=5")
            assert status == 200, status
            times.append((time.perf_counter() - begin) * 1000)

    await asyncio.gather(*(work(number) for number in range(clients)))
    return times


async def warm(port: int, token: str, memories: int) -> None:
    """Search once in each memory."""
    client = Client(port, token)
    await client.connect()
    for number in range(memories):
        await client.send("GET", f"/api/m{number}/search?query=tea")


async def unknown(port: int, token: str) -> None:
    """Ask for names that are no memory's."""
    client = Client(port, token)
    await client.connect()
    for number in range(UNKNOWN):
        assert await client.send("GET", f"/api/nobody{number}/search?query=tea") == 404


def timed(process: psutil.Process, work: Callable[[], Awaitable[Any]]) -> tuple[Any, float, float]:
    """What some work gives, its seconds, and the server's processor seconds."""
    used, begin = processor_seconds(process), time.perf_counter()
    result = asyncio.run(work())  # type: ignore[arg-type]
    return result, time.perf_counter() - begin, processor_seconds(process) - used


def figures(
    number: int,
    pid: int,
    address: str,
    token: str,
    *,
    clients: int,
    seconds: float,
    requests: Requests,
) -> dict[str, Any]:
    """What a crowd on so many memories measures."""
    process = psutil.Process(pid)
    port = int(address.rsplit(":", 1)[1])
    _, opening, opening_cpu = timed(process, lambda: warm(port, token, number))
    times, wall, cpu = timed(
        process, lambda: crowd(port, token, clients, number, seconds, requests)
    )
    return {
        "memories": number,
        "clients": clients,
        "first_ms": round(opening / number * 1000, 1),
        "first_cpu_ms": round(opening_cpu / number * 1000, 1),
        "requests_a_second": round(len(times) / wall),
        "cpu_ms_a_request": round(cpu / len(times) * 1000, 2),
        "p50_ms": round(float(np.percentile(times, 50)), 1),
        "p95_ms": round(float(np.percentile(times, 95)), 1),
        "resident_mb": round(sum(each.memory_info().rss for each in with_children(process)) / 1e6),
    }


def measure(
    clients: Annotated[int, typer.Option(min=1)] = 32,
    memories: Annotated[list[int], typer.Option(min=1)] = [16, 200],  # noqa: B006
    seconds: Annotated[float, typer.Option(min=0.1)] = 8,
    requests: Annotated[Requests, typer.Option(help="What clients send.")] = "mixed",
    names: Annotated[int, typer.Option(min=0, help="Further names; 0 leaves them out.")] = 10_000,
    store: Annotated[str, typer.Option(help="postgresql://..., or local; SQLite without.")] = "",
    serve_option: Annotated[list[str] | None, typer.Option(help="Of `memory serve`.")] = None,
    to: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Measure one server over so many memories."""
    folder = Path(tempfile.mkdtemp())
    if store:
        from tests.benchmarks.scale_store import database_of

        os.environ["MEMORY_HOME"] = database_of(store)
    else:
        os.environ["MEMORY_HOME"] = str(folder / "home")
    token = Tokens().create(f"crowd {time.time()}", ["*"], ["read", "write"])
    fill(max(memories))
    rows: list[dict[str, Any]] = []
    options = ["--port", "0", "--requests-a-second", "100000", *(serve_option or [])]
    for number in memories:
        with server_process(folder / "served.log", "memory", "serve", *options) as served:
            row = figures(
                number,
                served.process.pid,
                served.address,
                token,
                clients=clients,
                seconds=seconds,
                requests=requests,
            )
        rows.append(row)
        console.print(row)
    if names:
        add_names(names)
        with server_process(folder / "served.log", "memory", "serve", *options) as served:
            port = int(served.address.rsplit(":", 1)[1])
            process = psutil.Process(served.process.pid)
            _, wall, cpu = timed(process, lambda: unknown(port, token))
        row = {
            "names": names,
            "unknown_ms": round(wall / UNKNOWN * 1000, 1),
            "unknown_cpu_ms": round(cpu / UNKNOWN * 1000, 1),
        }
        rows.append(row)
        console.print(row)
    if to:
        write_whole(to, f"{json.dumps(rows, indent=1)}\n".encode())


if __name__ == "__main__":
    app = typer.Typer()
    app.command()(measure)
    run_command(app)
