"""What leaves this machine is what somebody on it named, whatever a file says."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from memory import InputError, Memory, Turn, open_store
from memory.errors import ModelError
from memory.exchange.exports import export_memory
from memory.records import Forgotten
from memory.search.embed import PACKAGED_EMBEDDER
from memory.store.configuration.settings import set_setting
from memory.store.namespaces import copy, create, delete, location_of, rename
from memory.store.sqlite.store import SqliteStore
from memory.system.home import agreed_embedder, receipt_name
from tests.support.commands import run
from tests.support.embedding_server import SMALL, WIDE, Server, embedded_memory, serving
from tests.support.postgres_server import logged_in

BOTH_STORES = "slow"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(monkeypatch) as served:
        yield served


@pytest.fixture
def received(server: Server, address: str) -> str:
    """A memory as somebody sent it, whose vectors a hosted embedder made."""
    embedded_memory(address, SMALL)
    server.requests.clear()
    if "://" in address:  # under a name of this database, restored by its administrator
        home, _, name = address.rpartition("&namespace=")
        with logged_in(home) as conn:
            names = (f"their {unquote(name)}", unquote(name))
            conn.execute("UPDATE memory.namespaces SET name = %s WHERE name = %s", names)
        return f"{home}&namespace={quote(names[0])}"
    return str(shutil.copy(address, f"{address}.received.db"))


@pytest.fixture
def options(received: str, memory_options: list[str]) -> list[str]:
    """The options of a command that name the memory that was received."""
    if memory_options[0] == "--db":
        return ["--db", received]
    return ["--namespace", unquote(received.rpartition("=")[2])]


def test_a_memory_that_was_received_asks_no_hosted_embedder(received: str, server: Server) -> None:
    with open_store(received) as store:
        [turn_id] = store.add([Turn("Anna", "My salary is a secret.")])
        for look_up in (store.search, Memory(store, model="local").context):
            with pytest.raises(ModelError, match=f"--embedder {SMALL} --agree, or .* wordllama"):
                look_up("salary")
        assert store.turn(turn_id).text == "My salary is a secret."
    with open_store(received, read_only=True) as store, pytest.raises(ModelError):
        store.search("salary")
    assert server.requests == []


def test_a_memory_that_was_received_asks_when_a_person_says_so(
    received: str, options: list[str], server: Server
) -> None:
    assert "may read its texts" in run("admin", "embed", *options, "--embedder", SMALL, "--agree")
    assert server.requests == []
    with open_store(received) as store:
        assert store.search("said 3", 1)
        with store.as_of("2100") as past:
            assert past.search("said 3", 1)
    assert server.requests == [1, 1]


def test_what_is_agreed_to_is_one_embedder_for_one_memory(
    received: str, options: list[str], server: Server
) -> None:
    run(
        "admin",
        "embed",
        *options,
        "--embedder",
        WIDE,
        "--agree",
        says="are by openai/small",
    )
    assert agreed_embedder(received) == ""
    run("admin", "embed", *options, "--embedder", PACKAGED_EMBEDDER)
    with open_store(received) as store:
        assert store.search("said 3", 1)
    assert server.requests == []


def test_vectors_made_here_end_what_was_agreed_to(received: str, server: Server) -> None:
    open_store(received, embedder=SMALL).close()
    assert agreed_embedder(received) == SMALL
    with open_store(received) as store:
        store.vectors.reembed(PACKAGED_EMBEDDER)
    assert agreed_embedder(received) == ""


def test_a_dump_does_not_choose_who_gets_the_turns(
    received: str, server: Server, tmp_path: Path
) -> None:
    dump, mine = tmp_path / "dump.jsonl", tmp_path / "mine.db"
    with open_store(received) as store:
        export_memory(store, dump, "jsonl", "")
    out = run("import", dump, "--db", mine)
    assert f"the vectors were by {SMALL}, and are by wordllama here" in out
    assert f"memory admin embed --db {mine} --embedder {SMALL}" in out
    with open_store(mine) as store:
        assert store.vectors.embedder == PACKAGED_EMBEDDER
        assert store.search("said 3", 1)
    assert server.requests == []


def test_a_record_late_in_a_dump_does_not_choose_either(
    received: str, server: Server, tmp_path: Path
) -> None:
    row = {"table": "settings", "id": 999, "name": "embedder", "set_at": ""}
    value = json.dumps({"name": SMALL, "width": 16})
    with open_store(received) as store, open_store(tmp_path / "mine.db") as mine:
        mine.load([*store.dump(), {**row, "value": value}])
        with pytest.raises(ModelError, match="--agree"):
            mine.search("said 3")
    assert server.requests == []


def test_a_namespace_takes_along_what_was_agreed_to(server: Server, home: str) -> None:
    embedded_memory(str(create("anna")), SMALL)
    copy("anna", "berta")
    rename("anna", "carla")
    assert [agreed_embedder(location_of(name)) for name in ("anna", "berta", "carla")] == [
        "",
        SMALL,
        SMALL,
    ]
    for name in ("berta", "carla"):
        delete(name)
        assert agreed_embedder(location_of(name)) == ""


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
