"""LoCoMo's official scores, worked out by hand; what holds for all texts, by hypothesis."""

import math
from collections.abc import Sequence
from importlib import import_module

import dspy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locomo import metrics
from locomo.dataset.format import Question
from locomo.tasks.rewards import Outcome, metric

WORDS = st.lists(st.sampled_from(["Lyon", "2017", "painted", "running", "cats", "and", "1,000"]))
TEXTS = st.one_of(st.text(max_size=40), WORDS.map(" ".join), WORDS.map(", ".join))


def score(prediction: str, gold: str, category: int) -> float:
    return metrics.score(prediction, Question(0, "Where?", gold, category, ()))


HAND_COMPUTED = [
    # F1 = 2 x same / (words predicted + words expected), words after normalizing and stemming
    (4, "Lyon", "Lyon", 1),
    (4, "Nice", "Lyon", 0),
    (4, "in Lyon", "Lyon", 2 / 3),  # same 1; 2 + 1 words
    (4, "She moved to Lyon, France", "Lyon", 2 / 6),  # same 1; 5 + 1 words
    (4, "The Lyon.", "lyon", 1),  # article, case and full stop do not count
    (4, "cats and dogs", "cat, dog", 1),  # "and" goes, the stems are the same
    (4, "painting", "she painted", 2 / 3),  # both stem to "paint"; 1 + 2 words
    (4, "happy", "happiness", 1),  # Porter: happi, happi
    (4, "bought", "buy", 0),  # Porter does not know irregular verbs
    (4, "very very good", "very good", 4 / 5),  # a multiset: same 2; 3 + 2 words
    (4, "very very good", "very very", 4 / 5),  # same 2; 3 + 2 words
    (4, "1000 euros", "1,000 euro", 1),
    (4, "", "Lyon", 0),
    (4, "the", "a", 0),  # nothing is left of either
    (2, "7 May 2017", "7 May, 2017", 1),
    (2, "May 2017", "7 May 2017", 4 / 5),  # same 2; 2 + 3 words
    (2, "2017-05-07", "7 May 2017", 0),  # hyphens go: one word, 20170507
    # category 1: mean over gold's parts of the best part's F1
    (1, "dogs, cats", "cats, dogs", 1),
    (1, "cats", "cats, dogs", 1 / 2),  # (1 + 0) / 2
    (1, "cats, dogs, birds", "cats, dogs", 1),  # more parts than asked for cost nothing
    (1, "cats dogs", "cats, dogs", 2 / 3),  # one part: 2 x 1 / (2 + 1) for each
    (1, "big cats, red dogs", "cats, dogs, fish", 4 / 9),  # (2/3 + 2/3 + 0) / 3
    (1, "cats and dogs", "cats and dogs", 1),
    # category 3: gold up to the first semicolon, the prediction whole
    (3, "Likely no", "Likely no; she prefers counselling", 1),
    (3, "Likely no; she prefers it", "Likely no; it went badly", 4 / 7),  # same 2; 5 + 2
    (4, "Likely no", "Likely no; reasons", 4 / 5),  # other categories: gold whole, 2 + 3 words
    # category 5: gold is abstention
    (5, "No information available", "", 1),
    (5, "This is NOT MENTIONED in the conversation.", "", 1),
    (5, "Lyon; no information available otherwise", "", 1),
    (5, "I don't know", "", 0),
    (5, "", "", 0),
    (4, "No information available", "Lyon", 0),
]


@pytest.mark.parametrize(("category", "prediction", "gold", "worth"), HAND_COMPUTED)
def test_official_score(category: int, prediction: str, gold: str, worth: float) -> None:
    assert score(prediction, gold, category) == pytest.approx(worth)


@given(TEXTS, TEXTS, st.integers(1, 5))
def test_a_score_lies_between_0_and_1(prediction: str, gold: str, category: int) -> None:
    assert 0 <= score(prediction, gold, category) <= 1
    assert type(score(prediction, gold, category)) is float


@pytest.mark.parametrize(
    ("found", "evidence", "share"),
    [
        ([], [], 1),
        (["D1:1"], [], 1),
        ([], ["D1:1"], 0),
        (["D1:2", "D1:1"], ["D1:1"], 1),
        (["D1:1", "D1:1"], ["D1:1", "D2:1", "D2:2"], 1 / 3),
        (["D1:11"], ["D1:1"], 0),
    ],
)
def test_recall_is_the_share_of_evidence_found(
    found: list[str], evidence: list[str], share: float
) -> None:
    assert metrics.recall(iter(found), evidence) == pytest.approx(share)


def test_words_shown_are_those_of_the_gold_answer_in_any_form() -> None:
    text = "She moved to Oslo with her cats."
    assert metrics.words_shown("Oslo cat Porto", text) == pytest.approx(2 / 3)
    assert metrics.words_shown("Oslo", text) == 1
    assert metrics.words_shown("Porto", text) == 0
    assert metrics.words_shown("", text) == 1


def test_a_bootstrap_interval_is_that_of_the_normal_law_for_many_values() -> None:
    values = [0.0, 1.0] * 200
    # standard error of the mean: .5 / sqrt(400) = .025; 1.96 of it on either side of .5
    assert metrics.bootstrap(values) == pytest.approx((0.451, 0.549), abs=0.004)


def test_an_interval_of_few_conversations_is_widened_on_each_side() -> None:
    values, conversations = [0.1, 0.2, 0.4, 0.9] * 5, ["a", "b", "c", "d"] * 5
    low, high = metrics.bootstrap(values, groups=conversations)
    # Student's t of three degrees of freedom, 1.95996 of the normal law, and the root of 4 / 3
    wider = 3.182446 / 1.959964 * 1.154701
    expected = (0.4 - wider * (0.4 - low), 0.4 + wider * (high - 0.4))
    assert metrics.clustered_interval(values, conversations) == pytest.approx(expected, abs=1e-5)
    assert 0.4 - low != pytest.approx(high - 0.4, abs=0.05)


def test_three_conversations_speak_of_others_too_and_two_do_not() -> None:
    zeros = [0.0] * 30
    apart = [0.0] * 10 + [0.5] * 10 + [1.0] * 10
    thirds = ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    of_questions = metrics.bootstrap(apart)
    of_conversations = metrics.clustered_interval(apart, thirds)
    assert of_conversations[0] < of_questions[0] < of_questions[1] < of_conversations[1]
    low, high = metrics.paired_bootstrap(apart, zeros, clusters=thirds)
    assert (low, high) == (of_conversations[0], 1.0)  # no difference of scores is beyond 1
    halves = ["a"] * 15 + ["b"] * 15
    assert metrics.paired_bootstrap(apart, zeros, clusters=halves) == of_questions
    # Conversations that are all alike: what differs between questions is the wider interval.
    alike, differences = ["a", "b", "c"] * 10, [0.0] * 15 + [1.0] * 15
    assert metrics.clustered_interval(differences, alike) == pytest.approx((0.5, 0.5))
    of_questions = metrics.bootstrap(differences)
    assert metrics.paired_bootstrap(differences, zeros, clusters=alike) == of_questions


def test_there_is_no_interval_of_nothing_or_of_unequal_pairs() -> None:
    with pytest.raises(ValueError, match="no values"):
        metrics.bootstrap([])
    with pytest.raises(ValueError, match="shorter"):
        metrics.paired_bootstrap([1.0, 0.0], [1.0])


def test_a_missing_library_is_no_bad_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_stem", lambda word: import_module("not_installed"))
    asked = dspy.Example(conversation="a", gold=(Question(0, "Where?", "Lyon", 4, ()),))
    with pytest.raises(ModuleNotFoundError, match="not_installed"):
        metric(asked, dspy.Prediction(outcomes=[Outcome("asked once")], failed=""))


@pytest.mark.slow
def test_groups_are_resampled_and_then_their_values() -> None:
    # Ten groups of six equal values: only the groups differ.
    values = [float(group % 2) for group in range(10) for _ in range(6)]
    groups = [f"g{group}" for group in range(10) for _ in range(6)]
    nested = metrics.bootstrap(values, groups=groups, within=True)
    assert nested == pytest.approx((0.2, 0.8), abs=0.05)
    assert nested == pytest.approx(metrics.bootstrap(values, groups=groups), abs=0.05)
    # One group: its values are all that is resampled.
    varied = [float(n % 2) for n in range(60)]
    alone = metrics.bootstrap(varied, groups=["g"] * 60, within=True)
    assert alone == pytest.approx(metrics.bootstrap(varied), abs=0.02)
    # Groups of unequal size: a mean over values, not over groups.
    low, high = metrics.bootstrap([1.0] * 9 + [0.0], groups=["a"] * 9 + ["b"], within=True)
    assert (low, high) == (0.0, 1.0)
    assert metrics.paired_bootstrap(values, values, groups=groups) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("a", "b", "tau"),
    [
        ([1, 2, 3, 4], [1, 3, 2, 4], 4 / 6),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1),
        ([1, 2, 3, 4], [2, 2, 1, 3], 1 / 30**0.5),  # of 6 pairs one is tied: (3 - 2) / sqrt(6 * 5)
        ([1, 1, 2, 3], [3, 3, 2, 2], -4 / 20**0.5),  # (0 - 4) / sqrt(5 * 4)
    ],
)
def test_tau_b_counts_ties(a: list[float], b: list[float], tau: float) -> None:
    assert metrics.kendall_tau_b(a, b) == pytest.approx(tau)


def test_a_rubric_s_line_without_a_verdict_lies_between_none_and_all_points() -> None:
    scores = metrics.RubricScores((0.5, None, 1.0, 0.0))
    assert (scores.score, scores.highest) == (0.375, 0.625)
    assert metrics.RubricScores((1.0, 1.0)).score == metrics.RubricScores((1.0, 1.0)).highest == 1
    assert scores.tau is None


@pytest.mark.parametrize(
    ("count", "of", "interval"),
    [
        # statsmodels' proportion_confint(count, of, method="wilson")
        (0, 11, (0.0, 0.2588330)),
        (11, 11, (0.7411670, 1.0)),
        (7, 10, (0.3967781, 0.8922087)),
        (50, 100, (0.4038315, 0.5961685)),
    ],
)
def test_a_share_s_interval(count: int, of: int, interval: tuple[float, float]) -> None:
    assert metrics.wilson_interval(count, of) == pytest.approx(interval, abs=1e-7)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("2022-05-18", "18 may 2022"),
        ("18 May 2022", "18 may 2022"),
        ("the 18th of May, 2022", "the 18 may 2022"),
        ("May 18th, 2022", "18 may 2022"),
        ("Sept. 2021", "september 2021"),
        ("2022-05", "may 2022"),
        ("2022-13-18", "2022-13-18"),
        ("2022-00-18", "2022-00-18"),
        ("2022-01-18", "18 january 2022"),
        ("2022-12-18", "18 december 2022"),
        ("two hours and twenty-five minutes", "2 hours and 25 minutes"),
        ("Maybe May, someone", "Maybe May, someone"),
    ],
)
def test_dates_and_numbers_have_one_spelling(text: str, spelled: str) -> None:
    assert metrics.in_one_spelling(text) == spelled


@pytest.mark.parametrize(
    ("answer", "right", "official", "to_learn_from"),
    [
        ("2022-05-18", "18 May 2022", 0.0, 1.0),
        ("May 27, 2022", "2022-05-27", 0.0, 1.0),
        ("2", "two", 0.0, 1.0),
        ("2023-04-01", "April 2023", 0.0, 0.8),
        ("a dog", "a cat", 0.0, 0.0),
    ],
)
def test_what_is_learned_from_takes_equal_dates_and_numbers_as_equal(
    answer: str, right: str, official: float, to_learn_from: float
) -> None:
    question = Question(0, "When?", right, 4, ())
    assert metrics.score(answer, question) == pytest.approx(official, abs=0.001)
    assert metrics.meaning_score(answer, question) == pytest.approx(to_learn_from, abs=0.001)


def test_what_is_learned_from_is_an_abstention_where_there_is_no_answer() -> None:
    question = Question(0, "When?", "", 5, ())
    assert metrics.meaning_score("No information available", question) == 1.0
    assert metrics.meaning_score("18 May 2022", question) == 0.0


@pytest.mark.parametrize(
    ("prediction", "gold", "bleu"),
    [
        ("Oslo", "Oslo", 1.0),
        ("In Oslo, I think", "oslo", 0.2),
        ("the the the", "the cat sat", 1 / 3),  # a word counts as often as it is in gold
        ("May", "7 May 2023", math.exp(-2)),  # short answers are penalized
        ("Lyon", "Oslo", 0.0),
        ("", "Oslo", 0.0),
    ],
)
def test_bleu_1_is_the_one_of_papers(prediction: str, gold: str, bleu: float) -> None:
    assert metrics.bleu1(prediction, gold) == pytest.approx(bleu)


def test_an_interval_of_any_figure_is_of_whole_clusters_and_within_bounds() -> None:
    clusters = [str(number) for number in range(8)]

    def mean(names: Sequence[str]) -> float:
        return sum(map(int, names)) / len(names)

    assert metrics.resampled_interval(clusters, mean, (0.0, 7.0)) == pytest.approx(
        (1.5654, 5.5193), abs=1e-4
    )
    assert metrics.resampled_interval(clusters, mean, (2.5, 4.0)) == (2.5, 4.0)
    assert metrics.resampled_interval(clusters[:3], mean, (0.0, 7.0)) is not None
    assert metrics.resampled_interval(clusters[:2], mean, (0.0, 7.0)) is None
