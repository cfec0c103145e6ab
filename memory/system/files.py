"""Files that are written whole or not at all, and that only their owner may open."""

import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import IO

from memory.errors import InputError

# A conversation is private: the rights of a file from its first byte on, and of a folder of
# memories.
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
_LONGEST_CHANGE = 60.0  # seconds that one waits for others who change the same file
_LOCK_SECONDS = 10.0  # a memory is opened or deleted in a few milliseconds


def create_private(path: Path) -> None:
    """Make an empty file that only its owner may open, unless the file exists.

    Ignores errors: whoever opens the file next raises them. Never opens an existing file, because
    closing it would drop this process's locks on it.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))


def tighten(path: Path) -> None:
    """Remove all rights to a file or folder except the owner's, if possible.

    A path of another owner, a disk without such rights, and a device stay unchanged.
    """
    with suppress(OSError):
        mode = path.stat().st_mode
        is_ordinary = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
        if is_ordinary and stat.S_IMODE(mode) & ~PRIVATE_FOLDER:
            path.chmod(stat.S_IMODE(mode) & PRIVATE_FOLDER)


def most_open_files() -> int:
    """How many files this process may have open at once."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 8_192
    return int(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def allow_more_files(most: int = 65_536) -> None:
    """Let this process have as many files open as its user allows it, up to `most`."""
    with suppress(ModuleNotFoundError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        allowed = most if hard == resource.RLIM_INFINITY else min(hard, most)
        if soft != resource.RLIM_INFINITY and soft < allowed:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


@contextmanager
def folder_lock(
    folder: Path, is_exclusive: bool = False, seconds: float = _LOCK_SECONDS
) -> Iterator[bool]:
    """A lock on a folder: shared for opening a memory in it, exclusive for deleting.

    Yields whether it was free within `seconds`. Windows, which does not delete open files, and
    disks without such locks (some network drives) count as free.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        yield True
        return
    try:
        yield _took(handle, is_exclusive, seconds)
    finally:
        os.close(handle)


def _took(handle: int, is_exclusive: bool, seconds: float) -> bool:
    """Whether the lock of an open file or folder was free within `seconds`; this takes it."""
    busy: type[OSError] = BlockingIOError
    try:
        import fcntl
    except ModuleNotFoundError:
        import msvcrt

        take = partial(msvcrt.locking, handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        busy = OSError
    else:
        kind = fcntl.LOCK_EX if is_exclusive else fcntl.LOCK_SH
        take = partial(fcntl.flock, handle, kind | fcntl.LOCK_NB)
    end = time.monotonic() + seconds
    while True:
        try:
            take()
        except busy:
            if time.monotonic() > end:
                return False
            time.sleep(0.002)
        except OSError:
            return True  # a disk without such locks
        else:
            return True


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE_FILE)


def refuse_irregular(path: Path) -> None:
    """Raises InputError for a path that is a pipe, a socket or a device: reading might never end.

    A path without a file passes: opening it will fail.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: no regular file")


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _refuse_device(path: Path) -> None:
    """Raises InputError for a path whose replacement by a file would take away a device or pipe."""
    refuse_irregular(path)
    if path.absolute().parent.resolve() == Path("/dev"):  # /dev/stdout may lead to a plain file
        raise InputError(f"{path}: no regular file")


def open_regular(path: Path) -> BufferedReader:
    """A file of someone else's to read from. Raises InputError as `refuse_irregular` does.

    Does not wait for a pipe, even if it took the file's place a moment ago.
    """
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - its caller closes it
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise InputError(f"{path}: no regular file")


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """One at a time, of all threads and processes, reads a file, changes it and writes it anew.

    The lock is an empty file next to it, since the file itself is replaced. Raises InputError where
    another one changes it for longer than a minute. Disks without locks pass (some network drives).
    """
    lock = path.with_name(f".{path.name}.lock")
    try:
        path.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        handle = _open_private(str(lock), os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    try:
        if not _took(handle, True, _LONGEST_CHANGE):
            raise InputError(f"{path} is being changed by another process; try again")
        yield
    finally:
        os.close(handle)  # which gives the lock back, as the end of the process does


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all. Raises InputError when it cannot."""
    with whole(path) as file:
        file.write(content)


def discard(path: Path) -> None:
    """Remove an unfinished file. Ignores errors: the failure before this one matters more."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to. It replaces `path` once it is complete and on disk.

    Only its owner may open it.
    """
    # Threads of a process, and processes of machines that share a disk, each write their own.
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(8)}.part")
    try:
        _refuse_device(path)
        path.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
        try:
            with open(part, "wb", opener=_open_private) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
