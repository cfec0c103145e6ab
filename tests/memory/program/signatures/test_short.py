"""The short prompts: their length, what is shown with them, and a memory that works by them."""

from collections.abc import Iterator
from pathlib import Path

import dspy
import pytest

from memory import Memory, MemoryProgram, Store, Turn, load_program, open_store
from memory.models import CompletionAdapter, Model, with_prompts
from memory.program import save_program
from memory.program.signatures.forms import PROMPTS
from memory.sql import check_writes, split
from memory.text.tokens import count_tokens
from tests.memory.program.test_saved import CARD
from tests.support.scripted import Pairs, answer, scripted_model, sql

BOTH_STORES = True
MOST_TOKENS = {"store": 600, "retrieve": 400, "answer": 300}


@pytest.fixture
def empty(database: str, address: str) -> Iterator[Store]:
    """A namespace without turns."""
    with open_store(address) as opened:
        yield opened


def short_model(pairs: Pairs, window: int = 16) -> Model:
    return with_prompts(scripted_model(pairs, window), "short")


def system_message(signature: type[dspy.Signature]) -> str:
    inputs = dict.fromkeys(signature.input_fields, "")
    return str(CompletionAdapter().format(signature, [], inputs)[0]["content"])


@pytest.mark.parametrize("module", MOST_TOKENS)
def test_a_short_prompt_has_few_tokens(module: str) -> None:
    short, full = (getattr(PROMPTS[form], module) for form in ("short", "full"))
    assert count_tokens(system_message(short)) <= MOST_TOKENS[module]
    assert count_tokens(system_message(full)) > 2 * MOST_TOKENS[module]
    assert set(short.fields) <= set(full.fields)


def test_its_examples_are_what_the_policy_takes() -> None:
    text = PROMPTS["short"].store.instructions
    examples = [part.split("\n\n")[0] for part in text.split("sql: ")[1:]]
    assert examples[1] == "-- none"
    assert len(examples) == 2
    update, insert = check_writes(examples[0])
    assert (update.command, insert.command) == ("update", "insert")
    moved, plan = insert.facts
    assert (moved.attribute, moved.happened_on, moved.turn_id) == ("lives_in", "2011-04-02", 12)
    assert (plan.subject, plan.value) == ("Tom", "sell Maria Ana's cello")


def test_its_selects_run(empty: Store) -> None:
    empty.add([Turn("Maria", "I have a cello lesson.")])
    text = PROMPTS["short"].retrieve.instructions
    first, second = split(text[text.index("SELECT turn_id") : text.index("\n\n- ")])
    assert empty.read(first.text).rows == ()
    assert [row[2] for row in empty.read(second.text).rows] == ["Maria"]


def test_a_memory_works_by_the_short_prompts(empty: Store) -> None:
    """Stored, corrected by a turn, asked: with what a small model is shown, and nothing else."""
    lives = "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES"
    moved = (
        "UPDATE facts SET ended_on = '2011-05' WHERE id = 1;\n"
        f"{lives} ('Maria', 'lives_in', 'Rome', '2011-05', 3);"
    )
    select = "SELECT turn_id, value, happened_on, ended_on FROM facts WHERE subject = 'Maria'"
    model = short_model(
        [
            (["[1] (Tue 01 Mar 2011) Maria", "lives_in (one value)"],
             sql(f"{lives} ('Maria', 'lives_in', 'Porto', '2011-03', 1);")),
            (["id 1: Maria | lives_in | Porto", "[3] (Mon 02 May 2011) Maria"], sql("UPDATE all")),
            (["Refused:", "UPDATE all"], sql(moved)),
            (["Where does Maria live?", "lives_in"], sql(select)),
            (["Rome", "Porto", "until 2011-05"], answer("Rome", "3")),
        ],
        window=2,
    )  # fmt: skip
    empty.add(
        [
            Turn("Maria", "I live in Porto now.", said_at="2011-03-01"),
            Turn("Tom", "Great!", said_at="2011-03-01"),
            Turn("Maria", "I moved to Rome, where my sister lives.", said_at="2011-05-02"),
            Turn("Tom", "Great!", said_at="2011-05-02"),
        ]
    )
    memory = Memory(empty, model)
    assert memory.digest().stored == 2
    given = memory.ask("Where does Maria live?", asker="Tom")
    assert (given.text, [citation.turn_id for citation in given.citations]) == ("Rome", [3])
    model.lm.assert_done()
    prompts = model.lm.script.prompts
    assert not any("[[ ## before ## ]]" in prompt for prompt in prompts)
    assert not any("[[ ## catalog ## ]]" in prompt for prompt in prompts[:3])


def test_at_most_twelve_attributes_are_shown_and_only_those_that_words_point_at(
    empty: Store,
) -> None:
    shown: dict[str, list[str]] = {}
    text = (
        "I moved to Porto, started a job at a bank, married Ana, bought a dog and a cello, love"
        " music and films, hate nuts, am allergic to milk, and my daughter's birthday is in May."
    )
    empty.add([Turn("Maria", text)])
    for form in ("full", "short"):
        model = with_prompts(scripted_model([([], sql("-- none"))]), form)
        memory = Memory(empty, model)
        memory.digest()
        [prompt] = model.lm.script.prompts
        part = prompt.partition("[[ ## attributes ## ]]")[2].partition("[[ ##")[0]
        shown[form] = part.strip().splitlines()
        empty.add([Turn("Maria", text)])
    assert len(shown["full"]) > 12 == len(shown["short"])
    assert shown["short"] == shown["full"][:12]


def test_a_saved_program_remembers_its_form(empty: Store, tmp_path: Path) -> None:
    program = MemoryProgram("short")
    signature = program.answer.predict.signature
    program.answer.predict.signature = signature.with_instructions("Be odd.")
    save_program(program, tmp_path / "program.json", CARD.model_copy(update={"model": "scripted"}))
    loaded = load_program(tmp_path / "program.json")
    assert loaded.card
    assert (loaded.card.prompts, loaded.form) == ("short", "short")
    assert loaded.answer.predict.signature.instructions == "Be odd."
    assert not loaded.store.is_compiled
    # A model of the other form is asked by the program's own prompts.
    empty.add([Turn("Maria", "I have a cello.")])
    model = scripted_model([(["I have a cello."], sql("-- none"))])
    Memory(empty, model, program=loaded).digest()
    assert "[[ ## before ## ]]" not in model.lm.script.prompts[0]


def test_dspy_saves_and_loads_it(tmp_path: Path) -> None:
    program = MemoryProgram("short")
    program.store.predict.demos = [dspy.Example(window="[1] A: b", sql="-- none")]
    program.save(tmp_path / "program.json")
    loaded = MemoryProgram("short")
    loaded.load(tmp_path / "program.json")
    assert loaded.store.predict.dump_state() == program.store.predict.dump_state()
