"""Which project a folder belongs to, and which memory a project has."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from memory.system.folders import folder_name, is_windows_folder

_LONGEST_NAME = 60
_NAMESPACE = re.compile(r"(?P<name>.+)-[0-9a-f]{6}")
_WORKTREE = re.compile(r"gitdir: (?P<administration>(?P<repository>.+?)/\.git/worktrees/[^/\n]+)")
_LONGEST_LINE = 10_000  # bytes
HERE = "."  # as a namespace: the memory of the project around the working folder


@dataclass(frozen=True)
class Project:
    """A folder of work, and the namespace with its memory."""

    folder: Path
    namespace: str


def project_of(folder: str | Path) -> Project:
    """The project of a folder: the repository around it, else the folder itself.

    A worktree belongs to its repository. The folder need not exist any more, and may be one of
    Windows whose transcripts were copied here.
    """
    if os.name != "nt" and is_windows_folder(str(folder)):
        # It names no folder of this machine, and Windows does not tell large letters from small.
        windows = PureWindowsPath(folder)
        return _project(Path(str(windows)), folder_name(str(folder)), str(windows).casefold())
    path = Path(folder).expanduser().absolute()
    root = next((parent for parent in (path, *path.parents) if (parent / ".git").exists()), path)
    root = _repository_of_worktree(root) or root
    return _project(root, root.name, str(root))


def _project(folder: Path, name: str, identity: str) -> Project:
    digest = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
    return Project(folder, f"{name[:_LONGEST_NAME] or 'root'}-{digest[:6]}")


def project_name(namespace: str) -> str:
    """The name of the project whose memory this is; "" for a namespace of another form."""
    match = _NAMESPACE.fullmatch(namespace)
    return match["name"] if match else ""


def _repository_of_worktree(root: Path) -> Path | None:
    """The repository of a folder that is a worktree, where it knows that worktree itself.

    A file that came with a folder may name any repository.
    """
    link = root / ".git"
    match = _WORKTREE.fullmatch(_line_of(link))
    if match is None:
        return None
    administration = root / match["administration"]  # git may write either as relative
    known = _line_of(administration / "gitdir")
    if not known or (administration / known).resolve() != link.resolve():
        return None
    return (root / match["repository"]).resolve()


def _line_of(path: Path) -> str:
    """The line in a small regular file; "" without one. A pipe would hold a hook up."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_LONGEST_LINE).decode().strip()
    except (OSError, ValueError):
        return ""
