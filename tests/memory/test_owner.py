"""Whose memory it is: one person by one name, whichever door a turn or a question comes by."""

import pytest

from memory import InputError, Memory, Store, Turn, open_store
from memory.facts import add, supersede
from memory.operations.tools import memory_tools
from memory.store.configuration.declared_settings import set_owner
from memory.store.configuration.settings import asker_of, owner_of, person_of, settings_of
from memory.store.facts.entity_edits import facts_about
from tests.support.scripted import answer, scripted_model, sql

BOTH_STORES = "slow"


def test_i_user_and_the_name_are_one_speaker_at_every_door(address: str) -> None:
    model = scripted_model([([], sql("SELECT 1 AS n")), (["Mara"], answer("Bergen", "1"))])
    with Memory(address, model=model) as memory:
        memory.add(Turn("User", "Chess is fun."))
        set_owner(memory.store, "Mara")
        memory.add(Turn("user", "So is the flute."))
        tools = {tool.__name__: tool for tool in memory_tools(memory)}
        tools["remember"](
            [{"text": "I live in Oslo.", "speaker": "mara"}],
            [{"subject": "me", "attribute": "lives in", "value": "Oslo"}],
        )
        supersede(memory.store, 1, "Bergen")
        add(memory.store, subject="I", attribute="has pet", value="a cat")
        speakers = [turn.speaker for turn in memory.store.turns()]
        assert speakers == ["User", "Mara", "Mara", "Mara", "Mara"]
        assert {fact.subject for fact in memory.store.facts()} == {"Mara"}
        assert "lives_in: Bergen" in tools["list_facts"]("me")
        assert memory.ask("Where do I live?").text == "Bergen"


def test_facts_of_an_unnamed_user_become_the_owners(store: Store) -> None:
    add(store, subject="user", attribute="plays", value="chess", turn_id=1)
    [before] = store.facts()
    assert before.subject == "user"
    set_owner(store, "Mara")
    assert [fact.id for fact in facts_about(store, "Mara")] == [before.id]


def test_an_unnamed_user_keeps_the_name_that_came_first(address: str) -> None:
    with open_store(address) as store:
        store.add([Turn("user", "I play chess."), Turn("assistant", "Good.")])
        store.add([Turn("User", "I won.")])
        assert [turn.speaker for turn in store.turns()] == ["user", "assistant", "user"]
        assert person_of(store, "user") == "user"


def test_an_owner_is_a_name_and_stays(store: Store) -> None:
    assert owner_of(store) == ""
    assert person_of(store, "i") == "User"
    set_owner(store, "Mara")
    set_owner(store, "Mara")
    assert len(settings_of(store, "user")) == 1
    assert person_of(store, "MARA") == "Mara"
    assert person_of(store, "Ben") == "Ben"
    with pytest.raises(InputError, match="is not a name"):
        set_owner(store, "a: b")
    with open_store(store.address, read_only=True) as reading:
        assert owner_of(reading) == "Mara"


def test_where_nobody_is_named_the_user_asks(address: str) -> None:
    with Memory(address) as memory:
        assert asker_of(memory.store) == ""
        memory.add("I live in Oslo.")
        answer = memory.ask("Where do I live?")
        assert (answer.text, answer.basis) == ("Oslo", "rows")
        memory.add([Turn("Anna", "I live in Bergen.")])
        assert memory.ask("Where do I live?").text == "Oslo"
        assert memory.ask("Where do I live?", asker="Anna").text == "Bergen"
        set_owner(memory.store, "Tom")
        assert asker_of(memory.store) == "Tom"
