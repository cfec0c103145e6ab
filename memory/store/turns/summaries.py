"""Summaries: the story of a memory, told by a model at a digest, a line for each run of turns.

Each covers the turns from one to another, and is forgotten with any of them. A line whose text is
empty waits to be written anew: a fact of its turns was corrected, or one of them was forgotten.
Functions that take a connection run inside the transaction of the caller.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from memory.errors import InputError, SqlError
from memory.records import Change, Summary, Turn
from memory.store.changes import journal
from memory.store.changes.journaled_rows import JournaledRows, Row, all_rows
from memory.store.database import Connection, HasConnections
from memory.store.turns import turns_table
from memory.store.turns.turns_table import BEYOND_ALL_IDS
from memory.text.characters import one_line

LONGEST_SUMMARY = 500  # characters: about 110 tokens
MOST_OF_A_WINDOW = 8
_TABLE = "summaries"
_REWRITTEN = ("subject", "attribute", "value", "happened_on", "turn_id")  # no ends


def summaries(conn: Connection) -> list[Summary]:
    """All lines in the order of their turns."""
    return [Summary(*row.values()) for row in all_rows(conn, _TABLE)]


def newest_summaries(store: HasConnections, limit: int, before: int | None = None) -> list[Summary]:
    """The last lines of the sessions in a story, in the order of their turns.

    With `before` only lines whose turns all come before this one.
    """
    bound = BEYOND_ALL_IDS if before is None else before
    with store.reading() as conn:
        rows = conn.run("newest_summaries", before=bound, most=limit).fetchall()
    return [Summary(*row) for row in reversed(rows)]


def put(
    conn: Connection,
    change_id: int,
    rows: Sequence[tuple[int, int, str]],
    window: tuple[int, int] | None,
) -> None:
    """Store what a model tells of a window, in the place of what an earlier digest told of it.

    Raises SqlError for lines outside the window or without one, for lines over several
    conversations, and for too many.
    """
    if not rows:
        return
    if window is None:
        raise SqlError("summaries: only a digest of turns writes them; write to facts")
    first, last = window
    turns_read = turns_table.read_turns(conn, first, last)
    # A line over several conversations is refused, and may be written as one for each.
    most = MOST_OF_A_WINDOW + len({turn.session for turn in turns_read}) - 1
    if len(rows) > most:
        raise SqlError(f"{len(rows)} summaries: write at most {most} for a window")
    texts: dict[tuple[int, int], str] = {}
    for turn_id, last_turn_id, text in rows:
        if not first <= turn_id <= last_turn_id <= last:
            raise SqlError(
                f"a summary of turns {turn_id} to {last_turn_id}: turn_id and last_turn_id are"
                f" numbers in brackets of the window, {first} to {last}, the first not after the"
                " last"
            )
        if parts := parts_of_sessions((turn_id, last_turn_id), turns_read):
            raise SqlError(session_advice((turn_id, last_turn_id), parts))
        before = texts.get((turn_id, last_turn_id))
        texts[turn_id, last_turn_id] = f"{before} {text}" if before else text
    stored = JournaledRows(conn, change_id, _TABLE)
    for row in all_rows(conn, _TABLE):
        if first <= row["turn_id"] and row["last_turn_id"] <= last:
            stored.drop(row)
    for (turn_id, last_turn_id), text in texts.items():
        stored.put(_row(Summary(turn_id, last_turn_id, "session", _cut(text))))


def parts_of_sessions(span: tuple[int, int], turns: Iterable[Turn]) -> list[tuple[int, int]]:
    """The runs of turns of one conversation within a span, where it has several; else none."""
    within = [turn for turn in turns if span[0] <= turn.id <= span[1]]
    runs = [[*run] for _, run in groupby(within, key=lambda turn: turn.session)]
    return [(run[0].id, run[-1].id) for run in runs] if len(runs) > 1 else []


def session_advice(span: tuple[int, int], parts: Sequence[tuple[int, int]]) -> str:
    """What a model is to write in place of a line over several conversations."""
    runs = ", ".join(f"{first} to {last}" for first, last in parts)
    return (
        f"a summary of turns {span[0]} to {span[1]} is over several conversations: {runs}. Write a"
        " row for each, of what was said in it alone"
    )


def set_summary(
    store: HasConnections, summary: Summary, instead_of: Summary | None = None, by: str = ""
) -> Change:
    """Store a line, in place of the line that it rewrites; a journaled change.

    A long text is cut. Raises InputError if that line no longer exists, if one of these turns has a
    line already, and for missing turns.
    """
    with store.transaction() as conn:
        change_id = journal.begin(conn, f"summary by {by or 'user'}", "-- summary")
        _write_text(conn, change_id, summary, instead_of)
        return journal.change(conn, change_id)


def _write_text(
    conn: Connection, change_id: int, summary: Summary, instead_of: Summary | None
) -> None:
    present = conn.run(
        "turn_ids_between", first=summary.turn_id, last=summary.last_turn_id, most=1
    ).fetchone()
    if summary.turn_id > summary.last_turn_id or present is None:
        raise InputError(f"there are no turns {summary.turn_id} to {summary.last_turn_id}")
    row = {**_row(summary), "summary": _cut(summary.text)}
    JournaledRows(conn, change_id, _TABLE).put(
        row, None if instead_of is None else _row(instead_of)
    )


def blank_corrected(conn: Connection, change_id: int) -> None:
    """Take the texts of lines whose turns have a fact that a change rewrote or deleted."""
    turn_ids = {
        before["turn_id"]
        for before, after in journal.net_images(conn, change_id)
        if before and (after is None or any(before[name] != after[name] for name in _REWRITTEN))
    }
    if not turn_ids:
        return
    stored = JournaledRows(conn, change_id, _TABLE)
    for row in all_rows(conn, _TABLE):
        if row["summary"] and _covers(row, turn_ids):
            stored.put({**row, "summary": ""}, instead_of=row)


def _row(summary: Summary) -> Row:
    # Not `text`: what SELECTs quote under that name is shown as a turn's (memory.prompt).
    return {
        "turn_id": summary.turn_id,
        "last_turn_id": summary.last_turn_id,
        "kind": summary.kind,
        "summary": summary.text,
    }


def _covers(row: Row, turn_ids: Collection[int]) -> bool:
    return any(row["turn_id"] <= turn_id <= row["last_turn_id"] for turn_id in turn_ids)


def _cut(text: str) -> str:
    """The text on one line, cut between words to LONGEST_SUMMARY characters."""
    text = one_line(text)
    if len(text) <= LONGEST_SUMMARY:
        return text
    return text[: LONGEST_SUMMARY - 1].rsplit(" ", 1)[0] + "\u2026"
