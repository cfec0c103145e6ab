"""WhatsApp's chats, as an iPhone or an Android phone exports them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from memory.exchange.date_order import DateOrder, date_order, ordered_date, refuse_doubt
from memory.exchange.items import NOTICES, short_hash, skipped_counts
from memory.exchange.json_files import InputFile
from memory.exchange.plain_files import lines_of
from memory.records import Skipped, Turn

_ATTACHMENTS = "notices and attachments without words"
# "[12/05/2024, 09:15:22] Ana: ..." of an iPhone, "12/05/2024, 9:15 am - Ana: ..." of Android. Only
# the numbers tell: order, separators, brackets and spaces differ by phone, region and version.
_HEAD = re.compile(
    r"[\u200e\u200f]*(?P<open>\[)?"
    r"(?P<date>\d{1,4}(?P<separator>[./-])\d{1,2}(?P=separator)\d{1,4}\.?),?\s+"
    r"(?P<time>\d{1,2}[:.]\d\d(?:[:.]\d\d)?(?:\s*[ap]\.?\s?m\.?)?)"
    r"(?(open)\]\s|(?:\s[-\u2013]|:)\s)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL,
)
_MARKS = "\u200e\u200f"  # WhatsApp begins with one what it writes itself
_ATTACHED = re.compile(r"[\u200e\u200f]*<[^<>:]*: ?(?P<name>[^<>:]+\.\w{2,5})>")
_EDITED = re.compile(r"(?<![\s\u200e\u200f])\s*[\u200e\u200f]+<[^<>\n]+>\s*$")
_PLACEHOLDER = re.compile(r"<[^<>\n]+>")


@dataclass
class _Message:
    date: str
    time: str
    sender: str  # "" for what nobody wrote
    lines: list[str]


def is_whatsapp(beginning: str) -> bool:
    """Whether a text file begins as an exported chat does."""
    return _HEAD.match(beginning.lstrip().removeprefix("\ufeff")) is not None


def read_whatsapp(
    files: Sequence[InputFile], name: str, order: DateOrder = ""
) -> Iterator[Turn | Skipped]:
    """The messages of a chat; a session is a day. Times are those of the phone's clock.

    `name` is the chat's. Leaves out and counts notices and attachments without words. Raises
    DateOrderError where nothing tells whether the day or the month comes first.
    """
    left_out: Counter[str] = Counter()
    equal: Counter[str] = Counter()
    for file in files:
        chosen = order or date_order(message.date for message in _messages(file))
        if chosen is None:
            raise refuse_doubt(file.name, next(_messages(file)).date)
        for message in _messages(file):
            text = _text(message)
            if not message.sender or text is None:
                left_out[NOTICES if not message.sender else _ATTACHMENTS] += 1
                continue
            said_at = ordered_date(f"{message.date} {message.time}", chosen)
            if not said_at:
                yield Skipped(
                    f"{file.name}: {message.date}", "not a date of the calendar; its turn has none"
                )
            # The phone's messages have no ids.
            identity = short_hash(said_at, message.sender, text)
            equal[identity] += 1
            number = f":{equal[identity]}" if equal[identity] > 1 else ""
            yield Turn(
                message.sender,
                text,
                session=f"{name} {said_at[:10]}".strip(),
                said_at=said_at,
                source=f"whatsapp:{identity}{number}",
            )
    yield from skipped_counts(left_out)


def _messages(file: InputFile) -> Iterator[_Message]:
    message: _Message | None = None
    for line in lines_of(file):
        line = line.rstrip("\r\n")
        if head := _HEAD.fullmatch(line):
            if message:
                yield message
            sender, colon, text = head["rest"].partition(": ")
            if not colon and head["rest"].endswith(":"):  # the text begins on the next line
                sender, colon, text = head["rest"][:-1], ":", ""
            sender = sender.strip(f"{_MARKS} ~\u202f") if colon else ""
            message = _Message(head["date"], head["time"], sender, [text])
        elif message:
            message.lines.append(line)
    if message:
        yield message


def _text(message: _Message) -> str | None:
    """The words of a message, with the names of attached files; None for what has no words."""
    text = "\n".join(message.lines)
    text, files = _ATTACHED.subn(lambda match: f"[file: {match['name'].strip()}]", text)
    text = _EDITED.sub("", text).strip()
    is_notice = not files and text.startswith(tuple(_MARKS))
    text = text.strip(f"{_MARKS} \n")
    return None if is_notice or not text or _PLACEHOLDER.fullmatch(text) else text
