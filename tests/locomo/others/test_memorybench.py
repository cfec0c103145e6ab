"""The memory as a provider of memorybench: what its phases call, and how it is put there."""

import json
from pathlib import Path

import pytest

from locomo.others.memorybench import ADAPTER, app
from memory import InputError
from memory.server.tokens import Tokens
from memory.store.namespaces import names
from tests.support.commands import run_in_process
from tests.support.node import run_memorybench_client, run_node
from tests.support.server_process import server_process

FILES = {
    "package.json": '{"type": "module"}\n',
    "src/types/prompts.ts": """\
export interface ProviderPrompts {
    answerPrompt?: (question: string, context: unknown[], questionDate?: string) => string
}
""",
    "src/types/unified.ts": """\
export interface UnifiedMessage {
    role: "user" | "assistant"
    content: string
    timestamp?: string
    speaker?: string
}

export interface UnifiedSession {
    sessionId: string
    messages: UnifiedMessage[]
    metadata?: Record<string, unknown>
}
""",
    "src/types/provider.ts": """\
import type { UnifiedSession } from "./unified"
import type { ProviderPrompts } from "./prompts"

export interface ProviderConfig {
    apiKey: string
    baseUrl?: string
    [key: string]: unknown
}

export interface IngestOptions {
    containerTag: string
    metadata?: Record<string, unknown>
}

export interface SearchOptions {
    containerTag: string
    limit?: number
    threshold?: number
}

export interface IngestResult {
    documentIds: string[]
    taskIds?: string[]
}

export interface Provider {
    name: string
    prompts?: ProviderPrompts
    initialize(config: ProviderConfig): Promise<void>
    ingest(sessions: UnifiedSession[], options: IngestOptions): Promise<IngestResult>
    awaitIndexing(result: IngestResult, containerTag: string): Promise<void>
    search(query: string, options: SearchOptions): Promise<unknown[]>
    clear(containerTag: string): Promise<void>
}

export type ProviderName = "zep"
""",
    "src/providers/zep/index.ts": """\
import type { Provider } from "../../types/provider"

export declare const ZepProvider: new () => Provider
""",
    "src/providers/index.ts": """\
import type { Provider, ProviderName } from "../types/provider"
import { ZepProvider } from "./zep"

const providers: Record<ProviderName, new () => Provider> = {
    zep: ZepProvider,
}

export function createProvider(name: ProviderName): Provider {
    return new providers[name]()
}
""",
    "src/utils/config.ts": """\
const config = {
    zepApiKey: process.env.ZEP_API_KEY || "",
}

export function getProviderConfig(provider: string): { apiKey: string; baseUrl?: string } {
    switch (provider) {
        case "zep":
            return { apiKey: config.zepApiKey }
        default:
            throw new Error(`Unknown provider: ${provider}`)
    }
}
""",
}
# As its LoCoMo hands sessions over (src/benchmarks/locomo/index.ts).
SESSION = {
    "sessionId": "conv-1-session_1",
    "messages": [
        {"role": "user", "content": "I adopted a cat yesterday.", "speaker": "Ann"},
        {"role": "assistant", "content": " ", "speaker": "Ben"},
        {"role": "user", "content": "Its name is Miso."},
    ],
    "metadata": {"date": "2023-05-08T13:56:00.000Z"},
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Those parts of a checkout that know of providers, in its form."""
    for name, text in FILES.items():
        path = tmp_path / "memorybench" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "memorybench"


def test_sessions_are_stored_once_searched_and_deleted(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ADAPTER.install(checkout)
    token = Tokens().create("bench", ["*"], ["read", "write", "forget"])
    monkeypatch.setenv("MEMORY_TOKEN", token)
    with server_process(tmp_path / "log", "memory", "serve", "--port", "0") as server:
        monkeypatch.setenv("MEMORY_ADDRESS", server.address)
        question = "What is the cat's name?"
        done = run_memorybench_client(checkout, json.dumps([SESSION]), question)
        assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["stored"] == [["1", "2"], ["1", "2"]]
    assert told["found"] == [
        "[1] (Mon 08 May 2023) Ann: I adopted a cat yesterday (7 May 2023).",
        "[2] (Mon 08 May 2023) user: Its name is Miso.",
    ]
    assert "\n".join(told["found"]) in told["prompt"]
    assert question in told["prompt"]
    assert "2023-06-01" in told["prompt"]
    assert told["refused"].startswith("sql-memory: 404: ")
    assert names() == []


@pytest.mark.slow
def test_a_checkout_with_the_memory_compiles_under_strict(checkout: Path) -> None:
    ADAPTER.install(checkout)
    process = checkout / "src" / "process.d.ts"
    process.write_text("declare const process: { env: Record<string, string | undefined> }\n")
    options = ["--strict", "--noEmit", "--target", "esnext", "--moduleResolution", "bundler"]
    options += ["--module", "esnext", "--typeRoots", str(checkout / "none")]
    files = [str(checkout / "src" / name) for name in ("providers/index.ts", "utils/config.ts")]
    compiled = run_node("typescript/bin/tsc", *options, str(process), *files)
    assert compiled.returncode == 0, compiled.stdout


def test_a_checkout_lists_the_memory_once(checkout: Path) -> None:
    assert len(ADAPTER.install(checkout)) == 4
    assert ADAPTER.install(checkout) == []
    changed = ("src/types/provider.ts", "src/providers/index.ts", "src/utils/config.ts")
    ours = [
        line
        for name in changed
        for line in (checkout / name).read_text().splitlines()
        if line not in FILES[name].splitlines()
    ]
    assert ours[:4] == [
        '    | "sql-memory"',
        'import { SqlMemoryProvider } from "./sql-memory"',
        '    "sql-memory": SqlMemoryProvider,',
        '        case "sql-memory":',
    ]


def test_what_is_no_checkout_is_refused_and_left_alone(checkout: Path, tmp_path: Path) -> None:
    refused = run_in_process(app, tmp_path)
    assert (refused.returncode, "is no checkout of memorybench" in refused.stderr) == (2, True)
    (checkout / "src/utils/config.ts").write_text("export const config = {}\n")
    with pytest.raises(
        InputError,
        match="lists its systems otherwise; this is made for commit 25729a7 of memorybench",
    ):
        ADAPTER.install(checkout)
    assert (checkout / "src/providers/index.ts").read_text() == FILES["src/providers/index.ts"]
    assert not (checkout / "src/providers/sql-memory").exists()
