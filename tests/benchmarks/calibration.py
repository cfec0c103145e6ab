"""When the packaged model should answer: the regression behind `memory.program.abstention`.

    python -m tests.benchmarks.calibration FILES... [--questions 45] [--answers FILE]

Asks up to so many questions of each conversation, a third of them without an answer, lets the model
say whatever it would, and keeps what speaks for each answer in `--answers` (JSON lines), from which
an interrupted run goes on. Then it fits the regression to all answers and prints its weights, and
by cross-validation over conversations what each cost of a wrong answer brings: the share of right
answers (in LoCoMo's data F1), of questions without an answer that are declined, and of wrong ones.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import expit

from locomo.commands import run_command
from locomo.dataset.format import ABSTENTION, Conversation, Question, load_conversations
from locomo.metrics import abstained, score
from memory import InputError, Memory, load_model
from memory.models import Model
from memory.program import AnswerQuestion, program_for
from memory.program.abstention import Grounds, features_of
from memory.program.packaged import Checked
from tests.benchmarks.everyday import outcome

COSTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.5, 2.0, 4.0)
Floats = NDArray[np.float64]


class _Recording(Checked):
    """Gives every answer that a turn supports, and keeps the grounds."""

    def __init__(self, answer: AnswerQuestion) -> None:
        super().__init__(answer)
        self.seen: list[Grounds] = []

    def is_worth_giving(self, grounds: Grounds) -> bool:
        self.seen.append(grounds)
        return True


def measure(
    files: Annotated[list[Path], typer.Argument(help="conversations in LoCoMo's format")],
    questions: Annotated[int, typer.Option(help="of each conversation")] = 45,
    answers: Annotated[Path, typer.Option(help="where answers are kept")] = Path("answers.jsonl"),
) -> None:
    """Print the weights, and what each cost of a wrong answer brings."""
    done = _kept(answers)
    model = load_model("local")
    recording = _Recording(program_for(model).answer)
    with answers.open("a", encoding="utf-8") as kept:
        for file in files:
            for conversation in load_conversations(file):
                if conversation.id not in {one["conversation"] for one in done}:
                    asked = list(_answers(conversation, model, recording, questions, _scores(file)))
                    kept.writelines(json.dumps(one) + "\n" for one in asked)
                    kept.flush()
    console = Console()
    kept_answers = _kept(answers)
    features, right = _matrix(kept_answers)
    if not len(right):
        raise InputError("no answer was supported by a turn: ask more questions (--questions)")
    weights = fitted(features, right)
    names = next(list(one["features"]) for one in kept_answers if one["features"])
    for name, weight in zip([*names, "intercept"], weights, strict=True):
        console.print(f"{name}: {weight:.3f}")
    console.print(_curve(kept_answers, features, right))


def fitted(features: Floats, right: Floats, ridge: float = 1.0) -> Floats:
    """Weights and the intercept of a logistic regression with a ridge.

    Arguments:
        features: (answers, features).
        right: (answers,), 0 to 1: how right each is.
        ridge: the penalty of the weights in units of each feature's own deviation.
    """
    deviation = features.std(0) + 1e-9
    columns = np.c_[features / deviation, np.ones(len(features))]
    penalty = np.full(columns.shape[1], ridge)
    penalty[-1] = 1e-3  # the intercept is free, but finite where all answers are alike

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = columns @ weights
        value = np.logaddexp(0, logits) - right * logits
        slope = columns.T @ (expit(logits) - right) + penalty * weights
        return float(value.sum() + (penalty * weights**2).sum() / 2), slope

    weights = minimize(loss, np.zeros(columns.shape[1]), jac=True).x
    return np.append(weights[:-1] / deviation, weights[-1])


def _answers(
    conversation: Conversation,
    model: Model,
    recording: _Recording,
    most: int,
    scores: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    program = program_for(model).asking(answer=recording)
    with (
        tempfile.TemporaryDirectory() as home,
        Memory(Path(home) / "memory.db", model=model, program=program) as memory,
    ):
        memory.add(conversation.turns, said_at="")
        chosen = _drawn(conversation, most)
        for question in track(chosen, conversation.id, console=Console(stderr=True)):
            recording.seen.clear()
            answer = memory.ask(question.text, asker=question.asker)
            if answer.basis == "rows":
                continue
            yield {
                "conversation": conversation.id,
                "answerable": question.category != ABSTENTION,
                "right": _right(answer.text, question, scores.get(conversation.id)),
                "features": features_of(recording.seen[0]) if recording.seen else None,
            }


def _drawn(conversation: Conversation, most: int) -> list[Question]:
    """Questions of a conversation, up to a third of them without an answer."""
    draw = Random(conversation.id)
    without = [one for one in conversation.questions if one.category == ABSTENTION]
    others = [one for one in conversation.questions if one.category != ABSTENTION]
    few = draw.sample(without, min(len(without), most // 3))
    return [*few, *draw.sample(others, min(len(others), most - len(few)))]


def _right(text: str, question: Question, lists: Any) -> float:
    """How right an answer is: by the lists of our own chats, else LoCoMo's score; 0 for none."""
    if question.category == ABSTENTION or abstained(text):
        return 0.0
    if lists and "must" in lists[question.index]:
        one = lists[question.index]
        return float(outcome(text, question.category, one["must"], one["must_not"]) == "right")
    return score(text, question)


def _scores(file: Path) -> dict[str, Any]:
    samples = json.loads(file.read_text("utf-8"))
    return {sample["sample_id"]: sample["qa"] for sample in samples if "sample_id" in sample}


def _kept(answers: Path) -> list[dict[str, Any]]:
    lines = answers.read_text("utf-8").splitlines() if answers.exists() else []
    return [json.loads(line) for line in lines]


def _matrix(answers: Sequence[dict[str, Any]]) -> tuple[Floats, Floats]:
    given = [one for one in answers if one["features"]]
    return (
        np.array([[*one["features"].values()] for one in given]),
        np.array([one["right"] for one in given]),
    )


def _curve(answers: Sequence[dict[str, Any]], features: Floats, right: Floats) -> Table:
    """What each cost brings, each conversation by weights of the others."""
    given = [one for one in answers if one["features"]]
    of = np.array([one["conversation"] for one in given])
    likely = np.zeros(len(given))
    for conversation in dict.fromkeys(of):
        held = of == conversation
        weights = fitted(features[~held], right[~held])
        likely[held] = expit(features[held] @ weights[:-1] + weights[-1])
    answerable = np.array([one["answerable"] for one in given])
    told = sum(one["answerable"] for one in answers)
    untold = len(answers) - told
    table = Table("cost", "right", "declined without an answer", "wrong, of all")
    for cost in COSTS:
        pays = likely > cost / (1 + cost)
        row = (
            right[pays & answerable].sum() / max(told, 1),
            1 - pays[~answerable].sum() / max(untold, 1),
            (pays & (right < 0.5)).sum() / len(answers),
        )
        table.add_row(f"{cost:g}", *(f"{share:.3f}" for share in row))
    return table


app = typer.Typer(add_completion=False)
app.command()(measure)

if __name__ == "__main__":
    run_command(app)
