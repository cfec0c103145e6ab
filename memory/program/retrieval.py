"""What is retrieved for a question or a message: SELECTs where they pay, and what is shown."""

from collections.abc import Callable, Sequence

from memory.evidence.layout import Evidence
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.program.costs import StepLog
from memory.program.model import Model, Modules, Retrieval
from memory.program.sql_questions import sql_pays
from memory.records import Hit, Rows


def retrieve(
    program: Modules,
    model: Model,
    question: UserQuestion,
    reader: MemoryReader,
    *,
    hits: Sequence[Hit],
    show: Callable[[Sequence[Rows]], Evidence],
    log: StepLog,
) -> Retrieval:
    """Ask for SELECTs where the ranking leaves out near turns, and lay out what is shown.

    Arguments:
        hits: what the ranking found, without turns that are shown elsewhere.
        show: lays out the ranking and rows within the budget.
        log: the steps of answering; these are "search" and "select".
    """
    by_search: Evidence | None = None

    def pays() -> bool:
        nonlocal by_search
        by_search = show(())
        return sql_pays(hits, len(by_search.turn_ids))

    with log.step("select"):
        query = model.write_query(program, question, reader, pays)
    rows = tuple(query.rows) if query else ()
    with log.step("search"):
        evidence = show(rows) if rows or by_search is None else by_search
        by_search = by_search or (show(()) if rows else evidence)
    log.brought(
        rows=sum(len(result.rows) for result in rows),
        shown=evidence.turn_ids,
        by_search=by_search.turn_ids,
    )
    return Retrieval(query, hits, evidence)
