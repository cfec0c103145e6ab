"""Whose memory it is: I, me and "user" are one person, by one name, wherever a turn comes from."""

import json
from collections.abc import Sequence
from typing import Any

from memory.store.database import HasConnections
from memory.store.setting_values import is_own_value
from memory.store.settings import settings_of

OWNER = "user"  # the setting with the owner's name, which a chat sets too
UNNAMED = "User"  # who speaks while nobody has said a name
_FIRST_PERSON = frozenset({"", "i", "me", "my", "myself", "user", "the user"})


def owner_of(store: HasConnections) -> str:
    """The owner's name; "" where nobody has said it."""
    return _owner_in([setting.value for setting in settings_of(store, OWNER)])


def asker_of(store: HasConnections) -> str:
    """Who asks where nobody is named: the owner, else "user" or "User", as the turns have it.

    Empty where nobody speaks under either.
    """
    with store.reading() as conn:  # both at once: a question waits for each round trip
        rows = conn.run("owner_and_unnamed", owner=OWNER, unnamed=UNNAMED.lower()).fetchall()
    values = [json.loads(text) for is_speaker, _, text in rows if not is_speaker]
    speakers = [text for is_speaker, _, text in rows if is_speaker]
    owner = _owner_in([value for value in values if is_own_value(OWNER, value)])
    return owner or next(map(str, speakers), "")


def _owner_in(names: Sequence[Any]) -> str:
    """The newest of the owner's names, as the setting had them."""
    name = str(names[-1]) if names else ""
    return "" if name == UNNAMED else name


def is_unnamed(speaker: str) -> bool:
    """Whether a speaker's name only says that it is the user."""
    return speaker.strip().casefold() == UNNAMED.casefold()


def person_of(store: HasConnections, name: str) -> str:
    """The name of a speaker, or of whom a fact is about, as this memory has it.

    I, me, "user" and the owner's name in any case are the owner. Where no owner is known, "user"
    stays as it is written, and I and me are "User".
    """
    clean = " ".join(name.split())
    key = clean.casefold()
    owner = owner_of(store)
    if key in _FIRST_PERSON or (owner and key == owner.casefold()):
        return owner or (clean if is_unnamed(clean) else UNNAMED)
    return clean
