"""The weights of the ranking: fitted to evidence, measured where they were not fitted."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from locomo.commands import run_command
from locomo.dataset.format import Conversation, load_conversations
from locomo.retrieval import fit as fitting
from locomo.retrieval.__main__ import app
from locomo.retrieval.fit import (
    Case,
    cross_validated_recalls,
    data_fingerprint,
    fit_weights,
    negative_log_likelihood,
    rank_turns,
    search_cases,
    weights_in_use,
)
from locomo.split_data import LOCOMO
from memory import InputError, open_store

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "data" / "sample.json"
DATA = (
    ROOT / "data",
    ROOT / "data" / "assistants",
    ROOT / "data" / "friends",
    ROOT / "data" / "everyday" / "plain_sentences",
    ROOT / "data" / "everyday" / "many_wordings",
    ROOT.parent / "shared" / "data",
)
TRUE = np.array([3.0, -1.0, 0.5])


def drawn_cases(count: int, weights: np.ndarray = TRUE, seed: int = 1) -> list[Case]:
    """Questions about 20 turns each, with evidence drawn as the softmax of these weights says."""
    random = np.random.default_rng(seed)
    cases = []
    for _ in range(count):
        features = random.normal(size=(20, 3))
        odds = np.exp(features @ weights)
        evidence = random.choice(20, 1, p=odds / odds.sum()) + 1
        cases.append(Case(4, np.arange(1, 21), evidence, features))
    return cases


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["retrieval", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        run_command(app)
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_the_weights_that_made_the_evidence_are_found_again() -> None:
    assert fit_weights(drawn_cases(2000)) == pytest.approx(TRUE, abs=0.2)


def test_a_feature_left_out_weighs_nothing_and_the_others_are_fitted_without_it() -> None:
    cases = drawn_cases(100)
    cases_without = [Case(4, case.turns, case.evidence, case.features[:, 1:]) for case in cases]
    assert fit_weights(cases, without=0) == pytest.approx(
        [0, *fit_weights(cases_without)], abs=1e-4
    )


def test_evidence_that_is_no_candidate_is_missed_but_not_learnt_from() -> None:
    known = drawn_cases(100)
    lost = Case(4, np.arange(1, 21), np.array([77]), np.ones((20, 3)))
    assert fit_weights([*known, lost]).tolist() == fit_weights(known).tolist()
    assert cross_validated_recalls([known, known, [lost]], 3, [20])[4][-1] == [0.0]
    with pytest.raises(fitting.InputError, match="no question"):
        fit_weights([lost])


def test_weights_are_measured_where_they_were_not_fitted() -> None:
    """Two conversations that contradict each other: each misleads about the other."""
    features = np.array([[1.0], [-1.0]])
    first, second = (Case(n, np.array([1, 2]), np.array([n]), features) for n in (1, 2))
    assert cross_validated_recalls([[first] * 3, [second]], 2, [1, 2]) == {
        1: [[0.0, 1.0]] * 3,
        2: [[0.0, 1.0]],
    }
    # Numbers 0 and 2 are one fold: neither helps the other.
    assert cross_validated_recalls([[first], [second], [first]], 2, [1]) == {
        1: [[0.0]] * 2,
        2: [[0.0]],
    }


@pytest.mark.slow
def test_a_case_is_ranked_as_the_search_ranks(tmp_path: Path) -> None:
    conversation = load_conversations(SAMPLE)[0]
    weights = weights_in_use()
    questions = [q for q in conversation.questions if q.evidence and q.category != 5]
    with open_store(tmp_path / "m.db") as store:
        store.add(conversation.turns)
        for question, case in zip(questions, search_cases(conversation, weights), strict=True):
            best = [hit.turn_id for hit in store.search(question.text, 20)]
            assert rank_turns(case, np.array([*weights.values()]))[:20].tolist() == best
            assert {conversation.turns[n - 1].source for n in case.evidence} == {*question.evidence}


def test_a_feature_that_weighs_nothing_cannot_be_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights.json"
    file.write_text(json.dumps({"weights": {"words": 1.0, "date": 0.0}}))
    monkeypatch.setattr(fitting, "WEIGHTS_FILE", file)
    with pytest.raises(fitting.InputError, match="'date' weighs 0"):
        weights_in_use()


# --- the command ------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_makes_the_file_and_shows_what_each_feature_is_worth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    out = tmp_path / "weights.json"
    assert run(monkeypatch, "--data", SAMPLE, "--fit", "--weights", out) == 0
    content = json.loads(out.read_bytes())
    before = weights_in_use()
    assert content["made_by"] == "python -m locomo.retrieval --fit"
    assert content["conversations"] == [
        conversation.id for conversation in load_conversations(SAMPLE)
    ]
    assert content["sha256"] == data_fingerprint(load_conversations(SAMPLE))
    assert content["questions"] == 109
    assert [*content["weights"]] == [*before]
    sample_cases = [
        case
        for conversation in load_conversations(SAMPLE)
        for case in search_cases(conversation, before)
    ]
    new, old = (np.array([*weights.values()]) for weights in (content["weights"], before))
    assert negative_log_likelihood(sample_cases, new) < negative_log_likelihood(sample_cases, old)
    output = capsys.readouterr().out
    firsts = [line.replace("|", " ").split()[:1] for line in output.splitlines()]
    for name in ("1", "2", "3", "4", "all", "nothing", *before):
        assert [name] in firsts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--conversation", "river-and-tomas"], "cannot be split in 2 folds"),
        (["--folds", "3"], "cannot be split in 3 folds"),
        (["--folds", "1"], "--folds"),
        (["--weights", str(SAMPLE / "w.json")], "cannot write"),
    ],
)
def test_what_cannot_be_fitted_or_kept_is_refused_before_the_search(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        "locomo.retrieval.__main__.search_cases", lambda *_: pytest.fail("searched")
    )
    assert run(monkeypatch, "--data", SAMPLE, "--fit", *arguments) == 2
    assert message in capsys.readouterr().err


# --- the data they were made of ---------------------------------------------------------------


@pytest.fixture(scope="module")
def learnt_from() -> dict[str, list[Case]]:
    """The cases of the conversations that the weights in use were fitted to, by conversation."""
    content = json.loads(fitting.WEIGHTS_FILE.read_bytes())
    files = [path for folder in DATA for path in sorted(folder.glob("*.json"))]
    by_id = {
        conversation.id: conversation for file in files for conversation in _conversations(file)
    }
    missing = [name for name in content["conversations"] if name not in by_id]
    if missing:
        pytest.skip(f"needs {missing[0]}, which is not ours to keep")
    conversations = [by_id[name] for name in content["conversations"]]
    assert data_fingerprint(conversations) == content["sha256"]
    return {
        conversation.id: search_cases(conversation, weights_in_use())
        for conversation in conversations
    }


def _conversations(file: Path) -> list[Conversation]:
    try:
        return load_conversations(file)
    except InputError:  # another kind of file
        return []


@pytest.mark.slow
def test_the_weights_in_use_are_what_the_command_makes(learnt_from: dict[str, list[Case]]) -> None:
    content = json.loads(fitting.WEIGHTS_FILE.read_bytes())
    cases = [case for group in learnt_from.values() for case in group]
    assert len(cases) == content["questions"]
    refitted = json.loads(
        fitting.weights_json(dict(zip(weights_in_use(), fit_weights(cases), strict=True)), (), 0)
    )
    assert refitted["weights"] == content["weights"]


@pytest.mark.slow
def test_recall_stays_where_it_was_measured(learnt_from: dict[str, list[Case]]) -> None:
    cases = [case for name in LOCOMO if name in learnt_from for case in learnt_from[name]]
    weights = np.array([*weights_in_use().values()])
    recalls = [np.isin(case.evidence, rank_turns(case, weights)[:10]).mean() for case in cases]
    assert len(recalls) == 1033
    assert np.mean(recalls) > 0.82
