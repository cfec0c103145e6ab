"""What was forgotten is recognised when it comes again, and cannot be guessed from the memory."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from memory import Store, Turn
from memory.store.configuration.settings import add_setting, settings_of
from memory.store.forgetting.forgotten_items import FORGOTTEN_ITEMS, without_forgotten
from memory.system import home

BOTH_STORES = "slow"
PIN = Turn("Anna", "My PIN is 4821.", source="chat:My PIN is 4821.")
CAT = Turn("Anna", "I have a cat.", source="chat:I have a cat.")


def hash_of(turn: Turn) -> str:
    """What earlier versions kept of a forgotten turn."""
    return hashlib.sha256(turn.source.encode()).hexdigest()[:32]


def marks(store: Store) -> list[Any]:
    return [mark for setting in settings_of(store, FORGOTTEN_ITEMS) for mark in setting.value]


def test_a_guess_of_what_was_forgotten_is_not_answered_by_the_memory(store: Store) -> None:
    store.forget(store.add([PIN]))
    [mark] = marks(store)
    assert hash_of(PIN) not in mark
    assert hash_of(PIN) not in json.dumps([*store.dump()])
    assert without_forgotten(store, [PIN, CAT]) == [CAT]


def test_one_key_of_this_machine_marks_all_of_its_memories(store: Store, database: str) -> None:
    store.forget(store.add([PIN]))
    store.forget(store.add([CAT]))
    assert len({mark.partition(":")[0] for mark in marks(store)}) == 1
    assert without_forgotten(store, [PIN, CAT]) == []
    if database == "sqlite":
        file = home.home() / home.ITEM_KEYS
        assert file.stat().st_mode & 0o077 == 0
        assert len(home.item_keys()) == 1


def test_hashes_of_earlier_versions_hold_and_get_a_key(store: Store) -> None:
    with store.transaction() as conn:  # type: ignore[attr-defined]
        add_setting(conn, FORGOTTEN_ITEMS, [hash_of(PIN)])
    assert without_forgotten(store, [PIN, CAT]) == [CAT]
    store.forget(store.add([CAT]))
    assert hash_of(PIN) not in json.dumps([*store.dump()])
    assert without_forgotten(store, [PIN, CAT]) == []


def test_without_the_key_nothing_is_recognised_and_nothing_fails(
    store: Store, database: str
) -> None:
    if database != "sqlite":
        pytest.skip("the key of a database is in it")
    store.forget(store.add([PIN]))
    (home.home() / home.ITEM_KEYS).write_text("no key\n")
    assert home.item_keys() == []
    assert without_forgotten(store, [PIN]) == [PIN]


def test_where_no_key_can_be_kept_hashes_are_kept(
    store: Store, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database != "sqlite":
        pytest.skip("the key of a database is in it")
    (tmp_path / "file").touch()
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "file" / "folder"))
    store.forget(store.add([PIN]))
    assert marks(store) == [hash_of(PIN)]
    assert without_forgotten(store, [PIN, CAT]) == [CAT]
