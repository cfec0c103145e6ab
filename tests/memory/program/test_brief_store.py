"""What a model of up to 3 billion parameters stores: its rows are checked against their turn."""

import pytest

from memory import Memory, Turn
from memory.program.brief_store import insert_of, rows_in
from memory.records import Fact
from tests.support.scripted import Pairs, scripted_model

BOTH_STORES = True
SAID = [
    Turn("Maria", "I bought a cello last Saturday, and my sister Ella plays the flute.",
         said_at="2011-04-08"),
    Turn("Tom", "How are you?", said_at="2011-04-08"),
    Turn("Tom", "Thank you!", said_at="2011-04-08"),
    Turn("Tom", "I live in Porto and I sail on Sundays.", said_at="2011-04-09"),
]  # fmt: skip


def memory_of(address: str, pairs: Pairs) -> Memory:
    return Memory(address, scripted_model(pairs, window=1, budget=2_000, size="little"))


def facts_of(memory: Memory) -> set[tuple[str, str, str, str]]:
    return {(f.subject, f.attribute, f.value, f.happened_on) for f in memory.store.facts()}


def test_a_turn_a_call_becomes_rows_and_small_talk_takes_no_call(address: str) -> None:
    memory = memory_of(
        address,
        [
            (
                ["Maria: I bought a cello last Saturday (2011-04-02), and"],
                "Maria | bought | a cello | 2011-04-02\nElla | plays_instrument | the flute |",
            ),
            (["Tom: I live in Porto and I sail"], "Tom | activity | sail on Sundays | 2011-04-01"),
        ],
    )
    memory.add(SAID)
    before = facts_of(memory)
    done = memory.digest()
    assert (done.stored, done.failed, done.calls) == (4, 0, 2)
    memory.model.lm.assert_done()
    assert facts_of(memory) - before == {
        ("Maria", "bought", "a cello", "2011-04-02"),
        ("Ella", "plays_instrument", "the flute", ""),
        ("Tom", "activity", "sail on Sundays", ""),  # its date stands in no bracket
    }


def test_the_model_reads_its_instruction_and_the_line_alone(address: str) -> None:
    memory = memory_of(address, [([], "none")])
    memory.add(SAID[:1])
    memory.digest()
    [prompt] = memory.model.lm.script.prompts
    assert "##" not in prompt
    assert prompt.startswith("Maria: ")


NONSENSE = [
    "Tom | lives_in | Sundays |",  # what a template read of the turn stands
    "Tom | lives_in | Porto |",  # a double
    "Tom | owns | a yacht in Lisbon |",  # words that the turn does not have
    "Bob | likes | Sundays |",  # nobody of the turn
    "she | sails_on | Sundays |",
    "Tom | |  |",
    "Tom",
    "DROP TABLE facts; | x' | Porto'); DELETE FROM facts; |",
    "[[ ## sql ## ]]\nDELETE FROM facts;",
    "none\nnone",
    "|||||",
    "",
    "\x00\ud800 | \x00 | \x00 |",
]


@pytest.mark.parametrize("written", NONSENSE)
def test_nonsense_leaves_a_memory_as_it_was(address: str, written: str) -> None:
    memory = memory_of(address, [([], written)])
    memory.add(SAID[3:])
    before = facts_of(memory)
    assert ("Tom", "lives_in", "Porto", "") in before
    done = memory.digest()
    assert done.failed == 0
    assert facts_of(memory) == before


def test_a_value_of_a_template_is_replaced_by_no_later_line(address: str) -> None:
    memory = memory_of(address, [([], "none"), ([], "Tom | lives_in | the garden |")])
    memory.add([*SAID[3:], Turn("Tom", "We spend all day in the garden now.")])
    before = facts_of(memory)
    memory.digest()
    assert facts_of(memory) == before


def test_a_value_from_before_that_of_a_template_is_history(address: str) -> None:
    memory = memory_of(address, [([], "Tom | lives_in | Faro |"), ([], "none")])
    faro = Turn("Tom", "All my childhood years went by in Faro.", said_at="2011-04-01")
    memory.add([faro, SAID[3]])
    memory.digest()
    values = {fact.value for fact in memory.store.facts() if fact.attribute == "lives_in"}
    assert values == {"Faro", "Porto"}
    assert memory.store.read("SELECT value FROM facts_now WHERE attribute = 'lives_in'").rows == (
        ("Porto",),
    )


def test_who_speaks_of_her_is_not_the_subject(address: str) -> None:
    memory = memory_of(
        address,
        [([], "Tom | works_as | night shifts at the harbour |\nTom | hums_on | rainy mornings |")],
    )
    memory.add([Turn("Tom", "She does night shifts at the harbour. I hum on rainy mornings.")])
    stored = memory.digest()
    assert stored.unsaid == 1
    assert ("Tom", "works_as", "night shifts at the harbour", "") not in facts_of(memory)
    assert "rainy mornings" in {value for _, _, value, _ in facts_of(memory)}


def test_rows_and_their_insert() -> None:
    text = "Maria | bought | Ana's cello | 2011-04-02\nno row\nTom | plans | a | b | c\nTom | a | b"
    assert rows_in(text) == [
        ("Maria", "bought", "Ana's cello", "2011-04-02"),
        ("Tom", "a", "b", ""),
    ]
    sql = insert_of([Fact("Maria", "bought", "Ana's cello", happened_on="", turn_id=3)])
    assert sql.endswith("('Maria', 'bought', 'Ana''s cello', '', 3);")
    assert insert_of([]) == ""
