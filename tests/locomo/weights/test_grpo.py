"""The settings of a GRPO run and the arithmetic between them."""

from dataclasses import replace
from typing import Any

import pytest

from locomo.weights.grpo import GrpoSettings, check_batch, check_split, gpu_ids
from memory import InputError


def test_gpu_ids_are_read_from_a_list_with_commas() -> None:
    assert gpu_ids("1,2") == (1, 2)
    assert gpu_ids(" 0 ") == (0,)
    with pytest.raises(InputError, match="as in 1,2"):
        gpu_ids("first")


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
        ({"rollouts": 3}, r"= 16\) is no whole number of groups of 3 .*--rollouts 8 or 16$"),
        ({"rollouts": 1}, "2 or more"),
        ({"rollouts": 4}, "give --rollouts 8 or 16"),
        ({"rollouts": 32}, "give --rollouts 8 or 16"),
        ({"training_gpus": (1, 2, 3)}, "give --rollouts 12 or 24"),
    ],
    ids=str,
)
def test_a_batch_holds_whole_groups_and_gives_each_process_a_share(
    changes: dict[str, Any], message: str
) -> None:
    check_batch(GrpoSettings())
    with pytest.raises(InputError, match=message):
        check_batch(replace(GrpoSettings(), **changes))


def test_the_trainer_never_ends_before_the_client() -> None:
    assert GrpoSettings(steps=500).train_kwargs()["max_steps"] == 510
