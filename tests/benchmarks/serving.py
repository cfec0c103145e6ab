"""How fast the server answers: its start, `recall`, `remember` by many, and requests a second.

python -m tests.benchmarks.serving [--turns N ...] [--folder DIR] [--json OUT]

Real clients over stdio and HTTP on this machine; the turns are those of tests.benchmarks.scale.
"""

import asyncio
import json
import os
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import httpx2
import numpy as np
import typer
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from rich.console import Console

from locomo.commands import run_command
from memory import open_store
from memory.server.tokens import Tokens
from memory.store.namespaces import path_of
from memory.system.files import write_whole
from tests.benchmarks.scale import ask, chat
from tests.support.mcp_clients import stdio
from tests.support.server_process import server_process

SIZES = (1_000, 100_000)
QUESTIONS = 200
CLIENTS, TURNS_OF_A_CLIENT = 8, 25
SLOWEST_MS = 200  # the 95th percentile at which requests are too many
SECONDS_OF_A_RATE = 4
RATES = (10, 20, 40, 60, 80, 120, 160, 240, 320, 480)
STARTS = 5
ASKED = "/api/{}/search?query=moving&limit=5"

console = Console()


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    return {f"p{p}": round(float(np.percentile(milliseconds, p)), 1) for p in (50, 95)}


async def timed(work: Callable[[], Awaitable[Any]]) -> float:
    """Milliseconds of some work."""
    begin = time.perf_counter()
    await work()
    return (time.perf_counter() - begin) * 1000


def fill(name: str, turns: int) -> list[str]:
    """Make a namespace of so many turns, unless it is there; questions about some of them."""
    random = np.random.default_rng(1)
    made = list(islice(chat(0), turns))
    if not path_of(name).exists():
        with open_store(path_of(name)) as store:
            for first in range(0, turns, 1_000):
                store.add(made[first : first + 1_000])
    indices = random.integers(turns, size=QUESTIONS)
    return [ask(made[index], random) for index in indices]


async def start(home: Path, name: str) -> float:
    """Milliseconds from starting `memory serve mcp` to its list of tools."""

    async def work() -> None:
        async with Client(stdio("-n", name, home=home)) as client:
            await client.list_tools()

    return await timed(work)


async def recalls(address: str, name: str, token: str, questions: list[str]) -> dict[str, Any]:
    """Of `recall` over MCP and HTTP: the first one of a server, and those after it."""
    headers = {"authorization": f"Bearer {token}"}
    http = httpx2.AsyncClient(headers=headers, timeout=120)
    async with Client(streamable_http_client(f"{address}/mcp/{name}", http_client=http)) as client:
        times = [
            await timed(lambda query=query: client.call_tool("recall", {"query": query}))
            for query in questions
        ]
    return {"first_ms": round(times[0], 1), "warm_ms": percentiles(times[1:])}


async def remembers(address: str, name: str, token: str) -> dict[str, float]:
    """`remember` by clients at once, each with a connection of its own."""

    async def work(number: int) -> list[float]:
        headers = {"authorization": f"Bearer {token}"}
        http = httpx2.AsyncClient(headers=headers, timeout=120)
        url = f"{address}/mcp/{name}"
        async with Client(streamable_http_client(url, http_client=http)) as client:
            return [
                await timed(
                    lambda n=n: client.call_tool(
                        "remember", {"turns": [{"text": f"client {number} says {n}"}]}
                    )
                )
                for n in range(TURNS_OF_A_CLIENT)
            ]

    times = await asyncio.gather(*(work(number) for number in range(CLIENTS)))
    return percentiles([milliseconds for part in times for milliseconds in part])


async def most_requests(address: str, name: str, token: str) -> dict[str, Any]:
    """The rate of searches by the JSON API whose 95th percentile is within SLOWEST_MS."""
    within: dict[str, Any] = {}
    headers = {"authorization": f"Bearer {token}"}
    limits = httpx2.Limits(max_connections=200)
    async with httpx2.AsyncClient(headers=headers, limits=limits, timeout=120) as http:
        for rate in RATES:

            async def one_request(number: int, rate: int = rate) -> float:
                await asyncio.sleep(number / rate)
                return await timed(lambda: http.get(address + ASKED.format(name)))

            number = rate * SECONDS_OF_A_RATE
            times = await asyncio.gather(*(one_request(n) for n in range(number)))
            measured = {"requests_a_second": rate, **percentiles(list(times))}
            console.print(name, measured)
            if measured["p95"] > SLOWEST_MS:
                break
            within = measured
    return within


def measure(
    turns: Annotated[list[int] | None, typer.Option(help="Sizes of memories.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where memories are, to use again.")] = None,
    to: Annotated[Path | None, typer.Option("--json", help="Where the figures go.")] = None,
) -> None:
    """Measure a server over memories of these sizes."""
    home = folder or Path(tempfile.mkdtemp()) / "home"
    os.environ["MEMORY_HOME"] = str(home)
    home.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"load": os.getloadavg()[0]}
    token = Tokens().create(f"benchmark {time.time()}", ["*"], ["read", "write"])
    questions = {f"m{number}": fill(f"m{number}", number) for number in turns or SIZES}
    for name, asked in questions.items():
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        starts = [asyncio.run(start(home, name)) for _ in range(STARTS)]
        processor = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        figures[name] = {
            "start_ms": percentiles(starts),
            "start_processor_s": round(processor / STARTS, 2),
        }
        options = ["--port", "0", "--requests-a-second", "10000"]
        with server_process(home.with_name("served.log"), "memory", "serve", *options) as served:
            address = served.address
            figures[name]["recall"] = asyncio.run(recalls(address, name, token, asked))
            figures[name]["remember_ms"] = asyncio.run(remembers(address, name, token))
            figures[name]["requests"] = asyncio.run(most_requests(address, name, token))
        console.print(name, figures[name])
    if to:
        write_whole(to, f"{json.dumps(figures, indent=1)}\n".encode())


if __name__ == "__main__":
    app = typer.Typer()
    app.command()(measure)
    run_command(app)
