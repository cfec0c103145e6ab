"""What is learned from, and the limits of the models that work side by side."""

from pathlib import Path
from typing import Any

import pytest
from rich.progress import Progress

from locomo.choices import TARGETS, Target
from locomo.dataset.format import load_conversations
from locomo.split_data import load_split
from locomo.tasks.modules import task_examples
from locomo.tasks.training_data import (
    ExampleSource,
    Memories,
    TrainingData,
    draw_training_data,
    prepare_bench,
)
from locomo.weights import launch
from locomo.weights.grpo import GrpoSettings
from locomo.weights.options import TrainOptions
from locomo.weights.trainee import student_of, working_model
from memory import InputError, open_store
from tests.support.locomo_records import question, record, write
from tests.support.obedient import houses, obedient

SETTINGS = GrpoSettings(prompt_tokens=4096, completion_tokens=512)
HELPER = obedient()[0]  # windows of 4 turns and 8,000 tokens, a context of 32,000, 2,000 of memory


@pytest.mark.parametrize(
    ("student", "targets", "storing", "answering"),
    [
        ("Qwen/Qwen2.5-3B", ("answer",), (4, 8_000), (4_608, 3_072)),
        ("Qwen/Qwen2.5-3B", ("retrieve",), (4, 8_000), (32_000, 2_000)),
        ("Qwen/Qwen2.5-3B", ("store",), (12, 2_096), (32_000, 2_000)),
        ("Qwen/Qwen2.5-3B", TARGETS, (12, 2_096), (4_608, 3_072)),
        ("local", ("answer",), (4, 8_000), (8_192, 300)),
        ("local", ("store",), (1, 400), (32_000, 2_000)),
    ],
)
def test_each_module_is_shown_what_the_one_who_does_it_can_read(
    student: str, targets: tuple[Target, ...], storing: object, answering: object
) -> None:
    working = working_model(student_of(student), HELPER, targets, SETTINGS)
    assert (working.limits.window, working.limits.window_tokens) == storing
    assert (working.limits.context, working.limits.budget) == answering
    assert working.lm is HELPER.lm


def training_data(file: Path, targets: tuple[Target, ...], **changed: Any) -> TrainingData:
    unanswerable = changed.pop("unanswerable", 1.0)
    source = ExampleSource(
        load_split(file, 0, "default"), **{"num_train": 0, "num_validation": None, **changed}
    )
    return draw_training_data(source, targets, seed=0, window=4, unanswerable=unanswerable)


@pytest.mark.parametrize(("share", "refused"), [(1.0, 4), (0.5, 2), (0.0, 0)])
def test_a_share_of_the_questions_to_be_refused_is_learned_from(
    share: float, refused: int, tmp_path: Path
) -> None:
    asked = [*[question(category=5)] * 4, *[question()] * 3]
    file = write(tmp_path / "two.json", *(record(name, asked) for name in "ab"))
    data = training_data(file, ("answer",), unanswerable=share)
    categories = [example.gold[0].category for example in data.train["answer"]]
    assert categories.count(5) == refused
    assert len(categories) == refused + 3


def test_memories_of_turns_alone_ask_no_model(tmp_path: Path) -> None:
    conversations = {c.id: c for c in load_conversations(houses(tmp_path / "h.json"))}
    examples = task_examples([*conversations.values()], "answer", 4)
    model, engine = obedient()
    memories = Memories(conversations, tmp_path / "memories", threads=1, turns_only=True)
    with Progress(disable=True) as bar:
        bench = prepare_bench(model, model, examples=examples, memories=memories, bar=bar)
    assert not engine.prompts
    assert bench.memories.keys() == conversations.keys()
    for name, path in bench.memories.items():
        with open_store(path, read_only=True) as store:
            assert len(store.turns()) == len(conversations[name].turns)
            assert not store.read("SELECT id FROM facts").rows


def test_turns_only_and_further_data_are_refused_where_they_mean_nothing() -> None:
    with pytest.raises(InputError, match="--turns-only"):
        TrainOptions(turns_only=True, target="all").check()
    with pytest.raises(InputError, match="--further-data is for GRPO"):
        TrainOptions(mode="sft", further_data=Path("data")).check()


def test_a_target_without_examples_is_named(tmp_path: Path) -> None:
    vague = [record(name, [question(evidence=[])]) for name in "ab"]
    data = write(tmp_path / "two.json", *vague)
    with pytest.raises(InputError, match="--target store"):
        launch._training_data(TrainOptions(target="store", data=data), window=4)


def test_all_targets_share_the_number_of_examples(tmp_path: Path) -> None:
    options = TrainOptions(target="all", data=houses(tmp_path / "h.json"), num_train=9, num_val=0)
    data = launch._training_data(options, window=4)
    numbers = {target: len(examples) for target, examples in data.train.items()}
    assert numbers == dict.fromkeys(options.targets, 3)
    assert data.validation == []
