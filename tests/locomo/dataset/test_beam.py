"""Files of BEAM, read as conversations in LoCoMo's form."""

import json
import logging
import tarfile
from pathlib import Path
from typing import Any

import pytest

from locomo.dataset.beam import MOST_CHARACTERS
from locomo.dataset.format import Conversation, Question, load_conversations
from locomo.tracking.runs import data_hash
from memory import InputError, Turn
from tests.support.benchmark_records import beam_chat, beam_message, beam_questions


def write_chat(
    folder: Path, chat: Any = None, questions: Any = None, size: str = "100K", number: int = 1
) -> Path:
    """BEAM's folder with one chat more; returns the folder of all chats."""
    home = folder / "chats" / size / str(number)
    (home / "probing_questions").mkdir(parents=True)
    (home / "chat.json").write_text(json.dumps(beam_chat() if chat is None else chat))
    (home / "topic.json").write_text("{}")
    (home / "probing_questions/probing_questions.json").write_text(
        json.dumps(beam_questions() if questions is None else questions)
    )
    return folder / "chats"


def load_one(path: Path, **parts: Any) -> Conversation:
    [conversation] = load_conversations(write_chat(path, **parts))
    return conversation


def test_a_chat_is_a_conversation_dated_by_its_anchors(tmp_path: Path) -> None:
    conversation = load_one(tmp_path)
    assert conversation.id == "beam-100K-1"
    first, second = ("session_1", "2024-03-15"), ("session_2", "2024-04-02")
    assert conversation.turns == (
        Turn("user", "I start an allotment planner in Elm.", *first, "0"),
        Turn("assistant", "Good. Begin with a list of beds.", *first, "1"),
        Turn("user", "Always name the latin names when I ask about plants.", *first, "2"),
        Turn("assistant", "I will.", *first, "3"),
        Turn("user", "The planner has 12 beds now.", *second, "4"),
        Turn("assistant", "Well done.", *second, "5"),
    )


def test_a_question_has_its_evidence_its_rubric_and_its_ability_as_type(tmp_path: Path) -> None:
    questions = load_one(tmp_path).questions
    assert questions[1] == Question(
        index=1,
        text="How many beds does my planner have?",
        answer="12",
        category=4,
        evidence=("0", "4"),
        evidence_sessions=("session_1", "session_2"),
        question_type="knowledge_update",
        asker="user",
        rubric=("LLM response should state: 12 beds",),
    )
    unanswerable = questions[3]
    assert (unanswerable.category, unanswerable.evidence) == (5, ())
    assert unanswerable.answer == "There is no information on the neighbour."


@pytest.mark.parametrize("marker", [" ->-> 1,14", " ->-> 2,N/A", "->-> 5,14)", "\n\n->->3,1\n"])
def test_the_marker_of_the_plan_is_no_content(tmp_path: Path, marker: str) -> None:
    message = {"role": "user", "id": 7, "content": f"See a ->-> b{marker}"}
    conversation = load_one(tmp_path, chat=[{"turns": [[message]]}], questions={})
    assert conversation.turns[0].text == "See a ->-> b"


def test_an_anchor_within_a_batch_begins_a_session(tmp_path: Path) -> None:
    messages = [
        beam_message(0, "One", anchor="May-01-2024"),
        beam_message(1, "Two"),
        beam_message(2, "Three", anchor="May-03-2024"),
        beam_message(3, "Four", anchor="some day"),
    ]
    turns = load_one(tmp_path, chat=[{"turns": [messages]}], questions={}).turns
    assert [(turn.session, turn.said_at) for turn in turns] == [
        ("session_1", "2024-05-01"),
        ("session_1", "2024-05-01"),
        ("session_2", "2024-05-03"),
        ("session_3", "some day"),
    ]


def test_a_turn_of_noise_is_cut_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    noise = "plan " * MOST_CHARACTERS
    chat = [{"turns": [[beam_message(0, noise), beam_message(1, noise, role="assistant")]]}]
    with caplog.at_level(logging.WARNING):
        turns = load_one(tmp_path, chat=chat, questions={}).turns
    assert [len(turn.text) <= MOST_CHARACTERS for turn in turns] == [True, True]
    [line] = [r.message for r in caplog.records if r.name == "locomo.dataset.beam"]
    assert "cut to 40,000 characters: 2 messages (beam-100K-1 0: 199,999, " in line


def test_the_chats_of_ten_million_tokens_lie_in_plans(tmp_path: Path) -> None:
    first, second = beam_chat()
    turns = load_one(tmp_path, chat=[{"plan-1": [first]}, {"plan-2": [second]}]).turns
    assert [turn.source for turn in turns] == ["0", "1", "2", "3", "4", "5"]
    assert turns[-1].said_at == "2024-04-02"


def test_folder_chat_and_archive_are_the_same_in_the_order_of_size(tmp_path: Path) -> None:
    for size, number in (("1M", 1), ("100K", 10), ("100K", 2)):
        folder = write_chat(tmp_path, size=size, number=number)
    archive = tmp_path / "beam.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname="chats")
    conversations = load_conversations(folder)
    names = [conversation.id for conversation in conversations]
    assert names == ["beam-100K-2", "beam-100K-10", "beam-1M-1"]
    assert load_conversations(archive) == conversations
    assert load_conversations(folder / "1M/1") == conversations[2:]
    assert data_hash(folder) != data_hash(folder / "100K")


@pytest.mark.slow
@pytest.mark.parametrize("is_text", [False, True])
def test_parquet_is_read_as_its_authors_ship_it(tmp_path: Path, is_text: bool) -> None:
    import pyarrow
    import pyarrow.parquet

    chat = [[m for group in batch["turns"] for m in group] for batch in beam_chat()]
    row = {
        "conversation_id": "1",
        "chat": json.dumps(chat) if is_text else chat,
        "probing_questions": repr(beam_questions()),
    }
    file = tmp_path / "100K-00000-of-00001.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), file)
    assert load_conversations(file) == [load_one(tmp_path)]


def without_questions(folder: Path) -> Path:
    chats = write_chat(folder)
    (chats / "100K/1/probing_questions/probing_questions.json").unlink()
    return chats


def no_archive(folder: Path) -> Path:
    (folder / "beam.tar.gz").write_text("no archive")
    return folder / "beam.tar.gz"


def no_parquet(folder: Path) -> Path:
    (folder / "beam.parquet").write_text("no parquet")
    return folder / "beam.parquet"


MISTAKES = [
    (without_questions, ["probing_questions.json is missing"]),
    (no_archive, ["beam.tar.gz cannot be read as an archive"]),
    (no_parquet, ["beam.parquet cannot be read as BEAM's parquet"]),
    (lambda path: path / "none.tar.gz", ["none.tar.gz does not exist"]),
    (lambda path: write_chat(path, chat=[{"turns": [[{"role": "user", "id": 1}]]}]),
     ["chat beam-100K-1, field chat.content", "required"]),
    (lambda path: write_chat(path, questions={"riddles": []}),
     ["no ability 'riddles'", "event_ordering"]),
    (lambda path: write_chat(path, questions={"abstention": [{"question": "Who?"}]}),
     ["field abstention.0.rubric", "required"]),
    (lambda path: write_chat(path, questions=[]), ["expected questions by ability"]),
]  # fmt: skip


@pytest.mark.parametrize(("make", "says"), MISTAKES)
def test_what_cannot_be_used_is_named(tmp_path: Path, make: Any, says: list[str]) -> None:
    with pytest.raises(InputError) as error:
        load_conversations(make(tmp_path))
    for part in says:
        assert part in str(error.value)
