"""Packs examples with a common beginning into one sequence, to compute the beginning once.

The shared beginning comes first; each later token attends to it and to its own example only.
Nothing is padded. Supervised tuning packs the questions about one memory; GRPO packs the answers
to a prompt.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from memory.tune.student import Student

SHARED = -1  # the owner of tokens that all examples attend to
# As a share of the shorter prompt: with less in common, a separate sequence is as cheap.
_LEAST_SHARED = 1 / 3


@dataclass(frozen=True)
class Example:
    """Token ids of a prompt and of the answer, which ends with the token that ends a turn."""

    prompt: list[int]
    answer: list[int]

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.answer)


Pack = Sequence[Example]


def packs(examples: Sequence[Example], max_tokens: int) -> Iterator[Pack]:
    """Groups neighbours with a common beginning: at most `max_tokens`, or one longer example."""
    pack: list[Example] = []
    shared = 0  # tokens that all examples of the pack begin with
    tokens = 0  # of the pack as one sequence
    for example in examples:
        if pack:
            shared_with_example = _shared([pack[0].prompt[:shared], example.prompt])
            shorter = min(len(pack[0].prompt), len(example.prompt))
            # Tokens that the pack no longer shares are repeated in each of its examples.
            no_longer_shared = (shared - shared_with_example) * (len(pack) - 1)
            added = example.length - shared_with_example + no_longer_shared
            if shared_with_example >= _LEAST_SHARED * shorter and tokens + added <= max_tokens:
                pack = [*pack, example]
                shared = shared_with_example
                tokens += added
                continue
            yield pack
        pack = [example]
        shared = len(example.prompt)
        tokens = example.length
    if pack:
        yield pack


def batches(
    examples: Sequence[Example], size: int, epochs: int, max_tokens: int, random: Random
) -> Iterator[list[Pack]]:
    """Packs in random order, `size` examples a step or a few more, shuffled again each epoch."""
    packed = list(packs(examples, max_tokens))
    for _ in range(epochs):
        batch: list[Pack] = []
        for pack in random.sample(packed, len(packed)):
            batch.append(pack)
            if sum(map(len, batch)) >= size:
                yield batch
                batch = []
        if batch:
            yield batch


def losses(
    student: Student,
    pack: Pack,
    temperature: float = 1.0,
    logit_bias: Mapping[int, float] | None = None,
) -> Any:
    """Cross-entropy in nats of each token of the answers, answer by answer.

    `logit_bias` is added to the logits of these tokens.
    """
    start = _shared([example.prompt for example in pack])
    ids = pack[0].prompt[:start]
    owners = [SHARED] * start
    positions = list(range(start))
    predicting: list[int] = []  # indices of the tokens that predict a token of an answer
    for owner, example in enumerate(pack):
        whole = example.prompt + example.answer
        # A token that is not shared follows the tokens of the earlier examples.
        offset = len(ids) - start
        predictors = range(len(example.prompt) - 1, len(whole) - 1)
        predicting += [index if index < start else index + offset for index in predictors]
        # The last token predicts nothing.
        ids += whole[start:-1]
        owners += [owner] * (len(whole) - 1 - start)
        positions += range(start, len(whole) - 1)
    device = student.device
    mask = attention_mask(torch.tensor(owners), torch.tensor(owners)).tril()
    hidden = student.hidden(
        ids,
        attention_mask=mask[None, None].to(device),
        position_ids=torch.tensor([positions], device=device),
        use_cache=False,
    )[0, predicting]
    logits = biased(student.logits(hidden), logit_bias or {}) / temperature
    tokens = torch.tensor([token for example in pack for token in example.answer], device=device)
    return cross_entropy(logits, tokens, reduction="none")


def biased(logits: torch.Tensor, logit_bias: Mapping[int, float]) -> torch.Tensor:
    """Logits (..., vocabulary) with a bias added to those of some tokens."""
    if not logit_bias:
        return logits
    bias = torch.zeros(logits.shape[-1], device=logits.device)
    bias[list(logit_bias)] = torch.tensor([*logit_bias.values()], device=logits.device)
    return logits + bias


def attention_mask(readers: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
    """Whether a token of each reader (rows) may attend to each token (columns), by owner.

    Boolean (readers, tokens). This is a tree: shared tokens are the trunk, examples the branches.
    """
    return (owners == SHARED) | (owners == readers[:, None])


def _shared(prompts: Sequence[Sequence[int]]) -> int:
    """The length of the common beginning of all prompts, in tokens."""
    indices = enumerate(zip(*prompts, strict=False))
    return next(
        (index for index, tokens in indices if len(set(tokens)) > 1), min(map(len, prompts))
    )
