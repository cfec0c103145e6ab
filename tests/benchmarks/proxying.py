"""What the proxy adds to the first byte of an answer, over a memory of many turns.

python -m tests.benchmarks.proxying --turns 10000 --requests 200
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from random import Random
from time import perf_counter

import httpx

from memory import Turn, namespaces, open_store
from tests.support.server_process import server_process
from tests.support.upstream import upstream_server

_PLACES = ("Oslo", "Bergen", "Rome", "Lagos", "Kyoto", "Quito", "Perth", "Malmo", "Cork", "Turin")
_ACTS = ("visited", "left", "painted", "missed", "planned", "photographed", "described", "loved")


def fill(namespace: str, count: int) -> None:
    """A memory of so many short turns."""
    random = Random(36)
    words = [f"{act} {place}" for act in _ACTS for place in _PLACES]
    with open_store(namespaces.create(namespace)) as store:
        for start in range(0, count, 1_000):
            store.add(
                [
                    Turn(
                        random.choice(("Anna", "Ben")),
                        f"On day {n} I {random.choice(words)} with {random.choice(words)} in mind.",
                        f"s{n // 20}",
                        "2024-05-01",
                    )
                    for n in range(start, min(start + 1_000, count))
                ]
            )


def first_bytes(address: str, requests: int) -> list[float]:
    """Milliseconds to the first byte of streamed answers, each to another question."""
    times = []
    with httpx.Client(trust_env=False) as client:
        for n in range(requests):
            content = f"What did I say of {_PLACES[n % len(_PLACES)]} on day {n}?"
            body = {
                "model": "m",
                "stream": True,
                "messages": [{"role": "user", "content": content}],
            }
            begun = perf_counter()
            with client.stream("POST", f"{address}/chat/completions", json=body) as answer:
                pieces = answer.iter_raw()
                next(pieces)
                times.append(1_000 * (perf_counter() - begun))
                for _ in pieces:  # to the end, so that the connection is used again
                    pass
    return times


def main() -> None:
    """Print the median and the 95th percentile, straight and through the proxy."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--turns", type=int, default=10_000)
    options.add_argument("--requests", type=int, default=200)
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as folder, upstream_server() as upstream:
        os.environ["MEMORY_HOME"] = str(Path(folder) / "home")
        fill("anna", arguments.turns)
        command = (
            "memory",
            "serve",
            "proxy",
            "--api-base",
            upstream.address,
            "-n",
            "anna",
            "--port",
            "0",
        )
        with server_process(Path(folder) / "log", *command, "--no-store") as served:
            first_bytes(served.line, 5)  # the index is loaded with the first request
            for name, address in (("straight", upstream.address), ("proxy", served.line)):
                times = first_bytes(address, arguments.requests)
                tail = statistics.quantiles(times, n=20)[-1]
                print(f"{name}: median {statistics.median(times):.1f} ms, p95 {tail:.1f} ms")


if __name__ == "__main__":
    main()
