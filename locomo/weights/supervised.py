"""Supervised tuning for train.py: writes examples, and tunes a LoRA on them."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from locomo.choices import Target
from locomo.dataset.format import files_of, load_conversations
from locomo.examples.distill import DistillationSummary, ExamplesRun, distill
from locomo.examples.from_gold import supervised_examples
from locomo.examples.from_teacher import ChatMessages, Distillation
from locomo.examples.gold import Gold, split_gold
from locomo.examples.jsonl import ExamplesCard, read_examples_card, save_examples
from locomo.harness import Setup, fingerprint
from locomo.tasks.modules import draw
from locomo.weights.options import CHATS_DATA, SAMPLE_DATA, TrainOptions, command_line
from locomo.weights.trainee import load_helper, student_of, working_model
from memory import InputError, SqlError
from memory.models import Model
from memory.program import plain_program
from memory.system import progress_bar, write_whole

if TYPE_CHECKING:
    from locomo.weights.sft import SftResult

NEEDS = ("torch", "transformers", "trl", "peft", "gguf")
GOLD = "gold"  # who made the examples, where no teacher did
# Examples of one context stand next to one another and are tuned on as one sequence, so that a cap
# on their number takes whole runs.
_RUN_LENGTH = 8
_MISSING_GOLD: dict[Target, str] = {
    "store": "no turn has gold that stores it (field `store`; for a model of up to 3 billion"
    " parameters `rows`)",
    "retrieve": "no question has gold SELECTs of facts (field `retrieve`)",
    "answer": "no question with evidence has it in what would be shown",
}


# --- examples ---------------------------------------------------------------------------------


def write_teacher_examples(
    options: TrainOptions,
    output: Path,
    resume: bool,
    bar: Progress,
    extra_data: Path | None = None,
) -> DistillationSummary:
    """Write examples that the helper makes of the training conversations.

    All conversations of `extra_data` are learned from as well.
    """
    teacher = load_helper(options.helper, options.helper_api_base)
    student = _untuned_student(options)
    # As GRPO will ask it.
    student = working_model(student, student, targets=options.targets, settings=options.settings())
    distillation = Distillation(
        teacher=Setup(teacher, plain_program(teacher), teacher.limits.budget),
        student=Setup(student, plain_program(student), student.limits.budget),
        targets=options.targets,
    )
    share = -(-options.training_examples // len(options.targets))
    run = ExamplesRun(
        output=output,
        cache=options.output_dir / "memories",
        numbers=dict.fromkeys(options.targets, share),
        threads=options.num_threads,
        seed=options.seed,
        resume=resume,
        data=options.conversations.sha256,
        held_out=[name for part in ("validation", "test") for name in options.parts[part]],
    )
    extra = load_conversations(extra_data) if extra_data else []
    return distill([*options.conversations.part("train"), *extra], distillation, run, bar)


def write_gold_examples(options: TrainOptions, output: Path, bar: Progress) -> ExamplesCard:
    """Write examples of gold conversations, at most `num_train` a target; returns their card.

    A target that the conversations have no gold for is left out; the same options make the same
    examples again. Raises InputError when no target is left.
    """
    data = options.data_path
    golds, held_out = split_gold(data, options.split, options.seed)
    student = _untuned_student(options)
    student = working_model(student, student, targets=options.targets, settings=options.settings())
    left_out: Counter[str] = Counter()
    examples = _gold_examples(options, golds, student=student, bar=bar, left_out=left_out)
    card = ExamplesCard(
        targets=list(examples),
        model=GOLD,
        data=sha256(b"".join(file.read_bytes() for file in files_of(data))).hexdigest(),
        conversations=[gold.conversation.id for gold in golds],
        held_out=held_out,
        examples={target: len(messages) for target, messages in examples.items()},
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        left_out=dict(left_out),
    )
    lines = [messages for target in examples for messages in examples[target]]
    save_examples(output, lines, card)
    return card


def _untuned_student(options: TrainOptions) -> Model:
    # What the packaged model comes tuned for plays no part: it is tuned from its base.
    return student_of("local-base" if options.student == "local" else options.student)


def _gold_examples(
    options: TrainOptions,
    golds: Sequence[Gold],
    student: Model,
    bar: Progress,
    left_out: Counter[str],
) -> dict[Target, list[ChatMessages]]:
    """The examples of each target that has any. Raises InputError when none has."""
    line = bar.add_task("examples of gold", total=len(golds))
    program = plain_program(student)
    setup = Setup(student, program, student.limits.budget)
    try:
        supervised = supervised_examples(
            golds,
            setup,
            targets=options.targets,
            seed=options.seed,
            progress=lambda _: bar.advance(line),
            left_out=left_out,
        )
    except SqlError as error:
        raise InputError(
            f"{options.data_path}: the database refuses gold SQL ({error}); "
            f"python -m locomo.dataset check {options.data_path} says which"
        ) from error

    limited: dict[Target, list[ChatMessages]] = {}
    for target in options.targets:
        if examples := supervised[target]:
            limited[target] = _neighbours(examples, options.training_examples, options.seed)
    if not limited:
        why = "; ".join(_MISSING_GOLD[target] for target in options.targets)
        raise InputError(
            f"{options.data_path}: {why}. Add it as data/README.md says, or let a teacher write "
            "examples (--mode distill)"
        )
    return limited


def _neighbours(examples: Sequence[ChatMessages], number: int, seed: int) -> list[ChatMessages]:
    """At most `number` examples (0: all), in runs of neighbours."""
    if not number or number >= len(examples):
        return list(examples)
    runs = [examples[first : first + _RUN_LENGTH] for first in range(0, len(examples), _RUN_LENGTH)]
    # One run more than the number takes, since the last one may be short.
    chosen = draw(runs, -(-number // _RUN_LENGTH) + 1, seed)
    return [messages for run in chosen for messages in run][:number]


# --- tuning -----------------------------------------------------------------------------------


def check_tuning() -> None:
    """Raise InputError when the extra `tune` is not installed."""
    if missing := [name for name in NEEDS if find_spec(name) is None]:
        raise InputError(
            f"tuning on this machine needs {', '.join(missing)}: run `uv sync --extra tune`"
        )


def check_before_tuning(options: TrainOptions, output: Path) -> None:
    """Raise InputError for examples or a folder for the adapter that cannot be used.

    Such a folder holds the checkpoint of another tuning.
    """
    check_tuning()
    if options.examples:
        read_examples_card(options.examples)  # says what is wrong before torch takes its seconds
    from locomo.weights.adapters import CHECKPOINT, check_adapter_output

    check_adapter_output(output)
    if not options.resume and (output / CHECKPOINT).exists():
        raise InputError(f"{output} holds an unfinished tuning: --resume, or another --checkpoints")


def tune_here(
    options: TrainOptions,
    examples: Path,
    output: Path,
    console: Console,
    after_step: Callable[[int, float], None] = lambda step, loss: None,
) -> "SftResult":
    """Tune a LoRA on this machine into the folder `output`, with a progress bar and a summary.

    `after_step` is called after each step with its number and loss.
    """
    card = read_examples_card(examples)
    provenance = {
        "data": card.data,
        "examples": card.examples,
        "command": command_line(sys.argv),
    }
    from locomo.weights.sft import sft

    with progress_bar(console) as bar:
        line = bar.add_task("tuning", total=None)

        def progress(step: int, steps: int, loss: float) -> None:
            description = f"tuning, loss {loss:.3f}"
            bar.update(line, completed=step, total=steps, description=description)
            after_step(step, loss)

        summary = sft(
            examples,
            output,
            targets=[target for target in card.targets if target != "refine"],
            conversations=card.conversations,
            base=options.student,
            start=options.start,
            start_share=options.start_share,
            epochs=options.epochs,
            learning_rate=options.learning_rate or 3e-4,
            max_tokens=max(options.settings().context, 1024),
            minutes=options.minutes,
            seed=options.seed,
            resume=options.resume,
            about=provenance,
            progress=progress,
        )
    if summary.resumed:
        console.print(f"gone on from step {summary.resumed}")
    skipped = f"; {summary.skipped} too long" if summary.skipped else ""
    console.print(
        f"{output}: {summary.examples} examples, {summary.steps} steps, "
        f"loss {summary.first_loss:.2f} -> {summary.last_loss:.2f}, "
        f"{summary.seconds / 60:.1f} minutes, {summary.peak_memory / 2**30:.1f} GiB{skipped}",
        highlight=False,
    )
    return summary


def supervised_start(options: TrainOptions, folder: Path, console: Console) -> Path:
    """The adapter that a rehearsal starts from: RL cannot learn from the untuned model.

    Its examples and the adapter stay in `folder`, and are used again by the same options.
    """
    selection = (
        options.split,
        options.target,
        options.training_examples,
        options.seed,
        options.helper,
    )
    examples = folder / f"sft_{fingerprint(options.conversations.sha256, selection)}.jsonl"
    console.print("a supervised start first: reinforcement has no signal without one")
    with progress_bar(console) as bar:
        # One conversation is too little to start from; ours of other kinds are never measured on.
        extra_data = CHATS_DATA if options.data_path == SAMPLE_DATA else None
        write_teacher_examples(options, examples, resume=True, bar=bar, extra_data=extra_data)

    start = folder / "start"
    recipe_file = start / "made_of"
    recipe = fingerprint(examples.read_text("utf-8"), options.epochs, options.minutes, options.seed)
    if not (recipe_file.exists() and recipe_file.read_text() == recipe):
        from_base = replace(options, start=None, learning_rate=None, resume=False)
        tune_here(from_base, examples, start, console=console)
        write_whole(recipe_file, recipe.encode())
    return start
