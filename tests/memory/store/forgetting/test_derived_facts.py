"""Forgetting a turn of a merged fact: the merged one goes, what the others told stands again."""

from pathlib import Path

import pytest

from memory import Turn, open_store
from memory.refine.tools import RefiningTools
from memory.refine.workbench import StoreWorkbench
from memory.store import Store
from tests.support.full_text import assert_sound
from tests.support.postgres_server import new_namespace
from tests.support.residue import scan

TALK = [
    Turn("Anna", "I keep a xylophone in the cellar.", "1", "2017-06-01"),
    Turn("Anna", "I bought a cello.", "2", "2017-07-01"),
    Turn("Anna", "I play the harp.", "3", "2017-08-01"),
]
FACTS = (
    "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
    " ('Anna', 'music', 'xylophone in the cellar', 1), ('Anna', 'music', 'cello', 2),"
    " ('Anna', 'music', 'harp', 3)"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with open_store(tmp_path / "anna.db") as store:
        store.add(TALK)
        store.write(FACTS, cause="digest by scripted")
    return tmp_path / "anna.db"


def tools(path: Path) -> RefiningTools:
    return RefiningTools(StoreWorkbench(lambda: open_store(path)))


def values(store: Store) -> list[str]:
    return [fact.value for fact in store.facts()]


def assert_whole(store: Store) -> None:
    assert store.check() == []
    assert_sound(store)  # type: ignore[arg-type]
    last = store.changes()[-1].id
    assert store.facts(last) == store.facts()  # the journal says what the facts are


def test_what_was_made_of_a_forgotten_turn_goes_and_the_others_stand_again(path: Path) -> None:
    tools(path).merge_memory([1, 2], "concatenate", "xylophone beside cello")
    tools(path).merge_memory([4, 3], "concatenate", "all instruments")
    with open_store(path) as store:
        assert values(store) == ["xylophone in the cellar; cello; harp"]
        receipt = store.forget([1])
        assert values(store) == ["cello", "harp"]
        assert {4, 5} <= set(receipt.facts)
        assert_whole(store)
    assert not scan(sorted(path.parent.iterdir()), {b"xylophone", b"cellar"}).found


def test_a_merge_that_was_undone_leaves_nothing_either(path: Path) -> None:
    tools(path).merge_memory([1, 2], "concatenate", "both")
    with open_store(path) as store:
        store.undo(store.changes()[-1].id)
        store.forget([1])
        assert values(store) == ["cello", "harp"]
        assert_whole(store)
    assert not scan(sorted(path.parent.iterdir()), {b"xylophone"}).found


def test_parts_of_a_merged_fact_go_too_and_what_was_deleted_since_stays_so(path: Path) -> None:
    tools(path).merge_memory([1, 2], "concatenate", "both")
    tools(path).split_memory(4, "thematic", "apart", ["cello", "xylophone"], ["music", "keeps"])
    tools(path).delete_memory(3, "no use")
    with open_store(path) as store:
        store.forget([1])
        assert values(store) == ["cello"]
        assert_whole(store)


def test_the_past_before_a_turn_knows_no_merge_with_it(path: Path) -> None:
    tools(path).merge_memory([2, 3], "concatenate", "both")
    with open_store(path) as store:
        store.add([Turn("Anna", "I sold the harp.", "4", "2117-01-01")])
        store.write(
            "INSERT INTO facts (subject, attribute, value, turn_id)"
            " VALUES ('Anna', 'sold', 'harp', 4)",
            cause="told",
        )
    tools(path).merge_memory([4, 5], "summarize", "story", "cello; sold harp", "music")
    with open_store(path) as store, store.as_of("2099") as past:
        assert values(past) == ["xylophone in the cellar", "cello; harp"]


@pytest.mark.slow
def test_in_postgres_the_others_stand_again_too() -> None:
    address = new_namespace()
    with open_store(address) as store:
        store.add(TALK)
        store.write(FACTS, cause="digest by scripted")
    refining = RefiningTools(StoreWorkbench(lambda: open_store(address)))
    refining.merge_memory([1, 2], "concatenate", "xylophone beside cello")
    refining.merge_memory([4, 3], "concatenate", "all instruments")
    with open_store(address) as store:
        assert values(store) == ["xylophone in the cellar; cello; harp"]
        store.forget([1])
        assert values(store) == ["cello", "harp"]
        assert store.check() == []
        assert store.facts(store.changes()[-1].id) == store.facts()
