"""What every reader of a foreign format yields: turns, and what was skipped with its reason."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from pydantic import ValidationError

from memory.errors import InputError
from memory.records import Turn
from memory.store.turn_validation import MAX_TURN_CHARACTERS, valid_turn
from memory.written_dates import written_date


@dataclass(frozen=True)
class Skipped:
    """Something that did not become a turn, or the date of one: where it stands, and why."""

    where: str
    why: str


@dataclass(frozen=True)
class ForeignExport:
    """A file or folder that was recognised and looked through.

    Attributes:
        format: chatgpt, claude, mem0, langmem, ltm, jsonl, csv or dump.
        name: the name of the memory that the export comes from.
        items: turns and skipped items in the export's order; can be iterated once.
        total: the number of items, counted before long texts are split; None when not counted.
        notes: what a person should know although no turn is lost by it.
    """

    format: str
    name: str
    items: Iterator[Turn | Skipped]
    total: int | None = None
    notes: tuple[str, ...] = ()


# Reasons that several formats have for leaving something out.
THOUGHTS = "the model's thinking"
TOOLS = "a tool's call or result in a chat"


# --- dates --------------------------------------------------------------------------------------

_YEAR_OR_MONTH = re.compile(r"(?!0000)\d{4}(-(0[1-9]|1[0-2]))?")
_SECONDS = re.compile(r"[T ]\d\d:?\d\d:?\d\d")


def clean_date(said_at: object) -> str:
    """A date as ISO text in UTC, as exact as it was given (to the second); "" when it is none.

    Takes ISO text (a time without an offset counts as UTC) and what `written_date` reads: seconds
    since 1970, in milli- or microseconds where it would lie after the year 5138, and other forms. A
    number counts as its digits do: 2023 is a year, and one of few digits (0, -5) is no time.
    """
    if isinstance(said_at, float):
        said_at = f"{said_at:.6f}"
    text = str(said_at).strip() if isinstance(said_at, (str, int)) else ""
    text = written_date(text) or text
    if _YEAR_OR_MONTH.fullmatch(text):
        return text
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        pass  # a date with a time, or none
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return ""
    return moment.isoformat(timespec="seconds" if _SECONDS.search(text) else "minutes")


# Text that claims to be a date: a number, or digits as ISO has them.
_CLAIMS_A_DATE = re.compile(r"-?\d{1,18}(\.\d+)?|\d{4}-\d\d(-\d\d([T ][\d:.,Z+-]*)?)?")


def with_date(turn: Turn, location: str) -> Iterator[Turn | Skipped]:
    """The turn with its date as `clean_date` has it; words ("one May evening") stay as they are.

    An impossible date (2024-13-45, -5) is skipped and reported with its location: it would
    sort, and be compared, as if it were one. The turn goes without.
    """
    said_at = turn.said_at.strip()
    date = clean_date(said_at)
    if date or not _CLAIMS_A_DATE.fullmatch(said_at):
        yield replace(turn, said_at=date or said_at)
        return
    yield Skipped(f"{location}: {said_at}", "not a date of the calendar; its turn has none")
    yield replace(turn, said_at="")


# --- sources, sessions and reasons --------------------------------------------------------------


def short_hash(*values: object) -> str:
    """Sixteen hexadecimal digits for these values, the same on every machine.

    They end up in the sources of imported turns, by which a second import knows them again.
    """
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def first_error(error: ValidationError) -> str:
    """The first thing that is wrong with a value from outside."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"


def session_name(title: str | None, identity: str) -> str:
    """A conversation's name, with the end of its id.

    So two conversations called "New chat" stay two sessions, and the name does not depend on what
    else is in the export.
    """
    return f"{(title or '').strip() or 'untitled'} ({identity[-8:]})"


def skipped_counts(left_out: Counter[str]) -> Iterator[Skipped]:
    """One `Skipped` for each reason why messages were left out, however many messages."""
    for reason, number in (+left_out).items():  # + drops counts of 0
        yield Skipped(f"{number:,} message{'s' if number > 1 else ''}", reason)


# --- messages in parts ----------------------------------------------------------------------------

# Kinds of parts that hold nothing that was said, and the reason under which they are counted.
_NOT_SAID = {
    **dict.fromkeys(("thinking", "redacted_thinking", "reasoning"), THOUGHTS),
    **dict.fromkeys(("tool_use", "tool_result", "function_call", "function_call_output"), TOOLS),
}
# What surrounds the word for a kind of part: `input_image`, `image_url`, `image_asset_pointer`.
_AROUND_KIND = re.compile(r"^(input|output)_|_(url|asset_pointer)$")


def part_text(part: object) -> str:
    """The text of a part of a message, or its kind in brackets where it has none: `[image]`."""
    if not isinstance(part, dict):
        return part if isinstance(part, str) else ""
    text = part.get("text", part.get("refusal"))
    if isinstance(text, str):
        return text
    kind = str(part.get("type") or part.get("content_type") or "attachment")
    return f"[{_AROUND_KIND.sub('', kind).replace('_', ' ')}]"


def joined_parts(parts: Iterable[object], reasons: set[str]) -> str:
    """The texts of a message's parts, a line each; why others are left out goes into `reasons`."""
    texts = []
    for part in parts:
        reason = reason_not_said(part)
        if reason:
            reasons.add(reason)
        else:
            texts.append(part_text(part))
    return "\n".join(text for text in texts if text.strip())


def reason_not_said(part: object) -> str | None:
    """Why a part of a message is nothing that was said; None for a part that may be."""
    return _NOT_SAID.get(str(part.get("type"))) if isinstance(part, dict) else None


# --- turns that a store takes -------------------------------------------------------------------


def storable_items(items: Iterator[Turn | Skipped]) -> Iterator[Turn | Skipped]:
    """Items whose turns a store takes as they are, each turn with a source of its own.

    A text that is too long for one turn becomes several, with `#2`, `#3` after the source.
    Holds the sources in memory, nothing else.
    """
    sources: set[str] = set()
    for item in items:
        if isinstance(item, Skipped):
            yield item
            continue
        for part in _parts(item):
            # What the store would change is changed here already: the import looks turns up by
            # their source before it stores them, and must look for the source that is stored.
            try:
                turn = valid_turn(part, len(sources) + 1)
            except InputError as error:
                yield Skipped(part.source, str(error))
                continue
            if turn.source in sources:
                yield Skipped(turn.source, "something before it has the same source")
                continue
            sources.add(turn.source)
            yield turn


def _parts(turn: Turn) -> Iterator[Turn]:
    if len(turn.text) <= MAX_TURN_CHARACTERS:
        yield turn
        return
    for number, start in enumerate(range(0, len(turn.text), MAX_TURN_CHARACTERS), 1):
        text = turn.text[start : start + MAX_TURN_CHARACTERS]
        source = turn.source if number == 1 else f"{turn.source}#{number}"
        yield replace(turn, text=text, source=source)
