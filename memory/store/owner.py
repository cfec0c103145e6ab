"""Whose memory it is: I, me and "user" are one person, by one name, wherever a turn comes from."""

from memory.store.database import HasConnections
from memory.store.settings import settings_of

OWNER = "user"  # the setting with the owner's name, which a chat sets too
UNNAMED = "User"  # who speaks while nobody has said a name
_FIRST_PERSON = frozenset({"", "i", "me", "my", "myself", "user", "the user"})


def owner_of(store: HasConnections) -> str:
    """The owner's name; "" where nobody has said it."""
    history = settings_of(store, OWNER)
    name = str(history[-1].value) if history else ""
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
