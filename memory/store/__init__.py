"""The store: one object that holds one namespace, and the way to open it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Self

from memory.errors import InputError
from memory.model import Change, Hit, Pending, Rows, Turn


class Store(Protocol):
    """One namespace: turns that are never lost, facts that can be undone, a search over both.

    A store belongs to one thread; each thread and each process opens its own on the same address.
    """

    def add(self, turns: Sequence[Turn]) -> list[int]:
        """Store turns in one transaction and return their ids; durable on return.

        Raises InputError (and stores none) for a turn with empty text.
        """

    def turn(self, turn_id: int) -> Turn:
        """The turn with this id. Raises InputError when there is none."""

    def turns(self, first: int = 1, last: int | None = None) -> list[Turn]:
        """The turns with ids from first to last (inclusive; None: to the end), in order."""

    def search(self, text: str, k: int = 10) -> list[Hit]:
        """The best k turns by the hybrid ranking, best first. No language model is asked."""

    def read(self, sql: str) -> Rows:
        """Run one SELECT that a model may write. Raises SqlError: refused, wrong or too slow."""

    def write(self, sql: str, cause: str, window: tuple[int, int] | None = None) -> Change:
        """Run INSERT, UPDATE and DELETE on facts as one transaction and one journaled change.

        With a window, a new fact's turn_id must lie in it, and the window counts as digested.
        Raises SqlError, with nothing written.
        """

    def undo(self, change_id: int) -> Change:
        """Take a change back, and return the change that did so (undo that one to redo).

        Raises InputError when a later change rests on it, or it is undone already.
        """

    def changes(self) -> list[Change]:
        """The journal, oldest first."""

    def claim(self, size: int, lease_s: float = 600.0) -> tuple[int, int] | None:
        """The next undigested window of at most `size` turns, as (first, last) ids.

        The window goes into `pending` in the same transaction, so that it survives a kill, and is
        kept from other processes for `lease_s` seconds. None when no turn waits.
        """

    def reclaim(self, window: tuple[int, int], lease_s: float = 600.0) -> bool:
        """Take over a pending window; False when it is stored by now or somebody works on it."""

    def fail(self, window: tuple[int, int], error: str, attempted: bool = True) -> None:
        """Give a claimed window back to `pending` with the reason; it can be claimed again.

        An interruption (`attempted` False) does not count as an attempt.
        """

    def pending(self) -> list[Pending]:
        """The windows that no model has stored yet, oldest first."""

    def catalog(self, tokens: int) -> str:
        """What this memory holds, for a prompt, in at most `tokens` tokens.

        Speakers, date range and sessions, then subjects with their commonest attributes.
        """

    def close(self) -> None:
        """Release the database. Closing twice is allowed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...


def open_store(address: str | Path, read_only: bool = False) -> Store:
    """Open (or create) the namespace at a path or `sqlite:///path`.

    Raises StoreError when the file is not ours, of a newer version, or cannot be used, and
    InputError for an address of another kind.
    """
    from memory.store.sqlite import SqliteStore

    text = str(address)
    if "://" in text and not text.startswith("sqlite:///"):
        raise InputError(f"cannot open {text.split('://')[0]}://...; give a path or sqlite:///path")
    return SqliteStore(Path(text.removeprefix("sqlite:///")), read_only=read_only)
