"""Forgetting: what goes, what stays as if it had never been said, and that no byte is left."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory import Turn, open_store
from memory.errors import ClaimLostError
from memory.search.turn_columns import TURN_DTYPE
from memory.store.configuration.settings import set_setting, settings_of
from memory.store.forgetting import forget
from memory.store.search import search_tables
from memory.store.sqlite.store import SqliteStore
from memory.store.waiting.pending_windows import claim_window, fail_window, hold, reclaim_window
from tests.conftest import CAT, DOG, INSERT, MOVED, SAID
from tests.support.full_text import assert_sound
from tests.support.residue import Scan, made_turns, needles, scan
from tests.support.rows import connection_of, rows_of

ZYL = "Zylphia Quackenbusch"
SECRETS = [
    Turn(ZYL, "My xylophones are hidden in Wrzeszczów!", "session_1", "2017-05-09", "zyl:1"),
    Turn(
        ZYL, "Мой пароль — «гиппопотам», 秘密の図書館で会おう", "session_2", "2017-06-13", "zyl:2"
    ),
    Turn(ZYL, "Qvortrup reimbursed 8812309 kroner.", "session_9", "2017-07-01", "zyl:3"),
    Turn(ZYL, "🦜", "session_9", "2017-07-02", "zyl:4"),
]
# What stands in the journal and the queue alone.
SAID_OF_THEM = [b"told by Quackenbusch", b"Oldvaluetalk", b"refused: Qvortrup", b"Undonevalue"]


def opened(path: Path) -> SqliteStore:
    store = open_store(path)
    assert isinstance(store, SqliteStore)
    return store


def lived(path: Path) -> tuple[SqliteStore, list[int]]:
    """A memory that was used for a while, and the ids of SECRETS in it."""
    store = opened(path)
    store.add([SAID[0], SECRETS[0], *SAID[1:3], SECRETS[1], *SAID[3:], *SECRETS[2:]])
    ids = [2, 5, 8, 9]
    store.write(MOVED, "digest", claim_window(store, 3))
    secret = INSERT + "('Zylphia Quackenbusch', 'hides', 'Oldvaluetalk', NULL, 2)"
    first = store.write(secret, "told by Quackenbusch")
    store.write("UPDATE facts SET value = 'seven xylophones' WHERE id = 2", "edit")
    store.undo(store.write("DELETE FROM facts WHERE id = 2", "tidy").id)
    undone = store.write(INSERT + "('Anna', 'met', 'Undonevalue', NULL, 5)", "digest")
    store.undo(undone.id)
    store.write("UPDATE facts SET ended_on = '2017' WHERE value = 'Qvortrup'", "nothing hit")
    window = claim_window(store, 3)
    assert window
    fail_window(store, window, "the model was refused: Qvortrup")
    store.write(DOG.replace(", 4)", ", 7)"), "digest", claim_window(store, 3))
    set_setting(store, "user", "Anna")
    count_shown(store, {1: 1, 2: 1, 5: 1})
    assert first.id == 2
    return store, ids


def count_shown(store: SqliteStore, times: dict[int, int]) -> None:
    """Count how often turns were shown, as earlier versions did."""
    with store.transaction() as conn:
        conn.insert_rows("shown", ("turn_id", "times"), [*times.items()])


def wanted_of(store: SqliteStore, ids: Sequence[int]) -> set[bytes]:
    return needles(store, set(ids)) | set(SAID_OF_THEM)


def everywhere(folder: Path, wanted: set[bytes]) -> Scan:
    return scan(sorted(folder.iterdir()), wanted)


def assert_whole(store: SqliteStore) -> None:
    assert rows_of(store, "PRAGMA integrity_check") == [("ok",)]
    assert rows_of(store, "PRAGMA foreign_key_check") == []
    assert store.check() == []
    assert_sound(store)


# --- no byte is left ----------------------------------------------------------------------------


def test_no_byte_of_what_is_forgotten_is_left_in_any_file(tmp_path: Path) -> None:
    store, ids = lived(tmp_path / "anna.db")
    with store:
        store.backup(tmp_path / "first.db")
        count_shown(store, {3: 1})
        store.backup(tmp_path / "second.db")
        wanted = wanted_of(store, ids)
        assert len(wanted) > 40
        before = everywhere(tmp_path, wanted)
        exact = {*SAID_OF_THEM, ZYL.encode(), b"xylophon", "гиппопотам".encode()}
        exact |= {word.encode() for turn in SECRETS for word in turn.text.split() if len(word) > 5}
        assert scan([tmp_path / "first.db"], wanted).found >= exact
        assert before.found >= exact
        assert sum(len(needle) == 128 for needle in before.found) == 6  # halves of vectors
        done = store.forget(ids)
        after = everywhere(tmp_path, wanted)
        assert after.found == set()
        assert {"anna.db", "first.db", "second.db"} <= {*after.files}
        assert done.files == tuple(str(tmp_path / f) for f in ("anna.db", "first.db", "second.db"))
        assert done.unreached == ()
        assert_whole(store)
    assert everywhere(tmp_path, wanted).found == set()
    for name in ("first.db", "second.db"):
        with opened(tmp_path / name) as copy:
            assert [turn.text for turn in copy.turns()] == [turn.text for turn in SAID]
            assert_whole(copy)
            assert copy.forget([1]).files[0] == str(tmp_path / name)


@pytest.mark.slow
def test_no_byte_of_a_turn_inside_a_block_is_left(tmp_path: Path) -> None:
    with opened(tmp_path / "large.db") as store:
        store.add(made_turns(1500))
        ids = [40, 41, 700, 1023, 1024, 1025, 1499]
        wanted = needles(store, set(ids))
        needles_found = everywhere(tmp_path, wanted).found
        assert len(needles_found) > len(wanted) - 4  # some lie across two pages
        assert sum(len(needle) == 128 for needle in needles_found) > 10  # halves of vectors
        store.forget(ids)
        assert everywhere(tmp_path, wanted).found == set()
        assert_whole(store)


def test_no_byte_is_left_of_what_was_freed_before_or_said_of_it_elsewhere(tmp_path: Path) -> None:
    with opened(tmp_path / "anna.db") as store:
        connection_of(store).execute(
            "PRAGMA secure_delete = OFF"
        ).fetchall()  # some builds of SQLite come with it
        store.add([*SAID, SECRETS[2]])
        window = claim_window(store, 2)
        assert window == (1, 2)
        fail_window(store, window, "no: Qvortrup! " * 5_000)
        connection_of(store).execute("PRAGMA wal_checkpoint").fetchall()
        reclaim_window(store, window)
        fail_window(store, window, "")
        connection_of(store).execute("PRAGMA wal_checkpoint").fetchall()
        assert scan([store.path], {b"Qvortrup! no"}).found  # in free pages
        reclaim_window(store, window)
        fail_window(store, window, "no: qvortrup?")
        store.forget([6])
        assert [waiting.error for waiting in store.pending()] == [""]
        assert everywhere(tmp_path, {b"Qvortrup", b"qvortrup"}).found == set()


def test_the_receipt_names_what_went_and_proves_it_to_who_has_the_turns(tmp_path: Path) -> None:
    store, ids = lived(tmp_path / "anna.db")
    with store:
        turns = [store.turn(n) for n in ids]
        done = store.forget([*reversed(ids), ids[0]])
        assert done.turns == tuple(ids)
        assert done.facts == (2, 3)
        assert done.changes == tuple(range(1, 10))
        assert forget.proof(done.salt, turns) == done.sha256
        assert forget.proof(done.salt, [*turns[1:], replace(turns[0], text="?")]) != done.sha256
        [receipt] = settings_of(store, "forgotten")
        assert receipt.value["sha256"] == done.sha256
        assert receipt.value["turns"] == ids
        assert settings_of(store, "forgetting") == []
        assert everywhere(tmp_path, {done.salt.encode()}).found == set()
        again = store.forget([1])
        assert again.salt != done.salt


# --- what stays ---------------------------------------------------------------------------------


def test_facts_windows_and_the_queue_go_on_without_what_is_forgotten(tmp_path: Path) -> None:
    store, ids = lived(tmp_path / "anna.db")
    with store:
        store.forget(ids)
        assert [fact.value for fact in store.facts()] == ["Oslo", "dog Rufus"]
        assert [change.window for change in store.changes() if change.window] == [(1, 3), (7, 7)]
        assert {change.statement for change in store.changes()} <= {"", "-- forgotten"}
        assert [(p.first_turn, p.last_turn, p.error) for p in store.pending()] == [(4, 6, "")]
        assert "Zylphia" not in store.catalog(500)
        assert [row["turn_id"] for row in store.dump() if row["table"] == "shown"] == [1]
        assert claim_window(store, 5) is None
        assert reclaim_window(store, (4, 6))
        store.write(CAT.replace(", 3)", ", 4)"), "digest", (4, 6))
        assert store.pending() == []
        store.undo(1)
        assert [fact.value for fact in store.facts()] == ["dog Rufus", "cat Miso"]
        [new] = store.add([Turn("Ben", "Good morning", "session_9")])
        assert new == 10
        assert claim_window(store, 5) == (10, 10)
        assert_whole(store)


def test_a_fact_that_rests_on_another_turn_by_now_keeps_that_part_of_its_past(
    store: SqliteStore,
) -> None:
    store.write(MOVED, "a")
    moved = store.write("UPDATE facts SET value = 'Bergen', turn_id = 2 WHERE id = 1", "b")
    store.forget([1])
    assert [(fact.value, fact.turn_id) for fact in store.facts()] == [("Bergen", 2)]
    store.undo(moved.id)
    assert store.facts() == []
    assert b"Oslo" not in store.path.read_bytes()


def test_words_of_sql_and_of_causes_tell_nothing_of_what_was_said(store: SqliteStore) -> None:
    [turn_id] = store.add([Turn("Ben", "Insert the values by hand; undo my digest of subjects")])
    store.write(MOVED, "digest by M", window=(1, 3))
    store.undo(1)
    before = store.changes()
    assert store.forget([turn_id]).changes == ()
    assert store.changes() == before


def test_a_digest_under_way_may_not_store_what_it_read(store: SqliteStore) -> None:
    window = claim_window(store, 3)
    assert window == (1, 3)
    with open_store(store.path) as second:
        second.forget([2])
    with pytest.raises(ClaimLostError, match="another process"):
        store.write(MOVED, "digest", window)
    fail_window(store, window, "it said: How is the new flat?")
    [waiting] = store.pending()
    assert (waiting.first_turn, waiting.last_turn, waiting.error) == (1, 3, "")


def test_what_is_held_of_a_window_goes_with_its_turns_and_with_what_it_quotes(
    store: SqliteStore,
) -> None:
    secret = DOG.replace("dog Rufus", "dog Qvortrup")
    [turn_id] = store.add([Turn("Ben", "Qvortrup it is.")])
    for window, statement in (((1, 3), secret), ((4, 6), DOG)):
        assert claim_window(store, 3) == window
        fail_window(store, window, "held", statement=statement)
    store.forget([turn_id])
    assert [(waiting.error, waiting.statement) for waiting in store.pending()] == [("", "")] * 2


@pytest.mark.parametrize("turn_id", [4, 6], ids=["a turn of the window", "what it quotes"])
def test_what_is_held_of_a_stored_window_goes_and_the_window_is_not_asked_for(
    store: SqliteStore, turn_id: int
) -> None:
    store.write(MOVED, "test", window=(1, 3))
    store.add([Turn("Ben", "Qvortrup it is.")])
    assert claim_window(store, 2) == (4, 5)
    end = "UPDATE facts SET ended_on = '2017-06' WHERE value <> 'Qvortrup'"
    store.write(DOG, "digest", window=(4, 5))
    with store.transaction() as conn:
        hold(conn, (4, 5), "held", end)
    assert store.pending()[0].statement == end
    store.forget([turn_id])
    assert store.pending() == []
    assert claim_window(store, 5) == ((6, 6) if turn_id == 4 else None)


WORDS = ["oslo", "cat", "dog", "beach", "tomatoes", "train", "Miso", "café", "猫", "yesterday"]
TALK = st.lists(
    st.tuples(
        st.booleans(),  # is it to be forgotten?
        st.sampled_from(["Anna", "Ben", "Cleo"]),
        st.sampled_from(["s1", "s2", ""]),
        st.lists(st.sampled_from(WORDS), min_size=1, max_size=6),
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.slow
@settings(max_examples=15)
@given(talk=TALK, later=st.integers(0, 3))
def test_what_is_left_is_as_if_the_rest_had_never_been_said(
    tmp_path_factory: pytest.TempPathFactory, talk: list[Any], later: int
) -> None:
    folder = tmp_path_factory.mktemp("property")
    turns = [Turn(name, " ".join(text), session, "2017-05") for _, name, session, text in talk]
    gone = [n for n, (goes, *_) in enumerate(talk, 1) if goes]
    remaining = [n for n in range(1, len(turns) + 1) if n not in gone]
    after = [Turn("Anna", f"the cat again {n}", "s1") for n in range(later)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search_tables, "BLOCK", 8)
        patch.setattr(search_tables, "PIECE", 2)
        with opened(folder / "a.db") as forgetful, opened(folder / "b.db") as never:
            forgetful.add(turns)
            forgetful.search("cat", 3)
            for n in range(1, len(turns) + 1, 3):
                forgetful.write(
                    INSERT + f"('Anna', 'said', '{turns[n - 1].text}', NULL, {n})", "a", (n, n)
                )
            if gone:
                forgetful.forget(gone)
            forgetful.add(after)
            never.add([turns[n - 1] for n in remaining] + after)
            new_id = {n: k for k, n in enumerate(remaining, 1)}
            new_id |= {len(turns) + n: len(remaining) + n for n in range(1, later + 1)}
            for n in remaining:
                if n % 3 == 1:
                    value, k = turns[n - 1].text, new_id[n]
                    # Windows as above: in each, what is told again is stored once.
                    never.write(INSERT + f"('Anna', 'said', '{value}', NULL, {k})", "a", (k, k))
            assert_same(forgetful, never, new_id)
            assert_whole(forgetful)


def assert_same(forgetful: SqliteStore, second: SqliteStore, new_id: dict[int, int]) -> None:
    def facts_of(store: SqliteStore, ids: dict[int, int]) -> Any:
        return [(f.value, ids[f.turn_id]) for f in store.facts()]

    same = {n: n for n in new_id.values()}
    assert facts_of(forgetful, new_id) == facts_of(second, same)
    for question in ("cat Miso", "Where is Anna's dog?", "猫"):
        ranked = [
            [(ids[hit.turn_id], pytest.approx(hit.score)) for hit in store.search(question, 50)]
            for store, ids in ((forgetful, new_id), (second, same))
        ]
        assert ranked[0] == ranked[1]
    new_id = {0: 0, **new_id}
    rows, vectors = columns(forgetful)
    for name in ("id", "session", "previous"):
        rows[name] = [new_id[n] for n in rows[name].tolist()]
    expected, expected_vectors = columns(second)
    unnumbered = [name for name in TURN_DTYPE.names or () if name != "speaker"]
    assert rows[unnumbered].tolist() == expected[unnumbered].tolist()
    assert np.array_equal(vectors, expected_vectors)


def columns(store: SqliteStore) -> tuple[Any, Any]:
    tables = [("blocks", "pieces", "first_turn"), ("recent", "recent", "turn_id")]
    rows, vectors = b"", b""
    for of_rows, of_vectors, key in tables:
        vector = "vector" if of_vectors == "recent" else "vectors"
        rows += b"".join(
            r for (r,) in rows_of(store, f"SELECT columns FROM {of_rows} ORDER BY {key}")
        )
        blobs = rows_of(store, f"SELECT {vector} FROM {of_vectors} ORDER BY {key}")
        vectors += b"".join(v for (v,) in blobs)
    table = np.frombuffer(bytearray(rows), TURN_DTYPE)
    return table, np.frombuffer(vectors, np.int8).reshape(len(table), -1 if len(table) else 1)


def test_an_open_store_no_longer_finds_what_another_forgot(store: SqliteStore) -> None:
    assert store.search("cat", 1)[0].turn_id == 3
    with open_store(store.path) as second:
        second.forget([3])
    assert sorted(hit.turn_id for hit in store.search("Anna's cat", 9)) == [1, 2, 4, 5]
    store.forget([1, 2, 4, 5])
    assert store.search("cat") == []
    store.vectors.reembed(store.vectors.embedder)
    assert store.add(SAID[:1]) == [6]
    assert store.search("Oslo", 1)[0].turn_id == 6
