"""`memory serve mcp` over stdio: both protocols, a pure stdout, no turn lost to a kill."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mcp import Client

from memory import Turn, open_store
from memory.store.namespaces import create, location_of
from tests.support.commands import run
from tests.support.mcp_clients import MODES, stdio, text_of, use

INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


def messages(calls: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """What a client sends: the handshake, then calls of tools."""
    lines: list[dict[str, Any]] = [
        {"id": 0, "method": "initialize", "params": INITIALIZE},
        {"method": "notifications/initialized"},
    ]
    for number, (name, arguments) in enumerate(calls, 1):
        params = {"name": name, "arguments": arguments}
        lines.append({"id": number, "method": "tools/call", "params": params})
    return "".join(json.dumps({"jsonrpc": "2.0", **line}) + "\n" for line in lines)


def start(home: str, *arguments: str, **environment: str) -> "subprocess.Popen[bytes]":
    parameters = stdio(*arguments, home=home, **environment)
    return subprocess.Popen(
        [parameters.command, *parameters.args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=parameters.env,
    )


def next_reply(process: "subprocess.Popen[bytes]") -> dict[str, Any]:
    assert process.stdout is not None
    reply: dict[str, Any] = json.loads(process.stdout.readline().decode("utf-8"))
    return reply


def talk(process: "subprocess.Popen[bytes]", calls: Sequence[tuple[str, dict[str, Any]]]) -> Any:
    """The replies to calls, each awaited before stdin ends."""
    assert process.stdin is not None
    process.stdin.write(messages(calls).encode())
    process.stdin.flush()
    replies = [next_reply(process) for _ in range(len(calls) + 1)]
    rest, errors = process.communicate(timeout=60)
    assert not rest, "nothing is on stdout but replies"
    return replies, errors.decode("utf-8", "replace")


@pytest.mark.parametrize("mode", [MODES[0], pytest.param(MODES[1], marks=pytest.mark.slow)])
def test_a_client_starts_a_server_and_a_memory(home: str, mode: str) -> None:
    async def work(client: Client) -> None:
        said = await text_of(client, "remember", turns=[{"text": "Tea at four."}])
        assert said.startswith("New memory: 'new friend' did not exist")
        assert said.endswith("\nRemembered as turn 1.")
        assert "Tea at four." in await text_of(client, "recall", query="tea")

    use(stdio("-n", "new friend", home=home), work, mode)


@pytest.mark.slow
def test_a_client_starts_a_server_of_several_memories(home: str) -> None:
    with open_store(create("team")) as store:
        store.add([Turn("Cleo", "We meet in the Oslo office.")])

    async def work(client: Client) -> None:
        recalled = await text_of(client, "recall", query="Oslo", limit=9)
        assert "[1] anna (" in recalled
        assert "[100001] team Cleo: We meet in the Oslo office." in recalled
        said = await text_of(client, "remember", turns=[{"text": "Tea at four."}])
        assert said == "Remembered as turn 6."

    use(stdio("-n", "anna", "-n", "team", home=home), work)
    with open_store(location_of("team")) as store:
        assert store.count_turns() == 1
    run("serve", "mcp", "-n", "anna", "-n", "nobody", says="no namespace 'nobody'")
    run("serve", "mcp", "-n", "anna", "-n", "anna", says="named twice")


@pytest.mark.slow
def test_null_and_half_an_emoji_are_answered(home: str) -> None:
    """The SDK's reader refuses such a message without a word, and a client waits."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("recall", {"query": "Oslo", "limit": None, "as_of": None, "filter": None}),
        ("remember", {"turns": [{"text": "My fish is Blub \ud83d", "speaker": None}]}),
        ("remember", {"turns": [{"text": "A path: C:\\ud83d, a fish \N{FISH}"}]}),
    ]
    replies, _ = talk(start(home, "-n", "anna"), calls)
    assert not any(reply["result"].get("isError") for reply in replies[1:])
    with open_store(location_of("anna")) as store:
        texts = [turn.text for turn in store.turns(6)]
    assert texts == ["My fish is Blub \ufffd", "A path: C:\\ud83d, a fish \N{FISH}"]


@pytest.mark.slow
def test_stdout_is_pure_and_utf_8_whatever_the_code_page(home: str) -> None:
    text = "Grüße aus Tromsø — 今日は 🐈, ‘quoted’"
    process = start(home, "-n", "anna", PYTHONIOENCODING="cp1252", LC_ALL="C", PYTHONUTF8="0")
    calls: list[tuple[str, dict[str, Any]]] = [
        ("remember", {"turns": [{"text": text, "speaker": "Jürgen"}]}),
        ("recall", {"query": "Tromsø", "limit": 1}),
    ]
    replies, _ = talk(process, calls)
    assert text in replies[2]["result"]["content"][0]["text"]
    with open_store(location_of("anna")) as store:
        assert store.turn(6).text == text


@pytest.mark.slow
def test_no_language_model_is_loaded_before_a_question(home: str) -> None:
    """DSPy takes more than a second to import; a client waits ten for a server to start."""
    lines = messages([("recall", {"query": "Oslo"}), ("list_facts", {})])
    code = (
        "import sys; sys.argv[1:] = ['mcp', '-n', 'anna']\n"
        "from memory.__main__ import app\n"
        "app(standalone_mode=False)\n"
        "print([name for name in ('dspy', 'litellm') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MEMORY_HOME": str(home)},
    )
    assert done.stderr.splitlines()[-1] == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-n", "nobody", "--read-only"], "there is no namespace 'nobody'"),
        (["-n", "anna", "--tools", "all"], "unknown group of tools 'all'"),
    ],
)
def test_what_cannot_be_served_ends_with_a_line_on_stderr(
    home: str, arguments: list[str], says: str
) -> None:
    process = start(home, *arguments)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, b"")
    assert says in errors.decode()
    assert "Traceback" not in errors.decode()


@pytest.mark.slow
def test_a_server_that_only_reads_offers_nothing_else(home: str) -> None:
    async def work(client: Client) -> None:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names == {"recall", "ask_memory", "list_facts", "query_memory"}
        assert "Oslo" in await text_of(client, "recall", query="Oslo")
        assert "Unknown tool" in await text_of(client, "remember", turns=[{"text": "x"}])

    use(stdio("-n", "anna", "--read-only", home=home), work)
    with open_store(location_of("anna"), read_only=True) as store:
        assert len(store.turns()) == 5


# ------------------------------------------------------------------------- many processes


def remember(home: str, worker: int, number: int, kill_after: int) -> list[str]:
    """Let a server remember, kill it, and return what it had confirmed by then."""
    process = start(home, "-n", "anna")
    assert process.stdin is not None
    process.stdin.write(messages([]).encode())
    process.stdin.flush()
    next_reply(process)
    confirmed: list[str] = []
    for n in range(number):
        text = f"worker {worker} says {n}"
        params = {
            "name": "remember",
            "arguments": {"turns": [{"text": text, "source": text}]},
        }
        call = {"jsonrpc": "2.0", "id": n + 1, "method": "tools/call", "params": params}
        process.stdin.write((json.dumps(call) + "\n").encode())
        process.stdin.flush()
        if n == kill_after:  # while it is at work on it
            process.send_signal(signal.SIGKILL)
            break
        reply = next_reply(process)
        assert "Remembered as turn" in reply["result"]["content"][0]["text"]
        confirmed.append(text)
    process.stdin.close()
    process.wait(30)
    return confirmed


def remember_all(home: str, workers: int, number: int) -> None:
    """All workers at once, every second one killed in its midst; nothing confirmed is lost."""

    def work(worker: int) -> list[str]:
        kill_after = number // 2 + worker if worker % 2 else number
        return remember(home, worker, number, kill_after)

    with ThreadPoolExecutor(workers) as pool:
        confirmed = [text for texts in pool.map(work, range(workers)) for text in texts]
    assert len(confirmed) > workers * number // 2
    with open_store(location_of("anna")) as store:
        stored = [turn.text for turn in store.turns()[5:]]
        assert not store.check()
    assert {*confirmed} <= {*stored}
    assert len(stored) == len({*stored})
    # What was being stored when its server was killed is there or not, and nothing else is.
    assert len(stored) - len(confirmed) <= workers // 2


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
def test_no_turn_is_lost_where_eight_servers_write_and_four_are_killed(home: str) -> None:
    remember_all(home, workers=8, number=100)
