"""Corrections that were undone: their turns stay, marked as withdrawn wherever they are read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memory import Change, Memory, Turn, memory_tools, open_store
from memory.__main__ import app
from memory.exchange.exports import export_memory
from memory.facts import correct, end, remove, supersede
from memory.models import load_model
from memory.store.changes import journal
from memory.store.changes.history import revert_to
from memory.store.sqlite import connection
from memory.store.sqlite.store import SqliteStore
from tests.conftest import CAT, DOG, INSERT, MOVED, SAID
from tests.support.rows import set_moment_of_change
from tests.support.scripted import answer, scripted_model, sql

BOTH_STORES = "slow"

CORRECTION = "Correction: Anna lives in Tokyo, not Oslo."
WITHDRAWN = f"(withdrawn) {CORRECTION}"


@pytest.fixture
def told(store: SqliteStore) -> SqliteStore:
    store.write(f"{MOVED}; {CAT}; {DOG}", cause="digest by test", window=(1, 5))
    return store


@pytest.fixture
def correction(told: SqliteStore) -> Change:
    return supersede(told, 1, "Tokyo", by="Anna")


def test_undo_marks_the_turn_and_redo_takes_the_mark_away(
    told: SqliteStore, correction: Change
) -> None:
    assert told.turn(6).text == CORRECTION
    undone = told.undo(correction.id)
    assert told.turn(6).text == WITHDRAWN
    assert [turn.text for turn in told.turns()] == [*(turn.text for turn in SAID), WITHDRAWN]
    redone = told.undo(undone.id)
    assert told.turn(6).text == CORRECTION
    told.undo(redone.id)
    assert told.turn(6).text == WITHDRAWN


def test_a_revert_withdraws_a_correction_too(told: SqliteStore, correction: Change) -> None:
    reverted = revert_to(told, correction.id - 1)
    assert told.turn(6).text == WITHDRAWN
    told.undo(reverted.id)
    assert told.turn(6).text == CORRECTION


def test_a_correction_of_a_correction_is_withdrawn_alone(
    told: SqliteStore, correction: Change
) -> None:
    second = supersede(told, 4, "Kyoto", by="Anna")
    told.undo(second.id)
    assert told.turn(7).text == "(withdrawn) Correction: Anna lives in Kyoto, not Tokyo."
    assert told.turn(6).text == CORRECTION


@pytest.mark.parametrize(
    "act",
    [
        lambda store: remove(store, 4),
        lambda store: end(store, 4),
        lambda store: correct(store, 4, value="Tokio"),
        lambda store: store.undo(correct(store, 4, value="Tokio").id),
    ],
)
def test_what_is_no_undo_of_the_correction_withdraws_nothing(
    told: SqliteStore, correction: Change, act: Callable[[SqliteStore], object]
) -> None:
    act(told)
    assert told.turn(6).text == CORRECTION


def test_what_was_said_stays_said_when_a_digest_is_undone(store: SqliteStore) -> None:
    [turn_id] = store.add([Turn("Anna", "I live in Rome.")])
    fact = INSERT + f"('Anna', 'lives_in', 'Rome', '', {turn_id})"
    for change in (
        store.write(fact, cause="digest by test", window=(turn_id, turn_id)),
        store.write(fact, cause="tool note_fact"),
    ):
        store.undo(change.id)
        assert store.turn(turn_id).text == "I live in Rome."


def test_the_past_a_backup_and_a_dump_have_the_marks_of_their_time(
    told: SqliteStore, correction: Change, tmp_path: Path
) -> None:
    undone = told.undo(correction.id)
    set_moment_of_change(told, undone.id, "2099-06-01")
    told.backup(tmp_path / "backup.db")
    with open_store(tmp_path / "loaded.db") as loaded:
        loaded.load(told.dump())
        assert loaded.turn(6).text == WITHDRAWN
        assert [*loaded.dump()] == [*told.dump()], "what is stored has no mark"
    with open_store(tmp_path / "backup.db", read_only=True) as backup:
        assert backup.turn(6).text == WITHDRAWN
    with told.as_of("2099-05") as before, told.as_of("2099-07") as after:
        assert (before.turn(6).text, after.turn(6).text) == (CORRECTION, WITHDRAWN)


def test_models_read_the_mark(told: SqliteStore, correction: Change) -> None:
    told.undo(correction.id)
    assert told.read("SELECT text FROM turns WHERE id = 6").rows == ((WITHDRAWN,),)
    quoted = told.read("SELECT speaker || ': ' || text AS line, id FROM turns WHERE id = 6").rows
    assert quoted == ((f"Anna: {WITHDRAWN}", 6),)
    recall = next(t for t in memory_tools(Memory(told)) if t.__name__ == "recall")
    assert WITHDRAWN in recall("Tokyo")
    rows = sql("SELECT id, text FROM turns WHERE text LIKE '%Tokyo%'")
    script = [([], rows), ([f"Anna: {WITHDRAWN}"], answer("Oslo", "1"))]
    assert Memory(told, model=scripted_model(script)).ask("Where does Anna live?").turns == (1,)
    assert WITHDRAWN in Memory(told).context("Tokyo", gate=False).text


@pytest.mark.slow  # runs the packaged model
def test_the_packaged_model_does_not_quote_what_was_withdrawn(
    told: SqliteStore, correction: Change
) -> None:
    told.undo(correction.id)
    with Memory(told, load_model()) as memory:
        question = "Does Anna live in Tokyo?"
        assert "Tokyo" not in memory.ask(question).text
        assert "Tokyo" not in "".join(memory.reply(Turn("Anna", question)))


def test_no_fact_is_made_of_what_was_withdrawn(store: SqliteStore) -> None:
    store.write(MOVED, cause="test")
    change = supersede(store, 1, "Tokyo")  # the turns before it wait for a digest
    store.undo(change.id)
    model = scripted_model([(["[5] (Mon 12 Jun 2017) Anna: Lovely!"], sql("-- none"))])
    assert Memory(store, model=model).digest().stored == 1
    assert "Tokyo" not in model.lm.script.prompts[0]


def test_it_is_forgotten_like_any_turn(told: SqliteStore, correction: Change) -> None:
    told.undo(correction.id)
    assert told.forget([6]).turns == (6,)
    assert len(told.turns()) == 5
    assert told.check() == []
    assert told.search("Tokyo Oslo", 9)[0].turn_id == 1


@pytest.mark.parametrize("format", ["md", "csv"])
def test_people_who_read_an_export_see_the_mark(
    told: SqliteStore, correction: Change, tmp_path: Path, format: str
) -> None:
    told.undo(correction.id)
    export_memory(told, tmp_path / "file", format, title="Anna")
    assert WITHDRAWN in (tmp_path / "file").read_text("utf-8")


def test_the_command_undo_says_what_becomes_of_the_turn(
    told: SqliteStore, correction: Change, path: Path
) -> None:
    out = CliRunner().invoke(app, ["undo", "--db", str(path)]).stdout
    assert f"Anna: {WITHDRAWN}" in out
    assert f"`memory forget --turn 6 --db {path}` removes it" in out
    found = CliRunner().invoke(app, ["search", "Tokyo", "--json", "--db", str(path)]).stdout
    assert json.loads(found.splitlines()[0])["text"] == WITHDRAWN


def test_a_memory_of_the_third_schema_knows_what_was_withdrawn_before(path: Path) -> None:
    old = connection.connect(path, read_only=False)
    turn = "INSERT INTO turns (kind, session, speaker, text, said_at, source) VALUES"
    old.execute(f"{turn} ('message', 'corrections', 'Anna', '{CORRECTION}', '', '')")
    change_id = journal.begin(old, "edit by Anna", "INSERT ...")
    old.execute(INSERT + "('Anna', 'lives_in', 'Tokyo', NULL, 1)")
    # As an undo was written then.
    journal.begin(old, f"undo {change_id}", "")
    old.execute("DELETE FROM facts")
    old.close()
    with open_store(path) as store:
        assert store.turn(1).text == WITHDRAWN
