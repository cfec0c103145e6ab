"""Memory, which people import: a store, a program that works on it, and a budget of tokens."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from memory.dates import dated_question
from memory.errors import ClaimLostError, HeldError, InputError, SqlError, UnusableAnswer
from memory.program.messages import (
    ABSTAIN,
    asks_memory,
    is_evidence,
    is_news,
    is_quotation,
    is_withdrawn,
)
from memory.prompt import (
    LEAST_BUDGET,
    Context,
    assemble,
    dated_row_lines,
    known_fact_line,
    named_turns,
    quoted_turns,
    row_lines,
    spoken_date,
    turn_lines,
)
from memory.records import Answer, Change, Citation, Fact, Hit, Pending, Rows, Turn
from memory.search.answer_kinds import asks_for_present, asks_for_several
from memory.search.asker import as_asked
from memory.search.attribution import is_by_named, is_told_by_another
from memory.search.words import words
from memory.searcher import Searcher
from memory.store import Store, open_store
from memory.store.turn_validation import sound_text
from memory.terminal import clean_line
from memory.tokens import first_lines

if TYPE_CHECKING:
    from memory.injection import Injected, LtmConfig
    from memory.program import MemoryProgram, Model
    from memory.program.replies import Reply
    from memory.rerank import Reranker
    from memory.sql import CheckedSelect

CATALOG_TOKENS = 1_000
# A window that failed this often waits for somebody to ask for it by `digest(replay=True)`.
WINDOW_ATTEMPTS = 3
_RANKED_TURNS = 400
KNOWN_TOKENS = 1_500  # of the facts that a window may be about: about forty
_TURNS_BEFORE_WINDOW = 3
# The share of the budget that turns keep, and how many turns of the best rows are shown before the
# rows themselves: learnt on gold facts of data/train, see tests.benchmarks.evidence_shown.
_FLOOR, _FLOOR_BESIDE_LISTS = 0.7, 0.5
_BROUGHT_TURNS = 5
_BEFORE_TOKENS = 600
_SEARCHED_CHARACTERS = 500  # of a turn of a window; long ones are documents and pasted texts
_TURNS_BEFORE = 2  # of 1 to 3; 3 supported no more right answers of LoCoMo's seven conversations


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

    def __add__(self, other: Digest) -> Digest:
        sums = {name: count + getattr(other, name) for name, count in vars(self).items()}
        return Digest(**sums)


class Memory:
    """One namespace with language models at work on it.

    Arguments:
        store: a path, an address, or an open Store (which the caller then closes).
        model: "local", any litellm name ("openai/gpt-4o-mini"), or a loaded Model.
        program: a compiled MemoryProgram; the plain one by default. Searches rank by its weights.
        budget: how many tokens of memory the answering model may see; the model's by default.
        api_base: the address of an OpenAI-compatible server for `model`.
        embedder: the name of an embedder for a path or an address, see `open_store`.
        reranker: the name of one, or a Reranker: it puts the best turns in its own order where a
            model is asked, and in `search`. A hosted one gets their texts.

    Warns when the program was compiled for another model, or gained nothing.
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
        reranker: str | Reranker | None = None,
    ) -> None:
        # DSPy takes more than a second to import: it waits until a model is used.
        from memory.program import MemoryProgram, concerns, load_model
        from memory.rerank import load_reranker

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
        self.reranker = load_reranker(reranker) if isinstance(reranker, str) else reranker
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

    @property
    def stores_facts(self) -> bool:
        """Whether a digest makes facts: "local" only where it was tuned or compiled to."""
        from memory.program.modules import stores_facts

        return stores_facts(self.model, self.program)

    def add(self, turns: Turn | Sequence[Turn]) -> list[int]:
        """Store what was said and return the turns' ids; durable on return, no model is asked."""
        return self.store.add([turns] if isinstance(turns, Turn) else turns)

    def digest(
        self,
        replay: bool = False,
        max_calls: int | None = None,
        progress: Callable[[Digest], None] | None = None,
        since: int = 0,
    ) -> Digest:
        """Let the model store the windows it has not stored yet, as facts.

        "local" stores none, and its turns wait for a model that does (`stores_facts`).

        A window whose SQL cannot be repaired waits in `pending` and is tried again by later
        calls, WINDOW_ATTEMPTS times in all, or however often it failed with `replay`. A window
        that would end many facts is held there for a person (`Store.apply_held`); only `replay`
        asks for it again, and no answer then comes from a cache of DSPy. Stops after
        `max_calls` model calls; an interrupted digest goes on where it stopped. `progress` is
        told the sums after each window. Turns before the id `since` are left to a later digest.
        """
        from memory.program.modules import CALLS_WITH_REPAIRS

        sums = Digest()
        if not self.stores_facts:
            return sums
        model = self.model.uncached() if replay else self.model
        for window in self._windows(replay, since):
            try:
                done = self._digest_window(window, model)
                sums = replace(
                    sums,
                    stored=sums.stored + 1,
                    facts=sums.facts + done.facts,
                    calls=sums.calls + done.calls,
                    unsaid=sums.unsaid + done.unsaid,
                )
            except SqlError as error:
                self.store.fail(window, str(error))
                sums = replace(sums, failed=sums.failed + 1, calls=sums.calls + CALLS_WITH_REPAIRS)
            except ClaimLostError as error:
                sums = replace(sums, calls=sums.calls + error.calls)
            except HeldError as error:
                self.store.fail(window, str(error), statement=error.statement)
                sums = replace(sums, failed=sums.failed + 1, calls=sums.calls + error.calls)
            except BaseException as error:
                # A claimed window must not stay claimed. An interruption is no failed attempt.
                self.store.fail(window, f"interrupted: {type(error).__name__}", False)
                raise
            if progress:
                progress(sums)
            if max_calls is not None and sums.calls >= max_calls:
                break
        return sums

    def ask(
        self,
        question: str,
        *,
        asker: str = "",
        now: datetime | None = None,
        progress: Callable[[str], None] = lambda step: None,
    ) -> Answer:
        """Answer from memory, or say that memory does not hold the answer.

        Arguments:
            question: a whole question.
            asker: who asks, by a name that the turns know: I, me and my in the question.
            now: when it is asked: what "last week" in the question counts from. Without it, such
                words count from the newest turn.
            progress: is told, in words, what begins now. What it raises ends the question.

        Raises InputError for an empty question, ModelError when the model cannot be used.
        """
        from memory.program.modules import answer_from

        if not question.strip():
            raise InputError("the question is empty")
        question, asker = sound_text(question), sound_text(asker)
        today = now.date().isoformat() if now else ""
        ranked_text = as_asked(question, asker, today)
        with self.model.active():
            # The packaged model asks facts alone: without any, its SELECT would find nothing.
            has_rows = not self.model.packaged or self._has_facts()
            progress("finding what was said")
            retrieved = self._retrieve(question, asker, today) if has_rows else None
            rows = retrieved.rows if retrieved else ()
            hits = self.search(ranked_text, _RANKED_TURNS)
            context = self.gather(ranked_text, rows, hits=hits)
            if not context.text or self._is_another_meant(hits, rows):
                # Shown nothing, or what somebody else did, a model would invent an answer.
                return answer_from(text=ABSTAIN, cited=(), retrieved=retrieved, context=context)
            progress("answering")
            prediction = self.program.answer(
                question=self._for_model(question, asker, today),
                memory=context.text,
                turn_ids=context.turn_ids,
                asker=asker,
                today=spoken_date(today),
            )
        text, cited = prediction.answer, prediction.turns
        if prediction.unusable and not self.model.packaged:
            nothing = answer_from(text="", cited=(), retrieved=retrieved, context=context)
            raise _unusable(self.model.name, prediction.unusable, nothing)
        if self.model.packaged:  # it invents: what it says counts when turns say it, too
            text, cited = self._grounded(text, question, hits, context=context, rows=rows)
        self.store.count_shown(context.turn_ids)
        answer = answer_from(
            text=text,
            cited=cited,
            retrieved=retrieved,
            context=context,
            calls=prediction.calls,
        )
        return replace(answer, citations=_citations(answer, hits))

    def reply(
        self,
        message: Turn,
        recent: Sequence[Turn] = (),
        character: str = "Assistant",
        persona: str = "",
        known_as: Sequence[str] = (),
    ) -> Reply:
        """Let a character reply to a message, in pieces as they are made. Nothing is stored.

        Arguments:
            message: what was said last, with its id when it is stored already.
            recent: the conversation just before it; its latest turns are shown, as many as fit.
            character: who answers.
            persona: what else the model is to know of the character.
            known_as: names that the message's speaker had before.

        With the packaged model a question is answered by the turn that the ranking puts first, all
        else by a phrase that is right after good and bad news alike, and no model is asked.
        Iterating raises ModelError when the model cannot be used. Raises InputError for an empty
        message.
        """
        from memory.program.replies import Reply, quote_turns, speak, stock_reply

        if not message.text.strip():
            raise InputError("the message is empty")
        if self.model.packaged and asks_memory(message.text):
            pieces = quote_turns(
                message,
                character=character,
                listener_names={message.speaker, *known_as},
                budget=self.budget,
                read=self.read,
                search=partial(self.store.search, weights=self.program.feature_weights),
                turns_by_id=self.store.turns_by_id,
            )
        elif self.model.packaged:
            pieces = stock_reply(message, character)
        else:
            pieces = speak(
                self.model,
                message,
                recent,
                inputs={
                    "character": character,
                    "persona": persona,
                    "known_as": ", ".join(known_as),
                },
                budget=self.budget,
                retrieve=partial(self._retrieve, asker=message.speaker, today=message.said_at),
                gather=self.gather,
            )
        return Reply(self._counted(pieces))

    def context(
        self,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        config: LtmConfig | Mapping[str, Any] | str | Path | None = None,
        speaker: str = "",
        character: str = "",
        character_context: str = "",
        now: datetime | None = None,
        budget: int | None = None,
        session: str = "",
        since: int | None = None,
        reload: bool = False,
    ) -> Injected:
        """What memory holds for a message, as a block for a prompt. No language model is asked.

        The arguments, the errors and the code are those of `memory.injection.inject`, which the
        command `memory context` calls too; `budget` is this memory's by default.
        """
        from memory.injection import inject

        return inject(
            self.store,
            messages,
            config=config,
            speaker=speaker,
            character=character,
            character_context=character_context,
            now=now,
            budget=self.budget if budget is None else budget,
            session=session,
            since=since,
            reload=reload,
            weights=self.program.feature_weights,
        )

    def search(self, question: str, k: int = 10) -> list[Hit]:
        """The best k turns, best first: those of `Store.search`, in the reranker's order.

        When the reranker cannot be used, the ranking's own order stands and a warning is logged
        ("memory.rerank", once until it works again). Raises ModelError like `Store.search`.
        """
        return self.searcher.search(self.store, question, k)

    def read(self, sql: str | CheckedSelect) -> Rows:
        """Run one SELECT that a model may write; `search()` in it ranks by the program's weights.

        Raises SqlError when it is refused, wrong or too slow.
        """
        return self.searcher.read(self.store, sql)

    @property
    def searcher(self) -> Searcher:
        """How this memory searches: by the program's weights, in the reranker's order."""
        return Searcher(self.program.feature_weights, self.reranker)

    def gather(
        self,
        question: str,
        rows: Sequence[Rows] = (),
        without: Collection[int] = (),
        hits: Sequence[Hit] | None = None,
    ) -> Context:
        """What the answering model would see: the rows, then the best turns, within the budget.

        Turns `without` are left out: they are shown elsewhere. `hits` are the turns that `search`
        found for the question; without them, it is searched for.
        """
        if hits is None:
            hits = self.search(question, _RANKED_TURNS)
        ranked = [hit.turn_id for hit in hits]
        rank = {turn_id: place for place, turn_id in enumerate(ranked)}
        if self.model.packaged:
            lines, brought = row_lines(rows, rank), []
        else:
            turn_ids = sorted({turn_id for result in rows for turn_id in named_turns(result)})
            of_rows = self.store.turns_by_id(turn_ids, missing_ok=True)
            said_at = {turn.id: turn.said_at for turn in of_rows}
            lines = dated_row_lines(rows, rank, said_at, ended_last=asks_for_present(question))
            brought = [turn_id for _, turn_id in lines if turn_id][:_BROUGHT_TURNS]
        chosen = _alternate(ranked, [*quoted_turns(rows), *brought])
        # A row may name a turn that is not there, and another process may have forgotten one.
        turns = self.store.turns_by_id(
            [turn_id for turn_id in chosen if turn_id not in without], missing_ok=True
        )
        # A quotation holds nothing that the turns it quotes do not, and a withdrawn correction
        # nothing true (sorting keeps their order).
        originals_first = sorted(
            turns, key=lambda turn: is_quotation(turn.text) or is_withdrawn(turn.text)
        )
        several = self.model.packaged or asks_for_several(question)
        return assemble(
            lines,
            originals_first,
            budget=self.budget,
            floor=_FLOOR_BESIDE_LISTS if several else _FLOOR,
            question=question,
            once=not self.model.packaged,
        )

    def _has_facts(self) -> bool:
        return bool(self.store.read("SELECT id FROM facts LIMIT 1").rows)

    def _evidence(self, hits: Sequence[Hit], context: Context) -> list[Turn]:
        """The turns shown that tell something, the likeliest by the ranking first."""
        ranked = dict.fromkeys([*(hit.turn_id for hit in hits), *context.turn_ids])
        turns = self.store.turns_by_id(
            [turn_id for turn_id in ranked if turn_id in context.turn_ids]
        )
        return [turn for turn in turns if is_evidence(turn.text)]

    def _is_another_meant(self, hits: Sequence[Hit], rows: Sequence[Rows]) -> bool:
        """Whether the packaged model, which hardly sees who said what, had better not be asked."""
        if not self.model.packaged or any(row.rows for row in rows):
            return False
        return is_told_by_another(hits, self.store.turns_by_id)

    def _grounded(
        self,
        text: str,
        question: str,
        hits: Sequence[Hit],
        *,
        context: Context,
        rows: Sequence[Rows],
    ) -> tuple[str, list[int]]:
        """An answer held to the turns shown, and the ids of those that say it.

        Where the question names somebody whose turns are shown, one of theirs must be among them,
        or one that a fact was made of.
        """
        from memory.program.grounding import ground

        def about(turn: Turn) -> str:
            return self._about(turn, question, rows)

        turns = self._evidence(hits, context)
        answer, sources = ground(text, question, turns, about)
        cited = [turn.id for turn in sources]
        by_named = {hit.turn_id for hit in hits if is_by_named(hit)}
        of_facts = {turn_id for _, turn_id in row_lines(rows, {})}
        is_somebody_named = any(turn.id in by_named for turn in turns)
        if cited and is_somebody_named and (by_named | of_facts).isdisjoint(cited):
            return ABSTAIN, []
        return answer, cited

    def _about(self, turn: Turn, question: str, rows: Sequence[Rows]) -> str:
        """What a turn is about, beside its own words: its facts, and what it replies to.

        The turns before it count where the question names its speaker only. For others they
        supported wrong answers: people tell of one thing after another.
        """
        texts = [line for line, turn_id in row_lines(rows, {}) if turn_id == turn.id]
        if not {*words(question)}.isdisjoint(words(turn.speaker)):
            before = self.store.turns(turn.id - _TURNS_BEFORE, turn.id - 1)
            texts += [earlier.text for earlier in before if earlier.session == turn.session]
        return " ".join(texts)

    def _retrieve(self, question: str, asker: str, today: str) -> Any:
        return self.program.retrieve(
            question=self._for_model(question, asker, today),
            catalog=self.store.catalog(CATALOG_TOKENS),
            read=self.read,
            asker=asker,
            today=spoken_date(today),
        )

    def _for_model(self, question: str, asker: str, today: str) -> str:
        """The question as the model reads it: the packaged one is not shown who asks."""
        if self.model.packaged:
            return as_asked(question, asker, today)
        return dated_question(question, today)

    def _counted(self, pieces: Generator[str, None, Answer]) -> Generator[str, None, Answer]:
        """The same pieces; after the last one, the turns shown to the model are counted."""
        answer = yield from pieces
        self.store.count_shown(answer.shown)
        return answer

    def _windows(self, replay: bool, since: int) -> Iterator[tuple[int, int]]:
        """Claim windows one by one: those that wait or failed before, then the turns after them."""
        for pending in self.store.pending():
            if pending.first_turn >= since and is_due(pending, replay):
                yield from self._parts(pending)
        while new := self.store.claim(self.model.window, since=since):
            yield new

    def _parts(self, pending: Pending) -> Iterator[tuple[int, int]]:
        """Claim a pending window in parts that the model can take, until another process does."""
        waiting: Pending | None = pending
        while waiting:
            first, last = waiting.first_turn, waiting.last_turn
            window = self.store.reclaim((first, last), size=self.model.window)
            if window is None:
                return
            yield window
            after = (p for p in self.store.pending() if window[1] < p.first_turn <= last)
            waiting = next(after, None) if window[1] < last else None

    def _digest_window(self, window: tuple[int, int], model: Model) -> Digest:
        """Store one window's facts."""
        from memory.program.stated_facts import dated, is_stated
        from memory.sql import check_writes
        from memory.sql.inserts import revise_inserts

        # From a correction that was undone no fact is made, nor does it tell of others.
        turns = [turn for turn in self.store.turns(*window) if not is_withdrawn(turn.text)]
        turn_of = {turn.id: turn for turn in turns}
        cause = f"digest by {model.name}"
        unsaid = 0

        def as_stored(fact: Fact) -> Fact | None:
            turn = turn_of.get(fact.turn_id)
            if turn is None:  # the store refuses it, with advice for the model
                return fact
            fact = dated(fact, turn)
            return None if model.packaged and not is_stated(fact, turn) else fact

        def write(sql: str) -> Change:
            nonlocal unsaid
            writes, unsaid = revise_inserts(check_writes(sql), as_stored)
            return self.store.write(writes, cause=cause, window=window)

        if not any(is_news(turn.text, model.packaged) for turn in turns):
            # An empty change: the window counts as digested, and no model is asked.
            return Digest(facts=self.store.write("-- none", cause=cause, window=window).facts)
        lines = turn_lines(
            turns,
            budget=model.window_tokens,
            dates=model.dates,
            iso=True,
            spans=not model.packaged,
        )
        # The packaged model is shown its turn alone.
        context = {} if model.packaged else self._window_context(turns)
        with model.active():
            prediction = self.program.store(
                turns=lines, catalog=self.store.catalog(CATALOG_TOKENS), write=write, **context
            )
        return Digest(facts=prediction.change.facts, calls=prediction.calls, unsaid=unsaid)

    def _window_context(self, turns: Sequence[Turn]) -> dict[str, str]:
        """The turns before a window, of its session, and the known facts that it may be about."""
        from memory.related_facts import related_facts

        first = turns[0]
        earlier = self.store.turns(first.id - _TURNS_BEFORE_WINDOW, first.id - 1)
        before = [
            turn
            for turn in earlier
            if turn.session == first.session and not is_withdrawn(turn.text)
        ]
        texts = [f"{turn.speaker}: {turn.text[:_SEARCHED_CHARACTERS]}" for turn in turns]
        weights = self.program.feature_weights
        facts = [fact for fact, _ in related_facts(self.store, texts, weights=weights)]
        return {
            "before": turn_lines(before, budget=_BEFORE_TOKENS, iso=True, spans=True),
            "known": first_lines(map(known_fact_line, facts), KNOWN_TOKENS),
        }


def _unusable(model: str, text: str, answer: Answer) -> UnusableAnswer:
    return UnusableAnswer(
        f"{model} answered {clean_line(text)[:80]!r}, which is no answer from the memory; ask"
        " again, or choose a model that follows instructions",
        answer,
    )


def answer_record(answer: Answer, turns: Sequence[Turn]) -> dict[str, Any]:
    """An answer as a record for JSON, with the turns that it cites."""
    statements = zip(answer.sql, answer.rows, strict=True)
    return {
        "answer": answer.text,
        "turns": [asdict(turn) for turn in turns],
        "citations": [asdict(citation) for citation in answer.citations],
        "sql": [{"statement": statement, **asdict(rows)} for statement, rows in statements],
        "tokens": answer.tokens,
        "calls": answer.calls,
    }


def _citations(answer: Answer, hits: Sequence[Hit]) -> tuple[Citation, ...]:
    """What brought up each turn that an answer cites: the ranking, SELECTs, or both."""
    ranking = {hit.turn_id: (rank, hit.shares) for rank, hit in enumerate(hits, start=1)}
    statements = list(zip(answer.sql, map(named_turns, answer.rows), strict=True))
    citations = []
    for turn_id in answer.turns:
        rank, shares = ranking.get(turn_id, (0, {}))
        sql = tuple(statement for statement, named in statements if turn_id in named)
        citations.append(Citation(turn_id, rank=rank, shares=shares, sql=sql))
    return tuple(citations)


def is_due(window: Pending, replay: bool) -> bool:
    """Whether a digest asks the model again about a window that failed before."""
    return replay or (window.attempts < WINDOW_ATTEMPTS and not window.statement)


def _alternate(ranked: Sequence[int], quoted: Sequence[int]) -> list[int]:
    """Turns that the model's own SELECTs returned, taken in turn with the ranking's."""
    pairs = zip_longest(ranked, quoted)
    turn_ids = [turn_id for pair in pairs for turn_id in pair if turn_id is not None]
    return list(dict.fromkeys(turn_ids))
