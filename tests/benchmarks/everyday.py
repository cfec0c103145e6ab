"""Everyday questions, scored without a judge: what was asserted, what was quoted, on what basis.

    python -m tests.benchmarks.everyday [FOLDER...] [--model NAME] [--cost C] [--draw 10]

Each conversation of the folders becomes a memory that the model digests; then its questions are
asked. An answer is right when it holds one text of every list in the question's `must` and none
of `must_not`, as whole words in any case. Where nothing answers, the quotations count as near when
together they hold a text of every list. Of questions that were never answered, or only by another
person (category 5), an abstention is right. `--draw` prints answers of each basis by a seed.
"""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from locomo.commands import print_table
from locomo.dataset.format import ABSTENTION, Question, load_conversations
from locomo.metrics import abstained
from memory import Answer, Memory, load_model
from memory.store.configuration.declared_settings import Settings

CHATS = Path(__file__).parents[1] / "held_out" / "everyday"
OUTCOMES = ("right", "wrong", "abstained")
BASES = ("rows", "model", "quotes", "none")


@dataclass(frozen=True)
class Scored:
    """An answer to a question with its outcome, and whether the quotations hold the gold answer."""

    question: Question
    answer: Answer
    outcome: str
    is_near: bool

    @property
    def is_answerable(self) -> bool:
        return self.question.category != ABSTENTION


def outcome(
    answer: str,
    category: int,
    must: Sequence[Sequence[str]],
    must_not: Sequence[str] = (),
) -> str:
    """One of OUTCOMES for an answer."""
    if category == ABSTENTION:
        return "right" if abstained(answer) else "wrong"
    if abstained(answer):
        return "abstained"
    is_right = holds_all(answer, must) and not any(_holds(answer, text) for text in must_not)
    return "right" if is_right else "wrong"


def holds_all(text: str, must: Sequence[Sequence[str]]) -> bool:
    """Whether a text holds one of each list, as whole words in any case."""
    return all(any(_holds(text, wanted) for wanted in texts) for texts in must)


def _holds(answer: str, text: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(text)}(?!\w)", answer, re.IGNORECASE))


def measure(
    folders: Annotated[list[Path] | None, typer.Argument(help="of chats with `must`")] = None,
    model: Annotated[str, typer.Option(help="local, or a litellm name")] = "local",
    cost: Annotated[float | None, typer.Option(help="of a wrong answer, in right ones")] = None,
    draw: Annotated[int, typer.Option(help="print so many answers of each basis")] = 0,
    wrong: Annotated[bool, typer.Option("--wrong", help="print what was wrong")] = False,
) -> None:
    """Print a table of outcomes by basis, and the shares that count."""
    console = Console()
    scored = list(_ask_all(folders or [CHATS], model, cost))
    for basis in BASES:
        of_basis = [one for one in scored if one.answer.basis == basis]
        for one in Random(basis).sample(of_basis, min(draw, len(of_basis))):
            _print(console, f"{basis}, {one.outcome}", one)
    for one in scored if wrong else ():
        if one.outcome == "wrong":
            _print(console, "wrong", one)
    print_table(console, _table(scored))
    for name, (count, of) in shares(scored).items():
        console.print(f"{name}: {count} of {of} ({count / max(of, 1):.3f})")


def shares(scored: Sequence[Scored]) -> dict[str, tuple[int, int]]:
    """How often an answer was asserted, right or wrong, or stood near: a count, of how many."""
    answerable = [one for one in scored if one.is_answerable]
    never_told = [one for one in scored if not one.is_answerable]
    asserted = [one for one in answerable if not abstained(one.answer.text)]
    right = sum(one.outcome == "right" for one in asserted)
    near = sum(one.outcome == "abstained" and one.is_near for one in answerable)
    return {
        "asserted wrong": (sum(one.outcome == "wrong" for one in scored), len(scored)),
        "asserted right": (right, len(answerable)),
        "asserted right, or the whole answer among the nearest": (right + near, len(answerable)),
        "never told, asserted": (
            sum(one.outcome == "wrong" for one in never_told),
            len(never_told),
        ),
    }


def _ask_all(folders: Sequence[Path], model: str, cost: float | None) -> Iterator[Scored]:
    files = [file for folder in folders for file in sorted(folder.glob("*.json"))]
    scores = {name: score for file in files for name, score in _scores(file)}
    conversations = [conversation for file in files for conversation in load_conversations(file)]
    loaded = load_model(model)
    total = sum(len(conversation.questions) for conversation in conversations)
    with Progress(console=Console(stderr=True)) as bar, tempfile.TemporaryDirectory() as home:
        task = bar.add_task("asking", total=total)
        for conversation in conversations:
            with Memory(Path(home) / f"{conversation.id}.db", model=loaded) as memory:
                if cost is not None:
                    Settings(memory.store).set("wrong_answer_cost", cost)
                memory.add(conversation.turns, said_at="")
                memory.digest()
                for question in conversation.questions:
                    yield _scored(memory, question, scores[conversation.id][question.index])
                    bar.advance(task)


def _scored(memory: Memory, question: Question, score: Mapping[str, Any]) -> Scored:
    moment = datetime.fromisoformat(question.question_date) if question.question_date else None
    answer = memory.ask(question.text, asker=question.asker, now=moment)
    must = score.get("must", ())
    result = outcome(answer.text, question.category, must, score.get("must_not", ()))
    shown = "\n".join(quoted.text for quoted in answer.quotations)
    return Scored(question, answer, result, bool(must) and holds_all(shown, must))


def _scores(file: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The questions of each conversation of a file, as they stand there."""
    for sample in json.loads(file.read_text("utf-8")):
        yield sample["sample_id"], sample["qa"]


def _print(console: Console, head: str, one: Scored) -> None:
    near = ", near" if one.is_near else ""
    line = f"{head}{near}: {one.question.text} -> {one.answer.text} ({one.question.answer})"
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _table(scored: Sequence[Scored]) -> Table:
    counts = Counter((one.answer.basis, one.is_answerable, one.outcome) for one in scored)
    table = Table("basis", "", "questions", *OUTCOMES, title="everyday questions")
    for basis in BASES:
        for answerable in (True, False):
            row = [counts[basis, answerable, result] for result in OUTCOMES]
            if sum(row):
                told = "answerable" if answerable else "never told"
                table.add_row(basis, told, str(sum(row)), *map(str, row))
    return table


if __name__ == "__main__":
    typer.run(measure)
