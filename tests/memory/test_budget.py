"""Token budgets: kept to the token, and never an empty context while there is something to show."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import InputError, Rows, Turn
from memory.prompt import (
    LEAST_BUDGET,
    assemble,
    dated_row_lines,
    quoted_turns,
    row_lines,
    spoken_date,
    turn_line,
    turn_lines,
)
from memory.tokens import count_tokens, trim

texts = st.text(min_size=1, max_size=300)
turns = st.lists(texts, min_size=1, max_size=12).map(
    lambda said: [Turn("Anna", text, id=n) for n, text in enumerate(said, 1)]
)
rows = st.lists(st.tuples(texts, st.integers(1, 12) | st.none()), max_size=12)


@given(texts, st.integers(0, 60))
def test_a_trimmed_text_keeps_to_its_tokens(text: str, tokens: int) -> None:
    assert count_tokens(trim(text, tokens)) <= tokens


@given(rows, turns, st.integers(LEAST_BUDGET, 400))
def test_a_context_never_exceeds_its_budget(
    found: list[tuple[str, int | None]], said: list[Turn], budget: int
) -> None:
    for question in ("", "Which of these?"):
        context = assemble(found, said, budget, question=question)
        assert context.tokens == count_tokens(context.text) <= budget
        assert said[0].id in context.turn_ids


def test_one_token_decides_whether_a_turn_is_shown() -> None:
    said = [Turn("Anna", "one two three " * 10, id=n) for n in range(1, 5)]
    whole = assemble([], said, 10_000).tokens
    enough = next(b for b in range(whole, 10_000) if len(assemble([], said, b).turn_ids) == 4)
    assert enough <= whole + 5  # the estimate line by line wastes next to nothing
    assert assemble([], said, enough - 1).turn_ids == (1, 2, 3)


def test_the_best_turn_is_cut_rather_than_left_out() -> None:
    context = assemble([], [Turn("Anna", "word " * 100_000, id=7)], LEAST_BUDGET)
    assert context.turn_ids == (7,)
    assert context.text.endswith("...")


LONG_ANSWER = Turn("Bot", "Sure! " + "Stir the soup well. " * 90 + "Bake at 180 degrees.", id=2)


@pytest.mark.parametrize("place", [0, 1])
def test_of_a_long_turn_the_sentence_that_is_asked_for_is_shown(place: int) -> None:
    said = [Turn("Anna", "I am hungry, and tired too.", id=1), Turn("Bot", "Soon.", id=3)]
    said.insert(place, LONG_ANSWER)
    context = assemble([], said, 300, question="At how many degrees do I bake?")
    assert context.turn_ids == (1, 2, 3)
    assert "well. \u2026 Stir the soup well. Bake at 180 degrees.\n" in context.text
    assert "[3] Bot: Soon." in context.text
    assert "180" not in assemble([], said, 300).text


def test_of_long_turns_in_a_list_each_shows_what_is_asked_for() -> None:
    said = [LONG_ANSWER, Turn("Anna", "I am hungry.", id=3)]
    question = "At how many degrees do I bake?"
    lines = turn_lines(said, 300, question=question).splitlines()
    assert lines[0].endswith("Bake at 180 degrees.")
    assert lines[1] == "[3] Anna: I am hungry."
    assert count_tokens("\n".join(lines)) <= 300
    assert "180" not in turn_lines(said, 300)


def test_turns_that_fit_stand_as_they_are_said_whatever_is_asked() -> None:
    said = [Turn("Anna", "word " * 60, id=n, said_at="2017-05-08") for n in range(1, 4)]
    asked = assemble([], said, 500, question="Which word?")
    assert asked == assemble([], said, 500)


def test_behind_a_turn_that_does_not_fit_a_shorter_one_is_shown() -> None:
    said = [Turn("Anna", "word " * size, id=n) for n, size in enumerate((60, 70, 5), 1)]
    assert assemble([], said, 100, question="Which word?").turn_ids == (1, 3)
    assert assemble([], said, 100).turn_ids == (1,)


def test_rows_come_first_but_leave_the_turns_their_floor() -> None:
    found = [(f"[{n}] Anna | likes | thing number {n}", n) for n in range(1, 200)]
    said = [Turn("Anna", f"I like thing number {n}", id=n) for n in range(1, 200)]
    context = assemble(found, said, 400)
    facts, turns_shown = context.text.split("What was said:")
    assert 100 < count_tokens(facts) <= 200
    assert count_tokens(turns_shown) > 150


def test_turns_are_shown_in_the_order_they_were_said() -> None:
    said = [Turn("Anna", "later", id=9), Turn("Anna", "earlier", id=2)]
    assert assemble([], said, 100).text.splitlines()[1:] == ["[2] Anna: earlier", "[9] Anna: later"]


def test_rows_of_a_narrow_select_come_before_the_many_of_a_wide_one() -> None:
    columns = ("turn_id", "subject", "value", "happened_on", "ended_on")
    wide = Rows(columns, tuple((n, "Anna", f"thing {n}", "", "") for n in range(1, 9)))
    narrow = Rows(columns, ((30, "Anna", "Oslo", "2024-01-13", "2024-03"),))
    said_at = dict.fromkeys([*range(1, 9), 30], "2024-01-10")
    lines = dated_row_lines([wide, narrow], {n: n for n in range(1, 9)}, said_at)
    assert lines[0] == ("[1] Anna | thing 1 | said 10 Jan 2024", 1)
    assert lines[1] == ("[30] Anna | Oslo | happened 2024-01-13, said 10 Jan | until 2024-03", 30)
    assert len(lines) == 9


def test_what_has_ended_comes_last_where_the_present_is_asked_for() -> None:
    columns = ("turn_id", "value", "ended_on")
    homes = Rows(columns, ((1, "Ghent", "2024-03-01"), (8, "Antwerp", "")))
    for ended_last, first in ((True, "[8] Antwerp"), (False, "[1] Ghent | until 2024-03-01")):
        lines = dated_row_lines([homes], {1: 0, 8: 1}, {}, ended_last=ended_last)
        assert lines[0][0] == first


def test_a_row_that_says_less_than_another_of_its_turn_is_left_out() -> None:
    short = Rows(("turn_id", "value"), ((5, "Oslo"), (6, "Oslo")))
    full = Rows(("turn_id", "subject", "attribute", "value"), ((5, "Anna", "lives_in", "Oslo"),))
    lines = dated_row_lines([short, full], {5: 0, 6: 1}, {})
    assert lines == [("[5] Anna | lives_in | Oslo", 5), ("[6] Oslo", 6)]


def test_what_is_shown_is_shown_once_as_a_turn_or_as_a_row() -> None:
    said = [Turn("Anna", "word " * 20 + str(n), id=n) for n in range(1, 20)]
    rows = [(f"[{n}] Anna | said | fact {n}", n) for n in (1, 2, 17, 18)]
    context = assemble(rows, said, 200, floor=0.5, once=True)
    facts, turns = (
        {int(n) for n in re.findall(pattern, context.text, re.MULTILINE)}
        for pattern in (r"^\[(\d+)\] Anna \|", r"^\[(\d+)\] Anna:")
    )
    assert facts == {17, 18}
    assert {1, 2} <= turns
    assert not facts & turns
    assert set(context.turn_ids) == facts | turns
    assert context.tokens <= 200


def test_a_row_that_tells_an_end_stays_beside_its_turn() -> None:
    said = [Turn("Anna", "I moved to Oslo.", id=1)]
    rows = [("[1] Anna | lives_in | Oslo | until 2024-03", 1), ("[1] Anna | moved | Oslo", 1)]
    text = assemble(rows, said, 200, once=True).text
    assert "until 2024-03" in text
    assert "moved | Oslo" not in text


def test_a_budget_too_small_for_one_turn_is_refused() -> None:
    with pytest.raises(InputError, match=f"at least {LEAST_BUDGET}"):
        assemble([], [], LEAST_BUDGET - 1)


def test_no_more_turns_are_fetched_than_fit() -> None:
    fetched: list[int] = []

    def said() -> object:
        for n in range(1, 1000):
            fetched.append(n)
            yield Turn("Anna", "something said", id=n)

    assemble([], said(), 200)  # type: ignore[arg-type]
    assert len(fetched) < 30
    assemble([], said(), 200, question="What was said?")  # type: ignore[arg-type]
    assert len(fetched) < 80


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
        ("n: 2", None),
        ("id: 77 | value: green", None),
        ("[4] Rome", 4),
        ("[5] Oslo", 5),
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


def test_a_turn_is_one_line_whatever_its_text() -> None:
    turn = Turn("Anna", "two\nlines\r\n\tand  blanks", said_at="2017-05-08", id=4)
    assert turn_line(turn) == "[4] (Mon 08 May 2017) Anna: two lines and blanks"
