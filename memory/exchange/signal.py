"""Signal's chats: the plain export of its desktop program, and of the tool signal-export."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.input_files import InputFile
from memory.exchange.items import (
    DELETED,
    MINE,
    NOTICES,
    WORDLESS,
    by_person,
    short_hash,
    skipped_counts,
)
from memory.exchange.plain_files import lines_of
from memory.records import Skipped, Turn
from memory.store.sqlite.temporary_tables import KeyCounts
from memory.system.bounded_json import decoded
from memory.text.written_dates import clean_date

_FRAMES = ("account", "recipient", "chat", "chatItem", "stickerPack", "adHocCall", "chatFolder")


def is_signal(value: Mapping[str, Any]) -> bool:
    """Whether an object is a line of Signal's export, or of signal-export's data.json."""
    keys = set(value)
    is_frame = len(keys) == 1 and bool(keys & {*_FRAMES})
    return is_frame or {"version", "backupTimeMs"} <= keys or {"date", "sender", "body"} <= keys


@dataclass
class _Names:
    """The names of people and groups by id, and of each chat's by the chat's id."""

    user: str
    people: dict[str, str] = field(default_factory=dict)
    identities: dict[str, str] = field(default_factory=dict)  # keys that no other export has
    myself: str = ""
    chats: dict[str, str] = field(default_factory=dict)


def read_signal(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages of each chat; a session is a day of one.

    Who exported is `export.user`, unless the export names them. Leaves out and counts notices,
    deleted messages, and messages without words.
    """
    left_out: Counter[str] = Counter()
    for file in export.files:
        names = _Names(export.user)
        equal = KeyCounts()
        for number, line in enumerate(lines_of(file), 1):
            if not line.strip():
                continue
            try:
                frame = decoded(line, file.name)
            except (ValueError, RecursionError) as error:
                yield Skipped(f"{file.name}: line {number:,}", f"not JSON: {error}")
                continue
            if not isinstance(frame, Mapping):
                yield Skipped(f"{file.name}: line {number:,}", "not an object")
                continue
            is_of_tool = "body" in frame
            turn = _of_tool(frame, file, export.user) if is_of_tool else _of_frame(frame, names)
            if isinstance(turn, str):
                left_out[turn] += 1
            elif turn:
                times = equal.add(turn.source)
                source = f"{turn.source}:{times}" if times > 1 else turn.source
                yield replace(turn, source=source)
    yield from skipped_counts(left_out)


def _of_frame(frame: Mapping[str, Any], names: _Names) -> Turn | str | None:
    """The turn of a chat's item, or why it has none; None for what names people and chats."""
    if isinstance(account := frame.get("account"), Mapping):
        names.user = _joined(account, "givenName", "familyName") or names.user
    elif isinstance(recipient := frame.get("recipient"), Mapping):
        number = str(recipient.get("id"))
        names.people[number] = _recipient(recipient, names.user)
        if "self" in recipient:
            names.myself = number
        contact = recipient.get("contact")
        if isinstance(contact, Mapping):
            identities = (contact.get(key) for key in ("aci", "pni", "e164", "username"))
            names.identities[number] = next((str(name) for name in identities if name), "")
    elif isinstance(chat := frame.get("chat"), Mapping):
        names.chats[str(chat.get("id"))] = str(chat.get("recipientId"))
    elif isinstance(item := frame.get("chatItem"), Mapping):
        return _of_item(item, names)
    return None


def _recipient(recipient: Mapping[str, Any], user: str) -> str:
    if "self" in recipient:
        return user
    if isinstance(group := recipient.get("group"), Mapping):
        snapshot = group.get("snapshot")
        title = snapshot.get("title") if isinstance(snapshot, Mapping) else None
        title = title.get("title") if isinstance(title, Mapping) else title
        return str(title or "Group")
    contact = recipient.get("contact")
    if not isinstance(contact, Mapping):
        return "Signal"
    nickname = contact.get("nickname")
    return (
        (_joined(nickname, "given", "family") if isinstance(nickname, Mapping) else "")
        or _joined(contact, "systemGivenName", "systemFamilyName")
        or _joined(contact, "profileGivenName", "profileFamilyName")
        or str(contact.get("username") or contact.get("e164") or "Unknown contact")
    )


def _joined(value: Mapping[str, Any], *keys: str) -> str:
    return " ".join(str(value[key]) for key in keys if value.get(key)).strip()


def _of_item(item: Mapping[str, Any], names: _Names) -> Turn | str:
    if "remoteDeletedMessage" in item:
        return DELETED
    if "updateMessage" in item or "directionless" in item:
        return NOTICES
    text = _text(item)
    if not text:
        return WORDLESS
    chat = names.people.get(names.chats.get(str(item.get("chatId")), ""), "Signal")
    author = names.people.get(str(item.get("authorId")), "Unknown contact")
    said_at = clean_date(str(item.get("dateSent") or ""))
    number = str(item.get("authorId"))
    is_mine = "outgoing" in item or (names.myself != "" and number == names.myself)
    turn = Turn(
        names.user if is_mine else author,
        text,
        session=f"{chat} {said_at[:10]}".strip(),
        said_at=said_at,
        source=f"signal:{short_hash(chat, author, item.get('dateSent'))}",
        tags=MINE if is_mine else {},
    )
    identity = names.identities.get(number)
    return turn if is_mine or not identity else by_person(turn, "signal", identity)


def _text(item: Mapping[str, Any]) -> str:
    """The words of an item, and the names of its files."""
    message = item.get("standardMessage") or item.get("directStoryReplyMessage") or {}
    words = message.get("text") or (message.get("textReply") or {}).get("text") or {}
    lines = [str(words.get("body") or "") if isinstance(words, Mapping) else str(words)]
    for attachment in message.get("attachments") or []:
        pointer = attachment.get("pointer") if isinstance(attachment, Mapping) else None
        if isinstance(pointer, Mapping) and pointer.get("fileName"):
            lines.append(f"[file: {pointer['fileName']}]")
    if isinstance(poll := item.get("poll"), Mapping):
        options = poll.get("options") or []
        lines.append(str(poll.get("question") or ""))
        lines += [f"- {option.get('option')}" for option in options if isinstance(option, Mapping)]
    return "\n".join(line for line in lines if line.strip()).strip()


def _of_tool(message: Mapping[str, Any], file: InputFile, user: str) -> Turn | str:
    """The turn of a line of signal-export, whose folder has the chat's name."""
    attached = message.get("attachments")
    names = [
        str(part.get("name") or part.get("fileName") or "")
        for part in (attached if isinstance(attached, list) else [])
        if isinstance(part, Mapping)
    ]
    lines = [str(message.get("body") or "").strip(), *(f"[file: {n}]" for n in names if n)]
    text = "\n".join(line for line in lines if line)
    if not text:
        return WORDLESS
    chat = PurePosixPath(file.name).parent.name or "Signal"
    sender = str(message.get("sender") or "")
    said_at = clean_date(message.get("date"))
    is_mine = sender in ("Me", "")
    return Turn(
        user if is_mine else sender,
        text,
        session=f"{chat} {said_at[:10]}".strip(),
        said_at=said_at,
        source=f"signal:{short_hash(chat, sender, message.get('date'), text)}",
        tags=MINE if is_mine else {},
    )


IMPORTER = Importer(
    "signal",
    read_signal,
    is_object=is_signal,
    unreadable=[
        (
            r"(.*/)?signal-.*\.backup",
            "Signal's encrypted backup; export chats with its desktop program",
        ),
        (
            r"(.*/)?(main|dms|groups)\.binproto",
            "Signal's backup; export chats as JSON instead",
        ),
    ],
)
