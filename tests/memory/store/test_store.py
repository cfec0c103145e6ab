"""The store: what it promises about turns, facts, the journal and the windows."""

import os
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from memory import InputError, SqlError, Store, Turn, open_store
from memory.errors import ClaimLostError, HeldError, StoreError
from memory.store.changes import journal
from memory.store.changes.history import edits_of
from memory.store.configuration.settings import set_setting, settings_of
from memory.store.sqlite.store import SqliteStore
from memory.store.turns.turns_table import known_sources
from memory.store.waiting import pending_windows
from memory.store.waiting.pending_windows import claim_window, fail_window, reclaim_window
from memory.text.tokens import count_tokens
from tests.conftest import CAT, DOG, INSERT, MOVED, SAID
from tests.support.full_text import assert_sound
from tests.support.reversed_ranking import REVERSED
from tests.support.rows import rows_of

BOTH_STORES = True

FACTS = (
    "SELECT id, subject, attribute, value, happened_on, ended_on, turn_id FROM facts ORDER BY id"
)


def facts(store: Store) -> list[tuple[object, ...]]:
    return list(store.read(FACTS).rows)


# ------------------------------------------------------------------------------------ turns


def test_turns_are_numbered_and_come_back_as_they_were_said(store: SqliteStore) -> None:
    first, *others = [replace(turn, id=n) for n, turn in enumerate(SAID, 1)]
    moved = replace(first, tags={"speaks_of": "2017-05-06"})  # "last Saturday"
    assert store.turns() == [moved, *others]
    assert store.turn(3).source == "D1:3"
    assert [turn.id for turn in store.turns(2, 3)] == [2, 3]


def test_turns_are_durable_when_add_returns(store: SqliteStore, path: Path) -> None:
    assert sqlite3.connect(path).execute("SELECT count(*) FROM turns").fetchone() == (5,)
    assert rows_of(store, "PRAGMA synchronous") == [(2,)]  # FULL: flushed at every commit


def test_more_turns_of_a_question_are_those_of_a_new_search(store: Store, address: str) -> None:
    question = "Who has a cat in Oslo?"
    with open_store(address) as other:
        assert store.search(question, 2) == other.search(question, 5)[:2]
        assert store.search(question, 5) == other.search(question, 5)
        for change in (
            lambda: store.add([Turn("Ben", "A cat lives in Oslo too.", "later")]),
            lambda: other.add([Turn("Ben", "So does a dog, in Oslo.", "later")]),
            lambda: store.write(f"{INSERT}('Ben', 'has', 'a cat', NULL, 4)", cause="test"),
            lambda: store.add([Turn("Anna", "Ben's cat sleeps.", "later")]),
            lambda: store.forget([3]),
        ):
            change()
            with open_store(address) as new:
                hits = new.search(question, 9)
            assert [hit.shares for hit in store.search(question, 9)] == [h.shares for h in hits]
            assert store.search(question, 9) == hits


def test_a_turn_cannot_be_changed(store: SqliteStore) -> None:
    if not isinstance(store, SqliteStore) and os.environ.get("MEMORY_TEST_CITUS"):
        pytest.skip("a trigger refuses it, and Citus runs none")
    table = "turns" if isinstance(store, SqliteStore) else "memory.turns"
    with pytest.raises(StoreError, match="never changed"), store.transaction() as conn:
        conn.execute(f"UPDATE {table} SET text = 'I said nothing' WHERE id = 1")


@pytest.mark.parametrize(
    ("turn", "complaint"),
    [
        (Turn("Anna", "  \n"), "turn 2 .* no text"),
        (Turn(" ", "hello"), "no speaker"),
        (Turn("Anna", "x" * 4_000_001), "split it"),
        (Turn("Anna", "hello", kind="rumour"), "rumour"),  # type: ignore[arg-type]
    ],
)
def test_one_unusable_turn_is_named_and_none_is_stored(
    store: SqliteStore, turn: Turn, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        store.add([Turn("Anna", "fine"), turn])
    assert len(store.turns()) == 5


@pytest.mark.parametrize(
    ("turns", "says"),
    [
        (Turn("Anna", "x"), r"add takes a list of turns: store.add\(\[turn\]\)"),
        (["x"], "turn 1 is str, no Turn"),
        ([Turn("Anna", "x"), Turn("Anna", 5)], "turn 2: speaker, text, .* must be text"),
        ([Turn("Anna", "x", said_at=None)], "turn 1: speaker, text, .* must be text"),
    ],
)
def test_what_is_no_list_of_turns_is_an_input_error(
    store: SqliteStore, turns: Any, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        store.add(turns)
    assert len(store.turns()) == 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "stored_text"),
    [
        ("nul \0 here", "nul \ufffd here"),
        ("half \ud83d of an emoji", "half \ufffd of an emoji"),
        ("whole \ud83d\ude00 as a pair", "whole 😀 as a pair"),
        ("شكرا جزيلا 👋🏽 \u202etfel ot thgir", "شكرا جزيلا 👋🏽 \u202etfel ot thgir"),
        ("word " * 200_000, "word " * 200_000),
    ],
    ids=["nul", "lone surrogate", "surrogate pair", "right to left", "a megabyte"],
)
def test_any_text_can_be_kept_and_found_again(
    store: SqliteStore, text: str, stored_text: str
) -> None:
    [turn_id] = store.add([Turn("Anna", text)])
    assert store.turn(turn_id).text == stored_text
    assert store.search(text[:200], 3)


def test_a_date_that_cannot_be_read_is_kept_as_said(store: SqliteStore) -> None:
    [turn_id] = store.add([Turn("Anna", "hm", said_at="the day after the storm")])
    assert store.turn(turn_id).said_at == "the day after the storm"


def test_an_unknown_turn_is_an_input_error(store: SqliteStore) -> None:
    with pytest.raises(InputError, match="no turn 99"):
        store.turn(99)


# ----------------------------------------------------------------------------------- search


def test_turns_are_looked_up_in_bulk_in_the_order_of_their_ids(store: SqliteStore) -> None:
    ids = [5, 1, 5, 3]
    assert store.turns_by_id(ids) == [store.turn(turn_id) for turn_id in ids]
    assert store.turns_by_id([]) == []
    with pytest.raises(InputError, match=r"there is no turn 6$"):
        store.turns_by_id([1, 6, 7])
    for absent in (0, -1, 6, 2**62, 2**63, 2**70):
        assert [turn.id for turn in store.turns_by_id([2, absent, 1], missing_ok=True)] == [2, 1]


def test_turns_are_counted(store: SqliteStore) -> None:
    assert store.count_turns() == len(SAID)
    store.forget([2])
    assert store.count_turns() == len(SAID) - 1


def test_search_finds_the_turn_that_says_it(store: SqliteStore) -> None:
    assert store.search("Where did Anna move?", 2)[0].turn_id == 1
    assert len(store.search("Anna", 50)) == 5


def test_the_weights_of_a_ranking_belong_to_one_search(store: SqliteStore) -> None:
    question = "Where did Anna move?"
    plain = [hit.turn_id for hit in store.search(question)]
    other = [hit.turn_id for hit in store.search(question, weights=REVERSED)]
    assert other != plain == [hit.turn_id for hit in store.search(question)]
    shuffled = dict(reversed(REVERSED.items()))
    assert [hit.turn_id for hit in store.search(question, weights=shuffled)] == other
    select = f"SELECT turn_id FROM search('{question}', 1)"
    assert store.read(select, weights=REVERSED).rows == ((other[0],),)
    assert store.read(select).rows == ((plain[0],),)
    with pytest.raises(InputError, match="of the features"):
        store.search(question, weights={"mood": 1.0})


def test_search_sees_turns_added_since_by_another_handle(store: SqliteStore, path: Path) -> None:
    store.search("zebra", 1)
    with open_store(path) as second:
        [turn_id] = second.add([Turn("Ben", "A zebra crossed the street.")])
    assert store.search("zebra", 1)[0].turn_id == turn_id


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.turn(2**63),
        lambda store: store.turn(-(2**63) - 1),
        lambda store: store.undo(2**63),
        lambda store: store.forget([2**63]),
        lambda store: store.turns_by_id([2**63]),
        lambda store: claim_window(store, 2**63),
        lambda store: fail_window(store, (2**63, 2**63), "reason"),
        lambda store: store.write(MOVED, cause="test", window=(2**63, 2**63)),
        lambda store: store.write(MOVED, cause="half a pair: \ud800"),
        lambda store: set_setting(store, "agent_name", "\ud800"),
    ],
)
def test_what_sqlite_cannot_be_sent_is_an_input_error(
    store: SqliteStore, act: Callable[[SqliteStore], object]
) -> None:
    with pytest.raises(InputError):
        act(store)
    assert store.turns(2**63) == []
    assert len(store.turns(1, 2**63)) == len(SAID)
    assert store.changes() == []


def test_a_fact_is_a_further_key_to_its_turn(store: SqliteStore) -> None:
    before = store.search("Who is Zorblax?", 5)
    store.write(INSERT + "('Ben', 'nickname', 'Zorblax', NULL, 4)", cause="test")
    assert store.search("Who is Zorblax?", 5)[0].turn_id == 4 != before[0].turn_id


def test_search_in_sql_gives_the_hits_of_the_ranking(store: SqliteStore) -> None:
    rows = store.read(
        "SELECT t.id, s.score FROM search('pet dog Rufus', 3) s JOIN turns t ON t.id = s.turn_id"
        " ORDER BY s.score DESC"
    )
    assert [row[0] for row in rows.rows] == [h.turn_id for h in store.search("pet dog Rufus", 3)]


def test_an_empty_memory_can_be_searched_read_and_described(path: Path) -> None:
    with open_store(path) as empty:
        assert empty.search("anything", 5) == []
        assert empty.read("SELECT * FROM search('anything', 5)").rows == ()
        assert "turns: 0" in empty.catalog(100)


# ------------------------------------------------------------------------- facts and journal


def test_a_fact_names_its_turn(store: SqliteStore) -> None:
    store.write(MOVED, cause="test")
    assert facts(store) == [(1, "Anna", "lives_in", "Oslo", "2017-05-06", None, 1)]
    with pytest.raises(SqlError, match="names no turn"):
        store.write(MOVED.replace(", 1)", ", 99)"), cause="test")


def test_a_new_fact_lies_in_the_window_shown(store: SqliteStore) -> None:
    with pytest.raises(SqlError, match="1 to 3"):
        store.write(f"{MOVED}; {DOG}", cause="test", window=(1, 3))
    store.write(DOG, cause="test", window=(4, 5))
    for change in ("turn_id = 5", "value = 'dog'"):
        with pytest.raises(SqlError, match="stays unchanged"):
            store.write(f"UPDATE facts SET {change} WHERE id = 1", cause="test", window=(4, 4))


EARLIER = f"{MOVED}; {CAT}; {INSERT}('Emi', 'likes', 'tea', NULL, 2)"
OF_ANOTHER_TURN = [
    "DELETE FROM facts WHERE id > 0",
    "DELETE FROM facts WHERE subject = 'Emi'",
    "DELETE FROM facts WHERE id IN (SELECT id FROM facts WHERE turn_id < 4)",
    "UPDATE facts SET happened_on = '1990' WHERE id = 1",
    "UPDATE facts SET value = 'Bergen' WHERE id = 1",
    "UPDATE facts SET value = (SELECT value FROM facts WHERE id = 2) WHERE id = 1",
    "UPDATE facts SET subject = 'Ben', ended_on = '2017' WHERE id = 1",
    "UPDATE facts SET turn_id = 4 WHERE id = 1",
    "UPDATE facts SET turn_id = 4 WHERE id = 1; DELETE FROM facts WHERE turn_id = 4",
    "UPDATE facts SET ended_on = '2017' WHERE id = 1; UPDATE facts SET value = 'x' WHERE id = 1",
    "UPDATE facts SET ended_on = '2024' WHERE id = 2",
    "UPDATE facts SET ended_on = '' WHERE id = 2",
]


@pytest.mark.few(6)
@pytest.mark.parametrize("statement", OF_ANOTHER_TURN)
def test_a_window_only_ends_facts_of_other_turns(store: SqliteStore, statement: str) -> None:
    store.write(f"{EARLIER}; UPDATE facts SET ended_on = '2017' WHERE id = 2", cause="test")
    before = store.facts()
    with pytest.raises(SqlError, match="the turns shown are 4 to 5"):
        store.write(f"{DOG}; {statement}", cause="digest", window=(4, 5))
    assert store.facts() == before
    assert store.write(statement, cause="a person's").facts


def test_the_advice_on_a_fact_of_another_turn_can_be_followed_as_it_stands(
    store: SqliteStore,
) -> None:
    store.write(EARLIER, cause="test")
    with pytest.raises(SqlError) as refused:
        store.write("DELETE FROM facts WHERE subject = 'Emi'", cause="digest", window=(4, 5))
    advice = (
        str(refused.value)
        .partition("insert the new one: ")[2]
        .removesuffix("INSERT INTO facts ...")
    )
    with pytest.raises(HeldError, match="no later turn in the window"):
        store.write(f"{advice}{DOG}", cause="digest", window=(4, 5))
    store.add([Turn("Ben", "No more tea for Emi.", said_at="2017-07-01")])
    store.write(f"{advice}{DOG}", cause="digest", window=(4, 6))
    assert [(fact.id, fact.ended_on) for fact in store.facts()] == [
        (1, ""),
        (2, ""),
        (3, "2017-05"),
        (4, ""),
    ]


def test_a_window_says_again_what_its_own_turns_said(store: SqliteStore) -> None:
    store.write(EARLIER, cause="digest", window=(1, 3))
    dated = "UPDATE facts SET happened_on = '2017-05-08' WHERE id = 2"
    again = f"DELETE FROM facts WHERE id = 1; {MOVED}"
    store.write(f"{dated}; {again}", cause="digest", window=(1, 3))
    assert {(fact.value, fact.happened_on) for fact in store.facts()} == {
        ("cat Miso", "2017-05-08"),
        ("Oslo", "2017-05-06"),
        ("tea", ""),
    }
    with pytest.raises(HeldError, match="no later turn"):
        store.write("DELETE FROM facts WHERE id = 2", cause="digest", window=(1, 3))


def test_a_fact_that_replace_removes_stands_in_the_journal(store: SqliteStore, path: Path) -> None:
    """The parser refuses REPLACE; should it ever pass, the journal still sees what it removes."""
    store.write(EARLIER, cause="test")
    with store.transaction() as conn:
        change_id = journal.begin(conn, "digest", "", window=(4, 5))
        conn.execute(
            "INSERT OR REPLACE INTO facts (id, subject, attribute, value, turn_id)"
            " VALUES (1, 'x', 'y', 'z', 4)"
        )
        with pytest.raises(SqlError, match="overwrites a fact of turn 1"):
            journal.check_change(conn, change_id, (4, 5))
    assert [edit.before.value for edit in edits_of(store) if edit.before] == ["Oslo"]


def many_facts(count: int) -> str:
    return INSERT + ", ".join(f"('Anna', 'likes', 'thing {n}', NULL, 1)" for n in range(count))


END_ALL = "UPDATE facts SET ended_on = '2017-06' WHERE subject = 'Anna'"


def test_a_window_that_ends_many_facts_is_held_until_a_person_decides(store: SqliteStore) -> None:
    store.write(many_facts(journal.MOST_ENDED + 1), cause="test", window=(1, 3))
    window = claim_window(store, 2)
    assert window == (4, 5)
    with pytest.raises(HeldError, match="no later turn") as held:
        store.write(f"{END_ALL}; {DOG}", cause="digest", window=window)
    assert all(not fact.ended_on for fact in store.facts())
    fail_window(store, window, str(held.value), statement=held.value.statement)
    with pytest.raises(InputError, match="nothing is held of turns 1-3"):
        store.apply_held((1, 3))
    change = store.apply_held(window)
    assert (change.facts, change.window, change.cause) == (10, (4, 5), "digest applied by user")
    assert store.pending() == []
    store.undo(change.id)
    assert all(not fact.ended_on for fact in store.facts())


def test_a_window_deletes_a_few_of_its_own_facts_and_no_life(store: SqliteStore) -> None:
    store.write(many_facts(journal.MOST_ENDED + 1), cause="test", window=(1, 3))
    window = (1, 3)
    with pytest.raises(HeldError, match="no later turn"):
        store.write("DELETE FROM facts WHERE subject = 'Anna'", cause="digest", window=window)
    assert len(store.facts()) == journal.MOST_ENDED + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM facts WHERE subject = 'Anna'",
        "UPDATE facts SET value = 'nothing' WHERE subject = 'Anna'",
        END_ALL,
    ],
)
def test_a_statement_as_wide_as_a_life_is_for_a_person(store: SqliteStore, statement: str) -> None:
    store.write(many_facts(96), cause="test")
    before = store.facts()
    with pytest.raises(SqlError, match="96 facts"):
        store.write(statement, cause="a tool")
    assert store.facts() == before
    change = store.write(statement, cause="tidied by Anna", by_person=True)
    assert change.facts == 96
    store.undo(change.id)
    assert store.facts() == before


def test_a_few_facts_may_be_deleted_without_a_person(store: SqliteStore) -> None:
    store.write(many_facts(96), cause="test")
    few = store.write(f"DELETE FROM facts WHERE id <= {journal.MOST_ENDED}", cause="a tool")
    assert few.facts == journal.MOST_ENDED


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE facts SET subject = 'x', attribute = 'x', value = 'owned' WHERE turn_id <= 3",
        "UPDATE facts SET value = 'owned' WHERE id <= 5; DELETE FROM facts WHERE id > 5",
        "UPDATE facts SET ended_on = '2017', value = 'x' WHERE id > 0",
        "UPDATE facts SET happened_on = '2017' WHERE id > 0",
    ],
)
def test_overwriting_is_held_as_deleting_is(store: SqliteStore, statement: str) -> None:
    store.write(many_facts(journal.MOST_ENDED + 1), cause="test", window=(1, 3))
    before = store.facts()
    with pytest.raises((SqlError, HeldError), match=r"stays|overwrites 9 facts"):
        store.write(statement, cause="digest", window=(1, 3))
    assert store.facts() == before


def test_a_turn_may_tell_that_many_plans_have_come_true(store: SqliteStore) -> None:
    names, days = ("plans", "appointment", "goal"), ("2017-05-20", "2017-05-28/2017-06-02")
    plans = ", ".join(
        f"('Anna', '{name}', 'on {day}', '{day}', 1)" for name in names for day in days
    )
    new = ", ".join(f"('Anna', '{name}', 'a rest', NULL, 4)" for name in names)
    store.write(INSERT + plans, cause="test", window=(1, 3))

    def end(day: str) -> None:
        update = f"UPDATE facts SET ended_on = '{day}' WHERE turn_id = 1"
        store.write(f"{update}; {INSERT}{new}", cause="digest", window=(4, 5))

    with pytest.raises(HeldError, match="no later turn"):
        end("2017-05-29")
    end("2017-06-02")
    assert [fact.ended_on for fact in store.facts()] == ["2017-06-02"] * 6 + [""] * 3


def test_one_turn_ends_two_facts_and_more_wait_for_a_person(store: SqliteStore) -> None:
    """What a turn says may be an instruction to the model that reads it."""
    olds = ("flat", "mill", "Fiat", "ale")
    rows = ", ".join(f"('Anna', 'uses', 'the old {name}', NULL, 1)" for name in olds)
    store.write(INSERT + rows, cause="test", window=(1, 5))
    said = ["No flat, no mill, no Fiat.", "No mill anymore.", "No Fiat and no ale anymore."]
    store.add([Turn("Anna", text, said_at="2017-07-01") for text in said])

    def end(first: int, last: int, window: tuple[int, int]) -> int:
        update = f"UPDATE facts SET ended_on = '2017-07' WHERE id BETWEEN {first} AND {last}"
        return store.write(update, cause="digest", window=window).facts

    with pytest.raises(HeldError, match="turn 6 ends 3 facts"):
        end(1, 3, (6, 6))
    assert end(2, 4, (7, 8)) == 3


@pytest.mark.few(4)
@pytest.mark.parametrize("end", ["0001-01-01", "1066", "2016-12", "2017-05-05", "2100", "9999"])
def test_a_fact_ends_at_a_time_that_the_memory_knows_of(store: SqliteStore, end: str) -> None:
    store.write(f"{MOVED}; {CAT}", cause="test", window=(1, 3))
    before = store.facts()
    for window in (None, (4, 5)):
        with pytest.raises(SqlError, match="from 2017-05-06"):
            store.write(f"UPDATE facts SET ended_on = '{end}' WHERE id = 1", "a tool", window)
    if end != "2017-05-05":  # the first turn says that the cat is there, not since when
        with pytest.raises(SqlError, match="write a date from 2017-05-08"):
            store.write(f"UPDATE facts SET ended_on = '{end}' WHERE id = 2", "a tool")
    assert store.facts() == before
    person = store.write(
        f"UPDATE facts SET ended_on = '{end}' WHERE id = 1", cause="edit", by_person=True
    )
    assert person.facts == 1


@pytest.mark.few(4)
@pytest.mark.parametrize("end", ["2017", "2017-05", "2017-05-06", "2017-06-12", "2027"])
def test_a_fact_may_end_on_the_day_it_began_and_in_some_years(store: SqliteStore, end: str) -> None:
    store.write(f"{MOVED}; {CAT}", cause="test", window=(1, 3))
    ended = store.write(f"UPDATE facts SET ended_on = '{end}' WHERE id = 1", "a program")
    assert ended.facts == 1


def test_what_is_held_is_judged_again_when_it_is_applied(store: SqliteStore) -> None:
    store.write(many_facts(9), cause="test", window=(1, 3))
    window = claim_window(store, 2)
    assert window
    fail_window(store, window, "held", statement=f"DELETE FROM facts WHERE turn_id = 1; {DOG}")
    with pytest.raises(InputError, match="does not fit any more"):
        store.apply_held(window)
    assert len(store.facts()) == 9
    assert store.pending()[0].statement


def test_a_claimed_window_is_not_applied_under_the_digest(store: SqliteStore, path: Path) -> None:
    window = claim_window(store, 5)
    assert window
    fail_window(store, window, "held", statement=MOVED)
    with open_store(path) as second:
        assert reclaim_window(second, window)
        with pytest.raises(InputError, match="a digest is at work"):
            store.apply_held(window)


def test_a_long_reason_is_kept_in_part(store: SqliteStore) -> None:
    window = claim_window(store, 5)
    assert window
    fail_window(store, window, "no! " * 1_000_000)
    assert len(store.pending()[0].error) == pending_windows.LONGEST_ERROR


def test_a_reason_that_quotes_half_a_character_is_kept(store: SqliteStore) -> None:
    window = claim_window(store, 5)
    assert window
    fail_window(store, window, "the model wrote \ud83d", statement="-- \ud83d")
    assert store.pending()[0].error == "the model wrote \ufffd"


def test_a_write_is_all_or_nothing(store: SqliteStore) -> None:
    with pytest.raises(SqlError):
        store.write(f"{MOVED}; {CAT}; {DOG.replace(', 4)', ', 99)')}", cause="test")
    assert facts(store) == []
    assert store.changes() == []


def test_a_change_says_what_was_done_and_why(store: SqliteStore) -> None:
    change = store.write(f"{MOVED}; {CAT}", cause="digest by local", window=(1, 3))
    assert (change.id, change.cause, change.facts, change.window) == (
        1,
        "digest by local",
        2,
        (1, 3),
    )
    assert "INSERT INTO facts" in change.statement
    assert store.changes() == [change]


def test_undo_brings_back_the_very_same_facts(store: SqliteStore) -> None:
    store.write(f"{MOVED}; {CAT}", cause="test")
    before = store.read("SELECT * FROM facts ORDER BY id").rows
    change = store.write(
        "UPDATE facts SET ended_on = '2017-09' WHERE id = 1; DELETE FROM facts WHERE id = 2;" + DOG,
        cause="test",
    )
    undo = store.undo(change.id)
    assert store.read("SELECT * FROM facts ORDER BY id").rows == before
    assert store.changes()[1].undone_at
    assert undo.cause == "undo 2"


def test_an_undo_can_be_undone(store: SqliteStore) -> None:
    store.write(MOVED, cause="test")
    after = store.read("SELECT * FROM facts").rows
    store.undo(store.undo(1).id)
    assert store.read("SELECT * FROM facts").rows == after
    assert store.changes()[0].undone_at is None


def test_undo_refuses_what_later_changes_rest_on(store: SqliteStore) -> None:
    store.write(MOVED, cause="test")
    store.write("UPDATE facts SET value = 'Bergen' WHERE id = 1", cause="test")
    with pytest.raises(InputError, match="undo 2 first"):
        store.undo(1)
    assert facts(store)[0][3] == "Bergen"
    with pytest.raises(InputError, match="no change 99"):
        store.undo(99)
    store.undo(2)
    with pytest.raises(InputError, match="was undone at"):
        store.undo(2)


writes = st.one_of(
    st.builds(
        lambda a, v, t: f"{INSERT}('Anna', '{a}', '{v}', NULL, {t})",
        st.sampled_from(["likes", "lives_in"]),
        st.sampled_from(["Oslo", "it''s blue", "東京", "'' OR 1"]),
        st.integers(1, 5),
    ),
    st.builds(
        lambda i: f"DELETE FROM facts WHERE id IN ({i}, {i + 3}, {i + 6})", st.integers(1, 3)
    ),
    st.builds(
        lambda i, v: f"UPDATE facts SET value = '{v}', ended_on = '2024' WHERE id > {i}",
        st.integers(0, 4),
        st.sampled_from(["Rome", "nothing"]),
    ),
    st.just("-- none"),
)


@pytest.mark.slow
@settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.lists(writes, min_size=1, max_size=4), min_size=1, max_size=6))
def test_writes_undone_in_reverse_give_the_first_state(
    store: SqliteStore, sequence: list[list[str]]
) -> None:
    """And the index of their words follows the facts through all of it."""
    whole = "SELECT * FROM facts ORDER BY id"
    states, done = [store.read(whole).rows], []
    for statements in sequence:
        done.append(store.write(";\n".join(statements), cause="test"))
        states.append(store.read(whole).rows)
    assert_sound(store)
    for change in reversed(done):
        assert store.read(whole).rows == states.pop()
        store.undo(change.id)
    assert store.read(whole).rows == states.pop()
    assert_sound(store)


# ---------------------------------------------------------------------------------- windows


def test_windows_follow_one_another_and_each_is_claimed_once(store: SqliteStore) -> None:
    assert claim_window(store, 3) == (1, 3)
    assert claim_window(store, 3) == (4, 5)
    assert claim_window(store, 3) is None
    store.write(MOVED, cause="test", window=(1, 3))
    assert [(p.first_turn, p.last_turn) for p in store.pending()] == [(4, 5)]
    store.add(SAID[:1])
    assert claim_window(store, 3) == (6, 6)


def test_turns_that_are_passed_over_wait_in_one_window_and_are_claimed_in_parts(
    store: SqliteStore,
) -> None:
    assert claim_window(store, 3, since=4) == (4, 5)
    assert [(p.first_turn, p.last_turn) for p in store.pending()] == [(1, 3), (4, 5)]
    assert reclaim_window(store, (1, 3), size=2) == (1, 2)
    assert reclaim_window(store, (1, 3), size=2) is None
    assert reclaim_window(store, (3, 3), size=2) == (3, 3)
    assert claim_window(store, 3) is None


def test_a_failed_window_waits_with_its_reason_and_can_be_claimed_again(
    store: SqliteStore,
) -> None:
    window = claim_window(store, 5)
    assert window is not None
    assert not reclaim_window(store, window)  # still at work
    fail_window(store, window, "the model wrote a poem")
    assert [(p.error, p.attempts) for p in store.pending()] == [("the model wrote a poem", 1)]
    assert reclaim_window(store, window)
    store.write("-- none", cause="test", window=window)
    assert store.pending() == []
    assert store.changes()[0].facts == 0


def test_a_window_taken_over_is_not_stored_twice(store: SqliteStore, path: Path) -> None:
    window = claim_window(store, 3, lease_s=0)
    assert window is not None
    with open_store(path) as second:
        assert reclaim_window(second, window)
        with pytest.raises(ClaimLostError, match="another process"):
            store.write(MOVED, cause="slow", window=window)
        fail_window(store, window, "too late to say so")
        assert store.pending()[0].error == ""
        second.write(MOVED, cause="quick", window=window)
    assert [change.cause for change in store.changes()] == ["quick"]


def test_a_window_stored_meanwhile_is_not_stored_again(store: SqliteStore, path: Path) -> None:
    window = claim_window(store, 3, lease_s=0)
    assert window is not None
    with open_store(path) as second:
        assert reclaim_window(second, window)
        second.write(MOVED, cause="quick", window=window)
    with pytest.raises(ClaimLostError, match="another process"):
        store.write(MOVED, cause="slow", window=window)
    assert [change.cause for change in store.changes()] == ["quick"]


CLAIMS_OF_NOBODY = [
    *((claimant, 300.0) for claimant in ("", "x", "a:b:c", "::", f"elsewhere:{10**30}:1")),
    *(("elsewhere:1:2", seconds) for seconds in (1e6, 9e9, 1e308)),
]


@pytest.mark.few(4)
@pytest.mark.parametrize(("claimant", "seconds"), CLAIMS_OF_NOBODY)
def test_a_claim_of_nobody_holds_no_window(
    store: SqliteStore, claimant: str, seconds: float
) -> None:
    """Another program wrote it, or a clock that has gone back by days since."""
    ours = store.claims.claimant
    store.claims.claimant = claimant
    window = claim_window(store, 3, lease_s=seconds)
    assert window
    store.claims.claimant = ours
    assert reclaim_window(store, window) == window
    store.write(MOVED, cause="test", window=window)


def test_a_claim_of_another_machine_holds_its_window(store: SqliteStore) -> None:
    store.claims.claimant = "elsewhere:1:2"
    window = claim_window(store, 3)
    assert window
    store.claims.claimant = pending_windows.new_claimant()
    assert reclaim_window(store, window) is None


def test_no_process_is_asked_by_a_signal_where_a_signal_ends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On Windows, `os.kill(pid, 0)` ends the process."""
    with monkeypatch.context() as windows:
        windows.setattr("os.name", "nt")
        windows.setattr("os.kill", lambda pid, signal: pytest.fail(f"{pid} is killed"))
        assert pending_windows.is_running(2**22)


def test_an_undone_window_is_not_digested_again(store: SqliteStore) -> None:
    window = claim_window(store, 5)
    store.undo(store.write(MOVED, cause="test", window=window).id)
    assert claim_window(store, 5) is None


# ---------------------------------------------------------------------------------- catalog


def test_the_catalog_names_speakers_dates_and_the_commonest_attributes(store: SqliteStore) -> None:
    store.write(f"{MOVED}; {CAT}; {CAT}", cause="test")
    lines = store.catalog(500).splitlines()
    assert lines[0] == "turns: 5 in 2 sessions, 2017-05-08 to 2017-06-12T09:00"
    assert lines[1] == "speakers: Anna(3), Ben(2)"
    assert lines[2] == "facts of Anna: has_pet(2), lives_in(1)"


def test_the_catalog_takes_no_words_for_a_date(store: SqliteStore) -> None:
    store.add([Turn("Anna", "hm", said_at="the day after the storm")])
    assert "2017-05-08 to 2017-06-12T09:00" in store.catalog(100)


def test_the_catalog_keeps_to_its_tokens_and_to_the_commonest_subjects(store: SqliteStore) -> None:
    values = [f"('S{n}', 'a', 'v', NULL, 1)" for n in range(40)] + [
        "('Anna', 'a', 'v', NULL, 1)"
    ] * 2
    store.write(INSERT + ", ".join(values), cause="test")
    assert "facts of Anna" in store.catalog(80)
    assert "facts of S3" not in store.catalog(80)
    assert store.catalog(1) == ""


def test_of_a_subject_with_many_attributes_the_catalog_tells_what_fits(store: SqliteStore) -> None:
    store.add([Turn("Anna", "I have a lot to tell.")])
    rows = ", ".join(f"('Anna', 'attribute_{n:02}', 'x', NULL, 1)" for n in range(60))
    owns = "('Anna', 'owns', 'a', NULL, 1), ('Anna', 'owns', 'b', NULL, 1)"
    store.write(f"{INSERT}{rows}, {owns}", cause="test")
    told = store.catalog(100)
    assert "facts of Anna: owns(2), attribute_00(1), " in told
    assert told.endswith("(1), ...")
    assert 80 < count_tokens(told) <= 100


def test_a_turn_is_stored_once_by_its_source_where_that_is_asked_for(store: SqliteStore) -> None:
    again = [SAID[1], Turn("Anna", "New.", source="x:1"), Turn("Anna", "New.", source="x:1")]
    assert store.add([*again, Turn("Anna", "No source.")] * 2, once=True) == [
        2,
        6,
        6,
        7,
        2,
        6,
        6,
        8,
    ]
    assert store.add(again, once=True) == [2, 6, 6]
    assert known_sources(store, ["D1:1", "x:1", "nowhere", ""]) == {"D1:1": 1, "x:1": 6}
    assert {hit.turn_id for hit in store.search("No source", 2)} == {7, 8}
    assert store.add(again[:1]) == [9], "without `once` it is said again"
    assert known_sources(store, ["D1:2"]) == {"D1:2": 2}, "the oldest"


def test_a_setting_keeps_its_history(store: SqliteStore) -> None:
    set_setting(store, "voice", {"speed": 1.25})
    set_setting(store, "user", "Ånna 🐈")
    newest = set_setting(store, "voice", None)
    assert [setting.value for setting in settings_of(store, "voice")] == [{"speed": 1.25}, None]
    assert settings_of(store)[-1] == newest
    assert [setting.name for setting in settings_of(store)] == [
        "embedder",
        "voice",
        "user",
        "voice",
    ]


@pytest.mark.parametrize("number", [0, 77, -1, 2**63, -(10**30)])
def test_what_is_no_change_cannot_be_undone(store: SqliteStore, number: int) -> None:
    with pytest.raises(InputError, match="no change"):
        store.undo(number)
