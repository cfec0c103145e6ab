"""How many pairs of names are joined, and that nobody is taken for somebody else."""

import pytest

from memory import Store, Turn, open_store
from memory.sql import quoted
from tests.memory.vocabulary.entities.conversations import NAMESAKES, PAIRS, Conversation

BOTH_STORES = "slow"

pytestmark = pytest.mark.slow


def entities_of(store: Store, conversation: Conversation) -> list[str | None]:
    """Who each fact of a conversation is about, when names are said by gold SQL.

    In a memory that has all conversations before it.
    """
    turns = [
        Turn(speaker, text, f"{conversation.name} {session}")
        for speaker, text, session in conversation.turns
    ]
    first, *_ = ids = store.add(turns)
    rows = ", ".join(
        # Each conversation has values of its own: what is known is not stored again.
        f"({quoted(subject)}, {quoted(attribute)}, {quoted(f'{value} {first}')}, {ids[turn - 1]})"
        for subject, attribute, value, turn in conversation.facts
    )
    aliases = ", ".join(
        f"({quoted(name)}, {quoted(entity)}, {ids[turn - 1]})"
        for name, entity, turn in conversation.aliases
    )
    facts = f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {rows}"
    names = f"INSERT INTO aliases (name, entity, turn_id) VALUES {aliases}"
    store.write(f"{facts};\n{names}", "test", window=(first, ids[-1]))
    select = f"SELECT entity FROM facts WHERE turn_id >= {first} ORDER BY id"
    return [entity for (entity,) in store.read(select).rows]


def wrongly_joined(conversation: Conversation, entities: list[str | None]) -> bool:
    """Whether facts of two persons are about one entity."""
    people = list(zip(conversation.people, entities, strict=True))
    return any(
        person != other and entity is not None and entity == other_entity
        for person, entity in people
        for other, other_entity in people
    )


def are_known(conversation: Conversation, entities: list[str | None]) -> bool:
    """Whether each fact is about somebody, and all facts of a person are about one entity."""
    return None not in entities and len({*entities}) == len({*conversation.people})


def test_there_are_sixty_pairs_and_thirty_namesakes() -> None:
    assert len(PAIRS) == len({pair.name for pair in PAIRS}) == 60
    assert len(NAMESAKES) == len({pair.name for pair in NAMESAKES}) == 30


def test_pairs_are_joined_and_namesakes_are_not(address: str) -> None:
    pairs, namesakes = 0, 0
    for number, conversation in enumerate([*PAIRS, *NAMESAKES]):
        with open_store(f"{address} pair {number}") as store:  # a memory for each
            entities = entities_of(store, conversation)
        assert not wrongly_joined(conversation, entities), conversation.name
        pairs += conversation in PAIRS and are_known(conversation, entities)
        namesakes += conversation in NAMESAKES and are_known(conversation, entities)
    assert (pairs, namesakes) == (60, 30)


@pytest.mark.slow
def test_nobody_is_taken_for_somebody_of_another_conversation(address: str) -> None:
    """All conversations in one memory, in which no two speakers speak of one person."""
    with open_store(address) as store:
        for conversation in [*PAIRS, *NAMESAKES]:
            entities = entities_of(store, conversation)
            assert not wrongly_joined(conversation, entities), conversation.name
        several = store.read(
            "SELECT f.entity, COUNT(DISTINCT t.speaker) AS speakers FROM facts f"
            " JOIN turns t ON t.id = f.turn_id GROUP BY f.entity"
            " HAVING COUNT(DISTINCT t.speaker) > 1 AND f.entity IS NOT NULL"
        )
        assert several.rows == ()
