"""A digest: a model reads windows of turns and stores what they say as facts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from memory.errors import ClaimLostError, HeldError, SqlError
from memory.program.messages import is_withdrawn
from memory.prompt import CATALOG_TOKENS, known_fact_line, turn_lines
from memory.records import Change, Fact, Pending, Turn
from memory.related_facts import related_facts
from memory.sql import check_writes
from memory.sql.inserts import revise_inserts
from memory.store import Store
from memory.tokens import first_lines

if TYPE_CHECKING:  # DSPy takes more than a second to import
    from memory.program import MemoryProgram, Model

# A window that failed this often waits until somebody calls `digest(replay=True)`.
WINDOW_ATTEMPTS = 3
KNOWN_TOKENS = 1_500  # of the facts that a window may be about: about forty
_TURNS_BEFORE_WINDOW = 3
_BEFORE_TOKENS = 600
_SEARCHED_CHARACTERS = 500  # of a turn of a window; long ones are documents and pasted texts


@dataclass(frozen=True)
class Digest:
    """What one `Memory.digest` did: windows stored and failed, facts changed, model calls.

    `unsaid` counts the facts that the packaged model wrote and its turns do not state: they are
    not stored.
    """

    stored: int = 0
    failed: int = 0
    facts: int = 0
    calls: int = 0
    unsaid: int = 0

    def __add__(self, other: "Digest") -> "Digest":
        sums = {name: count + getattr(other, name) for name, count in vars(self).items()}
        return Digest(**sums)


def digest_windows(
    store: Store,
    model: "Model",
    program: "MemoryProgram",
    *,
    replay: bool = False,
    max_calls: int | None = None,
    progress: Callable[[Digest], None] | None = None,
    since: int = 0,
) -> Digest:
    """Let a model store the windows that wait; the arguments are those of `Memory.digest`."""
    sums = Digest()
    for window in _claimed_windows(store, model.window, replay=replay, since=since):
        try:
            sums += _digest_window(store, model, program, window)
        except SqlError as error:
            store.fail(window, str(error))
            sums += Digest(failed=1, calls=len(error.refusals))
        except ClaimLostError as error:
            sums += Digest(calls=error.calls)
        except HeldError as error:
            store.fail(window, str(error), statement=error.statement)
            sums += Digest(failed=1, calls=error.calls)
        except BaseException as error:
            # A claimed window must not stay claimed. An interruption is no failed attempt.
            store.fail(window, f"interrupted: {type(error).__name__}", False)
            raise
        if progress:
            progress(sums)
        if max_calls is not None and sums.calls >= max_calls:
            break
    return sums


def is_due(window: Pending, replay: bool) -> bool:
    """Whether a digest asks the model again about a window that failed before."""
    return replay or (window.attempts < WINDOW_ATTEMPTS and not window.statement)


def _claimed_windows(
    store: Store, size: int, *, replay: bool, since: int
) -> Iterator[tuple[int, int]]:
    """Claim windows one by one: those that wait or failed before, then the turns after them."""
    for pending in store.pending():
        if pending.first_turn >= since and is_due(pending, replay):
            yield from _claimed_parts(store, size, pending)
    while new := store.claim(size, since=since):
        yield new


def _claimed_parts(store: Store, size: int, pending: Pending) -> Iterator[tuple[int, int]]:
    """Claim a pending window in parts that the model can take, until another process does."""
    waiting: Pending | None = pending
    while waiting:
        first, last = waiting.first_turn, waiting.last_turn
        window = store.reclaim((first, last), size=size)
        if window is None:
            return
        yield window
        after = (p for p in store.pending() if window[1] < p.first_turn <= last)
        waiting = next(after, None) if window[1] < last else None


def _digest_window(
    store: Store, model: "Model", program: "MemoryProgram", window: tuple[int, int]
) -> Digest:
    """Store one window's facts."""
    # From a correction that was undone no fact is made, nor does it inform others.
    turns = [turn for turn in store.turns(*window) if not is_withdrawn(turn.text)]
    turn_of = {turn.id: turn for turn in turns}
    cause = f"digest by {model.name}"
    unsaid = 0

    def as_stored(fact: Fact) -> Fact | None:
        turn = turn_of.get(fact.turn_id)
        # A fact of another turn is refused by the store, with advice for the model.
        return model.as_stored(fact, turn) if turn else fact

    def write(sql: str) -> Change:
        nonlocal unsaid
        writes, unsaid = revise_inserts(check_writes(sql), as_stored)
        return store.write(writes, cause=cause, window=window)

    if not any(model.looks_for_facts_in(turn.text) for turn in turns):
        # An empty change: the window counts as digested, and no model is asked.
        return Digest(stored=1, facts=store.write("-- none", cause=cause, window=window).facts)
    weights = program.feature_weights
    context = _window_context(store, turns, weights) if model.reads_known_facts else {}
    with model.active():
        prediction = program.store(
            turns=model.window_lines(turns),
            catalog=store.catalog(CATALOG_TOKENS),
            write=write,
            **context,
        )
    return Digest(stored=1, facts=prediction.change.facts, calls=prediction.calls, unsaid=unsaid)


def _window_context(
    store: Store, turns: Sequence[Turn], weights: Mapping[str, float] | None
) -> dict[str, str]:
    """The turns before a window, of its session, and the known facts that it may be about."""
    first = turns[0]
    earlier = store.turns(first.id - _TURNS_BEFORE_WINDOW, first.id - 1)
    before = [
        turn for turn in earlier if turn.session == first.session and not is_withdrawn(turn.text)
    ]
    texts = [f"{turn.speaker}: {turn.text[:_SEARCHED_CHARACTERS]}" for turn in turns]
    facts = [fact for fact, _ in related_facts(store, texts, weights=weights)]
    return {
        "before": turn_lines(before, budget=_BEFORE_TOKENS, iso=True, spans=True),
        "known": first_lines(map(known_fact_line, facts), KNOWN_TOKENS),
    }
