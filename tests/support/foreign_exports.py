"""Exports of other applications, in the formats of these applications."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from memory.exchange import ForeignExport, Skipped
from memory.records import Turn

DAY = 1494251760.123456  # 2017-05-08 13:56 UTC


def character(
    folder: Path, messages: list[tuple[str, str]], vectors: int | None = None, first: int = 0
) -> Path:
    """A character's folder as the extension leaves it; `vectors` None: as many as messages."""
    folder.mkdir(parents=True, exist_ok=True)
    conn = sqlite3.connect(folder / "long_term_memory.db")
    conn.execute(
        "CREATE TABLE IF NOT EXISTS long_term_memory(id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
        " message TEXT NOT NULL UNIQUE, timestamp TEXT NOT NULL)"
    )
    for number, (name, message) in enumerate(messages, first):
        day = f"2017-05-{8 + (number - first) // 2:02} 13:56:00"
        conn.execute("INSERT INTO long_term_memory VALUES(?,?,?,?)", (number, name, message, day))
    conn.commit()
    conn.close()
    zarr = folder / "long_term_memory_embeddings.zarr"
    zarr.mkdir(exist_ok=True)
    length = len(messages) if vectors is None else vectors
    header = {"chunks": [1000, 768], "dtype": "<f4", "shape": [length, 768], "zarr_format": 2}
    (zarr / ".zarray").write_text(json.dumps(header))
    for chunk in range((length + 999) // 1000):
        (zarr / f"{chunk}.0").write_bytes(b"\x02\x01\x21\x04")
    return folder


def chatgpt_message(
    number: int, role: str, content: dict[str, Any] | str, **fields: Any
) -> dict[str, Any]:
    """One message of ChatGPT's export; text as content stands for a text message."""
    if isinstance(content, str):
        content = {"content_type": "text", "parts": [content]}
    return {
        "id": f"m{number}",
        "author": {"role": role, "name": fields.pop("name", None), "metadata": {}},
        "create_time": fields.pop("create_time", DAY + number * 60),
        "content": content,
        "metadata": fields.pop("metadata", {}),
        "recipient": fields.pop("recipient", "all"),
    }


def chatgpt(
    identity: str, title: str | None, *messages: dict[str, Any], replaced: str = ""
) -> dict[str, Any]:
    """One conversation: a root without a message, then a chain; perhaps an answer replaced."""
    mapping: dict[str, dict[str, Any]] = {
        "root": {"id": "root", "message": None, "parent": None, "children": []}
    }
    last = "root"
    for number, message in enumerate(messages):
        mapping[last]["children"].append(f"n{number}")
        node = {"id": f"n{number}", "message": message, "parent": last, "children": []}
        mapping[f"n{number}"], last = node, f"n{number}"
    if replaced:
        rejected = chatgpt_message(99, "assistant", replaced)
        mapping["other"] = {"id": "other", "message": rejected, "parent": "n0", "children": []}
        mapping["n0"]["children"].insert(0, "other")
    return {
        "title": title,
        "create_time": DAY,
        "mapping": mapping,
        "current_node": last,
        "conversation_id": identity,
        "id": identity,
    }


def claude_message(
    number: int, sender: str, text: str, content: list[dict[str, Any]] | None = None, **fields: Any
) -> dict[str, Any]:
    """One message of Claude's export, in blocks as since 2024."""
    return {
        "uuid": f"u{number}",
        "text": text,
        "content": [{"type": "text", "text": text}] if content is None else content,
        "sender": sender,
        "created_at": f"2025-01-02T03:{number:02}:05.123456Z",
        "attachments": fields.pop("attachments", []),
        "files": fields.pop("files", []),
    }


def claude(identity: str, name: str, *messages: dict[str, Any]) -> dict[str, Any]:
    """One conversation of Claude's export."""
    return {
        "uuid": identity,
        "name": name,
        "created_at": "2025-01-02T03:00:00.000000Z",
        "chat_messages": list(messages),
    }


def write(path: Path, *values: Any, text: str = "") -> Path:
    """A file with this text, or with values as one JSON list."""
    path.write_text(text or json.dumps(values, ensure_ascii=False), "utf-8")
    return path


def parts(export: ForeignExport) -> tuple[list[Turn], list[Skipped]]:
    """The turns and what was skipped, after checks that hold for every export."""
    items = list(export.items)
    assert export.total in (None, len(items))
    turns = [item for item in items if isinstance(item, Turn)]
    assert len({turn.source for turn in turns}) == len(turns)
    assert all(turn.source for turn in turns)
    return turns, [item for item in items if isinstance(item, Skipped)]


def said(export: ForeignExport) -> list[tuple[str, str, str]]:
    """Kind, speaker and text of every turn."""
    return [(t.kind, t.speaker, t.text) for t in parts(export)[0]]
