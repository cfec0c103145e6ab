"""Forgetting as every door does it: turns are chosen, previewed, agreed to, and leave receipts."""

import sqlite3
from pathlib import Path

import pytest

from memory import InputError, Turn, open_store
from memory.errors import StoreError
from memory.store.forgetting import forget as store_forget
from memory.store.forgetting.preview import (
    forget,
    forget_without_preview,
    matching_turns,
    preview,
    receipts_due,
)
from tests.conftest import SAID
from tests.support.commands import run


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
        with pytest.raises(StoreError, match="forget finish"):
            forget_without_preview(store, [1])
        reader.close()
        [due] = receipts_due(store)
        earlier, receipt = forget_without_preview(store, [2])
        assert (earlier.turns, earlier.salt) == ((1,), due.salt)
        assert receipt.turns == (2,)
        assert receipts_due(store) == []


def test_a_preview_counts_where_else_a_person_of_a_group_is_named(tmp_path: Path) -> None:
    path = tmp_path / "group.db"
    with open_store(path) as store:
        store.add(
            [
                Turn("Ben", "I moved to Bath.", said_at="2024-05-01"),
                Turn("Ana", "Ben has a new dog, and Benedict too.", said_at="2024-05-01"),
                Turn("Ana", "Benedict cooks.", said_at="2024-05-01"),
            ]
        )
        insert = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
        store.write(f"{insert} ('Ben', 'home', 'Bath', 1)", cause="test")
        store.write(f"{insert} ('Ana', 'neighbour', 'Ben of Bath', 2)", cause="test")
        gone = preview(store, matching_turns(store, speaker="Ben"))
        assert (gone.mentions.turns, gone.mentions.facts, gone.mentions.story) == (1, 1, 0)
        alone = preview(store, matching_turns(store, speaker="Ana"))
        assert (alone.mentions.turns, alone.mentions.facts) == (0, 0)
    said = run("forget", "--speaker", "Ben", "--preview", "--db", path)
    assert "still named after that: Ben in 1 turn of others, 1 fact about others" in said
    assert "memory forget --matching Ben --preview" in said
    said = run("forget", "--matching", "Ben has", "--preview", "--db", path)
    assert "still named after that" not in said
