"""Make the memory a provider of memorybench, Supermemory's benchmark of memories (MIT).

    python -m locomo.others.memorybench CHECKOUT

puts a provider into a checkout of https://github.com/supermemoryai/memorybench, and its name where
that lists providers. Its commands then take `-p sql-memory`, for LoCoMo, LongMemEval and ConvoMem:
ingestion and search ask no model; answers and verdicts are by memorybench's own models, with their
keys. The provider asks a running `memory serve`, whose address and token it reads from the
environment: MEMORY_ADDRESS and MEMORY_TOKEN.
"""

from locomo.commands import run_command
from locomo.others.checkouts import Adapter, Listing

_CONFIG = """\
        case "sql-memory":
            return { apiKey: process.env.MEMORY_TOKEN || "", baseUrl: process.env.MEMORY_ADDRESS }\
"""

ADAPTER = Adapter(
    benchmark="memorybench",
    made_for="25729a7",
    source="memorybench_provider.ts",
    target="src/providers/sql-memory/index.ts",
    listings=(
        Listing("src/types/provider.ts", "export type ProviderName = .*", '    | "sql-memory"'),
        Listing(
            "src/providers/index.ts",
            'import { ZepProvider } from "./zep"',
            'import { SqlMemoryProvider } from "./sql-memory"',
        ),
        Listing(
            "src/providers/index.ts",
            "    zep: ZepProvider,",
            '    "sql-memory": SqlMemoryProvider,',
        ),
        Listing("src/utils/config.ts", r" *return \{ apiKey: config\.zepApiKey \}", _CONFIG),
    ),
    use="its commands take -p sql-memory, with MEMORY_TOKEN set and `memory serve` running",
)
app = ADAPTER.command()

if __name__ == "__main__":
    run_command(app)
