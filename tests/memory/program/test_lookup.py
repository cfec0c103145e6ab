"""Questions in templates answered from rows: what is decided, and what is left to others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Memory, Store, Turn, facts, open_store
from memory.evidence.question import UserQuestion
from memory.facts.additions import add_turns
from memory.program.lookup import RowsAnswer, look_up
from memory.store.facts.entity_edits import add_alias
from memory.store.facts.vocabulary_table import set_attribute
from memory.vocabulary import Attribute
from tests.conftest import INSERT, SAID
from tests.support.scripted import scripted_packaged_model

BOTH_STORES = "slow"
TURNS = [
    Turn("Anna", "I live in Oslo.", "s1", "2023-05-01"),
    Turn("Anna", "I moved to Bergen in February 2024.", "s1", "2024-05-01"),
    Turn("Anna", "We have a dog called Rex and two cats.", "s1", "2024-05-01"),
    Turn("Anna", "I speak German and English. My birthday is 3 May.", "s1", "2024-05-02"),
    Turn("Anna", "My sister Elena lives in Rome.", "s1", "2024-05-02"),
    Turn("Tom", "My sister Elena lives in Kiel. I live in Moss.", "s2", "2024-06-01"),
]
TODAY = "2024-08-01"


def with_facts(store: Store) -> Store:
    """A store with the facts of the turns, and of places and a code that somebody added."""
    add_turns(store, TURNS)
    for value, day in (("Riga", "2024-04-19"), ("Rome", "2023-04"), ("Kiel", "2022")):
        facts.add(store, subject="Anna", attribute="visited", value=value, happened_on=day)
    facts.add(store, subject="Anna", attribute="locker code", value="4471")
    return store


@pytest.fixture
def facts_store(store: Store) -> Store:
    return with_facts(store)


@pytest.fixture(scope="module")
def read_stores() -> Iterator[dict[str, Store]]:
    stores: dict[str, Store] = {}
    yield stores
    for store in stores.values():
        store.close()


@pytest.fixture
def read_store(
    read_stores: dict[str, Store], database: str, tmp_path_factory: pytest.TempPathFactory
) -> Store:
    """The same store for all tests that change nothing, one for each database."""
    if database not in read_stores:
        if database == "postgres":
            from tests.support.postgres_server import new_namespace

            address = new_namespace()
        else:
            address = str(tmp_path_factory.mktemp("read") / "anna.db")
        store = read_stores[database] = open_store(address)
        store.add(SAID)
        with_facts(store)
    return read_stores[database]


def looked_up(store: Store, question: str, asker: str = "Anna") -> RowsAnswer | None:
    with Memory(store, model=scripted_packaged_model([])) as memory:
        return look_up(UserQuestion(question, asker, TODAY), memory.reader)


DECIDED = {
    "Where do I live?": "Bergen, since February 2024; before that Oslo",
    "where does anna live now": "Bergen, since February 2024; before that Oslo",
    "Hey, where do I live?": "Bergen, since February 2024; before that Oslo",
    "Where did I live in 2023?": "Oslo, until February 2024",
    "When did I move to Bergen?": "February 2024",
    "Which pets do I have?": "at least a dog called Rex, two cats",
    "How many pets does Anna have?": "at least 3 (a dog called Rex, two cats)",
    "What is my dog called?": "a dog called Rex",
    "What languages do I speak?": "German, English",
    "When’s my birthday?": "3 May",
    "What is Anna's locker code?": "4471",
    "Where does my sister live?": "Rome",
    "Where does Tom's sister live?": "Kiel",
    "What is my sister called?": "Elena",
}


@pytest.mark.few(12)
@pytest.mark.parametrize(("question", "text"), DECIDED.items())
def test_rows_decide_a_question_in_a_template(read_store: Store, question: str, text: str) -> None:
    found = looked_up(read_store, question)
    assert found is not None
    assert found.text == text
    assert found.turn_ids
    [select] = found.sql
    assert select.startswith("SELECT ")
    assert read_store.read(select).rows == found.rows[0].rows


COUNTED = [
    (["We have three kids.", "I have two sons."], "How many kids do I have?", "3"),
    (["I have two sons.", "We have three kids."], "How many children do I have?", "3"),
    (["I have two kids.", "We have three children."], "How many kids do I have?", "3"),
    (["We have two dogs.", "We have a cat."], "How many pets do I have?", "3"),
    (["We adopted a dog, he is called Pepper."], "How many pets do I have?", "1 (Pepper)"),
    (["We got a cat, and her name is Luna."], "What pets do I have?", "Luna"),
]


@pytest.mark.parametrize(("said", "question", "text"), COUNTED)
def test_what_is_counted_of_all_is_no_more_beside_them(
    path: Path, said: list[str], question: str, text: str
) -> None:
    with Memory(path) as memory:
        memory.add([Turn("Anna", one, f"s{n}", f"2024-0{n}-01") for n, one in enumerate(said, 1)])
        assert memory.ask(question, asker="Anna").text.startswith(text)


MORE = [
    (
        ["I speak Dutch.", "My Greek got better, I speak it every day.", "I speak Danish."],
        "Which languages do I speak?",
        "at least Dutch, Danish",
    ),
    (
        ["I'm allergic to nuts.", "Strawberries: no allergic snack for me, please."],
        "What am I allergic to?",
        "at least nuts",
    ),
    (
        ["I have a cat.", "The hamster sleeps all day."],
        "How many pets do I have?",
        "at least 1 (a cat)",
    ),
]


@pytest.mark.parametrize(("said", "question", "text"), MORE)
def test_a_list_or_count_says_at_least_where_a_near_turn_has_no_fact(
    path: Path, said: list[str], question: str, text: str
) -> None:
    with Memory(path) as memory:
        memory.add([Turn("Anna", one, "s", f"2024-0{n}-01") for n, one in enumerate(said, 1)])
        assert memory.ask(question, asker="Anna").text == text
        assert memory.ask(question, asker="Bo").basis != "rows"


def test_my_is_nobody_s_without_an_asker(read_store: Store) -> None:
    assert looked_up(read_store, "Where do I live?", asker="") is None
    assert looked_up(read_store, "Where do I live?", asker="Tom").text == "Moss"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("pets", "text"),
    [
        (["two cats", "three cats"], "3 (three cats)"),
        (["two cats", "2 cats"], "2 (2 cats)"),
        (["a cat called Miso", "Miso"], "1 (a cat called Miso)"),
        (["two cats", "a cat called Miso"], "2 (two cats, a cat called Miso)"),
        (["two Siamese cats", "three Siamese cats"], "3 (three Siamese cats)"),
        (["dog Rex", "cat Miso"], "2 (dog Rex, cat Miso)"),
        (["two cats", "Miso"], "two cats, Miso"),  # who may be one of them
    ],
)
def test_things_are_counted_and_not_how_often_they_are_told(
    store: Store, pets: list[str], text: str
) -> None:
    turns = [Turn("Anna", pet, "s3", f"2024-05-0{n}") for n, pet in enumerate(pets, 1)]
    for pet, turn_id in zip(pets, store.add(turns), strict=True):
        facts.add(store, subject="Anna", attribute="has_pet", value=pet, turn_id=turn_id)
    found = looked_up(store, "How many pets does Anna have?")
    assert found is not None
    assert found.text.removeprefix("at least ") == text


def test_a_mother_who_speaks_is_asked_for_by_her_name(store: Store) -> None:
    add_turns(store, [Turn("Mum", "I live in Leeds.", "s3", "2024-06-01")])
    found = looked_up(store, "Where does Mum live?")
    assert found is not None
    assert found.text == "Leeds"
    unnamed = looked_up(store, "Where does Mum live?", asker="")
    assert unnamed is not None, "a family's export, asked by nobody in particular"
    assert unnamed.text == "Leeds"


@pytest.mark.few(1)
def test_what_a_person_does_decides(facts_store: Store) -> None:
    [bergen] = facts.find(facts_store, "Bergen")
    facts.supersede(facts_store, bergen.id, "Voss", "2024-07-01")
    assert _text(facts_store) == "Voss, since 1 July 2024; before that Bergen"
    [voss] = facts.find(facts_store, "Voss")
    facts.end(facts_store, voss.id, "2024-07-10")
    assert _text(facts_store) == "none any more; Voss until 10 July 2024"
    facts.add(
        facts_store, subject="Anna", attribute="lives in", value="Ål", happened_on="2024-07-20"
    )
    assert _text(facts_store) == "Ål, since 20 July 2024; before that Voss"


def _text(store: Store) -> str:
    found = looked_up(store, "Where do I live?")
    assert found is not None
    return found.text


def test_of_values_that_nothing_has_ended_the_one_said_last_is_the_answer(store: Store) -> None:
    moved = Turn("Anna", "We are in Moss now.", said_at="2023-08-01")
    [turn_id] = store.add([moved])
    store.write(f"{INSERT}('Anna', 'lives_in', 'Moss', '', {turn_id})", cause="test")
    store.write(f"{INSERT}('Anna', 'lives_in', 'Oslo', '', 1)", cause="test")
    assert _text(store) == "Moss; before that Oslo"


@pytest.mark.parametrize("moved", ["today", "yesterday", "last week", "two weeks ago"])
def test_turns_dated_after_the_clock_decide_too(store: Store, moved: str) -> None:
    add_turns(store, [Turn("Mia", "I live in Berlin.", said_at="2099-03-01")])
    add_turns(store, [Turn("Mia", f"I moved to Bonn {moved}.", said_at="2099-03-20")])
    with Memory(store, model=scripted_packaged_model([])) as memory:
        found = look_up(UserQuestion("Where do I live?", "Mia"), memory.reader)
    assert found is not None
    assert found.text.startswith("Bonn, since")


def test_an_attribute_by_another_name_and_an_alias_of_somebody_are_found(store: Store) -> None:
    store.write(f"{INSERT}('Ilse', 'spouse', 'Kurt', '', 1)", cause="test")
    add_alias(store, "Frau Brandt", "Ilse")
    found = looked_up(store, "Who is Frau Brandt married to?")
    assert found is not None
    assert found.text == "Kurt"


def test_questions_of_the_application_s_own_attributes(store: Store) -> None:
    set_attribute(
        store,
        Attribute(
            "order_number",
            "one value",
            form="code",
            says=("my order number is {value}",),
            asks=("which order is {who}'s",),
        ),
    )
    add_turns(store, [Turn("Bo", "My order number is A-1047.")])
    found = looked_up(store, "Which order is mine?", asker="Bo")
    assert found is None  # "mine" is no "my"
    for question in ("Which order is Bo's?", "What is my order number?"):
        found = looked_up(store, question, asker="Bo")
        assert found is not None
        assert found.text == "A-1047"


def test_rows_of_several_memories_decide_as_those_of_one(read_store: Store, tmp_path: Path) -> None:
    with open_store(tmp_path / "team.db") as team:
        add_turns(team, [Turn("Anna", "I'm allergic to nuts.")])
        together = {"own": read_store, "team": team}
        with Memory.over(together, model=scripted_packaged_model([])) as memory:
            said = memory.ask("What am I allergic to?", asker="Anna")
    # In the own one she says "I am allergic to dogs though", of which no fact is.
    assert (said.text, said.basis) == ("at least nuts", "rows")
    assert [citation.memory for citation in said.citations] == ["team"]
