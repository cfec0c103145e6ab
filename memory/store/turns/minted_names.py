"""The names that only this memory gives: what a plain text of that form would be taken for.

Sessions hold an agent's files or corrections, tags say whose words a turn has and when it is
forgotten, and sources say that a message is stored already. Whoever could write them could speak
for others, hide turns, or take the place of a message that is yet to come. So they are of the type
`Minted`, which importers, frameworks and a store's own reads make, and no file or request can.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from memory.errors import InputError
from memory.records import CORRECTIONS, Minted, Turn
from memory.text import speakers, turn_lines
from memory.text.characters import LONGEST_SOURCE, label, one_line, sound_text

WRITTEN_AS = Minted("written_as")  # a speaker's name as it came, where its label is another
# An imported turn's speaker by their id in the other program, or ME for the person who
# imported it: nothing else says that its words are the asker's, and ME's are no standing wishes.
IMPORTED_AS, ME = Minted("imported_as"), "me"
# The moment, in UTC, from which a turn is forgotten with all that it says (expiry.py).
FORGET_AFTER = Minted("forget_after")
# Who speaks, where only a message's role said so: an assistant that has a name.
SPOKEN_BY = Minted(speakers.SPOKEN_BY)
# What a framework took out of its view: people can undo it, or forget the turn.
HIDDEN = Minted("hidden")
# A turn that is in every block for a prompt, or in none (pins.py).
PINNED = Minted("pinned")
# Of a document that a later version replaced (exchange/documents/document_chunks.py).
OLDER_VERSION = Minted(turn_lines.OLDER_VERSION)
# The days that a turn speaks of, as ISO dates or spans of them (days.py).
SPEAKS_OF = Minted("speaks_of")
FRAMEWORKS = ("memory tool ", "langgraph ", "openai-agents ")  # before the keys of their tags

# A turn that a model wrote down by its tool: its words may be the person's, its orders are not.
WRITTEN_BY, A_MODEL = Minted("written_by"), "model"

_TAGS = frozenset(
    {
        WRITTEN_AS,
        WRITTEN_BY,
        IMPORTED_AS,
        FORGET_AFTER,
        SPOKEN_BY,
        HIDDEN,
        SPEAKS_OF,
        OLDER_VERSION,
        PINNED,
    }
)
SESSIONS = (CORRECTIONS, "memory tool /", "langgraph [")  # before a path, and before a namespace
# Before the ids that importers give, by their names; of some, after the name of an agent.
IMPORTERS = (
    *("chatgpt", "claude", "claude-code", "codex", "csv", "discord", "gemini", "grok", "jsonl"),
    *("langmem", "ltm", "mem0", "messages", "messenger", "oobabooga", "open-webui", "opencode"),
    *("signal", "sillytavern", "slack", "telegram", "whatsapp"),
)
IMPORTED = tuple(f"{name}:" for name in IMPORTERS)
# Of a part of a document, and of a message that went through the proxy.
OF_OURS = re.compile(r"@[0-9a-f]{8}:|:(?:user|assistant):[0-9a-f]{16}:")
_FROM_OUTSIDE = "from outside: "  # before a session that a file calls like one of ours


def is_minted_tag(key: str) -> bool:
    """Whether a tag's key has a meaning of ours."""
    return key in _TAGS or key.startswith(FRAMEWORKS)


def is_minted_session(session: str) -> bool:
    """Whether a session's name has a meaning of ours."""
    return session == CORRECTIONS or session.startswith(SESSIONS[1:])


def is_minted_source(source: str) -> bool:
    """Whether this memory gives such an outside id."""
    return source.startswith(IMPORTED) or OF_OURS.search(source) is not None


def session_label(session: str) -> str:
    """A session's name as turns have it."""
    name = label(sound_text(session), LONGEST_SOURCE)
    return Minted(name) if isinstance(session, Minted) else name


def source_label(source: str) -> str:
    """An outside id as turns have it."""
    name = label(sound_text(source), LONGEST_SOURCE)
    return Minted(name) if isinstance(source, Minted) else name


def refuse_minted(session: str, source: str, where: str = "") -> None:
    """Raise InputError for a plain session or source that reads like one of ours."""
    if not isinstance(session, Minted) and is_minted_session(session_label(session)):
        raise InputError(f"{where}the session {session!r:.60} is the memory's own; take another")
    if not isinstance(source, Minted) and is_minted_source(source_label(source)):
        raise InputError(
            f"{where}the source {source!r:.60} is an id that imports give; put a name of yours"
            " before it"
        )


def refuse_minted_tag(key: str, where: str = "") -> None:
    """Raise InputError for a plain key that is one of ours."""
    if isinstance(key, Minted) or not is_minted_tag(key):
        return
    if key == FORGET_AFTER:
        advice = "give `expires`, or set it by Memory.expire or memory admin call expire"
        raise InputError(f"{where}{key} says when a turn is forgotten: {advice}")
    raise InputError(f"{where}the tag {key!r:.60} is the memory's own; take another key")


def as_read(text: str) -> str:
    """A stored tag's key, as a turn that is read has it: turns can be added to another memory."""
    return Minted(text) if is_minted_tag(text) else text


def from_outside(turn: Turn) -> Turn:
    """A turn of a file, without what a file may not say: our tags, and sessions called like ours.

    The id that the importer gave it becomes ours.
    """
    tags: Mapping[str, Any] = {
        key: value
        for key, value in turn.tags.items()
        if isinstance(key, Minted) or not is_minted_tag(one_line(sound_text(str(key))))
    }
    session = turn.session
    if not isinstance(session, Minted) and is_minted_session(session_label(session)):
        session = _FROM_OUTSIDE + session
    return replace(turn, session=session, source=Minted(turn.source), tags=tags)
