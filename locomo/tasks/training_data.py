"""Training data: draws examples of conversations, builds the memories that they need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import dspy
from rich.progress import Progress

from locomo.choices import Target
from locomo.dataset.format import ABSTENTION, Conversation
from locomo.dataset.rows import GoldRows
from locomo.harness import Setup, build_memories
from locomo.split_data import PartName, SplitConversations
from locomo.tasks.modules import (
    Bench,
    draw,
    labelled_examples,
    measured_target,
    task_examples,
)
from memory.models import Model
from memory.program import plain_program


@dataclass(frozen=True)
class TrainingData:
    """The examples that were drawn: to learn from by target, and to measure on."""

    train: Mapping[Target, Sequence[dspy.Example]]
    validation: Sequence[dspy.Example]


@dataclass(frozen=True)
class ExampleSource:
    """Conversations that examples are drawn from, and how many.

    Arguments:
        num_train: examples for each target; 0: all.
        num_validation: examples of what is measured, see `measured_target`; 0: all, None: none.
        rows: gold rows by conversation, if storing learns from these.
    """

    split: SplitConversations
    num_train: int = 0
    num_validation: int | None = 0
    rows: Mapping[str, GoldRows] | None = None


def draw_training_data(
    source: ExampleSource,
    targets: Sequence[Target],
    *,
    seed: int,
    window: int,
    unanswerable: float = 1.0,
) -> TrainingData:
    """Draw the examples of each target. A target may have fewer than requested, or none.

    Arguments:
        seed: chooses the examples.
        window: turns in an example of storing.
        unanswerable: the share of the training questions of category 5 to draw from.
    """
    split, rows = source.split, source.rows

    def examples_of(part: PartName, target: Target) -> list[dspy.Example]:
        if target == "store" and rows:
            golds = [rows[id_] for id_ in split.parts[part] if id_ in rows]
            return labelled_examples(golds, window, only_asked=part == "train")
        return task_examples(split.part(part), target, window)

    train = {}
    for target in targets:
        examples = examples_of("train", target)
        train[target] = draw(_thinned(examples, unanswerable, seed), source.num_train, seed)
    validation: list[dspy.Example] = []
    if source.num_validation is not None:
        measured = measured_target(targets)
        examples = examples_of("validation", measured)
        validation = draw(examples, source.num_validation, seed)
    return TrainingData(train, validation)


def _thinned(
    examples: Sequence[dspy.Example], unanswerable: float, seed: int
) -> Sequence[dspy.Example]:
    """The examples, with only a share of the unanswerable ones, drawn by the seed."""
    refused = [
        index
        for index, example in enumerate(examples)
        if "question" in example and example.gold[0].category == ABSTENTION
    ]
    number = round(len(refused) * (1 - unanswerable))
    left_out = set(draw(refused, number, seed)) if number else set()
    return [example for index, example in enumerate(examples) if index not in left_out]


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
    conversations = [memories.conversations[id_] for id_ in ids]
    built = build_memories(
        conversations,
        Setup(
            storing, plain_program(storing), storing.limits.budget, turns_only=memories.turns_only
        ),
        cache=memories.folder,
        threads=memories.threads,
        bar=bar,
    )
    return Bench(
        setup=Setup(model, plain_program(model), model.limits.budget),
        conversations=memories.conversations,
        memories={id_: memory.path for id_, memory in built.items()},
        max_demos=0,
    )
