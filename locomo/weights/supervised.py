"""Supervised tuning as train.py is asked for it: its examples, by gold or a teacher; Together."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import typer
from rich.progress import Progress

from locomo.dataset.format import load_conversations
from locomo.examples.distill import DistillationSummary, distill
from locomo.examples.from_gold import supervised_examples
from locomo.examples.from_teacher import ChatMessages, Distillation
from locomo.examples.gold import Gold, files_of, split_gold
from locomo.examples.jsonl import ExamplesCard, card_path, read_examples_card, save_examples
from locomo.harness import Setup, fingerprint
from locomo.split_data import split as split_ids
from locomo.tasks.modules import Target, draw
from locomo.weights.options import DAY, TrainOptions
from locomo.weights.together import check_upload, start_job, started, wait
from locomo.weights.trainee import student_of, working_model
from memory import InputError, MemoryProgram, Model, SqlError, load_model

GOLD = "gold"  # who made the examples, where no teacher did
_TOGETHER = 8  # examples of a context stand together, and are tuned on as one sequence
_MISSING: dict[Target, str] = {
    "store": "no turn has gold SQL that stores it (field `store`)",
    "retrieve": "no question has gold SELECTs of facts (field `retrieve`)",
    "answer": "no question with evidence has it in what would be shown",
}


def write_teacher_examples(
    asked: TrainOptions, output: Path, resume: bool, bar: Progress, also: Path | None = None
) -> DistillationSummary:
    """Write examples that the helper makes of the training conversations."""
    helper = load_model(asked.helper, api_base=asked.helper_api_base)
    student = _student(asked)
    if not asked.together:  # as GRPO will ask it
        student = working_model(student, student, asked.targets, asked.settings())
    folder = asked.output_dir / "memories"
    counts = asked.num_train, asked.num_threads, asked.seed
    how = Teaching(asked.split, asked.targets, *counts, folder, also)
    return teach(asked.data, output, helper, student, how, resume, bar)


def write_gold_examples(asked: TrainOptions, output: Path, bar: Progress) -> ExamplesCard:
    """Write examples of gold conversations, at most `num_train` a target; returns their card.

    A target that the conversations have no gold for is left out. With `resume` the file is kept
    that the same options made. Raises InputError when no target is left.
    """
    golds, held_out = split_gold(asked.data, asked.split, asked.seed)
    student = _student(asked)
    student = working_model(student, student, asked.targets, asked.settings())
    options = asked.targets, asked.num_train, asked.seed, asked.student
    made_by = fingerprint([asdict(one) for one in golds], held_out, options)
    if asked.resume and output.exists() and card_path(output).exists():
        card = read_examples_card(output)
        if card.made_by == made_by:
            return card
    examples = _gold_examples(asked, golds, student, bar)
    card = ExamplesCard(
        targets=list(examples),
        model=GOLD,
        data=sha256(b"".join(file.read_bytes() for file in files_of(asked.data))).hexdigest(),
        conversations=[one.conversation.id for one in golds],
        held_out=held_out,
        examples={target: len(some) for target, some in examples.items()},
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        made_by=made_by,
    )
    save_examples(output, [one for some in examples.values() for one in some], card)
    return card


def _student(asked: TrainOptions) -> Model:
    # What the packaged model comes tuned for plays no part: it is tuned from its base.
    return student_of("local-base" if asked.student == "local" else asked.student)


def _gold_examples(
    asked: TrainOptions, golds: Sequence[Gold], student: Model, bar: Progress
) -> dict[Target, list[ChatMessages]]:
    line = bar.add_task("examples of gold", total=len(golds))
    setup = Setup(student, MemoryProgram(), student.budget)
    try:
        supervised = supervised_examples(
            golds, setup, asked.targets, asked.seed, lambda _: bar.advance(line)
        )
    except SqlError as error:
        raise InputError(
            f"{asked.data}: the database refuses gold SQL ({error}); "
            f"python -m locomo.dataset check {asked.data} says which"
        ) from error
    every = {target: supervised.by_target[target] for target in asked.targets}
    found = {of: _some(some, asked.num_train, asked.seed) for of, some in every.items() if some}
    if not found:
        why = "; ".join(_MISSING[target] for target in asked.targets)
        raise InputError(
            f"{asked.data}: {why}. Add it as data/README.md says, or let a teacher write examples "
            "(--mode distill)"
        )
    return found


def _some(examples: Sequence[ChatMessages], number: int, seed: int) -> list[ChatMessages]:
    """At most so many (0: all), in runs of neighbours."""
    if not number or number >= len(examples):
        return list(examples)
    runs = [examples[n : n + _TOGETHER] for n in range(0, len(examples), _TOGETHER)]
    kept = draw(runs, -(-number // _TOGETHER) + 1, seed)  # the last run may be short
    return [one for run in kept for one in run][:number]


def tune_at_together(asked: TrainOptions, told: Callable[[str], None]) -> str:
    """Tune at Together, once it is agreed to; the name of the model that it made."""
    if asked.model is None:
        raise InputError("--together needs --model, the name that Together has for the base")
    job = started(asked.examples_file, asked.model) if asked.resume else None
    if job is None:
        sent = check_upload(asked.examples_file)
        told(f"{sent} will be sent to Together; tuning {asked.model} there is paid")
        if not asked.yes and not sys.stdin.isatty():
            raise InputError("this is a paid job; add --yes to start it")
        if not asked.yes:
            typer.confirm("Start?", abort=True)
        rate = asked.learning_rate or 1e-5
        job = start_job(asked.examples_file, asked.model, asked.epochs, learning_rate=rate)
    return wait(job, asked.minutes or DAY, told).model


@dataclass(frozen=True)
class Teaching:
    """How supervised examples are made: of which part, for what, how many, by how many threads.

    `also`: a file of further conversations, all of which are learned from.
    """

    split: str
    targets: tuple[Target, ...]
    number: int
    threads: int
    seed: int
    memories: Path
    also: Path | None = None


def teach(
    data: Path,
    output: Path,
    teacher: Model,
    student: Model,
    how: Teaching,
    resume: bool,
    bar: Progress,
) -> DistillationSummary:
    """Write examples of the training conversations for `student`, with their card."""
    conversations = load_conversations(data)
    parts = split_ids([one.id for one in conversations], how.seed, how.split)
    program, more = MemoryProgram(), load_conversations(how.also) if how.also else []
    both = (Setup(teacher, program, teacher.budget), Setup(student, program, student.budget))
    return distill(
        [one for one in conversations if one.id in parts["train"]] + more,
        Distillation(*both, how.targets),
        output,
        how.memories,
        dict.fromkeys(how.targets, -(-how.number // len(how.targets))),
        bar,
        how.threads,
        how.seed,
        resume,
        sha256(data.read_bytes()).hexdigest(),
        [name for part in ("validation", "test") for name in parts[part]],
    )
