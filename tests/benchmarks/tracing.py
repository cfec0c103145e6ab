"""What spans cost: CPU of a search and of an add of one turn, with and without them.

uv run python -m tests.benchmarks.tracing
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from timeit import repeat

from memory import Turn, open_store
from memory.store import Store
from memory.system import tracing
from tests.support.otlp_receiver import receiving_spans

TURNS, ROUNDS, CALLS, SPANS = 1_000, 8, 100, 200_000


def cpu_ms(store: Store, call: Callable[[Store], object]) -> float:
    """The CPU time of a call within a span, in ms: the median, in the quietest of the rounds."""
    medians = []
    for _ in range(ROUNDS):
        times = []
        for _ in range(CALLS):
            start = time.process_time()
            with tracing.root("call"):
                call(store)
            times.append(time.process_time() - start)
        medians.append(median(times))
    return 1_000 * min(medians)


def search(store: Store) -> object:
    return store.search("a cat and a zebra", 10)


def add(store: Store) -> object:
    return store.add([Turn("Ann", "I saw one more cat.")])


def nothing() -> None:
    with tracing.span("statement"):
        pass


def main() -> None:
    """Print the times."""
    with TemporaryDirectory() as folder, open_store(Path(folder) / "ann.db") as store:
        store.add([Turn("Ann", f"Line {number} of cats.") for number in range(TURNS)])
        print(f"a span that is none: {1e9 * min(repeat(nothing, number=SPANS)) / SPANS:.0f} ns")
        print(f"without: search {cpu_ms(store, search):.2f} ms, add {cpu_ms(store, add):.2f} ms")
        with receiving_spans() as receiver:
            os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = receiver.address
            tracing.begin()
            print(f"with: search {cpu_ms(store, search):.2f} ms, add {cpu_ms(store, add):.2f} ms")
            tracing.end()
            for trace in (receiver.traces()[0], receiver.traces()[-1]):
                print(f"spans: {sum(map(len, trace.values()))}")


if __name__ == "__main__":
    main()
