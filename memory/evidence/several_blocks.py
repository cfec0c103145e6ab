"""One block for a prompt from several memories: the first, then each other by its name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from memory.errors import InputError
from memory.evidence.lines import LEAST_BUDGET
from memory.evidence.prompt_block import Injected, inject
from memory.store import Store
from memory.text.characters import one_line
from memory.text.fence import fenced, parts_of_block
from memory.text.tokens import count_tokens, line_tokens


def inject_together(
    stores: Mapping[str, Store],
    messages: str | Sequence[Mapping[str, Any]],
    *,
    budget: int | None = None,
    since: int | None = None,
    counts: bool = True,
    **options: Any,
) -> Injected:
    """What several memories hold for a message, as one block in one fence.

    Each memory is asked by itself, as `inject` asks one: what is in one ranks nothing in another.
    The lines of a memory after the first follow its name.

    Args:
        stores: the memories by name; the first has no heading.
        budget: the most tokens of the text. The next memory gets what one leaves.
        since: a turn of the first memory.
        options: the other arguments of `inject`; `speaker` is the asker, by the name that this
            person has in all of them.

    `turn_ids` and the records of the result are the first memory's; `also` has the turns of the
    others by the memories' names. Raises InputError as `inject` does, with a configuration, and for
    a budget that is too small for all.
    """
    if len(stores) == 1:
        [store] = stores.values()
        counts = counts and not store.read_only
        return inject(store, messages, budget=budget, since=since, counts=counts, **options)
    if options.get("config") is not None or options.get("character_context"):
        raise InputError("config= and character_context= are for the context of one memory")
    heads = {name: _head(name) for name in [*stores][1:]}
    room = None if budget is None else budget - sum(map(line_tokens, heads.values()))
    if room is not None and room < LEAST_BUDGET * len(stores):
        raise InputError(
            f"a context of {len(stores)} memories in {budget} tokens: give at least"
            f" {LEAST_BUDGET * len(stores) + (budget or 0) - room}"
        )
    blocks: dict[str, Injected] = {}
    for number, (name, store) in enumerate(stores.items()):
        block = inject(
            store,
            messages,
            budget=None if room is None else room // (len(stores) - number),
            since=None if number else since,
            counts=counts and not store.read_only,
            **options,
        )
        room = None if room is None else room - block.tokens
        blocks[name] = block
    parts = {name: parts_of_block(block.text) for name, block in blocks.items()}
    quoted = [
        "\n".join(filter(None, [heads.get(name, ""), lines]))
        for name, (_, lines) in parts.items()
        if lines
    ]
    wishes = [*chain.from_iterable(wishes for wishes, _ in parts.values())]
    text = "\n".join([*dict.fromkeys(wishes), *filter(None, [fenced("\n".join(quoted))])])
    first, *further = blocks
    return replace(
        blocks[first],
        text=text,
        prompt=text,
        memories=tuple(chain.from_iterable(block.memories for block in blocks.values())),
        tokens=count_tokens(text),
        also={name: blocks[name].turn_ids for name in further},
    )


def _head(name: str) -> str:
    return f"From the memory {one_line(name)!r}:"
