"""JSON of any size, one value at a time: lists, lines, zip archives, files that were cut off."""

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
from memory.exchange.reading import Skipped, reason

_CHUNK = 2**20
_CONVERSATIONS = re.compile(r"conversations(-\d+)?\.json")
_SPACE = re.compile(r"[ \t\r\n]*")
_decoder = json.JSONDecoder()
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """A file, or one in an archive; `open` gives its bytes, as often as wanted."""

    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]


def documents(path: Path) -> list[Document]:
    """The file itself, or the conversations in a folder or zip archive, by name.

    Raises InputError for what cannot be read, and when there are none.
    """
    try:
        if path.is_dir():
            found = [file for file in sorted(path.iterdir()) if _CONVERSATIONS.fullmatch(file.name)]
            return [Document(file.name, partial(_file, file)) for file in found]
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                return [Document(path.name, partial(_file, path))]
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {path}: {_why(error)}") from error
    found_in = [name for name in names if _CONVERSATIONS.fullmatch(name.split("/")[-1])]
    if not found_in:
        raise InputError(f"{path}: no conversations.json in it; unpack archives of other things")
    return [Document(name, partial(_member, path, name)) for name in found_in]


def _file(path: Path) -> IO[bytes]:
    return path.open("rb")


@contextmanager
def _member(path: Path, name: str) -> Iterator[IO[bytes]]:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as member:
            yield member
    # An archive with a password is a RuntimeError, one packed in an unusual way NotImplemented.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(f"cannot read {name} in {path}: {_why(error)}") from error


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or "it is damaged"


def decoded(document: Document) -> Iterator[str]:
    """The text of a document, in pieces, without a byte order mark.

    Raises InputError for a file that is not UTF-8, with the place of the byte.
    """
    decoder, before, at_start = codecs.getincrementaldecoder("utf-8")(), 0, True
    try:
        with document.open() as file:
            while chunk := file.read(_CHUNK):
                held = len(decoder.getstate()[0])
                if text := decoder.decode(chunk):
                    yield text.removeprefix("\ufeff") if at_start else text
                    at_start = False
                before += len(chunk)
            held = len(decoder.getstate()[0])
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        place = before - held + error.start + 1
        raise InputError(
            f"{document.name}: not UTF-8 at byte {place:,}; save it as UTF-8"
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {document.name}: {_why(error)}") from error


def values(document: Document) -> Iterator[tuple[str, Any] | Skipped]:
    """The elements of a JSON list, or the values of a file that has several, with their places.

    One object that holds a list under "results" or "memories" stands for that list. Where the
    text stops being JSON the rest is Skipped. Only one element is held in memory.
    Raises InputError when not even the first is JSON.
    """
    source = _Source(decoded(document))
    is_list = source.peek() == "["
    if is_list:
        source.at += 1
    number = 0
    while (ahead := source.peek()) and not (is_list and ahead == "]"):
        number += 1
        if is_list and number > 1 and ahead == ",":
            source.at += 1
            source.peek()
        try:
            value = source.value()
        except (ValueError, RecursionError) as error:
            why = f"not JSON ({error}): the file may be cut off or damaged here"
            if number == 1:
                raise InputError(f"{document.name}: element 1: {why}") from error
            yield Skipped(f"{document.name}: element {number:,} and all after it", why)
            return
        inner = value.get("results", value.get("memories")) if isinstance(value, dict) else None
        for place, one in enumerate(inner, 1) if isinstance(inner, list) else [(number, value)]:
            yield f"{document.name}: element {place:,}", one
    if is_list and not ahead:
        yield Skipped(document.name, "the list has no end: the file may be cut off")


def checked(
    documents: Sequence[Document], model: type[_Model]
) -> Iterator[tuple[str, _Model | str]]:
    """Each value's place, and what it is: the model, or why it is not one."""
    for document in documents:
        for item in values(document):
            if isinstance(item, Skipped):
                yield item.where, item.why
                continue
            if not isinstance(item[1], dict):
                yield item[0], "not an object"
                continue
            try:
                yield item[0], model.model_validate(item[1])
            except ValidationError as error:
                yield item[0], reason(error)


class _Source:
    """Text that is read as far as it is needed; `at` is the place reached in `text`."""

    def __init__(self, chunks: Iterator[str]) -> None:
        self.chunks, self.text, self.at = chunks, "", 0

    def more(self, characters: int) -> bool:
        """Read on by at least so many characters; False when there is nothing more."""
        new = [self.text[self.at :]]
        while characters > 0 and (chunk := next(self.chunks, "")):
            new.append(chunk)
            characters -= len(chunk)
        self.text, self.at = "".join(new), 0
        return len(new) > 1

    def peek(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more(1):
                return ""

    def value(self) -> Any:
        """The JSON value that begins here. Raises ValueError when it is none.

        Twice the text is read when a value seems unfinished, so that a long one costs no more
        than a few attempts.
        """
        while True:
            try:
                value, end = _decoder.raw_decode(self.text, self.at)
            except ValueError:
                if not self.more(len(self.text) - self.at or 1):
                    raise
                continue
            length = end - self.at
            if end == len(self.text) and self.more(1):
                continue  # a number may go on
            self.at += length
            return value
