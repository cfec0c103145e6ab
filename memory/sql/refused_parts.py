"""Parts of a model's answer that are refused, while the others can be stored."""

from collections.abc import Callable

from memory.errors import SqlError
from memory.sql.checked import CheckedWrites


class RefusedPartError(SqlError):
    """A part of a model's answer is refused; `without` has its other statements.

    They are stored if the model does not repair its answer.
    """

    def __init__(self, message: str, without: CheckedWrites) -> None:
        super().__init__(message)
        self.without = without


def check_parts(writes: CheckedWrites, *checks: Callable[[CheckedWrites], None]) -> None:
    """Run checks that each raise RefusedPartError, and raise one for all that they refuse."""
    messages: list[str] = []
    for check in checks:
        try:
            check(writes)
        except RefusedPartError as error:
            messages.append(str(error))
            writes = error.without
    if messages:
        raise RefusedPartError("; ".join(messages), writes)
