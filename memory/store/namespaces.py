"""Namespaces by name: one file each in MEMORY_HOME, or rows of the database it names."""

import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote_to_bytes

from memory.errors import InputError, StoreError
from memory.store import open_store, postgres_module
from memory.store.configuration.settings import settings_of
from memory.store.turns.tags import has_tag
from memory.store.turns.turn_reads import size_of, span_of_dates
from memory.system.files import PRIVATE_FOLDER, tighten
from memory.system.home import (
    AGENTS_FOLDER,
    RECEIPT,
    TOKENS,
    home_address,
)
from memory.system.home import home as home

DEFAULT = "default"  # the namespace if no name is given
Location = Path | str  # the file of a namespace, or its address in Postgres
SUFFIX = ".db"
# File systems take names of 255 bytes; SQLite adds -journal to this one, and a copy .part.
LONGEST_STEM = 230
# A name that is not there is compared with others where they are no more than these.
MOST_COMPARED = 500
# How to create the first namespace.
FIRST_STEPS = (
    '`memory add "I moved to Oslo." --speaker Anna`, `memory import FILE` or `memory chat` makes it'
)
# Windows reserves these names in every folder, with any suffix.
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.ASCII)


def path_of(name: str) -> Path:
    """The file of a namespace, directly in `home()` for any name; it need not exist.

    Equal Unicode spellings (NFC, NFD) are one name; "Anna" and "anna" are two. Raises InputError
    for a name that is blank, not valid text, or too long for a file name.
    """
    if not name.strip():
        raise InputError("a namespace's name is blank; give it one with letters")
    try:
        plain = normalize("NFC", name).encode()
    except UnicodeEncodeError:
        raise InputError(f"namespace {name!r}: this is no text that UTF-8 can hold") from None
    stem = _escape(plain)
    if len(stem) > LONGEST_STEM:
        raise InputError(
            f"namespace {name[:20]!r}...: too long for a file's name ({len(stem)} bytes where"
            f" {LONGEST_STEM} are allowed; all but a-z, 0-9, - and _ take three each)"
        )
    return home() / f"{stem}{SUFFIX}"


def _escape(plain: bytes) -> str:
    """Lower case only: two names must not collide on a file system that ignores case."""
    safe = b"abcdefghijklmnopqrstuvwxyz0123456789-_"
    stem = "".join(chr(byte) if byte in safe else f"%{byte:02x}" for byte in plain)
    return f"%{plain[0]:02x}{stem[1:]}" if _DEVICE.fullmatch(stem) else stem


def location_of(name: str) -> Location:
    """The location of a namespace for `open_store`: its file, or its address in Postgres.

    Raises InputError for an invalid name.
    """
    if home_address():
        return str(_address(name).text)
    return path_of(name)


def is_name(text: str) -> bool:
    """Whether a text names a namespace: one with a dot or a slash is a path or an address."""
    return not any(sign in text for sign in "./\\")


def named_place(name: str) -> Location:
    """The location of a namespace to open or create: its folder exists.

    Raises InputError for an invalid name.
    """
    location = location_of(name)
    if isinstance(location, Path):
        make_folder(location.parent)
    return location


def place_of(given: str | Path) -> Location:
    """Where a memory is opened or created: a path or an address unchanged, a name's place.

    Raises InputError for an invalid name, and for a name that a file in this folder has, too.
    """
    if isinstance(given, Path) or not is_name(given):
        return given
    if os.path.isfile(given):  # False for what no file can be called
        raise InputError(
            f"{given!r} is a namespace's name and a file here; write Path({given!r}) for the file"
        )
    return named_place(given)


def shown(location: Location) -> str:
    """A location for messages: without a password."""
    if isinstance(location, Path):
        return str(location)
    return str(postgres_module("address").without_password(location))


def _address(name: str) -> Any:
    """The address of a namespace in the database of MEMORY_HOME."""
    read_address = postgres_module("address").read_address
    return read_address(home_address(), needs_namespace=False).of(name)


def exists(name: str) -> bool:
    """Whether there is a namespace of this name."""
    if home_address():
        return bool(postgres_module("names").exists(_address(name)))
    return path_of(name).exists()


def names() -> list[str]:
    """All namespaces, sorted, without opening them; other files are ignored."""
    if home_address():
        return list(postgres_module("names").names(_address("all")))
    folder = home()
    if not folder.is_dir():
        return []
    return sorted(filter(None, map(_name_of, folder.iterdir())))


def _name_of(path: Path) -> str:
    """The name of the namespace in a file; empty for other files."""
    try:
        name = unquote_to_bytes(path.stem).decode()
        ours = path_of(name).name == path.name
    except (UnicodeDecodeError, InputError):
        return ""
    return name if ours and path.is_file() and path.stat().st_size else ""


def find(name: str) -> Location | None:
    """The location of a namespace, None when there is none; looks at no other name.

    Raises InputError for an invalid name.
    """
    return location_of(name) if exists(name) else None


def existing(name: str) -> Location:
    """The location of an existing namespace. Raises InputError with similar names."""
    location = find(name)
    if location is None:
        near = get_close_matches(name, _few_names(), n=3, cutoff=0.5)
        advice = f"did you mean {' or '.join(map(repr, near))}?" if near else FIRST_STEPS
        folder = shown(home_address() or home())
        raise InputError(f"there is no namespace {name!r} in {folder}; {advice}")
    return location


def _few_names() -> list[str]:
    """All names where they are few enough to compare with one, else none."""
    if home_address():
        few = list(postgres_module("names").names(_address("all"), MOST_COMPARED + 1))
    elif home().is_dir():
        files = [*islice(home().glob(f"*{SUFFIX}"), MOST_COMPARED + 1)]
        few = sorted(filter(None, map(_name_of, files)))
    else:
        return []
    return few if len(few) <= MOST_COMPARED else []


@dataclass(frozen=True)
class Summary:
    """The contents of a namespace in numbers; `error` when it cannot be read.

    `first` and `last` are the dates of its earliest and latest turns, `bytes` its size on disk,
    `backups` the backups that still exist; `has_work` says whether sessions of a coding agent are
    in it.
    """

    name: str
    turns: int = 0
    facts: int = 0
    first: str = ""
    last: str = ""
    bytes: int = 0
    backups: tuple[str, ...] = ()
    has_work: bool = False
    error: str = ""


def summary(name: str) -> Summary:
    """Summarize a namespace. Raises InputError when the name does not exist."""
    from memory.text.tool_uses import AGENT_TAG  # with patterns, which other calls do not need

    path = existing(name)
    size = _size(path)
    try:
        with open_store(path, read_only=True) as store:
            turns, facts = size_of(store)
            first, last = span_of_dates(store)  # without "one May evening"
            has_work = has_tag(store, AGENT_TAG)
            paths = dict.fromkeys(str(setting.value) for setting in settings_of(store, "backup"))
            backups = tuple(path for path in paths if Path(path).exists())
    except StoreError as error:
        return Summary(name, bytes=size, error=str(error))
    return Summary(
        name,
        turns=turns,
        facts=facts,
        first=first,
        last=last,
        bytes=size,
        backups=backups,
        has_work=has_work,
    )


def _size(location: Location) -> int:
    """The bytes of a namespace's file, or of its rows in shared tables."""
    if not isinstance(location, Path):
        postgres = postgres_module("address").read_address(location)
        return int(postgres_module("names").size(postgres))
    # SQLite keeps the newest commits in a second file until it writes them back.
    files = [location, location.with_name(f"{location.name}-wal")]
    return sum(file.stat().st_size for file in files if file.exists())


def create(name: str) -> Location:
    """Create an empty namespace. Raises InputError when the name is taken."""
    location = _free(name)
    open_store(location).close()
    return location


def rename(old: str, new: str) -> Location:
    """Rename a namespace. Raises InputError when the name is taken or there is no `old`, StoreError
    when it is open elsewhere.
    """
    from memory.store.files.namespace_file import move_store

    location = existing(old)
    target = _free(new)
    if isinstance(location, Path):
        move_store(location, Path(target))
    else:
        postgres_module("names").rename(_address(old), new)
    return target


def copy(name: str, new: str) -> Location:
    """Copy a namespace, which may be in use, into an independent one.

    Raises InputError when the new name is taken or there is no `name`.
    """
    from memory.store.files.namespace_file import copy_store
    from memory.store.files.transfer import note_copy, transfer

    location = existing(name)
    target = _free(new)
    if isinstance(location, Path):
        copy_store(location, Path(target))
    else:
        with open_store(location) as store, open_store(target) as copied:
            # Before the copy is made: none may be there that `forget` cannot name.
            note_copy(store, copied.location)
            transfer(store, copied)
            note_copy(copied, store.location)
    return target


def delete(name: str, missing_ok: bool = False) -> None:
    """Delete a namespace for good, also while it is open; its backups stay.

    Raises InputError for a name that does not exist, unless `missing_ok`; StoreError if the file
    cannot be deleted.
    """
    from memory.store.files.namespace_file import remove_store

    location = find(name) if missing_ok else existing(name)
    if location is None:
        return
    if isinstance(location, Path):
        remove_store(location)
    else:
        postgres_module("names").delete(_address(name))


def _free(name: str) -> Location:
    path = location_of(name)
    if not isinstance(path, Path):
        if exists(name):
            raise InputError(f"the namespace {name!r} already exists; choose another name")
        return path
    if path.exists() and path.stat().st_size:
        raise InputError(f"the namespace {name!r} already exists; choose another name")
    make_folder(path.parent)
    return path


def make_folder(path: Path) -> None:
    """Create a folder that only its owner can use, unless it exists. Raises InputError on failure.

    An existing home becomes private, too, if it contains only memories.
    """
    try:
        path.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        if path == home() and all(
            SUFFIX in entry.name
            or entry.name in (TOKENS, AGENTS_FOLDER)
            or entry.name.startswith(RECEIPT)
            for entry in path.iterdir()
        ):
            tighten(path)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}") from error
