"""Many turns in one call: one transaction, the same memory, and little of it in the process."""

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from memory import Store, Turn, open_store
from memory.errors import ModelError
from memory.search.turn_columns import TURN_DTYPE
from memory.store import database_store
from memory.store.database_store import DatabaseStore
from memory.store.search.vectors import Vectors

BOTH_STORES = "slow"
PLACES = ["the ferry", "our harbour", "the old mill", "Oslo", "a garden of pears"]


def turns(number: int, sources: bool = False) -> list[Turn]:
    return [
        Turn(
            ("Anna", "Ben", "Clara")[n // 7 % 3],
            f"We went to {PLACES[n % 5]} on day {n} and saw {n % 13} boats.",
            f"s{n // 50 % 4}",  # sessions go on across the pieces
            f"2023-05-{n % 28 + 1:02}",
            f"x:{n}" if sources else "",
        )
        for n in range(number)
    ]


def columns_of(store: Store) -> Sequence[Any]:
    """The rows and vectors of the index, and what a search finds."""
    assert isinstance(store, DatabaseStore)
    with store.searched() as searched:
        assert searched is not None
        rows = np.array(searched.index.rows[: searched.index.count])
        assert rows.dtype == TURN_DTYPE
    hits = [store.search(f"the boats at {place}", 50) for place in PLACES]
    return [rows.tobytes(), hits]


@pytest.mark.parametrize("at_once", [64, 100])
def test_many_turns_are_indexed_as_in_one_piece(
    address: str, tmp_path: Path, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = turns(300)
    with open_store(tmp_path / "whole.db") as whole, open_store(address) as store:
        whole.add(given)
        monkeypatch.setattr(database_store, "_AT_ONCE", at_once)
        assert store.add(given) == list(range(1, 301))
        assert store.turns() == whole.turns()
        assert columns_of(store) == columns_of(whole)
        assert store.check() == []


def test_of_many_turns_each_source_is_stored_once(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_store, "_AT_ONCE", 64)
    with open_store(address) as store:
        store.add(turns(300, sources=True))
        others = [replace(turn, session="again") for turn in turns(300, sources=True)[::2]]
        given = [turns(251, sources=True)[250], *turns(360, sources=True), *others]
        assert store.add(given, once=True) == [251, *range(1, 361), *range(1, 301, 2)]
        assert store.turns() == [
            replace(turn, id=n) for n, turn in enumerate(turns(360, sources=True), 1)
        ]
        assert {hit.turn_id for hit in store.search("on day 355", 5)} & {356}
        assert store.check() == []


def test_of_many_turns_all_are_stored_or_none(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_store, "_AT_ONCE", 64)
    with open_store(address) as store:
        store.add(turns(10))
        before = columns_of(store)
        embed = Vectors.embed

        def failing(made_by: Vectors, texts: Sequence[str], recorded: Any) -> Any:
            if any("day 200 " in text for text in texts):
                raise ModelError("no room")
            return embed(made_by, texts, recorded)

        monkeypatch.setattr(Vectors, "embed", failing)
        with pytest.raises(ModelError, match="no room"):
            store.add(turns(300))
        monkeypatch.undo()
        assert store.count_turns() == 10
        assert columns_of(store) == before
        assert len(store.add(turns(1))) == 1
        assert store.check() == []


@pytest.mark.slow
def test_vectors_of_many_turns_are_not_held_at_once(tmp_path: Path) -> None:
    def peak(number: int) -> int:
        given = turns(number)
        with open_store(tmp_path / f"{number}.db") as store:
            store.add(given[:1])
            tracemalloc.start()
            store.add(given)
            size = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return size

    # The vectors and columns of 20,000 turns take 60 MB; copies of the turns and their ids stay.
    assert peak(30_000) < peak(10_000) + 20_000 * 1_200
