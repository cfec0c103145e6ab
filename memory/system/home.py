"""The folder where this machine keeps memories, and what stands next to them there."""

import json
import os
import secrets
import shlex
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from urllib.parse import unquote

from platformdirs import user_data_path

from memory.errors import InputError
from memory.records import Forgotten
from memory.system.files import PRIVATE_FOLDER, changing, write_whole

RECEIPT = "forgotten-"  # what the names of receipts of `forget` begin with
AGENTS_FOLDER = "agents"  # cursors, settings and the log of coding agents' hooks
TOKENS = "tokens.json"  # the rights of the server's bearer tokens
DEFAULT_MODEL = "default-model.json"  # of commands, as `memory setup --model` has chosen it
ITEM_KEYS = "forgotten-items.keys"  # what marks forgotten turns, a key a line, our own first


NO_MODEL = "none"  # the name of no model, where one may be named


def home() -> Path:
    """The folder of all namespaces: MEMORY_HOME, or this platform's folder for user data.

    If MEMORY_HOME is a Postgres database, the folder of this machine's own files.
    """
    folder = os.environ.get("MEMORY_HOME")
    if not folder or home_address():
        return user_data_path("sql-memory")
    return Path(folder).expanduser()


def home_address() -> str:
    """The address of the database of all namespaces; "" if they are files."""
    location = os.environ.get("MEMORY_HOME", "")
    return location if location.startswith(("postgresql://", "postgres://")) else ""


def default_model() -> str:
    """The model of commands that name none, as `memory setup` has chosen it; "" for none.

    A file that cannot be read chooses none.
    """
    try:
        name = str(json.loads((home() / DEFAULT_MODEL).read_bytes())["model"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return "" if name == NO_MODEL else name


def set_default_model(name: str) -> None:
    """Choose the model of commands that name none. Raises InputError when it cannot be written."""
    write_whole(home() / DEFAULT_MODEL, json.dumps({"model": name}).encode())


def item_keys() -> list[bytes]:
    """The keys of this machine that mark forgotten turns, its own first; [] if there are none."""
    try:
        return [bytes.fromhex(line) for line in (home() / ITEM_KEYS).read_text("ascii").split()]
    except (OSError, ValueError):
        return []


def make_item_key() -> None:
    """Make the key of this machine, unless it has one, or cannot keep one."""
    if not item_keys():
        _keep_item_keys(lambda keys: keys or [secrets.token_bytes(32)])


def know_item_key(key: bytes) -> None:
    """Keep the key of a database, behind our own, if this machine can keep one."""
    if key not in item_keys():
        _keep_item_keys(lambda keys: [*(keys or [secrets.token_bytes(32)]), key])


def _keep_item_keys(changed: Callable[[list[bytes]], list[bytes]]) -> None:
    path = home() / ITEM_KEYS
    with suppress(InputError), changing(path):
        lines = "".join(f"{key.hex()}\n" for key in changed(item_keys()))
        write_whole(path, lines.encode())


def receipt_name(forgotten: Forgotten) -> str:
    """The name of a receipt's file: two of one moment have two, as each has its own salt."""
    moment = "".join(filter(str.isalnum, forgotten.at))
    return f"{RECEIPT}{moment}-{forgotten.sha256[:8]}.json"


def save_receipts(location: str, receipts: Iterable[Forgotten]) -> Path:
    """Write receipts next to a memory, or here for one in a database; returns the folder.

    Raises InputError if a file cannot be written.
    """
    folder = home() if "://" in location else Path(location).absolute().parent
    try:
        folder.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from error
    for forgotten in receipts:
        content = f"{json.dumps(asdict(forgotten))}\n"
        write_whole(folder / receipt_name(forgotten), content.encode())
    return folder


def embed_command(location: Path | str, embedder: str, *options: str) -> str:
    """The command that makes the vectors of the memory at a location with an embedder.

    For Postgres, it gives MEMORY_HOME and the namespace's name. A location has no password.
    """
    words = ["--embedder", embedder, *options]
    if "://" not in str(location):
        return shlex.join(["memory", "admin", "embed", "--db", str(location), *words])
    address, _, name = str(location).rpartition("namespace=")
    command = ["memory", "admin", "embed", "--namespace", unquote(name), *words]
    return f"MEMORY_HOME={shlex.quote(address.rstrip('?&'))} {shlex.join(command)}"
