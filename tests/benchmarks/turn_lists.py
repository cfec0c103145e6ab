"""How often lists and counts read from turns are right, and the weights that say how certain.

    python -m tests.benchmarks.turn_lists FILE... [--write]

Each question of conversations (files of LoCoMo's format, or of `data/everyday/questions` beside
`data/everyday`) that asks for a list, a count, the first or the last is answered with weights
fitted to the other conversations. With `--write` weights fitted to all are written to
`memory/program/turn_list_weights.json`; `--only deed,amount` leaves all others as they are.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from locomo.dataset.format import ABSTENTION, load_conversations
from memory.dates import COUNT
from memory.program import turn_lists
from memory.program.searched_turns import with_questions
from memory.program.turn_lists import (
    TurnList,
    deed_lists,
    deed_question,
    list_question,
    list_topics,
    listed,
)
from memory.records import Turn
from memory.search.asker import as_asked
from tests.benchmarks.everyday import outcome

MORE_QUESTIONS = Path("data/everyday/questions")
UNDATED = "2026-01-01"  # of chats without days
_PENALTY = 1.0  # of large weights
_SMALL_PENALTY = 0.3  # of those of deeds and amounts, whose features go together
_THRESHOLDS = (0.6, 0.7, 0.8)


@dataclass(frozen=True)
class Example:
    """What turns may answer to one question (the number `question`), and whether it is right."""

    chat: str
    question: int
    kind: str
    answer: TurnList
    is_right: bool


def measure(
    files: Annotated[list[Path], typer.Argument(help="conversations")],
    write: Annotated[bool, typer.Option("--write", help="write the weights")] = False,
    only: Annotated[str, typer.Option(help="write those whose names begin so, by commas")] = "",
) -> None:
    """Print how many are right and wrong from three certainties on, and fit the weights."""
    examples = list(_examples(files))
    names = sorted({name for example in examples for name in example.answer.features})
    features = np.array([[e.answer.features.get(name, 0.0) for name in names] for e in examples])
    is_right = np.array([float(example.is_right) for example in examples])
    certainty = np.zeros(len(examples))
    chats = np.array([example.chat for example in examples])
    for chat in dict.fromkeys(chats):
        weights = _fitted(names, features[chats != chat], is_right[chats != chat])
        certainty[chats == chat] = 1 / (1 + np.exp(-features[chats == chat] @ weights))
    table = Table("certainty", "kind", "right", "wrong")
    for threshold in _THRESHOLDS:
        counts = _counts(examples, certainty, threshold)
        for kind in sorted({kind for kind, _ in counts}):
            table.add_row(str(threshold), kind, str(counts[kind, True]), str(counts[kind, False]))
    Console().print(f"{len({e.question for e in examples})} questions read", table)
    if write:
        weights = _fitted(names, features, is_right)
        path = Path(turn_lists.__file__).with_name("turn_list_weights.json")
        rounded = {name: round(float(w), 3) for name, w in zip(names, weights, strict=True)}
        if only:
            new = {n: w for n, w in rounded.items() if n.startswith(tuple(only.split(",")))}
            rounded = dict(sorted({**json.loads(path.read_text("utf-8")), **new}.items()))
        path.write_text(json.dumps(rounded, indent=1), "utf-8")


def _counts(
    examples: Sequence[Example], certainty: NDArray[np.float64], threshold: float
) -> Counter[tuple[str, bool]]:
    """The likeliest answer of each question, by kind and by whether it is right."""
    best: dict[int, tuple[float, Example]] = {}
    for value, example in zip(certainty, examples, strict=True):
        if value >= threshold and value > best.get(example.question, (0.0, example))[0]:
            best[example.question] = (float(value), example)
    return Counter((example.kind, example.is_right) for _, example in best.values())


def _fitted(
    names: Sequence[str], features: NDArray[np.float64], is_right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The weights of a logistic regression, by Newton's method."""
    weights = np.zeros(features.shape[1])
    small = [name.startswith(("deed", "amount")) for name in names]
    penalties = np.where(small, _SMALL_PENALTY, _PENALTY)
    penalty = np.diag(penalties)
    for _ in range(40):
        likely = 1 / (1 + np.exp(-features @ weights))
        gradient = features.T @ (likely - is_right) + penalties * weights
        curvature = (features * (likely * (1 - likely))[:, None]).T @ features + penalty
        weights -= np.linalg.solve(curvature, gradient)
    return weights


def _examples(files: Sequence[Path]) -> Iterator[Example]:
    number = 0
    for file in files:
        raw = {sample["sample_id"]: sample["qa"] for sample in json.loads(file.read_text("utf-8"))}
        for conversation in load_conversations(file):
            turns = [replace(turn, id=n) for n, turn in enumerate(conversation.turns, 1)]
            more = MORE_QUESTIONS / f"{conversation.id}.json"
            further = json.loads(more.read_text("utf-8")) if more.exists() else []
            for question in [*raw[conversation.id], *further]:
                number += 1
                for answer in _answers(question, turns):
                    is_right = _is_right(question, answer)
                    kind = _kind(answer)
                    yield Example(conversation.id, number, kind, answer, is_right)


def _answers(question: Mapping[str, Any], turns: Sequence[Turn]) -> list[TurnList]:
    today = (question.get("question_date") or max(turn.said_at for turn in turns))[:10] or UNDATED
    asker = question.get("asker") or ""
    text = as_asked(question["question"], asker, today)
    answers: list[TurnList] = []
    if read := list_question(text, today, asker):
        topics = enumerate(list_topics(read))
        readings = (listed(read, topic, turns, rank) for rank, topic in topics)
        answers += next(filter(None, readings), [])
    if deed_asked := deed_question(text, today, asker):
        answers += deed_lists(*deed_asked, with_questions(turns))
    return answers


def _kind(answer: TurnList) -> str:
    if "amount" in answer.features or "sum" in answer.features:
        return "amount"
    if "deed asked count" in answer.features:
        return "deed count"
    if any(name.endswith("asked count") for name in answer.features):
        return "count"
    if any(name.startswith("events") for name in answer.features):
        return "days"
    if "details" in answer.features:
        return "details"
    if "deed" in answer.features:
        return "deed"
    return "list"


def _is_right(question: Mapping[str, Any], answer: TurnList) -> bool:
    """Whether it has all that is asked for and, a list, hardly more; a count is the number."""
    if question["category"] == ABSTENTION:
        return False
    must = question.get("must")
    if _kind(answer) in ("count", "amount", "deed count"):
        number = _number(must[0][0] if must else str(question["answer"]))
        return number is not None and number == _number(answer.text)
    if must:
        result = outcome(answer.text, question["category"], must, question.get("must_not") or ())
        has_all, least = result == "right", len(must)
    else:
        items = [item for item in re.split(r",| and |;", str(question["answer"])) if item.strip()]
        bare = [re.sub(r"^(?:the|an?) ", "", item.strip(' "').lower()) for item in items]
        has_all, least = all(item in answer.text.lower() for item in bare), len(items)
    return has_all and len(answer.text.split("; ")) <= least + 1


def _number(text: str) -> int | None:
    for word in re.findall(r"\d+|[a-z]+", re.sub(r"(?<=\d)[, ](?=\d{3})", "", text.lower())):
        if word.isdigit() or (word in COUNT and word not in ("a", "an")):
            return int(word) if word.isdigit() else COUNT[word]
    return {"once": 1, "twice": 2}.get(text.lower())


if __name__ == "__main__":
    typer.run(measure)
