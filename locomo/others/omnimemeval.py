"""Make the memory a library of OmniMemEval, MemTensor's benchmark of fifteen memories (Apache-2.0).

    python -m locomo.others.omnimemeval CHECKOUT

puts a client into a checkout of https://github.com/MemTensor/OmniMemEval, and its name where that
lists libraries. Its scripts then take `--lib sql-memory`, for LoCoMo, LongMemEval, BEAM, HaluMem
and PersonaMem: ingestion and search ask no model; answers and verdicts are by OmniMemEval's own
reader and judge, with their keys. Install sql-memory in the environment that runs them.
"""

from locomo.commands import run_command
from locomo.others.checkouts import Adapter, Listing

# Ours is searched as this one: two memories of each conversation, plain text, dated messages.
_LIKE = r'( *)"mem9":'

ADAPTER = Adapter(
    benchmark="OmniMemEval",
    made_for="7df23bc",
    source="omnimemeval_client.py",
    target="scripts/client_factory/sql_memory_client.py",
    listings=(
        Listing(
            "scripts/client_factory/registry.py",
            f"{_LIKE}.*",
            r'\1"sql-memory": ("sql_memory_client", "SqlMemoryClient"),',
        ),
        Listing("scripts/locomo/locomo_search.py", f"{_LIKE}(.*)", r'\1"sql-memory":\2'),
        Listing("scripts/utils/search_helpers.py", f"{_LIKE}(.*)", r'\1"sql-memory":\2'),
    ),
    use="its scripts take --lib sql-memory; install sql-memory where they run",
)
app = ADAPTER.command()

if __name__ == "__main__":
    run_command(app)
