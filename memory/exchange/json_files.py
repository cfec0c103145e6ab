"""Reads JSON of any size, one value at a time: lists, lines, zip archives, truncated files."""

import codecs
import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
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
_SMALL_MEMBER = 1_000_000  # bytes; a member up to this size may have any packed size
# What is read of an export: conversations, and what Claude remembers of them.
_CONVERSATIONS = re.compile(r"(.*/)?conversations(-\d+)?\.json")
_MEMORIES = re.compile(r"(.*/)?memories(\.json|/[^/]+\.json)")
_PROJECTS = re.compile(r"(.*/)?projects(\.json|/[^/]+\.json)")
_DESIGNS = re.compile(r"(.*/)?design_chats(\.json|/[^/]+\.json)")
# Claude sends an export in several archives, which lie in one folder then.
_ARCHIVES = re.compile(
    r"(.*/)?((conversations|memories|projects|design_chats)-\d+|.+-batch-\d+)\.zip"
)
# Chats of messengers, in the folder or archive that their programs make.
_CHATS = re.compile(r"(.*/)?(_chat\.txt|[^/]*WhatsApp[^/]*\.txt|result\.json)")
# Files that may hold chats, in a folder whose files have fixed names.
_MAY_HOLD_CHATS = (".json", ".jsonl", ".txt")
# Names of other programs' settings, and of their files other than chats.
_NO_CHATS = re.compile(r"(.*/)?(package(-lock)?|tsconfig|settings|manifest)\.json")
_DEEPEST = 8  # folders below one another
_MOST_FILES = 1_000_000  # in a folder: with more it is not an export
_WHITE_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER_ENDS = 8  # characters within which a number's point or exponent ends
_AFTER_NUMBER = (",", "]", "}", " ", "\t", "\r", "\n")
_WRAPPERS = ("results", "memories", "conversations")
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
    """The file itself, or the parts to read of a folder or zip archive, by name.

    Conversations come first, then Claude's other files; without conversations, the chats of
    messengers, and otherwise every file that may hold chats. The archives of one export may be in a
    folder as they were sent. Raises InputError if the path cannot be read, and for an unknown
    encoding.
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
        for pattern in (_CONVERSATIONS, _MEMORIES, _PROJECTS, _DESIGNS)
        for name in names
        if pattern.fullmatch(name)
    ]
    members = members or [name for name in names if _CHATS.fullmatch(name)]
    if path.is_dir():
        packed = [
            replace(file, name=f"{name}/{file.name}")
            for name in names
            if _ARCHIVES.fullmatch(name)
            for file in input_files(path / name, encoding)
        ]
        members = members or [name for name in names if not packed and _may_hold_chats(name)]
        opened = [InputFile(name, partial(_open_file, path / name), encoding) for name in members]
        return [*opened, *packed]
    members = members or [name for name in names if _may_hold_chats(name)]
    return [InputFile(name, partial(_open_member, path, name), encoding) for name in members]


def is_of_memories(file: InputFile) -> bool:
    """Whether a file of a folder or archive holds Claude's memories, by its name."""
    return bool(_MEMORIES.fullmatch(file.name))


def is_of_projects(file: InputFile) -> bool:
    """Whether a file of a folder or archive holds Claude's projects, by its name."""
    return bool(_PROJECTS.fullmatch(file.name))


def is_of_designs(file: InputFile) -> bool:
    """Whether a file of a folder or archive holds Claude's chats about designs, by its name."""
    return bool(_DESIGNS.fullmatch(file.name))


def _may_hold_chats(name: str) -> bool:
    return name.lower().endswith(_MAY_HOLD_CHATS) and not _NO_CHATS.fullmatch(name)


def unread_files(path: Path, read: Collection[str]) -> list[str]:
    """The JSON files of a folder or zip archive that were not `read`, by name."""
    return [
        name
        for name in _names(path) or []
        if name.endswith((".json", ".jsonl")) and name not in read
    ]


def file_names(path: Path) -> list[str]:
    """The names of all files in a folder or zip archive; empty for any other file."""
    return _names(path) or []


def _names(path: Path) -> list[str] | None:
    """The files of a folder or zip archive, sorted; None for any other file.

    Raises InputError if the path cannot be read.
    """
    try:
        if path.is_dir():
            return sorted(_names_below(path))
        with open_regular(path) as file:
            if file.read(4) != b"PK\x03\x04":
                return None
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            return sorted(name for name in names if not name.startswith("__MACOSX/"))
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {path}: {_reason(error)}") from error


def _names_below(path: Path) -> Iterator[str]:
    """The files of a folder and its subfolders, without hidden ones or links."""
    number = 0
    for folder, folders, files in os.walk(path):
        below = Path(folder).relative_to(path)
        is_deepest = len(below.parts) >= _DEEPEST
        folders[:] = [] if is_deepest else sorted(n for n in folders if not n.startswith("."))
        for name in files:
            number += 1
            if number > _MOST_FILES:
                raise InputError(f"{path}: more than {_MOST_FILES:,} files; give the export's own")
            if (Path(folder) / name).is_file():
                yield (below / name).as_posix()


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

    An object with a list under "results", "memories" or "conversations" counts as that list. Where
    the text stops being JSON, one `Skipped` reports the rest. Holds only one element in memory.
    Raises InputError if not even the first element is JSON.
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

        elements = wrapped_elements(value)
        if elements is not None:
            for index, element in enumerate(elements, 1):
                yield f"{file.name}: element {index:,}", element
        else:
            yield f"{file.name}: element {number:,}", value
    if is_list and not character:
        yield Skipped(file.name, "the list has no end: the file may be cut off")


def wrapped_elements(value: Any) -> list[Any] | None:
    """The list for which an object counts: what it calls its results, memories or conversations."""
    if not isinstance(value, dict):
        return None
    elements = next((value[key] for key in _WRAPPERS if key in value), None)
    return elements if isinstance(elements, list) else None


def json_members(
    file: InputFile, opened: Collection[tuple[str, ...]]
) -> Iterator[tuple[tuple[str | int, ...], Any] | Skipped]:
    """The members of a file's first value, each with its path, one at a time.

    Opens the lists and objects at the paths `opened`, where "*" is any element of a list: with
    `{(), ("messages",)}` the members of an object, and for "messages" its elements. So a list of
    any length is read with one element in memory. Where the text stops being JSON, one `Skipped`
    reports the rest.
    """
    text = _JsonText(file)

    def members(path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
        pattern = tuple("*" if isinstance(step, int) else step for step in path)
        opening = text.next_character()
        if pattern not in opened or opening not in ("[", "{"):
            yield path, text.value()
            return
        for step in text.steps():
            yield from members((*path, step))

    try:
        yield from members(())
    except (ValueError, RecursionError) as error:
        yield Skipped(
            f"{file.name}: the rest", f"not JSON ({error}): the file may be cut off or damaged here"
        )


def json_outlines(file: InputFile, most: int) -> Iterator[Any]:
    """The first values of a file, or the first elements of its list, each with short lists.

    Every list in them has only its first `most` elements: enough to show the format of a file of
    any size. Stops where the text stops being JSON.
    """
    text = _JsonText(file)
    try:
        if text.next_character() == "[":
            for _ in zip(text.steps(), range(most), strict=False):
                yield _outline(text, most, _OUTLINED)
            return
        for _ in range(most):
            if not text.next_character():
                return
            yield _outline(text, most, _OUTLINED)
    except (ValueError, RecursionError):
        return


_OUTLINED = 5  # levels of lists and objects


def _outline(text: "_JsonText", most: int, levels: int) -> Any:
    """The value that begins here, with the first elements of its lists; what of it is JSON."""
    opening = text.next_character()
    if not levels or opening not in ("[", "{"):
        return text.value()
    elements: list[Any] = []
    members: dict[str, Any] = {}
    try:
        for step in text.steps():
            if isinstance(step, str):
                members[step] = _outline(text, most, levels - 1)
            elif step < most:
                elements.append(_outline(text, most, levels - 1))
            else:
                text.value()
    except (ValueError, RecursionError):
        if not (elements or members):
            raise
    return members if opening == "{" else elements


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

    def steps(self) -> Iterator[str | int]:
        """Each key of the object that begins here, or each number of an element of the list.

        The caller consumes the value before it goes on. Raises ValueError if it is not JSON.
        """
        opening = self.next_character()
        self.position += 1
        number = 0
        while (character := self.next_character()) not in ("]", "}"):
            if number and character != ",":
                raise ValueError("no comma between two values")
            if number:
                self.position += 1
                self.next_character()
            if opening == "[":
                yield number
            else:
                key = self.value()
                if not isinstance(key, str) or self.next_character() != ":":
                    raise ValueError("no name of a value")
                self.position += 1
                self.next_character()
                yield key
            number += 1
        self.position += 1

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
            # A number may continue in the next chunk: after its digits, its point or its "e".
            is_whole = isinstance(value, (str, list, dict)) or len(self.text) - end >= _NUMBER_ENDS
            if not is_whole and self.text[end : end + 1] not in _AFTER_NUMBER and self.read(1):
                continue
            self.position += length
            return value
