"""Who forgets the turn that ended a fact takes its end back."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memory import Turn, open_store
from memory.__main__ import app
from memory.facts import correct, end, supersede
from memory.store.sqlite.store import SqliteStore
from tests.conftest import CAT, DOG, INSERT, MOVED, SAID

BOTH_STORES = "slow"

END = "UPDATE facts SET ended_on = '2024-03' WHERE attribute = 'lives_in'"
BERGEN = INSERT + "('Anna', 'lives_in', 'Bergen', '2024-03', 7)"


@pytest.fixture
def told(store: SqliteStore) -> SqliteStore:
    """A memory of a move to Oslo and two turns more."""
    store.write(f"{MOVED}; {CAT}; {DOG}", cause="digest by test", window=(1, 5))
    store.add([Turn("Anna", "Hello again.", said_at="2024-03-02")])
    store.add([Turn("Anna", "I left Oslo for Bergen.", said_at="2024-03-02")])
    return store


def ends(store: SqliteStore) -> list[str]:
    return [fact.ended_on for fact in store.facts() if fact.id <= 3]


def assert_as_if_never_ended(store: SqliteStore) -> None:
    assert ends(store) == ["", "", ""]
    assert store.check() == []
    records = [record for record in store.dump() if record["table"] in ("facts_log", "changes")]
    assert "2024-03" not in repr([{**record, "at": ""} for record in records])


@pytest.mark.parametrize(
    ("statements", "window"),
    [
        (f"{END}; {BERGEN}", (6, 7)),
        (f"{END}; {BERGEN}", (7, 7)),
        (END, (7, 7)),
        (f"{END}; {INSERT}('Anna', 'moved_from', 'Oslo', '2024-03', 7)", (6, 7)),
    ],
)
def test_the_turn_that_ended_a_fact_takes_the_end_with_it(
    told: SqliteStore, statements: str, window: tuple[int, int]
) -> None:
    told.write(statements, cause="digest by test", window=window)
    assert ends(told) == ["2024-03", "", ""]
    told.forget([6])
    assert ends(told) == ["2024-03", "", ""], "another turn told of it"
    told.forget([7])
    assert_as_if_never_ended(told)


def test_an_end_that_any_turn_of_a_window_may_have_told_goes_with_the_last_of_them(
    told: SqliteStore,
) -> None:
    told.write(END, cause="digest by test", window=(6, 7))
    told.forget([7])
    assert ends(told) == ["2024-03", "", ""]
    told.forget([6])
    assert_as_if_never_ended(told)


@pytest.mark.parametrize("undone", [(), (2,), (2, 3), (2, 3, 4)])
def test_a_forgotten_correction_ends_nothing_whether_undone_or_redone(
    told: SqliteStore, undone: Sequence[int]
) -> None:
    assert supersede(told, 1, "Bergen", since="2024-03").id == 2
    for change in undone:
        told.undo(change)
    told.forget([8])
    assert_as_if_never_ended(told)


def test_what_happened_to_the_fact_besides_stays(told: SqliteStore) -> None:
    told.write(f"{END}; {BERGEN}", cause="digest by test", window=(7, 7))
    correct(told, 1, value="Olso")
    told.undo(correct(told, 1, value="Oslo by the sea").id)
    told.forget([7])
    [fact] = [fact for fact in told.facts() if fact.id == 1]
    assert (fact.value, fact.ended_on) == ("Olso", "")
    assert told.check() == []


def test_an_end_that_somebody_else_gave_stays(told: SqliteStore) -> None:
    end(told, 2, on="2024-03")
    told.write(f"{END} AND id = 1; {BERGEN}", cause="digest by test", window=(7, 7))
    told.undo(3)
    end(told, 1, on="2024-05")
    told.forget([7])
    assert ends(told) == ["2024-05", "2024-03", ""]
    assert told.check() == []


def test_a_backup_takes_it_back_too(told: SqliteStore, tmp_path: Path) -> None:
    told.write(f"{END}; {BERGEN}", cause="digest by test", window=(7, 7))
    told.backup(tmp_path / "backup.db")
    told.forget([7])
    with open_store(tmp_path / "backup.db") as backup:
        assert isinstance(backup, SqliteStore)
        assert_as_if_never_ended(backup)


def test_the_preview_says_so(told: SqliteStore, path: Path) -> None:
    told.write(f"{END}; {BERGEN}", cause="digest by test", window=(7, 7))
    arguments = ["forget", "--turn", "7", "--db", str(path)]
    shown = CliRunner().invoke(app, arguments, input="n\n").stdout
    assert "1 fact ended by them, to be reopened:" in shown
    assert "until 2024-03 (fact 1, turn 1) -> not until 2024-03" in shown
    assert len(told.turns()) == len(SAID) + 2
