"""A digest: a model reads windows of turns and stores what they say as facts."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from memory.digest.additions import Recorded, introduced_names
from memory.digest.story_telling import MOST_RETOLD, check_sessions, retell
from memory.errors import (
    ClaimLostError,
    HeldError,
    ModelError,
    PromptTooLong,
    SqlError,
    Stop,
    UnusableAnswer,
)
from memory.evidence.lines import CATALOG_TOKENS, NAME_TOKENS, known_fact_line, turn_lines
from memory.evidence.messages import is_withdrawn
from memory.evidence.outline import answers_cut, outlined
from memory.facts.given_years import check_years
from memory.facts.related import known_facts
from memory.facts.standing import check_standing
from memory.records import Change, Edit, Fact, Pending, Turn
from memory.sql import CheckedAliases, CheckedChange, CheckedWrites, check_writes
from memory.sql.inserts import revise_inserts
from memory.sql.policy import check_facts
from memory.sql.refused_parts import RefusedPartError, check_parts
from memory.store import Store
from memory.store.candidate_facts import ALIAS
from memory.store.history import edits_of
from memory.store.pending_windows import claim_window, fail_window, reclaim_window
from memory.store.vocabulary_edits import vocabulary_of
from memory.system.terminal import count
from memory.text.speakers import is_assistant
from memory.text.tokens import first_lines
from memory.vocabulary import attribute_lines
from memory.vocabulary.entities import names_somebody

if TYPE_CHECKING:  # DSPy takes more than a second to import
    from memory.program import MemoryProgram, Model
    from memory.program.signatures.forms import Prompts

# A window that failed this often waits until somebody calls `digest(replay=True)`.
WINDOW_ATTEMPTS = 3
_MOST_RELATED = 100  # of which some are left out
_TURNS_BEFORE_WINDOW = 3
_BEFORE_TOKENS = 300
_LEAST_WINDOW_TOKENS = 250  # the instructions alone are longer by far
ANSWERS_TOKENS = 2_800  # of long answers of an assistant, read whole in a call of their own
_SEARCHED_CHARACTERS = 500  # of a turn of a window; long ones are documents and pasted texts

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Digest:
    """What one `Memory.digest` did: windows stored and failed, facts changed, model calls.

    `ended`, `removed` and `rewritten` count what became of facts that were there before; all of it
    is in the journal and can be undone.
    `read` counts the turns that templates were matched with, where no model stores facts.
    `unsaid` counts the facts that the packaged model wrote and its turns do not state: they are
    not stored. `left_out` are the attributes of those that the memory's vocabulary lacks, one for
    each fact: where it is strict, they are not stored either. `refused` are parts of what a model
    wrote that were not stored, each with the reason: an instruction in words that no person said.
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
    """Let a model store the windows that wait; the arguments are those of `Memory.digest`."""
    sums = Digest()
    most = model.window_tokens

    def size() -> int:
        return model.window

    windows = _claimed_windows(store, size, replay=replay, since=since)
    while window := next(windows, None):
        try:
            share = model.window_tokens / most
            turns = store.turns(*window)
            kept, calls = _kept_answers(model, turns)
            sums += Digest(calls=calls)
            sums += _digest_window(store, model, program, window, turns, share=share, kept=kept)
        except SqlError as error:
            fail_window(store, window, str(error))
            sums += Digest(failed=1, calls=len(error.refusals))
        except ClaimLostError as error:
            sums += Digest(calls=error.calls)
        except HeldError as error:
            fail_window(store, window, str(error), statement=error.statement)
            sums += Digest(failed=1, calls=error.calls)
        except PromptTooLong as error:
            if model.window_tokens <= _LEAST_WINDOW_TOKENS:
                reason = (
                    f"the prompt is too long for {model.name} even with {model.window_tokens}"
                    " tokens of turns; give its server a larger context, or choose another model"
                )
                fail_window(store, window, reason, attempted=True)
                raise PromptTooLong(reason) from error
            fail_window(store, window, str(error), attempted=False)
            model = _with_smaller_windows(model)
            halved = [p for p in store.pending() if p.first_turn == window[0]]
            windows = chain(*(_claimed_parts(store, size, p) for p in halved), windows)
        except BaseException as error:
            # A claimed window must not stay claimed. What this window caused counts as an attempt,
            # so that a later digest goes on with the windows after it.
            fail_window(store, window, _reason(error), attempted=_is_of_this_window(error))
            raise
        if progress:
            progress(sums)
        if max_calls is not None and sums.calls >= max_calls:
            return sums
    if model.writes_any_sql:
        calls_left = MOST_RETOLD if max_calls is None else min(MOST_RETOLD, max_calls - sums.calls)
        sums += Digest(calls=retell(store, model, calls_left))
    return sums


def _is_of_this_window(error: BaseException) -> bool:
    """Whether an error may be due to a window: an interruption or a model out of reach is not."""
    if isinstance(error, ModelError):
        return isinstance(error, (PromptTooLong, UnusableAnswer))
    return isinstance(error, Exception)


def _reason(error: BaseException) -> str:
    """Why a window was not stored, for the list of those that wait."""
    if not _is_of_this_window(error):
        return f"interrupted: {type(error).__name__}"
    return str(error) if isinstance(error, Stop) else f"{type(error).__name__}: {error}"


def is_due(window: Pending, replay: bool) -> bool:
    """Whether a digest asks the model again about a window that failed before.

    Where only ends are held its facts are stored, and there is nothing to ask.
    """
    if window.stored:
        return False
    return replay or (window.attempts < WINDOW_ATTEMPTS and not window.statement)


def _with_smaller_windows(model: "Model") -> "Model":
    """The model, shown half of a window in a call."""
    smaller = replace(
        model,
        window=max(model.window // 2, 1),
        window_tokens=max(model.window_tokens // 2, _LEAST_WINDOW_TOKENS),
    )
    _log.warning(
        "%s takes shorter prompts: a call gets %s of %s tokens at most from now on",
        model.name,
        count(smaller.window, "turn"),
        f"{smaller.window_tokens:,}",
    )
    return smaller


def _claimed_windows(
    store: Store, size: Callable[[], int], *, replay: bool, since: int
) -> Iterator[tuple[int, int]]:
    """Claim windows one by one: those that wait or failed before, then the turns after them."""
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
    said: Sequence[Turn],
    *,
    share: float,
    kept: Sequence[Fact],
) -> Digest:
    """Store one window's facts; the model is shown a share of what it usually sees beside it.

    `said` are its turns. `kept` are those of an assistant's long answers, and stand for what it
    writes of their outlines.
    """
    # From a correction that was undone no fact is made, nor does it inform others.
    turns = [turn for turn in said if not is_withdrawn(turn.text)]
    turn_of = {turn.id: turn for turn in turns}
    cause = digest_cause(model)
    unsaid = 0
    kept_facts = {fact.turn_id: fact for fact in kept}
    kept_writes = (check_facts(kept),) if kept else ()
    # By the one name that the turns have: models write "assistant" with a capital.
    speakers = {turn.speaker.casefold(): turn.speaker for turn in turns}
    speakers |= {turn.speaker: turn.speaker for turn in turns}

    def as_stored(fact: Fact) -> Fact | None:
        turn = turn_of.get(fact.turn_id)
        spelling = speakers.get(fact.subject) or speakers.get(fact.subject.casefold())
        fact = replace(fact, subject=spelling or fact.subject)
        if fact.turn_id in kept_facts and is_assistant(fact.subject):
            return kept_facts[fact.turn_id]  # equal ones are stored once
        # A fact of another turn is refused by the store, with advice for the model.
        return model.as_stored(fact, turn) if turn else fact

    def write_with_names(writes: CheckedWrites) -> Change:
        names = (
            _aliases_in_facts(writes) if model.writes_any_sql else introduced_names(store, turns)
        )
        try:
            return store.write((*writes, *names), cause=cause, window=window)
        except HeldError:
            # No model wrote these: what would wait for a person because of them is left out.
            return _write_without_held(store, writes, cause, window)

    if not any(model.looks_for_facts_in(turn.text) for turn in turns):
        # Without facts: the window counts as digested, and no model is asked.
        change = write_with_names(())
        return Digest(stored=1) + effects_of(edits_of(store, change.id))
    reads_more = model.reads_known_facts
    before = _turns_before(store, turns) if reads_more else []
    weights = program.feature_weights
    context = (
        _window_context(store, turns, before, program.prompts, weights=weights, share=share)
        if reads_more
        else {}
    )

    def write(sql: str) -> Change:
        nonlocal unsaid
        writes, unsaid = revise_inserts((*kept_writes, *check_writes(sql)), as_stored)
        check_parts(
            writes,
            lambda writes: check_years(writes, turns, before, context.get("known", "")),
            lambda writes: check_sessions(writes, said),
            lambda writes: check_standing(writes, turns, store, before),
        )
        return write_with_names(writes)

    catalog = store.catalog(int(CATALOG_TOKENS * share))
    refused: tuple[str, ...] = ()
    try:
        prediction = program.digest(turns, catalog, write, model=model, **context)
        change, calls = prediction.change, prediction.calls
    except RefusedPartError as error:  # after all repairs
        change, calls = write_with_names(error.without), len(error.refusals)
        refused = (f"turns {window[0]}-{window[1]}: {error}",)
    sums = Digest(stored=1, calls=calls, unsaid=unsaid, left_out=change.left_out, refused=refused)
    return sums + effects_of(edits_of(store, change.id))


def _write_without_held(
    store: Store, writes: CheckedWrites, cause: str, window: tuple[int, int]
) -> Change:
    """Store a window; where it ends or deletes too many facts, all but these statements.

    They alone wait for a person then. Raises HeldError where something else is to wait.
    """
    try:
        return store.write(writes, cause=cause, window=window)
    except HeldError as error:
        changes = [write for write in writes if isinstance(write, CheckedChange)]
        others = tuple(write for write in writes if write not in changes)
        held = HeldError(str(error), ";\n".join(change.text for change in changes))
        if changes:
            with suppress(HeldError):
                return store.write(others, cause=cause, window=window, held=held)
        raise


def _kept_answers(model: "Model", turns: Sequence[Turn]) -> tuple[Sequence[Fact], int]:
    """What a model keeps of the long answers of a window, read whole, and the calls for it."""
    if not model.reads_known_facts:
        return (), 0
    limit = min(ANSWERS_TOKENS, model.window_tokens)
    answers = answers_cut(turns, limit)
    if not answers:
        return (), 0
    from dspy.utils.exceptions import AdapterParseError

    from memory.program.kept_answers import kept_answers

    try:
        with model.active():
            return kept_answers(answers, limit), 1
    except AdapterParseError as error:
        _log.warning("of long answers nothing was kept but what their outlines say: %s", error)
        return (), 1


def _aliases_in_facts(writes: CheckedWrites) -> CheckedWrites:
    """The aliases that a model stores as facts ("Maria", "alias", "Mia"): they are aliases too."""
    rows = [
        (fact.value, fact.subject, fact.turn_id)
        for write in writes
        if write.command == "insert"
        for fact in write.facts
        if fact.attribute == ALIAS and names_somebody(fact.value) and names_somebody(fact.subject)
    ]
    return (CheckedAliases(tuple(rows)),) if rows else ()


def _turns_before(store: Store, turns: Sequence[Turn]) -> list[Turn]:
    """The turns before a window, of its session."""
    first = turns[0]
    earlier = store.turns(first.id - _TURNS_BEFORE_WINDOW, first.id - 1)
    return [
        turn for turn in earlier if turn.session == first.session and not is_withdrawn(turn.text)
    ]


def _window_context(
    store: Store,
    turns: Sequence[Turn],
    before: Sequence[Turn],
    prompts: "Prompts",
    *,
    weights: Mapping[str, float] | None,
    share: float,
) -> dict[str, str]:
    """What else a model sees of a window, in a share of the tokens that it usually gets.

    The turns before it, of its session, the known facts that it may be about, and the attributes
    that it may need.
    """
    from memory.program.signatures.full import NAMES_IN_WINDOW  # with DSPy

    texts = [f"{turn.speaker}: {turn.text[:_SEARCHED_CHARACTERS]}" for turn in turns]
    name_tokens = int(NAME_TOKENS * share) if prompts.with_names else 0
    names = store.name_lines("\n".join(texts), name_tokens)
    # The facts of the window's own turns first: those of templates, tools and persons.
    stated = [fact.fact for fact in store.facts_of_turns([turn.id for turn in turns])]
    # What an assistant proposed does not end, and takes the room of what a person said.
    related = [
        fact
        for fact in known_facts(store, texts, _MOST_RELATED, weights=weights)
        if not is_assistant(fact.subject)
    ]
    facts = dict.fromkeys([*stated, *related])
    known = first_lines(map(known_fact_line, facts), int(prompts.known_tokens * share))
    return {
        "before": turn_lines(
            outlined(before), budget=int(_BEFORE_TOKENS * share), iso=True, spans=True
        ),
        "known": "\n".join(filter(None, [NAMES_IN_WINDOW, names, known]) if names else [known]),
        "attributes": attribute_lines(vocabulary_of(store), "\n".join(texts), prompts.attributes),
    }
