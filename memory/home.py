"""The folder where this machine keeps memories, and which of them may ask a hosted embedder.

A memory names the embedder of its vectors in its own file, and files are received. So what leaves
this machine is not for a file to decide: a hosted embedder gets the texts of a memory only where
somebody on this machine named it for that memory. That is recorded here, outside of the file.
"""

import hashlib
import json
import os
from pathlib import Path

from platformdirs import user_data_path

from memory.files import write_whole

AGREED = "hosted-embedders"  # the folder of what was agreed to, a file for each memory
TOKENS = "tokens.json"  # what the server's bearer tokens open


def home() -> Path:
    """The folder of all namespaces: MEMORY_HOME, or where this platform keeps such things."""
    folder = os.environ.get("MEMORY_HOME")
    return Path(folder).expanduser() if folder else user_data_path("sql-memory")


def agree_to_embedder(path: Path, name: str) -> None:
    """Record that the memory at a path may ask this hosted embedder, and no other one.

    Raises InputError when it cannot be recorded.
    """
    agreement = {"memory": str(path.resolve()), "embedder": name}
    if agreed_embedder(path) != name:
        write_whole(_agreement_file(path), json.dumps(agreement).encode())


def agreed_embedder(path: Path) -> str:
    """The hosted embedder that the memory at a path may ask; empty for none."""
    try:
        agreement = json.loads(_agreement_file(path).read_bytes())
        return str(agreement["embedder"]) if agreement["memory"] == str(path.resolve()) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # what cannot be read was not agreed to


def withdraw_agreement(path: Path) -> None:
    """Let the memory at a path ask no hosted embedder any more."""
    _agreement_file(path).unlink(missing_ok=True)


def _agreement_file(path: Path) -> Path:
    digest = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    return home() / AGREED / f"{digest[:32]}.json"
