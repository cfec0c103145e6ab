"""Discord's channels, as DiscordChatExporter writes them in JSON."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.items import NOTICES, WORDLESS, as_quotation, by_bot, by_person, skipped_counts
from memory.exchange.json_files import json_members
from memory.records import Skipped, Turn
from memory.text.written_dates import clean_date

_SAID = ("Default", "Reply", "0", "19")
_UNKNOWN = "Deleted User"


def is_discord(value: Mapping[str, Any]) -> bool:
    """Whether an object is a channel with its messages."""
    return {"guild", "channel", "messages"} <= set(value)


def read_discord(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages of each channel, with the names of attached files; a session is a day of one.

    A forwarded message is a quotation by the person who forwards it. Leaves out and counts notices,
    and messages without words or files.
    """
    left_out: Counter[str] = Counter()
    for file in export.files:
        channel: Mapping[str, Any] = {}
        guild: Mapping[str, Any] = {}
        for item in json_members(file, {(), ("messages",)}):
            if isinstance(item, Skipped):
                yield item
                continue
            path, value = item
            if path == ("guild",):
                guild = value if isinstance(value, Mapping) else {}
            elif path == ("channel",):
                channel = value if isinstance(value, Mapping) else {}
            elif path[0] == "messages" and isinstance(value, Mapping):
                yield from _turns(value, _name(guild, channel), left_out)
            elif path[0] == "messages":
                yield Skipped(f"{file.name}: message {path[-1]}", "not an object")
    yield from skipped_counts(left_out)


def _name(guild: Mapping[str, Any], channel: Mapping[str, Any]) -> str:
    names = (guild.get("name"), channel.get("name"))
    return " / ".join(str(name) for name in names if name) or "Discord"


def _turns(
    message: Mapping[str, Any], name: str, left_out: Counter[str]
) -> Iterator[Turn | Skipped]:
    author = message.get("author")
    author = author if isinstance(author, Mapping) else {}
    if str(message.get("type", "Default")) not in _SAID:
        left_out[NOTICES] += 1
        return
    text = _text(message)
    if not text:
        left_out[WORDLESS] += 1
        return
    said_at = clean_date(message.get("timestamp"))
    speaker = str(author.get("nickname") or author.get("name") or _UNKNOWN)
    turn = Turn(
        by_bot(speaker) if author.get("isBot") else speaker,
        text,
        session=f"{name} {said_at[:10]}".strip(),
        said_at=said_at,
        source=f"discord:{message.get('id')}",
    )
    yield by_person(turn, "discord", author["id"]) if author.get("id") else turn


def _text(message: Mapping[str, Any]) -> str:
    """The words of a message, those it forwards, and the names of its files."""
    forwarded = message.get("forwardedMessage")
    lines = _lines(message)
    if isinstance(forwarded, Mapping):
        lines.append(as_quotation("\n".join(_lines(forwarded)), "Forwarded:"))
    return "\n".join(lines)


def _lines(message: Mapping[str, Any]) -> list[str]:
    lines = [str(message.get("content") or "").strip()]
    for attachment in message.get("attachments") or []:
        if isinstance(attachment, Mapping) and attachment.get("fileName"):
            lines.append(f"[file: {attachment['fileName']}]")
    for sticker in message.get("stickers") or []:
        if isinstance(sticker, Mapping) and sticker.get("name"):
            lines.append(f"[sticker: {sticker['name']}]")
    return [line for line in lines if line]


IMPORTER = Importer("discord", read_discord, is_object=is_discord)
