"""Aggregates: their gold is computed, and SELECTs over their facts say the same."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from locomo.examples.gold import load_gold
from memory import Store
from memory.sql import split
from tests.benchmarks.aggregates.__main__ import FILE, all_aggregates, app
from tests.benchmarks.aggregates.chats import chat, of_chats
from tests.benchmarks.aggregates.measure import fill
from tests.benchmarks.aggregates.questions import KINDS, of_long_chat
from tests.benchmarks.aggregates.talk import long_chat

BOTH_STORES = "slow"
TURNS = 1_500


@pytest.mark.slow
def test_the_questions_in_data_are_those_that_are_computed() -> None:
    written = json.loads(FILE.read_text("utf-8"))
    assert len(written) >= 120
    assert {question["kind"] for question in written} == set(KINDS)
    assert written == json.loads(json.dumps([asdict(question) for question in all_aggregates()]))


@pytest.mark.slow
def test_the_selects_of_a_long_chat_say_its_computed_gold(store: Store) -> None:
    turns, facts = long_chat(TURNS)
    fill(store, turns, facts)
    for question in of_long_chat(facts):
        results = [store.read(select.text) for select in split(question.sql)]
        cells = [str(cell) for rows in results for row in rows.rows for cell in row]
        expected = question.sums or question.answer.split(", ")
        assert all(text.removeprefix("times: ").split(" | ")[0] in cells for text in expected)


def test_the_questions_about_our_chats_have_evidence_in_them() -> None:
    for question in of_chats()[:10]:
        sources = {turn.source for turn in chat(question.memory)[0].turns}
        assert question.evidence
        assert set(question.evidence) <= sources


def test_the_long_chat_is_written_with_gold_that_tools_read(tmp_path: Path) -> None:
    file = tmp_path / "long.json"
    made = CliRunner().invoke(app, ["conversation", str(file), "--turns", str(TURNS)])
    assert made.exit_code == 0, made.output
    [gold] = load_gold(file)
    assert len(gold.conversation.turns) == TURNS
    assert len(gold.retrieve) == len(gold.conversation.questions) > 50
    assert gold.conversation.questions[0].question_type == "list"
