"""Training data: splits conversations, draws examples, builds the memories that they need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dspy
from rich.progress import Progress

from locomo.dataset.format import ABSTENTION, Conversation
from locomo.harness import Setup, build_memories
from locomo.split_data import SplitConversations, load_split
from locomo.tasks.modules import Bench, Target, draw, measured_target, task_examples
from memory import InputError, MemoryProgram
from memory.program import Model, read_card


@dataclass(frozen=True)
class TrainingData:
    """The split conversations of a file, and the examples drawn from each part."""

    split: SplitConversations
    train: Mapping[Target, Sequence[dspy.Example]]
    validation: Sequence[dspy.Example]


def draw_training_data(
    data: Path,
    split: str,
    targets: Sequence[Target],
    num_train: int,
    num_validation: int | None,
    seed: int,
    window: int,
    further: Path | None = None,
    unanswerable: float = 1.0,
) -> TrainingData:
    """Read a file or a folder, split it by conversation, and draw the examples of each target.

    Arguments:
        data, further: as for `load_split`.
        split: `default`, `memory-r1` or `seven-three`, see `locomo.split_data`.
        num_train: examples for each target; 0: all.
        num_validation: examples of what is measured, see `measured_target`; 0: all, None: none.
        seed: chooses the examples and, with `default`, the parts.
        window: turns in an example of storing.
        unanswerable: the share of the training questions of category 5 to draw from.

    A target may have fewer examples, or none. Raises InputError for a file that cannot be read or
    split.
    """
    conversations = load_split(data, seed, split, further)
    train = {}
    for target in targets:
        examples = task_examples(conversations.part("train"), target, window)
        train[target] = draw(_thinned(examples, unanswerable, seed), num_train, seed)
    validation: list[dspy.Example] = []
    if num_validation is not None:
        measured = measured_target(targets)
        examples = task_examples(conversations.part("validation"), measured, window)
        validation = draw(examples, num_validation, seed)
    return TrainingData(conversations, train, validation)


def _thinned(
    examples: Sequence[dspy.Example], unanswerable: float, seed: int
) -> Sequence[dspy.Example]:
    """The examples, with only a share of the unanswerable ones, drawn by the seed."""
    refused = [
        index
        for index, example in enumerate(examples)
        if all(question.category == ABSTENTION for question in example.gold)
    ]
    number = round(len(refused) * (1 - unanswerable))
    left_out = set(draw(refused, number, seed)) if number else set()
    return [example for index, example in enumerate(examples) if index not in left_out]


def load_training_data(
    data: Path,
    split: str,
    targets: Sequence[Target],
    num_train: int,
    num_validation: int,
    seed: int,
    window: int,
    further: Path | None = None,
    unanswerable: float = 1.0,
) -> TrainingData:
    """Draw `num_train` examples (0: all) for all targets together, and as many for each.

    Of `num_validation` 0 means none. Raises InputError when a target has no example.
    """
    share = -(-num_train // len(targets))
    training_data = draw_training_data(
        data,
        split,
        targets=targets,
        num_train=share,
        num_validation=num_validation or None,
        seed=seed,
        window=window,
        further=further,
        unanswerable=unanswerable,
    )
    for target, examples in training_data.train.items():
        if not examples:
            raise InputError(f"{data} has no training example for --target {target}; give more")
    return training_data


def tuned_conversations(*adapters: Path | None) -> set[str]:
    """The conversations that adapters were tuned on, by the cards that are here."""
    folders = [
        adapter.parent if adapter.suffix == ".gguf" else adapter for adapter in adapters if adapter
    ]
    cards = [read_card(folder) for folder in folders if (folder / "adapter.json").exists()]
    return {id_ for card in cards for id_ in card.conversations}


@dataclass(frozen=True)
class Memories:
    """The conversations that examples refer to, and where and how their memories are built.

    With `turns_only` they have no facts.
    """

    conversations: Mapping[str, Conversation]
    folder: Path
    threads: int
    turns_only: bool = False


def prepare_bench(
    model: Model,
    storing: Model,
    examples: Sequence[dspy.Example],
    memories: Memories,
    bar: Progress,
) -> Bench:
    """The bench of `model`: memories of the conversations asked about, stored by `storing`."""
    # An example of storing has its own turns; only questions need a memory.
    ids = dict.fromkeys(example.conversation for example in examples if "question" in example)
    program = MemoryProgram(storing.form)
    conversations = [memories.conversations[id_] for id_ in ids]
    built = build_memories(
        conversations,
        Setup(storing, program, storing.budget, turns_only=memories.turns_only),
        cache=memories.folder,
        threads=memories.threads,
        bar=bar,
    )
    return Bench(
        setup=Setup(model, program, model.budget),
        conversations=memories.conversations,
        memories={id_: memory.path for id_, memory in built.items()},
        max_demos=0,
    )
