"""Answers as people and programs read them: what brought up each cited turn, and a record."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from memory.evidence.lines import named_turns
from memory.records import Answer, Citation, Hit, Quotation, Turn


def citations(answer: Answer, hits: Sequence[Hit]) -> tuple[Citation, ...]:
    """What brought up each turn that an answer cites: the ranking, SELECTs, or both."""
    ranking = {hit.turn_id: (rank, hit.shares) for rank, hit in enumerate(hits, start=1)}
    statements = list(zip(answer.sql, map(named_turns, answer.rows), strict=True))
    cited = []
    for turn_id in answer.turns:
        rank, shares = ranking.get(turn_id, (0, {}))
        sql = tuple(statement for statement, named in statements if turn_id in named)
        cited.append(Citation(turn_id, rank=rank, shares=shares, sql=sql))
    return tuple(cited)


def answer_record(answer: Answer, turns: Sequence[Turn]) -> dict[str, Any]:
    """An answer as a record for JSON, with the turns that it cites."""
    statements = zip(answer.sql, answer.rows, strict=True)
    return {
        "answer": answer.text,
        "basis": answer.basis,
        "nearest": [_record(quotation) for quotation in answer.quotations],
        "turns": [asdict(turn) for turn in turns],
        "citations": [_record(citation) for citation in answer.citations],
        "sql": [{"statement": statement, **asdict(rows)} for statement, rows in statements],
        "standing": [asdict(fact) for fact in answer.standing],
        "contradictions": [asdict(pair) for pair in answer.contradictions],
        "tokens": answer.tokens,
        "calls": answer.calls,
        "tokens_in": answer.tokens_in,
        "tokens_out": answer.tokens_out,
        "seconds": round(answer.seconds, 3),
        "steps": [asdict(step) for step in answer.steps],
    }


def _record(source: Citation | Quotation) -> dict[str, Any]:
    """A citation or quotation, with the name of its memory where several were asked."""
    record = asdict(source)
    memory = record.pop("memory")
    return {**record, "memory": memory} if memory else record
