"""A process that runs statements on a memory under limits of memory and time, and checks each.

    python -m tests.support.sql_fuzzing SEED NUMBER    drawn statements, and mutants of the corpus
    python -m tests.support.sql_fuzzing corpus         each statement of the corpus itself

The kernel judges: a statement may take SECONDS of the processor, and all of them MEGABYTES more
than the process has at its beginning, or the process dies or runs out of memory. A SELECT gives the
same rows as on a connection without walls, or a SqlError that is meant. The last statement is in
the file `statement.sql` of the working directory.
"""

import re
import resource
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

from memory import SqlError, Turn, open_store
from memory.sql import split
from memory.sql.tables import DATES
from memory.store.sqlite import authorizer
from memory.store.sqlite import store as sqlite
from memory.store.sqlite.connection import add_functions_of_models
from tests.conftest import CAT, DOG, MOVED, SAID
from tests.support import sql_statements
from tests.support.rendered import rendered
from tests.support.rows import connection_of

DEADLINE = 0.3  # seconds, so that statements that are too slow are soon done with
SECONDS = 8  # of the processor
MEGABYTES = 700
CORPUS = Path(__file__).parent.parent / "memory" / "sql"
# What means something else in plain SQLite: a text there is cast to the digits that it begins with,
# functions of dates know no date as exact as known, and count from the clock, and a COALESCE or
# CASE of real and whole numbers is divided as what it happens to be.
OTHER_MEANING = re.compile(
    r"\b(?:cast|date|datetime|strftime|julianday|concat|total|collate|now|extract|current_\w+)\b"
    r"|::|\bin\s*\(\(|\b(?:happened_on|ended_on|said_at|recorded_at)\b[^,]* - "
    r"|(?=.*\b(?:coalesce|case|ifnull)\b).*/",
    re.DOTALL,
)
HITS = [(3, 0.83), (1, 1e-05), (2, -0.5)]  # of each search()
LONG_TEXTS = ["a" * 1_000_000, "а́ " * 300_000, "word % _ " * 100_000]
# Why a statement that the parser lets through may be refused.
MEANT = re.compile(
    "too slow|too much|too long a|a value is too long|select at most|at most 200 bytes"
    "|integer overflow|more than 36 aggregate terms|parser stack overflow|too many"
    "|at most 64 tables in a join|at most 20000 characters|not be empty|must be given|names no turn"
    "|this would change|Expression tree is too large|datatype mismatch|a number is too large"
)


def make_memory(path: Path) -> sqlite.SqliteStore:
    """Five turns, three facts, and three turns as long as turns are seldom."""
    store = open_store(path)
    assert isinstance(store, sqlite.SqliteStore)
    store.add(SAID)
    for statement in (MOVED, CAT, DOG):
        store.write(statement, cause="test")
    connection_of(store).executemany(
        "INSERT INTO turns (kind, session, speaker, text, said_at, source)"
        " VALUES ('message', 'long', 'Eve', ?, '2024', '')",
        [(text,) for text in LONG_TEXTS],
    )
    return store


def refuse_unmeant(error: SqlError, statement: str, by_parser: bool = False) -> None:
    """Fail for a refusal that nobody meant; the parser may refuse for many more reasons."""
    # What runs out of memory is refused like the rest; but here nothing should come so far.
    assert not isinstance(error.__cause__, MemoryError), statement
    assert by_parser or MEANT.search(str(error)), f"{error}: {statement}"


def plain(row: Sequence[object]) -> str:
    """A row, its real numbers to twelve digits: sums of ours are exact."""
    return repr([f"{cell:.12g}" if isinstance(cell, (int, float)) else cell for cell in row])


class Fuzzing:
    """A memory, and the same file on a connection without authorizer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outcomes: Counter[str] = Counter()
        self.store = make_memory(folder / "memory.db")
        self.reader = authorizer.open_reader(self.store.path)
        self.unguarded = sqlite3.connect(self.store.path)
        add_functions_of_models(self.unguarded)

    def read(self, statement: str) -> None:
        """Run a SELECT with and without walls, and compare."""
        try:
            text = rendered(statement, lambda text, k: HITS[:k])
        except SqlError:
            self.outcomes["refused by the parser"] += 1
            return
        try:
            rows = authorizer.select(self.reader, text, limit=200, seconds=DEADLINE)
        except SqlError as error:
            refuse_unmeant(error, statement)
            self.outcomes["refused by a wall"] += 1
            return
        expected = self.unguarded.execute(text).fetchmany(201)
        assert rows.rows == tuple(expected[:200]), statement
        # The statement as it was written means the same, in any order. Where it says '' of a date
        # it means NULL, which only the policy knows (tests/memory/sql/test_policy.py).
        lowered = statement.lower()
        no_date = "''" in lowered and any(date in lowered for date in DATES)
        is_the_same = not (no_date or OTHER_MEANING.search(lowered))
        if "search" not in lowered and "limit" not in lowered and is_the_same:
            [own] = split(statement)
            try:
                written = self.unguarded.execute(own.text).fetchmany(201)
            except sqlite3.OperationalError:  # sqlglot reads more than SQLite does
                self.outcomes["read by the parser only"] += 1
                return
            if len(written) < 200:
                assert Counter(map(plain, written)) == Counter(map(plain, expected)), statement
        self.outcomes["the same rows"] += 1

    def write(self, statement: str) -> None:
        """Run a change; it is taken back, so that the next one finds the same facts."""
        before = self.store.facts()
        turns = self.unguarded.execute("SELECT count(*), max(id) FROM turns").fetchone()
        try:
            change = self.store.write(statement, cause="fuzzing")
        except SqlError as error:
            refuse_unmeant(error, statement, by_parser=True)
            self.outcomes["changes refused"] += 1
        else:
            if change.facts:
                self.store.undo(change.id)
            self.outcomes["changes"] += 1
        assert self.store.facts() == before, statement
        after = self.unguarded.execute("SELECT count(*), max(id) FROM turns").fetchone()
        assert after == turns, statement

    def run(self, statement: str) -> None:
        """Run a statement, by the kernel's leave."""
        (self.folder / "statement.sql").write_text(statement, "utf-8", "surrogatepass")
        usage = resource.getrusage(resource.RUSAGE_SELF)
        end = int(usage.ru_utime + usage.ru_stime) + SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))
        self.read(statement)
        if not statement.lstrip().lower().startswith(("(", "select", "with")):
            self.write(statement)


def corpus() -> list[str]:
    """What the parser allows, and attacks: statements that are of one line each."""
    lines = (CORPUS / "allowed.sql").read_text("utf-8").splitlines()[1:]
    attacks = (CORPUS / "attacks.sql").read_text("utf-8").splitlines()
    return lines + [line for line in attacks if not line.startswith("--")]


def mutant(random: Random, statements: Sequence[str]) -> str:
    """A piece of one statement in the place of a piece of another."""
    first, second = random.choice(statements), random.choice(statements)
    words = re.findall(r"\w+|'[^']*'|\s+|.", first)
    other_words = re.findall(r"\w+|'[^']*'|\s+|.", second)
    start, end = sorted(random.choices(range(len(words) + 1), k=2))
    other_start = random.randrange(len(other_words))
    piece = other_words[other_start : other_start + random.randint(1, 12)]
    end = random.choice((start, min(end, start + 6)))
    return "".join([*words[:start], *piece, *words[end:]])


def main(arguments: Sequence[str]) -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_DFL)
    sqlite.WRITE_SECONDS = DEADLINE
    fuzzing = Fuzzing(Path.cwd())
    status = Path("/proc/self/status").read_text("ascii")
    [address_space] = re.findall(r"VmSize:\s+(\d+) kB", status)
    limit = int(address_space) * 1024 + MEGABYTES * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    statements = corpus()
    if arguments != ["corpus"]:
        random = Random(int(arguments[0]))
        kinds = [sql_statements.read, sql_statements.read, sql_statements.write]
        for _ in range(int(arguments[1])):
            kind = random.choice([*kinds, None])
            fuzzing.run(kind(random) if kind else mutant(random, statements))
    else:
        for statement in statements:
            fuzzing.run(statement)
    fuzzing.store.add([Turn("Anna", "Turns can still be added.")])
    print(dict(fuzzing.outcomes))


if __name__ == "__main__":
    main(sys.argv[1:])
