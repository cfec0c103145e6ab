"""The contract of a store: small enough that a third database is an afternoon's reading."""

from memory.store.database import HasConnections
from memory.store.database_store import DatabaseStore
from memory.store.files.united import UnitedStore
from memory.store.protocol import Facts, Store, Turns

PROTOCOLS = (HasConnections, Turns, Facts, Store)
MOST_MEMBERS = 40


def members(protocol: type) -> set[str]:
    """What a protocol itself declares."""
    declared = {*vars(protocol), *vars(protocol).get("__annotations__", {})}
    return {name for name in declared if not name.startswith("_")}


def test_the_contract_has_at_most_forty_members() -> None:
    names = [name for protocol in PROTOCOLS for name in members(protocol)]
    assert len(names) == len({*names}) <= MOST_MEMBERS


def test_turns_and_facts_are_protocols_of_about_a_dozen_members() -> None:
    assert 10 <= len(members(Turns)) <= 14
    assert 10 <= len(members(Facts)) <= 14


def test_a_database_offers_nothing_beside_the_contract() -> None:
    public = {name for name in vars(DatabaseStore) if not name.startswith("_")}
    assert public <= {name for protocol in PROTOCOLS for name in members(protocol)}


def test_a_united_memory_answers_itself_for_what_is_of_all_its_memories() -> None:
    own = {name for name in vars(UnitedStore) if name in members(Turns) | members(Facts)}
    of_the_first = (members(Turns) | members(Facts)) - own
    assert of_the_first == {
        *("add", "forget", "searched"),
        *("write", "apply_held", "record", "undo", "changes", "pending"),
    }
