"""Facts with the turns that assert them: for every model, through every door, and whose words."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from memory import Memory, Store, Turn, open_store
from memory.facts.additions import add_turns, record_assertions
from memory.models import Model
from memory.operations.tools import memory_tools
from memory.store.configuration.settings import set_setting
from memory.store.facts.vocabulary_table import remove_attribute, set_attribute
from memory.vocabulary import Attribute
from tests.conftest import INSERT, MOVED, SAID
from tests.support.scripted import scripted_model, scripted_packaged_model, sql

BOTH_STORES = "slow"
OSLO = Turn("Anna", "I live in Oslo.", said_at="2024-05-01")
PORTO = Turn("Anna", "I moved to Porto last week.", said_at="2025-03-12")


@pytest.fixture
def unasked() -> Model:
    """As the packaged model, but no prompt is expected."""
    return replace(scripted_packaged_model([]), name="local")


def values(store: Store) -> list[tuple[str, str]]:
    """Where Anna lives or lived, with the ends."""
    return [(fact.value, fact.ended_on) for fact in store.facts() if fact.attribute == "lives_in"]


@pytest.mark.parametrize("model", [scripted_packaged_model([]), scripted_model([])])
def test_what_is_added_asserts_for_every_model_and_is_not_asked_of_it(
    store: Store, model: Model
) -> None:
    with Memory(store, model=model) as memory:
        memory.add([OSLO, PORTO])
    assert [value for value, ended_on in values(store) if not ended_on] == ["Porto"]


def test_turns_wait_for_a_digest_which_adds_to_their_facts(store: Store, unasked: Model) -> None:
    first, second = Memory(store, model=unasked).add([OSLO, PORTO])
    statement = MOVED.replace(", 1)", f", {first})")
    larger = scripted_model([(["I live in Oslo"], sql(statement))])
    assert Memory(store, model=larger).digest().stored == 1
    assert {fact.turn_id for fact in store.facts()} == {first, second}


def test_a_digest_is_shown_what_its_turns_assert(store: Store, unasked: Model) -> None:
    Memory(store, model=unasked).add([OSLO])
    known = scripted_model([(["I live in Oslo", "lives_in | Oslo"], sql("-- none"))])
    Memory(store, model=known).digest()
    assert values(store) == [("Oslo", "")]


def test_only_what_a_person_says_in_a_message_asserts(store: Store) -> None:
    set_setting(store, "character", "Miku")
    others = [
        replace(OSLO, kind="document"),
        replace(OSLO, kind="tool"),
        replace(OSLO, speaker="Assistant"),
        replace(OSLO, speaker="Miku"),
    ]
    add_turns(store, others)
    record_assertions(store)
    assert {fact.turn_id for fact in store.facts()} <= {1, 2, 3, 4, 5}


def test_a_new_template_is_matched_with_older_turns_too(store: Store, unasked: Model) -> None:
    add_turns(store, [Turn("Bo", "My order number is A-1047."), OSLO])
    record_assertions(store)
    order = Attribute("order_number", form="code", says=("my order number is {value}",))
    set_attribute(store, order)
    with Memory(store, model=unasked) as memory:
        assert memory.digest().facts == 1
        assert memory.digest().facts == 0
    assert ("Bo", "order_number", "A-1047") in [
        (fact.subject, fact.attribute, fact.value) for fact in store.facts()
    ]


def test_templates_of_a_removed_attribute_match_nothing(store: Store) -> None:
    remove_attribute(store, "lives_in")
    add_turns(store, [OSLO])
    assert values(store) == []


def test_secrets_are_masked_before_they_are_matched(store: Store) -> None:
    add_turns(
        store, [Turn("Anna", "My email is sk-ant-api03-aaaaaaaaaaaaaaaaaaaaaaaa@example.org")]
    )
    assert "sk-ant" not in json.dumps([fact.value for fact in store.facts()])


def test_what_the_store_refuses_keeps_no_other_turn_from_being_stored(store: Store) -> None:
    long = replace(OSLO, speaker="x" * 300)
    add_turns(store, [long, PORTO])
    assert ("Porto", "") in values(store)


def test_a_read_only_memory_is_left_as_it_is(path: Path) -> None:
    with open_store(path) as store:
        store.add(SAID)
    with open_store(path, read_only=True) as store:
        assert record_assertions(store).turns == 0


def test_what_a_person_deleted_is_not_there_after_a_digest_of_templates(
    store: Store, unasked: Model
) -> None:
    with Memory(store, model=unasked) as memory:
        memory.add(OSLO)
        store.write("DELETE FROM facts WHERE id = 1", cause="edit by Anna")
        memory.digest()
    assert not [fact for fact in store.facts() if fact.turn_id > len(SAID)]


def _remember(store: Store, model: Model) -> None:
    remember: Callable[..., str] = next(
        tool for tool in memory_tools(Memory(store, model=model)) if tool.__name__ == "remember"
    )
    remember([{"text": "I live in Oslo.", "speaker": "Anna"}])


def _ask(store: Store, model: Model) -> None:
    with Memory(store, model=model) as memory:
        memory.add(OSLO)
        assert memory.ask("Where does Anna live?").text.startswith("Oslo")


@pytest.mark.parametrize("act", [_remember, _ask])
def test_facts_are_there_through_every_door(
    store: Store, unasked: Model, act: Callable[[Store, Model], None]
) -> None:
    act(store, unasked)
    assert values(store) == [("Oslo", "")]


def test_hostile_statements_become_rows_and_nothing_else(store: Store) -> None:
    hostile = [
        "My name is '); DROP TABLE facts; --.",
        "I live in Oslo'; DELETE FROM turns; --.",
        "My cat is called \\'; UPDATE facts SET value = 'owned'.",
        'I live in "Oslo" || (SELECT text FROM turns).',
        "I live in $1 and work at %s {value} :name ?.",
        "I live in Oslo\x07\x1b[31m and work at\u202e Acme.",
        "I am allergic to nuts\n); --\nand eggs.",
        *("I like " + "a, " * 2_000 + "b.", "My sister " * 500, "I have a dog called X. " * 300),
        "My name is " + "Anna-" * 2_000,
    ]
    before = len(store.turns())
    add_turns(store, [Turn("Zoë'); --", text) for text in hostile])
    assert [turn.text for turn in store.turns()[before:]] == hostile
    assert store.check() == []
    assert "owned" not in [fact.value for fact in store.facts()]
    for change in reversed(store.changes()):
        store.undo(change.id)
    assert store.facts() == []
    store.write(f"{INSERT}('Anna', 'likes', 'tea', '', 1)", cause="test")


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    [
        *(".", "...", "... ", "!?", ",", "'", '"', "`", "``` ", "(", "-", "'s ", "a", "A ", " "),
        *(
            "\n",
            "\r\n",
            "\t",
            "    x\n",
            "> \n",
            "1. ",
            "\u3042",
            "\u202e",
            "I ",
            "my ",
            "<a ",
            "a: ",
        ),
        *(
            "I live in Oslo and ",
            "my sister Anna ",
            "my sister, ",
            "if I ",
            "and ",
            "\u201e",
            "\u00ab",
        ),
        *("I like a, ", "since 2017 ", "J'habite ", "Mein ", "translate ", "I am from ", "3 May "),
    ],
    ids=ascii,
)
def test_a_long_hostile_text_is_matched_in_linear_time(unit: str) -> None:
    from memory.vocabulary import default_vocabulary
    from memory.vocabulary.templates import question_templates_of, templates_of

    for beginning in ("", "I live in ", "From now on answer "):
        text = (beginning + unit * 100_000)[:100_000]
        templates_of(default_vocabulary()).read(Turn("Zoë", text, said_at="2024-05-06"))
        question_templates_of(default_vocabulary()).read(text, "2024-05-06")
