"""What each user of a server has used today, for all servers of one database; see `DayUsage`.

Rows of memory.secrets, as tokens and sessions are, `server used DAY USER`: the login of a model
cannot read them. A value is a text of four numbers, "{3,120,1,900}".
"""

from dataclasses import astuple

from memory.store.configuration.day_usage import DAYS_KEPT, UNBOUNDED, Usage, today
from memory.store.postgres.address import Address, read_address
from memory.store.postgres.connection import pipeline, postgres_errors
from memory.store.postgres.pool import begin
from memory.store.postgres.store import looked_at

_START = "server used "
_COUNT = """
INSERT INTO memory.secrets AS used (name, value)
VALUES (%(name)s, %(more)s::bigint[]::text)
ON CONFLICT (name) DO UPDATE SET value = (
    SELECT array_agg(a + b ORDER BY place)::text
    FROM unnest(used.value::bigint[], %(more)s::bigint[]) WITH ORDINALITY AS each (a, b, place)
)
WHERE NOT EXISTS (
    SELECT FROM unnest(used.value::bigint[], %(most)s::bigint[]) AS each (a, most) WHERE a > most
)
"""
_DELETE_OLD = """
WITH used AS (
    SELECT name, substr(name, length(%(start)s) + 1, 10) COLLATE "C" AS day
    FROM memory.secrets WHERE starts_with(name, %(start)s)
)
DELETE FROM memory.secrets WHERE name IN (
    SELECT name FROM used WHERE day < %(day)s
        AND day NOT IN (SELECT DISTINCT day FROM used ORDER BY day DESC LIMIT %(kept)s)
)
"""


class DatabaseDayUsage:
    """The counts in a Postgres database."""

    def __init__(self, text: str) -> None:
        self._address: Address = read_address(text, needs_namespace=False)
        self._day = ""

    def count(self, user: str, more: Usage, most_before: Usage = UNBOUNDED) -> bool:
        """See `DayUsage`."""
        if not Usage().is_within(most_before):
            return False
        day = today()
        values = {
            "name": f"{_START}{day} {user}",
            "more": [*astuple(more)],
            "most": [*astuple(most_before)],
        }
        with postgres_errors(self._address.location, self._address.conninfo):
            database = looked_at(self._address, may_set_up=True)
            with database.own.connection() as conn, pipeline(conn):
                begin(conn)
                # A count lost in a power failure does no harm, so no one waits for the disk.
                conn.execute("SET LOCAL synchronous_commit = off")
                cursor = conn.execute(_COUNT, values)
                if day != self._day:
                    conn.execute(_DELETE_OLD, {"start": _START, "day": day, "kept": DAYS_KEPT})
                conn.execute("COMMIT")
        self._day = day
        return cursor.rowcount > 0

    def of_user(self, user: str) -> Usage:
        """See `DayUsage`."""
        return self.of_all().get(user, Usage())

    def of_all(self) -> dict[str, Usage]:
        """See `DayUsage`."""
        start = f"{_START}{today()} "
        with postgres_errors(self._address.location, self._address.conninfo):
            database = looked_at(self._address, may_set_up=True)
            with database.own.connection() as conn:
                rows = conn.execute(
                    "SELECT substr(name, %s), value::bigint[] FROM memory.secrets"
                    " WHERE starts_with(name, %s)",
                    (len(start) + 1, start),
                ).fetchall()
        return {user: Usage(*used) for user, used in rows}

    def close(self) -> None:
        """See `DayUsage`."""
