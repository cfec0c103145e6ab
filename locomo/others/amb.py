"""Make the memory a provider of AMB, Vectorize's benchmark of agents' memories.

    python -m locomo.others.amb CHECKOUT

puts a provider into a checkout of https://github.com/vectorize-io/agent-memory-benchmark, and its
name where that lists providers. `omb run --memory sql-memory` then takes it, for LoCoMo,
LongMemEval, LifeBench, PersonaMem and the others there: ingestion and retrieval ask no model;
answers and verdicts are by AMB's own models, with their keys. Install sql-memory in its
environment.
"""

from locomo.commands import run_command
from locomo.others.checkouts import Adapter, Listing

_REGISTRY = "src/memory_bench/memory/__init__.py"

ADAPTER = Adapter(
    benchmark="AMB",
    made_for="de83fa7",
    source="amb_provider.py",
    target="src/memory_bench/memory/sql_memory.py",
    listings=(
        Listing(
            _REGISTRY,
            r"from \.bm25 import BM25MemoryProvider",
            "from .sql_memory import SqlMemoryProvider",
        ),
        Listing(
            _REGISTRY,
            r'( *)"bm25": BM25MemoryProvider,',
            r'\1"sql-memory": SqlMemoryProvider,',
        ),
    ),
    use="omb run takes --memory sql-memory; install sql-memory in its environment",
)
app = ADAPTER.command()

if __name__ == "__main__":
    run_command(app)
