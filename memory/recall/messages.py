"""What people give to `Memory.add` as turns: texts, dicts, and messages of the OpenAI shape."""

import warnings
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from numbers import Integral
from typing import Any

from memory.errors import InputError
from memory.records import Tags, Turn
from memory.text.speakers import speaker_by_role
from memory.text.written_dates import clean_date

Message = Turn | str | Mapping[str, Any]

_KEYS = ("role", "content", "name", "speaker", "text", "session", "said_at", "source", "tags")
_ENDS = (".", "!", "?")  # of a sentence
_FRAMES_BELOW_THE_CALLER = 5  # of a warning, to the line with memory.add
_INSTRUCTIONS = ("system", "developer")  # to a model; nobody said them in the conversation


def turns_of(
    messages: Message | Sequence[Message],
    session: str = "",
    said_at: str | date | None = None,
    tags: Tags | None = None,
    user_names: Callable[[], Collection[str]] = tuple,
) -> list[Turn]:
    """Turns in their order; `session`, `said_at` and `tags` are for those that have none.

    `user_names` are the names by which the memory knows its user (`speaker_by_role`).

    A text is said by "user". A message is said by its name, or its role; of content in parts the
    texts are taken. Messages with instructions to a model or without any text are left out. Warns
    of a turn whose speaker and text seem swapped. Raises InputError for anything else, and for a
    date that is none.
    """
    is_one = isinstance(messages, (Turn, str, Mapping))
    items = [*messages] if isinstance(messages, Iterable) and not is_one else [messages]
    moment = date_text(said_at)
    turns = [
        turn for number, item in enumerate(items, 1) if (turn := _turn(item, number, user_names))
    ]
    if swapped := next(filter(_seems_swapped, turns), None):
        warnings.warn(
            f"a turn by {swapped.speaker!r:.60} says {swapped.text!r}; the speaker comes first:"
            f" Turn({swapped.text!r}, {swapped.speaker!r:.60})",
            stacklevel=_FRAMES_BELOW_THE_CALLER,
        )
    return [
        replace(
            turn,
            session=turn.session or session,
            said_at=turn.said_at or moment,
            tags=turn.tags or tags or {},
        )
        for turn in turns
    ]


def _seems_swapped(turn: Turn) -> bool:
    """Whether the speaker reads like a sentence and the text like a name: by capitals alone.

    It misses "I moved to Oslo", so as to doubt no name: "Juan de la Cruz", "Sammy Davis Jr."
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
    tags: Tags | None, metadata: Mapping[str, Any] | None, agent_id: str | None
) -> dict[str, Any]:
    """The tags of turns: `tags`, the metadata with numbers as texts, and the tag `agent_id`."""
    found = {
        key: str(value) if isinstance(value, (bool, int, float)) else value
        for key, value in (metadata or {}).items()
        if value is not None
    }
    return {**found, **({"agent_id": agent_id} if agent_id else {}), **(tags or {})}


def read_ids(given: Any) -> tuple[int, ...]:
    """Ids of turns from one or several, as numbers or texts of digits.

    Raises InputError for anything else: other libraries' ids are texts such as "a3f1-...".
    """
    is_one = isinstance(given, (str, int)) or not isinstance(given, Iterable)
    ids: list[int] = []
    for value in [given] if is_one else given:
        is_digits = isinstance(value, str) and value.isascii() and value.isdigit()
        number = int(value) if is_digits else value
        if isinstance(number, bool) or not isinstance(number, Integral):
            raise InputError(
                f"{value!r:.60} is no turn's id; ids are numbers, as add returns them and"
                " hit.turn_id of a search"
            )
        ids.append(int(number))
    return tuple(ids)


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


def date_text(value: str | date | None) -> str:
    """A date, a datetime or a text that is one, as ISO text. Raises InputError for another text."""
    if value is None or value == "":
        return ""
    text = value.isoformat() if isinstance(value, date) else value  # a datetime is a date
    if isinstance(text, str) and (clean := clean_date(text)):
        return clean
    raise InputError(f"{value!r:.60} is no date; write 2026-11-25, 2026-11, 2026 or a datetime")


def content_text(content: Any) -> str | None:
    """The text of a message's content, which may come in parts; None for what holds no text.

    Of parts the texts are taken, a line each: no pictures, no thoughts.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)):
        return None
    parts = [part.get("text") for part in content if isinstance(part, dict) and _is_text(part)]
    return "\n".join(text for text in parts if isinstance(text, str) and text)


def _is_text(part: Mapping[str, Any]) -> bool:
    return part.get("type") in ("text", "input_text", "output_text")


def _turn(item: Any, number: int, user_names: Callable[[], Collection[str]]) -> Turn | None:
    if isinstance(item, Turn):
        return item
    if isinstance(item, str):
        return Turn("user", item)
    if not isinstance(item, Mapping):
        raise InputError(
            f"turn {number} is {type(item).__name__}; write Turn(speaker, text), a text or"
            ' {"role": "user", "content": "..."}'
        )
    if "role" not in item and (unknown := [key for key in item if key not in _KEYS]):
        raise InputError(f"turn {number}: there is no {unknown[0]!r}; there are {', '.join(_KEYS)}")
    role = str(item.get("role") or "")
    content = item.get("content", item.get("text"))
    text = "" if content is None else content_text(content)
    if text is None:
        raise InputError(f"turn {number}: its content is {type(content).__name__}, no text")
    if role in _INSTRUCTIONS or ("role" in item and not text.strip()):
        return None
    name = str(item.get("speaker") or item.get("name") or "")
    is_machine = name and role not in ("", "user")
    return Turn(
        speaker_by_role(role, name, user_names() if is_machine else ()),
        text,
        str(item.get("session") or ""),
        date_text(item.get("said_at")),
        str(item.get("source") or ""),
        kind="tool" if role in ("tool", "function") else "message",
        tags=item.get("tags") or {},
    )
