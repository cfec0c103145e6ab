"""Packs examples with a common beginning into one sequence, to compute the beginning once.

TRL packs examples one behind the other, and reads the memory again for each question about it.
Here the shared beginning comes first, and each later token attends to it and to its own example
only. That costs TRL's trainer its own mask; the figures are in the log.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

SHARED = -1  # the owner of tokens that all examples attend to
IGNORED = -100  # the label of a token that is read and not learned
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


def packed_row(pack: Pack) -> dict[str, list[int]]:
    """A pack as one sequence: its tokens, their labels, positions and owners.

    The answers are the labels. A token's label is predicted by the token before it, so each example
    has at least its last prompt token for itself.
    """
    prompts = [example.prompt for example in pack]
    shared = min(_shared(prompts), min(map(len, prompts)) - 1)
    ids, labels = prompts[0][:shared], [IGNORED] * shared
    positions, owners = list(range(shared)), [SHARED] * shared
    for owner, example in enumerate(pack):
        own_prompt = example.prompt[shared:]
        ids += [*own_prompt, *example.answer]
        labels += [*[IGNORED] * len(own_prompt), *example.answer]
        positions += range(shared, example.length)
        owners += [owner] * (example.length - shared)
    return {"input_ids": ids, "labels": labels, "position_ids": positions, "owners": owners}


def collate(rows: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
    """One packed row as a batch of (1, tokens), with a mask (1, 1, tokens, tokens).

    The mask is a tree: shared tokens are the trunk, examples the branches.
    """
    [row] = rows
    batch = {name: torch.tensor([row[name]]) for name in ("input_ids", "labels", "position_ids")}
    owners = torch.tensor(row["owners"])
    mask = ((owners == SHARED) | (owners == owners[:, None])).tril()
    return {**batch, "attention_mask": mask[None, None]}


def _shared(prompts: Sequence[Sequence[int]]) -> int:
    """The length of the common beginning of all prompts, in tokens."""
    indices = enumerate(zip(*prompts, strict=False))
    return next(
        (index for index, tokens in indices if len(set(tokens)) > 1), min(map(len, prompts))
    )
