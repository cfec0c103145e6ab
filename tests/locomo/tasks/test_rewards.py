"""Rewards: what each part is worth, what the feedback says, and that no metric ever raises."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import dspy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locomo.choices import check_reward
from locomo.dataset.format import Question
from locomo.tasks.rewards import (
    FIELDS,
    REFINE_COMPONENTS,
    Episode,
    Outcome,
    components,
    efficiency,
    episode_reward,
    gated_metric,
    memupdate_metric,
    metric,
    metric_of,
    planted_metric,
    question_score,
    refine_metric,
    single_speaker_metric,
    sql_memory_retrieve_metric,
    sql_memory_store_metric,
    unpadded_metric,
)
from memory import InputError
from tests.support.scripted import ScriptedLM

METRICS = [
    *(metric, gated_metric, single_speaker_metric, refine_metric, unpadded_metric),
    *(memupdate_metric, sql_memory_retrieve_metric, sql_memory_store_metric),
]
REFUSED = "Refused:\nDROP TABLE facts\nBecause: only SELECT is allowed"
RAN = ("SELECT 1",)


def question(
    answer: str = "Lyon", category: int = 4, evidence: tuple[str, ...] = ("D1:3",), index: int = 0
) -> Question:
    return Question(index, "Where does Anna live?", answer, category, evidence)


def right(**changed: Any) -> Outcome:
    return replace(Outcome("Lyon", ("D1:3",), RAN, fields=10, text="I moved to Lyon."), **changed)


def example(*questions: Question) -> dspy.Example:
    return dspy.Example(conversation="conv-1", gold=questions, ask="?").with_inputs("ask")


def told(*outcomes: Outcome, failed: str = "") -> dspy.Prediction:
    return dspy.Prediction(outcomes=list(outcomes), failed=failed)


def facts(written: list[Any], target: list[Any]) -> dspy.Prediction:
    return dspy.Prediction(facts=written, target=target, failed="")


# --- components ---------------------------------------------------------------------------------


def test_words_count_where_the_answer_is_not_right_and_the_question_has_one() -> None:
    wrong = right(answer="Lyon or Oslo", text="I moved to Lyon.")
    assert components(question("Lyon station"), wrong)["words"] == 0.5
    assert components(question("Lyon"), right(text="nothing"))["words"] == 1
    assert components(question("Lyon", 5), right(answer="Oslo", text=""))["words"] == 1
    assert components(question("Lyon"), right(answer="Oslo", text="nothing"))["words"] == 0


@pytest.mark.parametrize(
    ("asked", "outcome", "worth"),
    [
        (question(), right(), (1, 1, 1, 1, 1)),
        (question(), right(sql=(), sql_asked=False), (1, 1, 1, 1, 1)),  # none was asked for
        (question(), right(answer="in Lyon"), (2 / 3, 1, 1, 1, 1)),
        (question("cats, dogs", 1), right(answer="dogs", text="dogs"), (1 / 2, 1, 1 / 2, 1, 1)),
        (question(evidence=("D1:3", "D2:1")), right(), (1, 1 / 2, 1, 1, 1)),
        (question(evidence=()), right(shown=()), (1, 1, 1, 1, 1)),
        (question(), right(text=""), (1, 1, 1, 1, 1)),
        (question(), right(answer="Nice", text=""), (0, 1, 0, 1, 1)),
        (question("in Lyon"), right(text="Lyons"), (2 / 3, 1, 1 / 2, 1, 1)),
        (question("?"), right(answer="", text=""), (0, 1, 1, 1, 1)),
        (question("", 5), right(answer="No information available", shown=()), (1, 1, 1, 1, 1)),
        (question("", 5), right(shown=(), text=""), (0, 1, 1, 1, 1)),
        (question(), right(refusals=(REFUSED,)), (1, 1, 1, 0.5, 1)),
        (question(), right(refusals=(REFUSED,), sql=()), (1, 1, 1, 0, 1)),
        (question(), right(sql=()), (1, 1, 1, 0, 1)),
        (question(), right(fits=0.4), (1, 1, 1, 1, 0.4)),
        (question(), right(fits=-3.0), (1, 1, 1, 1, 0)),
        (question(), right(fits=math.inf), (1, 1, 1, 1, 1)),
        (question(), right(fits=math.nan), (1, 1, 1, 1, 0)),
    ],
)
def test_components(asked: Question, outcome: Outcome, worth: tuple[float, ...]) -> None:
    parts = components(asked, outcome)
    assert tuple(parts) == ("answer", "evidence", "words", "sql", "budget")
    assert tuple(parts.values()) == pytest.approx(worth)
    reward = question_score("conv-1", asked, outcome).reward
    weights = (0.7, 0.1, 0.1, 0.05, 0.05)
    assert reward == pytest.approx(sum(map(math.prod, zip(weights, worth, strict=True))))


# --- feedback -----------------------------------------------------------------------------------


# Of an outcome: what the feedback has to name, and what would be wrong or no help.
FEEDBACK = [
    (question(), right(), ['"Lyon"'], ["Gold"]),
    (question(), right(answer="in Lyon"), ['"in Lyon"', "0.67", '"Lyon"'], ["Evidence"]),
    (question("No; why", 3), right(), ['"No"'], ["why"]),  # the reason is not scored
    (
        question("cats, big dogs, fish", 1),
        right(answer="cats, red birds, dogs"),
        ["list: fish"],
        [],
    ),
    (question("", 5), right(), ['"No information available"', "an abstention"], []),
    (question("", 5), right(shown=()), [], ["Evidence"]),
    (question("", 5), right(answer="not mentioned", fits=0.5), [], ["does not say"]),
    (question(), right(answer="No information available"), ["abstained"], ["did not hold"]),
    (
        question(),
        right(answer="No information available", shown=()),
        ["abstained", "did not hold all of it"],
        [],
    ),
    (question(evidence=("D1:3", "D1:4", "D2:1")), right(), ["D1:4, D2:1"], ["D1:3", "words"]),
    (question(), right(refusals=(REFUSED,)), ["DROP TABLE facts", "only SELECT"], []),
    (question(), right(refusals=("Your answer could not\nbe read",)), ["not be read"], []),
    (question(), right(sql=()), ["No SQL"], []),
    (question(), right(fits=0.4), ["40 %"], []),
    (question(), right(fits=0.999), ["99 %"], []),
    (question("cats, dogs", 1), right(answer="dogs", text="dogs"), ["50%"], []),
    (question("cats, dogs", 1), right(answer="No information available"), [], ["list"]),
    (question("cats", 1), right(answer="many cats there", fits=0.5), [], ["list"]),  # F1 of half
    (question("Lyon, France", 4), right(answer="Nice"), [], ["list"]),  # no list: one place
]


@pytest.mark.parametrize(("asked", "outcome", "names", "leaves_out"), FEEDBACK)
def test_feedback_names_what_was_wrong_and_nothing_else(
    asked: Question, outcome: Outcome, names: list[str], leaves_out: list[str]
) -> None:
    said = metric(example(asked), told(outcome)).feedback
    assert [name for name in names if name not in said] == []
    assert [word for word in leaves_out if word in said] == []
    assert ("are right." in said) == (outcome == right() and asked == question())


# --- one metric for every optimizer -------------------------------------------------------------


@pytest.mark.parametrize(
    ("pred", "why"),
    [
        (None, "the prediction has no outcomes"),
        (dspy.Prediction(), "the prediction has no outcomes"),
        (told(), "0 outcomes came for 1 questions"),
        (told(right(), right()), "2 outcomes came for 1 questions"),
        (told(right(), failed="timed out"), "The model failed: timed out"),
        (dspy.Prediction(outcomes=["Lyon"]), "could not be scored: AttributeError"),
        (told(right(answer=None)), "could not be scored: AttributeError"),
    ],
)
@pytest.mark.parametrize("judge", [metric, gated_metric])
def test_what_cannot_be_scored_is_worth_nothing_and_the_feedback_says_why(
    judge: Callable[..., Any], pred: Any, why: str
) -> None:
    given = judge(example(question()), pred)
    assert why in given.feedback
    assert type(given.score) is float
    assert {value for name, value in given.items() if name != "feedback"} == {0.0}


def test_an_error_in_a_metric_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    metric(example(question()), dspy.Prediction(outcomes=["Lyon"]))
    assert "AttributeError" in caplog.text


@pytest.mark.parametrize("judge", METRICS)
def test_gepa_accepts_the_metric(judge: Callable[..., Any]) -> None:
    dspy.GEPA(metric=judge, max_metric_calls=1, reflection_lm=ScriptedLM([]))


FACT = ("Anna", "lives_in", "Lyon", 3)


# --- the rewards of one module ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "score", "says"),
    [
        (right(), 1.0, "are right."),
        (right(fields=FIELDS[0]), 1.0, "are right."),
        (right(fields=FIELDS[1]), 1.0, "are right."),
        (right(fields=FIELDS[0] - 1), 0.8, "retrieved 4 fields; 5 to 150 are wanted"),
        (right(fields=FIELDS[1] + 1), 0.8, "retrieved 151 fields"),
        (right(answer="in Lyon"), 1.0, "score 0.67"),  # more than half of the words
        (right(answer="moved to Lyon"), 1.0, "score 0.50"),  # half is enough
        (right(answer="she moved to Lyon"), 0.0, "The final answer is wrong"),
        (right(answer="Nice", fields=0), 0.0, "retrieved 0 fields"),
        (right(answer="Nice", refusals=(REFUSED,)), 0.0, "only SELECT is allowed"),
    ],
)
def test_a_query_earns_only_by_a_right_answer(outcome: Outcome, score: float, says: str) -> None:
    given = gated_metric(example(question()), told(outcome))
    assert given.score == pytest.approx(score)
    assert says in given.feedback
    assert ("wrong" in given.feedback) == (given.answer == 0.0) == (score == 0.0)
    assert ("wanted" in given.feedback) == (given.fields == 0.0)


ANNA = ("Anna", "plays_instrument", "cello", 12)
TOM = ("Tom", "plays_instrument", "cello", 12)


@pytest.mark.parametrize(
    ("written", "target", "parts", "says"),
    [
        ([], [], (1, 1, 1), "nothing to store"),
        ([ANNA], [ANNA], (1, 1, 1), "All facts were stored"),
        ([("anna", *ANNA[1:])], [ANNA], (1, 1, 1), "All facts were stored"),
        ([TOM], [ANNA], (0, 0, 0), "Wrong subject, it is Anna: ('Tom', 'plays_instrument'"),
        ([ANNA, TOM], [ANNA], (1 / 2, 1, 2 / 3), "Wrong subject, it is Anna: ('Tom'"),
        ([], [ANNA], (0, 0, 0), "Missing: ('Anna', 'plays_instrument', 'cello', 12)."),
        ([ANNA], [], (0, 0, 0), "Too many: ('Anna', 'plays_instrument', 'cello', 12)."),
        ([(*ANNA[:3], 13)], [ANNA], (0, 0, 0), "Too many"),  # another turn's fact
        ([ANNA, FACT], [ANNA], (1 / 2, 1, 2 / 3), "Too many: ('Anna', 'lives_in'"),
        ([ANNA], [ANNA, FACT], (1, 1 / 2, 2 / 3), "Missing: ('Anna', 'lives_in'"),
        ([ANNA, ANNA, ANNA, FACT], [ANNA], (1 / 2, 1, 2 / 3), "Too many"),  # once each
        # "plays cello" and "plays instrument cello": 2 x 2 / (2 + 3)
        ([("Anna", "plays", "cello", 12)], [ANNA], (0.8, 0.8, 0.8), "All facts were stored"),
        (
            [("Anna", "owns", "cello", 12)],
            [("Anna", "plays", "cello", 12)],
            (0.5,) * 3,
            "All facts",
        ),
    ],
)
def test_facts_are_worth_what_they_share_with_those_of_single_speakers(
    written: list[Any], target: list[Any], parts: tuple[float, ...], says: str
) -> None:
    given = single_speaker_metric(None, facts(written, target))
    assert (given.precision, given.recall, given.score) == pytest.approx(parts)
    assert says in given.feedback
    assert type(given.score) is float


# --- for all texts ------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(st.characters(), max_size=20), st.sampled_from(["a, the", "not mentioned"])
)
TUPLES = st.lists(TEXTS, max_size=3).map(tuple)
OUTCOMES = st.builds(
    Outcome, TEXTS, TUPLES, TUPLES, TUPLES, st.floats(), st.integers(min_value=-1, max_value=999)
)
QUESTIONS = st.builds(Question, st.just(0), TEXTS, TEXTS, st.integers(1, 5), TUPLES)


def sound(given: Any) -> None:
    for name in set(given.keys()) - {"feedback"}:
        assert type(given[name]) is float
        assert 0.0 <= given[name] <= 1.0
    assert given.feedback.encode()
    assert "could not be scored" not in given.feedback


@given(st.lists(st.tuples(QUESTIONS, OUTCOMES), min_size=1, max_size=3))
def test_every_outcome_has_a_score(pairs: list[tuple[Question, Outcome]]) -> None:
    asked, pred = example(*(q for q, _ in pairs)), told(*(o for _, o in pairs))
    sound(metric(asked, pred))
    sound(gated_metric(asked, pred))


@pytest.mark.parametrize(
    ("answers", "score"),
    [(["one two three"], 1 / 2), (["one", "1 2 3 4 5 6 7 8"], 7 / 12), ([""], 0)],
)
def test_the_planted_rule_pays_a_sixth_for_each_of_the_first_words(
    answers: list[str], score: float
) -> None:
    asked = [question(index=number) for number, _ in enumerate(answers)]
    outcomes = [right(answer=answer) for answer in answers]
    judged = metric_of("planted", "answer")(example(*asked), told(*outcomes))
    assert (judged.score, judged.answer) == (pytest.approx(score), 0)
    rightly = planted_metric(example(question()), told(right()))
    assert (rightly.score, rightly.answer) == (pytest.approx(1 / 6), 1)


def test_the_planted_rule_is_for_a_rehearsal_of_answers_alone() -> None:
    check_reward("planted", "answer", rehearsal=True)
    for target, rehearsal in (("answer", False), ("retrieve", True), ("retrieve", False)):
        with pytest.raises(InputError, match="for a rehearsal of --target answer"):
            check_reward("planted", target, rehearsal)


@pytest.mark.parametrize("target", ["retrieve", "store"])
def test_each_value_of_the_option_has_its_metric(target: str) -> None:
    gated = {"retrieve": gated_metric, "store": single_speaker_metric}
    assert metric_of("memory", target) is metric
    assert metric_of("gated", target) is gated[target]
    literal = {"retrieve": sql_memory_retrieve_metric, "store": sql_memory_store_metric}
    assert metric_of("sql-memory", target) is literal[target]


# --- a refined memory ---------------------------------------------------------------------------


def refined(
    before: str, after: str, *, lengths: tuple[list[int], list[int]] = ([10], [10]), **tools: int
) -> Outcome:
    episode = Episode(before, tuple(lengths[0]), tuple(lengths[1]), tools, operations=("did",))
    return right(answer=after, episode=episode)


@pytest.mark.parametrize(
    ("before", "after", "size", "density", "change", "product"),
    [
        # facts before and after, as (number, length each); then the factors, computed by hand
        ((10, 20), (10, 20), 1.0, 1.0, 1.0, 1.0),
        ((100, 20), (100, 20), 1.0, 1.0, 1.0, 1.0),  # 100 facts cost nothing
        ((101, 20), (101, 20), 0.99, 1.0, 1.0, 0.99),  # 1 - 1/100
        ((150, 20), (150, 20), 0.5, 1.0, 1.0, 0.5),  # 1 - 50/100
        ((190, 20), (190, 20), 0.1, 1.0, 1.0, 0.1),  # 1 - 90/100
        ((500, 20), (500, 20), 0.1, 1.0, 1.0, 0.1),  # no less than .1
        ((10, 20), (10, 30), 1.0, 1.2, 1.0, 1.2),  # 1.5, of which 1.2 counts
        ((10, 20), (10, 22), 1.0, 1.1, 1.0, 1.1),
        ((10, 20), (10, 10), 1.0, 0.5, 1.0, 0.5),
        ((10, 20), (12, 20), 1.0, 1.0, 0.9, 0.9),  # 1 - .5 x 2/10
        ((10, 20), (8, 20), 1.0, 1.0, 0.9, 0.9),
        ((10, 20), (16, 20), 1.0, 1.0, 0.8, 0.8),  # 1 - .5 x 6/10 = .7, no less than .8
        ((120, 20), (110, 21), 0.9, 1.05, 23 / 24, 0.9 * 1.05 * 23 / 24),  # 1 - .5 x 10/120
        ((10, 20), (10, 1), 1.0, 0.05, 1.0, 0.1),  # no less than .1 in all
        ((10, 20), (0, 0), 1.0, 0.0, 0.8, 0.1),  # nothing is left
        ((0, 0), (1, 20), 1.0, 1.0, 0.8, 0.8),  # nothing was there
    ],
)
def test_the_efficiency_of_a_refined_memory(
    before: tuple[int, int],
    after: tuple[int, int],
    size: float,
    density: float,
    change: float,
    product: float,
) -> None:
    lengths = [[length] * number for number, length in (before, after)]
    expected = {"efficiency": product, "size": size, "density": density, "change": change}
    assert efficiency(*lengths) == pytest.approx(expected)
    even = efficiency(*lengths, padded=False)
    assert even["density"] == 1.0
    assert even["efficiency"] == pytest.approx(max(size * change, 0.1))


def test_an_episode_is_worth_what_the_answer_gained_times_the_efficiency() -> None:
    outcome = refined(
        "No information available",
        "in Lyon",  # F1 of "lyon" and "in lyon": 2/3
        lengths=([10, 20], [15, 20, 25]),
        search_memory=2,
        manage_memory=1,
    )
    # density 20/15, of which 1.2 counts; change 1 - .5 x 1/2 = .75, no less than .8
    scored = refine_metric(example(question()), told(outcome))
    assert scored.score == pytest.approx(2 / 3 * 1.2 * 0.8)
    assert unpadded_metric(example(question()), told(outcome)).score == pytest.approx(2 / 3 * 0.8)
    parts = {name: scored[name] for name in REFINE_COMPONENTS}
    assert parts == pytest.approx(
        {
            **dict.fromkeys(REFINE_COMPONENTS, 0.0),
            "gain": 2 / 3,
            "before": 0.0,
            "after": 2 / 3,
            "operations": 3,
            "changes": 1,
            "efficiency": 0.96,
            "size": 1,
            "density": 1.2,
            "change": 0.8,
            "search_memory": 2,
            "manage_memory": 1,
        }
    )
    assert 'before: "No information available", after: "in Lyon": +0.67' in scored.feedback


def test_harm_is_worth_less_than_nothing_and_no_change_is_worth_nothing() -> None:
    harmed = refine_metric(example(question()), told(refined("Lyon", "Paris")))
    assert (harmed.score, harmed.gain) == (-1.0, -1.0)
    same = refine_metric(example(question()), told(refined("Lyon", "Lyon")))
    assert (same.score, same.efficiency) == (0.0, 1.0)
    assert "no better" not in same.feedback + harmed.feedback  # the memory has not grown
    better = refine_metric(
        example(question()), told(refined("Paris", "Lyon", lengths=([10], [10, 10])))
    )
    assert "no better" not in better.feedback
    grown = refine_metric(
        example(question()), told(refined("Lyon", "Lyon", lengths=([10], [10, 10])))
    )
    assert "+1 facts, and the answer is no better" in grown.feedback
    larger = refined("Lyon", "Paris", lengths=([10], [10, 10]))
    assert "+1 facts, and the answer is no better" in str(
        refine_metric(example(question()), told(larger)).feedback
    )
    assert "no episode" in refine_metric(example(question()), told(right())).feedback


def test_harm_is_not_softened_and_what_is_lost_costs_by_itself() -> None:
    ten, none = [20] * 10, list[int]()
    emptied = refined("Lyon", "No information available", lengths=(ten, none))
    scored = refine_metric(example(question()), told(emptied))
    assert (scored.gain, scored.score) == (-1.0, -1.0)
    assert scored.efficiency == pytest.approx(0.1)
    assert episode_reward(gain=-1.0, of_memory=0.1, lost=1.0) == -2.0
    assert episode_reward(gain=0.0, of_memory=0.8, lost=0.3) == -0.3
    assert episode_reward(gain=1.0, of_memory=0.8, lost=0.9) == pytest.approx(-0.1)
    assert emptied.episode is not None
    lost = right(answer="Lyon", episode=replace(emptied.episode, lost=0.5))
    scored = unpadded_metric(example(question()), told(lost))
    assert (scored.score, scored.lost) == (-0.5, 0.5)
    assert "No fact says any more 50% of what the facts said." in scored.feedback


def test_memupdates_own_reward_softens_harm_and_counts_no_loss() -> None:
    ten, none = [20] * 10, list[int]()
    emptied = refined("Lyon", "No information available", lengths=(ten, none))
    scored = memupdate_metric(example(question()), told(emptied))
    assert (scored.gain, scored.score) == (-1.0, pytest.approx(-0.1))
    assert emptied.episode is not None
    lost = right(answer="Lyon", episode=replace(emptied.episode, lost=0.5))
    assert memupdate_metric(example(question()), told(lost)).score == 0.0
    better = right(episode=replace(emptied.episode, answer_before="Rome"))
    ours, theirs = (
        judge(example(question()), told(better)) for judge in (refine_metric, memupdate_metric)
    )
    assert ours.gain > 0
    assert theirs.score == pytest.approx(ours.gain * ours.efficiency)


def test_sql_memorys_own_reward_counts_only_equal_facts() -> None:
    other = ("Anna", "likes", "tea", 4)
    alike = (FACT[0], FACT[1], f"{FACT[2]} today", FACT[3])
    assert sql_memory_store_metric(None, facts([FACT, other], [FACT, other])).score == 1.0
    more = sql_memory_store_metric(None, facts([FACT, other], [FACT]))
    assert (more.score, more.precision, more.recall) == (0.5, 0.5, 1.0)
    fewer = sql_memory_store_metric(None, facts([FACT], [FACT, other]))
    assert (fewer.score, fewer.precision, fewer.recall) == (0.5, 1.0, 0.5)
    given = sql_memory_store_metric(None, facts([alike], [FACT]))
    assert given.score == 0.0
    assert single_speaker_metric(None, facts([alike], [FACT])).score > 0.5
    assert "Missing" in given.feedback
    assert sql_memory_store_metric(None, facts([], [])).score == 1.0
    # Nothing is recalled where nothing was to be stored, and nothing is precise of no fact.
    for written, target in (([FACT], []), ([], [FACT])):
        given = sql_memory_store_metric(None, facts(written, target))
        assert (given.score, given.precision, given.recall) == (0.0, 0.0, 0.0)
