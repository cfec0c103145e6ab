"""What is retrieved for a question or a message: SELECTs where they pay, and what is shown."""

from collections.abc import Callable, Sequence

from memory.program.costs import StepLog
from memory.program.model import MemoryReader, Model, Modules, Ranked, Retrieval, UserQuestion
from memory.program.shown_turns import with_marks, with_turns
from memory.program.sql_questions import sql_pays
from memory.prompts.evidence import Context
from memory.records import Hit, Rows


def retrieve(
    program: Modules,
    model: Model,
    question: UserQuestion,
    reader: MemoryReader,
    *,
    hits: Sequence[Hit],
    show: Callable[[Ranked, Sequence[Rows]], Context],
    log: StepLog,
) -> Retrieval:
    """Ask for SELECTs where the ranking leaves out near turns, and lay out what is shown.

    Arguments:
        hits: what the ranking found, without turns that are shown elsewhere.
        show: lays out a ranking and rows within the budget.
        log: the steps of answering; these are "select" and "search".
    """
    ranked = Ranked(hits, {}, {})
    alone: Context | None = None  # what the ranking shows without rows

    def pays() -> bool:
        nonlocal ranked, alone
        ranked = with_turns(ranked, reader)
        alone = show(ranked, ())
        return sql_pays(hits, len(alone.turn_ids))

    with log.step("select"):
        query = model.write_query(program, question, reader, pays)
    rows = tuple(query.rows) if query else ()
    with log.step("search"):
        ranked = with_marks(ranked, question.ranked_text, rows, reader, question.today)
        if alone is None or ranked.marks:
            alone = show(ranked, ())
        context = show(ranked, rows) if rows else alone
    log.brought(
        rows=sum(len(result.rows) for result in rows),
        shown=context.turn_ids,
        by_search=alone.turn_ids,
    )
    return Retrieval(query, hits, context, question.ranked_text)
