"""The key of a database that marks forgotten turns: a row of memory.secrets, hidden from models."""

import secrets

import psycopg

_NAME = "key of forgotten items"


def item_key(conn: psycopg.Connection, makes: bool = False) -> list[bytes]:
    """The key; [] if there is none yet, and it is not to be made."""
    if makes:
        insert = "INSERT INTO memory.secrets (name, value) VALUES (%s, %s) ON CONFLICT DO NOTHING"
        conn.execute(insert, (_NAME, secrets.token_hex(32)))
    select = "SELECT value FROM memory.secrets WHERE name = %s"
    return [bytes.fromhex(key) for (key,) in conn.execute(select, (_NAME,))]
