"""`optimize.py --target gate`: fitted on gold rows, saved in the program's file, measured."""

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import typer

import optimize
from locomo.dataset.rows import load_gold_rows
from locomo.prompts.gate import GateQuality, fit_gate, gate_turns, quality
from locomo.scripts import optimize as compiling
from memory import load_program
from memory.program.gate import StoreGate, shipped_gate
from tests.support.commands import run_in_process
from tests.support.scripted import model_over
from tests.support.tracking import track

ROWS = Path(__file__).parents[3] / "data" / "rows"
TELLING = "Nina: My sister Ella moved to Porto in 2019, and I sold our old boat for 300."
SMALL_TALK = "Nina: Thanks, that's kind of you, you always know what you would say!"


@pytest.fixture(autouse=True)
def _recorded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    track(optimize, request, monkeypatch)


@pytest.fixture(scope="module")
def fitted() -> Any:
    return fit_gate(load_gold_rows(ROWS))


def test_a_gate_leaves_what_is_told_alone_and_skips_small_talk(fitted: Any) -> None:
    gate, held_out = fitted
    assert held_out.recall >= 0.97
    assert gate.decision(TELLING) == "require"
    assert gate.decision(SMALL_TALK) == "skip"
    unseen = on_part(gate, "validation")
    assert unseen.recall > 0.94
    assert unseen.small_talk_open < 0.5
    assert unseen.forced_right > 0.9
    assert unseen.auc > 0.9
    assert min(on_part(gate, part).recall for part in ("test", "kept")) > 0.96


def on_part(gate: StoreGate, part: str) -> GateQuality:
    """How a gate does on conversations that it was not fitted on."""
    turns = [*gate_turns(load_gold_rows(ROWS / part))]
    return quality(turns, [gate.probability(turn.line) for turn in turns], gate)


def test_the_shipped_gate_is_the_one_that_is_fitted(fitted: Any) -> None:
    shipped = asdict(shipped_gate())
    weights = shipped.pop("weights")
    fit = asdict(fitted[0])
    assert weights == pytest.approx(fit.pop("weights"), abs=0.001)
    assert shipped == pytest.approx(fit, abs=0.001)


def command(*options: object) -> Any:
    app = typer.Typer()
    app.command()(optimize.optimize)
    return run_in_process(app, "--target", "gate", *options)


def test_the_command_writes_a_program_with_the_gate(tmp_path: Path, fitted: Any) -> None:
    done = command("--output", tmp_path / "gate.json", "--output-dir", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert re.search(r"validation: \d+ of \d+ turns stay open, 9\d\.\d% of turns", done.stdout)
    assert "python -m locomo.rows" in done.stdout
    program = load_program(tmp_path / "gate.json")
    assert program.store.gate == fitted[0]
    assert program.card
    assert (program.card.target, program.card.verdict) == ("gate", "not measured")


def test_data_without_gold_rows_makes_no_gate(tmp_path: Path) -> None:
    done = command("--data", ROWS.parent / "everyday" / "development", "--output", tmp_path / "g")
    assert (done.returncode, (tmp_path / "g").exists()) == (2, False)
    assert "a gate needs 50 labelled turns" in done.stderr


class Chatterer:
    """An engine that quotes something of every turn."""

    def complete(self, request: Any) -> Any:
        from tests.support.scripted import Script

        text = request.messages[-1].text or ""
        words = re.findall(r"\bI ((?:\w+)) ([\w ]+)", text.partition(": ")[2])
        speaker = text.partition(": ")[0]
        rows = "\n".join(f"{speaker} | {verb} | {rest}" for verb, rest in words) or "none"
        return Script([([], rows)]).complete(request)


@pytest.mark.slow
def test_with_a_model_the_gain_is_measured_by_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_over(Chatterer(), "gguf:small.gguf", size="small", window=1)
    monkeypatch.setattr(compiling, "load_model", lambda name, **settings: model)
    options = ("--model", "gguf:small.gguf", "--output-dir", tmp_path)
    done = command(*options, "--output", tmp_path / "gate.json")
    assert done.returncode == 0, done.stderr
    assert re.search(r"rows, all 148 turns: \.\d+ -> \.\d+", done.stdout)
    assert re.search(
        r"gate.json: (use it|no gain on these turns; measure it on others: )", done.stdout
    )
    scores = json.loads((tmp_path / "gate.json").read_text())["sql_memory"]["card"]["scores"]
    assert any(name.startswith("rows, all") for name in scores)
