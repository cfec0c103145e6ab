"""What train.py does: examples, a supervised start, GRPO, and the comparison with the start."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from locomo.commands import print_table, script_command, writable_folder
from locomo.tasks.gains import gain_line, gain_table, outcome, program_card, verdict
from locomo.tasks.rewards import WEIGHTS, card_metric
from locomo.tracking.compiles import log_gains
from locomo.tracking.record import parent_of
from locomo.tracking.runs import mlflow_errors, mlflow_run, rename_run, run_data, step_log
from locomo.weights.arbor_client import Server
from locomo.weights.comparison import compare_tuned
from locomo.weights.launch import (
    EXPERIMENT,
    check_server,
    check_trl,
    rehearsal_start,
    rehearse,
    train_by_trl,
    train_on_server,
)
from locomo.weights.options import TrainOptions
from locomo.weights.record import TrainingResult
from locomo.weights.supervised import (
    check_before_tuning,
    tune_here,
    write_gold_examples,
    write_teacher_examples,
)
from memory import InputError, MemoryProgram, load_program
from memory.models import is_file, is_packaged, read_card
from memory.program import save_program
from memory.system import progress_bar

console = Console()


def train(options: TrainOptions) -> None:
    """Run the mode of the options, and print its result."""
    options.check()
    if options.mode == "check":
        if options.engine == "trl":
            check_trl(options, console)
        else:
            check_server(options, Server(options.server), console)
        console.print("everything needed is present")
    elif options.mode == "distill":
        distill_examples(options)
    elif options.mode == "sft":
        tune_supervised(options)
    elif options.mode == "evaluate":
        evaluate_tuned(options)
    else:
        train_weights(options)


def train_weights(options: TrainOptions) -> TrainingResult:
    """Train once: on the server, on this machine's GPUs, or as a rehearsal."""
    if options.rehearse:
        return train_rehearsal(options)
    train_there = train_by_trl if options.engine == "trl" else train_on_server
    result = train_there(options, console)
    report_training(options, result, options.student)
    return result


def train_rehearsal(options: TrainOptions) -> TrainingResult:
    """Train the packaged model on this machine, and compare it in the form that is used later."""
    start = rehearsal_start(options, console)
    result = rehearse(options, start, console)
    report_training(options, result, student=options.student)
    if result.checkpoint and options.rows:
        console.print(
            "measure it on turns that no choice was made on: uv run python -m locomo.rows"
            f" {options.data_path}/test --out FILE --model {options.student}"
            f" --adapter {result.checkpoint}",
            highlight=False,
            soft_wrap=True,
        )
    elif result.checkpoint:
        console.print("now with the prompts in use, next to the start:")
        trained_on = options.parts["train"]
        report_comparison(replace(options, start=start), result.checkpoint, trained_on)
    return result


def report_training(options: TrainOptions, result: TrainingResult, student: str) -> None:
    """Print how a run went and write the program that goes with its weights."""
    if result.stopped:
        console.print(f"stopped: {result.stopped}", style="yellow", markup=False)
    console.print(f"{result.step} steps: {result.reward_summary}", highlight=False)
    if result.gains:
        print_table(console, gain_table(result.gains, WEIGHTS))
        console.print(gain_line(result.gains), highlight=False)
    if result.checkpoint is None:
        return
    card = program_card(
        options.conversations,
        result.gains,
        model=str(result.checkpoint),  # the folder of the weights
        optimizer="grpo",
        target=options.target,
        metric=card_metric(options.reward, options.target),
    )
    save_program(MemoryProgram(), options.output, card)
    console.print(f"{options.output}: the program of {result.checkpoint}", highlight=False)
    advice = _advice(result, student, options)
    console.print(advice, highlight=False, soft_wrap=True)


def _advice(result: TrainingResult, student: str, options: TrainOptions) -> str:
    """Whether the tuned weights are worth using."""
    match verdict(result.gains):
        case "gain":
            if is_packaged(student):
                words = ["--model", result.checkpoint, "--data", options.conversations.held_out]
                return f"use it: {script_command('evaluate.py', *words)}"
            words = [
                "--mode",
                "evaluate",
                *(["--engine", "trl"] if options.engine == "trl" else []),
            ]
            words += ["--data", options.data_path, "--output", options.output]
            use = script_command("train.py", *words)
            return f"use it: {use}; weights: {result.checkpoint}"
        case "no gain":
            return (
                f"not recommended: {result.checkpoint} has no gain in answers on conversations that"
                " it never saw; what it started from is as good"
            )
        case "too few conversations":
            return (
                f"not recommended before more is known: {result.checkpoint} was measured on one or"
                " two conversations, which says nothing of others; --mode evaluate with other"
                " --data measures more"
            )
    return f"not recommended before it is measured: {result.checkpoint}; see --mode evaluate"


def evaluate_tuned(options: TrainOptions) -> None:
    """Compare the tuned weights of `--model FOLDER`, or of `--output`, with their start."""
    if options.model and Path(options.model).is_dir():
        folder = Path(options.model)
        return report_comparison(options, folder, read_card(folder).conversations)
    if not options.output.exists():
        raise InputError(
            f"{options.output} does not exist: train first (--mode train, or --rehearse), or give"
            " the folder of tuned weights with --model"
        )
    card = load_program(options.output).card
    if card is None or card.optimizer != "grpo":
        raise InputError(
            f"{options.output} names no tuned weights; give the --output of a training"
        )
    return report_comparison(options, Path(card.model), card.conversations["train"])


def report_comparison(options: TrainOptions, tuned: Path, trained_on: Collection[str]) -> None:
    """Compare tuned weights with their start and print the gain."""
    params = {
        "tuned": tuned,
        "start": options.start or "as it comes",
        "target": options.target,
        "data": options.conversations.sha256,
        "model": options.student,
        "helper": options.helper,
        "seed": options.seed,
    }
    name = f"comparison: {tuned.name}, {options.target}, {options.data_path.name}"
    with mlflow_run(
        EXPERIMENT,
        params,
        name,
        data=[run_data(options.data_path, "comparison")],
        parent=parent_of(tuned),
    ) as run:
        comparison = compare_tuned(options, tuned, trained_on, console=console)
        for failure in comparison.failures:
            console.print(f"left out: {failure}", style="yellow", markup=False)
        print_table(console, gain_table(comparison.gains, WEIGHTS))
        measured = "answer from facts alone" if options.targets == ("store",) else "answer"
        console.print(gain_line(comparison.gains, measured), highlight=False)
        log_gains(run, comparison.gains)
        rename_run(run, f"{name}: {outcome(comparison.gains)}")


def distill_examples(options: TrainOptions) -> None:
    """Write supervised examples from the training conversations."""
    file = options.examples_file
    with progress_bar(console) as bar:
        summary = write_teacher_examples(options, file, resume=options.resume, bar=bar)
    counts = ", ".join(f"{number} {target}" for target, number in summary.examples.items())
    console.print(f"{file}: {counts} examples; {summary.calls} model calls")
    for target, why in summary.left_out.items():
        console.print(f"{target} is left out: {why}", style="yellow", markup=False)
    for reason, number in summary.dropped.items():
        console.print(f"dropped {number}: {reason}", highlight=False, markup=False)
    words = ["--mode", "sft", "--examples", file]
    advice = f"tune on them: {script_command('train.py', *words)}"
    console.print(advice, highlight=False, soft_wrap=True)


def tune_supervised(options: TrainOptions) -> None:
    """Tune a LoRA on examples or gold conversations."""
    output = options.checkpoints / "sft"
    check_before_tuning(options, output)
    examples = options.examples or gold_examples(options, output / "examples.jsonl")
    params = {
        "model": options.student,
        "targets": ",".join(options.targets),
        "start": options.start or "as it comes",
        "data": options.data_path.name,
        "epochs": options.epochs,
        "seed": options.seed,
    }
    name = f"supervised: {options.student}, {', '.join(options.targets)}, {options.data_path.name}"
    used = [run_data(options.examples or options.data_path, "training")]
    with writable_folder(output):
        pass
    with mlflow_run(EXPERIMENT, params, name, data=used, output=output) as run:
        log_step = step_log(run)
        summary = tune_here(
            options,
            examples,
            output,
            console=console,
            after_step=lambda step, loss: log_step({"loss": loss}, step),
        )
        with mlflow_errors(run):
            run.log_metrics(
                {
                    "steps": summary.steps,
                    "examples": summary.examples,
                    "first loss": summary.first_loss,
                    "last loss": summary.last_loss,
                    "seconds": summary.seconds,
                }
            )
            for file in sorted(output.glob("adapter_*")):
                run.log_artifact(str(file))
        rename_run(run, f"{name}: loss {summary.last_loss:.2f}")
    model = ["--model", options.student] if is_file(options.student) else []
    if options.targets == ("store",):
        measured = ("-m", "locomo.rows", options.conversations.held_out, "--out", "rows.jsonl")
        use = script_command("python", *measured, *model, "--adapter", output)
    else:
        use = script_command("evaluate.py", *model, "--adapter", output)
    console.print(f"use it: {use}", highlight=False, soft_wrap=True)


def gold_examples(options: TrainOptions, output: Path) -> Path:
    """Write examples of gold conversations, print how many each module has; returns their file."""
    with progress_bar(console) as bar:
        card = write_gold_examples(options, output, bar)
    counts = ", ".join(f"{number} {target}" for target, number in card.examples.items())
    source = f"of {len(card.conversations)} conversations; held out: {len(card.held_out)}"
    console.print(f"{output}: {counts} examples {source}", highlight=False)
    for target, number in card.left_out.items():
        console.print(f"{target}: {number} gold facts cannot be quoted of their turns: left out")
    if without := [target for target in options.targets if target not in card.targets]:
        console.print(f"no gold for {', '.join(without)}: left out", style="yellow")
    return output
