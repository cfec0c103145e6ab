"""Small conversations in LoCoMo's format, for tests."""

import json
from pathlib import Path
from typing import Any

DATE = "1:56 pm on 8 May, 2017"


def turn(dia_id: str = "D1:1", text: str = "I moved to Lyon.", **fields: Any) -> dict[str, Any]:
    return {"speaker": "Ann", "dia_id": dia_id, "text": text, **fields}


def question(category: int = 4, **fields: Any) -> dict[str, Any]:
    raw = {"question": "Where does Ann live?", "evidence": ["D1:1"], "category": category, **fields}
    return raw if category == 5 else {"answer": "Lyon", **raw}


def record(id_: str = "conv-1", qa: list[Any] | None = None, **sessions: Any) -> dict[str, Any]:
    sessions = sessions or {"session_1": [turn()], "session_1_date_time": DATE}
    conversation = {"speaker_a": "Ann", "speaker_b": "Bo", **sessions}
    return {"sample_id": id_, "conversation": conversation, "qa": qa or [question()]}


def write(path: Path, *records: Any) -> Path:
    path.write_text(json.dumps(records or [record()]))
    return path
