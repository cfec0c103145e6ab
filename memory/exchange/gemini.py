"""Gemini's conversations, as Google Takeout has them in JSON."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import PurePosixPath
from typing import Any

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.input_files import InputFile
from memory.exchange.items import DELETED, MINE, NOTICES, session_name, short_hash, skipped_counts
from memory.exchange.json_files import json_members
from memory.exchange.notices import data
from memory.records import Skipped, Turn
from memory.store.sqlite.temporary_tables import oldest_first
from memory.text.message_parts import THOUGHTS
from memory.text.written_dates import clean_date

# "Gemini Apps" is translated: App Gemini, Gemini-Apps, Gemini 앱. Bard was its name.
_NAMES = ("gemini", "bard")
_ATTACHED = re.compile(r"\s*Attached \d+ files?\.?\s*$")
_BLOCKS = frozenset({"p", "br", "li", "div", "tr", "pre", "h1", "h2", "h3", "h4", "ul", "ol"})


def is_gemini(value: Mapping[str, Any]) -> bool:
    """Whether an object is a conversation, or something done in Gemini's app."""
    if isinstance(value.get("conversation_turns"), list):
        return True
    is_activity = {"title", "time"} <= set(value) and bool({"header", "products"} & set(value))
    return is_activity and _is_of_gemini(value)


def read_gemini(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """What was asked and answered, oldest first; a session is a day, or a conversation.

    Leaves out and counts thinking, and what was done in Gemini besides asking, or in another of
    Google's apps.
    """
    left_out: Counter[str] = Counter()
    for file in export.files:
        skipped: list[Skipped] = []
        records = oldest_first(_records(file, skipped), time=_seconds)
        for record in records:
            if "conversation_turns" in record:
                yield from _read_conversation(record, file, export.user, left_out)
            else:
                yield from _turns(record, export.user, left_out)
        yield from skipped
    yield from skipped_counts(left_out)


def _records(file: InputFile, skipped: list[Skipped]) -> Iterator[Mapping[str, Any]]:
    """The activities of a file's list, or its one conversation."""
    conversation: dict[str, Any] = {}
    for item in json_members(file, {()}):
        if isinstance(item, Skipped):
            skipped.append(item)
            continue
        path, value = item
        if isinstance(path[0], str):
            conversation[path[0]] = value
        elif isinstance(value, Mapping):
            yield value
        else:
            skipped.append(Skipped(f"{file.name}: element {path[0] + 1}", "not an object"))
    if conversation:
        yield conversation


def _seconds(record: Mapping[str, Any]) -> float:
    try:
        moment = datetime.fromisoformat(str(record.get("time")))
    except ValueError:
        return 0.0
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _is_of_gemini(record: Mapping[str, Any]) -> bool:
    products = record.get("products")
    names = [record.get("header"), *(products if isinstance(products, list) else [])]
    return any(name in str(label).casefold() for label in names for name in _NAMES)


def _turns(record: Mapping[str, Any], user: str, left_out: Counter[str]) -> Iterator[Turn]:
    answer = "\n".join(
        _words(str(item.get("html") or ""))
        for item in record.get("safeHtmlItem") or []
        if isinstance(item, Mapping)
    ).strip()
    prompt = _prompt(str(record.get("title") or ""), has_answer=bool(answer))
    if not _is_of_gemini(record) or not prompt:
        left_out[NOTICES] += 1
        return
    said_at = clean_date(record.get("time"))
    session = f"Gemini {said_at[:10]}".strip()
    source = f"gemini:{short_hash(record.get('time'), record.get('title'))}"
    yield Turn(user, prompt, session=session, said_at=said_at, source=source, tags=MINE)
    if answer:
        yield Turn("Gemini", answer, session=session, said_at=said_at, source=f"{source}:answer")


def _prompt(title: str, has_answer: bool) -> str:
    """What a person asked; "" for a title that says what else was done."""
    known = data()["gemini"]
    if title.startswith(tuple(known["not_prompts"])):
        return ""
    before = next((words for words in known["before"] if title.startswith(words)), None)
    if before is None and not has_answer:
        return ""
    return _ATTACHED.sub("", title.removeprefix(before or "")).strip()


def _read_conversation(
    conversation: Mapping[str, Any], file: InputFile, user: str, left_out: Counter[str]
) -> Iterator[Turn | Skipped]:
    begun = str(conversation.get("creation_time") or "")
    identity = short_hash(PurePosixPath(file.name).stem, begun)
    session = session_name(conversation.get("title"), identity)
    equal: Counter[str] = Counter()
    for number, element in enumerate(conversation["conversation_turns"], 1):
        if not isinstance(element, Mapping):
            yield Skipped(f"{file.name}: turn {number}", "not an object")
            continue
        for role, speaker in (("user_turn", user), ("system_turn", "Gemini")):
            turn = element.get(role)
            if not isinstance(turn, Mapping):
                continue
            if turn.get("turn_deleted_time"):
                left_out[DELETED] += 1
                continue
            left_out[THOUGHTS] += bool(turn.get("model_thoughts"))
            text = _turn_text(turn)
            if not text:
                left_out["no text"] += 1
                continue
            key = f"gemini:{identity}:{short_hash(role, turn.get('turn_index'), text)}"
            equal[key] += 1
            yield Turn(
                speaker,
                text,
                session=session,
                said_at=clean_date(turn.get("turn_last_modified")) or clean_date(begun),
                source=f"{key}:{equal[key]}" if equal[key] > 1 else key,
                tags=MINE if role == "user_turn" else {},
            )


def _turn_text(turn: Mapping[str, Any]) -> str:
    lines = [str(turn.get("prompt") or "")]
    for part in turn.get("text") or []:
        if isinstance(part, Mapping):
            lines.append(str(part.get("data") or ""))
            cards = part.get("cards") or []
            lines += [str(card.get("content") or "") for card in cards if isinstance(card, Mapping)]
    lines += ["[image]" for _ in turn.get("images") or []]
    return "\n".join(line for line in lines if line.strip()).strip()


class _Words(HTMLParser):
    """The words of a fragment of HTML, with a line for each paragraph."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self.pieces.append("\n")


def _words(html: str) -> str:
    parser = _Words()
    parser.feed(html)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.pieces).splitlines())
    return "\n".join(line for line in lines if line)


IMPORTER = Importer(
    "gemini",
    read_gemini,
    is_object=is_gemini,
    unreadable=[
        (
            r"(.*/)?MyActivity\.html",
            "Google's activity in HTML; choose JSON for My Activity in Takeout",
        )
    ],
)
