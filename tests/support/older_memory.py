"""Memories in the formats of older versions."""

from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from memory import Turn
from memory.store import migrations
from memory.store.connection import connect


def older_memory(path: Path, schema: int, turns: Sequence[Turn], facts: Sequence[str] = ()) -> None:
    """Make a memory of an older schema, of turns without vectors and of statements on facts."""
    with (
        patch.object(migrations, "_FILES", migrations._FILES[:schema]),
        patch.object(migrations, "VERSION", schema),
    ):
        conn = connect(path, read_only=False)
    conn.executemany(
        "INSERT INTO turns (kind, session, speaker, text, said_at, source)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [(t.kind, t.session, t.speaker, t.text, t.said_at, t.source) for t in turns],
    )
    conn.execute("INSERT INTO changes (at, cause, statement) VALUES ('', 'test', '')")
    for statement in facts:
        conn.execute(statement)
    conn.close()
