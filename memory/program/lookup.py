"""Questions in plain forms, answered from rows: one SELECT over a subject and an attribute."""

from dataclasses import dataclass

from memory.program.model import MemoryReader, UserQuestion
from memory.records import Rows


@dataclass(frozen=True)
class RowsAnswer:
    """An answer that rows of facts decide, the turns that they rest on, and what found them."""

    text: str
    turn_ids: tuple[int, ...]
    sql: tuple[str, ...]
    rows: tuple[Rows, ...]


def look_up(question: UserQuestion, reader: MemoryReader) -> RowsAnswer | None:
    """The answer to a question in the form of a template, None for any other question."""
    return None
