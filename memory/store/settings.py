"""Settings of a SQLite namespace, and how often questions brought up its turns."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from memory.model import Setting
from memory.store import journal


def setting_history(conn: sqlite3.Connection, name: str | None) -> list[Setting]:
    """Every value that settings ever had, or that one did, oldest first."""
    rows = conn.execute(
        "SELECT name, value, set_at FROM settings WHERE name = coalesce(?, name) ORDER BY id",
        (name,),
    )
    return [Setting(name, json.loads(value), set_at) for name, value, set_at in rows]


def add_setting(conn: sqlite3.Connection, name: str, value: Any) -> Setting:
    """Give a setting a new value; the ones before stay on record."""
    setting = Setting(name, value, journal.now())
    conn.execute(
        "INSERT INTO settings (name, value, set_at) VALUES (?, ?, ?)",
        (name, json.dumps(value, ensure_ascii=False), setting.set_at),
    )
    return setting


def count_shown(conn: sqlite3.Connection, turn_ids: Sequence[int]) -> None:
    """Note that a question brought up these turns."""
    conn.executemany(
        "INSERT INTO shown VALUES (?, 1) ON CONFLICT (turn_id) DO UPDATE SET times = times + 1",
        [(turn_id,) for turn_id in turn_ids],
    )
