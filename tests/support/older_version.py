"""A store as older versions were: turns and facts are stored as they come."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from memory.store import database_store
from memory.store.facts import vocabulary_rules


@contextmanager
def older_version() -> Iterator[None]:
    """Turns and facts are stored as they come, as older versions did."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database_store, "valid_turn", lambda turn, number: turn)
        patch.setattr(vocabulary_rules, "as_label", lambda column, text: text)
        yield
