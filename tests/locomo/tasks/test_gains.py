"""What compiling gained: paired, honest about chance, and never on conversations it saw."""

from dataclasses import replace
from pathlib import Path

import pytest

from locomo.split_data import SplitConversations, check_parts
from locomo.tasks.gains import (
    Gain,
    gain_line,
    gains,
    program_card,
    prompt_diff,
    verdict,
)
from locomo.tasks.rewards import ABSTENTION, STATEMENTS, QuestionScore
from tests.benchmarks.false_gains import gains_called

ANSWER = Gain("answer", "all", 64, before=0.16, after=0.182, low=-0.01, high=0.06, groups=64)


def scored(number: int, answer: float, category: int = 4, reward: float = 0.0) -> QuestionScore:
    components = {"answer": answer, "evidence": answer / 2, "words": 0.5, "sql": 1, "budget": 0.5}
    return QuestionScore(f"conv-{number % 5}/{number}", category, components, reward)


def many(answers: list[float]) -> list[QuestionScore]:
    return [scored(number, answer) for number, answer in enumerate(answers)]


def test_questions_are_paired_by_key_in_whatever_order_they_come() -> None:
    before, after = many([n / 12 for n in range(12)]), many([1 / (n + 1) for n in range(12)])
    assert gains(before, after[::-1]) == gains(before, after)
    assert gains(before[::-1], after) == gains(before, after)
    assert gains([], []) == []


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (many([0.1]), "conv-1/1 was not scored both"),
        (many([0.1, 0.2, 0.3]), "conv-2/2 was not scored both"),
        ([*many([0.1, 0.2]), scored(1, 0.3)], "conv-1/1 was scored twice"),
    ],
)
def test_questions_without_a_partner_are_refused(after: list[QuestionScore], said: str) -> None:
    before = many([0.1, 0.2])
    for one, other in ((before, after), (after, before)):
        with pytest.raises(ValueError, match=said):
            gains(one, other)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([replace(ANSWER, low=0.01)], "gain"),
        ([ANSWER], "no gain"),
        ([replace(ANSWER, low=0.0)], "no gain"),
        ([replace(ANSWER, low=-0.2, high=-0.1)], "no gain"),
        ([replace(ANSWER, low=0.01, groups=9)], "no gain"),
        ([replace(ANSWER, low=0.01, groups=10)], "gain"),
        ([replace(ANSWER, low=0.01, conversations=2)], "too few conversations"),
        ([replace(ANSWER, conversations=2)], "too few conversations"),
        ([replace(ANSWER, low=0.01, conversations=3)], "gain"),
        ([ANSWER, replace(ANSWER, low=0.01, component="reward")], "no gain"),
        ([replace(ANSWER, low=0.01, categories="1-4"), ANSWER], "no gain"),
        ([], "not measured"),
    ],
)
def test_only_answers_that_are_surely_better_are_a_gain(found: list[Gain], expected: str) -> None:
    assert verdict(found) == expected


def test_a_gain_of_one_conversation_says_nothing_of_others() -> None:
    before = [replace(score, key=f"conv-1/{n}") for n, score in enumerate(many([0.2] * 40))]
    after = [replace(score, key=f"conv-1/{n}") for n, score in enumerate(many([0.6] * 40))]
    found = gains(before, after)
    line = gain_line(found)
    assert line.startswith("this says nothing of other conversations, for only 1 conversation")
    assert line.endswith(": too few conversations")


def test_what_one_conversation_of_several_gained_is_no_gain() -> None:
    gained = [0.5 if n % 5 == 0 else 0.0 for n in range(100)]
    before, after = many([0.2] * 100), many([0.2 + gain for gain in gained])
    found = gains(before, after)
    assert verdict(found) == "no gain"
    [answer] = [gain for gain in found if (gain.component, gain.categories) == ("answer", "all")]
    assert (answer.conversations, answer.groups) == (5, 100)


@pytest.mark.slow
@pytest.mark.parametrize("conversations", [1, 2, 3, 5])
def test_chance_is_called_a_gain_in_at_most_three_of_a_hundred(conversations: int) -> None:
    assert gains_called(conversations, spread=0.05, gain=0.0, runs=400) <= 0.03


def test_the_diff_shows_what_changed_of_instructions_and_demos_and_nothing_else() -> None:
    long = "Say only what the turns say. " * 20
    before = {
        "answer": (f"Answer shortly.\n{long}", ()),
        "retrieve": ("Write SQL.", ({"question": "Where?", "sql": "SELECT 1"},)),
    }
    after = {
        "answer": (f"Answer in two words.\n{long}", ({"question": "Who?", "answer": "Anna\nBen"},)),
        "retrieve": before["retrieve"],
    }
    assert prompt_diff(before, before) == ""
    shown = prompt_diff(before, after).splitlines()
    assert shown[:2] == ["--- answer before", "+++ answer after"]
    assert shown[3:] == [
        "-Answer shortly.",
        "+Answer in two words.",
        f" {long}",
        "+",
        "+example",
        "+  question: Who?",
        "+  answer: Anna",
        "+    Ben",
    ]


@pytest.mark.parametrize(
    ("parts", "shared"),
    [
        ({"train": ["a", "b"], "validation": ["c"], "test": ["d"]}, None),
        ({"train": ["a", "a"], "validation": [], "test": []}, None),
        ({"train": ["a", "b"], "validation": ["b"]}, "b is in both train and validation"),
        ({"train": ["a"], "validation": ["b"], "test": ["c", "b"]}, "b .* validation and test"),
        ({"train": ["a"], "validation": ["b"], "test": ["a"]}, "a is in both train and test"),
    ],
)
def test_a_conversation_is_in_one_part_only(
    parts: dict[str, list[str]], shared: str | None
) -> None:
    if shared is None:
        check_parts(parts)
    else:
        with pytest.raises(ValueError, match=f"^conversation {shared}"):
            check_parts(parts)


def test_a_card_has_four_numbers_of_every_gain() -> None:
    parts: dict[str, list[str]] = {"train": ["a"], "validation": ["b"], "test": []}
    split = SplitConversations(Path("data.json"), "0" * 64, {}, parts)
    card = program_card(
        split,
        [replace(ANSWER, before=1 / 6)],
        model="m",
        optimizer="gepa",
        target="answer",
        metric={"answer": 1.0},
    )
    assert (card.data, card.conversations) == ("0" * 64, parts)
    assert card.verdict == "no gain"
    assert card.scores == {
        "answer, all: before": 0.1667,
        "answer, all: after": 0.182,
        "answer, all: low": -0.01,
        "answer, all: high": 0.06,
    }


def told_and_small_talk(told: float, small_talk: float) -> list[QuestionScore]:
    """Two turns that say something and two that do not, with the scores of their rows."""
    scores = [(STATEMENTS, told), (STATEMENTS, told), (ABSTENTION, small_talk), (ABSTENTION, 1.0)]
    return [
        QuestionScore(f"conv-{n}/{n}", category, {"rows": score}, score)
        for n, (category, score) in enumerate(scores)
    ]


def test_rows_have_a_line_for_what_is_told_for_small_talk_and_for_all_turns() -> None:
    found = gains(told_and_small_talk(0.0, 0.0), told_and_small_talk(1.0, 0.5))
    assert [(one.component, one.categories, one.questions) for one in found] == [
        ("rows", "statements", 2),
        ("rows", "small talk", 2),
        ("rows", "all", 4),
    ]
    assert [(one.before, one.after) for one in found] == [(0.0, 1.0), (0.5, 0.75), (0.25, 0.875)]
    assert (found[0].low, found[0].high) == (1.0, 1.0)
    [line] = gain_line(found, "rows").splitlines()
    assert "rows, all 4 turns: .250 -> .875 (+.625" in line
