"""Files that are there whole or not at all, and that only their owner may open."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from memory.errors import InputError

# What somebody said is for them alone: the rights of a file from its first byte on, and of a folder
# of memories.
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


def create_private(path: Path) -> None:
    """Make an empty file that only its owner may open, unless a file is there.

    What prevents it is raised by whoever opens the file next. A file that is there is not opened:
    closing it would drop the locks that this process has on it.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))


def tighten(path: Path) -> None:
    """Take from everybody but the owner the rights to a file or folder, where that is possible.

    It is not where the path belongs to somebody else, on a disk without such rights, and for a
    device: those stay as they are.
    """
    with suppress(OSError):
        mode = path.stat().st_mode
        is_ordinary = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
        if is_ordinary and stat.S_IMODE(mode) & ~PRIVATE_FOLDER:
            path.chmod(stat.S_IMODE(mode) & PRIVATE_FOLDER)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE_FILE)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all. Raises InputError when it cannot."""
    with whole(path) as file:
        file.write(content)


def discard(path: Path) -> None:
    """Remove a half-made file, where the disk lets it be removed: what failed counts more."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `path` once it is whole and on disk.

    Only its owner may open it.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
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
