"""HaluMem's file format, in LoCoMo's form: a user's chats, and questions after each.

Chen et al., "HaluMem: Evaluating Hallucinations in Memory Systems of Agents", 2025; the fields are
from README.md in MemTensor/HaluMem, "Dataset Structure". A line of the file is a user.

HaluMem asks after the session that contains the question, this form at the end of all sessions,
with the date of then: later changes make a question harder here. `locomo.others.omnimemeval`
computes the shares of HaluMem's own script, which also judges what a memory extracted.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter

from locomo.dataset.fields import Gold, Name, Text, checked
from memory import InputError

# LoCoMo's category of each question type; a question beyond the memory's boundary has no answer.
CATEGORIES = {
    "Basic Fact Recall": 4,
    "Multi-hop Inference": 1,
    "Dynamic Update": 4,
    "Memory Boundary": 5,
    "Generalization & Application": 3,
    "Memory Conflict": 4,
}
_DATE = "%b %d, %Y, %H:%M:%S"  # Dec 15, 2025, 06:11:23
_NAME = re.compile(r"Name:\s*(.+?);")
_USER = "user"


class _Turn(BaseModel):
    role: Name
    content: Text


class _MemoryPoint(BaseModel):
    memory_content: Text


class _Question(BaseModel):
    question: Name
    answer: Gold
    question_type: Name
    evidence: list[_MemoryPoint] = []


class _Session(BaseModel):
    start_time: Name
    end_time: Text = ""
    dialogue: list[_Turn]
    memory_points: list[_MemoryPoint] = []
    questions: list[_Question] = []


class _User(BaseModel):
    uuid: Name
    persona_info: Text
    sessions: list[_Session]


_RECORD = TypeAdapter(_User)


def is_halumem(record: dict[str, Any]) -> bool:
    """Whether a record is a user of HaluMem, complete or not."""
    return "persona_info" in record


def locomo_record(record: dict[str, Any], where: str) -> dict[str, Any]:
    """A user of HaluMem with all questions, as a conversation in LoCoMo's form.

    The user's turns have the name that the persona has, as the questions use it. Evidence are
    memories, so the sessions that they are drawn from are known, and no turns. Raises InputError
    that begins with `where` and names the field.
    """
    raw = checked(_RECORD, record, where=where)
    named = _NAME.search(raw.persona_info)
    speakers = {_USER: named[1].strip() if named else _USER}
    conversation: dict[str, object] = {}
    for number, session in enumerate(raw.sessions, 1):
        conversation[f"session_{number}_date_time"] = _iso(session.start_time, where)
        conversation[f"session_{number}"] = [
            {
                "speaker": speakers.get(turn.role, turn.role),
                "dia_id": f"D{number}:{turn_number}",
                "text": turn.content,
            }
            for turn_number, turn in enumerate(session.dialogue, 1)
        ]
    questions = [
        _question(question, session, raw.sessions, where)
        for session in raw.sessions
        for question in session.questions
    ]
    return {"sample_id": raw.uuid, "conversation": conversation, "qa": questions}


def _question(
    question: _Question, asked_after: _Session, sessions: Sequence[_Session], where: str
) -> dict[str, Any]:
    if question.question_type not in CATEGORIES:
        raise InputError(
            f"{where}, field question_type: expected one of {', '.join(CATEGORIES)},"
            f" got {question.question_type!r:.60}"
        )
    memories = {memory.memory_content for memory in question.evidence}
    return {
        "question": question.question,
        "answer": question.answer,
        "category": CATEGORIES[question.question_type],
        "question_type": question.question_type,
        "question_date": _iso(asked_after.end_time or asked_after.start_time, where),
        "evidence_sessions": [
            f"session_{number}"
            for number, session in enumerate(sessions, 1)
            if memories.intersection(memory.memory_content for memory in session.memory_points)
        ],
    }


def _iso(date: str, where: str) -> str:
    """`Dec 15, 2025, 06:11:23` as `2025-12-15T06:11`."""
    try:
        return datetime.strptime(date, _DATE).isoformat(timespec="minutes")
    except ValueError:
        raise InputError(
            f"{where}: expected a time such as Dec 15, 2025, 06:11:23, got {date!r:.60}"
        ) from None
