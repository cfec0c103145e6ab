"""Show the questions of a run of `evaluate.py`: the worst in the terminal, all on a page.

python -m locomo.inspect RESULTS --worst 10         # needs a run with --traces
python -m locomo.inspect RESULTS --html page.html [--beside OTHER]
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter
from typer import Argument, Option

from locomo.commands import run_command
from locomo.harness import AnswerKey
from locomo.json_lines import read_lines
from locomo.results.tables import evidence_text
from locomo.results.traces import Trace
from locomo.results.viewer import Run, page
from locomo.results.written import read_results, traces_beside
from memory import InputError
from memory.system.files import write_whole
from memory.system.terminal import clean

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def inspect(
    results: Annotated[Path, Argument(help="the output folder of evaluate.py --traces")],
    worst: Annotated[int, Option(help="how many questions", min=1)] = 10,
    category: Annotated[int | None, Option(help="only this category", min=1, max=5)] = None,
    system: Annotated[str, Option(help="baseline, ranking, plain or memory")] = "memory",
    prompts: Annotated[bool, Option("--prompts", help="also show every prompt and answer")] = False,
    html: Annotated[
        Path | None, Option(help="write a page of all questions, one file to open in a browser")
    ] = None,
    beside: Annotated[
        Path | None, Option(help="with --html: another folder of results, beside the first")
    ] = None,
) -> None:
    """Show how questions were answered: SQL, rows, turns, evidence, answer, verdicts, prompts.

    Prints the questions with the lowest scores, or writes a page of all of them. Raises InputError
    if there are no traces to print, or if the page cannot be written.
    """
    if html:
        runs = _runs([results, beside] if beside else [results])
        text = page(runs, prompts).encode()
        write_whole(html, text)
        questions = sum(len(run.written.results) for run in runs)
        sys.stdout.write(f"{html}: {questions:,} answers, {len(text) / 1e6:.1f} MB\n")
        return
    if beside:
        raise InputError("--beside is for --html; locomo.compare compares two runs in the terminal")
    traces = sorted(
        _traces(results), key=lambda trace: (trace.result.score, trace.result.recall or 0.0)
    )
    of_kind = [
        trace
        for trace in traces
        if trace.result.system == system and category in (None, trace.result.category)
    ]
    if not of_kind:
        raise InputError(f"{results} has no trace that matches")
    for trace in of_kind[:worst]:
        sys.stdout.write(clean(trace_text(trace, prompts)) + "\n")


def _traces(results: Path) -> list[Trace]:
    answers = str(read_results(results).params.get("answers", ""))
    path = traces_beside(results / answers)
    if not answers or not path.is_file():
        raise InputError(f"{results} has no traces; run evaluate.py with --traces")
    traces = {trace.key: trace for trace in read_lines(path, TypeAdapter(Trace))}
    return list(traces.values())


def _runs(folders: list[Path]) -> list[Run]:
    """The runs of these folders, by names that tell them apart."""
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    return [
        Run(name, folder, read_results(folder), _traces_of(folder))
        for name, folder in zip(names, folders, strict=True)
    ]


def _traces_of(folder: Path) -> dict[AnswerKey, Trace]:
    """The traces of a run; none where it was made without."""
    try:
        return {trace.key: trace for trace in _traces(folder)}
    except InputError:
        return {}


def trace_text(trace: Trace, with_prompts: bool = False) -> str:
    """A trace as plain text for people."""
    result = trace.result
    head = f"{result.conversation}, question {result.index}, category {result.category}"
    lines = [
        f"== {head}: score {result.score:.2f}, {evidence_text(result)}",
        f"question: {result.question}",
        f"gold:     {result.gold or 'No information available'}",
        f"answer:   {result.answer or result.unusable}  {' '.join(result.cited)}",
    ]
    for read in trace.rows:
        lines += [
            f"sql:      {' '.join(read.sql.split())}",
            f"          {' | '.join(read.columns)}",
        ]
        lines += [f"          {' | '.join(row)}" for row in read.rows]
    lines += [f"refused:  {' '.join(refusal.split())}" for refusal in trace.refusals]
    if with_prompts:
        for number, call in enumerate(trace.calls, 1):
            for role, text in call.messages:
                lines += [f"-- call {number}, {role}", text]
            lines += [f"-- call {number}, answer", *(call.answers or (call.error,))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    run_command(app)
