"""Which project a folder belongs to, and which memory a project has."""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from memory.system.folders import folder_name, is_windows_folder
from memory.system.home import AGENTS_FOLDER, home

_LONGEST_NAME = 60
# Of the hash of a path, in the name of a memory. 80 bits, so that no one finds another path with
# the same hash: an archive brings folders whose paths its maker has chosen.
_DIGITS = 20
_FORMER_DIGITS = 6  # in names before that; such a path was found in a minute
_NAMESPACE = re.compile(rf"(?P<name>.+)-[0-9a-f]{{{_FORMER_DIGITS}}}(?:[0-9a-f]{{14}})?")
_WORKTREE = re.compile(r"gitdir: (?P<administration>(?P<repository>.+?)/\.git/worktrees/[^/\n]+)")
_LONGEST_LINE = 10_000  # bytes
SESSIONS = "sessions"  # the folder of the cursors of sessions
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
        # It is not a folder of this machine, and Windows ignores case.
        windows = PureWindowsPath(folder)
        return _project(Path(str(windows)), folder_name(str(folder)), str(windows).casefold())
    path = Path(folder).expanduser().absolute()
    root = next((parent for parent in (path, *path.parents) if (parent / ".git").exists()), path)
    root = _repository_of_worktree(root) or root
    return _project(root, root.name, str(root))


def _project(folder: Path, name: str, identity: str) -> Project:
    digest = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()
    name = name[:_LONGEST_NAME] or "root"
    former = f"{name}-{digest[:_FORMER_DIGITS]}"
    if _has_sessions_in(former, folder):
        return Project(folder, former)
    return Project(folder, f"{name}-{digest[:_DIGITS]}")


def _has_sessions_in(former: str, folder: Path) -> bool:
    """Whether sessions of this folder were stored in the memory with the former name.

    A memory of another folder with such a name is not taken. Memories in Postgres are not looked
    at: `memory admin namespaces rename` gives such a memory its new name.
    """
    from memory.store.namespaces import location_of

    location = location_of(former)
    if not (isinstance(location, Path) and location.exists()):
        return False
    for file in (home() / AGENTS_FOLDER / SESSIONS).glob("*.json"):
        try:
            session = json.loads(file.read_bytes())
            if session["namespace"] == former and Path(session["folder"]).is_relative_to(folder):
                return True
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return False


def project_name(namespace: str) -> str:
    """The name of the project whose memory this is; "" for a namespace of another form."""
    match = _NAMESPACE.fullmatch(namespace)
    return match["name"] if match else ""


def _repository_of_worktree(root: Path) -> Path | None:
    """The repository of a worktree's folder, if it knows that worktree itself.

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
    """The line in a small regular file; "" without one. A pipe would block a hook."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_LONGEST_LINE).decode().strip()
    except (OSError, ValueError):
        return ""
