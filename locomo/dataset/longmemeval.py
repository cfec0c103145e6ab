"""LongMemEval's file format, in LoCoMo's form: one question about one user's chats each.

Wu et al., "LongMemEval: Benchmarking Chat Assistants on Long-Term Interactive Memory", ICLR 2025;
the fields are from README.md in xiaowu0162/LongMemEval, "Dataset Format".
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter

from locomo.dataset.fields import Gold, Name, Text, checked
from memory import InputError

# LoCoMo's category of each question type; a question whose id ends in `_abs` cannot be answered.
CATEGORIES = {
    "multi-session": 1,
    "temporal-reasoning": 2,
    "single-session-preference": 3,
    "single-session-user": 4,
    "single-session-assistant": 4,
    "knowledge-update": 4,
}
_ABSTENTION_SUFFIX = "_abs"
_ABSTENTION = 5
_USER = "user"


class _Turn(BaseModel):
    role: Name
    content: Text
    has_answer: bool | None = None


class _Record(BaseModel):
    question_id: Name
    question_type: Name
    question: Name
    answer: Gold
    question_date: Name
    haystack_session_ids: list[Name]
    haystack_dates: list[Text]
    haystack_sessions: list[list[_Turn]]
    answer_session_ids: list[Name]


_RECORD = TypeAdapter(_Record)


def is_longmemeval(record: dict[str, Any]) -> bool:
    """Whether a record is a question of LongMemEval, complete or not."""
    return "haystack_sessions" in record or "question_id" in record


def locomo_record(record: dict[str, Any], where: str) -> dict[str, Any]:
    """A question of LongMemEval with its chats as a conversation in LoCoMo's form.

    Sessions are sorted by date, because the file with evidence sessions alone is not. The answer of
    an unanswerable question is kept: it explains why. Raises InputError that begins with `where`
    and names the question and the field.
    """
    if isinstance(record.get("question_id"), str):
        where += f" ({record['question_id']!r:.60})"
    raw = checked(_RECORD, record, where=where)
    if raw.question_type not in CATEGORIES:
        raise InputError(
            f"{where}, field question_type: expected one of {', '.join(CATEGORIES)},"
            f" got {raw.question_type!r:.60}"
        )
    sessions = len(raw.haystack_sessions)
    for field in ("haystack_session_ids", "haystack_dates"):
        if len(getattr(raw, field)) != sessions:
            raise InputError(
                f"{where}, field {field}: expected an entry for each of {sessions}"
                f" haystack_sessions, got {len(getattr(raw, field))}"
            )
    if unknown := set(raw.answer_session_ids) - set(raw.haystack_session_ids):
        raise InputError(
            f"{where}, field answer_session_ids: {min(unknown)!r:.60} is not in"
            " haystack_session_ids"
        )
    question_date = _iso(raw.question_date)
    if question_date is None:
        raise InputError(
            f"{where}, field question_date: expected a date such as 2017/05/30 (Tue) 23:40,"
            f" got {raw.question_date!r:.60}"
        )
    is_abstention = raw.question_id.endswith(_ABSTENTION_SUFFIX)
    conversation, evidence, evidence_sessions = _chats(raw)
    question = {
        "question": raw.question,
        "answer": raw.answer,
        "category": _ABSTENTION if is_abstention else CATEGORIES[raw.question_type],
        "evidence": evidence,
        "evidence_sessions": evidence_sessions,
        "question_type": raw.question_type,
        "question_date": question_date,
        "asker": _USER,
    }
    return {"sample_id": raw.question_id, "conversation": conversation, "qa": [question]}


def _chats(raw: _Record) -> tuple[dict[str, object], list[str], list[str]]:
    """The sessions by LoCoMo's keys, the evidence turns and the evidence sessions."""
    chats = zip(raw.haystack_dates, raw.haystack_session_ids, raw.haystack_sessions, strict=True)
    conversation: dict[str, object] = {}
    evidence, evidence_sessions = [], []
    # Dates begin with the year and end with the hour and minute: as text they are in order.
    for number, (date, id_, turns) in enumerate(sorted(chats, key=lambda chat: chat[0]), 1):
        session = f"session_{number}"
        conversation[f"{session}_date_time"] = _iso(date) or date
        conversation[session] = [
            {"speaker": turn.role, "dia_id": f"D{number}:{turn_number}", "text": turn.content}
            for turn_number, turn in enumerate(turns, 1)
        ]
        evidence += [
            f"D{number}:{turn_number}"
            for turn_number, turn in enumerate(turns, 1)
            if turn.has_answer
        ]
        if id_ in raw.answer_session_ids:
            evidence_sessions.append(session)
    return conversation, evidence, evidence_sessions


def _iso(date: str) -> str | None:
    """`2017/05/30 (Tue) 23:40` as `2017-05-30T23:40`; None for what cannot be read."""
    day, _, weekday_and_time = date.partition(" (")
    time = weekday_and_time.rpartition(") ")[2]
    try:
        return datetime.strptime(f"{day} {time}", "%Y/%m/%d %H:%M").isoformat(timespec="minutes")
    except ValueError:
        return None
