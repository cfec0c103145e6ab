"""Which turns and facts the block of a reply held, and which replies a turn or fact shaped.

A trace has ids and no text, so forgetting only has to take the ids out. It is no change: what a
reply saw is neither edited nor undone. Functions that take a connection run inside the caller's
transaction.
"""

from collections.abc import Collection, Iterable, Sequence

from memory.errors import NotThereError
from memory.records import Trace
from memory.store.changes.history import edits_of
from memory.store.database import Connection, HasConnections

COLUMNS = ("turn_id", "shown_turns", "shown_facts", "left_out")
# Of a reply, and as many facts: a block of 1,000 tokens has room for 40 turns. `left_out` counts
# the others, so that a trace takes at most some 700 bytes.
MOST_TRACED = 60
_MOST_LISTED = 10  # replies in a line
_NOTHING = "-"  # a pattern that no list of ids fits


def record_trace(
    store: HasConnections, reply_id: int, turn_ids: Iterable[int], fact_ids: Iterable[int]
) -> bool:
    """Note what the block of a stored reply held: the first ids where there are many.

    The first note of a reply stays. Ids of turns and facts that are not there (any more) are
    dropped, and so is the reply's own. Returns whether something was noted.
    """
    turns, facts = dict.fromkeys(turn_ids), dict.fromkeys(fact_ids)
    turns.pop(reply_id, None)
    if not (turns or facts):
        return False
    with store.transaction() as conn:
        turn_rows = conn.run("turn_ids_of", turn_ids=sorted({*turns, reply_id}))
        there = {number for (number,) in turn_rows}
        fact_rows = {row[0] for row in conn.run("facts_by_id", fact_ids=sorted(facts))}
        shown_turns = [turn_id for turn_id in turns if turn_id in there]
        shown_facts = [fact_id for fact_id in facts if fact_id in fact_rows]
        if reply_id not in there or not (shown_turns or shown_facts):
            return False
        noted = conn.run(
            "insert_trace",
            turn_id=reply_id,
            shown_turns=_text(shown_turns[:MOST_TRACED]),
            shown_facts=_text(shown_facts[:MOST_TRACED]),
            left_out=len(shown_turns[MOST_TRACED:]) + len(shown_facts[MOST_TRACED:]),
        )
        return bool(noted.rowcount)


def trace_of_turn(store: HasConnections, turn_id: int) -> Trace:
    """What the block of this turn held, and which replies it shaped itself.

    Raises NotThereError if there is no such turn.
    """
    with store.reading() as conn:
        if conn.run("turn_ids_of", turn_ids=[turn_id]).fetchone() is None:
            raise NotThereError(f"there is no turn {turn_id}")
        row = conn.run("trace_of_reply", turn_id=turn_id).fetchone()
        turns_text, facts_text, left_out = row or ("", "", 0)
        return Trace(_ids(turns_text), _ids(facts_text), replies_shaped(conn, [turn_id]), left_out)


def trace_of_fact(store: HasConnections, fact_id: int) -> Trace:
    """Which replies a fact shaped, current or past. Raises NotThereError if it never was there."""
    if not edits_of(store, fact_id=fact_id):
        raise NotThereError(f"there is no fact {fact_id}")
    with store.reading() as conn:
        return Trace(replies=replies_shaped(conn, fact_ids=[fact_id]))


def replies_of(
    store: HasConnections, turn_ids: Collection[int] = (), fact_ids: Collection[int] = ()
) -> tuple[int, ...]:
    """The replies whose blocks held any of these, in order."""
    with store.reading() as conn:
        return replies_shaped(conn, turn_ids, fact_ids)


def replies_shaped(
    conn: Connection, turn_ids: Collection[int] = (), fact_ids: Collection[int] = ()
) -> tuple[int, ...]:
    """The replies whose blocks held any of these, in order; one look at all traces."""
    turns, facts = {*turn_ids}, {*fact_ids}
    return tuple(
        reply_id
        for reply_id, turns_text, facts_text in _traces_with(conn, turns, facts)
        if turns.intersection(_ids(turns_text)) or facts.intersection(_ids(facts_text))
    )


def remove_from_traces(conn: Connection, turn_ids: Sequence[int], fact_ids: Sequence[int]) -> None:
    """Remove the traces of these turns, and these turns and facts from the traces of others."""
    conn.run("delete_traces", turn_ids=[*turn_ids])
    turns, facts = {*turn_ids}, {*fact_ids}
    for reply_id, turns_text, facts_text in _traces_with(conn, turns, facts):
        shown_turns = _text([number for number in _ids(turns_text) if number not in turns])
        shown_facts = _text([number for number in _ids(facts_text) if number not in facts])
        if (shown_turns, shown_facts) != (turns_text, facts_text):
            conn.run(
                "set_trace", turn_id=reply_id, shown_turns=shown_turns, shown_facts=shown_facts
            )


def replies_line(replies: Sequence[int]) -> str:
    """A line that names replies: "2 replies were shaped by it: turns 4, 9"."""
    listed = ", ".join(map(str, replies[:_MOST_LISTED]))
    more = f" and {len(replies) - _MOST_LISTED} more" if len(replies) > _MOST_LISTED else ""
    if len(replies) == 1:
        return f"1 reply was shaped by it: turn {listed}"
    return f"{len(replies)} replies were shaped by it: turns {listed}{more}"


def _traces_with(
    conn: Connection, turns: Collection[int], facts: Collection[int]
) -> list[tuple[int, str, str]]:
    """The traces that may name any of these."""
    if not (turns or facts):
        return []
    return conn.run("traces_like", turns=_pattern(turns), facts=_pattern(facts)).fetchall()


def _pattern(ids: Collection[int]) -> str:
    """What a list with one of these ids is like."""
    if not ids:
        return _NOTHING
    return f"% {next(iter(ids))} %" if len(ids) == 1 else "% %"


def _text(ids: Sequence[int]) -> str:
    return f" {' '.join(map(str, ids))} " if ids else ""


def _ids(text: str) -> tuple[int, ...]:
    """The ids of a list; a file of strangers may hold any text there."""
    return tuple(int(word) for word in text.split() if word.isascii() and word.isdigit())
