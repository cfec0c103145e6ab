"""The store: one object that holds one namespace, opened here.

protocol.py is its contract; sqlite/store.py and postgres/store.py are the two objects that keep it,
and database_store.py is what they share. The rooms decide what they do.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memory.errors import InputError
from memory.store.protocol import Store

if TYPE_CHECKING:
    from memory.store.changes.history import edits_of
    from memory.store.configuration.declared_settings import Settings
    from memory.store.waiting.pending_windows import claim_window, fail_window

_LONGEST_ADDRESS = 4_000  # characters; a path of a file has 4,096 bytes at most

__all__ = [
    "Settings",
    "Store",
    "claim_window",
    "edits_of",
    "fail_window",
    "namespaces",
    "open_store",
    "postgres_module",
]

# Name -> its module, imported when the name is first used: `import memory` does without them.
_MODULES = {
    "Settings": "configuration.declared_settings",
    "claim_window": "waiting.pending_windows",
    "edits_of": "changes.history",
    "fail_window": "waiting.pending_windows",
}


def open_store(address: str | Path, read_only: bool = False, embedder: str | None = None) -> Store:
    """Open (or create) the namespace at a path, `sqlite:///path` or `postgresql://...`.

    An address of Postgres names the namespace: postgresql://USER:PASSWORD@HOST/DATABASE?namespace=
    NAME (behind another query: &namespace=NAME). It needs the extra `postgres`.

    `embedder` is a name that memory.search.embed knows. None means the embedder that made the
    memory's vectors, or in a new memory the packaged one. It is loaded when it is needed.

    Raises StoreError when the file is not ours, of a newer version, or cannot be used, and
    InputError for an address of another kind, a name that is no embedder's, or an embedder other
    than the recorded one (`Vectors.reembed` changes it).
    """
    if not isinstance(address, str | Path):
        raise InputError(f"a memory's path or address is a text or a Path, not {address!r:.60}")
    text = str(address)
    if "\0" in text or len(text) > _LONGEST_ADDRESS:
        raise InputError(
            f"{text[:40]!r}... is no memory's path or address: it has {len(text):,} characters"
            + (", one of them NUL" if "\0" in text else f", at most {_LONGEST_ADDRESS:,} fit")
        )
    if text.startswith(("postgresql://", "postgres://")):
        return _open_postgres(text, read_only, embedder)
    # Not at the top: it loads numpy and the SQL parser, which `import memory` does without.
    from memory.store.sqlite.store import SqliteStore

    if "://" in text and not text.startswith("sqlite:///"):
        raise InputError(
            f"cannot open {text.split('://')[0]}://...; give a path, sqlite:///path or"
            " postgresql://...?namespace=NAME"
        )
    return SqliteStore(Path(text.removeprefix("sqlite:///")), read_only, embedder)


def _open_postgres(text: str, read_only: bool, embedder: str | None) -> Store:
    store: Store = postgres_module("store").PostgresStore(text, read_only, embedder)
    return store


def postgres_module(name: str) -> Any:
    """A module of memory.store.postgres. Raises InputError where its packages are missing."""
    try:
        return import_module(f"memory.store.postgres.{name}")
    except ImportError as error:
        raise InputError(
            "a memory in Postgres needs more packages: pip install '.[postgres]' in the clone"
        ) from error


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'memory.store' has no attribute {name!r}")
    return getattr(import_module(f"memory.store.{_MODULES[name]}"), name)
