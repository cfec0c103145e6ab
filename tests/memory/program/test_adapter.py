"""A LoRA adapter of the packaged model: whom it changes, what is shown, what cannot be one."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from locomo.harness import probe
from locomo.scripts import evaluate as evaluating
from memory import InputError, Turn, load_model
from memory.errors import ModelError
from memory.models import Model
from memory.models.gguf.files import packaged_gguf
from memory.program import plain_program, program_for
from tests.locomo.test_commands import EVALUATE, command
from tests.support.gguf_adapter import adapter, gguf
from tests.support.locomo_records import write

TARGETS = ("answer", "retrieve", "store")
SAID = Turn("Anna", "I adopted a beagle in May, it is called Biscuit.", "1", "2017-06-09")
ASKED = "Which pet has Anna had for 12 years?"
CATALOG = "facts of Anna: has_pet(2), lives_in(1)"
SHOWN = f"[1] (Fri 09 Jun 2017) Anna: {SAID.text}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("adapter")


def tell(model: Model, target: str) -> str:
    """What one module says with this model."""
    program = plain_program(model)
    inputs = {
        "store": {"turn": f"Anna: {SAID.text}"},
        "retrieve": {"catalog": CATALOG, "question": ASKED, "feedback": ""},
        "answer": {"evidence": SHOWN, "question": ASKED},
    }
    with model.active():
        said = getattr(program, target).predict(**inputs[target])
    return str(next(iter(said.values())))


# --- whom it changes ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("targets", [("answer",), ("store",)], ids=str)
def test_an_adapter_changes_the_modules_it_was_tuned_for_and_no_other(
    folder: Path, targets: tuple[str, ...]
) -> None:
    plain = load_model("local-base")
    tuned = load_model("local-base", adapter=adapter(folder, *targets))
    changed = [target for target in TARGETS if tell(tuned, target) != tell(plain, target)]
    assert sorted(changed) == sorted(targets)


# --- what is shown ------------------------------------------------------------------------------


def test_a_tuned_module_is_shown_no_examples(folder: Path) -> None:
    model = load_model("local-base", adapter=adapter(folder, "answer"))
    begun = plain_program(model)
    assert begun.answer.predict.demos == []
    assert len(begun.store.predict.demos) > 1
    assert program_for(model).answer.predict.demos == []
    assert program_for(load_model("local-base")).answer.predict.demos


# --- what it is called --------------------------------------------------------------------------


def test_only_an_adapter_that_was_tuned_to_store_facts_is_asked_for_them(tmp_path: Path) -> None:
    answering = load_model(str(adapter(tmp_path / "answer", "answer")))
    storing = load_model(str(adapter(tmp_path / "store", "answer", "store")))
    for model, stores in ((load_model("local"), False), (answering, False), (storing, True)):
        assert program_for(model).stores_facts == stores


def test_a_memory_is_of_the_weights_that_stored_it(folder: Path) -> None:
    """So one that the adapter had no part in is not built again."""
    tuned = load_model("local-base", adapter=adapter(folder, "answer"))
    untuned = dict.fromkeys(["store", "retrieve"], "local-base")
    assert tuned.weights == {**untuned, "answer": f"local+{tuned.name[-8:]}"}
    assert set(load_model("openai/x").weights.values()) == {"openai/x"}


# --- what cannot be used ------------------------------------------------------------------------

Breaks = Callable[[Path], object]


def card_of(**changed: Any) -> Breaks:
    return lambda folder: adapter(folder, "answer", **changed)


def text_of(file: str, text: str) -> Breaks:
    return lambda folder: (folder / file).write_text(text)


def cut(folder: Path, keep: float) -> None:
    file = folder / "adapter.gguf"
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])


def peft_only(folder: Path) -> None:
    (folder / "adapter.gguf").unlink()
    (folder / "adapter_config.json").write_text("{}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (lambda folder: (folder / "adapter.json").unlink(), "adapter.json is missing"),
        (text_of("adapter.json", "no card"), "adapter.json, the file: Invalid JSON"),
        (card_of(targets=["digest"]), "adapter.json, targets.0: Input should be 'answer'"),
        (card_of(targets=[]), "adapter.json, targets: "),
        (card_of(rank="1"), "adapter.json, rank: "),
        (card_of(note="x"), "adapter.json, note: Extra"),
        (
            card_of(base="Qwen/Qwen2.5-3B", base_sha256=""),
            r"is for Qwen/Qwen2.5-3B \(no file\), the model is SmolLM2-135M-Instruct",
        ),
        (card_of(base_sha256="ab" * 32), r"SmolLM2-135M-Instruct \(abababab\), the model"),
        (lambda folder: (folder / "adapter.gguf").unlink(), "holds no adapter .adapter.gguf"),
        (peft_only, "serve it, .* --model openai/NAME --api-base ADDRESS"),
        (text_of("adapter.gguf", ""), "is no GGUF file"),
        (text_of("adapter.gguf", "GGUF" * 99), "is no GGUF file"),
        (lambda folder: cut(folder, 0.01), "is no GGUF file, or it is cut"),
        (lambda folder: cut(folder, 0.9), "it is cut"),
        (lambda folder: gguf(folder / "adapter.gguf", layer=30), "blk.30.* does not fit"),
        (lambda folder: gguf(folder / "adapter.gguf", architecture="gptj"), "architecture is"),
        (
            lambda f: (f / "adapter.gguf").write_bytes(packaged_gguf().read_bytes()),
            "something else",
        ),
    ],
)
def test_what_is_no_adapter_of_the_packaged_model_is_refused_in_one_line(
    tmp_path: Path, breaks: Breaks, says: str
) -> None:
    """llama.cpp would end the process."""
    breaks(adapter(tmp_path, "answer"))
    with pytest.raises((InputError, ModelError), match=says) as caught:
        load_model("local-base", adapter=tmp_path)
    assert "\n" not in str(caught.value)
    if (tmp_path / "adapter.gguf").exists() or (tmp_path / "adapter_config.json").exists():
        with pytest.raises((InputError, ModelError), match=says):
            load_model(str(tmp_path))


def test_an_adapter_that_changes_while_it_is_in_use_is_a_model_error(tmp_path: Path) -> None:
    model = load_model("local-base", adapter=adapter(tmp_path, "answer", layer=7))
    gguf(tmp_path / "adapter.gguf", layer=8)
    with pytest.raises(ModelError, match="changed while it was in use"):
        probe(model)


# --- evaluate.py --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--adapter {0}/none", "the adapter .*none does not exist; give a folder"),
        ("--adapter {0}/talks.json", "talks.json holds no adapter"),
        (
            "--adapter {0} --model openai/x",
            "for the packaged model or a gguf: one, not for openai/x",
        ),
    ],
)
def test_evaluate_refuses_an_adapter_that_it_cannot_use(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    says: str,
) -> None:
    write(tmp_path / "talks.json")
    monkeypatch.setattr(evaluating, "connect_mlflow", lambda experiment: None)
    given = f"--data {{0}}/talks.json --output-dir {{0}}/out {line}"
    assert command(EVALUATE, given, tmp_path, monkeypatch) == (2, [])
    assert re.search(f"error: .*{says}", capsys.readouterr().err)
