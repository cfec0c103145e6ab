"""Turns are stored before a hosted embedder is asked, and wait when it cannot be."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from memory import InputError, Turn, open_store
from memory.errors import ModelError
from memory.search import embed
from memory.search.embed import REQUEST_TEXTS
from memory.store.search import search_tables, vectors
from memory.store.sqlite.store import SqliteStore
from tests.conftest import SAID
from tests.support.embedding_server import (
    KEY,
    SMALL,
    TALK,
    WIDE,
    Server,
    embedded_memory,
    error,
    serving,
    stored_columns,
)
from tests.support.full_text import assert_sound
from tests.support.rows import connection_of

REFUSED = (401, error("invalid_api_key", f"Incorrect API key: {KEY}"))
MANY = [Turn("Cleo", f"many {n}", f"s{n % 4}") for n in range(REQUEST_TEXTS + 4)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(search_tables, "BLOCK", 16)
    monkeypatch.setattr(vectors, "EMBEDDER_REST_S", 0.0)
    with serving(monkeypatch) as served:
        yield served


@pytest.fixture
def waiting(server: Server, path: Path) -> Path:
    """A memory with vectors of TALK; the turns of SAID wait for theirs."""
    embedded_memory(path, SMALL)
    server.plan = [REFUSED]
    embedded_memory(path, SMALL, SAID)
    assert server.plan == []
    return path


def texts(*turns: list[Turn]) -> list[str]:
    return [turn.text for batch in turns for turn in batch]


def assert_as_if_never_waited(path: Path, *turns: list[Turn]) -> None:
    like = path.with_name("like.db")
    for batch in turns:
        embedded_memory(like, SMALL, batch)
    assert stored_columns(path) == stored_columns(like)
    with open_store(path) as store:
        assert isinstance(store, SqliteStore)
        assert_sound(store)


# --- stored first -------------------------------------------------------------------------------


def test_a_chat_does_not_wait_for_an_embedder_that_just_failed(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "EMBEDDER_REST_S", 60.0)
    with open_store(path, embedder=SMALL) as store:
        server.plan = [REFUSED]
        store.add([TALK[0]])
        assert server.plan == server.paid == []
        store.add([TALK[1]])
        assert server.paid == []
        store.search("Who?")  # cannot do without, so it asks
        store.add([TALK[2]])
    assert texts([*TALK[:3]]) == [text for text in server.paid if text != "Who?"]


@pytest.mark.slow
def test_turns_are_on_disk_when_the_embedder_is_asked(server: Server, path: Path) -> None:
    code = (
        "import os, sys; from memory import open_store; from memory.search import embed\n"
        "from tests.conftest import SAID\n"
        "embed.HostedEmbedder.__call__ = lambda *_: os.kill(os.getpid(), 9)\n"
        f"open_store(sys.argv[1], embedder={SMALL!r}).add(SAID)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    with open_store(path) as store:
        assert texts(store.turns()) == texts(SAID)
        assert store.search("cat", 1) != []
        assert server.paid == [*texts(SAID), "cat"]
    assert_as_if_never_waited(path, SAID)


def test_an_embedder_on_this_machine_is_asked_before_anything_is_stored(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ModelError("out of order")

    with open_store(path) as store:
        assert isinstance(store, SqliteStore)
        monkeypatch.setattr(embed.PackagedEmbedder, "__call__", fail)
        with pytest.raises(ModelError, match="out of order"):
            store.add(SAID)
        assert store.turns() == []
        monkeypatch.undo()
        statements: list[str] = []
        connection_of(store).set_trace_callback(statements.append)
        store.add(SAID)
        assert [
            statement for statement in statements if statement in ("BEGIN IMMEDIATE", "COMMIT")
        ] == [
            "BEGIN IMMEDIATE",
            "COMMIT",
        ]


# --- waiting ------------------------------------------------------------------------------------


def test_an_embedder_that_cannot_be_used_is_warned_of_once(
    server: Server, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.plan = [REFUSED] * 2
    with open_store(path, embedder=SMALL) as store:
        assert store.add(SAID) == [1, 2, 3, 4, 5]
        assert store.add(SAID[:2]) == [6, 7]
        assert texts(store.turns()) == texts(SAID, SAID[:2])
        assert store.vectors.embedder == SMALL
        server.plan = [REFUSED] * 2
        # The words of turns are found without it, also of those that wait, and it is said once.
        assert "cat" in store.turn(store.search("cat", 1)[0].turn_id).text
        [record, by_words] = caplog.records
        assert "searching without meaning" in by_words.getMessage()
        assert KEY not in by_words.getMessage()
        assert record.levelno == logging.WARNING
        assert "5 turns wait" in record.getMessage()
        assert "refused the key" in record.getMessage()
        assert KEY not in record.getMessage()
        store.add(SAID[:1])
        server.plan = [REFUSED]
        store.add(SAID[:1])
    assert "1 turns wait" in caplog.records[2].getMessage()


@pytest.mark.parametrize("use", ["add", "search"])
def test_what_waits_is_embedded_at_the_next_use_once_and_in_order(
    server: Server, waiting: Path, use: str
) -> None:
    with open_store(waiting) as store:
        if use == "add":
            store.add(SAID[:1])
        else:
            assert store.search(" ", 1) != []
    late = SAID[:1] if use == "add" else []
    assert server.paid == texts(TALK, SAID, late)
    assert_as_if_never_waited(waiting, TALK, SAID + late)


@pytest.mark.slow
def test_what_was_embedded_before_a_failure_is_not_paid_again(server: Server, path: Path) -> None:
    with open_store(path, embedder=SMALL) as store:
        first = {"model": SMALL, "input": texts(MANY[:REQUEST_TEXTS])}
        server.plan = [(200, server.answer(first)), REFUSED]
        store.add(MANY)
        assert server.paid == texts(MANY)[:REQUEST_TEXTS]
        store.add(SAID)
    assert server.paid == texts(MANY, SAID)
    assert_as_if_never_waited(path, MANY, SAID)


def test_a_memory_without_any_vector_keeps_its_embedder(server: Server, path: Path) -> None:
    server.plan = [REFUSED]
    embedded_memory(path, SMALL, SAID)
    with open_store(path, read_only=True) as reading:
        assert reading.search("Where is the cat Miso?", 1)[0].turn_id == 3
    with open_store(path) as store:
        assert store.vectors.embedder == SMALL
        store.search("cat")
    assert_as_if_never_waited(path, SAID)


@pytest.mark.slow
def test_turns_without_vectors_are_ranked_by_what_they_say(server: Server, waiting: Path) -> None:
    """In a store that only reads, and where the server refuses them for ever."""
    with open_store(waiting, read_only=True) as reading, open_store(waiting) as store:
        for reader in (reading, store, reading, store):
            server.plan = [REFUSED] if reader is store else []
            hits = reader.search("When was Rufus the dog adopted?", 50)
            assert len(hits) == len(TALK) + len(SAID)
            assert hits[0].turn_id == len(TALK) + 4
        assert server.paid == [*texts(TALK), *["When was Rufus the dog adopted?"] * 4]
        with open_store(waiting) as fresh:
            expected = fresh.search("cat", 50)
        assert reading.search("cat", 50) == store.search("cat", 50) == expected
    assert_as_if_never_waited(waiting, TALK, SAID)


@pytest.mark.slow
def test_all_vectors_made_anew_are_those_of_turns_that_wait_too(
    server: Server, waiting: Path
) -> None:
    with open_store(waiting) as store, open_store(waiting) as second:
        assert store.vectors.to_embed(WIDE)[0] == len(TALK) + len(SAID)
        store.vectors.reembed(WIDE)
        second.add(SAID[:1])
    assert server.paid == texts(TALK, TALK, SAID, SAID[:1])
    assert [row[0] for row in stored_columns(waiting)[0]] == [*range(33, 47)]
    assert stored_columns(waiting)[-1] == [(WIDE, 48)]


# --- several at it ------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "kind", [SMALL, WIDE, embed.PACKAGED_EMBEDDER], ids=["add", "anew", "anew here"]
)
def test_what_another_process_did_meanwhile_is_not_done_twice(
    server: Server, waiting: Path, kind: str
) -> None:
    def meanwhile() -> None:
        with open_store(waiting) as second:
            second.add(SAID[:3]) if kind == SMALL else second.vectors.reembed(kind)

    with open_store(waiting) as store:
        server.at_request = meanwhile
        store.add(SAID[3:])
        assert store.vectors.embedder == kind
    if kind == SMALL:
        assert_as_if_never_waited(waiting, TALK, SAID + SAID[3:] + SAID[:3])
    else:
        assert [row[0] for row in stored_columns(waiting)[0]] == [33, *range(34, 48)]


@pytest.mark.slow
@pytest.mark.parametrize("width", [0, 24], ids=["the same width", "another width"])
def test_of_what_another_process_embedded_in_part_only_the_rest_is_kept(
    server: Server, path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    def meanwhile() -> None:
        with monkeypatch.context() as patch, open_store(path) as second:
            patch.setattr(vectors, "REQUEST_TEXTS", 2)
            server.width = width
            part = {"model": SMALL, "input": texts(SAID[:2])}
            server.plan = [(200, server.answer(part)), REFUSED]
            second.add([])
            server.width = 0

    with open_store(path, embedder=SMALL) as store:
        server.at_request = meanwhile
        store.add(SAID)
    if width:
        assert [row[0] for row in stored_columns(path)[0]] == [1, 2]
        assert stored_columns(path)[-1] == [(SMALL, width)]
    else:
        assert_as_if_never_waited(path, SAID)


def test_who_asked_for_the_embedder_from_before_still_learns_the_ids(
    server: Server, waiting: Path
) -> None:
    def meanwhile() -> None:
        with open_store(waiting) as second:
            second.vectors.reembed(WIDE)
            server.plan = [REFUSED]
            second.add(SAID[:1])

    with open_store(waiting, embedder=SMALL) as store:
        server.at_request = meanwhile
        assert store.add(SAID[:2]) == [46, 47]
        with pytest.raises(InputError, match="not by openai/small-16"):
            store.add(SAID)


@pytest.mark.slow
def test_a_crowd_whose_embedder_fails_at_first_loses_and_doubles_nothing(
    server: Server, waiting: Path
) -> None:
    server.plan = [REFUSED] * 12
    ids: list[int] = []

    def work(number: int) -> None:
        with open_store(waiting) as store:
            for n in range(6):
                spoken = [Turn("Anna", f"{number} says {n}.{m}", f"s{n % 2}") for m in range(3)]
                ids.extend(store.add(spoken))
                with suppress(ModelError):
                    store.search(f"says {n}")

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(work, range(5)))
    with open_store(waiting) as store:
        store.search("says")
        turns = store.turns()
    assert sorted(ids) == [turn.id for turn in turns[45:]]
    assert_as_if_never_waited(waiting, turns[:40], turns[40:])
