"""What a digest makes of names: by rule without a model that states them, and by a model's SQL."""

from dataclasses import replace

import pytest

from memory import Memory, Store, Turn
from memory.digest.windows import digest_windows
from memory.program import program_for
from memory.records import EntityName
from memory.store.facts.entity_edits import add_alias, facts_about, known_entities, remove_alias
from memory.store.waiting.pending_windows import claim_window
from tests.conftest import INSERT
from tests.support.scripted import (
    UnexpectedPrompt,
    answer,
    scripted_model,
    scripted_packaged_model,
    sql,
)

BOTH_STORES = "slow"
SISTER = [
    Turn("Anna", "My sister Elena moved to Porto.", "monday"),
    Turn("Anna", "Elena likes it there.", "tuesday"),
]


def names(store: Store) -> dict[str, tuple[EntityName, ...]]:
    """The entities with other names, without the cat that each memory begins with."""
    listed = {entity.name: entity.names for entity in known_entities(store) if entity.names}
    listed.pop("Miso (Anna's cat)", None)
    return listed


def test_a_model_that_stores_no_facts_takes_what_turns_introduce(store: Store) -> None:
    first, _ = store.add(SISTER)
    elena = {
        "Elena (Anna's sister)": (EntityName("Elena", first), EntityName("my sister", first)),
    }
    model = replace(scripted_packaged_model([]), name="local")
    memory = Memory(store, model=model)
    memory.digest()
    assert names(store) == elena
    assert claim_window(store, 1) is not None  # the turns wait for a larger model
    changes = len(store.changes())
    memory.digest()
    assert len(store.changes()) == changes
    remove_alias(store, "Elena", "Elena (Anna's sister)")
    memory.digest()  # what a person took back stays so
    assert names(store) == {"Elena (Anna's sister)": (EntityName("my sister", first),)}


def test_the_rules_stand_beside_the_facts_of_a_model_that_states_no_names(store: Store) -> None:
    first, second = store.add(SISTER)
    facts = f"{INSERT}('Elena', 'moved', 'to Porto', '', {first})"
    model = scripted_packaged_model([([], sql("-- none"))] * 5 + [([], sql(facts))])
    digest_windows(store, model, program_for(model))
    assert "Elena (Anna's sister)" in names(store)
    store.write(f"{INSERT}('Elena', 'likes', 'Porto', '', {second})", cause="test")
    assert [fact.value for fact in facts_about(store, "my sister")][-1] == "Porto"


def test_a_hosted_model_states_names_and_sees_them(store: Store) -> None:
    first, second = store.add(SISTER)
    statements = f"{INSERT}('Anna', 'alias', 'Annie', '', 1)"
    further = f"{INSERT}('Elena', 'likes', 'Porto', '', {second}); INSERT INTO aliases"
    further += f" (name, entity, turn_id) VALUES ('my sister', 'Elena', {first})"
    script = [
        (["known"], sql(statements)),
        (["Anna: also called Annie", "the first of a line"], sql(further)),
    ]
    model = scripted_model(script, window=5)
    digest_windows(store, model, program_for(model))
    assert names(store) == {
        "Anna": (EntityName("Annie", 1),),
        "Elena": (EntityName("my sister", first),),
    }


def test_a_question_to_a_hosted_model_names_them_where_there_are_any(store: Store) -> None:
    store.add(SISTER)
    select = sql("SELECT value, turn_id FROM facts WHERE entity = 'Elena'")

    def ask(*expected: str) -> None:
        script = [([*expected], select), ([], answer("Porto"))]
        Memory(store, model=scripted_model(script)).ask("Where is my sister?", asker="Anna")

    with pytest.raises(UnexpectedPrompt):
        ask("value_entity")
    add_alias(store, "Anna's sister", "Elena")
    ask("facts.value_entity", "Elena: also called Anna's sister")
