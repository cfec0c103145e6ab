"""Evidence shown by kind of question, beside cosine and FTS5; no model is asked."""

import json
from pathlib import Path

import pytest

from locomo.dataset.format import Conversation, Question, load_conversations
from locomo.retrieval.__main__ import app
from locomo.retrieval.by_ability import SYSTEMS, evidence_log, measured, words_shown
from memory import Turn
from tests.locomo.dataset.test_beam import write_chat
from tests.support.commands import run_in_process

BUDGETS = (100, 500)


@pytest.fixture
def conversation(tmp_path: Path) -> Conversation:
    [conversation] = load_conversations(write_chat(tmp_path))
    return conversation


def test_each_question_with_evidence_is_measured_in_each_budget_by_each_system(
    conversation: Conversation, tmp_path: Path
) -> None:
    log = evidence_log(tmp_path / "log.jsonl")
    shown = measured(conversation, BUDGETS, log=log)
    assert [(one.index, one.kind) for one in shown] == [
        (0, "information_extraction"),
        (1, "knowledge_update"),
        (2, "event_ordering"),
    ]
    assert set(shown[0].shares) == {f"{name} {budget}" for name in SYSTEMS for budget in BUDGETS}
    assert all(one.shares[f"{name} 500"][:2] == (1.0, 1.0) for one in shown for name in SYSTEMS)
    assert all(one.tokens["this memory 100"] <= 100 for one in shown)


def test_words_count_where_evidence_has_them() -> None:
    question = Question(0, "Where?", "Oslo and Lyon", 4, ("D1:1",))
    evidence = [Turn("Ann", "I moved to Oslo.", id=1)]
    assert words_shown(question, evidence, "[1] Ann: I moved to Oslo.") == 1
    assert words_shown(question, evidence, "[1] Ann: I moved.") == 0
    assert words_shown(question, [Turn("Ann", "I moved.", id=1)], "Oslo") is None


def test_the_command_prints_a_row_for_each_system_and_kind(tmp_path: Path) -> None:
    folder, file = write_chat(tmp_path), tmp_path / "log.jsonl"
    result = run_in_process(app, "--data", folder, "--evidence", file, "--shown", "500")
    assert result.returncode == 0, result.stderr
    for text in ("event_ordering", *SYSTEMS, "1.000 / 1.000", "all"):
        assert text in result.stdout
    assert len([json.loads(line) for line in file.read_text().splitlines()]) == 3
