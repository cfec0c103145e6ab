"""What bounds a model's statement in either database, and what the model reads beyond a limit.

How each database enforces it is in authorizer.py and postgres/model_login.py. docs/security.md says
what these limits promise, and against which attackers.
"""

import time
from collections.abc import Sequence
from math import isfinite
from typing import Any

from memory.errors import SqlError
from memory.records import Rows

MAX_ROWS = 200  # that a model's SELECT returns
# Seconds of a statement's own work. A busy machine gives it longer, up to `longest_wait`.
READ_SECONDS = 2.0
WRITE_SECONDS = 5.0  # of a whole change
# Nobody else can write meanwhile, and another writer waits for 15 seconds (Postgres) or 30.
_LONGEST_WAIT = 12.0
_BUSIEST = 10.0  # times as long as alone
LONGEST_RESULT = 16_000_000  # characters of all rows: one turn of any length can be read
LONGEST_NUMBER = 400  # characters: 1e308 has 309 digits

# The messages of both databases: a model's next attempt sees them.
TOO_SLOW = "too slow: narrow it with WHERE, or join fewer tables"
TOO_LONG = "too much text: select fewer columns and rows, or substr(text, 1, 500)"
TOO_LARGE = "a number is too large: keep numbers below 1e308, whole ones below 9e18"
VALUE_TOO_LONG = "a value is too long: write substr(text, 1, 500), or join fewer texts with ||"
NOT_ALLOWED = "not allowed: only SELECT on the tables of this memory, and changes to facts"
OTHER_TABLE = (
    "not allowed: only turns, facts, facts_now, tags, entities, aliases, contradictions and"
    " summaries can be read"
)
NO_SUCH_TURN = "turn_id names no turn; use the number in brackets before the turn"
NO_DATE = (
    "this computes what is no date, or a turn_id that is no number: write happened_on and ended_on"
    " as '2017-05-07', '2017-05' or '2017', and turn_id as the number in brackets before the turn"
)
MISSING_VALUE = "subject, attribute, value and turn_id must be given, none may be NULL"
EMPTY_VALUE = "subject, attribute and value must not be empty"


def longest_wait(seconds: float) -> float:
    """How long a statement with these seconds of work may take on a busy machine."""
    return min(_BUSIEST * seconds, _LONGEST_WAIT)


class Deadline:
    """When a model's statement may not run on: after some seconds of work by the calling thread.

    Seconds when other processes have the processor do not count, until `longest_wait` is over.
    """

    def __init__(self, seconds: float) -> None:
        self._work_end = time.thread_time() + seconds
        self._end = time.monotonic() + longest_wait(seconds)

    @property
    def is_over(self) -> bool:
        return time.thread_time() > self._work_end or time.monotonic() > self._end

    @property
    def seconds_left(self) -> float:
        """A little more than nothing once it is over: no database takes a limit of 0 for that."""
        return max(self._end - time.monotonic(), 0.001)

    def refuse_if_over(self) -> None:
        """Raise SqlError when it is over."""
        if self.is_over:
            raise SqlError(TOO_SLOW)


class ResultRows:
    """The first `limit` rows of a SELECT, taken until there are enough."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rows: list[tuple[Any, ...]] = []
        self._characters = 0

    @property
    def missing(self) -> int:
        """How many more rows to take: one more than the limit shows that there are more."""
        return self._limit + 1 - len(self._rows)

    def extend(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Take rows.

        Raises SqlError when all of them have more than LONGEST_RESULT characters, and for a number
        that is infinite or none: JSON has no such numbers.
        """
        self._rows += rows
        self._characters += sum(_length(cell) for row in rows for cell in row)
        if self._characters > LONGEST_RESULT:
            raise SqlError(TOO_LONG)
        if not all(isfinite(cell) for row in rows for cell in row if isinstance(cell, float)):
            raise SqlError(TOO_LARGE)

    def result(self, columns: Sequence[str]) -> Rows:
        is_truncated = len(self._rows) > self._limit
        return Rows(tuple(columns), tuple(self._rows[: self._limit]), truncated=is_truncated)


def _length(cell: Any) -> int:
    """The characters of a value, whatever its type; for a number they are guessed."""
    if isinstance(cell, (str, bytes)):
        return len(cell)
    if isinstance(cell, int):
        return cell.bit_length() // 3 + 1
    return 8 if cell is None or isinstance(cell, float) else len(repr(cell))
