"""Compares a tuned model with its start, on conversations that neither was trained on."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import dspy
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress

from locomo.choices import Target
from locomo.commands import check_enough
from locomo.dataset.format import Conversation
from locomo.split_data import tuned_conversations
from locomo.tasks.gains import Gain
from locomo.tasks.measure import measure
from locomo.tasks.modules import Bench, draw, measured_target, task, task_examples
from locomo.tasks.rewards import QuestionScore
from locomo.tasks.training_data import Memories, prepare_bench
from locomo.weights.arbor_client import Server
from locomo.weights.arbor_job import served_lm
from locomo.weights.options import RUN_FILE, TrainOptions
from locomo.weights.processes import running
from locomo.weights.record import RunFile, paired_gains
from locomo.weights.serving import SERVER_LOG, vllm_lm, wait_for_server
from locomo.weights.trainee import (
    MultiTaskProgram,
    load_helper,
    student_of,
    trained_program,
    with_episodes,
    with_trainee,
    working_model,
)
from locomo.weights.trl_commands import comparison_command, free_ports
from memory import InputError, MemoryProgram, load_model
from memory.models import Model
from memory.program import plain_program
from memory.system import progress_bar

Student = Callable[[], dspy.Module]  # made when its turn comes: a server has GPUs for one


@dataclass(frozen=True)
class Comparison:
    """The gains of the tuned model over its start, and the errors of runs that are left out."""

    gains: list[Gain]
    failures: list[str]


def fresh_conversations(
    conversations: Sequence[Conversation], trained_on: Collection[str], tested: Collection[str]
) -> list[Conversation]:
    """The conversations to compare on: the test part, else all that were not trained on.

    Raises InputError when none is left.
    """
    fresh = [conversation for conversation in conversations if conversation.id not in trained_on]
    if not fresh:
        raise InputError(
            "every conversation of --data was used for training, so nothing is left to compare; "
            "give other --data"
        )
    return [conversation for conversation in fresh if conversation.id in tested] or fresh


def comparison_examples(
    conversations: Sequence[Conversation],
    targets: Sequence[Target],
    window: int,
    number: int,
    seed: int,
) -> list[dspy.Example]:
    """The examples for both models: windows if only storing was tuned, else questions.

    `window` is in turns; of all there are, `number` (0: all) are drawn by `seed`. Raises InputError
    when there is nothing to ask.
    """
    candidates = task_examples(conversations, measured_target(targets), window)
    chosen = draw(candidates, number, seed)
    if not chosen:
        raise InputError("the conversations to compare on have no questions; give other --data")
    return chosen


def packaged_models(start: Path | None, tuned: Path) -> dict[str, Model]:
    """The packaged model with an adapter in use, and its start: with another one, or with none."""
    start_model = load_model("local", adapter=start) if start else load_model("local-base")
    return {"start": start_model, "tuned": load_model("local", adapter=tuned)}


def packaged_students(
    models: Mapping[str, Model],
    targets: Sequence[Target],
    helper: Model,
    questions: Sequence[dspy.Example],
    memories: Memories,
    bar: Progress,
) -> dict[str, Student]:
    """The packaged model with two adapters, each in use.

    The helper stores both sides' memories, unless storing was tuned with other modules.
    """
    students: dict[str, Student] = {}
    # When only storing was tuned, windows are measured, which need no memory that was built before.
    stores_itself = "store" in targets and len(targets) > 1
    for name, model in models.items():
        writer = model if stores_itself else helper
        bench = prepare_bench(model, writer, examples=questions, memories=memories, bar=bar)
        students[name] = partial(task, plain_program(model), measured_target(targets), bench)
    return students


def server_names(start: Path | str, tuned: Path) -> dict[str, str]:
    """What Arbor calls the start and a checkpoint that was fetched to `tuned`.

    Raises InputError when the run's file does not say where the server keeps it.
    """
    try:
        run = RunFile.model_validate_json((tuned.parent / RUN_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{tuned.parent / RUN_FILE} does not describe a training") from error
    # A run notes the server's folder of its last checkpoint only.
    if run.checkpoint != tuned.name or not run.server_folder:
        raise InputError(f"the server's folder of {tuned} is not known; serve it, and use --model")
    return {"start": str(start), "tuned": run.server_folder}


def served_students(
    names: Mapping[str, str],
    program: MemoryProgram,
    targets: Sequence[Target],
    bench: Bench,
    lm_of: Callable[[str], dspy.LM],
) -> dict[str, Student]:
    """Two models that are served, each asked when its turn comes: Arbor has GPUs for one."""
    measured = measured_target(targets)

    def served(name: str) -> dspy.Module:
        served_program = MultiTaskProgram(
            program,
            targets=(measured,),
            trained=targets,
            bench=bench,
            lm=lm_of(name),
        )
        return getattr(served_program, f"{measured}_task")

    return {side: partial(served, name) for side, name in names.items()}


@contextmanager
def vllm_served(
    options: TrainOptions, tuned: Path, say: Callable[[str], object]
) -> Iterator[Callable[[str], dspy.LM]]:
    """vLLM with both adapters while the context is open; yields the LM of "start" and "tuned"."""
    settings, ports = options.settings(), free_ports()
    starts = {"start": options.start} if options.start else {}
    command = comparison_command(
        options.student, {**starts, "tuned": tuned}, settings, ports.server
    )
    say(f"serving: {command}")
    options.output_dir.mkdir(parents=True, exist_ok=True)
    with running("vLLM", command, options.output_dir / SERVER_LOG) as server:
        wait_for_server(server, ports.address, say)
        yield partial(vllm_lm, address=ports.address, completion_tokens=settings.completion_tokens)


def compare(
    students: Mapping[str, Student],
    questions: Sequence[dspy.Example],
    log: Path,
    threads: int,
    bar: Progress,
) -> Comparison:
    """Two students, the start first, on the same examples."""
    start, tuned = students
    scores: dict[str, dict[str, list[QuestionScore]]] = {}
    failures: list[str] = []
    for name, student in students.items():
        line = bar.add_task(f"asking the {name} model", total=len(questions))
        advance = partial(bar.advance, line)
        scores[name], reasons = measure(
            student(), questions, threads=threads, log=log, done=advance
        )
        failures += [f"{name}: {reason}" for reason in reasons]
    return Comparison(paired_gains(scores[start], scores[tuned]), failures)


def compare_tuned(
    options: TrainOptions, tuned: Path, trained_on: Collection[str], console: Console
) -> Comparison:
    """Ask both models about conversations that the tuned one was not trained on.

    `tuned` is the folder of the tuned weights: the packaged model's are used here, others
    on the server that keeps them.
    """
    targets = options.targets
    fresh = fresh_conversations(
        list(options.conversations.conversations.values()),
        trained_on={*trained_on, *tuned_conversations(tuned, options.start)},
        tested=options.parts["test"],
    )
    packaged = (tuned / "adapter.gguf").exists()
    student = student_of("local" if packaged else options.student)
    start = options.start or ("the same without it" if packaged else options.student)
    console.print(f"{tuned} against its start: {start}", highlight=False, soft_wrap=True)

    helper = load_helper(options.helper, options.helper_api_base)
    questions = comparison_examples(
        fresh,
        targets,
        window=student.limits.window,
        number=options.test_questions,
        seed=options.seed,
    )
    fresh_ids = ", ".join(conversation.id for conversation in fresh)
    check_enough("--num-test", options.num_test, len(questions), fresh_ids)
    memories = options.memories({conversation.id: conversation for conversation in fresh})
    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar(console))
        if packaged:
            models = packaged_models(options.start, tuned)
            students = packaged_students(
                models,
                targets,
                helper=helper,
                questions=questions,
                memories=memories,
                bar=bar,
            )
        else:
            settings = options.settings()
            working = working_model(student, helper, targets=targets, settings=settings)
            bench = prepare_bench(working, helper, examples=questions, memories=memories, bar=bar)
            bench = with_episodes(bench, options.operations, settings)
            bench = with_trainee(bench, student.adapter)
            program = trained_program(student, working, targets)
            if options.engine == "trl":
                lm_of = stack.enter_context(vllm_served(options, tuned, console.print))
                names = {"start": "start", "tuned": "tuned"}
            else:
                server = Server(options.server)
                names = server_names(options.start or options.student, tuned)
                lm_of = partial(served_lm, server=server, settings=settings)
            students = served_students(names, program, targets, bench=bench, lm_of=lm_of)
        log = options.output_dir / "compare.log"
        return compare(students, questions, log=log, threads=options.num_threads, bar=bar)
