"""The store: one object that holds one namespace (protocol.py), in SQLite (sqlite.py)."""

from memory.store.protocol import Store, open_store

__all__ = ["Store", "open_store"]
