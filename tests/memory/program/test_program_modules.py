"""The three modules: what they ask, how a refusal is repaired, what is cited, what is tuned."""

from collections.abc import Callable
from pathlib import Path

import dspy
import pytest

from memory import Store, StoreTurns, Turn, open_store
from memory.errors import SqlError
from memory.evidence.reader import MemoryReader
from memory.program import AnswerQuestion, RetrieveRows
from memory.program.opened import OpenedMemory
from memory.program.protocol import Question
from memory.program.signatures.full import AnswerFromMemory
from memory.records import Rows
from memory.sql import CheckedSelect
from tests.support.scripted import (
    Pairs,
    answer,
    scripted_model,
    sql,
)

TURNS = "[3] (Fri 09 Jun 2017) Anna: I moved to Oslo.\n[4] (Fri 09 Jun 2017) Bo: Great!"
SAID = [
    *[Turn("Bo", f"Hello {number}.", "1", "2017-06-08") for number in (1, 2)],
    Turn("Anna", "I moved to Oslo.", "2", "2017-06-09"),
    Turn("Bo", "Great!", "2", "2017-06-09"),
]
GOOD = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'moved', 'Oslo', 3);"


def wrong(number: int) -> str:
    """A statement that the policy refuses."""
    return f"INSERT INTO wrong{number} (id) VALUES (1)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


def store(pairs: Pairs, path: Path) -> dspy.Prediction:
    """Run the store module on a window of a memory, the turns 3 and 4."""
    model = scripted_model(pairs)
    with open_store(path) as opened:
        opened.add(SAID)
        with model.active():
            done = StoreTurns()(memory=opened, first=3, last=4)
    model.lm.assert_done()
    return done


def test_of_refused_rows_only_they_and_their_turns_are_sent_again(path: Path):
    model = scripted_model(
        [
            (["[3]", "[4]"], sql(GOOD[:-1] + ", ('Bo', 'works_as', 'a pilot in Rome', 4);")),
            (["[4] (Fri 09 Jun 2017) Bo: Great!", "a pilot in Rome"], sql("-- none")),
        ]
    )
    with open_store(path) as opened, model.active():
        opened.add(SAID)
        done = StoreTurns()(memory=opened, first=3, last=4)
    [_, again] = model.lm.script.prompts
    assert "I moved to Oslo" not in again, "its row is kept"
    assert "'Anna', 'moved'" not in again
    assert [(fact.subject, fact.value) for fact in done.facts] == [("Anna", "Oslo")]
    assert (done.calls, len(done.refusals)) == (2, 1)


def test_two_repairs_and_no_third(path: Path):
    refused = [([TURNS], sql(wrong(1))), (["wrong1"], sql(wrong(2)))]
    done = store([*refused, (["wrong2"], sql(GOOD))], path)
    assert (done.calls, len(done.refusals)) == (3, 2)
    with pytest.raises(SqlError, match="wrong3") as caught:
        store([*refused, (["wrong2"], sql(wrong(3)))], path)
    for number, refusal in enumerate(caught.value.refusals, 1):
        assert refusal.startswith(f"Refused:\n{wrong(number)}\nBecause: no table wrong{number}")


def test_an_unreadable_answer_is_repaired_too(path: Path):
    done = store([([], "I would rather chat."), (["rather chat"], sql(GOOD))], path)
    assert (done.calls, done.refusals) == (
        2,
        ["Your answer could not be read:\nI would rather chat."],
    )
    with pytest.raises(SqlError, match="no SQL could be read") as caught:
        store([([], "no"), ([], "no"), ([], "no")], path)
    assert len(caught.value.refusals) == 3


class Selects(MemoryReader):
    """A memory that answers SELECTs by a function, or refuses them."""

    def __init__(self, store: Store, read: Callable[[CheckedSelect], Rows]) -> None:
        super().__init__(store)
        self._rows_of = read

    def read(self, sql: str | CheckedSelect) -> Rows:
        return super().read(sql) if isinstance(sql, str) else self._rows_of(sql)


def retrieve(pairs: Pairs, path: Path, read: Callable[[CheckedSelect], Rows]) -> dspy.Prediction:
    model = scripted_model(pairs)
    with open_store(path) as opened, model.active():
        memory = OpenedMemory(Selects(opened, read))
        found = RetrieveRows()(question=Question("Where does Anna live?"), memory=memory)
    model.lm.assert_done()
    return found


def test_retrieve_keeps_what_ran_and_never_raises(path: Path):
    def read(select: CheckedSelect) -> Rows:
        if "turns" in select.text:
            raise SqlError("too slow: narrow it")
        return Rows(("turn_id",), ((3,),))

    both = sql("SELECT turn_id FROM facts; SELECT id FROM turns")
    found = retrieve([([], both), (["too slow: narrow it"], both), ([], both)], path, read)
    assert found.sql == ["SELECT turn_id FROM facts"]
    assert [rows.rows for rows in found.rows] == [((3,),)]
    assert (found.calls, found.error) == (3, "too slow: narrow it")
    refused = "SELECT turn_id FROM facts; SELECT id FROM turns\nBecause: too slow: narrow it"
    assert found.refusals == [f"Refused:\n{refused}"] * 3


def test_a_select_that_the_policy_refuses_does_not_run_and_those_before_it_do(path: Path):
    ran: list[str] = []

    def read(select: CheckedSelect) -> Rows:
        ran.append(select.text)
        return Rows((), ())

    both = sql("SELECT turn_id FROM facts; SELECT id FROM wrong")
    found = retrieve([([], both), (["no table wrong"], both), ([], both)], path, read)
    assert ran == ["SELECT turn_id FROM facts"] * 3
    assert found.sql == ["SELECT turn_id FROM facts"]


def test_more_selects_than_five_are_refused(path: Path):
    many = sql("SELECT id FROM turns;\n" * 6)
    pairs = [([], many), (["at most 5"], sql("-- none"))]
    found = retrieve(pairs, path, lambda _: Rows((), ()))
    assert (found.sql, found.calls) == ([], 2)


def answered(signature: type[dspy.Signature] = AnswerFromMemory) -> dspy.Prediction:
    """What is answered from the two turns."""
    return AnswerQuestion(signature)(question="Where?", evidence=TURNS)


@pytest.mark.parametrize(
    ("said", "text", "turns"),
    [
        (answer("Oslo", "3"), "Oslo", [3]),
        (answer("Oslo", "[3, 99, 3], and turn 4"), "Oslo", [3, 4]),
        (answer("Oslo", ""), "Oslo", []),
        (answer("No information available", "3"), "No information available", []),
        ("Oslo", "Oslo", []),
        ("[[ ## answer ## ]]\nOslo", "Oslo", []),
    ],
)
def test_only_turns_that_were_shown_are_cited(said: str, text: str, turns: list[int]):
    model = scripted_model([([TURNS, "Where?"], said)])
    with model.active():
        told = answered()
    assert (told.answer, told.turns, told.calls) == (text, turns, 1)


@pytest.mark.parametrize(
    "text",
    [
        "40°, 70°, 70°",
        "the interval [2, 5]",
        "xs[0]; return [1, 2];",
        "[3]",
        "Oslo, Bergen, Oslo, in this order [4]",
    ],
)
def test_the_answer_of_a_large_model_is_its_own(text: str) -> None:
    model = scripted_model([([TURNS], answer(text, "3"))])
    with model.active():
        said = answered()
    assert (said.answer, said.turns) == (text, [3])


@pytest.mark.parametrize(
    ("written", "unusable"),
    [
        (answer("", "3"), "nothing"),
        ("", "nothing"),
        ("banana", "banana"),
        ('{"hello": 1}', '{"hello": 1}'),
        ("I am a teapot.", "I am a teapot."),
    ],
)
def test_what_is_no_answer_is_no_abstention_either(written: str, unusable: str):
    model = scripted_model([([TURNS], written)])
    with model.active():
        said = answered()
    assert (said.answer, said.turns, said.unusable) == ("", [], unusable)


@pytest.mark.parametrize(
    "cut", [", ('Bo', 'said", ", ('Bo', 'said', 'Great", ", ('Bo', 'said', 'Great'"]
)
def test_the_whole_rows_of_an_answer_that_was_cut_are_kept(path: Path, cut: str):
    pairs = [([TURNS], sql(GOOD[:-1] + cut)), (["the answer ends within this"], sql("-- none"))]
    done = store(pairs, path)
    assert [(fact.subject, fact.value) for fact in done.facts] == [("Anna", "Oslo")]
    assert done.calls == 2


def test_after_a_cut_answer_only_turns_from_its_last_row_on_are_asked_about(path: Path):
    insert = GOOD.partition("('Anna'")[0]
    first = (
        f"{insert}('Anna', 'bought', 'a red kayak', 1), ('Anna', 'has_aunt', 'Olga in Riga', 2),"
        " ('Anna', 'sold', 'the old te"
    )
    rest = f"{insert}('Anna', 'sold', 'the old tent', 3);"
    model = scripted_model([(["[1] ", "[3] "], sql(first)), (["[2] ", "[3] "], sql(rest))])
    said = ["I bought a red kayak.", "My aunt Olga lives in Riga.", "I sold the old tent."]
    with open_store(path) as opened, model.active():
        opened.add([Turn("Anna", text, said_at="2017-06-09") for text in said])
        done = StoreTurns()(memory=opened, first=1, last=3)
    [_, again] = model.lm.script.prompts
    assert "I bought" not in again
    assert [fact.turn_id for fact in done.facts] == [1, 2, 3]
    assert done.refused == []


def test_after_a_cut_answer_the_turns_of_refused_rows_are_asked_about_too(path: Path):
    insert = GOOD.partition("('Anna'")[0]
    first = (
        f"{insert}('Anna', 'bought', '', 1), ('Anna', 'has_aunt', 'Olga in Riga', 3),"
        " ('Anna', 'sold', 'the old te"
    )
    rest = f"{insert}('Anna', 'bought', 'a red kayak', 1), ('Anna', 'sold', 'the old tent', 4);"
    model = scripted_model([([], sql(first)), (["[1] ", "[3] ", "[4] "], sql(rest))])
    said = ["I bought a red kayak.", "Nice!", "My aunt Olga lives in Riga.", "I sold the old tent."]
    with open_store(path) as opened, model.active():
        opened.add([Turn("Anna", text, said_at="2017-06-09") for text in said])
        done = StoreTurns()(memory=opened, first=1, last=4)
    assert "Nice!" not in model.lm.script.prompts[1]
    assert [fact.turn_id for fact in done.facts] == [1, 3, 4]


def test_what_was_cut_in_each_answer_is_set_aside_without_advice_for_the_model(path: Path):
    insert = GOOD.partition("('Anna'")[0]
    cut = f"{insert}('Anna', 'bought', 'a red kayak', 1), ('Anna', 'sold', 'the old te"
    model = scripted_model([([], sql(cut))] * 3)
    with open_store(path) as opened, model.active():
        opened.add([Turn("Anna", "I bought a red kayak."), Turn("Anna", "I sold the old tent.")])
        done = StoreTurns()(memory=opened, first=1, last=2)
    assert [fact.value for fact in done.facts] == ["a red kayak"]
    [reason] = done.refused
    assert "the old te: the answer ends within this" in reason
    assert "write only these again" not in reason
