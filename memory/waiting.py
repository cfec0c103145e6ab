"""What a digest has yet to do: turns, calls of the model, dollars and minutes. An estimate."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memory.api import is_due
from memory.store import Store

if TYPE_CHECKING:
    from memory.program import Model

_LAST_ID = 2**62  # more than a memory has
_CHARACTERS_A_TOKEN = 4
_CATALOG_TOKENS = 400  # of at most CATALOG_TOKENS, in a memory of a few hundred turns
# Tokens of a hosted model's call: its prompt without turns and catalog, and its answer for a turn.
_PROMPT_TOKENS = 1_100
_ANSWER_TOKENS_A_TURN = 60
# Seconds of a call where none was made yet: of the packaged model as measured on two busy cores.
_SECONDS_PACKAGED = 1.0
_SECONDS_HOSTED = 10.0


@dataclass(frozen=True)
class Waiting:
    """Turns that are no facts yet, and how many calls of a model they take, without repairs.

    `dollars` are None where the price is not known.
    """

    turns: int
    calls: int
    dollars: float | None
    seconds: float


def waiting(
    store: Store,
    model: "Model",
    *,
    replay: bool = False,
    first: int = 0,
    last: int = _LAST_ID,
    seconds_a_call: float | None = None,
) -> Waiting:
    """What a digest by a model would work on, of the turns with the ids `first` to `last`.

    With `replay`, also the windows that failed too often. `seconds_a_call` is how long the calls
    took that were made already.
    """
    windows = store.pending()
    digested = [change.window[1] for change in store.changes() if change.window]
    # Turns above these belong to no window yet.
    taken = max([0, *digested, *(window.last_turn for window in windows)])
    spans = [
        (window.first_turn, window.last_turn)
        for window in windows
        if is_due(window, replay) and first <= window.first_turn and window.last_turn <= last
    ]
    spans.append((max(taken + 1, first), last))

    turns = calls = characters = 0
    for start, end in spans:
        [(count, length)] = store.read(
            "SELECT COUNT(*) AS turns, COALESCE(SUM(LENGTH(text)), 0) AS characters FROM turns"
            f" WHERE id >= {start} AND id <= {end}"
        ).rows
        turns += count
        calls += math.ceil(count / model.window)
        characters += length

    dollars = None
    if price := model.price:
        tokens = calls * (_PROMPT_TOKENS + _CATALOG_TOKENS) + characters / _CHARACTERS_A_TOKEN
        dollars = tokens * price[0] + turns * _ANSWER_TOKENS_A_TURN * price[1]
    seconds = seconds_a_call or (_SECONDS_PACKAGED if model.packaged else _SECONDS_HOSTED)
    return Waiting(turns, calls, dollars=dollars, seconds=calls * seconds)
