"""One reader for ours and for peers, who does not see whose memory a prompt shows."""

import json
from collections import Counter
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from locomo.others import blinded
from locomo.others.peers import Measured
from locomo.others.rankings import Found
from tests.support.commands import run_in_process
from tests.support.talk import Talker, talker, talks

RANKED = {"0": ["D1:1", "D1:2"], "1": ["D2:2"], "2": ["D2:1"]}


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the peers FTS5 alone runs here, and has ranked some turns."""

    def rank(name: str, *arguments: Any, **options: Any) -> Found | str:
        if name != "fts5":
            return "not installed (pip install it)"
        return {"tiny": Measured(6, 0.5, [1.0], RANKED, 100)}

    monkeypatch.setattr(blinded, "read_or_rank", rank)


def blind(folder: Path, *words: object) -> CompletedProcess[str]:
    return run_in_process(blinded.app, folder, *words)


def started(tmp_path: Path) -> tuple[Path, list[dict[str, Any]]]:
    """A folder with the prompts of three questions, and whose each is."""
    folder = tmp_path / "blind"
    done = blind(folder, "--data", talks(tmp_path / "tiny.json"))
    assert done.returncode == 2
    assert "lacks 9 of 9 lines" in done.stderr
    assert "Chroma: not installed" in done.stdout
    return folder, json.loads((folder / "key.json").read_text())


@pytest.mark.usefixtures("peer")
def test_prompts_do_not_tell_whose_they_are_and_the_key_does(tmp_path: Path) -> None:
    folder, key = started(tmp_path)
    text = (folder / "prompts.txt").read_text()
    assert not any(name in text for name in ("FTS5", "ours, ", "sql-memory"))
    assert text.count("\n--- Which city did Ann move to?") == 3
    systems = Counter(entry["system"] for entry in key)
    assert {*systems.values()} == {3}
    [of_fts5] = [
        entry for entry in key if entry["system"].startswith("SQLite") and entry["index"] == 1
    ]
    assert "town library" in of_fts5["memory"]
    assert "Lyon" not in of_fts5["memory"]  # it has what that peer ranked, and no more
    assert of_fts5["recall"] == 0


@pytest.mark.usefixtures("peer")
def test_answers_and_verdicts_by_hand_make_the_table(tmp_path: Path) -> None:
    folder, key = started(tmp_path)
    gold = {0: "Lyon", 1: "6 May 2017", 2: "No information available"}
    lines = []
    for entry in key:
        of_peer = entry["system"].startswith("SQLite")
        answer = "Paris" if of_peer and entry["index"] == 1 else gold[entry["index"]]
        lines.append(f"{entry['number']}: {answer}")
    (folder / "answers.txt").write_text("\n".join(lines) + "\n")
    waits = blind(folder)
    # Equal answers to a question are judged once, so that no verdict depends on the system.
    assert "verdicts.txt lacks 4 of 4 lines" in waits.stderr
    to_judge = (folder / "to_judge.txt").read_text().split("\n=== ")[1:]
    verdicts = [
        f"{page.split()[0]}: {'wrong' if 'Paris' in page else 'right'}" for page in to_judge
    ]
    (folder / "verdicts.txt").write_text("\n".join(verdicts))
    done = blind(folder)
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in row.split("|")] for row in done.stdout.splitlines()]
    right = {row[2]: row[4] for row in rows if len(row) > 5 and row[1] == "tiny.json"}
    assert right["ours, ask"].startswith("1.000")
    [of_fts5] = [share for name, share in right.items() if name.startswith("SQLite")]
    assert of_fts5.startswith("0.667")


@pytest.mark.usefixtures("peer")
def test_a_model_reads_and_judges_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, key = started(tmp_path)
    engines: list[Talker] = []

    def load(name: str, *settings: Any) -> Any:
        model, engine = talker(name=name)
        engines.append(engine)
        return model

    monkeypatch.setattr(blinded, "load_model", load)
    (folder / "answers.txt").write_text("1: written by hand\n")
    done = blind(folder, "--model", "a/reader", "--judge-model", "a/judge")
    assert done.returncode == 0, done.stderr
    reading, judging = engines
    assert reading.calls() == {"answer": len(key) - 1}  # a line that is there is not asked for
    assert [*judging.calls()] == ["judge"]


def test_a_folder_without_prompts_needs_data(tmp_path: Path) -> None:
    done = blind(tmp_path / "blind")
    assert done.returncode == 2
    assert "give --data FILE" in done.stderr
