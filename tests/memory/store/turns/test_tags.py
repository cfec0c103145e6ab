"""Tags of turns: stored with them or set later, counted, filtered by, undone and forgotten."""

from pathlib import Path
from typing import Any

import pytest

from memory import InputError, Store, Turn, open_store
from memory.errors import StoreError
from memory.store.turns.tags import count_tags, remove_tags, set_tags
from tests.conftest import MOVED

BOTH_STORES = True

TAGGED = [
    Turn("Anna", "We move to Oslo.", "a", tags={"project": "move"}),
    Turn("Ben", "Which flat in Oslo?", "a", tags={"project": "move", "topic": ["rent", "flat"]}),
    Turn("Anna", "Oslo is cold.", "b", tags={"topic": "weather"}),
    Turn("Anna", "Oslo!", "b"),
]


@pytest.fixture
def tagged(address: str) -> Any:
    with open_store(address) as store:
        store.add(TAGGED)
        yield store


def found(store: Store, **tags: Any) -> set[int]:
    return {hit.turn_id for hit in store.search("Oslo", 10, {"tags": tags})}


def test_tags_are_stored_with_their_turns(tagged: Store) -> None:
    assert tagged.turn(2).tags == {"project": "move", "topic": ["flat", "rent"]}
    assert [turn.tags for turn in tagged.turns()] == [
        {"project": "move"},
        {"project": "move", "topic": ["flat", "rent"]},
        {"topic": "weather"},
        {},
    ]
    assert count_tags(tagged) == {
        "project": {"move": 2},
        "topic": {"flat": 1, "rent": 1, "weather": 1},
    }


def test_a_search_finds_the_turns_with_a_tag(tagged: Store) -> None:
    assert found(tagged, project="move") == {1, 2}
    assert found(tagged, topic=["flat", "weather"]) == {2, 3}
    assert found(tagged, project="move", topic="rent") == {2}
    assert found(tagged, project="rent") == set()
    select = """SELECT turn_id FROM search('Oslo', 9, '{"tags": {"topic": "weather"}}')"""
    assert tagged.read(select).rows == ((3,),)


def test_facts_have_the_tags_of_their_turn(tagged: Store) -> None:
    tagged.write(MOVED, "test")
    rows = tagged.read(
        "SELECT f.value FROM facts f JOIN tags ON tags.turn_id = f.turn_id"
        " WHERE tags.key = 'project' AND tags.value = 'move'"
    ).rows
    assert rows == (("Oslo",),)


def test_a_person_sets_tags_later_and_undoes_it(tagged: Store) -> None:
    assert found(tagged, project="move") == {1, 2}
    change = set_tags(tagged, [2, 4], {"project": ["cold", "move"], "mood": "good"}, by="Anna")
    assert tagged.turn(4).tags == {"mood": "good", "project": ["cold", "move"]}
    assert tagged.turn(2).tags["topic"] == ["flat", "rent"]
    assert found(tagged, project="move") == {1, 2, 4}
    assert found(tagged, mood="good") == {2, 4}
    assert change.cause == "edit by Anna"
    undone = tagged.undo(change.id)
    assert found(tagged, project="move") == {1, 2}
    assert found(tagged, mood="good") == set()
    assert [turn.tags for turn in tagged.turns()] == [
        turn.tags if turn.speaker != "Ben" else {"project": "move", "topic": ["flat", "rent"]}
        for turn in TAGGED
    ]
    tagged.undo(undone.id)
    assert found(tagged, mood="good") == {2, 4}


def test_a_person_removes_tags(tagged: Store) -> None:
    assert found(tagged, topic="rent") == {2}
    remove_tags(tagged, [1, 2, 3], ["topic"])
    assert count_tags(tagged) == {"project": {"move": 2}}
    assert found(tagged, topic="rent") == set()
    tagged.add([Turn("Anna", "Oslo again", tags={"topic": "rent"})])
    assert found(tagged, topic="rent") == {5}


def test_another_handle_sees_new_tags(tagged: Store, address: str) -> None:
    with open_store(address) as other:
        assert found(other, project="move") == {1, 2}
        set_tags(tagged, [4], {"project": "move"})
        assert found(other, project="move") == {1, 2, 4}


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"project": ""}, "are texts"),
        ({"": "move"}, "are texts"),
        ({"project": {"a": 1}}, "is a text or a number, or a list of them, not"),
        ({"project": ["a", None]}, "is a text or a number, or a list of them, not None"),
        ({"project": "x" * 201}, "at most 200 characters"),
        ("project", "tags are an object"),
    ],
)
def test_what_is_no_tag_is_refused(tagged: Store, tags: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tagged.add([Turn("Anna", "Hello", tags=tags)])
    with pytest.raises(InputError, match=message):
        set_tags(tagged, [1], tags)
    assert tagged.count_turns() == 4


def test_what_would_change_nothing_is_refused(tagged: Store) -> None:
    with pytest.raises(InputError, match="there is no turn 99"):
        set_tags(tagged, [1, 99], {"project": "x"})
    with pytest.raises(InputError, match="nothing changes"):
        set_tags(tagged, [1, 2], {"project": "move"})
    with pytest.raises(InputError, match="nothing changes"):
        remove_tags(tagged, [4], ["project"])
    with pytest.raises(InputError, match="nothing changes"):
        set_tags(tagged, [1], {})
    assert tagged.changes() == []
    assert tagged.turn(1).tags == {"project": "move"}


def test_a_read_only_store_sets_no_tags(tagged: Store, address: str) -> None:
    with open_store(address, read_only=True) as store:
        with pytest.raises(StoreError):
            set_tags(store, [1], {"project": "x"})
        with pytest.raises(StoreError):
            remove_tags(store, [1], ["project"])
        assert found(store, project="move") == {1, 2}


def test_a_turn_known_by_its_source_keeps_its_tags(tagged: Store) -> None:
    turn = Turn("Anna", "Oslo?", source="x", tags={"project": "first"})
    [first] = tagged.add([turn], once=True)
    again = Turn("Anna", "Oslo?", source="x", tags={"project": "second"})
    assert tagged.add([again], once=True) == [first]
    assert tagged.turn(first).tags == {"project": "first"}


def test_a_dump_carries_tags_and_their_changes(tagged: Store, tmp_path: Path) -> None:
    change = set_tags(tagged, [4], {"project": "later"})
    with open_store(tmp_path / "copy.db") as copy:
        assert found(copy, project="later") == set()
        copy.load(tagged.dump())
        assert [turn.tags for turn in copy.turns()] == [turn.tags for turn in tagged.turns()]
        assert found(copy, project="later") == {4}
        copy.undo(change.id)
        assert copy.turn(4).tags == {}


def test_a_memory_of_the_past_has_its_tags(address: str) -> None:
    with open_store(address) as store:
        early, late = "2017-05-08", "2018-05-08"
        store.add([Turn("Anna", "Oslo", said_at=early, tags={"project": "move"})])
        store.add([Turn("Anna", "Oslo", said_at=late, tags={"project": "move"})])
        set_tags(store, [1], {"project": "changed now"})
        with store.as_of("2017") as past:
            assert found(past, project="move") == {1}
            assert count_tags(past) == {"project": {"move": 1}}


def test_tags_go_with_a_turn_that_is_forgotten(tagged: Store) -> None:
    secret = "Zweibrücken"
    set_tags(tagged, [3], {"place": secret, "secretkey": "x"})
    set_tags(tagged, [4], {"project": "stays"})
    assert found(tagged, place=secret) == {3}
    tagged.forget([3])
    left = "\n".join(str(record) for record in tagged.dump())
    assert secret not in left
    assert "secretkey" not in left
    assert "weather" not in left
    assert found(tagged, place=secret) == set()
    assert found(tagged, project="stays") == {4}


def test_no_byte_of_a_forgotten_tag_stays_in_the_file(path: Path) -> None:
    secret = "Zweibruecken"
    with open_store(path) as store:
        store.add([Turn("Anna", f"turn {n}", tags={"place": f"{secret} {n}"}) for n in range(50)])
        set_tags(store, [7], {"other": f"{secret} later"})
        store.forget(range(1, 51))
    for file in path.parent.glob(f"{path.name}*"):
        assert secret.encode() not in file.read_bytes()
