"""Measures how well a judge agrees with human labels, for each of the two prompts.

python -m locomo.results.agreement --judge-model MODEL [--judge-api-base ADDRESS] [--rubric]

With --rubric the prompt for lines of a rubric (0, 0.5, 1) is measured instead.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Annotated, TypeVar

import numpy as np
import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import Progress
from typer import Option

from locomo.commands import number_table, print_table, run_command
from locomo.dataset.format import Question
from locomo.harness import probe
from locomo.json_lines import read_json
from locomo.llm_judge import PROMPTS, Kind, judge
from locomo.metrics import wilson_interval
from locomo.parallel import run_parallel
from locomo.rubric_judge import judge_line
from memory import InputError, load_model
from memory.models import Model
from memory.system import clean_line, progress_bar

LABELLED = Path(__file__).parents[2] / "data" / "judged_answers.json"
LABELLED_LINES = LABELLED.with_name("judged_rubric_lines.json")
_RESAMPLES = 2000
_Labelled = TypeVar("_Labelled")
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class LabelledAnswer:
    """An answer to a question of our data, with the verdict that each judge should give.

    `kind` says what sort of answer it is: right, partly right, vague, wrong, over-long, abstaining,
    or instruction (it addresses the judge).
    """

    conversation: str
    index: int
    category: int
    question: str
    gold: str
    answer: str
    kind: str
    lenient: bool
    strict: bool

    def label(self, kind: Kind) -> bool:
        """The verdict that the judge of this kind should give."""
        return self.lenient if kind == "lenient" else self.strict


@dataclass(frozen=True)
class LabelledLine:
    """An answer, a line of a rubric, and the points that it should get: 0, 0.5 or 1."""

    question: str
    line: str
    answer: str
    kind: str
    points: float


@dataclass(frozen=True)
class Verdict:
    """What a judge said of a labelled answer, and why; `points` is None if it is unreadable.

    Verdicts are points, 0 to 1, as labels are: of the two judges of answers 0 or 1.
    """

    label: float
    points: float | None
    kind: str
    answer: str
    reason: str


@dataclass(frozen=True)
class Agreement:
    """A judge compared with the labels, over the verdicts that could be read.

    `agreement` is the share of equal verdicts, `kappa` Cohen's kappa (1960): agreement corrected
    for chance. Each has a 95 % interval. All are None without a verdict; kappa is None if chance
    alone would agree on everything, and its interval if all verdicts equal the labels. `bias` is
    the mean of verdicts minus labels.
    """

    verdicts: int
    unreadable: int
    agreement: float | None
    agreement_interval: tuple[float, float] | None
    kappa: float | None
    kappa_interval: tuple[float, float] | None
    too_generous: int
    too_strict: int
    bias: float | None


@app.command()
def print_agreement(
    judge_model: Annotated[str, Option(help="local, or a litellm name")],
    judge_api_base: Annotated[str | None, Option(help="address of the judge's server")] = None,
    labels: Annotated[
        Path | None, Option(help="labelled answers, JSON", show_default=str(LABELLED.name))
    ] = None,
    rubric: Annotated[bool, Option("--rubric", help="measure the prompt for rubric lines")] = False,
    num_threads: Annotated[int, Option(help="answers judged at a time", min=1)] = 4,
) -> None:
    """Judge answers that people have labelled, and print how well each prompt agrees with them.

    Raises InputError for a file in another format, ModelError when the model cannot be used.
    """
    judging: dict[str, Sequence[Callable[[Model], Verdict]]]
    if rubric:
        lines = read_labelled_lines(labels or LABELLED_LINES)
        judging = {"rubric": [partial(_judged_line, line) for line in lines]}
    else:
        answers = read_labelled(labels or LABELLED)
        judging = {
            kind: [partial(_judged_answer, kind, answer) for answer in answers] for kind in PROMPTS
        }
    model = load_model(judge_model, judge_api_base)
    probe(model)
    console = Console()
    number = len(next(iter(judging.values())))
    title = f"{model.name} against {number} labels, with 95 % intervals"
    columns = ("n", "unreadable", "agreement", "kappa", "too generous", "too strict", "bias")
    table = number_table(title, ["judge"], columns)
    differences: list[str] = []
    with progress_bar(console) as bar:
        for prompt, of_prompt in judging.items():
            jobs = [partial(judged, model) for judged in of_prompt]
            verdicts = _verdicts(prompt, jobs, threads=num_threads, bar=bar)
            result = measure_agreement([(verdict.label, verdict.points) for verdict in verdicts])
            table.add_row(
                prompt,
                str(result.verdicts),
                str(result.unreadable),
                _with_interval(result.agreement, result.agreement_interval),
                _with_interval(result.kappa, result.kappa_interval),
                str(result.too_generous),
                str(result.too_strict),
                "none" if result.bias is None else f"{result.bias:+.3f}",
            )
            differences += [
                f"{prompt}: {verdict.kind}, {clean_line(verdict.answer)[:60]!r} is labelled"
                f" {verdict.label:g}: {verdict.points:g}, {clean_line(verdict.reason)[:100]}"
                for verdict in verdicts
                if verdict.points not in (None, verdict.label)
            ]
    print_table(console, table)
    for difference in differences:
        console.print(difference, markup=False, highlight=False, soft_wrap=True)


def read_labelled(path: Path) -> list[LabelledAnswer]:
    """The labelled answers of a file. Raises InputError."""
    return _labelled(path, TypeAdapter(list[LabelledAnswer]))


def read_labelled_lines(path: Path) -> list[LabelledLine]:
    """The labelled lines of rubrics in a file. Raises InputError."""
    return _labelled(path, TypeAdapter(list[LabelledLine]))


def _labelled(path: Path, adapter: TypeAdapter[list[_Labelled]]) -> list[_Labelled]:
    answers = read_json(path, adapter, "it holds no labelled answers: see data/README.md")
    if not answers:
        raise InputError(f"{path} holds no labelled answers")
    return answers


def _verdicts(
    prompt: str, jobs: Sequence[Callable[[], Verdict]], threads: int, bar: Progress
) -> list[Verdict]:
    line = bar.add_task(f"judging: {prompt}", total=len(jobs))
    return run_parallel(jobs, threads, lambda _: bar.advance(line))


def measure_agreement(verdicts: Sequence[tuple[float, float | None]]) -> Agreement:
    """The agreement of verdicts with labels: pairs of a label, and a verdict if it was read."""
    pairs = [(label, points) for label, points in verdicts if points is not None]
    equal = [label == points for label, points in pairs]
    return Agreement(
        verdicts=len(pairs),
        unreadable=len(verdicts) - len(pairs),
        agreement=fmean(equal) if pairs else None,
        agreement_interval=wilson_interval(sum(equal), len(equal)) if pairs else None,
        kappa=cohens_kappa(pairs),
        kappa_interval=_kappa_interval(pairs),
        too_generous=sum(points > label for label, points in pairs),
        too_strict=sum(points < label for label, points in pairs),
        bias=fmean(points - label for label, points in pairs) if pairs else None,
    )


def cohens_kappa(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Cohen's kappa of two raters, -1 to 1; None if chance alone would agree on everything."""
    number = len(pairs)
    first = Counter(rating for rating, _ in pairs)
    second = Counter(rating for _, rating in pairs)
    chance = sum(first[rating] * second[rating] for rating in first)
    if chance == number**2:
        return None
    agreed = sum(label == points for label, points in pairs)
    return (number * agreed - chance) / (number**2 - chance)


def _kappa_interval(pairs: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The 95 % percentile interval over resamples that have a kappa; none if all agree."""
    if all(first == second for first, second in pairs):
        return None
    rng = np.random.default_rng(0)
    resamples = (
        cohens_kappa([pairs[index] for index in rng.integers(len(pairs), size=len(pairs))])
        for _ in range(_RESAMPLES)
    )
    kappas = [kappa for kappa in resamples if kappa is not None]
    low, high = np.percentile(kappas, [2.5, 97.5])
    return float(low), float(high)


def _judged_answer(kind: Kind, labelled: LabelledAnswer, model: Model) -> Verdict:
    """The verdict of one of the two judges of answers."""
    question = Question(
        index=labelled.index,
        text=labelled.question,
        answer=labelled.gold,
        category=labelled.category,
        evidence=(),
    )
    judgement = judge(kind, question, answer=labelled.answer, model=model)
    return Verdict(
        label=float(labelled.label(kind)),
        points=None if judgement.correct is None else float(judgement.correct),
        kind=labelled.kind,
        answer=labelled.answer,
        reason=judgement.reason,
    )


def _judged_line(labelled: LabelledLine, model: Model) -> Verdict:
    """The points that a judge gives for a line of a rubric."""
    verdict = judge_line(labelled.question, labelled.line, labelled.answer, model)
    return Verdict(labelled.points, verdict.points, labelled.kind, labelled.answer, verdict.reason)


def _with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "none"
    return f"{value:.2f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")


if __name__ == "__main__":
    run_command(app)
