"""Slack's export of a workspace: a folder for each channel, with a file for each day."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from pathlib import PurePosixPath
from typing import Any

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.input_files import InputFile
from memory.exchange.items import DELETED, NOTICES, WORDLESS, by_bot, by_person, skipped_counts
from memory.exchange.json_files import json_members
from memory.records import Skipped, Turn
from memory.text.written_dates import clean_date

# What is said; other subtypes are notices.
_SAID = (None, "", "thread_broadcast", "file_share", "me_message", "bot_message", "file_comment")
# <@U123>, <#C1|general>, <https://a.org|a link>, <!here>
_MARK = re.compile(r"<([@#!]?)([^<>|]+)(?:\|([^<>]*))?>")


def is_slack(value: Mapping[str, Any]) -> bool:
    """Whether an object is a message of a channel."""
    return value.get("type") == "message" and "ts" in value


def read_slack(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages of each channel by the names of its people; a session is a day of one.

    Messages outside a channel's folder are of a channel named as the folder that was given. Leaves
    out and counts notices, deleted messages, and messages without words.
    """
    people, channels = _names(export.lists)
    name = export.name if export.path.is_dir() else export.path.parent.name
    left_out: Counter[str] = Counter()
    for file in export.files:
        folder = PurePosixPath(file.name).parent.name or name
        channel = channels.get(folder, folder)
        for item in json_members(file, {()}):
            if isinstance(item, Skipped):
                yield item
                continue
            path, message = item
            if not isinstance(message, Mapping):
                yield Skipped(f"{file.name}: message {path[-1]}", "not an object")
                continue
            turn = _turn(message, folder, channel, people)
            if isinstance(turn, str):
                left_out[turn] += 1
            else:
                yield turn
    yield from skipped_counts(left_out)


def _names(lists: Sequence[InputFile]) -> tuple[dict[str, str], dict[str, str]]:
    """The names of people by their ids, and of conversations between them by theirs."""
    people: dict[str, str] = {}
    members: dict[str, list[str]] = {}
    for file in lists:
        for item in json_members(file, {()}):
            value = None if isinstance(item, Skipped) else item[1]
            if not isinstance(value, Mapping):
                continue
            identity = str(value.get("id"))
            if "profile" in value or "real_name" in value:
                people[identity] = _person(value)
            elif not value.get("name"):
                members[identity] = [str(member) for member in value.get("members") or []]
    channels = {
        identity: ", ".join(people.get(member, member) for member in of)
        for identity, of in members.items()
    }
    return people, channels


def _person(value: Mapping[str, Any]) -> str:
    profile = value.get("profile")
    profile = profile if isinstance(profile, Mapping) else value
    names = (profile.get("display_name"), profile.get("real_name"), value.get("name"))
    return next((str(name) for name in names if name), "Deleted user")


def _turn(
    message: Mapping[str, Any], folder: str, channel: str, people: Mapping[str, str]
) -> Turn | str:
    """The turn of a message, or the reason why it has none."""
    if message.get("subtype") == "tombstone":
        return DELETED
    if message.get("subtype") not in _SAID:
        return NOTICES
    text = _plain(str(message.get("text") or ""), people)
    files = [file for file in message.get("files") or [] if isinstance(file, Mapping)]
    names = [str(file.get("name") or file.get("title") or "") for file in files]
    text = "\n".join([*([text] if text else []), *(f"[file: {name}]" for name in names if name)])
    if not text:
        return WORDLESS
    said_at = clean_date(str(message.get("ts") or "").partition(".")[0])
    speaker, identity = _speaker(message, people)
    turn = Turn(
        speaker,
        text,
        session=f"{channel} {said_at[:10]}".strip(),
        said_at=said_at,
        source=f"slack:{folder}:{message.get('ts')}",
    )
    return by_person(turn, "slack", identity) if identity else turn


def _speaker(message: Mapping[str, Any], people: Mapping[str, str]) -> tuple[str, str]:
    """The name of who wrote a message, and their id; a bot may call itself anything."""
    user = str(message.get("user") or "")
    bot = message.get("bot_profile")
    if not (message.get("bot_id") or bot or message.get("subtype") == "bot_message"):
        if user in people:
            return people[user], user
        profile = message.get("user_profile")
        name = _person(profile) if isinstance(profile, Mapping) else user
        return name or "Deleted user", user
    names = (message.get("username"), bot.get("name") if isinstance(bot, Mapping) else "", user)
    identity = str(message.get("bot_id") or user)
    name = next((str(name) for name in names if name), identity)
    return by_bot(name or "Bot"), identity


def _plain(text: str, people: Mapping[str, str]) -> str:
    """A text without Slack's marks: names of people and channels, and links, as shown."""

    def shown(mark: re.Match[str]) -> str:
        kind, target, label = mark.groups()
        if kind == "@":
            return f"@{label or people.get(target, target)}"
        if kind == "#":
            return f"#{label or target}"
        if kind == "!":
            return label or f"@{target.partition('^')[0]}"
        return f"{label} ({target})" if label and label != target else target

    return unescape(_MARK.sub(shown, text)).strip()


IMPORTER = Importer(
    "slack",
    read_slack,
    is_object=is_slack,
    lists=re.compile(r"(.*/)?(users|channels|groups|dms|mpims)\.json"),
)
