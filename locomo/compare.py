"""Compare two runs of `evaluate.py`, paired by question.

python -m locomo.compare RESULTS OTHER
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Argument, Option

from locomo.choices import Interval
from locomo.commands import print_table, run_command
from locomo.harness import Result
from locomo.results.judging import has_own_metric
from locomo.results.report import judges_of, paired_differences, score_by, usual_interval
from locomo.results.tables import difference_table
from locomo.results.written import WrittenResults, read_results
from memory import InputError

# Abstaining is another ability than answering: the two are judged apart.
_VERDICTS = ("1-4", "5 adversarial")
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def compare(
    before: Annotated[Path, Argument(help="a folder of results, or its JSON file")],
    after: Annotated[Path, Argument(help="a later one")],
    system: Annotated[str, Option(help="newest, full, ranking, facts, plain or memory")] = "memory",
    interval: Annotated[Interval | None, Option(help="as in evaluate.py")] = None,
) -> None:
    """Print the scores of two runs over the questions that both answered, with paired intervals.

    Raises InputError for a folder without results, and if the runs share no question.
    """
    old, new = read_results(before), read_results(after)
    pairs = _same_questions(_of(old, system), _of(new, system))
    if not pairs[0]:
        raise InputError(f"{before} and {after} answered no question in common with {system}")
    method = interval or usual_interval(pairs[0])
    console = Console()
    for name, written in (("before", old), ("after", new)):
        kinds = ("model", "adapter", "program", "budget", "embedder", "data")
        settings = ", ".join(f"{kind} {written.params.get(kind, '?')}" for kind in kinds)
        console.print(f"{name}: {settings}", markup=False, highlight=False, soft_wrap=True)
    own = has_own_metric(pairs[0])
    f1 = {"": "F1 as LoCoMo has it" if own else "official F1"}
    # The judges that have judged every answer of both runs.
    judges = set.intersection(*map(judges_of, [*pairs[0], *pairs[1]]))
    judged = {judge: judge for judge in sorted(judges)}
    # A benchmark's own metric comes first.
    for judge, name in (judged | f1 if own else f1 | judged).items():
        differences = paired_differences(*pairs, method, partial(score_by, judge))
        print_table(console, difference_table(differences, ("before", "after"), method, name))
        for line in differences:
            if line.categories in _VERDICTS:
                text = f"{name}, {line.categories}, n = {line.questions}: {line.verdict}"
                console.print(text, markup=False, highlight=False, soft_wrap=True)
    alone = len(_of(old, system)) + len(_of(new, system)) - 2 * len(pairs[0])
    if alone:
        console.print(f"left out: {alone} questions that only one of the two runs answered")


def _of(written: WrittenResults, system: str) -> list[Result]:
    return [result for result in written.results if result.system == system]


def _same_questions(
    before: Sequence[Result], after: Sequence[Result]
) -> tuple[list[Result], list[Result]]:
    """The results of the questions that both runs answered. Raises InputError for other data."""
    old = {(result.conversation, result.index): result for result in before}
    new = {(result.conversation, result.index): result for result in after}
    shared = [key for key in old if key in new]
    for key in shared:
        if (old[key].question, old[key].gold) != (new[key].question, new[key].gold):
            raise InputError(
                f"question {key[1]} of {key[0]} is not the same in both runs: the data differ"
            )
    return [old[key] for key in shared], [new[key] for key in shared]


if __name__ == "__main__":
    run_command(app)
