"""A bare name is a home only if a town, a region or a country bears it."""

from pathlib import Path

import pytest

from memory import Memory

NO_PLACES = [
    "We moved to Kubernetes last month.",
    "I've moved to Android.",
    "We've just moved to a monorepo.",
    "We moved to Postgres.",
    "I live in Slack.",
    "I just moved to Scrum.",
]


@pytest.mark.parametrize("text", NO_PLACES)
def test_a_program_or_a_method_is_no_home(tmp_path: Path, text: str) -> None:
    with Memory(tmp_path / "nora.db") as memory:
        memory.add("I live in Leeds.", speaker="Nora", said_at="2025-01-10")
        memory.add(text, speaker="Nora", said_at="2025-03-04")
        assert [fact.value for fact in memory.facts()] == ["Leeds"]
        assert memory.ask("Where do I live?", asker="Nora").text.startswith("Leeds")


@pytest.mark.parametrize(
    "place",
    [
        *("Ghent", "N\u00fcrnberg", "New York", "North Leeds", "Norway", "Sierra Leone"),
        *("Slowenien", "Kirkby Malzeard, England", "Bled, Slov\u00e9nie"),
    ],
)
def test_a_town_a_part_of_one_and_a_country_are(tmp_path: Path, place: str) -> None:
    with Memory(tmp_path / "nora.db") as memory:
        memory.add(f"I live in {place}.", speaker="Nora", said_at="2025-01-10")
        assert [fact.value for fact in memory.facts()] == [place]
