"""The benchmarks: what they print here, that no product can stop them, what the chatter is."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain, groupby
from pathlib import Path

import numpy as np
import pytest

from locomo.dataset.format import ABSTENTION
from locomo.others.peers import PEERS
from locomo.tracking.record import read_record
from memory import open_store
from tests.benchmarks import everyday, reading, small_team, sql_gain
from tests.benchmarks.calibration import fitted
from tests.benchmarks.compiling import (
    compile_once,
)
from tests.benchmarks.forgetting.__main__ import cases, left_and_lost
from tests.support.scripted import scripted_model

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "data" / "sample.json"


def start(
    *flags: str | Path,
    command: str = "peers",
    products: Path | None = None,
    turns_up: Callable[[], bool] | None = None,
) -> tuple[int, str, str]:
    """The command in a process of its own: exit code, stdout, stderr.

    Modules in `products` stand for installed ones. Ctrl-C is sent once `turns_up` says so.
    """
    line = [sys.executable, "-m", f"tests.benchmarks.{command}", *map(str, flags)]
    environment = {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(products or "")}
    with subprocess.Popen(
        line, stdout=-1, stderr=-1, text=True, cwd=ROOT, env=environment
    ) as process:
        try:
            deadline = time.monotonic() + 180
            while turns_up and not turns_up():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            if turns_up:
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    return process.returncode, out, err


@pytest.mark.slow
def test_each_system_is_measured_or_named_with_what_to_install(tmp_path: Path) -> None:
    code, said, err = start(SAMPLE, "--conversation", "wanjiru-and-bo", "--json", tmp_path / "out")
    assert code == 0, err
    results = json.loads((tmp_path / "out").read_bytes())
    assert results.keys() == PEERS.keys()
    for name, peer in PEERS.items():
        if all(find_spec(module) for module in peer.modules):
            assert f"{peer.title} {results[name]['version']}" in said
            shares = list(results[name]["recall"].values())
            assert 0 < shares[0] <= shares[1] <= shares[2] <= shares[3] <= 1
            assert results[name]["turns_per_s"] > 0
            assert 0 < results[name]["p50_ms"] <= results[name]["p95_ms"]
            assert (results[name]["bytes_per_turn"] is None) is not peer.on_disk
        else:
            assert f"{peer.title}: not installed (pip install {peer.distribution})" in said


@pytest.mark.slow
def test_speed_and_size_are_measured_at_each_size(tmp_path: Path) -> None:
    flags = ("--turns", "700", "--turns", "2000", "--namespaces", "2", "--folder", tmp_path)
    code, said, err = start(*flags, "--json", tmp_path / "out", command="scale")
    assert code == 0, err
    small, large, many = json.loads((tmp_path / "out").read_bytes())
    assert (small["turns"], large["turns"], many["turns"]) == (700, 2000, 2000)
    for one in (small, large):
        assert len(one["search_ms"]) >= 200
        assert len(one["add_ms"]) >= 300
        assert min(*one["search_ms"], *one["add_ms"], *one["open_ms"], *one["first_ms"]) > 0
        assert 0.5 < one["R@10"] <= one["R@50"] <= 1
    for one in (small, large, many):
        assert one["turns_per_s"] > 0
        assert 300 < one["disk_per_turn"] < 3000  # vectors alone take 256
    assert len(many["open_ms"]) == len(many["first_ms"]) == 2
    assert "2,000 in 2" in said
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_the_calibration_finds_the_weights_that_made_the_answers_right() -> None:
    rng = np.random.default_rng(5)
    features = rng.normal(size=(4_000, 2)) * (1.0, 10.0)
    weights = np.array([1.5, -0.2, -1.0])  # the last is the intercept
    likely = 1 / (1 + np.exp(-(features @ weights[:2] + weights[2])))
    right = (rng.random(4_000) < likely).astype(float)
    assert fitted(features, right) == pytest.approx(weights, abs=0.15)


@pytest.mark.slow
def test_compiling_finds_a_planted_rule(tmp_path: Path) -> None:
    run = compile_once("gepa", "answer", "always", seed=0, memories=tmp_path)
    assert (run.found, run.verdict) == (True, "gain")
    assert run.change == pytest.approx(0.6)
    assert run.rule_call
    # A window of each memory, the plain prompt on what is learnt from and on what measures: no rule
    # is there.
    assert 4 + 2 * 16 < run.rule_call < run.calls


@pytest.mark.slow
def test_a_day_of_twenty_users(tmp_path: Path) -> None:
    options = ["--users", "20", "--turns", "48", "--share", "0.1", "--seconds", "5"]
    options += ["--waiting", "5", "--idle-seconds", "2", "--backlog-memories", "2"]

    code, out, err = start(*options, "--json", tmp_path / "out", command="day")

    assert code == 0, err
    figures = json.loads((tmp_path / "out").read_bytes())
    measured = {row["name"]: row["value"] for row in figures["measured"]}
    # Eight of eighty sittings, of 15 turns and 5 questions each.
    assert {name: value for name, value in measured.items() if "with status" in name} == {
        "day: answers with status 200": 160
    }
    assert measured["day: turns not digested at the end"] == 0
    assert measured["idle: clients that waited for changes"] == 5
    assert measured["backlog: windows"] == 4
    assert measured["day: servers, CPU s"] > 0
    paper = {line["name"]: line for line in figures["on paper"]}
    # A quarter of the questions ask for a list, for which the model writes SQL first.
    assert 1 <= paper["model calls of a question"]["value"] <= 2
    assert {line["kind"] for line in figures["on paper"]} == {"measured", "assumed", "computed"}
    assert "enough for so many users" in out


def test_a_small_team_goes_on_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Templates decide one of two questions without a call, four lines are asked for both."""
    monkeypatch.chdir(tmp_path)  # where no ./mlflow.db says that runs are kept
    data = tmp_path / "talk.json"
    talk = json.loads(small_team.FIRST_RUN.read_text("utf-8"))
    talk[0]["qa"] = talk[0]["qa"][:2]
    data.write_text(json.dumps(talk), "utf-8")
    pairs = [
        (
            ["Mira (2023-02-03): Sent a fan heater", "Where does Mira live now?\nAnswer:"],
            "Leeds\nand more",
        ),
        (["Where did Mira live in July 2023?"], "No information available"),
    ]
    model = scripted_model(pairs, window=1, budget=400, size="small")
    monkeypatch.setattr(small_team, "load_model", lambda name: model)
    for known in (0, 4):
        options = {"data": data, "arms": "fts5,templates", "out": tmp_path / "out"}
        small_team.main(Path("model.gguf"), tmp_path / "no-file", questions=20, **options)
        printed = capsys.readouterr().out
        assert f"{4 - known} answers, {known} known: about " in printed
    model.lm.assert_done()
    assert "templates / fts5: 2 / 0 right of 2 = 2.00" in printed
    [used] = read_record(tmp_path / "out" / "answers.jsonl").data
    assert used.path == str(data)
    lines = (tmp_path / "out" / "answers.jsonl").read_text("utf-8").splitlines()
    found = [(line["arm"], line["outcome"], line["calls"]) for line in map(json.loads, lines)]
    assert found == [  # question by question: an interrupted run has whole pairs
        ("fts5", "wrong", 1),
        ("templates", "right", 0),
        ("fts5", "abstained", 1),
        ("templates", "right", 0),
    ]


def line_of(arm: str, outcome: str, *, by_rows: bool = False) -> sql_gain.Line:
    return sql_gain.Line(
        *(arm, "c0", "list", "What?", "a loom", "a loom", outcome),
        by_rows=by_rows,
        sql=(),
        tokens=0,
        calls=1,
        cpu_seconds=1.0,
    )


def test_a_choice_falls_back_on_the_rankings_answer_where_no_rows_decide() -> None:
    ranking = line_of("nothing/ranking", "right")
    for choice, outcome, calls in (
        (line_of("true/choice", "abstained"), "right", 2),
        (line_of("true/choice", "wrong", by_rows=True), "wrong", 1),
    ):
        [both] = sql_gain.with_ranking([choice, ranking])
        assert (both.outcome, both.calls) == (outcome, calls)
        assert both.arm == "true/choice, else ranking"
    assert not [*sql_gain.with_ranking([line_of("true/choice", "right")])]


def test_conversations_take_turns_where_sql_is_compared_with_a_ranking(tmp_path: Path) -> None:
    asked = sql_gain.asked_questions()
    assert Counter(one.conversation.id for one in asked[:18]).most_common()[-1][1] == 2
    assert {one.kind for one in asked} == {*sql_gain.KINDS}
    assert Counter(bool(one.select) for one in asked) == {True: 100, False: 20}
    conversation = asked[0].conversation
    counts = {}
    for stored in ("nothing", "true", "stored"):
        with open_store(tmp_path / f"{stored}.db") as store:
            sql_gain.fill(store, conversation, stored)
            [[counts[stored]]] = store.read("SELECT COUNT(*) FROM facts").rows
    assert counts["nothing"] == 0
    assert counts["true"] == len(sql_gain.true_facts()[conversation.id])
    assert counts["stored"] > 20


def test_each_gold_select_over_true_facts_gives_its_gold_answer(tmp_path: Path) -> None:
    of_conversation: dict[str, list[sql_gain.Asked]] = {}
    for asked in sql_gain.asked_questions():
        of_conversation.setdefault(asked.conversation.id, []).append(asked)
    for name, questions in of_conversation.items():
        with open_store(tmp_path / f"{name}.db") as store:
            sql_gain.fill(store, questions[0].conversation, "true")
            for asked in questions:
                if asked.question.category == ABSTENTION:
                    assert not asked.select
                    continue
                rows = store.read(asked.select).rows
                if asked.rows:
                    assert [[*row] for row in rows] == asked.rows, asked.question.text
                    continue
                # A sum of whole numbers may be 6.0.
                cells = [f"{cell:g}" if isinstance(cell, float) else cell for cell in chain(*rows)]
                text = "; ".join(map(str, cells))
                gives = everyday.outcome(text, asked.question.category, asked.must, asked.must_not)
                assert gives == "right", f"{asked.question.text} {text}"


def test_what_templates_read_is_counted_of_all_files_with_conversations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [{"speaker": "Ana", "dia_id": "D1:1", "text": "I live in Oslo."}]
    conversation = {"session_1": turns, "session_1_date_time": "1:56 pm on 8 May, 2023"}
    record = {"sample_id": "a", "conversation": conversation, "qa": []}
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "chat.json").write_text(json.dumps([record]), "utf-8")
    (tmp_path / "table.json").write_text('[{"conversation": "is counted elsewhere"}]', "utf-8")
    reading.main([tmp_path])
    printed = capsys.readouterr()
    assert "1 matches, 0 so of 0 judged; 1 facts" in printed.out
    assert printed.err == f"{tmp_path / 'table.json'} has no conversations\n"


def test_what_is_forgotten_is_gone_in_a_case_of_each_family(tmp_path: Path) -> None:
    families = [[*of_family] for _, of_family in groupby(cases(), lambda case: case.family)]
    assert [len(family) for family in families] == [15] * 10
    for number, (case, *_) in enumerate(families):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert left_and_lost(case, folder) == ([], []), case
    # A word that stays is found.
    left, lost = left_and_lost(replace(families[0][0], forget={"turn_ids": [2]}), tmp_path)
    assert {"turns", "search", "block", "bytes"} <= {*left}
    assert lost
