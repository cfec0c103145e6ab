"""One fact of a run: the INSERT that stored it, and the SELECT that found it with its rows."""

from collections.abc import Iterable, Mapping

from rich.markup import escape

from locomo.harness import BuiltMemory, Result
from memory import Rows, SqlError, Store, open_store
from memory.prompt import named_cells
from memory.sql import quoted

_MOST_ROWS = 3


def stored_example(results: Iterable[Result], built: Iterable[BuiltMemory]) -> str:
    """The best answer that a SELECT over facts gave, with the INSERT of its first fact.

    Rich markup; "" where no answer rests on facts, or the memories are gone.
    """
    memories = {memory.conversation: memory for memory in built if memory.path.exists()}
    with_sql = [
        result
        for result in results
        if result.sql and result.rows and result.conversation in memories
    ]
    for result in sorted(with_sql, key=lambda result: -result.score):
        with open_store(memories[result.conversation].path, read_only=True) as store:
            if text := _text(store, result):
                return text
    for memory in memories.values():
        with open_store(memory.path, read_only=True) as store:
            if text := _any_fact(store):
                return text
    return ""


def _any_fact(store: Store) -> str:
    """The INSERT of the first fact, and a SELECT of what is known under its name."""
    facts = store.read("SELECT id, subject, attribute FROM facts ORDER BY id LIMIT 1").rows
    if not facts:
        return ""
    fact_id, subject, attribute = facts[0]
    select = (
        "SELECT value, happened_on, ended_on, turn_id FROM facts"
        f" WHERE subject = {quoted(subject)} AND attribute = {quoted(attribute)}"
    )
    return _shown(_statement(store, fact_id), select, store.read(select))


def _text(store: Store, result: Result) -> str:
    try:
        rows = store.read(result.sql[0])
    except SqlError:  # it was refused when it was asked, too
        return ""
    for row in rows.rows:
        if insert := _insert(store, dict(zip(rows.columns, row, strict=True))):
            return _shown(insert, result.sql[0], rows, question=result.question)
    return ""


def _shown(insert: str, select: str, rows: Rows, question: str = "") -> str:
    lines = [line for line in named_cells(Rows(rows.columns, rows.rows[:_MOST_ROWS])) if line]
    if len(rows.rows) > _MOST_ROWS:
        lines.append(f"... {len(rows.rows)} rows")
    asked = f"asked: [bold]{escape(question)}[/bold]" if question else "asked:"
    statements = (
        "stored:",
        f"    [dim]{escape(insert)}[/dim]",
        asked,
        f"    [dim]{escape(select)}[/dim]",
    )
    return "\n".join([*statements, *(f"    {escape(line)}" for line in lines)])


def _insert(store: Store, row: Mapping[str, object]) -> str:
    """The statement that stored the fact of a row; "" where the row is none."""
    if not {"turn_id", "value"} <= {*row}:
        return ""
    turn_id, value = row["turn_id"], quoted(str(row["value"]))
    facts = store.read(f"SELECT id FROM facts WHERE turn_id = {turn_id} AND value = {value}").rows
    return _statement(store, facts[0][0]) if facts else ""


def _statement(store: Store, fact_id: int) -> str:
    """The SQL that stored a fact."""
    first = store.journal(fact_id=fact_id)[0]
    [change] = store.changes(before=first.change_id + 1, limit=1)
    return " ".join(change.statement.split())
