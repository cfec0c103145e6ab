"""Summaries in a store: told by a digest, undone, copied, blanked with what they rest on."""

from dataclasses import replace
from pathlib import Path

import pytest

from memory import SqlError, Store, Turn, open_store
from memory.errors import InputError
from memory.facts import correct
from memory.facts.additions import add_turns
from memory.records import Summary
from memory.store.turns.summaries import (
    LONGEST_SUMMARY,
    MOST_OF_A_WINDOW,
    newest_summaries,
    set_summary,
)
from memory.store.waiting.pending_windows import claim_window
from tests.conftest import CAT, MOVED

BOTH_STORES = "slow"

TOLD = (
    "INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES"
    " (1, 2, 'Anna moved to Oslo, and Ben asked about it.'), (3, 3, 'Anna got the cat Miso.')"
)
MOVE = Summary(1, 2, "session", "Anna moved to Oslo, and Ben asked about it.")
MISO = Summary(3, 3, "session", "Anna got the cat Miso.")


@pytest.fixture
def told(store: Store) -> Store:
    store.write(f"{MOVED}; {CAT}; {TOLD}", cause="digest", window=claim_window(store, 3))
    return store


def test_a_digest_tells_what_its_window_is_about(told: Store) -> None:
    assert told.summaries() == [MOVE, MISO]
    [change] = told.changes()
    assert change.rows == 2
    assert "INSERT INTO summaries" in change.statement


def test_the_newest_lines_of_sessions_are_those_that_are_told(told: Store) -> None:
    assert newest_summaries(told, 9) == [MOVE, MISO]
    assert newest_summaries(told, 1) == [MISO]
    assert newest_summaries(told, 9, before=3) == [MOVE]
    correct(told, 2, value="the cat Mo")
    assert newest_summaries(told, 9) == [MOVE]


def test_digested_facts_are_not_those_of_templates(told: Store) -> None:
    add_turns(told, [Turn("Ben", "I live in Leeds.")])
    assert "Leeds" in [fact.value for fact in told.facts()]
    assert [fact.value for fact in told.digested_facts([6, 3, 1])] == ["Oslo", "cat Miso"]
    assert [fact.value for fact in told.digested_facts([3])] == ["cat Miso"]
    assert told.digested_facts([]) == []


def test_facts_of_turns_tell_what_a_person_has_changed_in_place(told: Store) -> None:
    def pairs() -> list[tuple[str, str | None]]:
        return [
            (stated.fact.value, stated.before.value if stated.before else None)
            for stated in told.facts_of_turns([6, 3, 1])
        ]

    assert pairs() == [("Oslo", None), ("cat Miso", None)]
    change = correct(told, 2, value="cat Figaro")
    assert pairs() == [("Oslo", None), ("cat Figaro", "cat Miso")]
    told.undo(change.id)
    assert pairs() == [("Oslo", None), ("cat Miso", None)]
    assert told.facts_of_turns([]) == []


def test_a_model_may_read_them(told: Store) -> None:
    rows = told.read(
        "SELECT turn_id, last_turn_id, summary FROM summaries ORDER BY turn_id LIMIT 1"
    )
    assert rows.rows == ((1, 2, MOVE.text),)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        (
            "INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES (4, 5, 'a')",
            "window, 1 to",
        ),
        (
            "INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES (2, 1, 'a')",
            "window, 1 to",
        ),
        ("INSERT INTO summaries (turn_id, summary) VALUES (2, 'a')", "add last_turn_id"),
        ("INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES (1, 1, '')", "not empty"),
        (
            "INSERT INTO summaries (turn_id, last_turn_id, summary, kind)"
            " VALUES (1, 1, 'a', 'month')",
            "has the columns",
        ),
        (
            "INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES "
            + ", ".join(["(1, 1, 'a')"] * (MOST_OF_A_WINDOW + 1)),
            "at most 8",
        ),
        ("DELETE FROM summaries WHERE turn_id = 1", "writes a summary anew"),
        ("UPDATE summaries SET summary = 'a' WHERE turn_id = 1", "writes a summary anew"),
        ("INSERT INTO summaries SELECT turn_id, turn_id, value FROM facts", "name the columns"),
    ],
)
def test_what_a_model_may_not_tell_is_refused_with_advice(
    store: Store, statement: str, reason: str
) -> None:
    with pytest.raises(SqlError, match=reason):
        store.write(f"{MOVED}; {statement}", cause="digest", window=claim_window(store, 3))
    assert store.summaries() == []
    assert store.facts() == []


def test_a_line_that_is_to_be_split_by_conversations_is_never_one_too_many(store: Store) -> None:
    store.forget([1, 2, 3, 4, 5])
    sessions = [*"aaaaaaaab"]
    store.add([Turn("Anna", f"Number {n}.", session) for n, session in enumerate(sessions)])
    first, *_, last = [turn.id for turn in store.turns()]
    head = "INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES "
    lines = [f"({n}, {n}, 'Anna counts.')" for n in range(first, last - 1)]
    window = claim_window(store, len(sessions))
    over_two = ", ".join([*lines, f"({last - 1}, {last}, 'Anna counts.')"])
    with pytest.raises(SqlError, match="is over several conversations"):
        store.write(head + over_two, cause="digest", window=window)
    each = ", ".join([*lines, f"({last - 1}, {last - 1}, 'a')", f"({last}, {last}, 'b')"])
    store.write(head + each, cause="digest", window=window)
    assert len(store.summaries()) == MOST_OF_A_WINDOW + 1


def test_only_a_digest_tells(store: Store) -> None:
    with pytest.raises(SqlError, match="only a digest"):
        store.write(TOLD, cause="tool")


def test_lines_are_short_and_those_of_the_same_turns_are_one(store: Store) -> None:
    long = "and so on " * 100
    store.write(
        "INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES"
        f" (1, 1, '{long}'), (2, 3, 'Ben asked.'), (2, 3, 'Anna laughed.')",
        cause="digest",
        window=claim_window(store, 3),
    )
    first, second = store.summaries()
    assert len(first.text) <= LONGEST_SUMMARY
    assert first.text.endswith("\u2026")
    assert second.text == "Ben asked. Anna laughed."


def test_an_undone_digest_takes_its_lines_back(told: Store) -> None:
    undoing = told.undo(told.changes()[0].id)
    assert told.summaries() == []
    told.undo(undoing.id)
    assert told.summaries() == [MOVE, MISO]


def test_a_corrected_fact_takes_the_text_of_its_turns_and_an_undo_gives_it_back(
    told: Store,
) -> None:
    change = told.write(
        "UPDATE facts SET value = 'Bergen' WHERE turn_id = 1", "edit", by_person=True
    )
    assert told.summaries() == [replace(MOVE, text=""), MISO]
    told.undo(change.id)
    assert told.summaries() == [MOVE, MISO]


def test_an_end_leaves_the_story_as_it_was(told: Store) -> None:
    told.write("UPDATE facts SET ended_on = '2018' WHERE turn_id = 1", "edit", by_person=True)
    assert told.summaries() == [MOVE, MISO]


def test_a_line_is_told_anew_in_the_place_of_the_old_one(told: Store) -> None:
    anew = replace(MOVE, text="Anna moved to Bergen.")
    change = set_summary(told, anew, instead_of=MOVE, by="digest")
    assert told.summaries() == [anew, MISO]
    with pytest.raises(InputError):
        set_summary(told, anew, instead_of=MOVE)
    with pytest.raises(InputError, match="there are no turns 90 to 91"):
        set_summary(told, Summary(90, 91, "session", "Nothing."))
    told.undo(change.id)
    assert told.summaries() == [MOVE, MISO]


def test_lines_are_forgotten_with_any_of_their_turns(told: Store) -> None:
    told.forget([2])
    assert told.summaries() == [replace(MOVE, text=""), MISO]
    told.forget([3])
    assert told.summaries() == [replace(MOVE, text="")]
    records = "".join(map(str, told.dump()))
    assert "asked about it" not in records
    assert "the cat Miso" not in records
    assert told.check() == []


def test_a_dump_and_the_past_have_the_lines(told: Store, tmp_path: Path) -> None:
    with open_store(tmp_path / "copy.db") as copy:
        copy.load(told.dump())
        assert copy.summaries() == [MOVE, MISO]
        copy.undo(copy.changes()[-1].id)
        assert copy.summaries() == []
    with told.as_of("2999-01-01") as past:
        assert past.summaries() == [MOVE, MISO]


def test_a_backup_has_them_and_forgets_with_its_memory(told: Store, tmp_path: Path) -> None:
    copy = tmp_path / "backup.db"
    told.backup(copy)
    with open_store(copy, read_only=True) as backup:
        assert backup.summaries() == [MOVE, MISO]
    told.forget([1])
    with open_store(copy, read_only=True) as backup:
        assert backup.summaries() == [replace(MOVE, text=""), MISO]


def test_a_copy_of_a_memory_goes_on_where_it_was(told: Store) -> None:
    told.add([Turn("Anna", "Miso sleeps.")])
    assert told.summaries() == [MOVE, MISO]


def test_a_correction_is_undone_although_its_story_was_told_anew(told: Store) -> None:
    wrong = replace(MOVE, text="Anna moved to Rome.")
    change = told.write("UPDATE facts SET value = 'Rome' WHERE turn_id = 1", "edit", by_person=True)
    set_summary(told, wrong, instead_of=replace(MOVE, text=""))
    undoing = told.undo(change.id)
    assert told.summaries() == [replace(MOVE, text=""), MISO]
    assert "Rome" not in [fact.value for fact in told.facts()]
    redoing = told.undo(undoing.id)
    assert told.summaries() == [wrong, MISO]
    told.undo(redoing.id)
    set_summary(told, wrong, instead_of=replace(MOVE, text=""))
    told.undo(told.changes()[0].id)  # the digest that stored them
    assert told.summaries() == []
    assert told.check() == []


def test_a_line_is_over_one_conversation(store: Store) -> None:
    ids = store.add([Turn("Ann", f"Said {n}.", session=f"chat {n // 2}") for n in range(4)])
    line = "INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES ({}, {}, 'Ann talked')"
    advice = f"{ids[0]} to {ids[1]}, {ids[2]} to {ids[3]}. Write a row for each"
    with pytest.raises(SqlError, match=advice):
        store.write(line.format(ids[0], ids[3]), cause="digest", window=(ids[0], ids[3]))
    store.write(line.format(ids[2], ids[3]), cause="digest", window=(ids[0], ids[3]))
    assert [(row.turn_id, row.last_turn_id) for row in store.summaries()] == [(ids[2], ids[3])]
