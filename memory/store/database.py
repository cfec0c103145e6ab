"""What the modules that both stores share ask of a database.

They run statements by name, which are written once for both databases (statement_file.py). Whole
rows are the exception: `insert_rows`, `read_rows`, `find_row` and `delete_row` put their SQL
together from the names of a table and its columns. The parts that differ between databases are also
behind `Connection`: the index of words, the facts with their journal, the numbers of rows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from memory.records import Turn

if TYPE_CHECKING:  # the ranking brings numpy, which most commands do without
    from memory.search.index import FrequentWords
    from memory.search.question import Query
    from memory.search.word_matches import WordMatches


class Cursor(Protocol):
    """The rows of a statement that ran."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchmany(self, size: int = ...) -> list[Any]: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


# A fact's id, and what it says now: subject, attribute and value.
Restatement = tuple[int, str, str, str]


class WordIndex(Protocol):
    """Which turns and facts hold a word, with English endings taken off.

    The words of facts follow the facts by themselves, within the transaction that changes them.
    """

    def put_turns(self, turns: Sequence[Turn]) -> None:
        """Store the words of turns that were just added."""

    def remove_turns(self, turns: Sequence[Turn]) -> None:
        """Take the words of these turns out again."""

    def matches(
        self, query: "Query", frequent: "FrequentWords", turn_ids: tuple[int, int] | None = None
    ) -> "list[WordMatches]":
        """For each word of a question the turns that hold it, or that a fact with it points at.

        Only those from the first to the last of `turn_ids`; words of like meaning and examples
        that many of these hold are left out. `frequent` keeps what takes long to read.
        """

    def holds(self, word: str) -> bool:
        """Whether a turn or a fact holds a word."""

    def turns_holding(self, all_of: Sequence[str], most: int, oldest: bool = False) -> list[int]:
        """The newest or the oldest turns whose texts hold all of some words, at most `most`."""

    def facts_that_may_hold(self, beginnings: Sequence[str]) -> list[int]:
        """The facts with words that begin like each of these, and more: by their first letters."""


class FactTable(Protocol):
    """The facts: the journal and the index of words follow whatever is written here.

    What happens to facts is a part of the newest change.
    """

    def insert(self, facts: Sequence[Sequence[Any]]) -> None:
        """Insert facts that have their numbers, each with the values of FACT_COLUMNS."""

    def end(self, fact_id: int, ended_on: str | None) -> None:
        """Give a fact another end, or none."""

    def date(self, fact_id: int, happened_on: str | None, ended_on: str | None) -> None:
        """Give a fact another beginning and another end, or none."""

    def restate(self, facts: Sequence[Restatement]) -> None:
        """Give facts another subject, attribute and value."""

    def delete(self, fact_ids: Sequence[int]) -> None: ...

    def log(self) -> None:
        """Write into the journal what happened to facts; call it before the journal is used.

        SQLite's triggers have written it by then. Postgres writes all entries at once.
        """


def newer_schema(location: str, schema: str) -> str:
    """Why this version leaves an act on a whole memory to the version that its schema is of."""
    return (
        f"{location}: its schema {schema} is newer than this version, which reads and writes it;"
        " forgetting, deleting, exporting and copying are for the newer one, which knows all tables"
    )


def restatements(facts: Sequence[Restatement]) -> list[dict[str, Any]]:
    """The values of the statement `restate_fact`."""
    names = ("fact_id", "subject", "attribute", "value")
    return [dict(zip(names, fact, strict=True)) for fact in facts]


class Connection(Protocol):
    """One namespace of a database, within a transaction or outside of one."""

    @property
    def words(self) -> WordIndex: ...

    @property
    def facts(self) -> FactTable: ...

    def run(self, statement: str, /, **values: Any) -> Cursor:
        """Run a named statement (statements.sql).

        A list of numbers or texts is one value.
        """

    def together(self) -> AbstractContextManager[None]:
        """Send the statements that the block runs to a server at once, in one round trip.

        They only read, and their rows are taken after the block.
        """

    def run_many(self, statement: str, rows: Iterable[dict[str, Any]], /) -> None:
        """Run a named statement for each of these rows of values."""

    def insert_rows(
        self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], /
    ) -> None:
        """Insert whole rows, which have their numbers, into any table but `facts`.

        Postgres loads many rows by COPY.
        """

    def read_rows(self, table: str, columns: Sequence[str], order: Sequence[str]) -> Cursor:
        """The columns of all rows of a table, in the order of some of them."""

    def find_row(
        self, table: str, columns: Sequence[str], key: Mapping[str, Any]
    ) -> tuple[Any, ...] | None:
        """The columns of the row that has these values in its key."""

    def delete_row(self, table: str, key: Mapping[str, Any]) -> None:
        """Delete the row that has these values in its key."""

    def new_id(self, table: str) -> int | None:
        """The number of a new row; None if the table numbers it on insertion."""

    @property
    def integrity_error(self) -> type[Exception]:
        """The error for a row that names a missing row, or breaks another rule."""

    def defer_keys(self) -> None:
        """Check foreign keys at the end of this transaction only."""

    def item_keys(self, makes: bool = False) -> list[bytes]:
        """The keys that this machine knows for marks of forgotten turns, that for new ones first.

        `makes` one if there is none. [] if no connection can be kept.
        """

    def last_id(self, table: str) -> int:
        """The highest number that a row of this table ever had, 0 for none."""

    def reserve_ids(self, table: str, last: int) -> None:
        """Let no new row of this table have a number up to `last`."""


class HasConnections(Protocol):
    """A store, as far as it lets functions work on its namespace."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection for statements that read; errors of the database become ours."""

    def transaction(self, kind: str = "IMMEDIATE") -> AbstractContextManager[Connection]:
        """A transaction: all of it or nothing, whatever is raised inside.

        IMMEDIATE is the only writer of this namespace; DEFERRED reads, all of one moment.
        """


# Begins a transaction ("IMMEDIATE" unless another kind is named) and ends it with the block.
Transaction = Callable[..., AbstractContextManager[Connection]]
