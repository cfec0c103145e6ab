"""Settings of a namespace, and whose memory it is.

I, me and "user" are one person, by one name, wherever a turn comes from.

Functions that take a connection run inside the caller's transaction.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from memory.errors import InputError
from memory.records import Setting
from memory.store.changes.points_in_time import now
from memory.store.configuration.setting_values import is_own_value
from memory.store.database import Connection, Cursor, HasConnections
from memory.text.characters import one_line
from memory.text.speakers import speaker_label

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


OWNER = "user"  # the setting with the owner's name, which a chat sets too
UNNAMED = "User"  # the speaker until a name is known
# Of chat protocols, also the speakers of messages without a name: no person asks by one.
ROLES = frozenset({"assistant", "system", "developer", "tool", "function"})
_FIRST_PERSON = frozenset({"", "i", "me", "my", "myself", "user", "the user"})


def owner_of(store: HasConnections) -> str:
    """The owner's name; "" if it is unknown."""
    return _owner_in([setting.value for setting in settings_of(store, OWNER)])


def asker_of(store: HasConnections, name: str = "") -> str:
    """Who asks, whose wishes count, and who "I" is.

    The person that the caller names, as this memory knows them. Without a name, or for I, me or
    "user": the owner, else "user" or "User" as the turns have it. Empty if no such person has
    spoken: a stranger is never taken for the asker, even if no one else has asked for anything.
    """
    with store.reading() as conn:
        return asker_in(rows_of_user(conn), name)


def rows_of_user(conn: Connection) -> Cursor:
    """What a memory knows of its user, for `asker_in`; in one round trip with other statements."""
    return conn.run("owner_and_unnamed", owner=OWNER, unnamed=UNNAMED.lower())


def asker_in(rows: Iterable[Sequence[Any]], name: str = "") -> str:
    """`asker_of`, from what `rows_of_user` has read."""
    owners, speakers = list[str](), list[str]()
    for is_speaker, _, text in rows:
        (speakers if is_speaker else owners).append(text)
    values = [json.loads(text) for text in owners]
    owner = _owner_in([value for value in values if is_own_value(OWNER, value)])
    clean = speaker_label(name)
    key = clean.casefold()
    if key in _FIRST_PERSON or key == owner.casefold():
        return owner or next(iter(speakers), "")
    return "" if key in ROLES else clean


def _owner_in(names: Sequence[Any]) -> str:
    """The newest of the owner's names, as the setting had them."""
    name = str(names[-1]) if names else ""
    return "" if name == UNNAMED else name


def is_first_person(name: str) -> bool:
    """Whether a name means whoever says it: I, me, user."""
    return speaker_label(name).casefold() in _FIRST_PERSON


def is_unnamed(speaker: str) -> bool:
    """Whether a speaker's name only says that it is the user."""
    return one_line(speaker).lower() == UNNAMED.lower()


def writer_of(store: HasConnections, name: str) -> str:
    """The name of a turn's writer: a program passes on names that people chose.

    I, me and "user" are the owner, as in `person_of`; the owner's name in other capitals is not.
    """
    return person_of(store, name) if is_first_person(name) else name


def person_of(store: HasConnections, name: str) -> str:
    """The name of a speaker or of a fact's subject, as this memory has it.

    I, me, "user" and the owner's name in any case are the owner. If no owner is known, "user" stays
    as written, and I and me are "User".
    """
    clean = speaker_label(name)
    key = clean.casefold()
    owner = owner_of(store)
    if key in _FIRST_PERSON or (owner and key == owner.casefold()):
        return owner or (clean if is_unnamed(clean) else UNNAMED)
    return clean
