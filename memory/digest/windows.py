"""A digest: a model reads windows of turns and stores what they say as facts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from memory.digest.story_telling import MOST_RETOLD, retell
from memory.errors import (
    ClaimLostError,
    HeldError,
    ModelError,
    PromptTooLong,
    SqlError,
    Stop,
    UnusableAnswer,
)
from memory.facts.additions import Recorded
from memory.records import Edit, Pending, Turn
from memory.store import Store
from memory.store.changes.history import edits_of
from memory.store.waiting.pending_windows import claim_window, fail_window, reclaim_window
from memory.system.logs import clean_logger
from memory.system.terminal import count

if TYPE_CHECKING:  # DSPy takes more than a second to import
    from memory.models import Model
    from memory.program import MemoryProgram

# A window that failed this often waits until someone calls `digest(replay=True)`.
WINDOW_ATTEMPTS = 3
_LEAST_WINDOW_TOKENS = 250  # the instructions alone are longer by far

_log = clean_logger(__name__)


@dataclass(frozen=True)
class Digest:
    """What one `Memory.digest` did: windows stored and failed, facts changed, model calls.

    `ended`, `removed` and `rewritten` count changes to earlier facts, `ended` also facts that the
    same answer stored and ended; all are in the journal and can be undone. `read` counts the turns
    matched with templates, when no model stores facts. `unsaid` counts the facts that the packaged
    model wrote and its turns do not state: they are not stored. `left_out` are attributes that the
    memory's vocabulary lacks, one for each fact: if it is strict, these facts are not stored
    either. `refused` are rows of the model that were set aside, each with the reason: a value that
    no turn says. `undecided` says which ends of facts wait for a person, and why:
    `memory digest --apply 12-27`, `POST /held/12` or `Store.apply_held` applies the statement of
    turns 12 to 27. Of people's own messages the model was shown `characters_read` of
    `characters_given`: code is left out, and what goes beyond a window.
    """

    stored: int = 0
    failed: int = 0
    facts: int = 0
    calls: int = 0
    read: int = 0
    unsaid: int = 0
    ended: int = 0
    removed: int = 0
    rewritten: int = 0
    left_out: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    characters_given: int = 0
    characters_read: int = 0

    def __add__(self, other: "Digest") -> "Digest":
        sums = {name: number + getattr(other, name) for name, number in vars(self).items()}
        return Digest(**sums)

    @property
    def changed_text(self) -> str:
        """What it did to facts: `5 facts changed (2 ended, 0 removed)`."""
        rewritten = f", {self.rewritten:,} rewritten" if self.rewritten else ""
        known = f"{self.ended:,} ended, {self.removed:,} removed{rewritten}"
        return f"{count(self.facts, 'fact')} changed ({known})"


def effects_of(edits: Sequence[Edit]) -> Digest:
    """What the edits of one change did to facts, as what a digest did."""
    known = [(edit.before, edit.after) for edit in edits if edit.before]
    removed = sum(after is None for _, after in known)
    ended = sum(
        after == replace(before, ended_on=after.ended_on) for before, after in known if after
    )
    rewritten = len(known) - removed - ended
    ended += sum(edit.before is None and bool(edit.after and edit.after.ended_on) for edit in edits)
    return Digest(facts=len(edits), ended=ended, removed=removed, rewritten=rewritten)


def sums_of(recorded: Recorded) -> Digest:
    """What templates did, as what a digest did."""
    return Digest(facts=recorded.facts, read=recorded.turns)


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
    """Let a model store the waiting windows; arguments as for `Memory.digest`."""
    sums = Digest()
    most = model.limits.window_tokens

    def size() -> int:
        return model.limits.window

    windows = _claimed_windows(store, size, replay=replay, since=since)
    while window := next(windows, None):
        try:
            share = model.limits.window_tokens / most
            turns = store.turns(*window)
            sums += _digest_window(store, model, program, window, turns, share=share)
        except SqlError as error:
            fail_window(store, window, str(error))
            sums += Digest(failed=1, calls=len(error.refusals))
        except ClaimLostError as error:
            sums += Digest(calls=error.calls)
        except HeldError as error:
            fail_window(store, window, str(error), statement=error.statement)
            sums += Digest(failed=1, calls=error.calls)
        except PromptTooLong as error:
            if model.limits.window_tokens <= _LEAST_WINDOW_TOKENS:
                reason = (
                    f"the prompt is too long for {model.name} even with"
                    f" {model.limits.window_tokens} tokens of turns; give its server a larger"
                    " context, or choose another model"
                )
                fail_window(store, window, reason, attempted=True)
                raise PromptTooLong(reason) from error
            fail_window(store, window, str(error), attempted=False)
            model = _with_smaller_windows(model)
            halved = [p for p in store.pending() if p.first_turn == window[0]]
            windows = chain(*(_claimed_parts(store, size, p) for p in halved), windows)
        except BaseException as error:
            # A claimed window must not stay claimed. Errors of this window count as an attempt, so
            # a later digest goes on with the next windows.
            fail_window(store, window, _reason(error), attempted=_is_of_this_window(error))
            raise
        if progress:
            progress(sums)
        if max_calls is not None and sums.calls >= max_calls:
            return sums
    if program.tell:
        calls_left = MOST_RETOLD if max_calls is None else min(MOST_RETOLD, max_calls - sums.calls)
        sums += Digest(calls=retell(store, model, program.tell, calls_left))
    return sums


def _is_of_this_window(error: BaseException) -> bool:
    """Whether an error may be due to a window: an interruption or a model out of reach is not."""
    if isinstance(error, ModelError):
        return isinstance(error, (PromptTooLong, UnusableAnswer))
    return isinstance(error, Exception)


def _reason(error: BaseException) -> str:
    """Why a window was not stored, for the list of waiting windows."""
    if not _is_of_this_window(error):
        return f"interrupted: {type(error).__name__}"
    return str(error) if isinstance(error, Stop) else f"{type(error).__name__}: {error}"


def is_due(window: Pending, replay: bool) -> bool:
    """Whether a digest asks the model again about a window that failed before.

    If only ends are held, its facts are stored and there is nothing to ask.
    """
    if window.stored:
        return False
    return replay or (window.attempts < WINDOW_ATTEMPTS and not window.statement)


def _with_smaller_windows(model: "Model") -> "Model":
    """The model, shown half of a window in a call."""
    limits = replace(
        model.limits,
        window=max(model.limits.window // 2, 1),
        window_tokens=max(model.limits.window_tokens // 2, _LEAST_WINDOW_TOKENS),
    )
    _log.warning(
        "%s takes shorter prompts: a call gets %s of %s tokens at most from now on",
        model.name,
        count(limits.window, "turn"),
        f"{limits.window_tokens:,}",
    )
    return replace(model, limits=limits)


def _claimed_windows(
    store: Store, size: Callable[[], int], *, replay: bool, since: int
) -> Iterator[tuple[int, int]]:
    """Claim windows one by one: the waiting and failed ones, then the turns after them."""
    for pending in store.pending():
        if pending.first_turn >= since and is_due(pending, replay):
            yield from _claimed_parts(store, size, pending)
    while new := claim_window(store, size(), since=since):
        yield new


def _claimed_parts(
    store: Store, size: Callable[[], int], pending: Pending
) -> Iterator[tuple[int, int]]:
    """Claim a pending window in parts that the model can take, until another process does."""
    waiting: Pending | None = pending
    while waiting:
        first, last = waiting.first_turn, waiting.last_turn
        window = reclaim_window(store, (first, last), size=size())
        if window is None:
            return
        yield window
        after = (p for p in store.pending() if window[1] < p.first_turn <= last)
        waiting = next(after, None) if window[1] < last else None


def digest_cause(model: "Model") -> str:
    """The cause of a change that stores a window's facts."""
    return f"digest by {model.name}"


def _digest_window(
    store: Store,
    model: "Model",
    program: "MemoryProgram",
    window: tuple[int, int],
    turns: Sequence[Turn],
    *,
    share: float,
) -> Digest:
    """Store one window's facts; the model is shown a share of what it usually sees with it."""
    with model.active():
        stored = program.store(
            store,
            *window,
            by=model.name,
            tokens=model.limits.window_tokens,
            share=share,
            weights=program.feature_weights,
            window_turns=turns,
        )
    turns_text = f"turns {window[0]}-{window[1]}"
    of_people, in_prompt = stored.get("characters", (0, 0))
    sums = Digest(
        stored=1,
        calls=stored.calls,
        unsaid=stored.unsaid,
        left_out=stored.change.left_out,
        refused=tuple(f"{turns_text}: {reason}" for reason in stored.refused),
        undecided=(f"{turns_text}: {stored.change.undecided}",) if stored.change.undecided else (),
        characters_given=of_people,
        characters_read=in_prompt,
    )
    return sums + effects_of(edits_of(store, stored.change.id))
