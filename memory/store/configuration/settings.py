"""Settings of a namespace, and how often questions brought up its turns.

Functions that take a connection run inside the caller's transaction.
"""

import json
from collections.abc import Sequence
from typing import Any

from memory.errors import InputError
from memory.records import Setting
from memory.store.changes.points_in_time import now
from memory.store.configuration.setting_values import is_own_value
from memory.store.database import Connection, HasConnections

_SET_OTHERWISE = {
    "embedder": (
        "the setting embedder says who made the vectors; reembed (memory admin embed)"
        " makes them anew by another one"
    ),
    "vocabulary": "the setting vocabulary is set by set_vocabulary (memory facts attributes)",
}


def settings_of(store: HasConnections, name: str | None = None) -> list[Setting]:
    """Every value that all settings ever had, or the one of this name, oldest first.

    The newest value of a setting counts. A value that sql-memory would not have written is ignored
    (`is_own_value`).
    """
    with store.reading() as conn:
        return setting_history(conn, name)


def set_setting(store: HasConnections, name: str, value: Any) -> Setting:
    """Give a setting a new value (anything JSON holds); the ones before stay on record.

    Raises InputError for "embedder" and "vocabulary", which `Vectors.reembed` and
    `set_vocabulary` set.
    """
    if name in _SET_OTHERWISE:
        raise InputError(_SET_OTHERWISE[name])
    with store.transaction() as conn:
        return add_setting(conn, name, value)


def setting_history(conn: Connection, name: str | None) -> list[Setting]:
    """Every value that settings ever had, or that one did, oldest first."""
    rows = conn.run("settings") if name is None else conn.run("settings_of_name", name=name)
    settings = [Setting(name, json.loads(value), set_at) for _, name, value, set_at in rows]
    return [setting for setting in settings if is_own_value(setting.name, setting.value)]


def add_setting(conn: Connection, name: str, value: Any) -> Setting:
    """Give a setting a new value; the ones before stay on record."""
    setting = Setting(name, value, now())
    conn.run(
        "insert_setting",
        id=conn.new_id("settings"),
        name=name,
        value=json.dumps(value, ensure_ascii=False),
        set_at=setting.set_at,
    )
    return setting


def remove_setting(conn: Connection, name: str, value: Any) -> None:
    """Remove the rows where one of the store's own settings has a value."""
    conn.run("delete_setting", name=name, value=json.dumps(value, ensure_ascii=False))


def update_setting(conn: Connection, name: str, value: Any) -> None:
    """Put a new value over the ones that a setting of the store's own had."""
    conn.run("update_setting", name=name, value=json.dumps(value), set_at=now())


def count_shown(conn: Connection, turn_ids: Sequence[int]) -> None:
    """Note that a question brought up these turns."""
    if max(turn_ids, default=0) >= 2**63:
        raise OverflowError  # as sqlite3 does; in a list the number would become another one
    conn.run("count_shown", turn_ids=[*turn_ids])


def times_shown(store: HasConnections) -> dict[int, int]:
    """How often questions brought up each turn; turns that none brought up are left out."""
    with store.reading() as conn:
        return dict(conn.run("shown_turns").fetchall())
