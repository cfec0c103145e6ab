"""Turns whose moment has come are forgotten by the store that looks for them, before it reads."""

import time
from collections.abc import Callable
from threading import RLock

from memory.errors import StoreError
from memory.store.configuration.settings import settings_of
from memory.store.forgetting.preview import forget_without_preview
from memory.store.protocol import Store
from memory.store.turns import expiry
from memory.system.home import save_receipts
from memory.system.logs import clean_logger

_log = clean_logger("memory.store")
LOOK_SECONDS = 1.0  # another process may have given turns a moment since


class ExpiredTurns:
    """The look of one store for expired turns; all threads of the store share it."""

    def __init__(self) -> None:
        self._next_look = 0.0  # Unix seconds
        self._is_first = True
        self._is_looking = False
        self._lock = RLock()

    @property
    def are_to_look_for(self) -> bool:
        """Whether a look may find some."""
        # If the next look is further ahead than any is put off, the clock has gone back.
        return not self._next_look - LOOK_SECONDS <= time.time() < self._next_look

    def look_again(self) -> None:
        """Look before the next read: turns were added that may have expired already."""
        self._next_look = 0.0

    def forget(self, store: Store, remove: Callable[[], None]) -> None:
        """Forget the turns that have expired, by `remove`; other threads wait for it.

        The first look of a store also overwrites their bytes and keeps the receipts, also of what
        other stores have removed. Raises StoreError if a store for reading finds some, and no other
        may write.
        """
        with self._lock:
            # Another thread has just looked, or this look reads the store itself.
            if self._is_looking or not self.are_to_look_for:
                return
            self._is_looking = True
            try:
                now = time.time()
                with store.reading() as conn:
                    next_expiry = expiry.next_expiry(conn)
                    # A tag of another form is no moment: no read waits to write for it.
                    is_due = next_expiry <= now and bool(expiry.expired_turns(conn))
                if is_due:
                    remove()
                if self._is_first and not store.read_only:
                    self._finish(store)
                self._is_first = False
                self._next_look = now + LOOK_SECONDS
                if next_expiry > now:
                    self._next_look = min(self._next_look, next_expiry)
            finally:
                self._is_looking = False

    def _finish(self, store: Store) -> None:
        """Overwrite the bytes of expired turns. A worker does what fails here."""
        due = [setting.value for setting in settings_of(store, "forgetting")]
        if not any(value.get("expired") for value in due):
            return
        try:
            save_receipts(store.location, forget_without_preview(store))
        except StoreError as error:
            _log.warning("the bytes of expired turns are still to be overwritten: %s", error)
