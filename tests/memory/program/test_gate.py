"""The gate before a little model stores: what is asked about, must be written of, or skipped."""

import json
from pathlib import Path
from typing import Any

import pytest

from memory import InputError, Memory, MemoryProgram, Turn, load_program
from memory.models.brief_prompts import brief_grammar
from memory.program import StoreGate, features_of, save_program
from memory.program.gate import shipped_gate
from tests.memory.program.test_saved import CARD
from tests.support.gbnf import expression_of
from tests.support.scripted import scripted_model

# By the words of thanks alone, so that the tests need no fit.
GATE = StoreGate({"courtesies": -100.0, "possessives": 4.0}, intercept=0.0, skip=0.1, force=0.9)
THANKS = "Bo: Thanks so much, I love that kind photo!"
PLAIN = "Bo: I read a book about whales."
OWN = "Bo: I sold my boat in May."


def gated(gate: StoreGate = GATE) -> MemoryProgram:
    program = MemoryProgram("brief")
    program.store.gate = gate
    return program


@pytest.mark.parametrize(("turn", "decision"), [(THANKS, "skip"), (PLAIN, "ask"), (OWN, "require")])
def test_a_turn_is_skipped_asked_about_or_must_be_written_of(turn: str, decision: str) -> None:
    assert GATE.decision(turn) == decision
    assert 0 <= GATE.probability(turn) <= 1


def test_a_feature_is_what_stands_in_a_turn() -> None:
    features = features_of("Ann: My sister Nina moved to Leith in 2019. Will you visit us?")
    assert features["possessives"] == features["past"] == features["people"] == 1.0
    assert (features["numbers"], features["questions"], features["exclamations"]) == (1, 1, 0)
    assert features["plans"] == features["conditions"] == features["assistant"] == 0.0
    assert features_of("Ann: We'll sail if it's dry!")["plans"] == 1.0
    assert features_of("Assistant: Sure.")["assistant"] == 1.0
    assert features_of("Ann: " + "my " * 50)["possessives"] == 3.0


def test_a_digest_asks_about_what_is_open_and_takes_no_none_where_the_gate_is_sure(
    tmp_path: Path,
) -> None:
    turns = [Turn("Bo", line.partition(": ")[2]) for line in (THANKS, PLAIN, OWN)]
    model = scripted_model(
        [([PLAIN], "none"), ([OWN], "Bo | sold | my boat in May")], window=1, size="small"
    )
    may_be_none: list[bool] = []
    complete = model.lm.script.complete

    def answered(request: Any) -> Any:
        grammar = brief_grammar("store", {"turn": request.messages[-1].text})
        may_be_none.append(bool(expression_of(grammar).fullmatch("none")))
        return complete(request)

    model.lm.script.complete = answered
    with Memory(tmp_path / "a.db", model=model, program=gated()) as memory:
        memory.add(turns)
        assert memory.digest().calls == 2
        assert ("Bo", "sold") in {(f.subject, f.attribute) for f in memory.store.facts()}
    assert may_be_none == [True, False]


def test_a_gate_is_in_the_file_of_its_program(tmp_path: Path) -> None:
    save_program(gated(), tmp_path / "gate.json", CARD)
    loaded = load_program(tmp_path / "gate.json")
    assert loaded.form == "brief"
    assert loaded.store.gate == GATE
    save_program(MemoryProgram("brief"), tmp_path / "none.json", CARD)
    assert load_program(tmp_path / "none.json").store.gate == shipped_gate()


def test_a_little_model_has_the_shipped_gate_until_a_compile_brings_another(address: str) -> None:
    told = "Ann: My sister Nina moved to Leith in May, and I sold my boat to her."
    thanks = "Ann: That is so kind of you, you always know what you should say!"
    model = scripted_model(
        [([told], "My sister Nina | moved to | Leith in May")], window=1, size="small"
    )
    with Memory(address, model=model) as memory:
        memory.add([Turn("Ann", line.partition(": ")[2]) for line in (thanks, told)])
        assert memory.digest().calls == 1
    model.lm.assert_done()


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        ("brief", {"weights": {"sighs": 1.0}}, "no gate has the feature 'sighs'"),
        ("brief", {"skip": 2.0}, "skip"),
        ("brief", {"intercept": "high"}, "intercept"),
        ("brief", {"more": 1}, "more"),
        ("full", {}, "for models of up to 3 billion"),
    ],
)
def test_a_file_with_another_gate_is_refused(
    tmp_path: Path, form: Any, change: dict[str, Any], message: str
) -> None:
    save_program(gated(), tmp_path / "gate.json", CARD)
    gate = json.loads((tmp_path / "gate.json").read_text())["sql_memory"]["gate"]
    save_program(MemoryProgram(form), tmp_path / "other.json", CARD)
    raw = json.loads((tmp_path / "other.json").read_text())
    raw["sql_memory"]["gate"] = {**gate, **change}
    (tmp_path / "other.json").write_text(json.dumps(raw))
    with pytest.raises(InputError, match=message):
        load_program(tmp_path / "other.json")
