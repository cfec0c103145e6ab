"""Who may use a server, for all servers of one database: tokens, sessions, links to sign in.

Rows of memory.secrets, which the login of a model cannot read. A key is the digest of a secret.
"""

import json
from collections.abc import Callable
from typing import Any

from memory.store.postgres.address import Address
from memory.store.postgres.connection import postgres_errors
from memory.store.postgres.store import looked_at

Records = dict[str, dict[str, Any]]  # by key
_LOCK = 5_391_171_378  # of the advisory lock of whoever changes records


def find(address: Address, kind: str, key: str) -> dict[str, Any] | None:
    """The record of a kind with a key."""
    with postgres_errors(address.location, address.conninfo):
        database = looked_at(address, may_set_up=True)
        with database.own.connection() as conn:
            select = "SELECT value FROM memory.secrets WHERE name = %s"
            row = conn.execute(select, (_name(kind, key),)).fetchone()
    return json.loads(row[0]) if row else None


def change(address: Address, kind: str, change_records: Callable[[Records], None]) -> Records:
    """Change all records of a kind in one transaction, one process at a time; returns them."""
    with postgres_errors(address.location, address.conninfo):
        database = looked_at(address, may_set_up=True)
        with database.own.connection() as conn, conn.transaction():
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            start = _name(kind, "")
            rows = conn.execute(
                "SELECT name, value FROM memory.secrets WHERE starts_with(name, %s)", (start,)
            ).fetchall()
            before = {name.removeprefix(start): json.loads(value) for name, value in rows}
            after = dict(before)
            change_records(after)
            for key in before.keys() - after.keys():
                conn.execute("DELETE FROM memory.secrets WHERE name = %s", (_name(kind, key),))
            for key, record in after.items():
                if before.get(key) != record:
                    conn.execute(
                        "INSERT INTO memory.secrets (name, value) VALUES (%s, %s)"
                        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                        (_name(kind, key), json.dumps(record)),
                    )
    return after


def _name(kind: str, key: str) -> str:
    return f"server {kind} {key}"
