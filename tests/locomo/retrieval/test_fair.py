"""Textbook rankings beside ours: what is tuned for a conversation is tuned on the others."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from locomo.commands import run_command
from locomo.retrieval.__main__ import app
from locomo.retrieval.fair import RankedCase, fair_recalls, ranking_table
from locomo.retrieval.fit import Case

SAMPLE = Path(__file__).parents[3] / "data" / "sample.json"
TURNS = 40


def asked(by_words: int, by_cosine: int, feature: float) -> RankedCase:
    """A question whose evidence, turn 1, has these places, and a feature of this size."""
    features = np.zeros((TURNS, 1))
    features[0] = feature
    case = Case(4, np.arange(1, TURNS + 1), np.array([1]), features)
    return RankedCase(case, _places(by_words), _places(by_cosine))


def _places(first: int) -> np.ndarray:
    others = [place for place in range(1, TURNS + 1) if place != first]
    return np.array([first, *others], dtype=float)


def test_a_conversation_is_measured_by_what_the_others_tuned() -> None:
    by_words = [asked(by_words=1, by_cosine=TURNS, feature=1.0) for _ in range(3)]
    by_cosine = [asked(by_words=TURNS, by_cosine=1, feature=-1.0) for _ in range(3)]
    found = fair_recalls([by_words, by_cosine], np.array([1.0]), [1, 10])
    assert found["FTS5"] == [[1.0, 1.0]] * 3 + [[0.0, 0.0]] * 3
    assert found["cosine"] == [[0.0, 0.0]] * 3 + [[1.0, 1.0]] * 3
    assert found["hybrid of both, tuned"][3:] == [[0.0, 0.0]] * 3  # tuned to words
    assert found["this ranking, equal weights"] == [[1.0, 1.0]] * 3 + [[0.0, 0.0]] * 3
    assert found["this ranking, fitted"] == [[0.0, 0.0]] * 6  # each fitted to the other's opposite
    alike = fair_recalls([by_cosine, by_cosine[:2]], np.array([1.0]), [1, 10])
    assert [at_10 for _, at_10 in alike["hybrid of both, tuned"]] == [1.0] * 5
    assert alike["this ranking, fitted"] == [[1.0, 1.0]] * 5


def test_a_named_embedder_is_one_more_cosine_and_hybrid() -> None:
    cases = [
        replace(asked(by_words=TURNS, by_cosine=TURNS, feature=0.0), by_named=_places(1))
        for _ in range(3)
    ]
    found = fair_recalls([cases, [*cases]], np.array([1.0]), [1, 10], named="contextual")
    assert found["cosine"] == [[0.0, 0.0]] * 6
    assert found["cosine, contextual"] == [[1.0, 1.0]] * 6
    assert [at_10 for _, at_10 in found["hybrid of FTS5 and contextual, tuned"]] == [1.0] * 6


def test_an_interval_is_over_conversations_of_which_there_are_three() -> None:
    rows = {"FTS5": [[0.0, 0.0]] * 3 + [[0.5, 0.5]] * 3, "fitted": [[1.0, 1.0]] * 6}
    two = ranking_table(rows, [1, 10], ["a"] * 3 + ["b"] * 3)
    assert list(two.columns[-1].cells) == ["+0.750", ""]
    three = ranking_table(rows, [1, 10], ["a", "a", "b", "b", "c", "c"])
    assert re.fullmatch(r"\+0\.750 \[\+0\.\d+, \+1\.000\]", next(three.columns[-1].cells))


@pytest.mark.slow
def test_the_command_prints_a_table_with_the_strongest_textbook_ranking(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["retrieval", "--data", str(SAMPLE), "--fair"])
    with pytest.raises(SystemExit) as ended:
        run_command(app)
    output = capsys.readouterr()
    assert not ended.value.code, output.err
    rows = [line.split("|")[1:-1] for line in output.out.splitlines() if line.startswith("| ")]
    recall_at_10 = {row[0].strip(): float(row[2]) for row in rows[1:]}
    assert max(recall_at_10["FTS5"], recall_at_10["cosine"]) < recall_at_10["hybrid of both, tuned"]
    assert recall_at_10["hybrid of both, tuned"] < recall_at_10["this ranking, fitted"]


def test_one_conversation_has_nothing_to_tune_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["retrieval", "--data", str(SAMPLE), "--conversation", "wanjiru-and-bo", "--fair"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as ended:
        run_command(app)
    assert ended.value.code == 2
    assert "--fair needs two conversations" in capsys.readouterr().err
