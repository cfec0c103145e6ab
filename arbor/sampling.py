"""Which tokens of an answer the policy sampled, and which measurements of a step are numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def end_of_turn(tokenizer: Any) -> int:
    """The token with which the chat template ends an answer; a base model's EOS differs."""
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "answer"}]
    tail = tokenizer.apply_chat_template(chat, tokenize=False).rpartition("answer")[2]
    ids: list[int] = tokenizer(tail, add_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids)
    return next((i for i in ids if i in special), int(tokenizer.eos_token_id))


def drawn(
    ids: Sequence[int], mask: Sequence[int], end: int, limit: int | None, drops_cut: bool
) -> list[int]:
    """The mask of the tokens that the policy sampled, up to and including its end of turn.

    The chat template adds an end of turn, and often a newline, to every answer, even to one cut
    at `limit` tokens. With `drops_cut` the mask of a cut answer is empty (Yu et al. 2025, DAPO,
    section 3.4). `ids` and `mask` are padded on the right.
    """
    real = list(ids[: sum(mask)])
    length = real.index(end) + 1 if end in real else len(real)
    cut = end not in real or (limit is not None and length > limit)
    return [0 if cut and drops_cut else int(i < length) for i in range(len(ids))]


def measured(entry: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of one log call; empty for a call that reports no step."""
    if not {"loss", "kl"} & set(entry):
        return {}
    numbers = {
        key: float(value)
        for key, value in entry.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    if "completions/mean_length" in numbers:
        numbers["completion_length"] = numbers["completions/mean_length"]
    return {**numbers, "step": int(entry["step"])}
