"""What search keeps beside the turns: it grows with them, in blocks, and loses nothing."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory import Hit, Turn, open_store
from memory.errors import StoreError
from memory.store.configuration.settings import set_setting
from memory.store.search import search_tables
from memory.store.sqlite.store import SqliteStore
from tests.conftest import INSERT
from tests.support.full_text import assert_sound
from tests.support.rows import connection_of, rows_of

KEPT = ("speakers", "recent", "blocks", "pieces")


def turns_of(*texts: str, session: str = "s") -> list[Turn]:
    return [Turn("Anna", text, session, "2017-05-08") for text in texts]


def chatter(first: int, last: int) -> list[Turn]:
    """Short talks of seven turns each; each turn holds a word of its own."""
    return [
        Turn(f"P{n % 3}", f"ok word{n}x, as I said {n % 10} times", f"talk {n // 7}", "2017-05-08")
        for n in range(first, last)
    ]


def best(store: SqliteStore, question: str) -> int:
    return store.search(question, 1)[0].turn_id


def scores(hits: Sequence[Hit]) -> object:
    return [(hit.turn_id, pytest.approx(hit.score)) for hit in hits]


def table_rows(store: SqliteStore) -> list[list[tuple[Any, ...]]]:
    tables = [rows_of(store, f"SELECT * FROM {table} ORDER BY 1") for table in KEPT]
    return [*tables, rows_of(store, "SELECT * FROM turns_words_data ORDER BY 1")]


def blocks(store: SqliteStore) -> int:
    return int(rows_of(store, "SELECT count(*) FROM blocks")[0][0])


# ------------------------------------------------------------ found at all


@pytest.mark.parametrize(
    ("question", "turn"),
    [
        ("Where did Anna move to?", 1),
        ("Anna's cat", 3),
        ("What pet did Ben adopt in June?", 4),
        ("ALLERGY to dogs: who is allergic?", 5),
    ],
)
def test_a_question_finds_its_turn(store: SqliteStore, question: str, turn: int) -> None:
    assert best(store, question) == turn


@pytest.mark.parametrize(
    "question", ["", "?!", "who is it", "\0", "\ud800", "🎉", '"cat" OR *', "猫", "⑴", "x" * 10**5]
)
def test_a_question_without_known_words_ranks_all_turns(store: SqliteStore, question: str) -> None:
    assert sorted(hit.turn_id for hit in store.search(question, 50)) == [1, 2, 3, 4, 5]


def test_a_turn_is_found_as_soon_as_it_is_stored(store: SqliteStore) -> None:
    store.search("parrot")
    [added] = store.add([Turn("Ben", "My parrot is called Polly.", "session_3")])
    assert best(store, "parrot") == added


def test_yesterday_is_the_day_before_the_newest_turn(store: SqliteStore) -> None:
    store.add([Turn("Anna", "x", day, day) for day in ("2017-07-01", "2017-07-02", "2017-07-03")])
    hits = {hit.turn_id: hit for hit in store.search("What did Anna say yesterday?", 50)}
    assert [number for number, hit in hits.items() if hit.shares["date"] > 0] == [7]


def test_a_search_says_what_each_feature_gave(store: SqliteStore) -> None:
    for hit in store.search("What pet did Ben adopt in June?", 5):
        assert sum(hit.shares.values()) == pytest.approx(hit.score)


@pytest.mark.slow
def test_a_turn_of_four_million_characters_is_found(store: SqliteStore) -> None:
    [added] = store.add(turns_of("猫 " + "a" * 3_999_990 + " zyzzyva"))
    assert best(store, "zyzzyva") == best(store, "猫") == added


ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=60)


@pytest.mark.slow
@given(text=ANY_TEXT, speaker=ANY_TEXT, question=ANY_TEXT)
@settings(max_examples=60)
def test_any_turn_and_any_question_give_a_ranking(
    shared: SqliteStore, text: str, speaker: str, question: str
) -> None:
    shared.add([Turn(f"x{speaker}", f"x{text}", speaker[:1], text)])
    hits = shared.search(question, 10**6)
    assert len(hits) == rows_of(shared, "SELECT count(*) FROM turns")[0][0]
    ranked_scores = [hit.score for hit in hits]
    assert ranked_scores == sorted(ranked_scores, reverse=True)
    assert all(abs(score) < 1000 for score in ranked_scores)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    with open_store(tmp_path_factory.mktemp("search") / "shared.db") as opened:
        assert isinstance(opened, SqliteStore)
        yield opened


# ------------------------------------------------------------ facts


def test_a_fact_leads_to_its_turn_while_it_stands(store: SqliteStore) -> None:
    for word, second in (("Zorblax", "Quuxly"), ("銀座", "浅草")):
        change = store.write(f"{INSERT}('Ben', 'nick', '{word}', NULL, 4)", cause="test")
        assert best(store, word) == 4
        id_ = rows_of(store, "SELECT max(id) FROM facts")[0][0]
        store.write(f"UPDATE facts SET value = '{second}' WHERE id = {id_}", cause="test")
        assert not words_lead_to_a_turn(store, word)
        assert best(store, second) == 4
        store.undo(change.id + 1)
        assert not words_lead_to_a_turn(store, second)
        assert best(store, word) == 4
        gone = store.write(f"DELETE FROM facts WHERE id = {id_}", cause="test")
        assert not words_lead_to_a_turn(store, word)
        store.undo(store.undo(gone.id).id)
        assert not words_lead_to_a_turn(store, word)


def words_lead_to_a_turn(store: SqliteStore, word: str) -> bool:
    return any(hit.shares["words"] for hit in store.search(word, 50))


def test_a_fact_that_names_another_turn_now_leads_there(store: SqliteStore) -> None:
    store.write(INSERT + "('Ben', 'nick', 'Zorblax', NULL, 4)", cause="test")
    store.write("UPDATE facts SET turn_id = 1 WHERE id = 1", cause="test")
    assert best(store, "Zorblax") == 1


def test_a_handle_finds_what_another_one_says_of_a_word_that_it_has_searched_for(
    store: SqliteStore,
) -> None:
    assert not words_lead_to_a_turn(store, "Zorblax")
    with open_store(store.path) as other:
        other.write(INSERT + "('Ben', 'nick', 'Zorblax', NULL, 4)", cause="test")
    assert best(store, "Zorblax") == 4
    with open_store(store.path) as other:
        other.write("DELETE FROM facts WHERE value = 'Zorblax'", cause="test")
    assert not words_lead_to_a_turn(store, "Zorblax")


def test_a_refused_write_leaves_no_words_behind(store: SqliteStore) -> None:
    with pytest.raises(Exception, match="names no turn"):
        store.write(
            f"{INSERT}('Ben', 'nick', 'Zorblax', NULL, 4); {INSERT}('a', 'b', 'c', NULL, 99)",
            cause="test",
        )
    assert not words_lead_to_a_turn(store, "Zorblax")
    assert_sound(store)


# ------------------------------------------------------------ blocks and handles


@pytest.mark.slow
def test_a_handle_finds_what_another_process_adds_beyond_a_block(path: Path) -> None:
    code = (
        "import sys; from memory import open_store\n"
        "from tests.memory.store.search.test_search_tables import chatter\n"
        "with open_store(sys.argv[1]) as s: s.add(chatter(500, 1200)), s.add(chatter(1200, 2300))"
    )
    with open_store(path) as old:
        assert isinstance(old, SqliteStore)
        old.add(chatter(0, 500))
        assert best(old, "word250x") == 251
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=120)
        assert blocks(old) == 2300 // search_tables.BLOCK
        for number in (0, 250, 499, 500, 1023, 1024, 1500, 2047, 2048, 2299):
            assert best(old, f"word{number}x") == number + 1
        with open_store(path) as fresh:
            for question in ("word250x", "word1500x and word7x of P2", "ok?", "as I said 7 times"):
                assert scores(fresh.search(question, 300)) == scores(old.search(question, 300))
        assert_sound(old)


@pytest.mark.slow
@given(pieces=st.lists(st.integers(1, 40), min_size=1, max_size=8), block=st.integers(1, 20))
@settings(max_examples=10)
def test_making_blocks_changes_no_score(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[int], block: int
) -> None:
    folder = tmp_path_factory.mktemp("blocks")
    questions = ("word0x", "word3x as P1 said", "2017")
    with (
        pytest.MonkeyPatch.context() as patch,
        open_store(folder / "a") as at_once,
        open_store(folder / "b") as piecewise,
        open_store(folder / "b") as watching,
    ):
        assert isinstance(piecewise, SqliteStore)
        turns = chatter(0, sum(pieces))
        at_once.add(turns)
        patch.setattr(search_tables, "BLOCK", block)
        start = 0
        for piece in pieces:
            piecewise.add(turns[start : start + piece])
            start += piece
            watching.search("word0x")
        assert blocks(piecewise) == sum(pieces) // block
        for question in questions:
            expected = scores(at_once.search(question, 400))
            assert scores(piecewise.search(question, 400)) == expected
            assert scores(watching.search(question, 400)) == expected


def test_a_session_goes_on_after_its_turns_are_in_a_block(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_tables, "BLOCK", 4)
    with open_store(path) as store:
        assert isinstance(store, SqliteStore)
        store.add(
            [*turns_of("Do you like zebras?"), *turns_of("a", "b", "c", "d", "e", session="other")]
        )
        store.add(turns_of("Very much."))
        hits = {hit.turn_id: hit for hit in store.search("zebras", 10)}
        assert hits[7].shares["words"] > hits[6].shares["words"] == 0
        assert hits[7].shares["meaning"] > hits[6].shares["meaning"]


def test_ids_may_have_gaps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_tables, "BLOCK", 8)
    with open_store(path) as store, open_store(path) as old:
        assert isinstance(store, SqliteStore)
        assert isinstance(old, SqliteStore)
        for start in range(0, 60, 6):
            store.add(chatter(start, start + 6))
            with store.transaction() as conn:
                conn.execute("UPDATE sqlite_sequence SET seq = seq + 5 WHERE name = 'turns'")
            for number in {0, start // 2, start + 5}:
                text = store.turn(best(store, f"word{number}x")).text
                assert f"word{number}x" in text
                assert best(old, f"word{number}x") == best(store, f"word{number}x")
        with open_store(path) as fresh:
            assert scores(fresh.search("word9x", 99)) == scores(old.search("word9x", 99))


@pytest.mark.parametrize("read", ["speakers", "blocks", "recent", "turns_words"])
def test_a_block_made_in_the_middle_of_a_search_loses_no_turn(
    path: Path, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    monkeypatch.setattr(search_tables, "BLOCK", 8)
    with open_store(path) as store, open_store(path) as second:
        assert isinstance(store, SqliteStore)
        second.add(chatter(0, 6))

        def meanwhile(statement: str) -> None:
            if f"FROM {read}" in statement:
                connection_of(store).set_trace_callback(None)
                second.add(chatter(6, 12))

        connection_of(store).set_trace_callback(meanwhile)
        assert best(store, "word3x") == 4
        assert len(second.turns()) == 12
        assert [best(store, f"word{n}x") for n in range(12)] == [*range(1, 13)]


# ------------------------------------------------------------ all or nothing


def test_a_failed_add_leaves_nothing_to_be_found(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = table_rows(store)

    def fail(conn: sqlite3.Connection) -> None:
        raise StoreError("no block today")

    monkeypatch.setattr(search_tables, "BLOCK", 6)
    monkeypatch.setattr(search_tables, "_make_block", fail)
    with pytest.raises(StoreError, match="no block today"):
        store.add([Turn("Zoe", "My zebra", "new"), Turn("Zoe", "is here", "new")])
    assert table_rows(store) == before
    assert len(store.search("Zoe's zebra", 50)) == 5
    assert_sound(store)
    monkeypatch.undo()
    assert store.add([Turn("Zoe", "My zebra", "new")]) == [6]
    assert best(store, "zebra") == 6


def test_a_full_disk_leaves_the_search_tables_as_they_were(store: SqliteStore) -> None:
    before = table_rows(store)
    [(pages,)] = rows_of(store, "PRAGMA page_count")
    connection_of(store).execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="disk is full"):
        store.add(chatter(0, 3_000))
    assert table_rows(store) == before
    assert_sound(store)


def test_every_turn_is_kept_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_tables, "BLOCK", 8)
    with open_store(path) as store:
        assert isinstance(store, SqliteStore)
        for start in range(0, 50, 5):
            store.add(chatter(start, start + 5))
        spans = rows_of(store, "SELECT first_turn, last_turn FROM blocks ORDER BY 1")
        assert spans == [(n, n + 7) for n in range(1, 49, 8)]
        assert rows_of(store, "SELECT turn_id FROM recent ORDER BY 1") == [(49,), (50,)]
        assert_sound(store)


def test_what_a_chat_calls_its_assistant_is_known_to_a_search(path: Path) -> None:
    with open_store(path) as store:
        set_setting(store, "character", "Nora")
        store.add([Turn("Anna", "A red car."), Turn("Nora", "A red car.")])
        anna, nora = (
            {hit.turn_id: hit.shares["implied"] for hit in store.search(question)}
            for question in ("Which car do I have?", "Which car did you name?")
        )
    assert anna[1] > anna[2] == 0
    assert nora[2] > nora[1] == 0


def test_a_damaged_setting_is_no_name(path: Path) -> None:
    with open_store(path) as store:
        assert isinstance(store, SqliteStore)
        connection_of(store).execute(
            "INSERT INTO settings (name, value, set_at) VALUES ('character', '{', '')"
        ).fetchall()
        store.add([Turn("Anna", "A red car.")])
        assert store.search("car")
