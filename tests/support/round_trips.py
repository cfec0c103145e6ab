"""How often a client waits for Postgres."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import pytest


@contextmanager
def protocol_messages() -> Iterator[list[str]]:
    """The messages of libpq to the server, on all connections that stores take meanwhile."""
    from memory.store.postgres.pool import Pool

    messages: list[str] = []
    traces = {}
    take = Pool.take

    def traced(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        conn = take(self, *args, **kwargs)
        if conn not in traces:
            traces[conn] = tempfile.TemporaryFile("w+")  # noqa: SIM115
            conn.pgconn.trace(traces[conn].fileno())
        return conn

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "take", traced)
        yield messages
    for conn, file in traces.items():
        conn.pgconn.untrace()
        file.seek(0)
        fields = [line.split("\t") for line in file]
        messages += [line[3].strip() for line in fields if len(line) > 3 and line[1] == "F"]
        file.close()


def round_trips(messages: list[str]) -> int:
    """How often the client waits: for what it has asked to be sent, by Sync, Flush or Query."""
    waits = [name for name in messages if name in ("Sync", "Flush", "Query")]
    # psycopg ends a pipeline by a Sync with a Flush right behind it, and waits once for both.
    ends = [pair for pair in pairwise(messages) if pair == ("Sync", "Flush")]
    return len(waits) - len(ends)
