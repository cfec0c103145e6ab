"""A marriage ends what was said of being single, divorced or engaged, and a divorce ends it."""

from pathlib import Path

import pytest

from memory import Memory

CASES = [
    ("I'm single.", "I'm married to Jo.", "Am I married?", "Jo; before that single"),
    ("I'm divorced.", "I married Jo.", "Am I married?", "Jo; before that divorced"),
    ("I'm single.", "Jo and I got married.", "Who am I married to?", "Jo"),
    ("I'm single.", "I got married.", "Am I married?", "married; before that single"),
    ("We are engaged.", "We got married.", "Am I married?", "married; before that engaged"),
    ("I'm married to Jo.", "We are divorced.", "Am I married?", "divorced; before that Jo"),
    ("I'm married to Jo.", "I'm single again.", "Am I married?", "single; before that Jo"),
]


@pytest.mark.parametrize(("first", "later", "question", "expected"), CASES)
def test_one_state_takes_the_place_of_another(
    tmp_path: Path, first: str, later: str, question: str, expected: str
) -> None:
    with Memory(tmp_path / "nora.db") as memory:
        memory.add(first, speaker="Nora", said_at="2025-01-10")
        memory.add(later, speaker="Nora", said_at="2025-02-10")
        assert memory.ask(question, asker="Nora").text == expected
