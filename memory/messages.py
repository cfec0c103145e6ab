"""What people give to `Memory.add` as turns: texts, dicts, and messages of the OpenAI shape."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from memory.errors import InputError
from memory.records import Tags, Turn

Message = Turn | str | Mapping[str, Any]

_KEYS = ("role", "content", "name", "speaker", "text", "session", "said_at", "source", "tags")
_INSTRUCTIONS = ("system", "developer")  # to a model; nobody said them in the conversation
# A keyword of mem0, Zep, LangMem or Hindsight -> what to write here.
_FOREIGN = {
    "user_id": "a memory is one user's: Memory(f'{user_id}.db'), or the address of a namespace",
    "agent_id": "name the agent as the speaker, or keep a memory for it",
    "run_id": "session=",
    "session_id": "session=",
    "thread_id": "session=",
    "metadata": "tags=",
    "timestamp": "said_at=",
    "created_at": "said_at=",
    "messages": "the messages as the first argument",
    "infer": "nothing: add asks no model; digest() does",
}


def refuse_foreign(keywords: Mapping[str, Any]) -> None:
    """Raises InputError for a keyword of another library, with what to write instead."""
    for name in keywords:
        if name in _FOREIGN:
            raise InputError(f"add takes no {name}=; write {_FOREIGN[name]}")
        raise InputError(f"add takes no {name}=; it takes session=, said_at= and tags=")


def turns_of(
    given: Message | Sequence[Message],
    session: str = "",
    said_at: str | date | None = None,
    tags: Tags | None = None,
) -> list[Turn]:
    """Turns in their order; `session`, `said_at` and `tags` are for those that have none.

    A text is said by "user". A message is said by its name, or its role; of content in parts the
    texts are taken. Messages with instructions to a model or without any text are left out.
    Raises InputError for anything else, and for a date that is none.
    """
    items = [given] if isinstance(given, (Turn, str, Mapping)) else [*given]
    moment = date_text(said_at)
    turns = [turn for number, item in enumerate(items, 1) if (turn := _turn(item, number))]
    return [
        replace(
            turn,
            session=turn.session or session,
            said_at=turn.said_at or moment,
            tags=turn.tags or tags or {},
        )
        for turn in turns
    ]


def date_text(given: str | date | None) -> str:
    """A date, a datetime or a text that is one, as ISO text. Raises InputError for another text."""
    from memory.exchange.items import clean_date  # with pydantic

    if given is None or given == "":
        return ""
    text = given.isoformat() if isinstance(given, date) else given  # a datetime is a date
    if isinstance(text, str) and (clean := clean_date(text)):
        return clean
    raise InputError(f"{given!r:.60} is no date; write 2026-11-25, 2026-11, 2026 or a datetime")


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


def _turn(item: Any, number: int) -> Turn | None:
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
    return Turn(
        str(item.get("speaker") or item.get("name") or role),
        text,
        str(item.get("session") or ""),
        date_text(item.get("said_at")),
        str(item.get("source") or ""),
        kind="tool" if role == "tool" else "message",
        tags=item.get("tags") or {},
    )
