"""An estimate of the next digest: turns, model calls, dollars and minutes."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from memory.api import Memory
from memory.digest import Digest, is_due
from memory.outline import LONG_MESSAGE_TOKENS, OUTLINE_TOKENS
from memory.program.costs import CHARACTERS_A_TOKEN, Cost, estimate, turn_tokens
from memory.program.model import Model
from memory.program.program import StoreTurns
from memory.signatures.choice import Form
from memory.signatures.forms import PROMPTS
from memory.sql import quoted
from memory.store import Store

_OUTLINE = OUTLINE_TOKENS * CHARACTERS_A_TOKEN
_LONG_MESSAGE = LONG_MESSAGE_TOKENS * CHARACTERS_A_TOKEN
# Facts that are known, attributes and the turns before a window: about as many tokens in each call
# (tests.benchmarks.digest_cost).
_CONTEXT_TOKENS: Mapping[Form, int] = MappingProxyType({"full": 1_700, "short": 600})
# The characters of a turn that a digest reads of it, see memory.outline.
_ASSISTANTS = ", ".join(map(quoted, ("assistant", "ai", "ai assistant", "chatgpt", "claude")))
_OUTLINED = (
    f"CASE WHEN lower(speaker) IN ({_ASSISTANTS}) AND LENGTH(text) > {_OUTLINE}"
    f" THEN {_OUTLINE}"
    f" WHEN kind = 'message' AND LENGTH(text) > {_LONG_MESSAGE} THEN {_LONG_MESSAGE}"
    " ELSE LENGTH(text) END"
)
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
    model: Model,
    *,
    replay: bool = False,
    first: int = 0,
    last: int = _LAST_ID,
    seconds_a_call: float | None = None,
) -> Waiting:
    """Estimate a digest by a model of the turns with the ids `first` to `last`.

    With `replay`, include windows that failed too often. `seconds_a_call` is the measured time of
    earlier calls. Where rules store facts, the estimate is zero.
    """
    if not model.writes_facts:
        return Waiting(0, Cost(), seconds=0.0)
    windows = store.pending()
    spans = [
        (window.first_turn, window.last_turn)
        for window in windows
        if is_due(window, replay) and first <= window.first_turn and window.last_turn <= last
    ]
    spans.append((max(store.last_turn_taken() + 1, first), last))

    characters_read = _OUTLINED if model.reads_known_facts else "LENGTH(text)"
    turns = calls = characters = 0
    for start, end in spans:
        [(count, length)] = store.read(
            f"SELECT COUNT(*) AS turns, COALESCE(SUM({characters_read}), 0) AS characters"
            f" FROM turns WHERE id >= {start} AND id <= {end}"
        ).rows
        turns += count
        calls += math.ceil(count / model.window)
        characters += length

    cost = estimate(
        model,
        "store",
        StoreTurns(PROMPTS[model.form].store),
        calls=calls,
        inputs=turn_tokens(turns, characters)
        + calls * (_CONTEXT_TOKENS[model.form] if model.reads_known_facts else 0),
        answers=turns,
    )
    return Waiting(turns, cost, seconds=calls * (seconds_a_call or model.seconds_a_call))
