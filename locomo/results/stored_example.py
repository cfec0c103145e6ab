"""One fact of a run: the INSERT that stored it, and the SELECT that found it with its rows."""

from collections.abc import Iterable, Mapping

from rich.markup import escape

from locomo.harness import BuiltMemory, Result
from memory import Rows, SqlError, Store, open_store
from memory.evidence import named_cells, named_turns
from memory.sql import quoted
from memory.store import edits_of

_MOST_ROWS = 3


def stored_example(results: Iterable[Result], built: Iterable[BuiltMemory]) -> str:
    """The best answer that a SELECT over facts gave, with that SELECT and the INSERT of its fact.

    Rich markup; "" if no answer is based on facts, or the memories are gone.
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
    return ""


def _text(store: Store, result: Result) -> str:
    try:
        rows = store.read(result.sql[0])
    except SqlError:  # it was refused when it was asked, too
        return ""
    named = [dict(zip(rows.columns, row, strict=True)) for row in rows.rows]
    cited = {
        turn.id
        for turn in store.turns_by_id(sorted(named_turns(rows)), missing_ok=True)
        if turn.source in result.cited
    }
    for row in sorted(named, key=lambda row: row.get("turn_id") not in cited):
        if insert := _insert(store, row):
            return _shown(insert, rows, result)
    return ""


def _shown(insert: str, rows: Rows, result: Result) -> str:
    lines = [line for line in named_cells(Rows(rows.columns, rows.rows[:_MOST_ROWS])) if line]
    if len(rows.rows) > _MOST_ROWS:
        lines.append(f"... {len(rows.rows)} rows")
    statements = (
        insert,
        f"asked: [bold]{escape(result.question)}[/bold]",
        f"    [dim]{escape(result.sql[0])}[/dim]",
    )
    answer = f"answer: [bold]{escape(result.answer)}[/bold]  {escape(' '.join(result.cited))}"
    return "\n".join([*statements, *(f"    {escape(line)}" for line in lines), answer])


def _insert(store: Store, row: Mapping[str, object]) -> str:
    """What stored the fact of a row, and its statement; "" if the row is not a fact."""
    if not {"turn_id", "value"} <= {*row}:
        return ""
    turn_id, value = row["turn_id"], quoted(str(row["value"]))
    facts = store.read(f"SELECT id FROM facts WHERE turn_id = {turn_id} AND value = {value}").rows
    return _statement(store, facts[0][0]) if facts else ""


def _statement(store: Store, fact_id: int) -> str:
    """The SQL that stored a fact, and who wrote it (rich markup)."""
    first = edits_of(store, fact_id=fact_id)[0]
    [change] = store.changes(before=first.change_id + 1, limit=1)
    statement = " ".join(change.statement.split())
    return f"stored ({escape(change.cause)}):\n    [dim]{escape(statement)}[/dim]"
