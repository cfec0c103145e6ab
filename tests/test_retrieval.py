"""The retrieval command: recall of evidence turns without a model, on a real store."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from locomo.dataset import load, run_command
from locomo.retrieval import app, recalls, retrieve
from tests.locomo_records import DATE, question, record, turn, write

LOCOMO = Path(__file__).parents[2] / "shared" / "data" / "locomo7.json"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two sessions, and a question of category 2, one without evidence and one of category 5."""
    said = {
        "session_1": [turn("D1:1"), turn("D1:2", "Lyon! How is your cat?", speaker="Bo")],
        "session_1_date_time": DATE,
        "session_2": [turn("D2:1", "My sister plays the violin."), turn("D2:2", "She is good.")],
        "session_2_date_time": "9:00 am on 12 June, 2023",
    }
    qa = [
        question(2, question="Who plays the violin?", evidence=["D2:1", "D1:2"]),
        question(4, evidence=[]),
        question(5, question="Where does Bo live?", adversarial_answer="Lyon"),
    ]
    return write(tmp_path / "two.json", record("conv-1", qa, **said), record("conv-2"))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Run the command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["retrieval", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        run_command(app)
    return int(ended.value.code or 0)


def test_the_command_starts(source: Path) -> None:
    subprocess.run([sys.executable, "-m", "locomo.retrieval", "--data", source], check=True)


def test_one_conversation_is_written_with_a_ranking_for_every_question(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = source.with_name("out.json")
    assert run(monkeypatch, "--data", source, "--conversation", "conv-1", "--json", out) == 0
    found = json.loads(out.read_bytes())
    assert set(found) == {"turns", "ingest_s", "search_ms", "ranked"}
    assert found["turns"] == 4
    assert len(found["search_ms"]) == len(found["ranked"]) == 3
    assert found["ranked"]["0"][0] == "D2:1"
    assert {frozenset(ranked) for ranked in found["ranked"].values()} == {
        frozenset({"D1:1", "D1:2", "D2:1", "D2:2"})
    }
    lines = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert ["2", "1.000", "1.000", "1.000", "1.000", "1"] in lines
    assert not any(line[:1] in (["4"], ["5"]) for line in lines[:-1])


def test_several_conversations_are_written_by_id(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = source.with_name("out.json")
    assert run(monkeypatch, "--data", source, "--json", out, "--k", "1") == 0
    found = json.loads(out.read_bytes())
    assert found.keys() == {"conv-1", "conv-2"}
    assert found["conv-1"]["ranked"]["0"] == ["D2:1"]


def test_recall_leaves_out_category_5_and_questions_without_evidence(source: Path) -> None:
    one = load(source)[0]
    assert recalls([one], {one.id: retrieve(one, source.parent, 1)}, [1]) == {2: [[0.5]]}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "missing.json"], "missing.json does not exist"),
        (["--data", "{source}", "--conversation", "conv-9"], "it has conv-1, conv-2"),
        (["--data", "{source}", "--k", "0"], "--k"),
        (["--data", "{source}", "--json", "{source}/x.json"], "cannot write"),
        ([], "--data"),
    ],
)
def test_bad_input_ends_with_one_clear_error(
    source: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *(part.format(source=source) for part in arguments)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.skipif(not LOCOMO.exists(), reason="needs the LoCoMo file, which is not ours to keep")
def test_recall_on_locomo_stays_where_it_was_measured(tmp_path: Path) -> None:
    conversations = load(LOCOMO)
    found = {}
    for one in conversations:
        (tmp_path / one.id).mkdir()
        found[one.id] = retrieve(one, tmp_path / one.id, 10)
    rows = [row for rows in recalls(conversations, found, [10]).values() for row in rows]
    assert len(rows) == 1033
    assert sum(row[0] for row in rows) / len(rows) > 0.815
