"""Memory: a store, a program and a budget. What people import."""

import warnings
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from memory.errors import InputError, SqlError
from memory.injection import Injected, LtmConfig, inject, load_config
from memory.model import Change, Rows, Turn
from memory.program import MemoryProgram, Model, concerns, load_model, replying
from memory.program.modules import ATTEMPTS as CALLS_AT_MOST
from memory.program.signatures import ABSTAIN
from memory.prompt import (
    LEAST_BUDGET,
    Context,
    assemble,
    quoted_turns,
    row_lines,
    turn_line,
    turn_lines,
)
from memory.search.doubt import doubt
from memory.sql import quoted
from memory.store import Store, open_store
from memory.store.turn_validation import sound_text
from memory.tokens import count_tokens, trim

CATALOG_TOKENS = 1_000
# A window that failed this often waits for somebody to ask for it by `digest(replay=True)`.
ATTEMPTS = 3
_RANKED = 400
_MESSAGE_TOKENS = 2_000  # of what is replied to, and of what was said before it
_AS_GOOD = 0.95  # of the best score: such a turn is quoted beside the best one
_QUOTABLE = 200
_TOLD = """SELECT s.turn_id, s.score FROM search({asked}, {k}) s JOIN turns t ON t.id = s.turn_id
WHERE t.speaker <> {character} AND t.id <> {message} ORDER BY s.score DESC"""


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


class Reply:
    """What a character says, piece by piece; `answer` is the whole, once all was said."""

    answer: Answer | None = None

    def __init__(self, pieces: Generator[str, None, Answer]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[str]:
        self.answer = (yield from self._pieces) or self.answer


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
        question = sound_text(question)
        with self.model.active():
            found = self._retrieve(question)
            context = self.gather(question, found.rows)
            if not context.text:  # a model would invent something
                return _answer(ABSTAIN, (), found, context)
            answered = self.program.answer(
                question=question, memory=context.text, turn_ids=context.turn_ids
            )
        self.store.count_shown(context.turn_ids)
        return _answer(answered.answer, answered.turns, found, context, answered.calls)

    def reply(
        self,
        message: Turn,
        recent: Sequence[Turn] = (),
        character: str = "Assistant",
        persona: str = "",
        known_as: Sequence[str] = (),
    ) -> Reply:
        """What a character says to a message, streamed. Nothing is stored.

        Arguments:
            message: what was said last, with its id when it is stored already.
            recent: the conversation just before it; its latest turns are shown, as many as fit.
            character: who answers.
            persona: what else the model is to know of the character.
            known_as: names that the message's speaker had before.

        With the packaged model a question is answered by the turn that the ranking puts first,
        and no model is asked. Iterating raises ModelError when the model cannot be used. Raises
        InputError for an empty message.
        """
        if not message.text.strip():
            raise InputError("the message is empty")
        if self.model.packaged and replying.asks_memory(message.text):
            return Reply(self._quote(message, character, {message.speaker, *known_as}))
        inputs = {"character": character, "persona": persona, "known_as": ", ".join(known_as)}
        return Reply(self._speak(message, recent, inputs))

    def context(
        self,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        config: LtmConfig | Mapping[str, Any] | str | Path | None = None,
        name1: str = "",
        name2: str = "",
        context: str = "",
        now: datetime | None = None,
        budget: int | None = None,
        session: str = "",
        since: int | None = None,
        reload: bool = False,
    ) -> Injected:
        """What memory holds for a message, as a block for a prompt. No language model is asked.

        Arguments:
            messages: the message, or a conversation in OpenAI's form.
            config: how: an LtmConfig, an ltm_config.json, or what was read of one.
            budget: the most tokens of the block; this memory's by default.

        The others are those of memory.injection.inject. Raises InputError for what cannot be
        used, ModelError when the memory's embedder cannot.
        """
        return inject(
            self.store,
            messages,
            config if config is None or isinstance(config, LtmConfig) else load_config(config),
            name1,
            name2,
            context,
            now,
            self.budget if budget is None else budget,
            session,
            since,
            reload,
        )

    def gather(
        self, question: str, rows: Sequence[Rows] = (), without: Collection[int] = ()
    ) -> Context:
        """What the answering model would see: the rows, then the best turns, within the budget.

        Turns `without` are left out: they are shown elsewhere.
        """
        hits = self.store.search(question, _RANKED)
        ranked = [hit.turn_id for hit in hits]
        place = {turn_id: n for n, turn_id in enumerate(ranked)}
        chosen = _alternate(ranked, quoted_turns(rows))
        turns = (self.store.turn(turn_id) for turn_id in chosen if turn_id not in without)
        originals_first = sorted(turns, key=lambda turn: replying.quotes(turn.text))
        doubted = doubt(hits, self.store.turn)
        return assemble(row_lines(rows, place), originals_first, self.budget, doubted)

    def _retrieve(self, question: str) -> Any:
        return self.program.retrieve(
            question=question, catalog=self.store.catalog(CATALOG_TOKENS), read=self.store.read
        )

    def _speak(
        self, message: Turn, recent: Sequence[Turn], inputs: Mapping[str, str]
    ) -> Generator[str, None, Answer]:
        """The model's reply; the packaged one is shown the message alone."""
        small, limit = self.model.packaged, min(self.budget, _MESSAGE_TOKENS)
        asked = trim(message.text, limit)
        near = [] if small else _latest(recent, limit)
        found, context = None, Context("", (), 0)
        with self.model.active():
            if not small:
                found = self._retrieve(asked)
                context = self.gather(asked, found.rows, {message.id, *(turn.id for turn in near)})
            speak = replying.stream(
                self.model,
                {
                    **inputs,
                    "memory": context.text,
                    "recent": turn_lines(near, limit),
                    "message": asked if small else turn_line(replace(message, text=asked)),
                },
                context.turn_ids,
            )
            text, turns = yield from speak
        self.store.count_shown(context.turn_ids)
        return _answer(text, turns, found, context, calls=1)

    def _quote(
        self, message: Turn, character: str, you: Collection[str]
    ) -> Generator[str, None, Answer]:
        """The best turns of the ranking, of what people told, as an answer to a question."""
        asked = trim(message.text, self.budget)
        sql = _TOLD.format(
            asked=quoted(asked), k=_QUOTABLE, character=quoted(character), message=message.id
        )
        sql = sql.encode("utf-8", "replace").decode().replace("\0", "?")  # no turn holds these
        rows = self.store.read(sql)
        near = {h.turn_id for h in self.store.search(asked, _QUOTABLE) if h.shares["words"] > 0}
        best: list[tuple[float, Turn]] = []
        for turn_id, score in rows.rows:
            turn = self.store.turn(turn_id)
            if turn_id in near and replying.tells(turn.text) and not replying.quotes(turn.text):
                best.append((score, turn))
            if len(best) == 2:
                break
        turns = [turn for score, turn in best if score >= best[0][0] * _AS_GOOD]
        turns.sort(key=lambda turn: turn.id)
        ids = tuple(turn.id for turn in turns)
        text = replying.quotation(turns, you)
        yield text
        self.store.count_shown(ids)
        return Answer(text, ids, (sql,), (rows,), count_tokens(text), 0, ids)

    def _windows(self, replay: bool) -> Iterator[tuple[int, int]]:
        """Claimed windows: those left over from earlier, then the turns that nobody digested."""
        for left in self.store.pending():
            window = (left.first_turn, left.last_turn)
            if (replay or left.attempts < ATTEMPTS) and self.store.reclaim(window):
                yield window
        while new := self.store.claim(self.model.window):
            yield new

    def _digest_window(self, window: tuple[int, int]) -> tuple[Change, int]:
        said = self.store.turns(*window)
        turns = turn_lines(said, self.model.window_tokens, self.model.dates, iso=True)

        def write(sql: str) -> Change:
            return self.store.write(sql, cause=f"digest by {self.model.name}", window=window)

        if not any(replying.is_news(turn.text, self.model.packaged) for turn in said):
            return write("-- none"), 0
        with self.model.active():
            stored = self.program.store(
                turns=turns, catalog=self.store.catalog(CATALOG_TOKENS), write=write
            )
        return stored.change, stored.calls


def _answer(
    text: str, turns: Sequence[int], found: Any, context: Context, calls: int = 0
) -> Answer:
    """What was said and what it rests on; `found` is what was retrieved, None for nothing."""
    return Answer(
        text=text,
        turns=tuple(turns),
        sql=tuple(found.sql) if found else (),
        rows=tuple(found.rows) if found else (),
        tokens=context.tokens,
        calls=calls + (found.calls if found else 0),
        shown=context.turn_ids,
        refusals=tuple(found.refusals) if found else (),
    )


def _latest(turns: Sequence[Turn], tokens: int) -> list[Turn]:
    """As many of the last turns as fit a number of tokens, in the order they were said."""
    kept: list[Turn] = []
    for turn in reversed(turns):
        tokens -= count_tokens(turn_line(turn) + "\n")
        if tokens < 0:
            break
        kept.insert(0, turn)
    return kept


def _alternate(ranked: Sequence[int], quoted: Sequence[int]) -> list[int]:
    """Turns that the model's own SELECTs returned, taken in turn with the ranking's."""
    both: dict[int, None] = {}
    for n in range(max(len(ranked), len(quoted))):
        both.update(dict.fromkeys([*ranked[n : n + 1], *quoted[n : n + 1]]))
    return list(both)
