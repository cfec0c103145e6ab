"""Which later turns change what earlier ones say: stored when a turn is added, read with facts.

`memory.facts.newer_words` decides; nothing is looked for when a block is made.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from memory.store.database import Connection

Kind = Literal["changes", "again"]
COLUMNS = ("older_turn", "fact_id", "newer_turn", "kind", "chance", "sentence", "value")


class NewerWord(NamedTuple):
    """A later turn that changes what an earlier one says.

    `fact_id` is the fact of the earlier turn that it changes, 0 for the turn's own words.
    `kind` says how: it `changes` what was said, or says it `again`. `chance` is how sure that is,
    in a hundred; `sentence` is the later turn's, `value` what it gives instead, or "".
    """

    older_turn: int
    fact_id: int
    newer_turn: int
    kind: Kind
    chance: int
    sentence: str
    value: str = ""


def put(conn: Connection, newer: Iterable[NewerWord]) -> None:
    """Store what later turns change.

    What is stored of the same pair already stays; a turn may have been forgotten meanwhile.
    """
    rows = {row[:3]: row for row in newer}
    turn_ids = {turn_id for older, _, later in rows for turn_id in (older, later)}
    present = {number for (number,) in conn.run("turn_ids_of", turn_ids=sorted(turn_ids))}
    known = of_turns(conn, sorted({older for older, *_ in rows}))
    stored = {row[:3] for of_turn in known.values() for row in of_turn}
    new = [
        row
        for pair, row in rows.items()
        if pair not in stored and {row.older_turn, row.newer_turn} <= present
    ]
    if new:
        conn.insert_rows("newer_words", COLUMNS, new)


def of_turns(conn: Connection, turn_ids: Sequence[int]) -> Mapping[int, list[NewerWord]]:
    """What later turns change of these, by the ids of these; turns without any are left out."""
    by_turn = defaultdict[int, list[NewerWord]](list)
    if turn_ids:
        for row in conn.run("newer_words", turn_ids=[*turn_ids]):
            by_turn[row[0]].append(NewerWord(*row))
    return by_turn
