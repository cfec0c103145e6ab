"""Folders of other machines: sessions name theirs as that machine writes it."""

import re
from pathlib import PurePath, PureWindowsPath

_WINDOWS = re.compile(r"[A-Za-z]:(?:[\\/]|$)|\\\\[^\\]")


def is_windows_folder(text: str) -> bool:
    """Whether a path is of Windows: with a drive, or of a share."""
    return _WINDOWS.match(text) is not None


def folder_name(text: str) -> str:
    """The last part of a folder's path; a share's or a drive's if it has no other."""
    if not is_windows_folder(text):
        return PurePath(text).name
    path = PureWindowsPath(text)
    return path.name or re.split(r"[\\/]", path.drive)[-1].rstrip(":")
