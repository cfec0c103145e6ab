"""Tune the weights of the memory's modules: examples, a supervised start, GRPO on Arbor."""

import logging
import os
import signal
import sys
from collections.abc import Collection
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import dspy
import typer
from rich.console import Console
from rich.live import Live
from typer import Option

from locomo.commands import progress_bar, run_command
from locomo.dataset.format import load_conversations
from locomo.examples.jsonl import read_examples_card
from locomo.harness import fingerprint
from locomo.tasks.gains import gain_line, gain_table
from locomo.tasks.rewards import WEIGHTS, Reward
from locomo.tasks.training_data import Memories, load_training_data, prepare_bench
from locomo.tracking import mlflow_run
from locomo.weights import preflight
from locomo.weights.arbor_client import Server
from locomo.weights.comparison import (
    compare,
    comparison_examples,
    fresh_conversations,
    packaged_models,
    packaged_students,
    served_students,
    server_names,
    tuned_conversations,
)
from locomo.weights.grpo import GrpoSettings
from locomo.weights.options import MODEL, PACKAGED, Mode, TrainOptions, command_line
from locomo.weights.rehearsal import check_tuning, rehearsal_server
from locomo.weights.supervised import tune_at_together, write_gold_examples, write_teacher_examples
from locomo.weights.trainee import student_of, with_trainee, working_model
from locomo.weights.training import (
    CHECKPOINT_STEPS,
    TrainingPlan,
    TrainingResult,
    TrainingRun,
    card_of,
    last_checkpoint,
)
from memory import InputError, MemoryProgram, load_model, load_program, save_program
from memory.files import write_whole
from memory.program import read_card

EXPERIMENT = "train"
KEPT = "checkpoints and examples so far are kept; --resume goes on"
HERE = Path(__file__).parent
SAMPLE, CHATS, GOLD = (HERE / "data" / name for name in ("sample.json", "chats.json", "train"))
SERVE, ARBOR_YAML = HERE / "arbor" / "serve.py", HERE / "arbor" / "arbor.yaml"
console = Console()


def train(
    mode: Annotated[Mode, Option(help="what to do, see arbor/README.md")] = "train",
    rehearse: Annotated[bool, Option("--rehearse", help="on this machine's CPU")] = False,
    target: Annotated[
        Literal["answer", "retrieve", "store", "sql", "all"],
        Option(help="the module to tune for; sql: retrieve and store"),
    ] = "answer",
    data: Annotated[Path | None, Option(help="data/sample.json; of sft data/train")] = None,
    split: Annotated[str, Option(help="default or memory-r1, see locomo.split_data")] = "default",
    num_train: Annotated[int | None, Option(help="600, of sft all; 0: all", min=0)] = None,
    num_val: Annotated[int, Option(help="to measure on meanwhile; 0: none", min=0)] = 100,
    num_test: Annotated[int, Option(help="questions of --mode evaluate; 0: all", min=0)] = 100,
    num_train_steps: Annotated[int | None, Option(help="500; a rehearsal 50", min=1)] = None,
    model: Annotated[str | None, Option(help=f"the student; {MODEL}, or local")] = None,
    start: Annotated[Path | None, Option(help="adapter to start from, or compare with")] = None,
    server: Annotated[str, Option(help="Arbor's address")] = "http://127.0.0.1:7453/v1",
    inference_gpus: Annotated[str, Option(help="ids of the GPUs that answer")] = "0",
    training_gpus: Annotated[str, Option(help="ids of the GPUs that train")] = "1,2",
    rollouts: Annotated[int, Option(help="answers drawn for each example", min=2)] = 8,
    learning_rate: Annotated[float | None, Option(help="2e-5; a rehearsal 1e-4")] = None,
    reward: Annotated[Reward, Option(help="what is optimized, see docs/optimizing.md")] = "memory",
    helper: Annotated[str, Option(help="the model that does what is not tuned")] = "local",
    helper_api_base: Annotated[str | None, Option(help="address of its server")] = None,
    examples: Annotated[Path | None, Option(help="of distill; sft's, in place of --data")] = None,
    epochs: Annotated[int, Option(help="passes over the examples", min=1)] = 1,
    minutes: Annotated[float | None, Option(help="sft ends after so many", min=0)] = None,
    together: Annotated[bool, Option("--together", help="sft at Together, with --model")] = False,
    num_threads: Annotated[int, Option(help="runs at a time", min=1)] = 8,
    port: Annotated[int, Option(help="a rehearsal's; 0: any free one", min=0, max=65535)] = 0,
    seed: Annotated[int, Option(help="draws examples and the split", min=0)] = 0,
    resume: Annotated[bool, Option("--resume", help="go on from the last checkpoint")] = False,
    yes: Annotated[bool, Option("--yes", help="start a paid job without asking")] = False,
    output: Annotated[Path, Option(help="the program with its card")] = Path(
        "grpo_optimized_memory_qa.json"
    ),
    output_dir: Annotated[Path, Option(help="for memories")] = Path("results"),
    checkpoints: Annotated[Path, Option(help="adapters, steps, log")] = Path("grpo_checkpoints"),
) -> None:
    """Tune a model's weights for the memory's modules.

    `check` says what a run would need, `sft` tunes a LoRA on gold conversations or on the examples
    that `distill` writes, `train` goes on with GRPO on an Arbor server (or a rehearsal of one),
    `evaluate` compares the result with `--start`, or with the same model as it is without the
    result, on conversations that neither was trained on.
    """
    data = data or (GOLD if mode == "sft" else SAMPLE)
    num_train = (0 if mode == "sft" else 600) if num_train is None else num_train
    asked = TrainOptions(**locals())
    asked.check()
    steps = {
        "check": check,
        "distill": write_examples,
        "sft": supervise,
        "evaluate": evaluate,
        "train": rehearsal if rehearse else grpo,
    }
    steps[mode](asked)


def check(asked: TrainOptions) -> None:
    """Say what a run on the server would need, and what is missing."""
    _check_server(asked, Server(asked.server), asked.settings())
    console.print("all is there")


def _check_server(asked: TrainOptions, server: Server, settings: GrpoSettings) -> None:
    """Print every check; raise InputError when one failed. Writes arbor.yaml when it is absent."""
    if not asked.rehearse and not ARBOR_YAML.exists():
        split = {"inference": asked.inference_gpus, "training": asked.training_gpus}
        lines = [f'{role}:\n  gpu_ids: "{ids}"\n' for role, ids in split.items()]
        write_whole(ARBOR_YAML, "".join(["storage_path: ~/.arbor/storage\n", *lines]).encode())
        console.print(f"{ARBOR_YAML} written: the server's split of GPUs")
    student = PACKAGED if asked.rehearse else asked.student
    plan = preflight.RunRequirements(
        model=str(asked.start) if asked.start and not asked.rehearse else student,
        settings=settings,
        targets=asked.targets,
        data=asked.data,
        split=asked.split,
        seed=asked.seed,
        window=student_of("local" if asked.rehearse else student).window,
        num_train=asked.num_train,
        num_val=asked.num_val,
        output=asked.checkpoints,
        checkpoints=-(-settings.steps // CHECKPOINT_STEPS),
    )
    checks = preflight.preflight(plan, server.describe, server.model)
    console.print(preflight.check_table(checks))
    preflight.refuse(checks)


def grpo(asked: TrainOptions) -> None:
    """Train on a server that is there."""
    settings, server = asked.settings(), Server(asked.server)
    asked.check_unused()
    _check_server(asked, server, settings)
    start = str(asked.start) if asked.start else asked.student
    trained = _trained(asked, settings, server, start, asked.student)
    _report(asked, trained, asked.student)


def rehearsal(asked: TrainOptions) -> None:
    """Train the packaged model on this machine, and compare it as it will be used."""
    check_tuning()
    if asked.model not in (None, "local"):
        raise InputError("--rehearse trains the packaged model; leave --model out")
    settings = asked.settings()
    folder = asked.output_dir / "rehearsal"
    asked.check_unused()
    start = asked.start or _supervised_start(asked, folder)
    with rehearsal_server(SERVE, folder, start, asked.port) as server:
        _check_server(asked, server, settings)
        trained = _trained(asked, settings, server, PACKAGED, "local")
    _report(asked, trained, "local")
    if trained.checkpoint:
        console.print("now as it is used, beside the start:")
        _compare(replace(asked, start=start), trained.checkpoint, asked.parts["train"])


def _trained(
    asked: TrainOptions, settings: GrpoSettings, server: Server, start: str, student_name: str
) -> TrainingResult:
    targets = asked.targets
    student = student_of(student_name)
    helper = load_model(asked.helper, api_base=asked.helper_api_base)
    working = working_model(student, helper, targets, settings)
    data = load_training_data(
        asked.data,
        asked.split,
        targets=targets,
        num_train=asked.num_train,
        num_validation=asked.num_val,
        seed=asked.seed,
        window=student.window,
    )
    params = asked.params(settings, data.split.sha256, start)
    # More steps go on from the same checkpoint.
    made_of = fingerprint({**params, "steps": 0}, data.split.parts)
    begin = last_checkpoint(asked.checkpoints, made_of) if asked.resume else None
    if asked.resume and begin is None:
        asked.check_unused(resuming=True)
        console.print("nothing to go on with: no checkpoint of these options and data")
    if begin and begin.step >= settings.steps:
        raise InputError(f"all {settings.steps} steps are done; give a larger --num-train-steps")
    used = [one for some in (*data.train.values(), data.validation) for one in some]
    memories = Memories(data.split.conversations, asked.output_dir / "memories", asked.num_threads)
    with progress_bar(console) as bar:
        bench = prepare_bench(working, helper, used, memories, bar)
    bench = replace(bench, speakers=asked.reward == "gated" and "store" in targets)
    plan = TrainingPlan(
        settings=settings,
        model=start,
        adapter=student.as_tuned(targets).adapter,
        program=MemoryProgram(),
        bench=bench,
        train=data.train,
        validation=data.validation,
        reward=asked.reward,
        threads=asked.num_threads,
        seed=asked.seed,
        folder=asked.checkpoints,
        made_of=made_of,
    )
    dspy.configure_cache(enable_disk_cache=False)  # the helper's answers, for this run only
    with mlflow_run(EXPERIMENT, params) as run, Live(console=console) as live:
        told = live.update, live.console.print, run.log_metrics
        return TrainingRun(plan, server, *told, begin).run()


def _report(asked: TrainOptions, trained: TrainingResult, student: str) -> None:
    """Print how a run went and write the program that goes with its weights."""
    if trained.stopped:
        console.print(f"stopped: {trained.stopped}", style="yellow", markup=False)
    console.print(f"{trained.step} steps: {trained.reward_summary}", highlight=False)
    if trained.gains:
        console.print(gain_table(trained.gains, WEIGHTS))
        console.print(gain_line(trained.gains), highlight=False)
    if trained.checkpoint is None:
        return
    data = sha256(asked.data.read_bytes()).hexdigest()
    card = card_of(trained, asked.target, asked.reward, data, asked.parts)
    save_program(MemoryProgram(), asked.output, card)
    console.print(f"{asked.output}: the program of {trained.checkpoint}", highlight=False)
    used = "evaluate.py --model" if student == "local" else "train.py --mode evaluate; weights:"
    console.print(f"use it: uv run {used} {trained.checkpoint}", highlight=False)


def evaluate(asked: TrainOptions) -> None:
    """Compare tuned weights with their start: those of `--model FOLDER`, or of `--output`."""
    if asked.model and Path(asked.model).is_dir():
        folder = Path(asked.model)
        return _compare(asked, folder, read_card(folder).conversations)
    card = load_program(asked.output).card
    if card is None or card.optimizer != "grpo":
        raise InputError(f"{asked.output} names no tuned weights; give the --output of a training")
    return _compare(asked, Path(card.model), card.conversations["train"])


def _compare(asked: TrainOptions, tuned: Path, trained_on: Collection[str]) -> None:
    """Ask both models about conversations that the tuned one was not trained on."""
    targets, conversations = asked.targets, load_conversations(asked.data)
    fresh = fresh_conversations(
        conversations, {*trained_on, *tuned_conversations(tuned, asked.start)}, asked.parts["test"]
    )
    packaged = (tuned / "adapter.gguf").exists()
    student = student_of("local" if packaged else asked.student)
    against = asked.start or ("the same without it" if packaged else asked.student)
    console.print(f"{tuned} beside its start: {against}", highlight=False, soft_wrap=True)
    helper = load_model(asked.helper, api_base=asked.helper_api_base)
    questions = comparison_examples(fresh, targets, student.window, asked.num_test, asked.seed)
    memories = Memories(
        {one.id: one for one in fresh}, asked.output_dir / "memories", asked.num_threads
    )
    with progress_bar(console) as bar:
        if packaged:
            sides = packaged_models(asked.start, tuned)
            students = packaged_students(sides, targets, helper, questions, memories, bar)
        else:
            names = server_names(asked.start or asked.student, tuned)
            server, settings = Server(asked.server), asked.settings()
            working = working_model(student, helper, targets, settings)
            bench = prepare_bench(working, helper, questions, memories, bar)
            bench = with_trainee(bench, student.as_tuned(targets).adapter)
            students = served_students(names, targets, server, settings, bench)
        log = asked.output_dir / "compare.log"
        found, lost = compare(students, questions, log, asked.num_threads, bar)
    for why in lost:
        console.print(f"left out: {why}", style="yellow", markup=False)
    console.print(gain_table(found, WEIGHTS))
    what = "answer from facts alone" if targets == ("store",) else "answer"
    console.print(gain_line(found, what), highlight=False)


def write_examples(asked: TrainOptions) -> None:
    """Write supervised examples from the training conversations."""
    file = asked.examples_file
    with progress_bar(console) as bar:
        done = write_teacher_examples(asked, file, asked.resume, bar)
    counts = ", ".join(f"{number} {target}" for target, number in done.examples.items())
    console.print(f"{file}: {counts} examples; {done.calls} model calls")
    for why, number in done.dropped.items():
        console.print(f"dropped {number}: {why}", highlight=False, markup=False)
    console.print(f"tune on them: uv run train.py --mode sft --examples {file}", highlight=False)


def supervise(asked: TrainOptions) -> None:
    """Tune a LoRA here, on the examples given or of gold conversations; or at Together."""
    if asked.together:
        made = tune_at_together(asked, console.print)
        console.print(f"{made}: use it with --model together_ai/{made}", highlight=False)
        return
    check_tuning()
    if asked.examples:
        read_examples_card(asked.examples)  # says what is wrong before torch takes its seconds
    from memory.tune.adapters import CHECKPOINT, check_adapter_output

    output = asked.checkpoints / "sft"
    check_adapter_output(output)
    if not asked.resume and (output / CHECKPOINT).exists():
        raise InputError(f"{output} holds an unfinished tuning: --resume, or another --checkpoints")
    _tuned(asked, asked.examples or _gold_examples(asked, output / "examples.jsonl"), output)
    console.print(f"use it: uv run evaluate.py --adapter {output}", highlight=False)


def _gold_examples(asked: TrainOptions, output: Path) -> Path:
    with progress_bar(console) as bar:
        card = write_gold_examples(asked, output, bar)
    counts = ", ".join(f"{number} {target}" for target, number in card.examples.items())
    of = f"of {len(card.conversations)} conversations; held out: {len(card.held_out)}"
    console.print(f"{output}: {counts} examples {of}", highlight=False)
    if without := [target for target in asked.targets if target not in card.targets]:
        console.print(f"no gold for {', '.join(without)}: left out", style="yellow")
    return output


def _tuned(asked: TrainOptions, examples: Path, output: Path) -> None:
    """Supervised tuning on this machine, with a bar, of an adapter in the folder `output`."""
    card = read_examples_card(examples)
    about = {"data": card.data, "examples": card.examples, "command": command_line(sys.argv)}
    from memory.tune.sft import sft

    with progress_bar(console) as bar:
        line = bar.add_task("tuning", total=None)

        def progress(step: int, steps: int, loss: float) -> None:
            said = f"tuning, loss {loss:.3f}"
            bar.update(line, completed=step, total=steps, description=said)

        done = sft(
            examples,
            output,
            targets=card.targets,
            conversations=card.conversations,
            base=asked.student,
            start=asked.start,
            epochs=asked.epochs,
            learning_rate=asked.learning_rate or 3e-4,
            max_tokens=max(asked.settings().context, 1024),
            minutes=asked.minutes,
            seed=asked.seed,
            resume=asked.resume,
            about=about,
            progress=progress,
        )
    if done.resumed:
        console.print(f"gone on from step {done.resumed}")
    console.print(
        f"{output}: {done.examples} examples, {done.steps} steps, loss {done.first_loss:.2f} -> "
        f"{done.last_loss:.2f}, {done.seconds / 60:.1f} minutes, {done.peak_memory / 2**30:.1f} GiB"
        + (f"; {done.skipped} too long" if done.skipped else ""),
        highlight=False,
    )


def _supervised_start(asked: TrainOptions, folder: Path) -> Path:
    """The adapter that a rehearsal starts from: RL has nothing to learn from the raw model."""
    data = sha256(asked.data.read_bytes()).hexdigest()
    of = asked.split, asked.target, asked.num_train, asked.seed, asked.helper
    examples, start = folder / f"sft_{fingerprint(data, of)}.jsonl", folder / "start"
    console.print("a supervised start first: reinforcement has no signal without one")
    with progress_bar(console) as bar:
        # One conversation is too little to start from; ours of other kinds are never measured on.
        also = CHATS if asked.data == SAMPLE else None
        write_teacher_examples(asked, examples, True, bar, also)
    made = start / "made_of"
    recipe = fingerprint(examples.read_text("utf-8"), asked.epochs, asked.minutes, asked.seed)
    if not (made.exists() and made.read_text() == recipe):
        _tuned(replace(asked, start=None, learning_rate=None, resume=False), examples, start)
        write_whole(made, recipe.encode())
    return start


if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")  # warnings as plain lines, whatever a library sets up
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) is signal.SIG_DFL:  # as Ctrl-C: the server must be freed
            signal.signal(number, signal.default_int_handler)
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(train)
    try:
        run_command(app, KEPT)
    except SystemExit as end:
        # Rollouts that Ctrl-C left unfinished would first ask all they have to ask.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 1)
