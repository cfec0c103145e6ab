"""Open WebUI's chats: trees of messages, as its menus export one chat or all."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.items import REPLACED, session_name, short_hash, skipped_counts
from memory.exchange.json_files import json_values
from memory.exchange.plain_files import with_role
from memory.records import Skipped, Turn
from memory.text.message_parts import THOUGHTS, TOOLS, joined_parts
from memory.text.written_dates import clean_date

# What Open WebUI keeps of thoughts and tools in the text of an answer.
_DETAILS = re.compile(r'<details type="(\w+)"[^>]*>.*?</details>\s*', re.DOTALL)
_THOUGHTS = re.compile(r"\s*<think(?:ing)?>.*?</think(?:ing)?>\s*", re.DOTALL)


def is_open_webui(value: Mapping[str, Any]) -> bool:
    """Whether an object is a chat, with or without what the database knows of it."""
    chat = value.get("chat", value)
    if not isinstance(chat, Mapping):
        return False
    history = chat.get("history")
    has_tree = isinstance(history, Mapping) and isinstance(history.get("messages"), Mapping)
    return has_tree or ("chat" in value and isinstance(chat.get("messages"), list))


def read_open_webui(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages on the current branch of each chat, chat by chat.

    Leaves out and counts replaced answers, system
    messages, thinking and tool calls.
    """
    left_out: Counter[str] = Counter()
    for file in export.files:
        for item in json_values(file):
            if isinstance(item, Skipped):
                yield item
                continue
            location, value = item
            if not isinstance(value, Mapping) or not is_open_webui(value):
                yield Skipped(location, "no chat")
                continue
            yield from _read_chat(value, location, export.user, left_out)
    yield from skipped_counts(left_out)


def _read_chat(
    value: Mapping[str, Any], location: str, user: str, left_out: Counter[str]
) -> Iterator[Turn | Skipped]:
    chat = value.get("chat", value)
    messages = _branch(chat, left_out)
    identity = str(value.get("id") or chat.get("id") or short_hash(messages[:4]))
    session = session_name(str(value.get("title") or chat.get("title") or ""), identity)
    day = clean_date(value.get("created_at") or chat.get("timestamp"))[:10]
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            yield Skipped(f"{location}, message {number}", "no role")
            continue
        text = _text(message, left_out)
        if not text:
            left_out["no text"] += 1
            continue
        key = message.get("id") or f"{number}:{short_hash(message.get('role'), text)}"
        turn = with_role(
            Turn(
                message["role"],
                text,
                session=session,
                said_at=clean_date(message.get("timestamp")) or day,
                source=f"open-webui:{identity}:{key}",
            ),
            {"role": message["role"]},
            user,
        )
        if isinstance(turn, str):
            left_out[turn] += 1
        else:
            yield turn


def _branch(chat: Mapping[str, Any], left_out: Counter[str]) -> list[Any]:
    """The messages from the first to the current one; messages of other branches are counted."""
    history = chat.get("history")
    nodes = history.get("messages") if isinstance(history, Mapping) else None
    if not isinstance(nodes, Mapping) or not nodes:
        messages = chat.get("messages")
        return messages if isinstance(messages, list) else []
    node_id = str(history.get("currentId")) if isinstance(history, Mapping) else ""
    if node_id not in nodes:
        node_id = next(reversed([*nodes]))
    branch: dict[str, Any] = {}
    while node_id in nodes and node_id not in branch:  # a damaged tree may have a cycle
        branch[node_id] = nodes[node_id]
        node = nodes[node_id]
        node_id = str(node.get("parentId")) if isinstance(node, Mapping) else ""
    left_out[REPLACED] += len(nodes) - len(branch)
    return list(reversed(branch.values()))


def _text(message: Mapping[str, Any], left_out: Counter[str]) -> str:
    """The words of a message and the names of its files, without thoughts and tools."""
    content = message.get("content")
    reasons: set[str] = set()
    text = joined_parts(content, reasons) if isinstance(content, list) else str(content or "")
    for details in _DETAILS.finditer(text):
        reasons.add(THOUGHTS if details[1] == "reasoning" else TOOLS)
    if _THOUGHTS.search(text):
        reasons.add(THOUGHTS)
    left_out.update(reasons)
    lines = [_THOUGHTS.sub("", _DETAILS.sub("", text)).strip()]
    for attached in message.get("files") or []:
        if isinstance(attached, Mapping):
            name = attached.get("name") or attached.get("filename")
            kind = "image" if attached.get("type") == "image" else "file"
            lines.append(f"[{kind}: {name}]" if name else f"[{kind}]")
    return "\n".join(line for line in lines if line)


IMPORTER = Importer("open webui", read_open_webui, is_object=is_open_webui)
