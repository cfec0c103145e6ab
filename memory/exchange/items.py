"""The items that every reader of a foreign format yields: turns, and skipped parts with reasons."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BeforeValidator, ValidationError

from memory.errors import InputError
from memory.records import Minted, Skipped, Tags, Turn
from memory.store.sqlite.temporary_tables import KeyCounts
from memory.store.turns.turn_validation import (
    IMPORTED_AS,
    MAX_TAG_CHARACTERS,
    MAX_TURN_CHARACTERS,
    ME,
    from_outside,
    valid_turn,
)
from memory.text.characters import label
from memory.text.written_dates import clean_date


@dataclass(frozen=True)
class ForeignExport:
    """A file or folder with a known format, checked.

    Attributes:
        format: the name of its importer, such as chatgpt, whatsapp or csv; "dump" for our own.
        items: turns and skipped items in the export's order; can be iterated once.
        total: the number of items before long texts are split; None when not counted.
        notes: what a person should know, although no turn is lost.
        people: the persons in it by their ids (`identity_of`), each with the first of their names;
            None if all of it is by the person who imports it, at their own machine.
        me: the id of the person who imports, if the export does not say it with ME.
        user: the name of that person, if it was given.
    """

    format: str
    items: Iterator[Turn | Skipped]
    total: int | None = None
    notes: tuple[str, ...] = ()
    people: Mapping[str, str] | None = None
    me: str = ""
    user: str = ""


MINE: Tags = {IMPORTED_AS: ME}  # of what the person wrote who exported it


def by_person(turn: Turn, program: str, identity: object) -> Turn:
    """The turn with the id that a program has for its speaker."""
    return replace(turn, tags={**turn.tags, IMPORTED_AS: f"{program}:{identity}"})


def by_bot(name: str) -> str:
    """The name of a program that speaks in a chat, whatever it calls itself."""
    return f"{name} (bot)"


def as_quotation(text: str, head: str = "") -> str:
    """Someone else's words in a message, as mail quotes them, below a line that says so."""
    lines = [f"> {line}".rstrip() for line in text.splitlines()]
    return "\n".join([*([head] if head else []), *lines])


def identity_of(turn: Turn, program: str) -> str:
    """The id of a turn's speaker in a program; the name, if the program has no ids."""
    identity = turn.tags.get(IMPORTED_AS) or f"{program}:{turn.speaker}"
    return label(str(identity), MAX_TAG_CHARACTERS)


# Reasons that several formats have for leaving something out; others: `memory.text.message_parts`.
NOTICES = "notices of the program"
DELETED = "deleted messages"
WORDLESS = "attachments without words"
NAMED_LIKE_OURS = "tags and names of sessions that only this memory gives"
REPLACED = "on a branch that was replaced by another"


def objects(values: Any) -> Any:
    """The objects of a list; an export may have null in the place of the list, or in it."""
    is_list = isinstance(values, list)
    return [value for value in values if isinstance(value, dict)] if is_list else values or []


OBJECTS = BeforeValidator(objects)  # of a list that a model of pydantic has


# --- dates --------------------------------------------------------------------------------------

# Text that claims to be a date: a number, or digits in ISO form.
_CLAIMS_A_DATE = re.compile(r"-?\d{1,18}(\.\d+)?|\d{4}-\d\d(-\d\d([T ][\d:.,Z+-]*)?)?")


def with_date(turn: Turn, location: str) -> Iterator[Turn | Skipped]:
    """The turn with a date from `clean_date`; words ("one May evening") stay unchanged.

    Skips and reports an impossible date (2024-13-45, -5): it would sort and compare like a date.
    The turn then has no date.
    """
    said_at = turn.said_at.strip()
    date = clean_date(said_at)
    if date or not _CLAIMS_A_DATE.fullmatch(said_at):
        yield replace(turn, said_at=date or said_at)
        return
    yield Skipped(f"{location}: {said_at}", "not a date of the calendar; its turn has none")
    yield replace(turn, said_at="")


def with_newest_date(
    turn: Turn, dates: Iterable[str | None], location: str
) -> Iterator[Turn | Skipped]:
    """The turn with the first of some dates that is one (`with_date`); skipped without a text."""
    if not turn.text.strip():
        yield Skipped(location, "no text")
        return
    texts = [date for date in dates if date]
    said_at = next(filter(clean_date, texts), "".join(texts[:1]))
    yield from with_date(replace(turn, said_at=said_at), location)


# --- sources, sessions and reasons --------------------------------------------------------------


def short_hash(*values: object) -> str:
    """Sixteen hexadecimal digits for these values, the same on every machine.

    They become part of the sources of imported turns; a second import recognises the turns by them.
    """
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def first_error(error: ValidationError) -> str:
    """The first error of a value from outside."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"


def session_name(title: str | None, identity: str) -> str:
    """A conversation's name, with the end of its id.

    Two conversations called "New chat" stay two sessions, and the name does not depend on the rest
    of the export.
    """
    return f"{(title or '').strip() or 'untitled'} ({identity[-8:]})"


def skipped_counts(left_out: Counter[str]) -> Iterator[Skipped]:
    """One `Skipped` for each reason to leave out messages, with their number."""
    for reason, number in (+left_out).items():  # + drops counts of 0
        yield Skipped(f"{number:,} message{'s' if number > 1 else ''}", reason)


# --- turns that a store accepts -----------------------------------------------------------------


def storable_items(items: Iterator[Turn | Skipped]) -> Iterator[Turn | Skipped]:
    """Items whose turns a store accepts unchanged, each with a unique source.

    A text that is too long for one turn becomes several turns, with `#2`, `#3` after the source.
    Their sources are kept in a temporary file.
    """
    sources = KeyCounts()
    number = 1  # of the next turn that is stored
    kept_out = 0
    for item in items:
        if isinstance(item, Skipped):
            yield item
            continue
        outside = from_outside(item)
        kept_out += (outside.session, outside.tags) != (item.session, item.tags)
        for part in _parts(outside):
            # Makes the store's changes early: the import checks for turns by source before it
            # stores them, and must check for the stored form of the source.
            try:
                turn = valid_turn(part, number)
            except InputError as error:
                yield Skipped(part.source, str(error))
                continue
            if sources.add(turn.source) > 1:
                yield Skipped(turn.source, "something before it has the same source")
                continue
            number += 1
            yield turn
    yield from skipped_counts(Counter({NAMED_LIKE_OURS: kept_out}))


def _parts(turn: Turn) -> Iterator[Turn]:
    if len(turn.text) <= MAX_TURN_CHARACTERS:
        yield turn
        return
    for number, start in enumerate(range(0, len(turn.text), MAX_TURN_CHARACTERS), 1):
        text = turn.text[start : start + MAX_TURN_CHARACTERS]
        source = turn.source if number == 1 else Minted(f"{turn.source}#{number}")
        yield replace(turn, text=text, source=source)
