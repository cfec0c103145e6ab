"""What a file says of its embedder, and the names of receipts."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from memory import InputError, Memory, Turn, open_store
from memory.exchange.exports import export_memory
from memory.records import Forgotten
from memory.search.embed import PACKAGED_EMBEDDER
from memory.store.configuration.settings import set_setting
from memory.store.sqlite.store import SqliteStore
from memory.system.home import receipt_name
from tests.support.commands import run
from tests.support.local_embedder import SMALL, embedded_memory, make_of_a_provider

BOTH_STORES = "slow"


@pytest.fixture
def received(address: str) -> str:
    """A memory whose vectors an earlier version had made by a provider."""
    embedded_memory(address, PACKAGED_EMBEDDER)
    make_of_a_provider(address)
    return address


def test_the_embedder_of_a_provider_is_asked_nothing_until_vectors_are_made_here(
    received: str, memory_options: list[str]
) -> None:
    with open_store(received) as store:
        for use in (
            lambda: store.add([Turn("Anna", "My salary is a secret.")]),
            lambda: store.search("salary"),
            lambda: Memory(store, model="local").context("What do I earn?"),
        ):
            with pytest.raises(InputError, match="only earlier versions asked; make them anew:"):
                use()
    run("admin", "embed", *memory_options, "--embedder", PACKAGED_EMBEDDER)
    with open_store(received) as store:
        assert store.search("said 3", 1)


def test_the_embedder_of_a_provider_keeps_no_turn_from_being_forgotten(received: str) -> None:
    with open_store(received) as store:
        assert store.forget([4]).turns == (4,)
        assert store.vectors.embedder == PACKAGED_EMBEDDER
        assert 4 not in {hit.turn_id for hit in store.search("said 3", 50)}
        assert store.check() == []


def test_a_dump_does_not_choose_who_gets_the_turns(received: str, tmp_path: Path) -> None:
    dump, mine = tmp_path / "dump.jsonl", tmp_path / "mine.db"
    with open_store(received) as store:
        export_memory(store, dump, "jsonl", "")
    out = run("import", dump, "--db", mine)
    assert "the vectors were by openai/small-256, and are by wordllama here" in out
    with open_store(mine) as store:
        assert store.vectors.embedder == PACKAGED_EMBEDDER
        assert store.search("said 3", 1)


NO_EMBEDDERS = [
    "x",
    ["x"],
    None,
    {"name": "x", "width": 3},
    {"name": SMALL},
    {"name": SMALL, "width": "16"},
    {"name": SMALL, "width": -1},
    {"name": SMALL, "width": True},
    {"name": 7, "width": 16},
    {"name": SMALL, "width": 16, "key": "sk-1"},
]


@pytest.mark.few(3)
@pytest.mark.parametrize("value", NO_EMBEDDERS)
def test_a_setting_that_names_no_embedder_is_refused_and_bricks_nothing(
    path: Path, store: SqliteStore, value: object
) -> None:
    with pytest.raises(InputError, match="reembed"):
        set_setting(store, "embedder", value)
    row = {"table": "settings", "id": 9, "name": "embedder", "set_at": ""}
    with (
        open_store(store.path.with_name("b.db")) as other,
        pytest.raises(InputError, match="the setting embedder"),
    ):
        other.load([{**row, "value": json.dumps(value)}])
    with sqlite3.connect(store.path) as conn:  # by another program
        conn.execute("INSERT INTO settings VALUES (99, 'embedder', ?, '')", (json.dumps(value),))
    conn.close()
    with open_store(store.path) as again:
        assert again.vectors.embedder == PACKAGED_EMBEDDER
        assert again.search("Oslo", 1)
        assert again.add([Turn("Anna", "Hello")])
        [fault] = again.check()
        assert "names none" in fault


def test_two_receipts_of_one_moment_have_two_files() -> None:
    first = Forgotten("2026-11-26T03:55:42.293Z", (1,), (), (), "aa" * 32, "salt")
    second = replace(first, sha256="bb" * 32)
    assert receipt_name(first) == "forgotten-20261126T035542293Z-aaaaaaaa.json"
    assert receipt_name(second) != receipt_name(first)
