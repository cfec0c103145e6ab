"""Threads that share one memory: whether one hangs or gets an error, and how long acts take.

python -m tests.benchmarks.threads [--threads N] [--seconds S] [--runs N]
    [--store sqlite|local|ADDRESS] [--uvicorn] [--json OUT]

Every run has a new memory that all threads use at once, in all acts (tests/support/crowd.py), with
a model that takes a twentieth of a second. `--store local` starts a Postgres; an ADDRESS names a
database that can go, and each run takes a namespace of its own there. With `--uvicorn` the threads
are clients of a FastAPI application with plain routes, which share the memory in uvicorn's threads.
Exits with 1 where a thread hung, got an error, or its turns are not in its order.
"""

import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from rich.console import Console

from locomo.commands import run_command
from memory import Memory, Turn
from memory.system.files import write_whole
from tests.support.crowd import WORDS, Crowd, let_work, slow_model

console = Console()


def one_run(address: str, threads: int, seconds: float, is_served: bool) -> Crowd:
    """A crowd at work on a new memory."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Memory(address or Path(folder) / "anna.db", model=slow_model()) as memory,
    ):
        memory.add(Turn("Anna", "I like the garden.", "first"))
        memory.ask("Who likes the garden?")  # DSPy takes a while to import
        end = time.monotonic() + seconds
        if is_served:
            return served(memory, threads, end)
        return let_work(memory, Path(folder), threads, lambda acts: time.monotonic() > end)


def application(memory: Memory) -> Any:
    """An application as people write it: plain routes, one memory for all of them."""
    from fastapi import FastAPI

    app = FastAPI()

    @app.post("/turns")
    def add(session: str, text: str) -> list[int]:
        return memory.add(Turn("Anna", text, session))

    @app.get("/search")
    def search(query: str) -> list[str]:
        hits = memory.search(query, 5)
        turns = memory.store.turns_by_id([hit.turn_id for hit in hits], missing_ok=True)
        return [turn.text for turn in turns]

    @app.get("/ask")
    def ask(question: str) -> str:
        return memory.ask(question).text

    @app.get("/facts")
    def facts() -> int:
        memory.digest(max_calls=1)
        return len(memory.store.facts())

    return app


@contextmanager
def uvicorn_at_work(app: Any) -> Iterator[str]:
    """The address of a server of the application, in a thread of this process."""
    import uvicorn

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


def served(memory: Memory, threads: int, end: float) -> Crowd:
    """Clients of an application over a memory."""
    crowd = Crowd()

    def work(number: int, address: str) -> None:
        added = 0
        with httpx2.Client(base_url=address, timeout=120) as client:
            while time.monotonic() < end:
                word = WORDS[(number + added) % len(WORDS)]
                for method, path, values in (
                    ("POST", "/turns", {"session": f"{number}", "text": f"{added}: I like {word}"}),
                    ("GET", "/search", {"query": word}),
                    ("GET", "/ask", {"question": f"Who likes the {word}?"}),
                    ("GET", "/facts", {}),
                ):
                    begin = time.monotonic()
                    try:
                        client.request(method, path, params=values).raise_for_status()
                    except httpx2.HTTPError as error:
                        crowd.faults.append(f"{path}: {error!r}")
                    crowd.note(path, time.monotonic() - begin)
                added += 1

    with uvicorn_at_work(application(memory)) as address:
        working = [
            threading.Thread(target=work, args=(number, address), daemon=True)
            for number in range(threads)
        ]
        for thread in working:
            thread.start()
        for thread in working:
            thread.join(max(end - time.monotonic(), 0) + 240)
        crowd.hung = [thread.name for thread in working if thread.is_alive()]
    if not crowd.hung:
        for number in range(threads):
            numbers = [
                int(turn.text.partition(":")[0])
                for turn in memory.store.turns()
                if turn.session == str(number)
            ]
            if numbers != [*range(len(numbers))]:
                crowd.faults.append(f"client {number}: order {numbers}")
        crowd.faults += memory.store.check()
    return crowd


def addresses(store: str) -> Iterator[str]:
    """A new address for each run; "" for a file."""
    if store == "local":
        from tests.support.postgres_server import new_namespace

        while True:
            yield new_namespace()
    while True:
        between = "&" if "?" in store else "?"
        yield "" if store == "sqlite" else f"{store}{between}namespace=crowd{time.time_ns()}"


def measure(
    threads: Annotated[int, typer.Option(min=1)] = 16,
    seconds: Annotated[float, typer.Option(min=0)] = 60,
    runs: Annotated[int, typer.Option(min=1)] = 10,
    store: Annotated[str, typer.Option(help="sqlite, local or an address")] = "sqlite",
    uvicorn: Annotated[bool, typer.Option("--uvicorn")] = False,
    out: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    done = []
    for number, address in zip(range(1, runs + 1), addresses(store), strict=False):
        crowd = one_run(address, threads, seconds, uvicorn)
        done.append(
            {name: value for name, value in vars(crowd).items() if not name.startswith("_")}
        )
        slowest = sorted(crowd.slowest.items(), key=lambda pair: -pair[1])[:3]
        console.print(
            f"run {number}: {crowd.acts.total()} acts, {len(crowd.faults)} faults,"
            f" {len(crowd.hung)} threads hang; slowest"
            f" {', '.join(f'{name} {took:.1f} s' for name, took in slowest)}",
            markup=False,
            soft_wrap=True,
        )
        for fault in [*crowd.faults, *crowd.hung][:5]:
            console.print(fault, markup=False)
        if crowd.hung:
            break
    if out:
        write_whole(out, f"{json.dumps(done, indent=1)}\n".encode())
    if any(run["faults"] or run["hung"] for run in done):
        sys.stdout.flush()
        os._exit(1)  # threads that hang would keep the process


if __name__ == "__main__":
    app = typer.Typer()
    app.command()(measure)
    run_command(app)
