"""Documents as turns: chunks that name their location in the document."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from memory.errors import InputError
from memory.exchange.documents.child_process import read_in_child
from memory.exchange.documents.chunking import CHUNK_TOKENS, chunk_text
from memory.exchange.documents.readers import (
    LARGEST_FILE,
    READERS,
    Limits,
    Section,
    refuse_missing_extra,
)
from memory.records import NOTHING_WITHHELD, Minted, Turn, Withheld
from memory.store import Store
from memory.store.configuration.settings import is_unnamed
from memory.store.database import Connection
from memory.store.turns.tags import replace_tags_in
from memory.store.turns.turn_reads import chunks_of_document, versions_of_document
from memory.store.turns.turn_validation import OLDER_VERSION
from memory.store.turns.turns_table import known_sources
from memory.system.files import refuse_irregular
from memory.text.characters import label, one_line
from memory.text.tokens import count_tokens, trim
from memory.text.words import words

TITLE_CHARACTERS = 200
HASH_LETTERS = 8
_LONGEST_NAME = 400  # characters of a file's name; with a hash and a place it is a source
MOST_CHUNKS = 50_000  # of one document; 5,000,000 characters of prose are 12,000

# The share of two texts' words that both have. Of 1,225 pairs of pages of our documents none has
# more than .38 in common; of 154 edits of one page 153 keep more than .45, of twenty edits in a row
# 41 of 45.
_SAME_FILE = 0.45


class _Chunk(NamedTuple):
    """A piece of a document below its heading's path, and its location (`lines 12-40`)."""

    text: str
    place: str


def is_document(path: Path) -> bool:
    """Whether a path has the suffix of a document that `chunks` reads; the file need not exist."""
    return path.suffix.lower() in READERS


def chunks(path: Path) -> list[Turn]:
    """A document as turns of kind "document", in order.

    Reads Markdown, plain text, HTML or PDF, by suffix; the last two need the extra `documents`. A
    chunk has at most 150 tokens and begins with up to 40 tokens of the one before. It stays below
    one heading, and the path to that heading ("Manual > Install") is its first line. Its source is
    the file name, a hash of the content and the location: "manual.md@1a2b3c4d:lines 12-40". YAML
    front matter and navigation (menus, breadcrumbs, a table of contents) are left out.

    Raises InputError for a document that cannot be read, is not text, has another suffix, or is
    larger, deeper or slower to read than `memory.exchange.documents.readers` allows; the message
    names the limit.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise InputError(f"{path}: give a document that ends in {', '.join(READERS)}")
    refuse_missing_extra(suffix, path)
    try:
        refuse_irregular(path)
        limits = Limits(path)
        limits.hold(path.stat().st_size, LARGEST_FILE, "bytes")
        content = path.read_bytes()
        said_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    # No file makes reading lines go wrong; its own process would take longer than that.
    if suffix == ".txt":
        document = READERS[suffix](path, content, limits)
    else:
        document = read_in_child(path, suffix, content)
    pieces: list[_Chunk] = []
    for section in document.sections:
        pieces += _section_chunks(section, document.unit)
        limits.hold(len(pieces), MOST_CHUNKS, "chunks")
        limits.count(0)
    if not pieces:
        scanned = "; are its pages pictures?" if document.unit == "page" else ""
        raise InputError(f"{path}: there is no text in it{scanned}")

    # A file name may contain bytes that are not text, and lines.
    name = label(path.name.encode("utf-8", "replace").decode(), _LONGEST_NAME)
    # The hash makes a changed document a new version, next to the stored one.
    version = f"{name}@{hashlib.sha256(content).hexdigest()[:HASH_LETTERS]}"
    # A title is not a person's name: a stranger's document may be called "user".
    title = document.title[:TITLE_CHARACTERS]
    speaker = name if is_unnamed(title) or not one_line(title) else title
    chunks_in_place = Counter(chunk.place for chunk in pieces)
    parts: Counter[str] = Counter()
    turns = []
    for chunk in pieces:
        # A number distinguishes the chunks of one long line or page.
        parts[chunk.place] += 1
        part = f" part {parts[chunk.place]}" if chunks_in_place[chunk.place] > 1 else ""
        turns.append(
            Turn(
                speaker=speaker,
                text=chunk.text,
                session=name,
                said_at=said_at.isoformat(timespec="seconds"),
                source=Minted(f"{version}:{chunk.place}{part}"),
                kind="document",
            )
        )
    return turns


def _section_chunks(section: Section, unit: str) -> Iterator[_Chunk]:
    # Even a long path of headings leaves at least half of the chunk to the text.
    heading = trim(section.path, CHUNK_TOKENS // 2) + "\n" if section.path else ""
    room = CHUNK_TOKENS - count_tokens(heading)
    for text, start, end in chunk_text(section.text, room):
        yield _Chunk(heading + text, section.place(unit, start, end))


@dataclass(frozen=True)
class AddedChunks:
    """The result of `add_chunks`: how many chunks are new, and how many the memory already had.

    `other_versions` ("manual.md@1a2b3c4d") are stored documents with the same name.
    """

    new: int
    already: int
    other_versions: tuple[str, ...] = ()
    withheld: Withheld = NOTHING_WITHHELD


def add_chunks(store: Store, turns: Sequence[Turn]) -> AddedChunks:
    """Store the chunks of one document that the memory lacks: adding a file twice adds it once."""
    known = known_sources(store, [turn.source for turn in turns])
    fresh = [turn for turn in turns if turn.source not in known]
    withheld = store.add(fresh, once=True).withheld if fresh else NOTHING_WITHHELD

    versions = versions_of_document(store, turns[0].session, HASH_LETTERS)
    if len(versions) > 1:
        with store.transaction() as conn:
            name = turns[0].session
            version = turns[0].source[: len(name) + 1 + HASH_LETTERS]
            _replace_older(conn, name, version)
    return AddedChunks(
        new=len(fresh),
        already=len(turns) - len(fresh),
        other_versions=tuple(
            version for version in versions if not turns[0].source.startswith(f"{version}:")
        ),
        withheld=withheld,
    )


def _replace_older(conn: Connection, name: str, version: str) -> None:
    """Mark the other versions of a document, and no longer this one: "manual.md@1a2b3c4d".

    A change that can be undone. Another file of the same name, such as the README of another
    project, is no version.
    """
    ids = defaultdict[str, list[int]](list)
    words_of = defaultdict[str, set[str]](set)
    for turn_id, source, text in chunks_of_document(conn, name):
        of_version = source[: len(version)]
        ids[of_version].append(turn_id)
        words_of[of_version].update(words(text))
    current_words = words_of.get(version, set())
    for stored, stored_words in words_of.items():
        is_same_file = len(current_words & stored_words) >= _SAME_FILE * len(
            current_words | stored_words
        )
        if stored != version and is_same_file:
            _mark(conn, ids[stored], {version})
    if current_words:
        _mark(conn, ids[version], set())


def _mark(conn: Connection, turn_ids: list[int], newer: set[str]) -> None:
    with suppress(InputError):  # it is marked so already
        replace_tags_in(conn, turn_ids, {OLDER_VERSION: newer}, "adding a file")
