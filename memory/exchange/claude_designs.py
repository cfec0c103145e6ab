"""Claude's chats about designs, which its export keeps apart from the conversations."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from memory.exchange.input_files import InputFile
from memory.exchange.items import MINE, session_name, skipped_counts
from memory.exchange.json_files import validated
from memory.records import Skipped, Turn
from memory.text.message_parts import THOUGHTS
from memory.text.written_dates import clean_date


class _Project(BaseModel):
    name: str | None = None


class _Chat(BaseModel):
    uuid: str
    title: str | None = None
    created_at: str | None = None
    project: _Project | None = None
    messages: list[Any]


def is_claude_design(value: Mapping[str, Any]) -> bool:
    """Whether an object is a chat whose messages each have an object for their content."""
    messages = value.get("messages")
    return "uuid" in value and isinstance(messages, list) and any(map(_content, messages))


def read_claude_designs(files: Sequence[InputFile], user: str) -> Iterator[Turn | Skipped]:
    """The messages of each chat; `user` is the speaker of the user's.

    Leaves out and counts thinking, errors of the application, and messages without text.
    """
    left_out: Counter[str] = Counter()
    for location, chat in validated(files, _Chat):
        if not isinstance(chat, _Chat):
            yield Skipped(location, chat)
            continue
        names = (chat.project.name if chat.project else None, chat.title)
        session = session_name(" / ".join(filter(None, names)) or "Design", chat.uuid)
        for number, raw in enumerate(chat.messages, 1):
            content = _content(raw)
            if not content:
                yield Skipped(f"{location}, message {number}", "no content")
                continue
            said_at = clean_date(
                raw.get("created_at") or content.get("timestamp") or chat.created_at
            )
            source = f"claude:{chat.uuid}:{raw.get('uuid') or number}"
            is_model = raw.get("role") == "assistant"
            turns = list(_turns(content, user, is_model, left_out))
            left_out["no text"] += not turns
            for part, (speaker, text, kind) in enumerate(turns, 1):
                yield Turn(
                    speaker,
                    text,
                    session=session,
                    said_at=said_at,
                    source=f"{source}:part {part}" if len(turns) > 1 else source,
                    kind="tool" if kind == "tool" else "message",
                    tags=MINE if speaker == user else {},
                )
    yield from skipped_counts(left_out)


def _content(message: object) -> Mapping[str, Any]:
    """The content of a message; empty if it is not from such a chat."""
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, Mapping) or not {"content", "contentBlocks"} & {*content}:
        return {}
    return content


def _turns(
    content: Mapping[str, Any], user: str, is_model: bool, left_out: Counter[str]
) -> Iterator[tuple[str, str, str]]:
    """Who says what, and whether it is a message or a tool's call; in the order of the blocks."""
    speaker = "Claude" if is_model else user
    blocks = content.get("contentBlocks")
    if not isinstance(blocks, list) or not blocks:
        blocks = [{"type": "text", "text": content.get("content")}]
    for block in blocks:
        if not isinstance(block, Mapping):
            continue
        kind, call = block.get("type"), block.get("toolCall")
        if kind == "thinking":
            left_out[THOUGHTS] += 1
        elif kind == "error":
            left_out["an error of the application"] += 1
        elif kind == "tool_call" and isinstance(call, Mapping):
            arguments = json.dumps(call.get("input"), ensure_ascii=False)
            yield speaker, f"{call.get('name') or 'tool'}({arguments})", "tool"
        elif kind == "user_interjection" and (text := _text(block.get("message"))):
            yield user, text, "message"
        elif text := _text(block.get("text")):
            yield speaker, text, "message"
    attachments = content.get("attachments")
    names = [
        str(attachment["name"])
        for attachment in (attachments if isinstance(attachments, list) else [])
        if isinstance(attachment, Mapping) and attachment.get("name")
    ]
    if names:
        yield speaker, "\n".join(f"[file: {name}]" for name in names), "message"


def _text(value: Any) -> str:
    text = value.get("content") if isinstance(value, Mapping) else value
    return text.strip() if isinstance(text, str) else ""
