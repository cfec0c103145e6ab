"""A change ends what was true before: forty of them in two chats, digested from end to end."""

from pathlib import Path

import pytest

from memory import open_store
from tests.support.closings import closings, ends_of

pytestmark = pytest.mark.slow


def test_of_forty_changes_of_state_thirty_eight_end_and_none_wrongly(tmp_path: Path) -> None:
    ended = 0
    for conversation, states in closings():
        with open_store(tmp_path / f"{conversation.id}.db") as store:
            right, wrong = ends_of(store, conversation, states)
        assert wrong == 0
        ended += right
    assert ended >= 38
