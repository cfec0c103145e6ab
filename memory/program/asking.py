"""A question as people ask it: with its bill, its sources, and the nearest turns if none answers.

The heart (`memory.program.heart`) does not know them. The bill is a callback of DSPy.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import dspy
from dspy.utils.callback import BaseCallback

from memory.errors import UnusableAnswer
from memory.evidence.question import UserQuestion
from memory.models.costs import CallCounter, Usage, add_usage, added, counting
from memory.program.opened import OpenedMemory, opened
from memory.program.quotations import quotations_of
from memory.records import Answer, Hit, Step, StepName

if TYPE_CHECKING:
    from memory.program.heart import AskMemory


_STEPS: tuple[StepName, ...] = ("search", "select", "answer")


class Bill(BaseCallback):
    """What a question costs, step by step: its searching, its SELECTs and its answer.

    A call that asks for a look instead of answering counts as "select".
    """

    def __init__(self, ask: "AskMemory") -> None:
        self._names: dict[int, StepName] = {id(ask.answer): "answer"}
        if ask.sql != "never":
            self._names[id(ask.retrieve)] = "select"
        self._steps: dict[StepName, Step] = {name: Step(name) for name in _STEPS}
        self._calls = CallCounter()
        self._begun: dict[str, tuple[StepName, int, float]] = {}
        self._seconds = 0.0  # of the modules so far

    def on_module_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """Note what was used before a step."""
        if id(instance) in self._names:
            self._begun[call_id] = self._names[id(instance)], len(self._entries), monotonic()

    def on_module_end(
        self, call_id: str, outputs: Any | None, exception: Exception | None = None
    ) -> None:
        """Add what a step used."""
        if call_id not in self._begun:
            return
        name, used, start = self._begun.pop(call_id)
        if isinstance(outputs, dspy.Prediction) and outputs.get("look"):
            name = "select"
        seconds = monotonic() - start
        self._seconds += seconds
        self._add(name, self._entries[used:], seconds)

    @property
    def _entries(self) -> list[dict[str, int]]:
        return [entry for of_model in self._calls.usage_data.values() for entry in of_model]

    def _add(self, name: StepName, entries: list[dict[str, int]], seconds: float) -> None:
        self._steps[name] = added(self._steps[name], entries, seconds)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """A block whose calls are on the bill, and are counted outside as usual."""
        start = monotonic()
        callbacks = [*dspy.settings.callbacks, self]
        try:
            with dspy.context(usage_tracker=self._calls, callbacks=callbacks):
                yield
        finally:
            self._add("search", [], monotonic() - start - self._seconds)
            add_usage(self._calls.usage_data)

    @contextmanager
    def answering(self) -> Iterator[None]:
        """A block of the answer that no module makes: its pieces, as they come."""
        usage: Usage = {}
        start = monotonic()
        try:
            with counting(usage):
                yield
        finally:
            entries = [entry for of_model in usage.values() for entry in of_model]
            self._add("answer", entries, monotonic() - start)

    def steps(self, answer: Answer | dspy.Prediction, hits: Sequence[Hit] = ()) -> tuple[Step, ...]:
        """The steps of an answer, with the rows and the turns that SELECTs brought.

        These are turns that the `hits` of the search would not have filled the same room with.
        """
        shown = {*answer.shown}
        by_search = {hit.turn_id for hit in hits[: len(shown)]}
        rows = sum(len(result.rows) for result in answer.rows)
        new = shown - by_search if rows else frozenset()
        select, search = self._steps["select"], self._steps["search"]
        self._steps["select"] = replace(
            select, rows=rows, turns=len(new), displaced=len(by_search - shown) if rows else 0
        )
        self._steps["search"] = replace(search, turns=len(shown) - len(new))
        return tuple(self._steps.values())


def ask_with_bill(
    ask: "AskMemory",
    question: str,
    memory: Any,
    asker: str = "",
    today: str = "",
    *,
    progress: Callable[[str], None] | None = None,
    **settings: Any,
) -> dspy.Prediction:
    """What AskMemory says, with `steps`, `sources`, `quotations` and `Answer`'s other fields.

    Arguments:
        progress: called with a description of each step. An exception in it ends the question.
        settings: of `AskMemory.forward`.
    """
    bill = Bill(ask)
    with opened(memory, weights=ask.feature_weights) as place:
        if progress and isinstance(place, OpenedMemory):
            place = replace(place, progress=progress)
        try:
            with bill.kept():
                reply = ask(question=question, memory=place, asker=asker, today=today, **settings)
        except UnusableAnswer as error:
            answer: Answer = error.answer
            error.answer = replace(answer, steps=bill.steps(answer))
            raise
        empty = {"citations": (), "memories": (), "shown_facts": (), "shown_memories": ()}
        fields = {
            **empty,
            **reply,
            "steps": bill.steps(reply, reply.hits),
            "quotations": (),
            "sources": (),
        }
        if isinstance(place, OpenedMemory):
            fields["sources"] = tuple(place.turns(reply.turns))
            counted = any(result.rows for result in reply.rows)  # a number that no turn says
            # It may have said in other words that it does not know.
            if reply.basis == "quotes" or not (reply.cites or counted):
                of_asker = UserQuestion(question, place.asker(asker), today)
                fields["quotations"] = quotations_of(of_asker, reply.hits, place.reader)
            if reply.basis == "quotes" and not fields["quotations"]:
                fields["basis"] = "none"
        return dspy.Prediction(**{**fields, "answer": fields.pop("answer")})
