"""ChatGPT's data export: conversations that are trees of messages."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.items import MINE, first_error, session_name, skipped_counts
from memory.exchange.json_files import validated
from memory.records import Skipped, Tags, Turn
from memory.text.message_parts import THOUGHTS, part_text
from memory.text.written_dates import clean_date

# Content types of the application that no one said, and the reason that reports count them under.
_NOT_SAID = {
    "user_editable_context": "custom instructions",
    "model_editable_context": "the application's own memory",
    "thoughts": THOUGHTS,
    "reasoning_recap": THOUGHTS,
    "system_error": "an error of the application",
    "app_pairing_content": "what another program had open",
}
_TRANSCRIPT = "audio_transcription"
# Parts of a spoken message other than the words.
_RECORDINGS = ("audio_asset_pointer", "real_time_user_audio_video_asset_pointer")
# Conversations of a project have its id where others have that of a GPT.
_PROJECT = "g-p-"

# A mark in an answer: private-use characters around its kind and what it holds. A cited stretch has
# such characters at its ends only. "【3†source】" is how older answers cite.
_MARK = re.compile("\ue200([^\ue200-\ue20f]*)((?:\ue202[^\ue200\ue201]*)*)\ue201")
_EDGES = re.compile("[\ue200-\ue20f]")
_FORMER_MARK = re.compile(r"【[^【】]*†[^【】]*】")


class _Conversation(BaseModel):
    id: str = Field(validation_alias=AliasChoices("conversation_id", "id"))
    title: str | None = None
    create_time: float | None = None
    current_node: str | None = None
    conversation_template_id: str | None = None
    gizmo_id: str | None = None
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


def read_chatgpt(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages on the final branch of each conversation, conversation by conversation.

    A message without a date gets the day its conversation began. Turns of a project have the tag
    `project` with its id: the export does not name it. Leaves out
    and counts replaced answers, system messages, thinking and hidden messages.
    """
    left_out: Counter[str] = Counter()
    for location, conversation in validated(export.files, _Conversation):
        if not isinstance(conversation, _Conversation):
            yield Skipped(location, conversation)
            continue
        branch = _branch(conversation)
        # All messages at first; the loop below subtracts those on the branch.
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
            turn = _turn(message, conversation, export.user)
            if isinstance(turn, Turn):
                yield turn
            else:
                left_out[turn] += 1
        left_out["on a branch that was replaced by another"] += replaced
    yield from skipped_counts(left_out)


def _branch(conversation: _Conversation) -> list[dict[str, Any]]:
    """The nodes from the first to the current one, or to the last one if none is current."""
    mapping = conversation.mapping
    node_id = conversation.current_node
    if node_id not in mapping:
        node_id = next(reversed(mapping), None)
    nodes: dict[str, dict[str, Any]] = {}
    while node_id in mapping and node_id not in nodes:  # a damaged tree may have a cycle
        nodes[node_id] = mapping[node_id]
        node_id = mapping[node_id].get("parent")
    return list(reversed(nodes.values()))


def _turn(message: _Message, conversation: _Conversation, user: str) -> Turn | str:
    """The turn of a message, or the reason why it has none."""
    kind = str(message.content.get("content_type"))
    if message.author.role == "system":
        return "system message"
    if kind in _NOT_SAID:
        return _NOT_SAID[kind]
    if (message.metadata or {}).get("is_visually_hidden_from_conversation"):
        return "hidden in the conversation"
    text = "\n".join([_without_marks(_text(message.content)), *_files(message)]).strip()
    if not text:
        return "no text"
    turn = Turn(
        speaker=user if message.author.role == "user" else "ChatGPT",
        text=text,
        session=session_name(conversation.title, conversation.id),
        said_at=clean_date(message.create_time) or clean_date(conversation.create_time)[:10],
        source=f"chatgpt:{conversation.id}:{message.id}",
        tags={**_tags(conversation), **(MINE if message.author.role == "user" else {})},
    )
    if message.author.role == "tool":
        return replace(turn, speaker=message.author.name or "tool", kind="tool")
    # An answer with a tool as its recipient is a call of that tool.
    if message.author.role == "assistant" and message.recipient not in (None, "all"):
        return replace(turn, text=f"{message.recipient}({text})", kind="tool")
    return turn


def _tags(conversation: _Conversation) -> Tags:
    ids = (conversation.conversation_template_id, conversation.gizmo_id)
    project = next((name for name in ids if name and name.startswith(_PROJECT)), None)
    return {"project": project} if project else {}


def _files(message: _Message) -> Iterator[str]:
    """The names of attached files; a picture is a part of the message itself."""
    attachments = (message.metadata or {}).get("attachments")
    for attachment in attachments if isinstance(attachments, list) else []:
        if not isinstance(attachment, dict) or not attachment.get("name"):
            continue
        kind = str(attachment.get("mime_type") or attachment.get("mimeType") or "")
        if not kind.startswith("image/"):
            yield f"[file: {attachment['name']}]"


def _text(content: dict[str, Any]) -> str:
    """The text of a message; a picture or a recording becomes `[image]` or `[audio]`.

    If the export has a recording's words, these are the text. A web page gives its title.
    """
    parts = content.get("parts")
    if not isinstance(parts, list):
        keys = ("text", "result", "content", "snippet")
        text = next((content[key] for key in keys if content.get(key)), "")
        title = content.get("title") if content.get("url") else ""
        texts = [text if isinstance(text, str) else "", title if isinstance(title, str) else ""]
        return "\n".join(line for line in reversed(texts) if line.strip())
    kinds = [part.get("content_type") if isinstance(part, dict) else "" for part in parts]
    heard = _TRANSCRIPT in kinds
    texts = [
        part_text(part) if kind not in _RECORDINGS else "" if heard else "[audio]"
        for part, kind in zip(parts, kinds, strict=True)
    ]
    return "\n".join(text for text in texts if text.strip())


def _without_marks(text: str) -> str:
    """A text without its citations; of a place or a person that a mark links, the name stays."""
    text = _FORMER_MARK.sub("", _MARK.sub(_words_of_mark, text))
    return _EDGES.sub("", text)


def _words_of_mark(mark: re.Match[str]) -> str:
    if mark[1] != "entity":
        return ""
    try:
        _, name, *_ = json.loads(mark[2].lstrip("\ue202"))
    except (ValueError, TypeError):
        return ""
    return str(name)


IMPORTER = Importer(
    "chatgpt",
    read_chatgpt,
    is_object=lambda value: "mapping" in value,
    files=re.compile(r"(.*/)?conversations(-\d+)?\.json"),
    lists=re.compile(r".*\.json"),  # of the account, ratings and the like
    unreadable=[
        (r"(.*/)?chat\.html", "ChatGPT's chats in HTML; import the zip or its conversations.json")
    ],
)
