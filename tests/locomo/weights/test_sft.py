"""The supervised start: what it lowers, saves, keeps when it is interrupted, and refuses."""

import json
import platform
import shutil
import signal
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra is not installed: uv sync --extra tune")

from safetensors.torch import load_file  # noqa: E402

from locomo.weights.adapters import save_adapter  # noqa: E402
from locomo.weights.sft import SftResult, sft  # noqa: E402
from locomo.weights.student import load_student  # noqa: E402
from memory import InputError  # noqa: E402
from memory.models.adapter_card import AdapterCard, read_card  # noqa: E402
from tests.support.tiny_llama import ANSWERS, CHAT, alone  # noqa: E402

ABOUT: dict[str, Any] = {"targets": ["answer"], "conversations": ["conv-1"]}
SLOW: dict[str, Any] = {**ABOUT, "epochs": 4, "batch": 1, "learning_rate": 0.01, "device": "cpu"}
STEPS = 12
CHECKPOINT = "checkpoint"


pytestmark = pytest.mark.usefixtures("one_thread")


def chat(n: int) -> list[dict[str, str]]:
    """A prompt that begins like no other, so that each is a step of its own."""
    return [{"role": "system", "content": f"{n} times: answer shortly."}, CHAT[1]]


def examples_file(path: Path, *texts: str) -> Path:
    chats = [[*chat(n), {"role": "assistant", "content": text}] for n, text in enumerate(texts)]
    lines = [json.dumps({"messages": messages}, ensure_ascii=False) for messages in chats]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_tuning_lowers_the_loss_and_saves_what_loads_again(tiny: str, tmp_path: Path) -> None:
    file = examples_file(tmp_path / "examples.jsonl", *ANSWERS, "\u2028\x85 long " * 300)
    reports: list[tuple[int, int, float]] = []
    tuned = sft(
        file,
        tmp_path / "out",
        **ABOUT,
        base=tiny,
        epochs=6,
        batch=2,
        learning_rate=0.01,
        max_tokens=200,
        device="cpu",
        about={"command": "train.py --first"},
        progress=lambda *report: reports.append(report),
    )
    assert isinstance(tuned, SftResult)
    assert (tuned.steps, tuned.examples, tuned.skipped) == (12, 3, 1)
    assert [report[:2] for report in reports] == [(n, 12) for n in range(1, 13)]
    assert tuned.last_loss < tuned.first_loss - 1
    names = {path.name for path in tuned.folder.iterdir()}
    assert names == {"adapter.json", "adapter_config.json", "adapter_model.safetensors"}
    card = read_card(tuned.folder)
    assert (card.base, card.base_sha256, card.rank, card.alpha) == (tiny, "", 8, 16)
    assert (card.targets, card.conversations, card.made_by) == (["answer"], ["conv-1"], "sft")
    again = load_student(tiny, tuned.folder, "cpu")
    with torch.no_grad():
        told = [alone(again, text, chat=chat(n)) for n, text in enumerate(ANSWERS)]
    assert -torch.cat(told).mean().item() < tuned.first_loss - 1
    save_adapter(again, tuned.folder, card)  # takes the place of the older one
    assert {path.name for path in tmp_path.iterdir()} == {"examples.jsonl", "out"}
    options = {"targets": ["store"], "conversations": ["conv-2"], "start": tuned.folder}
    sft(file, tmp_path / "more", **options, base=tiny, max_tokens=200, device="cpu")
    card = read_card(tmp_path / "more")
    assert (card.conversations, card.before) == (["conv-1", "conv-2"], ["train.py --first"])


def test_a_share_of_the_start_is_kept(tiny: str, tmp_path: Path) -> None:
    file = examples_file(tmp_path / "examples.jsonl", *ANSWERS)
    start = sft(file, tmp_path / "start", **SLOW, base=tiny).folder
    options = {**SLOW, "base": tiny, "start": start, "seed": 1}
    tuned = sft(file, tmp_path / "tuned", **options).folder
    mixed = sft(file, tmp_path / "mixed", **options, start_share=0.25).folder
    weights = [adapter_weights(folder) for folder in (start, tuned, mixed)]
    for name, before in weights[0].items():
        mean = 0.25 * before + 0.75 * weights[1][name]
        assert torch.allclose(weights[2][name], mean, atol=1e-6)
    assert any(not torch.allclose(weights[0][name], weights[1][name]) for name in weights[0])


# Interrupted


def stop_at(last: int) -> Callable[[int, int, float], None]:
    def progress(step: int, steps: int, loss: float) -> None:
        if step == last:
            signal.raise_signal(signal.SIGINT)

    return progress


def adapter_weights(folder: Path) -> dict[str, Any]:
    weights: dict[str, Any] = load_file(folder / "adapter_model.safetensors")
    return weights


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def tuned_weights(folder: Path) -> bytes:
    return (folder / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize("last", [1, 5, STEPS])
def test_an_interrupted_tuning_goes_on_to_the_very_same_weights(
    tiny: str, tmp_path: Path, last: int
) -> None:
    lengths = [*ANSWERS, "She lives in the north of the town, near the sea, with her cat."]
    file = examples_file(tmp_path / "examples.jsonl", *lengths)
    options = {**SLOW, "base": tiny, "epochs": 3}
    whole = sft(file, tmp_path / "whole", **options)
    assert (whole.steps, whole.resumed) == (STEPS, 0)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        sft(file, out, **options, progress=stop_at(last))
    assert load_student(tiny, out, "cpu").tuned  # of use at once
    assert (tuned_weights(out) == tuned_weights(whole.folder)) == (last == STEPS)
    done = sft(file, out, **options, resume=True)
    assert (done.steps, done.resumed, done.first_loss) == (STEPS, last, whole.first_loss)
    assert done.last_loss == whole.last_loss
    assert tuned_weights(out) == tuned_weights(whole.folder)
    assert {path.name for path in out.iterdir()} == {path.name for path in whole.folder.iterdir()}


def test_a_tuning_that_is_killed_goes_on_from_its_last_checkpoint(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = examples_file(tmp_path / "examples.jsonl", *ANSWERS)
    out, killed = tmp_path / "out", tmp_path / "killed"
    monkeypatch.setattr("locomo.weights.sft._CHECKPOINT_SECONDS", 0.0)

    def copy_in_step_8(step: int, steps: int, loss: float) -> None:
        if step == 8:  # not saved yet: as a machine that loses its power leaves it
            shutil.copytree(out, killed)

    sft(file, out, **SLOW, base=tiny, progress=copy_in_step_8)
    assert [path.name for path in killed.iterdir()] == [CHECKPOINT]
    assert sft(file, killed, **SLOW, base=tiny, resume=True).resumed == 7
    assert tuned_weights(killed) == tuned_weights(out)


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.02},
        {"seed": 1},
        {"epochs": 5},
        {"batch": 2},
        {"minutes": 9.0},
        {"rank": 4},
        {"targets": ["store"]},
    ],
    ids=str,
)
def test_a_checkpoint_of_other_options_is_not_gone_on_with(
    tiny: str, tmp_path: Path, change: dict[str, Any]
) -> None:
    file, out = examples_file(tmp_path / "examples.jsonl", *ANSWERS), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        sft(file, out, **SLOW, base=tiny, progress=stop_at(1))
    before = contents(out)
    with pytest.raises(InputError, match="of other examples or options"):
        sft(file, out, **{**SLOW, **change}, base=tiny, resume=True)
    assert contents(out) == before


# The card


def test_the_card_says_what_was_made_how_and_with_what(tiny: str, tmp_path: Path) -> None:
    file = examples_file(tmp_path / "examples.jsonl", *ANSWERS)
    about = {"command": "train.py --mode sft", "examples": {"answer": 3}, "data": "ab" * 32}
    tuned = sft(file, tmp_path / "out", **SLOW, base=tiny, about=about)
    card = read_card(tuned.folder)
    assert about.items() <= card.model_dump().items()
    assert card.scores == {}
    assert card.versions["python"] == platform.python_version()
    assert card.versions["torch"] == version("torch")
    assert {"sql-memory", "transformers", "peft", "trl", "gguf"} < card.versions.keys()
    assert (card.seconds, card.peak_memory) == (tuned.seconds, tuned.peak_memory)
    assert card.peak_memory > 1e6
    assert AdapterCard.model_validate_json(card.model_dump_json()) == card


# Bad input


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no examples"),
        ("not json\n", "line 1"),
        ('{"messages": [{"role": "user", "content": "a"}]}\n', "line 1: must end with the assist"),
        (
            '{"messages": [{"role": "cook", "content": "a"}]}\n',
            "line 1 is not an example: Input should",
        ),
        ('\n{"messages": 7}\n', "line 2"),
        ('{"messages": [{"role": "user"}]}\n', "line 1"),
        ("[]\n", "line 1"),
        (b"\xff\xfe", "line 1 is not an example: Invalid JSON"),
        (None, "cannot read"),
    ],
)
def test_a_file_that_holds_no_examples_is_refused(
    tmp_path: Path, content: str | bytes | None, message: str
) -> None:
    file = tmp_path / "examples.jsonl"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError, match=message):
        sft(file, tmp_path / "out", **ABOUT, base="nothing is loaded before")
