"""The settings of a GRPO run and the arithmetic between them."""

from dataclasses import replace
from typing import Any

import pytest

from locomo.weights.grpo import GrpoSettings, check_batch, check_split
from locomo.weights.options import TrainOptions
from memory import InputError


@pytest.mark.parametrize(
    ("inference", "training", "message"),
    [
        ((0,), (0,), "GPU 0 cannot serve answers and train"),
        ((0, 1), (1, 2), "GPU 1 cannot"),
        ((), (1,), "--inference-gpus"),
        ((0,), (), "--training-gpus"),
        ((0,), (1, 1), "--training-gpus"),
        ((-1,), (1,), "--inference-gpus"),
    ],
)
def test_the_two_roles_have_gpus_of_their_own(
    inference: tuple[int, ...], training: tuple[int, ...], message: str
) -> None:
    check_split((0,), (1, 2))
    with pytest.raises(InputError, match=message):
        check_split(inference, training)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rollouts": 3}, "2 GPUs read 2 answers each at a time, .* of 3 .*give --rollouts 4$"),
        ({"rollouts": 1}, "2 or more"),
        ({"rollouts": 10}, "give --rollouts 8 or 12"),
        ({"training_gpus": (1, 2, 3)}, "give --rollouts 6 or 12"),
    ],
    ids=str,
)
def test_a_group_is_read_in_whole_parts(changes: dict[str, Any], message: str) -> None:
    check_batch(GrpoSettings())
    with pytest.raises(InputError, match=message):
        check_batch(GrpoSettings(**{"training_gpus": (1, 2), **changes}))


def test_a_batch_is_two_answers_four_times_unless_another_is_asked_for() -> None:
    sent = TrainOptions().settings().train_kwargs()
    assert sent["per_device_train_batch_size"] == 2
    assert sent["gradient_accumulation_steps"] == 4
    assert TrainOptions().settings().groups_an_update == 2  # of eight answers, on two GPUs
    assert TrainOptions(rehearse=True).settings().groups_an_update == 1
    settings = TrainOptions(batch=" 4 x 12 ", training_gpus="1,2").settings()
    assert (settings.batch_per_device, settings.accumulation) == (4, 12)
    assert settings.groups_an_update == 4 * 12 * 2 / 8
    for wrong in ("8", "2x", "0x4", "2x4x1", "-2x4"):
        with pytest.raises(InputError, match="as 2x4"):
            TrainOptions(batch=wrong).settings()


def test_a_batch_is_whole_groups() -> None:
    check_batch(GrpoSettings(rollouts=4))
    with pytest.raises(InputError, match="give --batch 2x6"):
        check_batch(GrpoSettings(rollouts=12, training_gpus=(1,)))
    with pytest.raises(InputError, match="give --batch 2x3"):
        check_batch(GrpoSettings(rollouts=12, training_gpus=(1, 2), accumulation=2))


def test_episodes_are_trained_on_a_server_only_and_with_a_group_for_each_call() -> None:
    options = TrainOptions(target="refine", operations=6, num_train_steps=10)
    options.check()
    assert options.targets == ("refine",)
    assert options.settings().train_kwargs()["max_steps"] == 6 * 10 + 10
    assert TrainOptions(num_train_steps=10).settings().train_kwargs()["max_steps"] == 20
    refusals: list[dict[str, Any]] = [{"rehearse": True}, {"mode": "sft"}, {"mode": "distill"}]
    for refused in refusals:
        with pytest.raises(InputError, match="--target refine"):
            replace(options, **refused).check()
    with pytest.raises(InputError, match="--reward gated is for"):
        replace(options, reward="gated").check()
