"""What people give to `Memory.add` as turns: texts, pairs, dicts and message objects."""

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from numbers import Integral
from typing import Any, Protocol

from memory.errors import InputError
from memory.records import Skipped, Tags, Turn
from memory.store.turns.turn_validation import SPOKEN_BY, local_now
from memory.text.characters import is_visible, unsound
from memory.text.message_parts import INVISIBLE, TOOLS, content_text, field_of, reason_not_said
from memory.text.speakers import ASSISTANT, speaker_by_role
from memory.text.written_dates import clean_date


class MessageObject(Protocol):
    """A message of a client library: of the OpenAI package, LangChain, pydantic, a dataclass."""

    @property
    def content(self) -> Any: ...


Message = Turn | str | tuple[str, str] | Mapping[str, Any] | MessageObject
Moment = str | date | float  # ISO text, a date or datetime, or seconds since 1970

_DATES = ("said_at", "timestamp", "created_at")
_SESSIONS = ("session", "session_id", "thread_id", "run_id")
_KEYS = ("role", "content", "name", "speaker", "text", "session", "said_at", "source", "tags")
# Further fields that are read if a message has them.
_OTHER_KEYS = ("type", "parts", "refusal", "audio", "tool_calls", "metadata", "role_type")
_READ = {*_KEYS, *_OTHER_KEYS, *_DATES, *_SESSIONS}
# Other names of roles: LangChain's types, Gemini's role.
_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "function": "tool"}
_TYPES = {"human", "ai", "system", "tool", "function", "AIMessageChunk", "HumanMessageChunk"}
_PAIR_ROLES = {"user", "assistant", "system", "developer", "tool", *_ROLES}
_INSTRUCTIONS = ("system", "developer")  # to a model; no one said them in the conversation
_ENDS = (".", "!", "?")  # of a sentence
_FRAMES_BELOW_THE_CALLER = 7  # of a warning, to the line with memory.add


@dataclass(frozen=True)
class Defaults:
    """Defaults for turns that lack these values.

    `user_names` are the names that the memory has for its user (`speaker_by_role`), `speaker` is
    the user's name in these messages.
    """

    session: str = ""
    said_at: str = ""
    tags: Tags | None = None
    speaker: str = ""
    user_names: Callable[[], Collection[str]] = tuple


def turns_of(
    messages: Message | Sequence[Message], defaults: Defaults = Defaults()
) -> tuple[list[Turn], list[Skipped]]:
    """Turns in order, and the messages that are not turns, with the reason.

    The speaker of a text is "user", a pair's is its first text, a message's is its name or its
    role. Content in parts becomes its texts, or "[image]" if it has only pictures. Instructions to
    a model, tool calls and messages without visible text do not become turns. Warns of a turn whose
    speaker and text seem swapped. Raises InputError for anything else, for an invalid date, and for
    a bare text with nothing visible.
    """
    is_one = not isinstance(messages, Iterable) or _is_one(messages)
    several: Any = messages
    items: Iterable[Any] = [several] if is_one else several
    turns: list[Turn] = []
    skipped: list[Skipped] = []
    for number, item in enumerate(items, 1):
        read = _read(item, number, defaults)
        if isinstance(read, Turn) and not is_visible(read.text):
            if is_one and isinstance(item, (str, Turn)):
                raise InputError(f"turn 1 ({read.speaker or 'no speaker'}) has no text")
            read = INVISIBLE
        if isinstance(read, Turn):
            turns.append(read)
            if lost := unsound(read.text):
                skipped.append(Skipped(f"message {number}", lost))
        else:
            skipped.append(Skipped(f"message {number}", read))
    if swapped := next(filter(_seems_swapped, turns), None):
        warnings.warn(
            f"a turn by {swapped.speaker!r:.60} says {swapped.text!r}; the speaker comes first:"
            f" Turn({swapped.text!r}, {swapped.speaker!r:.60})",
            stacklevel=_FRAMES_BELOW_THE_CALLER,
        )
    return turns, skipped


def said_at_of(said_at: Moment | None) -> str:
    """The date that `add` gives turns without one: `said_at`, by default now; "" is unknown."""
    return local_now() if said_at is None else date_text(said_at)


def _is_one(message: Any) -> bool:
    """Whether something that can be iterated is one message."""
    if isinstance(message, (Turn, str, bytes, Mapping)) or hasattr(message, "content"):
        return True
    # Two sentences in a tuple are two texts.
    return isinstance(message, tuple) and _is_pair(message) and not message[0].endswith(_ENDS)


def _is_pair(item: Any) -> bool:
    return (
        isinstance(item, (tuple, list)) and len(item) == 2 and all(isinstance(t, str) for t in item)
    )


def _read(item: Any, number: int, defaults: Defaults) -> Turn | str:
    """The turn of a message, or the reason why it has none."""
    if isinstance(item, Turn):
        return replace(
            item,
            session=item.session or defaults.session,
            said_at=item.said_at or defaults.said_at,
            tags=item.tags or defaults.tags or {},
        )
    fields = _fields(item, number)
    role = _role(fields)
    if role in _INSTRUCTIONS:
        return "instructions to a model"
    if not role and (reason := reason_not_said(fields)):
        return reason
    text = _text(fields, number)
    if not is_visible(text) and fields.get("tool_calls"):
        return TOOLS
    name = str(fields.get("speaker") or fields.get("name") or "")
    if not name and role in ("", "user"):
        name = defaults.speaker
    is_machine = name and role not in ("", "user")
    session = next(filter(None, (str(fields.get(key) or "") for key in _SESSIONS)), "")
    own_tags = {**(fields.get("metadata") or {}), **(fields.get("tags") or {})}
    tags = tags_of(own_tags, None, None) or defaults.tags or {}
    if is_machine and role == ASSISTANT:
        tags = {**tags, SPOKEN_BY: ASSISTANT}
    return Turn(
        speaker_by_role(role, name, defaults.user_names() if is_machine else ()),
        text,
        session or defaults.session,
        _said_at(fields, number, defaults.said_at),
        str(fields.get("source") or ""),
        kind="tool" if role == "tool" else "message",
        tags=tags,
    )


def _fields(item: Any, number: int) -> Mapping[str, Any]:
    """A message as an object of JSON. Raises InputError if it is not one."""
    if isinstance(item, str):
        return {"role": "user", "content": item}
    if _is_pair(item):
        speaker, text = item
        return {"role" if speaker in _PAIR_ROLES else "speaker": speaker, "content": text}
    if isinstance(item, Mapping):
        fields = item.get("data") if item.get("type") in _TYPES and "data" in item else item
        if isinstance(fields, Mapping):
            fields = {"type": item.get("type"), **fields}
            has_role = bool(_role(fields)) or reason_not_said(fields)
            unknown = [key for key in fields if key not in _READ and not has_role]
            if unknown:
                keys = ", ".join(_KEYS)
                raise InputError(f"turn {number}: there is no {unknown[0]!r}; there are {keys}")
            speaker = str(fields.get("speaker") or "").lower()  # "User" as well
            if not has_role and speaker in _PAIR_ROLES:
                fields |= {"role": speaker, "speaker": None}
            return fields
    elif any(hasattr(item, key) for key in ("content", "text")):
        values = {key: field_of(item, key) for key in sorted(_READ)}
        return {key: value for key, value in values.items() if not callable(value)}
    raise InputError(
        f"turn {number} is {type(item).__name__}; write Turn(speaker, text), a text or"
        ' {"role": "user", "content": "..."}'
    )


def _role(fields: Mapping[str, Any]) -> str:
    """The role of a message by its name in OpenAI's protocol, "" if it has none."""
    kind = fields.get("type")
    role = fields.get("role_type") or fields.get("role") or (kind if kind in _TYPES else "") or ""
    text = str(getattr(role, "value", role)).removesuffix("MessageChunk")
    return _ROLES.get(text.lower(), text)


def _text(fields: Mapping[str, Any], number: int) -> str:
    """What a message says: its content, or a substitute."""
    audio = fields.get("audio")
    places = (
        *(fields.get(key) for key in ("content", "text", "parts", "refusal")),
        field_of(audio, "transcript"),
    )
    content = next((value for value in places if value is not None and value != []), "")
    text = content_text(content)
    if text is None:
        raise InputError(f"turn {number}: its content is {type(content).__name__}, no text")
    return text


def _said_at(fields: Mapping[str, Any], number: int, default: str) -> str:
    dates = [value for key in _DATES if (value := fields.get(key)) is not None]
    try:
        return date_text(dates[0]) if dates else default
    except InputError as error:
        raise InputError(f"turn {number}: {error}") from None


def _seems_swapped(turn: Turn) -> bool:
    """Whether the speaker reads like a sentence and the text like a name: by capitals alone.

    It misses "I moved to Oslo", so as not to doubt real names: "Juan de la Cruz", "Sammy Davis Jr."
    """
    if turn.kind != "message" or len(turn.text) >= len(turn.speaker):
        return False
    first, *others = turn.speaker.split() or [""]
    small = sum(word[0].islower() for word in others)
    if turn.speaker.rstrip()[-1:] in _ENDS:
        is_sentence = len(others) > 1 and 2 * small > len(others)
    else:
        is_sentence = len(others) > 2 and small == len(others) and first[0].isupper()
    names = turn.text.split()
    return is_sentence and 0 < len(names) < 4 and all(map(_is_name, names))


def _is_name(word: str) -> bool:
    return word.isalpha() and word.istitle()


def tags_of(
    tags: Mapping[str, Any] | None, metadata: Mapping[str, Any] | None, agent_id: str | None
) -> dict[str, Any]:
    """The tags of turns: `tags`, the metadata, which may hold None, and the tag `agent_id`.

    Raises InputError for what is no mapping.
    """
    for given in (tags, metadata):
        if given and not isinstance(given, Mapping):
            raise InputError(f'tags are a dict, not {given!r:.60}; write {{"topic": ["a", "b"]}}')
    values = {**(metadata or {}), **({"agent_id": agent_id} if agent_id else {}), **(tags or {})}
    return {key: value for key, value in values.items() if value is not None}


def read_ids(ids: Any) -> tuple[int, ...]:
    """Ids of turns from one or several, as numbers or texts of digits.

    Raises InputError for anything else: other libraries' ids are texts such as "a3f1-...".
    """
    is_alone = isinstance(ids, (str, int)) or not isinstance(ids, Iterable)
    numbers: list[int] = []
    for value in [ids] if is_alone else ids:
        is_digits = isinstance(value, str) and value.isascii() and value.isdigit()
        number = int(value) if is_digits else value
        if isinstance(number, bool) or not isinstance(number, Integral):
            raise InputError(
                f"{value!r:.60} is no turn's id; ids are numbers, as add returns them and"
                " hit.turn_id of a search"
            )
        numbers.append(int(number))
    return tuple(numbers)


def day_of(value: str | date | None) -> date | None:
    """A whole day as a date or datetime. Raises InputError for a month, a year or another text."""
    if value is None or isinstance(value, date):
        return value
    try:
        return datetime.fromisoformat(date_text(value))
    except ValueError:
        raise InputError(f"{value!r:.60} is no day; write 2026-11-25 or a datetime") from None


def moment_of(value: str | date | None) -> datetime | None:
    """A datetime of a datetime, a day (its midnight) or a text. Raises InputError as `day_of`."""
    day = day_of(value)
    if day is None or isinstance(day, datetime):
        return day
    return datetime(day.year, day.month, day.day)


def date_text(value: Moment | None) -> str:
    """A date, a datetime, seconds since 1970 or a text that is a date, as ISO text.

    Raises InputError for anything else.
    """
    if value is None or value == "":
        return ""
    text = value.isoformat() if isinstance(value, date) else value  # a datetime is a date
    if not isinstance(text, bool) and (clean := clean_date(text)):
        return clean
    raise InputError(f"{value!r:.60} is no date; write 2026-11-25, 2026-11, 2026 or a datetime")
