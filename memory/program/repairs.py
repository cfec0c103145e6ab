"""Asks a model for SQL, and sends refused SQL back to it."""

from collections.abc import Callable, Collection
from typing import TypeVar

from dspy.utils.exceptions import AdapterParseError

from memory.errors import RefusedRowsError, SqlError, WindowError
from memory.sql import MAX_ANSWER

CALLS_WITH_REPAIRS = 3  # of a model for one statement: the first and two repairs
# Characters of a refused answer that are sent back. An answer that the policy can read at all
# (memory.sql) is sent back whole, so that it can be corrected; of megabytes the beginning will do.
MOST_SENT_BACK = MAX_ANSWER
MOST_UNREADABLE_SENT_BACK = 2_000
# How the error for an answer without SQL begins; a server's error pages count as such.
NO_SQL = "no SQL could be read from the answer"
_ROWS = "rows of your answer"
T = TypeVar("T")


def with_repairs(
    ask: Callable[[str, Collection[int]], str],
    run: Callable[[str], T],
    refused: str = "",
    calls: int = CALLS_WITH_REPAIRS,
) -> tuple[T, str, list[str]]:
    """Ask for SQL and run it; refused SQL, with the reason, is the next call's feedback.

    Arguments:
        ask: feedback ("" at first), the turns of the rows to correct (empty: all) -> SQL; one
            model call.
        run: SQL -> its result; raises SqlError.
        refused: the first feedback, if SQL was refused before.
        calls: how often the model is asked at most.

    Returns (result, the SQL that ran, the refusals before it). Raises the last SqlError, which
    has all refusals, when the last answer is still refused; a WindowError at once.
    """
    feedback, turn_ids = refused, frozenset[int]()
    refusals: list[str] = []
    last_error = SqlError("")
    for call in range(1, calls + 1):
        try:
            sql = ask(feedback, turn_ids)
        except AdapterParseError as error:
            response = _sendable(error.lm_response, MOST_UNREADABLE_SENT_BACK)
            last_error = SqlError(f"{NO_SQL}: {response[:500] or 'it says nothing'}")
            feedback = f"Your answer could not be read:\n{response}"
            refusals.append(feedback)
            continue
        try:
            return run(sql), sql, refusals
        except SqlError as error:
            last_error = error
            feedback = refusal(sql, str(error))
            refusals.append(feedback)
            turn_ids = error.turn_ids if isinstance(error, RefusedRowsError) else frozenset()
            if turn_ids:  # the rows are in the reasons, and the others are kept
                feedback = refusal(_ROWS, str(error))
        except WindowError as error:
            error.calls = call
            raise
    last_error.refusals = tuple(refusals)
    raise last_error


def refusal(sql: str, reason: str) -> str:
    """Refused SQL with the reason, to send back to its model."""
    refused, because = (_sendable(text, MOST_SENT_BACK) for text in (sql, reason))
    return f"Refused:\n{refused}\nBecause: {because}"


def _sendable(text: str, most: int) -> str:
    """The beginning of a text that a model wrote, so that it can be sent back to it."""
    # A model may write half a surrogate pair; DSPy refuses to send one back.
    beginning = text[:most].encode("utf-8", "replace").decode()
    return beginning if len(text) <= most else f"{beginning}\n... (cut: {len(text):,} characters)"
