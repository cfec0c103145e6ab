"""Measure what a model stores of turns whose statements are known, next to what copying stores.

python -m locomo.rows DATA... --model MODEL --out FILE [--program FILE] [--adapter FOLDER]
    [--against FILE] [--without-gate] [--temperature T]
python -m locomo.rows DATA... [--out FILE] --model none

DATA has gold rows, as `data/rows` (data/README.md says how). Each turn is stored by itself, after
the turns before it; what was stored is a line of FILE, and a second run goes on where the first one
ended. The table begins with baselines: nothing, each turn and each sentence copied, and the longest
row of each clause, each with and without the gate. A model that stores no better than these has
learned nothing. `--model none` prints them alone, or scores FILE again. `--against` compares with
the FILE of another run, paired by conversation.
"""

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from types import ModuleType
from typing import Annotated

import typer
from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import track
from rich.table import Table
from typer import Argument, Option

from locomo.commands import number_table, print_table, run_command
from locomo.dataset.rows import GoldRows, load_gold_rows
from locomo.examples.copying import COPIES, copies_of
from locomo.harness import Setup, temporary_memory
from locomo.json_lines import JsonLines, read_lines
from locomo.metrics import resampled_interval
from locomo.tasks.modules import Bench, StoreLabelled, labelled_examples, task
from locomo.tasks.row_score import RowScore, score_rows, total_f1
from locomo.tasks.row_use import QuestionAnswered, StoredOf, answered_by
from locomo.tracking.overview import QUESTION_TABLE
from locomo.tracking.record import parent_of
from locomo.tracking.runs import clean, mlflow_errors, mlflow_run, run_data, run_where_tracked
from memory import Fact, InputError, MemoryProgram, load_model
from memory.errors import ModelError
from memory.models import Model
from memory.program import (
    StoreGate,
    load_program,
    plain_program,
    program_for,
    shown_turn,
    turns_before,
)

EXPERIMENT = "rows"
NO_MODEL = "none"


@dataclass(frozen=True)
class StoredRow:
    """A fact that was stored of a turn."""

    subject: str
    attribute: str
    value: str
    happened_on: str = ""


@dataclass(frozen=True)
class StoredTurn:
    """What was stored of a turn: it can be scored again without the model.

    `key` is its conversation and source (`anna-and-bo/D1:3`); `calls` counts the model's.
    """

    key: str
    rows: tuple[StoredRow, ...]
    calls: int = 0
    cpu_seconds: float = 0.0


@dataclass(frozen=True)
class ConversationScores:
    """What was stored of a conversation: a score for each turn, and its questions, answered."""

    turns: Sequence[RowScore]
    questions: Sequence[QuestionAnswered]


@dataclass(frozen=True)
class Measured:
    """What was stored of conversations, by their ids, and what it took."""

    conversations: Mapping[str, ConversationScores]
    calls: int = 0
    cpu_seconds: float = 0.0

    @property
    def turns(self) -> list[RowScore]:
        """The score of each turn."""
        return [score for scores in self.conversations.values() for score in scores.turns]

    @property
    def use(self) -> float:
        """The mean score of the questions."""
        questions = [q for scores in self.conversations.values() for q in scores.questions]
        return fmean(question.score for question in questions) if questions else 0.0


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def rows(
    data: Annotated[list[Path], Argument(help="conversations with gold rows, files or folders")],
    out: Annotated[
        Path | None, Option(help="the file of what was stored, a line a turn; needed with a model")
    ] = None,
    model: Annotated[
        str, Option(help="local, gguf:FILE, PROVIDER/MODEL, or none: score FILE again")
    ] = "local",
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
    if out is None and model != NO_MODEL:
        raise InputError("give the file of what is stored with --out, or --model none")
    baseline = _read(against, "--against") if against else []
    params = {
        "model": model,
        "adapter": adapter or "none",
        "program": program.name if program else "plain",
        "gate": "none" if without_gate else "as the program has it",
        "temperature": temperature,
    }
    name = f"rows of {model}, {', '.join(path.name for path in data)}"
    parent = parent_of(against)
    used = [run_data(path, "evaluation") for path in data]
    track_run = run_where_tracked if model == NO_MODEL else partial(mlflow_run, parent=parent)
    with track_run(EXPERIMENT, params, name, data=used, output=out) as tracked:
        runs: dict[str, Sequence[StoredTurn]] = {against.stem: baseline} if against else {}
        if out:
            stored = (
                _read(out, "--out")
                if model == NO_MODEL
                else _stored_by(
                    golds,
                    out,
                    load_model(model, temperature=temperature, adapter=adapter),
                    program,
                    without_gate=without_gate,
                    temperature=temperature,
                    turns=turns,
                )
            )
            runs[out.stem] = stored
        scored = {name: measured(golds, stored) for name, stored in runs.items()}
        print_table(console, row_table({**baselines(golds, turns), **scored}))
        if against and out:
            names = f"{out.stem} - {against.stem}"
            _compare(console, scored[out.stem], scored[against.stem], names)
        if tracked and out:
            _log(tracked, scored[out.stem], out)


def _stored_by(
    golds: Sequence[GoldRows],
    out: Path,
    model: Model,
    program: Path | None,
    *,
    without_gate: bool,
    temperature: float,
    turns: int,
) -> list[StoredTurn]:
    """What a model stores of conversations; turns that `out` has are not stored again."""
    used = program_for(model, load_program(program)) if program else plain_program(model)
    if without_gate:
        used.store.gate = None
    lines = JsonLines(
        out,
        StoredTurn,
        key=lambda turn: turn.key,
        resume=True,
        made_by=" ".join(
            [model.name, model.weights["store"], str(program or "plain")]
            + ["without gate"] * without_gate
            + [f"drawn at {temperature:g}"] * (temperature > 0)
        ),
    )
    _store(golds, Setup(model, used, model.limits.budget), lines, turns)
    return list(lines.records.values())


def _log(tracked: ModuleType, run: Measured, out: Path) -> None:
    """Log the figures of a run with their intervals, its questions and what was stored."""
    precision, recall, f1 = total_f1(run.turns)
    figures = {"F1": f1, "precision": precision, "recall": recall, "by use": run.use}
    for name, interval in (("F1", f1_interval(run)), ("by use", use_interval(run))):
        if interval:
            figures |= {f"{name} low": interval[0], f"{name} high": interval[1]}
    with mlflow_errors(tracked):
        tracked.log_metrics(figures)
        tracked.log_text(_question_csv(run), QUESTION_TABLE)
        tracked.log_artifact(str(out))


def _question_csv(run: Measured) -> str:
    """A line of CSV for each question: what it asks, gold's answer and the rows', and the score."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["conversation", "kind", "asked", "gold", "answer", "score"])
    for id_, scores in run.conversations.items():
        for answered in scores.questions:
            question = answered.question
            asked = " ".join(filter(None, question.arguments.values()))
            gold, answer = "; ".join(question.answer), "; ".join(answered.answer)
            cells = (question.kind, asked, gold, answer)
            table.writerow([id_, *map(clean, cells), round(answered.score, 3)])
    return text.getvalue()


def baselines(golds: Sequence[GoldRows], turns: int = 0) -> dict[str, Measured]:
    """What copying stores of conversations, without a gate and with the shipped one.

    `turns`: only the first of each conversation; 0 for all.
    """
    table = {}
    for name in COPIES:
        table[name] = measured(golds, _copied(golds, name, None, turns))
        if table[name].turns and any(score.stored for score in table[name].turns):
            gated = _copied(golds, name, MemoryProgram("brief").store.gate, turns)
            table[f"{name}, gate"] = measured(golds, gated)
    return table


def _copied(
    golds: Sequence[GoldRows], name: str, gate: StoreGate | None, number: int
) -> list[StoredTurn]:
    """What a baseline stores of the turns that a gate leaves open."""
    stored = []
    for gold in golds:
        with temporary_memory(gold.conversation.turns) as store:
            for turn in store.turns(1, number or len(gold.conversation.turns)):
                line = shown_turn(turn, turns_before(store, turn))
                is_open = gate is None or (line and gate.decision(line) != "skip")
                facts = copies_of(turn, store, name) if is_open else []
                key = f"{gold.conversation.id}/{turn.source}"
                stored.append(StoredTurn(key, tuple(map(_stored_row, facts))))
    return stored


def _stored_row(fact: Fact) -> StoredRow:
    return StoredRow(fact.subject, fact.attribute, fact.value, fact.happened_on)


def measured(golds: Sequence[GoldRows], stored: Sequence[StoredTurn]) -> Measured:
    """The scores of what was stored of these conversations; of turns that were not stored none."""
    by_key = {turn.key: turn for turn in stored}
    conversations = {}
    used = []
    for gold in golds:
        of_gold = []
        for turn in gold.conversation.turns:
            line = by_key.get(f"{gold.conversation.id}/{turn.source}")
            if line is None:
                continue
            used.append(line)
            facts = tuple(
                Fact(row.subject, row.attribute, row.value, turn.id, row.happened_on)
                for row in line.rows
            )
            of_gold.append(StoredOf(turn, gold.of(turn.source), facts))
        if of_gold:
            scores = [score_rows(each.gold, each.turn, each.facts) for each in of_gold]
            conversations[gold.conversation.id] = ConversationScores(scores, answered_by(of_gold))
    seconds = sum(line.cpu_seconds for line in used)
    return Measured(conversations, sum(line.calls for line in used), seconds)


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
        [facts] = stored.facts
        lines.add(
            StoredTurn(
                key=key,
                rows=tuple(map(_stored_row, facts)),
                calls=stored.calls,
                cpu_seconds=round(time.process_time() - began, 2),
            )
        )


def _read(path: Path, flag: str) -> list[StoredTurn]:
    if not path.is_file():
        raise InputError(f"{flag} {path} does not exist; give the --out of another run")
    return list(read_lines(path, TypeAdapter(StoredTurn)))


def row_table(runs: Mapping[str, Measured]) -> Table:
    """The figures of runs: by words, and by the questions that the rows answer.

    "wrong" are questions that the rows answer less than half right; each costs half a right one.
    """
    numbers = (
        *("turns", "F1", "precision", "recall", "false", "small talk stored"),
        *("by use", "wrong", "calls", "CPU s"),
    )
    table = number_table("what was stored", ("",), numbers)
    for name, run in runs.items():
        precision, recall, f1 = total_f1(run.turns)
        small_talk = [score for score in run.turns if not score.statements]
        questions = [q for scores in run.conversations.values() for q in scores.questions]
        table.add_row(
            name,
            str(len(run.turns)),
            f"{f1:.3f}{_bounds(f1_interval(run))}",
            f"{precision:.3f}",
            f"{recall:.3f}",
            str(sum(len(score.false) for score in run.turns)),
            f"{sum(bool(score.counted) for score in small_talk)} of {len(small_talk)}",
            f"{run.use:.3f}{_bounds(use_interval(run))}",
            f"{sum(question.is_wrong for question in questions)} of {len(questions)}",
            str(run.calls),
            f"{run.cpu_seconds:.0f}",
        )
    return table


def f1_interval(run: Measured, minus: Measured | None = None) -> tuple[float, float] | None:
    """95 % interval of the F1 of rows, or of its difference, over conversations.

    None for fewer than three.
    """
    return _interval(run, minus, _f1)


def use_interval(run: Measured, minus: Measured | None = None) -> tuple[float, float] | None:
    """95 % interval of the questions' mean score, or of its difference, over conversations."""
    return _interval(run, minus, _use)


def _interval(
    run: Measured, minus: Measured | None, figure: Callable[[Measured, Sequence[str]], float]
) -> tuple[float, float] | None:
    return resampled_interval(
        _in_both(run, minus),
        lambda ids: _gain(run, minus, ids, figure),
        bounds=(-1.0, 1.0),
    )


def _in_both(run: Measured, minus: Measured | None) -> list[str]:
    return [id_ for id_ in run.conversations if minus is None or id_ in minus.conversations]


def _gain(
    run: Measured,
    minus: Measured | None,
    ids: Sequence[str],
    figure: Callable[[Measured, Sequence[str]], float],
) -> float:
    return figure(run, ids) - (figure(minus, ids) if minus else 0.0)


def _f1(run: Measured, ids: Sequence[str]) -> float:
    return total_f1(score for id_ in ids for score in run.conversations[id_].turns)[-1]


def _use(run: Measured, ids: Sequence[str]) -> float:
    scores = [question.score for id_ in ids for question in run.conversations[id_].questions]
    return fmean(scores) if scores else 0.0


def _bounds(interval: tuple[float, float] | None) -> str:
    return f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""


def _compare(console: Console, run: Measured, before: Measured, names: str) -> None:
    """Print the gains over another run of the same turns, with intervals over conversations."""
    both = _in_both(run, before)
    if not both:
        raise InputError("the two runs stored no conversation in common")
    for figure, value, interval in (
        ("F1", _gain(run, before, both, _f1), f1_interval(run, before)),
        ("by use", _gain(run, before, both, _use), use_interval(run, before)),
    ):
        bounds = "" if interval is None else f" [{interval[0]:+.3f}, {interval[1]:+.3f}]"
        line = f"{names}, {figure}, {len(both)} conversations: {value:+.3f}{bounds}"
        console.print(line, highlight=False)


if __name__ == "__main__":
    run_command(app)
