"""What optimizers find of a rule that was planted, by how obedient the model is.

    python -m tests.benchmarks.compiling [--runs 5] [--false-runs 100] [--minutes 45] [--resume]

Each module is compiled on one conversation and measured on three others. What is stored decides
answers from facts alone; what is retrieved does where turns call things by numbers and facts by
names.

Three scripted models need a rule that the prompt of one module lacks: one follows it in every
call, one in half of them; one never does, and does as it says in a third of all calls by chance,
so that prompts differ by luck alone. A rule is found when the compiled prompt holds it, and tried
at the first call of a prompt that does. A gain of the model that never obeys is false. Each run is
on disk when it ends: after Ctrl-C, or when the minutes are over, `--resume` goes on.
"""

import logging
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, Literal
from unittest.mock import patch

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import locomo
from locomo.choices import TARGETS, Optimizer, Target
from locomo.commands import print_table, run_command, writable_folder
from locomo.harness import Setup, fingerprint
from locomo.json_lines import JsonLines
from locomo.ledger import Ledger
from locomo.prompts.compile import CompileRun
from locomo.prompts.job import prepare_job
from locomo.prompts.optimizers import LIGHT_ROUNDS, Options
from locomo.split_data import load_split
from locomo.tasks import modules
from locomo.tasks.gains import Verdict
from locomo.tasks.training_data import ExampleSource
from memory import Store, open_store
from memory.program import in_phrases, plain_program
from memory.system.progress import progress_bar
from tests.support import obedient as scripted_models
from tests.support.obedient import COLUMNS, RULES, houses_to_hold_out, obedient
from tests.support.scripted import sql

Obedience = Literal["always", "half", "never"]
SHARES: dict[Obedience, float] = {"always": 1.0, "half": 0.5, "never": 0.0}
CHANCE = 1 / 3  # that the model that never obeys does as the rule says
OPTIMIZERS: tuple[Optimizer, ...] = ("simba", "miprov2", "gepa")
TIGHT = 300  # tokens of evidence
EXAMPLES = 16  # to learn from, as many as SIMBA needs; as many questions measure
Combination = tuple[Optimizer, Target, Obedience]


@contextmanager
def memories_stay_open() -> Iterator[None]:
    """Each thread opens a memory once, not for each question: a third of what a run costs here."""
    local = threading.local()

    @contextmanager
    def opened(path: Path, read_only: bool = False) -> Iterator[Store]:
        if not read_only:  # of one window, and soon gone
            with open_store(path) as store:
                yield store
            return
        stores = local.__dict__
        if str(path) not in stores:
            stores[str(path)] = open_store(path, read_only=True)
        yield stores[str(path)]

    with patch.object(modules, "open_store", opened):
        yield


@dataclass(frozen=True)
class BenchRun:
    """One compile: was the rule found, the call that first tried it, and optimize.py's verdict.

    `calls` are those of the whole compile, `change` the answers' on validation, `seconds` of CPU.
    """

    optimizer: Optimizer
    target: Target
    obeys: Obedience
    seed: int
    found: bool
    rule_call: int | None
    calls: int
    change: float
    verdict: Verdict
    seconds: float

    @property
    def combination(self) -> Combination:
        """What runs that differ by their seed alone share."""
        return self.optimizer, self.target, self.obeys


def compile_once(
    optimizer: Optimizer, target: Target, obeys: Obedience, seed: int, memories: Path
) -> BenchRun:
    """Compile one module of a model that obeys so far, as optimize.py does it, and measure.

    Runs that share a folder of `memories` build them once for each target.
    """
    began = time.process_time()
    # What is not compiled costs nothing: answers are in the turns.
    idle = {"store": _nothing, "retrieve": _nothing} if target == "answer" else {}
    luck = CHANCE if obeys == "never" else None
    window = 1 if target == "store" else EXAMPLES
    model, engine = obedient(
        target,
        window=window,
        obedience=SHARES[obeys],
        luck=luck,
        seed=seed,
        # A fact whose turn is shown is not shown beside it.
        columns="value" if target == "retrieve" else COLUMNS,
        **idle,
    )
    # With room the near facts are shown to the answer without a SELECT.
    budget = TIGHT if target == "retrieve" else model.limits.budget
    with tempfile.TemporaryDirectory() as name, Progress(disable=True) as bar:
        folder = Path(name)
        data = houses_to_hold_out(folder / "houses", numbered=target == "retrieve")
        job = prepare_job(
            ExampleSource(load_split(data, seed, "default"), EXAMPLES, EXAMPLES),
            (target,),
            Options(optimizer, LIGHT_ROUNDS[optimizer], max_demos=5, num_threads=1, seed=seed),
            setup=Setup(model, in_phrases(plain_program(model)), budget),
            prompt_model=model,
            reward="memory",
        )
        ledger = Ledger(folder, with_requests=False)
        with closing(ledger), ledger.active(), memories_stay_open():
            compiled = CompileRun(
                job=job,
                ledger=ledger,
                folder=folder,
                memories=memories / target,
                resume=False,
                bar=bar,
                save=lambda result: None,
            ).run()
    # Nothing is measured where no optimizer proposed another prompt.
    changes = [
        gain.after - gain.before
        for gain in compiled.gains
        if (gain.component, gain.categories) == ("answer", "all")
    ]
    return BenchRun(
        optimizer=optimizer,
        target=target,
        obeys=obeys,
        seed=seed,
        found=RULES[target] in getattr(compiled.program, target).predict.signature.instructions,
        rule_call=engine.rule_call,
        calls=len(engine.prompts),
        change=sum(changes, 0.0),
        verdict=compiled.verdict,
        seconds=time.process_time() - began,
    )


def _nothing(prompt: str) -> str:
    return sql("-- none")


def planned(runs: int, false_runs: int, module_false_runs: int) -> list[tuple[Combination, int]]:
    """All combinations with their seeds; the first seeds of all come before the next ones."""
    counts: dict[Combination, int] = {}
    for optimizer in OPTIMIZERS:
        for target in TARGETS:
            counts[optimizer, target, "always"] = runs
            counts[optimizer, target, "half"] = runs
            most = false_runs if target == "answer" else module_false_runs
            counts[optimizer, target, "never"] = most
    most = max(counts.values())
    return [(of, seed) for seed in range(most) for of, count in counts.items() if seed < count]


def result_table(runs: Sequence[BenchRun]) -> Table:
    """A row for each combination that was run: shares of its runs, medians of its calls."""
    table = Table(box=SIMPLE)
    for column in ("optimizer", "module", "obeys"):
        table.add_column(column)
    for column in ("runs", "found", "tried at call", "calls", "change", "gains", "CPU s"):
        table.add_column(column, justify="right")
    of_combination: dict[Combination, list[BenchRun]] = {}
    for run in runs:
        of_combination.setdefault(run.combination, []).append(run)
    for combination, members in sorted(of_combination.items()):
        rule_calls = [run.rule_call for run in members if run.rule_call]
        table.add_row(
            *combination,
            str(len(members)),
            f"{fmean(run.found for run in members):.2f}",
            f"{median(rule_calls):.0f}" if rule_calls else "-",
            f"{median(run.calls for run in members):.0f}",
            f"{fmean(run.change for run in members):+.3f}",
            f"{fmean(run.verdict == 'gain' for run in members):.2f}",
            f"{median(run.seconds for run in members):.1f}",
        )
    return table


def measure(
    runs: Annotated[int, typer.Option(help="of a model that obeys", min=0)] = 5,
    false_runs: Annotated[
        int, typer.Option(help="of the one that never obeys, answering", min=0)
    ] = 100,
    module_false_runs: Annotated[
        int, typer.Option(help="of that one, of another module", min=0)
    ] = 30,
    optimizer: Annotated[Optimizer | None, typer.Option(help="default: all")] = None,
    target: Annotated[Target | None, typer.Option(help="default: all")] = None,
    obeys: Annotated[Obedience | None, typer.Option(help="default: all")] = None,
    minutes: Annotated[float, typer.Option(help="begin no further run then", min=0)] = 45,
    output: Annotated[Path, typer.Option(help="each run")] = Path("results/compiling.jsonl"),
    resume: Annotated[bool, typer.Option("--resume", help="go on with the file's runs")] = False,
) -> None:
    """Compile for scripted models; print what was found, the calls it took, and the gains."""
    jobs = [
        (combination, seed)
        for combination, seed in planned(runs, false_runs, module_false_runs)
        if all(
            wanted in (None, part)
            for wanted, part in zip((optimizer, target, obeys), combination, strict=True)
        )
    ]
    with writable_folder(output.parent):
        lines = JsonLines(
            output,
            BenchRun,
            key=lambda run: (run.combination, run.seed),
            resume=resume,
            made_by=_code(),
        )
    logging.disable(logging.WARNING)
    console = Console()
    deadline = time.monotonic() + 60 * minutes
    try:
        with tempfile.TemporaryDirectory() as memories, progress_bar(console) as bar:
            line = bar.add_task("compiling", total=len(jobs))
            for job in jobs:
                if time.monotonic() >= deadline:
                    break
                if job not in lines.records:
                    lines.add(compile_once(*job[0], seed=job[1], memories=Path(memories)))
                bar.advance(line)
    finally:
        logging.disable(logging.NOTSET)
        print_table(
            console, result_table([run for job, run in lines.records.items() if job in jobs])
        )


def _code() -> str:
    """What runs of the same code share: the benchmark's, the scripted models' and ours."""
    paths = [Path(__file__), Path(str(scripted_models.__file__))]
    paths += sorted(Path(str(locomo.__file__)).parent.rglob("*.py"))
    return fingerprint([path.read_text("utf-8") for path in paths])


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(measure)
    run_command(app, "the runs until now are in --output; --resume goes on")
