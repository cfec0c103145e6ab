"""Two runs beside each other: paired where both answered, refused where the data differ."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from locomo.compare import app
from locomo.harness import Result
from tests.support.commands import run_in_process

ANSWER = Result("memory", "c", 0, 4, "Where?", "Oslo", "Oslo", score=1.0, recall=1.0, seconds=0.1)


def write(folder: Path, results: list[Result], model: str = "local") -> Path:
    folder.mkdir()
    content = {"params": {"model": model}, "results": [asdict(result) for result in results]}
    (folder / "evaluation_results.json").write_text(json.dumps(content), "utf-8")
    return folder


def test_runs_are_compared_question_by_question(tmp_path: Path) -> None:
    scores = [0.0, 0.5, 0.25, 1.0]
    old = [replace(ANSWER, index=n, score=score) for n, score in enumerate(scores)]
    new = [replace(result, score=min(result.score + 0.5, 1.0)) for result in old[:3]]
    baseline = replace(ANSWER, system="newest", index=9)
    before = write(tmp_path / "before", [*old, baseline])
    after = write(tmp_path / "after", new, model="openai/gpt-4o-mini")
    done = run_in_process(app, before, after)
    assert (done.returncode, done.stderr) == (0, "")
    assert "model openai/gpt-4o-mini" in done.stdout
    lines = done.stdout.replace("|", " ").splitlines()
    line = next(line for line in lines if line.strip().startswith("all"))
    assert line.split() == ["all", "3", "0.250", "0.750", "+0.500", "-0.06", "to", "+1.00"]
    assert "left out: 1 questions" in done.stdout
    assert "official F1, 1-4, n = 3: too few questions" in done.stdout


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ([replace(ANSWER, question="When?")], "the data differ"),
        ([replace(ANSWER, index=7)], "no question in common"),
        ([replace(ANSWER, system="newest")], "no question in common"),
    ],
)
def test_runs_of_other_questions_are_refused(
    tmp_path: Path, other: list[Result], reason: str
) -> None:
    before = write(tmp_path / "before", [ANSWER])
    done = run_in_process(app, before, write(tmp_path / "after", other))
    assert done.returncode == 2
    assert reason in done.stderr
