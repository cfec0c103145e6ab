"""The three modules: what they ask, how a refusal is repaired, what is cited, saved and loaded."""

import copy
import json
from pathlib import Path

import pytest

from memory.errors import InputError, SqlError
from memory.model import Change, Rows
from memory.program import MemoryProgram, load_program
from memory.program.modules import likely_source
from tests.scripted import Pairs, UnexpectedPrompt, answer, scripted_model, sql

TURNS = "[3] (Fri 09 Jun 2023) Anna: I moved to Oslo.\n[4] (Fri 09 Jun 2023) Bo: Great!"
GOOD = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'moved', 'Oslo', 3);"


def store(pairs: Pairs, refused: int):
    """Run the store module against a database that refuses the first `refused` attempts."""
    model, tried = scripted_model(pairs), []

    def write(statement: str) -> Change:
        tried.append(statement)
        if len(tried) <= refused:
            raise SqlError(f"no such column: wen{len(tried)}")
        return Change(1, "", "", statement, facts=1)

    with model.active():
        done = MemoryProgram().store(turns=TURNS, catalog="Anna: owns(2)", write=write)
    model.lm.assert_done()
    return done


def test_store_shows_the_turns_and_the_catalog():
    done = store([(["[4] (Fri 09 Jun 2023) Bo", "Anna: owns(2)"], sql(GOOD))], refused=0)
    assert (done.sql, done.calls, done.change.facts) == (GOOD, 1, 1)


def test_a_refusal_is_the_next_prompt():
    done = store(
        [([TURNS], sql("INSERT bad")), (["INSERT bad", "no such column: wen1"], sql(GOOD))], 1
    )
    assert (done.sql, done.calls) == (GOOD, 2)


def test_two_repairs_and_no_third():
    pairs = [([TURNS], sql("one")), (["wen1"], sql("two")), (["wen2"], sql("three"))]
    assert store(pairs, refused=2).calls == 3
    with pytest.raises(SqlError, match="wen3"):
        store(pairs, refused=3)


def test_an_unreadable_answer_is_repaired_too():
    assert store([([], "I would rather chat."), (["rather chat"], sql(GOOD))], 0).calls == 2
    with pytest.raises(SqlError, match="no SQL could be read"):
        store([([], "no"), ([], "no"), ([], "no")], refused=0)


def retrieve(pairs: Pairs, read):
    model = scripted_model(pairs)
    with model.active():
        found = MemoryProgram().retrieve(question="Where does Anna live?", catalog="", read=read)
    model.lm.assert_done()
    return found


def test_several_selects_each_bring_rows():
    two = "SELECT id AS turn_id FROM turns; SELECT turn_id FROM facts"
    found = retrieve([(["Where does Anna live?"], sql(two))], lambda s: Rows((s[-5:],), ()))
    assert [rows.columns for rows in found.rows] == [("turns",), ("facts",)]
    assert (len(found.sql), found.calls, found.error) == (2, 1, "")


def test_retrieve_keeps_what_ran_and_never_raises():
    def read(statement: str) -> Rows:
        if "wrong" in statement:
            raise SqlError("no such table: wrong")
        return Rows(("turn_id",), ((3,),))

    both = sql("SELECT turn_id FROM facts; SELECT id FROM wrong")
    found = retrieve([([], both), (["no such table: wrong"], both), ([], both)], read)
    assert found.sql == ["SELECT turn_id FROM facts"]
    assert [rows.rows for rows in found.rows] == [((3,),)]
    assert (found.calls, found.error) == (3, "no such table: wrong")


def test_more_selects_than_five_are_refused():
    many = sql("SELECT id FROM turns;\n" * 6)
    found = retrieve([([], many), (["at most 5"], sql("-- none"))], lambda _: Rows((), ()))
    assert (found.sql, found.calls) == ([], 2)


@pytest.mark.parametrize(
    ("said", "text", "turns"),
    [
        (answer("Oslo", "3"), "Oslo", [3]),
        (answer("Oslo", "[3, 99, 3], and turn 4"), "Oslo", [3, 4]),
        (answer("Oslo [3]", "none"), "Oslo", [3]),
        (answer("Oslo", ""), "Oslo", [3]),
        (answer("No information available", "3"), "No information available", []),
        (answer("", "3"), "No information available", []),
        ("Oslo", "Oslo", [3]),
        ("[[ ## answer ## ]]\nOslo", "Oslo", [3]),
    ],
)
def test_only_turns_that_were_shown_are_cited(said: str, text: str, turns: list[int]):
    model = scripted_model([([TURNS, "Where?"], said)])
    with model.active():
        told = MemoryProgram().answer(question="Where?", memory=TURNS, turn_ids=(3, 4))
    assert (told.answer, told.turns, told.calls) == (text, turns, 1)


def test_the_likely_source_shares_most_words_and_may_be_nobody():
    assert likely_source("moved to Oslo", TURNS, (3, 4)) == [3]
    assert likely_source("moved to Oslo", TURNS, (4,)) == []
    assert likely_source("Rome", TURNS, (3, 4)) == []


def test_the_script_fails_loudly():
    with pytest.raises(AssertionError, match="1 of 2"):
        store([([], sql(GOOD))] * 2, refused=0)
    for pairs in ([(["Paris"], sql(GOOD))], []):
        with pytest.raises(UnexpectedPrompt):
            store(pairs, refused=0)


def test_a_saved_program_comes_back(tmp_path: Path):
    program, file = MemoryProgram(), tmp_path / "program.json"
    program.answer.predict.signature = program.answer.predict.signature.with_instructions("Be odd.")
    copy.deepcopy(program).save(str(file))
    loaded = load_program(file)
    assert loaded.answer.predict.signature.instructions == "Be odd."
    assert loaded.dump_state() == program.dump_state()


def test_a_saved_model_is_left_out(tmp_path: Path):
    program, file = MemoryProgram(), tmp_path / "program.json"
    state = program.dump_state()
    state["store.predict"]["lm"] = {"model": "openai/other", "api_base": "http://elsewhere"}
    file.write_text(json.dumps(state))
    assert [p.lm for p in load_program(file).predictors()] == [None, None, None]


@pytest.mark.parametrize(
    "content",
    [None, b"\x80\x04pickle", b"[]", b'{"predict": {}}', "wrong fields", "no signature"],
)
def test_a_program_that_does_not_fit_is_an_input_error(tmp_path: Path, content: bytes | str | None):
    file, state = tmp_path / "program.json", MemoryProgram().dump_state()
    if content == "wrong fields":
        state["store.predict"]["signature"]["fields"].pop()
    if content == "no signature":
        del state["store.predict"]["signature"]
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else json.dumps(state).encode())
    with pytest.raises(InputError, match=r"program\.json") as caught:
        load_program(file)
    assert "\n" not in str(caught.value)
