"""Memories as released versions made them, kept as test data: a file and what was in it.

Before a release whose schema has no file yet:

    uv run python -m tests.support.released_memory
"""

import gzip
import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from memory import Memory, Store, Turn, facts
from memory.store import migrations
from memory.store.configuration.declared_settings import Settings
from memory.store.forgetting.forget import BACKUP
from memory.store.turns.tags import set_tags

FOLDER = Path(__file__).parents[1] / "memory" / "store" / "released"
QUESTIONS = ("Where does Anna live?", "Who has a cat?", "violin lessons on Tuesday")


def used_memory(path: Path) -> None:
    """A memory in which everything was done once."""
    with Memory(path) as memory:
        store = memory.store
        memory.add(
            [
                Turn("Anna", "I live in Oslo.", "s1", "2024-05-01T10:00", "D1:1"),
                Turn("Ben", "My cat is called Miso.", "s1", "2024-05-01T10:01", "D1:2"),
                Turn("Anna", "My violin lessons are on Tuesday.", "s1", "2024-05-01T10:02"),
                Turn("Assistant", "Noted.", "s1", "2024-05-01T10:03"),
            ],
            metadata={"project": "move", "n": 3},
        )
        memory.add(Turn("Anna", "I moved to Bergen.", "s2", "2025-02-03"))
        memory.add(Turn("manual", "The boiler is behind the door.", "manual.md", kind="document"))
        memory.add(Turn("Ben", "A secret to forget.", "s3", "2025-03-01"))
        memory.add([f"Line {number} of the chat." for number in range(20)], said_at="")
        set_tags(store, [5], {"topic": ["flat", "rent"]})
        Settings(store).set("user", "Anna")
        [home] = [fact for fact in store.facts() if fact.value == "Bergen"]
        change = facts.supersede(store, home.id, "Trondheim", by="Anna")
        store.undo(change.id)
        memory.forget(7)


def contents(store: Store) -> dict[str, Any]:
    """What a memory holds, in words that every later version has."""
    return {
        "turns": [
            [
                *(turn.id, turn.kind, turn.session, turn.speaker, turn.text, turn.said_at),
                *(turn.source, dict(turn.tags)),
            ]
            for turn in store.turns()
        ],
        "facts": [
            [
                *(fact.id, fact.subject, fact.attribute, fact.value, fact.happened_on),
                *(fact.ended_on, fact.turn_id),
            ]
            for fact in store.facts()
        ],
        "changes": [[change.id, change.cause, change.undone_at] for change in store.changes()],
        "hits": {text: [hit.turn_id for hit in store.search(text, 1)] for text in QUESTIONS},
    }


def unpacked(schema: str, path: Path) -> dict[str, Any]:
    """Put the memory of a released schema at a path; returns what was in it when it was made."""
    path.write_bytes(gzip.decompress((FOLDER / f"{schema}.db.gz").read_bytes()))
    recorded: dict[str, Any] = json.loads((FOLDER / f"{schema}.json").read_text("utf-8"))
    return recorded


def _make() -> None:
    schema = f"{migrations.VERSION:04}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "released.db"
        used_memory(path)
        with Memory(path) as memory:
            recorded = contents(memory.store)
        with closing(sqlite3.connect(path, isolation_level=None)) as conn:
            conn.execute("DELETE FROM settings WHERE name = ?", (BACKUP,))
            conn.execute("PRAGMA journal_mode = DELETE")
            conn.execute("VACUUM")
        FOLDER.mkdir(exist_ok=True)
        packed = gzip.compress(path.read_bytes(), mtime=0)
        (FOLDER / f"{schema}.db.gz").write_bytes(packed)
        text = json.dumps(recorded, indent=1, ensure_ascii=False)
        (FOLDER / f"{schema}.json").write_text(f"{text}\n", "utf-8")


if __name__ == "__main__":
    _make()
