"""Documents and tool uses as turns: chunks that say where they stand, calls with their outcome."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memory.chunking import CHUNK_TOKENS, chunk_text
from memory.documents.readers import READERS, Section
from memory.errors import InputError
from memory.model import Turn
from memory.sql import quoted
from memory.store import Store
from memory.tokens import count_tokens, trim

__all__ = ["Added", "add_chunks", "chunks", "tool_use"]

# Of a tool use a model later needs what was asked and how it ended, not a whole web page.
ARGUMENT_TOKENS = 200
RESULT_TOKENS = 400
TITLE_CHARACTERS = 200
HASH_LETTERS = 8


def chunks(path: Path) -> list[Turn]:
    """A document as turns of kind "document", in its order.

    Markdown, plain text, HTML or PDF, by suffix; the last two need the extra `documents`. A chunk
    has 150 tokens at most and begins with up to 40 of the one before; it stays below one heading,
    and the path to that ("Manual > Install") is its first line. Its source is name, hash of the
    content and place: "manual.md@1a2b3c4d:lines 12-40".

    Raises InputError for what cannot be read, is no text, or is of another kind.
    """
    if (read := READERS.get(path.suffix.lower())) is None:
        raise InputError(f"{path}: give a document that ends in {', '.join(READERS)}")
    try:
        content = path.read_bytes()
        said_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    title, sections, unit = read(path, content)
    found = [(section, *piece) for section in sections for piece in _of_section(section)]
    if not found:
        scanned = "; are its pages pictures?" if unit == "page" else ""
        raise InputError(f"{path}: there is no text in it{scanned}")
    places = [section.place(unit, start, end) for section, _, start, end in found]
    often = Counter(places)
    seen: Counter[str] = Counter()
    name = path.name.encode("utf-8", "replace").decode()  # a file's name need be no text
    version = f"{name}@{hashlib.sha256(content).hexdigest()[:HASH_LETTERS]}"
    turns = []
    for place, (_, text, _, _) in zip(places, found, strict=True):
        seen[place] += 1
        part = f" part {seen[place]}" if often[place] > 1 else ""
        turns.append(
            Turn(
                speaker=title[:TITLE_CHARACTERS] or name,
                text=text,
                session=name,
                said_at=said_at.isoformat(timespec="seconds"),
                source=f"{version}:{place}{part}",
                kind="document",
            )
        )
    return turns


@dataclass(frozen=True)
class Added:
    """What `add_chunks` did: chunks that are new, chunks that were there.

    `others` are versions ("manual.md@1a2b3c4d") of a document of that name that are there too.
    """

    new: int
    already: int
    others: tuple[str, ...] = ()


def add_chunks(store: Store, turns: Sequence[Turn]) -> Added:
    """Store the chunks of one document unless they are there: the same file twice is one."""
    known = store.known([turn.source for turn in turns])
    if fresh := [turn for turn in turns if turn.source not in known]:
        store.add(fresh, once=True)
    name = turns[0].session
    version = f"substr(source, 1, length(session) + {1 + HASH_LETTERS})"
    found = store.read(
        f"SELECT {version} AS version FROM turns"
        f" WHERE kind = 'document' AND session = {quoted(name)} GROUP BY {version} ORDER BY min(id)"
    )
    of_it = [one for (one,) in found.rows if one.startswith(f"{name}@")]
    others = [one for one in of_it if not turns[0].source.startswith(f"{one}:")]
    return Added(len(fresh), len(turns) - len(fresh), tuple(others))


def _of_section(section: Section) -> Iterator[tuple[str, int, int]]:
    head = trim(section.path, CHUNK_TOKENS // 2) + "\n" if section.path else ""
    room = CHUNK_TOKENS - count_tokens(head)
    for text, start, end in chunk_text(section.text, room):
        yield head + text, start, end


def tool_use(
    name: str,
    arguments: Mapping[str, Any],
    result: object,
    worked: bool,
    session: str = "",
    said_at: str = "",
    by: str = "",
) -> Turn:
    """One use of a tool as a turn, so that "what did I try, and did it work" has an answer.

    Its text: `search_flights({"to": "Oslo"}) -> 3 flights found. It worked.`, where arguments and
    result are cut at ARGUMENT_TOKENS and RESULT_TOKENS. `by` is who used it (by default the tool
    is the speaker), `session` the exchange it belongs to, `said_at` when (ISO text).

    Raises InputError when the tool has no name.
    """
    if not name.strip():
        raise InputError("a tool use needs the tool's name")
    given = trim(_plain(dict(arguments)), ARGUMENT_TOKENS) if arguments else ""
    got = trim(_plain(result).strip(), RESULT_TOKENS) or "nothing"
    end = "" if got.endswith((".", "!", "?")) else "."
    outcome = "It worked." if worked else "It failed."
    text = f"{name}({given}) -> {got}{end} {outcome}"
    return Turn(by or name, text, session, said_at, kind="tool")


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
