"""A model in its stages: the same questions, one table."""

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import typer

from locomo import stages
from locomo.harness import Result
from optimize import optimize
from tests.support.commands import run_in_process
from tests.support.locomo_records import write
from tests.support.model_server import serving_model
from tests.support.obedient import house, houses

ANSWER = Result("memory", "c", 0, 4, "Where?", "Oslo", "Oslo", score=0.2, recall=1.0, seconds=0.1)
# Writes what evaluate.py would: better where a program is given, other questions where it is told.
STAND_IN = """
import json, sys
from pathlib import Path
words = sys.argv[1:]
folder = Path(words[words.index("--output-dir") + 1])
if "openai/broken" in words:
    sys.exit("error: no such model")
gain = .5 * ("--optimized-path" in words)
results = json.loads(Path("answers.json").read_text())
if "openai/elsewhere" in words:
    results = results[:-1]
for result in results:
    result["score"] += gain
folder.mkdir(parents=True)
(folder / "evaluation_results.json").write_text(json.dumps({"params": {}, "results": results}))
"""


@pytest.fixture(autouse=True)
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answers = [
        replace(ANSWER, conversation=f"c{n % 4}", index=n, verdicts={"strict (j)": n > 3})
        for n in range(24)
    ]
    answers += [replace(ANSWER, index=n, category=5, score=1.0) for n in range(24, 30)]
    Path("answers.json").write_text(json.dumps([asdict(answer) for answer in answers]))
    Path("evaluate.py").write_text(STAND_IN)
    monkeypatch.setattr(stages, "EVALUATE", tmp_path / "evaluate.py")


def test_each_stage_is_a_row_beside_the_first() -> None:
    line = "--model openai/m --compiled p.json --tuned openai/t --judge-model openai/j"
    done = run_in_process(stages.app, *line.split())
    assert (done.returncode, done.stderr) == (0, "")
    table = Path("stages/stages.md").read_text("utf-8")
    rows = [row.split(" | ") for row in table.splitlines() if row.startswith("| ")][2:]
    assert [row[0] for row in rows] == ["| plain", "| compiled", "| tuned", "| compiled and tuned"]
    first = [cell.split(" [")[0] for cell in rows[0][1:5]]
    assert first == ["30", "0.200", "0.833 (strict (j))", "1.000"]
    assert [row[2].split(" [")[0] for row in rows] == ["0.200", "0.700", "0.200", "0.700"]
    assert "compiled: F1 +0.500 [+0.36, +0.64], better" in table
    assert "tuned: F1 +0.000 [-0.14, +0.14], no difference shown" in done.stdout


def test_a_stage_that_cannot_be_asked_or_was_asked_something_else_is_refused() -> None:
    broken = run_in_process(stages.app, "--model", "openai/broken")
    assert (broken.returncode, "the stage 'plain' failed" in broken.stderr) == (2, True)
    line = "--model openai/m --tuned openai/elsewhere --output-dir others"
    done = run_in_process(stages.app, *line.split())
    assert (done.returncode, "'tuned' was asked other questions" in done.stderr) == (2, True)
    assert not Path("others/stages.md").exists()


@pytest.mark.slow
def test_the_packaged_model_fills_the_first_row(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    monkeypatch.setattr(stages, "EVALUATE", root / "evaluate.py")
    line = f"--model local --data {root}/data/first_run.json --split all --num-test 3"
    done = run_in_process(stages.app, *line.split())
    assert done.returncode == 0, done.stderr
    assert "| plain | 3 |" in Path("stages/stages.md").read_text("utf-8")


@pytest.mark.slow
def test_a_model_that_does_as_it_is_told_is_better_compiled(
    tmp_path: Path, tracking_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """optimize.py finds the words that the model needs, and other houses show what they bring."""
    root = Path(__file__).parents[2]
    monkeypatch.setattr(stages, "EVALUATE", root / "evaluate.py")
    shutil.copy(tracking_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("no_proxy", "*")
    known, kept = houses(tmp_path / "houses.json"), tmp_path / "kept.json"
    write(kept, house("green-house", 1), house("white-house", 2))
    program = tmp_path / "program.json"
    with serving_model() as server:
        model = ["--model", "openai/m", "--api-base", server.address]
        prompt_model = ["--prompt-model", "openai/m", "--prompt-api-base", server.address]
        options = ["--data", known, "--output", program, "--num-examples", "8"]
        compiling = typer.Typer()
        compiling.command()(optimize)
        done = run_in_process(compiling, *model, *prompt_model, *options)
        assert done.returncode == 0, done.stderr
        line = [*model, "--compiled", program, "--data", kept, "--split", "all", "--num-test", "24"]
        done = run_in_process(stages.app, *line)
    assert done.returncode == 0, done.stderr
    assert server.unexpected == []
    rows = Path("stages/stages.md").read_text("utf-8").splitlines()
    scores = [float(row.split(" | ")[2].split(" [")[0]) for row in rows[2:4]]
    assert scores[0] == pytest.approx(0.4, abs=0.01)
    assert scores[1] > scores[0] + 0.15  # how much care is proposed, 3 to 9 of 10, is chance
