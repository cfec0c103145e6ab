"""The files of an export: one file, or all of a folder or zip archive, and their text."""

import codecs
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

from memory.errors import InputError
from memory.system.files import open_regular

_CHUNK = 2**20  # bytes read at a time
_DEEPEST = 8  # folders below one another
_MOST_FILES = 1_000_000  # in a folder: with more it is not an export
# An archive's list of its files takes about a hundred bytes a file, and five times that in memory.
LONGEST_LIST = 64_000_000  # bytes
# Text compresses to about a tenth; a file that was made to fill a memory, to a thousandth.
MOST_EXPANDED = 100  # times the packed size of an archive, and of a file in it
_SMALL_FILE = 1_000_000  # bytes; a file up to this size may have any packed size
# The end of an archive says how long that list is, before a comment of up to 65,535 bytes.
_END, _LONGEST_END = b"PK\x05\x06", 22 + 65_535
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20
_END_64_BYTES = 56
# Files that may hold chats, in a folder whose files have other names.
_MAY_HOLD_CHATS = (".json", ".jsonl", ".txt")
# Names of other programs' settings, and of their files other than chats.
_NO_CHATS = re.compile(r"(.*/)?(package(-lock)?|tsconfig|settings|manifest)\.json")


@dataclass(frozen=True)
class InputFile:
    """A file, or a member of an archive. `open` gives its bytes and may be called again.

    Without an `encoding` it is UTF-8, or UTF-16 with a mark.
    """

    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    encoding: str = ""


@dataclass(frozen=True)
class Contents:
    """The names of the files in a folder or zip archive, sorted, and how to open one."""

    names: Sequence[str]
    open: Callable[[str], AbstractContextManager[IO[bytes]]]


def contents_of(path: Path) -> Contents | None:
    """What is in a folder or zip archive; None for any other file.

    The list of an archive is read once. Raises InputError if the path cannot be read.
    """
    try:
        if path.is_dir():
            return Contents(sorted(_names_below(path)), lambda name: open_regular(path / name))
        with open_regular(path) as file:
            if file.read(4) != b"PK\x03\x04":
                return None
            _refuse_long_list(path, file)
        archive = zipfile.ZipFile(path)  # closes with the last of its files that someone holds
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot read {path}: {_reason(error)}") from error
    size = path.stat().st_size
    unpacked = sum(member.file_size for member in archive.filelist)
    if unpacked > max(_SMALL_FILE, MOST_EXPANDED * size):
        raise InputError(
            f"{path} unpacks to {unpacked:,} bytes, more than {MOST_EXPANDED} times its size;"
            " unpack it yourself if you trust it"
        )
    names = {name for name in archive.namelist() if not name.endswith("/")}
    chosen = sorted(name for name in names if not name.startswith("__MACOSX/"))
    return Contents(chosen, partial(_open_member, archive, path))


def input_files(
    path: Path,
    contents: Contents | None,
    encoding: str = "",
    names: Sequence[re.Pattern[str]] = (),
    archives: Sequence[re.Pattern[str]] = (),
) -> list[InputFile]:
    """The file itself, or the files to read of what is in a folder or archive, by name.

    Those with one of the `names` that programs give their files; without any, every file that may
    hold chats. `archives` are the names of archives that a folder may hold unopened. Raises
    InputError for an archive that cannot be read, and for an unknown encoding.
    """
    if encoding:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise InputError(f"there is no encoding {encoding!r}; cp1252 is one") from None
    if contents is None:
        return [InputFile(path.name, partial(open_regular, path), encoding)]
    chosen = [name for name in contents.names if _is_any(name, names)]
    packed = [
        replace(file, name=f"{name}/{file.name}")
        for name in contents.names
        if path.is_dir() and _is_any(name, archives)
        for file in input_files(path / name, contents_of(path / name), encoding, names)
    ]
    if not (chosen or packed):
        chosen = [name for name in contents.names if _may_hold_chats(name)]
    files = [InputFile(name, partial(contents.open, name), encoding) for name in chosen]
    return [*files, *packed]


def _is_any(name: str, patterns: Sequence[re.Pattern[str]]) -> bool:
    return any(pattern.fullmatch(name) for pattern in patterns)


def _may_hold_chats(name: str) -> bool:
    return name.lower().endswith(_MAY_HOLD_CHATS) and not _NO_CHATS.fullmatch(name)


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


def _refuse_long_list(path: Path, file: IO[bytes]) -> None:
    """Raises InputError for an archive whose list of files is too long to be read."""
    file.seek(0, os.SEEK_END)
    file.seek(max(file.tell() - _LONGEST_END - _LOCATOR_BYTES - _END_64_BYTES, 0))
    last = file.read()
    end = last.rfind(_END)
    size = int.from_bytes(last[end + 12 : end + 16], "little")
    locator = end - _LOCATOR_BYTES
    if last[locator : locator + 4] == _LOCATOR:  # zipfile believes what it leads to, as we do
        end_64 = locator - _END_64_BYTES
        size = int.from_bytes(last[end_64 + 40 : end_64 + 48], "little")
    if end >= 0 and size > LONGEST_LIST:
        raise InputError(
            f"{path}: its list of files has {size:,} bytes, more than {LONGEST_LIST:,}; unpack it"
            " and give the folder"
        )


@contextmanager
def _open_member(archive: zipfile.ZipFile, path: Path, name: str) -> Iterator[IO[bytes]]:
    # zipfile reads no more than the size in this header.
    sizes = archive.getinfo(name)
    if sizes.file_size > max(_SMALL_FILE, MOST_EXPANDED * sizes.compress_size):
        raise InputError(
            f"{path}: {name} unpacks to {sizes.file_size:,} bytes, more than {MOST_EXPANDED} times"
            " its packed size; unpack it yourself if you trust it"
        )
    try:
        with archive.open(name) as member:
            yield member
    # A password raises RuntimeError; an unknown compression raises NotImplementedError, which is
    # a RuntimeError too.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(f"cannot read {name} in {path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or "it is damaged"


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
