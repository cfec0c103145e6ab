"""Files of LongMemEval and MSC-Self-Instruct, read as conversations in LoCoMo's form."""

import json
from pathlib import Path
from typing import Any

import pytest

from locomo.dataset.download import SOURCES
from locomo.dataset.format import Conversation, Question, is_dated, load_conversations
from memory import InputError, Turn
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


def test_a_number_is_an_answer_and_a_date_that_cannot_be_read_is_kept_as_said(
    tmp_path: Path,
) -> None:
    raw = longmemeval_question(answer=3, haystack_dates=["2017/05/20 (Sat) 02:21", "Monday"])
    conversation = load_one(tmp_path, raw)
    assert conversation.questions[0].answer == "3"
    assert [turn.said_at for turn in conversation.turns if not is_dated(turn)] == ["Monday"]


def without(field: str) -> dict[str, Any]:
    raw = longmemeval_question()
    del raw[field]
    return raw


BAD_QUESTIONS = [
    *((without(field), ["'q-1'", f"field {field}:", "required"]) for field in (
        "question_type", "question", "answer", "question_date", "haystack_session_ids",
        "haystack_dates", "haystack_sessions", "answer_session_ids",
    )),
    (without("question_id"), ["question 2,", "field question_id", "required"]),
    (longmemeval_question(answer=" "), ["'q-1'", "field answer:"]),
    (longmemeval_question(question_type="riddle"), ["question_type", "knowledge-update", "riddle"]),
    (longmemeval_question(question_date="soon"), ["question_date", "2017/05/30", "'soon'"]),
    (longmemeval_question(haystack_dates=[]), ["haystack_dates", "each of 2", "got 0"]),
    (longmemeval_question(haystack_session_ids=["a"]), ["haystack_session_ids", "got 1"]),
    (longmemeval_question(answer_session_ids=["b"]), ["answer_session_ids", "'b'"]),
    (
        longmemeval_question(haystack_sessions=[[{"role": "user"}], []]),
        ["haystack_sessions.0.0.content", "required"],
    ),
    (
        longmemeval_question(haystack_sessions=[[], [{"role": 1, "content": "Hi"}]]),
        ["haystack_sessions.1.0.role", "string", "got 1"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "says"), BAD_QUESTIONS)
def test_a_malformed_question_names_itself_and_its_field(
    tmp_path: Path, raw: dict[str, Any], says: list[str]
) -> None:
    with pytest.raises(InputError) as error:
        load_conversations(write(tmp_path / "file.json", longmemeval_question("q-0"), raw))
    assert all(part in str(error.value) for part in [*says, "file.json, question 2"])
    assert "\n" not in str(error.value)


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


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"self_instruct": {"B": "Where?"}}, "chat 2, field self_instruct.A: Field required"),
        ({"previous_dialogs": [{}]}, "chat 2, field previous_dialogs.0.dialog: Field required"),
        ({"dialog": [{"text": 1}]}, "chat 2, field dialog.0.text: .* got 1"),
    ],
)
def test_a_malformed_chat_names_its_place_and_field(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        load_conversations(lines(tmp_path / "msc.jsonl", msc_chat(), msc_chat(**changed)))


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    file = tmp_path / "msc.jsonl"
    file.write_text(json.dumps(msc_chat()) + "\n\n{]\n")
    with pytest.raises(InputError, match="is not JSON: line 3: "):
        load_conversations(file)


# --- the commands -------------------------------------------------------------------------------


def test_each_benchmark_is_fetched_to_a_file_of_its_own() -> None:
    outputs = [source.output for source in SOURCES.values()]
    assert len(set(outputs)) == len(outputs)
    assert all(len(source.sha256) == 64 for source in SOURCES.values())
    assert SOURCES["longmemeval"].output == Path("data/longmemeval_s.json")
