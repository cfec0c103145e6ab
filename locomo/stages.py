"""One model in three stages on the same questions: plain, compiled by optimize.py, tuned.

python -m locomo.stages --model openai/NAME --compiled program.json --tuned openai/TUNED
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from typer import Option

from locomo.commands import print_table, run_command
from locomo.harness import Result
from locomo.results.report import (
    ScoreLine,
    metrics_of,
    paired_differences,
    score_lines,
    usual_interval,
)
from locomo.results.written import read_results
from memory import InputError
from memory.system import write_whole

EVALUATE = Path(__file__).parents[1] / "evaluate.py"
PLAIN, COMPILED, TUNED, BOTH = "plain", "compiled", "tuned", "compiled and tuned"
TABLE = "stages.md"
_ANSWERABLE, _NEVER_TOLD = "1-4", "5 adversarial"
_COLUMNS = ("stage", "questions", "F1", "judged right", "never told: declined", "calls", "tokens")
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def stages(
    model: Annotated[str, Option(help="the model before tuning, as in evaluate.py")],
    compiled: Annotated[Path | None, Option(help="its program by optimize.py, a JSON file")] = None,
    tuned: Annotated[
        str | None, Option(help="the same model after train.py: a name, or an adapter's folder")
    ] = None,
    api_base: Annotated[str | None, Option(help="address of the server of both")] = None,
    judge_model: Annotated[str | None, Option(help="a model that judges the answers")] = None,
    data: Annotated[Path, Option(help="conversations; LoCoMo's after its download")] = Path(
        "data/locomo10.json"
    ),
    split: Annotated[str, Option(help="which are asked about: all, train, validation, test")] = (
        "test"
    ),
    num_test: Annotated[int, Option(help="number of questions, drawn by --seed; 0: all")] = 50,
    seed: Annotated[int, Option(help="seed for drawing the questions")] = 0,
    output_dir: Annotated[Path, Option(help="folder of the stages' results and the table")] = Path(
        "stages"
    ),
) -> None:
    """Ask the same questions in each stage, judge them, and print the scores with their intervals.

    A finished stage is not asked again. The program and the weights must not be made from the
    conversations: evaluate.py leaves such ones out, and the table refuses other questions. Raises
    InputError if a stage cannot be asked.
    """
    runs = {PLAIN: ["--model", model]}
    if compiled:
        runs[COMPILED] = ["--model", model, "--optimized-path", str(compiled)]
    if tuned:
        runs[TUNED] = ["--model", tuned]
    if compiled and tuned:
        runs[BOTH] = ["--model", tuned, "--optimized-path", str(compiled)]
    shared = ["--data", str(data), "--split", split, "--num-test", str(num_test)]
    shared += ["--seed", str(seed), "--resume"]
    shared += ["--api-base", api_base] if api_base else []
    shared += ["--judge-model", judge_model] if judge_model else []
    results: dict[str, list[Result]] = {}
    for stage, options in runs.items():
        folder = output_dir / stage.replace(" ", "-")
        command = [sys.executable, str(EVALUATE), *options, *shared, "--output-dir", str(folder)]
        if subprocess.run(command, check=False).returncode:
            raise InputError(f"the stage {stage!r} failed; mend that, then say it again")
        answers = read_results(folder).results
        results[stage] = [result for result in answers if result.system == "memory"]
    rows = [*_rows(results)]
    table = Table(*_COLUMNS)
    for row in rows:
        table.add_row(*row)
    console = Console()
    print_table(console, table)
    for line in (differences := [*_differences(results)]):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    write_whole(output_dir / TABLE, _markdown(rows, differences).encode())


def _rows(results: Mapping[str, Sequence[Result]]) -> Sequence[tuple[str, ...]]:
    """A row for each stage. Raises InputError for stages that were asked other questions."""
    asked = {(result.conversation, result.index) for result in results[PLAIN]}
    rows = []
    for stage, of_stage in results.items():
        if {(result.conversation, result.index) for result in of_stage} != asked:
            raise InputError(
                f"{stage!r} was asked other questions than {PLAIN!r}: some conversations trained"
                " it; name others by --data or --split"
            )
        lines = {line.categories: line for line in score_lines(of_stage, usual_interval(of_stage))}
        answerable, never_told = lines.get(_ANSWERABLE), lines.get(_NEVER_TOLD)
        rows.append(
            (
                stage,
                str(len(of_stage)),
                _score(answerable),
                _judged(of_stage),
                _score(never_told),
                f"{answerable.calls:.2f}" if answerable else "-",
                f"{answerable.tokens:,.0f}" if answerable else "-",
            )
        )
    return rows


def _score(line: ScoreLine | None) -> str:
    if line is None:
        return "-"
    interval = "" if line.low is None else f" [{line.low:.2f}, {line.high:.2f}]"
    return f"{line.score:.3f}{interval}"


def _judged(results: Sequence[Result]) -> str:
    """What each judge says of the questions that have an answer."""
    shares = [
        f"{line.score:.3f} ({metric.judge})"
        for metric in metrics_of(results, usual_interval(results))
        for line in metric.lines
        if metric.judge and line.categories == _ANSWERABLE
    ]
    return ", ".join(shares) or "-"


def _differences(results: Mapping[str, Sequence[Result]]) -> Sequence[str]:
    """What each stage gains over the first, paired by question."""
    plain, *others = results
    lines = []
    for stage in others:
        interval = usual_interval(results[stage])
        for line in paired_differences(results[plain], results[stage], interval):
            if line.categories == _ANSWERABLE:
                bounds = "" if line.low is None else f" [{line.low:+.2f}, {line.high:+.2f}]"
                lines.append(f"{stage}: F1 {line.change:+.3f}{bounds}, {line.verdict}")
    return lines


def _markdown(rows: Sequence[Sequence[str]], differences: Sequence[str]) -> str:
    lines = [_COLUMNS, ["---"] * len(_COLUMNS), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join([table, *differences]) + "\n"


if __name__ == "__main__":
    run_command(app)
