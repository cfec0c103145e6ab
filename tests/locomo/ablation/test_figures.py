"""Figures with their intervals, and stored facts beside gold ones, worked out by hand."""

from typing import Any

import pytest

from locomo.ablation.facts import TurnFacts, fact_figures, matching_facts
from locomo.results.figures import figure_table, mean_figure, ratio_figure
from memory import Fact


def fact(subject: str, value: str, attribute: str = "did", on: str = "") -> Fact:
    return Fact(subject, attribute, value, turn_id=1, happened_on=on)


@pytest.mark.parametrize(
    ("stored", "gold", "pairs"),
    [
        ([("Ann", "in Lyon")], [("ANN", "Lyon")], [(0, 0)]),
        ([("Bo", "Lyon")], [("Ann", "Lyon")], []),
        ([("Ann", "Lyon in the rain")], [("Ann", "Lyon")], [(0, 0)]),  # F1 is .5: right
        ([("Ann", "Lyon in heavy rain")], [("Ann", "Lyon")], []),  # .4
        # The first is like both; the second is like one only, and more so.
        ([("Ann", "red scarf"), ("Ann", "red silk scarf")], [("Ann", "red silk scarf")], [(1, 0)]),
        ([("Ann", "cat"), ("Ann", "cat")], [("Ann", "cat")], [(0, 0)]),
        ([("Ann", "cat"), ("Ann", "dog")], [("Ann", "dog"), ("Ann", "cat")], [(0, 1), (1, 0)]),
    ],
)
def test_a_stored_fact_is_matched_with_the_gold_fact_most_like_it(
    stored: list[Any], gold: list[Any], pairs: list[Any]
) -> None:
    stored_facts = [fact(subject, value) for subject, value in stored]
    gold_facts = [fact(subject, value) for subject, value in gold]
    expected = [(stored_facts[number], gold_facts[partner]) for number, partner in pairs]
    assert matching_facts(stored_facts, gold_facts) == expected


def test_intervals_of_facts_take_turns_as_independent_not_facts() -> None:
    right = TurnFacts("a/1", (fact("Ann", "cat"),) * 9, (fact("Ann", "cat"),) * 9, False)
    wrong = TurnFacts("a/2", (fact("Ann", "cat"),) * 9, (), True)
    figures = {figure.row: figure for figure in fact_figures("tuned", [right, wrong])}
    precision = figures["precision"]
    assert (precision.value, precision.n) == (0.5, 18)
    assert (precision.low, precision.high) == (0, 1)
    assert (figures["recall"].value, figures["F1"].value) == (1, pytest.approx(2 / 3))


def test_a_ratio_is_of_paired_values() -> None:
    below = [0.1, 0.9, 0.2, 0.6, 1.0]
    [figure] = ratio_figure("t", "r", "c", above=[0.5 * value for value in below], below=below)
    assert [figure.value, figure.low, figure.high] == pytest.approx([0.5, 0.5, 0.5])
    assert figure.n == 5
    assert ratio_figure("t", "r", "c", above=[1.0], below=[0.0]) == []


def test_a_table_says_mean_number_and_interval_of_what_is_known() -> None:
    figures = [
        *mean_figure("t", "tuned", "F1", values=[0.25, 0.25]),
        *mean_figure("t", "rule", "calls", values=[-1.0]),
    ]
    assert [*figure_table("t", figures).columns[1].cells] == [".250 (2)\n[.25, .25]", ""]
