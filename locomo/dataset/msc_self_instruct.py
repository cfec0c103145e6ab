"""MSC-Self-Instruct's file format, in LoCoMo's form: five sessions of two people, and a question.

Packer et al., "MemGPT: Towards LLMs as Operating Systems", 2023, section 3.1: the task of deep
memory retrieval, over chats of Xu et al., "Beyond Goldfish Memory", ACL 2022.
"""

from typing import Any

from pydantic import BaseModel, Field, TypeAdapter

from locomo.dataset.fields import Name, Text, checked

QUESTION_TYPE = "msc-self-instruct"
_SINGLE_HOP = 4


class _Turn(BaseModel):
    text: Text


class _Session(BaseModel):
    dialog: list[_Turn]
    time_back: Text = ""


class _SelfInstruct(BaseModel):
    # B asks and A answers; either may be the first speaker.
    question: Name = Field(alias="B")
    answer: Name = Field(alias="A")


class _Record(BaseModel):
    previous_dialogs: list[_Session]
    dialog: list[_Turn]
    self_instruct: _SelfInstruct


_RECORD = TypeAdapter(_Record)


def is_msc_self_instruct(record: dict[str, Any]) -> bool:
    """Whether a record is a chat of MSC-Self-Instruct, complete or not."""
    return "self_instruct" in record or "previous_dialogs" in record


def locomo_record(record: dict[str, Any], where: str, number: int) -> dict[str, Any]:
    """A chat of MSC-Self-Instruct with its question as a conversation in LoCoMo's form.

    The two speakers take turns, `Speaker 1` first. The date of a session is the time before the
    last one ("7 days 8 hours ago"), kept as text. Personas and summaries are left out, and evidence
    is unknown. `number` is the chat's position in the file, which its name contains. Raises
    InputError that begins with `where` and names the field.
    """
    raw = checked(_RECORD, record, where=where)
    conversation: dict[str, object] = {}
    sessions = [*raw.previous_dialogs, _Session(dialog=raw.dialog)]
    for session_number, session in enumerate(sessions, 1):
        conversation[f"session_{session_number}_date_time"] = session.time_back
        conversation[f"session_{session_number}"] = [
            {
                "speaker": f"Speaker {1 + n % 2}",
                "dia_id": f"D{session_number}:{n + 1}",
                "text": turn.text,
            }
            for n, turn in enumerate(session.dialog)
        ]
    question = {
        "question": raw.self_instruct.question,
        "answer": raw.self_instruct.answer,
        "category": _SINGLE_HOP,
        "question_type": QUESTION_TYPE,
    }
    return {"sample_id": f"msc-{number}", "conversation": conversation, "qa": [question]}
