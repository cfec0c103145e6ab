"""A change ends what was true before: forty of them in two chats, digested from end to end."""

from pathlib import Path

import pytest

from memory import open_store
from tests.support.closings import closings, ends_of

pytestmark = pytest.mark.slow


def test_a_change_of_state_ends_the_old_one_or_is_named_and_none_ends_wrongly(
    tmp_path: Path,
) -> None:
    """Nine are named: no sentence states five of the rows, nor that four of them are over."""
    ended = 0
    for conversation, states in closings():
        with open_store(tmp_path / f"{conversation.id}.db") as store:
            right, wrong, silent = ends_of(store, conversation, states)
        assert wrong == 0
        assert silent == []
        ended += right
    assert ended >= 31
