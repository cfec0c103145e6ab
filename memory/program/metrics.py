"""How good an answer is, as a metric of DSPy: for `dspy.Evaluate` and for its optimizers."""

from collections import Counter
from typing import Any

import dspy

from memory.records import ABSTAIN
from memory.text.dates import COUNT
from memory.text.words import telling_words, words

# From this score on, an answer counts as right if an optimizer asks for yes or no: a few words more
# than the right ones, or another form of them.
_RIGHT = 0.5


def answer_score(
    gold: dspy.Example,
    pred: dspy.Prediction,
    trace: Any = None,
    pred_name: str | None = None,
    pred_trace: Any = None,
) -> Any:
    """How far an answer of `AskMemory` has the words of the right one, 0 to 1.

    A question that the memory does not answer has the right answer "", or an answer that says so;
    only there is an abstention right.

    Arguments:
        gold: an example with `answer`.
        pred: a Prediction with `answer`.
        trace: if an optimizer collects examples, the result is whether this one is right.
        pred_name: the module that GEPA improves: then a Prediction of score and feedback.
        pred_trace: its calls; nothing is read from them.
    """
    right, said = str(gold.answer or "").strip(), str(getattr(pred, "answer", "") or "").strip()
    score = _score(right, said)
    if pred_name is not None:
        return dspy.Prediction(score=score, feedback=_feedback(right, said, score, pred))
    return score >= _RIGHT if trace is not None else score


def word_f1(answer: str, gold: str) -> float:
    """Harmonic mean of precision and recall over words, 0 to 1; 0 for an abstention.

    Ignores stop words. Numbers in words and in digits are equal.
    """
    if answer.lower().startswith(ABSTAIN.lower()):
        return 0.0
    answer_words, gold_words = _counted_words(answer), _counted_words(gold)
    same = (Counter(answer_words) & Counter(gold_words)).total()
    return 2 * same / (len(answer_words) + len(gold_words)) if same else 0.0


def _counted_words(text: str) -> list[str]:
    return [str(COUNT.get(word, word)) for word in telling_words(text) or words(text)]


def _score(right: str, said: str) -> float:
    if _abstains(right) or _abstains(said):
        return float(_abstains(right) and _abstains(said))
    return 1.0 if said.casefold() == right.casefold() else word_f1(said, right)


def _abstains(text: str) -> bool:
    return not text or text.casefold().startswith(ABSTAIN.casefold())


def _feedback(right: str, said: str, score: float, pred: dspy.Prediction) -> str:
    """The right and wrong parts, for a model that writes instructions."""
    if score == 1.0:
        return f"Right: {said or ABSTAIN}"
    if _abstains(right):
        return f"The memory does not say it, but the answer was: {said}. Say: {ABSTAIN}"
    turns = ", ".join(map(str, getattr(pred, "turns", None) or ())) or "none"
    sql = "; ".join(getattr(pred, "sql", None) or ()) or "none"
    return (
        f"The right answer is: {right}. The answer was: {said or 'nothing'}. It cites these turns:"
        f" {turns}. SQL that ran: {sql}. Words in common: {score:.2f}."
    )
