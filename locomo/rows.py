"""Measure what a model stores of turns whose statements are known, next to another measurement.

python -m locomo.rows DATA... --model MODEL --out FILE [--program FILE] [--adapter FOLDER]
    [--against FILE] [--without-gate] [--temperature T]

DATA has gold rows, as `data/rows` (data/README.md says how). Each turn is stored by itself, after
the turns before it; what was stored is a line of FILE, and a second run goes on where the first one
ended. `--against` compares with the FILE of another run, paired by turn, with intervals over
conversations.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import track
from rich.table import Table
from typer import Argument, Option

from locomo.commands import number_table, print_table, run_command
from locomo.dataset.rows import GoldRows, load_gold_rows
from locomo.harness import Setup
from locomo.json_lines import JsonLines, read_lines
from locomo.metrics import paired_bootstrap
from locomo.tasks.modules import Bench, StoreLabelled, labelled_examples, task
from locomo.tasks.rewards import row_scores
from memory import InputError, load_model
from memory.errors import ModelError
from memory.program import load_program, program_for, starting_program


@dataclass(frozen=True)
class StoredTurn:
    """What was stored of a turn, and what it says.

    `key` is its conversation and source (`anna-and-bo/D1:3`); `covered`, `missed` and `false` are
    rows of text, `calls` counts the model's.
    """

    key: str
    score: float
    covered: tuple[str, ...]
    missed: tuple[str, ...]
    false: tuple[str, ...]
    stored: int
    calls: int
    cpu_seconds: float

    @property
    def conversation(self) -> str:
        """The id of the turn's conversation."""
        return self.key.rpartition("/")[0]

    @property
    def is_small_talk(self) -> bool:
        """Whether the turn says nothing to store."""
        return not (self.covered or self.missed)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def rows(
    data: Annotated[list[Path], Argument(help="conversations with gold rows, files or folders")],
    out: Annotated[Path, Option(help="the file of what was stored, a line a turn")],
    model: Annotated[str, Option(help="local, gguf:FILE or PROVIDER/MODEL")] = "local",
    adapter: Annotated[Path | None, Option(help="a LoRA of the model")] = None,
    program: Annotated[Path | None, Option(help="a program that optimize.py wrote")] = None,
    against: Annotated[Path | None, Option(help="the file of another run")] = None,
    turns: Annotated[int, Option(help="of each conversation; 0: all", min=0)] = 0,
    without_gate: Annotated[
        bool, Option("--without-gate", help="ask a little model about every turn")
    ] = False,
    temperature: Annotated[
        float, Option(help="0: the likeliest rows; 1: rows drawn, as training draws them", min=0)
    ] = 0.0,
) -> None:
    """Store labelled turns and score what was stored."""
    console = Console()
    golds = []
    for path in data:
        of_path = load_gold_rows(path)
        if not of_path:
            raise InputError(f"{path} has no gold rows (field `rows`, see data/README.md)")
        golds += of_path
    baseline = _read(against) if against else []
    loaded = load_model(model, temperature=temperature, adapter=adapter)
    used = program_for(loaded, load_program(program)) if program else starting_program(loaded)
    if without_gate:
        used.store.gate = None
    lines = JsonLines(
        out,
        StoredTurn,
        key=lambda turn: turn.key,
        resume=True,
        made_by=" ".join(
            [loaded.name, loaded.weights["store"], str(program or "plain")]
            + ["without gate"] * without_gate
            + [f"drawn at {temperature:g}"] * (temperature > 0)
        ),
    )
    _store(golds, Setup(loaded, used, loaded.limits.budget), lines, turns)
    done = list(lines.records.values())
    runs = {against.stem: baseline} if against else {}
    print_table(console, _table({**runs, out.stem: done}))
    if against:
        _compare(console, done, baseline, f"{out.stem} - {against.stem}")


def _store(
    golds: Sequence[GoldRows], setup: Setup, lines: JsonLines[str, StoredTurn], turns: int
) -> None:
    conversations = {gold.conversation.id: gold.conversation for gold in golds}
    bench = Bench(setup, conversations, {}, 0, rows={g.conversation.id: g for g in golds})
    student = task(setup.program, "store", bench)
    assert isinstance(student, StoreLabelled)
    examples = [
        example
        for gold in golds
        for example in labelled_examples([gold], window=1)[: turns or None]
    ]
    waiting = []
    for example in examples:
        source = conversations[example.conversation].turns[example.first - 1].source
        if (key := f"{example.conversation}/{source}") not in lines.records:
            waiting.append((key, example))
    progress = track(waiting, "storing", console=Console(stderr=True), disable=not waiting)
    for key, example in progress:
        began = time.process_time()
        stored = student(**example.inputs())
        if stored.failed:
            raise ModelError(stored.failed)
        [score] = row_scores(example.gold, stored)
        lines.add(
            StoredTurn(
                key=key,
                score=score.score,
                covered=score.covered,
                missed=score.missed,
                false=score.false,
                stored=score.stored,
                calls=stored.calls,
                cpu_seconds=round(time.process_time() - began, 2),
            )
        )


def _read(path: Path) -> list[StoredTurn]:
    if not path.is_file():
        raise InputError(f"--against {path} does not exist; give the --out of another run")
    return list(read_lines(path, TypeAdapter(StoredTurn)))


def _table(runs: Mapping[str, Sequence[StoredTurn]]) -> Table:
    """The figures of runs over their turns."""
    numbers = ("turns", "score", "covered", "false", "small talk stored", "calls", "CPU s")
    table = number_table("what was stored", ("",), numbers)
    for name, turns in runs.items():
        small_talk = [turn for turn in turns if turn.is_small_talk]
        covered = sum(len(turn.covered) for turn in turns)
        statements = covered + sum(len(turn.missed) for turn in turns)
        table.add_row(
            name,
            str(len(turns)),
            f"{fmean(turn.score for turn in turns):.3f}",
            f"{covered} of {statements}",
            str(sum(len(turn.false) for turn in turns)),
            f"{sum(bool(turn.false) for turn in small_talk)} of {len(small_talk)}",
            str(sum(turn.calls for turn in turns)),
            f"{sum(turn.cpu_seconds for turn in turns):.0f}",
        )
    return table


def _compare(
    console: Console, turns: Sequence[StoredTurn], baseline: Sequence[StoredTurn], names: str
) -> None:
    """Print the gain over another run, paired by turn, with its interval over conversations."""
    before = {turn.key: turn for turn in baseline}
    both = [turn for turn in turns if turn.key in before]
    if not both:
        raise InputError("the two runs stored no turn in common")
    after_scores = [turn.score for turn in both]
    before_scores = [before[turn.key].score for turn in both]
    clusters = [turn.conversation for turn in both]
    low, high = paired_bootstrap(after_scores, before_scores, clusters=clusters)
    gain = fmean(after_scores) - fmean(before_scores)
    console.print(
        f"{names}, {len(both)} turns of {len({*clusters})} conversations:"
        f" {gain:+.3f} [{low:+.3f}, {high:+.3f}]",
        highlight=False,
    )


if __name__ == "__main__":
    run_command(app)
