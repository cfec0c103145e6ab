"""Messenger's and Instagram's chats, as Meta's download has them in JSON."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import PurePosixPath
from typing import Any

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.input_files import InputFile
from memory.exchange.items import DELETED, NOTICES, WORDLESS, short_hash, skipped_counts
from memory.exchange.json_files import json_members
from memory.exchange.notices import Notices, program_notices
from memory.records import Skipped, Turn
from memory.store.sqlite.temporary_tables import KeyCounts, oldest_first
from memory.text.written_dates import clean_date

# Meta writes each byte of a character's UTF-8 as a character.
_BYTES = re.compile("[\u00c2-\u00f4][\u0080-\u00bf]+")
_MEDIA = {
    "photos": "photo",
    "videos": "video",
    "audio_files": "audio",
    "gifs": "gif",
    "sticker": "sticker",
    "files": "file",
    "media": "media",
}
_NOTICES = ("Call", "Subscribe", "Unsubscribe")
_NUMBERED = re.compile(r"message_(\d+)\.json")


def is_messenger(value: Mapping[str, Any]) -> bool:
    """Whether an object is a chat: with Meta's names, or with an end-to-end encrypted chat's."""
    messages = value.get("messages")
    if not isinstance(messages, list) or not isinstance(value.get("participants"), list):
        return False
    first = messages[0] if messages else {}
    return isinstance(first, dict) and bool({"sender_name", "senderName"} & set(first))


def read_messenger(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages of each chat, oldest first; a session is a day of one.

    Repairs the encoding of texts and names. The files of a folder are one chat. Leaves out and
    counts notices, deleted messages and pictures without words.
    """
    left_out: Counter[str] = Counter()
    notices = program_notices("meta")
    for _, group in groupby(export.files, key=_place):
        # message_10.json is older than message_9.json.
        yield from _read_chat(sorted(group, key=_number, reverse=True), notices, left_out)
    yield from skipped_counts(left_out)


def _place(file: InputFile) -> str:
    """What the files of one chat have in common: Meta's folder, or else the file's own name."""
    path = PurePosixPath(file.name)
    return str(path.parent) if _NUMBERED.fullmatch(path.name) else file.name


def _number(file: InputFile) -> int:
    number = _NUMBERED.fullmatch(PurePosixPath(file.name).name)
    return int(number[1]) if number else 0


@dataclass
class _Chat:
    name: str
    thread: str


def _read_chat(
    files: Sequence[InputFile], notices: Notices, left_out: Counter[str]
) -> Iterator[Turn | Skipped]:
    skipped: list[Skipped] = []
    chat = _chat(files[0])
    equal = KeyCounts()
    messages = (message for file in files for message in _messages(file, skipped))
    for message in oldest_first(messages, time=_milliseconds):
        turn = _turn(message, chat, notices, equal)
        if isinstance(turn, str):
            left_out[turn] += 1
        else:
            yield turn
    yield from skipped


def _chat(file: InputFile) -> _Chat:
    """The name of a chat and of its thread, which come after the messages."""
    head = {
        path[0]: value
        for path, value in (
            item
            for item in json_members(file, {(), ("messages",)})
            if not isinstance(item, Skipped)
        )
        if len(path) == 1
    }
    people = [
        _repaired(str(person.get("name", "") if isinstance(person, Mapping) else person))
        for person in head.get("participants") or []
    ]
    title = head.get("title") or re.sub(r"_\d+$", "", str(head.get("threadName") or ""))
    name = _repaired(str(title)) or ", ".join(people) or "chat"
    return _Chat(name, str(head.get("thread_path") or head.get("threadName") or name))


def _messages(file: InputFile, skipped: list[Skipped]) -> Iterator[Mapping[str, Any]]:
    for item in json_members(file, {(), ("messages",)}):
        if isinstance(item, Skipped):
            skipped.append(item)
            continue
        path, message = item
        if len(path) == 2 and path[0] == "messages":
            if isinstance(message, Mapping):
                yield message
            else:
                skipped.append(Skipped(f"{file.name}: message {path[1]}", "not an object"))


def _milliseconds(message: Mapping[str, Any]) -> float:
    time = message.get("timestamp_ms", message.get("timestamp"))
    return float(time) if isinstance(time, (int, float)) else 0.0


def _turn(
    message: Mapping[str, Any], chat: _Chat, notices: Notices, equal: KeyCounts
) -> Turn | str:
    """The turn of a message, or the reason why it has none."""
    sender = _repaired(str(message.get("sender_name") or message.get("senderName") or ""))
    text = _repaired(str(message.get("content") or message.get("text") or "")).strip()
    if message.get("is_unsent") or message.get("isUnsent"):
        return DELETED
    if "call_duration" in message or message.get("type") in _NOTICES:
        return NOTICES
    if notices.is_notice(text, sender):
        return NOTICES if not _has_media(message) else WORDLESS
    share = message.get("share")
    if isinstance(share, Mapping):
        shared = [share.get("share_text"), share.get("link")]
        lines = [_repaired(line) for line in shared if isinstance(line, str) and line]
        text = "\n".join([text, *(line for line in lines if line not in text)]).strip()
    if not text:
        return WORDLESS if _has_media(message) else "no text"
    kinds = [kind for key, kind in _MEDIA.items() if message.get(key)]
    marks = "".join(f"[{kind}] " for kind in kinds)
    time = _milliseconds(message)
    said_at = clean_date(int(time)) if time else ""
    identity = short_hash(chat.thread, time, sender, text)
    times = equal.add(identity)
    number = f":{times}" if times > 1 else ""
    return Turn(
        sender or "Deleted account",
        f"{marks}{text}",
        session=f"{chat.name} {said_at[:10]}".strip(),
        said_at=said_at,
        source=f"messenger:{identity}{number}",
    )


def _has_media(message: Mapping[str, Any]) -> bool:
    return any(message.get(key) for key in (*_MEDIA, "share"))


def _repaired(text: str) -> str:
    """A text with its characters, where each byte of their UTF-8 stands as a character."""
    return _BYTES.sub(lambda match: _decoded(match[0]), text)


def _decoded(text: str) -> str:
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return text


def _notes(export: ExportFiles, messages: int) -> Iterator[str]:
    """What nothing in the files can tell."""
    yield ("Meta's files name people without ids: two of one name look like one person")


IMPORTER = Importer(
    "messenger",
    read_messenger,
    is_object=is_messenger,
    notes=_notes,
    unreadable=[
        (
            r"(.*/)?message_\d+\.html",
            "Meta's chats in HTML; choose JSON as the format of the download",
        )
    ],
)
