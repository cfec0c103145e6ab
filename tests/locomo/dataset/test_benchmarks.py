"""Files of LongMemEval and MSC-Self-Instruct, read as conversations in LoCoMo's form."""

import json
from pathlib import Path
from typing import Any

import pytest

from locomo.dataset.download import SOURCES
from locomo.dataset.format import Conversation, Question, load_conversations
from locomo.split_data import split_file, verify
from memory import Turn
from tests.support.benchmark_records import longmemeval_question, msc_chat
from tests.support.locomo_records import write


def load_one(path: Path, raw: dict[str, Any]) -> Conversation:
    [conversation] = load_conversations(write(path / "file.json", raw))
    return conversation


def test_a_question_of_longmemeval_is_a_conversation_in_the_order_of_its_dates(
    tmp_path: Path,
) -> None:
    conversation = load_one(tmp_path, longmemeval_question())
    assert conversation.id == "q-1"
    assert conversation.turns == (
        Turn("user", "I live in Lyon.", "session_1", "2017-04-10T17:50", "D1:1"),
        Turn("user", "I moved to Oslo.", "session_2", "2017-05-20T02:21", "D2:1"),
        Turn("assistant", "How nice! 1. **Rain**", "session_2", "2017-05-20T02:21", "D2:2"),
    )
    assert conversation.questions == (
        Question(
            index=0,
            text="Where do I live now?",
            answer="Oslo",
            category=4,
            evidence=("D2:1",),
            evidence_sessions=("session_2",),
            question_type="knowledge-update",
            question_date="2017-05-30T23:40",
            asker="user",
        ),
    )


@pytest.mark.parametrize(
    ("id_", "question_type", "category"),
    [
        ("q", "multi-session", 1),
        ("q", "temporal-reasoning", 2),
        ("q", "single-session-preference", 3),
        ("q", "single-session-user", 4),
        ("q", "single-session-assistant", 4),
        ("q_abs", "multi-session", 5),
    ],
)
def test_question_types_are_kept_beside_a_category(
    tmp_path: Path, id_: str, question_type: str, category: int
) -> None:
    raw = longmemeval_question(id_, question_type=question_type)
    [question] = load_one(tmp_path, raw).questions
    assert (question.question_type, question.category) == (question_type, category)


def test_a_file_of_longmemeval_is_split_and_verified(tmp_path: Path) -> None:
    questions = [longmemeval_question(f"q-{n}") for n in range(8)]
    source = write(tmp_path / "longmemeval_s.json", *questions)
    split_file(source, tmp_path / "splits")
    verify(source, tmp_path / "splits")
    [first, *_] = load_conversations(tmp_path / "splits" / "train.json")
    assert first in load_conversations(source)


# --- MSC-Self-Instruct --------------------------------------------------------------------------


def lines(path: Path, *chats: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(chat) + "\n" for chat in chats))
    return path


def test_two_people_take_turns_in_sessions_that_are_some_time_back(tmp_path: Path) -> None:
    file = lines(tmp_path / "msc.jsonl", msc_chat(), msc_chat())
    first, second = load_conversations(file)
    assert (first.id, second.id) == ("msc-1", "msc-2")
    assert first.turns == (
        Turn("Speaker 1", "I bought a shell necklace.", "session_1", "7 days 8 hours ago", "D1:1"),
        Turn("Speaker 2", "In Hawaii?", "session_1", "7 days 8 hours ago", "D1:2"),
        Turn("Speaker 1", "Hello again!", "session_2", "", "D2:1"),
        Turn("Speaker 2", "Hi!", "session_2", "", "D2:2"),
    )
    [question] = first.questions
    assert (question.text, question.answer) == ("What did I get in Hawaii?", "A shell necklace.")
    assert question.question_type == "msc-self-instruct"
    assert "I own a cat" not in repr(first)  # a persona holds answers that nobody said


# --- the commands -------------------------------------------------------------------------------


def test_each_benchmark_is_fetched_to_a_file_of_its_own() -> None:
    outputs = [source.output for source in SOURCES.values()]
    assert len(set(outputs)) == len(outputs)
    assert all(len(source.sha256) == 64 for source in SOURCES.values())
    assert SOURCES["longmemeval"].output == Path("data/longmemeval_s.json")
