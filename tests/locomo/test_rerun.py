"""The record of a run, and the command that repeats it."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from locomo import rerun
from locomo import rows as measuring
from locomo.tracking import record as recording
from locomo.tracking.record import RunData, RunRecord, read_record, record_file, write_record
from locomo.tracking.runs import code_commit, data_hash
from memory import InputError
from tests.support.commands import run_in_process
from tests.support.locomo_records import DATE, record, turn, write

ROOT = Path(__file__).parents[2]
GOLD = {"D1:1": {"facts": [{"row": "Ann | keep | two goats", "words": ["goats"]}]}}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    said = {"session_1": [turn("D1:1", "I keep two goats.")], "session_1_date_time": DATE}
    return write(tmp_path / "rows.json", {**record("c0", **said), "rows": GOLD})


def made(data: Path, **changed: Any) -> RunRecord:
    used = (RunData(str(data), data_hash(data), "evaluation"),)
    return RunRecord("python evaluate.py", code_commit(), data=used, **changed)


def test_a_record_is_beside_a_file_and_in_a_folder(tmp_path: Path, data: Path) -> None:
    (tmp_path / "folder").mkdir()
    for output in (tmp_path / "folder", tmp_path / "rows.jsonl"):
        write_record(made(data), output)
        assert read_record(output) == read_record(record_file(output)) == made(data)
    with pytest.raises(InputError, match="no run left a record"):
        read_record(tmp_path / "other.jsonl")
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(InputError, match="is no record of a run"):
        read_record(tmp_path)


def test_a_command_is_recorded_without_passwords_and_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["/usr/bin/python", "-m", "locomo.rows", "--api-base", "http://me:secret@host/v1?key=1"]
    monkeypatch.setattr(sys, "orig_argv", words)
    assert recording.command_now() == "python -m locomo.rows --api-base http://host/v1"


def test_what_changed_since_a_run_is_said(tmp_path: Path, data: Path) -> None:
    write_record(made(data), tmp_path / "out")
    same = run_in_process(rerun.app, tmp_path / "out")
    assert (same.returncode, same.stdout) == (0, "python evaluate.py\n")
    write_record(made(data, versions={"python": "2.7"}), tmp_path / "old")
    assert "the run had 2.7" in run_in_process(rerun.app, tmp_path / "old").stderr
    data.write_text(data.read_text() + "\n")
    changed = run_in_process(rerun.app, tmp_path / "out")
    assert changed.returncode == 1
    assert "has sha256" in changed.stderr
    data.unlink()
    assert "is missing" in run_in_process(rerun.app, tmp_path / "out").stderr


def test_a_comparison_knows_the_run_that_made_its_file(tmp_path: Path, data: Path) -> None:
    write_record(made(data, run_id="abc"), tmp_path / "plain.jsonl")
    assert recording.parent_of(tmp_path / "plain.jsonl") == "abc"
    assert recording.parent_of(tmp_path / "other.jsonl") == recording.parent_of(None) == ""


def commands(data: Path, folder: Path) -> dict[str, tuple[list[str], Path]]:
    """Three commands, each with what it writes."""
    stored = folder / "stored.jsonl"
    lines = {"key": "c0/D1:1", "rows": [], "calls": 0, "cpu_seconds": 0.0}
    stored.write_text(json.dumps(lines) + "\n")
    return {
        "rows": (
            ["-m", "locomo.rows", str(data), "--model", "none", "--out", str(stored)],
            stored,
        ),
        "gate": (
            *(["optimize.py", "--target", "gate", "--output", str(folder / "gate.json")],),
            folder / "gate.json",
        ),
        "retrieval": (
            [
                *("-m", "locomo.retrieval", "--data", "data/sample.json"),
                *("--json", str(folder / "r.json"), "--conversation", "wanjiru-and-bo"),
            ],
            folder / "r.json",
        ),
    }


def without_times(text: str) -> str:
    """A text without the moment in which a program was compiled."""
    return re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+", "", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rows", "gate", "retrieval"])
def test_the_command_that_is_printed_repeats_the_run(
    name: str, tmp_path: Path, data: Path, tracked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tracked}")
    words, output = commands(data, tmp_path)[name]
    subprocess.run([sys.executable, *words], cwd=ROOT, check=True, capture_output=True)
    before = read_record(output)
    written = output.read_text()
    for run in (output, before.run_id):  # by its file, and by its id in MLflow
        printed = run_in_process(rerun.app, run)
        assert printed.returncode == 0, printed.stderr
        python, *again = shlex.split(printed.stdout)
        assert (python, again) == ("python", words)
    subprocess.run([sys.executable, *again], cwd=ROOT, check=True, capture_output=True)
    after = read_record(output)
    assert after.run_id != before.run_id
    assert (after.options, after.data) == (before.options, before.data)
    if name != "retrieval":  # which writes how long each search took
        assert without_times(output.read_text()) == without_times(written)


def test_scores_of_rows_are_recorded_where_runs_are_kept(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    out = tmp_path / "stored.jsonl"
    out.write_text(json.dumps({"key": "c0/D1:1", "rows": []}) + "\n")
    assert run_in_process(measuring.app, data, "--model", "none", "--out", out).returncode == 0
    assert read_record(out).data[0].sha256 == data_hash(data)
    assert not (tmp_path / "mlflow.db").exists()
