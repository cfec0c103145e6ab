"""Forgetting as every door does it: turns are chosen, previewed, agreed to, and leave receipts."""

import sqlite3
from pathlib import Path

import pytest

from memory import InputError, open_store
from memory.errors import StoreError
from memory.store.forgetting import forget as store_forget
from memory.store.forgetting.preview import (
    forget,
    forget_without_preview,
    matching_turns,
    receipts_due,
)
from tests.conftest import SAID


def test_nothing_is_forgotten_before_somebody_agrees_to_the_preview(tmp_path: Path) -> None:
    with open_store(tmp_path / "anna.db") as store:
        store.add(SAID)
        turns = matching_turns(store, ids=[2, 1, 2])
        assert [turn.id for turn in turns] == [1, 2]
        gone, receipts = forget(store, turns, lambda gone: False)
        assert receipts == []
        assert len(store.turns()) == len(SAID)
        _, [receipt] = forget(store, turns, lambda now: now.confirmation == gone.confirmation)
        assert receipt.turns == (1, 2)
        with pytest.raises(InputError, match="no turn matches"):
            matching_turns(store, matching="no such words")


def test_a_confirmation_is_for_one_preview_only(tmp_path: Path) -> None:
    with open_store(tmp_path / "anna.db") as store:
        store.add(SAID)
        confirmations = {
            forget(store, matching_turns(store, ids=ids), lambda gone: False)[0].confirmation
            for ids in ([1], [1, 2], [2])
        }
        assert len(confirmations) == 3


def test_the_receipt_of_an_interrupted_forgetting_comes_with_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_forget, "PATIENCE_MS", 50)
    with open_store(tmp_path / "anna.db") as store:
        store.add(SAID)
        reader = sqlite3.connect(tmp_path / "anna.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM turns").fetchone()
        with pytest.raises(StoreError, match="forget --finish"):
            forget_without_preview(store, [1])
        reader.close()
        [due] = receipts_due(store)
        earlier, receipt = forget_without_preview(store, [2])
        assert (earlier.turns, earlier.salt) == ((1,), due.salt)
        assert receipt.turns == (2,)
        assert receipts_due(store) == []
