"""All vectors anew by another embedder: all or none, each made once, whatever ends the work."""

import os
import signal
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
from tests.support.local_embedder import (
    SMALL,
    TALK,
    WIDE,
    Models,
    embedded_memory,
    loading,
    stored_columns,
)
from tests.support.rows import rows_of

BOTH_STORES = "slow"


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch) -> Iterator[Models]:
    with loading(monkeypatch) as loaded:
        yield loaded


# --- all vectors anew ---------------------------------------------------------------------------


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_tables, "BLOCK", 16)


@pytest.mark.slow
@pytest.mark.usefixtures("_small_blocks")
def test_vectors_made_anew_are_those_of_a_memory_that_began_so(
    models: Models, address: str, tmp_path: Path
) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    with open_store(address) as store:
        store.vectors.reembed(WIDE, batch=7)
    assert stored_columns(address) == stored_columns(embedded_memory(tmp_path / "other.db", WIDE))
    assert models.embedded == [turn.text for turn in TALK] * 2


@pytest.mark.slow
@pytest.mark.usefixtures("_small_blocks")
def test_open_stores_notice_the_change(models: Models, address: str, tmp_path: Path) -> None:
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
            with pytest.raises(InputError, match="not by sentence-transformers/small-16"):
                use()
    assert stored_columns(address) == stored_columns(second)


def test_turns_embedded_while_the_embedder_changed_are_embedded_again(
    models: Models, address: str
) -> None:
    embedded_memory(address, SMALL)

    def change() -> None:
        with open_store(address) as second:
            second.vectors.reembed(embed.PACKAGED_EMBEDDER)

    with open_store(address) as store:
        models.at_call = change
        store.add(SAID)
        assert store.vectors.embedder == embed.PACKAGED_EMBEDDER
    assert stored_columns(address)[0][-1][0] == len(TALK) + len(SAID)
    assert {len(row[2]) for row in stored_columns(address)[0]} == {embed.DIM}


def test_what_was_made_is_not_made_again(models: Models, address: str) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    before = stored_columns(address)
    texts = [turn.text for turn in TALK]
    models.plan = [models.vectors(WIDE, texts[:8]), None]
    with open_store(address) as store:
        counts: list[int] = []
        with pytest.raises(ModelError, match="the model fails"):
            store.vectors.reembed(WIDE, batch=8, progress=counts.append)
        assert counts == [8]
        assert stored_columns(address) == before
        assert store.search("said 3") != []
        assert store.vectors.to_embed(WIDE) == 32
        store.vectors.reembed(WIDE, batch=8, progress=counts.append)
        assert sum(counts) == len(TALK)
        assert rows_of(store, "SELECT count(*) FROM staged_vectors") == [(0,)]
    assert models.embedded == texts


def assert_late_turns_are_in(models: Models, address: str) -> None:
    assert len(models.embedded) == len({*models.embedded}) == len(TALK) + len(SAID)
    assert [row[0] for row in stored_columns(address)[0]] == [*range(1, len(TALK) + len(SAID) + 1)]
    assert stored_columns(address)[-1] == [(WIDE, 48)]


def test_turns_said_meanwhile_are_included(models: Models, address: str) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    models.at_call = lambda: embedded_memory(address, embed.PACKAGED_EMBEDDER, SAID)
    with open_store(address) as store:
        store.vectors.reembed(WIDE, batch=10)
    assert_late_turns_are_in(models, address)


def test_turns_said_after_the_last_look_are_included(
    models: Models, address: str, monkeypatch: pytest.MonkeyPatch
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
    assert_late_turns_are_in(models, address)


def test_staged_vectors_of_another_width_are_dropped(models: Models, address: str) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)
    models.plan = [models.vectors(SMALL, ["x"] * 8)]
    with open_store(address) as store:
        with pytest.raises(ModelError, match="start again"):
            store.vectors.reembed(WIDE, batch=8)
        assert store.vectors.embedder == embed.PACKAGED_EMBEDDER
        store.vectors.reembed(WIDE)
        assert store.vectors.embedder == WIDE


def test_one_of_two_changes_at_the_same_time_is_refused(models: Models, address: str) -> None:
    embedded_memory(address, embed.PACKAGED_EMBEDDER)

    def faster() -> None:
        with open_store(address) as second:
            second.vectors.reembed(embed.PACKAGED_EMBEDDER)

    models.at_call = faster
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


SLOWLY = ("--embedder", WIDE, "--batch", "2")


def interrupt(models: Models) -> None:
    """Ctrl-C in this process, during its third call."""
    models.slow_s = 0.1

    def third() -> None:
        while len(models.calls) < 3:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=third, daemon=True).start()


def assert_it_goes_on(
    models: Models, address: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    models.slow_s = 0
    code, out, _ = run(*SLOWLY)
    assert code == 0
    assert f"vectors are by {WIDE} now" in out
    assert {turn.text for turn in TALK} == {*models.embedded}
    assert len(models.embedded) <= len(TALK) + 2  # the call under way when it was ended
    assert stored_columns(address)[-1] == [(WIDE, 48)]


@pytest.mark.slow
def test_the_command_interrupted_goes_on_where_it_was(
    models: Models, address: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    before = stored_columns(embedded_memory(address, embed.PACKAGED_EMBEDDER))
    interrupt(models)
    code, _, err = run(*SLOWLY)
    assert code == 2
    message = "interrupted: finished work is stored; the same command continues"
    assert err.splitlines()[-1] == message
    assert stored_columns(address) == before
    assert_it_goes_on(models, address, run)


@pytest.mark.parametrize(
    ("file", "name", "complaint"),
    [
        ("anna.db", "gpt", "is not one of this machine"),
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
