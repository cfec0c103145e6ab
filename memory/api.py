"""Memory, the main class: a store, the model and program that work on it, and a token budget."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from memory.answers import citations
from memory.errors import InputError
from memory.prompt import LEAST_BUDGET, Context
from memory.records import Answer, Hit, Rows, Turn
from memory.searcher import Searcher
from memory.store import Store, open_store
from memory.store.turn_validation import sound_text

if TYPE_CHECKING:
    from memory.digest import Digest
    from memory.injection import Injected, LtmConfig
    from memory.program import MemoryProgram, Model
    from memory.program.replies import Reply
    from memory.rerank import Reranker
    from memory.sql import CheckedSelect


class Memory:
    """A namespace with a language model that works on it.

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

    # ---------------------------------------------------------------- storing

    @property
    def stores_facts(self) -> bool:
        """Whether a digest makes facts: "local" only where it was tuned or compiled to."""
        return self.model.stores_facts(self.program)

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
        """Let the model store new windows as facts.

        "local" stores none, and its turns wait for a model that does (`stores_facts`).

        A window whose SQL cannot be repaired waits in `pending` and is tried again by later
        calls, WINDOW_ATTEMPTS times in all, or however often it failed with `replay`. A window
        that would end many facts is held there for a person (`Store.apply_held`); only `replay`
        asks for it again, and no answer then comes from a cache of DSPy. Stops after
        `max_calls` model calls; an interrupted digest goes on where it stopped. `progress` gets
        the sums after each window. Turns before the id `since` are left to a later digest.
        """
        from memory.digest import Digest, digest_windows

        if not self.stores_facts:
            return Digest()
        return digest_windows(
            self.store,
            self.model.uncached() if replay else self.model,
            self.program,
            replay=replay,
            max_calls=max_calls,
            progress=progress,
            since=since,
        )

    # ---------------------------------------------------------------- asking

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
            progress: called with a description of each step. What it raises ends the question.

        Raises InputError for an empty question, ModelError when the model cannot be used.
        """
        from memory.program.messages import ABSTAIN
        from memory.program.model import Retrieval, UserQuestion
        from memory.program.modules import answer_from
        from memory.program.shown_turns import RANKED_TURNS

        if not question.strip():
            raise InputError("the question is empty")
        today = now.date().isoformat() if now else ""
        asked = UserQuestion(sound_text(question), sound_text(asker), today)
        with self.model.active():
            progress("finding what was said")
            query = self.model.write_query(self.program, asked, self._reader)
            hits = self.search(asked.ranked_text, RANKED_TURNS)
            context = self.gather(asked.ranked_text, query.rows if query else (), hits=hits)
            retrieval = Retrieval(query, hits, context)
            if not context.text or self.model.had_better_abstain(retrieval, self._reader):
                return answer_from(text=ABSTAIN, cited=(), retrieved=query, context=context)
            progress("answering")
            answer = self.model.answer(self.program, asked, retrieval, self._reader)
        self.store.count_shown(context.turn_ids)
        return replace(answer, citations=citations(answer, hits))

    def reply(
        self,
        message: Turn,
        recent: Sequence[Turn] = (),
        character: str = "Assistant",
        persona: str = "",
        known_as: Sequence[str] = (),
    ) -> Reply:
        """Let a character reply to a message, streamed in pieces. Nothing is stored.

        Arguments:
            message: what was said last, with its id when it is stored already.
            recent: the conversation just before it; its latest turns are shown, as many as fit.
            character: who answers.
            persona: what else the model should know about the character.
            known_as: names that the message's speaker had before.

        Iterating raises ModelError when the model cannot be used. Raises InputError for an empty
        message.
        """
        from memory.program.model import ChatMessage
        from memory.program.replies import Reply

        if not message.text.strip():
            raise InputError("the message is empty")
        chat_message = ChatMessage(message, recent, character, persona, known_as)
        pieces = self.model.reply(self.program, chat_message, self._reader, self.budget)
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
        """The context for an answer: the rows, then the best turns, within the budget.

        Turns in `without` are left out, because they are shown elsewhere. `hits` are the results of
        `search` for the question; without them, this searches.
        """
        from memory.program.shown_turns import RANKED_TURNS

        if hits is None:
            hits = self.search(question, RANKED_TURNS)
        return self.model.gather(
            question, rows, hits, reader=self._reader, budget=self.budget, without=without
        )

    @property
    def _reader(self) -> _Reader:
        return _Reader(self)

    def _counted(self, pieces: Generator[str, None, Answer]) -> Generator[str, None, Answer]:
        """The same pieces; counts the turns shown to the model after the last one."""
        answer = yield from pieces
        self.store.count_shown(answer.shown)
        return answer


class _Reader:
    """A memory as its model reads it: `memory.program.model.MemoryReader`."""

    def __init__(self, memory: Memory) -> None:
        store = memory.store
        self.read = memory.read
        self.search = memory.search
        self.turns = store.turns
        self.turns_by_id = store.turns_by_id
        self.catalog = store.catalog
