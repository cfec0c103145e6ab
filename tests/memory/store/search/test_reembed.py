"""All vectors anew by another embedder: all or none, each paid once, whatever ends the work."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memory import InputError, __main__, open_store
from memory.errors import ModelError, StoreError
from memory.search import embed
from memory.store.search import search_tables, vectors
from tests.conftest import SAID
from tests.support.embedding_server import (
    SMALL,
    TALK,
    WIDE,
    Server,
    embedded_memory,
    error,
    serving,
    stored_columns,
)
from tests.support.rows import rows_of

BOTH_STORES = "slow"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(monkeypatch) as served:
        yield served


# --- all vectors anew ---------------------------------------------------------------------------


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_tables, "BLOCK", 16)


@pytest.mark.slow
@pytest.mark.usefixtures("_small_blocks")
def test_vectors_made_anew_are_those_of_a_memory_that_began_so(
    server: Server, address: str, tmp_path: Path
) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    with open_store(address) as store:
        store.vectors.reembed(WIDE, batch=7)
    assert stored_columns(address) == stored_columns(embedded_memory(tmp_path / "other.db", WIDE))
    assert server.paid == [turn.text for turn in TALK] * 2


@pytest.mark.slow
@pytest.mark.usefixtures("_small_blocks")
def test_open_stores_notice_the_change(server: Server, address: str, tmp_path: Path) -> None:
    embedded_memory(address, SMALL)
    second = embedded_memory(tmp_path / "other.db", WIDE)
    with open_store(address) as old, open_store(address, embedder=SMALL) as named:
        old.search("said 7")
        named.search("said 7")
        with open_store(address) as store:
            store.vectors.reembed(WIDE)
        with open_store(second) as like:
            assert old.search("said 7") == like.search("said 7")
            old.add(SAID)
            like.add(SAID)
        for use in (lambda: named.search("said 7"), lambda: named.add(SAID)):
            with pytest.raises(InputError, match="not by openai/small-16"):
                use()
    assert stored_columns(address) == stored_columns(second)


def test_turns_embedded_while_the_embedder_changed_are_embedded_again(
    server: Server, address: str
) -> None:
    embedded_memory(address, SMALL)

    def change() -> None:
        with open_store(address) as second:
            second.vectors.reembed(embed.PACKAGED_EMBEDDER)

    with open_store(address) as store:
        server.at_request = change
        store.add(SAID)
        assert store.vectors.embedder == embed.PACKAGED_EMBEDDER
    assert stored_columns(address)[0][-1][0] == len(TALK) + len(SAID)
    assert {len(row[2]) for row in stored_columns(address)[0]} == {embed.DIM}


def test_what_is_paid_is_not_paid_again(server: Server, address: str) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    before = stored_columns(address)
    server.plan = [(200, server.answer({"model": WIDE, "input": [t.text for t in TALK[:8]]}))]
    server.plan += [(401, error("invalid_api_key"))]
    with open_store(address) as store:
        counts: list[int] = []
        with pytest.raises(ModelError, match="check OPENAI_API_KEY"):
            store.vectors.reembed(WIDE, batch=8, progress=counts.append)
        assert counts == [8]
        assert stored_columns(address) == before
        assert store.search("said 3") != []
        assert store.vectors.to_embed(WIDE) == (32, sum(len(turn.text) for turn in TALK[8:]))
        store.vectors.reembed(WIDE, batch=8, progress=counts.append)
        assert sum(counts) == len(TALK)
        assert rows_of(store, "SELECT count(*) FROM staged_vectors") == [(0,)]
    assert server.paid == [turn.text for turn in TALK]


def assert_late_turns_are_in(server: Server, address: str) -> None:
    assert len(server.paid) == len({*server.paid}) == len(TALK) + len(SAID)
    assert [row[0] for row in stored_columns(address)[0]] == [*range(1, len(TALK) + len(SAID) + 1)]
    assert stored_columns(address)[-1] == [(WIDE, 48)]


def test_turns_said_meanwhile_are_included(server: Server, address: str) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    server.at_request = lambda: embedded_memory(address, embed.PACKAGED_EMBEDDER, SAID)
    with open_store(address) as store:
        store.vectors.reembed(WIDE, batch=10)
    assert_late_turns_are_in(server, address)


def test_turns_said_after_the_last_look_are_included(
    server: Server, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    look, late = vectors._unstaged, [SAID]

    def look_too_early(conn: Any, name: str, limit: int) -> list[tuple[int, str]]:
        seen = look(conn, name, limit)
        if not seen and late:
            embedded_memory(address, embed.PACKAGED_EMBEDDER, late.pop())
        return seen

    monkeypatch.setattr(vectors, "_unstaged", look_too_early)
    with open_store(address) as store:
        store.vectors.reembed(WIDE)
    assert_late_turns_are_in(server, address)


def test_staged_vectors_of_another_width_are_dropped(server: Server, address: str) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    server.plan = [(200, server.answer({"model": SMALL, "input": ["x"] * 8}))]
    with open_store(address) as store:
        with pytest.raises(ModelError, match="start again"):
            store.vectors.reembed(WIDE, batch=8)
        assert store.vectors.embedder == embed.PACKAGED_EMBEDDER
        store.vectors.reembed(WIDE)
        assert store.vectors.embedder == WIDE


def test_one_of_two_changes_at_the_same_time_is_refused(server: Server, address: str) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)

    def faster() -> None:
        with open_store(address) as second:
            second.vectors.reembed(embed.PACKAGED_EMBEDDER)

    server.at_request = faster
    with open_store(address) as store, pytest.raises(StoreError, match="another process"):
        store.vectors.reembed(WIDE)


def test_there_is_nothing_to_change_in_an_empty_memory(address: str) -> None:
    with open_store(address) as store, pytest.raises(InputError, match="no turns yet"):
        store.vectors.reembed(embed.PACKAGED_EMBEDDER)


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def run(
    memory_options: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[object, str, str]]:
    """The command on a memory: exit code, stdout, stderr."""

    def run(*flags: str, memory: list[str] = memory_options) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["memory", "admin", "embed", *memory, *flags])
        with pytest.raises(SystemExit) as end:
            __main__.run()
        return end.value.code, *capsys.readouterr()

    return run


SLOWLY = ("--embedder", WIDE, "--batch", "2", "--yes")


def interrupt(server: Server) -> None:
    """Ctrl-C in this process, during its third request."""
    server.slow_s = 0.1

    def third() -> None:
        while len(server.requests) < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=third, daemon=True).start()


# Tells on stderr whom the process asks.
TELLING = """
import sys
def hear(event, arguments):
    if event == "socket.connect": print(arguments[1][0], file=sys.stderr)
    if event == "socket.getaddrinfo": print(arguments[0], file=sys.stderr)
sys.addaudithook(hear)
from memory import __main__
from memory.search import embed
assert not {"litellm", "wordllama"} & {*sys.modules}
__main__.run()
"""


def kill(memory_options: list[str], server: Server) -> tuple[str, str]:
    """kill -9 of a process at work, during its third request; its stdout and stderr."""
    server.slow_s = 0.1
    line = [sys.executable, "-uc", TELLING, "admin", "embed", *memory_options, *SLOWLY]
    with subprocess.Popen(line, stdout=-1, stderr=-1, text=True) as at_work:
        deadline = time.monotonic() + 120
        while len(server.requests) < 3:
            assert at_work.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        at_work.kill()
        return at_work.communicate()


def assert_it_goes_on(
    server: Server, address: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    server.slow_s = 0
    code, out, _ = run(*SLOWLY)
    assert code == 0
    assert f"vectors are by {WIDE} now" in out
    assert {turn.text for turn in TALK} == {*server.paid}
    assert len(server.paid) <= len(TALK) + 2  # the request under way when it was ended
    assert stored_columns(address)[-1] == [(WIDE, 48)]


@pytest.mark.slow
def test_the_command_interrupted_goes_on_where_it_was(
    server: Server, address: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    before = stored_columns(embedded_memory(address, embed.PACKAGED_EMBEDDER))
    interrupt(server)
    code, _, err = run(*SLOWLY)
    assert code == 2
    message = "interrupted: finished work is stored; the same command continues"
    assert err.splitlines()[-1] == message
    assert stored_columns(address) == before
    assert_it_goes_on(server, address, run)


@pytest.mark.slow
def test_the_command_killed_asked_nobody_but_the_provider_and_goes_on(
    server: Server,
    address: str,
    memory_options: list[str],
    run: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.delenv(name, raising=False)  # memory.program has set them here
    before = stored_columns(embedded_memory(address, embed.PACKAGED_EMBEDDER))
    out, err = kill(memory_options, server)
    assert {*err.splitlines()} == {"127.0.0.1"}  # nor does any library print there
    assert len(out.splitlines()) == 1
    assert stored_columns(address) == before
    assert_it_goes_on(server, address, run)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openai/text-embedding-3-small", "40 turns (about 67 tokens) for {name}, about $0.0000"),
        ("openai/own-16", "40 turns (about 67 tokens) for {name}, at an unknown price"),
    ],
)
def test_the_command_forecasts_and_asks(
    server: Server,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[..., tuple[int, str, str]],
    name: str,
    message: str,
) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    for typed, advice in (("n\n", ""), ("", "; answer y, or give --yes")):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code, out, err = run("--embedder", name)
        assert message.format(name=name) in out
        assert (code, err) == (2, f"error: nothing was changed{advice}\n")
    assert server.paid == []


@pytest.mark.parametrize(
    ("file", "name", "complaint"),
    [
        ("anna.db", "gpt", "names no provider"),
        ("missing.db", "wordllama", "there is no memory at"),
        ("empty.db", "wordllama", "no turns yet"),
    ],
)
def test_the_command_refuses_in_one_line(
    path: Path, run: Callable[..., tuple[int, str, str]], file: str, name: str, complaint: str
) -> None:
    embedded_memory(path, embed.PACKAGED_EMBEDDER, SAID)
    open_store(path.with_name("empty.db")).close()
    code, _, err = run("--embedder", name, memory=["--db", str(path.with_name(file))])
    assert code == 2
    line = err.splitlines()[-1]  # after the progress, where there was some
    assert line.startswith("error: ")
    assert complaint in line
    assert not path.with_name("missing.db").exists()
