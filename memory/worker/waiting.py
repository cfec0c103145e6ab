"""An estimate of the next digest: turns, model calls, dollars and minutes."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from memory.api import Memory
from memory.digest.windows import Digest, is_due
from memory.evidence.outline import OUTLINE_TOKENS, PROSE_TOKENS
from memory.models.costs import Cost
from memory.models.model import Model
from memory.program.estimates import CHARACTERS_A_TOKEN, estimate, turn_tokens
from memory.program.program import program_for
from memory.program.program_card import Form
from memory.store import Store
from memory.store.turns.turn_reads import Outlines, characters_read
from memory.store.waiting.pending_windows import last_turn_taken

_OUTLINE = OUTLINE_TOKENS * CHARACTERS_A_TOKEN
_LONG_MESSAGE = PROSE_TOKENS * CHARACTERS_A_TOKEN
# Known facts, attributes and the turns before a window: about as many tokens in each call
# (tests.benchmarks.digest_cost).
_CONTEXT_TOKENS: Mapping[Form, int] = MappingProxyType({"full": 1_700, "brief": 0})
# See memory.evidence.outline for the turns that a digest reads in outline.
_ASSISTANTS = ("assistant", "ai", "ai assistant", "chatgpt", "claude")
_OUTLINES = Outlines(_ASSISTANTS, outline=_OUTLINE, longest=_LONG_MESSAGE)
_LAST_ID = 2**62  # above any id of a memory
_CLAIM_WAIT_S = 2.0


@dataclass(frozen=True)
class Waiting:
    """Undigested turns, and the estimated cost and time to digest them, without repairs."""

    turns: int
    cost: Cost
    seconds: float


def digest_whole(
    memory: Memory,
    replay: bool = False,
    progress: Callable[[Digest], None] = lambda sums: None,
) -> Digest:
    """Digest everything, and wait for windows that other processes work on, or take them over.

    The claim of a process whose machine was lost expires after ten minutes.
    """
    sums = memory.digest(replay, progress=progress)
    while memory.stores_facts and any(not window.error for window in memory.store.pending()):
        time.sleep(_CLAIM_WAIT_S)
        sums += memory.digest(progress=partial(_advance, progress, sums))
    return sums


def _advance(progress: Callable[[Digest], None], before: Digest, sums: Digest) -> None:
    progress(before + sums)


def waiting(
    store: Store,
    model: Model | None,
    *,
    replay: bool = False,
    first: int = 0,
    last: int = _LAST_ID,
    seconds_a_call: float | None = None,
) -> Waiting:
    """Estimate a digest by a model of the turns with the ids `first` to `last`.

    With `replay`, include windows that failed too often. `seconds_a_call` is the measured time of
    earlier calls. If no model stores facts, the estimate is zero.
    """
    program = program_for(model) if model else None
    if model is None or program is None or not program.stores_facts:
        return Waiting(0, Cost(), seconds=0.0)
    windows = store.pending()
    spans = [
        (window.first_turn, window.last_turn)
        for window in windows
        if is_due(window, replay) and first <= window.first_turn and window.last_turn <= last
    ]
    spans.append((max(last_turn_taken(store) + 1, first), last))

    turns = calls = characters = 0
    for start, end in spans:
        outlines = _OUTLINES if program.store.reading.around else Outlines()
        read, read_characters = characters_read(store, start, end, outlines)
        turns += read
        calls += math.ceil(read / model.limits.window)
        characters += read_characters

    cost = estimate(
        model,
        "store",
        program.store,
        calls=calls,
        inputs=turn_tokens(turns, characters) + calls * _CONTEXT_TOKENS[program.form],
        answers=turns,
    )
    seconds = cost.calls * (seconds_a_call or model.pace.seconds_a_call)
    return Waiting(turns, cost, seconds)
