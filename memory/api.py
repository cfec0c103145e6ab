"""Memory: a store, a program and a budget. What people import."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from memory.budget import LEAST_BUDGET, Context, assemble, quoted_turns, row_lines, turn_lines
from memory.errors import InputError, SqlError
from memory.model import Change, Rows, Turn
from memory.program import MemoryProgram, Model, concerns, load_model
from memory.program.modules import ATTEMPTS as CALLS_AT_MOST
from memory.store import Store, open_store

CATALOG_TOKENS = 1_000
# A window that failed this often waits for somebody to ask for it by `digest(replay=True)`.
ATTEMPTS = 3
_HITS = 400


@dataclass(frozen=True)
class Answer:
    """An answer and what it rests on.

    `turns` are the ids it cites, `shown` those the answering model saw; `sql` ran and returned
    `rows`; `tokens` counts the memory shown, `calls` the calls of the language model; `refusals`
    are what the retrieving model wrote and the database refused, and why, in order.
    """

    text: str
    turns: tuple[int, ...]
    sql: tuple[str, ...]
    rows: tuple[Rows, ...]
    tokens: int
    calls: int
    shown: tuple[int, ...]
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class Digest:
    """What one `Memory.digest` did: windows stored and failed, facts changed, model calls."""

    stored: int = 0
    failed: int = 0
    facts: int = 0
    calls: int = 0


class Memory:
    """One namespace with language models at work on it.

    Arguments:
        store: a path, an address, or an open Store (which the caller then closes).
        model: "local", any litellm name ("openai/gpt-4o-mini"), or a loaded Model.
        program: a compiled MemoryProgram; the plain one by default.
        budget: how many tokens of memory the answering model may see; the model's by default.
        api_base: the address of an OpenAI-compatible server for `model`.
        embedder: the name of an embedder for a path or an address, see `open_store`.

    Warns of a program that was compiled for another model, or that gained nothing.
    Raises InputError for a budget too small for one turn or another embedder than the memory's,
    StoreError and ModelError when the namespace or the model cannot be used.
    """

    def __init__(
        self,
        store: Store | str | Path,
        model: str | Model = "local",
        program: MemoryProgram | None = None,
        budget: int | None = None,
        api_base: str | None = None,
        embedder: str | None = None,
    ) -> None:
        if budget is not None and budget < LEAST_BUDGET:
            raise InputError(
                f"a budget of {budget} tokens is too small for one turn;"
                f" give at least {LEAST_BUDGET}"
            )
        self.model = load_model(model, api_base=api_base) if isinstance(model, str) else model
        self.program = program or MemoryProgram()
        for concern in concerns(self.program, self.model.name):
            warnings.warn(concern, UserWarning, stacklevel=2)
        self.budget = budget or self.model.budget
        self._owns_store = isinstance(store, (str, Path))
        if isinstance(store, (str, Path)):
            self.store = open_store(store, embedder=embedder)
        elif embedder is None or embedder == store.embedder:
            self.store = store
        else:
            raise InputError(f"this store's embedder is {store.embedder}, not {embedder}")

    def close(self) -> None:
        """Close the store, if this memory opened it."""
        if self._owns_store:
            self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def add(self, turns: Turn | Sequence[Turn]) -> list[int]:
        """Store what was said and return the turns' ids; durable on return, no model is asked."""
        return self.store.add([turns] if isinstance(turns, Turn) else turns)

    def digest(
        self,
        replay: bool = False,
        max_calls: int | None = None,
        progress: Callable[[Digest], None] | None = None,
    ) -> Digest:
        """Let the model store the windows it has not stored yet, as facts.

        A window whose SQL cannot be repaired waits in `pending` and is tried again by later
        calls, ATTEMPTS times in all, or however often it failed with `replay`. Stops after
        `max_calls` model calls; an interrupted digest goes on where it stopped. `progress` is
        told the sums after each window.
        """
        done = Digest()
        for window in self._windows(replay):
            try:
                change, calls = self._digest_window(window)
                done = Digest(
                    done.stored + 1, done.failed, done.facts + change.facts, done.calls + calls
                )
            except SqlError as error:
                self.store.fail(window, str(error))
                done = Digest(done.stored, done.failed + 1, done.facts, done.calls + CALLS_AT_MOST)
            except BaseException as error:
                self.store.fail(window, f"interrupted: {type(error).__name__}", False)
                raise
            if progress:
                progress(done)
            if max_calls is not None and done.calls >= max_calls:
                break
        return done

    def ask(self, question: str) -> Answer:
        """Answer from memory, or say that memory does not hold the answer.

        Raises InputError for an empty question, ModelError when the model cannot be used.
        """
        if not question.strip():
            raise InputError("the question is empty")
        with self.model.active():
            found = self.program.retrieve(
                question=question, catalog=self.store.catalog(CATALOG_TOKENS), read=self.store.read
            )
            context = self.context(question, found.rows)
            answered = self.program.answer(
                question=question, memory=context.text, turn_ids=context.turn_ids
            )
        return Answer(
            text=answered.answer,
            turns=tuple(answered.turns),
            sql=tuple(found.sql),
            rows=tuple(found.rows),
            tokens=context.tokens,
            calls=found.calls + answered.calls,
            shown=context.turn_ids,
            refusals=tuple(found.refusals),
        )

    def context(self, question: str, rows: Sequence[Rows] = ()) -> Context:
        """What the answering model would see: the rows, then the best turns, within the budget."""
        ranked = [hit.turn_id for hit in self.store.search(question, _HITS)]
        place = {turn_id: n for n, turn_id in enumerate(ranked)}
        chosen = _alternate(ranked, quoted_turns(rows))
        turns = (self.store.turn(turn_id) for turn_id in chosen)
        return assemble(row_lines(rows, place), turns, self.budget)

    def _windows(self, replay: bool) -> Iterator[tuple[int, int]]:
        """Claimed windows: those left over from earlier, then the turns that nobody digested."""
        for left in self.store.pending():
            window = (left.first_turn, left.last_turn)
            if (replay or left.attempts < ATTEMPTS) and self.store.reclaim(window):
                yield window
        while new := self.store.claim(self.model.window):
            yield new

    def _digest_window(self, window: tuple[int, int]) -> tuple[Change, int]:
        turns = turn_lines(self.store.turns(*window), self.model.window_tokens, self.model.dates)

        def write(sql: str) -> Change:
            return self.store.write(sql, cause=f"digest by {self.model.name}", window=window)

        with self.model.active():
            stored = self.program.store(
                turns=turns, catalog=self.store.catalog(CATALOG_TOKENS), write=write
            )
        return stored.change, stored.calls


def _alternate(ranked: Sequence[int], quoted: Sequence[int]) -> list[int]:
    """Turns that the model's own SELECTs returned, taken in turn with the ranking's."""
    both: dict[int, None] = {}
    for n in range(max(len(ranked), len(quoted))):
        both.update(dict.fromkeys([*ranked[n : n + 1], *quoted[n : n + 1]]))
    return list(both)
