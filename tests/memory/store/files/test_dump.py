"""A memory is dumped as records, and loaded again."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from memory import InputError, Store, Turn, open_store
from memory.errors import StoreError
from memory.exchange.imports import dump_records, load_dump
from memory.search import embed
from memory.store.changes import journal
from memory.store.configuration.settings import set_setting, settings_of
from memory.store.files import dump
from memory.store.search import search_tables
from memory.store.sqlite.store import SqliteStore
from tests.conftest import CAT, DOG, INSERT, MOVED, SAID
from tests.memory.store.forgetting.test_forget import columns, lived, opened
from tests.support.full_text import assert_sound
from tests.support.journal_model import Clock, Operation, operations, play

BOTH_STORES = "slow"  # that a dump is loaded into

NEW = {
    "table": "turns",
    "id": 6,
    "kind": "message",
    "session": "",
    "speaker": "Eve",
    "text": "something else",
    "said_at": "",
    "source": "",
}


def assert_equal(first: SqliteStore, second: Store) -> None:
    assert list(second.dump()) == list(first.dump())
    for question in ("Where is the cat?", "Anna Oslo", "xylophones"):
        assert second.search(question, 50) == first.search(question, 50)
    for mine, theirs in zip(columns(first), columns(second), strict=True):
        assert (mine == theirs).all()
    assert second.check() == []
    if isinstance(second, SqliteStore):
        assert_sound(second)


def loaded(records: Any, address: str) -> int:
    with open_store(address) as store:
        return store.load(records)


def test_a_loaded_dump_is_an_equal_memory(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dump, "BATCH_RECORDS", 4)
    monkeypatch.setattr(search_tables, "BLOCK", 4)
    store, _ = lived(tmp_path / "a.db")
    with store, open_store(address) as copy:
        store.backup(tmp_path / "backup.db")
        records = [json.loads(json.dumps(record)) for record in store.dump()]
        assert copy.load(records) == 9
        assert_equal(store, copy)
        assert settings_of(copy, "backup") == []
        assert copy.load(records) == 0
        assert_equal(store, copy)
        copy.undo(9)
        store.undo(9)
        assert copy.add(SAID[:1]) == store.add(SAID[:1])
        assert copy.search("Oslo", 9) == store.search("Oslo", 9)


def test_a_dump_of_schema_7_is_loaded(address: str) -> None:
    """As the version before tags and entities wrote it: what it lacks is empty."""
    path = Path(__file__).with_name("dump_of_schema_7.jsonl")
    with open_store(address) as store:
        assert load_dump(store, path).turns == 4
        assert [*store.dump()] == [*dump_records(path)]
        assert load_dump(store, path).already == 4
        assert store.check() == []
        store.undo(5)
        assert [(fact.value, fact.ended_on) for fact in store.facts()] == [
            ("Oslo", ""),
            ("cat Miso", ""),
            ("dog Rufus", ""),
        ]
        assert store.add(SAID[4:]) == [6]


def test_kept_answers_in_a_dump_of_an_earlier_version_are_left_out(
    store: Store, address: str, tmp_path: Path
) -> None:
    store.write(MOVED, cause="answer by local")
    records = [*store.dump()]
    answer = {"question": "Where does Anna live?", "text": "In Oslo.", "turn_ids": "[1]"}
    logged = {"change_id": 1, "table_name": "answers", "turn_id": 0, "before": None}
    kept = [
        {"table": "answers", **answer},
        {"table": "rows_log", "id": 1, **logged, "after": json.dumps(answer)},
    ]
    path = tmp_path / "earlier.jsonl"
    lines = [{"sql-memory": 2}, *records, *kept]
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    with open_store(address) as copy:
        for _ in range(2):  # the second time all is there
            report = load_dump(copy, path)
            assert report.notes == ("answers that an earlier version kept: 1 left out",)
            assert [*copy.dump()] == records
        copy.undo(1)
        assert copy.facts() == []


def test_a_loaded_memory_gives_no_number_again_that_something_gone_had(
    tmp_path: Path, address: str
) -> None:
    with opened(tmp_path / "a.db") as store, open_store(address) as copy:
        store.add(SAID)
        store.write(f"{MOVED}; {CAT}; {DOG}", "test")
        store.write("DELETE FROM facts WHERE id = 1", "test")
        store.forget([4, 5])
        copy.load(store.dump())
        assert copy.add(SAID[:1]) == store.add(SAID[:1]) == [6]
        for memory in (store, copy):
            memory.write(CAT, "test")
            assert [fact.id for fact in memory.facts()] == [2, 4]


@pytest.mark.slow
@settings(max_examples=15)
@given(sequence=operations)
def test_whatever_was_written_a_dump_holds_it(
    tmp_path_factory: pytest.TempPathFactory, sequence: list[Operation]
) -> None:
    folder, clock = tmp_path_factory.mktemp("dump"), Clock()
    with (
        pytest.MonkeyPatch.context() as patch,
        opened(folder / "a.db") as store,
        opened(folder / "b.db") as copy,
    ):
        patch.setattr(journal, "now", clock.now)
        play(store, clock, sequence)
        copy.load(store.dump())
        assert_equal(store, copy)


@pytest.mark.slow
def test_a_load_killed_in_the_middle_goes_on(tmp_path: Path, address: str) -> None:
    with opened(tmp_path / "a.db") as store:
        store.add([Turn(f"P{n % 3}", f"word{n}x again", f"s{n // 9}") for n in range(900)])
        store.write(INSERT + "('P1', 'likes', 'word7x', NULL, 8)", "test")
        records = list(store.dump())
        (tmp_path / "dump.json").write_text(json.dumps(records))
        code = (
            "import json, os, sys; from memory import open_store\n"
            "from memory.store.files import dump\n"
            "records, dump.BATCH_RECORDS = json.load(open(sys.argv[1])), 100\n"
            "def some():\n"
            "    yield from records[:650]\n"
            "    os.kill(os.getpid(), 9)\n"
            "open_store(sys.argv[2]).load(some())\n"
        )
        killed = [sys.executable, "-c", code, str(tmp_path / "dump.json"), address]
        assert subprocess.run(killed, check=False).returncode == -9
        with open_store(address) as copy:
            there = len(copy.turns())
            assert 0 < there < 900
            assert copy.load(records) == 900 - there
            assert_equal(store, copy)


def test_two_loads_at_the_same_time_store_it_once(tmp_path: Path, address: str) -> None:
    store, _ = lived(tmp_path / "a.db")
    with store, open_store(address) as copy:
        records = list(store.dump())
        half = iter(records)

        def meanwhile() -> Any:
            yield from islice(half, 7)
            assert loaded(records, address) == 9
            yield from half

        assert copy.load(meanwhile()) == 0
        assert_equal(store, copy)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"table": "secrets"}, "'secrets' is not among"),
        ({"table": ["x"]}, "is not among"),
        ({"table": "shown", "turn_id": 1}, "lacks 'times'"),
        ({"table": "shown", "turn_id": "1", "times": 1}, "turn_id is '1'"),
        ({"table": "shown", "turn_id": 99, "times": 1}, "there is no turn 99"),
        ({"table": "settings", "id": 9, "name": "a", "value": "{", "set_at": ""}, "not JSON"),
        ({"table": "settings", "id": 9, "name": "\ud800", "value": "1", "set_at": ""}, "surrogate"),
        ({"table": "shown", "turn_id": 2**31, "times": 1}, "out of bounds"),
        (
            {**NEW, "id": 1},
            "turns 1.*holds another one; load the dump into a new namespace",
        ),
    ],
)
def test_a_record_that_cannot_be_stored_is_named(
    tmp_path: Path, address: str, record: Any, message: str
) -> None:
    with opened(tmp_path / "a.db") as store, open_store(address) as copy:
        store.add(SAID)
        records = [*store.dump(), record]
        with pytest.raises(InputError, match=f"record {len(records)}.*{message}"):
            copy.load(records)
        assert copy.turns() == []  # its batch is as if it had never been


def test_a_memory_that_holds_something_else_takes_no_dump(address: str, tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as store, open_store(address) as stranger:
        store.add(SAID)
        records = list(store.dump())
        set_setting(stranger, "user", "Eve")
        with pytest.raises(InputError, match="holds a"):
            stranger.load(records)
        assert stranger.turns() == []


def test_a_memory_that_went_on_takes_no_dump_that_did(store: Store, tmp_path: Path) -> None:
    with opened(tmp_path / "copy.db") as copy:
        copy.load(store.dump())
        records = list(copy.dump())
        store.write(MOVED, "test")
        assert store.load(records) == 0
        copy.write(CAT, "test")
        with pytest.raises(InputError, match=r"holds another|something else"):
            store.load(copy.dump())
        assert [fact.value for fact in store.facts()] == ["Oslo"]


def test_an_embedder_that_is_not_here_is_replaced_by_the_packaged_one(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path / "a.db") as store, open_store(address) as copy:
        store.add(SAID)
        records = list(store.dump())
        name = json.dumps({"name": "sentence-transformers/not-here", "width": 8})
        records[0]["value"] = name
        copy.load(records)
        assert copy.vectors.embedder == embed.PACKAGED_EMBEDDER
        assert copy.search("cat", 5) == store.search("cat", 5)
        assert copy.load(records) == 0


def test_a_store_for_reading_loads_nothing(store: Store, tmp_path: Path) -> None:
    with open_store(store.address, read_only=True) as reading:
        with pytest.raises(StoreError):
            reading.load([*store.dump(), NEW])
        with pytest.raises(StoreError):
            reading.backup(tmp_path / "b.db")
