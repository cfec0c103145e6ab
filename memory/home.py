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
    location = os.environ.get("MEMORY_HOME", "")
    return location if location.startswith(("postgresql://", "postgres://")) else ""


def agree_to_embedder(location: Path | str, name: str) -> None:
    """Record that the memory at a location may ask this hosted embedder, and no other one.

    A location is `Store.location`. Raises InputError when it cannot be recorded.
    """
    agreement = {"memory": _resolved(location), "embedder": name}
    if agreed_embedder(location) != name:
        write_whole(_agreement_file(location), json.dumps(agreement).encode())


def agreed_embedder(location: Path | str) -> str:
    """The hosted embedder that the memory at a location may ask; empty for none."""
    try:
        agreement = json.loads(_agreement_file(location).read_bytes())
        return str(agreement["embedder"]) if agreement["memory"] == _resolved(location) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""  # what cannot be read was not agreed to


def withdraw_agreement(location: Path | str) -> None:
    """Let the memory at a location ask no hosted embedder any more."""
    _agreement_file(location).unlink(missing_ok=True)


def embed_command(location: Path | str, embedder: str, *options: str) -> str:
    """The command that makes the vectors of the memory at a location by an embedder.

    A namespace in Postgres is named by MEMORY_HOME and its name; a password is not in a location.
    """
    words = ["--embedder", embedder, *options]
    if "://" not in str(location):
        return shlex.join(["memory", "admin", "embed", "--db", str(location), *words])
    address, _, name = str(location).rpartition("namespace=")
    command = ["memory", "admin", "embed", "--namespace", unquote(name), *words]
    return f"MEMORY_HOME={shlex.quote(address.rstrip('?&'))} {shlex.join(command)}"


def _resolved(location: Path | str) -> str:
    """A location as one text: a resolved path, or the address of a namespace in Postgres."""
    return str(location) if "://" in str(location) else str(Path(location).resolve())


def _agreement_file(location: Path | str) -> Path:
    digest = hashlib.sha256(_resolved(location).encode("utf-8", "surrogateescape")).hexdigest()
    return home() / AGREED / f"{digest[:32]}.json"
