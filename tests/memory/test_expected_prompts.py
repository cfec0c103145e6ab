"""Prompts stay as they are, byte for byte, unless a change means to change them.

`python -m tests.support.expected_prompts` writes the expected texts anew; the commit says why.
"""

from difflib import unified_diff

import pytest

from tests.support.expected_prompts import EXPECTED, GROUPS, Group, file_of

MOST_LINES = 60  # of a difference that is shown


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_prompts_are_as_expected(group: Group) -> None:
    expected = (EXPECTED / f"{group.__name__}.txt").read_text("utf-8")
    shown = file_of(group())
    lines = unified_diff(
        expected.splitlines(), shown.splitlines(), "expected", "shown", lineterm="", n=2
    )
    difference = list(lines)
    assert not difference, "\n".join(["", *difference[:MOST_LINES]])
    assert shown == expected
