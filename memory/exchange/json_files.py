"""Reads JSON of any size, one value at a time: lists, lines, zip archives, truncated files."""

import codecs
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ValidationError

from memory.errors import InputError
from memory.exchange.items import first_error
from memory.records import Skipped
from memory.system.files import open_regular

_CHUNK = 2**20  # bytes read at a time
# The reader holds a whole line or JSON value in memory. The largest conversations have a few
# million characters.
LONGEST_VALUE = 64_000_000  # characters
# Text compresses to about a tenth; a file that was made to fill a memory, to a thousandth.
MOST_EXPANDED = 100  # times the packed size of a member of an archive
_SMALL_MEMBER = 64_000_000  # bytes; a member up to this size may have any packed size
# What is read of an export: conversations, and what Claude remembers of them.
_CONVERSATIONS = re.compile(r"(.*/)?conversations(-\d+)?\.json")
_MEMORIES = re.compile(r"(.*/)?memories(\.json|/[^/]+\.json)")
_PROJECTS = re.compile(r"(.*/)?projects(\.json|/[^/]+\.json)")
# Chats of messengers, in the folder or archive that their programs make.
_CHATS = re.compile(r"(.*/)?(_chat\.txt|[^/]*WhatsApp[^/]*\.txt|result\.json)")
_WHITE_SPACE = re.compile(r"[ \t\r\n]*")
_decoder = json.JSONDecoder()
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class InputFile:
    """A file, or a member of an archive. `open` gives its bytes and may be called again.

    Without an `encoding` it is UTF-8, or UTF-16 with a mark.
    """

    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    encoding: str = ""


def input_files(path: Path, encoding: str = "") -> list[InputFile]:
    """The file itself, or what is read of a folder or zip archive, by name.

    Conversations come first, then what Claude keeps beside them; without those the chats of
    messengers. Raises InputError if the path cannot be read, for an archive with nothing to read,
    and for an unknown encoding.
    """
    if encoding:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise InputError(f"there is no encoding {encoding!r}; cp1252 is one") from None
    names = _names(path)
    if names is None:
        return [InputFile(path.name, partial(_open_file, path), encoding)]
    members = [
        name
        for pattern in (_CONVERSATIONS, _MEMORIES, _PROJECTS)
        for name in names
        if pattern.fullmatch(name)
    ]
    members = members or [name for name in names if _CHATS.fullmatch(name)]
    if path.is_dir():
        return [InputFile(name, partial(_open_file, path / name), encoding) for name in members]
    if not members:
        raise InputError(f"{path}: no conversations.json in it; unpack archives of other things")
    return [InputFile(name, partial(_open_member, path, name), encoding) for name in members]


def is_of_memories(file: InputFile) -> bool:
    """Whether a file of a folder or archive holds what Claude remembers, by its name."""
    return bool(_MEMORIES.fullmatch(file.name))


def is_of_projects(file: InputFile) -> bool:
    """Whether a file of a folder or archive holds Claude's projects, by its name."""
    return bool(_PROJECTS.fullmatch(file.name))


def unread_files(path: Path) -> list[str]:
    """The JSON files in a folder or zip archive that `input_files` leaves out, by name."""
    names = _names(path) or []
    read = {file.name for file in input_files(path)} if names else set()
    return [name for name in names if name.endswith(".json") and name not in read]


def _names(path: Path) -> list[str] | None:
    """The files of a folder or zip archive, sorted; None for any other file.

    Raises InputError if the path cannot be read.
    """
    try:
        if path.is_dir():
            files = [*path.iterdir(), *path.glob("memories/*.json"), *path.glob("projects/*.json")]
            return sorted(file.relative_to(path).as_posix() for file in files if file.is_file())
        with open_regular(path) as file:
            if file.read(4) != b"PK\x03\x04":
                return None
        with zipfile.ZipFile(path) as archive:
            return sorted(archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {path}: {_reason(error)}") from error


def _open_file(path: Path) -> IO[bytes]:
    return open_regular(path)


@contextmanager
def _open_member(path: Path, name: str) -> Iterator[IO[bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            # zipfile reads no more than the size in this header.
            sizes = archive.getinfo(name)
            if sizes.file_size > max(_SMALL_MEMBER, MOST_EXPANDED * sizes.compress_size):
                raise InputError(
                    f"{path}: {name} unpacks to {sizes.file_size:,} bytes, more than"
                    f" {MOST_EXPANDED} times its packed size; unpack it yourself if you trust it"
                )
            with archive.open(name) as member:
                yield member
    # A password raises RuntimeError; an unknown compression raises NotImplementedError, which is
    # a RuntimeError too.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(f"cannot read {name} in {path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or "it is damaged"


def refuse_long_value(file: InputFile, characters: int) -> None:
    """Raises InputError if a line or value that has not ended yet is too long."""
    if characters > LONGEST_VALUE:
        raise InputError(
            f"{file.name}: a line or value of more than {LONGEST_VALUE:,} characters; split it"
        )


def decoded_text(file: InputFile) -> Iterator[str]:
    """The text of a file, in pieces, without a byte order mark.

    The text is UTF-8, or UTF-16 with a mark (what spreadsheets call Unicode text), unless the file
    has another encoding. Raises InputError for any other, with the offset of the byte.
    """
    encoding = file.encoding or "utf-8"
    bytes_before = 0  # the current chunk
    undecoded = 0  # bytes of a character that two chunks share
    at_start = True
    try:
        with file.open() as content:
            mark = content.read(2)
            if not file.encoding and mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                encoding = "utf-16"
            decoder = codecs.getincrementaldecoder(encoding)()
            while chunk := mark + content.read(_CHUNK):
                mark = b""
                undecoded = len(decoder.getstate()[0])
                if text := decoder.decode(chunk):
                    yield text.removeprefix("\ufeff") if at_start else text
                    at_start = False
                bytes_before += len(chunk)
            undecoded = len(decoder.getstate()[0])
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        # The decoder counts from its leftover bytes.
        offset = bytes_before - undecoded + error.start + 1
        raise InputError(
            f"{file.name}: not {encoding.upper()} at byte {offset:,}; save it as UTF-8, or give its"
            " encoding: --encoding cp1252 for what Windows calls ANSI"
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {file.name}: {_reason(error)}") from error


def json_values(file: InputFile) -> Iterator[tuple[str, Any] | Skipped]:
    """The elements of a JSON list, or the values of a file that has several, with their locations.

    An object with a list under "results" or "memories" counts as that list. Where the text stops
    being JSON, one `Skipped` reports the rest. Holds only one element in memory. Raises InputError
    if not even the first element is JSON.
    """
    text = _JsonText(file)
    is_list = text.next_character() == "["
    if is_list:
        text.position += 1
    number = 0
    while (character := text.next_character()) and not (is_list and character == "]"):
        number += 1
        if is_list and number > 1 and character == ",":
            text.position += 1
            text.next_character()
        try:
            value = text.value()
        except (ValueError, RecursionError) as error:
            reason = f"not JSON ({error}): the file may be cut off or damaged here"
            if number == 1:
                raise InputError(f"{file.name}: element 1: {reason}") from error
            yield Skipped(f"{file.name}: element {number:,} and all after it", reason)
            return

        elements = value.get("results", value.get("memories")) if isinstance(value, dict) else None
        if isinstance(elements, list):
            for index, element in enumerate(elements, 1):
                yield f"{file.name}: element {index:,}", element
        else:
            yield f"{file.name}: element {number:,}", value
    if is_list and not character:
        yield Skipped(file.name, "the list has no end: the file may be cut off")


def validated(
    files: Sequence[InputFile], model: type[_Model]
) -> Iterator[tuple[str, _Model | str]]:
    """The location of each value, with the value as this model, or the reason why it is invalid."""
    for file in files:
        for item in json_values(file):
            if isinstance(item, Skipped):
                yield item.where, item.why
                continue
            location, value = item
            if not isinstance(value, dict):
                yield location, "not an object"
                continue
            try:
                yield location, model.model_validate(value)
            except ValidationError as error:
                yield location, first_error(error)


class _JsonText:
    """Text that is read on demand; `position` is the current index in `text`.

    It feeds the C decoder of `json`, which is seven times as fast as a streaming parser
    (docs/decisions.md, 48).
    """

    def __init__(self, file: InputFile) -> None:
        self.file = file
        self.chunks = decoded_text(file)
        self.text = ""
        self.position = 0

    def read(self, characters: int) -> bool:
        """Read at least `characters` more; False at the end of the text."""
        pieces = [self.text[self.position :]]
        while characters > 0 and (chunk := next(self.chunks, "")):
            pieces.append(chunk)
            characters -= len(chunk)
        self.text = "".join(pieces)
        self.position = 0
        return len(pieces) > 1

    def next_character(self) -> str:
        """The next character that is not white space, without consuming it; "" at the end."""
        while True:
            space = _WHITE_SPACE.match(self.text, self.position)
            assert space is not None  # the pattern matches the empty string
            self.position = space.end()
            if self.position < len(self.text):
                return self.text[self.position]
            if not self.read(1):
                return ""

    def value(self) -> Any:
        """Consume the JSON value that begins here. Raises ValueError if there is none.

        Doubles the text at hand whenever a value seems unfinished: a long value needs only a few
        attempts.
        """
        while True:
            try:
                value, end = _decoder.raw_decode(self.text, self.position)
            except ValueError:
                refuse_long_value(self.file, len(self.text) - self.position)
                if not self.read(len(self.text) - self.position or 1):
                    raise
                continue
            length = end - self.position  # reading on moves the position
            if end == len(self.text) and self.read(1):
                continue  # a number may continue in the next chunk
            self.position += length
            return value
