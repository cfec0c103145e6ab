"""Measures how well a judge agrees with human labels, for each of the two prompts.

python -m locomo.results.agreement --judge-model MODEL [--judge-api-base ADDRESS] [--rubric]

With --rubric the prompt for lines of a rubric (0, 0.5, 1) is measured instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Annotated, TypeVar

import numpy as np
import typer
from pydantic import TypeAdapter, ValidationError
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from typer import Option

from locomo.commands import print_table, run_command
from locomo.dataset.format import Question
from locomo.harness import probe
from locomo.llm_judge import PROMPTS, Judgement, Kind, judge
from locomo.metrics import wilson_interval
from locomo.parallel import run_parallel
from locomo.rubric_judge import judge_line
from memory import InputError, load_model
from memory.program import Model
from memory.system.progress import progress_bar
from memory.system.terminal import clean_line

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
class Agreement:
    """A judge compared with the labels, over the verdicts that could be read.

    `agreement` is the share of equal verdicts, `kappa` Cohen's kappa (1960): agreement corrected
    for chance. Each has a 95 % interval. All are None without a verdict; kappa is None if chance
    alone would agree on everything, and its interval if all verdicts equal the labels.
    """

    verdicts: int
    unreadable: int
    agreement: float | None
    agreement_interval: tuple[float, float] | None
    kappa: float | None
    kappa_interval: tuple[float, float] | None
    accepted_wrong: int
    refused_right: int


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
    if rubric:
        _print_line_agreement(
            read_labelled_lines(labels or LABELLED_LINES),
            load_model(judge_model, judge_api_base),
            num_threads,
        )
        return
    answers = read_labelled(labels or LABELLED)
    model = load_model(judge_model, judge_api_base)
    probe(model)
    console = Console()
    table = Table(
        box=SIMPLE, title=f"{model.name} beside {len(answers)} labels, with 95 % intervals"
    )
    table.add_column("judge", no_wrap=True)
    for column in ("n", "unreadable", "agreement", "kappa", "accepts wrong", "refuses right"):
        table.add_column(column, justify="right", no_wrap=True)
    differences = []
    for kind in PROMPTS:
        judgements = _judge_all(kind, answers, model=model, threads=num_threads, console=console)
        differences += _differences(kind, answers, judgements)
        result = measure_agreement([answer.label(kind) for answer in answers], judgements)
        table.add_row(
            kind,
            str(result.verdicts),
            str(result.unreadable),
            _with_interval(result.agreement, result.agreement_interval),
            _with_interval(result.kappa, result.kappa_interval),
            str(result.accepted_wrong),
            str(result.refused_right),
        )
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
    try:
        answers = adapter.validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise InputError(f"{path} holds no labelled answers: see data/README.md") from error
    if not answers:
        raise InputError(f"{path} holds no labelled answers")
    return answers


def measure_agreement(labels: Sequence[bool], judgements: Sequence[Judgement]) -> Agreement:
    """The agreement of verdicts with labels, which are in the same order."""
    pairs = [
        (label, judgement.correct)
        for label, judgement in zip(labels, judgements, strict=True)
        if judgement.correct is not None
    ]
    equal = [label == verdict for label, verdict in pairs]
    return Agreement(
        verdicts=len(pairs),
        unreadable=len(judgements) - len(pairs),
        agreement=fmean(equal) if pairs else None,
        agreement_interval=wilson_interval(sum(equal), len(equal)) if pairs else None,
        kappa=cohens_kappa(pairs),
        kappa_interval=_kappa_interval(pairs),
        accepted_wrong=pairs.count((False, True)),
        refused_right=pairs.count((True, False)),
    )


def cohens_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Cohen's kappa of two raters, -1 to 1; None if chance alone would agree on everything."""
    if not pairs:
        return None
    by_first = fmean(first for first, _ in pairs)
    by_second = fmean(second for _, second in pairs)
    chance = by_first * by_second + (1 - by_first) * (1 - by_second)
    if chance == 1:
        return None
    return (fmean(first == second for first, second in pairs) - chance) / (1 - chance)


def _kappa_interval(pairs: Sequence[tuple[bool, bool]]) -> tuple[float, float] | None:
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


def _judge_all(
    kind: Kind, answers: Sequence[LabelledAnswer], model: Model, threads: int, console: Console
) -> list[Judgement]:
    """The verdicts of one of the two judges, in the order of the answers."""

    def judged(answer: LabelledAnswer) -> Judgement:
        question = Question(
            index=answer.index,
            text=answer.question,
            answer=answer.gold,
            category=answer.category,
            evidence=(),
        )
        return judge(kind, question, answer=answer.answer, model=model)

    with progress_bar(console) as bar:
        line = bar.add_task(f"judging: {kind}", total=len(answers))
        jobs = [partial(judged, answer) for answer in answers]
        return run_parallel(jobs, threads, lambda _: bar.advance(line))


def _print_line_agreement(lines: Sequence[LabelledLine], model: Model, threads: int) -> None:
    """Judge labelled lines, and print how often the points are those of the label."""
    probe(model)
    console = Console()
    with progress_bar(console) as bar:
        task = bar.add_task("judging lines", total=len(lines))
        jobs = [
            partial(judge_line, labelled.question, labelled.line, labelled.answer, model)
            for labelled in lines
        ]
        verdicts = run_parallel(jobs, threads, lambda _: bar.advance(task))
    pairs = list(zip(lines, verdicts, strict=True))
    read = [
        (labelled.points, verdict.points)
        for labelled, verdict in pairs
        if verdict.points is not None
    ]
    equal = sum(label == points for label, points in read)
    table = Table(box=SIMPLE, title=f"{model.name} beside {len(lines)} labelled rubric lines")
    for column in ("n", "unreadable", "same points", "too generous", "too strict", "mean - label"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_row(
        str(len(read)),
        str(len(lines) - len(read)),
        _with_interval(equal / len(read), wilson_interval(equal, len(read))) if read else "none",
        str(sum(points > label for label, points in read)),
        str(sum(points < label for label, points in read)),
        f"{fmean(points - label for label, points in read):+.3f}" if read else "none",
    )
    print_table(console, table)
    for labelled, verdict in pairs:
        if verdict.points not in (None, labelled.points):
            text = f"{labelled.kind}, {clean_line(labelled.answer)[:60]!r} is labelled"
            text += f" {labelled.points:g}: {verdict.points:g}, {clean_line(verdict.reason)[:100]}"
            console.print(text, markup=False, highlight=False, soft_wrap=True)


def _with_interval(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "none"
    return f"{value:.2f}" + (f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else "")


def _differences(
    kind: Kind, answers: Sequence[LabelledAnswer], judgements: Sequence[Judgement]
) -> list[str]:
    """A line for each verdict that differs from its label."""
    return [
        f"{kind}: {answer.kind}, {clean_line(answer.answer)[:60]!r} is labelled"
        f" {answer.label(kind)}: {judgement.correct}, {clean_line(judgement.reason)[:100]}"
        for answer, judgement in zip(answers, judgements, strict=True)
        if judgement.correct is not None and judgement.correct != answer.label(kind)
    ]


if __name__ == "__main__":
    run_command(app)
