"""Learns which facts a question is about, and measures it on chats that were left out.

    python -m tests.benchmarks.fact_weights [--write]

The questions of data/everyday/questions name the facts that they are about. A logistic regression
learns from them what the features of a question and a fact are worth, and small trees learn how
likely an answer from the best facts is right; from CERTAINTY on it counts. Each chat is measured
with what the others teach. With `--write` the weights of all chats are stored in the package
(memory/program/fact_weights.json).
"""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from locomo.dataset.format import ABSTENTION, load_conversations
from memory import open_store
from memory.program import fact_matching
from memory.program.fact_answers import answer_from
from memory.program.fact_candidates import suitable
from memory.program.fact_features import FEATURES, features_of
from memory.program.fact_matching import CONFIDENCE, choose
from memory.program.fact_questions import FactQuestion, read_fact_question
from memory.program.fact_select import DatedFact, facts_in, select_about
from memory.search.asker import as_asked
from memory.vocabulary import Vocabulary
from tests.benchmarks.everyday import outcome, store_facts

DATA = Path(__file__).parents[2] / "data" / "everyday"
CERTAINTY = 0.8  # about where 1 of 20 answers is wrong
OPEN = 2.0  # what a question without an answer counts


@dataclass(frozen=True)
class Example:
    """A question with the candidates among its chat's facts and their features."""

    chat: str
    score: Mapping[str, Any]
    question: FactQuestion
    today: str
    facts: Sequence[DatedFact]
    rows: NDArray[np.float64]
    is_meant: NDArray[np.bool_]
    is_beside: NDArray[np.bool_]  # of the same subject and attribute as what is meant
    vocabulary: Vocabulary


def examples() -> tuple[list[Example], list[Mapping[str, Any]]]:
    """All questions that can be read, and those that cannot."""
    read, unread = [], []
    files = sorted([*DATA.glob("development/*.json"), *DATA.glob("second_round/*.json")])
    of_development = json.loads((DATA / "facts.json").read_text("utf-8"))
    for conversation in (c for file in files for c in load_conversations(file)):
        given = of_development.get(conversation.id)
        if given is None:
            path = DATA / "second_round" / "facts" / f"{conversation.id}.json"
            given = json.loads(path.read_text("utf-8"))["facts"]
        path = DATA / "questions" / f"{conversation.id}.json"
        scores = json.loads(path.read_text("utf-8"))
        scores += _without_facts(conversation.id, scores[0]["question_date"])
        with tempfile.TemporaryDirectory() as home, open_store(f"{home}/chat.db") as store:
            ids = store.add(conversation.turns)
            sources = [turn.source for turn in conversation.turns]
            store_facts(store, given, dict(zip(sources, ids, strict=True)))
            texts = {
                turn_id: turn.text for turn_id, turn in zip(ids, conversation.turns, strict=True)
            }
            vocabulary = store.vocabulary()
            for score in scores:
                today, asker = score["question_date"][:10], score.get("asker", "")
                origin = as_asked(score["question"], asker, today)
                question = read_fact_question(origin, today, asker)
                if question is None:
                    unread.append(score)
                    continue
                facts = facts_in(store.read(select_about(question)), today)
                facts = suitable(question, facts)
                if not facts:
                    unread.append(score)
                    continue
                meant = {index + 1 for index in score.get("facts", ())}
                groups = {(f.subject, f.attribute) for f in facts if f.id in meant}
                read.append(
                    Example(
                        conversation.id,
                        score,
                        question,
                        today,
                        facts,
                        features_of(question, facts, vocabulary, texts, today),
                        np.array([fact.id in meant for fact in facts]),
                        np.array([(f.subject, f.attribute) in groups for f in facts]),
                        vocabulary,
                    )
                )
    return read, unread


def _without_facts(chat: str, day: str) -> list[dict[str, Any]]:
    """Further questions about a chat, of which only the answers are known."""
    scores = list(json.loads((DATA / "wordings.json").read_text("utf-8")).get(chat, []))
    for file in [*DATA.glob("development/*.json"), *DATA.glob("second_round/*.json")]:
        for sample in json.loads(file.read_text("utf-8")):
            if sample["sample_id"] == chat:
                scores += sample["qa"]
    return [{"question_date": day, "must": [], **score} for score in scores]


def fit(
    rows: NDArray[np.float64], labels: NDArray[np.bool_], strength: float
) -> tuple[NDArray[np.float64], float]:
    """The weights and the bias of a logistic regression, for features as they are."""
    from sklearn.linear_model import LogisticRegression

    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    deviation[deviation == 0] = 1
    model = LogisticRegression(C=strength, max_iter=3_000)
    model.fit((rows - mean) / deviation, labels)
    weights = model.coef_[0] / deviation
    return weights, float(model.intercept_[0] - mean @ weights)


def fit_facts(training: Sequence[Example]) -> tuple[NDArray[np.float64], float]:
    """What each feature is worth; a fact beside those meant teaches nothing."""
    training = [example for example in training if "facts" in example.score]
    use = [example.is_meant | ~example.is_beside for example in training]
    rows = np.concatenate([e.rows[used] for e, used in zip(training, use, strict=True)])
    labels = np.concatenate([e.is_meant[used] for e, used in zip(training, use, strict=True)])
    return fit(rows, labels, 0.3)


def fit_confidence(
    rows: NDArray[np.float64], labels: NDArray[np.bool_], is_open: NDArray[np.bool_]
) -> Any:
    """Small trees that tell how likely an answer is right.

    Of questions without an answer (`is_open`) there are fewer than people ask.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(
        n_estimators=120,
        max_depth=3,
        min_samples_leaf=8,
        learning_rate=0.05,
        subsample=0.6,
        max_features=0.3,
        random_state=33,
    )
    return model.fit(rows, labels, sample_weight=np.where(is_open, OPEN, 1.0))


def nodes_of(tree: Any, rate: float) -> list[list[float]]:
    """The nodes of a tree, see `memory.program.fact_matching.Node`."""
    return [
        [-1, round(float(tree.value[node].ravel()[0]) * rate, 4), -1, -1]
        if tree.children_left[node] < 0
        else [
            int(tree.feature[node]),
            round(float(tree.threshold[node]), 4),
            int(tree.children_left[node]),
            int(tree.children_right[node]),
        ]
        for node in range(tree.node_count)
    ]


def result_of(
    example: Example, weights: NDArray[np.float64], bias: float
) -> tuple[NDArray[np.float64], str, str]:
    """The numbers of the best facts, the outcome of an answer from them, and its text."""
    matched = choose(
        example.question,
        example.facts,
        example.rows,
        example.rows @ weights + bias,
        example.vocabulary,
    )
    if matched is None:
        return np.zeros(len(CONFIDENCE)), "abstained", ""
    answer = answer_from(example.question, matched.facts, example.today, example.vocabulary)
    if answer is None:
        return matched.confidence, "abstained", ""
    result = outcome(
        answer[0],
        example.score["category"],
        example.score["must"],
        example.score.get("must_not", ()),
    )
    return matched.confidence, result, answer[0]


def measure(write: bool = False, show: bool = False) -> None:
    """Print what is decided on chats left out; with `--write` store the weights."""
    read, unread = examples()
    chats = dict.fromkeys(example.chat for example in read)
    results: list[tuple[NDArray[np.float64], str, str]] = []
    for chat in chats:
        weights, bias = fit_facts([example for example in read if example.chat != chat])
        results += [result_of(example, weights, bias) for example in read if example.chat == chat]
    read = [example for chat in chats for example in read if example.chat == chat]
    rows = np.array([numbers for numbers, _, _ in results])
    outcomes = np.array([result for _, result, _ in results])
    answered = outcomes != "abstained"
    is_open = np.array([example.score["category"] == ABSTENTION for example in read])
    sure = np.zeros(len(read))
    for chat in chats:
        is_left_out = np.array([example.chat == chat for example in read])
        train = ~is_left_out & answered
        model = fit_confidence(rows[train], outcomes[train] == "right", is_open[train])
        sure[is_left_out] = model.predict_proba(rows[is_left_out])[:, 1]
    counts: Counter[tuple[str, str]] = Counter()
    for example, result, probability, text in zip(
        read, outcomes, sure, (r[2] for r in results), strict=True
    ):
        if example.score["category"] == ABSTENTION:
            decided = "wrong" if result == "wrong" and probability >= CERTAINTY else "right"
        else:
            decided = str(result) if probability >= CERTAINTY else "abstained"
        group = "new" if "facts" in example.score else "first"
        counts[f"{group} {example.score['kind']}", decided] += 1
        if show and decided != "right":
            gold = [f.attribute for f, m in zip(example.facts, example.is_meant, strict=True) if m]
            print(
                f"{decided} {probability:.2f} {result}: {example.question.text} -> {text}"
                f" | {gold[:2]} {example.score['must']}"
            )
    for score in unread:
        group = "new" if "facts" in score else "first"
        counts[
            f"{group} {score['kind']}", "right" if score["category"] == ABSTENTION else "abstained"
        ] += 1
    for kind in sorted({kind for kind, _ in counts}):
        print(kind, *(counts[kind, result] for result in ("right", "wrong", "abstained")))
    for group in ("new", "first"):
        totals = [
            sum(n for (kind, r), n in counts.items() if r == result and kind.startswith(group))
            for result in ("right", "wrong", "abstained")
        ]
        print(group, *totals)
    print("most that could be right:", (outcomes == "right").sum())
    if write:
        weights, bias = fit_facts(read)
        model = fit_confidence(rows[answered], outcomes[answered] == "right", is_open[answered])
        prior = model.init_.class_prior_[1]
        stored = {
            "features": {n: round(float(w), 4) for n, w in zip(FEATURES, weights, strict=True)},
            "bias": round(bias, 4),
            "confidence": CONFIDENCE,
            "start": round(float(np.log(prior / (1 - prior))), 4),
            "threshold": CERTAINTY,
            "trees": [nodes_of(tree.tree_, model.learning_rate) for [tree] in model.estimators_],
        }
        path = Path(fact_matching.__file__).with_name("fact_weights.json")
        path.write_text(json.dumps(stored) + "\n", "utf-8")


if __name__ == "__main__":
    typer.run(measure)
