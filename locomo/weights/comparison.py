"""A tuned model beside the one it started from, on conversations that neither was trained on."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

import dspy
from pydantic import ValidationError
from rich.progress import Progress

from locomo.dataset.format import Conversation
from locomo.tasks.gains import Gain, gains
from locomo.tasks.measure import measure
from locomo.tasks.modules import Bench, Target, draw, measured_target, task, task_examples
from locomo.tasks.training_data import Memories, prepare_bench
from locomo.weights.arbor_client import Server
from locomo.weights.arbor_job import served_lm
from locomo.weights.grpo import GrpoSettings
from locomo.weights.trainee import MultiTaskProgram
from locomo.weights.training import RUN_FILE, RunFile
from memory import InputError, MemoryProgram, Model, load_model
from memory.program import read_card

Student = Callable[[], dspy.Module]


def tuned_conversations(*adapters: Path | None) -> set[str]:
    """The conversations that adapters were tuned on, as far as their cards are here."""
    folders = [one.parent if one.suffix == ".gguf" else one for one in adapters if one]
    cards = [read_card(one) for one in folders if (one / "adapter.json").exists()]
    return {id_ for card in cards for id_ in card.conversations}


def fresh_conversations(
    conversations: Sequence[Conversation], trained_on: Collection[str], tested: Collection[str]
) -> list[Conversation]:
    """The conversations to compare on: those of the test part, else all that were not trained on.

    Raises InputError when none is left.
    """
    fresh = [one for one in conversations if one.id not in trained_on]
    if not fresh:
        raise InputError(
            "every conversation of --data was trained on: a comparison there says nothing; give "
            "--data with others"
        )
    return [one for one in fresh if one.id in tested] or fresh


def comparison_examples(
    conversations: Sequence[Conversation],
    targets: Sequence[Target],
    window: int,
    number: int,
    seed: int,
) -> list[dspy.Example]:
    """What both models are asked: windows when only storing was tuned, else questions.

    Raises InputError when there is nothing to ask.
    """
    measured = measured_target(targets)
    asked = draw(task_examples(conversations, measured, window), number, seed)
    if not asked:
        raise InputError("the conversations to compare on ask nothing; give --data that does")
    return asked


def packaged_models(start: Path | None, tuned: Path) -> dict[str, Model]:
    """The packaged model with an adapter, as it is used, and its start.

    That is the model with another adapter or, without one, the same model without the adapter:
    the modules of its card are untuned, the others are as they come.
    """
    whole = load_model("local", adapter=tuned)
    known: frozenset[str] = getattr(whole.adapter, "tuned", frozenset())
    begun = (
        load_model("local", adapter=start)
        if start
        else whole.as_tuned(known - {*read_card(tuned).targets})
    )
    return {"start": begun, "tuned": whole}


def packaged_students(
    sides: Mapping[str, Model],
    targets: Sequence[Target],
    helper: Model,
    asked: Sequence[dspy.Example],
    memories: Memories,
    bar: Progress,
) -> dict[str, Student]:
    """The packaged model with two adapters, each as it is used.

    The helper stores both sides' memories, unless storing was tuned beside other modules.
    """
    students: dict[str, Student] = {}
    for name, model in sides.items():
        own = "store" in targets and len(targets) > 1
        bench = prepare_bench(model, model if own else helper, asked, memories, bar)
        students[name] = partial(task, MemoryProgram(), measured_target(targets), bench)
    return students


def server_names(start: Path | str, tuned: Path) -> dict[str, str]:
    """What Arbor calls the start and a checkpoint that was fetched to `tuned`.

    Raises InputError when the run's file does not say where the server keeps it.
    """
    try:
        run = RunFile.model_validate_json((tuned.parent / RUN_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{tuned.parent / RUN_FILE} does not tell of a training") from error
    if run.checkpoint != tuned.name or not run.server_folder:
        raise InputError(f"the server's folder of {tuned} is not known; serve it, and use --model")
    return {"start": str(start), "tuned": run.server_folder}


def served_students(
    names: Mapping[str, str],
    targets: Sequence[Target],
    server: Server,
    settings: GrpoSettings,
    bench: Bench,
) -> dict[str, Student]:
    """Two models that Arbor serves, one after the other: it has GPUs for one at a time."""

    def served(name: str) -> dspy.Module:
        lm, measured = served_lm(name, server, settings), measured_target(targets)
        return getattr(
            MultiTaskProgram(MemoryProgram(), (measured,), targets, bench, lm), f"{measured}_task"
        )

    return {side: partial(served, name) for side, name in names.items()}


def compare(
    students: Mapping[str, Student],
    asked: Sequence[dspy.Example],
    log: Path,
    threads: int,
    bar: Progress,
) -> tuple[list[Gain], list[str]]:
    """Two students, the start first, on the same examples: the gain, and which runs failed."""
    sides, lost = [], []
    for name, student in students.items():
        line = bar.add_task(f"asking the {name} model", total=len(asked))
        scores, failed = measure(student(), asked, threads, log, partial(bar.advance, line))
        sides.append(scores)
        lost += [f"{name}: {why}" for why in failed]
    both = [key for key in sides[0] if key in sides[1]]
    return gains(*([one for key in both for one in side[key]] for side in sides)), lost
