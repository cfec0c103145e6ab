"""Systems that answer questions: the memory program, turns without a memory, facts alone."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from inspect import signature
from pathlib import Path
from typing import Any, Protocol

from locomo.dataset.format import Conversation, Question
from locomo.harness import Result, Setup, runs_of, temporary_memory
from locomo.metrics import recall, score
from locomo.storing_cost import with_repairs
from memory import Hit, Memory, MemoryProgram, Rows, Store, Turn, open_store
from memory.errors import UnusableAnswer
from memory.evidence import (
    LEAST_BUDGET,
    Evidence,
    MemoryReader,
    Options,
    UserQuestion,
    evidence,
    lay_out,
)
from memory.models import (
    Cost,
    Model,
    Step,
    Usage,
    added,
    counting,
    priced,
)
from memory.program import OpenedMemory, Shown, called, estimate, prompt_tokens, turn_tokens
from memory.program import Question as AskedQuestion
from memory.text import mask, own_tokens, packaged_tokens

_ANSWER_ROOM = 500  # tokens that a full conversation leaves for an answer


class System(Protocol):
    """Answers questions about conversations, each from a memory that was built before."""

    @property
    def model(self) -> Model:
        """The model that answers."""

    @property
    def stored_by(self) -> Setup | None:
        """Its setup, which stores the memories that it reads; None for one without a memory."""

    def answers(self, conversation: Conversation) -> bool:
        """Whether it can be asked about this conversation."""

    def cost(self, conversation: Conversation, question: Question) -> Cost:
        """An estimate of what one answer takes, without repairs."""

    def most_cost(self, conversation: Conversation, question: Question) -> Cost:
        """What one answer takes at most."""

    def ask(self, conversation: Conversation, question: Question, path: Path) -> Result:
        """One question, over its own handle on the memory at `path`."""


@dataclass(frozen=True)
class AnsweringAlone:
    """The answering module over turns that something else chose; it reads no memory of ours."""

    setup: Setup

    @property
    def model(self) -> Model:
        """The model that answers."""
        return self.setup.model

    @property
    def stored_by(self) -> None:
        """It reads no memory."""
        return

    def answers(self, conversation: Conversation) -> bool:
        """About any."""
        return True

    def cost(self, conversation: Conversation, question: Question) -> Cost:
        """One call of the answering module."""
        return answer_cost(self.setup, conversation)

    def most_cost(self, conversation: Conversation, question: Question) -> Cost:
        """The same: an answer is not asked for again."""
        return self.cost(conversation, question)


@dataclass(frozen=True)
class NewestTurns(AnsweringAlone):
    """The newest turns that the budget holds."""

    def ask(self, conversation: Conversation, question: Question, path: Path) -> Result:
        """One question; `path` is not read."""
        return ask_newest(conversation, question, self.setup)


@dataclass(frozen=True)
class FullConversation(AnsweringAlone):
    """All turns of the conversations `fitting`, which the model can read whole; no others."""

    fitting: frozenset[str]

    @classmethod
    def of(cls, setup: Setup, conversations: Iterable[Conversation]) -> "FullConversation":
        """The system over the conversations that fit the model's context."""
        beside = prompt_tokens(setup.model, setup.program.answer) + _ANSWER_ROOM
        room = max(setup.model.limits.context - beside, LEAST_BUDGET)
        tokens = packaged_tokens(setup.model.name, room)
        fitting = frozenset(
            conversation.id
            for conversation in conversations
            if len(_newest(conversation, tokens).turn_ids) == len(conversation.turns)
        )
        return cls(replace(setup, budget=room), fitting)

    def answers(self, conversation: Conversation) -> bool:
        """About what the model can read whole."""
        return conversation.id in self.fitting

    def ask(self, conversation: Conversation, question: Question, path: Path) -> Result:
        """One question; `path` is not read."""
        result = ask_newest(conversation, question, self.setup)
        return replace(result, system="full")


@dataclass(frozen=True)
class MemorySystem:
    """The memory program, over the memories that its setup stored."""

    setup: Setup

    @property
    def model(self) -> Model:
        """The model that answers."""
        return self.setup.model

    @property
    def stored_by(self) -> Setup:
        """Its own setup."""
        return self.setup

    def answers(self, conversation: Conversation) -> bool:
        """About any."""
        return True

    def cost(self, conversation: Conversation, question: Question) -> Cost:
        """A call of each module that may run: only the memory tells whether SQL is needed."""
        return answer_cost(self.setup, conversation) + self._retrieving_cost(conversation)

    def most_cost(self, conversation: Conversation, question: Question) -> Cost:
        """The same, with SQL that is refused until the last try."""
        retrieving = with_repairs(self._retrieving_cost(conversation), self.setup.model)
        return answer_cost(self.setup, conversation) + retrieving

    def _retrieving_cost(self, conversation: Conversation) -> Cost:
        setup = self.setup
        retrieve = setup.program.retrieve
        if retrieve is None or setup.sql == "never":
            return Cost()
        if setup.sql == "when it pays" and setup.program.ask.looks:
            return answer_cost(setup, conversation)  # it sees the memory to say what it lacks
        return estimate(setup.model, "retrieve", retrieve, calls=1, inputs=0)

    def ask(self, conversation: Conversation, question: Question, path: Path) -> Result:
        """One question, over its own read-only handle."""
        return ask_memory(conversation, question, self.setup, path)


def conversation_tokens(conversation: Conversation) -> int:
    """About how many tokens all turns of a conversation take as lines of a prompt."""
    characters = sum(len(turn.text) for turn in conversation.turns)
    return turn_tokens(len(conversation.turns), characters)


def answer_cost(setup: Setup, conversation: Conversation) -> Cost:
    """One call of the answering module, with as much of the conversation as the budget holds."""
    memory_tokens = min(setup.budget, conversation_tokens(conversation))
    return estimate(setup.model, "answer", setup.program.answer, calls=1, inputs=memory_tokens)


# --- one question -----------------------------------------------------------------------------


def ask_memory(
    conversation: Conversation,
    question: Question,
    setup: Setup,
    path: Path,
) -> Result:
    """One question to the memory program, over its own read-only handle."""
    start = time.monotonic()
    program, blocks = _with_record(setup.benchmark_program)
    with open_store(path, read_only=True) as store:
        memory = Memory(
            store,
            model=setup.model,
            program=program,
            budget=setup.budget,
        )
        try:
            answer = memory.ask(question.text, speaker=question.asker, now=_now(question))
            unusable = ""
        except UnusableAnswer as error:
            answer, unusable = error.answer, str(error)
        sources = {n: turn.source for n, turn in enumerate(conversation.turns, 1)}
        result = result_of(
            conversation,
            question,
            system="memory",
            answer=answer.text,
            turn_ids=answer.shown,
            start=start,
        )
        ids = {source: n for n, source in sources.items()}
        hidden = [source for source in question.evidence if ids[source] not in answer.shown]
        return replace(
            result,
            tokens=answer.tokens,
            calls=answer.calls,
            steps=answer.steps,
            dollars=_dollars(setup.model, answer.steps),
            unusable=unusable,
            sql=answer.sql,
            rows=sum(len(result_rows.rows) for result_rows in answer.rows),
            facts=blocks[-1].fact_lines if blocks else 0,
            cited=tuple(sources[turn_id] for turn_id in answer.turns),
            without_fact=tuple(source for source in hidden if not _facts_of(store, ids[source])),
        )


def _now(question: Question) -> datetime | None:
    return datetime.fromisoformat(question.question_date) if question.question_date else None


def _with_record(program: MemoryProgram) -> tuple[MemoryProgram, list[Evidence]]:
    """The same program, and a list that collects blocks; the last one is the one shown.

    A block without rows is also made, after the one with rows, to see what these add.
    """
    show = program.ask.evidence
    blocks: list[Evidence] = []
    with_rows: list[Rows] = []

    def recorded(
        question: UserQuestion,
        reader: MemoryReader,
        hits: Sequence[Hit],
        rows: Sequence[Rows] = (),
        **room: Any,
    ) -> Evidence:
        block = show(question, reader, hits, rows, **room)
        if rows or not with_rows:
            blocks.append(block)
        with_rows.extend(rows)
        return block

    return program.asking(evidence=recorded), blocks


def ask_newest(conversation: Conversation, question: Question, setup: Setup) -> Result:
    """The same answering module without a memory: the newest turns that the budget holds."""
    turn_ids = range(len(conversation.turns), 0, -1)
    return ask_about_turns(conversation, question, setup, turn_ids=turn_ids, system="newest")


def _newest(conversation: Conversation, budget: int) -> Evidence:
    """The lines of the newest turns that a budget holds."""
    turns = (as_stored(turn, n) for n, turn in enumerate(conversation.turns, 1))
    return lay_out([], reversed([*turns]), budget)


def ask_about_turns(
    conversation: Conversation,
    question: Question,
    setup: Setup,
    *,
    turn_ids: Iterable[int],
    system: str,
) -> Result:
    """The answering module alone: it reads as many turns, best first, as the budget holds.

    `turn_ids` are numbers in the conversation, from 1.
    """
    start = time.monotonic()
    # A memory stores no secrets and nothing private; nor does a model see them without one.
    turns = (as_stored(conversation.turns[n - 1], n) for n in turn_ids)
    # In tokens of the model that reads, as for the memory (decision 230).
    context = lay_out([], turns, packaged_tokens(setup.model.name, setup.budget))
    shown = Shown(context.text)
    shown.turn_ids = context.turn_ids
    today = question.question_date[:10]
    usage: Usage = {}
    with (
        setup.model.active(),
        _memory_for(conversation, setup) as memory,
        counting(usage),
    ):
        asked_at = time.monotonic()
        answered = called(
            setup.program.answer,
            question=AskedQuestion(question.text, question.asker, today),
            evidence=shown,
            asker=question.asker,
            today=today,
            catalog="",
            memory=memory,
        )
    calls = [call for of_model in usage.values() for call in of_model]
    steps = (added(Step("answer"), calls, time.monotonic() - asked_at),)
    result = result_of(
        conversation,
        question,
        system=system,
        answer=answered.answer,
        turn_ids=context.turn_ids,
        start=start,
    )
    return replace(
        result,
        tokens=own_tokens(setup.model.name, context.tokens),
        calls=answered.calls,
        unusable=answered.unusable,
        steps=steps,
        dollars=_dollars(setup.model, steps),
    )


@contextmanager
def _memory_for(conversation: Conversation, setup: Setup) -> Iterator[OpenedMemory | None]:
    """A memory of all turns for an answering module that takes one; else None.

    A small model's does: it compares an answer with its sources.
    """
    if "memory" not in signature(type(setup.program.answer).forward).parameters:
        yield None
        return
    with temporary_memory(conversation.turns) as store:
        yield OpenedMemory(MemoryReader(store))


def as_stored(turn: Turn, number: int) -> Turn:
    return replace(turn, id=number, text=mask(turn.text).text)


def _dollars(model: Model, steps: Sequence[Step]) -> float | None:
    """What the calls of these steps cost; None if the price is unknown."""
    tokens_in = sum(step.tokens_in for step in steps)
    tokens_out = sum(step.tokens_out for step in steps)
    return priced(model, calls=0, tokens_in=tokens_in, tokens_out=tokens_out).dollars


def result_of(
    conversation: Conversation,
    question: Question,
    system: str,
    answer: str,
    turn_ids: Sequence[int],
    start: float,
) -> Result:
    """An answer with its scores: `turn_ids` were shown, `start` is when it began (monotonic)."""
    sources = {conversation.turns[turn_id - 1].source for turn_id in turn_ids}
    return Result(
        system=system,
        conversation=conversation.id,
        index=question.index,
        category=question.category,
        question_type=question.question_type,
        rubric=question.rubric,
        question=question.text,
        gold=question.answer,
        answer=answer.encode("utf-8", "replace").decode(),  # a lone surrogate goes in no file
        score=score(answer, question),
        recall=recall(sources, question.evidence) if question.evidence else None,
        seconds=round(time.monotonic() - start, 3),
        evidence=tuple(question.evidence),
        shown=runs_of(turn_ids),
    )


def _facts_of(store: Store, turn_id: int) -> int:
    rows = store.read(f"SELECT count(*) AS n FROM facts WHERE turn_id = {turn_id}")
    return int(rows.rows[0][0])


_FACT = ("turn_id", "subject", "attribute", "value", "happened_on", "ended_on")


def all_facts_alone(
    question: UserQuestion,
    reader: MemoryReader,
    hits: Sequence[Hit],
    rows: Sequence[Rows] = (),
    *,
    budget: int,
    options: Options,
) -> Evidence:
    """What is shown instead of turns: the rows, and every fact, by the rank of its turn."""
    facts = tuple(tuple(getattr(fact, name) for name in _FACT) for fact in reader.store.facts())
    every_row = [*rows, Rows(_FACT, facts)]
    options = replace(options, without=_turn_ids(reader.store))
    return evidence(question, reader, hits, every_row, budget=budget, options=options)


def retrieved_facts_alone(
    question: UserQuestion,
    reader: MemoryReader,
    hits: Sequence[Hit],
    rows: Sequence[Rows] = (),
    *,
    budget: int,
    options: Options,
) -> Evidence:
    """What is shown instead of turns: the retrieved rows.

    The packaged model still sees the turns, whose text the caller has hidden: it reads the date of
    a row from them.
    """
    if options.lists:
        options = replace(options, without=_turn_ids(reader.store))
    return evidence(question, reader, hits, rows, budget=budget, options=options)


def _turn_ids(store: Store) -> frozenset[int]:
    return frozenset(turn.id for turn in store.turns())
