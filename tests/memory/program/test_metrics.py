"""The metric for users of DSPy."""

from typing import Any

import dspy
import pytest

from memory.program import answer_score
from memory.records import ABSTAIN


def scored(right: str, said: str, **how: Any) -> Any:
    return answer_score(dspy.Example(answer=right), dspy.Prediction(answer=said), **how)


@pytest.mark.parametrize(
    ("right", "said", "score"),
    [
        ("Oslo", "oslo", 1.0),
        ("a cat and a dog", "a dog", 2 / 3),
        ("Oslo", "Bergen", 0.0),
        ("Oslo", ABSTAIN, 0.0),
        ("Oslo", "", 0.0),
        ("", ABSTAIN, 1.0),
        (ABSTAIN, f"{ABSTAIN}.", 1.0),
        ("", "Oslo", 0.0),
    ],
)
def test_an_answer_is_scored_by_the_words_of_the_right_one(
    right: str, said: str, score: float
) -> None:
    assert scored(right, said) == pytest.approx(score)


def test_gepa_is_told_what_was_wrong() -> None:
    wrong = scored("Oslo", "Bergen", pred_name="answer.predict", pred_trace=[])
    assert wrong.score == 0.0
    assert "The right answer is: Oslo. The answer was: Bergen." in wrong.feedback
    unsaid = scored("", "Bergen", pred_name="answer.predict")
    assert f"Say: {ABSTAIN}" in unsaid.feedback


def test_it_is_a_metric_of_evaluate() -> None:
    class Says(dspy.Module):
        def forward(self, question: str) -> dspy.Prediction:
            return dspy.Prediction(answer="Oslo")

    examples = [dspy.Example(question="Where?", answer=city) for city in ("Oslo", "Rome")]
    evaluate = dspy.Evaluate(
        devset=[example.with_inputs("question") for example in examples],
        metric=answer_score,
        num_threads=1,
        display_progress=False,
    )
    assert evaluate(Says()).score == 50.0
