"""The folder where this machine keeps memories, and which of them may ask a hosted embedder.

A memory names the embedder of its vectors in its own file, and files are received. So what leaves
this machine is not for a file to decide: a hosted embedder gets the texts of a memory only where
somebody on this machine named it for that memory. That is recorded here, outside of the file.
"""

import hashlib
import json
import os
import shlex
from pathlib import Path
from urllib.parse import unquote

from platformdirs import user_data_path

from memory.files import write_whole

AGREED = "hosted-embedders"  # the folder of what was agreed to, a file for each memory
TOKENS = "tokens.json"  # what the server's bearer tokens open


def home() -> Path:
    """The folder of all namespaces: MEMORY_HOME, or where this platform keeps such things.

    Where MEMORY_HOME is a database of Postgres, the folder of what is this machine's own.
    """
    folder = os.environ.get("MEMORY_HOME")
    if not folder or home_address():
        return user_data_path("sql-memory")
    return Path(folder).expanduser()


def home_address() -> str:
    """The address of the database of all namespaces, "" where they are files."""
    place = os.environ.get("MEMORY_HOME", "")
    return place if place.startswith(("postgresql://", "postgres://")) else ""


def agree_to_embedder(place: Path | str, name: str) -> None:
    """Record that the memory at a place may ask this hosted embedder, and no other one.

    A place is `Store.place`. Raises InputError when it cannot be recorded.
    """
    agreement = {"memory": _resolved(place), "embedder": name}
    if agreed_embedder(place) != name:
        write_whole(_agreement_file(place), json.dumps(agreement).encode())


def agreed_embedder(place: Path | str) -> str:
    """The hosted embedder that the memory at a place may ask; empty for none."""
    try:
        agreement = json.loads(_agreement_file(place).read_bytes())
        return str(agreement["embedder"]) if agreement["memory"] == _resolved(place) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # what cannot be read was not agreed to


def withdraw_agreement(place: Path | str) -> None:
    """Let the memory at a place ask no hosted embedder any more."""
    _agreement_file(place).unlink(missing_ok=True)


def embed_command(place: Path | str, embedder: str, *options: str) -> str:
    """The command that makes the vectors of the memory at a place by an embedder.

    A namespace in Postgres is named by MEMORY_HOME and its name; a password is not in a place.
    """
    words = ["--embedder", embedder, *options]
    if "://" not in str(place):
        return shlex.join(["python", "-m", "memory", "embed", "--file", str(place), *words])
    address, _, name = str(place).rpartition("namespace=")
    command = ["python", "-m", "memory", "embed", "--namespace", unquote(name), *words]
    return f"MEMORY_HOME={shlex.quote(address.rstrip('?&'))} {shlex.join(command)}"


def _resolved(place: Path | str) -> str:
    """A place as one text: a path by whatever links, or the address of a namespace in Postgres."""
    return str(place) if "://" in str(place) else str(Path(place).resolve())


def _agreement_file(place: Path | str) -> Path:
    digest = hashlib.sha256(_resolved(place).encode("utf-8", "surrogateescape")).hexdigest()
    return home() / AGREED / f"{digest[:32]}.json"
