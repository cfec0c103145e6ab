"""What a model of up to 3 billion parameters stores: its rows are checked against their turn."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locomo.dataset.format import load_conversations
from memory import Memory, Turn
from memory.models.row_grammar import row_grammar, spoken_text
from memory.program.brief_store import insert_of, relatives_in
from memory.records import Fact
from tests.memory.program.test_brief import SAID, memory_of
from tests.support.gbnf import expression_of
from tests.support.scripted import scripted_model

BOTH_STORES = True
DATA = Path(__file__).parents[3] / "data"


def facts_of(memory: Memory) -> set[tuple[str, str, str, str]]:
    return {(f.subject, f.attribute, f.value, f.happened_on) for f in memory.store.facts()}


def test_a_turn_a_call_becomes_rows_and_small_talk_takes_no_call(address: str) -> None:
    memory = memory_of(
        address,
        [
            (
                ["Maria: I bought a cello last Saturday, and"],
                "Maria | bought | a cello last Saturday\nmy sister Ella | plays | the flute",
            ),
            (["Tom: I live in Porto and I sail"], "I | sail on | Sundays"),
        ],
    )
    memory.add(SAID)
    before = facts_of(memory)
    done = memory.digest()
    assert (done.stored, done.failed, done.calls) == (4, 0, 2)
    memory.model.lm.assert_done()
    assert facts_of(memory) - before == {
        ("Maria", "bought", "a cello last Saturday", "2011-04-02"),
        ("Maria", "has_sister", "Ella", ""),
        ("Ella", "plays", "the flute", ""),
        ("Tom", "sail_on", "Sundays", ""),
    }


NONSENSE = [
    "I | live in | Porto",  # what a template read of the turn
    "Tom | lives in | Porto",  # no run of words
    "I | sail on | Mondays",
    "Bob | likes | Sundays",
    "sail | on | Sundays",  # about nobody
    "and | I sail on | Sundays",
    "she | sails on | Sundays",
    "I | | Porto",
    "I live in | Porto",
    "Tom",
    "DROP TABLE facts; | x' | Porto'); DELETE FROM facts;",
    "[[ ## sql ## ]]\nDELETE FROM facts;",
    "none\nnone",
    "|||||",
    "",
    "\x00\ud800 | \x00 | \x00",
]


@pytest.mark.parametrize("written", NONSENSE)
def test_nonsense_leaves_a_memory_as_it_was(address: str, written: str) -> None:
    memory = memory_of(address, [([], written)])
    memory.add(SAID[3:])
    person = memory.store.write(
        insert_of([Fact("Tom", "owns", "a yacht", turn_id=1)]), cause="a person"
    )
    before = facts_of(memory)
    assert {("Tom", "lives_in", "Porto", ""), ("Tom", "owns", "a yacht", "")} <= before
    done = memory.digest()
    assert done.failed == 0
    assert facts_of(memory) == before
    assert person.id in {change.id for change in memory.store.changes()}


@given(written=st.text(alphabet="ITom sailonSuday|\n'Porto.lveinx", max_size=200))
@settings(max_examples=60, deadline=None)
def test_whatever_is_written_only_words_of_the_turn_are_added(written: str) -> None:
    memory = Memory(
        ":memory:", scripted_model([([], written)], window=1, budget=2_000, size="small")
    )
    memory.add(SAID[3:])
    before = facts_of(memory)
    memory.digest()
    assert before <= facts_of(memory)
    for subject, attribute, value, _ in facts_of(memory) - before:
        assert subject in {"Tom", "Porto"}
        assert f"{attribute.replace('_', ' ')} {value}".casefold() in SAID[3].text.casefold()


def test_what_was_asked_is_not_stored(address: str) -> None:
    memory = memory_of(address, [([], "I | told Ana | about the boat\nmy cat | is | ill")])
    memory.add([Turn("Tom", "Did you hear that I told Ana about the boat? Well, my cat is ill.")])
    with memory.model.active():
        digested = memory.program.store(memory, first=1, last=1)
    assert facts_of(memory) == {("Tom's cat", "is", "ill", "")}
    assert digested.left_out == {"not the turn's words": 1}


def test_what_is_said_to_the_other_is_not_stored(address: str) -> None:
    memory = memory_of(address, [([], "Tom | have you in | my corner\nTom | sold | the boat")])
    memory.add([Turn("Tom", "Glad that I have you in my corner! I sold the boat.")])
    memory.program.store.gate = None
    memory.digest()
    assert {fact.value for fact in memory.store.facts()} == {"the boat"}


def test_me_is_the_speaker_and_a_predicate_without_an_object_is_a_value(address: str) -> None:
    memory = memory_of(address, [([], "Lorraine | left | me\nmy dog | does | died")])
    memory.add([Turn("Tom", "Lorraine left me. Then my dog died.")])
    memory.digest()
    assert {("Lorraine", "left", "Tom", ""), ("Tom's dog", "died", "died", "")} <= facts_of(memory)


def test_a_word_that_begins_a_sentence_is_no_name(address: str) -> None:
    memory = memory_of(address, [([], "Books | cost | the same\nIda | reads | two")])
    said = "I love how books smell when they are new."
    memory.add(
        [Turn("Tom", said), Turn("Tom", "Books cost the same in May. Ida reads two a week.")]
    )
    before = facts_of(memory)
    memory.digest()
    assert {subject for subject, *_ in facts_of(memory) - before} == {"Ida"}


def test_whom_a_row_is_about(address: str) -> None:
    rows = [
        "Nora | love to learn | sailing",
        "The bakery | is called | Hearth",
        "Nora | run | it together",
        "I'm | teaching | Ida",
    ]
    memory = memory_of(address, [([], "\n".join(rows))])
    text = "I'd love to learn sailing. The bakery is called Hearth, Dorte and I run it together."
    memory.add([Turn("Nora", f"{text} I'm teaching Ida.")])
    memory.digest()
    assert facts_of(memory) == {
        ("Nora", "would_love_to_learn", "sailing", ""),
        ("bakery", "name", "Hearth", ""),
        ("Nora", "teaching", "Ida", ""),
    } | {("Nora", "run", "it together", "")}


@pytest.mark.parametrize(
    ("text", "row", "day"),
    [
        ("Yesterday, I went to a fair in Faro.", "I | went to | a fair in Faro", "2011-04-07"),
        ("I saw Ana last week.", "I | saw | Ana", "2011-03-28/2011-04-03"),
        ("I start in Porto next month.", "I | start in | Porto", "2011-05"),
        ("I start in Porto, and next month we sail to Rome.", "I | start in | Porto", ""),
        ("I saw Ana yesterday and Ida tomorrow.", "I | saw | Ana yesterday and Ida tomorrow", ""),
        ("I saw Ana on the 2nd of March.", "I | saw | Ana", "2011-03-02"),
        (
            "I read Salt and Ashes on the 2nd of March.",
            "I | read | Salt and Ashes on the 2nd of March",
            "2011-03-02",
        ),
        ("We moved on 27 December.", "We | moved on | 27 December", "2010-12-27"),
        ("I fly to Faro on 12 May.", "I | fly to | Faro", "2011-05-12"),
        ("We met on Saturday.", "We | met on | Saturday", "2011-04-02"),
        ("I've been without sugar since January.", "I | been without | sugar", "2011-01"),
    ],
)
def test_a_date_is_that_next_to_a_row(address: str, text: str, row: str, day: str) -> None:
    memory = memory_of(address, [([], row)])
    memory.add([Turn("Maria", text, said_at="2011-04-08")])
    memory.digest()
    assert [fact.happened_on for fact in memory.store.facts()] == [day]


@pytest.mark.parametrize(
    ("text", "relatives"),
    [
        ("I called my little sister Ella, and my dad.", {("has_sister", "Ella")}),
        (
            "My friend Ana and our daughter Mia swim.",
            {("has_friend", "Ana"), ("has_daughter", "Mia")},
        ),
        ("My wife I must thank, and my brother, Tom.", set()),
        ("It was my brother Tom's boat, and your sister Ida saw it.", set()),
    ],
)
def test_whom_a_turn_names_as_the_speakers(text: str, relatives: set[tuple[str, str]]) -> None:
    facts = relatives_in(Turn("Nora", text, id=1))
    assert {(fact.attribute, fact.value) for fact in facts} == relatives
    assert {fact.subject for fact in facts} <= {"Nora"}


def test_a_value_of_a_template_is_replaced_by_no_later_line(address: str) -> None:
    memory = memory_of(address, [([], "none"), ([], "I | lives in | the garden")])
    memory.add([*SAID[3:], Turn("Tom", "Some say I lives in the garden now.")])
    before = facts_of(memory)
    memory.digest()
    assert facts_of(memory) == before


def test_a_value_from_before_that_of_a_template_is_history(address: str) -> None:
    memory = memory_of(address, [([], "Tom | lives in | Faro"), ([], "none")])
    faro = Turn("Tom", "So Tom lives in Faro by the sea.", said_at="2011-04-01")
    memory.add([faro, SAID[3]])
    memory.digest()
    values = {fact.value for fact in memory.store.facts() if fact.attribute == "lives_in"}
    assert values == {"Faro", "Porto"}
    assert memory.store.read("SELECT value FROM facts_now WHERE attribute = 'lives_in'").rows == (
        ("Porto",),
    )


def test_a_value_begins_no_clause_of_its_own(address: str) -> None:
    memory = memory_of(address, [([], "Tom | last spoke | I am still on the ferry")])
    text = "Since we last spoke I am still on the ferry."
    memory.add([Turn("Tom", text)])
    memory.digest()
    assert facts_of(memory) == set()
    rows = expression_of(row_grammar("Tom: Since we spoke I am ill now."))
    assert rows.fullmatch("Tom | am | ill now")
    assert not rows.fullmatch("Tom | spoke | I am ill now")


def test_a_grammar_defines_every_rule_that_it_names() -> None:
    """llama.cpp would drop a grammar that does not, and let the model write anything."""
    for conversation in load_conversations(DATA / "friends"):
        for turn in conversation.turns:
            lines = row_grammar(f"{turn.speaker}: {spoken_text(turn.text)}").splitlines()
            names = [line.split(" ::= ")[0] for line in lines]
            assert len({*names}) == len(names)
            unquoted = re.sub(r'"(?:\\.|[^"\\])*"', "", "\n".join(lines))
            assert {*re.findall(r"[a-z]\w*", unquoted)} <= {*names}, turn.text
