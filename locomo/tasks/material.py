"""What is to be learned from: conversations split, examples drawn, models that work beside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import dspy
from rich.progress import Progress

from locomo.dataset.format import Conversation, load_conversations
from locomo.harness import Setup, build_memories
from locomo.split_data import check_parts
from locomo.split_data import split as split_ids
from locomo.tasks.modules import Bench, Target, draw, task_examples
from memory import InputError, MemoryProgram, Model


@dataclass(frozen=True)
class TrainingData:
    """Conversations of a file (its sha256), by part of the split, and the examples drawn."""

    data: Path
    sha256: str
    conversations: Mapping[str, Conversation]
    parts: Mapping[str, Sequence[str]]
    train: Mapping[Target, Sequence[dspy.Example]]
    validation: Sequence[dspy.Example]


def load_training_data(
    data: Path,
    split: str,
    targets: Sequence[Target],
    numbers: tuple[int, int],
    seed: int,
    window: int,
) -> TrainingData:
    """Read, split by conversation, and draw `numbers` examples to train and to validate on.

    A target's share of the training examples is equal. Raises InputError when a target has none.
    """
    conversations = {conversation.id: conversation for conversation in load_conversations(data)}
    parts = split_ids(list(conversations), seed, split)
    check_parts(parts)

    def found(part: str, target: Target, number: int) -> list[dspy.Example]:
        some = [conversations[name] for name in parts[part]]
        return draw(task_examples(some, target, window), number, seed)

    share = -(-numbers[0] // len(targets)) if numbers[0] else 0
    train = {target: found("train", target, share) for target in targets}
    for target, some in train.items():
        if not some:
            raise InputError(f"{data} has no training example for --target {target}; give more")
    measured: Target = "store" if tuple(targets) == ("store",) else "answer"
    validation = found("validation", measured, numbers[1]) if numbers[1] else []
    digest = sha256(data.read_bytes()).hexdigest()
    return TrainingData(data, digest, conversations, parts, train, validation)


@dataclass(frozen=True)
class Memories:
    """The conversations that may be asked about, and where and how their memories are built."""

    conversations: Mapping[str, Conversation]
    folder: Path
    threads: int


def prepare_bench(
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
    built = build_memories(wanted, writer, memories.folder, memories.threads, bar)
    files = {name: one.path for name, one in built.items()}
    return Bench(Setup(model, program, model.budget), known, files, max_demos=0)
