"""Which turns a memory accepts, whatever its database, and the moment they are said at.

Sessions hold an agent's files or corrections, tags say whose words a turn has and when it is
forgotten, and sources say that a message is stored already. Whoever could write them could speak
for others, hide turns, or take the place of a message that is yet to come. So they are of the type
`Minted`, which importers, frameworks and a store's own reads make, and no file or request can.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, get_args

from memory.errors import InputError
from memory.records import CORRECTIONS, Kind, Minted, Turn
from memory.text import speakers, turn_lines
from memory.text.characters import (
    LONGEST_SOURCE,
    is_visible,
    label,
    one_line,
    sound_text,
    told_apart,
)
from memory.text.speakers import speaker_label
from memory.text.turn_filter import tag_texts
from memory.text.written_dates import in_zone, written_date, zone_called

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
# The days that a turn speaks of, as ISO dates or spans of them (tags.py).
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
OF_OURS = re.compile(r"@[0-9a-f]{8}:|:(?:user|assistant):[0-9a-f]{16}(?::|$)")
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


MAX_TURN_CHARACTERS = 4_000_000
MAX_TAG_CHARACTERS = 200  # of a key or a value; Postgres indexes at most 2,700 bytes


def valid_turn(turn: Turn, number: int) -> Turn:
    """The turn as a database can hold it, with names that stand on a line: see `label`.

    A speaker whose name only looks like another is marked (`speaker_label`). The turn's text
    stays word for word, except that NUL and lone surrogates become U+FFFD. A name that was
    spelled differently is in the tag WRITTEN_AS: it looks like a known person's, but its wishes are
    not that person's. A date in a form that `written_date` reads becomes ISO text. `number` is the
    turn's position among the given ones, from 1, for the message. Raises InputError for anything
    but a turn, and for a turn without text or speaker, of an unknown kind, or too long.
    """
    if not isinstance(turn, Turn):
        raise InputError(
            f"turn {number} is {type(turn).__name__}, no Turn; write Turn(speaker, text)"
        )
    if isinstance(turn.said_at, date):  # a datetime is one
        turn = replace(turn, said_at=turn.said_at.isoformat())
    texts = (turn.speaker, turn.text, turn.session, turn.said_at, turn.source)
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"turn {number}: speaker, text, session, said_at and source must be text")
    if not is_visible(turn.text):
        raise InputError(f"turn {number} ({turn.speaker or 'no speaker'}) has no text")
    is_message = turn.kind == "message"
    speaker = (
        speaker_label(turn.speaker) if is_message else told_apart(label(sound_text(turn.speaker)))
    )
    if not speaker:
        raise InputError(f"turn {number} has no speaker")
    if turn.kind not in get_args(Kind):
        raise InputError(f"turn {number}: kind {turn.kind!r} is not message, document or tool")
    if len(turn.text) > MAX_TURN_CHARACTERS:
        raise InputError(
            f"turn {number} has {len(turn.text):,} characters; split it, at most"
            f" {MAX_TURN_CHARACTERS:,} fit one turn"
        )
    refuse_minted(turn.session, turn.source, f"turn {number}: ")
    said_at = label(sound_text(turn.said_at))
    tags = valid_tags(turn.tags, f"turn {number}: ")
    if speaker != turn.speaker and is_message:
        tags[WRITTEN_AS] = ascii(turn.speaker)[:MAX_TAG_CHARACTERS]
    valid = replace(
        turn,
        speaker=speaker,
        text=sound_text(turn.text),
        session=session_label(turn.session),
        said_at=written_date(said_at) or said_at,
        source=source_label(turn.source),
        tags=tags,
    )
    # A call may add a million turns: most are unchanged, and need no second copy.
    return turn if valid == turn else valid


def has_clean_names(turn: Turn) -> bool:
    """Whether a turn's names are as `valid_turn` stores them; an older version stored any text."""
    names = (turn.speaker, turn.said_at, turn.session, turn.source)
    clean = (
        *(label(sound_text(name)) for name in names[:2]),
        session_label(turn.session),
        source_label(turn.source),
    )
    tags = (text for item in turn.tags.items() for text in (item[0], *tag_texts(item[1], item[0])))
    return names == clean and all(text == _tag_label(text) for text in tags)


def valid_tags(tags: Mapping[str, Any], where: str = "") -> dict[str, str | Sequence[str]]:
    """Tags as a database can hold them, each on a line. Raises InputError, begun with `where`."""
    if not isinstance(tags, Mapping):
        raise InputError(f'{where}tags are an object such as {{"project": "move"}}')
    sound: dict[str, str | Sequence[str]] = {}
    for key, value in tags.items():
        values = tag_texts(value, f"{where}the tag {key!r:.60}")
        for text in (key, *values):
            if not isinstance(text, str) or not one_line(text):
                raise InputError(f"{where}the key and the values of a tag are texts, not {text!r}")
            if len(text) > MAX_TAG_CHARACTERS:
                raise InputError(
                    f"{where}the tag {text[:40]!r}... is too long; a key or a value has at most"
                    f" {MAX_TAG_CHARACTERS} characters"
                )
        if values:
            texts = sorted({*map(_tag_label, values)})
            name = key if isinstance(key, Minted) else _tag_label(key)
            refuse_minted_tag(name, where)
            sound[name] = texts if len(texts) > 1 else texts[0]
    return sound


def _tag_label(text: str) -> str:
    return one_line(sound_text(text))


def told_in_zone(turns: Sequence[Turn], setting: str) -> Sequence[Turn]:
    """Turns with their times in the zone that the setting TIMEZONE names (`in_zone`).

    What names no zone, as a file may hold, changes nothing.
    """
    try:
        zone = zone_called(json.loads(setting))
    except ValueError:
        zone = None
    if zone is None:
        return turns
    return [replace(turn, said_at=in_zone(turn.said_at, zone)) for turn in turns]


def local_now() -> str:
    """The moment, as `said_at` of a turn: this machine's time and its distance from UTC.

    Its date is the day that people mean when they say "today". The distance is part of it because
    a time without a zone counts as UTC.
    """
    return in_local_zone(datetime.now()).isoformat(timespec="seconds")


def in_local_zone(moment: datetime) -> datetime:
    """A moment of this machine's clock with its zone; in UTC where TZ is a day or more away."""
    try:
        return moment.astimezone()
    except ValueError:  # Python has no such distance, and POSIX has
        return datetime.fromtimestamp(moment.timestamp(), UTC)
