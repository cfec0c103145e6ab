"""A memory as the heart sees it: open for one question, or for one window of turns."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from inspect import getattr_static
from time import monotonic
from typing import Any, Protocol

import dspy

from memory.errors import ModelError
from memory.evidence.block import RANKED_TURNS, Options, evidence
from memory.evidence.layout import Evidence
from memory.evidence.lines import CATALOG_TOKENS, LEAST_BUDGET, NAME_TOKENS, quoted_turns
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryLike, MemoryReader, reading, writing
from memory.facts.window_writes import WindowWriter
from memory.models.adapters import adapter_for
from memory.program.digest import WindowContext, WindowReading, window_context
from memory.program.look import missing_line
from memory.program.protocol import Question, Shown
from memory.program.signatures.full import (
    NAMES_IN_QUESTION,
    NAMES_IN_WINDOW,
    SUMMARIES_IN_QUESTION,
)
from memory.records import Hit, Rows, Turn, hits_with_turns
from memory.sql import CheckedSelect
from memory.system.provider_calls import CALL_SECONDS
from memory.text.tokens import line_tokens, own_tokens, packaged_tokens


class EvidenceFunction(Protocol):
    """Lays out the evidence for a question (`memory.evidence.block.evidence`)."""

    def __call__(
        self,
        question: UserQuestion,
        reader: MemoryReader,
        hits: Sequence[Hit],
        rows: Sequence[Rows] = (),
        *,
        budget: int,
        options: Options,
    ) -> Evidence:
        """The block."""


_OPTIONS = Options()


def _unheard(step: str) -> None:
    """Report no step."""


@dataclass(frozen=True)
class OpenedMemory:
    """A memory that is open for a question; it keeps `memory.program.heart.Opened`.

    `budget` is in tokens of the `model`, by its name. `progress` is called with each step, and an
    exception in it ends the question. Turns in `without` are shown elsewhere. `known_as` are other
    names of the asker.
    """

    reader: MemoryReader
    budget: int = 0
    model: str = ""
    options: Options = _OPTIONS
    evidence: EvidenceFunction = evidence
    progress: Callable[[str], None] = _unheard
    without: Collection[int] = ()
    known_as: tuple[str, ...] = ()
    ends_at: float | None = None

    def asker(self, name: str) -> str:
        """Who asks, as the memory knows them; its owner if no one is named."""
        return self.reader.asker(name)

    def user_question(self, question: Question) -> UserQuestion:
        """A question as the search and the evidence take it."""
        return UserQuestion(str(question), question.asker, question.today, self.known_as)

    def search(self, question: Question) -> Sequence[Hit]:
        """The nearest turns with their texts, best first."""
        self.progress("finding what was said")
        ranked = self.reader.search(self.user_question(question).ranked_text, RANKED_TURNS)
        hits = [hit for hit in ranked if hit.turn_id not in self.without]
        turns = self.turns([hit.turn_id for hit in hits])
        return hits_with_turns(hits, {turn.id: turn for turn in turns})

    def read(self, select: str | CheckedSelect) -> Rows:
        """The rows of a SELECT. Raises SqlError, written for the model."""
        return self.reader.read(select)

    def turns(self, turn_ids: Sequence[int]) -> Sequence[Turn]:
        """The existing turns with these ids."""
        return self.reader.turns_by_id(turn_ids, missing_ok=True)

    def catalog(self, tokens: int = 0, question: Question | None = None) -> str:
        """What the whole memory holds; for a question also what is known of the names in it."""
        catalog = self.reader.catalog(tokens or CATALOG_TOKENS)
        if question is None:
            return catalog
        if any(summary.text for summary in self.reader.summaries()):
            catalog = f"{catalog}\n{SUMMARIES_IN_QUESTION}"
        names = self.reader.name_lines(f"{question.asker} {question}", NAME_TOKENS)
        return f"{catalog}\n{NAMES_IN_QUESTION}\n{names}" if names else catalog

    def shown(
        self,
        question: Question,
        hits: Sequence[Hit],
        retrieved: dspy.Prediction,
        *,
        looked: bool = False,
    ) -> Shown:
        """The evidence for a question, within the budget; if a model looked, its rows come first.

        Turns that a SELECT named by their ids are shown whole, if they fit.
        """
        note = missing_line(retrieved.get("missing") or ())
        budget = packaged_tokens(self.model, self.budget)
        block = self.evidence(
            self.user_question(question),
            self.reader,
            hits,
            retrieved.rows,
            budget=max(budget - line_tokens(note), LEAST_BUDGET) if note else budget,
            options=replace(
                self.options,
                without=frozenset(self.without),
                opened=frozenset(opened_turns(retrieved)),
                looked=looked,
            ),
        )
        self.progress("looking further" if looked else "answering")
        standing = block.standing
        shown = Shown("\n".join(filter(None, (block.text, note))))
        shown.turn_ids, shown.fact_ids = block.turn_ids, block.fact_ids
        shown.is_all = len(block.turn_ids) >= len(hits) and not block.cut
        shown.tokens = own_tokens(self.model, block.tokens)
        shown.standing, shown.contradictions = tuple(standing.facts), tuple(standing.pairs)
        if not self.options.wishes:  # contradictions are named whatever the model
            askers = self.user_question(question).askers
            shown.contradictions = tuple(self.reader.standing(question, *askers).pairs)
        return shown

    def has_time(self) -> bool:
        """Whether there is time to look something up: as much as one call of the model takes."""
        return self.ends_at is None or monotonic() < self.ends_at

    def window(
        self,
        reading: WindowReading,
        ids: tuple[int, int],
        *,
        window_turns: Sequence[Turn] = (),
        size: int = 0,
        cause: str = "",
        **limits: Any,
    ) -> tuple[WindowContext, WindowWriter]:
        """A window of turns as its prompt shows it, and what stores rows of it.

        `window_turns` are its turns, if they have been read. Without
        ids it is the next window of `size`.
        """
        if not ids[1]:
            ids = self.reader.next_window(size or reading.window)
        as_stored = limits.pop("as_stored")
        turns = window_turns or self.reader.store.turns(*ids)
        context = window_context(self.reader, reading, ids, turns, **limits)
        writer = WindowWriter(
            self.reader.store,
            context.turns,
            ids,
            cause,
            as_stored,
            before=context.before,
            known=context.inputs["known"].removeprefix(NAMES_IN_WINDOW),
            writes_aliases=reading.around,
            asks_again=reading.around,
        )
        return context, writer


def opened_turns(retrieved: dspy.Prediction) -> set[int]:
    """The turns that SELECTs name by their ids and quote."""
    selects = retrieved.get("checked") or ()
    return {turn_id for ids in selects for turn_id in ids} & {*quoted_turns(retrieved.rows)}


@contextmanager
def opened(
    memory: Any, *, weights: Mapping[str, float] | None = None, **settings: Any
) -> Iterator[Any]:
    """A memory, open for a question; anything opened for it is closed afterwards.

    `memory` may be open already: an `OpenedMemory` gets the `settings`, another one keeps its own.
    """
    seconds = float(getattr(dspy.settings.lm, "seconds", CALL_SECONDS))
    if isinstance(memory, OpenedMemory):
        yield replace(memory, ends_at=monotonic() + seconds, **settings)
    elif getattr_static(memory, "shown", None):  # a Memory answers a wrong name with advice
        yield memory
    else:
        with reading(memory, weights) as reader:
            yield OpenedMemory(reader, ends_at=monotonic() + seconds, **settings)


@contextmanager
def opened_to_store(
    memory: MemoryLike | None,
    turns: Sequence[Turn | Mapping[str, Any]] = (),
    weights: Mapping[str, float] | None = None,
) -> Iterator[OpenedMemory]:
    """A memory to write to, or one of these turns that is removed afterwards."""
    with writing(memory, turns, weights) as reader:
        yield OpenedMemory(reader)


@contextmanager
def lm_in_use(module: dspy.Module) -> Iterator[None]:
    """A block whose calls use the adapter that is set, else a fitting one.

    The LM is the predictor's (`set_lm`), or that of `dspy.configure` or `dspy.context`; ModelError
    says what to set if there is none.
    """
    lms = [predictor.lm or dspy.settings.lm for predictor in module.predictors()]
    if not all(lms):
        raise ModelError(
            "no model is set: dspy.configure(lm=dspy.LM('openai/NAME')), or set_lm; or ask a"
            " Memory, which has one"
        )
    lm = lms[0] if lms else dspy.settings.lm
    with dspy.context(adapter=dspy.settings.adapter or adapter_for(lm)):
        yield


def lm_name(module: dspy.Module) -> str:
    """The name of the LM of a module's first call, as `PROVIDER/MODEL`."""
    lms = [predictor.lm or dspy.settings.lm for predictor in module.predictors()]
    return str(getattr(lms[0] if lms else dspy.settings.lm, "model", ""))
