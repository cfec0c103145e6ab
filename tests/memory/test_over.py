"""Several memories in one question: everything is named by its memory, nothing else is reached."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from memory import InputError, Memory, SqlError, Store, Turn, memory_tools, open_store
from memory.errors import StoreError
from memory.evidence.lines import LEAST_BUDGET
from memory.store.configuration.settings import settings_of
from memory.store.files.united import MOST_MEMORIES, cited_turns, memory_name, unite
from memory.text.tokens import count_tokens
from tests.conftest import INSERT, MOVED, SAID
from tests.support.scripted import (
    Pairs,
    ScriptedLM,
    answer,
    scripted_model,
    scripted_packaged_model,
    sql,
)

BOTH_STORES = "slow"

TEAM = [
    Turn("Cleo", "Can we move the meeting to Friday?", "standup", "2017-06-01"),
    Turn("Anna", "Friday is fine, I am in the Oslo office.", "standup", "2017-06-01"),
    Turn("Dan", "The dog of the caretaker barks all day.", "lunch", "2017-06-14"),
]
IN_OFFICE = INSERT + "('Anna', 'works_in', 'the Oslo office', '2017-06', 2)"
SECRET = [Turn("Eve", "The code of the safe in Oslo is 4711.", "private", "2017-06-02")]
ALL_FACTS = "SELECT turn_id, subject, attribute, value FROM facts"


@pytest.fixture
def stores(address: str, tmp_path: Path) -> Iterator[dict[str, Store]]:
    """Anna's memory in the database of the test, and the team's in a file beside it."""
    places = {"anna": address, "team": str(tmp_path / "team.db")}
    with ExitStack() as stack:
        opened = {name: stack.enter_context(open_store(at)) for name, at in places.items()}
        opened["anna"].add(SAID)
        opened["anna"].write(MOVED, cause="test")
        opened["team"].add(TEAM)
        opened["team"].write(IN_OFFICE, cause="test")
        yield opened


def asked(stores: Mapping[str, Store], pairs: Pairs) -> tuple[Memory, ScriptedLM]:
    """A memory over these, and the script that its model follows."""
    memory = Memory.over(stores, model=scripted_model(pairs))
    lm = memory.model.lm
    assert isinstance(lm, ScriptedLM)
    return memory, lm


def contents(store: Store) -> list[object]:
    """All that a memory holds."""
    return [*store.dump(), settings_of(store)]


# ---------------------------------------------------------------------------------- asking


def test_an_answer_names_the_memory_of_each_turn_and_row(stores: Mapping[str, Store]) -> None:
    both = [
        "memory anna:\nturns: 5 in 2 sessions",
        "memory team:\nturns: 3 in 2 sessions",
        "facts of Anna: works_in(1)",
    ]
    shown = [
        "memory: anna | n: 1\nmemory: team | n: 1",
        "[1] anna Anna: I moved to Oslo",
        "[100002] team Anna: Friday is fine",
    ]
    statements = f"SELECT COUNT(*) AS n FROM facts; {ALL_FACTS};"
    memory, lm = asked(stores, [(both, sql(statements)), (shown, answer("Oslo", "1, 100002"))])
    said = memory.ask("Where in Oslo is Anna?")
    lm.assert_done()
    assert (said.turns, said.memories) == ((1, 2), ("anna", "team"))
    assert [(cited.memory, cited.turn_id) for cited in said.citations] == [("anna", 1), ("team", 2)]
    assert all(cited.rank and cited.sql == (ALL_FACTS,) for cited in said.citations)
    assert said.rows[0].rows == (("anna", 1), ("team", 1))
    assert said.rows[1].columns == ("memory", "turn_id", "subject", "attribute", "value")
    assert said.rows[1].rows == (
        ("anna", 1, "Anna", "lives_in", "Oslo"),
        ("team", 2, "Anna", "works_in", "the Oslo office"),
    )
    assert {*zip(said.shown_memories, said.shown, strict=True)} >= {("anna", 1), ("team", 3)}
    turns = cited_turns(unite(stores), said)
    assert [turn.text for turn in turns] == [SAID[0].text, TEAM[1].text]
    assert memory.stores["team"].turn(said.turns[1]).text == TEAM[1].text


def test_hits_and_rows_have_the_ids_of_their_memories(stores: Mapping[str, Store]) -> None:
    memory = Memory.over(stores)
    hits = memory.search("Who is in Oslo?", 3)
    found = {(hit.memory, hit.turn_id) for hit in hits}
    assert {("anna", 1), ("team", 2)} <= found
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    rows = memory.read("SELECT id, text FROM turns WHERE text LIKE '%Oslo%'")
    assert rows.rows == (("anna", 1, SAID[0].text), ("team", 2, TEAM[1].text))
    # The rows of a person's SELECT and the hits make the same context as those of a question.
    context = memory.evidence("Who is in Oslo?", [rows], hits=hits)
    assert "[100002] team" in context.text
    assert "[1] anna" in context.text


def test_digested_facts_have_the_numbers_of_their_turns(stores: Mapping[str, Store]) -> None:
    united = Memory.over(stores)._united
    numbers = [turn.id for turn in united.turns() if turn.id is not None]
    told = {fact.value: fact.turn_id for fact in united.digested_facts(numbers)}
    office = next(turn for turn in united.turns() if "Oslo office" in turn.text)
    assert told == {"Oslo": 1, "the Oslo office": office.id}


def test_a_filter_holds_in_all_memories(stores: Mapping[str, Store]) -> None:
    memory = Memory.over(stores)
    hits = memory.search("Oslo", filter={"speaker": "Anna", "since": "2017-06"})
    assert {(hit.memory, hit.turn_id) for hit in hits} == {("anna", 5), ("team", 2)}


def test_the_past_of_several_memories(stores: Mapping[str, Store]) -> None:
    with unite(stores).as_of("2017-06-05") as past:
        memory = Memory(past, model=scripted_model([]))
        texts = [past.turn(number).text for number in (1, 3, 100_001, 100_002)]
        assert texts == [SAID[0].text, SAID[2].text, TEAM[0].text, TEAM[1].text]
        assert {hit.memory for hit in memory.search("Oslo")} == {"anna", "team"}
        assert memory.read("SELECT COUNT(*) AS n FROM turns").rows == (("anna", 3), ("team", 2))
    with pytest.raises(InputError, match="12"):
        unite(stores).as_of("12")
    with pytest.raises(InputError, match="12"):
        unite(stores).facts("12")


def test_the_catalogs_share_the_tokens(stores: Mapping[str, Store]) -> None:
    names = [f"Person {number}" for number in range(400)]
    stores["anna"].add([Turn(name, "Hello.", session=name) for name in names])
    for tokens in (40, 80, 200, 1_000):
        catalog = unite(stores).catalog(tokens)
        assert count_tokens(catalog) <= max(tokens, 45)
        assert "memory anna:" in catalog
        assert "memory team:" in catalog
    assert "works_in(1)" in catalog, "what a small memory does not need goes to the large one"


# ---------------------------------------------------------------------------------- writing


@pytest.mark.slow
def test_writes_go_to_the_first_and_nothing_to_the_others(stores: Mapping[str, Store]) -> None:
    before = contents(stores["team"])
    pairs = [([], sql(ALL_FACTS)), ([], answer("Oslo", "100002, 1"))]
    memory, _ = asked(stores, pairs)
    memory.ask("Where in Oslo is Anna?")
    assert memory.add(Turn("Anna", "I sold the flat.")) == [6]
    assert memory.store.turn(6).text == "I sold the flat."
    model = scripted_model([(["[6]"], sql(f"{INSERT}('Anna', 'sold', 'flat', NULL, 6)"))])
    assert Memory.over(stores, model=model).digest().facts == 1
    assert stores["anna"].facts()[-1].value == "flat"
    assert contents(stores["team"]) == before
    with pytest.raises(SqlError):
        memory.read("DELETE FROM facts")


def test_all_but_the_first_are_opened_for_reading(
    stores: Mapping[str, Store], address: str, tmp_path: Path
) -> None:
    with Memory.over([address, tmp_path / "team.db"]) as memory:
        first, second = memory.stores.values()
        assert (first.read_only, second.read_only) == (False, True)
        with pytest.raises(StoreError):
            second.add([Turn("Eve", "hello")])
    stores["team"].close()
    missing = tmp_path / "nobody.db"
    with pytest.raises(StoreError):
        Memory.over([address, missing])
    assert not missing.exists()


# ---------------------------------------------------------------------------------- walls


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack",
    [
        "SELECT text FROM secret.turns",
        "ATTACH DATABASE 'secret.db' AS s; SELECT text FROM s.turns",
        "SELECT text FROM memory.turns",
        "SELECT text FROM turns WHERE memory = 'secret'",
        "SELECT * FROM pg_read_file('secret.db')",
        "SELECT text FROM turns WHERE namespace <> 0",
        "SELECT name FROM memory.namespaces",
        "SELECT load_extension('secret')",
        "UPDATE facts SET value = 'x' WHERE id = 1",
        "DELETE FROM turns",
    ],
)
def test_no_statement_reaches_a_third_memory(
    stores: Mapping[str, Store], tmp_path: Path, attack: str, database: str
) -> None:
    from tests.support.postgres_server import new_namespace

    third = new_namespace() if database == "postgres" else tmp_path / "secret.db"
    with open_store(third) as secret:
        secret.add(SECRET)
        pairs = [
            ([], sql(attack)),
            (["Refused"], sql(attack)),
            (["Refused"], sql(attack)),
            ([], answer("No information available")),
        ]
        before = contents(stores["team"])
        memory, lm = asked(stores, pairs)
        said = memory.ask("What is the code of the safe in Oslo?")
        assert all("4711" not in prompt for prompt in lm.script.prompts)
        assert "4711" not in repr(said)
        assert contents(stores["team"]) == before
        assert [fact.value for fact in stores["anna"].facts()] == ["Oslo"]


def test_what_was_forgotten_in_one_memory_is_in_no_answer(stores: Mapping[str, Store]) -> None:
    memory = Memory.over(stores)
    assert ("team", 2) in {(hit.memory, hit.turn_id) for hit in memory.search("Oslo office", 9)}
    stores["team"].forget([2])
    assert ("team", 2) not in {(hit.memory, hit.turn_id) for hit in memory.search("Oslo office", 9)}
    assert memory.read(ALL_FACTS).rows == (("anna", 1, "Anna", "lives_in", "Oslo"),)
    united = unite(stores)
    assert "office" not in united.catalog(1_000)
    assert united.turns_by_id([100_002], missing_ok=True) == []
    with pytest.raises(InputError, match="no turn 100002"):
        united.turn(100_002)


# ---------------------------------------------------------------------------------- numbers


def test_numbers_never_mean_two_turns(stores: Mapping[str, Store]) -> None:
    united = unite(stores)
    turns = united.turns()
    assert [turn.text for turn in turns] == [turn.text for turn in (*SAID, *TEAM)]
    assert [turn.id for turn in turns] == [1, 2, 3, 4, 5, 100_001, 100_002, 100_003]
    assert united.turns(4, 100_001) == turns[3:6]
    assert united.turns(100_002, 100_002) == turns[6:7]
    assert united.turns_by_id([100_003, 2]) == [turns[7], turns[1]]
    assert united.count_turns() == 8
    for number in (0, -1, 6, 100_000, 100_004, 200_001, 10**17):
        with pytest.raises(InputError, match=f"no turn {number}"):
            united.turn(number)
    [moved, office] = united.facts()
    assert (moved.id, moved.turn_id, office.id, office.turn_id) == (1, 1, 100_001, 100_002)


def test_a_number_under_the_name_of_an_id_is_refused_where_it_is_none(
    stores: Mapping[str, Store],
) -> None:
    with pytest.raises(SqlError, match="name the column otherwise"):
        Memory.over(stores).read("SELECT 4000000000 AS id FROM facts")


# ---------------------------------------------------------------------------------- bad input


def test_bad_lists_are_refused_in_one_line(
    stores: Mapping[str, Store], address: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="at least one"):
        Memory.over([])
    with pytest.raises(InputError, match="the same memory"):
        Memory.over({"one": stores["team"], "two": tmp_path / "team.db"})
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="two memories are called 'team'"):
        Memory.over([tmp_path / "team.db", tmp_path / "other" / "team.db"])
    with pytest.raises(InputError, match="blank"):
        Memory.over({" ": stores["team"]})
    with pytest.raises(InputError, match=f"at most {MOST_MEMORIES}"):
        Memory.over({str(number): stores["team"] for number in range(MOST_MEMORIES + 1)})
    both = Memory.over(stores)
    with pytest.raises(InputError, match="each of its memories"):
        Memory.over([both])
    with pytest.raises(InputError, match="too small"):
        Memory.over(stores, budget=LEAST_BUDGET - 1)
    assert stores["anna"].count_turns() == 5, "stores that were given stay open"


def test_a_memory_is_called_as_its_namespace_or_its_file() -> None:
    assert memory_name("/x/anna.db") == memory_name("sqlite:////x/anna.db") == "anna"
    assert memory_name("postgresql://u@h/db?sslmode=on&namespace=our%20team") == "our team"


def test_the_first_memory_lends_its_model(stores: Mapping[str, Store]) -> None:
    model = scripted_model([])
    anna = Memory(stores["anna"], model=model, budget=500)
    memory = Memory.over({"anna": anna, "team": stores["team"]})
    assert (memory.model, memory.budget) == (model, 500)
    assert memory.store is stores["anna"]
    assert Memory(stores["anna"], model=model).stores == {"": stores["anna"]}


# ---------------------------------------------------------------------------------- tools


@pytest.mark.slow
def test_the_tools_of_a_framework_read_all_and_write_to_the_first(
    stores: Mapping[str, Store],
) -> None:
    pairs = [([], sql(ALL_FACTS)), (["[100003] team"], answer("the caretaker's", "100003"))]
    memory, _ = asked(stores, pairs)
    tools = {tool.__name__: tool for tool in memory_tools(memory, refining=True)}
    before = contents(stores["team"])
    said = tools["ask_memory"]("Whose dog barks all day?")
    assert said.splitlines() == [
        "the caretaker's",
        "[100003] team (Wed 14 Jun 2017) Dan: The dog of the caretaker barks all day.",
    ]
    assert "[100002] team" in tools["recall"]("Oslo office", as_of="2017-06-10")
    assert "in team)" in tools["list_facts"](as_of="2500")
    with pytest.raises(InputError, match="a change, not a moment"):
        tools["list_facts"](as_of="1")
    assert tools["remember"]("Anna drinks tea at four.") == "Remembered as turn 6."
    fact = {"subject": "Anna", "attribute": "drinks", "value": "tea", "turn_id": 6}
    tools["remember"](facts=[fact])
    assert [fact.value for fact in stores["anna"].facts()] == ["Oslo", "tea"]
    assert "user" in tools["get_settings"]()
    with pytest.raises(InputError, match="no fact 100001"):
        tools["correct_fact"](100_001, value="Bergen")
    assert contents(stores["team"]) == before


# ---------------------------------------------------------------------------------- "local"


def test_facts_of_several_memories_decide_without_a_model(stores: Mapping[str, Store]) -> None:
    stores["anna"].write(f"{INSERT}('Anna', 'has_pet', 'cat Miso', '', 3)", cause="test")
    stores["team"].write(f"{INSERT}('Anna', 'has_pet', 'parrot Polly', '', 2)", cause="test")
    said = Memory.over(stores, model=scripted_packaged_model([])).ask("Which pets does Anna have?")
    assert (said.text, said.calls) == ("at least cat Miso, parrot Polly", 0)
    assert (said.turns, said.memories) == ((3, 2), ("anna", "team"))
