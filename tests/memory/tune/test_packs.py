"""Examples that share their beginning, and merged weights: the same numbers, for less work."""

from random import Random
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra is not installed: uv sync --extra tune")

from memory.tune.adapters import add_lora  # noqa: E402
from memory.tune.merged_lora import merged_layers  # noqa: E402
from memory.tune.packs import Example, batches, losses, packs  # noqa: E402
from memory.tune.student import Student, load_student  # noqa: E402
from tests.support.tiny_llama import (  # noqa: E402
    ANSWERS,
    alone,
    example,
    shake,
    trained,
)

MEMORY = "Anna: I moved to Oslo, where my sister lives with her two dogs.\nBen: I play chess.\n"
ASKED = [
    "Where does Anna live?",
    "Who lives in Oslo?",
    "Where does Anna live? Say it in a word.",  # begins as another's whole question
]
CHATS = [[{"role": "user", "content": MEMORY + question}] for question in ASKED]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def student(tiny: str) -> Student:
    """With an adapter that changes something."""
    student = load_student(tiny, device="cpu")
    student.model.float()
    add_lora(student, rank=4, alpha=8)
    shake(student, 0.1)
    return student


# --- packing ------------------------------------------------------------------------------------


def test_the_losses_of_a_pack_are_those_of_its_examples_alone(student: Student) -> None:
    told = [example(student, *both) for both in zip(ANSWERS, CHATS, strict=True)]
    [pack] = packs(told, 500)
    expected = [-alone(student, t, 0.7, chat) for t, chat in zip(ANSWERS, CHATS, strict=True)]
    got = losses(student, pack, 0.7)
    torch.testing.assert_close(got, torch.cat(expected), rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(one.sum(), trained(student)) for one in (got, *expected)]
    for packed, *single in zip(*gradients, strict=True):
        torch.testing.assert_close(packed, sum(single), rtol=1e-3, atol=1e-4)


def test_a_prompt_that_another_one_begins_with_is_packed_too(student: Student) -> None:
    short, long = Example([5, 6, 7, 8], [9, 2]), Example([5, 6, 7, 8, 9, 10], [11, 2])
    both = losses(student, [short, long])
    torch.testing.assert_close(both, torch.cat([losses(student, [one]) for one in (short, long)]))


def test_neighbours_that_begin_alike_are_packed_as_long_as_they_fit() -> None:
    def told(*prompt: int) -> Example:
        return Example(list(prompt), [1, 2])

    first, like, other = told(7, 7, 7, 3), told(7, 7, 7, 4), told(8, 8, 8, 3)
    assert list(packs([first, like, other, first], 99)) == [[first, like], [other], [first]]
    # Together they have 3 tokens of both, and 1 + 2 each.
    assert list(packs([first, like], 9)) == [[first, like]]
    assert list(packs([first, like], 8)) == [[first], [like]]
    assert list(packs([first], 3)) == [[first]]  # one that is longer stands alone
    barely = told(7, 9, 9, 9)
    assert list(packs([first, barely], 99)) == [[first], [barely]]
    assert list(packs([], 9)) == []


def test_a_step_has_as_many_examples_as_it_should_and_an_epoch_all_of_them() -> None:
    every = [Example([of, of, of, n], [1, 2]) for of in range(6) for n in range(3)]
    steps = list(batches(every, 5, 2, 99, Random(0)))
    assert [sum(map(len, packed)) for packed in steps] == [6, 6, 6] * 2
    for epoch in (steps[:3], steps[3:]):
        seen = [tuple(one.prompt) for packed in epoch for pack in packed for one in pack]
        assert sorted(seen) == sorted(tuple(one.prompt) for one in every)
    assert steps[:3] != steps[3:]  # mixed anew
    assert list(batches(every, 5, 2, 99, Random(0))) == steps


# --- merged -------------------------------------------------------------------------------------


def gradients(student: Student) -> list[Any]:
    student.model.zero_grad()
    losses(student, [example(student, "Oslo")]).sum().backward()
    return [weight.grad.clone() for weight in trained(student)]


def test_merged_weights_give_the_gradients_that_peft_gives(student: Student) -> None:
    expected = gradients(student)
    with merged_layers(student) as refresh:
        for _ in range(2):
            for got, wanted in zip(gradients(student), expected, strict=True):
                torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-4)
            shake(student, 0.2)
            refresh()
            outside = Student(student.model, student.tokenizer, "", "", "cpu")
            expected = peft_gradients(outside)
    torch.testing.assert_close(gradients(student), expected)


def peft_gradients(student: Student) -> list[Any]:
    """Of a copy of the weights, computed by PEFT's own layers."""
    layers = [one for one in student.model.modules() if "forward" in vars(one)]
    assert len(layers) == 14
    kept = [vars(layer).pop("forward") for layer in layers]
    found = gradients(student)
    for layer, forward in zip(layers, kept, strict=True):
        layer.forward = forward
    return found


def test_a_change_of_the_adapter_counts_once_it_is_told(student: Student) -> None:
    with merged_layers(student) as refresh, torch.no_grad():
        before = losses(student, [example(student, "Oslo")])
        shake(student, 0.2)
        torch.testing.assert_close(losses(student, [example(student, "Oslo")]), before)
        refresh()
        after = losses(student, [example(student, "Oslo")])
    assert (after - before).abs().max() > 0.01
    with torch.no_grad():
        own = losses(student, [example(student, "Oslo")])
    torch.testing.assert_close(own, after, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("change", ["bias", "dropout"])
def test_layers_that_merging_would_change_stay_as_they_are(student: Student, change: str) -> None:
    for layer in [one for one in student.model.modules() if hasattr(one, "base_layer")]:
        if change == "bias":
            layer.base_layer.bias = torch.nn.Parameter(torch.ones(layer.out_features))
        else:
            layer.lora_dropout["default"] = torch.nn.Dropout(0.1)
    with merged_layers(student):
        assert not [one for one in student.model.modules() if "forward" in vars(one)]


def test_a_student_in_bf16_is_tuned_as_well(tiny: str) -> None:
    """As on a GPU: the base in bf16, its adapter in fp32; the gradients are those of PEFT."""
    student = load_student(tiny, device="cpu")
    student.model.bfloat16()
    add_lora(student, rank=4, alpha=8)
    shake(student, 0.2)
    expected = torch.cat([gradient.flatten() for gradient in gradients(student)])
    with merged_layers(student) as refresh:
        assert [layer for layer in student.model.modules() if "forward" in vars(layer)]
        found = gradients(student)
        refresh()
    assert {gradient.dtype for gradient in found} == {torch.float32}
    likeness = torch.cosine_similarity(
        torch.cat([gradient.flatten() for gradient in found]), expected, dim=0
    )
    assert likeness > 0.99
