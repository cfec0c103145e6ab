"""The past of a memory: facts at a point, reverting, memories as of a moment.

MEMORY_EXAMPLES is how many sequences of writes the two properties below try.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import Fact, InputError, Store, Turn, open_store
from memory.errors import StoreError
from memory.store.changes import journal
from memory.store.changes.history import edits_of, revert_to
from memory.store.configuration.settings import set_setting, settings_of
from memory.store.sqlite.store import SqliteStore
from tests.conftest import CAT, DOG, INSERT, MOVED
from tests.support.full_text import assert_sound
from tests.support.journal_model import (
    START,
    Clock,
    Model,
    Operation,
    day_of,
    operations,
    play,
    state,
)
from tests.support.rows import connection_of

BOTH_STORES = "slow"

EXAMPLES = int(os.environ.get("MEMORY_EXAMPLES", "30"))

# --------------------------------------------------- any sequence of writes, beside a model


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(journal, "now", clock.now)
    return clock


anything = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty memory: making one takes longer than all the rest."""
    path = tmp_path_factory.mktemp("empty") / "empty.db"
    open_store(path).close()
    return path


@contextmanager
def fresh(path: Path, empty: Path) -> Iterator[SqliteStore]:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    path.write_bytes(empty.read_bytes())
    with open_store(path) as store:
        assert isinstance(store, SqliteStore)
        connection_of(store).execute("PRAGMA synchronous = OFF")
        yield store


@anything
@given(sequence=operations)
def test_facts_at_every_point_are_those_of_then(
    sequence: Sequence[Operation], path: Path, empty: Path, clock: Clock
) -> None:
    clock.time = START
    with fresh(path, empty) as store:
        model = play(store, clock, sequence)
        changes = store.changes()
        assert [change.id for change in changes] == [*range(1, len(model.states))]
        for number, then in enumerate(model.states):
            assert state(store, number) == state(store, f"#{number}") == then
        for change in changes:
            assert bool(change.undone_at) is model.undone(change.id)
        for ahead in (*range(-10, 60, 3), 9000):
            day = (START + timedelta(days=ahead)).strftime("%Y-%m-%d")
            assert state(store, day) == model.at(day)
        _assert_edits(store, model)
        assert_sound(store)


def _assert_edits(store: Store, model: Model) -> None:
    """The journal leads from each state to the next."""
    edits = edits_of(store)
    facts: dict[int, Fact] = {}
    for change in range(1, len(model.states)):
        for edit in (edit for edit in edits if edit.change_id == change):
            assert edit.moment == model.moment(change, edit.fact_id)
            assert facts.pop(edit.fact_id, None) == edit.before != edit.after
            if edit.after:
                facts[edit.fact_id] = edit.after
        assert facts.keys() == model.states[change].keys()
    assert [facts[fact_id] for fact_id in sorted(facts)] == store.facts()


@pytest.mark.slow
@anything
@given(sequence=operations, ago=st.integers(-3, 40))
def test_a_memory_as_of_a_moment_is_one_that_knows_no_more(
    sequence: Sequence[Operation], ago: int, path: Path, empty: Path, clock: Clock
) -> None:
    clock.time = START
    with (
        fresh(path, empty) as store,
        fresh(path.with_name("built.db"), empty) as built,
    ):
        model = play(store, clock, sequence)
        day = clock.day(-ago)
        turns, facts = model.heard(day), model.at(day)
        ids = dict(zip((turn.id for turn in turns), built.add(turns), strict=True))
        facts = {n: fact for n, fact in facts.items() if fact[2] in ids}
        for value, ended, turn in facts.values():
            value = value.replace("'", "''")
            built.write(
                "INSERT INTO facts (subject, attribute, value, ended_on, turn_id)"
                f" VALUES ('Anna', 'likes', '{value}', '{ended}', {ids[turn]})",
                "test",
            )
        with store.as_of(day) as past:
            assert past.turns() == turns
            assert state(past) == facts
            assert [change.id for change in past.changes()] == [
                n
                for n, since in enumerate(model.counts_from)
                if n
                and any(
                    day_of(moment) <= day
                    for moment in (since, *(model.moment(n, fact) for fact in model.touched[n]))
                )
            ]
            assert past.catalog(500) == built.catalog(500)
            for text in ("Anna, cat?", "What did A say?", "東京 running 3"):
                assert [(ids[hit.turn_id], hit.score) for hit in past.search(text, 50)] == [
                    (hit.turn_id, pytest.approx(hit.score)) for hit in built.search(text, 50)
                ]


# ------------------------------------------------------------------------------ by example


def test_an_imported_history_counts_from_when_it_was_said(store: SqliteStore) -> None:
    store.write(f"{MOVED}; {CAT}", "digest", window=(1, 3))
    ended = f"UPDATE facts SET ended_on = '2017-06' WHERE id = 1; {DOG}"
    store.write(ended, "digest", window=(4, 5), by_person=True)
    store.write("UPDATE facts SET value = 'cat Misa' WHERE id = 2", "by a person")
    assert [(f.value, f.ended_on) for f in store.facts("2017-05")] == [
        ("Oslo", ""),
        ("cat Miso", ""),
    ]
    assert [(f.value, f.ended_on) for f in store.facts("2017")] == [
        ("Oslo", "2017-06"),
        ("cat Miso", ""),
        ("dog Rufus", ""),
    ]
    assert store.facts("2017-05-07") == []
    assert store.facts("2999") == store.facts()
    assert store.facts()[1].value == "cat Misa"
    # New facts by their own turns, an end by the last turn of the window.
    moments = [edit.moment for edit in edits_of(store)[:4]]
    assert moments == ["2017-05-08T13:56", "2017-05-08", "2017-06-12", "2017-06-12T09:00"]


def test_questions_as_of_a_moment_are_answered_from_then(store: SqliteStore, path: Path) -> None:
    store.write(f"{MOVED}; {CAT}", "digest", window=(1, 3))
    store.write(f"{DOG}", "digest", window=(4, 5))
    set_setting(store, "user", "Anna")
    before = path.read_bytes(), sorted(path.parent.iterdir())
    with open_store(path, read_only=True) as reader, reader.as_of("2017-06-01") as past:
        assert len(past.turns()) == 3
        assert "Rufus" not in str(past.search("Which dog was adopted?")) + past.catalog(300)
        rows = past.read("SELECT f.value, t.speaker FROM facts f JOIN turns t ON t.id = turn_id")
        assert rows.rows == (("Oslo", "Anna"), ("cat Miso", "Anna"))
        assert past.read("SELECT turn_id FROM search('adopted a dog', 9)").rows
        assert not settings_of(past, "user"), "it was set later"
        with pytest.raises(StoreError, match="reading only"):
            past.undo(1)
        copy = past.path
        assert copy.exists()
    assert not copy.parent.exists()
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == before


def test_an_undo_is_part_of_the_past(store: SqliteStore, clock: Clock) -> None:
    """Even of an undo of an undo of an undo."""
    clock.time = START.replace(year=2024)
    store.write(MOVED, "test")
    for change in range(1, 5):
        clock.time += timedelta(days=1)
        store.undo(change)
    undone = [bool(change.undone_at) for change in store.changes()]
    assert undone == [False, True, False, True, False]
    for days in range(5):
        with store.as_of(clock.day(-days)) as past:
            assert len(past.facts()) == 1 - days % 2 == len(store.facts(clock.day(-days)))
            marks = [bool(change.undone_at) for change in past.changes()]
            assert marks == [bool((n + days) % 2) for n in range(5 - days)]


def test_what_was_reverted_is_undone_by_undoing_the_revert(store: SqliteStore) -> None:
    store.write(MOVED, "test")
    store.write(f"{CAT}; DELETE FROM facts WHERE id = 1", "test")
    latest = store.facts()
    revert = revert_to(store, "#1")
    assert (revert.cause, revert.facts) == ("revert to #1", 2)
    with pytest.raises(InputError, match="undo 3 first"):
        store.undo(2)
    store.undo(revert.id)
    assert store.facts() == latest
    with pytest.raises(InputError, match="no change 7"):
        revert_to(store, 7)


def test_the_journal_is_read_in_parts(store: SqliteStore) -> None:
    moved, cat = store.write(MOVED, cause="by hand"), store.write(CAT, cause="by hand")
    undo = store.undo(cat.id)
    assert store.changes(limit=2) == store.changes()[1:]
    assert store.changes(before=undo.id, limit=1) == store.changes()[1:2]
    assert store.changes(before=moved.id) == store.changes(limit=0) == []
    edits = edits_of(store)
    assert edits_of(store, moved.id) == edits[:1]
    assert edits_of(store, fact_id=2) == edits[1:]
    assert edits_of(store, undo.id, fact_id=2) == edits[2:]
    assert edits_of(store, undo.id, fact_id=1) == edits_of(store, 99) == []


def test_facts_of_one_digest_are_dated_by_their_own_turns(store: Store) -> None:
    keys, fjord = store.add(
        [
            Turn("Anna", "We got the keys of the flat in Oslo.", said_at="2024-01-01"),
            Turn("Anna", "The fjord was frozen.", said_at="2025-01-01"),
        ]
    )
    store.write(
        f"{INSERT}('Anna', 'lives_in', 'Oslo', '', {keys});"
        f" {INSERT}('Anna', 'saw', 'a frozen fjord', '', {fjord})",
        cause="digest",
        window=(keys, fjord),
    )
    for point, values in (
        ("2023", []),
        ("2024-06", ["Oslo"]),
        ("2025", ["Oslo", "a frozen fjord"]),
    ):
        assert [fact.value for fact in store.facts(point)] == values
        with store.as_of(point) as past:
            assert [fact.value for fact in past.facts()] == values


@pytest.mark.parametrize("forgotten", range(4))
def test_forgetting_a_turn_keeps_the_past_of_other_facts(store: Store, forgotten: int) -> None:
    """Also where the turns of a window were not said in their order, or have no date."""
    days = ["2024-03-01", "2026-01-01", "", "2024-05-01"]
    ids = store.add([Turn("Anna", f"I like tea {n}.", said_at=day) for n, day in enumerate(days)])
    rows = ", ".join(f"('Anna', 'likes', 'tea {n}', '', {turn})" for n, turn in enumerate(ids))
    store.write(f"{INSERT}{rows}", cause="digest", window=(ids[0], ids[-1]))
    points = ["2024-04", "2024-06", "2026-06"]
    before = [[f.value for f in store.facts(p) if f.turn_id != ids[forgotten]] for p in points]
    store.forget([ids[forgotten]])
    after = [[fact.value for fact in store.facts(point)] for point in points]
    assert all({*earlier} <= {*later} for earlier, later in zip(before, after, strict=True))
