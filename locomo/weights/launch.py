"""Starts GRPO for train.py: checks, collects and resumes everything before the run begins."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import dspy
import yaml
from rich.console import Console
from rich.progress import TimeRemainingColumn

from locomo.choices import Target, compares_speakers
from locomo.commands import check_enough, print_table, writable_folder
from locomo.harness import fingerprint
from locomo.tasks.gains import outcome
from locomo.tasks.modules import Bench
from locomo.tasks.training_data import (
    ExampleSource,
    TrainingData,
    draw_training_data,
    prepare_bench,
)
from locomo.tracking.compiles import log_gains
from locomo.tracking.runs import mlflow_errors, mlflow_run, rename_run, run_data, step_log
from locomo.weights.arbor_client import ModelInfo, Server
from locomo.weights.grpo import GrpoSettings, check_batch
from locomo.weights.options import ARBOR_YAML, TrainOptions
from locomo.weights.preflight import check_table, preflight, raise_failed
from locomo.weights.record import (
    HELD_OUT_FILE,
    STEPS_FILE,
    RunFile,
    RunRecord,
    TrainingPlan,
    TrainingResult,
    last_checkpoint,
)
from locomo.weights.steps import StepRecord, step_line
from locomo.weights.supervised import check_tuning, supervised_start
from locomo.weights.trainee import (
    load_helper,
    student_of,
    trained_program,
    with_episodes,
    working_model,
)
from locomo.weights.training import TrainingRun
from memory import InputError
from memory.models import SHIPPED, Model, is_file, read_card
from memory.system import progress_bar, write_whole

EXPERIMENT = "train"
_HEAD = "# Written by train.py: which GPUs do what, as nvidia-smi counts them.\n"
_NEW_ARBOR_YAML = "storage_path: ~/.arbor/storage\n"  # checkpoints, logs, merged models: 50 GB
# Measured with 4 steps of 8 answers, the trainer's process alone: 2.6 GB from a shipped adapter,
# 5.8 GB where the start is tuned first, on longer sequences.
REHEARSAL_MEMORY, SUPERVISED_MEMORY = "3 GB", "6 GB"


def check_server(options: TrainOptions, server: Server, console: Console) -> None:
    """Write the split of GPUs into arbor.yaml, and print every check.

    Raises InputError if one failed.
    """
    if write_split(options.settings(), ARBOR_YAML):
        console.print(f"{ARBOR_YAML} written: start the server with it", soft_wrap=True)
    checks = preflight(options, server.describe, server.model)
    print_table(console, check_table(checks))
    raise_failed(checks)


def check_trl(options: TrainOptions, console: Console) -> None:
    """Print every check of this machine; raise InputError if one failed."""
    from locomo.weights.trl_commands import check_before, this_machine

    def find_model(name: str) -> ModelInfo:
        check_tuning()
        from locomo.weights.student import hub_model  # with transformers

        return hub_model(name)

    checks = check_before(options, this_machine(Path.home()), find_model)
    print_table(console, check_table(checks))
    raise_failed(checks)


def train_by_trl(options: TrainOptions, console: Console) -> TrainingResult:
    """Train on this machine's GPUs. Raises InputError for what is missing, before the start."""
    options.settings()
    options.check_unused()
    check_trl(options, console)
    from locomo.weights.student import load_encoder
    from locomo.weights.trl_run import TrlRun

    return _train(
        options,
        str(options.start) if options.start else options.student,
        lambda record: TrlRun(
            record,
            options.start,
            base=options.student,
            encoder=load_encoder(options.student),
            served=True,
            minutes=options.minutes,
        ).run(),
        console=console,
    )


def write_split(settings: GrpoSettings, file: Path) -> bool:
    """Write these GPUs into a server's arbor.yaml; False if it has them already.

    Its other lines stay, such as the storage. Raises InputError for a file that is none.
    """
    split = {"inference": settings.inference_gpus, "training": settings.training_gpus}
    roles = {role: {"gpu_ids": ",".join(map(str, ids))} for role, ids in split.items()}
    try:
        text = file.read_text("utf-8") if file.exists() else _NEW_ARBOR_YAML
        written = yaml.safe_load(text)
        is_same = file.exists() and written == {**written, **roles}
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        raise InputError(f"{file} is no arbor.yaml: delete it, and it is written anew") from error
    if is_same:
        return False
    write_whole(file, (_HEAD + yaml.safe_dump({**written, **roles}, sort_keys=False)).encode())
    return True


def train_on_server(options: TrainOptions, console: Console) -> TrainingResult:
    """Train on a running server. Raises InputError for invalid settings before the start."""
    options.settings()  # GPUs that cannot be split are named before a server is asked
    server = Server(options.server)
    options.check_unused()
    check_server(options, server, console)
    start = str(options.start) if options.start else options.student
    return _train(
        options,
        start,
        lambda record: TrainingRun(record, server).run(),
        console=console,
    )


def rehearsal_start(options: TrainOptions, console: Console) -> Path:
    """The adapter that a rehearsal starts from: `--start`, else the shipped one of its modules.

    No shipped one is for all modules together: theirs is tuned first.
    """
    check_tuning()
    if options.model not in (None, "local") and not is_file(options.student):
        raise InputError(
            "--rehearse trains the packaged model or a gguf: one; leave --model out, or name one"
        )
    if is_file(options.student) and not options.start:
        raise InputError(
            f"{options.student} comes without an adapter to --start from: tune one first"
            " (train.py --mode sft)"
        )
    options.settings()
    options.check_unused()
    start = options.start or shipped_start(options.targets)
    memory = REHEARSAL_MEMORY if start else SUPERVISED_MEMORY
    console.print(f"this takes about {memory} of memory, and no GPU", highlight=False)
    if start is None:
        return supervised_start(options, _rehearsal_folder(options), console)
    replace(options, start=start).check()  # it was tuned on its own conversations
    console.print(f"start: {start.parent.name}/{start.name}", highlight=False)
    return start


def shipped_start(targets: Sequence[Target]) -> Path | None:
    """The adapter that comes with the package for exactly these modules, if there is one."""
    for folder in SHIPPED:
        if set(targets) <= set(read_card(folder).targets):
            return folder
    return None


def rehearse(options: TrainOptions, start: Path, console: Console) -> TrainingResult:
    """Train the packaged model on this machine, by TRL; with `--engine trl` as on GPUs, in a
    separate process."""
    from locomo.weights.rehearsal import Rehearsal  # with torch
    from locomo.weights.student import load_encoder
    from locomo.weights.trl_run import TrlRun

    check_batch(options.settings())
    minutes = options.minutes
    if options.engine == "trl":
        encoder = load_encoder(options.student)
        return _train(
            options,
            str(start),
            lambda record: TrlRun(
                record, start, base=options.student, encoder=encoder, served=False, minutes=minutes
            ).run(),
            console=console,
        )
    return _train(
        options,
        str(start),
        lambda record: Rehearsal(record, start, minutes=minutes, base=options.student).run(),
        console=console,
    )


def _rehearsal_folder(options: TrainOptions) -> Path:
    return options.output_dir / "rehearsal"


def _train(
    options: TrainOptions,
    start: str,
    run_plan: Callable[[RunRecord], TrainingResult],
    console: Console,
) -> TrainingResult:
    """Train the student from `start`, as the trainer knows it: `run_plan` carries the plan out."""
    targets, settings = options.targets, options.settings()
    student = student_of(options.student)
    helper = load_helper(options.helper, options.helper_api_base)
    working = working_model(student, helper, targets=targets, settings=settings)
    data = _training_data(options, student.limits.window)
    params = options.params(settings, options.conversations.sha256, start)
    # Without the number of steps: more of them go on from the same checkpoint.
    made_of = fingerprint({**params, "steps": 0}, options.parts)
    begin = _checkpoint_to_resume(options, made_of, settings=settings, console=console)

    bench = _bench(options, working, helper=helper, data=data, console=console)
    plan = TrainingPlan(
        settings=settings,
        model=start,
        adapter=student.adapter,
        program=trained_program(student, working, targets),
        bench=with_episodes(
            replace(bench, speakers=compares_speakers(options.reward, targets), rows=options.rows),
            options.operations,
            settings,
        ),
        train=data.train,
        validation=data.validation,
        reward=options.reward,
        threads=options.num_threads,
        seed=options.seed,
        folder=options.checkpoints,
        fingerprint=made_of,
        measuring_steps=options.measuring_steps,
    )
    dspy.configure_cache(enable_disk_cache=False)  # the helper's answers, for this run only
    name = f"{options.student}, {', '.join(targets)}, {options.data_path.name}"
    used = [run_data(options.data_path, "training and validation")]
    with writable_folder(options.checkpoints):
        pass
    with mlflow_run(
        EXPERIMENT, {**params, "model": start}, name, data=used, output=options.checkpoints
    ) as run:
        with progress_bar(console, last=TimeRemainingColumn()) as bar:
            line = bar.add_task("step", total=settings.steps, completed=begin.step if begin else 0)

            def show(row: StepRecord) -> None:
                bar.update(line, completed=row.step, description=step_line(row))

            record = RunRecord(plan, show, console.print, step_log(run), begin)
            result = run_plan(record)
        _record(run, result, folder=options.checkpoints)
        rename_run(run, f"{name}: {outcome(result.gains)}")
    console.print(f"MLflow: experiment {EXPERIMENT}", highlight=False)
    return result


def _training_data(options: TrainOptions, window: int) -> TrainingData:
    """The examples, as many for each target. Raises InputError when a target has none."""
    drawn_from = ExampleSource(
        options.conversations,
        num_train=-(-options.training_examples // len(options.targets)),
        num_validation=options.validation_examples or None,
        rows=options.rows,
    )
    data = draw_training_data(
        drawn_from,
        options.targets,
        seed=options.seed,
        window=window,
        unanswerable=options.unanswerable,
    )
    for target, examples in data.train.items():
        if not examples:
            raise InputError(
                f"{options.data_path} has no training example for --target {target}; give more"
            )
    training = sum(map(len, data.train.values()))
    source = options.data_path
    check_enough("--num-train", options.num_train, training, f"the training part of {source}")
    measuring = len(data.validation)
    check_enough("--num-val", options.num_val, measuring, f"the validation part of {source}")
    return data


def _bench(
    options: TrainOptions, working: Model, helper: Model, data: TrainingData, console: Console
) -> Bench:
    """Memories, built once for each conversation, that every rollout opens read-only."""
    examples = [example for part in data.train.values() for example in part]
    memories = options.memories(options.conversations.conversations)
    with progress_bar(console) as bar:
        return prepare_bench(
            working, helper, examples=[*examples, *data.validation], memories=memories, bar=bar
        )


def _record(run: ModuleType, result: TrainingResult, folder: Path) -> None:
    """Log the gains and the files of a training to MLflow."""
    with mlflow_errors(run):
        log_gains(run, result.gains)
        for file in (STEPS_FILE, HELD_OUT_FILE):
            run.log_artifact(str(folder / file))


def _checkpoint_to_resume(
    options: TrainOptions, made_of: str, settings: GrpoSettings, console: Console
) -> RunFile | None:
    """The checkpoint to go on from, if `--resume` asks for one and there is one."""
    if not options.resume:
        return None
    begin = last_checkpoint(options.checkpoints, made_of)
    if begin is None:
        options.check_unused(resuming=True)
        console.print("nothing to resume: there is no checkpoint of these options and data")
    elif begin.step >= settings.steps:
        raise InputError(f"all {settings.steps} steps are done; give a larger --num-train-steps")
    else:
        console.print(
            f"going on after step {begin.step} with its optimizer's moments and schedule; KL counts"
            " from the first start",
            highlight=False,
            soft_wrap=True,
        )
    return begin
