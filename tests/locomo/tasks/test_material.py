"""What is learned from, and the limits of the models that work side by side."""

from pathlib import Path

import pytest

from locomo.tasks.material import load_training_data
from locomo.tasks.modules import TARGETS, Target
from locomo.weights.grpo import GrpoSettings
from locomo.weights.trainee import student_of, working_model
from memory import InputError
from tests.support.locomo_records import question, record, write
from tests.support.obedient import houses, obedient

SETTINGS = GrpoSettings(prompt_tokens=4096, completion_tokens=512)
HELPER = obedient()[0]  # windows of 4 turns and 8,000 tokens, a context of 32,000, 2,000 of memory


@pytest.mark.parametrize(
    ("student", "targets", "storing", "answering"),
    [
        ("Qwen/Qwen2.5-3B", ("answer",), (4, 8_000), (4_608, 3_072)),
        ("Qwen/Qwen2.5-3B", ("retrieve",), (4, 8_000), (32_000, 2_000)),
        ("Qwen/Qwen2.5-3B", ("store",), (16, 2_096), (32_000, 2_000)),
        ("Qwen/Qwen2.5-3B", TARGETS, (16, 2_096), (4_608, 3_072)),
        ("local", ("answer",), (4, 8_000), (2_048, 360)),
        ("local", ("store",), (1, 200), (32_000, 2_000)),
    ],
)
def test_each_module_is_shown_what_the_one_who_does_it_can_read(
    student: str, targets: tuple[Target, ...], storing: object, answering: object
) -> None:
    working = working_model(student_of(student), HELPER, targets, SETTINGS)
    assert (working.window, working.window_tokens) == storing
    assert (working.context, working.budget) == answering
    assert working.lm is HELPER.lm


def test_each_target_has_its_share_and_no_conversation_two_parts(tmp_path: Path) -> None:
    material = load_training_data(houses(tmp_path / "h.json"), "default", TARGETS, (9, 5), 0, 4)
    assert {target: len(some) for target, some in material.train.items()} == dict.fromkeys(
        TARGETS, 3
    )
    trained = {one.conversation for some in material.train.values() for one in some}
    assert len(material.validation) == 5
    assert not trained & {one.conversation for one in material.validation}
    windows = load_training_data(material.data, "default", ("store",), (0, 0), 0, 4)
    assert (len(windows.train["store"]), windows.validation) == (4, [])


def test_a_target_without_examples_is_named(tmp_path: Path) -> None:
    vague = [record(name, [question(evidence=[])]) for name in "ab"]
    with pytest.raises(InputError, match="no training example for --target store"):
        load_training_data(
            write(tmp_path / "two.json", *vague), "default", ("store",), (0, 0), 0, 4
        )
