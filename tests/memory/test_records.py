"""What a Memory returns behaves as Python's own values do: texts, dicts, JSON, tables, truth."""

import copy
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

import memory as package
from memory import Answer, InputError, Memory
from memory.records import Record, Results
from tests.support.commands import run


@pytest.fixture
def eve(home: str) -> Iterator[Memory]:
    with Memory("eve") as opened:
        opened.add([("Eve", "I live in Porto."), ("Eve", "My boat is called Minnow.")], session="s")
        yield opened


def records_of(eve: Memory) -> dict[str, Any]:
    return {
        "hit": eve.search("boat")[0],
        "turn": eve.get(1),
        "fact": eve.facts()[0],
        "change": eve.changes()[0],
        "answer": eve.ask("Where does Eve live?"),
    }


# --- JSON -----------------------------------------------------------------------------------------


def test_all_that_a_memory_returns_is_json(eve: Memory) -> None:
    for name, record in records_of(eve).items():
        assert json.loads(json.dumps(record)) == record.to_dict() == record.model_dump(), name
        assert json.loads(json.dumps(record, indent=1)) == record.to_dict(), name
    for results in (eve.search("boat"), eve.get_all(), eve.facts(), eve.changes()):
        assert json.loads(json.dumps(results)) == results.to_dict()
    assert json.dumps(eve.forget(2))


def test_a_record_has_one_shape_in_python_in_commands_and_in_the_api(eve: Memory) -> None:
    shapes: dict[str, tuple[Record, str, list[str], list[str]]] = {
        "hit": (eve.search("boat")[0], "hits", ["search", "--query", "boat"], ["search", "boat"]),
        "fact": (eve.facts()[0], "facts", ["facts"], ["facts"]),
        "change": (eve.changes()[0], "changes", [], ["facts", "log"]),
        "turn": (eve.get_all()[0], "turns", ["turns"], []),
    }
    for name, (record, listed, operation, command) in shapes.items():
        if operation:
            first = json.loads(run("admin", "call", *operation, "-n", "eve"))[listed][0]
            assert first.keys() == record.keys(), name
        if command:
            line = run(*command, "--json", "-n", "eve").splitlines()[0]
            assert json.loads(line).keys() >= record.keys(), name
    question = "Where does Eve live?"
    asked = json.loads(run("ask", question, "--json", "-n", "eve"))
    called = json.loads(run("admin", "call", "ask", "--question", question, "-n", "eve"))
    assert asked.keys() == called.keys() == eve.ask(question).keys()
    assert asked["turns"] == called["turns"] == [eve.get(1)]
    block = json.loads(run("context", question, "--json", "-n", "eve"))
    called = json.loads(run("admin", "call", "context", "--messages", question, "-n", "eve"))
    assert block.keys() == called.keys() == eve.context(question).to_dict().keys()


def test_a_record_is_a_read_only_dict_of_its_fields(eve: Memory) -> None:
    for record in records_of(eve).values():
        assert {**record} == dict(record.items()) == dict(record)
        assert copy.deepcopy(record) == record == pickle.loads(pickle.dumps(record))  # noqa: S301
        assert (record != copy.copy(record)) is False
        with pytest.raises(TypeError, match="is read-only; change a copy"):
            record["text"] = "other"
        with pytest.raises(TypeError, match="read-only"):
            record.update(text="other")
        with pytest.raises(KeyError, match="has no 'wings'"):
            record["wings"]
        assert record.get("wings", 3) == 3


# --- texts, truth, numbers ------------------------------------------------------------------------


def test_a_context_is_the_text_of_a_prompt(eve: Memory) -> None:
    block = eve.context("Where is my boat?")
    assert f"{block}" == block == block.text
    assert json.loads(json.dumps({"role": "system", "content": block}))["content"] == block.text
    assert "Minnow" in block
    assert len(block) == len(block.text)
    assert block.turn_ids
    assert copy.deepcopy(block) == pickle.loads(pickle.dumps(block))  # noqa: S301
    with Memory("nobody") as empty:
        assert not empty.context("Where is my boat?")


def test_an_answer_is_true_if_something_answers(eve: Memory) -> None:
    answer = eve.ask("Where does Eve live?")
    assert answer
    assert str(answer) == "Porto"
    assert [turn.text for turn in answer.sources] == ["I live in Porto."]
    assert not Answer("No information available", (), (), (), 0, 0, (), basis="quotes")


def test_a_notebook_shows_tables_and_never_markup_of_others(eve: Memory) -> None:
    eve.add("<script>alert(1)</script> boat")
    rows = eve.read("SELECT id, text FROM turns")
    for shown in (eve.search("boat"), rows, eve.facts(), eve.ask("Whose boat?")):
        html = shown._repr_html_()
        assert html.startswith(("<table>", "<p>"))
        assert "<script>" not in html
    assert "&lt;script&gt;" in eve.search("boat")._repr_html_()
    assert len(rows) == len([*rows]) == 3
    assert rows.to_dict()["columns"] == ["id", "text"]
    assert Results([1, 2])._repr_html_() == "<pre>[1, 2]</pre>"


def test_a_memory_has_a_length_and_a_name(eve: Memory) -> None:
    assert len(eve) == 2
    assert [turn.id for turn in eve] == [1, 2]
    assert repr(eve) == "<Memory 'eve': 2 turns>"
    assert Memory("nobody")
    assert package.__version__


# --- undo -----------------------------------------------------------------------------------------


def test_the_last_change_is_undone_or_the_one_that_is_named(eve: Memory) -> None:
    eve.add(("Eve", "I work as a diver."))
    assert [str(fact) for fact in eve.facts()] == ["Eve lives_in Porto", "Eve works_as diver"]
    undone = eve.undo()
    assert [fact.value for fact in eve.facts()] == ["Porto"]
    assert undone.cause.startswith("undo ")
    eve.undo(1)
    assert eve.facts() == []
    with pytest.raises(InputError, match="no change to undo"):
        eve.undo()
    assert len(eve.changes(limit=1)) == 1


# --- what cannot be meant -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: m.ask(None), "ask takes question= as a text, not None"),
        (lambda m: m.search(3), "search takes query= as a text, not 3"),
        (lambda m: m.search("x", "many"), "search takes k= as a whole number, not 'many'"),
        (lambda m: m.search("x", limit=True), "search takes limit= as a whole number, not True"),
        (lambda m: m.context(None), "messages are a text, or a list of"),
        (lambda m: m.context([3]), "messages are a text, or a list of"),
        (lambda m: m.context([{"content": "x"}]), "messages are a text, or a list of"),
        (lambda m: m.context("x", gate="no"), "context takes gate= as True or False, not 'no'"),
        (lambda m: m.facts(3), "facts takes about= as a text, not 3"),
        (lambda m: m.forget(speaker=3), "forget takes speaker= as a text, not 3"),
        (lambda m: m.add(None), "turn 1 is NoneType; write Turn"),
        (lambda m: m.add(3.5), "turn 1 is float; write Turn"),
        (lambda m: m.undo("last"), "undo takes change_id= as a whole number, not 'last'"),
        (lambda m: Memory(123), "a memory is a name, a path, an address or an open Store, not int"),
        (lambda m: Memory(b"eve"), "a memory is a name, a path, an address or an open Store, not"),
        (lambda m: Memory("eve", budget="much"), "Memory takes budget= as a whole number"),
        (
            lambda m: Memory("eve", model=3),
            "a model is a name, an LM of DSPy or a loaded Model, not",
        ),
        (lambda m: package.open_store(3), "a memory's path or address is a text or a Path, not 3"),
    ],
)
def test_a_wrong_type_is_told_in_words(eve: Memory, call: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        call(eve)


def test_a_pair_alone_is_one_turn(eve: Memory) -> None:
    assert len(eve.add(("Rita", "I moved to Faro."))) == 1
    assert eve.get_all()[-1].speaker == "Rita"
    assert len(eve.add(("It rained.", "We stayed in."))) == 2
    assert len(eve.add(["Rita", "It rained."])) == 2  # a list of texts
