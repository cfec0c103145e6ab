"""Token budgets: kept to the token, and never an empty context while there is something to show."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import InputError, Rows, Turn
from memory.evidence.layout import lay_out
from memory.evidence.lines import (
    LEAST_BUDGET,
    RowLine,
    quoted_turns,
    refuse_budget,
    row_lines,
    turn_lines,
)
from memory.text.dates import spoken_date
from memory.text.tokens import count_tokens

texts = st.text(min_size=1, max_size=300)
turns = st.lists(texts, min_size=1, max_size=12).map(
    lambda said: [Turn("Anna", text, id=n) for n, text in enumerate(said, 1)]
)
rows = st.lists(st.tuples(texts, st.integers(1, 12) | st.none()), max_size=12)


@pytest.mark.slow
@given(rows, turns, st.integers(LEAST_BUDGET, 400))
def test_a_context_never_exceeds_its_budget(
    found: list[tuple[str, int | None]], said: list[Turn], budget: int
) -> None:
    for question in ("", "Which of these?"):
        context = lay_out([RowLine(*row) for row in found], said, budget, question=question)
        assert context.tokens == count_tokens(context.text) <= budget
        assert said[0].id in context.turn_ids


def test_one_token_decides_whether_a_turn_is_shown() -> None:
    said = [Turn("Anna", "one two three " * 10, id=n) for n in range(1, 5)]
    whole = lay_out([], said, 10_000).tokens
    enough = next(b for b in range(whole, 10_000) if len(lay_out([], said, b).turn_ids) == 4)
    assert enough <= whole + 5  # the estimate line by line wastes next to nothing
    assert lay_out([], said, enough - 1).turn_ids == (1, 2, 3)


def test_the_best_turn_is_cut_rather_than_left_out() -> None:
    context = lay_out([], [Turn("Anna", "word " * 100_000, id=7)], LEAST_BUDGET)
    assert context.turn_ids == (7,)
    assert context.text.endswith("...")


LONG_ANSWER = Turn("Bot", "Sure! " + "Stir the soup well. " * 90 + "Bake at 180 degrees.", id=2)


@pytest.mark.parametrize("place", [0, 1])
def test_of_a_long_turn_the_sentence_that_is_asked_for_is_shown(place: int) -> None:
    said = [Turn("Anna", "I am hungry, and tired too.", id=1), Turn("Bot", "Soon.", id=3)]
    said.insert(place, LONG_ANSWER)
    context = lay_out([], said, 300, question="At how many degrees do I bake?")
    assert context.turn_ids == (1, 2, 3)
    assert "well. \u2026 Stir the soup well. Bake at 180 degrees.\n" in context.text
    assert "[3] Bot: Soon." in context.text
    assert "180" not in lay_out([], said, 300).text


def test_of_long_turns_in_a_list_each_shows_what_is_asked_for() -> None:
    said = [LONG_ANSWER, Turn("Anna", "I am hungry.", id=3)]
    question = "At how many degrees do I bake?"
    lines = turn_lines(said, 300, question=question).splitlines()
    assert lines[0].endswith("Bake at 180 degrees.")
    assert lines[1] == "[3] Anna: I am hungry."
    assert count_tokens("\n".join(lines)) <= 300
    assert "180" not in turn_lines(said, 300)


def test_rows_come_first_but_leave_the_turns_their_floor() -> None:
    found = [RowLine(f"[{n}] Anna | likes | thing number {n}", n) for n in range(1, 200)]
    said = [Turn("Anna", f"I like thing number {n}", id=n) for n in range(1, 200)]
    context = lay_out(found, said, 400)
    facts, turns_shown = context.text.split("What was said:")
    assert 100 < count_tokens(facts) <= 200
    assert count_tokens(turns_shown) > 150


def test_a_budget_too_small_for_one_turn_is_refused() -> None:
    with pytest.raises(InputError, match=f"at least {LEAST_BUDGET}"):
        refuse_budget(LEAST_BUDGET - 1)


def test_no_more_turns_are_fetched_than_fit() -> None:
    fetched: list[int] = []

    def said() -> object:
        for n in range(1, 1000):
            fetched.append(n)
            yield Turn("Anna", "something said", id=n)

    lay_out([], said(), 200)  # type: ignore[arg-type]
    assert len(fetched) < 30
    lay_out([], said(), 200, question="What was said?")  # type: ignore[arg-type]
    assert len(fetched) < 80


@pytest.mark.slow
def test_a_window_with_a_huge_turn_still_shows_every_turn() -> None:
    said = [Turn("Anna", "word " * 200_000, id=1), Turn("Ben", "short answer", id=2)]
    lines = turn_lines(said, 200)
    assert count_tokens(lines) <= 200
    assert "[1] Anna: word" in lines
    assert "[2] Ben: short answer" in lines


def test_rows_that_quote_turns_become_turns_and_other_rows_keep_their_turn() -> None:
    quoting = Rows(("id", "speaker", "text"), ((3, "Anna", "hello"),))
    facts = Rows(("value", "turn_id"), (("Oslo", 5), ("Rome", 4), (None, 4)))
    counted = Rows(("n",), ((2,),))
    of_facts = Rows(("id", "value"), ((77, "green"),))
    assert quoted_turns([quoting, facts, counted]) == [3]
    assert row_lines([quoting, facts, counted, of_facts], {4: 0, 5: 1}) == [
        RowLine("n: 2"),
        RowLine("id: 77 | value: green"),
        RowLine("[4] Rome", 4),
        RowLine("[5] Oslo", 5),
    ]


@pytest.mark.parametrize(
    ("said_at", "spoken"),
    [
        ("2017-05-08T13:56", "Mon 08 May 2017"),
        ("2017-05-08", "Mon 08 May 2017"),
        ("2017-05", "May 2017"),
        ("2017", "2017"),
        ("the day after the storm", "the day after the storm"),
        ("some1-2", "some1-2"),
    ],
)
def test_dates_are_read_out_as_exactly_as_they_are_known(said_at: str, spoken: str) -> None:
    assert spoken_date(said_at) == spoken


@pytest.mark.parametrize("budget", [10**400, 10**30, -(10**400), 0, True, 1.5, float("inf"), "500"])
def test_a_budget_that_is_no_number_of_tokens_is_refused_in_a_line(budget: Any) -> None:
    with pytest.raises(InputError, match=r"^a budget .{20,200}$"):
        refuse_budget(budget)
