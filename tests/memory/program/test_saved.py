"""The file of a compiled program: it comes back as it was, and holds nothing but text."""

import json
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import dspy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from locomo.harness import temporary_memory
from memory import InputError, Memory, MemoryProgram, Turn, load_program
from memory.program import Card, concerns, save_program, saved
from memory.program.signatures.full import WriteFacts
from memory.system import files
from tests.conftest import MOVED
from tests.support.scripted import answer, scripted_model, sql

CARD = Card(
    model="local",
    optimizer="simba",
    target="all",
    metric={"answer": 1.0},
    data="0" * 64,
    conversations={"train": ["a"], "validation": ["b"]},
    scores={"before": 0.25, "after": 0.5},
    verdict="gain",
    made_at="2026-01-01T10:00",
)
PARTS = ("store", "retrieve", "answer", "refine")


def compiled(instructions: str = "Be odd.\n  Very.", **demo: Any) -> MemoryProgram:
    """A program as an optimizer leaves it: other instructions, examples with more than needed."""
    program = MemoryProgram()
    for part in PARTS:
        module = getattr(program, part)
        module.predict.signature = module.predict.signature.with_instructions(instructions)
        inputs = dict.fromkeys(module.predict.signature.fields, "é\n'x'") | demo
        module.predict.demos = [dspy.Example(augmented=True, dspy_uuid="1", **inputs)]
        module.predict.lm = dspy.LM("openai/m", api_key="sk-secret12345", temperature=1)
        module._compiled = True  # DSPy's own list of predictors leaves such a module out
    return program


def prompts(program: MemoryProgram) -> list[str]:
    """All that a model is sent when each module is used once."""
    model = scripted_model([([], sql(MOVED)), ([], sql("SELECT 1 AS n")), ([], answer("Oslo"))])
    sent: list[str] = []
    complete = model.lm.script.complete
    model.lm.script.complete = lambda request: [sent.append(repr(request)), complete(request)][1]
    for part in PARTS:
        getattr(program, part).predict.lm = None
    with model.active():
        program.store(turns=[Turn("Anna", "I moved to Oslo.", said_at="2017-05-06")])
        with temporary_memory() as store:
            store.add([Turn("Anna", "I moved to Oslo.", said_at="2017-05-06")])
            program.ask("Who?", store)
    return sent


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_program(compiled(), tmp_path / "made" / "program.json", CARD)
    return tmp_path / "made" / "program.json"


def test_a_saved_program_prompts_as_it_did(file: Path):
    loaded = load_program(file)
    assert prompts(loaded) == prompts(compiled()) != prompts(MemoryProgram())
    assert loaded.card == CARD
    assert sorted(p.name for p in file.parent.iterdir()) == ["program.json"]


def test_every_prompt_is_a_module_that_is_compiled_saved_and_loaded(tmp_path: Path):
    program = MemoryProgram()
    predictors = dict(program.named_predictors())
    parts = {name.removeprefix("ask.").removesuffix(".predict") for name in predictors}
    assert parts == {*PARTS, "reply", "correct", "tell", "question", "compare"}
    for name, predict in predictors.items():
        predict.signature = predict.signature.with_instructions(f"Of {name}.")
        predict.demos = [dspy.Example(**dict.fromkeys(predict.signature.fields, name))]
    save_program(program, tmp_path / "program.json", CARD)
    for name, predict in load_program(tmp_path / "program.json").named_predictors():
        assert predict.signature.instructions == f"Of {name}."
        assert {*predict.demos[0].values()} == {name}


def test_the_file_holds_text_only(file: Path):
    text = file.read_text("utf-8")
    content = json.loads(text)
    assert content["store.predict"]["demos"] == [dict.fromkeys(WriteFacts.fields, "é\n'x'")]
    assert content["sql_memory"]["card"]["scores"] == {"before": 0.25, "after": 0.5}
    assert "sk-secret" not in text
    assert "é" in text, "readable"


def test_a_file_of_before_a_module_came_is_plain_for_that_one(file: Path):
    content = json.loads(file.read_bytes())
    del content["refine.predict"]
    file.write_text(json.dumps(content))
    loaded = load_program(file)
    assert prompts(loaded) == prompts(compiled())
    plain = MemoryProgram().refine.predict.signature.instructions
    assert loaded.refine.predict.signature.instructions == plain
    del content["store.predict"]
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"lacks store\.predict"):
        load_program(file)


def test_dspy_loads_the_file_and_what_dspy_saves_is_loaded(file: Path, tmp_path: Path):
    by_dspy = MemoryProgram()
    by_dspy.load(str(file))
    assert prompts(by_dspy) == prompts(compiled())
    by_dspy.answer.predict.demos[0]["augmented"] = True  # as its optimizers mark an example
    by_dspy.answer.predict.lm = dspy.LM("openai/m", api_key="sk-secret12345")
    by_dspy.save(str(tmp_path / "again.json"))
    again = load_program(tmp_path / "again.json")
    assert prompts(again) == prompts(compiled())
    assert (again.card, again.answer.predict.lm) == (None, None)


@pytest.mark.slow
@given(st.text(), st.text())
@example("\n  odd\n indents", "")
def test_whatever_an_optimizer_writes_comes_back(tmp_path_factory, instructions: str, value: str):
    path = tmp_path_factory.getbasetemp() / "any.json"
    program = compiled(instructions, sql=value)
    save_program(program, path, CARD)
    loaded = load_program(path)
    for part in PARTS:
        was, now = getattr(program, part).predict, getattr(loaded, part).predict
        assert now.signature.instructions == was.signature.instructions
        assert all(demo[name] == was.demos[0][name] for demo in now.demos for name in demo)


def test_a_full_disk_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    before = file.read_bytes()
    with pytest.raises(InputError, match=r"cannot write .*program.json: No space left"):
        save_program(MemoryProgram(), file, CARD)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


class Evil:
    """A pickle of it runs code where it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("code from a file was run",)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "does not exist; give a file that optimize.py wrote"),
        (b"no program", "is not JSON; write programs with memory.save_program"),
        (b"[" * 100_000, "is not JSON"),
        (pickle.dumps(Evil()), "is a pickle, which could run code"),
        (pickle.dumps(Evil(), protocol=0), "is not JSON"),
        (b"[]", "holds no program"),
        (b'{"predict": {}}', "holds no program"),
        (b'{"format": 1, "version": "0.1.0"}', "has format 1, not 2; compile it again"),
        (b'{"metadata": {}, "predict": {}}', "holds other modules than"),
        (b" " * 5_000_001, "is larger than 5,000,000 bytes"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes | None, says: str):
    file = tmp_path / "program.json"
    if content is not None:
        file.write_bytes(content)
    refused(file, says)


def test_a_folder_is_refused(tmp_path: Path):
    refused(tmp_path, "cannot read the program")


STORE = "store.predict"


@pytest.mark.few(5)
@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        (["sql_memory", "format"], 3, "has format 3, not 2; compile it again"),
        (["sql_memory"], "x", "has format None, not 2"),
        (["sql_memory", "version"], "9.1.0", "version 9.1.0 of sql-memory, this is .*; compile"),
        (["sql_memory", "version"], None, "version None"),
        ([STORE, "signature", "fields", 0, "prefix"], "X:", f"fields of {STORE} are others now"),
        (["other.predict"], {"demos": []}, "other modules"),
        ([STORE], "x", f"{STORE}': Input should be"),
        ([STORE, "traces"], [{"code": "x"}], f"{STORE}.traces"),
        ([STORE, "signature", "instructions"], ["os.system"], f"{STORE}.signature.instructions"),
        ([STORE, "signature", "instructions"], "", f"{STORE}.signature.instructions"),
        ([STORE, "signature", "instructions"], "\ud800", "is not JSON"),
        ([STORE, "demos"], [{"sql": {"a": "b"}}], f"{STORE}.demos.0.sql"),
        ([STORE, "demos"], [{"sql": 1}], f"{STORE}.demos.0.sql"),
        ([STORE, "demos"], [{"sql": True}], f"an example of {STORE} holds more than text"),
        ([STORE, "demos"], [{"__class__": "x"}], "has no field '__class__'"),
        ([STORE, "code"], "import os", f"{STORE}.code': Extra"),
        (["sql_memory", "card", "verdict"], "great", "card.verdict"),
        (["sql_memory", "card", "scores"], {"after": "0.5"}, "card.scores.after"),
        (["sql_memory", "card", "code"], "import os", "card.code.: Extra"),
        (["sql_memory", "code"], "import os", "code.: Extra"),
        (["code"], "import os", "other modules"),
    ],
)
def test_a_file_that_was_tampered_with_is_refused(file: Path, where: list[Any], value, says: str):
    content = json.loads(file.read_bytes())
    inner = content
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    file.write_text(json.dumps(content))
    refused(file, says)


def refused(file: Path, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load_program(file)
    assert file.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_patch_release_reads_the_file_and_a_minor_one_does_not(file: Path, monkeypatch):
    for version, loads in (("0.1.7", True), ("0.2.0", False)):
        monkeypatch.setattr(saved, "version", lambda _, version=version: version)
        if loads:
            load_program(file)
        else:
            refused(file, f"made by version 0.1.0 of sql-memory, this is {version}")


MOVED_AWAY = (
    "compiled for 'local' and is used with scripted.*compile it again with --model scripted"
)


@pytest.mark.parametrize(
    ("card", "says"),
    [
        (None, []),
        (CARD.model_copy(update={"model": "scripted"}), []),
        (CARD, [MOVED_AWAY]),
        (CARD.model_copy(update={"model": "scripted", "verdict": "no gain"}), ["gained nothing"]),
        (CARD.model_copy(update={"verdict": "no gain"}), [MOVED_AWAY, "gained nothing"]),
    ],
)
def test_a_program_that_moves_to_another_model_or_gained_nothing_warns(tmp_path, card, says):
    program = MemoryProgram()
    program.card = card
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Memory(tmp_path / "a.db", model=scripted_model([]), program=program).close()
    said = [str(one.message) for one in told if one.category is UserWarning]
    assert len(said) == len(says)
    assert said == concerns(program, "scripted")
    for words, pattern in zip(said, says, strict=True):
        assert re.search(pattern, words)
    assert all(one.filename == __file__ for one in told), "the line that is to be changed"
