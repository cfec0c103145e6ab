"""What bounds a model's statement in either database, and what the model reads beyond a limit.

How each database enforces it is in authorizer.py and postgres/model_login.py. What these limits
promise, and against whom, is in docs/security.md.
"""

import time
from collections.abc import Sequence
from typing import Any

from memory.errors import SqlError
from memory.records import Rows

MAX_ROWS = 200  # that a model's SELECT returns
READ_SECONDS = 2.0
WRITE_SECONDS = 5.0  # of a whole change: `add` waits for it
LONGEST_RESULT = 16_000_000  # characters of all rows: one turn of any length can be read

# The messages of both databases: a model's next attempt sees them.
TOO_SLOW = "too slow: narrow it with WHERE, or join fewer tables"
TOO_LONG = "too much text: select fewer columns and rows, or substr(text, 1, 500)"
VALUE_TOO_LONG = "a value is too long: write substr(text, 1, 500), or join fewer texts with ||"
NOT_ALLOWED = "not allowed: only SELECT on turns and facts, and changes to facts"
OTHER_TABLE = "not allowed: only turns and facts can be read"
NO_SUCH_TURN = "turn_id names no turn; use the number in brackets before the turn"
MISSING_VALUE = "subject, attribute, value and turn_id must be given, none may be NULL"
EMPTY_VALUE = "subject, attribute and value must not be empty"


class Deadline:
    """A moment, some seconds from now, after which a model's statement may not run on."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self._end

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
        """Take rows. Raises SqlError when all of them have more than LONGEST_RESULT characters."""
        self._rows += rows
        self._characters += sum(len(cell) for row in rows for cell in row if isinstance(cell, str))
        if self._characters > LONGEST_RESULT:
            raise SqlError(TOO_LONG)

    def result(self, columns: Sequence[str]) -> Rows:
        is_truncated = len(self._rows) > self._limit
        return Rows(tuple(columns), tuple(self._rows[: self._limit]), truncated=is_truncated)
