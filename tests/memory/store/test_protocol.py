"""The contract of a store: groups small enough that a third database is an afternoon's reading."""

from memory.store.database_store import DatabaseStore
from memory.store.protocol import (
    Assertions,
    Attributes,
    Contradictions,
    Embeddings,
    Entities,
    Facts,
    Labels,
    Maintenance,
    Queue,
    Standing,
    Store,
    Summaries,
    Turns,
    Work,
)

GROUPS = (
    Turns,
    Facts,
    Assertions,
    Standing,
    Contradictions,
    Labels,
    Attributes,
    Entities,
    Summaries,
    Queue,
    Work,
    Embeddings,
    Maintenance,
)
OF_THE_WHOLE = {"read_only", "address", "location", "as_of", "searched", "close"}
OF_THE_WHOLE |= {"__enter__", "__exit__"}
OF_THE_WHOLE |= {
    "is_current",
    "room",
    "meter",
    "is_served",
    "cached_bytes",
}  # for a server that keeps many open


def members(group: type) -> set[str]:
    """What a protocol itself declares."""
    declared = {*vars(group), *vars(group).get("__annotations__", {})}
    own = {name for name in declared if not name.startswith("_")}
    return own | ({"__enter__", "__exit__"} & declared)


def test_a_group_has_at_most_ten_members_and_none_of_another() -> None:
    names = [name for group in GROUPS for name in members(group)]
    assert len(names) == len({*names}) > 20
    for group in GROUPS:
        assert len(members(group)) <= 10, group


def test_a_store_is_its_groups_and_how_it_is_opened() -> None:
    assert Store.__bases__[: len(GROUPS)] == GROUPS
    assert members(Store) == OF_THE_WHOLE


def test_a_database_offers_nothing_beside_the_contract() -> None:
    public = {name for name in vars(DatabaseStore) if not name.startswith("_")}
    assert public <= {name for group in (*GROUPS, Store) for name in members(group)}
