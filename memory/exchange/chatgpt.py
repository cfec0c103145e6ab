"""ChatGPT's data export: conversations that are trees of messages."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from memory.exchange.items import (
    THOUGHTS,
    Skipped,
    clean_date,
    first_error,
    part_text,
    session_name,
    skipped_counts,
)
from memory.exchange.json_files import InputFile, validated
from memory.records import Turn

# Content types that the application keeps among the messages although nobody said them, and the
# reason under which they are counted.
_NOT_SAID = {
    "user_editable_context": "custom instructions",
    "model_editable_context": "the application's own memory",
    "thoughts": THOUGHTS,
    "reasoning_recap": THOUGHTS,
}


class _Conversation(BaseModel):
    id: str = Field(validation_alias=AliasChoices("conversation_id", "id"))
    title: str | None = None
    create_time: float | None = None
    current_node: str | None = None
    mapping: dict[str, dict[str, Any]]


class _Author(BaseModel):
    role: str
    name: str | None = None


class _Message(BaseModel):
    id: str
    author: _Author
    create_time: float | None = None
    content: dict[str, Any]
    metadata: dict[str, Any] | None = None
    recipient: str | None = None


def read_chatgpt(files: Sequence[InputFile], user: str) -> Iterator[Turn | Skipped]:
    """The messages of the branch that each conversation ended with, conversation by conversation.

    `user` is the speaker of what the user said. A message without a date has the day on which
    its conversation began. Answers that were replaced, system messages, thinking and whatever
    nobody saw are left out and counted.
    """
    left_out: Counter[str] = Counter()
    for location, conversation in validated(files, _Conversation):
        if not isinstance(conversation, _Conversation):
            yield Skipped(location, conversation)
            continue
        branch = _branch(conversation)
        # All messages at first; those on the branch are taken off below.
        replaced = sum(bool(node.get("message")) for node in conversation.mapping.values())
        for node in branch:
            if not node.get("message"):
                continue
            replaced -= 1
            try:
                message = _Message.model_validate(node["message"])
            except ValidationError as error:
                yield Skipped(f"{location}, message {node.get('id')}", first_error(error))
                continue
            turn = _turn(message, conversation, user)
            if isinstance(turn, Turn):
                yield turn
            else:
                left_out[turn] += 1
        left_out["on a branch that was replaced by another"] += replaced
    yield from skipped_counts(left_out)


def _branch(conversation: _Conversation) -> list[dict[str, Any]]:
    """The nodes from the first to the current one (to the last one where none is named)."""
    mapping = conversation.mapping
    node_id = conversation.current_node
    if node_id not in mapping:
        node_id = next(reversed(mapping), None)
    nodes: dict[str, dict[str, Any]] = {}
    while node_id in mapping and node_id not in nodes:  # a damaged tree may be a circle
        nodes[node_id] = mapping[node_id]
        node_id = mapping[node_id].get("parent")
    return list(reversed(nodes.values()))


def _turn(message: _Message, conversation: _Conversation, user: str) -> Turn | str:
    """The turn, or the reason why there is none."""
    kind = str(message.content.get("content_type"))
    if message.author.role == "system":
        return "system message"
    if kind in _NOT_SAID:
        return _NOT_SAID[kind]
    if (message.metadata or {}).get("is_visually_hidden_from_conversation"):
        return "hidden in the conversation"
    text = _text(message.content)
    if not text.strip():
        return "no text"
    turn = Turn(
        speaker=user if message.author.role == "user" else "ChatGPT",
        text=text,
        session=session_name(conversation.title, conversation.id),
        said_at=clean_date(message.create_time) or clean_date(conversation.create_time)[:10],
        source=f"chatgpt:{conversation.id}:{message.id}",
    )
    if message.author.role == "tool":
        return replace(turn, speaker=message.author.name or "tool", kind="tool")
    # An answer that is addressed to a tool is the call of that tool.
    if message.author.role == "assistant" and message.recipient not in (None, "all"):
        return replace(turn, text=f"{message.recipient}({text})", kind="tool")
    return turn


def _text(content: dict[str, Any]) -> str:
    """What a message says; a picture or a recording is named: `[image]`, `[audio]`."""
    parts = content.get("parts")
    if not isinstance(parts, list):
        keys = ("text", "result", "content")
        text = next((content[key] for key in keys if content.get(key)), "")
        return text if isinstance(text, str) else ""
    return "\n".join(text for text in map(part_text, parts) if text.strip())
