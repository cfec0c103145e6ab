"""What is to be learned from: conversations split, examples drawn, models that work beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import dspy
from rich.progress import Progress

from locomo.dataset import Conversation, load
from locomo.distilling import Distilled, distill
from locomo.gains import independent
from locomo.grpo import GrpoSettings
from locomo.harness import Setup, build_all
from locomo.split_data import split as split_ids
from locomo.tasks import Bench, Target, drawn, examples
from locomo.teaching import Lesson
from memory import InputError, MemoryProgram, Model, load_model

# What stands around the memory in a large model's prompt: instructions, fields, question.
_AROUND_MEMORY = 1_024
_AROUND_WINDOW = 2_000  # and around a window of turns


@dataclass(frozen=True)
class Material:
    """Conversations of a file (its sha256), by part of the split, and the examples drawn."""

    data: Path
    sha256: str
    conversations: Mapping[str, Conversation]
    parts: Mapping[str, Sequence[str]]
    train: Mapping[Target, Sequence[dspy.Example]]
    validation: Sequence[dspy.Example]


def gather(
    data: Path,
    split: str,
    targets: Sequence[Target],
    numbers: tuple[int, int],
    seed: int,
    window: int,
) -> Material:
    """Read, split by conversation, and draw `numbers` examples to train and to validate on.

    A target's share of the training examples is equal. Raises InputError when a target has none.
    """
    conversations = {conversation.id: conversation for conversation in load(data)}
    parts = split_ids(list(conversations), seed, split)
    independent(parts)

    def found(part: str, target: Target, number: int) -> list[dspy.Example]:
        some = [conversations[name] for name in parts[part]]
        return drawn(examples(some, target, window), number, seed)

    share = -(-numbers[0] // len(targets)) if numbers[0] else 0
    train = {target: found("train", target, share) for target in targets}
    for target, some in train.items():
        if not some:
            raise InputError(f"{data} has no training example for --target {target}; give more")
    measured: Target = "store" if tuple(targets) == ("store",) else "answer"
    validation = found("validation", measured, numbers[1]) if numbers[1] else []
    digest = sha256(data.read_bytes()).hexdigest()
    return Material(data, digest, conversations, parts, train, validation)


def working_model(
    student: Model, helper: Model, targets: Sequence[Target], settings: GrpoSettings
) -> Model:
    """The helper, with the student's limits for the modules that the student does.

    What is shown must fit the one who reads it.
    """
    room, limits = settings.prompt_tokens, dict[str, Any]()
    if "store" in targets:
        tokens = student.window_tokens if student.packaged else max(room - _AROUND_WINDOW, 200)
        limits |= {"window": student.window, "window_tokens": tokens, "dates": student.dates}
    if "answer" in targets and student.packaged:
        limits |= {"context": student.context, "budget": student.budget}
    elif "answer" in targets:
        limits |= {"context": settings.context, "budget": max(room - _AROUND_MEMORY, 256)}
    return replace(helper, **limits)


def student_of(name: str, adapter: Path | None = None) -> Model:
    """How a student is spoken to and what it can read; a served one is not asked for anything."""
    if name in ("local", "local-base") or Path(name).is_dir():
        return load_model(name, adapter=adapter)
    return load_model(f"openai/{name}")


@dataclass(frozen=True)
class Memories:
    """The conversations that may be asked about, and where and how their memories are built."""

    conversations: Mapping[str, Conversation]
    folder: Path
    threads: int


def bench_of(
    model: Model,
    storing: Model,
    asked: Sequence[dspy.Example],
    memories: Memories,
    bar: Progress,
) -> Bench:
    """What `model` works on: memories of the conversations asked about, stored by `storing`."""
    names = dict.fromkeys(one.conversation for one in asked if "question" in one)
    program, known = MemoryProgram(), memories.conversations
    writer = Setup(storing, program, storing.budget)
    wanted = [known[name] for name in names]
    built = build_all(wanted, writer, memories.folder, memories.threads, bar)
    files = {name: one.path for name, one in built.items()}
    return Bench(Setup(model, program, model.budget), known, files, max_demos=0)


@dataclass(frozen=True)
class Teaching:
    """How supervised examples are made: of which part, for what, how many, by how many threads.

    `also`: a file of further conversations, all of which are learnt from.
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
) -> Distilled:
    """Write examples of the training conversations for `student`, with their card."""
    conversations = load(data)
    parts = split_ids([one.id for one in conversations], how.seed, how.split)
    program, more = MemoryProgram(), load(how.also) if how.also else []
    both = (Setup(teacher, program, teacher.budget), Setup(student, program, student.budget))
    return distill(
        [one for one in conversations if one.id in parts["train"]] + more,
        Lesson(*both, how.targets),
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
