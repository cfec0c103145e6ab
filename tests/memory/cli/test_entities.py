"""memory facts entities, and the commands that go by entity."""

import json
from pathlib import Path

import pytest

from memory import Turn, open_store
from memory.store.facts.entity_edits import known_entities
from tests.support.commands import run

BOTH_STORES = "slow"

TURNS = [
    Turn("Anna", "My mother moved to Bergen.", "monday"),
    Turn("Anna", "Ilse turned eighty.", "tuesday"),
    Turn("Anna", "Tom called.", "tuesday"),
    Turn("Ben", "I met Ilse.", "friday"),
]
FACTS = [
    ("my mother", "lives_in", "Bergen", 1),
    ("Ilse", "age", "eighty", 2),
    ("Tom", "called", "Anna", 3),
    ("Ben", "met", "Ilse", 4),
]


@pytest.fixture
def options(address: str, memory_options: list[str]) -> list[str]:
    """The options that name a memory with these facts."""
    rows = ", ".join(map(str, FACTS))
    with open_store(address) as store:
        store.add(TURNS)
        store.write(f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {rows}", "test")
    return memory_options


def lines(*words: str, says: str = "") -> list[str]:
    return run(*words, says=says).splitlines()


@pytest.mark.slow
def test_entities_are_listed_merged_shown_and_undone(options: list[str], address: str) -> None:
    merged = lines("facts", "entities", "merge", "Anna's mother", "Ilse", *options)
    assert merged[0].startswith("change 2; to undo: memory undo 2")
    lines("facts", "entities", "describe", "ilse", "a pianist", *options)
    assert lines("facts", "entities", "show", "Anna's mother", *options) == [
        "Ilse: a pianist",
        "  also called Anna's mother (everywhere)",
        "  my mother lives_in: Bergen (fact 1, turn 1)",
        "  Ilse age: eighty (fact 2, turn 2)",
    ]
    [ilse] = [json.loads(line) for line in lines("facts", "entities", "ilse", "--json", *options)]
    assert (ilse["name"], ilse["facts"], ilse["mentions"]) == ("Ilse", 2, 1)
    table = "\n".join(lines("facts", "entities", *options))
    assert "Anna's mother" in table
    assert "a pianist" in table
    assert len(lines("facts", "ilse", "--json", *options)) == 3  # two about her, one names her
    lines("undo", *options)
    lines("undo", *options)
    assert lines("facts", "entities", "show", "Ilse", *options) == [
        "Ilse",
        "  Ilse age: eighty (fact 2, turn 2)",
    ]


@pytest.mark.slow
def test_entities_are_split_renamed_and_given_names(options: list[str]) -> None:
    lines("facts", "entities", "alias", "Mum", "Ilse", "--turn", "2", *options)
    lines("facts", "entities", "alias", "Nan", "Ilse", *options)
    lines("facts", "entities", "rename", "Ilse", "Ilse Brandt", *options)
    lines("facts", "entities", "split", "Ilse Brandt", "Ilse of the choir", "--turn", "4", *options)
    shown = lines("facts", "entities", "list", "ilse", "--json", *options)
    assert [json.loads(line)["name"] for line in shown] == ["Ilse Brandt", "Ilse of the choir"]
    lines("facts", "entities", "alias", "Nan", "Ilse Brandt", "--remove", *options)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["show", "Zoe"], "no one is called 'Zoe'"),
        (["merge", "Zoe", "Ilse"], "there is no entity 'Zoe'"),
        (["split", "Ilse", "Zoe"], "give the turns that tell of the other one"),
        (["alias", "my mother", "Ilse"], "say whose"),
        (["rename", "Tom", "ilse"], "there is an entity 'Ilse'; merge the two instead"),
    ],
)
def test_bad_input_is_one_line(options: list[str], words: list[str], error: str) -> None:
    assert lines("facts", "entities", *words, *options, says=error) == []


def test_a_name_that_means_two_everywhere_is_one_line(options: list[str]) -> None:
    lines("facts", "entities", "alias", "Nan", "Ilse", *options)
    error = "'Nan' is 'Ilse' everywhere already; remove that alias first, or give a turn"
    lines("facts", "entities", "alias", "Nan", "Tom", *options, says=error)


def test_forget_goes_by_entity(
    options: list[str], address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # for the receipt
    lines("facts", "entities", "alias", "my mother", "Ilse", "--turn", "1", *options)
    lines("forget", "--about", "Zoe", "--yes", *options, says="names 'Zoe'")
    lines("forget", "--about", "ilse", "--yes", *options)
    with open_store(address) as store:
        assert [turn.id for turn in store.turns()] == [3]
        assert [entity.name for entity in known_entities(store)] == ["Tom"]
