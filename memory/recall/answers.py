"""What brought up each turn that an answer cites."""

from collections.abc import Sequence

from memory.evidence.lines import named_turns
from memory.records import Answer, Citation, Hit


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
