"""HaluMem and FactConsolidation, whose later turns overrule earlier ones, and such facts made."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from locomo.benchmark_judges import JudgeContained, JudgeUnanswerable, benchmark_prompt
from locomo.dataset.__main__ import app
from locomo.dataset.format import Conversation, load_conversations
from memory import InputError, Turn
from tests.support.benchmark_records import halumem_user, numbered_facts
from tests.support.commands import run_in_process
from tests.support.locomo_records import write


def load_one(path: Path, raw: dict[str, Any]) -> Conversation:
    [conversation] = load_conversations(write(path / "file.json", raw))
    return conversation


def test_a_user_of_halumem_has_a_name_and_is_asked_after_a_session(tmp_path: Path) -> None:
    file = tmp_path / "HaluMem-Medium.jsonl"
    file.write_text(f"{json.dumps(halumem_user())}\n{json.dumps(halumem_user(uuid='user-2'))}\n")
    first, second = load_conversations(file)
    assert (first.id, second.id) == ("user-1", "user-2")
    assert first.turns[:3] == (
        Turn("Ines Roth", "I live in Lyon.", "session_1", "2025-09-04T21:41", "D1:1"),
        Turn("assistant", "I see.", "session_1", "2025-09-04T21:41", "D1:2"),
        Turn("Ines Roth", "I moved to Oslo.", "session_2", "2025-12-15T06:11", "D2:1"),
    )
    recalled, beyond = first.questions
    assert recalled.evidence_sessions == ("session_1",)
    assert recalled.question_date == "2025-09-04T21:41"
    assert (recalled.category, recalled.question_type) == (4, "Basic Fact Recall")
    assert (beyond.category, beyond.answer) == (5, "That was not mentioned.")
    assert benchmark_prompt(recalled) is JudgeContained
    assert benchmark_prompt(beyond) is JudgeUnanswerable


def test_numbered_facts_are_turns_in_their_order(tmp_path: Path) -> None:
    conversation = load_one(tmp_path, numbered_facts())
    assert conversation.id == "factconsolidation_sh_6k-1"
    assert [turn.text for turn in conversation.turns] == [
        "0. Rilo lives in the city of Lyon.",
        "1. Mato plays judo.",
        "2. Rilo lives in the city of Oslo.",
    ]
    [question] = conversation.questions
    assert (question.answer, question.category) == ("Oslo", 4)
    assert question.evidence == ()
    assert benchmark_prompt(question) is JudgeContained
    hops = numbered_facts(metadata={"source": "factconsolidation_mh_6k"})
    assert load_one(tmp_path, hops).questions[0].category == 1


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (numbered_facts(metadata={"source": "ruler_qa1_197k"}), "other parts .* are not read"),
        (numbered_facts(context="A story."), "of numbered facts"),
        (numbered_facts(answers=[]), "expected one for each of 1 questions, got 0"),
        (halumem_user(sessions=[{"dialogue": []}]), "field sessions.0.start_time"),
        (
            halumem_user(sessions=[{"start_time": "2025-12-15", "dialogue": []}]),
            "expected a time such as Dec 15, 2025, 06:11:23, got '2025-12-15'",
        ),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, raw: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_one(tmp_path, raw)


_BEGINNING = re.compile(r".* (?:is|of|to|by|plays) ")  # up to the value


@pytest.mark.parametrize("hops", [1, 2])
def test_made_facts_are_asked_for_as_the_last_one_says(tmp_path: Path, hops: int) -> None:
    file = tmp_path / "facts.json"
    options = ("--facts", "120", "--questions", "9", "--hops", str(hops), "--seed", "3")
    made = run_in_process(app, "facts", file, *options)
    assert made.returncode == 0, made.stderr
    assert "120 facts, 9 questions" in made.stdout
    written = file.read_bytes()
    run_in_process(app, "facts", file, *options)
    assert file.read_bytes() == written
    [conversation] = load_conversations(file)
    texts = {turn.source: turn.text.partition(". ")[2] for turn in conversation.turns}
    assert len(texts) == 120
    newest: dict[str, str] = {}
    for source, text in texts.items():
        newest[_BEGINNING.match(text)[0]] = source  # type: ignore[index]
    for question in conversation.questions:
        assert len(question.evidence) == hops
        assert texts[question.evidence[-1]].endswith(f" {question.answer}.")
        assert {*question.evidence} <= {*newest.values()}
    assert len(newest) < len(texts)


def test_too_few_facts_are_refused(tmp_path: Path) -> None:
    asked = run_in_process(app, "facts", tmp_path / "f.json", "--facts", 10)
    assert asked.returncode == 2
    assert "10 facts answer" in asked.stderr
    assert not (tmp_path / "f.json").exists()
