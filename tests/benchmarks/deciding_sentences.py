"""Fits which sentence decides a question, and how often it does: weights in sentence_weights.json.

    python -m tests.benchmarks.deciding_sentences FILE... [--write]

The files are conversations with gold answers, whose questions are searched in a fresh memory; the
sentences of the best turns are compared with the answer. Two logistic regressions: a softmax over
the sentences of a question, and whether its best sentence has the answer. Printed is what a
threshold brings, cross-validated by conversation: ten groups, each left out once; with `--compare`
also what the weights of the file bring for the same questions. Features that count for little are
left out. The weights of `says`, whether what the packaged model says is right, are kept: its
answers are not asked for here.
"""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from locomo.dataset.format import ABSTENTION, Conversation, Question, load_conversations
from memory import open_store
from memory.dates import resolve_dates
from memory.program.answer_checks import asked_for
from memory.program.decisive_sentence import (
    WEIGHTS_FILE,
    likelihood,
    quotation,
    standing_out,
    weighted,
)
from memory.program.messages import is_evidence
from memory.program.sentence_features import Sentence, candidate_sentences
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.search.words import words

RANKED = 40
GROUPS = 10
L2_SENTENCE, L2_ANSWERS = 0.002, 0.003  # on standardised features
LEAST_OF_SENTENCE, LEAST_OF_ANSWERS = 0.06, 0.1  # of a weight that stays, on such features
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
OF_SAYS = "says: a logistic regression on the packaged model's answers, see decision 98"
_NO_SPREAD = 1e-6
_LEAST_SHARE = 0.6  # of a gold answer's telling words, in a sentence of an evidence turn

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A question: its candidate sentences, and which of them have the answer."""

    conversation: str
    category: int
    sentences: list[Sentence]
    has_answer: Floats


@dataclass(frozen=True)
class Fit:
    """The weights of both regressions by feature; "always" is added to the second's."""

    sentence: Mapping[str, float]
    answers: Mapping[str, float]

    def best_of(self, case: Case) -> tuple[int, dict[str, float]]:
        """The number of the best sentence of a question, and its features."""
        scores = [weighted(sentence.values, self.sentence) for sentence in case.sentences]
        best = max(range(len(scores)), key=scores.__getitem__)
        values = case.sentences[best].values
        return best, {**values, **standing_out(scores, case.sentences, best)}


@dataclass(frozen=True)
class Outcome:
    """How likely the best sentence of a question answers it, and whether it does."""

    category: int
    likelihood: float
    is_right: bool


def cases_of(conversation: Conversation, scores: Sequence[Mapping[str, Any]]) -> Iterator[Case]:
    """The questions of a conversation, searched in a memory of its turns."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "m.db") as store:
        ids = store.add(conversation.turns)
        turns = {turn_id: store.turn(turn_id) for turn_id in ids}
        by_source = dict(zip((turn.source for turn in conversation.turns), ids, strict=True))
        speakers = {turn.speaker for turn in conversation.turns}
        for question in conversation.questions:
            read_question = asked_for(question.as_asked, speakers)
            hits = [
                hit
                for hit in store.search(question.as_asked, RANKED)
                if turns[hit.turn_id].kind == "message" and is_evidence(turns[hit.turn_id].text)
            ]
            sentences = candidate_sentences(read_question, hits, turns, speakers)
            if not sentences:
                continue
            evidence = {by_source[source] for source in question.evidence if source in by_source}
            score = scores[question.index]
            labels = [_has_answer(sentence, question, score, evidence) for sentence in sentences]
            yield Case(conversation.id, question.category, sentences, np.array(labels))


def _has_answer(
    sentence: Sentence, question: Question, score: Mapping[str, Any], evidence: set[int]
) -> float:
    """Whether a sentence, quoted with who and when, has what a question's gold answer says."""
    if question.category == ABSTENTION:
        return 0.0
    shown = quotation(sentence)
    shown = f"{shown} {resolve_dates(sentence.text, sentence.turn.said_at)}"
    if must := score.get("must"):

        def has(text: str) -> bool:
            return bool(re.search(rf"(?<!\w){re.escape(text)}(?!\w)", shown, re.IGNORECASE))

        is_denied = any(map(has, score.get("must_not") or ()))
        return float(all(any(map(has, texts)) for texts in must) and not is_denied)
    gold = question.answer.split(";")[0]
    telling = telling_words(gold, {"likely", "probably"}) or words(gold)
    forms = forms_of(words(shown))
    share = sum(is_among(word, forms) for word in telling) / max(len(telling), 1)
    return float(sentence.turn.id in evidence and share >= _LEAST_SHARE)


def fit(cases: Sequence[Case]) -> Fit:
    """Both regressions, each fitted once more to the features that count."""
    names = list(dict.fromkeys(name for case in cases for name in case.sentences[0].values))
    weights, spread = fit_softmax(cases, names)
    names = _that_count(names, weights * spread, LEAST_OF_SENTENCE)
    by_sentence = dict(zip(names, fit_softmax(cases, names)[0].tolist(), strict=True))
    best = [Fit(by_sentence, {}).best_of(case) for case in cases]
    labels = np.array([case.has_answer[n] for case, (n, _) in zip(cases, best, strict=True)])
    features = [values for _, values in best]
    names = list(dict.fromkeys(name for values in features for name in values))
    weights, spread = fit_logistic(_matrix(features, names), labels)
    names = _that_count(names, weights[:-1] * spread, LEAST_OF_ANSWERS)
    weights, _ = fit_logistic(_matrix(features, names), labels)
    return Fit(by_sentence, dict(zip([*names, "always"], weights.tolist(), strict=True)))


def _that_count(names: Sequence[str], weights: Floats, least: float) -> list[str]:
    return [name for name, weight in zip(names, weights, strict=True) if abs(weight) > least]


def _matrix(features: Sequence[Mapping[str, float]], names: Sequence[str]) -> Floats:
    return np.array([[values.get(name, 0.0) for name in names] for values in features])


def fit_softmax(cases: Sequence[Case], names: Sequence[str]) -> tuple[Floats, Floats]:
    """The weights under which the sentences that answer are the most likely, and each's spread."""
    from scipy.optimize import minimize

    answered = [case for case in cases if case.has_answer.any()]
    matrices = [
        _matrix([sentence.values for sentence in case.sentences], names) for case in answered
    ]
    centred = np.concatenate([values - values.mean(axis=0) for values in matrices])
    spread = centred.std(axis=0)
    values = centred / np.where(spread < _NO_SPREAD, np.inf, spread)
    sizes = np.array([len(case.sentences) for case in answered])
    starts = np.cumsum(sizes) - sizes
    number = np.repeat(np.arange(len(answered)), sizes)
    is_answer = np.concatenate([case.has_answer for case in answered]) > 0

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = values @ weights
        shifted = np.exp(scores - np.maximum.reduceat(scores, starts)[number])
        total = np.add.reduceat(shifted, starts)
        of_answers = np.where(is_answer, shifted, 0)
        answers = np.add.reduceat(of_answers, starts)
        difference = of_answers / answers[number] - shifted / total[number]
        mean = -float(np.log(answers / total).mean()) + L2_SENTENCE * float(weights @ weights)
        return mean, -(values.T @ difference) / len(answered) + 2 * L2_SENTENCE * weights

    result = minimize(loss, np.zeros(values.shape[1]), jac=True, method="L-BFGS-B")
    return np.asarray(result.x) / np.where(spread < _NO_SPREAD, np.inf, spread), spread


def fit_logistic(values: Floats, labels: Floats) -> tuple[Floats, Floats]:
    """The weights of a logistic regression, with that of "always" last, and each's spread."""
    from scipy.optimize import minimize

    mean, spread = values.mean(axis=0), values.std(axis=0)
    scale = np.where(spread < _NO_SPREAD, np.inf, spread)
    standard = np.c_[(values - mean) / scale, np.ones(len(values))]
    penalty = np.full(standard.shape[1], L2_ANSWERS)
    penalty[-1] = 0

    def loss(weights: Floats) -> tuple[float, Floats]:
        scores = standard @ weights
        losses = np.logaddexp(0, scores) - labels * scores
        slope = standard.T @ (1 / (1 + np.exp(-scores)) - labels) / len(labels)
        return float(losses.mean() + penalty @ weights**2), slope + 2 * penalty * weights

    result = minimize(loss, np.zeros(standard.shape[1]), jac=True, method="L-BFGS-B")
    weights = result.x[:-1] / scale
    return np.append(weights, result.x[-1] - weights @ mean), spread


def outcomes_of(cases: Sequence[Case], fitted: Fit) -> Iterator[Outcome]:
    """What weights make of questions."""
    for case in cases:
        best, features = fitted.best_of(case)
        sure = likelihood(features, fitted.answers)
        yield Outcome(case.category, sure, bool(case.has_answer[best]))


def left_out_outcomes(cases: Sequence[Case]) -> Iterator[Outcome]:
    """What weights make of the conversations that they were not fitted to."""
    conversations = sorted({case.conversation for case in cases})
    group = {name: number % GROUPS for number, name in enumerate(conversations)}
    for number in range(GROUPS):
        left_out = [case for case in cases if group[case.conversation] == number]
        if left_out:
            fitted = fit([case for case in cases if group[case.conversation] != number])
            yield from outcomes_of(left_out, fitted)


def table_of(title: str, outcomes: Sequence[Outcome]) -> Table:
    """By threshold, how often what is quoted is right and wrong, of questions with an answer."""
    table = Table("threshold", "right", "wrong", "unanswerable answered", title=title)
    answerable = [outcome for outcome in outcomes if outcome.category != ABSTENTION]
    unanswerable = [outcome for outcome in outcomes if outcome.category == ABSTENTION]
    for threshold in THRESHOLDS:
        quoted = [outcome for outcome in answerable if outcome.likelihood >= threshold]
        right = sum(outcome.is_right for outcome in quoted)
        false = sum(outcome.likelihood >= threshold for outcome in unanswerable)
        table.add_row(
            f"{threshold}",
            f"{right / len(answerable):.3f}",
            f"{(len(quoted) - right) / len(answerable):.3f}",
            f"{false / max(len(unanswerable), 1):.3f}",
        )
    return table


def _rounded(weights: Mapping[str, float]) -> dict[str, float]:
    return {name: round(weight, 4) for name, weight in weights.items()}


def measure(
    files: Annotated[list[Path], typer.Argument(help="conversations with gold answers")],
    compare: Annotated[
        bool, typer.Option("--compare", help="print the file's weights too")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="write the weights")] = False,
) -> None:
    """Print what each threshold brings, and write the weights of all."""
    cases: list[Case] = []
    with Progress(console=Console(stderr=True)) as bar:
        for file in bar.track(files, description="searching"):
            conversations = load_conversations(file)
            samples = json.loads(file.read_text("utf-8"))
            samples = samples if isinstance(samples, list) else [samples]
            scores = {sample["sample_id"]: sample["qa"] for sample in samples}
            for conversation in conversations:
                cases += cases_of(conversation, scores[conversation.id])
    written = json.loads(WEIGHTS_FILE.read_text("utf-8"))
    count = len({case.conversation for case in cases})
    of_what = f"{len(cases)} questions of {count} conversations"
    console = Console()
    console.print(table_of(f"left out: {of_what}", [*left_out_outcomes(cases)]))
    if compare:
        of_file = Fit(written["sentence"], written["answers"])
        console.print(table_of("by the weights of the file", [*outcomes_of(cases, of_file)]))
    if write:
        fitted = fit(cases)
        folders = " ".join(sorted({f"{file.parent.as_posix()}/*.json" for file in files}))
        written["made_by"] = (
            f"python -m tests.benchmarks.deciding_sentences {folders} --write ({of_what});"
            f" {OF_SAYS}"
        )
        written["sentence"] = _rounded(fitted.sentence)
        written["answers"] = _rounded(fitted.answers)
        WEIGHTS_FILE.write_text(json.dumps(written, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(measure)
