"""Examples that share their beginning: the same losses and gradients, for less work."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra is not installed: uv sync --extra tune")

from locomo.weights.adapters import add_lora  # noqa: E402
from locomo.weights.packs import (  # noqa: E402
    IGNORED,
    Example,
    Pack,
    collate,
    packed_row,
    packs,
)
from locomo.weights.student import Student, load_student  # noqa: E402
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


def losses(student: Student, pack: Pack) -> Any:
    """The loss of each token of the answers, by the sequence that the trainer gets."""
    batch = collate([packed_row(pack)])
    labels = batch.pop("labels")[0, 1:]
    logits = student.model(**batch).logits[0, :-1]
    learned = labels != IGNORED
    return torch.nn.functional.cross_entropy(logits[learned], labels[learned], reduction="none")


def test_the_losses_of_a_pack_are_those_of_its_examples_alone(student: Student) -> None:
    told = [example(student, *both) for both in zip(ANSWERS, CHATS, strict=True)]
    [pack] = packs(told, 500)
    expected = [-alone(student, t, chat=chat) for t, chat in zip(ANSWERS, CHATS, strict=True)]
    got = losses(student, pack)
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
