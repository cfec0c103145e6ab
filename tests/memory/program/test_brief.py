"""The form for models of up to 3 billion parameters: code checks their lines, and writes SQL."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import dspy
import pytest

from memory import Memory, Turn
from memory.errors import SqlError, UnusableAnswer
from memory.models.brief_prompts import brief_grammar, brief_messages, catalog_names
from memory.program import MemoryProgram, load_program, save_program
from memory.program.brief import Choice, choice_in
from memory.program.brief_store import insert_of
from memory.records import ABSTAIN, Answer, Fact, SqlUse
from tests.memory.program.test_saved import CARD
from tests.support.gbnf import expression_of
from tests.support.scripted import Pairs, scripted_model

BOTH_STORES = True
SAID = [
    Turn("Maria", "I bought a cello last Saturday, and my sister Ella plays the flute.",
         said_at="2011-04-08"),
    Turn("Tom", "How are you?", said_at="2011-04-08"),
    Turn("Tom", "Thank you!", said_at="2011-04-08"),
    Turn("Tom", "I live in Porto and I sail on Sundays.", said_at="2011-04-09"),
]  # fmt: skip
CATALOG = (
    "turns: 4 in 1 sessions, 2011-04-08 to 2011-04-09\nspeakers: Maria(1), Tom(3)\n"
    "facts of Maria: bought(2), plays_instrument(1)\nfacts of Tom: lives_in(1)"
)


def memory_of(address: str, pairs: Pairs) -> Memory:
    return Memory(address, scripted_model(pairs, window=1, budget=2_000, size="little"))


def test_the_grammars_allow_what_is_read() -> None:
    rows = expression_of(brief_grammar("store", {}))
    assert rows.fullmatch("none")
    assert rows.fullmatch("Maria | bought | a cello | 2011-04-02\nElla | plays | the flute |")
    assert not rows.fullmatch("Maria bought a cello")
    choice = expression_of(brief_grammar("retrieve", {"catalog": CATALOG}))
    assert choice.fullmatch("count | Maria | bought, plays_instrument")
    assert choice.fullmatch("at | Tom | lives_in | 2011-04")
    assert not choice.fullmatch("now | Ann | lives_in")
    assert not choice.fullmatch("now | Tom | owns")
    assert expression_of(brief_grammar("retrieve", {"catalog": ""})).fullmatch("none")


def test_a_choice_becomes_a_select() -> None:
    assert catalog_names(CATALOG) == (
        ["Maria", "Tom"],
        ["bought", "plays_instrument", "lives_in"],
    )
    assert choice_in("none", CATALOG) is None
    choice = choice_in("at | tom | lives_in, owns | 2011-04", CATALOG)
    assert choice == Choice("at", "Tom", ("lives_in",), "2011-04")
    assert "(ended_on IS NULL OR ended_on > '2011-04')" in choice.select()
    for wrong in ("now | Ann | lives_in", "ever | Tom | lives_in", "now | Tom | owns", "Porto"):
        with pytest.raises(SqlError):
            choice_in(wrong, CATALOG)


SAILING = [
    Turn("Maria", "I keep a red canoe by the pier.", said_at="2011-04-08"),
    Turn("Maria", "There is an old piano in my hall.", said_at="2011-04-09"),
    Turn("Tom", "I am afraid of geese.", said_at="2011-04-10"),
    *(Turn("Tom", f"I saw {n} herons by the river.", said_at="2011-04-11") for n in range(2, 9)),
]


def sailing(address: str, pairs: Pairs, facts: Sequence[Fact] = ()) -> Memory:
    memory = memory_of(address, pairs)
    ids = memory.add(SAILING)
    rows = [replace(fact, turn_id=ids[fact.turn_id]) for fact in facts]
    if rows:
        memory.store.write(insert_of(rows), cause="a test")
    return memory


def test_an_answer_is_asked_for_in_two_texts_and_its_source_is_found(address: str) -> None:
    pairs = [(["Maria: I keep a red canoe by the pier.", "Question: "], "by the pier")]
    memory = sailing(address, pairs)
    answer = with_sql(memory, "never").ask("Where does Maria keep the canoe?")
    memory.model.lm.assert_done()
    [prompt] = memory.model.lm.script.prompts
    assert "##" not in prompt
    assert prompt.index("pier") < prompt.index("Question: ")
    assert (answer.text, answer.basis) == ("by the pier", "model")
    assert [memory.store.turn(turn).text for turn in answer.turns] == [SAILING[0].text]


def test_what_another_person_says_of_themselves_is_no_answer(address: str) -> None:
    memory = sailing(address, [([], "geese")])
    answer = with_sql(memory, "never").ask("What is Maria afraid of?")
    assert (answer.text, answer.turns) == (ABSTAIN, ())


def test_what_a_fact_says_of_the_person_is_an_answer_whoever_said_it(address: str) -> None:
    fact = Fact("Maria", "afraid_of", "geese", turn_id=2)
    memory = with_sql(sailing(address, [([], "geese")], [fact]), "never")
    answer = memory.ask("What is Maria afraid of?")
    assert answer.text == "geese"


def test_a_model_that_says_nothing_is_told(address: str) -> None:
    memory = with_sql(sailing(address, [([], "  ")]), "never")
    with pytest.raises(UnusableAnswer):
        memory.ask("What is Maria afraid of?")


def test_a_template_decides_without_a_call(address: str) -> None:
    memory = sailing(address, [])
    memory.add([Turn("Tom", "I live in Porto.", said_at="2011-04-12")])
    answer = memory.ask("Where does Tom live?")
    assert (answer.text, answer.basis, answer.calls) == ("Porto", "rows", 0)


OWNED = [Fact("Maria", "owns", value, turn_id=n) for n, value in enumerate(["canoe", "piano"])]


def chosen(address: str, pairs: Pairs, question: str) -> Answer:
    """What is answered where the model is asked for a choice."""
    memory = sailing(address, pairs, OWNED)
    answer = with_sql(memory, "always").ask(question)
    memory.model.lm.assert_done()
    return answer


def with_sql(memory: Memory, sql: SqlUse) -> Memory:
    program = memory.program.with_sql(sql)
    return Memory(memory.store, memory.model, program=program)


def test_of_how_many_the_count_decides(address: str) -> None:
    expected = ["facts of Maria: owns(2)", "Question: How many things of her own has Maria?"]
    answer = chosen(address, [(expected, "count | Maria | owns")], expected[1][10:])
    assert (answer.text, answer.basis, answer.calls) == ("2", "rows", 1)
    assert len(answer.turns) == 2
    assert answer.sql[0].startswith("SELECT turn_id")


def test_the_catalog_stands_before_the_question(address: str) -> None:
    memory = sailing(address, [([], "none"), ([], "canoe")], OWNED)
    with_sql(memory, "always").ask("Which boats has Maria?")
    prompt = memory.model.lm.script.prompts[0]
    assert prompt.index("facts of Maria") < prompt.index("Which boats")


def test_rows_that_were_chosen_are_shown(address: str) -> None:
    pairs = [([], "list | Maria | owns"), (["canoe", "piano"], "canoe, piano")]
    answer = chosen(address, pairs, "Which things has Maria?")
    assert (answer.text, answer.calls, len(answer.rows[0].rows)) == ("canoe, piano", 2, 2)


def test_where_nothing_is_found_the_model_chooses_once_more(address: str) -> None:
    pairs = [
        ([], "first | Maria | owns"),  # none of these has a date
        (["nothing is stored of that"], "first | Maria | owns"),
        ([], "canoe"),
    ]
    answer = chosen(address, pairs, "What did Maria own first?")
    assert (answer.text, answer.rows) == ("canoe", ())


@pytest.mark.parametrize("written", ["DROP TABLE facts", "", "now | Tom | owns, x' OR 1=1 | --"])
def test_a_choice_that_is_none_ends_in_what_the_ranking_shows(address: str, written: str) -> None:
    pairs: Pairs = [([], written), ([], written), ([], "canoe")]
    assert chosen(address, pairs, "What is dear to Maria?").text == "canoe"


def test_the_form_is_saved_and_loaded(tmp_path: Path) -> None:
    program = MemoryProgram("brief")
    program.answer.predict.demos = [dspy.Example(memory="[1] A: b", question="c?", answer="b")]
    save_program(program, tmp_path / "p.json", CARD)
    loaded = load_program(tmp_path / "p.json")
    assert (loaded.form, len(loaded.answer.predict.demos)) == ("brief", 1)
    program.save(tmp_path / "dspy.json")
    assert load_program(tmp_path / "dspy.json").form == "brief"


def test_examples_stand_before_the_call_as_a_chat() -> None:
    module = MemoryProgram("brief").store
    demo = {"turn": "A: I sail.", "rows": "A | activity | sail |"}
    messages = brief_messages(module.predict.signature, [demo], {"turn": "B: Hello."})
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    assert [message["content"] for message in messages[1:]] == [*demo.values(), "B: Hello."]
