"""Rows and messages with names of any program: which of them are ours, and who speaks by a role."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from memory.exchange.date_order import DateOrder, ordered_date
from memory.exchange.input_files import InputFile, decoded_text
from memory.exchange.items import MINE, short_hash, with_date
from memory.exchange.json_files import refuse_long_value
from memory.records import Skipped, Turn
from memory.store.sqlite.temporary_tables import KeyCounts
from memory.text.message_parts import THOUGHTS, TOOLS, joined_parts, reason_not_said
from memory.text.speakers import speaker_by_role

TURN_COLUMNS = ("speaker", "text", "session", "said_at", "source", "kind")
_DATES = ("timestamp", "created_at", "time", "date", "ts")
# Other programs' names for the columns.
_SYNONYMS = {
    "speaker": ("role", "name"),
    "text": ("content", "message"),
    "said_at": _DATES,
}
# Keys of chat messages that hold no one's words. Reports count the ones that may hold a lot.
_ASIDE = frozenset({"id", "name", "type", "status", "tool_call_id", "refusal", "annotations"})
_COUNTED = {"tool_calls": TOOLS, "function_call": TOOLS, "reasoning_content": THOUGHTS}
KNOWN_NAMES = (
    f"{', '.join(TURN_COLUMNS)}, tags; role or name for speaker, content or message for text,"
    f" {', '.join(_SYNONYMS['said_at'])} for said_at"
)


def row_of_message(value: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """A message with our names and its content as one text; and the reasons for omitted parts."""
    reasons = {reason for name, reason in _COUNTED.items() if value.get(name)}
    if "role" not in value and (reason := reason_not_said(value)):
        return {}, {reason}  # a separate item between messages
    names = our_names(value)
    row = {names[name]: content for name, content in value.items() if name not in _COUNTED}
    if "role" in value:
        row = {name: content for name, content in row.items() if name not in _ASIDE}
    if isinstance(row.get("text"), list):
        row["text"] = joined_parts(row["text"], reasons)
    return row, reasons


def our_names(names: Iterable[str]) -> dict[str, str]:
    """Each name with ours for it. A second name for one column stays unchanged, and is unknown."""
    ours_by_name = {name: name for name in names}
    for ours, synonyms in _SYNONYMS.items():
        synonym = next((name for name in synonyms if name in ours_by_name), None)
        if synonym and ours not in ours_by_name:
            ours_by_name[synonym] = ours
    return ours_by_name


def with_role(turn: Turn, message: Mapping[str, Any], user: str) -> Turn | str:
    """The turn of a chat message with the speaker of its role, or the reason to leave it out."""
    role = message.get("role")
    if role is None:
        return turn
    if role in ("system", "developer"):
        return "system message"
    name = str(message.get("name") or "")
    if role in ("tool", "function"):
        return replace(turn, speaker=speaker_by_role("Tool", name, [user]), kind="tool")
    if role == "user" and not name:
        return replace(turn, speaker=user, tags={**turn.tags, **MINE})
    by_role = user if role == "user" else turn.speaker.capitalize()
    return replace(turn, speaker=speaker_by_role(by_role, name, [user]))


def lines_of(file: InputFile) -> Iterator[str]:
    """The lines of a text, each with its line end."""
    unfinished: list[str] = []  # joined once: otherwise every chunk would copy a long line
    characters = 0
    for chunk in decoded_text(file):
        first, *others = chunk.split("\n")
        unfinished.append(first)
        characters += len(first)
        if others:
            yield "".join(unfinished) + "\n"
            yield from (line + "\n" for line in others[:-1])
            unfinished = [others[-1]]
            characters = len(others[-1])
        refuse_long_value(file, characters)
    if characters:
        yield "".join(unfinished)


def with_source(
    turn: Turn | str, location: str, format: str, row: object, equal_rows: KeyCounts
) -> Iterator[Turn | Skipped]:
    """The turn with a source of this format: its row's own with a hash of what it says.

    Without its own, it gets a hash of its row and its number among equal rows. The same file gets
    the same sources at the next import, equal rows stay several turns, and no row takes the place
    of a message that says something else, whatever id it claims.
    """
    if isinstance(turn, str):
        yield Skipped(location, turn)
        return
    if not turn.text.strip() or not turn.speaker.strip():
        yield Skipped(location, "no text" if turn.speaker.strip() else "no speaker")
        return
    if not turn.source.strip():
        row_hash = short_hash(row)
        turn = replace(turn, source=f"{format}:{row_hash}:{equal_rows.add(row_hash)}")
    else:
        words_hash = short_hash(turn.kind, turn.speaker, turn.text)
        turn = replace(turn, source=f"{format}:{words_hash}/{turn.source}")
    yield from with_date(turn, location)


def in_our_columns(row: Mapping[str, Any], columns: Mapping[str, str]) -> Mapping[str, Any]:
    """A row with our names for the named columns, without the unnamed ones."""
    if not columns:
        return row
    theirs = {name.casefold(): ours for ours, name in columns.items()}
    named = {theirs.get(name.casefold(), name): value for name, value in row.items()}
    known = {*TURN_COLUMNS, "tags", *(name for names in _SYNONYMS.values() for name in names)}
    known -= {name for ours in columns for name in _SYNONYMS.get(ours, ())}
    return {name: value for name, value in named.items() if name in known}


def date_in_order(text: str, order: DateOrder) -> str:
    """A date of numbers as ISO text; any other text stays unchanged."""
    return (order and ordered_date(text, order)) or text
