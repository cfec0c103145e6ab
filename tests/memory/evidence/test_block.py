"""What is shown for a question: how long each turn may be, and how much of the budget is used."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Memory, Turn
from memory.text.tokens import count_tokens
from tests.support.scripted import scripted_model

BOAT = (
    "I went down to the harbour in the rain today, since the weekend had been too stormy for any"
    " work at all, and I talked to people there for an hour. {cost} Then I sat in the cabin with a"
    " pot of tea, looked at the old charts, and thought about where she might take us in summer."
)
COSTS = (
    "The new sail for the boat cost 640.",
    "Paint for the boat was 85.",
    "I got her a 210 pump.",
)
WALK = "This morning I walked the dog along the canal for {n} minutes and met a neighbour."


@pytest.fixture
def boat(tmp_path: Path) -> Iterator[Memory]:
    """Three long turns with what a boat cost, and two hundred walks."""
    with Memory(tmp_path / "a.db", model=scripted_model([])) as memory:
        turns = [
            Turn("user", WALK.format(n=n), said_at=f"2024-03-{n % 7 + 1:02}") for n in range(200)
        ]
        costs = [Turn("user", BOAT.format(cost=cost), said_at="2024-03-09") for cost in COSTS]
        memory.store.add([*turns[:100], *costs, *turns[100:]])
        yield memory


@pytest.mark.parametrize(
    "question",
    [
        "What did the work on the boat cost in total?",
        "How many things did I buy for the boat?",
        "What kinds of things have I paid for on the boat?",
        "List all costs of the boat.",
    ],
)
@pytest.mark.parametrize("budget", [600, 2_000, 6_000])
def test_a_sum_a_count_a_kind_and_a_list_show_the_sentences_with_amounts(
    boat: Memory, question: str, budget: int
) -> None:
    boat.budget = budget
    shown = boat.evidence(question)
    assert shown.tokens == count_tokens(shown.text) <= budget
    for cost in COSTS:
        assert cost in shown.text


def test_near_turns_are_shown_whole_where_they_fit(boat: Memory) -> None:
    boat.budget = 2_000
    shown = boat.evidence("What did the work on the boat cost in total?").text
    for cost in COSTS:
        assert BOAT.format(cost=cost) in shown


def test_a_memory_that_fits_is_shown_whole(tmp_path: Path) -> None:
    letter = "\n".join(f"In part {n} of the letter I thanked the {n} crews." for n in range(60))
    with Memory(tmp_path / "a.db", model=scripted_model([]), budget=6_000) as memory:
        memory.store.add([Turn("user", letter), Turn("user", letter.replace("crews", "cooks"))])
        shown = memory.evidence("How many parts did my letter have in all?")
        assert not shown.cut
        assert letter.splitlines()[-1] in shown.text
        memory.budget = 600
        assert memory.evidence("How many parts did my letter have in all?").cut


def test_no_block_is_closed_early(boat: Memory) -> None:
    boat.budget = 6_000
    one = boat.evidence("Where did I drink tea after the rain?")
    several = boat.evidence("List all my walks along the canal.")
    assert "in the cabin" in one.text
    assert one.tokens > 5_000 < several.tokens


def test_turns_of_a_day_are_below_its_date(boat: Memory) -> None:
    boat.budget = 1_000
    lines = boat.evidence("What did the work on the boat cost in total?").turns
    assert lines.count("Sat 09 Mar 2024:") == 1
    assert not any("] (" in line for line in lines)
