"""Examples that begin alike as one sequence: what they share is computed once.

The shared beginning comes first; each token after it sees that and its own example only. Nothing
is padded. Supervised tuning packs the questions about one memory so, GRPO the answers to a prompt.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from memory.tune.student import Student

SHARED = -1  # the owner of tokens that every example sees
_LEAST_SHARED = 1 / 3  # of the shorter prompt: below, a sequence of its own is as cheap


@dataclass(frozen=True)
class Example:
    """Token ids of a prompt and of the answer, which ends with the token that ends a turn."""

    prompt: list[int]
    answer: list[int]

    @property
    def length(self) -> int:
        return len(self.prompt) + len(self.answer)


Pack = Sequence[Example]


def packs(examples: Sequence[Example], most: int) -> Iterator[Pack]:
    """Neighbours that begin alike, together, of at most `most` tokens (or one that is longer)."""
    pack: list[Example] = []
    shared, tokens = 0, 0
    for example in examples:
        if pack:
            both = _shared([pack[0].prompt[:shared], example.prompt])
            alike = both >= _LEAST_SHARED * min(len(pack[0].prompt), len(example.prompt))
            more = example.length - both + (shared - both) * (len(pack) - 1)
            if alike and tokens + more <= most:
                pack, shared, tokens = [*pack, example], both, tokens + more
                continue
            yield pack
        pack, shared, tokens = [example], len(example.prompt), example.length
    if pack:
        yield pack


def batches(
    examples: Sequence[Example], size: int, epochs: int, most: int, random: Random
) -> Iterator[list[Pack]]:
    """Packs in random order, `size` examples a step or a few more, anew each epoch."""
    packed = list(packs(examples, most))
    for _ in range(epochs):
        batch: list[Pack] = []
        for pack in random.sample(packed, len(packed)):
            batch.append(pack)
            if sum(map(len, batch)) >= size:
                yield batch
                batch = []
        if batch:
            yield batch


def losses(student: Student, pack: Pack, temperature: float = 1.0) -> Any:
    """Cross-entropy in nats of each token of the answers, one answer after the other."""
    start = _shared([example.prompt for example in pack])
    ids, owners, positions = pack[0].prompt[:start], [SHARED] * start, list(range(start))
    predicting: list[int] = []
    for owner, example in enumerate(pack):
        whole = example.prompt + example.answer
        own = len(ids) - start  # how much farther a token of this example's own stands
        before = range(len(example.prompt) - 1, len(whole) - 1)
        predicting += [place if place < start else place + own for place in before]
        ids += whole[start:-1]
        owners += [owner] * (len(whole) - 1 - start)
        positions += range(start, len(whole) - 1)
    device = student.device
    mask = sees(torch.tensor(owners), torch.tensor(owners)).tril()
    hidden = student.hidden(
        ids,
        attention_mask=mask[None, None].to(device),
        position_ids=torch.tensor([positions], device=device),
        use_cache=False,
    )[0, predicting]
    logits = student.logits(hidden) / temperature
    tokens = torch.tensor([token for one in pack for token in one.answer], device=device)
    return cross_entropy(logits, tokens, reduction="none")


def sees(askers: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
    """Whether a token of each asker (rows) may look at each token (columns), by whose it is."""
    return (owners == SHARED) | (owners == askers[:, None])


def _shared(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with alike."""
    places = enumerate(zip(*prompts, strict=False))
    return next((n for n, tokens in places if len(set(tokens)) > 1), min(map(len, prompts)))
