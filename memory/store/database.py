"""What the modules that both stores share ask of a database: SQL that both databases read alike.

Statements are written as SQLite has them, in one spelling that Postgres needs little change for:
values as `?`, lists of numbers as NUMBERS, tables by their plain names. What the two keep in ways
of their own stands behind `Connection`: the index of words, and the numbers that rows get.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from memory.records import Turn

if TYPE_CHECKING:  # the ranking brings numpy, which most commands do without
    from memory.search.question import Query
    from memory.search.ranking import WordMatches

# The numbers in a JSON list, the value of one parameter: databases limit how many there may be.
NUMBERS = "(SELECT CAST(value AS BIGINT) FROM json_each(?))"


class Cursor(Protocol):
    """The rows of a statement that ran."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchmany(self, size: int = ...) -> list[Any]: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class WordIndex(Protocol):
    """Which turns and facts hold a word, with English endings taken off.

    The words of facts follow the facts by themselves, within the transaction that changes them.
    """

    def put_turns(self, turns: Sequence[Turn]) -> None:
        """Store the words of turns that were just added."""

    def remove_turns(self, turns: Sequence[Turn]) -> None:
        """Take the words of these turns out again."""

    def matches(self, query: "Query") -> "list[WordMatches]":
        """For each word of a question the turns that hold it, or that a fact with it points at."""

    def holds(self, word: str) -> bool:
        """Whether a turn or a fact holds a word."""


class Connection(Protocol):
    """One namespace of a database, within a transaction or outside of one."""

    @property
    def words(self) -> WordIndex: ...

    def run(self, statement: str, /, **values: Any) -> Cursor:
        """Run a named statement of the database's file (sqlite.sql, postgres/postgres.sql).

        A list of numbers or texts is one value.
        """

    def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], /
    ) -> None:
        """Insert whole rows, which have their numbers, into any table but `facts`."""

    def new_id(self, table: str) -> int | None:
        """The number of a new row, None where the table numbers it as it is inserted."""

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Cursor: ...

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Any: ...

    @property
    def integrity_error(self) -> type[Exception]:
        """What is raised for a row that names one that is not there, or breaks another rule."""

    def defer_keys(self) -> None:
        """Check foreign keys at the end of this transaction only."""

    def last_id(self, table: str) -> int:
        """The highest number that a row of this table ever had, 0 for none."""

    def reserve_ids(self, table: str, last: int) -> None:
        """Let no new row of this table have a number up to `last`."""


# Begins a transaction ("IMMEDIATE" unless another kind is named) and ends it with the block.
Transaction = Callable[..., AbstractContextManager[Connection]]
