"""What both databases give: the same hits and scores, the same rows, the same records."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locomo.dataset.format import load_conversations
from memory import Fact, SqlError, Store, Turn, open_store
from memory.errors import InputError, StoreError
from memory.sql import quoted
from memory.store.changes.history import edits_of
from memory.store.configuration.settings import set_setting
from memory.store.files.transfer import transfer
from memory.store.waiting.pending_windows import claim_window, fail_window
from tests.conftest import CAT, DOG, INSERT, MOVED, SAID
from tests.support import sql_statements
from tests.support.postgres_server import new_namespace

ROOT = Path(__file__).parents[4]
SAMPLE = ROOT / "data" / "sample.json"
LOCOMO = ROOT.parent / "shared" / "data" / "locomo7.json"
NOUNS = ["cello", "dog", "puppy", "Oslo", "Bergen", "window", "東京", "naïve", "run", "runs"]
WORDS = [*NOUNS, *(f"word{n}" for n in range(400))]


def chatter(random: Random, count: int) -> list[Turn]:
    """Turns of a few people and sessions, whose words come again."""
    return [
        Turn(
            random.choice(["Anna", "Ben", "Zoë"]),
            " ".join(random.choices(WORDS, k=random.randint(1, 30))) + random.choice(".?!"),
            session=f"s{n // 40}",
            said_at=f"20{10 + n * 10 // count:02}-{random.randint(1, 12):02}-03",
            source=f"D{n}",
        )
        for n in range(count)
    ]


def questions(random: Random, count: int) -> list[str]:
    texts = [" ".join(random.choices(WORDS, k=random.randint(1, 6))) for _ in range(count)]
    return [*texts, "When did Anna go to Oslo in 2013?", "pets", "", "東京", "run"]


def assert_equal_hits(left: Store, right: Store, texts: list[str], k: int = 50) -> None:
    for text in texts:
        ours, theirs = left.search(text, k), right.search(text, k)
        assert [hit.turn_id for hit in ours] == [hit.turn_id for hit in theirs], text
        assert [hit.score for hit in ours] == pytest.approx([hit.score for hit in theirs], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "count",
    [
        1_000,
        pytest.param(4_096, marks=pytest.mark.slow),
        pytest.param(4_200, marks=pytest.mark.slow),  # beyond what is ranked whole
        pytest.param(100_000, marks=pytest.mark.slow),
    ],
)
def test_hits_and_scores_are_the_same_at_any_size(path: Path, count: int) -> None:
    random = Random(count)
    turns = chatter(random, count)
    with open_store(path) as sqlite, open_store(new_namespace()) as postgres:
        for start in range(0, count, 3_000):
            for store in (sqlite, postgres):
                store.add(turns[start : start + 3_000])
        for store in (sqlite, postgres):
            store.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
        assert_equal_hits(sqlite, postgres, questions(random, 30))
        assert postgres.check() == []


@pytest.mark.slow
@pytest.mark.parametrize("file", [LOCOMO, SAMPLE], ids=["locomo", "sample"])
def test_hits_of_real_questions_are_the_same(tmp_path: Path, file: Path) -> None:
    if not file.is_file():
        pytest.skip(f"{file.name} is not there")
    asked = 0
    for conversation in load_conversations(file):
        path = tmp_path / f"{conversation.id}.db"
        with open_store(path) as sqlite, open_store(new_namespace()) as postgres:
            for store in (sqlite, postgres):
                store.add(conversation.turns)
            questions = [question.text for question in conversation.questions]
            assert_equal_hits(sqlite, postgres, questions)
            asked += len(questions)
    assert asked > 10


def journal_of(store: Store) -> list[tuple[int, int, Fact | None, Fact | None]]:
    """What happened to each fact, without the moments at which the two databases wrote it."""

    def without_moment(fact: Fact | None) -> Fact | None:
        return fact and replace(fact, recorded_at="")

    return [
        (edit.change_id, edit.fact_id, without_moment(edit.before), without_moment(edit.after))
        for edit in edits_of(store)
    ]


@pytest.mark.slow
@settings(max_examples=15)
@given(st.data())
def test_hits_and_the_journal_stay_the_same_through_a_life(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Turns and facts come and go in any order, by the same calls on both."""
    texts = st.text(st.sampled_from([*"abc dE?é東1\n", "\u0d3e"]), min_size=1).filter(str.strip)
    path = tmp_path_factory.mktemp("life") / "anna.db"
    with open_store(path) as sqlite, open_store(new_namespace()) as postgres:
        stores = (sqlite, postgres)
        for _ in range(data.draw(st.integers(1, 5))):
            said = data.draw(st.lists(st.builds(Turn, st.sampled_from(["A", "B"]), texts)))
            ids = [store.add(said) for store in stores]
            assert ids[0] == ids[1]
            present = [turn.id for turn in sqlite.turns()]
            if present and data.draw(st.booleans()):
                turn_id = data.draw(st.sampled_from(present))
                of_turn = f"WHERE turn_id = {turn_id}"
                insert = f"{INSERT}('A', 'did', 'abc {turn_id}', NULL, {turn_id})"
                move = f"UPDATE facts SET turn_id = {turn_id} WHERE id > 0"
                statements = [
                    insert,
                    f"UPDATE facts SET value = value || '!', ended_on = '2017' {of_turn}",
                    f"DELETE FROM facts {of_turn}",
                    f"{move}; DELETE FROM facts {of_turn}; {insert}",
                ]
                statement = data.draw(st.sampled_from(statements))
                for store in stores:
                    store.write(statement, cause="test", by_person=True)
            if sqlite.facts() and data.draw(st.booleans()):
                last = sqlite.changes()[-1].id
                for store in stores:
                    store.undo(last)
            if present and data.draw(st.booleans()):
                gone = data.draw(st.sampled_from(present))
                for store in stores:
                    store.forget([gone])
            if sqlite.turns():
                assert_equal_hits(sqlite, postgres, [data.draw(texts), "A abc", "did"])
            assert sqlite.check() == postgres.check() == []
            assert journal_of(sqlite) == journal_of(postgres)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_what_a_model_may_read_gives_the_same_rows(path: Path, seed: int) -> None:
    """Statements at random: what SQLite answers Postgres answers alike, or refuses with advice."""
    random = Random(seed)
    answered = 0
    with open_store(path) as sqlite, open_store(new_namespace()) as postgres:
        sqlite.add(SAID)
        sqlite.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
        transfer(sqlite, postgres)
        for _ in range(60):
            statement = sql_statements.read(random)
            if "LIMIT" in statement:
                continue  # any of equal rows
            try:
                rows = sqlite.read(statement).rows
                theirs = postgres.read(statement).rows
            except SqlError:
                continue
            answered += 1
            assert sorted(map(plain, rows)) == sorted(map(plain, theirs)), statement
    assert answered > 5


IN_FORCE = (
    "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id) VALUES"
    " ('Anna', 'lives_in', 'Oslo', '2017-05', '', 1), ('Anna', 'lives_in', 'Paris', '', '', 2),"
    " ('Anna', 'lives_in', 'Rome', '2099-01-01', NULL, 2), ('Anna', 'pet', 'cat', '', NULL, 2),"
    " ('Anna', 'pet', 'dog', NULL, '2018', 2), ('Ben', 'lives_in', 'Rome', '', '2099', 3),"
    " ('Ben', 'plans', 'a trip', '2017-06/2099-01', NULL, 3)"
)
PLACED = "ROW_NUMBER() OVER (PARTITION BY subject, attribute ORDER BY happened_on DESC, id DESC)"
# Texts of dates, months, years, spans and moments, and some that are none of these.
DATE_TEXTS = [
    *("2017-05-07", "2017-05", "2017", "2016-02-29", "0001", "9999-12-31", "2017-05-13/2017-05-14"),
    *("2017-06/2017-08", "2017-05-07T23:59:59+02:00", "2017-05-07 later", "2017-05-07x", ""),
    *(
        "2017-02-29",
        "2017-13",
        "0000",
        "10000",
        "yesterday",
        " 2017",
        "2017/2018",
        "２０１７",
        "2017-5-7",
    ),
    *("2017-05-07\n", "2017-02-30T10:00", "é017-05-07T10:00"),
]


def test_facts_now_and_windows_and_days_are_the_same(path: Path) -> None:
    columns = "id, subject, attribute, value, happened_on, ended_on"
    statements = [
        "SELECT * FROM facts_now",
        "SELECT COUNT(*) FROM facts_now",
        f"SELECT {columns} FROM facts WHERE ended_on IS NULL",
        f"SELECT {columns} FROM facts WHERE ended_on = ''",
        "SELECT f.value, t.text FROM facts_now f JOIN turns t ON t.id = f.turn_id ORDER BY f.id",
        f"WITH r AS (SELECT id, value, {PLACED} AS n FROM facts) SELECT value FROM r WHERE n = 1"
        " ORDER BY id",
        f"SELECT id, {PLACED}, RANK() OVER (ORDER BY subject), SUM(turn_id) OVER (ORDER BY id),"
        " AVG(turn_id) OVER (PARTITION BY subject), MAX(value) OVER (ORDER BY id) FROM facts",
        "SELECT LAG(value) OVER (ORDER BY id), LEAD(value, 2, '-') OVER (ORDER BY id),"
        " FIRST_VALUE(value) OVER (PARTITION BY subject ORDER BY id DESC),"
        " DENSE_RANK() OVER (ORDER BY happened_on), COUNT(*) OVER (ORDER BY subject) FROM facts",
        "SELECT subject, COUNT(*), RANK() OVER (ORDER BY COUNT(*) DESC) FROM facts GROUP BY subject"
        " ORDER BY subject",
        "SELECT id, days_between(LAG(said_at) OVER (ORDER BY id), said_at) FROM turns",
        *(
            f"SELECT days_between({text}, '2017-01-01'), days_between('2020', {text})"
            for text in map(quoted, DATE_TEXTS)
        ),
        "SELECT id FROM facts WHERE days_between(happened_on, '2017-05-02') = 1",
    ]
    with open_store(path) as sqlite, open_store(new_namespace()) as postgres:
        for store in (sqlite, postgres):
            store.add(SAID)
            store.write(IN_FORCE, cause="test")
        other = new_namespace()
        with open_store(other) as stranger:
            stranger.add(SAID)
            stranger.write(IN_FORCE.replace("Oslo", "Lima"), cause="test")
        for statement in statements:
            rows = [store.read(statement).rows for store in (sqlite, postgres)]
            if "recorded_at" in sqlite.read(statement).columns:
                rows = [tuple((*row[:7], *row[8:]) for row in read) for read in rows]
            assert rows[0] == rows[1], statement
            assert "Lima" not in str(rows)
        in_force = postgres.read("SELECT subject, value FROM facts_now ORDER BY id").rows
        assert in_force[1:] == (("Anna", "cat"), ("Ben", "Rome"), ("Ben", "a trip"))
        days = "SELECT days_between('2017-05', '2017-06-01T10:00'), days_between('2018', '2017'),"
        days += " days_between('2017-05-13/2017-05-14', '2017-05-14'), days_between('soon', '2017')"
        assert postgres.read(days).rows == ((31, -365, 1, None),)


def plain(row: tuple[object, ...]) -> str:
    cells = [f"{cell:.6g}" if isinstance(cell, (int, float)) else cell for cell in row]
    return repr(cells)


@pytest.mark.slow
def test_a_memory_goes_to_postgres_and_back_equal(path: Path, tmp_path: Path) -> None:
    with open_store(path) as sqlite, open_store(new_namespace()) as postgres:
        sqlite.add([*SAID, *chatter(Random(1), 300)])
        changes = [sqlite.write(text, cause="ünï") for text in (MOVED, CAT, DOG)]
        sqlite.undo(changes[0].id)
        sqlite.undo(sqlite.changes()[-1].id)
        fail_window(sqlite, claim_window(sqlite, 10) or (0, 0), "why\t\x01", statement="-- held")
        set_setting(sqlite, "user_name", 'Anna "A" \\ \'')
        sqlite.forget([7])
        assert transfer(sqlite, postgres) == 304
        assert transfer(sqlite, postgres) == 0  # what is there is not copied twice
        assert postgres.check() == []
        with open_store(tmp_path / "back.db") as back:
            transfer(postgres, back)
            assert [*back.dump()] == [*sqlite.dump()] == [*postgres.dump()]
            assert_equal_hits(back, sqlite, ["cello in Oslo", "pets"])
        # Both go on numbering where they were, and the journal's images are equal byte by byte.
        for store in (sqlite, postgres):
            assert store.add([Turn("Ben", "next")]) == [306]
            store.write("UPDATE facts SET value = 'Tab\t\"\\é\u2028\x7f' WHERE id = 2", cause="x")
        logs = [
            [r["after"] for r in store.dump() if r["table"] == "facts_log"]
            for store in (sqlite, postgres)
        ]
        assert logs[0] == logs[1]


@pytest.mark.parametrize("to_postgres", [True, False])
def test_a_copy_onto_a_memory_with_newer_turns_leaves_it_and_advises_no_deletion(
    tmp_path: Path, to_postgres: bool
) -> None:
    source, target = str(tmp_path / "anna.db"), new_namespace()
    if not to_postgres:
        source, target = target, source
    with open_store(source) as anna, open_store(target) as copied:
        anna.add([Turn("Anna", "I moved to Oslo.")])
        transfer(anna, copied)
        copied.add([Turn("Anna", "I have a cat.")])
        with pytest.raises((InputError, StoreError)) as refused:
            transfer(anna, copied)
        assert "delete" not in str(refused.value)
        assert copied.count_turns() == 2


@pytest.mark.slow
def test_a_backup_of_a_namespace_is_a_sqlite_memory_that_forget_knows(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with open_store(new_namespace()) as postgres:
        postgres.add([*SAID, *chatter(Random(2), 1_500)])
        postgres.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
        postgres.backup(copy)
        with open_store(copy, read_only=True) as backup:
            assert backup.check() == []
            assert backup.turns() == postgres.turns()
            assert_equal_hits(backup, postgres, questions(Random(3), 5))
        forgotten = postgres.forget([3])
        assert str(copy) in forgotten.files
        with open_store(copy, read_only=True) as backup:
            assert 3 not in [turn.id for turn in backup.turns()]
            assert backup.check() == []


@pytest.mark.slow
def test_the_past_of_a_namespace_is_that_of_a_file(path: Path) -> None:
    with open_store(path) as sqlite, open_store(new_namespace()) as postgres:
        for store in (sqlite, postgres):
            store.add(SAID)
            store.write(f"{MOVED}; {CAT}; {DOG}", cause="test", window=(1, 5))
        with sqlite.as_of("2017-05") as ours, postgres.as_of("2017-05") as theirs:
            assert ours.turns() == theirs.turns()
            assert len(theirs.turns()) == 3
            assert_equal_hits(ours, theirs, ["cat", "Oslo"])
