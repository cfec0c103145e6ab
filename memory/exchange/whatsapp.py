"""WhatsApp's chats, as an iPhone or an Android phone exports them, in the phone's language."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath
from string import whitespace

from memory.exchange.date_order import date_order, ordered_date, refuse_doubt
from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.input_files import InputFile
from memory.exchange.items import DELETED, NOTICES, short_hash, skipped_counts
from memory.exchange.notices import MARKS, data, program_notices
from memory.exchange.plain_files import lines_of
from memory.records import Skipped, Turn
from memory.store.sqlite.temporary_tables import KeyCounts

_ATTACHMENTS = "notices and attachments without words"
# "[12/05/2024, 09:15:22] Ana: ..." of an iPhone, "12/05/2024, 9:15 am - Ana: ..." of Android, and
# "24/3/14, 13:59:59: Ana: ..." of older ones. Only the numbers tell: order, separators, brackets
# and spaces differ by phone, region and version.
_BRACKETED = re.compile(r"\[([^\[\]]{8,48})\]\s(.*)", re.DOTALL)
_DASHED = re.compile(r"([^\n]{8,48}?)\s[-\u2013]\s(.*)", re.DOTALL)
_COLON = re.compile(r"(\d[^\n]{8,24}?\d{1,2}:\d\d:\d\d):\s(.*)", re.DOTALL)
_DATE = r"(?P<date>\d{1,4}(?P<separator>[./-])\s?\d{1,2}(?P=separator)\s?\d{1,4})\.?"
_HALF = r"[^\W\d][^\d,]{0,9}?"
_CLOCK = (
    rf"(?P<before>{_HALF}\s?)?(?P<clock>\d{{1,2}}[:.]\d\d(?:[:.]\d\d)?)(?P<after>[^\d,]{{0,12}})"
)
# A word may stand between date and time: "klo" in Finnish, a letter for "year" in Bulgarian.
_MOMENT = re.compile(rf"{_DATE}(?:\s?\u0433\.)?,?\s+(?:(?:klo|kl\.|om|at|a las|um)\s)?{_CLOCK}")
_TIME_FIRST = re.compile(rf"{_CLOCK},?\s{_DATE}")
_ATTACHED = re.compile(rf"[{MARKS}]{{0,8}}<[^<>:]*: ?(?P<name>[^<>:]+\.\w{{2,5}})>")
# Android names what it saves itself, and says in the phone's language that it is attached.
_NAMED = re.compile(
    rf"[{MARKS}]*(?P<name>[^\n/]+?\.\w{{2,5}}) \((?P<words>[^()\n]+)\)[ \r]*(?=\n|$)"
)
_OWN_NAME = re.compile(r"[A-Z]{3}-\d{8}-WA\d{4,}\.\w{2,5}")
_IN_BRACKETS = re.compile(rf"<(?P<words>[^<>\n]+)>[\s{MARKS}]*$")
_SPACE = f"{whitespace}\u202f\u00a0{MARKS}"
_PLACEHOLDER = re.compile(r"<[^<>\n]+>")
_QUOTES = re.compile('["\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d]')


@dataclass
class _Head:
    date: str
    time: str
    rest: str


@dataclass
class _Message:
    date: str
    time: str
    sender: str  # "" for what no one wrote
    lines: list[str]


def is_whatsapp(beginning: str) -> bool:
    """Whether a text file begins as an exported chat does."""
    return _head(beginning.lstrip().partition("\n")[0]) is not None


def read_whatsapp(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages of each chat; a session is a day. Times are by the phone's clock.

    WhatsApp's own texts are recognised
    in the languages of notices.toml: the mark of an edited message is cut off; notices, deleted
    messages, and attachments without words are left out and counted. Raises DateOrderError if
    nothing tells whether the day or the month comes first.
    """
    left_out: Counter[str] = Counter()
    equal = KeyCounts()
    for file in export.files:
        chosen = export.dates or date_order(message.date for message in _messages(file))
        if chosen is None:
            raise refuse_doubt(file.name, next(_messages(file)).date)
        chat = _chat_name(file, export.name) if len(export.files) > 1 else export.name
        for message in _messages(file):
            text = _text(message)
            if not message.sender or text is None:
                left_out[_reason(message)] += 1
                continue
            said_at = ordered_date(f"{message.date} {message.time}", chosen)
            if not said_at:
                yield Skipped(
                    f"{file.name}: {message.date}", "not a date of the calendar; its turn has none"
                )
            # The phone's messages have no ids.
            identity = short_hash(said_at, message.sender, text)
            times = equal.add(identity)
            number = f":{times}" if times > 1 else ""
            yield Turn(
                message.sender,
                text,
                session=f"{chat} {said_at[:10]}".strip(),
                said_at=said_at,
                source=f"whatsapp:{identity}{number}",
            )
    yield from skipped_counts(left_out)


def _chat_name(file: InputFile, name: str) -> str:
    path = PurePosixPath(file.name)
    return path.stem if path.stem != "_chat" else path.parent.name or name


def _messages(file: InputFile) -> Iterator[_Message]:
    message: _Message | None = None
    for line in lines_of(file):
        line = line.rstrip("\r\n")
        if head := _head(line):
            if message:
                yield message
            sender, colon, text = head.rest.partition(": ")
            if not colon and head.rest.endswith(":"):  # the text begins on the next line
                sender, colon, text = head.rest[:-1], ":", ""
            # A notice may quote a name with a colon: changed the subject from "A: b" to "C".
            if len(_QUOTES.findall(sender)) % 2:
                colon = ""
            sender = sender.strip(f"{MARKS} ~\u202f\u00a0") if colon else ""
            message = _Message(head.date, head.time, sender, [text])
        elif message:
            message.lines.append(line)
    if message:
        yield message


# --- dates and times of phones ------------------------------------------------------------------


def _head(line: str) -> _Head | None:
    """The date, the time and the rest of a line that begins a message; None for any other line."""
    line = line.lstrip(MARKS)
    if not (line[:1] == "[" or any(character.isdecimal() for character in line[:12])):
        return None
    pattern = _BRACKETED if line[0] == "[" else _DASHED
    match = pattern.match(line)
    moment = _moment(match[1]) if match else None
    if not moment and (match := _COLON.match(line)):
        moment = _moment(match[1])
    return _Head(*moment, match[2]) if match and moment else None


def _moment(text: str) -> tuple[str, str] | None:
    """Date and time in plain digits, the time with am or pm after it if the phone says so."""
    plain = " ".join("".join(map(_plain_character, text)).split())
    match = _MOMENT.fullmatch(plain) or _TIME_FIRST.fullmatch(plain)
    if not match:
        return None
    words = [" ".join((match[name] or "").split()) for name in ("before", "after")]
    halves = [_half_days().get(_half_day_key(word), "") for word in words if word]
    if not all(halves):
        return None
    return match["date"].replace(" ", ""), " ".join([match["clock"], *halves[:1]])


def _plain_character(character: str) -> str:
    if character in MARKS:
        return ""
    if character == "\u060c":  # the Arabic comma
        return ","
    return str(unicodedata.decimal(character)) if character.isdecimal() else character


def _half_day_key(word: str) -> str:
    return word.replace(" ", "").replace(".", "").casefold()


@cache
def _half_days() -> dict[str, str]:
    return {
        _half_day_key(word): half for half, words in data()["half_days"].items() for word in words
    }


# --- texts --------------------------------------------------------------------------------------


def _reason(message: _Message) -> str:
    if not message.sender:
        return NOTICES
    is_deleted = program_notices("whatsapp").deleted.match("\n".join(message.lines))
    return DELETED if is_deleted else _ATTACHMENTS


def _text(message: _Message) -> str | None:
    """The words of a message, with the names of attached files; None if it has no words."""
    written = program_notices("whatsapp")
    text = "\n".join(message.lines)
    text, files = _ATTACHED.subn(lambda match: f"[file: {match['name'].strip()}]", text)
    named = _NAMED.match(text)
    if named and (_OWN_NAME.fullmatch(named["name"]) or written.attached.match(named["words"])):
        text = f"[file: {named['name']}]{text[named.end() :]}"
        files = 1
    text = _without_edit_mark(text).strip()
    is_notice = not files and text.startswith(tuple(MARKS))
    text = text.strip(f"{MARKS} \n")
    is_written = any(
        phrases.match(text) for phrases in (written.deleted, written.omitted, written.notices)
    )
    return None if is_notice or is_written or not text or _PLACEHOLDER.fullmatch(text) else text


def _without_edit_mark(text: str) -> str:
    """A text without the mark of an edited message at its end.

    An iPhone sets a mark of direction before it. Android does not: there the phrase tells.
    """
    start = text.rfind("<")
    mark = _IN_BRACKETS.match(text, start) if start > 0 else None
    before = text[:start].rstrip(_SPACE)
    if not mark or not before:
        return text
    has_direction = any(character in MARKS for character in text[len(before) : start])
    is_phrase = program_notices("whatsapp").edited.match(mark["words"])
    return before if has_direction or is_phrase else text


def _notes(export: ExportFiles, messages: int) -> Iterator[str]:
    """What nothing in the files can tell."""
    yield (
        "WhatsApp's text names people without ids: a message may have lines that look like another"
        " person's"
    )


IMPORTER = Importer(
    "whatsapp",
    read_whatsapp,
    is_text=is_whatsapp,
    files=re.compile(r"(.*/)?(_chat\.txt|[^/]*WhatsApp[^/]*\.txt)"),
    notes=_notes,
    unreadable=[
        (
            r"(.*/)?msgstore.*\.crypt\d+",
            "WhatsApp's encrypted backup; export the chat from its menu",
        )
    ],
)
