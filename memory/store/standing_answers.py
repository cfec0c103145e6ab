"""Standing answers: questions that are kept with their answers, cited turns and freshness.

The functions run inside the transaction of the caller. No model's SQL reads or writes their table.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

from memory.errors import InputError
from memory.records import StandingAnswer
from memory.store import journaled_rows
from memory.store.database import Connection

# Each is asked again as the memory grows, and seen on a page and in prompts.
MOST_ANSWERS = 20
LONGEST_QUESTION = 300  # characters
_TABLE = "answers"
_COLUMNS, _KEY = journaled_rows.TABLES[_TABLE]


def answers(conn: Connection) -> list[StandingAnswer]:
    """All standing answers by question; `stale` where a fact of a cited turn has changed since."""
    rows = [_to_answer(row) for row in conn.read_rows(_TABLE, _COLUMNS, order=_COLUMNS[:_KEY])]
    changes = _changes_of_facts(conn, {turn_id for answer in rows for turn_id in answer.turns})
    return [_with_staleness(conn, answer, changes) for answer in rows]


def newest(conn: Connection) -> tuple[int, int]:
    """The newest turn and the newest change."""
    (turn_id,) = conn.run("last_turn").fetchone()
    return int(turn_id), conn.last_id("changes")


def set_answer(
    conn: Connection, change_id: int, answer: StandingAnswer, instead_of: StandingAnswer | None
) -> None:
    """Keep an answer; the errors are those of `Store.set_answer`."""
    question = " ".join(answer.question.split())
    if not question:
        raise InputError("the question is empty")
    if len(question) > LONGEST_QUESTION:
        raise InputError(f"the question is longer than {LONGEST_QUESTION} characters")
    rests_on = sorted({*answer.turns, *answer.seen})
    present = {turn_id for (turn_id,) in conn.run("turn_ids_of", turn_ids=rests_on)}
    if missing := [turn_id for turn_id in rests_on if turn_id not in present]:
        raise InputError(f"turn {missing[0]} is gone, and the answer rests on it; ask again")
    row = {**_row(answer), "question": question}
    current = journaled_rows.find_row(conn, _TABLE, row)
    if instead_of is not None:
        if current != _row(instead_of):
            raise InputError(f"the answer to {question!r} has changed meanwhile")
        journaled_rows.replace_row(conn, change_id, _TABLE, _row(instead_of), row)
        return
    if current is not None:
        raise InputError(f"the question {question!r} has an answer already; `digest` renews it")
    number = len(conn.read_rows(_TABLE, _COLUMNS[:_KEY], order=_COLUMNS[:_KEY]).fetchall())
    if number >= MOST_ANSWERS:
        raise InputError(f"there are {number} standing answers, the most there may be; drop one")
    journaled_rows.insert_row(conn, change_id, _TABLE, row)


def drop(conn: Connection, change_id: int, question: str) -> None:
    """Delete a question and its answer. Raises InputError for one that is not kept."""
    row = journaled_rows.find_row(conn, _TABLE, {"question": " ".join(question.split())})
    if row is None:
        raise InputError(f"no standing answer has the question {question!r:.80}")
    journaled_rows.delete_row(conn, change_id, _TABLE, row)


def forget_turns(conn: Connection, turn_ids: Collection[int]) -> None:
    """Blank the answers that rest on turns, here and in the journal; their questions stay."""
    removed = {*turn_ids}
    _blank(
        conn,
        lambda row: (
            not removed.isdisjoint([*json.loads(row["turn_ids"]), *json.loads(row["seen"])])
        ),
        lambda row: False,
    )


def forget_quotations(conn: Connection, quotes: Callable[[str], bool]) -> None:
    """Blank the answers that quote what is gone; where the question does, it goes as well."""
    _blank(
        conn,
        lambda row: quotes(row["text"]),
        lambda row: quotes(row["question"]) or quotes(row["asker"]),
    )


def _blank(
    conn: Connection,
    is_blanked: Callable[[journaled_rows.Row], bool],
    is_deleted: Callable[[journaled_rows.Row], bool],
) -> None:
    """Take the texts from some rows, here and in the journal; delete others."""

    def cleaned(row: journaled_rows.Row) -> journaled_rows.Row | None:
        if is_deleted(row):
            return None
        if not row["text"] or not is_blanked(row):
            return row
        return _row(StandingAnswer(row["question"], asker=row["asker"]))

    journaled_rows.clean(conn, _TABLE, cleaned)


def _changes_of_facts(conn: Connection, turn_ids: Collection[int]) -> dict[int, int]:
    """The newest change that altered, ended or took a fact of each of these turns."""
    if not turn_ids:
        return {}
    newest_change: dict[int, int] = {}
    entries = conn.run("entries_of_facts_and_turns", fact_ids=[], turn_ids=sorted(turn_ids))
    for change_id, before, _ in entries.fetchall():
        if before:  # a new fact takes nothing from what its turn was cited for
            turn_id = json.loads(before)[6]
            newest_change[turn_id] = max(change_id, newest_change.get(turn_id, 0))
    return newest_change


def _with_staleness(
    conn: Connection, answer: StandingAnswer, changes: dict[int, int]
) -> StandingAnswer:
    newest_change = max((changes.get(turn_id, 0) for turn_id in answer.turns), default=0)
    if newest_change <= answer.last_change:
        return answer
    _, at, *_ = conn.run("change", change_id=newest_change).fetchone()
    reason = f"a fact it cites changed on {at[:10]}"
    return replace(answer, stale=reason)


def _to_answer(row: Sequence[Any]) -> StandingAnswer:
    values = dict(zip(_COLUMNS, row, strict=True))
    turns, seen = json.loads(values.pop("turn_ids")), json.loads(values.pop("seen"))
    return StandingAnswer(**values, turns=tuple(turns), seen=tuple(seen))


def _row(answer: StandingAnswer) -> dict[str, Any]:
    return {
        "question": answer.question,
        "asker": answer.asker,
        "text": answer.text,
        "turn_ids": json.dumps(list(answer.turns)),
        "seen": json.dumps(list(answer.seen)),
        "model": answer.model,
        "answered_at": answer.answered_at,
        "last_turn": answer.last_turn,
        "last_change": answer.last_change,
    }
