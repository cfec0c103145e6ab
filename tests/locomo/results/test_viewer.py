"""The page of a run's questions: what it holds, and that nothing in it can become markup."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from locomo.harness import runs_of
from locomo.inspect import app
from locomo.results.viewer import RIGHT, outcome
from tests.support.commands import run_in_process
from tests.support.two_runs import JUDGE, MARKUP, RESULTS, TURNS, write_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_runs(tmp_path_factory.mktemp("runs"))


def page_of(tmp_path: Path, *arguments: object) -> tuple[str, Any]:
    """The page that a command writes, and the data in it."""
    file = tmp_path / "page.html"
    done = run_in_process(app, *arguments, "--html", file)
    assert done.returncode == 0, done.stderr
    text = file.read_text("utf-8")
    [data] = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
    return text, json.loads(data)


def test_a_page_holds_every_question_with_what_led_to_its_answer(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    _, data = page_of(tmp_path, runs[0])
    assert [question["system"] for question in data["questions"]] == ["memory"] * 3 + ["baseline"]
    first, second, third, _ = data["questions"]
    [answer] = first["answers"]
    assert (answer["outcome"], answer["shown"], first["evidence"]) == ("right", [1, 2, 3], ["D1:1"])
    assert answer["rows"][0]["rows"] == [["1", f"Lyon {MARKUP}"]]
    assert "there is no column nothing" in answer["refusals"][0]
    assert "prompts" not in answer
    assert second["answers"][0]["outcome"] == "not shown, no fact"
    assert third["answers"][0]["outcome"] == "should have abstained"
    assert third["answers"][0]["verdicts"] == {JUDGE: None}
    # Source, day, speaker and text of each turn stand there once.
    assert data["turns"]["chat"]["3"] == ["D1:3", "2023-05-08", "Ann", "Rex came along."]
    assert len(data["turns"]["chat"]) == len(TURNS)  # of turn 4 as evidence, though not shown
    _, data = page_of(tmp_path, runs[0], "--prompts")
    assert data["questions"][0]["answers"][0]["prompts"][0]["answers"] == ["Lyon"]


def test_two_runs_stand_beside_each_other(runs: tuple[Path, Path], tmp_path: Path) -> None:
    _, data = page_of(tmp_path, runs[0], "--beside", runs[1])
    assert [run["name"] for run in data["runs"]] == ["first", "second"]
    assert [run["traced"] for run in data["runs"]] == [True, False]
    before, after = data["questions"][1]["answers"]
    assert (before["outcome"], after["outcome"]) == ("not shown, no fact", "right")
    assert data["questions"][3]["answers"][1] is None  # the second run asked no baseline


def test_a_page_is_one_file_in_which_no_text_is_markup(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    text, _ = page_of(tmp_path, runs[0], "--beside", runs[1], "--prompts")
    assert text.count("</script>") == 2
    assert "<img" not in text
    assert "http://" not in text
    assert "https://" not in text
    assert "innerHTML" not in text
    assert "default-src 'none'" in text


def test_runs_of_other_data_are_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    written = json.loads((runs[1] / "evaluation_results.json").read_text())
    written["results"][0]["gold"] = "Oslo"
    (tmp_path / "evaluation_results.json").write_text(json.dumps(written))
    done = run_in_process(app, runs[0], "--beside", tmp_path, "--html", tmp_path / "page.html")
    assert done.returncode == 2
    assert "question 0 of chat is not the same in both runs" in done.stderr
    alone = run_in_process(app, runs[0], "--beside", runs[1])
    assert "--beside is for --html" in alone.stderr


def test_a_run_whose_memories_are_gone_is_shown_without_texts(
    runs: tuple[Path, Path], tmp_path: Path
) -> None:
    written = (runs[0] / "evaluation_results.json").read_bytes()
    (tmp_path / "evaluation_results.json").write_bytes(written)
    _, data = page_of(tmp_path, tmp_path)
    assert data["turns"] == {"chat": {}}
    assert not (tmp_path / "memories").exists()


def test_the_verdict_decides_where_a_benchmark_has_its_own_metric() -> None:
    right = replace(RESULTS[1], verdicts={JUDGE: True})
    assert outcome(right, own_metric=True) == RIGHT
    assert outcome(right, own_metric=False) == "not shown, no fact"
    accepted = replace(RESULTS[0], verdicts={JUDGE: False})
    assert outcome(accepted, own_metric=True) == "judged wrong"


def test_the_turns_shown_are_written_as_runs_of_numbers() -> None:
    assert runs_of([9, 3, 1, 2, 2]) == "1-3 9"
    assert runs_of([]) == ""
    assert replace(RESULTS[0], shown="1-3 9").turns_shown == [1, 2, 3, 9]
    assert replace(RESULTS[0], shown="").turns_shown == []
