"""FactConsolidation's file format, in LoCoMo's form: numbered facts, where later ones win.

Hu et al., "Evaluating Memory in LLM Agents via Incremental Multi-Turn Interactions", ICLR 2026: the
Conflict_Resolution part of MemoryAgentBench, whose other parts are not conversations. A record has
all facts as one text and many questions; the hub's parquet is made JSON lines by `to_json` of the
library datasets.
"""

import re
from typing import Any

from pydantic import BaseModel, TypeAdapter

from locomo.dataset.fields import Gold, Name, Text, checked
from memory import InputError

# LoCoMo's category of each question type; which it is, a part of the source's name says.
SINGLE_HOP, MULTI_HOP = "single-hop facts", "multi-hop facts"
CATEGORIES = {SINGLE_HOP: 4, MULTI_HOP: 1}
_TYPES = {"_sh_": SINGLE_HOP, "_mh_": MULTI_HOP}
_SOURCE = "factconsolidation"
_FACT = re.compile(r"^\s*\d+\.\s+\S.*$", re.MULTILINE)
_FACTS_A_SESSION = 100


class _Metadata(BaseModel):
    source: Text = ""


class _Record(BaseModel):
    context: Text
    questions: list[Name]
    answers: list[list[Gold] | Gold]
    metadata: _Metadata = _Metadata()


_RECORD = TypeAdapter(_Record)


def is_fact_consolidation(record: dict[str, Any]) -> bool:
    """Whether a record is one of MemoryAgentBench, complete or not."""
    return "context" in record and ("questions" in record or "answers" in record)


def locomo_record(record: dict[str, Any], where: str, number: int) -> dict[str, Any]:
    """Numbered facts and their questions as a conversation in LoCoMo's form.

    Each fact is a turn of the user, with its number, in sessions of a hundred without a date. Which
    fact answers is not marked. Of several right answers the first is kept. Raises InputError that
    begins with `where` and names the field.
    """
    raw = checked(_RECORD, record, where=where)
    source = raw.metadata.source
    kinds = [type_ for part, type_ in _TYPES.items() if part in source]
    facts = [line.strip() for line in _FACT.findall(raw.context)]
    if not source.startswith(_SOURCE) or not kinds or not facts:
        raise InputError(
            f"{where}, field metadata.source: expected {_SOURCE}_sh_6k or another of numbered"
            f" facts, got {source!r:.60}; other parts of MemoryAgentBench are not read"
        )
    if len(raw.questions) != len(raw.answers):
        raise InputError(
            f"{where}, field answers: expected one for each of {len(raw.questions)} questions, got"
            f" {len(raw.answers)}"
        )
    conversation: dict[str, object] = {}
    for session, start in enumerate(range(0, len(facts), _FACTS_A_SESSION), 1):
        conversation[f"session_{session}_date_time"] = ""
        conversation[f"session_{session}"] = [
            {"speaker": "user", "dia_id": f"D{session}:{turn}", "text": fact}
            for turn, fact in enumerate(facts[start : start + _FACTS_A_SESSION], 1)
        ]
    questions = [
        {
            "question": question,
            "answer": answer[0] if isinstance(answer, list) else answer,
            "category": CATEGORIES[kinds[0]],
            "question_type": kinds[0],
        }
        for question, answer in zip(raw.questions, raw.answers, strict=True)
    ]
    return {"sample_id": f"{source}-{number}", "conversation": conversation, "qa": questions}
