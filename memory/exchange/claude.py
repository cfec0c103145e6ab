"""Claude's data export: conversations that are lists of messages in blocks, and its memories."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ValidationError

from memory.exchange.claude_designs import is_claude_design, read_claude_designs
from memory.exchange.claude_projects import project_names, read_claude_projects
from memory.exchange.documents.chunking import chunk_text
from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.input_files import InputFile
from memory.exchange.items import (
    MINE,
    OBJECTS,
    first_error,
    objects,
    session_name,
    short_hash,
    skipped_counts,
)
from memory.exchange.json_files import outlined_objects, validated
from memory.records import Skipped, Turn
from memory.text.message_parts import THOUGHTS, part_text
from memory.text.written_dates import clean_date

_FILES = re.compile(
    r"(.*/)?(?P<kind>conversations|memories|projects|design_chats)(-\d+)?(\.json|/[^/]+\.json)"
)
# Claude sends an export in several archives, which lie in one folder then.
_ARCHIVES = re.compile(
    r"(.*/)?((conversations|memories|projects|design_chats)-\d+|.+-batch-\d+)\.zip"
)
# Types of blocks that no one said; tool uses become separate turns.
_WITHOUT_TEXT = {"thinking", "tool_use", "tool_result", "token_budget", "flag"}


class _Conversation(BaseModel):
    uuid: str
    name: str | None = None
    created_at: str | None = None
    current_leaf_message_uuid: str | None = None
    chat_messages: list[Any]


class _Memories(BaseModel):
    """What Claude wrote down about a person, and about each of their projects."""

    account_uuid: str | None = None
    conversations_memory: str | None = None
    project_memories: dict[str, Any] = {}
    memory_files: list[Any] | None = None


class _Attachment(BaseModel):
    file_name: str | None = None
    extracted_content: str | None = None


class _Message(BaseModel):
    uuid: str
    sender: str
    text: str | None = None
    content: Annotated[list[dict[str, Any]], OBJECTS] = []
    created_at: str | None = None
    attachments: Annotated[list[_Attachment], OBJECTS] = []
    files: Annotated[list[_Attachment], OBJECTS] = []


def is_claude(value: Mapping[str, Any]) -> bool:
    """Whether an object is a conversation, a memory, a project or a chat about a design."""
    return bool(_kind_of_object(value))


def read_claude(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The conversations of an export, then its chats about designs, its memories and projects."""
    files: dict[str, list[InputFile]] = {"": []}
    for file in export.files:
        files.setdefault(_kind_of_file(file), []).append(file)
    memories, projects = files.get("memories", []), files.get("projects", [])
    yield from _read_conversations([*files.get("conversations", []), *files[""]], export.user)
    yield from read_claude_designs(files.get("design_chats", []), export.user)
    yield from _read_memories(memories, project_names(projects))
    yield from read_claude_projects(projects, export.user)


def _kind_of_file(file: InputFile) -> str:
    """What a file of an export holds, by its name in there, or else by what is in it."""
    if name := _FILES.fullmatch(file.name):
        return name["kind"]
    return next(filter(None, map(_kind_of_object, outlined_objects(file))), "")


def _kind_of_object(value: Mapping[str, Any]) -> str:
    if "chat_messages" in value:
        return "conversations"
    if "conversations_memory" in value:
        return "memories"
    if is_claude_design(value):
        return "design_chats"
    is_project = "uuid" in value and bool({"docs", "prompt_template"} & {*value})
    return "projects" if is_project else ""


def _read_conversations(files: Sequence[InputFile], user: str) -> Iterator[Turn | Skipped]:
    """The messages, conversation by conversation; tool uses come before the text they led to.

    `user` is the speaker of the user's messages. The text of an attached file becomes a document,
    in chunks. Leaves out and counts thinking, messages without text, and messages that were edited
    or answered again.
    """
    left_out: Counter[str] = Counter()
    for location, conversation in validated(files, _Conversation):
        if not isinstance(conversation, _Conversation):
            yield Skipped(location, conversation)
            continue
        day = clean_date(conversation.created_at)[:10]
        session = session_name(conversation.name, conversation.uuid)
        replaced = _replaced(conversation)
        left_out["on a branch that was replaced by another"] += len(replaced)
        for number, raw in enumerate(conversation.chat_messages, 1):
            if number in replaced:
                continue
            try:
                message = _Message.model_validate(raw)
            except ValidationError as error:
                yield Skipped(f"{location}, message {number}", first_error(error))
                continue
            said_at = clean_date(message.created_at) or day
            source = f"claude:{conversation.uuid}:{message.uuid}"
            turns = list(_turns(message, user, session=session, said_at=said_at, source=source))
            yield from turns

            # A message with nothing but thinking counts once, as thinking.
            thoughts = sum(block.get("type") == "thinking" for block in message.content)
            left_out[THOUGHTS] += thoughts
            left_out["no text"] += not turns and not thoughts
    yield from skipped_counts(left_out)


def _replaced(conversation: _Conversation) -> set[int]:
    """The numbers of the messages outside the current branch, from 1.

    The branch ends at the current message, or at the newest if the export names none. A message
    whose tree does not begin where the branch does is kept: the export may lack the link.
    """
    messages = {
        str(raw.get("uuid")): raw for raw in conversation.chat_messages if isinstance(raw, dict)
    }

    def path(uuid: str) -> list[str]:
        """The message, the ones before it, and last the parent that is not a message."""
        uuids = {uuid: None}
        while uuid in messages:
            uuid = str(messages[uuid].get("parent_message_uuid") or "")
            if uuid in uuids:  # a damaged tree may have a cycle
                return []
            uuids[uuid] = None
        return list(uuids)

    leaf = conversation.current_leaf_message_uuid
    if leaf not in messages:
        by_date = sorted(messages, key=lambda uuid: str(messages[uuid].get("created_at") or ""))
        leaf = by_date[-1] if by_date else ""
    *branch, root = path(leaf or "") or [""]
    if not root:  # older exports name no parents
        return set()
    current = {*branch}
    return {
        number
        for number, raw in enumerate(conversation.chat_messages, 1)
        if isinstance(raw, dict)
        and (uuid := str(raw.get("uuid"))) not in current
        and path(uuid)[-1:] == [root]
    }


def _read_memories(
    files: Sequence[InputFile], projects: Mapping[str, str]
) -> Iterator[Turn | Skipped]:
    """What Claude remembers of a person and of their projects, as chunks of documents.

    `projects` are their names, by the ids that the memories have. A chunk's source contains a hash
    of its text: what Claude has rewritten by the next export is new. Only a file of it has a date.
    """
    for location, memories in validated(files, _Memories):
        if not isinstance(memories, _Memories):
            yield Skipped(location, memories)
            continue
        for name, session, text, day in _texts_of_memories(memories, projects):
            if not isinstance(text, str) or not text.strip():
                yield Skipped(f"{location}: {name}", "no text")
                continue
            for chunk, _, _ in chunk_text(text):
                identity = short_hash(memories.account_uuid, name, chunk)
                yield Turn(
                    "Claude",
                    chunk,
                    session=session,
                    said_at=day,
                    source=f"claude:memory:{identity}",
                    kind="document",
                )


def _texts_of_memories(
    memories: _Memories, projects: Mapping[str, str]
) -> Iterator[tuple[str, str, Any, str]]:
    """Each text with what it is called in its source, its session, and when it was written."""
    general = "Claude's memory"
    files = objects(memories.memory_files)
    if memories.conversations_memory or not files:
        yield general, general, memories.conversations_memory, ""
    for project, text in memories.project_memories.items():
        name = f"{general} of the project "
        yield f"{name}{project}", f"{name}{projects.get(project, project)}", text, ""
    for file in files:
        name = f"{general}: {file.get('path') or 'file'}"
        yield name, name, file.get("content"), clean_date(file.get("updated_at"))


def _turns(
    message: _Message, user: str, *, session: str, said_at: str, source: str
) -> Iterator[Turn]:
    """The turns of one message: its tool uses, its attached texts, then its text."""
    speaker = user if message.sender == "human" else "Claude"
    for number, text in enumerate(_tool_uses(message.content), 1):
        yield Turn(
            speaker=speaker,
            text=text,
            session=session,
            said_at=said_at,
            source=f"{source}:tool {number}",
            kind="tool",
        )
    for number, file in enumerate(message.attachments, 1):
        name = file.file_name or "attachment"
        for part, (text, _, _) in enumerate(chunk_text(file.extracted_content or ""), 1):
            yield Turn(
                speaker=name,
                text=text,
                session=session,
                said_at=said_at,
                source=f"{source}:file {number} part {part}",
                kind="document",
            )

    # Older exports have only `text`; in newer ones it also holds placeholders for tool uses.
    if message.content:
        blocks = [block for block in message.content if block.get("type") not in _WITHOUT_TEXT]
        # What was said to a microphone is a block with its words.
        texts = [str(block.get("transcript") or "") or part_text(block) for block in blocks]
    else:
        texts = [message.text or ""]
    names = [file.file_name for file in (*message.attachments, *message.files) if file.file_name]
    texts += dict.fromkeys(f"[file: {name}]" for name in names)
    if text := "\n".join(text for text in texts if text.strip()):
        tags = MINE if message.sender == "human" else {}
        yield Turn(speaker, text, session=session, said_at=said_at, source=source, tags=tags)


def _tool_uses(content: list[dict[str, Any]]) -> Iterator[str]:
    """Each tool use with its arguments, result and outcome."""
    results = [block for block in content if block.get("type") == "tool_result"]
    for use in content:
        if use.get("type") != "tool_use":
            continue
        matches = [result for result in results if result.get("tool_use_id") == use.get("id")]
        arguments = json.dumps(use.get("input"), ensure_ascii=False)
        text = f"{use.get('name')}({arguments})"
        if matches:
            result = matches[0]
            results.remove(result)  # uses without an id get the results in their order
            outcome = _result_text(result.get("content")).strip()
            # An empty result says nothing, also not that the tool did what it was asked to.
            verdict = "" if not outcome else " It worked."
            verdict = " It failed." if result.get("is_error") else verdict
            text += f" -> {outcome or 'an empty result.'}{verdict}"
        yield text


def _result_text(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(part_text(block) for block in content if isinstance(block, dict))
    if isinstance(content, str):
        return content
    return json.dumps(content, ensure_ascii=False) if content else ""


IMPORTER = Importer("claude", read_claude, is_object=is_claude, files=_FILES, archives=_ARCHIVES)
