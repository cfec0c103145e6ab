"""`python -m locomo.rows`: what a model stores of labelled turns, and beside another run."""

import json
from pathlib import Path
from typing import Any

import pytest

from locomo import rows as measuring
from memory.models import Model
from tests.support.commands import run_in_process
from tests.support.locomo_records import DATE, record, turn, write
from tests.support.scripted import scripted_model
from tests.support.tracking import track

TURNS = [
    turn("D1:1", "I keep two goats on the hill."),
    turn("D1:2", "How lovely!", speaker="Bo"),
    turn("D1:3", "I love a good story about goats.", speaker="Bo"),
]
GOLD = {"D1:1": {"facts": [{"row": "Ann | keep | two goats", "words": ["goats"]}]}}
GOATS, STORY = "Ann | keep | two goats on the hill", "Bo | love | a good story about goats"


@pytest.fixture(autouse=True)
def _recorded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    track(measuring, request, monkeypatch)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    said = {"session_1": TURNS, "session_1_date_time": DATE}
    records = [{**record(f"c{n}", **said), "rows": GOLD} for n in range(3)]
    return write(tmp_path / "rows.json", *records)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets a model give these answers in turn, and no more."""

    def give(*texts: str) -> Model:
        model = scripted_model([([], text) for text in texts], window=1, size="small")
        monkeypatch.setattr(measuring, "load_model", lambda *_, **__: model)
        return model

    return give


def run(data: Path, out: str, *options: object) -> Any:
    return run_in_process(measuring.app, data, "--out", data.parent / out, *options)


def line_of(printed: str, name: str) -> list[str]:
    rows = [row.replace("|", " ").split() for row in printed.splitlines()]
    return next(row for row in rows if row[:1] == [name])


def test_it_stores_each_turn_once_and_says_what_was_right(data: Path, answers: Any) -> None:
    model = answers(*[GOATS, STORY] * 2, "none", "none")
    done = run(data, "first.jsonl", "--without-gate")
    assert done.returncode == 0, done.stderr
    model.lm.assert_done()  # nobody is asked about "How lovely!"
    #                                            turns  F1
    assert line_of(done.stdout, "first")[1:3] == ["9", "0.414"]
    assert line_of(done.stdout, "first")[5:10] == ["0.300", "0.667", "2", "2", "of"]
    kept = [json.loads(line) for line in (data.parent / "first.jsonl").read_text().splitlines()]
    assert [line["key"] for line in kept if "key" in line][:3] == ["c0/D1:1", "c0/D1:2", "c0/D1:3"]

    answers()  # a second run asks nothing
    assert run(data, "first.jsonl", "--without-gate").returncode == 0


def test_what_was_stored_is_scored_again_without_the_model(data: Path, answers: Any) -> None:
    answers(*[GOATS, "none"] * 3)
    before = run(data, "first.jsonl", "--without-gate")
    again = run(data, "first.jsonl", "--model", "none")
    assert line_of(again.stdout, "first") == line_of(before.stdout, "first")


def test_a_little_model_is_asked_about_what_its_gate_leaves_open(
    tmp_path: Path, answers: Any
) -> None:
    said = [TURNS[0], turn("D1:2", "What a good story, thank you!", speaker="Bo")]
    of_c0 = record("c0", session_1=said, session_1_date_time=DATE)
    asked = answers(GOATS)  # not about thanks
    assert (
        run(write(tmp_path / "rows.json", {**of_c0, "rows": GOLD}), "first.jsonl").returncode == 0
    )
    asked.lm.assert_done()


def test_a_gain_is_paired_with_an_interval_over_conversations(data: Path, answers: Any) -> None:
    answers(*["none"] * 6)
    run(data, "plain.jsonl", "--without-gate")
    answers(*[GOATS, "none"] * 3)
    against = ("--against", data.parent / "plain.jsonl")
    done = run(data, "tuned.jsonl", "--without-gate", *against)
    assert "tuned - plain, F1, 3 conversations: +0.750 [+0." in done.stdout
    assert "tuned - plain, by use, 3 conversations: +0.854 [+" in done.stdout


def test_only_the_first_turns_of_each_conversation(data: Path, answers: Any) -> None:
    answers(*[GOATS] * 3)
    done = run(data, "first.jsonl", "--turns", 1)
    assert line_of(done.stdout, "first")[1:3] == ["3", "0.750"]


def test_what_cannot_be_measured_is_said(data: Path, answers: Any, tmp_path: Path) -> None:
    answers()  # nothing is stored before it is said
    plain = write(tmp_path / "plain.json")
    assert "has no gold rows" in run(plain, "first.jsonl").stderr
    done = run(data, "first.jsonl", "--against", tmp_path / "no.jsonl")
    assert done.returncode == 2
    assert "--out" in done.stderr
