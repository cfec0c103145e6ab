"""Entities in a namespace: derived for facts, said by models and people, undone and forgotten."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Store, Turn, open_store
from memory.errors import HeldError, InputError, SqlError
from memory.records import EntityName
from memory.store.database_store import DatabaseStore
from memory.store.facts.entity_edits import (
    add_alias,
    describe_entity,
    entities_called,
    facts_about,
    known_entities,
    merge_entities,
    remove_alias,
    rename_entity,
    split_entity,
)
from memory.store.sqlite import authorizer
from memory.store.sqlite.store import SqliteStore
from memory.store.waiting.pending_windows import claim_window, fail_window
from tests.support.rows import connection_of

BOTH_STORES = "slow"

COLUMNS = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES "
TURNS = [
    Turn("Anna", "My mother is called Ilse. Mum lives in Bergen.", "monday"),
    Turn("Ben", "My mother lives in Kyoto.", "monday"),
    Turn("Anna", "Tom, my brother, bought a boat.", "tuesday"),
    Turn("Ben", "Tom from work is moving.", "wednesday"),
    Turn("Anna", "Ilse turned eighty.", "thursday"),
]


def fact(subject: str, attribute: str, value: str, turn_id: int) -> str:
    return f"{COLUMNS}('{subject}', '{attribute}', '{value}', {turn_id})"


def alias(name: str, entity: str, turn_id: int) -> str:
    name, entity = name.replace("'", "''"), entity.replace("'", "''")
    return f"INSERT INTO aliases (name, entity, turn_id) VALUES ('{name}', '{entity}', {turn_id})"


def write(store: Store, *statements: str, window: tuple[int, int] | None = None) -> int:
    return store.write(";\n".join(statements), "test", window=window).id


def who(store: Store) -> list[tuple[str, str | None]]:
    """The subject of each fact and who that is."""
    return [tuple(row) for row in store.read("SELECT subject, entity FROM facts ORDER BY id").rows]


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """A namespace with these turns and no facts."""
    with open_store(address) as opened:
        opened.add(TURNS)
        yield opened


def test_a_name_is_its_own_entity_and_a_relation_is_the_speakers(store: Store) -> None:
    write(
        store,
        fact("Mum", "lives_in", "Bergen", 1),
        fact("my mother", "lives_in", "Kyoto", 2),
        fact("Anna''s mother", "age", "eighty", 5),
        fact("I", "brother", "Tom", 3),
        fact("she", "age", "eighty", 5),
    )
    assert who(store) == [
        ("Mum", "Anna's mother"),
        ("my mother", "Ben's mother"),
        ("Anna's mother", "Anna's mother"),
        ("I", "Anna"),
        ("she", None),
    ]
    rows = store.read("SELECT value, value_entity FROM facts ORDER BY id").rows
    assert rows == (
        ("Bergen", "Bergen"),
        ("Kyoto", "Kyoto"),
        ("eighty", None),
        ("Tom", "Tom"),
        ("eighty", None),
    )


@pytest.mark.slow
def test_an_alias_moves_the_facts_with_its_name(store: Store) -> None:
    write(store, fact("Mum", "lives_in", "Bergen", 1), fact("Ilse", "age", "eighty", 5))
    write(store, fact("my mother", "lives_in", "Kyoto", 2), fact("Anna", "mother", "Ilse", 1))
    said = write(store, alias("my mother", "Ilse", 1), window=(1, 1))
    assert who(store) == [
        ("Mum", "Ilse"),
        ("Ilse", "Ilse"),
        ("my mother", "Ben's mother"),
        ("Anna", "Anna"),
    ]
    assert [entity.name for entity in known_entities(store)] == ["Anna", "Ben's mother", "Ilse"]
    [ilse] = [entity for entity in known_entities(store) if entity.name == "Ilse"]
    assert (ilse.names, ilse.facts, ilse.mentions) == ((EntityName("my mother", 1),), 2, 1)
    assert [fact.subject for fact in facts_about(store, "my mother")] == [
        "Mum",
        "Ilse",
        "my mother",
    ]
    assert [fact.subject for fact in facts_about(store, "Ilse")] == ["Mum", "Ilse"]

    assert entities_called(store, "Anna's mother") == ["Ilse"]
    assert entities_called(store, "mum") == ["Ben's mother", "Ilse"]

    undone = store.undo(said)
    assert who(store)[:2] == [("Mum", "Anna's mother"), ("Ilse", "Ilse")]
    store.undo(undone.id)
    assert who(store)[:2] == [("Mum", "Ilse"), ("Ilse", "Ilse")]
    write(store, "DELETE FROM aliases WHERE name = 'MY MOTHER' AND entity = 'ilse'")
    assert who(store)[:2] == [("Mum", "Anna's mother"), ("Ilse", "Ilse")]


def test_two_persons_of_one_name_are_told_apart_by_turn_speaker_and_session(store: Store) -> None:
    store.add([Turn("Carla", "Tom again.", "friday"), Turn("Anna", "Tom called.", "saturday")])
    facts = [fact("Tom", "said", f"hello {turn_id}", turn_id) for turn_id in (3, 4, 6, 7)]
    write(store, *facts)
    write(store, alias("my brother", "Tom", 3), alias("Tom", "Tom from work", 4), window=(3, 4))
    assert who(store) == [("Tom", "Tom"), ("Tom", "Tom from work"), ("Tom", None), ("Tom", "Tom")]


def test_an_alias_counts_where_its_speaker_takes_part(store: Store) -> None:
    store.add([Turn("Assistant", "Bob again?", "thursday"), Turn("Carla", "Bob left.", "friday")])
    write(store, fact("Bob", "said", "a", 6), fact("Bob", "said", "b", 7))
    write(store, alias("Bob", "Robert Miller", 1), window=(1, 1))
    assert who(store) == [("Bob", "Robert Miller"), ("Bob", "Bob")]


def test_names_in_other_scripts_and_cases(store: Store) -> None:
    write(
        store,
        fact("ОЛЬГА", "said", "a", 1),
        fact(" olga ", "said", "b", 1),
        fact("田中", "said", "c", 1),
        fact("TANAKA", "said", "d", 5),
        fact("мама", "said", "e", 1),
    )
    write(store, alias("Ольга", "Olga", 1), alias("Tanaka", "田中", 1), alias("мама", "Olga", 1))
    entities = [entity for _, entity in who(store)]
    assert entities == ["Olga", "Olga", "田中", "田中", "Olga"]


def test_what_a_window_says_names_its_own_turns(store: Store) -> None:
    with pytest.raises(SqlError, match="turn_id 4"):
        write(store, alias("Tom", "Tom Reed", 4), window=(1, 3))
    with pytest.raises(SqlError, match="turn_id 99 names no turn"):
        write(store, alias("Tom", "Tom Reed", 99))
    with pytest.raises(SqlError, match="'she' is not a name"):
        write(store, alias("she", "Tom Reed", 1))
    assert known_entities(store) == []


def test_a_statement_that_moves_many_facts_of_other_turns_waits_for_a_person(store: Store) -> None:
    write(store, *(fact("Tom", "said", f"thing {n}", 3) for n in range(9)))
    window = claim_window(store, 5)
    assert window
    statements = f"{fact('Ben', 'friend', 'Tom', 5)};\n{alias('Tom', 'Thomas', 5)}"
    with pytest.raises(HeldError, match="9 facts of other turns") as error:
        store.write(statements, "test", window=(5, 5))
    assert len(store.facts()) == 9
    fail_window(store, window, str(error.value), statement=statements)
    store.apply_held(window, by="Anna")
    assert {entity for _, entity in who(store)} == {"Thomas", "Ben"}
    with pytest.raises(SqlError, match=r"only a person .*entities merge"):
        store.write(alias("Tom", "Tomás", 3), "test")


@pytest.mark.slow
def test_a_person_merges_renames_and_describes(store: Store) -> None:
    write(store, fact("Mum", "lives_in", "Bergen", 1), fact("Ilse", "age", "eighty", 5))
    merged = merge_entities(store, "anna's mother", "Ilse", by="Anna")
    assert merged.cause == "edit by Anna"
    assert who(store) == [("Mum", "Ilse"), ("Ilse", "Ilse")]
    describe_entity(store, "Ilse", "Anna's mother")
    rename_entity(store, "Ilse", "Ilse Brandt")
    assert who(store) == [("Mum", "Ilse Brandt"), ("Ilse", "Ilse Brandt")]
    [ilse] = known_entities(store)
    assert ilse.description == "Anna's mother"
    for change in reversed(store.changes()[1:]):
        store.undo(change.id)
    assert who(store) == [("Mum", "Anna's mother"), ("Ilse", "Ilse")]


def test_a_person_splits_what_was_one_by_mistake(store: Store) -> None:
    store.add([Turn("Ben", "Tom has moved.", "wednesday")])
    write(store, *(fact("Tom", "said", f"hello {turn_id}", turn_id) for turn_id in (3, 4, 6)))
    write(store, fact("Anna", "brother", "Tom", 3))
    split = split_entity(store, "Tom", "Tom from work", [4], by="Ben")
    entities = ["Tom", "Tom from work", "Tom", "Anna"]
    assert [entity for _, entity in who(store)] == entities
    split_entity(store, "Tom", "Tom from work", [6])
    assert [entity for _, entity in who(store)] == ["Tom", "Tom from work", "Tom from work", "Anna"]
    merge_entities(store, "Tom from work", "Tom")
    assert [entity for _, entity in who(store)] == ["Tom", "Tom", "Tom", "Anna"]
    store.undo(store.changes()[-1].id)
    store.undo(split.id + 1)
    assert [entity for _, entity in who(store)] == entities


def test_what_a_person_says_of_names_is_one_clear_line(store: Store) -> None:
    write(store, fact("Ilse", "age", "eighty", 5), fact("Olga", "age", "eighty", 5))
    add_alias(store, "Nan", "Ilse")
    with pytest.raises(InputError, match="'Nan' is 'Ilse'"):
        add_alias(store, "nan", "Olga")
    with pytest.raises(InputError, match="'Nan' is 'Ilse' already"):
        add_alias(store, "Nan", "ilse")
    with pytest.raises(InputError, match='say whose, as "Anna\'s mother"'):
        add_alias(store, "my mother", "Ilse")
    with pytest.raises(InputError, match="there is no turn 99"):
        add_alias(store, "Nan", "Olga", 99)
    with pytest.raises(InputError, match="similar: Ilse"):
        merge_entities(store, "Ilsa", "Olga")
    with pytest.raises(InputError, match="are the same entity"):
        merge_entities(store, "ilse", "Ilse")
    with pytest.raises(InputError, match="entity 'Olga'"):
        rename_entity(store, "Ilse", "olga")
    with pytest.raises(InputError, match=r"these turns \(2\)"):
        split_entity(store, "Ilse", "Ilse Novak", [2])
    with pytest.raises(InputError, match="'Tom' is 'Ilse'"):
        remove_alias(store, "Tom", "Ilse")
    with pytest.raises(SqlError, match="'nan' is 'Ilse'"):
        write(store, "DELETE FROM aliases WHERE name = 'nan' AND entity = 'Ilse'")
    assert len(store.changes()) == 2


def test_who_of_annas_colleagues_lives_in_oslo_is_two_joins(store: Store) -> None:
    write(
        store,
        fact("Anna", "colleague", "Bob", 1),
        fact("I", "colleague", "Tanaka", 3),
        fact("Anna", "colleague", "Carla", 3),
        fact("Robert Miller", "lives_in", "Oslo", 4),
        fact("田中", "lives_in", "Oslo", 5),
        fact("Carla", "lives_in", "Rome", 5),
        fact("Dora", "lives_in", "Oslo", 5),
        alias("Bob", "Robert Miller", 1),
        alias("Tanaka", "田中", 3),
    )
    question = (
        "SELECT e.name, c.value, l.turn_id FROM facts c"
        " JOIN facts l ON l.entity = c.value_entity JOIN entities e ON e.name = l.entity"
        " WHERE c.entity = 'Anna' AND c.attribute = 'colleague'"
        " AND l.attribute = 'lives_in' AND l.value = 'Oslo' ORDER BY e.name"
    )
    assert store.read(question).rows == ()  # neither has been described
    described = (
        "INSERT INTO entities (name, description) VALUES ('Robert Miller', ''), ('田中', '')"
    )
    write(store, described)
    assert store.read(question).rows == (("Robert Miller", "Bob", 4), ("田中", "Tanaka", 5))
    with pytest.raises(SqlError, match="no recursion"):
        store.read("WITH RECURSIVE r AS (SELECT 1 AS n) SELECT n FROM r")


@pytest.mark.slow
def test_forgetting_a_turn_takes_back_what_it_said_of_names(store: Store) -> None:
    write(store, fact("Mum", "lives_in", "Bergen", 3), fact("Anna", "age", "forty", 3))
    write(
        store,
        alias("my mother", "Ilse Brandt", 1),
        "INSERT INTO entities (name, description) VALUES ('Ilse Brandt', 'a pianist')",
        window=(1, 1),
    )
    merge_entities(store, "Ilse Brandt", "Anna")
    store.undo(store.changes()[-1].id)
    assert who(store)[0] == ("Mum", "Ilse Brandt")
    store.forget([1, 5])
    assert who(store) == [("Mum", "Anna's mother"), ("Anna", "Anna")]
    dumped = [str(record) for record in store.dump() if record["table"] != "settings"]
    assert not [record for record in dumped if "Brandt" in record or "pianist" in record]
    assert [entity.name for entity in known_entities(store)] == ["Anna", "Anna's mother"]


@pytest.mark.slow
def test_copies_and_a_dump_have_their_entities(store: Store, tmp_path: Path) -> None:
    write(store, fact("Mum", "lives_in", "Bergen", 1), fact("Ilse", "age", "eighty", 5))
    write(store, alias("Mum", "Ilse", 1))
    expected = [("Mum", "Ilse"), ("Ilse", "Ilse")]
    assert who(store) == expected
    with store.as_of("2100") as copy:
        assert who(copy) == expected
    store.backup(tmp_path / "backup.db")
    with open_store(tmp_path / "backup.db") as backup:
        assert who(backup) == expected
    with open_store(tmp_path / "loaded.db") as loaded:
        loaded.load(store.dump())
        assert who(loaded) == expected
        assert known_entities(loaded) == known_entities(store)


def test_facts_of_an_older_version_get_their_entities_when_a_memory_is_opened(
    store: Store, address: str
) -> None:
    write(store, fact("Mum", "lives_in", "Bergen", 1), fact("she", "age", "eighty", 5))
    assert isinstance(store, DatabaseStore)
    with store.transaction() as conn:
        conn.run("set_entities", entity=None, value_entity=None, fact_ids=[1, 2])
    with open_store(address, read_only=True) as reader:
        assert who(reader) == [("Mum", None), ("she", None)]
    with open_store(address) as opened:
        assert who(opened) == [("Mum", "Anna's mother"), ("she", None)]


def test_no_database_runs_what_a_model_says_of_names(path: Path) -> None:
    with open_store(path) as opened:
        assert isinstance(opened, SqliteStore)
        opened.add(TURNS)
        for statement in (
            "INSERT INTO aliases (name, entity, turn_id) VALUES ('Tom', 'Eve', 1)",
            "INSERT INTO entities (name, description) VALUES ('Eve', '')",
            "DELETE FROM aliases WHERE name = 'Tom'",
            "UPDATE facts SET entity = 'Eve' WHERE id = 1",
            "UPDATE facts SET value_entity = 'Eve' WHERE id = 1",
            "INSERT INTO tags (turn_id, key, value) VALUES (1, 'a', 'b')",
            "DELETE FROM rows_log WHERE id = 1",
        ):
            with pytest.raises(SqlError, match="not allowed"):
                authorizer.change_facts(connection_of(opened), [statement], seconds=5)
        with pytest.raises(SqlError, match="not a column that you set"):
            opened.write("UPDATE facts SET entity = 'Eve' WHERE id = 1", "test")


def test_names_of_one_namespace_mean_nothing_in_another(
    store: Store, address: str, database: str, tmp_path: Path
) -> None:
    other = str(tmp_path / "other.db")
    if database == "postgres":
        from tests.support.postgres_server import new_namespace

        other = new_namespace()
    with open_store(other) as opened:
        opened.add(TURNS)
        write(opened, fact("Tom", "said", "hello", 3), alias("Tom", "Eve", 3))
        assert who(opened) == [("Tom", "Eve")]
    write(store, fact("Tom", "said", "hello", 3))
    assert who(store) == [("Tom", "Tom")]
    assert [entity.name for entity in known_entities(store)] == ["Tom"]
    assert store.read("SELECT name FROM aliases").rows == ()


FAMILY = [
    Turn("Mum", "I work at the hospice.", "family"),
    Turn("Grandma Pat", "Mum has a cold.", "family"),
    Turn("Dad", "Coach rang.", "family"),
    Turn("Coach", "Training is off.", "club"),
]


def test_a_name_that_somebody_speaks_under_means_that_speaker(address: str) -> None:
    with open_store(f"{address} family") as store:
        store.add(FAMILY)
        write(
            store,
            fact("Mum", "works_at", "the hospice", 1),
            fact("Mum", "ill_with", "a cold", 2),
            fact("Coach", "called", "Dad", 3),
            fact("coach", "cancelled", "training", 4),
            fact("my mum", "age", "80", 1),
            fact("Gran", "age", "81", 3),
        )
        assert [entity for _, entity in who(store)] == [
            *("Mum", "Mum", "Coach", "Coach", "Mum's mother", "Dad's grandmother")
        ]


def test_a_value_names_a_speaker_and_a_word_stays_one(address: str) -> None:
    with open_store(f"{address} values") as store:
        store.add(FAMILY)
        write(store, fact("Dad", "married_to", "Mum", 3), fact("Dad", "works_as", "coach", 3))
        rows = store.read("SELECT value, value_entity FROM facts ORDER BY id").rows
        assert [tuple(row) for row in rows] == [("Mum", "Mum"), ("coach", None)]


def test_a_mother_who_speaks_later_is_that_speaker_in_what_was_said_before(address: str) -> None:
    with open_store(f"{address} later") as store:
        store.add([Turn("Ruth", "Mum lives in Leeds.", "family")])
        write(store, fact("Mum", "lives_in", "Leeds", 1))
        assert who(store) == [("Mum", "Ruth's mother")]
        [turn_id] = store.add([Turn("Mum", "I do.", "family")])
        assert who(store) == [("Mum", "Mum")]
        store.forget([turn_id])
        assert who(store) == [("Mum", "Ruth's mother")]


def test_other_names_of_a_relative_who_speaks_are_that_speakers(address: str) -> None:
    with open_store(f"{address} aliases") as store:
        store.add(FAMILY)
        write(store, alias("Linda", "Mum", 2), fact("Linda", "ill_with", "a cold", 2))
        write(store, alias("Coach", "Bob", 3), fact("Bob", "called", "Dad", 3))
        write(store, fact("Mum", "works_at", "the hospice", 1), fact("Coach", "age", "50", 4))
        assert [entity for _, entity in who(store)] == ["Mum", "Coach", "Mum", "Coach"]


def test_an_alias_from_before_a_relative_speaks_is_another_name_of_hers(address: str) -> None:
    with open_store(f"{address} earlier alias") as store:
        store.add([Turn("Ruth", "Mum, I mean Linda, is ill.", "family")])
        write(store, alias("Mum", "Linda", 1), fact("Linda", "health", "ill", 1))
        assert who(store) == [("Linda", "Linda")]
        store.add([Turn("Mum", "Better now.", "family")])
        write(store, fact("Mum", "health", "better", 2))
        assert {entity for _, entity in who(store)} == {"Mum"}


def test_a_dump_has_speakers_who_are_relatives(address: str, tmp_path: Path) -> None:
    with open_store(f"{address} dumped") as store, open_store(f"{address} loaded") as copy:
        store.add(FAMILY)
        write(store, fact("Mum", "ill_with", "a cold", 2))
        copy.load(store.dump())
        assert who(copy) == [("Mum", "Mum")]
