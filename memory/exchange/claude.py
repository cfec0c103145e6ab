"""Claude's data export: conversations that are lists of messages in blocks."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from memory.chunking import chunk_text
from memory.exchange.json_files import Document, checked
from memory.exchange.reading import Skipped, clean_date, counted, reason, session_of
from memory.model import Turn


class _Conversation(BaseModel):
    uuid: str
    name: str | None = None
    created_at: str | None = None
    chat_messages: list[Any]


class _Attachment(BaseModel):
    file_name: str | None = None
    extracted_content: str | None = None


class _Message(BaseModel):
    uuid: str
    sender: str
    text: str | None = None
    content: list[dict[str, Any]] = []
    created_at: str | None = None
    attachments: list[_Attachment] = []
    files: list[_Attachment] = []


def read_claude(documents: Sequence[Document], user: str) -> Iterator[Turn | Skipped]:
    """The messages, conversation by conversation; tool uses come before the text they led to.

    `user` is the speaker of what the user said. The text of an attached file is a document, in
    chunks. Thinking and messages without text are left out and counted.
    """
    left_out: Counter[str] = Counter()
    for place, one in checked(documents, _Conversation):
        if not isinstance(one, _Conversation):
            yield Skipped(place, one)
            continue
        day, session = clean_date(one.created_at)[:10], session_of(one.name, one.uuid)
        for number, raw in enumerate(one.chat_messages, 1):
            try:
                message = _Message.model_validate(raw)
            except ValidationError as error:
                yield Skipped(f"{place}, message {number}", reason(error))
                continue
            said_at = clean_date(message.created_at) or day
            source = f"claude:{one.uuid}:{message.uuid}"
            turns = list(_turns(message, user, session, said_at, source))
            yield from turns
            thoughts = sum(block.get("type") == "thinking" for block in message.content)
            left_out["the model's thinking"] += thoughts
            left_out["no text"] += not turns and not thoughts
    yield from counted(left_out)


def _turns(message: _Message, user: str, session: str, said_at: str, source: str) -> Iterator[Turn]:
    speaker = user if message.sender == "human" else "Claude"
    for number, text in enumerate(_tool_uses(message.content), 1):
        yield Turn(speaker, text, session, said_at, f"{source}:tool {number}", "tool")
    for number, file in enumerate(message.attachments, 1):
        name = file.file_name or "attachment"
        for part, (text, _, _) in enumerate(chunk_text(file.extracted_content or ""), 1):
            place = f"{source}:file {number} part {part}"
            yield Turn(name, text, session, said_at, place, "document")
    blocks = [_block_text(b) for b in message.content if b.get("type") not in _NO_TEXT]
    # Older exports have `text` only; in newer ones it holds placeholders for tool uses as well.
    said = [text for text in blocks if text.strip()] if message.content else [message.text or ""]
    files = [
        f"[file: {f.file_name}]" for f in (*message.attachments, *message.files) if f.file_name
    ]
    if text := "\n".join(text for text in (*said, *dict.fromkeys(files)) if text.strip()):
        yield Turn(speaker, text, session, said_at, source)


_NO_TEXT = {"thinking", "tool_use", "tool_result", "token_budget", "flag"}


def _block_text(block: dict[str, Any]) -> str:
    """The text of a block, or its type in brackets where it has none: `[image]`."""
    text = block.get("text")
    return text if isinstance(text, str) else f"[{block.get('type')}]"


def _tool_uses(content: list[dict[str, Any]]) -> Iterator[str]:
    """Each tool use with its arguments, result and outcome."""
    results = [block for block in content if block.get("type") == "tool_result"]
    for use in content:
        if use.get("type") != "tool_use":
            continue
        same = [r for r in results if r.get("tool_use_id") == use.get("id")]
        arguments = json.dumps(use.get("input"), ensure_ascii=False)
        text = f"{use.get('name')}({arguments})"
        if same:
            results.remove(same[0])
            outcome = "It failed." if same[0].get("is_error") else "It worked."
            text += f" -> {_result(same[0].get('content'))} {outcome}"
        yield text


def _result(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(_block_text(b) for b in content if isinstance(b, dict))
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
