"""Texts that were pasted without a mark: by their structure they speak for nobody."""

import pytest

from memory import Memory
from memory.vocabulary.templates.parts import own_lines, own_text
from tests.benchmarks.pasted import TEXTS, heard

# Of 60 each. Before, 33 pasted texts stated or instructed, and of the own ones 55 did both.
MOST_PASTED, LEAST_OWN = 5, 53


def test_pasted_texts_state_and_instruct_seldom() -> None:
    results = [heard(text, number) for number, text in enumerate(TEXTS["pasted"])]
    assert len(results) == 60
    assert sum(states or instructs for states, instructs, _ in results) <= MOST_PASTED


def test_own_messages_state_and_instruct() -> None:
    results = [heard(text, number) for number, text in enumerate(TEXTS["own"])]
    assert len(results) == 60
    assert sum(states and instructs for states, instructs, _ in results) >= LEAST_OWN


def test_what_stands_between_paragraphs_is_found_and_dated() -> None:
    text = "We sat in the garden.\n\nI live in Ghent.\n\nAnd yesterday we left.\n\nIt was late."
    with Memory(":memory:") as memory:
        memory.add(text, speaker="Bea", said_at="2026-05-01")
        assert not memory.facts()
        assert "Ghent" in memory.search("Ghent")[0].text
    assert own_text(text) == "We sat in the garden.\n\nIt was late."
    assert all(is_own for _, is_own in own_lines(text))


@pytest.mark.parametrize("speaker", ["Bea", "Paula"])
def test_a_name_below_a_text_is_its_writers(speaker: str) -> None:
    with Memory(":memory:") as memory:
        memory.add("I live in Ghent.\n\n- Bea", speaker=speaker)
        assert bool(memory.facts()) == (speaker == "Bea")
